//! The commitments of a month: how many promises were due, how many were kept, and how a number fares against its target.

use super::Rate;
use super::period::Days;
use crate::clocks::ClockKind;
use crate::id::UserId;
use crate::instant::Timestamp;
use crate::words::words;

/// How many clocks of one owner were due and ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockTally {
    /// The kind of promise.
    pub kind: ClockKind,
    /// Whose promises; `None` are those that waited in a queue when they were due.
    pub owner_id: Option<UserId>,
    /// Whether they were met in time.
    pub is_kept: bool,
    /// The number of clocks.
    pub clocks: i64,
}

/// The promises of a kind that were due.
pub fn kept<'t>(tallies: impl IntoIterator<Item = &'t ClockTally>) -> Rate {
    let mut rate = Rate::default();
    for tally in tallies {
        rate.whole += tally.clocks;
        rate.part += if tally.is_kept { tally.clocks } else { 0 };
    }
    rate
}

words! {
    /// The state of a commitment with a number.
    CommitmentState {
        /// The month is not over.
        Open = "open",
        /// The number was reached.
        Kept = "kept",
        /// It was not.
        Broken = "broken",
    }
}

/// A month against which commitments are measured, at an instant.
#[derive(Debug, Clone, Copy)]
pub struct Month<'d> {
    /// Its days.
    pub days: &'d Days,
    /// The instant.
    pub now: Timestamp,
}

/// What a version of the agreement promises for a whole period, from when it came into force until the next one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// When it came into force.
    pub from: Timestamp,
    /// What it promises; nothing counts as 0.
    pub promised: i64,
}

impl Month<'_> {
    /// How a count stands against a target; `None` before the month begins.
    pub fn count(self, so_far: i64, target: i64) -> Option<CommitmentState> {
        self.state(so_far >= target)
    }

    /// How a rate stands against the least that is promised; `None` where there is nothing to measure.
    pub fn rate(self, rate: Rate, least: f64) -> Option<CommitmentState> {
        self.state(rate.value()? >= least)
    }

    /// How a rate stands against the most that is promised; `None` where there is nothing to measure.
    pub fn at_most(self, rate: Rate, most: f64) -> Option<CommitmentState> {
        self.state(rate.value()? <= most)
    }

    fn state(self, is_reached: bool) -> Option<CommitmentState> {
        match (self.now < self.days.from, self.now < self.days.to) {
            (true, _) => None,
            (_, true) => Some(CommitmentState::Open),
            _ if is_reached => Some(CommitmentState::Kept),
            _ => Some(CommitmentState::Broken),
        }
    }

    /// What a count comes to at the end of the month if it goes on as it went so far, by elapsed time; `None` before the
    /// month begins.
    pub fn pace(self, so_far: i64) -> Option<f64> {
        let whole = self.days.to.millis() - self.days.from.millis();
        let elapsed = (self.now.millis() - self.days.from.millis()).min(whole);
        (elapsed > 0).then(|| so_far as f64 * whole as f64 / elapsed as f64)
    }

    /// The target of the period: what each version promises, pro rata for the days on which it was in force, together rounded
    /// up. The versions are in the order in which they came into force.
    pub fn target(self, terms: &[Term]) -> i64 {
        let all = self.days_from(self.days.from);
        let ends = terms.iter().skip(1).map(|next| self.days_from(next.from));
        let days = terms.iter().zip(ends.chain([0])).map(|(term, left)| {
            let in_force = self.days_from(term.from) - left;
            i128::from(term.promised) * i128::from(in_force)
        });
        let weighed: i128 = days.sum();
        let all = i128::from(all.max(1));
        ((weighed + all - 1) / all) as i64
    }

    /// The days of the period from an instant on; a day of a clock change is a day.
    fn days_from(self, from: Timestamp) -> i64 {
        const DAY: i64 = 86_400_000;
        let millis = self.days.to.millis() - from.millis().max(self.days.from.millis());
        (millis.max(0) + DAY / 2) / DAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn april() -> Days {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        Days::month_of("2026-04-10".parse().unwrap(), &rome).unwrap()
    }

    fn month<'d>(days: &'d Days, now: &str) -> Month<'d> {
        Month {
            days,
            now: now.parse().unwrap(),
        }
    }

    #[test]
    fn a_month_is_open_until_it_ends() {
        let april = april();
        let last = "2026-04-30T21:59:59.999Z";
        assert_eq!(month(&april, last).count(150, 150), Some(CommitmentState::Open));
        let over = month(&april, "2026-04-30T22:00:00Z");
        assert_eq!(over.count(150, 150), Some(CommitmentState::Kept));
        assert_eq!(over.count(149, 150), Some(CommitmentState::Broken));
        assert_eq!(over.rate(Rate::default(), 0.4), None);
        assert_eq!(
            over.rate(Rate { part: 2, whole: 5 }, 0.4),
            Some(CommitmentState::Kept)
        );
        let one_of_twenty = Rate { part: 1, whole: 20 };
        assert_eq!(over.at_most(one_of_twenty, 0.05), Some(CommitmentState::Kept));
        assert_eq!(over.at_most(one_of_twenty, 0.04), Some(CommitmentState::Broken));
        assert_eq!(month(&april, "2026-03-31T21:59:59Z").count(9, 1), None);
    }

    #[test]
    fn the_pace_goes_on_as_so_far() {
        let april = april();
        let half = month(&april, "2026-04-15T22:00:00Z");
        assert_eq!(half.pace(30), Some(60.0));
        assert_eq!(month(&april, "2026-06-01T00:00:00Z").pace(30), Some(30.0));
        assert_eq!(month(&april, "2026-03-31T22:00:00Z").pace(0), None);
    }

    #[test]
    fn a_target_is_pro_rata_and_rounded_up() {
        let april = april();
        let now = month(&april, "2026-04-15T22:00:00Z");
        let term = |from: &str, promised: i64| Term {
            from: from.parse().unwrap(),
            promised,
        };
        let (before, the_20th) = ("2026-01-01T00:00:00Z", "2026-04-19T22:00:00Z");
        assert_eq!(now.target(&[term(before, 150)]), 150);
        assert_eq!(now.target(&[term(the_20th, 150)]), 55);
        assert_eq!(now.target(&[term(the_20th, 10)]), 4);
        assert_eq!(now.target(&[term("2026-05-01T00:00:00Z", 10)]), 0);
        assert_eq!(now.target(&[]), 0);
        // 19 days under one version and 11 under the next one: 150 * 19 / 30 + 90 * 11 / 30.
        assert_eq!(now.target(&[term(before, 150), term(the_20th, 90)]), 128);
        assert_eq!(now.target(&[term(before, 150), term(the_20th, 150)]), 150);
    }
}
