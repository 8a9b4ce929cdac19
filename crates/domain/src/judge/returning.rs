//! Leads that send another form: the notices, and the task for a lead that returned.

use super::hand_over::{lacks_of_routing, routes};
use super::{Cause, Needs, Rule, Rulebook};
use crate::act::Act;
use crate::activities::change::ActivityChange;
use crate::activities::{Activity, ActivityType};
use crate::agreement::Agreement;
use crate::change::Change;
use crate::clocks::ClockKind;
use crate::handoff::Assignee;
use crate::id::{LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::notices::{About, NextAct, NoticeKind, for_each};
use crate::routing::route;
use crate::stage::Stage;
use crate::world::World;

/// A lead that is worked on and sends another form is active: its owner must know, else its queue. A customer, churned or
/// disqualified lead that sends one has returned: its owner must know, and gets a task, one at a time. Without an owner the
/// task goes to whom routing names, or waits in the queue.
#[derive(Debug)]
pub(super) struct Returning;

impl Rule for Returning {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        let Some((lead, kind)) = concerned(world, cause) else {
            return needs;
        };
        let returned = kind == NoticeKind::LeadReturned;
        needs.staff = world.sales.staff.is_none();
        if (returned || lead.owner_id.is_none()) && !world.sales.loaded.contains(&lead.id) {
            needs.sales.insert(lead.id);
        }
        match world.sales.rule_tasks.get(&lead.id) {
            None if returned => drop(needs.rule_tasks.insert(lead.id)),
            // Who gets the task is routed only where there is none yet and nobody owns the lead.
            Some(None) if returned && needs.is_empty() && owner_of(world, lead).is_none() => {
                needs.extend(lacks_of_routing(world, lead.id));
            }
            _ => {}
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, rulebook: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let Some((lead, kind)) = concerned(world, cause) else {
            return vec![];
        };
        let (lead_id, owner) = (lead.id, owner_of(world, lead));
        let mut changes = vec![];
        let place = match kind {
            NoticeKind::LeadReturned => {
                let due_at = due(&rulebook.agreement.agreement, act.now);
                task_of(world, lead_id, owner, due_at, act, &mut changes)
            }
            _ => Assignee {
                owner_id: owner,
                queue: world.handoff_of(lead_id).and_then(|handoff| handoff.queue),
            },
        };
        let staff = world.sales.staff.clone().unwrap_or_default();
        let users = staff.concerned(owner.or(place.owner_id), place.queue);
        let next = NextAct::new("get_lead", "GET", format!("/v1/leads/{lead_id}"));
        let subject = About::new("lead", lead_id);
        let notices = for_each(users, (kind, subject, Some(lead_id)), Some(next), act);
        changes.extend(notices.into_iter().map(Change::from));
        changes
    }
}

/// The owner of a lead, unless it is disabled.
fn owner_of(world: &World, lead: &Lead) -> Option<UserId> {
    let staff = world.sales.staff.as_ref();
    lead.owner_id
        .filter(|owner| staff.is_some_and(|staff| staff.get(*owner).is_some()))
}

/// Where the task about a lead that returned is: the one that is open, else a new one for the owner, else for whom routing
/// names, or in the queue. The lead's owner stays.
fn task_of(
    world: &mut World,
    lead_id: LeadId,
    owner: Option<UserId>,
    due_at: Option<Timestamp>,
    act: &Act,
    changes: &mut Vec<Change>,
) -> Assignee {
    if let Some(Some(open)) = world.sales.rule_tasks.get(&lead_id) {
        return *open;
    }
    let place = match owner {
        Some(owner) => Assignee::with(owner),
        None => {
            let holds = routes(world, lead_id, None, act.now);
            let (decision, routed) = route(world, lead_id, &holds, None, act);
            changes.extend(routed.into_iter().map(Change::from));
            Assignee {
                owner_id: decision.owner_id,
                queue: decision.queue,
            }
        }
    };
    world.sales.rule_tasks.insert(lead_id, Some(place));
    let task = task(lead_id, place, due_at, act);
    changes.push(ActivityChange::Logged(Box::new(task)).into());
    place
}

/// The lead that sent a form, and what that means; nothing where it is new or became an MQL by it.
fn concerned<'w>(world: &'w World, cause: &Cause) -> Option<(&'w Lead, NoticeKind)> {
    use Stage::{Mql, Opportunity, Sal, Sql};
    let lead = world.leads.get(&cause.lead_id)?;
    if cause.returns {
        return Some((lead, NoticeKind::LeadReturned));
    }
    let is_worked = matches!(lead.stage, Mql | Sal | Sql | Opportunity);
    let is_another = cause.sends_form && !cause.is_new && cause.moved_to.is_none();
    (is_worked && is_another).then_some((lead, NoticeKind::LeadActive))
}

/// By when the owner is to contact a lead that returned: as soon as a new one. Nothing where that is not promised.
fn due(agreement: &Agreement, now: Timestamp) -> Option<Timestamp> {
    let promise = agreement.commitments.promise(ClockKind::FirstContact)?;
    Some(promise.deadline(&agreement.working_hours()?, now).due_at)
}

fn task(lead_id: LeadId, place: Assignee, due_at: Option<Timestamp>, act: &Act) -> Activity {
    Activity {
        lead_id: Some(lead_id),
        owner_id: place.owner_id,
        queue: place.queue,
        subject: Some("Contact the lead: it sent a form again".to_owned()),
        due_at,
        automatic: true,
        ..Activity::blank(act.ids.next(), ActivityType::Task, act.now)
    }
}
