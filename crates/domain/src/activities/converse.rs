//! Reporting, correcting and linking conversations, and what follows of them: an activity, tasks, proposals.

use super::change::ActivityChange;
use super::conversation::{Conversation, ConversationDetails, NextStep, Talk};
use super::log::{AHEAD, keep, updated};
use super::{Activity, ActivityError, ActivityOutcome, ActivityType, OfConversation, objections_are_sound};
use crate::access::Queue;
use crate::act::Act;
use crate::agreement::BantItem;
use crate::change::Change;
use crate::fault::Fault;
use crate::handoff::propose;
use crate::handoff::qualification::{Qualification, Qualified};
use crate::id::{ConversationId, LeadId};
use crate::instant::Timestamp;
use crate::leads::fields::Source;
use crate::leads::identity::Key;
use crate::record::{Plain, RecordChange};
use crate::tracking::address::redacted;
use crate::world::World;

/// When a next step without a day is due, in milliseconds from now: in a week.
const WEEK: i64 = 7 * 24 * 3_600_000;
/// The most characters of what is proposed for a qualification.
const MAX_PROPOSED: usize = 2000;

/// A conversation that has a lead already cannot have another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the conversation has another lead")]
pub struct Linked;

/// Report a conversation, or correct the one that the partner knows by the same id; nothing happens where nothing differs.
/// What follows for its lead is decided by rules.
pub fn report(
    world: &mut World,
    mut details: ConversationDetails,
    known: Option<Conversation>,
    act: &Act,
) -> Result<(Conversation, Option<Change>), ActivityError> {
    details.recording_url = details.recording_url.map(|url| redacted(&url).into_owned());
    demand_sound(world, &details, known.as_ref(), act)?;
    let found = lead_of(world, &details);
    let Some(known) = known else {
        let mut made = Conversation {
            id: act.ids.next(),
            version: 1,
            details,
            lead_id: None,
            user_id: None,
            linked_at: None,
            created_at: act.now,
            updated_at: act.now,
        };
        set_lead(world, &mut made, found, act);
        let change = made.created();
        return Ok(hold(world, made, None, Some(change)));
    };
    let applied = known.lead_id.map(|_| known.details.clone());
    let mut edited = Conversation {
        details,
        ..known.clone()
    };
    set_lead(world, &mut edited, known.lead_id.or(found), act);
    let (conversation, change) = known.becomes(edited, act.now);
    Ok(hold(world, conversation, applied, change))
}

/// Link a conversation to its lead; the same lead again changes nothing.
pub fn link(
    world: &mut World,
    known: &Conversation,
    lead_id: LeadId,
    act: &Act,
) -> Result<(Conversation, Option<RecordChange<Conversation>>), Linked> {
    if known.lead_id.is_some_and(|linked| linked != lead_id) {
        return Err(Linked);
    }
    let applied = known.lead_id.map(|_| known.details.clone());
    let mut edited = known.clone();
    set_lead(world, &mut edited, Some(lead_id), act);
    let (conversation, change) = known.becomes(edited, act.now);
    let talk = Talk {
        conversation: conversation.clone(),
        applied,
    };
    world.sales.talks.known.insert(conversation.id, talk);
    Ok((conversation, change))
}

fn hold(
    world: &mut World,
    conversation: Conversation,
    applied: Option<ConversationDetails>,
    change: Option<RecordChange<Conversation>>,
) -> (Conversation, Option<Change>) {
    let talk = Talk {
        conversation: conversation.clone(),
        applied,
    };
    world.sales.talks.known.insert(conversation.id, talk);
    (conversation, change.map(Change::from))
}

fn demand_sound(
    world: &World,
    details: &ConversationDetails,
    known: Option<&Conversation>,
    act: &Act,
) -> Result<(), ActivityError> {
    let mut faults = details.lead.statement().err().unwrap_or_default();
    let is_linked = known.is_some_and(|known| known.lead_id.is_some());
    if !is_linked && details.lead.id.is_some_and(|id| !world.leads.contains_key(&id)) {
        faults.push(Fault::new("/lead/id", "not_found", "is not a lead"));
    }
    if details.occurred_at > act.now.plus_millis(AHEAD) {
        let detail = "is more than five minutes in the future";
        faults.push(Fault::new("/occurred_at", "out_of_range", detail));
    }
    let lists = [("needs", &details.needs), ("competitors", &details.competitors)];
    for (list, items) in lists {
        for (place, item) in items.iter().enumerate() {
            if item.trim().is_empty() || item.chars().count() > 500 {
                let detail = "must be 1 to 500 characters and not blank";
                faults.push(Fault::new(format!("/{list}/{place}"), "invalid_length", detail));
            }
        }
    }
    let before = known.map_or(&[][..], |known| &known.details.objections);
    objections_are_sound(
        &details.objections,
        before,
        &world.rules.agreement.agreement,
        &mut faults,
    );
    match faults.is_empty() {
        true => Ok(()),
        false => Err(ActivityError::Invalid(faults)),
    }
}

/// The lead that a report means, if it is loaded.
fn lead_of(world: &World, details: &ConversationDetails) -> Option<LeadId> {
    let by_key = |key: &Key| world.holder(key);
    details
        .lead
        .id
        .or_else(|| details.lead.keys().iter().find_map(by_key))
}

fn set_lead(world: &World, conversation: &mut Conversation, lead_id: Option<LeadId>, act: &Act) {
    let Some(lead_id) = lead_id else { return };
    let talks = &world.sales.talks;
    let mut spoke = conversation.details.participants.iter();
    let user = spoke.find_map(|one| talks.user(one.email.as_deref()?));
    let owner = world.leads.get(&lead_id).and_then(|lead| lead.owner_id);
    conversation.user_id = user.or(conversation.user_id).or(owner);
    conversation.lead_id = Some(lead_id);
    conversation.linked_at = conversation.linked_at.or(Some(act.now));
}

/// Let a conversation that waits belong to a lead; its change, unless it has a lead.
pub fn found(world: &mut World, id: ConversationId, lead_id: LeadId, act: &Act) -> Option<Change> {
    let known = world.sales.talks.known.get(&id)?.conversation.clone();
    if known.lead_id.is_some() {
        return None;
    }
    let (_, change) = link(world, &known, lead_id, act).ok()?;
    change.map(Change::from)
}

/// What follows of a conversation for its lead: the activity, the tasks, what is proposed for the qualification. What follows
/// of a correction replaces what nobody touched. The hand-offs of the lead are loaded.
pub fn follow(world: &mut World, id: ConversationId, is_new_lead: bool, act: &Act) -> Vec<Change> {
    let Some(talk) = world.sales.talks.known.get_mut(&id) else {
        return vec![];
    };
    let applied = talk.applied.replace(talk.conversation.details.clone());
    let conversation = talk.conversation.clone();
    let Some(lead_id) = conversation.lead_id else {
        return vec![];
    };
    let mut changes = match &applied {
        None => vec![logged(world, &conversation, act)],
        Some(before) => Vec::from_iter(corrected(world, &conversation, before, act)),
    };
    let before = applied.as_ref();
    let steps = before.map_or(&[][..], |before| &before.next_steps);
    changes.extend(follow_steps(world, &conversation, lead_id, steps, act));
    let stated = stated(&conversation, act);
    changes.extend(proposed(world, lead_id, stated, is_new_lead));
    changes
}

fn logged(world: &mut World, conversation: &Conversation, act: &Act) -> Change {
    let details = &conversation.details;
    let activity = Activity {
        lead_id: conversation.lead_id,
        user_id: conversation.user_id,
        direction: Some(details.direction),
        occurred_at: details.occurred_at,
        duration_s: details.duration_s,
        outcome: Some(ActivityOutcome::Connected),
        body: Some(details.summary.clone()),
        objections: world.rules.objections.mapped(details.objections.clone()),
        promises: details.promises.clone(),
        conversation: Some(OfConversation {
            id: conversation.id,
            intent: Some(details.intent),
            is_touched: false,
        }),
        ..Activity::blank(act.ids.next(), ActivityType::Call, act.now)
    };
    keep(world, &activity);
    ActivityChange::Logged(Box::new(activity)).into()
}

/// The activity by the corrected facts. Nothing where somebody deleted it.
fn corrected(
    world: &mut World,
    conversation: &Conversation,
    before: &ConversationDetails,
    act: &Act,
) -> Option<Change> {
    let details = &conversation.details;
    let mut own = own_of(world, conversation.id).into_iter();
    let known = own.find(|activity| activity.kind != ActivityType::Task)?;
    let map = world.rules.objections.clone();
    let map = |objections: &[_]| map.mapped(objections.to_vec());
    let mut after = known.clone();
    after.direction = Some(details.direction);
    after.occurred_at = details.occurred_at;
    after.duration_s = details.duration_s;
    after.user_id = conversation.user_id;
    if known.body.as_deref() == Some(&before.summary) {
        after.body = Some(details.summary.clone());
    }
    after.objections = merged(
        &known.objections,
        &map(&before.objections),
        &map(&details.objections),
    );
    after.promises = merged(&known.promises, &before.promises, &details.promises);
    if let Some(of) = &mut after.conversation {
        of.intent = Some(details.intent);
    }
    updated(world, &known, after, act).1
}

/// A list by its corrected facts. What stands as it was reported is replaced; what a user added or changed stays, and what
/// a user removed does not come back.
fn merged<T: PartialEq + Clone>(known: &[T], before: &[T], after: &[T]) -> Vec<T> {
    let by_users = known.iter().filter(|one| !before.contains(one));
    let is_removed = |one: &&T| before.contains(one) && !known.contains(one);
    let mut merged: Vec<T> = after.iter().filter(|one| !is_removed(one)).cloned().collect();
    for one in by_users {
        if !merged.contains(one) {
            merged.push(one.clone());
        }
    }
    merged
}

/// The loaded activities of a conversation, in the order of their ids.
fn own_of(world: &World, id: ConversationId) -> Vec<Activity> {
    let all = world.sales.activities.values();
    let mut own: Vec<Activity> = all
        .filter(|activity| activity.conversation.is_some_and(|of| of.id == id))
        .cloned()
        .collect();
    own.sort_unstable_by_key(|activity| activity.id);
    own
}

/// A task for each next step. One that nobody touched follows its step and goes with it; one that somebody changed, did or
/// deleted is left alone. `before` are the steps that have their tasks already.
fn follow_steps(
    world: &mut World,
    conversation: &Conversation,
    lead_id: LeadId,
    before: &[NextStep],
    act: &Act,
) -> Vec<Change> {
    let own = own_of(world, conversation.id).into_iter();
    let is_untouched = |task: &Activity| {
        task.kind == ActivityType::Task && task.conversation.is_some_and(|of| !of.is_touched)
    };
    let mut untouched: Vec<Activity> = own.filter(is_untouched).collect();
    let mut changes = vec![];
    for step in &conversation.details.next_steps {
        let known = untouched
            .iter()
            .position(|task| task.subject.as_ref() == Some(&step.text));
        match known.map(|place| untouched.remove(place)) {
            Some(_) if before.contains(step) => {}
            Some(task) => {
                let after = assigned(world, task.clone(), step, lead_id, act);
                changes.extend(updated(world, &task, after, act).1);
            }
            None if before.iter().any(|one| one.text == step.text) => {}
            None => {
                let task = Activity {
                    lead_id: Some(lead_id),
                    user_id: conversation.user_id,
                    subject: Some(step.text.clone()),
                    automatic: true,
                    conversation: Some(OfConversation {
                        id: conversation.id,
                        intent: None,
                        is_touched: false,
                    }),
                    ..Activity::blank(act.ids.next(), ActivityType::Task, act.now)
                };
                let task = assigned(world, task, step, lead_id, act);
                keep(world, &task);
                changes.push(ActivityChange::Logged(Box::new(task)).into());
            }
        }
    }
    for task in untouched {
        world.sales.activities.remove(&task.id);
        changes.push(ActivityChange::Deleted(Box::new(task)).into());
    }
    changes
}

/// The task with the owner and the day of its step. Without an owner it waits in the queue of the lead.
fn assigned(world: &World, task: Activity, step: &NextStep, lead_id: LeadId, act: &Act) -> Activity {
    let named = step.owner_email.as_deref();
    let named = named.and_then(|email| world.sales.talks.user(email));
    let owner_id = named.or_else(|| world.leads.get(&lead_id)?.owner_id);
    let queue = world.handoff_of(lead_id).and_then(|handoff| handoff.queue);
    let zone = &world.rules.money.zone;
    let end_of = |day: crate::instant::Day| Timestamp::start_of_day(day.date().tomorrow().ok()?, zone);
    let due_at = step.due_on.and_then(end_of);
    Activity {
        owner_id,
        queue: match owner_id {
            Some(_) => None,
            None => queue.or(Some(Queue::General)),
        },
        due_at: due_at.or(Some(act.now.plus_millis(WEEK))),
        ..task
    }
}

/// What a conversation states of budget, need and timeline.
fn stated(conversation: &Conversation, act: &Act) -> Qualification {
    let details = &conversation.details;
    let need = (!details.needs.is_empty()).then(|| details.needs.join("; "));
    let items = [
        (BantItem::Budget, details.budget.clone()),
        (BantItem::Need, need),
        (BantItem::Timeline, details.timeline.clone()),
    ];
    let qualified = |value: String| Qualified {
        value: Some(value.chars().take(MAX_PROPOSED).collect()),
        note: None,
        source: Source::Partner,
        stated_by: act.by.id(),
        stated_at: act.now,
        confirmed: None,
    };
    let items = items.into_iter();
    items
        .filter_map(|(item, value)| Some((item, qualified(value?))))
        .collect()
}

/// Propose it. The version of a lead that was known before counts it.
fn proposed(world: &mut World, lead_id: LeadId, stated: Qualification, is_new_lead: bool) -> Option<Change> {
    let known = world.leads.get(&lead_id)?.clone();
    if let Some(lead) = world.leads.get_mut(&lead_id).filter(|_| !is_new_lead) {
        lead.version += 1;
    }
    let change = propose(world, lead_id, stated);
    if change.is_none() {
        world.leads.insert(lead_id, known);
    }
    change
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_correction_keeps_what_users_did() {
        // The user removed 2 and added 9; the partner drops 1, repeats 2, adds 3.
        assert_eq!(merged(&[1, 9], &[1, 2], &[2, 3]), [3, 9]);
        assert_eq!(merged(&[1, 2], &[1, 2], &[2, 4]), [2, 4]);
        assert_eq!(merged(&[7], &[], &[7]), [7]);
    }

    proptest! {
        #[test]
        fn each_item_is_decided_by_itself(
            known in vec(0..6_u8, 0..5),
            before in vec(0..6_u8, 0..5),
            after in vec(0..6_u8, 0..5),
        ) {
            let merged = merged(&known, &before, &after);
            for item in 0..6_u8 {
                let (stands, was, is) = (known.contains(&item), before.contains(&item), after.contains(&item));
                let expected = match (stands, was, is) {
                    // Nobody changed it: as the correction has it.
                    (true, true, is) | (false, false, is) => is,
                    // A user added it.
                    (true, false, _) => true,
                    // A user removed it.
                    (false, true, _) => false,
                };
                prop_assert_eq!(merged.contains(&item), expected, "{}", item);
            }
            if known == before {
                prop_assert_eq!(merged, after);
            }
        }
    }
}
