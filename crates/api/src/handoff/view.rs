//! Hand-offs as they go out.

use serde::Serialize;
use tandem_domain::access::Queue;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::handoff::{Dispute, Handoff, HandoffState, Joins, MadeBy, Ruling, Verdict};
use tandem_domain::id::{ActivityId, CompanyId, DealId, HandoffId, LeadId, RoutingDecisionId, UserId};
use tandem_domain::instant::Timestamp;
use utoipa::ToSchema;

use crate::clocks::ClockView;

/// What created a hand-off.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MadeByKind {
    /// The agreement's rule.
    Rule,
    /// A user.
    User,
}

/// The deal or lead of a company that a hand-off joined.
#[derive(Debug, Serialize, ToSchema)]
pub struct JoinsView {
    /// The open deal.
    deal_id: Option<DealId>,
    /// The lead that sales is working on.
    lead_id: Option<LeadId>,
}

impl From<Joins> for JoinsView {
    fn from(joins: Joins) -> Self {
        let (deal_id, lead_id) = match joins {
            Joins::Deal(deal) => (Some(deal), None),
            Joins::Lead(lead) => (None, Some(lead)),
        };
        Self { deal_id, lead_id }
    }
}

/// Marketing's dispute of a rejection.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisputeView {
    /// The user who disputes it.
    by: UserId,
    /// When.
    at: Timestamp,
    /// The reason; `null` once it was erased.
    #[schema(max_length = 4000, example = "The budget was confirmed in the form")]
    argument: Option<String>,
}

impl From<Dispute> for DisputeView {
    fn from(dispute: Dispute) -> Self {
        Self {
            by: dispute.by,
            at: dispute.at,
            argument: dispute.argument,
        }
    }
}

/// The ruling on a dispute.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulingView {
    /// The user who ruled on the dispute.
    by: UserId,
    /// When.
    at: Timestamp,
    /// The ruling.
    decision: Verdict,
    /// The reason; `null` once it was erased.
    #[schema(max_length = 4000, example = "The form names a budget of 20,000 EUR")]
    note: Option<String>,
}

impl RulingView {
    fn of(ruling: Ruling, state: HandoffState) -> Option<Self> {
        let decision = Verdict::ALL
            .iter()
            .copied()
            .find(|verdict| verdict.state() == state)?;
        Some(Self {
            by: ruling.by,
            at: ruling.at,
            decision,
            note: ruling.note,
        })
    }
}

/// A hand-off: the passing of an MQL from marketing to sales.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoffView {
    /// Its id.
    pub id: HandoffId,
    /// The lead.
    pub lead_id: LeadId,
    /// The lead's company at its creation.
    company_id: Option<CompanyId>,
    /// The lead's cycle.
    #[schema(minimum = 1)]
    cycle: i64,
    /// Where it stands.
    state: HandoffState,
    /// When it was created.
    made_at: Timestamp,
    /// What created the hand-off: a rule or a user.
    made_by: MadeByKind,
    /// The user who created it by hand; `null` if the rule did.
    made_by_user_id: Option<UserId>,
    /// Whether sales found the lead itself. Such hand-offs count in no acceptance rate and no commitment.
    self_sourced: bool,
    /// Whether an import of history created it, without packet and clocks.
    imported: bool,
    /// The user who must decide, or decided.
    owner_id: Option<UserId>,
    /// The queue in which it waits without an owner: `general`, or a team's id.
    queue: Option<Queue>,
    /// When it first had an owner.
    assigned_at: Option<Timestamp>,
    /// The deal or lead of the same company that it joined, whose owner it got.
    joins: Option<JoinsView>,
    /// When it was accepted or rejected.
    decided_at: Option<Timestamp>,
    /// The user who accepted or rejected it.
    decided_by: Option<UserId>,
    /// The code of the rejection's reason.
    #[schema(max_length = 64, example = "no_budget")]
    reason: Option<String>,
    /// Why, in words.
    #[schema(max_length = 4000)]
    note: Option<String>,
    /// For a rejection: no rule makes the lead an MQL before this instant.
    until: Option<Timestamp>,
    /// The activity that proves the reason.
    evidence_activity_id: Option<ActivityId>,
    /// When a user first opened the packet.
    opened_at: Option<Timestamp>,
    /// The user who opened it first.
    opened_by: Option<UserId>,
    /// When the lead was first contacted for it.
    first_contact_at: Option<Timestamp>,
    /// When the review is due; `null` if the agreement promises none.
    due_at: Option<Timestamp>,
    /// Marketing's dispute of the rejection.
    dispute: Option<DisputeView>,
    /// The ruling on the dispute.
    ruling: Option<RulingView>,
    /// Why it is void.
    #[schema(max_length = 64, example = "left_stage")]
    void_reason: Option<String>,
    /// The version of the agreement in force at its creation.
    #[schema(minimum = 1)]
    agreement_version: i64,
    /// The clocks that it started, in order.
    #[schema(max_items = 100)]
    clocks: Vec<ClockView>,
    /// The routing decision that assigned it.
    routing_decision_id: Option<RoutingDecisionId>,
    /// The version: incremented by each change, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
    /// When it last changed.
    updated_at: Timestamp,
}

impl HandoffView {
    /// A hand-off with its clocks among these.
    pub fn of(handoff: Handoff, clocks: &[ClockRecord]) -> Self {
        let own = clocks
            .iter()
            .filter(|record| record.handoff_id == Some(handoff.id));
        let (made_by, made_by_user_id) = match handoff.made_by {
            MadeBy::Rule => (MadeByKind::Rule, None),
            MadeBy::User(user) => (MadeByKind::User, Some(user)),
        };
        Self {
            id: handoff.id,
            lead_id: handoff.lead_id,
            company_id: handoff.company_id,
            cycle: handoff.cycle,
            state: handoff.state,
            made_at: handoff.made_at,
            made_by,
            made_by_user_id,
            self_sourced: handoff.self_sourced,
            imported: handoff.imported,
            owner_id: handoff.owner_id,
            queue: handoff.queue,
            assigned_at: handoff.assigned_at,
            joins: handoff.joins.map(JoinsView::from),
            decided_at: handoff.decided_at,
            decided_by: handoff.decided_by,
            reason: handoff.reason,
            note: handoff.note,
            until: handoff.until,
            evidence_activity_id: handoff.evidence_activity_id,
            opened_at: handoff.opened_at,
            opened_by: handoff.opened_by,
            first_contact_at: handoff.first_contact_at,
            due_at: handoff.due_at,
            dispute: handoff.dispute.map(DisputeView::from),
            ruling: handoff
                .ruling
                .and_then(|ruling| RulingView::of(ruling, handoff.state)),
            void_reason: handoff.void_reason,
            agreement_version: handoff.agreement_version,
            clocks: own.map(|clock| ClockView::from(clock.clone())).collect(),
            routing_decision_id: handoff.routing_decision_id,
            version: handoff.version,
            updated_at: handoff.updated_at,
        }
    }
}
