//! Who gets a lead: availability, fair turns, and the choice among candidates with its reasons.
//!
//! Hand-offs are routed by ordered rules, whose conditions are judged above. Companies that are being worked are not joined
//! yet, and nothing escalates.

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
pub use desk::{Desk, Seller};
pub use profile::{AvailabilityDetails, UserAvailability};
pub use route::route;
pub use rules::{Goal, Otherwise, Routing, RoutingRule, RoutingRules, Target};
pub use turns::{Turn, Turns};
