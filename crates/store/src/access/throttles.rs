//! Attempts at passwords, counted for all replicas together.

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tandem_domain::access::throttle::Throttle;
use tandem_domain::instant::Timestamp;

use super::locked;
use crate::db::{Conn, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::throttles;
use crate::write;

/// After so many milliseconds without attempts a count says nothing any more.
const QUIET: i64 = 3_600_000;

/// Take the locks of throttles, until the end of the transaction.
pub async fn lock(tx: &Tx, keys: &[&str]) -> Result<(), StoreError> {
    let names: Vec<String> = keys.iter().map(|key| format!("throttle\u{0}{key}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(dialect::lock_exactly(tx.conn(), &names).await?)
}

/// The attempts behind a key.
pub async fn get(tx: &Tx, key: &str) -> Result<Throttle, StoreError> {
    let row = locked(tx, throttles::Entity::find_by_id(key))
        .one(tx.conn())
        .await?;
    Ok(row.map_or(Throttle::new(tx.act().now), |row| Throttle {
        count: row.count,
        window_started_at: Timestamp::from_millis(row.window_started_at),
        blocked_until: Timestamp::from_millis(row.blocked_until),
    }))
}

/// Keep the attempts behind keys.
pub async fn put(tx: &Tx, throttles: &[(&str, Throttle)]) -> Result<(), StoreError> {
    let rows: Vec<throttles::Model> = throttles
        .iter()
        .map(|(key, throttle)| throttles::Model {
            key: (*key).to_owned(),
            count: throttle.count,
            window_started_at: throttle.window_started_at.millis(),
            blocked_until: throttle.blocked_until.millis(),
        })
        .collect();
    write::insert::<throttles::Entity>(tx, rows.iter(), OnConflict::Replace).await
}

/// Forget the attempts behind a key.
pub async fn forget(tx: &Tx, key: &str) -> Result<(), StoreError> {
    throttles::Entity::delete_by_id(key).exec(tx.conn()).await?;
    Ok(())
}

pub(super) async fn forget_quiet(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let before = now.plus_millis(-QUIET).millis();
    let some = Query::select()
        .column(throttles::Column::Key)
        .from(throttles::Entity)
        .and_where(throttles::Column::WindowStartedAt.lt(before))
        .and_where(throttles::Column::BlockedUntil.lt(before))
        .limit(limit)
        .take();
    let gone = throttles::Entity::delete_many().filter(throttles::Column::Key.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}
