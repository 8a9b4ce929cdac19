//! Promises to customers: reading and listing.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::deals::promises::Promise;
use tandem_domain::id::{ActivityId, CompanyId, DealId, Id, LeadId, PromiseId};
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::page::{Keyset, Page};
use crate::rows::promises;

/// Which promises are listed.
#[derive(Debug, Clone, Default)]
pub struct PromiseFilter {
    /// Of this deal.
    pub deal_id: Option<DealId>,
    /// Of this lead.
    pub lead_id: Option<LeadId>,
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// Those that are done, or those that are not.
    pub done: Option<bool>,
}

/// A promise.
pub async fn get(on: &impl Read, id: PromiseId) -> Result<Promise, StoreError> {
    let row = promises::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A promise that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: PromiseId) -> Result<Promise, StoreError> {
    let query = promises::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// The promises of activities, which are locked, by activity.
pub async fn of_activities(
    tx: &Tx,
    ids: impl IntoIterator<Item = &ActivityId>,
) -> Result<HashMap<ActivityId, Vec<Promise>>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.uuid()).collect();
    let mut found: HashMap<ActivityId, Vec<Promise>> = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let chosen = dialect::id_in(tx.conn().get_database_backend(), "activity_id", ids);
    let query = promises::Entity::find()
        .filter(chosen)
        .order_by_asc(promises::Column::Id)
        .lock_exclusive();
    for row in query.all(tx.conn()).await? {
        if let Some(activity) = row.activity_id {
            let of_activity = found.entry(Id::from_uuid(activity)).or_default();
            of_activity.push(row.into_domain()?);
        }
    }
    Ok(found)
}

/// A page of promises that are not archived, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &PromiseFilter,
    after: Option<PromiseId>,
    limit: u64,
) -> Result<Page<Promise>, StoreError> {
    use promises::Column;
    let mut query = promises::Entity::find().filter(Column::ArchivedAt.is_null());
    if let Some(deal) = filter.deal_id {
        query = query.filter(Column::DealId.eq(deal.uuid()));
    }
    if let Some(lead) = filter.lead_id {
        query = query.filter(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    if let Some(company) = filter.company_id {
        query = query.filter(Column::CompanyId.eq(company.uuid()));
    }
    query = match filter.done {
        Some(true) => query.filter(Column::DoneAt.is_not_null()),
        Some(false) => query.filter(Column::DoneAt.is_null()),
        None => query,
    };
    let line = Keyset::by_id(Column::Id);
    line.read(on, query, after, limit, |row| row.into_domain()).await
}
