//! Pages of deals: filters and sorts, by keyset.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};
use tandem_domain::deals::{Deal, State};
use tandem_domain::id::{CompanyId, DealId, Id, LeadId, PipelineId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::Currency;

use super::{LEADS, with_leads};
use crate::db::Read;
use crate::error::StoreError;
use crate::leads::members_of;
use crate::page::{self, Key, Keyset, Page, Position};
use crate::rows::{deal_leads, deals};

/// A half-open range of instants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

/// Which deals are listed.
#[derive(Debug, Clone, Default)]
pub struct DealFilter {
    /// In one of these states.
    pub state: Vec<State>,
    /// In this pipeline.
    pub pipeline_id: Option<PipelineId>,
    /// In one of these stages.
    pub stage: Vec<String>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Without an owner.
    pub unowned: bool,
    /// With this lead in the group.
    pub lead_id: Option<LeadId>,
    /// With this company.
    pub company_id: Option<CompanyId>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Worth this many minor units or more.
    pub amount_gte: Option<i64>,
    /// Worth this many minor units or less.
    pub amount_lte: Option<i64>,
    /// Expected to close on this day or later.
    pub expected_close_on_gte: Option<Day>,
    /// Expected to close before this day.
    pub expected_close_on_lt: Option<Day>,
    /// When it was opened.
    pub opened_at: Span,
    /// When it was closed.
    pub closed_at: Span,
    /// When it was written down.
    pub created_at: Span,
    /// When it last changed.
    pub updated_at: Span,
}

/// What deals are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DealSort {
    /// By id alone: in the order in which they were written down.
    Id,
    /// By the instant at which they were written down.
    CreatedAt,
    /// By the last change.
    UpdatedAt,
    /// By the instant at which they were opened.
    OpenedAt,
}

impl DealSort {
    const fn column(self) -> Option<deals::Column> {
        match self {
            DealSort::Id => None,
            DealSort::CreatedAt => Some(deals::Column::CreatedAt),
            DealSort::UpdatedAt => Some(deals::Column::UpdatedAt),
            DealSort::OpenedAt => Some(deals::Column::OpenedAt),
        }
    }

    /// The place of a deal in this order.
    pub fn position(self, deal: &Deal) -> Position<DealId> {
        let at = match self {
            DealSort::Id => None,
            DealSort::CreatedAt => Some(deal.created_at),
            DealSort::UpdatedAt => Some(deal.updated_at),
            DealSort::OpenedAt => Some(deal.opened_at),
        };
        (at.map(|at| Key::Number(at.millis())), deal.id)
    }
}

/// A page of deals with their leads.
pub async fn list(
    on: &impl Read,
    filter: &DealFilter,
    sort: DealSort,
    descending: bool,
    after: Option<Position<DealId>>,
    limit: u64,
) -> Result<Page<Deal>, StoreError> {
    let line = Keyset {
        column: sort.column(),
        id: deals::Column::Id,
        descending,
    };
    let read = |(deal, leads)| with_leads(deal, leads);
    line.read_with::<_, deal_leads::Entity, _, _>(on, filtered(filter), LEADS, after, limit, read)
        .await
}

/// How many deals a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &DealFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(filter)).await
}

fn filtered(filter: &DealFilter) -> Select<deals::Entity> {
    use deals::Column;
    let mut query = deals::Entity::find();
    if !filter.state.is_empty() {
        query = query.filter(Column::State.is_in(filter.state.iter().map(|state| state.name())));
    }
    if let Some(pipeline) = filter.pipeline_id {
        query = query.filter(Column::PipelineId.eq(pipeline.uuid()));
    }
    if !filter.stage.is_empty() {
        query = query.filter(Column::Stage.is_in(&filter.stage));
    }
    if !filter.owner_id.is_empty() {
        query = query.filter(Column::OwnerId.is_in(filter.owner_id.iter().map(|id| Id::uuid(*id))));
    }
    if filter.unowned {
        query = query.filter(Column::OwnerId.is_null());
    }
    if let Some(lead) = filter.lead_id {
        let of_lead = Query::select()
            .column(deal_leads::Column::DealId)
            .from(deal_leads::Entity)
            .and_where(Expr::col(deal_leads::Column::LeadId).in_subquery(members_of(lead.uuid())))
            .take();
        query = query.filter(Column::Id.in_subquery(of_lead));
    }
    if let Some(company) = filter.company_id {
        query = query.filter(Column::CompanyId.eq(company.uuid()));
    }
    if let Some(currency) = filter.currency {
        query = query.filter(Column::Currency.eq(currency.code()));
    }
    if let Some(amount) = filter.amount_gte {
        query = query.filter(Column::Amount.gte(amount));
    }
    if let Some(amount) = filter.amount_lte {
        query = query.filter(Column::Amount.lte(amount));
    }
    if let Some(day) = &filter.expected_close_on_gte {
        query = query.filter(Column::ExpectedCloseOn.gte(day.to_string()));
    }
    if let Some(day) = &filter.expected_close_on_lt {
        query = query.filter(Column::ExpectedCloseOn.lt(day.to_string()));
    }
    for (column, span) in [
        (Column::OpenedAt, filter.opened_at),
        (Column::ClosedAt, filter.closed_at),
        (Column::CreatedAt, filter.created_at),
        (Column::UpdatedAt, filter.updated_at),
    ] {
        if let Some(from) = span.from {
            query = query.filter(column.gte(from.millis()));
        }
        if let Some(to) = span.to {
            query = query.filter(column.lt(to.millis()));
        }
    }
    query
}
