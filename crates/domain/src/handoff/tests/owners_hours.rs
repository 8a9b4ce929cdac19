//! Due times before and after assignments to owners with working hours of their own, in other zones: against somebody who
//! walks through the minutes with a wall clock. Every second case starts within two hours of a change of the clocks, and has
//! holidays around it.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::clocks as of_handoff;
use super::*;
use crate::agreement::{Attempts, Time};
use crate::clocks::Side;
use crate::clocks::tests::minute_by_minute::{Plain, calendar_and_instant, runner, within};
use crate::routing::Seller;

/// A world whose agreement promises all five, each by its own time, in these working hours; a hand-off in the queue; two who
/// may own it.
struct Desk {
    world: World,
    ids: Ids,
    handoff: Handoff,
    owners: [UserId; 2],
}

fn given(agreed: &Plain, hours: [&Plain; 2], within: &[String], is_business: bool, start: Timestamp) -> Desk {
    let ids = Ids::new(start, 0);
    let mut world = World::provisional();
    let version = Arc::make_mut(&mut world.rules.agreement);
    version.agreement.calendar = Some(serde_json::to_value(agreed.document()).unwrap());
    let long = |place: usize| within[place].parse().ok();
    let commitments = &mut version.agreement.commitments;
    let sales = &mut commitments.sales;
    sales.time = if is_business {
        Time::Business
    } else {
        Time::Elapsed
    };
    (sales.review_within, sales.first_contact_within) = (long(0), long(1));
    sales.attempts = long(2).map(|within| Attempts {
        count: 5,
        within,
        on_days: 3,
    });
    sales.outcome_within = long(3);
    commitments.marketing.feedback_within = long(4);
    let owners = [ids.next(), ids.next()];
    for (owner, hours) in owners.iter().zip(hours) {
        let mut seller = Seller::default();
        seller.availability.calendar = Some(hours.engine());
        world.sales.desk.sellers.insert(*owner, seller);
    }
    let handoff = Handoff {
        queue: Some(Queue::General),
        ..Handoff::pending(ids.next(), ids.next(), 1, MadeBy::Rule, start)
    };
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    Desk {
        world,
        ids,
        handoff,
        owners,
    }
}

impl Desk {
    fn act(&self, at: Timestamp) -> Act {
        Act::test(&Actor::System("test"), at, &self.ids)
    }

    fn assign(&mut self, owner: usize) {
        self.handoff.owner_id = Some(self.owners[owner]);
        self.handoff.queue = None;
    }

    /// Due time, warning, owner and whether it is void, of the clocks of a kind in the order of their start.
    fn clocks(&self, kind: ClockKind) -> Vec<(i64, i64, Option<UserId>, bool)> {
        let all = of_handoff::of(&self.world, self.handoff.id);
        let own = all.iter().map(|id| &self.world.sales.clocks[id]);
        let own = own.filter(|record| record.clock.kind == kind);
        own.map(|record| {
            let deadline = record.clock.deadline;
            let is_void = record.clock.state() == ClockState::Void;
            (
                deadline.due_at.millis(),
                deadline.warn_at.millis(),
                record.owner_id,
                is_void,
            )
        })
        .collect()
    }
}

/// Three calendars by chance at once do not fit on the stack of a test.
const STACK: usize = 32 << 20;

#[test]
fn due_times_equal_those_of_a_walk_through_the_minutes_before_and_after_assignments() {
    let walk = std::thread::Builder::new().stack_size(STACK);
    walk.spawn(walk_before_and_after_assignments)
        .unwrap()
        .join()
        .unwrap();
}

fn walk_before_and_after_assignments() {
    let promises = (prop::collection::vec(within(), 5), any::<bool>());
    let later = (0..10 * 24 * HOUR, 0..10 * 24 * HOUR);
    let hours = (
        calendar_and_instant(),
        calendar_and_instant(),
        calendar_and_instant(),
    );
    let given_all = (hours, promises, later, any::<bool>());
    let outcome = runner(400).run(
        &given_all,
        |(hours, (promises, is_elapsed), (first, second), restarts)| {
            let ((agreed, start), (one, _), (other, _)) = hours;
            let is_business = !is_elapsed;
            // What is long enough for elapsed time takes the walker too long in business time.
            let fits = |(within, fits): (String, bool)| {
                if is_business && !fits {
                    "3d".to_owned()
                } else {
                    within
                }
            };
            let within: Vec<String> = promises.into_iter().map(fits).collect();
            let begun = Timestamp::from_millis(start);
            let mut desk = given(&agreed, [&one, &other], &within, is_business, begun);
            for kind in ClockKind::ALL {
                let (act, handoff) = (desk.act(begun), desk.handoff.clone());
                of_handoff::start(&mut desk.world, &handoff, *kind, begun, &act);
            }
            let due = |hours: &Plain, place: usize, from: i64| {
                hours.due_and_warning(from, &within[place], is_business)
            };
            for (place, kind) in ClockKind::ALL.iter().enumerate() {
                let (due_at, warn_at) = due(&agreed, place, start);
                prop_assert_eq!(desk.clocks(*kind), [(due_at, warn_at, None, false)], "{:?}", kind);
            }

            let (at_first, at_second) = (start + first, start + first + second);
            desk.assign(0);
            let act = desk.act(Timestamp::from_millis(at_first));
            let handoff = desk.handoff.clone();
            of_handoff::give(&mut desk.world, &handoff, true, &act);
            desk.assign(1);
            let act = desk.act(Timestamp::from_millis(at_second));
            let handoff = desk.handoff.clone();
            match restarts {
                true => of_handoff::restart(&mut desk.world, &handoff, &act),
                false => of_handoff::give(&mut desk.world, &handoff, false, &act),
            };
            for (place, kind) in ClockKind::ALL.iter().enumerate() {
                let (mut known, mut owner) = (due(&agreed, place, start), None);
                let is_sales = kind.side() == Side::Sales;
                // The first owner's hours replace the agreed ones, unless the promise was broken by then.
                if is_sales && known.0 >= at_first {
                    (known, owner) = (due(&one, place, start), Some(desk.owners[0]));
                }
                // What runs still goes on with the second owner, or is void and starts again in its hours.
                let runs = is_sales && owner.is_some() && known.0 >= at_second;
                let mut expected = vec![];
                match (runs, restarts) {
                    (true, true) => {
                        expected.push((known.0, known.1, owner, true));
                        let (due_at, warn_at) = due(&other, place, at_second);
                        expected.push((due_at, warn_at, Some(desk.owners[1]), false));
                    }
                    (true, false) => expected.push((known.0, known.1, Some(desk.owners[1]), false)),
                    (false, _) => expected.push((known.0, known.1, owner, false)),
                }
                prop_assert_eq!(desk.clocks(*kind), expected, "{:?} {}", kind, &within[place]);
            }
            Ok(())
        },
    );
    outcome.unwrap();
}
