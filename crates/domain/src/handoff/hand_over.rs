//! An MQL is handed over to sales: one hand-off in each cycle, with its frozen packet, an owner or a queue, and its clocks.

use super::change::HandoffChange;
use super::qualify::enter;
use super::{Assignee, Handoff, HandoffState, Joins, MadeBy, assemble, clocks};
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
use crate::routing::decision::{RoutingChange, RoutingDecision};
use crate::routing::{rejected_by, route};
use crate::world::World;

/// Hand over a lead that became an MQL; nothing where its cycle has a hand-off already.
///
/// A lead that sales moved itself is accepted at once: it has a packet, and no clock but that of the attempts. A lead whose owner works leads stays with
/// the owner; others join the work on their company; the rest is routed, and `holds` says of each routing rule whether its condition does. The world holds the
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
    let Placed {
        place,
        joins,
        decision,
        routed,
    } = place(world, lead_id, finder, holds, act);
    let mut handoff = Handoff {
        company_id,
        self_sourced: finder.is_some(),
        owner_id: place.owner_id,
        queue: place.queue,
        assigned_at: place.owner_id.map(|_| act.now),
        agreement_version: world.rules.agreement.number,
        routing_decision_id: decision.map(|decision| decision.id),
        joins,
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
    let work = company_id.zip(handoff.owner_id);
    if let Some((company, owner)) = work {
        world.sales.desk.is_worked(company, Joins::Lead(lead_id), owner);
    }
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

/// Route a hand-off again that waits, or that is pending and whose owner is away; what waits in a queue joins the work on its
/// company first. Nothing where nobody can take it, unless its owner is to lose it: then it waits.
pub fn reroute(world: &mut World, id: HandoffId, holds: &[bool], act: &Act) -> Vec<Change> {
    let handoff = world.sales.handoffs.get(&id);
    let handoff = handoff.filter(|handoff| handoff.is_pending() || handoff.waits());
    let Some(handoff) = handoff.cloned() else {
        return vec![];
    };
    let act = &act.not_before(handoff.updated_at);
    let waits = handoff.queue.is_some() && !handoff.self_sourced;
    let joins = waits.then(|| joins_of(world, handoff.lead_id, handoff.taken_from, act));
    let placed = match joins.flatten() {
        Some((joins, owner)) => Placed::joining(joins, owner),
        None => routed(world, &handoff, holds, act),
    };
    move_to(world, handoff, placed, act)
}

/// Take a lead from its owner and route it again, as an escalation does: to another user, or to the queue where nobody else can
/// take it. Nothing where nobody owns it, or once it is no SAL any more.
pub fn pass_on(world: &mut World, id: HandoffId, holds: &[bool], act: &Act) -> Vec<Change> {
    let Some(handoff) = world.sales.handoffs.get(&id).cloned() else {
        return vec![];
    };
    let lead = world.leads.get(&handoff.lead_id);
    let lead =
        lead.filter(|lead| matches!(lead.stage, Stage::Mql | Stage::Sal) && lead.cycle == handoff.cycle);
    let Some(owner) = lead.and_then(|lead| lead.owner_id) else {
        return vec![];
    };
    let handoff = Handoff {
        owner_id: Some(owner),
        taken_from: Some(owner),
        ..handoff
    };
    let act = &act.not_before(handoff.updated_at);
    let placed = routed(world, &handoff, holds, act);
    move_to(world, handoff, placed, act)
}

/// Where routing sends a hand-off: never back to the user from whom it was taken.
fn routed(world: &mut World, handoff: &Handoff, holds: &[bool], act: &Act) -> Placed {
    let (decision, routed) = route(world, handoff.lead_id, holds, handoff.taken_from, act);
    Placed::routed(decision, routed)
}

/// Give a hand-off and its lead to its new place.
fn move_to(world: &mut World, mut handoff: Handoff, placed: Placed, act: &Act) -> Vec<Change> {
    let Placed {
        place,
        joins,
        decision,
        routed,
    } = placed;
    let from = handoff.owner_id;
    if place.owner_id == from {
        return vec![];
    }
    world.sales.desk.assign(place.owner_id, act.now);
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.owner_id = place.owner_id;
    handoff.queue = place.queue;
    handoff.joins = joins;
    let is_first = handoff.assigned_at.is_none();
    handoff.assigned_at = handoff.assigned_at.or(place.owner_id.map(|_| act.now));
    handoff.routing_decision_id = decision.map(|decision| decision.id);
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    if let Some((company, owner)) = handoff.company_id.zip(handoff.owner_id) {
        let desk = &mut world.sales.desk;
        desk.is_worked(company, Joins::Lead(handoff.lead_id), owner);
    }
    let mut changes: Vec<Change> = routed.into_iter().map(Change::from).collect();
    changes.extend(give(world, handoff.lead_id, handoff.owner_id, act));
    changes.push(self::placed(&handoff, from).into());
    changes.extend(clocks::give(world, &handoff, is_first, act));
    changes.extend(notices(world, &handoff, act));
    changes
}

/// The work on the lead's company that a hand-off joins, and whose it is: an open deal, else a lead that sales works on, the
/// newest whose owner is there, has not rejected the lead and is not barred from it. Nothing where rules do not join.
fn joins_of(world: &World, lead_id: LeadId, barred: Option<UserId>, act: &Act) -> Option<(Joins, UserId)> {
    if !world.rules.routing.document.join_company {
        return None;
    }
    let desk = &world.sales.desk;
    let company = world.leads.get(&lead_id)?.company_id?;
    let rejected = rejected_by(world, lead_id);
    let can_take = |owner: &UserId| {
        let seller = desk.sellers.get(owner);
        let is_there =
            seller.is_some_and(|seller| seller.is_enabled && !seller.availability.is_away(act.now));
        is_there && !rejected.contains(owner) && barred != Some(*owner)
    };
    let mut all = desk.worked.get(&company)?.iter();
    let is_other = |joins: &Joins| *joins != Joins::Lead(lead_id);
    all.find(|(joins, owner)| is_other(joins) && can_take(owner))
        .copied()
}

/// Where a lead goes that becomes an MQL.
pub(super) struct Placed {
    pub place: Assignee,
    pub joins: Option<Joins>,
    pub decision: Option<RoutingDecision>,
    routed: Vec<RoutingChange>,
}

impl Placed {
    /// It stays with a user.
    fn with(owner: UserId) -> Self {
        Self {
            place: Assignee::with(owner),
            joins: None,
            decision: None,
            routed: vec![],
        }
    }

    /// It joins the work of a user; no turn is taken.
    fn joining(joins: Joins, owner: UserId) -> Self {
        Self {
            joins: Some(joins),
            ..Self::with(owner)
        }
    }

    /// Routing decided.
    fn routed(decision: RoutingDecision, routed: Vec<RoutingChange>) -> Self {
        Self {
            place: Assignee {
                owner_id: decision.owner_id,
                queue: decision.queue,
            },
            joins: None,
            decision: Some(decision),
            routed,
        }
    }
}

/// It stays with its owner, or with the user who found it; else it joins the work on its company; else it is routed.
pub(super) fn place(
    world: &mut World,
    lead_id: LeadId,
    finder: Option<&Person>,
    holds: &[bool],
    act: &Act,
) -> Placed {
    let owner = world.leads.get(&lead_id).and_then(|lead| lead.owner_id);
    if let Some(owner) = stays_with(world, owner, finder) {
        return Placed::with(owner);
    }
    let placed = match joins_of(world, lead_id, None, act) {
        Some((joins, owner)) => Placed::joining(joins, owner),
        None => {
            let (decision, routed) = route(world, lead_id, holds, None, act);
            Placed::routed(decision, routed)
        }
    };
    world.sales.desk.assign(placed.place.owner_id, act.now);
    placed
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
    started
        .filter_map(|kind| clocks::start(world, handoff, kind, act.now, act))
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
    let lead = handoff.lead_id;
    let next = match (handoff.is_pending(), handoff.owner_id) {
        (true, _) => NextAct::new(
            "accept_handoff",
            "POST",
            format!("/v1/handoffs/{}/accept", handoff.id),
        ),
        (false, Some(_)) => NextAct::new("get_lead", "GET", format!("/v1/leads/{lead}")),
        (false, None) => NextAct::new("assign_lead", "POST", format!("/v1/leads/{lead}/assign")),
    };
    let about = (kind, About::new("handoff", handoff.id), Some(lead));
    let notices = for_each(users, about, Some(next), act);
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
    changes.extend(clocks::start(world, &handoff, ClockKind::Attempts, act.now, act).map(Change::from));
    changes.extend(enter(world, handoff.lead_id, Stage::Sal, act));
    changes
}
