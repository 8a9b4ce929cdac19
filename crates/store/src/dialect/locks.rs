//! Locks that last until the end of a transaction: advisory ones on PostgreSQL; on SQLite none, since it has one writer.
//!
//! A transaction takes its locks in one order: exact names, visitors, external ids, names of leads and companies, leads, rows,
//! turns. Within each kind they are sorted. Otherwise two transactions wait for each other, until PostgreSQL ends one after a
//! second.

use std::collections::BTreeSet;

use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use uuid::Uuid;

use super::{is_postgres, numbers};

/// What a company is named by: its web domain, or the key of its name where it has none.
#[derive(Debug, Clone, Copy)]
pub enum CompanyName<'a> {
    Domain(&'a str),
    Key(&'a str),
}

/// Lock what leads are known by, and what companies are named by that do not exist yet, until the end of the transaction.
///
/// A company that exists keeps its name for good, so that nobody has to wait for it: its row, once it is found by its name, is
/// all that is locked. Names are locked exactly: two of them wait for each other only if they are the same.
pub async fn lock_names<'a>(
    connection: &impl ConnectionTrait,
    identifiers: impl IntoIterator<Item = String>,
    companies: impl IntoIterator<Item = CompanyName<'a>>,
) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if !is_postgres(backend) {
        return Ok(());
    }
    let (mut keys, mut domains, mut names) = (vec![], vec![], vec![]);
    let mut add = |text: &str, domain: &str, name: &str| {
        keys.push(Value::from(key_of(text)));
        domains.push(Value::from(domain));
        names.push(Value::from(name));
    };
    for identifier in identifiers {
        add(&identifier, "", "");
    }
    for company in companies {
        match company {
            CompanyName::Domain(domain) => add(&format!("domain\u{0}{domain}"), domain, ""),
            CompanyName::Key(name) => add(&format!("company\u{0}{name}"), "", name),
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    let sql = "SELECT pg_advisory_xact_lock(s.key) FROM (SELECT DISTINCT x.key FROM unnest($1, $2, $3) AS x(key, domain, name) \
               WHERE NOT EXISTS (SELECT 1 FROM companies c WHERE c.domain = x.domain COLLATE \"C\" AND x.domain <> '') \
               AND NOT EXISTS (SELECT 1 FROM companies c WHERE c.name_key = x.name COLLATE \"C\" AND c.domain IS NULL AND x.name <> '') \
               ORDER BY x.key) AS s";
    let set = |kind, values| Value::Array(kind, Some(Box::new(values)));
    let values = [
        set(ArrayType::BigInt, keys),
        set(ArrayType::String, domains),
        set(ArrayType::String, names),
    ];
    connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
        .await
        .map(drop)
}

/// Lock the ids that other systems know deals and activities by, before the names of leads.
pub async fn lock_external_ids(
    connection: &impl ConnectionTrait,
    names: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    lock_all(connection, names).await
}

/// Lock leads until the end of the transaction, after their identifiers and before their rows.
///
/// A row lock gives the transaction its number, by which the feed orders; an advisory lock does not. So a transaction waits
/// for a lead here, without a number yet, and the numbers follow the order in which the lead was locked.
pub async fn lock_leads(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<(), DbErr> {
    lock_all(connection, ids.into_iter().map(|id| format!("lead\u{0}{id}"))).await
}

/// Lock names of one kind, whose first word says which.
pub(super) async fn lock_all(
    connection: &impl ConnectionTrait,
    names: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    if !is_postgres(connection.get_database_backend()) {
        return Ok(());
    }
    lock_keys(connection, names.into_iter().map(|name| key_of(&name)).collect()).await
}

async fn lock_keys(connection: &impl ConnectionTrait, keys: BTreeSet<i64>) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if keys.is_empty() || !is_postgres(backend) {
        return Ok(());
    }
    let sql = "SELECT pg_advisory_xact_lock(s.key) FROM (SELECT x.key FROM unnest($1) AS x(key) ORDER BY x.key) AS s";
    let keys = numbers(backend, keys);
    connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [keys]))
        .await
        .map(drop)
}

/// Lock names before any other lock: idempotency keys, settings, what exists once.
pub async fn lock_exactly(connection: &impl ConnectionTrait, names: &[&str]) -> Result<(), DbErr> {
    let keys = names.iter().map(|name| key_of(name)).collect();
    lock_keys(connection, keys).await
}

/// Lock a name until the end of the transaction together with others that share it: only [`lock_exactly`] excludes them.
pub async fn lock_shared(connection: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if !is_postgres(backend) {
        return Ok(());
    }
    let key = key_of(name);
    let sql = "SELECT pg_advisory_xact_lock_shared($1)";
    connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [key.into()]))
        .await
        .map(drop)
}

/// The number of a lock: negative, since the register of writers (`writers.rs`) has the others.
fn key_of(name: &str) -> i64 {
    fnv1a(name) as i64 | i64::MIN
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): the same in every version of the program.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
