//! Leads that send another form: the notices, and the task for a lead that returned.

use super::{Cause, Needs, Rule, Rulebook};
use crate::access::{Queue, Role, Staff};
use crate::act::Act;
use crate::activities::change::ActivityChange;
use crate::activities::{Activity, ActivityType};
use crate::agreement::Agreement;
use crate::change::Change;
use crate::clocks::ClockKind;
use crate::id::UserId;
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::notices::{About, NextAct, NoticeKind, for_each};
use crate::stage::Stage;
use crate::world::World;

/// A lead that is worked on and sends another form is active: its owner must know, else its queue. A customer, churned or
/// disqualified lead that sends one has returned: its owner must know, and gets a task, one at a time.
#[derive(Debug)]
pub(super) struct Returning;

impl Rule for Returning {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        let Some((lead, kind)) = concerned(world, cause) else {
            return needs;
        };
        needs.staff = world.sales.staff.is_none();
        if lead.owner_id.is_none() && !world.sales.loaded.contains(&lead.id) {
            needs.sales.insert(lead.id);
        }
        if kind == NoticeKind::LeadReturned && !world.sales.rule_tasks.contains_key(&lead.id) {
            needs.rule_tasks.insert(lead.id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, rulebook: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let Some((lead, kind)) = concerned(world, cause) else {
            return vec![];
        };
        let staff = world.sales.staff.clone().unwrap_or_default();
        let owner = lead.owner_id.filter(|owner| staff.get(*owner).is_some());
        let (lead_id, users) = (lead.id, addressees(world, lead, owner, &staff));
        let next = NextAct::new("get_lead", "GET", format!("/v1/leads/{lead_id}"));
        let subject = About::new("lead", lead_id);
        let notices = for_each(users, (kind, subject, Some(lead_id)), Some(next), act);
        let mut changes: Vec<Change> = notices.into_iter().map(Change::from).collect();
        let has_task = world.sales.rule_tasks.get(&lead_id) == Some(&true);
        if let Some(owner) = owner.filter(|_| kind == NoticeKind::LeadReturned && !has_task) {
            let task = task(lead, owner, due(&rulebook.agreement.agreement, act.now), act);
            world.sales.rule_tasks.insert(lead_id, true);
            changes.push(ActivityChange::Logged(Box::new(task)).into());
        }
        changes
    }
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

/// The owner, else those who take from the queue of the lead's hand-off: of the general one the sales managers.
fn addressees(world: &World, lead: &Lead, owner: Option<UserId>, staff: &Staff) -> Vec<UserId> {
    let queue = world.handoff_of(lead.id).and_then(|handoff| handoff.queue);
    match (owner, queue) {
        (Some(owner), _) => vec![owner],
        (None, Some(Queue::Team(team))) => staff.sellers_of(team),
        (None, Some(Queue::General) | None) => staff.with_role(Role::SalesManager),
    }
}

/// By when the owner is to contact a lead that returned: as soon as a new one. Nothing where that is not promised.
fn due(agreement: &Agreement, now: Timestamp) -> Option<Timestamp> {
    let promise = agreement.commitments.sales.promise(ClockKind::FirstContact)?;
    Some(promise.deadline(&agreement.working_hours()?, now).due_at)
}

fn task(lead: &Lead, owner: UserId, due_at: Option<Timestamp>, act: &Act) -> Activity {
    Activity {
        id: act.ids.next(),
        version: 1,
        lead_id: Some(lead.id),
        deal_id: None,
        company_id: None,
        user_id: None,
        owner_id: Some(owner),
        kind: ActivityType::Task,
        direction: None,
        occurred_at: act.now,
        duration_s: None,
        outcome: None,
        subject: Some("Contact the lead: it sent a form again".to_owned()),
        body: None,
        due_at,
        done_at: None,
        is_reminded: false,
        automatic: true,
        objections: vec![],
        promises: vec![],
        external_id: None,
        created_at: act.now,
        updated_at: act.now,
    }
}
