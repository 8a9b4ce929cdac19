//! When the promised attempts were made, against an oracle that looks at every prefix.

use proptest::prelude::*;

use super::super::*;
use crate::clocks::record::Quota;
use crate::clocks::{Calendar, CalendarDocument};

const HOUR: i64 = 3_600_000;
/// Saturday 24 October 2026, the eve of the end of summer time in Rome, 22:00 local time.
const START: Timestamp = Timestamp::from_millis(1_792_872_000_000);

fn rome() -> Calendar {
    Calendar::new(&CalendarDocument::always("Europe/Rome")).unwrap()
}

fn call(at: i64, outcome: Option<ActivityOutcome>, direction: Direction, automatic: bool) -> Contact {
    Contact {
        kind: ActivityType::Call,
        direction: Some(direction),
        outcome,
        automatic,
        at: START.plus_millis(at),
    }
}

fn outbound(hours: i64) -> Contact {
    call(
        hours * HOUR,
        Some(ActivityOutcome::NoAnswer),
        Direction::Outbound,
        false,
    )
}

/// The first instant by which enough was done, found by trying each one.
fn slow(contacts: &[Contact], since: Timestamp, quota: Quota) -> Option<Timestamp> {
    let mut instants: Vec<Timestamp> = contacts
        .iter()
        .map(|one| one.at)
        .filter(|at| *at >= since)
        .collect();
    instants.sort_unstable();
    instants.into_iter().find(|until| {
        let by_then = || contacts.iter().filter(|one| (since..=*until).contains(&one.at));
        let two_way = [
            ActivityOutcome::Connected,
            ActivityOutcome::Replied,
            ActivityOutcome::Held,
        ];
        let answered = by_then().any(|one| {
            one.direction == Some(Direction::Inbound)
                || one.outcome.is_some_and(|outcome| two_way.contains(&outcome))
        });
        let tries: Vec<&Contact> = by_then()
            .filter(|one| !one.automatic && one.direction == Some(Direction::Outbound))
            .collect();
        let mut dates: Vec<String> = tries
            .iter()
            .map(|one| one.at.date_in(rome_zone()).to_string())
            .collect();
        dates.sort_unstable();
        dates.dedup();
        answered || tries.len() as i64 >= quota.count && dates.len() as i64 >= quota.on_days
    })
}

fn rome_zone() -> &'static jiff::tz::TimeZone {
    static ROME: std::sync::LazyLock<jiff::tz::TimeZone> =
        std::sync::LazyLock::new(|| jiff::tz::TimeZone::get("Europe/Rome").unwrap());
    &ROME
}

#[test]
fn five_calls_count_once_they_are_on_three_days() {
    let quota = Quota { count: 5, on_days: 3 };
    // 22:00 and 23:00 on Saturday, 02:00 in summer time and 02:00 in winter time and 17:00 on Sunday, then Monday.
    let calls: Vec<Contact> = [0, 1, 4, 5, 20].map(outbound).into();
    assert_eq!(made(&calls, START, quota, &rome()), None, "on two days");
    let calls = [calls, vec![outbound(40)]].concat();
    assert_eq!(
        made(&calls, START, quota, &rome()),
        Some(START.plus_millis(40 * HOUR))
    );
    let reply = call(3 * HOUR, None, Direction::Inbound, true);
    let calls = [calls, vec![reply]].concat();
    assert_eq!(
        made(&calls, START, quota, &rome()),
        Some(START.plus_millis(3 * HOUR))
    );
}

proptest! {
    #[test]
    fn made_is_the_first_instant_by_which_enough_was_done(
        calls in prop::collection::vec((-10i64..100, 0u8..12, any::<bool>(), 0u8..8), 0..30),
        count in 1i64..8,
        on_days in 1i64..5,
    ) {
        let contacts: Vec<Contact> = calls
            .into_iter()
            .map(|(hours, outcome, automatic, inbound)| {
                let outcome = match outcome {
                    0 => Some(ActivityOutcome::Connected),
                    1..=6 => Some(ActivityOutcome::NoAnswer),
                    _ => None,
                };
                let direction = if inbound == 0 { Direction::Inbound } else { Direction::Outbound };
                call(hours * HOUR, outcome, direction, automatic)
            })
            .collect();
        let quota = Quota { count, on_days };
        prop_assert_eq!(made(&contacts, START, quota, &rome()), slow(&contacts, START, quota));
    }
}
