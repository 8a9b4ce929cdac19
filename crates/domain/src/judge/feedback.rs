//! Marketing promises to answer each lost deal.

use super::{Cause, Needs, Rule, Rulebook};
use crate::act::Act;
use crate::change::Change;
use crate::handoff;
use crate::world::World;

/// Starts the clock of the feedback for each lost deal with a lead, and ends it where the deal is open again. That of a rejection
/// starts with the rejection.
#[derive(Debug)]
pub(super) struct Feedback;

impl Rule for Feedback {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        if !cause.reopened.is_empty() {
            needs.staff = world.sales.staff.is_none();
            if !world.sales.loaded.contains(&cause.lead_id) {
                needs.sales.insert(cause.lead_id);
            }
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let mut changes = vec![];
        for deal in &cause.lost {
            changes.extend(handoff::lost(world, cause.lead_id, *deal, act));
        }
        for deal in &cause.reopened {
            changes.extend(handoff::loss_taken_back(world, *deal, act));
        }
        changes
    }
}
