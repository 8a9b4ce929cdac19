//! The words of companies among the search terms of their leads.

use std::collections::BTreeSet;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use tandem_domain::id::EntryId;
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{leads, renamed_companies};
use crate::write::{insert, one_by_one, with_condition};

/// The leads of a company that take over its new words at once; more of them follow by a job.
const AT_ONCE: u64 = 1_000;

/// Whose ids are given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    /// These leads.
    Leads,
    /// All leads of these companies.
    Companies,
}

impl Of {
    fn column(self) -> &'static str {
        match self {
            Of::Leads => "l.id",
            Of::Companies => "l.company_id",
        }
    }
}

/// Leads, known ones that have other words now, lose their own.
pub(crate) fn forget_own(backend: DbBackend, leads: &BTreeSet<Uuid>) -> Option<Statement> {
    let template = "DELETE FROM lead_terms WHERE origin = 'own' AND {}";
    of_these(backend, template, "lead_id", leads)
}

/// Leads lose the words of the company that they had.
pub(crate) fn forget_inherited(backend: DbBackend, of: Of, ids: &BTreeSet<Uuid>) -> Option<Statement> {
    let template =
        "DELETE FROM lead_terms WHERE origin = 'company' AND lead_id IN (SELECT l.id FROM leads l WHERE {})";
    of_these(backend, template, of.column(), ids)
}

/// Leads, which have none of them, take over the words of their company.
pub(crate) fn inherit(backend: DbBackend, of: Of, ids: &BTreeSet<Uuid>) -> Option<Statement> {
    let template = "INSERT INTO lead_terms (term, lead_id, origin) SELECT t.term, l.id, 'company' FROM leads l \
                    JOIN company_terms t ON t.company_id = l.company_id WHERE {}";
    of_these(backend, template, of.column(), ids)
}

fn of_these(backend: DbBackend, template: &str, column: &str, ids: &BTreeSet<Uuid>) -> Option<Statement> {
    let chosen = || dialect::id_in(backend, column, ids.iter().copied());
    (!ids.is_empty()).then(|| with_condition(backend, template, chosen()))
}

/// Leads take over the words of their company instead of those that they had.
async fn renew(tx: &Tx, of: Of, ids: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let steps = [forget_inherited, inherit].into_iter();
    one_by_one(tx, steps.filter_map(|step| step(backend, of, ids))).await
}

/// Companies have other words: few leads follow at once, many are left to [`follow_renames`].
pub(crate) async fn company_renamed(tx: &Tx, companies: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if companies.is_empty() {
        return Ok(());
    }
    let chosen = dialect::id_in(tx.conn().get_database_backend(), "id", companies.iter().copied());
    let has_many = Expr::cust(format!(
        "EXISTS (SELECT 1 FROM leads l WHERE l.company_id = companies.id LIMIT 1 OFFSET {AT_ONCE})"
    ));
    let large: BTreeSet<Uuid> = crate::rows::companies::Entity::find()
        .select_only()
        .column(crate::rows::companies::Column::Id)
        .filter(chosen)
        .filter(has_many)
        .into_tuple()
        .all(tx.conn())
        .await?
        .into_iter()
        .collect();
    renew(tx, Of::Companies, &(companies - &large)).await?;
    // Renamed once more while its leads follow, a company has another mark, and the work starts again.
    let mark: EntryId = tx.act().ids.next();
    let left: Vec<_> = large
        .into_iter()
        .map(|company_id| renamed_companies::Model {
            company_id,
            mark: mark.uuid(),
            done_to: Uuid::nil(),
        })
        .collect();
    insert::<renamed_companies::Entity>(tx, left.iter(), OnConflict::Replace).await
}

/// When leads take over words of a renamed company: at once where one was renamed.
pub async fn next_rename(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let renamed = renamed_companies::Entity::find().one(on.conn()).await?;
    Ok(renamed.map(|_| Timestamp::from_millis(0)))
}

/// So many leads of a renamed company take over its words; whether any are left.
pub async fn follow_renames(tx: &Tx, limit: u64) -> Result<bool, StoreError> {
    let Some(renamed) = renamed_companies::Entity::find()
        .order_by_asc(renamed_companies::Column::CompanyId)
        .one(tx.conn())
        .await?
    else {
        return Ok(false);
    };
    let next: BTreeSet<Uuid> = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(leads::Column::CompanyId.eq(renamed.company_id))
        .filter(leads::Column::Id.gt(renamed.done_to))
        .order_by_asc(leads::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?
        .into_iter()
        .collect();
    let Some(last) = next.last().copied() else {
        renamed_companies::Entity::delete_many()
            .filter(renamed_companies::Column::Mark.eq(renamed.mark))
            .filter(renamed_companies::Column::CompanyId.eq(renamed.company_id))
            .exec(tx.conn())
            .await?;
        return Ok(true);
    };
    dialect::lock_leads(tx.conn(), next.iter().copied()).await?;
    renew(tx, Of::Leads, &next).await?;
    renamed_companies::Entity::update_many()
        .col_expr(renamed_companies::Column::DoneTo, Expr::value(last))
        .filter(renamed_companies::Column::Mark.eq(renamed.mark))
        .filter(renamed_companies::Column::CompanyId.eq(renamed.company_id))
        .exec(tx.conn())
        .await?;
    Ok(true)
}
