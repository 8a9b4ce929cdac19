//! Decisions of many people in any order, held against a slow reading of the rules.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The rules about one hand-off, read slowly: who has it, and who decided what.
struct Plain {
    owner: Option<usize>,
    queue: Option<Queue>,
    decision: Option<(usize, Option<&'static str>)>,
}

const REASONS: [&str; 2] = ["no_budget", "not_a_fit"];

impl Plain {
    fn may_decide(&self, who: usize, team: TeamId) -> bool {
        let takes = |queue: Queue| match queue {
            Queue::General => matches!(who, OWNER | COLLEAGUE | STRANGER),
            Queue::Team(of) => of == team && matches!(who, OWNER | COLLEAGUE),
        };
        who == MANAGER || self.owner == Some(who) || self.owner.is_none() && self.queue.is_some_and(takes)
    }

    /// What a decision comes to: whether it is made, repeated, or refused.
    fn decide(&mut self, who: usize, reason: Option<&'static str>, team: TeamId) -> Outcome {
        match self.decision {
            _ if who == KEY => Outcome::Denied,
            Some(decided) if decided == (who, reason) => Outcome::Repeated,
            Some(_) => Outcome::Late,
            None if !self.may_decide(who, team) => Outcome::Denied,
            None => {
                self.decision = Some((who, reason));
                self.owner = self.owner.or(Some(who));
                self.queue = None;
                Outcome::Decided
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Decided,
    Repeated,
    Late,
    Denied,
}

fn outcome(of: &Result<Vec<Change>, HandoffError>) -> Outcome {
    match of {
        Ok(changes) if changes.is_empty() => Outcome::Repeated,
        Ok(_) => Outcome::Decided,
        Err(HandoffError::Decided(_)) => Outcome::Late,
        Err(HandoffError::Move(lifecycle::MoveError::Denied(_))) => Outcome::Denied,
        Err(other) => panic!("{other:?}"),
    }
}

proptest! {
    /// In any order of people exactly one decision counts, of somebody who may decide; later ones are refused.
    #[test]
    fn one_decision_counts_in_any_order_of_people(
        place in 0usize..4,
        steps in vec((0usize..7, prop::option::of(0usize..2), any::<bool>()), 1..12),
    ) {
        let mut story = match place {
            0 => Story::owned(),
            1 => Story::queued(|_| Queue::General),
            2 => Story::queued(Queue::Team),
            _ => { let other = Story::owned().ids.next(); Story::queued(|_| Queue::Team(other)) }
        };
        let mut plain = Plain {
            owner: (place == 0).then_some(OWNER),
            queue: story.handoff().queue,
            decision: None,
        };
        for (who, reason, gives_on) in steps {
            if gives_on && plain.decision.is_none() && matches!(who, OWNER | COLLEAGUE | STRANGER) {
                story.assign(MANAGER, Some(who), Clocks::Keep).unwrap();
                (plain.owner, plain.queue) = (Some(who), None);
                continue;
            }
            let reason = reason.map(|reason| REASONS[reason]);
            let before = story.handoff().clone();
            let done = match reason {
                Some(reason) => story.reject(who, reason),
                None => story.accept(who),
            };
            let expected = plain.decide(who, reason, story.team);
            prop_assert_eq!(&outcome(&done), &expected, "{} {:?}", who, reason);
            if expected != Outcome::Decided {
                prop_assert_eq!(story.handoff(), &before);
            }
            let (state, stage) = match plain.decision {
                None => (HandoffState::Pending, Stage::Mql),
                Some((_, None)) => (HandoffState::Accepted, Stage::Sal),
                Some((_, Some("not_a_fit"))) => (HandoffState::Rejected, Stage::Disqualified),
                Some(_) => (HandoffState::Rejected, Stage::Nurture),
            };
            prop_assert_eq!((story.handoff().state, story.stage()), (state, stage));
            prop_assert_eq!(story.handoff().owner_id, plain.owner.map(|owner| story.user(owner)));
            prop_assert_eq!(story.handoff().queue, plain.queue);
            let decided_by = plain.decision.map(|(who, _)| story.user(who));
            prop_assert_eq!(story.handoff().decided_by, decided_by);
        }
    }
}
