//! Deals: loading the facts of a decision, reading one with its history, listing pages.

pub mod handover;
mod list;
mod paths;
pub mod pipelines;
pub mod promises;
pub mod quotes;
pub mod revenue;
mod write;

pub use list::{DealFilter, DealSort, Span, count, list};
pub(crate) use paths::freeze;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde_json::json;
use tandem_domain::activities::Objection;
use tandem_domain::deals::{Deal, DealMove, Member};
use tandem_domain::id::{CompanyId, DealId, Id, LeadId};
use tandem_domain::settings::{CurrencySettings, name};
use tandem_domain::world::World;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads;
use crate::own::{locked, with_own};
use crate::rows::{deal_leads, deal_moves, deal_objections, deals, to_json};
use crate::union::found_by_any;

/// Which deals, and what belongs to them, a decision needs beside its leads.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// These deals.
    pub ids: BTreeSet<DealId>,
    /// The deals that other systems know by these, as (system, id).
    pub keys: BTreeSet<(String, String)>,
    /// All deals whose primary lead is one of these.
    pub lead_ids: BTreeSet<LeadId>,
    /// These companies, to be known by.
    pub company_ids: BTreeSet<CompanyId>,
}

/// The facts that a decision about one deal is made on: the deal, its primary lead with all of its deals, the leads
/// that are to join it, the pipelines.
pub async fn world_of(
    tx: &Tx,
    id: DealId,
    joining: impl IntoIterator<Item = LeadId>,
    company_id: Option<CompanyId>,
) -> Result<World, StoreError> {
    // The primary lead is fixed, so that it can be read before it is locked.
    let primary: Option<Option<Uuid>> = deals::Entity::find_by_id(id.uuid())
        .select_only()
        .column(deals::Column::PrimaryLeadId)
        .into_tuple()
        .one(tx.conn())
        .await?;
    let primary = primary.ok_or(StoreError::NotFound)?.map(Id::from_uuid);
    let lead_ids: BTreeSet<LeadId> = joining.into_iter().chain(primary).collect();
    let mut world = leads::world_of(tx, lead_ids).await?;
    let wanted = Wanted {
        ids: [id].into(),
        lead_ids: primary.into_iter().collect(),
        company_ids: company_id.into_iter().collect(),
        ..Wanted::default()
    };
    add_to(tx, &mut world, &wanted).await?;
    Ok(world)
}

/// Add deals with their pipelines to a world whose leads are loaded and locked: for any number of deals, in a handful
/// of queries. Every lead that a loaded deal belongs to as its primary one should be loaded before.
pub async fn add_to(tx: &Tx, world: &mut World, wanted: &Wanted) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let missing = wanted
        .company_ids
        .iter()
        .filter(|id| !world.companies.contains_key(id));
    let missing: BTreeSet<Uuid> = missing.map(|id| id.uuid()).collect();
    for company in leads::companies_by_ids(tx, missing).await?.into_values() {
        world.add_company(company);
    }
    for pipeline in pipelines::shared(tx).await? {
        world.sales.pipelines.insert(pipeline.id, pipeline);
    }
    let keys: Vec<_> = wanted
        .keys
        .iter()
        .map(|(system, id)| json!({"system": system, "id": id}))
        .collect();
    let ids = wanted.ids.iter().map(|id| id.uuid());
    let leads = wanted.lead_ids.iter().map(|id| id.uuid());
    let ways = [
        dialect::id_in(backend, "id", ids),
        dialect::id_in(backend, "primary_lead_id", leads),
        dialect::id_in_keys(backend, "deals", to_json(&keys)),
    ];
    let chosen = found_by_any::<deals::Entity>(deals::Column::Id, ways);
    let query = deals::Entity::find()
        .filter(chosen)
        .order_by_asc(deals::Column::Id);
    let query = locked(tx, query, deals::Column::Id).await?;
    for deal in read(tx, query).await? {
        world.add_deal(deal);
    }
    Ok(())
}

/// The primary leads of deals, which are fixed.
pub(crate) async fn primary_leads(tx: &Tx, ids: &BTreeSet<DealId>) -> Result<Vec<LeadId>, StoreError> {
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let chosen = dialect::id_in(
        tx.conn().get_database_backend(),
        "id",
        ids.iter().map(|id| id.uuid()),
    );
    let found: Vec<Option<Uuid>> = deals::Entity::find()
        .select_only()
        .column(deals::Column::PrimaryLeadId)
        .filter(chosen)
        .into_tuple()
        .all(tx.conn())
        .await?;
    Ok(found.into_iter().flatten().map(Id::from_uuid).collect())
}

/// Lock the ids that other systems know deals by, before anything else: who opens a deal under one sees whether
/// another has it.
pub async fn lock_keys(tx: &Tx, keys: impl IntoIterator<Item = (String, String)>) -> Result<(), StoreError> {
    let names = keys
        .into_iter()
        .map(|(system, id)| format!("deal\u{0}{system}\u{0}{id}"));
    Ok(dialect::lock_external_ids(tx.conn(), names).await?)
}

/// A deal.
pub async fn get(on: &impl Read, id: DealId) -> Result<Deal, StoreError> {
    let found = read(on, deals::Entity::find_by_id(id.uuid())).await?;
    found.into_iter().next().ok_or(StoreError::NotFound)
}

/// The deal that another system knows by this id.
pub async fn find_by_key(on: &impl Read, system: &str, id: &str) -> Result<Option<Deal>, StoreError> {
    let query = deals::Entity::find()
        .filter(deals::Column::ExternalSystem.eq(system))
        .filter(deals::Column::ExternalId.eq(id));
    Ok(read(on, query).await?.pop())
}

/// The moves of a deal, oldest first; at most 1,000.
pub async fn moves(on: &impl Read, id: DealId) -> Result<Vec<DealMove>, StoreError> {
    let rows = deal_moves::Entity::find()
        .filter(deal_moves::Column::DealId.eq(id.uuid()))
        .order_by_asc(deal_moves::Column::At)
        .order_by_asc(deal_moves::Column::Id)
        .limit(1000)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// What is known of the closing of a deal beside its row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClosingFacts {
    /// The objections that were stated, in their order.
    pub objections: Vec<Objection>,
    /// How many touches before the closing became known after it: they are not on its path. `None` of an open deal.
    pub late_touches: Option<i64>,
}

/// What is known of the closings of deals.
pub async fn closing_facts(
    on: &impl Read,
    ids: impl IntoIterator<Item = DealId>,
) -> Result<HashMap<DealId, ClosingFacts>, StoreError> {
    let ids: Vec<DealId> = ids.into_iter().collect();
    let mut found: HashMap<DealId, ClosingFacts> = HashMap::new();
    for (id, objections) in objections(on, ids.iter().copied()).await? {
        found.entry(id).or_default().objections = objections;
    }
    for (id, late) in late_touches(on, ids).await? {
        found.entry(id).or_default().late_touches = Some(late);
    }
    Ok(found)
}

/// The objections that were stated when deals were closed, in their order; nothing of a deal without any.
async fn objections(
    on: &impl Read,
    ids: impl IntoIterator<Item = DealId>,
) -> Result<HashMap<DealId, Vec<Objection>>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(Id::uuid).collect();
    let mut found: HashMap<DealId, Vec<Objection>> = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let chosen = dialect::id_in(on.conn().get_database_backend(), "deal_id", ids);
    let rows = deal_objections::Entity::find()
        .filter(chosen)
        .order_by_asc(deal_objections::Column::DealId)
        .order_by_asc(deal_objections::Column::Position);
    for row in rows.all(on.conn()).await? {
        let of_deal = found.entry(Id::from_uuid(row.deal_id)).or_default();
        of_deal.push(row.into_domain());
    }
    Ok(found)
}

/// Of each closed deal, how many touches before its closing became known after it.
async fn late_touches(
    on: &impl Read,
    ids: impl IntoIterator<Item = DealId>,
) -> Result<HashMap<DealId, i64>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(Id::uuid).collect();
    let mut found = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let statement = dialect::late_touches(on.conn().get_database_backend(), to_json(&ids));
    for row in on.conn().query_all_raw(statement).await? {
        let deal_id = Id::from_uuid(row.try_get("", "deal_id")?);
        // Touches that moved to another lead since are not late ones.
        found.insert(deal_id, row.try_get::<i64>("", "late")?.max(0));
    }
    Ok(found)
}

/// The lock on the base currency: who values deals in it shares it, who changes it has it alone.
const BASE_CURRENCY: &str = "base_currency";

/// Whether any deal has been valued in another currency than this one, also where it was opened again since: its revenue
/// stands with its moves. Until the end of the transaction nobody values one.
pub async fn is_valued_otherwise(tx: &Tx, currency: &str) -> Result<bool, StoreError> {
    dialect::lock_exactly(tx.conn(), &[BASE_CURRENCY]).await?;
    let closed = deals::Entity::find().filter(deals::Column::BaseCurrency.ne(currency));
    if exists(tx, closed, deals::Column::Id).await? {
        return Ok(true);
    }
    // Only moves with revenue are in the index.
    let moved = deal_moves::Entity::find()
        .filter(deal_moves::Column::Revenue.is_not_null())
        .filter(deal_moves::Column::BaseCurrency.ne(currency));
    exists(tx, moved, deal_moves::Column::Id).await
}

async fn exists<E: EntityTrait>(on: &impl Read, rows: Select<E>, id: E::Column) -> Result<bool, StoreError> {
    let found = rows.select_only().column(id).into_tuple::<Uuid>();
    Ok(found.one(on.conn()).await?.is_some())
}

/// Keep the base currency as it is until the end of a transaction that values deals in it; `Contended` where it is
/// another one by now than the one that they were valued in.
pub(crate) async fn keep_base_currency(tx: &Tx) -> Result<(), StoreError> {
    dialect::lock_shared(tx.conn(), BASE_CURRENCY).await?;
    let kept = crate::settings::get(tx, name::CURRENCY).await?;
    let kept: Option<CurrencySettings> =
        serde_json::from_value(kept.value).map_err(|_| StoreError::Corrupt("settings"))?;
    if kept.unwrap_or_default().currency == tx.rules().money.base {
        Ok(())
    } else {
        Err(StoreError::Contended)
    }
}

/// The leads of a deal, for [`with_own`].
const LEADS: &str = "deal_leads x WHERE x.deal_id = deals.id";

/// The deals of a query, in its order, with their leads.
pub(crate) async fn read(on: &impl Read, query: Select<deals::Entity>) -> Result<Vec<Deal>, StoreError> {
    let found = with_own::<_, deal_leads::Entity>(on, query, LEADS).await?;
    found
        .into_iter()
        .map(|(deal, leads)| with_leads(deal, leads))
        .collect()
}

fn with_leads(deal: deals::Model, mut leads: Vec<deal_leads::Model>) -> Result<Deal, StoreError> {
    leads.sort_by_key(|lead| lead.position);
    let members: Result<Vec<Member>, StoreError> = leads.into_iter().map(|lead| lead.into_domain()).collect();
    deal.into_domain(members?)
}
