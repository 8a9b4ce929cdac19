//! What became of hand-offs: how many sales accepted, rejected and why, and how soon it contacted the leads.

use std::collections::BTreeMap;

use super::Rate;
use crate::clocks::Calendar;
use crate::handoff::HandoffState;
use crate::instant::Timestamp;
use crate::words::words;

words! {
    /// A figure about hand-offs. Self-sourced and void hand-offs never count; imported ones do not count in figures
    /// about times (`timed` and later).
    #[derive(Default)]
    HandoffFigure {
        /// All of them.
        #[default]
        Handoffs = "handoffs",
        /// Those that joined the work on their company.
        Joined = "joined",
        /// The undecided hand-offs.
        Pending = "pending",
        /// Those that sales decided.
        Decided = "decided",
        /// Those whose lead could not be reached within 14 days: a hard bounce, or a wrong number.
        BadContact = "bad_contact",
        /// Those that it accepted.
        Accepted = "accepted",
        /// Those that it rejected.
        Rejected = "rejected",
        /// Those that were disputed, however it was ruled.
        Disputed = "disputed",
        /// Those whose rejection was upheld by a ruling.
        Upheld = "upheld",
        /// Those whose rejection was overturned by a ruling.
        Overturned = "overturned",
        /// Those that were rejected and whose feedback was given or is due.
        FeedbackDue = "feedback_due",
        /// Of these, those with a reason whose feedback was given in time.
        Answered = "answered",
        /// Those that times are measured of.
        Timed = "timed",
        /// Those whose promised review was made or is due.
        ReviewDue = "review_due",
        /// Of these, those that a rule assigned and that were reviewed in time.
        ReviewedByRule = "reviewed_by_rule",
        /// Those whose lead was contacted after the packet was opened.
        OpenedBefore = "opened_before",
        /// Those whose lead was contacted.
        Contacted = "contacted",
        /// Those whose lead waits for contact.
        Uncontacted = "uncontacted",
        /// Those that owe no contact any more: rejected, or the lead left sales, before the contact was due.
        Excused = "excused",
        /// Those that have had an owner.
        Assigned = "assigned",
        /// Those that wait for one.
        Unassigned = "unassigned",
        /// Those that have had an owner, and whose lead was contacted.
        Handled = "handled",
        /// Those that have had an owner, and whose lead waits for contact.
        Unhandled = "unhandled",
        /// Those whose promised contact was made or is due.
        Promised = "promised",
        /// Those whose promised contact was made in time.
        InsidePromise = "inside_promise",
    }
}

/// How many hand-offs of a row stand so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoffTally {
    /// Where they stand; never void.
    pub state: HandoffState,
    /// Why they were rejected.
    pub reason: Option<String>,
    /// The number of hand-offs.
    pub handoffs: i64,
}

/// What became of the hand-offs of a row. Self-sourced and void ones are not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// All of them.
    pub handoffs: i64,
    /// The undecided hand-offs.
    pub pending: i64,
    /// Those that sales accepted, or that were accepted by a ruling.
    pub accepted: i64,
    /// Those that sales rejected; an open dispute counts as rejected.
    pub rejected: i64,
    /// The rejected ones by reason.
    pub reasons: BTreeMap<Option<String>, i64>,
}

impl Verdicts {
    /// The verdicts of some hand-offs.
    pub fn count<'t>(tallies: impl IntoIterator<Item = &'t HandoffTally>) -> Self {
        let mut all = Self::default();
        for tally in tallies {
            let place = match tally.state {
                HandoffState::Void => continue,
                HandoffState::Pending => &mut all.pending,
                HandoffState::Accepted | HandoffState::Overturned => &mut all.accepted,
                HandoffState::Rejected | HandoffState::Disputed | HandoffState::Upheld => {
                    *all.reasons.entry(tally.reason.clone()).or_default() += tally.handoffs;
                    &mut all.rejected
                }
            };
            *place += tally.handoffs;
            all.handoffs += tally.handoffs;
        }
        all
    }

    /// Those that were decided.
    pub fn decided(&self) -> i64 {
        self.accepted + self.rejected
    }

    /// Of the decided ones, those that were accepted.
    pub fn acceptance(&self) -> Rate {
        Rate {
            part: self.accepted,
            whole: self.decided(),
        }
    }
}

/// One hand-off as response times see it. Self-sourced, void and imported ones have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When the response time begins: the hand-off, or the submission that caused it.
    pub since: Timestamp,
    /// When it was created.
    pub made_at: Timestamp,
    /// When it first had an owner.
    pub assigned_at: Option<Timestamp>,
    /// When the lead was first contacted.
    pub contacted_at: Option<Timestamp>,
    /// When the first contact is due, where that is promised.
    pub due_at: Option<Timestamp>,
    /// Whether no contact is owed any more: it was rejected, or the lead left sales, before the contact was due.
    pub is_excused: bool,
}

/// How long something took: percentiles in milliseconds (type 7). One whose upper rank is still open is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
}

/// How long something took, day and night and in working hours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Delay {
    /// How many durations have ended.
    pub finished: i64,
    /// How many durations are still open.
    pub open: i64,
    /// In all of the time.
    pub elapsed: Spread,
    /// In working hours.
    pub business: Spread,
}

/// How soon the leads of a row were contacted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ResponseTimes {
    /// The number of hand-offs.
    pub handoffs: i64,
    /// Those whose lead owes no contact any more and got none.
    pub excused: i64,
    /// From the hand-off, or the submission that caused it, to the first contact.
    pub response: Delay,
    /// From the hand-off to its first owner.
    pub system_delay: Delay,
    /// From the first owner to the first contact.
    pub human_delay: Delay,
    /// Of the promised contacts that were made or are due, those that were made in time.
    pub inside_promise: Rate,
}

impl ResponseTimes {
    /// The times of some hand-offs, each with the calendar of its working hours, as they stand at an instant.
    pub fn of(timings: &[(Timing, &Calendar)], now: Timestamp) -> Self {
        let mut all = Self {
            handoffs: timings.len() as i64,
            ..Self::default()
        };
        let [mut response, mut system, mut human] =
            [Lengths::default(), Lengths::default(), Lengths::default()];
        for (timing, calendar) in timings {
            match (timing.contacted_at, timing.is_excused) {
                (Some(at), _) => response.finish(timing.since, at, calendar),
                (None, true) => all.excused += 1,
                (None, false) => response.open += 1,
            }
            match (timing.assigned_at, timing.is_excused) {
                (Some(at), _) => system.finish(timing.made_at, at, calendar),
                (None, true) => {}
                (None, false) => system.open += 1,
            }
            match (timing.assigned_at, timing.contacted_at, timing.is_excused) {
                (Some(from), Some(to), _) => human.finish(from, to, calendar),
                (Some(_), None, false) => human.open += 1,
                _ => {}
            }
            if let Some(due_at) = timing.due_at.filter(|_| !timing.is_excused) {
                let is_inside = timing.contacted_at.is_some_and(|at| at <= due_at);
                if timing.contacted_at.is_some() || due_at < now {
                    all.inside_promise.whole += 1;
                    all.inside_promise.part += i64::from(is_inside);
                }
            }
        }
        all.response = response.delay();
        all.system_delay = system.delay();
        all.human_delay = human.delay();
        all
    }
}

#[derive(Default)]
struct Lengths {
    elapsed: Vec<i64>,
    business: Vec<i64>,
    open: i64,
}

impl Lengths {
    /// What ends before it begins took no time.
    fn finish(&mut self, from: Timestamp, to: Timestamp, calendar: &Calendar) {
        self.elapsed.push((to.millis() - from.millis()).max(0));
        self.business.push(calendar.worked(from, to));
    }

    fn delay(mut self) -> Delay {
        Delay {
            finished: self.elapsed.len() as i64,
            open: self.open,
            elapsed: spread(&mut self.elapsed, self.open),
            business: spread(&mut self.business, self.open),
        }
    }
}

fn spread(lengths: &mut [i64], open: i64) -> Spread {
    lengths.sort_unstable();
    let [p50, p90, p95] = [0.5, 0.9, 0.95].map(|share| percentile_before(lengths, open, share));
    Spread { p50, p90, p95 }
}

/// A percentile (type 7) of sorted values that so many greater ones, which are not known yet, follow.
fn percentile_before(sorted: &[i64], open: i64, share: f64) -> Option<f64> {
    let all = sorted.len() + open.max(0) as usize;
    let place = share * all.checked_sub(1)? as f64;
    let low = *sorted.get(place.floor() as usize)? as f64;
    let high = *sorted.get(place.ceil() as usize)? as f64;
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::{CalendarDocument, Week};
    use crate::reports::percentile;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;

    fn office() -> Calendar {
        let day = vec![["09:00".to_owned(), "17:00".to_owned()]];
        let week = Week {
            mon: day.clone(),
            tue: day,
            ..Week::default()
        };
        Calendar::new(&CalendarDocument {
            timezone: "UTC".into(),
            week,
            holidays: vec![],
        })
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn timing(made: &str, contacted: Option<&str>) -> Timing {
        Timing {
            since: at(made),
            made_at: at(made),
            assigned_at: None,
            contacted_at: contacted.map(at),
            due_at: None,
            is_excused: false,
        }
    }

    #[test]
    fn an_overturned_rejection_counts_as_accepted_and_a_disputed_one_as_rejected() {
        let tally = |state, reason: Option<&str>, handoffs| HandoffTally {
            state,
            reason: reason.map(str::to_owned),
            handoffs,
        };
        let verdicts = Verdicts::count(&[
            tally(HandoffState::Pending, None, 4),
            tally(HandoffState::Accepted, None, 5),
            tally(HandoffState::Overturned, Some("no_budget"), 1),
            tally(HandoffState::Rejected, Some("no_budget"), 2),
            tally(HandoffState::Disputed, Some("not_a_fit"), 1),
            tally(HandoffState::Upheld, Some("no_budget"), 1),
            tally(HandoffState::Void, None, 9),
        ]);
        assert_eq!(
            (verdicts.handoffs, verdicts.pending, verdicts.decided()),
            (14, 4, 10)
        );
        assert_eq!(verdicts.acceptance(), Rate { part: 6, whole: 10 });
        assert_eq!(
            verdicts.reasons,
            [(Some("no_budget".into()), 3), (Some("not_a_fit".into()), 1)].into()
        );
    }

    #[test]
    fn a_night_is_no_working_time_and_an_open_upper_rank_no_figure() {
        let calendar = office();
        // Monday 2 March 2026.
        let (made, next_day) = ("2026-03-02T16:00:00Z", "2026-03-03T10:00:00Z");
        let timings = [timing(made, Some(next_day)), timing(made, None)];
        let timings = timings.map(|timing| (timing, &calendar));
        let one = ResponseTimes::of(&timings[..1], at(next_day)).response;
        assert_eq!(
            (one.elapsed.p50, one.business.p90),
            (Some((18 * HOUR) as f64), Some((2 * HOUR) as f64))
        );
        let both = ResponseTimes::of(&timings, at(next_day)).response;
        assert_eq!(
            (both.finished, both.open, both.elapsed),
            (1, 1, Spread::default())
        );
    }

    #[test]
    fn a_promise_counts_once_it_was_met_or_is_due() {
        let calendar = office();
        let made = "2026-03-02T09:00:00Z";
        let due = |contacted, due: &str, is_excused| Timing {
            due_at: Some(at(due)),
            is_excused,
            ..timing(made, contacted)
        };
        let now = "2026-03-02T12:00:00Z";
        let timings = [
            due(Some("2026-03-02T11:00:00Z"), "2026-03-02T11:00:00Z", false), // inside, to the millisecond
            due(Some("2026-03-02T11:00:00.001Z"), "2026-03-02T11:00:00Z", false), // late
            due(None, "2026-03-02T11:59:59.999Z", false),                     // due and open
            due(None, now, false),                                            // not yet over
            due(None, "2026-03-02T11:00:00Z", true),                          // rejected before
            timing(made, Some(now)),                                          // nothing is promised
        ];
        let times = ResponseTimes::of(&timings.map(|timing| (timing, &calendar)), at(now));
        assert_eq!(times.inside_promise, Rate { part: 1, whole: 3 });
        assert_eq!((times.handoffs, times.excused, times.response.open), (6, 1, 2));
    }

    #[test]
    fn the_delay_of_the_system_ends_with_the_first_owner() {
        let calendar = office();
        let assigned = Timing {
            assigned_at: Some(at("2026-03-02T10:00:00Z")),
            ..timing("2026-03-02T09:00:00Z", Some("2026-03-02T12:00:00Z"))
        };
        let waiting = timing("2026-03-02T09:00:00Z", None);
        let times = ResponseTimes::of(&[(assigned, &calendar)], at("2026-03-02T13:00:00Z"));
        let hours = |delay: Delay| delay.elapsed.p50.map(|millis| millis / HOUR as f64);
        assert_eq!(
            (hours(times.system_delay), hours(times.human_delay)),
            (Some(1.0), Some(2.0))
        );
        let times = ResponseTimes::of(&[(waiting, &calendar)], at("2026-03-02T13:00:00Z"));
        assert_eq!((times.system_delay.open, times.human_delay.open), (1, 0));
    }

    proptest! {
        #[test]
        fn without_open_ones_it_is_the_plain_percentile(mut values in prop::collection::vec(0i64..1000, 0..40), percent in 0u32..=100) {
            let share = f64::from(percent) / 100.0;
            values.sort_unstable();
            let found = percentile_before(&values, 0, share);
            match (found, percentile(&mut values, share)) {
                (Some(found), Some(plain)) => prop_assert!((found - plain).abs() < 1e-6),
                (found, plain) => prop_assert_eq!(found, plain),
            }
        }

        #[test]
        fn open_ones_count_as_longer_than_any(values in prop::collection::vec(0i64..1000, 0..20), open in 0usize..20, percent in 0u32..=100) {
            const ENDLESS: i64 = 1 << 40;
            let share = f64::from(percent) / 100.0;
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let mut all = values;
            all.resize(all.len() + open, ENDLESS);
            let whole = percentile(&mut all, share).filter(|value| *value < 1001.0);
            match (percentile_before(&sorted, open as i64, share), whole) {
                (Some(found), Some(whole)) => prop_assert!((found - whole).abs() < 1e-6),
                // An interpolation of no weight at all still leans on an open rank.
                (None, _) => {}
                (found, whole) => prop_assert_eq!(found, whole),
            }
        }
    }
}
