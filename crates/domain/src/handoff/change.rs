//! What happens to hand-offs, and what the journal says of it.

use serde_json::{Value, json};

use super::{Conclusion, Handoff, MadeBy};
use crate::id::UserId;
use crate::journal::{Entry, Subject};

/// The types of entry about hand-offs, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("handoff.created", "An MQL was handed over to sales."),
    ("handoff.queued", "A hand-off waits in a queue: nobody owns it."),
    ("handoff.assigned", "A hand-off has another owner."),
    ("handoff.accepted", "Sales accepted a hand-off."),
    ("handoff.rejected", "Sales rejected a hand-off."),
    (
        "handoff.disputed",
        "Marketing disputed the rejection of a hand-off.",
    ),
    ("handoff.ruled", "A dispute about a hand-off was ruled on."),
    (
        "handoff.acknowledged",
        "Marketing acknowledged the rejection of a hand-off.",
    ),
    ("handoff.opened", "A user opened the packet of a hand-off."),
    ("handoff.voided", "A hand-off counts nowhere any more."),
];

/// What happened to a hand-off.
#[derive(Debug, Clone, PartialEq)]
pub enum HandoffChange {
    /// It was made, with its packet; an imported one has none.
    Made(Box<Handoff>, Option<Value>),
    /// It went to a queue.
    Queued(Box<Handoff>),
    /// It got another owner.
    Assigned {
        /// The hand-off after the change.
        handoff: Box<Handoff>,
        /// The owner before.
        from: Option<UserId>,
    },
    /// It was accepted.
    Accepted(Box<Handoff>),
    /// It was rejected.
    Rejected(Box<Handoff>),
    /// A user opened its packet for the first time.
    Opened(Box<Handoff>),
    /// It became void.
    Voided(Box<Handoff>),
    /// The first contact became known, or it waits no more; other entries say so.
    Adjusted(Box<Handoff>),
    /// Marketing disputes the rejection.
    Disputed(Box<Handoff>),
    /// The dispute was ruled on; the state says how.
    Ruled(Box<Handoff>),
    /// Marketing acknowledged the rejection, with its conclusion.
    Acknowledged(Box<Handoff>, Conclusion),
}

impl HandoffChange {
    /// The hand-off after the change.
    pub fn handoff(&self) -> &Handoff {
        match self {
            Self::Made(handoff, _)
            | Self::Queued(handoff)
            | Self::Assigned { handoff, .. }
            | Self::Accepted(handoff)
            | Self::Rejected(handoff)
            | Self::Opened(handoff)
            | Self::Voided(handoff)
            | Self::Disputed(handoff)
            | Self::Ruled(handoff)
            | Self::Acknowledged(handoff, _)
            | Self::Adjusted(handoff) => handoff,
        }
    }

    pub(crate) fn entry(&self) -> Option<Entry> {
        let handoff = self.handoff();
        let mut data = json!({
            "cycle": handoff.cycle, "owner_id": handoff.owner_id, "queue": handoff.queue,
            "agreement_version": handoff.agreement_version,
        });
        let kind = match self {
            Self::Made(..) => {
                data["made_by"] = match handoff.made_by {
                    MadeBy::Rule => json!("rule"),
                    MadeBy::User(user) => json!(user),
                };
                data["self_sourced"] = json!(handoff.self_sourced);
                "handoff.created"
            }
            Self::Queued(_) => "handoff.queued",
            Self::Assigned { from, .. } => {
                data["previous_owner_id"] = json!(from);
                "handoff.assigned"
            }
            Self::Accepted(_) => "handoff.accepted",
            Self::Rejected(_) => {
                data["reason"] = json!(handoff.reason);
                data["note"] = json!(handoff.note);
                data["until"] = json!(handoff.until);
                data["evidence_activity_id"] = json!(handoff.evidence_activity_id);
                "handoff.rejected"
            }
            Self::Opened(_) => "handoff.opened",
            Self::Voided(_) => {
                data["void_reason"] = json!(handoff.void_reason);
                "handoff.voided"
            }
            Self::Disputed(_) => {
                data["disputed_by"] = json!(handoff.dispute.as_ref().map(|dispute| dispute.by));
                data["argument"] = json!(handoff.dispute.as_ref().map(|dispute| &dispute.argument));
                "handoff.disputed"
            }
            Self::Ruled(_) => {
                data["decision"] = json!(handoff.state);
                data["ruled_by"] = json!(handoff.ruling.as_ref().map(|ruling| ruling.by));
                data["note"] = json!(handoff.ruling.as_ref().map(|ruling| &ruling.note));
                "handoff.ruled"
            }
            Self::Acknowledged(_, conclusion) => {
                data["note"] = json!(conclusion.note);
                data["action_item_id"] = json!(conclusion.action_item_id);
                "handoff.acknowledged"
            }
            Self::Adjusted(_) => return None,
        };
        let subject = Subject::new("handoff", handoff.id, handoff.version);
        Some(Entry::plain(kind, subject, Some(handoff.lead_id), data))
    }
}
