//! Objections: how often they were raised, and what became of the deals in which they were.

use super::Rate;
use super::endings::Worth;

/// An objection in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectionFacts {
    /// How often it was raised.
    pub raised: i64,
    /// The deals that were won although it had been raised.
    pub won: Worth,
    /// The deals that were lost after it had been raised.
    pub lost: Worth,
}

impl ObjectionFacts {
    /// Of the closed deals in which it had been raised, those that were won.
    pub fn win_rate(&self) -> Rate {
        Rate {
            part: self.won.deals,
            whole: self.won.deals + self.lost.deals,
        }
    }
}
