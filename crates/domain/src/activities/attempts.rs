//! What the activities of a lead mean for the promised attempts, and for the outcome that is promised after them.

use super::Contact;
use crate::act::Act;
use crate::change::Change;
use crate::clocks::notify::with_notices;
use crate::clocks::record::Quota;
use crate::clocks::{Calendar, Clock, ClockKind, ClockState, VoidReason};
use crate::handoff::{Handoff, clocks_of, days_of, start_clock};
use crate::id::{ClockId, HandoffId, LeadId};
use crate::instant::Timestamp;
use crate::stage::Stage;
use crate::world::World;

/// When the promised attempts were made: the instant of the outbound contact of a user that reaches the number, on enough
/// different days; or of the first two-way exchange or inbound contact. Contacts before `since` do not count.
pub fn made(contacts: &[Contact], since: Timestamp, quota: Quota, days: &Calendar) -> Option<Timestamp> {
    let mut later: Vec<&Contact> = contacts.iter().filter(|contact| contact.at >= since).collect();
    later.sort_by_key(|contact| contact.at);
    let mut count = 0;
    let mut dates = vec![];
    for contact in later {
        if contact.ends_attempts() {
            return Some(contact.at);
        }
        if !contact.is_attempt() {
            continue;
        }
        count += 1;
        dates.push(days.date(contact.at));
        dates.dedup();
        if count >= quota.count && dates.len() as i64 >= quota.on_days {
            return Some(contact.at);
        }
    }
    None
}

/// Recompute the attempts of each hand-off of a lead, and the outcome of the current one, from all of its loaded contacts and
/// open tasks.
pub fn attempted(world: &mut World, lead_id: LeadId, act: &Act) -> Vec<Change> {
    let handoffs = world.sales.handoffs.values();
    let mut handoffs: Vec<Handoff> = handoffs.filter(|one| one.lead_id == lead_id).cloned().collect();
    handoffs.sort_unstable_by_key(|handoff| handoff.made_at);
    let cycle = world.leads.get(&lead_id).map(|lead| lead.cycle);
    let mut changes = vec![];
    for handoff in handoffs {
        let is_current = cycle == Some(handoff.cycle);
        let tried = tried(world, &handoff, is_current, act, &mut changes);
        if is_current {
            changes.extend(decided(world, &handoff, tried, act));
        }
    }
    changes
}

/// Correct the clocks of the attempts; when the current ones were made, by contacts alone.
fn tried(
    world: &mut World,
    handoff: &Handoff,
    is_current: bool,
    act: &Act,
    changes: &mut Vec<Change>,
) -> Option<Timestamp> {
    let contacts = world
        .sales
        .contacts
        .get(&handoff.lead_id)
        .cloned()
        .unwrap_or_default();
    let cycle = world.cycles.get(&handoff.lead_id).filter(|_| is_current);
    let left_at = cycle.and_then(|cycle| {
        let later = [Stage::Sql, Stage::Opportunity, Stage::Customer];
        later
            .into_iter()
            .filter_map(|stage| cycle.entered_at(stage))
            .min()
    });
    let mut latest = None;
    for id in clocks_of(world, handoff.id) {
        let record = world.sales.clocks.get(&id);
        let known = record.filter(|record| record.clock.kind == ClockKind::Attempts);
        let Some((owner, quota)) = known.and_then(|record| Some((record.owner_id, record.quota?))) else {
            continue;
        };
        let days = days_of(world, owner);
        let by_contacts = days.and_then(|days| made(&contacts, handoff.counts_from(), quota, &days));
        let Some(record) = world.sales.clocks.get_mut(&id) else {
            continue;
        };
        // When a lead of an earlier cycle became an SQL is not known here: what met its promise stays.
        let met_by_move = match is_current {
            true => left_at,
            false => record.clock.act_at,
        };
        let act_at = [by_contacts, met_by_move].into_iter().flatten().min();
        // Attempts that were made before the lead was accepted meet the promise as it starts.
        let act_at = act_at.map(|at| at.max(record.clock.started_at));
        let happened = record.change(|clock| clock.correct(act_at, act.now));
        let by_contacts = by_contacts.map(|at| at.max(record.clock.started_at));
        latest = record.clock.met_at().filter(|at| by_contacts == Some(*at));
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
    }
    latest
}

/// The promise of an outcome: it runs from the attempts on while the lead is an SAL, is met by an open task dated ahead, and runs
/// again once no such task is left.
fn decided(world: &mut World, handoff: &Handoff, tried: Option<Timestamp>, act: &Act) -> Vec<Change> {
    let outcomes: Vec<ClockId> = clocks_of(world, handoff.id)
        .into_iter()
        .filter(|id| {
            world
                .sales
                .clocks
                .get(id)
                .is_some_and(|one| one.clock.kind == ClockKind::Outcome)
        })
        .collect();
    let is_sal = world
        .leads
        .get(&handoff.lead_id)
        .is_some_and(|lead| lead.stage == Stage::Sal);
    let tasks = world
        .sales
        .open_tasks
        .get(&handoff.lead_id)
        .cloned()
        .unwrap_or_default();
    let has_plan = tasks.iter().any(|due| *due > act.now);
    let latest = outcomes.last().and_then(|id| world.sales.clocks.get(id));
    let latest = latest.map(|record| record.clock.clone());
    let mut changes = vec![];
    let meet = |at: Timestamp| {
        move |clock: &mut Clock| match clock.met_at() {
            None => clock.meet(at, act.now),
            Some(_) => vec![],
        }
    };
    match latest.as_ref().map(|clock| (clock, clock.state())) {
        _ if !is_sal => {
            for id in outcomes {
                changes.extend(change_one(world, id, meet(act.now), act));
            }
        }
        Some((clock, ClockState::Running | ClockState::Warned)) if tried.is_none() => {
            let at = act.now.max(clock.started_at);
            for id in outcomes {
                changes.extend(change_one(
                    world,
                    id,
                    |clock| clock.void(VoidReason::Restarted, at),
                    act,
                ));
            }
        }
        Some((_, ClockState::Running | ClockState::Warned | ClockState::Breached)) => {
            if let (true, Some(id)) = (has_plan, outcomes.last()) {
                changes.extend(change_one(world, *id, meet(act.now), act));
            }
        }
        Some((clock, ClockState::Met | ClockState::MetLate)) if !has_plan => {
            let met_at = clock.met_at().unwrap_or(clock.started_at);
            let passed = tasks
                .into_iter()
                .filter(|due| *due <= act.now && *due > met_at)
                .max();
            changes.extend(start(world, handoff.id, passed.unwrap_or(act.now), act));
        }
        Some((_, ClockState::Met | ClockState::MetLate)) => {}
        Some((_, ClockState::Void)) | None => {
            if let Some(at) = tried {
                changes.extend(start(world, handoff.id, at.max(handoff.counts_from()), act));
                let started = clocks_of(world, handoff.id)
                    .pop()
                    .filter(|_| has_plan && !changes.is_empty());
                changes.extend(
                    started
                        .into_iter()
                        .flat_map(|id| change_one(world, id, meet(at), act)),
                );
            }
        }
    }
    changes
}

fn start(world: &mut World, id: HandoffId, at: Timestamp, act: &Act) -> Option<Change> {
    let handoff = world.sales.handoffs.get(&id)?.clone();
    let owner_id = world.leads.get(&handoff.lead_id)?.owner_id;
    let owned = Handoff { owner_id, ..handoff };
    start_clock(world, &owned, ClockKind::Outcome, at, act).map(Change::from)
}

fn change_one(
    world: &mut World,
    id: ClockId,
    change: impl FnOnce(&mut Clock) -> Vec<crate::clocks::ClockEvent>,
    act: &Act,
) -> Vec<Change> {
    let Some(record) = world.sales.clocks.get_mut(&id) else {
        return vec![];
    };
    let happened = record.change(change);
    with_notices(happened, world.sales.staff.as_ref(), act)
}
