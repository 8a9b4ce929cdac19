//! Promised times: working hours, due times, and the clocks that hold a team to them.
//!
//! What starts a clock and which acts meet it is decided by the rooms above. What a clock is about and who owns it stands
//! in the record around it.

mod calendar;
mod clock;
pub mod notify;
mod open_time;
mod promise;
pub mod record;
#[cfg(test)]
pub(crate) mod tests;

pub use calendar::{Calendar, CalendarDocument, Week};
pub use clock::{Clock, ClockEvent, ClockKind, ClockState, Ended, How, Side, VoidReason};
pub use promise::{Deadline, NotAPromise, Promise, TimeBase};
