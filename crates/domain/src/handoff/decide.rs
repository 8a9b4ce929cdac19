//! Deciding on a hand-off: accept, reject, assign; and what a move of its lead does to it.

use super::change::HandoffChange;
use super::error::{HandoffError, NotAssigned};
use super::hand_over::{notices, placed};
use super::qualification::Qualify;
use super::qualify::{becomes_sql, qualify};
use super::{Clocks, Handoff, HandoffState, clocks};
use crate::access::account::User;
use crate::access::{Denied, Person, Queue, Role};
use crate::act::Act;
use crate::agreement::{ContactFrom, ReasonList, Requires};
use crate::change::Change;
use crate::clocks::{Clock, ClockKind, VoidReason};
use crate::fault::Fault;
use crate::id::{ActivityId, HandoffId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::leads::save;
use crate::lifecycle::{self, MoveLead, Stage};
use crate::routing::decision::RoutingChange;
use crate::world::World;

/// A hand-off that is to be rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectHandoff {
    /// The code of an agreed reason of the list `rejection`.
    pub reason: String,
    /// A note about the reason.
    pub note: Option<String>,
    /// No rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
    /// The activity that proves the reason.
    pub evidence_activity_id: Option<ActivityId>,
}

/// Accept a hand-off: the lead becomes an SAL, and an SQL where the qualification that comes with it leaves nothing to
/// confirm. Who takes it from a queue becomes its owner. The same user's same decision again changes nothing.
///
/// The world holds the lead with its hand-offs and clocks.
pub fn accept(
    world: &mut World,
    id: HandoffId,
    said: &Qualify,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let handoff = world.sales.handoffs.get(&id).ok_or(HandoffError::NoSuchHandoff)?;
    let person = act.by.demand_person()?;
    if !handoff.is_pending() {
        let is_same = handoff.state == HandoffState::Accepted && handoff.decided_by == Some(person.id);
        return repeated(is_same, handoff);
    }
    let asked = MoveLead {
        to: Some(Stage::Sal),
        ..MoveLead::default()
    };
    let lead_id = handoff.lead_id;
    let mut changes = move_lead(world, lead_id, &asked, act)?;
    if !said.is_empty() {
        changes.extend(qualify(world, lead_id, said, act)?);
    }
    Ok(changes)
}

/// Reject a hand-off: the lead goes where the reason leads. The same user's same decision again changes nothing.
///
/// The world holds what an acceptance needs, and the activity that is named as evidence, if there is one.
pub fn reject(
    world: &mut World,
    id: HandoffId,
    asked: &RejectHandoff,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let handoff = world.sales.handoffs.get(&id).ok_or(HandoffError::NoSuchHandoff)?;
    let person = act.by.demand_person()?;
    if !handoff.is_pending() {
        let is_same = handoff.state == HandoffState::Rejected
            && handoff.decided_by == Some(person.id)
            && handoff.reason.as_deref() == Some(asked.reason.as_str())
            && handoff.note == asked.note;
        return repeated(is_same, handoff);
    }
    handoff.may_decide(person)?;
    let evidence = asked.evidence_activity_id;
    if evidence.is_some_and(|evidence| !shows(world, handoff, evidence)) {
        let detail = "is no activity of this lead, of its company or of one of its deals";
        return Err(HandoffError::Move(lifecycle::MoveError::Invalid(vec![
            Fault::new("/evidence_activity_id", "not_found", detail),
        ])));
    }
    let move_it = MoveLead {
        to: None,
        reason: Some(asked.reason.clone()),
        note: asked.note.clone(),
        until: asked.until,
    };
    move_on(world, handoff.lead_id, &move_it, asked.evidence_activity_id, act)
}

/// Whether an activity is about the lead of a hand-off, its company, or a deal that it takes part in.
fn shows(world: &World, handoff: &Handoff, id: ActivityId) -> bool {
    let Some(activity) = world.sales.activities.get(&id) else {
        return false;
    };
    let lead = world.leads.get(&handoff.lead_id);
    let companies = [handoff.company_id, lead.and_then(|lead| lead.company_id)];
    let of_company = activity.company_id.is_some() && companies.contains(&activity.company_id);
    let deal = activity.deal_id.and_then(|deal| world.sales.deals.get(&deal));
    let of_deal = deal.is_some_and(|deal| deal.members.iter().any(|one| one.lead_id == handoff.lead_id));
    activity.lead_id == Some(handoff.lead_id) || of_company || of_deal
}

fn repeated(is_same: bool, handoff: &Handoff) -> Result<Vec<Change>, HandoffError> {
    match is_same {
        true => Ok(vec![]),
        false => Err(HandoffError::Decided(Box::new(handoff.clone()))),
    }
}

/// Move a lead by hand. A move that decides on a pending hand-off is that decision.
pub fn move_lead(
    world: &mut World,
    lead_id: LeadId,
    asked: &MoveLead,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    move_on(world, lead_id, asked, None, act)
}

fn move_on(
    world: &mut World,
    lead_id: LeadId,
    asked: &MoveLead,
    evidence: Option<ActivityId>,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let pending = world.pending_of(lead_id).cloned();
    if pending.is_some() && evidence.is_none() {
        demand_evidence(world, asked)?;
    }
    let mut changes = lifecycle::move_lead(world, lead_id, asked, act)?;
    let Some(mut handoff) = pending else {
        return Ok(changes);
    };
    let moved = changes.iter().find_map(|change| match change {
        Change::Lead(LeadChange::Moved { transition, .. }) => Some(transition.clone()),
        _ => None,
    });
    let Some(moved) = moved else {
        return Ok(changes);
    };
    let person = act.by.demand_person()?;
    let act = &act.not_before(moved.at);
    let is_accepted = moved.to == Stage::Sal;
    let from = handoff.owner_id;
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.decided_at = Some(act.now);
    handoff.decided_by = Some(person.id);
    handoff.owner_id = from.or(person.is_sales().then_some(person.id));
    handoff.assigned_at = handoff.assigned_at.or(handoff.owner_id.map(|_| act.now));
    handoff.queue = None;
    if is_accepted {
        handoff.state = HandoffState::Accepted;
    } else {
        handoff.state = HandoffState::Rejected;
        handoff.reason = moved.reason.clone();
        handoff.note = moved.note.clone();
        handoff.until = moved.until;
        handoff.evidence_activity_id = evidence;
    }
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    let decided = Box::new(handoff.clone());
    changes.push(match is_accepted {
        true => HandoffChange::Accepted(decided).into(),
        false => HandoffChange::Rejected(decided).into(),
    });
    changes.extend(clocks::give(world, &handoff, from.is_none(), act));
    let meet = |clock: &mut Clock| clock.meet(act.now, act.now);
    changes.extend(clocks::change(world, handoff.id, ClockKind::Review, meet, act));
    match is_accepted {
        true => changes.extend(accepted(world, &handoff, act)),
        false => {
            changes.extend(give_turn_back(world, handoff.id, act));
            if !handoff.self_sourced && !handoff.imported {
                let started = clocks::start(world, &handoff, ClockKind::Feedback, act.now, act);
                changes.extend(started.map(Change::from));
            }
        }
    }
    Ok(changes)
}

/// A reason that requires an activity as evidence is refused without one.
fn demand_evidence(world: &World, asked: &MoveLead) -> Result<(), HandoffError> {
    let agreement = &world.rules.agreement.agreement;
    let code = asked.reason.as_deref().unwrap_or_default();
    let reason = agreement.reason(ReasonList::Rejection, code);
    if reason.is_some_and(|reason| reason.requires.contains(&Requires::EvidenceActivity)) {
        return Err(HandoffError::Move(lifecycle::MoveError::Invalid(vec![
            Fault::new(
                "/evidence_activity_id",
                "required",
                "this reason needs an activity that shows it",
            ),
        ])));
    }
    Ok(())
}

/// A rejected hand-off counts as no turn.
fn give_turn_back(world: &mut World, id: HandoffId, act: &Act) -> Option<Change> {
    let desk = &mut world.sales.desk;
    let (team_id, turn) = desk.taken.remove(&id)?;
    let turns = desk.turns.entry(team_id).or_default();
    turns.give_back(&turn);
    let turned = RoutingChange::Turned {
        team_id,
        turns: turns.clone(),
        at: act.now,
    };
    Some(turned.into())
}

/// What follows of an acceptance: the clock of the first contact, where it runs from there, and that of the attempts.
fn accepted(world: &mut World, handoff: &Handoff, act: &Act) -> Vec<Change> {
    let mut changes = vec![];
    let from = world
        .rules
        .agreement
        .agreement
        .commitments
        .sales
        .first_contact_from;
    if from == ContactFrom::Acceptance && !handoff.self_sourced {
        let started = clocks::start(world, handoff, ClockKind::FirstContact, act.now, act);
        changes.extend(started.map(Change::from));
        if let Some(at) = handoff.first_contact_at {
            let meet = |clock: &mut Clock| clock.meet(at, act.now);
            changes.extend(clocks::change(
                world,
                handoff.id,
                ClockKind::FirstContact,
                meet,
                act,
            ));
        }
    }
    changes.extend(clocks::start(world, handoff, ClockKind::Attempts, act.now, act).map(Change::from));
    changes.extend(becomes_sql(world, handoff.lead_id, act));
    changes
}

/// Assign a lead to a user who works leads, or to nobody. A pending hand-off goes with it: to the user, or back to the
/// general queue; and so do its clocks, which run on or start again.
pub fn assign(
    world: &mut World,
    lead_id: LeadId,
    to: Option<&User>,
    running: Clocks,
    act: &Act,
) -> Result<Vec<Change>, NotAssigned> {
    let lead = world.leads.get(&lead_id).ok_or(save::SaveError::NoSuchLead)?;
    let act = &act.not_before(lead.updated_at);
    let is_taker = act
        .by
        .person()
        .is_some_and(|person| lead.owner_id == Some(person.id));
    if is_taker && lead.owner_id == to.map(|user| user.id) {
        return Ok(vec![]);
    }
    let waiting = world.handoff_of(lead_id).filter(|handoff| handoff.waits());
    let pending = world.pending_of(lead_id).or(waiting).cloned();
    if let (Some(handoff), Some(person)) = (&pending, act.by.person())
        && person.role == Role::Sales
        && !person.is_admin()
        && to.is_some_and(|user| user.id == person.id)
    {
        may_take(handoff, person)?;
    }
    let changed = save::assign(world, lead_id, to, act)?;
    let Some(changed) = changed else {
        return Ok(vec![]);
    };
    let mut changes = vec![changed];
    let Some(mut handoff) = pending.clone().or(world.handoff_of(lead_id).cloned()) else {
        return Ok(changes);
    };
    let from = handoff.owner_id;
    handoff.owner_id = to.map(|user| user.id);
    if pending.is_some() {
        handoff.version += 1;
        handoff.updated_at = act.now;
        handoff.queue = to.is_none().then_some(Queue::General);
        handoff.assigned_at = handoff.assigned_at.or(to.map(|_| act.now));
        world.sales.handoffs.insert(handoff.id, handoff.clone());
        changes.push(placed(&handoff, from).into());
    }
    let is_first = from.is_none() && pending.is_some();
    changes.extend(match running {
        Clocks::Restart => clocks::restart(world, &handoff, act),
        Clocks::Keep => clocks::give(world, &handoff, is_first, act),
    });
    if pending.is_some() && act.by.person().map(|person| person.id) != handoff.owner_id {
        changes.extend(notices(world, &handoff, act));
    }
    Ok(changes)
}

/// A sales user takes what waits in its queues. What somebody took from there before has an owner by now.
fn may_take(handoff: &Handoff, person: &Person) -> Result<(), NotAssigned> {
    let is_own = handoff.owner_id == Some(person.id);
    if is_own || handoff.may_take(person) {
        return Ok(());
    }
    let was_queued = handoff.owner_id.is_some() && handoff.assigned_at > Some(handoff.made_at);
    match was_queued {
        true => Err(NotAssigned::Taken(Box::new(handoff.clone()))),
        false => Err(save::SaveError::Denied(Denied::NotOwner).into()),
    }
}

/// A lead left work for nurture or disqualified: the promise of an outcome is met, attempts that its reason demands are given
/// up, its other clocks are void as far as they run, and so is a hand-off that nobody decided on.
pub fn leave(world: &mut World, lead_id: LeadId, act: &Act) -> Vec<Change> {
    let of_lead = world.sales.handoffs.values();
    let mut handoffs: Vec<Handoff> = of_lead
        .filter(|handoff| handoff.lead_id == lead_id)
        .cloned()
        .collect();
    handoffs.sort_unstable_by_key(|handoff| handoff.id);
    let mut changes = vec![];
    for mut handoff in handoffs {
        let act = &act.not_before(handoff.updated_at);
        if handoff.is_pending() {
            handoff.version += 1;
            handoff.updated_at = act.now;
            handoff.state = HandoffState::Void;
            handoff.queue = None;
            handoff.void_reason = Some(VoidReason::LeftStage.name().to_owned());
            world.sales.handoffs.insert(handoff.id, handoff.clone());
            changes.push(HandoffChange::Voided(Box::new(handoff.clone())).into());
        } else if handoff.waits() {
            handoff.version += 1;
            handoff.updated_at = act.now;
            handoff.queue = None;
            world.sales.handoffs.insert(handoff.id, handoff.clone());
            changes.push(HandoffChange::Adjusted(Box::new(handoff.clone())).into());
        }
        let meet = |clock: &mut Clock| clock.meet(act.now, act.now);
        changes.extend(clocks::change(world, handoff.id, ClockKind::Outcome, meet, act));
        if demands_attempts(world, lead_id) {
            let give_up = |clock: &mut Clock| match clock.next_look() {
                Some(_) => clock.give_up(act.now),
                None => vec![],
            };
            changes.extend(clocks::change(
                world,
                handoff.id,
                ClockKind::Attempts,
                give_up,
                act,
            ));
        }
        changes.extend(clocks::void(world, handoff.id, VoidReason::LeftStage, act));
    }
    changes
}

/// Whether the reason for which a lead left work may be given only once the promised attempts were made.
fn demands_attempts(world: &World, lead_id: LeadId) -> bool {
    let agreement = &world.rules.agreement.agreement;
    let code = world
        .cycles
        .get(&lead_id)
        .and_then(|cycle| cycle.last_reason.as_deref());
    let reason = code.and_then(|code| agreement.reason(ReasonList::Disqualification, code));
    reason.is_some_and(|reason| reason.after_attempts)
}

/// Note that a user opened the packet; the first time counts.
pub fn open(world: &mut World, id: HandoffId, by: UserId, act: &Act) -> Option<Change> {
    let handoff = world.sales.handoffs.get_mut(&id)?;
    if handoff.opened_at.is_some() {
        return None;
    }
    let act = act.not_before(handoff.updated_at);
    handoff.version += 1;
    handoff.updated_at = act.now;
    handoff.opened_at = Some(act.now);
    handoff.opened_by = Some(by);
    Some(HandoffChange::Opened(Box::new(handoff.clone())).into())
}
