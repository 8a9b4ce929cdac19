//! A promised time: when it is due, and when its owner is warned.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::duration::{Duration, Unit};
use crate::instant::Timestamp;

use super::calendar::Calendar;

/// How the time of a promise is measured: in working hours, or day and night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeBase {
    /// The working hours of a calendar.
    Business,
    /// In elapsed time, day and night.
    Elapsed,
}

/// How long something may take, and in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// So many milliseconds, day and night.
    Elapsed(i64),
    /// So many milliseconds of open time.
    OpenTime(i64),
    /// The n-th later day with open hours, at the same time of day, at the latest at closing.
    WorkingDays(u32),
}

/// When the owner is warned about a promise, and when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When 80 % of the time between start and due has run, rounded down to the millisecond; in business time that is open
    /// time. Where no open time lies between them, it is the start.
    pub warn_at: Timestamp,
    /// The earliest instant by which the promise has run. What happens at this instant is in time.
    pub due_at: Timestamp,
}

/// The duration cannot be promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPromise {
    /// A promise takes some time.
    #[error("must be longer than zero")]
    Nothing,
    /// A working week has no agreed length.
    #[error("has no weeks in business time; say it in d or h")]
    BusinessWeeks,
}

impl Promise {
    /// A duration, promised in one of the two times. In business time `24h` is 24 open hours, and `1d` the next working
    /// day.
    pub fn new(within: Duration, time: TimeBase) -> Result<Self, NotAPromise> {
        if within.count() == 0 {
            return Err(NotAPromise::Nothing);
        }
        match (time, within.unit()) {
            (TimeBase::Elapsed, _) => Ok(Self(Kind::Elapsed(within.millis()))),
            (TimeBase::Business, Unit::Week) => Err(NotAPromise::BusinessWeeks),
            (TimeBase::Business, Unit::Day) => Ok(Self(Kind::WorkingDays(within.count()))),
            (TimeBase::Business, _) => Ok(Self(Kind::OpenTime(within.millis()))),
        }
    }

    /// When a promise that starts at an instant is due, and when its owner is warned.
    pub fn deadline(self, calendar: &Calendar, start: Timestamp) -> Deadline {
        let (due_at, open) = match self.0 {
            Kind::Elapsed(millis) => {
                return Deadline {
                    warn_at: start.plus_millis(four_fifths(millis)),
                    due_at: start.plus_millis(millis),
                };
            }
            Kind::OpenTime(millis) => (calendar.after(start, millis), millis),
            Kind::WorkingDays(n) => {
                let due_at = calendar.working_days_after(start, n);
                (due_at, calendar.worked(start, due_at))
            }
        };
        Deadline {
            warn_at: calendar.after(start, four_fifths(open)),
            due_at,
        }
    }
}

fn four_fifths(millis: i64) -> i64 {
    millis * 4 / 5
}
