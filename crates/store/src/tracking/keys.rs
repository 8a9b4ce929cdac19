//! Publishable tracking keys: finding, reading, listing.

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::id::TrackingKeyId;
use tandem_domain::tracking::keys::TrackingKey;

use crate::db::{Conn, Read, Tx};
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::tracking_keys::{Column, Entity};

/// A tracking key.
pub async fn get(on: &impl Read, id: TrackingKeyId) -> Result<TrackingKey, StoreError> {
    let row = Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A tracking key that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: TrackingKeyId) -> Result<TrackingKey, StoreError> {
    let query = Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// The tracking key that this text is, or was before its last rotation.
pub async fn find(on: &impl Read, text: &str) -> Result<Option<TrackingKey>, StoreError> {
    let is_it = Condition::any()
        .add(Column::Key.eq(text))
        .add(Column::PreviousKey.eq(text));
    let row = Entity::find().filter(is_it).one(on.conn()).await?;
    row.map(|row| row.into_domain()).transpose()
}

/// A page of tracking keys, in the order of their ids.
pub async fn list(
    on: &impl Read,
    after: Option<TrackingKeyId>,
    limit: u64,
) -> Result<Page<TrackingKey>, StoreError> {
    let query = Entity::find();
    Keyset::by_id(Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}
