//! Pages of leads: filters, sorts, and the search by words, all by keyset.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};
use tandem_domain::id::{CompanyId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::search::{self, Word};
use tandem_domain::lifecycle::Stage;

use super::{LeadWithCompany, complete};
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::leads;

/// Above this many terms a word is common: leads are walked in order and asked, instead of looked up by the word.
const COMMON: u64 = 5_000;
/// Above this many rows a total is estimated.
const COUNTED: u64 = 10_000;

/// Which leads are listed.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// In one of these stages.
    pub stage: Vec<Stage>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Without an owner.
    pub unowned: bool,
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// In one of these countries.
    pub country: Vec<String>,
    /// From one of these sources.
    pub source: Vec<String>,
    /// By one of these channels.
    pub channel: Vec<String>,
    /// Found by these words.
    pub q: Option<String>,
    /// Put away ones, instead of the others.
    pub archived: bool,
    /// Known since this instant or later.
    pub created_at_gte: Option<Timestamp>,
    /// Known since before this instant.
    pub created_at_lt: Option<Timestamp>,
    /// Changed at this instant or later.
    pub updated_at_gte: Option<Timestamp>,
    /// Changed before this instant.
    pub updated_at_lt: Option<Timestamp>,
}

/// What leads are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadSort {
    /// By id alone: in the order in which they became known.
    Id,
    /// By the instant at which they became known.
    CreatedAt,
    /// By their last change.
    UpdatedAt,
    /// By last name, then first name.
    Name,
}

/// Where a page ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// After this id.
    Id(LeadId),
    /// After this instant and id.
    At(Timestamp, LeadId),
    /// After this name and id.
    Name(String, LeadId),
}

/// One page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Whether another follows.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of at most `limit`, from one item more than that where there is one.
    pub fn of(mut data: Vec<T>, limit: u64) -> Self {
        let has_more = data.len() as u64 > limit;
        data.truncate(limit as usize);
        Self { data, has_more }
    }
}

/// A page of leads with their companies.
pub async fn list(
    on: &impl Read,
    filter: &LeadFilter,
    sort: LeadSort,
    descending: bool,
    after: Option<&Position>,
    limit: u64,
) -> Result<Page<LeadWithCompany>, StoreError> {
    let mut query = filtered(on, filter).await?;
    let order = if descending { Order::Desc } else { Order::Asc };
    let by = match sort {
        LeadSort::Id => None,
        LeadSort::CreatedAt => Some(leads::Column::CreatedAt),
        LeadSort::UpdatedAt => Some(leads::Column::UpdatedAt),
        LeadSort::Name => Some(leads::Column::NameKey),
    };
    if let Some(column) = by {
        query = query.order_by(column, order.clone());
    }
    query = query.order_by(leads::Column::Id, order);
    if let Some(after) = after {
        query = query.filter(beyond(by, after, descending));
    }
    let rows = query.limit(limit + 1).all(on.conn()).await?;
    let page = Page::of(rows, limit);
    Ok(Page {
        data: complete(on, page.data).await?,
        has_more: page.has_more,
    })
}

/// How many leads a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &LeadFilter) -> Result<(u64, bool), StoreError> {
    let query = filtered(on, filter).await?;
    let some = query
        .select_only()
        .expr(Expr::val(1i64))
        .limit(COUNTED + 1)
        .into_tuple::<i64>()
        .all(on.conn())
        .await?;
    if some.len() as u64 <= COUNTED {
        return Ok((some.len() as u64, false));
    }
    Ok((
        dialect::estimate_leads(on.conn()).await?.clamp(COUNTED, u64::MAX),
        true,
    ))
}

fn beyond(by: Option<leads::Column>, after: &Position, descending: bool) -> SimpleExpr {
    let (key, id) = match after {
        Position::Id(id) => (None, id),
        Position::At(at, id) => (Some(Expr::val(at.millis())), id),
        Position::Name(name, id) => (Some(Expr::val(name.clone())), id),
    };
    let (left, right) = match (by, key) {
        (Some(column), Some(key)) => (
            Expr::tuple([Expr::col(column), Expr::col(leads::Column::Id)]),
            Expr::tuple([key, Expr::val(id.uuid())]),
        ),
        _ => (Expr::col(leads::Column::Id), Expr::val(id.uuid())),
    };
    if descending {
        left.lt(right)
    } else {
        left.gt(right)
    }
}

async fn filtered(on: &impl Read, filter: &LeadFilter) -> Result<Select<leads::Entity>, StoreError> {
    use leads::Column;
    let mut query = leads::Entity::find().filter(Column::IsListed.eq(!filter.archived));
    if !filter.stage.is_empty() {
        query = query.filter(Column::Stage.is_in(filter.stage.iter().map(|stage| stage.name())));
    }
    if !filter.owner_id.is_empty() {
        query = query.filter(Column::OwnerId.is_in(filter.owner_id.iter().map(|id| Id::uuid(*id))));
    }
    if filter.unowned {
        query = query.filter(Column::OwnerId.is_null());
    }
    if let Some(company) = filter.company_id {
        query = query.filter(Column::CompanyId.eq(company.uuid()));
    }
    for (column, wanted) in [
        (Column::Country, &filter.country),
        (Column::Source, &filter.source),
        (Column::Channel, &filter.channel),
    ] {
        if !wanted.is_empty() {
            query = query.filter(column.is_in(wanted));
        }
    }
    for (column, from, to) in [
        (Column::CreatedAt, filter.created_at_gte, filter.created_at_lt),
        (Column::UpdatedAt, filter.updated_at_gte, filter.updated_at_lt),
    ] {
        if let Some(from) = from {
            query = query.filter(column.gte(from.millis()));
        }
        if let Some(to) = to {
            query = query.filter(column.lt(to.millis()));
        }
    }
    if let Some(q) = &filter.q {
        for condition in words(on, &search::query(q)).await? {
            query = query.filter(condition);
        }
    }
    Ok(query)
}

/// One condition a word: the rarest leads the way, common ones are only asked about.
async fn words(on: &impl Read, words: &[Word]) -> Result<Vec<SimpleExpr>, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut counted = vec![];
    for word in words {
        let row = on
            .conn()
            .query_one_raw(dialect::count_terms(backend, &word.beginnings, COMMON))
            .await?;
        let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        counted.push((n as u64, word));
    }
    counted.sort_by_key(|(n, _)| *n);
    let leads_the_way = |place: usize, n: u64| place == 0 && n < COMMON;
    Ok(counted
        .into_iter()
        .enumerate()
        .map(|(place, (n, word))| {
            if leads_the_way(place, n) {
                dialect::lead_among_term(backend, &word.beginnings)
            } else {
                dialect::lead_has_term(backend, &word.beginnings)
            }
        })
        .collect())
}
