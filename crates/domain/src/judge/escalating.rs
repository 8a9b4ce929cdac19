//! Escalations: a lead whose promise is not kept goes to another user.

use super::hand_over::{lacks_of_routing, routes};
use super::{Cause, Needs, Rule, Rulebook};
use crate::act::Act;
use crate::change::Change;
use crate::clocks::ClockState;
use crate::handoff;
use crate::id::HandoffId;
use crate::world::World;

/// Takes a lead from its owner when a promise about it warned or was broken, where routing says so, and routes it again. Nothing
/// where the promise was kept late by the same act.
#[derive(Debug)]
pub(super) struct Escalating;

impl Rule for Escalating {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        let lead_id = cause.lead_id;
        if !may_escalate(world, cause) {
            return needs;
        }
        if !world.sales.loaded.contains(&lead_id) {
            needs.sales.insert(lead_id);
            return needs;
        }
        if escalated(world, cause).is_some() {
            needs.extend(lacks_of_routing(world, lead_id));
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let Some(id) = escalated(world, cause) else {
            return vec![];
        };
        let holds = routes(world, cause.lead_id, None, act.now);
        handoff::pass_on(world, id, &holds, act)
    }
}

/// Whether anything happened of which an escalation could follow, to a lead that is loaded.
fn may_escalate(world: &World, cause: &Cause) -> bool {
    let has_escalations = !world.rules.routing.document.escalations.is_empty();
    has_escalations && !cause.overdue.is_empty() && world.leads.contains_key(&cause.lead_id)
}

/// The hand-off that is to be passed on: the clock is still open, and an escalation follows of what happened to it.
fn escalated(world: &World, cause: &Cause) -> Option<HandoffId> {
    if !may_escalate(world, cause) {
        return None;
    }
    let escalations = &world.rules.routing.document.escalations;
    let mut overdue = cause.overdue.iter();
    overdue.find_map(|(id, event)| {
        let record = world.sales.clocks.get(id)?;
        let kind = record.clock.kind;
        let is_open = matches!(
            record.clock.state(),
            ClockState::Running | ClockState::Warned | ClockState::Breached
        );
        let follows = escalations.iter().any(|one| one.follows_of(kind, *event));
        record.handoff_id.filter(|_| is_open && follows)
    })
}
