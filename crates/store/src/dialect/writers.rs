//! PostgreSQL's register of the transactions that write, for any number of processes: each holds a shared advisory lock
//! whose number is the millisecond at which it began. See [`crate::horizon`].

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// The upper 16 bits of the locks; the lower 48 are the instant.
const SPACE: i64 = 0x7465;

/// Register the transaction that has just begun. Answers its stamp in milliseconds by the server's clock, read once it is
/// registered, and the revisions of the rules: one statement for both.
pub async fn enter(connection: &impl ConnectionTrait) -> Result<(i64, HashMap<String, i64>), DbErr> {
    let sql = format!(
        "SELECT w.now AS now, r.name AS name, r.revision AS revision FROM (SELECT CASE \
         WHEN pg_try_advisory_xact_lock_shared(({SPACE}::bigint << 48) | {began}) THEN {now} END AS now) AS w \
         LEFT JOIN revisions AS r ON true",
        began = millis("transaction_timestamp()"),
        now = millis("clock_timestamp()"),
    );
    let rows = connection
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let (mut now, mut revisions) = (None, HashMap::new());
    for row in rows {
        now = row.try_get("", "now")?;
        if let Some(name) = row.try_get("", "name")? {
            revisions.insert(name, row.try_get("", "revision")?);
        }
    }
    let now = now.ok_or_else(|| DbErr::Custom("the register of writers is locked".into()))?;
    Ok((now, revisions))
}

/// The instant in milliseconds before which every writer has ended: the least of this statement's beginning, which comes
/// before the look at the register, and the instants at which the writers under way began.
pub async fn horizon(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sql = format!(
        "SELECT least({now}, min(((classid::bigint & 65535) << 32) | objid::bigint)) AS horizon FROM pg_locks \
         WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = {SPACE} \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        now = millis("statement_timestamp()"),
    );
    let row = connection
        .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    row.map_or(Ok(0), |row| row.try_get("", "horizon"))
}

fn millis(instant: &str) -> String {
    format!("floor(extract(epoch FROM {instant}) * 1000)::bigint")
}
