//! The order of a list, and the places in it.

use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{Order, QueryOrder, Select};

use super::filter::{Steer, seen};
use super::{LeadFilter, LeadSort, Position};
use crate::db::Read;
use crate::rows::leads;

/// The order of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) sort: LeadSort,
    pub(super) descending: bool,
}

impl Line {
    pub(super) fn column(self) -> Option<leads::Column> {
        match self.sort {
            LeadSort::Id => None,
            LeadSort::CreatedAt => Some(leads::Column::CreatedAt),
            LeadSort::UpdatedAt => Some(leads::Column::UpdatedAt),
            LeadSort::Name => Some(leads::Column::NameKey),
        }
    }

    /// Whether an index serves the filter in this order; a common word alone is met often enough on the way.
    pub(super) fn is_indexed_with(self, filter: &LeadFilter, words: usize) -> bool {
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
        if let Some(column) = self.column() {
            query = query.order_by(seen(on, column, steer.hides_order()), order.clone());
        }
        query.order_by(leads::Column::Id, order)
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
}
