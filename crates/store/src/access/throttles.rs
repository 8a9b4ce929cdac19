//! Attempts at passwords, counted for all replicas together.

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::access::throttle::Throttle;
use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{known_addresses, throttles};
use crate::write;

/// After so many milliseconds without attempts a count says nothing any more.
const QUIET: i64 = 3_600_000;

/// Take the locks of throttles, until the end of the transaction.
pub async fn lock(tx: &Tx, keys: &[&str]) -> Result<(), StoreError> {
    let names: Vec<String> = keys.iter().map(|key| format!("throttle\u{0}{key}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(dialect::lock_exactly(tx.conn(), &names).await?)
}

/// The attempts behind keys, in their order.
pub async fn get(tx: &Tx, keys: &[&str]) -> Result<Vec<Throttle>, StoreError> {
    let rows = throttles::Entity::find().filter(throttles::Column::Key.is_in(keys.iter().copied()));
    let rows = rows.lock_exclusive().all(tx.conn()).await?;
    let of_key = |key: &&str| {
        let row = rows.iter().find(|row| row.key == **key);
        row.map_or(Throttle::new(tx.act().now), |row| Throttle {
            count: row.count,
            window_started_at: Timestamp::from_millis(row.window_started_at),
            blocked_until: Timestamp::from_millis(row.blocked_until),
        })
    };
    Ok(keys.iter().map(of_key).collect())
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

/// Whether an account is known to be used from an address, by the key of both.
pub async fn is_known(tx: &Tx, key: &str) -> Result<bool, StoreError> {
    let known = known_addresses::Entity::find_by_id(key).one(tx.conn()).await?;
    Ok(known.is_some_and(|known| known.expires_at > tx.act().now.millis()))
}

/// Remember until an instant that an account is used from an address.
pub async fn remember(tx: &Tx, key: &str, until: Timestamp) -> Result<(), StoreError> {
    let row = known_addresses::Model {
        key: key.to_owned(),
        expires_at: until.millis(),
    };
    write::insert::<known_addresses::Entity>(tx, [row].iter(), OnConflict::Replace).await
}

pub(super) async fn forget_known(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let some = Query::select()
        .column(known_addresses::Column::Key)
        .from(known_addresses::Entity)
        .and_where(known_addresses::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone = known_addresses::Entity::delete_many().filter(known_addresses::Column::Key.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
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
