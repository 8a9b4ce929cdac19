//! Deals as they go out.

use serde::Serialize;
use tandem_domain::access::ActorKind;
use tandem_domain::activities::Objection;
use tandem_domain::deals::{Deal, DealMove, Recurring, State};
use tandem_domain::id::{CompanyId, DealId, DealMoveId, LeadId, PipelineId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use tandem_store::deals::ClosingFacts;
use utoipa::ToSchema;

use super::body::DealRole;
use crate::leads::body::ExternalId;

/// A deal: a possible sale, in a stage of a pipeline until it is won or lost.
#[derive(Debug, Serialize, ToSchema)]
pub struct DealView {
    /// Its id.
    id: DealId,
    /// Its id in another system.
    external_id: Option<ExternalId>,
    /// The name that people see.
    #[schema(max_length = 200, example = "Analytics for 40 shops")]
    name: String,
    /// The pipeline.
    pipeline_id: PipelineId,
    /// The key of its stage; `won` or `lost` once it is closed.
    #[schema(max_length = 64, example = "proposal")]
    stage: String,
    /// When it entered that stage.
    stage_since: Timestamp,
    /// The state: open, won or lost.
    state: State,
    /// The deal's value.
    amount: Option<Money>,
    /// How often the amount is due; `null` means once.
    recurring: Option<Recurring>,
    /// The expected day of closing.
    expected_close_on: Option<Day>,
    /// The user who owns the deal.
    owner_id: Option<UserId>,
    /// The company.
    company_id: Option<CompanyId>,
    /// The lead whose stage it moves.
    primary_lead_id: Option<LeadId>,
    /// The leads that decide together, including the primary lead.
    #[schema(max_items = 50)]
    lead_ids: Vec<LeadId>,
    /// The known roles of the leads in the group.
    #[schema(max_items = 50)]
    roles: Vec<DealRole>,
    /// The number of the primary lead's cycle in which the deal was opened.
    #[schema(minimum = 1)]
    cycle: Option<i64>,
    /// The code of the reason why it was won or lost.
    #[schema(max_length = 64, example = "product_fit")]
    reason: Option<String>,
    /// The competitor to whom it was lost, or from whom it was won.
    #[schema(max_length = 200)]
    competitor: Option<String>,
    /// The objections that were stated when it was closed.
    #[schema(max_items = 20)]
    objections: Vec<Objection>,
    /// How many touches before its closing became known after it: attribution does not credit them. `null` while it is open.
    #[schema(minimum = 0, example = 0)]
    late_touches: Option<i64>,
    /// When it was won or lost.
    closed_at: Option<Timestamp>,
    /// The amount in the base currency, at the rate in force on the day it was closed.
    base_amount: Option<Money>,
    /// The exchange rate of the conversion: units of the base currency per unit of the amount's currency; `1` if both
    /// are the same.
    #[schema(max_length = 20, example = "0.9215")]
    exchange_rate: Option<String>,
    /// When it was opened.
    opened_at: Timestamp,
    /// When it was created in Tandem.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl DealView {
    /// A deal with what is known of its closing.
    pub fn of(deal: Deal, facts: ClosingFacts) -> Self {
        let state = deal.state();
        let closing = deal.closing;
        let value = closing.as_ref().and_then(|closing| closing.value);
        let role = |member: &tandem_domain::deals::Member| {
            Some(DealRole {
                lead_id: member.lead_id,
                role: member.role?,
            })
        };
        Self {
            id: deal.id,
            external_id: deal.external_id.map(|(system, id)| ExternalId { system, id }),
            name: deal.name,
            pipeline_id: deal.pipeline_id,
            stage: deal.stage,
            stage_since: deal.stage_since,
            state,
            amount: deal.amount,
            recurring: deal.recurring,
            expected_close_on: deal.expected_close_on,
            owner_id: deal.owner_id,
            company_id: deal.company_id,
            primary_lead_id: deal.primary_lead_id,
            lead_ids: deal.members.iter().map(|member| member.lead_id).collect(),
            roles: deal.members.iter().filter_map(role).collect(),
            objections: facts.objections,
            late_touches: facts.late_touches,
            cycle: deal.cycle,
            closed_at: closing.as_ref().map(|closing| closing.at),
            base_amount: value.map(|value| value.money),
            exchange_rate: value.map(|value| value.rate.to_string()),
            reason: closing.as_ref().and_then(|closing| closing.reason.clone()),
            competitor: closing.and_then(|closing| closing.competitor),
            opened_at: deal.opened_at,
            created_at: deal.created_at,
            updated_at: deal.updated_at,
        }
    }
}

/// The change of the revenue by a move, dated at the move.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevenueView {
    /// The amount in minor units; negative if a reopening subtracted it.
    #[schema(example = -5_000_000)]
    amount: i64,
    /// The currency of the amount.
    currency: Currency,
    /// The same in the base currency; `null` if no exchange rate was known.
    base_amount: Option<i64>,
    /// The base currency at that time.
    base_currency: Option<Currency>,
}

/// A move of a deal to another stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct DealMoveView {
    /// Its id.
    id: DealMoveId,
    /// The previous stage; `null` if the deal was opened.
    #[schema(max_length = 64)]
    from: Option<String>,
    /// The new stage.
    #[schema(max_length = 64, example = "proposal")]
    to: String,
    /// When it happened.
    at: Timestamp,
    /// How many seconds the deal was in that stage; `null` while it still is.
    #[schema(minimum = 0, example = 86_400)]
    duration_s: Option<i64>,
    /// The type of the actor that made the move.
    actor_type: ActorKind,
    /// The actor that made the move: the id of a user, key or form, or the name of a part of Tandem.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    actor_id: String,
    /// The user on whose behalf a key acted.
    on_behalf_of: Option<UserId>,
    /// The code of the reason.
    #[schema(max_length = 64)]
    reason: Option<String>,
    /// A note about the reason.
    #[schema(max_length = 4000)]
    note: Option<String>,
    /// The change of the revenue by this move.
    revenue: Option<RevenueView>,
}

/// The moves of a deal.
#[derive(Debug, Serialize, ToSchema)]
pub struct DealMovesView {
    /// The moves, oldest first; at most 1,000.
    #[schema(max_items = 1000)]
    data: Vec<DealMoveView>,
}

impl DealMovesView {
    /// The moves, each with the time until the next.
    pub fn of(moves: Vec<DealMove>) -> Self {
        let next = moves.iter().skip(1).map(|next| Some(next.at)).chain([None]);
        let next: Vec<Option<Timestamp>> = next.collect();
        let view = |(made, next): (DealMove, Option<Timestamp>)| DealMoveView {
            id: made.id,
            duration_s: next.map(|next| (next.millis() - made.at.millis()).max(0) / 1000),
            from: made.from,
            to: made.to,
            at: made.at,
            actor_type: made.actor_kind,
            actor_id: made.actor_id,
            on_behalf_of: made.on_behalf_of,
            reason: made.reason,
            note: made.note,
            revenue: made.revenue.map(|revenue| RevenueView {
                amount: revenue.amount,
                currency: revenue.currency,
                base_amount: revenue.base.map(|(amount, ..)| amount),
                base_currency: revenue.base.map(|(_, currency, _)| currency),
            }),
        };
        Self {
            data: moves.into_iter().zip(next).map(view).collect(),
        }
    }
}
