//! The cases that the specification names.

use crate::clocks::{Calendar, CalendarDocument, NotAPromise, Promise, TimeBase, Week};
use crate::instant::Timestamp;

fn calendar(zone: &str, days: &str, hours: &[[&str; 2]], holidays: &[&str]) -> Calendar {
    let on = |day: &str| match days.contains(day) {
        true => hours.iter().map(|pair| pair.map(String::from)).collect(),
        false => vec![],
    };
    let document = CalendarDocument {
        timezone: zone.into(),
        week: Week {
            mon: on("mon"),
            tue: on("tue"),
            wed: on("wed"),
            thu: on("thu"),
            fri: on("fri"),
            sat: on("sat"),
            sun: on("sun"),
        },
        holidays: holidays.iter().map(|day| day.to_string()).collect(),
    };
    Calendar::new(&document).unwrap()
}

fn office() -> Calendar {
    calendar("Europe/Rome", "mon tue wed thu fri", &[["09:00", "18:00"]], &[])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn promise(within: &str, time: TimeBase) -> Promise {
    Promise::new(within.parse().unwrap(), time).unwrap()
}

#[track_caller]
fn is_due(calendar: &Calendar, start: &str, within: &str, due: &str) {
    let deadline = promise(within, TimeBase::Business).deadline(calendar, at(start));
    assert_eq!(deadline.due_at, at(due), "{within} from {start}");
}

// 2026-05-01 is a Friday; Rome is two hours ahead of UTC.

#[test]
fn hours_run_while_the_office_is_open() {
    is_due(
        &office(),
        "2026-05-02T15:00:00+02:00",
        "4h",
        "2026-05-04T13:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-01T16:00:00+02:00",
        "4h",
        "2026-05-04T11:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-04T09:00:00+02:00",
        "24h",
        "2026-05-06T15:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-04T12:00:00.123+02:00",
        "90s",
        "2026-05-04T12:01:30.123+02:00",
    );
}

#[test]
fn a_promise_that_runs_out_at_closing_is_due_at_closing() {
    is_due(
        &office(),
        "2026-05-01T14:00:00+02:00",
        "4h",
        "2026-05-01T18:00:00+02:00",
    );
    let split = calendar(
        "Europe/Rome",
        "mon",
        &[["14:00", "18:00"], ["09:00", "13:00"]],
        &[],
    );
    is_due(
        &split,
        "2026-05-04T09:30:00+02:00",
        "210m",
        "2026-05-04T13:00:00+02:00",
    );
    is_due(
        &split,
        "2026-05-04T09:30:00+02:00",
        "211m",
        "2026-05-04T14:01:00+02:00",
    );
}

#[test]
fn days_keep_the_time_of_day_and_end_at_closing() {
    is_due(
        &office(),
        "2026-05-01T16:00:00+02:00",
        "1d",
        "2026-05-04T16:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-01T20:00:00+02:00",
        "1d",
        "2026-05-04T18:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-01T07:00:00+02:00",
        "1d",
        "2026-05-04T07:00:00+02:00",
    );
    is_due(
        &office(),
        "2026-05-02T12:00:00+02:00",
        "2d",
        "2026-05-05T12:00:00+02:00",
    );
    let closed = calendar(
        "Europe/Rome",
        "mon tue wed",
        &[["09:00", "18:00"]],
        &["2026-05-04", "2026-05-05"],
    );
    is_due(
        &closed,
        "2026-05-01T16:00:00+02:00",
        "1d",
        "2026-05-06T16:00:00+02:00",
    );
    let all_day = calendar("Europe/Rome", "mon tue", &[["00:00", "24:00"]], &[]);
    is_due(
        &all_day,
        "2026-05-04T23:59:59.999+02:00",
        "1d",
        "2026-05-05T23:59:59.999+02:00",
    );
}

#[test]
fn a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_the_earlier() {
    // Rome skips 02:00 to 03:00 on 2026-03-29 and repeats it on 2026-10-25.
    let nights = calendar("Europe/Rome", "sat sun", &[["00:00", "06:00"]], &[]);
    is_due(&nights, "2026-03-28T02:30:00+01:00", "1d", "2026-03-29T01:00:00Z");
    is_due(&nights, "2026-10-24T02:30:00+02:00", "1d", "2026-10-25T00:30:00Z");
    // A day whose only open hour is skipped is no working day.
    let gap = calendar("Europe/Rome", "sun", &[["02:00", "03:00"]], &[]);
    is_due(
        &gap,
        "2026-03-28T12:00:00+01:00",
        "1d",
        "2026-04-05T03:00:00+02:00",
    );
    // The clock first shows a closing time that ends the repeated hour when that hour is over.
    let short = calendar("Europe/Rome", "sun", &[["00:00", "03:00"]], &[]);
    is_due(
        &short,
        "2026-10-24T12:00:00+02:00",
        "1d",
        "2026-10-25T03:00:00+01:00",
    );
    is_due(&nights, "2026-03-29T00:00:00+01:00", "3h", "2026-03-29T02:00:00Z");
    is_due(&nights, "2026-10-25T00:00:00+02:00", "4h", "2026-10-25T02:00:00Z");
    assert_eq!(
        nights.worked(at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z")),
        5 * 3_600_000
    );
    assert_eq!(
        nights.worked(at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z")),
        7 * 3_600_000
    );
}

#[test]
fn a_day_that_a_zone_skipped_is_no_working_day() {
    // Samoa went from the 29th to the 31st of December 2011.
    let samoa = calendar(
        "Pacific/Apia",
        "mon tue wed thu fri sat sun",
        &[["09:00", "18:00"]],
        &[],
    );
    is_due(
        &samoa,
        "2011-12-29T10:00:00-10:00",
        "1d",
        "2011-12-31T10:00:00+14:00",
    );
    is_due(
        &samoa,
        "2011-12-29T17:00:00-10:00",
        "2h",
        "2011-12-31T10:00:00+14:00",
    );
}

#[test]
fn a_due_time_lies_behind_its_start_though_the_date_repeats() {
    // Kwajalein lived the 30th of September 1969 twice, from 01:00 on.
    let calendar = calendar("Pacific/Kwajalein", "tue wed", &[["08:00", "09:00"]], &[]);
    is_due(
        &calendar,
        "1969-09-30T07:00:00+11:00",
        "30m",
        "1969-09-30T08:30:00+11:00",
    );
    let start = at("1969-09-30T20:00:00-12:00");
    let deadline = promise("1d", TimeBase::Business).deadline(&calendar, start);
    assert!(deadline.due_at > start && deadline.warn_at >= start);
}

#[test]
fn elapsed_time_knows_neither_nights_nor_changes_of_the_clock() {
    for (within, due) in [
        ("1d", "2026-03-29T14:00:00+02:00"),
        ("24h", "2026-03-29T14:00:00+02:00"),
        ("1w", "2026-04-04T14:00:00+02:00"),
    ] {
        let start = at("2026-03-28T13:00:00+01:00");
        let deadline = promise(within, TimeBase::Elapsed).deadline(&office(), start);
        assert_eq!(deadline.due_at, at(due));
    }
}

#[test]
fn a_warning_goes_out_when_four_fifths_of_the_time_have_run() {
    let warning = |within, time, start| promise(within, time).deadline(&office(), at(start)).warn_at;
    let (business, elapsed) = (TimeBase::Business, TimeBase::Elapsed);
    // 8 of 10 hours: all of Friday's last two, and six on Monday.
    assert_eq!(
        warning("10h", business, "2026-05-01T16:00:00+02:00"),
        at("2026-05-04T15:00:00+02:00")
    );
    assert_eq!(
        warning("10h", elapsed, "2026-05-01T16:00:00+02:00"),
        at("2026-05-02T00:00:00+02:00")
    );
    // One day from Friday 16:00 has nine open hours: 7:12 of them.
    assert_eq!(
        warning("1d", business, "2026-05-01T16:00:00+02:00"),
        at("2026-05-04T14:12:00+02:00")
    );
    // It runs out at closing: then, not when the office opens again.
    assert_eq!(
        warning("150m", business, "2026-05-01T16:00:00+02:00"),
        at("2026-05-01T18:00:00+02:00")
    );
    // From 10:00:00.003 to Tuesday's closing at 09:30, 8.5 h less 3 ms are open: 4/5 of it is 24,479,997.6 ms.
    let document = serde_json::json!({"timezone": "UTC", "week": {
        "mon": [["09:00", "18:00"]],
        "tue": [["09:00", "09:30"]],
    }});
    let early = Calendar::new(&serde_json::from_value(document).unwrap()).unwrap();
    let odd = promise("1d", business).deadline(&early, at("2026-05-04T10:00:00.003Z"));
    assert_eq!(odd.due_at, at("2026-05-05T09:30:00Z"));
    assert_eq!(odd.warn_at, at("2026-05-04T16:48:00Z"));
    // From Sunday to before Monday's opening no time runs: at once.
    assert_eq!(
        warning("1d", business, "2026-05-03T07:00:00+02:00"),
        at("2026-05-03T07:00:00+02:00")
    );
}

#[test]
fn business_weeks_and_empty_promises_are_refused() {
    let refused = |within: &str, time| Promise::new(within.parse().unwrap(), time).unwrap_err();
    assert_eq!(refused("1w", TimeBase::Business), NotAPromise::BusinessWeeks);
    assert_eq!(refused("0d", TimeBase::Elapsed), NotAPromise::Nothing);
    assert_eq!(refused("0h", TimeBase::Business), NotAPromise::Nothing);
}

#[test]
fn an_instant_is_open_from_opening_to_just_before_closing() {
    let office = office();
    assert!(!office.is_open(at("2026-05-04T08:59:59.999+02:00")));
    assert!(office.is_open(at("2026-05-04T09:00:00+02:00")));
    assert!(office.is_open(at("2026-05-04T17:59:59.999+02:00")));
    assert!(!office.is_open(at("2026-05-04T18:00:00+02:00")));
    assert!(!office.is_open(at("2026-05-03T12:00:00+02:00")));
    assert_eq!(office.date(at("2026-05-03T22:00:00Z")).to_string(), "2026-05-04");
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for start in ["0001-01-01T00:00:00Z", "9999-12-30T22:00:00Z"] {
        for within in ["9600h", "400d"] {
            let deadline = promise(within, TimeBase::Business).deadline(&office(), at(start));
            assert!(deadline.warn_at < deadline.due_at);
        }
    }
    assert_eq!(
        office().worked(at("2026-05-05T12:00:00Z"), at("2026-05-04T12:00:00Z")),
        0
    );
}
