//! Leads and companies: loading the facts of a decision, reading one, listing pages.

mod companies;
pub mod consent;
mod list;
mod read;
pub(crate) mod terms;
mod world;
mod write;

pub(crate) use companies::by_ids as companies_by_ids;
pub use companies::{CompanyFilter, CompanySort, company, company_count, company_list};
pub use list::{Bounds, LeadFilter, LeadPage, LeadSort, Position, ScoreFilter, count, list, list_within};
pub use read::{LeadWithCompany, Part, by_ids, check, get, get_by_key, get_parts};
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
use tandem_domain::id::LeadId;
use tandem_domain::leads::fields::FieldValue;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{field_values, leads};

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

/// What was merged into these leads, each with its survivor.
pub(crate) async fn merged_into(
    on: &impl Read,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Uuid>, StoreError> {
    let mut ids = ids.into_iter().peekable();
    if ids.peek().is_none() {
        return Ok(HashMap::new());
    }
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
