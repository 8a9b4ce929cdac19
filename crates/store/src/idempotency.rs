//! The records of idempotent requests: the first answer, stored and replayed.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{from_json, idempotency, to_json};
use crate::write;

/// How long an answer is stored, in milliseconds: 72 hours.
pub const KEPT_FOR: i64 = 72 * 3_600_000;

/// The stored answer to a request with an `Idempotency-Key`, given again when the request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The hash of the body that it answered.
    pub body_hash: String,
    /// The status.
    pub status: u16,
    /// The headers, by name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The leads that the body shows, for erasure.
    pub lead_ids: Vec<LeadId>,
}

/// Lock a key, so that a twin waits, and look up its record.
pub async fn find(tx: &Tx, key_hash: &str) -> Result<Option<Record>, StoreError> {
    Ok(find_all(tx, &[key_hash]).await?.remove(key_hash))
}

/// [`find`] for any number of keys at once: their records, by key.
pub async fn find_all(tx: &Tx, key_hashes: &[&str]) -> Result<HashMap<String, Record>, StoreError> {
    if key_hashes.is_empty() {
        return Ok(HashMap::new());
    }
    dialect::lock_exactly(tx.conn(), key_hashes).await?;
    let wanted = dialect::text_in(
        tx.conn().get_database_backend(),
        "key_hash",
        key_hashes.iter().copied(),
    );
    let rows = idempotency::Entity::find()
        .filter(wanted)
        .filter(idempotency::Column::ExpiresAt.gt(tx.act().now.millis()))
        .all(tx.conn())
        .await?;
    rows.into_iter()
        .map(|row| {
            let record = Record {
                body_hash: row.body_hash,
                status: u16::try_from(row.status).map_err(|_| StoreError::Corrupt("idempotency"))?,
                headers: from_json("idempotency", &row.headers)?,
                body: row.body,
                lead_ids: from_json("idempotency", &row.lead_ids)?,
            };
            Ok((row.key_hash, record))
        })
        .collect()
}

/// Store an answer, in the transaction of its effect.
pub async fn keep(tx: &Tx, key_hash: &str, record: &Record) -> Result<(), StoreError> {
    keep_all(tx, &[(key_hash, record.clone())]).await
}

/// [`keep`] for any number of answers at once.
pub async fn keep_all(tx: &Tx, records: &[(&str, Record)]) -> Result<(), StoreError> {
    let now = tx.act().now.millis();
    let row = |(key_hash, record): &(&str, Record)| idempotency::Model {
        key_hash: (*key_hash).to_owned(),
        body_hash: record.body_hash.clone(),
        status: i64::from(record.status),
        headers: to_json(&record.headers),
        body: record.body.clone(),
        lead_ids: to_json(&record.lead_ids),
        created_at: now,
        expires_at: now + KEPT_FOR,
    };
    let rows: Vec<idempotency::Model> = records.iter().map(row).collect();
    write::insert::<idempotency::Entity>(tx, rows.iter(), OnConflict::Replace).await
}

/// Forget records that have expired, at most `limit`; answers how many.
pub async fn forget_expired(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let old: Vec<String> = idempotency::Entity::find()
        .select_only()
        .column(idempotency::Column::KeyHash)
        .filter(idempotency::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let done = idempotency::Entity::delete_many()
        .filter(idempotency::Column::KeyHash.is_in(old))
        .filter(idempotency::Column::ExpiresAt.lte(now.millis()))
        .exec(tx.conn())
        .await?;
    Ok(done.rows_affected)
}
