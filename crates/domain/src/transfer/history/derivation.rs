//! What follows of all statements about a lead: its stage changes, its cycles, where it stands, and the cycles of its deals.

use std::collections::BTreeMap;

use serde_json::json;

use super::{deals_of, is_derived, loss_reason, way_of};
use crate::access::ActorKind;
use crate::act::Act;
use crate::change::Change;
use crate::deals::Deal;
use crate::id::{LeadId, TransitionId, UserId};
use crate::instant::Timestamp;
use crate::journal::{differences, facts};
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::leads::fields::LeadField;
use crate::lifecycle::{self, Cycle, Stage, Transition};
use crate::transfer::ACTOR;
use crate::transfer::change::{Derived, HistoryChange};
use crate::transfer::course::{Cause, Course, Step};
use crate::transfer::past::{Past, PastStatement, What};
use crate::world::World;

/// Derive the stage changes, cycles and stage of a lead from all statements of imports about it.
///
/// What was made here stays as it is; before the latest of it history only adds. Skipped stages are not invented. The world
/// holds the lead, its current cycle and all of its deals.
pub fn derive(world: &mut World, past: &mut Past, lead_id: LeadId, act: &Act) -> Vec<Change> {
    let (Some(lead), Some(_)) = (world.leads.get(&lead_id), world.cycles.get(&lead_id)) else {
        return vec![];
    };
    let (lead, deals) = (lead.clone(), deals_of(world, lead_id));
    let stated = past.clone();
    let after = way_of(&stated, &lead, &deals);
    let moves = moves(world, past, &lead, &after, act);
    let mut derived = Derived {
        lead: Box::new(lead.clone()),
        transitions: moves.changed,
        gone_transitions: moves.gone,
        cycles: vec![],
        gone_cycles: vec![],
        deals: vec![],
    };
    past.transitions = moves.all;

    let mut moved = lead.clone();
    stand(world, &mut moved, &after);
    own(&mut moved, stated.owners, &after);
    derived.deals = place_deals(world, &stated, &deals, &moved, &after);
    let cycles = cycles(&stated, &moved, &after, world.rules.agreement.number, act);
    for known in &past.cycles {
        if !cycles.contains_key(&known.number) {
            derived.gone_cycles.push(known.id);
        }
    }
    let news = cycles.values().filter(|cycle| !past.cycles.contains(cycle));
    derived.cycles = news.cloned().collect();
    past.cycles = cycles.into_values().collect();
    past.owners = (after.owner, after.previous_owner);

    let mut changes = vec![];
    let current = past.cycles.iter().find(|cycle| cycle.number == moved.cycle);
    let current = current.cloned();
    let is_other = moved != lead;
    let count = |lead: &mut Lead| {
        lead.version += 1;
        lead.updated_at = act.now.max(lead.updated_at);
    };
    for transition in moves.new {
        let cycle = past.cycles.iter().find(|cycle| cycle.number == transition.cycle);
        let Some(cycle) = cycle.cloned() else { continue };
        count(&mut moved);
        changes.push(Change::Lead(LeadChange::Moved {
            lead: Box::new(moved.clone()),
            transition,
            cycle,
            from_owner: lead.owner_id,
        }));
    }
    let stated_fields =
        |lead: &Lead| facts(json!({"owner_id": lead.owner_id, "created_at": lead.created_at}));
    if let Some((old, new)) = differences(&stated_fields(&lead), &stated_fields(&moved)) {
        count(&mut moved);
        changes.push(Change::Lead(LeadChange::Edited {
            lead: Box::new(moved.clone()),
            cycle: current.clone(),
            before: old,
            after: new,
            has_other_words: false,
            has_other_company: false,
        }));
    }
    if derived.is_corrected() || is_other && changes.is_empty() {
        count(&mut moved);
    }
    derived.lead = Box::new(moved.clone());
    if is_other || !derived.is_empty() {
        changes.push(Change::History(HistoryChange::Derived(derived)));
    }
    world.leads.insert(lead_id, moved);
    if let Some(cycle) = current {
        world.cycles.insert(lead_id, cycle);
    }
    changes
}

/// The stage changes of a way, compared with those that are known.
#[derive(Default)]
struct Moves {
    all: Vec<Transition>,
    new: Vec<Transition>,
    changed: Vec<Transition>,
    gone: Vec<TransitionId>,
}

fn moves(world: &World, past: &Past, lead: &Lead, way: &Course<'_>, act: &Act) -> Moves {
    let mut known: BTreeMap<(Stage, Timestamp), Vec<&Transition>> = BTreeMap::new();
    for one in past.transitions.iter().rev().filter(|one| is_derived(one)) {
        known.entry((one.to, one.at)).or_default().push(one);
    }
    let mut take = |place: (Stage, Timestamp)| known.get_mut(&place).and_then(Vec::pop);
    let is_beginning = |step: &Step<'_>| matches!(step.cause, Cause::Stated(one) if one.what == What::Known);
    // The beginning is the same stage change whatever its date is by now.
    let beginning = way
        .steps
        .iter()
        .any(is_beginning)
        .then(|| take((Stage::Lead, lead.created_at)))
        .flatten();
    let mut moves = Moves::default();
    for step in &way.steps {
        let stated = match step.cause {
            Cause::Here(made) => {
                if is_derived(made) {
                    take((made.to, made.at));
                }
                moves.all.push(made.clone());
                continue;
            }
            Cause::Stated(stated) => stated,
        };
        let known = match is_beginning(step) {
            true => beginning,
            false => take((step.to, step.at)),
        };
        let transition = Transition {
            cycle: step.cycle,
            from: step.from,
            at: step.at,
            reason: stated.reason.clone(),
            note: stated.note.clone(),
            ..known.cloned().unwrap_or_else(|| Transition {
                id: act.ids.next(),
                lead_id: lead.id,
                cycle: step.cycle,
                from: step.from,
                to: step.to,
                at: step.at,
                actor_kind: ActorKind::System,
                actor_id: ACTOR.to_owned(),
                on_behalf_of: None,
                reason: None,
                note: None,
                until: None,
                agreement_version: world.rules.agreement.number,
                score: None,
                by_rule: None,
            })
        };
        match known {
            None => moves.new.push(transition.clone()),
            Some(known) if *known != transition => moves.changed.push(transition.clone()),
            Some(_) => {}
        }
        moves.all.push(transition);
    }
    moves.gone = known.into_values().flatten().map(|one| one.id).collect();
    moves
}

/// Let the deals that imports state belong to the cycles that the way puts them in, and to who owned the lead where no row
/// names an owner: those that change.
fn place_deals(world: &mut World, past: &Past, deals: &[Deal], lead: &Lead, way: &Course<'_>) -> Vec<Deal> {
    let mut placed = vec![];
    for deal in deals {
        let Some(on_way) = way.deals.get(&deal.id) else {
            continue;
        };
        let opened = past.find(&PastStatement::opening_key(deal.id));
        let untouched = opened.filter(|opened| opened.deal_version == Some(deal.version));
        let owner_id = match untouched {
            Some(opened) => opened.owner_id.or(on_way.owner).or(lead.owner_id),
            None => deal.owner_id,
        };
        let after = Deal {
            cycle: Some(on_way.cycle),
            moved_lead: on_way.moved_lead,
            owner_id,
            ..deal.clone()
        };
        if after != *deal {
            world.sales.deals.insert(deal.id, after.clone());
            placed.push(after);
        }
    }
    placed
}

/// Let a lead stand where its way ends, and be known since when that says.
fn stand(world: &World, lead: &mut Lead, way: &Course<'_>) {
    let known = way.steps.iter().find_map(|step| match step.cause {
        Cause::Stated(one) if one.what == What::Known => Some(one.at),
        _ => None,
    });
    lead.created_at = known.unwrap_or(lead.created_at);
    let Some(last) = way.steps.last() else { return };
    lead.came_from = last.from;
    if (lead.stage, lead.stage_since, lead.cycle) == (last.to, last.at, last.cycle) {
        return;
    }
    lead.stage = last.to;
    lead.stage_since = last.at;
    lead.cycle = last.cycle;
    lead.nurture_until = match last.cause {
        Cause::Here(made) => made.until,
        Cause::Stated(one) if last.to == Stage::Nurture && one.what.deal().is_some() => {
            let reason = loss_reason(world, one.reason.as_deref());
            Some(lifecycle::wait(world, None, reason, last.at))
        }
        Cause::Stated(_) => None,
    };
}

/// A lead whose owner history named, or nobody, belongs to whom history names now.
fn own(lead: &mut Lead, before: (Option<UserId>, Option<UserId>), after: &Course<'_>) {
    if lead.owner_id == before.0 {
        lead.owner_id = after.owner;
    }
    if lead.previous_owner_id == before.1 {
        lead.previous_owner_id = after.previous_owner;
    }
}

/// The cycles of a way, by number. Those of which nothing is stated stay as they are.
fn cycles(past: &Past, lead: &Lead, way: &Course<'_>, agreement: i64, act: &Act) -> BTreeMap<i64, Cycle> {
    let mut steps: BTreeMap<i64, Vec<&Step<'_>>> = BTreeMap::new();
    for step in &way.steps {
        steps.entry(step.cycle).or_default().push(step);
    }
    let mut cycles: BTreeMap<i64, Cycle> = BTreeMap::new();
    for (number, steps) in steps {
        let known = past.cycles.iter().find(|cycle| cycle.number == number);
        let is_here = |step: &&Step<'_>| matches!(step.cause, Cause::Here(_));
        let was_stated = past
            .transitions
            .iter()
            .any(|one| one.cycle == number && is_derived(one));
        if let Some(known) = known.filter(|_| steps.iter().all(is_here) && !was_stated) {
            cycles.insert(number, known.clone());
            continue;
        }
        let nearest = cycles.values().next_back().or(past.cycles.first());
        let Some(mut cycle) = known.cloned().or_else(|| {
            nearest.map(|one| Cycle {
                number,
                agreement_version: agreement,
                ..one.next(steps[0].at, &act.ids)
            })
        }) else {
            continue;
        };
        let started_at = match number {
            1 => steps
                .iter()
                .find(|step| step.from.is_none() && step.to == Stage::Lead && step.at == lead.created_at)
                .map_or(cycle.started_at, |step| step.at),
            _ => steps[0].at,
        };
        let moves: Vec<(Stage, Timestamp)> = steps.iter().map(|step| (step.to, step.at)).collect();
        cycle.rebuild(started_at, &moves);
        cycle.last_reason = steps.iter().rev().find_map(|step| match step.cause {
            Cause::Here(made) => made.reason.clone(),
            Cause::Stated(one) => one.reason.clone(),
        });
        if number == lead.cycle {
            cycle.describe(lead);
        } else {
            let dimensions = &mut cycle.dimensions;
            let on_way = way.owners.get(&number).copied();
            if steps.iter().any(|step| is_here(step) && step.from.is_some()) {
                // An owner whom history names elsewhere may come from a derivation that knew less of it.
                let is_named =
                    |owner: &UserId| past.statements.iter().any(|one| one.owner_id == Some(*owner));
                dimensions.owner_id = on_way.or(dimensions.owner_id.filter(|owner| !is_named(owner)));
            } else {
                dimensions.country = lead.profile.get(LeadField::Country).map(str::to_owned);
                // Whom history does not name was named here.
                let here = lead.owner_id.filter(|owner| way.owner != Some(*owner));
                dimensions.owner_id = on_way.or(here);
            }
        }
        cycles.insert(number, cycle);
    }
    cycles
}
