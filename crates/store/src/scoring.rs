//! What is derived of leads and until when it is true: what changes many leads at once makes it untrue, and a job judges
//! them again.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::{Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::change::LeadChange;
use tandem_domain::settle::Unsettled;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::world_of;
use crate::rows::scores::{Column, Entity};
use crate::rows::to_json;
use crate::write::settle_all;

/// The leads of which what was derived is no longer true, the longest first; at most so many.
async fn stale(on: &impl Read, now: Timestamp, limit: u64) -> Result<Vec<Uuid>, StoreError> {
    Ok(Entity::find()
        .select_only()
        .column(Column::LeadId)
        .filter(Column::ValidUntil.lte(now.millis()))
        .order_by_asc(Column::ValidUntil)
        .order_by_asc(Column::LeadId)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?)
}

/// Companies changed: what was derived of their leads is no longer true.
pub(crate) async fn company_changed(tx: &Tx, companies: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if companies.is_empty() || tx.act().is_history() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let statement = dialect::expire_scores(backend, to_json(companies), tx.act().now.millis());
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

/// When the first lead is to be judged again.
pub async fn next_stale(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let first: Option<i64> = Entity::find()
        .select_only()
        .column(Column::ValidUntil)
        .filter(Column::ValidUntil.is_not_null())
        .order_by_asc(Column::ValidUntil)
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(first.map(Timestamp::from_millis))
}

/// Judge leads again of which what was derived is no longer true, `limit` at most; answers whether some are left.
pub async fn refresh(tx: &Tx, limit: u64) -> Result<bool, StoreError> {
    let now = tx.act().now;
    let found = stale(tx, now, limit).await?;
    let is_left = found.len() as u64 == limit;
    let mut world = world_of(tx, found.iter().copied().map(Id::from_uuid)).await?;
    // Read again under the locks of the leads: another replica may have been faster.
    let backend = tx.conn().get_database_backend();
    let still: BTreeSet<Uuid> = Entity::find()
        .select_only()
        .column(Column::LeadId)
        .filter(dialect::id_in(backend, "lead_id", found.iter().copied()))
        .filter(Column::ValidUntil.lte(now.millis()))
        .into_tuple()
        .all(tx.conn())
        .await?
        .into_iter()
        .collect();
    let again = found.into_iter().filter(|id| still.contains(id)).map(|id| {
        let lead_id: LeadId = Id::from_uuid(id);
        let refreshed = LeadChange::Refreshed { lead_id };
        (tx.act(), Unsettled::from_iter([refreshed]))
    });
    settle_all(tx, &mut world, again.collect()).await?;
    Ok(is_left)
}
