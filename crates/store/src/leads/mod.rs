//! Leads and companies: loading the facts of a decision, reading one, listing pages.

mod companies;
pub mod consent;
mod list;
pub(crate) mod terms;
mod world;
mod write;

pub(crate) use companies::by_ids as companies_by_ids;
pub use companies::{CompanyFilter, CompanySort, company, company_count, company_list};
pub use list::{Bounds, LeadFilter, LeadSort, Position, ScoreFilter, count, list, list_within};
pub use terms::{follow_renames, next_rename};
pub use world::{
    add_for_consent, empty_world, world, world_for_companies, world_for_consent, world_for_edit, world_of,
};
pub(crate) use world::{add_missing, add_statements_about, renew, world_by};

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use std::collections::{BTreeSet, HashMap};
use tandem_domain::handoff::qualification::Qualification;
use tandem_domain::id::{Id, LeadId};
use tandem_domain::leads::Lead;
use tandem_domain::leads::consent::ConsentFacts;
use tandem_domain::leads::fields::FieldValue;
use tandem_domain::leads::identity::Key;
use tandem_domain::scoring::StoredScore;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{field_values, identifiers, leads, scores};

/// A lead with the company it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadWithCompany {
    /// The lead.
    pub lead: Lead,
    /// Its company.
    pub company: Option<tandem_domain::leads::Company>,
    /// What stands of its consent.
    pub consent: ConsentFacts,
    /// Its score.
    pub score: Option<StoredScore>,
    /// What is known of its budget, authority, need and timeline.
    pub qualification: Qualification,
}

/// The ids of a lead's members: itself and what was merged into it. Every read of a lead takes them all.
pub(crate) fn members_of(lead: Uuid) -> SelectStatement {
    Query::select()
        .column(leads::Column::Id)
        .from(leads::Entity)
        .and_where(
            Expr::col(leads::Column::Id)
                .eq(lead)
                .or(Expr::col(leads::Column::MergedInto).eq(lead)),
        )
        .take()
}

/// The leads that are there among these.
pub async fn by_ids(
    on: &impl Read,
    ids: impl IntoIterator<Item = LeadId>,
) -> Result<Vec<LeadWithCompany>, StoreError> {
    let backend = sea_orm::ConnectionTrait::get_database_backend(on.conn());
    let rows = leads::Entity::find().filter(crate::dialect::id_in(
        backend,
        "id",
        ids.into_iter().map(Id::uuid),
    ));
    complete(on, rows.all(on.conn()).await?).await
}

/// The ids of a lead's members, as they are now: itself and what was merged into it. Empty where there is no such lead.
pub(crate) async fn members(on: &impl Read, lead: LeadId) -> Result<Vec<Uuid>, StoreError> {
    let found: Vec<Uuid> = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(Condition::all().add(leads::Column::Id.in_subquery(members_of(lead.uuid()))))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found)
}

/// That a row is one of a lead's members: of one lead by equality, so that an index gives the order, however many rows
/// the lead has.
pub(crate) fn of_members<C: ColumnTrait>(column: C, members: &[Uuid]) -> SimpleExpr {
    match members {
        [one] => column.eq(*one),
        several => column.is_in(several.iter().copied()),
    }
}

/// Lock leads and their rows until the end of the transaction: what bears their `lead_id` stays as it is then read.
pub(crate) async fn lock(tx: &Tx, ids: impl IntoIterator<Item = Uuid>) -> Result<(), StoreError> {
    let ids: BTreeSet<Uuid> = ids.into_iter().collect();
    let backend = tx.conn().get_database_backend();
    if backend != DbBackend::Postgres || ids.is_empty() {
        return Ok(());
    }
    dialect::lock_leads(tx.conn(), ids.iter().copied()).await?;
    let rows = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(dialect::id_in(backend, "id", ids))
        .order_by_asc(leads::Column::Id)
        .lock_exclusive();
    let locked: Vec<Uuid> = rows.into_tuple().all(tx.conn()).await?;
    drop(locked);
    Ok(())
}

/// A lead with its company.
pub async fn get(on: &impl Read, id: LeadId) -> Result<LeadWithCompany, StoreError> {
    let row = leads::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?;
    let mut found = complete(on, vec![row]).await?;
    found.pop().ok_or(StoreError::NotFound)
}

/// What was merged into these leads, each with its survivor.
pub(crate) async fn merged_into(
    on: &impl Read,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Uuid>, StoreError> {
    let backend = sea_orm::ConnectionTrait::get_database_backend(on.conn());
    let found: Vec<(Uuid, Uuid)> = leads::Entity::find()
        .select_only()
        .columns([leads::Column::Id, leads::Column::MergedInto])
        .filter(crate::dialect::id_in(backend, "merged_into", ids))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().collect())
}

/// Put leads together from their rows, in their order, with identifiers, consent, scores, qualification and companies: six queries for all.
pub(crate) async fn complete(
    on: &impl Read,
    rows: Vec<leads::Model>,
) -> Result<Vec<LeadWithCompany>, StoreError> {
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let backend = sea_orm::ConnectionTrait::get_database_backend(on.conn());
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let merged = merged_into(on, ids.iter().copied()).await?;
    let of_leads = crate::dialect::id_in(backend, "lead_id", ids.iter().copied());
    let found = scores::Entity::find().filter(of_leads).all(on.conn()).await?;
    let found = found.into_iter().map(|row| (row.lead_id, row.into_domain()));
    let mut scores: HashMap<Uuid, StoredScore> = found.collect();
    let mut qualifications = crate::handoff::qualifications(on, ids.iter().copied()).await?;
    let mut consents = consent::facts_of(on, ids.iter().copied().collect(), &merged).await?;
    let members = ids.into_iter().chain(merged.keys().copied());
    let of_members = crate::dialect::id_in(backend, "lead_id", members);
    let mut identifiers: HashMap<Uuid, Vec<_>> = HashMap::new();
    for row in identifiers::Entity::find()
        .filter(of_members)
        .all(on.conn())
        .await?
    {
        let survivor = merged.get(&row.lead_id).copied().unwrap_or(row.lead_id);
        identifiers.entry(survivor).or_default().push(row.into_domain()?);
    }
    let company_ids: std::collections::BTreeSet<Uuid> =
        rows.iter().filter_map(|row| row.company_id).collect();
    let companies = companies::by_ids(on, company_ids).await?;
    rows.into_iter()
        .map(|row| {
            let own = identifiers.remove(&row.id).unwrap_or_default();
            let consent = consents.remove(&row.id).unwrap_or_default();
            let score = scores.remove(&row.id);
            let qualification = qualifications.remove(&Id::from_uuid(row.id)).unwrap_or_default();
            let lead = row.into_domain(own)?;
            let company = lead.company_id.and_then(|id| companies.get(&id).cloned());
            Ok(LeadWithCompany {
                lead,
                company,
                consent,
                score,
                qualification,
            })
        })
        .collect()
}

/// The lead that has an identifier; for one that was merged, the survivor.
pub async fn find_by_key(on: &impl Read, key: &Key) -> Result<Option<LeadId>, StoreError> {
    let found = identifiers::Entity::find()
        .filter(identifiers::Column::Kind.eq(key.kind.name()))
        .filter(identifiers::Column::System.eq(&key.system))
        .filter(identifiers::Column::Value.eq(&key.value))
        .one(on.conn())
        .await?;
    let Some(found) = found else { return Ok(None) };
    let lead = leads::Entity::find_by_id(found.lead_id)
        .one(on.conn())
        .await?
        .ok_or(StoreError::Corrupt("identifiers"))?;
    Ok(Some(Id::from_uuid(lead.merged_into.unwrap_or(lead.id))))
}

/// Every statement about a lead and its members, field by field, the newest first; at most 1,000.
pub async fn statements(on: &impl Read, id: LeadId) -> Result<Vec<FieldValue>, StoreError> {
    let rows = field_values::Entity::find()
        .filter(Condition::all().add(field_values::Column::LeadId.in_subquery(members_of(id.uuid()))))
        .order_by_asc(field_values::Column::Field)
        .order_by_desc(field_values::Column::ObservedAt)
        .order_by_desc(field_values::Column::Id)
        .limit(1000)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}
