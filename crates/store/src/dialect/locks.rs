//! Locks that last until the end of a transaction: advisory ones on PostgreSQL; on SQLite none, since it has one writer.
//!
//! A transaction takes its locks in one order: exact names, visitors, external ids, names of leads and companies, leads, rows,
//! turns. Within each kind they are sorted. Otherwise two transactions wait for each other, until PostgreSQL ends one after a
//! second.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbErr, Statement};
use uuid::Uuid;

use super::is_postgres;

/// What is locked by slots: the numbers of the slots of each kind are its own.
#[derive(Clone, Copy)]
pub(super) enum Space {
    Names,
    Leads,
    Turns,
    ExternalIds,
    Visitors,
}

impl Space {
    /// The number of its first slot.
    const fn first(self) -> i64 {
        0x7464_6d00_0000_0000 | (self as i64) << 16
    }
}

/// Lock what leads and companies are known by until the end of the transaction.
///
/// Names fall into 512 slots, so that a batch of any size needs few of the server's locks.
pub async fn lock(
    connection: &impl ConnectionTrait,
    names: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    lock_slots(connection, Space::Names, names).await
}

/// Lock the ids that other systems know deals and activities by, before the names of leads.
pub async fn lock_external_ids(
    connection: &impl ConnectionTrait,
    names: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    lock_slots(connection, Space::ExternalIds, names).await
}

/// Lock leads until the end of the transaction, after their identifiers and before their rows.
///
/// A row lock gives the transaction its number, by which the feed orders; an advisory lock does not. So a transaction waits
/// for a lead here, without a number yet, and the numbers follow the order in which the lead was locked.
pub async fn lock_leads(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<(), DbErr> {
    lock_slots(connection, Space::Leads, ids.into_iter().map(|id| id.to_string())).await
}

pub(super) async fn lock_slots(
    connection: &impl ConnectionTrait,
    space: Space,
    names: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if !is_postgres(backend) {
        return Ok(());
    }
    let slots: BTreeSet<i64> = names
        .into_iter()
        .map(|name| space.first() | (fnv1a(&name) % 512) as i64)
        .collect();
    lock_keys(connection, slots).await
}

async fn lock_keys(connection: &impl ConnectionTrait, keys: BTreeSet<i64>) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if keys.is_empty() || !is_postgres(backend) {
        return Ok(());
    }
    let json = serde_json::to_string(&keys).unwrap_or_default();
    let sql = "SELECT pg_advisory_xact_lock(s.key) FROM (SELECT j.value::bigint AS key \
               FROM json_array_elements_text($1::text::json) AS j ORDER BY 1) AS s";
    connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [json.into()]))
        .await
        .map(drop)
}

/// Lock names exactly, not their slots, before any other lock: idempotency keys, settings, what exists once.
pub async fn lock_exactly(connection: &impl ConnectionTrait, names: &[&str]) -> Result<(), DbErr> {
    let keys = names.iter().map(|name| fnv1a(name) as i64).collect();
    lock_keys(connection, keys).await
}

/// Lock a name until the end of the transaction together with others that share it: only [`lock_exactly`] excludes them.
pub async fn lock_shared(connection: &impl ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    if !is_postgres(backend) {
        return Ok(());
    }
    let key = fnv1a(name) as i64;
    let sql = "SELECT pg_advisory_xact_lock_shared($1)";
    connection
        .query_all_raw(Statement::from_sql_and_values(backend, sql, [key.into()]))
        .await
        .map(drop)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): the same in every version of the program.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
