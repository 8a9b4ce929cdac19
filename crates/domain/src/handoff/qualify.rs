//! Qualifying a lead: what is proposed and confirmed, and the step to SQL once nothing is left to confirm.

use serde_json::json;

use super::qualification::{Confirmed, Qualification, Qualified, Qualify};
use super::refused::Refused;
use crate::access::{Denied, Role};
use crate::act::Act;
use crate::agreement::BantItem;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::LeadId;
use crate::journal::Facts;
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::leads::fields::Source;
use crate::lifecycle::{self, Stage, Step, moves, take};
use crate::world::World;

/// The stages in which items can be confirmed.
const CONFIRMED_IN: [Stage; 4] = [Stage::Mql, Stage::Sal, Stage::Sql, Stage::Opportunity];

/// State what is known of a lead. Whoever may edit the lead proposes; its owner and sales managers confirm, from mql to
/// opportunity. The last item that an SAL lacks moves it to SQL; taking a confirmation back moves nothing.
///
/// The world holds the lead with its qualification.
pub fn qualify(
    world: &mut World,
    lead_id: LeadId,
    said: &Qualify,
    act: &Act,
) -> Result<Vec<Change>, Refused> {
    let missing = || lifecycle::Refused::NoSuchMove {
        current: Stage::Lead,
        allowed: vec![],
    };
    let lead = world.leads.get(&lead_id).ok_or_else(missing)?;
    let act = &act.not_before(lead.updated_at);
    act.by.may_edit(lead.owner_id)?;
    if said.values().any(|item| item.confirmed.is_some()) {
        may_confirm(world, lead, act)?;
    }
    let before = world
        .sales
        .qualifications
        .get(&lead_id)
        .cloned()
        .unwrap_or_default();
    let mut after = before.clone();
    for (item, said) in said {
        let known = after.remove(item);
        let mut one = Qualified {
            source: Source::of(&act.by),
            stated_by: act.by.id(),
            stated_at: act.now,
            ..known.clone().unwrap_or(Qualified {
                value: None,
                note: None,
                source: Source::Hand,
                stated_by: String::new(),
                stated_at: act.now,
                confirmed: None,
            })
        };
        one.value = said.value.clone().unwrap_or(one.value);
        one.note = said.note.clone().unwrap_or(one.note);
        let was_confirmed = known.as_ref().is_some_and(|one| one.is_confirmed_in(lead.cycle));
        match (said.confirmed, act.by.person()) {
            (Some(true), Some(person)) if !was_confirmed => {
                one.confirmed = Some(Confirmed {
                    cycle: lead.cycle,
                    by: person.id,
                    at: act.now,
                });
            }
            (Some(false), _) => one.confirmed = None,
            _ => {}
        }
        let says_the_same = known.as_ref().is_some_and(|known| {
            (&known.value, &known.note, known.confirmed) == (&one.value, &one.note, one.confirmed)
        });
        after.insert(*item, if says_the_same { known.unwrap_or(one) } else { one });
    }
    let mut changes = vec![];
    if before != after {
        let mut lead = lead.clone();
        lead.version += 1;
        lead.updated_at = act.now;
        let changed: Qualification = after
            .iter()
            .filter(|(item, one)| before.get(item) != Some(one))
            .map(|(item, one)| (*item, one.clone()))
            .collect();
        let (was, is) = (
            shown(&before, &changed, lead.cycle),
            shown(&after, &changed, lead.cycle),
        );
        world.leads.insert(lead_id, lead.clone());
        world.sales.qualifications.insert(lead_id, after);
        changes.push(Change::Lead(LeadChange::Qualified {
            lead: Box::new(lead),
            items: changed,
            before: was,
            after: is,
        }));
    }
    changes.extend(becomes_sql(world, lead_id, act));
    Ok(changes)
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

fn may_confirm(world: &World, lead: &Lead, act: &Act) -> Result<(), Refused> {
    let person = act.by.demand_person()?;
    if lead.owner_id != Some(person.id) && person.role != Role::SalesManager && !person.is_admin() {
        return Err(match person.role {
            Role::Sales => Denied::NotOwner,
            _ => Denied::WrongRole,
        }
        .into());
    }
    if !CONFIRMED_IN.contains(&lead.stage) {
        return Err(Refused::Move(lifecycle::Refused::NoSuchMove {
            current: lead.stage,
            allowed: moves::allowed(world, lead, &act.by),
        }));
    }
    Ok(())
}

/// An SAL of which everything agreed is confirmed is an SQL; where nothing has to be confirmed, every SAL is.
pub(super) fn becomes_sql(world: &mut World, lead_id: LeadId, act: &Act) -> Option<Change> {
    let lead = world.leads.get(&lead_id)?;
    if lead.stage != Stage::Sal || !unconfirmed(world, lead_id).is_empty() {
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

/// The agreed items that nobody confirmed in the lead's cycle.
pub(super) fn unconfirmed(world: &World, lead_id: LeadId) -> Vec<BantItem> {
    let known = world.sales.qualifications.get(&lead_id);
    let cycle = world.leads.get(&lead_id).map_or(0, |lead| lead.cycle);
    let is_confirmed = |item: &BantItem| {
        let one = known.and_then(|known| known.get(item));
        one.is_some_and(|one| one.is_confirmed_in(cycle))
    };
    let agreed = world.rules.agreement.agreement.stages.sql.bant.iter().copied();
    agreed.filter(|item| !is_confirmed(item)).collect()
}

/// A lead is moved to SQL by hand only once every agreed item is confirmed.
pub(super) fn demand_confirmed(world: &World, lead_id: LeadId) -> Result<(), Refused> {
    let missing = unconfirmed(world, lead_id);
    if missing.is_empty() {
        return Ok(());
    }
    let fault = |item: BantItem| {
        Fault::new(
            "/to",
            "not_confirmed",
            format!("{} is not confirmed", item.name()),
        )
    };
    Err(Refused::Move(lifecycle::Refused::Invalid(
        missing.into_iter().map(fault).collect(),
    )))
}
