//! Calendars and clocks against the table of the specification, and against slow and obvious definitions.

mod clocks;
mod examples;
pub(crate) mod minute_by_minute;
mod refusals;
