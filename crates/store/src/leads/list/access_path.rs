//! The way to a page: by the order, by a filter, by a rare word, or along the terms of a common one.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select};
use tandem_domain::id::{Id, first_uuid_at};
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use super::filter::{Counted, Steer, filtered};
use super::order::ListOrder;
use super::{Bounds, LeadFilter, LeadSort, LeadWithCompany, Part, Position};
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::leads::read::read;
use crate::rows::{lead_terms, leads};

/// One page that is asked for.
pub(super) struct Listing<'a, R> {
    pub(super) on: &'a R,
    pub(super) bounds: Bounds,
    pub(super) filter: &'a LeadFilter,
    pub(super) words: &'a [Counted],
    pub(super) line: ListOrder,
    pub(super) after: Option<&'a Position>,
    pub(super) limit: u64,
    pub(super) parts: &'a [Part],
}

impl<R: Read> Listing<'_, R> {
    /// The rows of the page, and one more where another page follows.
    pub(super) async fn rows(&self) -> Result<Vec<LeadWithCompany>, StoreError> {
        if self.words.first().is_some_and(|one| !one.is_common) {
            return self.fetch_sorted(Steer::ByRarestWord).await;
        }
        if self.filter.names_leads() {
            return self.fetch_sorted(Steer::ByFilter).await;
        }
        if self.line.is_indexed_with(self.filter, self.words.len()) {
            return self.fetch(Steer::Free, None).await;
        }
        if self.filter.company_id.is_some() {
            return self.fetch_sorted(Steer::ByFilter).await;
        }
        if let Some((word, terms)) = self.terms_to_follow() {
            let until = self.lead_further_on(terms).await?;
            let rows = self.follow(word, terms, until).await?;
            if until.is_none() || rows.len() as u64 > self.limit {
                return Ok(rows);
            }
            return self.fetch_sorted(Steer::ByFilter).await;
        }
        let until = self.place_after(self.bounds.walked).await?;
        let walked_all = until.is_none();
        let rows = self.fetch(Steer::ByOrder, until).await?;
        if walked_all || rows.len() as u64 > self.limit {
            return Ok(rows);
        }
        self.fetch_sorted(Steer::ByFilter).await
    }

    /// What is asked for, behind the page before.
    fn query(&self, steer: Steer) -> Select<leads::Entity> {
        let query = filtered(self.on, self.filter, self.words, steer);
        let mut query = self.line.with_key(query, self.filter);
        if let Some(after) = self.after {
            query = query.filter(self.line.beyond(self.on, after, steer));
        }
        query
    }

    /// The next leads in order, as an index holds it.
    async fn fetch(&self, steer: Steer, until: Option<Position>) -> Result<Vec<LeadWithCompany>, StoreError> {
        let mut query = self.query(steer);
        if let Some(first) = self.first_in_question() {
            query = query.filter(leads::Column::Id.gte(first));
        }
        if let Some(until) = &until {
            query = query.filter(self.line.up_to(self.on, until, steer));
        }
        let query = self.line.in_order(self.on, query, steer).limit(self.limit + 1);
        read(self.on, query, self.parts).await
    }

    /// All that the filter or the words leave, sorted by what an index holds; only the rows of the page are read whole.
    async fn fetch_sorted(&self, steer: Steer) -> Result<Vec<LeadWithCompany>, StoreError> {
        let backend = self.on.conn().get_database_backend();
        let key = self.line.key(self.on, false);
        let mut chosen = self.query(steer).select_only().column(leads::Column::Id);
        if let Some(key) = key.clone() {
            chosen = chosen.expr_as(key, "key");
        }
        let mut found = QueryTrait::into_query(chosen);
        // With equal values an index may hold the order too; with a range of time none does.
        if self.filter.has_range() {
            dialect::fence(backend, &mut found);
        }
        let order = self.line.direction();
        let found_column = |column: &str| Expr::col((Alias::new("found"), Alias::new(column)));
        let mut page = Query::select();
        page.expr(found_column("id"))
            .from_subquery(found, Alias::new("found"))
            .limit(self.limit + 1);
        if key.is_some() {
            page.order_by_expr(found_column("key"), order.clone());
        }
        page.order_by_expr(found_column("id"), order);
        self.fetch_chosen(page).await
    }

    async fn fetch_chosen(&self, page: SelectStatement) -> Result<Vec<LeadWithCompany>, StoreError> {
        let query = leads::Entity::find().filter(leads::Column::Id.in_subquery(page));
        let query = self.line.with_key(query, &LeadFilter::default());
        let query = self.line.in_order(self.on, query, Steer::ByFilter);
        read(self.on, query, self.parts).await
    }

    /// Of several common words the rarest that stands for few different terms, and these; in the order of ids alone.
    fn terms_to_follow(&self) -> Option<(usize, &[String])> {
        if self.words.len() < 2 || self.line.sort != LeadSort::Id {
            return None;
        }
        let mut words = self.words.iter().enumerate();
        words.find_map(|(place, one)| Some((place, one.exact.as_deref()?)))
    }

    fn after_id(&self) -> Option<Uuid> {
        match self.after {
            Some(Position::Id(id)) => Some(id.uuid()),
            _ => None,
        }
    }

    /// The lead up to which followed terms are asked; `None` where there are not so many.
    async fn lead_further_on(&self, terms: &[String]) -> Result<Option<Uuid>, StoreError> {
        if terms.is_empty() {
            return Ok(None);
        }
        let backend = self.on.conn().get_database_backend();
        let is_quick = self.words.iter().all(|one| one.exact.is_some());
        let asked = self.bounds.asked * if is_quick { 4 } else { 1 };
        let descending = self.line.descending;
        let statement = dialect::lead_further_on(backend, terms, self.after_id(), descending, asked);
        let row = self.on.conn().query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get("", "lead_id")).transpose()?)
    }

    /// The first leads that have any of these terms, the other words, and all else that is asked for, in the order of their
    /// ids.
    async fn follow(
        &self,
        word: usize,
        terms: &[String],
        until: Option<Uuid>,
    ) -> Result<Vec<LeadWithCompany>, StoreError> {
        let others = self.words.iter().enumerate().filter(|(place, _)| *place != word);
        let others: Vec<&Counted> = others.map(|(_, one)| one).collect();
        let mut arms = terms.iter().map(|one| {
            Query::select()
                .expr(Expr::col((Alias::new("arm"), Alias::new("id"))))
                .from_subquery(self.leads_meant(one, &others, until), Alias::new("arm"))
                .take()
        });
        let Some(mut page) = arms.next() else {
            return Ok(vec![]);
        };
        page.unions(arms.map(|arm| (UnionType::Distinct, arm)));
        let mut rows = self.fetch_chosen(page).await?;
        rows.truncate(self.limit as usize + 1);
        Ok(rows)
    }

    /// A page of the leads with a term, the other words and all else that is asked for. The other words are asked first:
    /// their terms lie side by side, the leads do not.
    fn leads_meant(&self, term: &str, others: &[&Counted], until: Option<Uuid>) -> SelectStatement {
        let backend = self.on.conn().get_database_backend();
        let mut with_all = self.leads_with_all(term, others, until);
        dialect::fence(backend, &mut with_all);
        let found = || Expr::col((Alias::new("found"), Alias::new("id")));
        let mut meant = filtered(self.on, self.filter, &[], Steer::ByTerm)
            .select_only()
            .into_query();
        meant
            .expr(Expr::val(1))
            .and_where(found().equals((leads::Entity, leads::Column::Id)));
        dialect::fence(backend, &mut meant);
        // A word of its own may be the company's too.
        Query::select()
            .distinct()
            .expr_as(found(), Alias::new("id"))
            .from_subquery(with_all, Alias::new("found"))
            .and_where(Expr::exists(meant))
            .order_by_expr(found(), self.line.direction())
            .limit(self.limit + 1)
            .take()
    }

    /// The ids of the leads with a term and the other words, behind the page before, up to a lead.
    fn leads_with_all(&self, one: &str, others: &[&Counted], until: Option<Uuid>) -> SelectStatement {
        let backend = self.on.conn().get_database_backend();
        let term = |column: lead_terms::Column| Expr::col((Alias::new("term"), column));
        let lead = || term(lead_terms::Column::LeadId);
        let mut query = Query::select();
        query
            .expr_as(lead(), Alias::new("id"))
            .from_as(lead_terms::Entity, Alias::new("term"))
            .and_where(term(lead_terms::Column::Term).eq(one))
            .order_by_expr(lead(), self.line.direction());
        match (self.line.descending, self.after_id()) {
            (true, Some(after)) => drop(query.and_where(lead().lt(Expr::val(after)))),
            (false, Some(after)) => drop(query.and_where(lead().gt(Expr::val(after)))),
            (_, None) => {}
        }
        match (self.line.descending, until) {
            (true, Some(until)) => drop(query.and_where(lead().gte(Expr::val(until)))),
            (false, Some(until)) => drop(query.and_where(lead().lte(Expr::val(until)))),
            (_, None) => {}
        }
        for other in others {
            query.and_where(dialect::lead_has_term(backend, "term.lead_id", other.asked()));
        }
        query
    }

    /// In the order of ids nobody stands before the first who can be meant: no id is older than its lead.
    fn first_in_question(&self) -> Option<Uuid> {
        let since = self.filter.created_at_gte?;
        (self.line.sort == LeadSort::Id && !self.line.descending).then(|| first_uuid_at(since))
    }

    /// The place so many leads further on, whatever they are; `None` where there are not so many.
    async fn place_after(&self, leads: u64) -> Result<Option<Position>, StoreError> {
        use leads::Column::{Id as Key, IsListed};
        let (on, line) = (self.on, self.line);
        let mut query = leads::Entity::find()
            .select_only()
            .filter(IsListed.eq(!self.filter.archived));
        if let Some(first) = self.first_in_question() {
            query = query.filter(Key.gte(first));
        }
        if let Some(after) = self.after {
            query = query.filter(line.beyond(on, after, Steer::Free));
        }
        let query = line.with_key(query, &LeadFilter::default());
        let query = line.in_order(on, query, Steer::Free).offset(leads).limit(1);
        let lead = |id: Uuid| Id::from_uuid(id);
        let Some(key) = line.key(on, false) else {
            let found = query.column(Key).into_tuple::<Uuid>().one(on.conn()).await?;
            return Ok(found.map(|id| Position::Id(lead(id))));
        };
        let query = query.expr(key).column(Key);
        Ok(match line.sort {
            LeadSort::Name => {
                let found = query.into_tuple::<(String, Uuid)>().one(on.conn()).await?;
                found.map(|(name, id)| Position::Name(name, lead(id)))
            }
            LeadSort::Score => {
                let found = query.into_tuple::<(i64, Uuid)>().one(on.conn()).await?;
                found.map(|(score, id)| Position::Score(score, lead(id)))
            }
            LeadSort::Id | LeadSort::CreatedAt | LeadSort::UpdatedAt => {
                let found = query.into_tuple::<(i64, Uuid)>().one(on.conn()).await?;
                found.map(|(at, id)| Position::At(Timestamp::from_millis(at), lead(id)))
            }
        })
    }
}
