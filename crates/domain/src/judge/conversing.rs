//! Conversations that were reported, corrected or linked, and those that waited for a lead.

use std::collections::BTreeSet;

use super::{Cause, Needs, Rule, Rulebook};
use crate::act::Act;
use crate::activities::change::ActivityChange;
use crate::activities::{ActivityType, converse};
use crate::change::Change;
use crate::deals::promises;
use crate::id::ConversationId;
use crate::world::World;

/// What follows of conversations for their lead. One that waited for an identifier belongs to the first lead that has it.
#[derive(Debug)]
pub(super) struct Conversing;

impl Rule for Conversing {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        if !concerned(world, cause).is_empty() && !world.sales.loaded.contains(&cause.lead_id) {
            needs.sales.insert(cause.lead_id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let mut changes = vec![];
        for id in concerned(world, cause) {
            let found = converse::found(world, id, cause.lead_id, act);
            if found.is_none() && !cause.conversations.contains(&id) {
                continue;
            }
            changes.extend(found);
            let follows = converse::follow(world, id, cause.is_new, act);
            let promised = follows.iter().flat_map(|change| stated(world, change, act));
            let promised: Vec<Change> = promised.collect();
            follows.iter().for_each(|change| show(world, cause, change));
            changes.extend(follows);
            changes.extend(promised);
        }
        changes
    }
}

/// The conversations that are reported with the lead, or wait for it.
fn concerned(world: &World, cause: &Cause) -> BTreeSet<ConversationId> {
    let waiting = world.sales.talks.waiting.get(&cause.lead_id);
    let waiting = waiting.filter(|_| cause.is_identified).into_iter().flatten();
    waiting.chain(&cause.conversations).copied().collect()
}

/// The promises that the activity of a conversation states.
fn stated(world: &World, change: &Change, act: &Act) -> Vec<Change> {
    let Change::Activity(ActivityChange::Logged(activity) | ActivityChange::Updated { activity, .. }) =
        change
    else {
        return vec![];
    };
    if activity.kind == ActivityType::Task {
        return vec![];
    }
    let known = world.sales.promises.get(&activity.id);
    let known = known.map_or(&[][..], Vec::as_slice);
    let followed = promises::follow(activity, known, act);
    followed.into_iter().map(Change::from).collect()
}

/// Show what was logged to the rules that follow, where all that the lead did is loaded already: its record is new.
fn show(world: &mut World, cause: &Cause, change: &Change) {
    let Change::Activity(ActivityChange::Logged(activity)) = change else {
        return;
    };
    if let Some(histories) = world.judging.histories.get_mut(&cause.lead_id) {
        for (kind, event) in activity.events() {
            histories.entry(kind).or_default().insert(event);
        }
    }
}
