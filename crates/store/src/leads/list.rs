//! Pages of leads: filters, sorts, and the search by words, all by keyset.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IdenStatic, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};
use tandem_domain::id::{CompanyId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::search::{self, Word};
use tandem_domain::lifecycle::Stage;
use uuid::Uuid;

use super::{LeadWithCompany, complete};
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::leads;

/// Above this many terms a word is common: leads are walked in order and asked, instead of looked up by the word.
const COMMON: u64 = 5_000;
/// So many leads are asked in order before the way by the filter or by all words is taken.
const WALKED: u64 = 5_000;
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
///
/// A rare word leads to its leads. A filter that no index knows in this order is asked of the next leads in order; only
/// where these do not fill the page, the way goes by the filter or the words, which are rare then.
pub async fn list(
    on: &impl Read,
    filter: &LeadFilter,
    sort: LeadSort,
    descending: bool,
    after: Option<&Position>,
    limit: u64,
) -> Result<Page<LeadWithCompany>, StoreError> {
    let words = counted_words(on, filter).await?;
    let line = Line { sort, descending };
    let fetch = |steer, until: Option<Position>| {
        let mut query = filtered(on, filter, &words, steer);
        if let Some(after) = after {
            query = query.filter(line.beyond(on, after, steer));
        }
        if let Some(until) = &until {
            query = query.filter(line.up_to(on, until, steer));
        }
        line.in_order(on, query, steer).limit(limit + 1).all(on.conn())
    };
    let leads_the_way = words.first().is_some_and(|(n, _)| *n < COMMON);
    let rows = if leads_the_way {
        fetch(Steer::ByRarestWord, None).await?
    } else if line.is_indexed_with(filter, words.len()) {
        fetch(Steer::Free, None).await?
    } else if filter.company_id.is_some() {
        fetch(Steer::ByFilter, None).await?
    } else {
        let until = line.place_after(on, filter.archived, after, WALKED).await?;
        let walked_all = until.is_none();
        let rows = fetch(Steer::ByOrder, until).await?;
        if walked_all || rows.len() as u64 > limit {
            rows
        } else {
            fetch(Steer::ByFilter, None).await?
        }
    };
    let page = Page::of(rows, limit);
    Ok(Page {
        data: complete(on, page.data).await?,
        has_more: page.has_more,
    })
}

/// How many leads a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &LeadFilter) -> Result<(u64, bool), StoreError> {
    let words = counted_words(on, filter).await?;
    let steer = if words.len() > 1 {
        Steer::ByFilter
    } else {
        Steer::ByRarestWord
    };
    let all = filtered(on, filter, &words, steer)
        .select_only()
        .expr(Expr::val(1i64));
    let some = all.clone().limit(COUNTED + 1).into_tuple::<i64>();
    let some = some.all(on.conn()).await?.len() as u64;
    if some <= COUNTED {
        return Ok((some, false));
    }
    let all = all.build(on.conn().get_database_backend());
    let estimate = dialect::estimate(on.conn(), all).await?;
    Ok((estimate.clamp(some, u64::MAX), true))
}

/// Which way a query goes; the columns of the other ways are kept from the planner, where it has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steer {
    /// The planner knows.
    Free,
    /// Along the order.
    ByOrder,
    /// By a filter, or by what several words have in common; then sorted.
    ByFilter,
    /// By the rarest word, if it is rare; then sorted.
    ByRarestWord,
}

impl Steer {
    fn hides_order(self) -> bool {
        matches!(self, Steer::ByFilter | Steer::ByRarestWord)
    }

    fn hides_filters(self) -> bool {
        matches!(self, Steer::ByOrder | Steer::ByRarestWord)
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy)]
struct Line {
    sort: LeadSort,
    descending: bool,
}

impl Line {
    fn column(self) -> Option<leads::Column> {
        match self.sort {
            LeadSort::Id => None,
            LeadSort::CreatedAt => Some(leads::Column::CreatedAt),
            LeadSort::UpdatedAt => Some(leads::Column::UpdatedAt),
            LeadSort::Name => Some(leads::Column::NameKey),
        }
    }

    /// Whether an index serves the filter in this order; a common word alone is met often enough on the way.
    fn is_indexed_with(self, filter: &LeadFilter, words: usize) -> bool {
        use LeadSort::{CreatedAt, Id, Name, UpdatedAt};
        let created = filter.created_at_gte.is_some() || filter.created_at_lt.is_some();
        let updated = filter.updated_at_gte.is_some() || filter.updated_at_lt.is_some();
        let leads_elsewhere = match self.sort {
            CreatedAt => updated,
            UpdatedAt => created,
            Id | Name => created || updated,
        };
        let by_id = self.sort == Id;
        // How many values are asked for, and whether an index has one of them in this order.
        let asked = [
            (filter.stage.len(), self.sort != Name),
            (
                filter.owner_id.len() + usize::from(filter.unowned),
                by_id || self.sort == UpdatedAt,
            ),
            (usize::from(filter.company_id.is_some()), by_id),
            (filter.country.len(), by_id),
            (filter.source.len(), by_id),
            (filter.channel.len(), false),
        ];
        let asked: Vec<(usize, bool)> = asked.into_iter().filter(|(n, _)| *n > 0).collect();
        !leads_elsewhere
            && match (asked.as_slice(), words) {
                ([], 0 | 1) => true,
                ([(1, is_indexed)], 0) => *is_indexed,
                _ => false,
            }
    }

    fn in_order(self, on: &impl Read, query: Select<leads::Entity>, steer: Steer) -> Select<leads::Entity> {
        let order = if self.descending { Order::Desc } else { Order::Asc };
        let mut query = query;
        if let Some(column) = self.column() {
            query = query.order_by(seen(on, column, steer.hides_order()), order.clone());
        }
        query.order_by(leads::Column::Id, order)
    }

    /// The condition that a lead stands behind a place.
    fn beyond(self, on: &impl Read, place: &Position, steer: Steer) -> SimpleExpr {
        let (lead, place) = self.compared(on, place, steer);
        if self.descending {
            lead.lt(place)
        } else {
            lead.gt(place)
        }
    }

    /// The condition that a lead stands at a place or before it.
    fn up_to(self, on: &impl Read, place: &Position, steer: Steer) -> SimpleExpr {
        let (lead, place) = self.compared(on, place, steer);
        if self.descending {
            lead.gte(place)
        } else {
            lead.lte(place)
        }
    }

    fn compared(self, on: &impl Read, place: &Position, steer: Steer) -> (SimpleExpr, SimpleExpr) {
        let (key, id) = match place {
            Position::Id(id) => (None, id),
            Position::At(at, id) => (Some(Expr::val(at.millis())), id),
            Position::Name(name, id) => (Some(Expr::val(name.clone())), id),
        };
        match (self.column(), key) {
            (Some(column), Some(key)) => (
                Expr::tuple([
                    seen(on, column, steer.hides_order()),
                    Expr::col(leads::Column::Id),
                ]),
                Expr::tuple([key, Expr::val(id.uuid())]),
            ),
            _ => (Expr::col(leads::Column::Id), Expr::val(id.uuid())),
        }
    }

    /// The place so many leads further on, whatever they are; `None` where there are not so many.
    async fn place_after(
        self,
        on: &impl Read,
        archived: bool,
        after: Option<&Position>,
        leads: u64,
    ) -> Result<Option<Position>, StoreError> {
        use leads::Column::{Id as Key, IsListed};
        let mut query = leads::Entity::find().select_only().filter(IsListed.eq(!archived));
        if let Some(after) = after {
            query = query.filter(self.beyond(on, after, Steer::Free));
        }
        let query = self.in_order(on, query, Steer::Free).offset(leads).limit(1);
        let lead = |id: Uuid| Id::from_uuid(id);
        Ok(match self.column() {
            None => {
                let found = query.column(Key).into_tuple::<Uuid>().one(on.conn()).await?;
                found.map(|id| Position::Id(lead(id)))
            }
            Some(column @ leads::Column::NameKey) => {
                let query = query.columns([column, Key]).into_tuple::<(String, Uuid)>();
                let found = query.one(on.conn()).await?;
                found.map(|(name, id)| Position::Name(name, lead(id)))
            }
            Some(column) => {
                let query = query.columns([column, Key]).into_tuple::<(i64, Uuid)>();
                let found = query.one(on.conn()).await?;
                found.map(|(at, id)| Position::At(Timestamp::from_millis(at), lead(id)))
            }
        })
    }
}

/// A column, perhaps so that no index is chosen for it.
fn seen(on: &impl Read, column: leads::Column, is_hidden: bool) -> SimpleExpr {
    if is_hidden {
        dialect::unindexed(on.conn().get_database_backend(), "leads", column.as_str())
    } else {
        Expr::col((leads::Entity, column))
    }
}

fn filtered(
    on: &impl Read,
    filter: &LeadFilter,
    words: &[(u64, Word)],
    steer: Steer,
) -> Select<leads::Entity> {
    use leads::Column;
    let mut query = leads::Entity::find().filter(Column::IsListed.eq(!filter.archived));
    let asked = |column| seen(on, column, steer.hides_filters());
    if !filter.stage.is_empty() {
        query = query.filter(asked(Column::Stage).is_in(filter.stage.iter().map(|stage| stage.name())));
    }
    if !filter.owner_id.is_empty() {
        query = query.filter(asked(Column::OwnerId).is_in(filter.owner_id.iter().map(|id| Id::uuid(*id))));
    }
    if filter.unowned {
        query = query.filter(asked(Column::OwnerId).is_null());
    }
    if let Some(company) = filter.company_id {
        query = query.filter(asked(Column::CompanyId).eq(company.uuid()));
    }
    for (column, wanted) in [
        (Column::Country, &filter.country),
        (Column::Source, &filter.source),
        (Column::Channel, &filter.channel),
    ] {
        if !wanted.is_empty() {
            query = query.filter(asked(column).is_in(wanted));
        }
    }
    for (column, from, to) in [
        (Column::CreatedAt, filter.created_at_gte, filter.created_at_lt),
        (Column::UpdatedAt, filter.updated_at_gte, filter.updated_at_lt),
    ] {
        if let Some(from) = from {
            query = query.filter(asked(column).gte(from.millis()));
        }
        if let Some(to) = to {
            query = query.filter(asked(column).lt(to.millis()));
        }
    }
    for condition in conditions(on, words, steer) {
        query = query.filter(condition);
    }
    query
}

/// The words of a query with the number of their terms, counted up to where they are common; the rarest first.
async fn counted_words(on: &impl Read, filter: &LeadFilter) -> Result<Vec<(u64, Word)>, StoreError> {
    let backend = on.conn().get_database_backend();
    let mut counted = vec![];
    for word in filter.q.as_deref().map(search::query).unwrap_or_default() {
        let row = on
            .conn()
            .query_one_raw(dialect::count_terms(backend, &word.beginnings, COMMON))
            .await?;
        let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n"))?;
        counted.push((n as u64, word));
    }
    counted.sort_by_key(|(n, _)| *n);
    Ok(counted)
}

fn conditions(on: &impl Read, words: &[(u64, Word)], steer: Steer) -> Vec<SimpleExpr> {
    let backend = on.conn().get_database_backend();
    let all_are_common = words.first().is_some_and(|(n, _)| *n >= COMMON);
    if steer == Steer::ByFilter && all_are_common && words.len() > 1 {
        let all: Vec<&[String]> = words.iter().map(|(_, word)| word.beginnings.as_slice()).collect();
        return vec![dialect::lead_among_terms(backend, &all)];
    }
    words
        .iter()
        .enumerate()
        .map(|(place, (n, word))| {
            if place == 0 && *n < COMMON {
                dialect::lead_among_terms(backend, &[&word.beginnings])
            } else {
                dialect::lead_has_term(backend, &word.beginnings)
            }
        })
        .collect()
}
