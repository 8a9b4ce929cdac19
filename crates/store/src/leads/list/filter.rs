//! What a list asks of leads, as conditions that steer the planner.

use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, Query, SelectStatement, SimpleExpr};
use sea_orm::{ConnectionTrait, EntityTrait, IdenStatic, JoinType, QueryFilter, QuerySelect, Select};
use tandem_domain::id::{Id, SegmentId};
use tandem_domain::leads::identity::{Email, Kind};
use tandem_domain::leads::search::{self, Word};

use super::{Bounds, LeadFilter, ScoreFilter};
use crate::db::Read;
use crate::dialect::{self, TermMatch};
use crate::error::StoreError;
use crate::rows::scores::SEPARATOR;
use crate::rows::{identifiers, leads, scores, segment_members};

/// A word, with the number of its terms as far as they are counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) terms: u64,
    pub(super) is_common: bool,
    pub(super) word: Word,
    /// The terms that it stands for, where it stands with other common words and they are few.
    pub(super) exact: Option<Vec<String>>,
}

impl Counted {
    pub(super) fn asked(&self) -> TermMatch<'_> {
        match &self.exact {
            Some(terms) => TermMatch::Among(terms),
            None => TermMatch::Beginning(&self.word.beginnings),
        }
    }
}

/// Which way a query goes; the columns of the other ways are hidden from the planner, where it needs a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steer {
    /// The planner knows.
    Free,
    /// Along the order.
    ByOrder,
    /// By a filter, or by what several words have in common; then sorted.
    ByFilter,
    /// By the rarest word, if it is rare; then sorted.
    ByRarestWord,
    /// Along the leads of one term.
    ByTerm,
}

impl Steer {
    pub(super) fn hides_order(self) -> bool {
        matches!(self, Steer::ByFilter | Steer::ByRarestWord)
    }

    fn hides_filters(self) -> bool {
        matches!(self, Steer::ByOrder | Steer::ByRarestWord | Steer::ByTerm)
    }
}

/// A column, perhaps so that no index is chosen for it.
pub(super) fn seen(on: &impl Read, column: leads::Column, is_hidden: bool) -> SimpleExpr {
    if is_hidden {
        dialect::unindexed(on.conn().get_database_backend(), "leads", column.as_str())
    } else {
        Expr::col((leads::Entity, column))
    }
}

pub(super) fn filtered(
    on: &impl Read,
    filter: &LeadFilter,
    words: &[Counted],
    steer: Steer,
) -> Select<leads::Entity> {
    use leads::Column;
    let asked = |column| seen(on, column, steer.hides_filters());
    let is_listed = seen(on, Column::IsListed, steer == Steer::ByTerm).eq(!filter.archived);
    let mut query = leads::Entity::find().filter(is_listed);
    let backend = on.conn().get_database_backend();
    if !filter.ids.is_empty() {
        let ids = filter.ids.iter().map(|id| id.uuid());
        query = query.filter(dialect::id_in(backend, "leads.id", ids));
    }
    if !filter.emails.is_empty() {
        query = query.filter(Expr::col((leads::Entity, Column::Id)).in_subquery(holders(&filter.emails)));
    }
    if !filter.segment.is_empty() {
        query = query.filter(Expr::col((leads::Entity, Column::Id)).in_subquery(members(&filter.segment)));
    }
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
    if filter.score != ScoreFilter::default() {
        query = with_scores(query);
        let is_hidden = steer.hides_filters();
        for condition in of_scores(on, &filter.score, is_hidden) {
            query = query.filter(condition);
        }
    }
    for condition in conditions(on, words, steer) {
        query = query.filter(condition);
    }
    query
}

/// The leads that are in one of these segments.
fn members(segments: &[SegmentId]) -> SelectStatement {
    use segment_members::Column;
    Query::select()
        .column(Column::LeadId)
        .from(segment_members::Entity)
        .and_where(Expr::col(Column::SegmentId).is_in(segments.iter().map(|id| id.uuid())))
        .take()
}

/// The leads that have one of these e-mails.
fn holders(emails: &[Email]) -> SelectStatement {
    use identifiers::Column;
    Query::select()
        .column(Column::LeadId)
        .from(identifiers::Entity)
        .and_where(Expr::col(Column::Kind).eq(Kind::Email.name()))
        .and_where(Expr::col(Column::System).eq(""))
        .and_where(Expr::col(Column::Value).is_in(emails.iter().map(Email::as_str)))
        .take()
}

/// The query with the row of scores that each lead has.
pub(super) fn with_scores(query: Select<leads::Entity>) -> Select<leads::Entity> {
    let of_lead = leads::Entity::belongs_to(scores::Entity)
        .from(leads::Column::Id)
        .to(scores::Column::LeadId);
    query.join(JoinType::InnerJoin, of_lead.into())
}

/// A column of scores, perhaps so that no index is chosen for it.
pub(super) fn seen_score(on: &impl Read, column: scores::Column, is_hidden: bool) -> SimpleExpr {
    if is_hidden {
        dialect::unindexed(on.conn().get_database_backend(), "scores", column.as_str())
    } else {
        Expr::col((scores::Entity, column))
    }
}

fn of_scores(on: &impl Read, filter: &ScoreFilter, is_hidden: bool) -> Vec<SimpleExpr> {
    use scores::Column;
    let asked = |column| seen_score(on, column, is_hidden);
    let mut conditions = vec![];
    for (column, least) in [
        (Column::Total, filter.total_gte),
        (Column::Fit, filter.fit_gte),
        (Column::Engagement, filter.engagement_gte),
    ] {
        conditions.extend(least.map(|least| asked(column).gte(least)));
    }
    conditions.extend(filter.total_lt.map(|bound| asked(Column::Total).lt(bound)));
    if !filter.band.is_empty() {
        conditions.push(asked(Column::Band).is_in(&filter.band));
    }
    if !filter.blocked_by.is_empty() {
        // An index knows which leads are held back at all.
        conditions.push(asked(Column::BlockedBy).ne(""));
        let among = filter.blocked_by.iter().map(|what| {
            let what = what.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
            let pattern = format!("%{SEPARATOR}{what}{SEPARATOR}%");
            asked(Column::BlockedBy).like(LikeExpr::new(pattern).escape('\\'))
        });
        conditions.extend(among.reduce(|any, one| any.or(one)));
    }
    conditions
}

/// The words of a query with the number of their terms, counted up to where they are common; the rarest first.
pub(super) async fn counted_words(
    on: &impl Read,
    filter: &LeadFilter,
    bounds: Bounds,
) -> Result<Vec<Counted>, StoreError> {
    let words = filter.q.as_deref().map(search::query).unwrap_or_default();
    let mut terms = count_terms(on, &words, bounds.common).await?;
    // Of several words that are all common, the rarest is the better guide.
    if terms.len() > 1 && terms.iter().all(|n| *n >= bounds.common) {
        terms = count_terms(on, &words, bounds.ranked).await?;
    }
    let counted = terms.into_iter().zip(words).map(|(terms, word)| Counted {
        terms,
        is_common: terms >= bounds.common,
        word,
        exact: None,
    });
    let mut counted: Vec<Counted> = counted.collect();
    counted.sort_by_key(|one| one.terms);
    if counted.len() > 1 && counted.iter().all(|one| one.is_common) {
        name_terms(on, &mut counted, bounds.followed).await?;
    }
    Ok(counted)
}

/// Name the terms of words that stand for few.
async fn name_terms(on: &impl Read, words: &mut [Counted], most: usize) -> Result<(), StoreError> {
    // A number is looked for in two ways, as a word and as the end of a phone.
    let mut single: Vec<&mut Counted> = words
        .iter_mut()
        .filter(|one| one.word.beginnings.len() == 1)
        .collect();
    if single.is_empty() {
        return Ok(());
    }
    let beginnings: Vec<&str> = single.iter().map(|one| one.word.beginnings[0].as_str()).collect();
    let statement = dialect::terms_beginning(on.conn().get_database_backend(), &beginnings, most + 1);
    let mut terms = vec![vec![]; single.len()];
    for row in on.conn().query_all_raw(statement).await? {
        let word: i64 = row.try_get("", "word")?;
        if let Some(terms) = terms.get_mut(word as usize) {
            terms.push(row.try_get("", "term")?);
        }
    }
    for (one, terms) in single.iter_mut().zip(terms) {
        one.exact = Some(terms).filter(|terms| (1..=most).contains(&terms.len()));
    }
    Ok(())
}

async fn count_terms(on: &impl Read, words: &[Word], limit: u64) -> Result<Vec<u64>, StoreError> {
    let mut counted = vec![0; words.len()];
    if words.is_empty() {
        return Ok(counted);
    }
    let beginnings: Vec<&[String]> = words.iter().map(|word| word.beginnings.as_slice()).collect();
    let backend = on.conn().get_database_backend();
    let statement = dialect::count_terms(backend, &beginnings, limit);
    for row in on.conn().query_all_raw(statement).await? {
        let (word, n): (i64, i64) = (row.try_get("", "word")?, row.try_get("", "n")?);
        if let Some(place) = counted.get_mut(word as usize) {
            *place = n as u64;
        }
    }
    Ok(counted)
}

fn conditions(on: &impl Read, words: &[Counted], steer: Steer) -> Vec<SimpleExpr> {
    let backend = on.conn().get_database_backend();
    if steer == Steer::ByFilter && words.len() > 1 && words.iter().all(|one| one.is_common) {
        let all: Vec<TermMatch<'_>> = words.iter().map(Counted::asked).collect();
        return vec![dialect::lead_among_terms(backend, &all)];
    }
    words
        .iter()
        .enumerate()
        .map(|(place, one)| {
            if place == 0 && !one.is_common {
                dialect::lead_among_terms(backend, &[one.asked()])
            } else {
                dialect::lead_has_term(backend, "leads.id", TermMatch::Beginning(&one.word.beginnings))
            }
        })
        .collect()
}
