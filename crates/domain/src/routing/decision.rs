//! A routing decision as it is stored: which rules did not match, and why each member was skipped.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::choose::PassedOver;
use super::turns::{Turn, Turns};
use crate::access::Queue;
use crate::id::{LeadId, RoutingDecisionId, TeamId, UserId};
use crate::instant::Timestamp;

/// To whom routing assigned a hand-off, and why; never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingDecision {
    /// Its id.
    pub id: RoutingDecisionId,
    /// The lead.
    pub lead_id: LeadId,
    /// When it was created.
    pub at: Timestamp,
    /// The user to whom it assigned the hand-off.
    pub owner_id: Option<UserId>,
    /// The queue, if no user could take it.
    pub queue: Option<Queue>,
    /// The rules that were asked, in their order.
    pub rules: Vec<AskedRule>,
    /// The turn that was taken.
    pub turn: Option<(TeamId, Turn)>,
}

/// A routing rule as it was evaluated for one lead: its result, and the users whom it skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskedRule {
    /// The name that people see.
    #[schema(max_length = 200)]
    pub name: String,
    /// The result.
    pub outcome: RuleOutcome,
    /// The users who were skipped, with the reason.
    #[schema(max_items = 1000)]
    pub passed_over: Vec<PassedOverUser>,
}

/// The result of a routing rule for one lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// Its condition does not hold.
    NotMatched,
    /// It found an owner.
    Assigned,
    /// Nobody could take the hand-off: it waits in the rule's queue.
    Queued,
    /// Nobody could take the hand-off: the next rule was asked.
    NobodyFree,
}

/// A user whom a rule skipped, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassedOverUser {
    /// The user.
    pub user_id: UserId,
    /// The reason.
    pub reason: PassedOver,
}

/// What routing leaves beside the hand-off; the hand-off's own entries are in the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum RoutingChange {
    /// A decision was made.
    Decided(Box<RoutingDecision>),
    /// The turns of a team moved.
    Turned {
        /// The team.
        team_id: TeamId,
        /// Its turns now.
        turns: Turns,
        /// The instant.
        at: Timestamp,
    },
}
