//! Revenue after the win: reading and listing.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use tandem_domain::deals::revenue::{RevenueEntry, RevenueKind};
use tandem_domain::id::{CompanyId, LeadId, RevenueEntryId};
use tandem_domain::instant::Day;
use tandem_domain::leads::ExternalId;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::page::{self, Keyset, Page};
use crate::rows::revenue_entries;

/// Which entries are listed.
#[derive(Debug, Clone, Default)]
pub struct RevenueFilter {
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// Of this lead.
    pub lead_id: Option<LeadId>,
    /// Of one of these kinds.
    pub kind: Vec<RevenueKind>,
    /// On this day or later.
    pub on_gte: Option<Day>,
    /// Before this day.
    pub on_lt: Option<Day>,
}

/// An entry.
pub async fn get(on: &impl Read, id: RevenueEntryId) -> Result<RevenueEntry, StoreError> {
    let query = revenue_entries::Entity::find_by_id(id.uuid());
    let row = query.one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Lock the id that the system that invoices knows an entry by; the entry that has it, if any.
pub async fn lock_key(tx: &Tx, key: &ExternalId) -> Result<Option<RevenueEntry>, StoreError> {
    let name = format!("revenue\u{0}{}\u{0}{}", key.system, key.id);
    dialect::lock_external_ids(tx.conn(), [name]).await?;
    let found = revenue_entries::Entity::find()
        .filter(revenue_entries::Column::ExternalSystem.eq(&key.system))
        .filter(revenue_entries::Column::ExternalId.eq(&key.id))
        .one(tx.conn())
        .await?;
    found.map(|row| row.into_domain()).transpose()
}

/// A page of entries, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &RevenueFilter,
    after: Option<RevenueEntryId>,
    limit: u64,
) -> Result<Page<RevenueEntry>, StoreError> {
    let line = Keyset::by_id(revenue_entries::Column::Id);
    line.read(on, filtered(filter), after, limit, |row| row.into_domain())
        .await
}

/// How many entries a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &RevenueFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(filter)).await
}

fn filtered(filter: &RevenueFilter) -> Select<revenue_entries::Entity> {
    use revenue_entries::Column;
    let mut query = revenue_entries::Entity::find();
    if let Some(company) = filter.company_id {
        query = query.filter(Column::CompanyId.eq(company.uuid()));
    }
    if let Some(lead) = filter.lead_id {
        query = query.filter(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    if !filter.kind.is_empty() {
        query = query.filter(Column::Kind.is_in(filter.kind.iter().map(|kind| kind.name())));
    }
    if let Some(day) = filter.on_gte {
        query = query.filter(Column::HappenedOn.gte(day.to_string()));
    }
    if let Some(day) = filter.on_lt {
        query = query.filter(Column::HappenedOn.lt(day.to_string()));
    }
    query
}
