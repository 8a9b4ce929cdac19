//! Clocks: each rule, and the independence of the order in which things arrive.

use proptest::prelude::*;

use crate::clocks::ClockEvent::{Breached, Corrected, Met, MetLate, Voided, Warned};
use crate::clocks::{Clock, ClockEvent, ClockKind, ClockState, Deadline, Side, VoidReason};
use crate::instant::Timestamp;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Starts at 0, warns at 80, is due at 100.
fn clock() -> Clock {
    let deadline = Deadline {
        warn_at: at(80),
        due_at: at(100),
    };
    Clock::start(ClockKind::FirstContact, at(0), deadline, 3)
}

#[test]
fn a_warning_and_a_breach_fire_once_at_their_instants() {
    let mut clock = clock();
    assert_eq!(
        (clock.state(), clock.next_look()),
        (ClockState::Running, Some(at(80)))
    );
    assert_eq!(clock.look(at(79)), []);
    assert_eq!(clock.look(at(80)), [Warned]);
    assert_eq!(
        (clock.state(), clock.next_look()),
        (ClockState::Warned, Some(at(101)))
    );
    assert_eq!(clock.look(at(100)), []);
    assert_eq!(clock.breached_at(), None);
    assert_eq!(clock.look(at(101)), [Breached]);
    assert_eq!(clock.look(at(500)), []);
    assert_eq!((clock.state(), clock.next_look()), (ClockState::Breached, None));
    assert_eq!(clock.breached_at(), Some(at(101)));
}

#[test]
fn after_a_stop_both_fire_at_the_first_look() {
    let mut clock = clock();
    assert_eq!(clock.look(at(9000)), [Warned, Breached]);
    assert_eq!(clock.breached_at(), Some(at(101)));
}

#[test]
fn met_at_the_due_instant_is_met_and_the_next_millisecond_is_late() {
    let mut clock = clock();
    assert_eq!(clock.meet(at(100), at(100)), [Warned, Met]);
    assert_eq!(
        (clock.state(), clock.met_at(), clock.breached_at()),
        (ClockState::Met, Some(at(100)), None)
    );
    assert_eq!(clock.look(at(500)), []);

    let mut clock = self::clock();
    assert_eq!(clock.meet(at(101), at(101)), [Warned, Breached, MetLate]);
    assert_eq!(
        (clock.state(), clock.breached_at()),
        (ClockState::MetLate, Some(at(101)))
    );
    assert_eq!(clock.look(at(500)), []);
}

#[test]
fn a_clock_that_is_met_before_its_warning_never_warns() {
    let mut clock = clock();
    assert_eq!(clock.meet(at(10), at(10)), [Met]);
    assert_eq!(clock.look(at(500)), []);
    assert_eq!(clock.next_look(), None);
}

#[test]
fn a_late_log_corrects_a_breach_and_a_later_act_changes_nothing() {
    let mut clock = clock();
    assert_eq!(clock.look(at(150)), [Warned, Breached]);
    assert_eq!(clock.meet(at(130), at(150)), [MetLate]);
    assert_eq!(clock.meet(at(140), at(150)), []);
    assert!(!clock.was_met_by_late_log());
    assert_eq!(clock.meet(at(60), at(180)), [Corrected]);
    assert_eq!((clock.state(), clock.met_at()), (ClockState::Met, Some(at(60))));
    assert_eq!(clock.breached_at(), None);
    assert!(clock.was_met_by_late_log());
    assert_eq!(clock.meet(at(50), at(190)), [Corrected]);
}

#[test]
fn deleting_the_act_breaches_without_a_second_report() {
    let mut clock = clock();
    assert_eq!(clock.look(at(150)), [Warned, Breached]);
    assert_eq!(clock.meet(at(60), at(160)), [Corrected]);
    assert_eq!(clock.correct(None, at(170)), [Corrected]);
    assert_eq!(
        (clock.state(), clock.breached_at()),
        (ClockState::Breached, Some(at(101)))
    );

    let mut clock = self::clock();
    assert_eq!(clock.meet(at(60), at(60)), [Met]);
    assert_eq!(clock.correct(None, at(70)), [Corrected]);
    assert_eq!(
        (clock.state(), clock.next_look()),
        (ClockState::Running, Some(at(80)))
    );
    assert_eq!(clock.meet(at(60), at(71)), [Met]);
    assert_eq!(clock.correct(None, at(170)), [Warned, Breached, Corrected]);
    assert_eq!(clock.state(), ClockState::Breached);
}

#[test]
fn a_void_clock_stays_silent_and_a_breach_stays_a_breach() {
    let mut clock = clock();
    assert_eq!(clock.void(VoidReason::LeftStage, at(90)), [Warned, Voided]);
    assert_eq!(
        (clock.state(), clock.void_reason()),
        (ClockState::Void, Some(VoidReason::LeftStage))
    );
    assert_eq!(clock.look(at(500)), []);
    assert_eq!(clock.meet(at(95), at(500)), []);
    assert_eq!(clock.void(VoidReason::Merged, at(95)), []);
    assert_eq!(clock.void_reason(), Some(VoidReason::LeftStage));
    // A call before the lead left, logged late, had kept the promise.
    assert_eq!(clock.meet(at(85), at(600)), [Corrected]);
    assert_eq!((clock.state(), clock.void_reason()), (ClockState::Met, None));

    let mut clock = self::clock();
    assert_eq!(clock.void(VoidReason::LeftStage, at(101)), [Warned, Breached]);
    assert_eq!(clock.state(), ClockState::Breached);
}

#[test]
fn a_clock_that_was_met_before_the_lead_left_is_void_once_the_act_is_deleted() {
    let mut clock = clock();
    assert_eq!(clock.meet(at(10), at(10)), [Met]);
    assert_eq!(clock.void(VoidReason::LeftStage, at(20)), []);
    assert_eq!(clock.state(), ClockState::Met);
    assert_eq!(clock.correct(None, at(30)), [Corrected]);
    assert_eq!(clock.state(), ClockState::Void);
}

#[test]
fn a_promise_that_is_given_up_is_breached_at_once() {
    let mut clock = clock();
    assert_eq!(clock.give_up(at(40)), [Breached]);
    assert_eq!(
        (clock.state(), clock.breached_at()),
        (ClockState::Breached, Some(at(40)))
    );
    assert_eq!(clock.look(at(500)), []);
    assert_eq!(clock.meet(at(40), at(600)), [Corrected]);
    assert_eq!(clock.state(), ClockState::Met);
}

#[test]
fn the_first_owners_calendar_replaces_the_deadline_unless_it_was_missed() {
    let later = Deadline {
        warn_at: at(160),
        due_at: at(200),
    };
    let earlier = Deadline {
        warn_at: at(16),
        due_at: at(20),
    };
    let mut clock = clock();
    assert_eq!(clock.reschedule(later, at(90)), [Warned]);
    assert_eq!(
        (clock.state(), clock.next_look()),
        (ClockState::Warned, Some(at(201)))
    );
    assert_eq!(clock.look(at(170)), []);

    let mut clock = self::clock();
    assert_eq!(clock.reschedule(earlier, at(30)), [Warned, Breached]);
    assert_eq!(clock.breached_at(), Some(at(21)));

    let mut clock = self::clock();
    assert_eq!(clock.reschedule(later, at(101)), [Warned, Breached]);
    assert_eq!(clock.deadline.due_at, at(100));
}

#[test]
fn feedback_is_marketings_promise() {
    assert_eq!(ClockKind::Feedback.side(), Side::Marketing);
    assert_eq!(clock().kind.side(), Side::Sales);
}

/// Acts with the instants at which they are logged, looks in between, and at most one end.
#[derive(Debug, Clone)]
struct Story {
    acts: Vec<(i64, i64)>,
    looks: Vec<i64>,
    void: Option<i64>,
}

fn story() -> impl Strategy<Value = Story> {
    let act = (0..150i64, 0..150i64).prop_map(|(happened, delay)| (happened, happened + delay));
    let acts = prop::collection::vec(act, 0..4);
    (
        acts,
        prop::collection::vec(0..300i64, 0..8),
        prop::option::of(0..150i64),
    )
        .prop_map(|(acts, looks, void)| Story { acts, looks, void })
}

/// What the story comes to: the definition, with no clock.
fn outcome(story: &Story) -> ClockState {
    let void = story.void.filter(|void| *void <= 100);
    let first = story.acts.iter().map(|act| act.0).min();
    match (first, void) {
        (Some(first), Some(void)) if first > void => ClockState::Void,
        (None, Some(_)) => ClockState::Void,
        (Some(first), _) if first <= 100 => ClockState::Met,
        (Some(_), _) => ClockState::MetLate,
        (None, None) => ClockState::Breached,
    }
}

fn live(story: &Story) -> (Clock, Vec<ClockEvent>) {
    #[derive(Clone, Copy)]
    enum Step {
        Act(i64),
        Look,
        Void,
    }
    let mut steps: Vec<(i64, Step)> = vec![(1000, Step::Look)];
    steps.extend(
        story
            .acts
            .iter()
            .map(|&(happened, logged)| (logged, Step::Act(happened))),
    );
    steps.extend(story.looks.iter().map(|look| (*look, Step::Look)));
    steps.extend(story.void.map(|void| (void, Step::Void)));
    steps.sort_by_key(|(now, _)| *now);
    let mut clock = clock();
    let mut events = vec![];
    for (now, step) in steps {
        events.extend(match step {
            Step::Act(happened) => clock.meet(at(happened), at(now)),
            Step::Look => clock.look(at(now)),
            Step::Void => clock.void(VoidReason::LeftStage, at(now)),
        });
    }
    (clock, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_clock_ends_as_its_facts_say_whatever_the_order(story in story()) {
        let (clock, events) = live(&story);
        prop_assert_eq!(clock.state(), outcome(&story));
        let count = |event| events.iter().filter(|other| **other == event).count();
        prop_assert!(count(Warned) <= 1 && count(Breached) <= 1, "{:?}", events);
        prop_assert_eq!(clock.has_warned, count(Warned) == 1);
        prop_assert_eq!(clock.has_breached, count(Breached) == 1);
        let late = matches!(clock.state(), ClockState::Breached | ClockState::MetLate);
        prop_assert_eq!(clock.breached_at(), late.then_some(at(101)));
        prop_assert!(!late || count(Breached) == 1);
        prop_assert_eq!(clock.next_look(), None);
    }

    #[test]
    fn looks_at_every_instant_and_looks_at_none_end_alike(story in story()) {
        let often = Story { looks: (0..300).collect(), ..story.clone() };
        let never = Story { looks: vec![], ..story };
        let ((often, _), (never, _)) = (live(&often), live(&never));
        prop_assert_eq!(often.state(), never.state());
        prop_assert_eq!(often.breached_at(), never.breached_at());
        prop_assert_eq!(often.met_at(), never.met_at());
    }
}
