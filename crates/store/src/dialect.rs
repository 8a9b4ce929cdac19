//! What differs between SQLite and PostgreSQL when the program runs; nowhere else in the store.

mod json_rows;
mod keys;
mod leads;
mod locks;
mod paths;
mod sales;
mod server;
mod terms;
mod tracking;
mod writers;

use std::future::Future;

use sea_orm::sea_query::{Expr, SelectStatement, SimpleExpr, Value};
use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable, Statement,
};
use uuid::Uuid;

use crate::error::StoreError;

pub use json_rows::*;
pub use keys::*;
pub use leads::*;
pub use locks::*;
pub use paths::*;
pub use sales::*;
pub use server::*;
pub use terms::*;
pub use tracking::*;
pub use writers::*;

/// What is done about SQLite's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// Nothing: it is looked at.
    Look,
    /// It is brought home as far as no reader stands before it; nobody waits for it.
    BesideWriter,
}

/// How many pages of SQLite's log are not home in the database; none on PostgreSQL.
pub async fn checkpoint(connection: &impl ConnectionTrait, what: Checkpoint) -> Result<i64, DbErr> {
    let backend = connection.get_database_backend();
    if is_postgres(backend) {
        return Ok(0);
    }
    let sql = match what {
        Checkpoint::Look => "PRAGMA wal_checkpoint(NOOP)",
        Checkpoint::BesideWriter => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    let Some(row) = connection
        .query_one_raw(Statement::from_string(backend, sql))
        .await?
    else {
        return Ok(0);
    };
    let (log, home): (i64, i64) = (row.try_get("", "log")?, row.try_get("", "checkpointed")?);
    Ok((log - home).max(0))
}

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is an error.
    Fail,
    /// The new row takes its place.
    Replace,
    /// The new row takes its place, but for these columns: what is derived in the database is written by nothing else.
    ReplaceBut(&'static [&'static str]),
    /// The old row stays.
    Keep,
}

fn is_postgres(backend: DbBackend) -> bool {
    backend == DbBackend::Postgres
}

fn columns<E: EntityTrait>() -> Vec<(&'static str, &'static str)> {
    let kind = |column: &E::Column| match column.def().get_column_type() {
        ColumnType::Uuid => "uuid",
        ColumnType::BigInteger => "bigint",
        ColumnType::Boolean => "boolean",
        _ => "text",
    };
    E::Column::iter()
        .map(|column| (column.as_str(), kind(&column)))
        .collect()
}

/// One statement that inserts any number of rows from one JSON parameter: one prepared text a table.
///
/// `computed` columns are given by an expression instead of the parameter.
pub fn insert<E: EntityTrait>(
    backend: DbBackend,
    rows: String,
    on_conflict: OnConflict,
    computed: &[(&str, &str)],
) -> Statement {
    let table = E::default().table_name().to_owned();
    let columns = columns::<E>();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let computed_as = |name: &str| {
        computed
            .iter()
            .find(|(column, _)| *column == name)
            .map(|(_, expr)| (*expr).to_owned())
    };
    let values: Vec<String> = columns
        .iter()
        .map(|(name, kind)| {
            computed_as(name).unwrap_or_else(|| match (is_postgres(backend), *kind) {
                (true, _) => format!("x.\"{name}\""),
                (false, "uuid") => format!("unhex(x.value->>'{name}', '-')"),
                (false, _) => format!("x.value->>'{name}'"),
            })
        })
        .collect();
    let source = if is_postgres(backend) {
        let typed: Vec<String> = columns
            .iter()
            .filter(|(name, _)| computed_as(name).is_none())
            .map(|(name, kind)| format!("\"{name}\" {kind}"))
            .collect();
        format!("json_to_recordset($1::text::json) AS x({})", typed.join(", "))
    } else {
        "jsonb_each(?1) AS x WHERE true".to_owned()
    };
    let key: Vec<String> = E::PrimaryKey::iter().map(|key| quoted(key.as_str())).collect();
    let conflict = match on_conflict {
        OnConflict::Fail => String::new(),
        OnConflict::Keep => format!(" ON CONFLICT ({}) DO NOTHING", key.join(", ")),
        OnConflict::Replace | OnConflict::ReplaceBut(_) => {
            let stays = match on_conflict {
                OnConflict::ReplaceBut(columns) => columns,
                _ => &[],
            };
            let set: Vec<String> = names
                .iter()
                .filter(|name| !stays.contains(name))
                .map(|name| quoted(name))
                .filter(|name| !key.contains(name))
                .map(|name| format!("{name} = excluded.{name}"))
                .collect();
            format!(
                " ON CONFLICT ({}) DO UPDATE SET {}",
                key.join(", "),
                set.join(", ")
            )
        }
    };
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {source}{conflict}",
        names.join(", "),
        values.join(", ")
    );
    Statement::from_sql_and_values(backend, sql, [rows.into()])
}

/// One statement of several that [`insert`] made, each into another table: they go to the database together.
pub fn insert_together(backend: DbBackend, inserts: Vec<Statement>) -> Statement {
    let (mut texts, mut values) = (vec![], vec![]);
    for (n, insert) in inserts.into_iter().enumerate() {
        texts.push(match is_postgres(backend) {
            true => insert.sql.replacen("($1::", &format!("(${}::", n + 1), 1),
            // The driver counts the parameters of one text through its statements.
            false => insert.sql.replacen("(?1)", "(?)", 1),
        });
        values.extend(insert.values.into_iter().flat_map(|values| values.0));
    }
    let sql = match (is_postgres(backend), texts.split_last()) {
        (true, Some((last, rest))) if !rest.is_empty() => {
            let named = rest.iter().enumerate();
            let named: Vec<String> = named.map(|(n, text)| format!("w{n} AS ({text})")).collect();
            format!("WITH {} {last}", named.join(", "))
        }
        _ => texts.join("; "),
    };
    Statement::from_sql_and_values(backend, sql, values)
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The next number in line: the last one is found by the feed's index.
const SQLITE_SEQ: &str =
    "coalesce((SELECT seq FROM journal ORDER BY epoch DESC, xid DESC, seq DESC LIMIT 1), 0) + x.key + 1";

/// The computed columns of the journal: its place in line. See ARCHITECTURE.md, the feed.
pub fn journal_place(backend: DbBackend) -> [(&'static str, &'static str); 3] {
    let epoch = (
        "epoch",
        "(SELECT version FROM settings WHERE name = 'journal_epoch')",
    );
    if is_postgres(backend) {
        [
            epoch,
            ("xid", "pg_current_xact_id()::text::bigint"),
            ("seq", "nextval('journal_seq')"),
        ]
    } else {
        [epoch, ("xid", "0"), ("seq", SQLITE_SEQ)]
    }
}

/// The condition that hides journal entries as long as older ones may still be committed.
pub fn journal_settled(backend: DbBackend) -> &'static str {
    if is_postgres(backend) {
        "(epoch < (SELECT version FROM settings WHERE name = 'journal_epoch') \
          OR xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)"
    } else {
        "true"
    }
}

/// What was derived of the leads of companies is true until an instant.
pub fn expire_scores(backend: DbBackend, companies: impl IntoIterator<Item = Uuid>, at: i64) -> Statement {
    let is_theirs = id_among(backend, "l.company_id", 1);
    let at_parameter = if is_postgres(backend) { "$2::bigint" } else { "?2" };
    let sql = format!(
        "UPDATE scores SET valid_until = {at_parameter}, is_expired = TRUE WHERE lead_id IN \
         (SELECT l.id FROM leads l WHERE {is_theirs} AND l.merged_into IS NULL)"
    );
    Statement::from_sql_and_values(backend, sql, [ids(backend, companies), Value::from(at)])
}

/// The newest statements about leads or companies (by `column`): of each field, or of those named, the newest by hand and the
/// newest from anywhere else; also all that bear one of these dates.
///
/// How many statements there are of a field costs an index scan, no row of theirs is read.
pub fn newest_statements<'a>(
    backend: DbBackend,
    column: &str,
    of: impl IntoIterator<Item = Uuid>,
    fields: Option<impl IntoIterator<Item = &'a str>>,
    dates: impl IntoIterator<Item = i64>,
) -> Statement {
    let is_wanted = id_among(backend, column, 1);
    let is_of_date = number_among(backend, "n.observed_at", 2);
    let is_stated = match &fields {
        None => String::new(),
        Some(_) => format!(" AND {}", text_among(backend, "field", 3)),
    };
    let sql = format!(
        "SELECT f.* FROM field_values f WHERE f.id IN (SELECT n.id FROM (SELECT id, observed_at, row_number() OVER \
         (PARTITION BY {column}, field, CASE source WHEN 'hand' THEN 2 WHEN 'form' THEN 0 ELSE 1 END ORDER BY observed_at DESC, id DESC) AS place \
         FROM field_values WHERE {is_wanted}{is_stated}) AS n WHERE n.place = 1 OR {is_of_date})"
    );
    let fields = fields.map(|fields| texts(backend, fields));
    let values = [ids(backend, of), numbers(backend, dates)];
    Statement::from_sql_and_values(backend, sql, values.into_iter().chain(fields))
}

/// The identifiers that equal any of the keys in a JSON array of `{kind, system, value}`.
pub fn identifiers_like(backend: DbBackend, keys: String) -> Statement {
    rows_with_keys(backend, "identifiers", keys)
}

/// The identifiers that conversations wait for and that equal any of the keys in a JSON array of `{kind, system, value}`.
pub fn awaited_like(backend: DbBackend, keys: String) -> Statement {
    rows_with_keys(backend, "conversation_keys", keys)
}

fn rows_with_keys(backend: DbBackend, table: &str, keys: String) -> Statement {
    let sql = if is_postgres(backend) {
        format!(
            "SELECT i.* FROM json_to_recordset($1::text::json) AS x(kind text COLLATE \"C\", system text COLLATE \"C\", value text COLLATE \"C\") \
             JOIN {table} i ON i.kind = x.kind AND i.system = x.system AND i.value = x.value"
        )
    } else {
        format!(
            "SELECT i.* FROM json_each(?1) AS x CROSS JOIN {table} i \
             ON i.kind = x.value->>'kind' AND i.system = x.value->>'system' AND i.value = x.value->>'value'"
        )
    };
    Statement::from_sql_and_values(backend, sql, [keys.into()])
}

/// Those of these phones that have more than so many holders, as `value`, with the first of their holders, as `lead_id`: so
/// many of each.
pub fn first_behind_switchboards<'a>(
    backend: DbBackend,
    phones: impl IntoIterator<Item = &'a str>,
    most: u64,
) -> Statement {
    let is_wanted = text_among(backend, "i.value", 1);
    let sql = format!(
        "SELECT held.value AS value, held.lead_id AS lead_id FROM (SELECT i.value AS value, i.lead_id AS lead_id, \
         row_number() OVER (PARTITION BY i.value ORDER BY i.id) AS place, count(*) OVER (PARTITION BY i.value) AS holders \
         FROM identifiers i WHERE i.kind = 'phone' AND i.system = '' AND {is_wanted}) AS held \
         WHERE held.holders > {most} AND held.place <= {most}"
    );
    Statement::from_sql_and_values(backend, sql, [texts(backend, phones)])
}

/// The leads whose e-mail begins with any of these texts up to and including the @, as a JSON array of
/// `{first, end}`, where at most `most` e-mails begin so; at most `limit` rows.
pub fn leads_with_emails_between(backend: DbBackend, ranges: String, most: u64, limit: u64) -> Statement {
    let (from, first, end) = if is_postgres(backend) {
        let record = "json_to_recordset($1::text::json) AS x(first text COLLATE \"C\", \"end\" text COLLATE \"C\") JOIN";
        (record, "x.first", "x.\"end\"")
    } else {
        (
            "json_each(?1) AS x CROSS JOIN",
            "x.value->>'first'",
            "x.value->>'end'",
        )
    };
    let begins = |i: &str| {
        format!("{i}.kind = 'email' AND {i}.system = '' AND {i}.value >= {first} AND {i}.value < {end}")
    };
    // The inner LIMIT stops the count at `most + 1`: the part before the @ is skipped early if too many e-mails share it.
    let sql = format!(
        "SELECT i.lead_id AS lead_id FROM {from} identifiers i ON {} WHERE (SELECT count(*) FROM \
         (SELECT 1 FROM identifiers c WHERE {} LIMIT {}) AS alike) <= {most} LIMIT {limit}",
        begins("i"),
        begins("c"),
        most + 1,
    );
    Statement::from_sql_and_values(backend, sql, [ranges.into()])
}

/// The condition that a row of a table is known by one of the external ids in a JSON array of `{system, id}`.
pub fn id_in_keys(backend: DbBackend, table: &str, keys: String) -> SimpleExpr {
    let sql = if is_postgres(backend) {
        format!(
            "id IN (SELECT d.id FROM json_to_recordset($1::text::json) AS x(system text COLLATE \"C\", id text COLLATE \"C\") \
             JOIN {table} d ON d.external_system = x.system AND d.external_id = x.id)"
        )
    } else {
        format!(
            "id IN (SELECT d.id FROM json_each(?) AS x CROSS JOIN {table} d \
             ON d.external_system = x.value->>'system' AND d.external_id = x.value->>'id')"
        )
    };
    Expr::cust_with_values(sql, [Value::from(keys)])
}

/// Have the statements of this transaction read whole ranges, and take more time than the server's setting allows.
pub async fn plan_report(connection: &impl ConnectionTrait, milliseconds: u64) -> Result<(), DbErr> {
    if !is_postgres(connection.get_database_backend()) {
        return Ok(());
    }
    connection
        .execute_unprepared(&format!(
            "SET LOCAL statement_timeout = {milliseconds}; SET LOCAL enable_seqscan = on; \
             SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on"
        ))
        .await
        .map(drop)
}

/// Run something that only one process may do at a time (SQLite has one process). It must not be nested: the work runs
/// on other connections than the lock.
pub async fn one_at_a_time<F>(connection: &sea_orm::DatabaseConnection, work: F) -> Result<(), StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    if !is_postgres(connection.get_database_backend()) {
        return work.await;
    }
    use sea_orm::TransactionTrait;
    #[expect(
        clippy::disallowed_methods,
        reason = "holds the lock of the migration, not data"
    )]
    let guard = connection.begin().await?;
    guard.execute_unprepared("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    guard
        .execute_unprepared("SELECT pg_advisory_xact_lock(8386103201)")
        .await?;
    let done = work.await;
    guard.commit().await?;
    done
}

/// Make the partitions of a growing table that begin at these instants (milliseconds, first and next), if missing.
pub async fn add_partition(
    connection: &impl ConnectionTrait,
    table: &str,
    name: &str,
    first: Uuid,
    next: Uuid,
) -> Result<(), DbErr> {
    if !is_postgres(connection.get_database_backend()) {
        return Ok(());
    }
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {table}_{name} PARTITION OF {table} FOR VALUES FROM ('{first}') TO ('{next}')"
    );
    connection.execute_unprepared(&sql).await.map(drop)
}

/// All the values of an integer expression in a group as one text, with commas between; nulls are left out.
pub fn joined(backend: DbBackend, expression: &str) -> String {
    if is_postgres(backend) {
        format!("string_agg(({expression})::text, ',')")
    } else {
        format!("group_concat({expression})")
    }
}

/// An expression that SQLite uses no index for: it keeps no statistics by itself, so that it has to be told.
pub fn hidden(backend: DbBackend, expression: &str) -> String {
    if is_postgres(backend) {
        expression.to_owned()
    } else {
        format!("+{expression}")
    }
}

/// A statement that copies the embedded database, as it is at this instant, into an empty file.
pub fn copy_into(backend: DbBackend, path: &str) -> Statement {
    Statement::from_sql_and_values(backend, "VACUUM INTO ?1", [path.into()])
}

/// The placeholder of the n-th parameter.
pub fn parameter(backend: DbBackend, n: usize) -> String {
    if is_postgres(backend) {
        format!("${n}")
    } else {
        format!("?{n}")
    }
}

/// A column for which SQLite chooses no index: it keeps no statistics by itself, so that it has to be told.
pub fn unindexed(backend: DbBackend, table: &str, column: &str) -> SimpleExpr {
    let sign = if is_postgres(backend) { "" } else { "+" };
    Expr::cust(format!("{sign}{table}.{column}"))
}

/// Keep PostgreSQL's planner from looking through a subquery: it plans it for all its rows. SQLite has no such sign, and
/// is told otherwise ([`unindexed`]).
pub fn fence(backend: DbBackend, subquery: &mut SelectStatement) {
    if is_postgres(backend) {
        subquery.offset(0);
    }
}

/// About how many rows a query has: what PostgreSQL's planner expects; counted on SQLite, which expects nothing.
pub async fn estimate(connection: &impl ConnectionTrait, mut query: Statement) -> Result<u64, DbErr> {
    if !is_postgres(query.db_backend) {
        query.sql = format!("SELECT count(*) AS n FROM ({})", query.sql);
        let row = connection.query_one_raw(query).await?;
        return row.map_or(Ok(0), |row| row.try_get::<i64>("", "n").map(|n| n.max(0) as u64));
    }
    query.sql = format!("EXPLAIN (FORMAT JSON) {}", query.sql);
    let Some(row) = connection.query_one_raw(query).await? else {
        return Ok(0);
    };
    let plan: serde_json::Value = row.try_get("", "QUERY PLAN")?;
    Ok(plan[0]["Plan"]["Plan Rows"].as_f64().unwrap_or_default() as u64)
}
