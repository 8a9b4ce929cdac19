//! Due times, warnings and worked time against somebody who walks through the minutes with a wall clock.
//!
//! The walker shares nothing with the engine: it reads hours, dates and durations itself, and its zones come from
//! chrono-tz, where the engine has jiff.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::{DateTime, Offset, TimeZone};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::clocks::{Calendar, CalendarDocument, Promise, TimeBase, Week};
use crate::instant::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Zones with whole, half and quarter hours, with changes at and around midnight, of half an hour and of two hours, of whole
/// days, twice a year and four times.
const ZONES: [&str; 36] = [
    "UTC",
    "Europe/Rome",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Istanbul",
    "Europe/Volgograd",
    "Atlantic/Azores",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Havana",
    "America/Caracas",
    "America/Sao_Paulo",
    "America/Asuncion",
    "America/Santiago",
    "America/Nuuk",
    "America/Metlakatla",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Africa/Windhoek",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Damascus",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Antarctica/Troll",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Apia",
    "Pacific/Fakaofo",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Pacific/Easter",
    "Pacific/Auckland",
];
const FROM: i64 = 1_167_609_600_000; // 2007-01-01T00:00:00Z
const TO: i64 = 1_735_689_600_000; // 2025-01-01T00:00:00Z

/// When a zone's offset changed, and the offset from then on, in milliseconds.
struct Zone {
    changes: Vec<(i64, i64)>,
}

static TABLE: LazyLock<Vec<Zone>> = LazyLock::new(|| ZONES.iter().map(|name| Zone::read(name)).collect());

impl Zone {
    /// By a look every six hours, then by halves.
    fn read(name: &str) -> Self {
        let zone: chrono_tz::Tz = name.parse().unwrap();
        let offset = |at: i64| {
            let utc = DateTime::from_timestamp_millis(at).unwrap().naive_utc();
            i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1000
        };
        let mut changes = vec![(i64::MIN, offset(FROM - 40 * DAY))];
        let mut at = FROM - 40 * DAY;
        while at < TO + 800 * DAY {
            let (mut low, mut high) = (at, at + DAY / 4);
            if offset(low) != offset(high) {
                while high - low > 1000 {
                    let middle = (low + high) / 2000 * 1000;
                    match offset(middle) == offset(at) {
                        true => low = middle,
                        false => high = middle,
                    }
                }
                changes.push((high, offset(high)));
            }
            at += DAY / 4;
        }
        Self { changes }
    }
}

/// Somebody with a wall clock, who goes from minute to minute; the first one may be a part.
struct Walker<'a> {
    zone: &'a Zone,
    change: usize,
    at: i64,
    week: &'a [Vec<(i64, i64)>; 7],
    holidays: &'a BTreeSet<i64>,
}

impl Walker<'_> {
    fn local(&mut self) -> i64 {
        let changes = &self.zone.changes;
        while self.change + 1 < changes.len() && changes[self.change + 1].0 <= self.at {
            self.change += 1;
        }
        self.at + changes[self.change].1
    }

    fn is_open(&mut self) -> bool {
        let local = self.local();
        let (day, minute) = (local.div_euclid(DAY), local.rem_euclid(DAY) / MINUTE);
        let hours = &self.week[(day - 4).rem_euclid(7) as usize]; // 1970-01-05 was a Monday
        hours
            .iter()
            .any(|(opens, closes)| *opens <= minute && minute < *closes)
            && !self.holidays.contains(&day)
    }

    fn minute_ends(&self) -> i64 {
        (self.at.div_euclid(MINUTE) + 1) * MINUTE
    }
}

/// A calendar in plain numbers: minutes of the day, days since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    zone: usize,
    week: [Vec<(i64, i64)>; 7],
    holidays: BTreeSet<i64>,
}

impl Plain {
    fn walk(&self, at: i64) -> Walker<'_> {
        Walker {
            zone: &TABLE[self.zone],
            change: 0,
            at,
            week: &self.week,
            holidays: &self.holidays,
        }
    }

    /// The earliest instant by which so much open time has run.
    fn after(&self, start: i64, mut open: i64) -> i64 {
        let mut walker = self.walk(start);
        while open > 0 {
            let ends = walker.minute_ends();
            if walker.is_open() {
                if open <= ends - walker.at {
                    return walker.at + open;
                }
                open -= ends - walker.at;
            }
            walker.at = ends;
        }
        start
    }

    fn worked(&self, start: i64, end: i64) -> i64 {
        let mut walker = self.walk(start);
        let mut open = 0;
        while walker.at < end {
            let ends = walker.minute_ends().min(end);
            if walker.is_open() {
                open += ends - walker.at;
            }
            walker.at = ends;
        }
        open
    }

    fn days_after(&self, start: i64, days: usize) -> i64 {
        let mut walker = self.walk(start);
        let local = walker.local();
        let (today, time) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let mut seen = BTreeSet::new();
        while seen.len() < days {
            walker.at = walker.minute_ends();
            let day = walker.local().div_euclid(DAY);
            if day > today && !seen.contains(&day) && walker.is_open() {
                seen.insert(day);
            }
        }
        let last = *seen.last().unwrap();
        let closing = self.week[(last - 4).rem_euclid(7) as usize]
            .iter()
            .map(|hours| hours.1)
            .max();
        let goal = last * DAY + time.min(closing.unwrap() * MINUTE);
        let mut walker = self.walk(start);
        loop {
            let ends = walker.minute_ends();
            let shown = walker.local();
            if goal < shown + (ends - walker.at) {
                return walker.at + (goal - shown).max(0);
            }
            walker.at = ends;
        }
    }

    /// When a promise that starts at an instant is due, and when it warns.
    pub(crate) fn due_and_warning(&self, start: i64, within: &str, is_business: bool) -> (i64, i64) {
        let (number, unit) = within.split_at(within.len() - 1);
        let number: i64 = number.parse().unwrap();
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => 7 * 24 * 3600,
        };
        let length = number * seconds * 1000;
        if !is_business {
            return (
                start + length,
                start + (length - length.div_euclid(5) - i64::from(length % 5 != 0)),
            );
        }
        let due = match unit {
            "d" => self.days_after(start, number as usize),
            _ => self.after(start, length),
        };
        let open = self.worked(start, due);
        let spared = open / 5 + i64::from(open % 5 != 0);
        (due, self.after(start, open - spared))
    }

    /// The same calendar, as the engine reads it.
    pub(crate) fn engine(&self) -> Calendar {
        Calendar::new(&self.document()).unwrap()
    }

    pub(crate) fn document(&self) -> CalendarDocument {
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let days = self.week.clone().map(|hours| {
            let hours = hours
                .into_iter()
                .map(|(opens, closes)| [clock(opens), clock(closes)]);
            hours.collect::<Vec<_>>()
        });
        let [mon, tue, wed, thu, fri, sat, sun] = days;
        let date = |day: &i64| DateTime::from_timestamp_millis(day * DAY).unwrap().date_naive();
        CalendarDocument {
            timezone: ZONES[self.zone].into(),
            week: Week {
                mon,
                tue,
                wed,
                thu,
                fri,
                sat,
                sun,
            },
            holidays: self.holidays.iter().map(|day| date(day).to_string()).collect(),
        }
    }
}

/// The hours of a day: none, one interval or up to three, on any minute or on quarters.
fn hours() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let edges = prop_oneof![
        prop::collection::btree_set(0..=1440i64, 0..=6),
        prop::collection::btree_set((0..=96i64).prop_map(|quarter| quarter * 15), 0..=6),
        Just(BTreeSet::from([540, 1080])),
        Just(BTreeSet::from([540, 780, 840, 1080])),
        // Where zones change.
        prop::collection::btree_set((0..=8i64).prop_map(|half| half * 30), 2..=4),
        Just(BTreeSet::from([0, 1440])),
        Just(BTreeSet::new()),
    ];
    edges.prop_map(|edges| {
        let edges: Vec<i64> = edges.into_iter().collect();
        edges.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    })
}

/// An instant at any millisecond; every second one within two hours of a change of the zone.
fn instant(zone: usize) -> impl Strategy<Value = i64> {
    let changes: Vec<i64> = TABLE[zone].changes.iter().map(|change| change.0).collect();
    let changes: Vec<i64> = changes.into_iter().filter(|at| (FROM..TO).contains(at)).collect();
    let anywhere = (FROM..TO).boxed();
    if changes.is_empty() {
        return anywhere;
    }
    let near = (
        prop::sample::select(changes.clone()),
        -2 * 60 * MINUTE..=2 * 60 * MINUTE,
    );
    let at = (prop::sample::select(changes), -3..=3i64);
    prop_oneof![
        5 => anywhere,
        4 => near.prop_map(|(change, by)| change + by),
        1 => at.prop_map(|(change, by)| change + by)
    ]
    .boxed()
}

/// A calendar and an instant, with holidays around it: some, or nearly all of a month.
pub(crate) fn calendar_and_instant() -> impl Strategy<Value = (Plain, i64)> {
    (0..ZONES.len()).prop_flat_map(|zone| {
        let week: [_; 7] = std::array::from_fn(|_| hours());
        (week, instant(zone)).prop_flat_map(move |(week, start)| {
            let day = start.div_euclid(DAY);
            let some = prop::collection::btree_set(day - 3..day + 25, 0..6);
            let many = prop::collection::btree_set(day - 3..day + 25, 20..28);
            let holidays = prop_oneof![3 => some, 1 => many];
            let plain =
                (Just(week), holidays).prop_map(move |(week, holidays)| Plain { zone, week, holidays });
            let open = plain.prop_filter("never open", |plain| {
                plain.week.iter().any(|hours| !hours.is_empty())
            });
            (open, Just(start))
        })
    })
}

pub(crate) fn within() -> impl Strategy<Value = (String, bool)> {
    let business = prop_oneof![
        (1..=100_000u32).prop_map(|n| format!("{n}s")),
        (1..=2_000u32).prop_map(|n| format!("{n}m")),
        (1..=40u32).prop_map(|n| format!("{n}h")),
        (1..=6u32).prop_map(|n| format!("{n}d")),
        (1..=3u32).prop_map(|n| format!("{n}d")),
    ];
    let elapsed = (1..=50u32, prop::sample::select(vec!["s", "m", "h", "d", "w"]));
    prop_oneof![
        9 => business.prop_map(|text| (text, true)),
        1 => elapsed.prop_map(|(n, unit)| (format!("{n}{unit}"), false))
    ]
}

pub(crate) fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // The same cases every time: a failure of this test is a change of the code.
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// `CALENDAR_CASES` asks for more or fewer.
fn cases(usual: u32) -> u32 {
    let asked = std::env::var("CALENDAR_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn due_times_and_warnings_equal_those_of_a_walk_through_the_minutes() {
    let given = (calendar_and_instant(), within());
    let outcome = runner(cases(3000)).run(&given, |((plain, start), (within, is_business))| {
        let time = match is_business {
            true => TimeBase::Business,
            false => TimeBase::Elapsed,
        };
        let promise = Promise::new(within.parse().unwrap(), time).unwrap();
        let deadline = promise.deadline(&plain.engine(), Timestamp::from_millis(start));
        let found = (deadline.due_at.millis(), deadline.warn_at.millis());
        let walked = plain.due_and_warning(start, &within, is_business);
        prop_assert_eq!(found, walked, "{} in {}", within, ZONES[plain.zone]);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn worked_time_equals_that_of_a_walk_through_the_minutes() {
    let span = prop_oneof![0..3 * 60 * MINUTE, 0..30 * DAY];
    let outcome = runner(cases(2000)).run(&(calendar_and_instant(), span), |((plain, start), span)| {
        let (from, to) = (
            Timestamp::from_millis(start),
            Timestamp::from_millis(start + span),
        );
        let engine = plain.engine();
        prop_assert_eq!(
            engine.worked(from, to),
            plain.worked(start, start + span),
            "{}",
            ZONES[plain.zone]
        );
        prop_assert_eq!(engine.worked(to, from), 0);
        prop_assert_eq!(engine.is_open(from), plain.walk(start).is_open());
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn long_promises_equal_those_of_a_walk_through_the_minutes() {
    let long = prop_oneof![
        (100..=300u32).prop_map(|n| format!("{n}h")),
        (20..=90u32).prop_map(|n| format!("{n}d"))
    ];
    let outcome = runner(cases(60)).run(&(calendar_and_instant(), long), |((mut plain, start), within)| {
        for hours in &mut plain.week[..5] {
            *hours = vec![(540, 780), (840, 1080)];
        }
        let promise = Promise::new(within.parse().unwrap(), TimeBase::Business).unwrap();
        let deadline = promise.deadline(&plain.engine(), Timestamp::from_millis(start));
        let found = (deadline.due_at.millis(), deadline.warn_at.millis());
        prop_assert_eq!(
            found,
            plain.due_and_warning(start, &within, true),
            "{}",
            ZONES[plain.zone]
        );
        Ok(())
    });
    outcome.unwrap();
}

/// The oracle's table: it would be of no use if it had missed the changes that make the zones hard.
#[test]
fn the_table_of_zones_has_the_changes_that_are_hard() {
    let steps = |name: &str| {
        let zone = &TABLE[ZONES.iter().position(|zone| *zone == name).unwrap()];
        let steps = zone
            .changes
            .windows(2)
            .map(|pair| (pair[1].1 - pair[0].1) / MINUTE);
        steps.collect::<BTreeSet<i64>>()
    };
    assert_eq!(steps("UTC"), BTreeSet::new());
    assert_eq!(steps("Europe/Rome"), BTreeSet::from([-60, 60]));
    assert_eq!(steps("Australia/Lord_Howe"), BTreeSet::from([-30, 30]));
    assert_eq!(steps("Pacific/Apia"), BTreeSet::from([-60, 60, 1440]));
    assert_eq!(steps("Antarctica/Troll"), BTreeSet::from([-120, 120]));
    assert_eq!(steps("America/Caracas"), BTreeSet::from([-30, 30]));
    let casablanca = ZONES
        .iter()
        .position(|zone| *zone == "Africa/Casablanca")
        .unwrap();
    assert!(TABLE[casablanca].changes.len() > 50);
}
