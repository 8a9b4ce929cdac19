//! Pages of hand-offs: filters and sorts, by keyset.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use tandem_domain::access::Queue;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::handoff::{Handoff, HandoffState};
use tandem_domain::id::{CompanyId, HandoffId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;

use super::{CLOCKS, with_clocks};
use crate::db::Read;
use crate::deals::Span;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::page::{self, Key, Keyset, Page, Position};
use crate::rows::{clocks, handoffs};

/// Which hand-offs are listed.
#[derive(Debug, Clone, Default)]
pub struct HandoffFilter {
    /// In one of these states.
    pub state: Vec<HandoffState>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Without an owner.
    pub unowned: bool,
    /// Waiting in this queue.
    pub queue: Option<Queue>,
    /// Of this lead.
    pub lead_id: Option<LeadId>,
    /// Of leads of this company.
    pub company_id: Option<CompanyId>,
    /// Rejected for one of these reasons.
    pub reason: Vec<String>,
    /// When it was created.
    pub made_at: Span,
    /// Whether sales found the lead itself.
    pub self_sourced: Option<bool>,
}

/// What hand-offs are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoffSort {
    /// By id alone: in the order in which they were written down.
    Id,
    /// By the instant at which they were made.
    MadeAt,
    /// By the instant at which their review is due; those without a promise come last.
    DueAt,
}

impl HandoffSort {
    const fn column(self) -> Option<handoffs::Column> {
        match self {
            HandoffSort::Id => None,
            HandoffSort::MadeAt => Some(handoffs::Column::MadeAt),
            HandoffSort::DueAt => Some(handoffs::Column::DueAt),
        }
    }

    /// The place of a hand-off in this order.
    pub fn position(self, handoff: &Handoff) -> Position<HandoffId> {
        let key = match self {
            HandoffSort::Id => None,
            HandoffSort::MadeAt => Some(handoff.made_at.millis()),
            HandoffSort::DueAt => Some(handoff.due_at.map_or(i64::MAX, Timestamp::millis)),
        };
        (key.map(Key::Number), handoff.id)
    }
}

/// A page of hand-offs with their clocks.
pub async fn list(
    on: &impl Read,
    filter: &HandoffFilter,
    sort: HandoffSort,
    descending: bool,
    after: Option<Position<HandoffId>>,
    limit: u64,
) -> Result<Page<(Handoff, Vec<ClockRecord>)>, StoreError> {
    let line = Keyset {
        column: sort.column(),
        id: handoffs::Column::Id,
        descending,
    };
    line.read_with::<_, clocks::Entity, _, _>(on, filtered(filter), CLOCKS, after, limit, with_clocks)
        .await
}

/// How many hand-offs a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &HandoffFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(filter)).await
}

fn filtered(filter: &HandoffFilter) -> Select<handoffs::Entity> {
    use handoffs::Column;
    let mut query = handoffs::Entity::find();
    if !filter.state.is_empty() {
        query = query.filter(Column::State.is_in(filter.state.iter().map(|state| state.name())));
    }
    if !filter.owner_id.is_empty() {
        query = query.filter(Column::OwnerId.is_in(filter.owner_id.iter().map(|id| Id::uuid(*id))));
    }
    if filter.unowned {
        query = query.filter(Column::OwnerId.is_null());
    }
    if let Some(queue) = filter.queue {
        query = query.filter(Column::Queue.eq(queue.to_string()));
    }
    if let Some(lead) = filter.lead_id {
        query = query.filter(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    if let Some(company) = filter.company_id {
        query = query.filter(Column::CompanyId.eq(company.uuid()));
    }
    if !filter.reason.is_empty() {
        query = query.filter(Column::Reason.is_in(&filter.reason));
    }
    if let Some(from) = filter.made_at.from {
        query = query.filter(Column::MadeAt.gte(from.millis()));
    }
    if let Some(to) = filter.made_at.to {
        query = query.filter(Column::MadeAt.lt(to.millis()));
    }
    if let Some(is_own) = filter.self_sourced {
        query = query.filter(Column::SelfSourced.eq(is_own));
    }
    query
}
