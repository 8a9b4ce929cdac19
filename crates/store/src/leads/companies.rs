//! Reading and listing companies.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Select};
use tandem_domain::id::{CompanyId, Id, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Company;
use tandem_domain::leads::search;
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::page::{self, Key, Keyset, Page, Position};
use crate::rows::companies;

/// Which companies are listed.
#[derive(Debug, Clone, Default)]
pub struct CompanyFilter {
    /// With this web domain.
    pub domain: Option<String>,
    /// In one of these countries.
    pub country: Vec<String>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Only those that nobody owns.
    pub unowned: bool,
    /// Every word must begin a word of the name.
    pub q: Option<String>,
    /// Archived companies only; default: the others.
    pub archived: bool,
    /// Created at this instant or later.
    pub created_at_gte: Option<Timestamp>,
    /// Created before this instant.
    pub created_at_lt: Option<Timestamp>,
    /// Changed at or after.
    pub updated_at_gte: Option<Timestamp>,
    /// Changed before.
    pub updated_at_lt: Option<Timestamp>,
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
    pub fn position(self, company: &Company) -> Position<CompanyId> {
        let key = match self {
            CompanySort::Id => None,
            CompanySort::CreatedAt => Some(Key::Number(company.created_at.millis())),
            CompanySort::UpdatedAt => Some(Key::Number(company.updated_at.millis())),
            CompanySort::Name => {
                let key = company.name().map(search::company_key);
                Some(Key::Text(key.unwrap_or_default()))
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
    after: Option<Position<CompanyId>>,
    limit: u64,
) -> Result<Page<Company>, StoreError> {
    let line = Keyset {
        column: sort.column(),
        id: companies::Column::Id,
        descending,
    };
    let all = filtered(on.conn().get_database_backend(), filter);
    let rows = line.page(all, after, limit).all(on.conn()).await?;
    Ok(Page::of(
        rows.into_iter().map(|row| row.into_domain()).collect(),
        limit,
    ))
}

/// How many companies a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn company_count(on: &impl Read, filter: &CompanyFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(on.conn().get_database_backend(), filter)).await
}

fn filtered(backend: DbBackend, filter: &CompanyFilter) -> Select<companies::Entity> {
    let mut query = companies::Entity::find().filter(companies::Column::IsListed.eq(!filter.archived));
    if let Some(domain) = &filter.domain {
        query = query.filter(companies::Column::Domain.eq(domain));
    }
    if !filter.country.is_empty() {
        query = query.filter(companies::Column::Country.is_in(&filter.country));
    }
    if !filter.owner_id.is_empty() {
        let owners = filter.owner_id.iter().map(|id| id.uuid());
        query = query.filter(companies::Column::OwnerId.is_in(owners));
    }
    if filter.unowned {
        query = query.filter(companies::Column::OwnerId.is_null());
    }
    for (column, from, to) in [
        (
            companies::Column::CreatedAt,
            filter.created_at_gte,
            filter.created_at_lt,
        ),
        (
            companies::Column::UpdatedAt,
            filter.updated_at_gte,
            filter.updated_at_lt,
        ),
    ] {
        let from = from.map(|from| column.gte(from.millis()));
        let to = to.map(|to| column.lt(to.millis()));
        for bound in from.into_iter().chain(to) {
            query = query.filter(bound);
        }
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
