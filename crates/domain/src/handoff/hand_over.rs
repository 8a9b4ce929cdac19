//! An MQL is handed over to sales: one hand-off in each cycle, with its frozen packet, an owner or a queue, and its clocks.

use super::change::HandoffChange;
use super::qualify::enter;
use super::{Handoff, HandoffState, MadeBy, Place, assemble, clocks};
use crate::access::Person;
use crate::act::Act;
use crate::agreement::ContactFrom;
use crate::change::Change;
use crate::clocks::ClockKind;
use crate::clocks::record::ClockChange;
use crate::id::{HandoffId, LeadId, UserId};
use crate::leads::save::give;
use crate::lifecycle::Stage;
use crate::notices::{About, NextAct, NoticeKind, for_each};
use crate::routing::route;
use crate::world::World;

/// Hand over a lead that became an MQL; nothing where its cycle has a hand-off already.
///
/// A lead that sales moved itself is accepted at once: it has a packet and no clock. A lead whose owner works leads stays with
/// the owner; the others are routed, and `holds` says of each routing rule whether its condition does. The world holds the
/// lead's hand-offs, what its packet is made of, the enabled users, and who is free where a routing rule asks.
pub fn hand_over(
    world: &mut World,
    lead_id: LeadId,
    made_by: MadeBy,
    holds: &[bool],
    act: &Act,
) -> Vec<Change> {
    let lead = world.leads.get(&lead_id);
    let Some(lead) = lead.filter(|lead| lead.stage == Stage::Mql) else {
        return vec![];
    };
    if world.handoff_of(lead_id).is_some() {
        return vec![];
    }
    let act = &act.not_before(lead.updated_at);
    let finder = match made_by {
        MadeBy::Rule => None,
        MadeBy::User(_) => act.by.person().filter(|person| person.is_sales()),
    };
    let (company_id, cycle) = (lead.company_id, lead.cycle);
    let stays = stays_with(world, lead.owner_id, finder);
    let (place, decision, routed) = match stays {
        Some(owner) => (Place::with(owner), None, vec![]),
        None => {
            let (decision, changes) = route(world, lead_id, holds, act);
            world.sales.desk.assign(decision.owner_id, act.now);
            let place = Place {
                owner_id: decision.owner_id,
                queue: decision.queue,
            };
            (place, Some(decision.id), changes)
        }
    };
    let mut handoff = Handoff {
        company_id,
        self_sourced: finder.is_some(),
        owner_id: place.owner_id,
        queue: place.queue,
        assigned_at: place.owner_id.map(|_| act.now),
        agreement_version: world.rules.agreement.number,
        routing_decision_id: decision,
        ..Handoff::pending(act.ids.next(), lead_id, cycle, made_by, act.now)
    };
    let packet = assemble::packet(world, &handoff);
    let clocks = match finder {
        Some(_) => vec![],
        None => first_clocks(world, &handoff, act),
    };
    let review = clocks
        .iter()
        .find(|clock| clock.record().clock.kind == ClockKind::Review);
    handoff.due_at = review.map(|clock| clock.record().clock.deadline.due_at);
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    let made = HandoffChange::Made(Box::new(handoff.clone()), Some(packet));
    let mut changes: Vec<Change> = routed.into_iter().map(Change::from).collect();
    changes.push(made.into());
    changes.extend(give(world, lead_id, handoff.owner_id, act));
    changes.push(placed(&handoff, None).into());
    changes.extend(clocks.into_iter().map(Change::from));
    match finder {
        Some(finder) => changes.extend(accept_own(world, handoff, finder.id, act)),
        None => changes.extend(notices(world, &handoff, act)),
    }
    changes
}

/// Who has a lead without routing: its owner who works leads, else the user who found it.
fn stays_with(world: &World, owner: Option<UserId>, finder: Option<&Person>) -> Option<UserId> {
    let staff = world.sales.staff.as_ref();
    let works = |user: &UserId| {
        let colleague = staff.and_then(|staff| staff.get(*user));
        colleague.is_some_and(|colleague| colleague.is_sales())
    };
    owner.filter(works).or(finder.map(|finder| finder.id))
}

/// Route a pending hand-off again: one that waits, or whose owner is away. Nothing where nobody can take it, unless its owner
/// is to lose it: then it waits.
pub fn reroute(world: &mut World, id: HandoffId, holds: &[bool], act: &Act) -> Vec<Change> {
    let Some(handoff) = world
        .sales
        .handoffs
        .get(&id)
        .filter(|handoff| handoff.is_pending())
    else {
        return vec![];
    };
    let mut handoff = handoff.clone();
    let act = &act.not_before(handoff.updated_at);
    let (decision, routed) = route(world, handoff.lead_id, holds, act);
    let from = handoff.owner_id;
    if decision.owner_id == from {
        return vec![];
    }
    world.sales.desk.assign(decision.owner_id, act.now);
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.owner_id = decision.owner_id;
    handoff.queue = decision.queue;
    handoff.assigned_at = handoff.assigned_at.or(decision.owner_id.map(|_| act.now));
    handoff.routing_decision_id = Some(decision.id);
    world.sales.handoffs.insert(id, handoff.clone());
    let mut changes: Vec<Change> = routed.into_iter().map(Change::from).collect();
    changes.extend(give(world, handoff.lead_id, handoff.owner_id, act));
    changes.push(placed(&handoff, from).into());
    changes.extend(clocks::give(world, &handoff, from.is_none(), act));
    changes.extend(notices(world, &handoff, act));
    changes
}

fn first_clocks(world: &mut World, handoff: &Handoff, act: &Act) -> Vec<ClockChange> {
    let from = world
        .rules
        .agreement
        .agreement
        .commitments
        .sales
        .first_contact_from;
    let contact = (from == ContactFrom::Handoff).then_some(ClockKind::FirstContact);
    let kinds = [Some(ClockKind::Review), contact];
    let started = kinds.into_iter().flatten();
    let started = started.filter_map(|kind| clocks::start(world, handoff, kind, act));
    started
        .map(|record| ClockChange::Started(Box::new(record)))
        .collect()
}

/// That a hand-off has an owner or waits in a queue.
pub(super) fn placed(handoff: &Handoff, from: Option<UserId>) -> HandoffChange {
    let handoff = Box::new(handoff.clone());
    match handoff.owner_id {
        Some(_) => HandoffChange::Assigned { handoff, from },
        None => HandoffChange::Queued(handoff),
    }
}

/// The notices of where a hand-off is.
pub(super) fn notices(world: &World, handoff: &Handoff, act: &Act) -> Vec<Change> {
    let Some(staff) = &world.sales.staff else {
        return vec![];
    };
    let kind = match handoff.owner_id {
        Some(_) => NoticeKind::HandoffAssigned,
        None => NoticeKind::HandoffQueued,
    };
    let users = staff.concerned(handoff.owner_id, handoff.queue).into_iter();
    let accept = NextAct::new(
        "accept_handoff",
        "POST",
        format!("/v1/handoffs/{}/accept", handoff.id),
    );
    let about = (kind, About::new("handoff", handoff.id), Some(handoff.lead_id));
    let notices = for_each(users, about, Some(accept), act);
    notices.into_iter().map(Change::from).collect()
}

/// Sales accepts a lead that it found by the same request.
fn accept_own(world: &mut World, mut handoff: Handoff, finder: UserId, act: &Act) -> Vec<Change> {
    handoff.version += 1;
    handoff.state = HandoffState::Accepted;
    handoff.decided_at = Some(act.now);
    handoff.decided_by = Some(finder);
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    let mut changes = vec![HandoffChange::Accepted(Box::new(handoff.clone())).into()];
    changes.extend(enter(world, handoff.lead_id, Stage::Sal, act));
    changes
}
