//! Reading and listing companies.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use serde::{Deserialize, Serialize};
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

/// Above this many rows a total is estimated.
const COUNTED: u64 = 10_000;

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

/// What companies are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanySort {
    /// By id alone: in the order in which they were written down.
    Id,
    /// By the instant at which they became known.
    CreatedAt,
    /// By their last change.
    UpdatedAt,
    /// By name, without case and accents.
    Name,
}

/// What a company is compared by, where it is not the id alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CompanyKey {
    /// An instant in milliseconds.
    At(i64),
    /// A name's key.
    Name(String),
}

/// Where a page of companies ends and the next begins.
pub type CompanyPosition = (Option<CompanyKey>, CompanyId);

impl CompanySort {
    const fn column(self) -> Option<companies::Column> {
        match self {
            CompanySort::Id => None,
            CompanySort::CreatedAt => Some(companies::Column::CreatedAt),
            CompanySort::UpdatedAt => Some(companies::Column::UpdatedAt),
            CompanySort::Name => Some(companies::Column::NameKey),
        }
    }

    /// The place of a company in this order.
    pub fn position(self, company: &Company) -> CompanyPosition {
        let key = match self {
            CompanySort::Id => None,
            CompanySort::CreatedAt => Some(CompanyKey::At(company.created_at.millis())),
            CompanySort::UpdatedAt => Some(CompanyKey::At(company.updated_at.millis())),
            CompanySort::Name => {
                let key = company.name().map(search::company_key);
                Some(CompanyKey::Name(key.unwrap_or_default()))
            }
        };
        (key, company.id)
    }
}

/// A company.
pub async fn company(on: &impl Read, id: CompanyId) -> Result<Company, StoreError> {
    let row = companies::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.map(|row| row.into_domain()).ok_or(StoreError::NotFound)
}

/// A page of companies.
pub async fn company_list(
    on: &impl Read,
    filter: &CompanyFilter,
    sort: CompanySort,
    descending: bool,
    after: Option<CompanyPosition>,
    limit: u64,
) -> Result<Page<Company>, StoreError> {
    let mut query = filtered(on.conn().get_database_backend(), filter);
    if let Some((key, id)) = after {
        let (company, place): (SimpleExpr, SimpleExpr) = match sort.column().zip(key) {
            Some((column, key)) => {
                let key = match key {
                    CompanyKey::At(millis) => Expr::val(millis),
                    CompanyKey::Name(name) => Expr::val(name),
                };
                (
                    Expr::tuple([Expr::col(column), Expr::col(companies::Column::Id)]),
                    Expr::tuple([key, Expr::val(id.uuid())]),
                )
            }
            None => (Expr::col(companies::Column::Id), Expr::val(id.uuid())),
        };
        query = query.filter(if descending {
            company.lt(place)
        } else {
            company.gt(place)
        });
    }
    let order = if descending { Order::Desc } else { Order::Asc };
    if let Some(column) = sort.column() {
        query = query.order_by(column, order.clone());
    }
    let rows = query
        .order_by(companies::Column::Id, order)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    Ok(Page::of(
        rows.into_iter().map(|row| row.into_domain()).collect(),
        limit,
    ))
}

/// How many companies a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn company_count(on: &impl Read, filter: &CompanyFilter) -> Result<(u64, bool), StoreError> {
    let backend = on.conn().get_database_backend();
    let all = filtered(backend, filter).select_only().expr(Expr::val(1i64));
    let some = all.clone().limit(COUNTED + 1).into_tuple::<i64>();
    let some = some.all(on.conn()).await?.len() as u64;
    if some <= COUNTED {
        return Ok((some, false));
    }
    let estimate = dialect::estimate(on.conn(), all.build(backend)).await?;
    Ok((estimate.clamp(some, u64::MAX), true))
}

fn filtered(backend: DbBackend, filter: &CompanyFilter) -> Select<companies::Entity> {
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
    query
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
