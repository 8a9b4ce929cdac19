//! Reading and listing companies.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::{CompanyId, Id};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Company;
use tandem_domain::leads::search;
use uuid::Uuid;

use super::list::Page;
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::companies;

/// Which companies are listed.
#[derive(Debug, Clone, Default)]
pub struct CompanyFilter {
    /// With this web domain.
    pub domain: Option<String>,
    /// In one of these countries.
    pub country: Vec<String>,
    /// Every word must begin a word of the name.
    pub q: Option<String>,
    /// Put away ones, instead of the others.
    pub archived: bool,
    /// Made at or after.
    pub created_at_gte: Option<Timestamp>,
    /// Made before.
    pub created_at_lt: Option<Timestamp>,
}

/// A company.
pub async fn company(on: &impl Read, id: CompanyId) -> Result<Company, StoreError> {
    let row = companies::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.map(|row| row.into_domain()).ok_or(StoreError::NotFound)
}

/// A page of companies, in the order of their ids.
pub async fn company_list(
    on: &impl Read,
    filter: &CompanyFilter,
    after: Option<CompanyId>,
    limit: u64,
) -> Result<Page<Company>, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut query = companies::Entity::find().filter(companies::Column::IsListed.eq(!filter.archived));
    if let Some(domain) = &filter.domain {
        query = query.filter(companies::Column::Domain.eq(domain));
    }
    if !filter.country.is_empty() {
        query = query.filter(companies::Column::Country.is_in(&filter.country));
    }
    if let Some(at) = filter.created_at_gte {
        query = query.filter(companies::Column::CreatedAt.gte(at.millis()));
    }
    if let Some(at) = filter.created_at_lt {
        query = query.filter(companies::Column::CreatedAt.lt(at.millis()));
    }
    for word in filter.q.as_deref().map(search::query).unwrap_or_default() {
        if let Some(beginning) = word.beginnings.last() {
            query = query.filter(dialect::company_has_term(backend, beginning));
        }
    }
    if let Some(after) = after {
        query = query.filter(Expr::col(companies::Column::Id).gt(after.uuid()));
    }
    let rows = query
        .order_by_asc(companies::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    Ok(Page::of(
        rows.into_iter().map(|row| row.into_domain()).collect(),
        limit,
    ))
}

/// Companies by id.
pub(crate) async fn by_ids(
    on: &impl Read,
    ids: BTreeSet<Uuid>,
) -> Result<HashMap<CompanyId, Company>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let chosen = dialect::id_in(on.conn().get_database_backend(), "id", ids);
    let rows = companies::Entity::find().filter(chosen).all(on.conn()).await?;
    Ok(rows
        .into_iter()
        .map(|row| (Id::from_uuid(row.id), row.into_domain()))
        .collect())
}
