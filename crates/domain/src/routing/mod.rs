//! Who gets a lead: availability, fair turns, and the choice among candidates with its reasons.
//!
//! Hand-offs are routed by ordered rules, whose conditions are judged above.

mod availability;
mod choose;
pub mod decision;
mod desk;
mod profile;
mod route;
mod rules;
#[cfg(test)]
mod tests;
mod turns;

pub use availability::{Absence, Availability};
pub use choose::{Candidate, Decision, PassedOver, Selection, Strategy};
pub use desk::{Desk, Joins, Seller};
pub use profile::{AvailabilityDetails, UserAvailability};
pub use route::{rejected_by, route, take_turn};
pub use rules::{Escalation, Goal, Otherwise, Routing, RoutingRule, RoutingRules, Target};
pub use turns::{Turn, Turns};
