//! Who gets a lead: availability, fair turns, and the choice among candidates with its reasons.
//!
//! Rules with conditions, queues and companies that are being worked are decided above, on these.

mod availability;
mod choose;
#[cfg(test)]
mod tests;
mod turns;

pub use availability::{Absence, Availability};
pub use choose::{Candidate, Decision, PassedOver, Selection, Strategy};
pub use turns::{Turn, Turns};
