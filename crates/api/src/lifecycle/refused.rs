//! What a refused move is over HTTP.

use serde_json::json;
use tandem_domain::lifecycle::Refused;

use crate::edge::http::faults::invalid;
use crate::edge::http::problem::{Code, Place, Problem, Violation};

/// The problem that a refused move is.
pub fn not_moved(refused: Refused) -> Problem {
    match refused {
        Refused::NoSuchMove { current, allowed } => Problem::new(Code::IllegalTransition)
            .with("current", json!(current))
            .with("allowed", json!(allowed)),
        Refused::IsADeals { current, allowed } => Problem::new(Code::IllegalTransition)
            .detail("The lead has deals: only opening, closing or reopening a deal makes this move")
            .with("current", json!(current))
            .with("allowed", json!(allowed)),
        Refused::Denied(reason) => reason.into(),
        Refused::ReasonMismatch { leads_to, allowed } => Problem::new(Code::ReasonMismatch)
            .detail(format!("The reason leads to {}", leads_to.name()))
            .with("allowed", json!(allowed)),
        Refused::NoSuchReason { allowed } => {
            let detail = match &allowed[..] {
                [] => "this move needs no reason".to_owned(),
                fitting => format!("must be one of {}", fitting.join(", ")),
            };
            let violation = Violation::new(Place::at(["reason"]), "not_allowed", detail);
            Problem::invalid(vec![violation]).with("allowed", json!(allowed))
        }
        Refused::Invalid(faults) => invalid(faults),
    }
}
