//! Qualifying a lead: what is proposed and confirmed, and the step to SQL once nothing is left to confirm.

use serde_json::json;

use super::error::HandoffError;
use super::qualification::{Confirmed, Qualification, Qualified, Qualify, SayItem};
use crate::act::Act;
use crate::change::Change;
use crate::id::LeadId;
use crate::journal::Facts;
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::leads::fields::Source;
use crate::lifecycle::{self, Stage, Step, moves, take};
use crate::world::World;

/// The stages in which items can be confirmed.
const CONFIRMED_IN: [Stage; 4] = [Stage::Mql, Stage::Sal, Stage::Sql, Stage::Opportunity];

/// State what is known of a lead. Those who may edit the lead propose; its owner and sales managers confirm, from mql to
/// opportunity, and they alone change what is confirmed. The last item that an SAL lacks moves it to SQL; taking a
/// confirmation back moves nothing.
///
/// The world holds the lead with its qualification.
pub fn qualify(
    world: &mut World,
    lead_id: LeadId,
    said: &Qualify,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let missing = || lifecycle::MoveError::NoSuchMove {
        current: Stage::Lead,
        allowed: vec![],
    };
    let lead = world.leads.get(&lead_id).ok_or_else(missing)?;
    let act = &act.not_before(lead.updated_at);
    act.by.may_edit(lead.owner_id)?;
    let is_for_confirmers =
        |(item, said): (&_, &SayItem)| said.confirmed.is_some() || world.is_confirmed(lead_id, *item);
    if said.iter().any(is_for_confirmers) {
        demand_confirmer(world, lead, act)?;
    }
    let before = known_of(world, lead_id);
    let mut after = before.clone();
    for (item, said) in said.iter().filter(|(_, said)| **said != SayItem::default()) {
        let one = stated(before.get(item), said, lead.cycle, act);
        after.insert(*item, one);
    }
    let mut changes = vec![];
    if before != after {
        let mut lead = lead.clone();
        lead.version += 1;
        lead.updated_at = act.now;
        changes.push(recorded(world, lead, &before, after));
    }
    changes.extend(becomes_sql(world, lead_id, act));
    Ok(changes)
}

/// Propose what others than users stated of a lead; what a user stated, and what is confirmed, stays. The statements
/// themselves raise the lead's version.
pub fn propose(world: &mut World, lead_id: LeadId, stated: Qualification) -> Option<Change> {
    let lead = world.leads.get(&lead_id)?.clone();
    let before = known_of(world, lead_id);
    let mut after = before.clone();
    for (item, one) in stated {
        let known = before.get(&item);
        let stays = known.is_some_and(|known| {
            let is_by_user = known.source == Source::Hand;
            is_by_user || known.is_confirmed_in(lead.cycle) || known.value == one.value
        });
        if !stays {
            let note = known.and_then(|known| known.note.clone());
            after.insert(item, Qualified { note, ..one });
        }
    }
    (before != after).then(|| recorded(world, lead, &before, after))
}

/// What is known of a lead, as far as its qualification is loaded.
fn known_of(world: &World, lead_id: LeadId) -> Qualification {
    let known = world.sales.qualifications.get(&lead_id);
    known.cloned().unwrap_or_default()
}

/// Replace the qualification of a lead.
fn recorded(world: &mut World, lead: Lead, before: &Qualification, after: Qualification) -> Change {
    let changed: Qualification = after
        .iter()
        .filter(|(item, one)| before.get(item) != Some(one))
        .map(|(item, one)| (*item, one.clone()))
        .collect();
    let (was, is) = (
        shown(before, &changed, lead.cycle),
        shown(&after, &changed, lead.cycle),
    );
    world.leads.insert(lead.id, lead.clone());
    world.sales.qualifications.insert(lead.id, after);
    Change::Lead(LeadChange::Qualified {
        lead: Box::new(lead),
        items: changed,
        before: was,
        after: is,
    })
}

/// The items that changed, as the journal shows them.
fn shown(all: &Qualification, changed: &Qualification, cycle: i64) -> Facts {
    let items = changed.keys().map(|item| {
        let one = all.get(item).map(
            |one| json!({"value": one.value, "note": one.note, "confirmed": one.is_confirmed_in(cycle)}),
        );
        (item.name().to_owned(), json!(one))
    });
    items.collect()
}

/// What is known of an item after a statement. Who changes a confirmed value confirms the new one.
fn stated(known: Option<&Qualified>, said: &SayItem, cycle: i64, act: &Act) -> Qualified {
    let value = said.value.clone();
    let note = said.note.clone();
    let mut one = Qualified {
        value: value.unwrap_or_else(|| known.and_then(|known| known.value.clone())),
        note: note.unwrap_or_else(|| known.and_then(|known| known.note.clone())),
        source: Source::of(&act.by),
        stated_by: act.by.id(),
        stated_at: act.now,
        confirmed: known.and_then(|known| known.confirmed),
    };
    let was_confirmed = known.is_some_and(|known| known.is_confirmed_in(cycle));
    let is_other = known.is_none_or(|known| (&known.value, &known.note) != (&one.value, &one.note));
    let is_confirmed = said.confirmed.unwrap_or(was_confirmed);
    match act.by.person() {
        _ if said.confirmed == Some(false) => one.confirmed = None,
        Some(person) if is_confirmed && (is_other || !was_confirmed) => {
            one.confirmed = Some(Confirmed {
                cycle,
                by: person.id,
                at: act.now,
            });
        }
        _ => {}
    }
    match known {
        Some(known) if !is_other && known.confirmed == one.confirmed => known.clone(),
        _ => one,
    }
}

fn demand_confirmer(world: &World, lead: &Lead, act: &Act) -> Result<(), HandoffError> {
    lifecycle::may_confirm(lead, act.by.demand_person()?)?;
    if !CONFIRMED_IN.contains(&lead.stage) {
        return Err(HandoffError::Move(lifecycle::MoveError::NoSuchMove {
            current: lead.stage,
            allowed: moves::allowed(world, lead, &act.by),
        }));
    }
    Ok(())
}

/// An SAL of which everything agreed is confirmed is an SQL; where nothing has to be confirmed, every SAL is.
pub(super) fn becomes_sql(world: &mut World, lead_id: LeadId, act: &Act) -> Option<Change> {
    let lead = world.leads.get(&lead_id)?;
    if lead.stage != Stage::Sal || !world.unconfirmed(lead_id).is_empty() {
        return None;
    }
    let act = &act.not_before(lead.updated_at);
    take(world, lead_id, Step::plain(Stage::Sql, act.now, act.now), act)
}

/// Let a lead enter SAL that was accepted, and SQL where nothing has to be confirmed.
pub(super) fn enter(world: &mut World, lead_id: LeadId, to: Stage, act: &Act) -> Vec<Change> {
    let first = take(world, lead_id, Step::plain(to, act.now, act.now), act);
    let second = becomes_sql(world, lead_id, act);
    first.into_iter().chain(second).collect()
}

#[cfg(test)]
mod tests;
