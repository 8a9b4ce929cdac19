//! The words of companies among the search terms of their leads.

use std::collections::BTreeSet;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::EntryId;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{leads, renamed_companies};
use crate::write::{execute_with, insert};

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

/// Leads take over the words of their company.
pub(crate) async fn inherit(tx: &Tx, of: Of, ids: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let column = match of {
        Of::Leads => "l.id",
        Of::Companies => "l.company_id",
    };
    let chosen = || dialect::id_in(tx.conn().get_database_backend(), column, ids.iter().copied());
    let forget =
        "DELETE FROM lead_terms WHERE origin = 'company' AND lead_id IN (SELECT l.id FROM leads l WHERE {})";
    for template in [forget, COPY] {
        execute_with(tx, template, chosen()).await?;
    }
    Ok(())
}

const COPY: &str = "INSERT INTO lead_terms (term, lead_id, origin) SELECT t.term, l.id, 'company' FROM leads l \
                    JOIN company_terms t ON t.company_id = l.company_id WHERE {}";

/// Leads that are new take over the words of their company: there is nothing to forget.
pub(crate) async fn inherit_at_first(tx: &Tx, leads: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if leads.is_empty() {
        return Ok(());
    }
    let chosen = dialect::id_in(tx.conn().get_database_backend(), "l.id", leads.iter().copied());
    execute_with(tx, COPY, chosen).await
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
    inherit(tx, Of::Companies, &(companies - &large)).await?;
    // Renamed once more while its leads follow, a company bears another mark, and they begin anew.
    let mark: EntryId = tx.ids().next();
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

/// Whether leads have yet to take over words of a renamed company.
pub async fn has_renames(on: &impl Read) -> Result<bool, StoreError> {
    Ok(renamed_companies::Entity::find().one(on.conn()).await?.is_some())
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
    inherit(tx, Of::Leads, &next).await?;
    renamed_companies::Entity::update_many()
        .col_expr(renamed_companies::Column::DoneTo, Expr::value(last))
        .filter(renamed_companies::Column::Mark.eq(renamed.mark))
        .filter(renamed_companies::Column::CompanyId.eq(renamed.company_id))
        .exec(tx.conn())
        .await?;
    Ok(true)
}
