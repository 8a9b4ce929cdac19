//! What a refused decision about a hand-off is over HTTP.

use serde_json::json;
use tandem_domain::handoff::{Handoff, Refused};

use crate::edge::http::problem::{Code, Problem};
use crate::lifecycle::refused::not_moved;

/// The problem that a refused decision is.
pub fn not_decided(refused: Refused) -> Problem {
    match refused {
        Refused::NoSuchHandoff => Problem::new(Code::NotFound),
        Refused::Decided(handoff) => Problem::new(Code::AlreadyDecided)
            .with("current", json!(handoff.state))
            .with("decided_by", json!(handoff.decided_by))
            .with("decided_at", json!(handoff.decided_at)),
        Refused::Move(refused) => not_moved(refused),
    }
}

/// The problem that somebody took a hand-off from its queue before.
pub fn taken(handoff: &Handoff) -> Problem {
    Problem::new(Code::AlreadyDecided)
        .detail("Somebody else took the lead from the queue")
        .with("current", json!(handoff.state))
        .with("decided_by", json!(handoff.owner_id))
        .with("decided_at", json!(handoff.assigned_at))
}
