//! The clocks of a hand-off: started by what the agreement promises, met and void by what becomes of it.

use super::Handoff;
use crate::act::Act;
use crate::change::Change;
use crate::clocks::notify::with_notices;
use crate::clocks::record::{ClockChange, ClockRecord};
use crate::clocks::{Calendar, Clock, ClockEvent, ClockKind, VoidReason};
use crate::id::{ClockId, HandoffId, UserId};
use crate::world::World;

/// Start the clock of a promise; nothing where the agreement in force promises nothing of the kind.
pub(super) fn start(world: &mut World, handoff: &Handoff, kind: ClockKind, act: &Act) -> Option<ClockRecord> {
    let version = &world.rules.agreement;
    let promise = version.agreement.commitments.sales.promise(kind)?;
    let deadline = promise.deadline(&working_hours(world, handoff.owner_id)?, act.now);
    let record = ClockRecord {
        id: act.ids.next(),
        version: 1,
        clock: Clock::start(kind, act.now, deadline, version.number),
        lead_id: Some(handoff.lead_id),
        handoff_id: Some(handoff.id),
        deal_id: None,
        owner_id: handoff.owner_id,
        queue: handoff.queue,
    };
    world.sales.clocks.insert(record.id, record.clone());
    Some(record)
}

/// The working hours in which the clocks of an owner run: its own, else the agreed ones.
fn working_hours(world: &World, owner: Option<UserId>) -> Option<Calendar> {
    let seller = owner.and_then(|owner| world.sales.desk.sellers.get(&owner));
    let own = seller.and_then(|seller| seller.availability.calendar.clone());
    own.or_else(|| world.rules.agreement.agreement.working_hours())
}

/// The clocks of a hand-off, in the order in which they were started.
fn of(world: &World, handoff: HandoffId) -> Vec<ClockId> {
    let clocks = world.sales.clocks.values();
    let own = clocks.filter(|record| record.handoff_id == Some(handoff));
    let mut ids: Vec<ClockId> = own.map(|record| record.id).collect();
    ids.sort_unstable();
    ids
}

/// Change the clocks of a hand-off that are of one kind. Here and below, warnings and breaches that are overdue and that the
/// job has not fired yet are reported with their notices.
pub(super) fn change(
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

/// End the clocks of a hand-off that still run. A breach stays a breach.
pub(super) fn void(world: &mut World, handoff: HandoffId, reason: VoidReason, act: &Act) -> Vec<Change> {
    let mut changes = vec![];
    for id in of(world, handoff) {
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
    for id in of(world, handoff.id) {
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
            .then(|| version.agreement.commitments.sales.promise(record.clock.kind));
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

/// Void the clocks of a hand-off that still run and start new ones of the same kinds.
pub(super) fn restart(world: &mut World, handoff: &Handoff, act: &Act) -> Vec<Change> {
    let runs = |id: &ClockId| {
        let record = world.sales.clocks.get(id)?;
        record.clock.next_look().map(|_| record.clock.kind)
    };
    let kinds: Vec<ClockKind> = of(world, handoff.id).iter().filter_map(runs).collect();
    let mut changes = void(world, handoff.id, VoidReason::Restarted, act);
    for kind in kinds {
        let started = start(world, handoff, kind, act);
        changes.extend(started.map(|record| Change::from(ClockChange::Started(Box::new(record)))));
    }
    changes
}
