//! Hand-offs: the passing of an MQL from marketing to sales, accepted or rejected with a reason.

mod assemble;
pub mod change;
mod clocks;
mod decide;
mod dispute;
mod error;
mod feedback;
mod hand_over;
pub mod packet;
pub mod qualification;
mod qualify;
mod reassign;
#[cfg(test)]
mod tests;

pub use clocks::{change as change_clocks, days_of, of as clocks_of, start as start_clock};
pub use decide::{RejectHandoff, accept, assign, leave, move_lead, open, reject};
pub use dispute::{RuleOn, Verdict, dispute, is_disputed, remind_to_rule, rule_on};
pub use error::{HandoffError, NotAssigned};
pub use feedback::{Conclusion, acknowledge, loss_taken_back, lost};
pub use hand_over::{hand_over, pass_on, reroute};
pub use qualify::{propose, qualify};
pub use reassign::{Reassigned, Simulated, reassign, simulate};

pub use crate::routing::Joins;

use crate::access::{Denied, Person, Queue, Role};
use crate::id::{ActivityId, CompanyId, HandoffId, LeadId, RoutingDecisionId, UserId};
use crate::instant::Timestamp;
use crate::words::words;

/// How long after a dispute those who can rule on it are reminded, in milliseconds.
pub const REMIND_AFTER: i64 = 14 * 86_400_000;

words! {
    /// The state of a hand-off: sales decides it; marketing may dispute a rejection, which is then upheld or overturned.
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
    /// What happens to running promises when a lead's owner changes.
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
pub struct Assignee {
    /// Who does it.
    pub owner_id: Option<UserId>,
    /// The queue in which it waits without an owner.
    pub queue: Option<Queue>,
}

impl Assignee {
    /// With this user.
    pub const fn with(owner: UserId) -> Self {
        Self {
            owner_id: Some(owner),
            queue: None,
        }
    }
}

/// Marketing's dispute of a rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The user who disputes it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Why; erasure empties it.
    pub argument: Option<String>,
    /// Whether those who can rule were reminded.
    pub is_reminded: bool,
}

/// The ruling on a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The user who ruled on the dispute.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Why; erasure empties it.
    pub note: Option<String>,
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
    /// The lead's company at its creation.
    pub company_id: Option<CompanyId>,
    /// The lead's cycle.
    pub cycle: i64,
    /// Where it stands.
    pub state: HandoffState,
    /// When it was created.
    pub made_at: Timestamp,
    /// Who made it.
    pub made_by: MadeBy,
    /// Whether sales found the lead itself. Such hand-offs count in no acceptance rate and no commitment.
    pub self_sourced: bool,
    /// Whether an import of history created it, without packet and clocks.
    pub imported: bool,
    /// The user who must decide, or decided.
    pub owner_id: Option<UserId>,
    /// The queue in which it waits without an owner.
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
    /// The activity that proves the reason.
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
    /// The deal or lead of the same company that it joined, whose owner it got.
    pub joins: Option<Joins>,
    /// The user who lost it by an escalation or an overturned rejection: routing never gives it back.
    pub taken_from: Option<UserId>,
    /// Marketing's dispute of the rejection.
    pub dispute: Option<Dispute>,
    /// The ruling on the dispute; the state says which.
    pub ruling: Option<Ruling>,
    /// The version of the agreement in force at its creation.
    pub agreement_version: i64,
    /// The routing decision that assigned it.
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
            joins: None,
            taken_from: None,
            dispute: None,
            ruling: None,
            agreement_version: 1,
            routing_decision_id: None,
            updated_at: made_at,
        }
    }

    /// Whether nobody has decided on it yet.
    pub fn is_pending(&self) -> bool {
        self.state == HandoffState::Pending
    }

    /// Whether it waits in a queue: nobody owns it yet, or nobody owns it any more.
    pub fn waits(&self) -> bool {
        self.owner_id.is_none() && self.queue.is_some()
    }

    /// From when on contacts count for it: from the hand-off, or from the ruling that overturned its rejection.
    pub fn counts_from(&self) -> Timestamp {
        match &self.ruling {
            Some(ruling) if self.state == HandoffState::Overturned => ruling.at,
            _ => self.made_at,
        }
    }

    /// When those who can rule are reminded of its open dispute; `None` where there is none, or once they were.
    pub fn remind_at(&self) -> Option<Timestamp> {
        let open = self.dispute.as_ref();
        let open = open.filter(|dispute| self.state == HandoffState::Disputed && !dispute.is_reminded);
        open.map(|dispute| dispute.at.plus_millis(REMIND_AFTER))
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
