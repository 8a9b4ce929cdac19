//! The order of a list, and the places in it.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{Order, QueryOrder, Select};

use super::filter::{Steer, seen, seen_score, with_scores};
use super::{LeadFilter, LeadSort, Position, ScoreFilter};
use crate::db::Read;
use crate::rows::{leads, scores};

/// The order of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListOrder {
    pub(super) sort: LeadSort,
    pub(super) descending: bool,
}

impl ListOrder {
    /// What leads are compared by before their ids; nothing in the order of ids alone.
    pub(super) fn key(self, on: &impl Read, is_hidden: bool) -> Option<SimpleExpr> {
        let column = match self.sort {
            LeadSort::Id => return None,
            LeadSort::CreatedAt => leads::Column::CreatedAt,
            LeadSort::UpdatedAt => leads::Column::UpdatedAt,
            LeadSort::Name => leads::Column::NameKey,
            LeadSort::Score => return Some(seen_score(on, scores::Column::Total, is_hidden)),
        };
        Some(seen(on, column, is_hidden))
    }

    /// The query with the scores that the order needs, unless its filter has asked for them.
    pub(super) fn with_key(self, query: Select<leads::Entity>, filter: &LeadFilter) -> Select<leads::Entity> {
        if self.sort != LeadSort::Score || filter.score != ScoreFilter::default() {
            return query;
        }
        with_scores(query)
    }

    /// Whether an index serves the filter in this order; a common word alone is met often enough on the way.
    pub(super) fn is_indexed_with(self, filter: &LeadFilter, words: usize) -> bool {
        use LeadSort::{CreatedAt, Id, Name, Score, UpdatedAt};
        let created = filter.created_at_gte.is_some() || filter.created_at_lt.is_some();
        let updated = filter.updated_at_gte.is_some() || filter.updated_at_lt.is_some();
        let leads_elsewhere = match self.sort {
            CreatedAt => updated,
            UpdatedAt => created,
            Id | Name | Score => created || updated,
        };
        // The order by score is the index of the least total, too.
        let by_total = ScoreFilter {
            total_gte: filter.score.total_gte,
            total_lt: filter.score.total_lt,
            ..ScoreFilter::default()
        };
        let asks_for_scores = match self.sort {
            Score => filter.score != by_total,
            _ => filter.score != ScoreFilter::default(),
        };
        let by_id = self.sort == Id;
        // How many values are asked for, and whether an index has one of them in this order.
        let asked = [
            (filter.stage.len(), !matches!(self.sort, Name | Score)),
            (
                filter.owner_id.len() + usize::from(filter.unowned),
                by_id || self.sort == UpdatedAt,
            ),
            (usize::from(filter.company_id.is_some()), by_id),
            (filter.country.len(), by_id),
            (filter.source.len(), by_id),
            (filter.channel.len(), false),
            (usize::from(asks_for_scores), false),
        ];
        let asked: Vec<(usize, bool)> = asked.into_iter().filter(|(n, _)| *n > 0).collect();
        !leads_elsewhere
            && match (asked.as_slice(), words) {
                ([], 0 | 1) => true,
                ([(1, is_indexed)], 0) => *is_indexed,
                _ => false,
            }
    }

    pub(super) fn direction(self) -> Order {
        if self.descending { Order::Desc } else { Order::Asc }
    }

    pub(super) fn in_order(
        self,
        on: &impl Read,
        query: Select<leads::Entity>,
        steer: Steer,
    ) -> Select<leads::Entity> {
        let order = self.direction();
        let mut query = query;
        if let Some(key) = self.key(on, steer.hides_order()) {
            query = query.order_by(key, order.clone());
        }
        query.order_by(self.id(), order)
    }

    /// The condition that a lead stands behind a place.
    pub(super) fn beyond(self, on: &impl Read, place: &Position, steer: Steer) -> SimpleExpr {
        let (lead, place) = self.compared(on, place, steer);
        if self.descending {
            lead.lt(place)
        } else {
            lead.gt(place)
        }
    }

    /// The condition that a lead stands at a place or before it.
    pub(super) fn up_to(self, on: &impl Read, place: &Position, steer: Steer) -> SimpleExpr {
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
            Position::Score(score, id) => (Some(Expr::val(*score)), id),
        };
        match (self.key(on, steer.hides_order()), key) {
            (Some(column), Some(key)) => (
                Expr::tuple([column, self.id()]),
                Expr::tuple([key, Expr::val(id.uuid())]),
            ),
            _ => (self.id(), Expr::val(id.uuid())),
        }
    }

    /// The lead's id, from the table whose index holds the order.
    fn id(self) -> SimpleExpr {
        match self.sort {
            LeadSort::Score => Expr::col((scores::Entity, scores::Column::LeadId)),
            _ => Expr::col((leads::Entity, leads::Column::Id)),
        }
    }
}
