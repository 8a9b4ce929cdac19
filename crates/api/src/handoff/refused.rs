//! What a refused decision about a hand-off is over HTTP.

use serde_json::json;
use tandem_domain::handoff::{Handoff, HandoffError};

use crate::edge::http::problem::{Code, Problem};
use crate::lifecycle::refused::not_moved;

/// The problem that a refused decision is.
pub fn not_decided(refused: HandoffError) -> Problem {
    match refused {
        HandoffError::NoSuchHandoff => Problem::new(Code::NotFound),
        HandoffError::Decided(handoff) => Problem::new(Code::AlreadyDecided)
            .with("current", json!(handoff.state))
            .with("decided_by", json!(handoff.decided_by))
            .with("decided_at", json!(handoff.decided_at)),
        HandoffError::Disputed(handoff) => disputed(&handoff),
        HandoffError::Ruled(handoff) => ruled(&handoff),
        HandoffError::NotRejected(handoff) | HandoffError::NotDisputed(handoff) => {
            Problem::new(Code::IllegalTransition)
                .detail(match handoff.dispute {
                    None => "Only a rejection can be disputed, and only a dispute be ruled on",
                    Some(_) => "The dispute was ruled on",
                })
                .with("current", json!(handoff.state))
                .with("allowed", json!([]))
        }
        HandoffError::TooLate { until } => Problem::new(Code::Conflict).detail(format!(
            "A rejection can be disputed within seven days: until {until}"
        )),
        HandoffError::NotNeutral => {
            Problem::new(Code::WrongRole).detail("Who rejected or disputed a hand-off does not rule on it")
        }
        HandoffError::Move(refused) => not_moved(refused),
    }
}

/// The problem that somebody disputed a rejection before.
fn disputed(handoff: &Handoff) -> Problem {
    let dispute = handoff.dispute.as_ref();
    Problem::new(Code::AlreadyDecided)
        .detail("Somebody else disputed the rejection before")
        .with("current", json!(handoff.state))
        .with("decided_by", json!(dispute.map(|dispute| dispute.by)))
        .with("decided_at", json!(dispute.map(|dispute| dispute.at)))
}

/// The problem that somebody ruled on a dispute before.
fn ruled(handoff: &Handoff) -> Problem {
    let ruling = handoff.ruling.as_ref();
    Problem::new(Code::AlreadyDecided)
        .detail("Somebody else ruled on the dispute before")
        .with("current", json!(handoff.state))
        .with("decided_by", json!(ruling.map(|ruling| ruling.by)))
        .with("decided_at", json!(ruling.map(|ruling| ruling.at)))
}

/// The problem that somebody took a hand-off from its queue before.
pub fn taken(handoff: &Handoff) -> Problem {
    Problem::new(Code::AlreadyDecided)
        .detail("Somebody else took the lead from the queue")
        .with("current", json!(handoff.state))
        .with("decided_by", json!(handoff.owner_id))
        .with("decided_at", json!(handoff.assigned_at))
}
