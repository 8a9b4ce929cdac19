//! The clocks of a hand-off: started by what the agreement promises, met and void by what becomes of it.

use super::Handoff;
use crate::access::Queue;
use crate::act::Act;
use crate::agreement::Time;
use crate::change::Change;
use crate::clocks::notify::with_notices;
use crate::clocks::record::{ClockChange, ClockRecord, Quota};
use crate::clocks::{Calendar, Clock, ClockEvent, ClockKind, Side, VoidReason};
use crate::id::{ClockId, DealId, HandoffId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::world::World;

/// Start the clock of a promise at an instant; nothing where the agreement in force promises nothing of the kind.
pub fn start(
    world: &mut World,
    handoff: &Handoff,
    kind: ClockKind,
    at: Timestamp,
    act: &Act,
) -> Option<ClockChange> {
    let is_sales = kind.side() == Side::Sales;
    let about = About {
        lead_id: Some(handoff.lead_id),
        handoff_id: Some(handoff.id),
        deal_id: None,
        owner_id: handoff.owner_id.filter(|_| is_sales),
        queue: handoff.queue.filter(|_| is_sales),
    };
    start_about(world, about, kind, at, act)
}

/// What a clock is about, and whose it is.
pub(super) struct About {
    pub lead_id: Option<LeadId>,
    pub handoff_id: Option<HandoffId>,
    pub deal_id: Option<DealId>,
    pub owner_id: Option<UserId>,
    pub queue: Option<Queue>,
}

pub(super) fn start_about(
    world: &mut World,
    about: About,
    kind: ClockKind,
    at: Timestamp,
    act: &Act,
) -> Option<ClockChange> {
    let version = &world.rules.agreement;
    let commitments = &version.agreement.commitments;
    let promise = commitments.promise(kind)?;
    let deadline = promise.deadline(&working_hours(world, about.owner_id)?, at);
    let attempts = commitments.sales.attempts.filter(|_| kind == ClockKind::Attempts);
    let record = ClockRecord {
        id: act.ids.next(),
        version: 1,
        clock: Clock::start(kind, at, deadline, version.number),
        lead_id: about.lead_id,
        handoff_id: about.handoff_id,
        deal_id: about.deal_id,
        owner_id: about.owner_id,
        queue: about.queue,
        quota: attempts.map(|attempts| Quota {
            count: attempts.count,
            on_days: attempts.on_days,
        }),
    };
    world.sales.clocks.insert(record.id, record.clone());
    Some(ClockChange::Started(Box::new(record)))
}

/// The calendar by whose dates attempts are counted: that of the clock's owner, and the agreed one where promises run day
/// and night.
pub fn days_of(world: &World, owner: Option<UserId>) -> Option<Calendar> {
    let commitments = &world.rules.agreement.agreement.commitments;
    working_hours(world, owner.filter(|_| commitments.sales.time == Time::Business))
}

/// The working hours in which the clocks of an owner run: its own, else the agreed ones.
fn working_hours(world: &World, owner: Option<UserId>) -> Option<Calendar> {
    let seller = owner.and_then(|owner| world.sales.desk.sellers.get(&owner));
    let own = seller.and_then(|seller| seller.availability.calendar.clone());
    own.or_else(|| world.rules.agreement.agreement.working_hours())
}

/// The clocks of a hand-off, in the order in which they were started; also marketing's.
pub fn of(world: &World, handoff: HandoffId) -> Vec<ClockId> {
    let clocks = world.sales.clocks.values();
    let own = clocks.filter(|record| record.handoff_id == Some(handoff));
    let mut ids: Vec<ClockId> = own.map(|record| record.id).collect();
    ids.sort_unstable();
    ids
}

/// Change the clocks of a hand-off that are of one kind. Here and below, warnings and breaches that are overdue and that the
/// job has not fired yet are reported with their notices.
pub fn change(
    world: &mut World,
    handoff: HandoffId,
    kind: ClockKind,
    change: impl Fn(&mut Clock) -> Vec<ClockEvent>,
    act: &Act,
) -> Vec<Change> {
    let mut changes = vec![];
    for id in of(world, handoff) {
        let record = world
            .sales
            .clocks
            .get_mut(&id)
            .filter(|record| record.clock.kind == kind);
        let happened = record.map(|record| record.change(&change)).unwrap_or_default();
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
    }
    changes
}

/// The clocks of sales of a hand-off, in the order in which they were started.
fn of_sales(world: &World, handoff: HandoffId) -> Vec<ClockId> {
    let clocks = &world.sales.clocks;
    let is_theirs = |id: &ClockId| {
        clocks
            .get(id)
            .is_some_and(|record| record.clock.kind.side() == Side::Sales)
    };
    of(world, handoff).into_iter().filter(is_theirs).collect()
}

/// End the clocks of sales of a hand-off that still run. A breach stays a breach.
pub(super) fn void(world: &mut World, handoff: HandoffId, reason: VoidReason, act: &Act) -> Vec<Change> {
    let mut changes = vec![];
    for id in of_sales(world, handoff) {
        let record = world.sales.clocks.get_mut(&id);
        let Some(record) = record.filter(|record| record.clock.next_look().is_some()) else {
            continue;
        };
        let happened = record.change(|clock| clock.void(reason, act.now));
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
    }
    changes
}

/// Give the clocks of a hand-off that still run to its owner. Its first owner's working hours replace the agreed ones: the
/// due time is computed again from the same start, under the promise in force when the clock was started. One that is
/// overdue already stays with its previous owner or queue, whose breach it is.
pub(super) fn give(world: &mut World, handoff: &Handoff, is_first: bool, act: &Act) -> Vec<Change> {
    let mut changes = vec![];
    for id in of_sales(world, handoff.id) {
        let hours = working_hours(world, handoff.owner_id);
        let Some(record) = world.sales.clocks.get_mut(&id) else {
            continue;
        };
        if (record.owner_id, record.queue) == (handoff.owner_id, handoff.queue) {
            continue;
        }
        let happened = record.change(|clock| clock.look(act.now));
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
        if record.clock.next_look().is_none() {
            continue;
        }
        let version = &world.rules.agreement;
        let promise = (is_first && record.clock.agreement_version == version.number)
            .then(|| version.agreement.commitments.promise(record.clock.kind));
        let deadline = promise
            .flatten()
            .zip(hours)
            .map(|(promise, hours)| promise.deadline(&hours, record.clock.started_at));
        record.owner_id = handoff.owner_id;
        record.queue = handoff.queue;
        let happened = record.change(|clock| match deadline {
            Some(deadline) => clock.reschedule(deadline, act.now),
            None => vec![],
        });
        if happened.is_empty() {
            record.version += 1;
            changes.push(ClockChange::Adjusted(Box::new(record.clone())).into());
        }
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
    }
    changes
}

/// Void the clocks of a hand-off that still run and start new ones of the same kinds. One that is overdue is broken, and stays.
pub(super) fn restart(world: &mut World, handoff: &Handoff, act: &Act) -> Vec<Change> {
    let running = |world: &World, id: &ClockId| {
        let record = world.sales.clocks.get(id)?;
        record.clock.next_look().map(|_| record.clock.kind)
    };
    let mut ids = of_sales(world, handoff.id);
    ids.retain(|id| running(world, id).is_some());
    let mut changes = void(world, handoff.id, VoidReason::Restarted, act);
    let ended = |id: &ClockId| {
        let clock = &world.sales.clocks.get(id)?.clock;
        clock.void_reason().map(|_| clock.kind)
    };
    let kinds: Vec<ClockKind> = ids.iter().filter_map(ended).collect();
    for kind in kinds {
        changes.extend(start(world, handoff, kind, act.now, act).map(Change::from));
    }
    changes
}
