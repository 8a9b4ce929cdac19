//! Segments: reading, listing, and how many leads are in them.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::id::{Id, SegmentId};
use tandem_domain::segments::Segment;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{segment_members, segments};

/// A segment.
pub async fn get(on: &impl Read, id: SegmentId) -> Result<Segment, StoreError> {
    let row = segments::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A segment that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: SegmentId) -> Result<Segment, StoreError> {
    let query = segments::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of segments, in the order of their ids.
pub async fn list(on: &impl Read, after: Option<SegmentId>, limit: u64) -> Result<Page<Segment>, StoreError> {
    let line = Keyset::by_id(segments::Column::Id);
    let all = segments::Entity::find();
    line.read(on, all, after, limit, |row| row.into_domain()).await
}

/// How many leads are in each of these segments.
pub async fn members(
    on: &impl Read,
    ids: impl IntoIterator<Item = SegmentId>,
) -> Result<HashMap<SegmentId, i64>, StoreError> {
    use segment_members::{Column, Entity};
    let backend = on.conn().get_database_backend();
    let ids = ids.into_iter().map(Id::uuid);
    let counted: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::SegmentId)
        .column_as(Column::LeadId.count(), "members")
        .filter(dialect::id_in(backend, "segment_id", ids))
        .group_by(Column::SegmentId)
        .into_tuple()
        .all(on.conn())
        .await?;
    let counted = counted.into_iter();
    Ok(counted.map(|(id, count)| (Id::from_uuid(id), count)).collect())
}
