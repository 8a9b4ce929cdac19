//! Hand-offs: the passing of an MQL from marketing to sales, accepted or rejected with a reason.

pub mod change;

use crate::access::Queue;
use crate::id::{ActivityId, CompanyId, HandoffId, LeadId, RoutingDecisionId, UserId};
use crate::instant::Timestamp;
use crate::words::words;

words! {
    /// Where a hand-off stands.
    HandoffState {
        /// Nobody has decided yet.
        Pending = "pending",
        /// Sales accepted it.
        Accepted = "accepted",
        /// Sales rejected it.
        Rejected = "rejected",
        /// It counts nowhere any more.
        Void = "void",
        /// Marketing disputes the rejection.
        Disputed = "disputed",
        /// The rejection was upheld.
        Upheld = "upheld",
        /// The rejection was overturned.
        Overturned = "overturned",
    }
}

/// Who made a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// The agreement's rule.
    Rule,
    /// A user.
    User(UserId),
}

/// The passing of an MQL to sales: at most one in each cycle of a lead. Its packet is a row of its own and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// Counts the changes, from 1.
    pub version: i64,
    /// The lead.
    pub lead_id: LeadId,
    /// The lead's company when it was made.
    pub company_id: Option<CompanyId>,
    /// The lead's cycle.
    pub cycle: i64,
    /// Where it stands.
    pub state: HandoffState,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub made_by: MadeBy,
    /// Whether sales found the lead itself: it is in no acceptance rate and no commitment.
    pub self_sourced: bool,
    /// Whether an import of history wrote it: without packet and clocks.
    pub imported: bool,
    /// Who is to decide, or decided.
    pub owner_id: Option<UserId>,
    /// Where it waits while nobody owns it.
    pub queue: Option<Queue>,
    /// When it first had an owner: what lies before is the system's delay.
    pub assigned_at: Option<Timestamp>,
    /// When it was accepted or rejected.
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// The code of the rejection's reason.
    pub reason: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
    /// No rule makes the lead an MQL before this instant; of a rejection.
    pub until: Option<Timestamp>,
    /// The activity that shows the reason.
    pub evidence_activity_id: Option<ActivityId>,
    /// When a user first opened the packet.
    pub opened_at: Option<Timestamp>,
    /// Who opened it first.
    pub opened_by: Option<UserId>,
    /// When the lead was first contacted for this hand-off, whenever that was logged.
    pub first_contact_at: Option<Timestamp>,
    /// When the review is due, where that is promised.
    pub due_at: Option<Timestamp>,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// The version of the agreement that it was made under.
    pub agreement_version: i64,
    /// The routing decision that it follows from.
    pub routing_decision_id: Option<RoutingDecisionId>,
    /// When it last changed.
    pub updated_at: Timestamp,
}
