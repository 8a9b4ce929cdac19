//! Revenue after the win: reading and listing.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Select};
use serde_json::json;
use tandem_domain::deals::revenue::{RevenueEntry, RevenueKind};
use tandem_domain::id::{CompanyId, LeadId, RevenueEntryId};
use tandem_domain::instant::Day;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::page::{self, Keyset, Page};
use crate::rows::{revenue_entries, to_json};

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

/// Lock the ids that systems which invoice know entries by, as (system, id); the entries that have them.
pub async fn lock_keys(
    tx: &Tx,
    keys: BTreeSet<(String, String)>,
) -> Result<HashMap<(String, String), RevenueEntry>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let names = keys
        .iter()
        .map(|(system, id)| format!("revenue\u{0}{system}\u{0}{id}"));
    dialect::lock_external_ids(tx.conn(), names).await?;
    let keys: Vec<_> = keys
        .iter()
        .map(|(system, id)| json!({"system": system, "id": id}))
        .collect();
    let backend = tx.conn().get_database_backend();
    let chosen = dialect::id_in_keys(backend, "revenue_entries", to_json(&keys));
    let rows = revenue_entries::Entity::find().filter(chosen);
    let rows = rows.all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        let key = (row.external_system.clone(), row.external_id.clone());
        Ok((key, row.into_domain()?))
    })
    .collect()
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
