//! Choices with their reasons.

use super::user;
use crate::clocks::{Calendar, CalendarDocument};
use crate::instant::Timestamp;
use crate::routing::PassedOver::{Absent, AtCapacity, Disabled, NotTheirTurn, OutsideHours, RejectedBefore};
use crate::routing::{Absence, Availability, Candidate, Selection, Strategy, Turns};

fn noon() -> Timestamp {
    "2026-05-04T12:00:00Z".parse().unwrap()
}

fn calendar(opens: &str, closes: &str) -> Calendar {
    let document = serde_json::json!({"timezone": "UTC", "week": {"mon": [[opens, closes]]}});
    let document: CalendarDocument = serde_json::from_value(document).unwrap();
    Calendar::new(&document).unwrap()
}

fn candidate(n: u128, availability: &Availability) -> Candidate<'_> {
    Candidate {
        user: user(n),
        is_enabled: true,
        has_rejected: false,
        availability,
        open_leads: 0,
        last_assigned_at: None,
    }
}

fn by(strategy: Strategy) -> Selection {
    Selection {
        strategy,
        in_hours: false,
    }
}

#[test]
fn each_one_who_is_passed_over_has_its_reason() {
    let plain = Availability::default();
    let away = Availability {
        absences: vec![Absence {
            from: noon(),
            to: noon().plus_millis(1),
        }],
        ..Availability::default()
    };
    let evening = Availability {
        calendar: Some(calendar("18:00", "24:00")),
        ..Availability::default()
    };
    let full = Availability {
        capacity: Some(3),
        ..Availability::default()
    };
    let weightless = Availability {
        weight: 0,
        ..Availability::default()
    };
    let candidates = [
        Candidate {
            is_enabled: false,
            has_rejected: true,
            ..candidate(1, &away)
        },
        Candidate {
            has_rejected: true,
            ..candidate(2, &away)
        },
        candidate(3, &away),
        candidate(4, &evening),
        Candidate {
            open_leads: 3,
            ..candidate(5, &full)
        },
        candidate(6, &weightless),
        Candidate {
            open_leads: 2,
            ..candidate(7, &full)
        },
        candidate(8, &plain),
    ];
    let selection = Selection {
        strategy: Strategy::RoundRobin,
        in_hours: true,
    };
    let mut turns = Turns::default();
    let choose =
        |turns: &mut Turns, now| selection.choose(&candidates, turns, Some(&calendar("09:00", "18:00")), now);
    let decision = choose(&mut turns, noon());
    assert_eq!(decision.chosen, Some(user(7)));
    assert_eq!(
        decision.passed_over,
        [
            (user(1), Disabled),
            (user(2), RejectedBefore),
            (user(3), Absent),
            (user(4), OutsideHours),
            (user(5), AtCapacity),
            (user(6), NotTheirTurn),
            (user(8), NotTheirTurn),
        ]
    );
    assert_eq!(choose(&mut turns, noon()).chosen, Some(user(8)));
    // The absence ends, and the third one is at work.
    let later = choose(&mut turns, noon().plus_millis(1));
    assert!(!later.passed_over.contains(&(user(3), Absent)));
    // In the evening those with the agreement's hours are outside of them.
    let evening = choose(&mut turns, "2026-05-04T18:00:00Z".parse().unwrap());
    assert_eq!(evening.chosen, Some(user(4)));
    assert!(evening.passed_over.contains(&(user(8), OutsideHours)));
}

#[test]
fn hours_count_only_where_the_rule_says_so() {
    let evening = Availability {
        calendar: Some(calendar("18:00", "24:00")),
        ..Availability::default()
    };
    let candidates = [candidate(1, &evening)];
    let decision = by(Strategy::RoundRobin).choose(&candidates, &mut Turns::default(), None, noon());
    assert_eq!(decision.chosen, Some(user(1)));
}

#[test]
fn nobody_is_chosen_where_nobody_can_and_no_turn_moves() {
    let full = Availability {
        capacity: Some(0),
        ..Availability::default()
    };
    for strategy in [Strategy::RoundRobin, Strategy::Weighted, Strategy::LeastLoaded] {
        let mut turns = Turns::default();
        let decision = by(strategy).choose(&[candidate(1, &full)], &mut turns, None, noon());
        assert_eq!((decision.chosen, decision.turn), (None, None));
        assert_eq!(decision.passed_over, [(user(1), AtCapacity)]);
        assert_eq!(turns, Turns::default());
    }
}

#[test]
fn weights_count_in_weighted_turns_alone() {
    let heavy = Availability {
        weight: 3,
        ..Availability::default()
    };
    let plain = Availability::default();
    let candidates = [candidate(1, &heavy), candidate(2, &plain)];
    let firsts = |strategy| {
        let mut turns = Turns::default();
        let choose = |_| by(strategy).choose(&candidates, &mut turns, None, noon()).chosen;
        (0..8)
            .map(choose)
            .filter(|chosen| *chosen == Some(user(1)))
            .count()
    };
    assert_eq!((firsts(Strategy::Weighted), firsts(Strategy::RoundRobin)), (6, 4));
}

#[test]
fn the_least_loaded_is_measured_by_capacity_where_all_have_one() {
    let room = |capacity| Availability {
        capacity,
        ..Availability::default()
    };
    let (small, large, endless) = (room(Some(4)), room(Some(100)), room(None));
    let loaded = |n, availability, open_leads, last_assigned_at: Option<i64>| Candidate {
        open_leads,
        last_assigned_at: last_assigned_at.map(Timestamp::from_millis),
        ..candidate(n, availability)
    };
    let chosen = |candidates: &[Candidate]| {
        let decision = by(Strategy::LeastLoaded).choose(candidates, &mut Turns::default(), None, noon());
        decision.chosen.unwrap()
    };
    // 2 of 4 is more than 10 of 100, but less than 10 where one has no capacity.
    let (a, b) = (loaded(1, &small, 2, None), loaded(2, &large, 10, None));
    assert_eq!(chosen(&[a.clone(), b.clone()]), user(2));
    let c = loaded(3, &endless, 50, None);
    assert_eq!(chosen(&[a, b, c]), user(1));
    // 1 of 4 and 25 of 100 are alike: who waited longer, never counting as longest, then the smaller id.
    let even = |first, second| chosen(&[loaded(2, &small, 1, first), loaded(1, &large, 25, second)]);
    assert_eq!(even(Some(5), Some(6)), user(2));
    assert_eq!(even(Some(6), Some(5)), user(1));
    assert_eq!(even(None, Some(5)), user(2));
    assert_eq!(even(Some(5), Some(5)), user(1));
}

#[test]
fn a_weight_of_zero_gets_no_lead_by_load_either() {
    let weightless = Availability {
        weight: 0,
        ..Availability::default()
    };
    let decision =
        by(Strategy::LeastLoaded).choose(&[candidate(1, &weightless)], &mut Turns::default(), None, noon());
    assert_eq!(decision.passed_over, [(user(1), NotTheirTurn)]);
}
