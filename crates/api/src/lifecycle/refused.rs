//! What a refused move is over HTTP.

use serde_json::json;
use tandem_domain::lifecycle::MoveError;

use crate::edge::http::faults::invalid;
use crate::edge::http::problem::{Code, Location, Problem, Violation};

/// The problem that a refused move is.
pub fn not_moved(refused: MoveError) -> Problem {
    match refused {
        MoveError::NoSuchMove { current, allowed } => Problem::new(Code::IllegalTransition)
            .with("current", json!(current))
            .with("allowed", json!(allowed)),
        MoveError::IsADeals { current, allowed } => Problem::new(Code::IllegalTransition)
            .detail("The lead has deals: only opening, closing or reopening a deal makes this move")
            .with("current", json!(current))
            .with("allowed", json!(allowed)),
        MoveError::Denied(reason) => reason.into(),
        MoveError::ReasonMismatch { leads_to, allowed } => Problem::new(Code::ReasonMismatch)
            .detail(format!("The reason leads to {}", leads_to.name()))
            .with("allowed", json!(allowed)),
        MoveError::NoSuchReason { allowed } => {
            let detail = match &allowed[..] {
                [] => "this move needs no reason".to_owned(),
                fitting => format!("must be one of {}", fitting.join(", ")),
            };
            let violation = Violation::new(Location::at(["reason"]), "not_allowed", detail);
            Problem::invalid(vec![violation]).with("allowed", json!(allowed))
        }
        MoveError::Invalid(faults) => invalid(faults),
    }
}
