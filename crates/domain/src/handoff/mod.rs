//! Hand-offs: the passing of an MQL from marketing to sales, accepted or rejected with a reason.

mod assemble;
pub mod change;
mod clocks;
mod decide;
mod hand_over;
pub mod packet;
pub mod qualification;
mod qualify;
mod refused;
#[cfg(test)]
mod tests;

pub use decide::{RejectHandoff, accept, assign, leave, move_lead, open, reject};
pub use hand_over::{hand_over, reroute};
pub use qualify::{propose, qualify};
pub use refused::{NotAssigned, Refused};

use crate::access::{Denied, Person, Queue, Role};
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

words! {
    /// What becomes of promises that run when a lead gets another owner.
    #[derive(Default)]
    Clocks {
        /// They run on.
        #[default]
        Keep = "keep",
        /// They are void, and start again.
        Restart = "restart",
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

/// Where work goes: to a user, or to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Who does it.
    pub owner_id: Option<UserId>,
    /// Where it waits while nobody owns it.
    pub queue: Option<Queue>,
}

impl Place {
    /// With this user.
    pub const fn with(owner: UserId) -> Self {
        Self {
            owner_id: Some(owner),
            queue: None,
        }
    }
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

impl Handoff {
    /// A hand-off that nobody owns, is queued for, or has decided on yet.
    pub fn pending(id: HandoffId, lead_id: LeadId, cycle: i64, made_by: MadeBy, made_at: Timestamp) -> Self {
        Self {
            id,
            version: 1,
            lead_id,
            company_id: None,
            cycle,
            state: HandoffState::Pending,
            made_at,
            made_by,
            self_sourced: false,
            imported: false,
            owner_id: None,
            queue: None,
            assigned_at: None,
            decided_at: None,
            decided_by: None,
            reason: None,
            note: None,
            until: None,
            evidence_activity_id: None,
            opened_at: None,
            opened_by: None,
            first_contact_at: None,
            due_at: None,
            void_reason: None,
            agreement_version: 1,
            routing_decision_id: None,
            updated_at: made_at,
        }
    }

    /// Whether nobody has decided on it yet.
    pub fn is_pending(&self) -> bool {
        self.state == HandoffState::Pending
    }

    /// Whether a person may accept or reject it: its owner, a sales user who takes from the queue that it waits in, a sales
    /// manager, an admin.
    pub fn may_decide(&self, person: &Person) -> Result<(), Denied> {
        let is_owner = self.owner_id == Some(person.id);
        if is_owner || self.may_take(person) || person.role == Role::SalesManager || person.is_admin() {
            return Ok(());
        }
        Err(match person.role {
            Role::Sales => Denied::NotOwner,
            _ => Denied::WrongRole,
        })
    }

    /// Whether a sales user may take it from its queue.
    pub fn may_take(&self, person: &Person) -> bool {
        self.owner_id.is_none() && self.queue.unwrap_or(Queue::General).is_open_to(person)
    }
}
