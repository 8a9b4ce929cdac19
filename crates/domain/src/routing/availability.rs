//! When a user works, and how much it can take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clocks::Calendar;
use crate::instant::Timestamp;

/// What a user takes, and when.
#[derive(Debug, Clone)]
pub struct Availability {
    /// Its own working hours; else the agreement's.
    pub calendar: Option<Calendar>,
    /// Open leads (owned, in mql, sal or sql) that routing may bring it to; `None` is no limit.
    pub capacity: Option<u32>,
    /// Its part of weighted turns, from 0 to 100. With 0 it gets no turn.
    pub weight: u32,
    /// The absences.
    pub absences: Vec<Absence>,
}

/// An absence, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Absence {
    /// The first instant of the absence.
    pub from: Timestamp,
    /// The first instant after the absence.
    pub to: Timestamp,
}

impl Default for Availability {
    fn default() -> Self {
        Self {
            calendar: None,
            capacity: None,
            weight: 1,
            absences: vec![],
        }
    }
}

impl Availability {
    /// Whether an absence contains an instant.
    pub fn is_away(&self, at: Timestamp) -> bool {
        self.away_since(at).is_some()
    }

    /// When the absence began that contains an instant; the earliest, where several do.
    pub fn away_since(&self, at: Timestamp) -> Option<Timestamp> {
        let absences = self.absences.iter();
        let current = absences.filter(|absence| (absence.from..absence.to).contains(&at));
        current.map(|absence| absence.from).min()
    }

    /// Whether an instant lies in the working hours: its own, else the agreement's, else always.
    pub fn is_at_work(&self, at: Timestamp, agreed: Option<&Calendar>) -> bool {
        let calendar = self.calendar.as_ref().or(agreed);
        calendar.is_none_or(|calendar| calendar.is_open(at))
    }

    /// Whether routing may give it another lead.
    pub fn has_room(&self, open_leads: u32) -> bool {
        self.capacity.is_none_or(|capacity| open_leads < capacity)
    }
}
