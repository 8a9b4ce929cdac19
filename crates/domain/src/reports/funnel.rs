//! The funnel: from counts of cycles by the way they went to volumes, rates, drop-offs and times in stage.

use std::collections::BTreeMap;

use crate::lifecycle::{Cycle, Stage};

use super::{Basis, Rate, percentile};

/// The stages of the funnel, in order.
pub const FUNNEL: [Stage; 6] = [
    Stage::Lead,
    Stage::Mql,
    Stage::Sal,
    Stage::Sql,
    Stage::Opportunity,
    Stage::Customer,
];

/// What happened to a cycle in the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It entered this stage of [`FUNNEL`] for the first time; the first stage is entered by starting.
    Entered(usize),
    /// It ended.
    Ended,
}

/// How many cycles had this event and went this way. On the cohort basis all are counted at `Entered(0)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// What happened.
    pub event: Event,
    /// The way they went: [`Cycle::path`].
    pub path: i64,
    /// Their last reason.
    pub reason: Option<String>,
    /// The number of cycles.
    pub cycles: i64,
}

/// What a funnel says about one stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageFigures {
    /// Cycles that reached the stage.
    pub cycles: i64,
    /// People whose cycles reached the stage, each counted once.
    pub people: i64,
    /// Of the cycles that reached the stage before, those that reached this one too; none for the first stage.
    pub from_previous: Option<Rate>,
    /// Of all cycles that started, those that reached this one; none for the first stage.
    pub from_start: Option<Rate>,
    /// Cycles that ended with this as the furthest stage, by reason.
    pub dropped: BTreeMap<Option<String>, i64>,
    /// Finished stays in the stage.
    pub stays: i64,
    /// The median of their lengths, in milliseconds.
    pub median: Option<f64>,
    /// The length that nine tenths of them do not exceed, in milliseconds.
    pub p90: Option<f64>,
}

/// The figures of one row of a funnel.
pub type Figures = [StageFigures; 6];

fn reached(path: i64, stage: usize) -> bool {
    stage == 0 || path & (1 << stage) != 0
}

/// The furthest stage of the funnel that a path has.
pub fn furthest(path: i64) -> usize {
    (0..FUNNEL.len())
        .rev()
        .find(|stage| reached(path, *stage))
        .unwrap_or(0)
}

/// Volumes, rates and drop-offs of some cycles. A rate counts, of the cycles that reached one stage, those that reached
/// the other too: what a cycle reached decides, not whether its dates are in order, which imported ones need not be.
pub fn count(basis: Basis, tallies: &[Tally]) -> Figures {
    let mut figures = Figures::default();
    for stage in figures.iter_mut().skip(1) {
        stage.from_previous = Some(Rate::default());
        stage.from_start = Some(Rate::default());
    }
    for tally in tallies {
        let stages: &[usize] = match (basis, tally.event) {
            (Basis::Cohort, _) => &[0, 1, 2, 3, 4, 5],
            (Basis::Activity, Event::Entered(stage)) => &[stage],
            (Basis::Activity, Event::Ended) => &[],
        };
        for stage in stages.iter().copied().filter(|stage| reached(tally.path, *stage)) {
            figures[stage].cycles += tally.cycles;
            if let Some(next) = figures.get_mut(stage + 1) {
                add(&mut next.from_previous, tally, stage + 1);
            }
            if stage == 0 {
                for (later, figures) in figures.iter_mut().enumerate().skip(1) {
                    add(&mut figures.from_start, tally, later);
                }
            }
        }
        let ended = match basis {
            Basis::Cohort => tally.path & Cycle::OVER != 0,
            Basis::Activity => tally.event == Event::Ended,
        };
        if ended {
            let reasons = &mut figures[furthest(tally.path)].dropped;
            *reasons.entry(tally.reason.clone()).or_default() += tally.cycles;
        }
    }
    figures
}

/// Of the cycles that reached one stage of the funnel (on the activity basis: in the period), the share that reached
/// another one too.
pub fn conversion(basis: Basis, tallies: &[Tally], from: usize, to: usize) -> Rate {
    let mut rate = Rate::default();
    let is_counted = |tally: &&Tally| match basis {
        Basis::Cohort => reached(tally.path, from),
        Basis::Activity => tally.event == Event::Entered(from),
    };
    for tally in tallies.iter().filter(is_counted) {
        rate.whole += tally.cycles;
        if reached(tally.path, to) {
            rate.part += tally.cycles;
        }
    }
    rate
}

fn add(rate: &mut Option<Rate>, tally: &Tally, stage: usize) {
    let rate = rate.get_or_insert_default();
    rate.whole += tally.cycles;
    if reached(tally.path, stage) {
        rate.part += tally.cycles;
    }
}

impl StageFigures {
    /// Take over the lengths of the finished stays, in milliseconds; they are put into another order.
    pub fn time(&mut self, stays: &mut [i64]) {
        self.stays = stays.len() as i64;
        self.median = percentile(stays, 0.5);
        self.p90 = percentile(stays, 0.9);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(event: Event, path: i64, reason: Option<&str>, cycles: i64) -> Tally {
        let reason = reason.map(str::to_owned);
        Tally {
            event,
            path,
            reason,
            cycles,
        }
    }

    const OVER: i64 = Cycle::OVER | 1 << 6;

    #[test]
    fn a_cohort_is_counted_by_what_each_cycle_reached() {
        let start = Event::Entered(0);
        let figures = count(
            Basis::Cohort,
            &[
                tally(start, 0b1, None, 100),
                tally(start, OVER | 0b1, Some("spam"), 40),
                tally(start, OVER | 0b11, Some("no_budget"), 25),
                tally(start, 0b11, Some("no_budget"), 5), // overturned: not over
                tally(start, 0b11_1111, None, 20),
                tally(start, 0b10_0001, None, 10), // imported: won at once
            ],
        );
        let cycles = figures.each_ref().map(|stage| stage.cycles);
        assert_eq!(cycles, [200, 50, 20, 20, 20, 30]);
        assert_eq!(figures[0].from_previous, None);
        assert_eq!(figures[1].from_previous, Some(Rate { part: 50, whole: 200 }));
        assert_eq!(figures[5].from_previous, Some(Rate { part: 20, whole: 20 }));
        assert_eq!(figures[5].from_start, Some(Rate { part: 30, whole: 200 }));
        assert_eq!(figures[0].dropped, [(Some("spam".to_owned()), 40)].into());
        assert_eq!(figures[1].dropped, [(Some("no_budget".to_owned()), 25)].into());
    }

    #[test]
    fn activity_is_counted_by_what_happened() {
        let figures = count(
            Basis::Activity,
            &[
                tally(Event::Entered(0), 0b1, None, 10),
                tally(Event::Entered(0), 0b11_1111, None, 2),
                tally(Event::Entered(1), 0b11, None, 6),
                tally(Event::Entered(1), 0b111, None, 4),
                tally(Event::Ended, OVER | 0b11, Some("no_budget"), 3),
            ],
        );
        let cycles = figures.each_ref().map(|stage| stage.cycles);
        assert_eq!(cycles, [12, 10, 0, 0, 0, 0]);
        assert_eq!(figures[1].from_previous, Some(Rate { part: 2, whole: 12 }));
        assert_eq!(figures[2].from_previous, Some(Rate { part: 4, whole: 10 }));
        assert_eq!(figures[2].from_start, Some(Rate { part: 2, whole: 12 }));
        assert_eq!(figures[3].from_previous, Some(Rate::default()));
        assert_eq!(figures[1].dropped, [(Some("no_budget".to_owned()), 3)].into());
    }
}
