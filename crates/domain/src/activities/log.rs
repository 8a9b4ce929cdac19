//! Logging, changing and deleting activities: who may, and what an activity must say.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::change::ActivityChange;
use super::{Activity, ActivityOutcome, ActivityType, Direction, Objection, Promised};
use crate::access::{Denied, Person, Role, Staff};
use crate::act::Act;
use crate::agreement::{Agreement, ReasonList};
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{CompanyId, ContentId, DealId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::journal::differences;
use crate::leads::ExternalId;
use crate::world::World;

/// How far ahead of now an activity may have happened, in milliseconds: clocks of phones differ.
pub(super) const AHEAD: i64 = 5 * 60_000;

/// An activity, as a request states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateActivity)]
pub struct ActivityDraft {
    /// The lead. Exactly one of `lead_id`, `deal_id` and `company_id` is required. A patch cannot change it.
    #[serde(default)]
    pub lead_id: Option<LeadId>,
    /// The deal; the activity counts for its primary lead. A patch cannot change it.
    #[serde(default)]
    pub deal_id: Option<DealId>,
    /// The company. A patch cannot change it.
    #[serde(default)]
    pub company_id: Option<CompanyId>,
    /// The user who did it. At creation the default is the caller, and a sales manager may name a member of its teams;
    /// a patch cannot change it.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// For a task only: the user who must do it. Default the caller; a manager may name another user.
    #[serde(default)]
    pub owner_id: Option<UserId>,
    /// The type of activity. A patch cannot change it.
    #[serde(rename = "type")]
    pub kind: ActivityType,
    /// `inbound` if the lead contacted the company, `outbound` if a user contacted the lead. Required for `call`,
    /// `email`, `meeting` and `message`, refused for other types.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// When it happened; default now, at most five minutes in the future. A planned meeting is a task.
    #[serde(default)]
    pub occurred_at: Option<Timestamp>,
    /// How long it took, in seconds.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800, example = 420)]
    pub duration_s: Option<i64>,
    /// The outcome of a contact.
    #[serde(default)]
    pub outcome: Option<ActivityOutcome>,
    /// The subject, in one line.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 300, example = "First call")]
    pub subject: Option<String>,
    /// The text.
    #[serde(default)]
    #[schema(max_length = 20_000)]
    pub body: Option<String>,
    /// When it is due. Required for a task, refused for other types.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
    /// For a task: when it was done.
    #[serde(default)]
    pub done_at: Option<Timestamp>,
    /// Whether a machine sent it (a sequence, an agent). Then it meets no promise, unless both sides took part. A
    /// patch cannot change it.
    #[serde(default)]
    pub automatic: Option<bool>,
    /// The objections of the other side.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub objections: Option<Vec<Objection>>,
    /// The promises to the other side.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub promises: Option<Vec<Promised>>,
    /// The content that was sent or shown to the other side.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub content_ids: Option<Vec<ContentId>>,
    /// Its id in another system. The same id again updates the activity. A patch cannot change it.
    #[serde(default)]
    pub external_id: Option<ExternalId>,
}

/// Why an act on an activity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActivityError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something is missing or does not fit.
    #[error("the request is incomplete")]
    Invalid(Vec<Fault>),
}

impl ActivityDraft {
    /// What the activity says of itself, as a request would.
    pub fn of(activity: &Activity) -> Self {
        Self {
            lead_id: activity.lead_id,
            deal_id: activity.deal_id,
            company_id: activity.company_id,
            user_id: activity.user_id,
            owner_id: activity.owner_id,
            kind: activity.kind,
            direction: activity.direction,
            occurred_at: Some(activity.occurred_at),
            duration_s: activity.duration_s,
            outcome: activity.outcome,
            subject: activity.subject.clone(),
            body: activity.body.clone(),
            due_at: activity.due_at,
            done_at: activity.done_at,
            automatic: Some(activity.automatic),
            objections: Some(activity.objections.clone()),
            promises: Some(activity.promises.clone()),
            content_ids: Some(activity.content_ids.clone()),
            external_id: activity
                .external_id
                .clone()
                .map(|(system, id)| ExternalId { system, id }),
        }
    }

    /// The key that another system knows it by, as (system, id).
    pub fn key(&self) -> Option<(String, String)> {
        let key = self.external_id.as_ref()?;
        Some((key.system.clone(), key.id.clone()))
    }

    /// The users that it names beside the caller: their roles and teams must be known.
    pub fn names_others(&self, caller: Option<&Person>) -> bool {
        let caller = caller.map(|person| person.id);
        let mut named = [self.user_id, self.owner_id].into_iter().flatten();
        named.any(|user| Some(user) != caller)
    }

    /// This draft where it says something, else `known`.
    fn over(self, known: Self) -> Self {
        Self {
            lead_id: self.lead_id.or(known.lead_id),
            deal_id: self.deal_id.or(known.deal_id),
            company_id: self.company_id.or(known.company_id),
            user_id: self.user_id.or(known.user_id),
            owner_id: self.owner_id.or(known.owner_id),
            kind: self.kind,
            direction: self.direction.or(known.direction),
            occurred_at: self.occurred_at.or(known.occurred_at),
            duration_s: self.duration_s.or(known.duration_s),
            outcome: self.outcome.or(known.outcome),
            subject: self.subject.or(known.subject),
            body: self.body.or(known.body),
            due_at: self.due_at.or(known.due_at),
            done_at: self.done_at.or(known.done_at),
            automatic: self.automatic.or(known.automatic),
            objections: self.objections.or(known.objections),
            promises: self.promises.or(known.promises),
            content_ids: self.content_ids.or(known.content_ids),
            external_id: self.external_id.or(known.external_id),
        }
    }
}

/// Log an activity, or update the one that another system knows by the same id. The activity, whether it is new, and
/// what happened, if anything.
pub fn log(
    world: &mut World,
    said: ActivityDraft,
    act: &Act,
) -> Result<(Activity, bool, Option<Change>), ActivityError> {
    let known = said.key().and_then(|key| world.sales.activities_by_key.get(&key));
    let known = known.and_then(|id| world.sales.activities.get(id)).cloned();
    if let Some(known) = known {
        let draft = said.over(ActivityDraft::of(&known));
        let (activity, change) = edit(world, &known, draft, act)?;
        return Ok((activity, false, change));
    }
    let person = act.by.demand_person()?;
    let mut faults = vec![];
    let lead_id = target(world, &said, &mut faults);
    let user_id = said.user_id.unwrap_or(person.id);
    may_name(person, user_id, world.sales.staff.as_ref(), &mut faults);
    let drafted = Activity {
        lead_id,
        deal_id: said.deal_id,
        company_id: said.company_id,
        user_id: Some(user_id),
        automatic: said.automatic.unwrap_or(false),
        external_id: said.key(),
        ..Activity::blank(act.ids.next(), said.kind, act.now)
    };
    let activity = filled(world, drafted, said, act, person, faults)?;
    keep(world, &activity);
    let change = ActivityChange::Logged(Box::new(activity.clone())).into();
    Ok((activity, true, Some(change)))
}

/// Change an activity to what the draft says; nothing where nothing becomes different.
pub fn edit(
    world: &mut World,
    known: &Activity,
    said: ActivityDraft,
    act: &Act,
) -> Result<(Activity, Option<Change>), ActivityError> {
    let person = may_change(known, world.sales.staff.as_ref(), act)?;
    let fixed = ActivityDraft::of(known);
    let mut faults = vec![];
    let mut stays = |member: &str, is: Value, was: Value| {
        if is != was {
            faults.push(Fault::new(
                format!("/{member}"),
                "not_allowed",
                "cannot be changed",
            ));
        }
    };
    stays("lead_id", json!(said.lead_id), json!(fixed.lead_id));
    stays("deal_id", json!(said.deal_id), json!(fixed.deal_id));
    stays("company_id", json!(said.company_id), json!(fixed.company_id));
    stays("user_id", json!(said.user_id), json!(fixed.user_id));
    stays("type", json!(said.kind), json!(fixed.kind));
    stays(
        "automatic",
        json!(said.automatic.unwrap_or(false)),
        json!(known.automatic),
    );
    stays("external_id", json!(said.external_id), json!(fixed.external_id));
    let mut after = filled(world, known.clone(), said, act, person, faults)?;
    if let Some(of) = &mut after.conversation {
        of.is_touched = true;
    }
    Ok(updated(world, known, after, act))
}

/// The activity as it is now, with its change if anything differs.
pub(super) fn updated(
    world: &mut World,
    known: &Activity,
    mut after: Activity,
    act: &Act,
) -> (Activity, Option<Change>) {
    let Some((old, new)) = differences(&known.facts(), &after.facts()) else {
        return (known.clone(), None);
    };
    after.version += 1;
    after.updated_at = act.now.max(known.updated_at);
    after.is_reminded &= after.due_at == known.due_at;
    keep(world, &after);
    let change = ActivityChange::Updated {
        activity: Box::new(after.clone()),
        before: old,
        after: new,
    };
    (after, Some(change.into()))
}

/// Delete an activity: the journal alone still shows it.
pub fn delete(world: &mut World, known: &Activity, act: &Act) -> Result<Change, Denied> {
    may_change(known, world.sales.staff.as_ref(), act)?;
    world.sales.activities.remove(&known.id);
    if let Some(key) = &known.external_id {
        world.sales.activities_by_key.remove(key);
    }
    Ok(ActivityChange::Deleted(Box::new(known.clone())).into())
}

pub(super) fn keep(world: &mut World, activity: &Activity) {
    let key = activity.external_id.clone();
    world
        .sales
        .activities_by_key
        .extend(key.map(|key| (key, activity.id)));
    world.sales.activities.insert(activity.id, activity.clone());
}

/// The author, the owner of a task, a sales manager of either, and those who take from the queue of a task.
fn may_change<'a>(known: &Activity, staff: Option<&Staff>, act: &'a Act) -> Result<&'a Person, Denied> {
    let person = act.by.demand_person()?;
    let own = [known.user_id, known.owner_id];
    let is_own = own.contains(&Some(person.id));
    let manages = |user: &UserId| {
        let colleague = staff.and_then(|staff| staff.get(*user));
        colleague.is_none_or(|colleague| colleague.is_sales())
    };
    let is_managers = person.role == Role::SalesManager && own.iter().flatten().all(manages);
    let may_take = known.queue.is_some_and(|queue| queue.is_open_to(person));
    match person.is_admin() || is_own || is_managers || may_take {
        true => Ok(person),
        false => Err(Denied::NotOwner),
    }
}

/// The lead that it counts for; a fault where it is about nothing, about several, or about what is not there.
fn target(world: &World, said: &ActivityDraft, faults: &mut Vec<Fault>) -> Option<LeadId> {
    let named = [
        ("/lead_id", said.lead_id.is_some()),
        ("/deal_id", said.deal_id.is_some()),
        ("/company_id", said.company_id.is_some()),
    ];
    let mut named = named
        .into_iter()
        .filter(|(_, is_named)| *is_named)
        .map(|(place, _)| place);
    match (named.next(), named.next()) {
        (None, _) => faults.push(Fault::new(
            "/lead_id",
            "required",
            "an activity needs a lead, a deal or a company",
        )),
        (Some(_), Some(second)) => faults.push(Fault::new(
            second,
            "not_allowed",
            "an activity is about one of lead, deal and company",
        )),
        (Some(_), None) => {}
    }
    let mut unknown = |place: &str, what: &str| {
        faults.push(Fault::new(place, "not_found", format!("is not a {what}")));
    };
    let deal = said.deal_id.map(|id| world.sales.deals.get(&id));
    if said.lead_id.is_some_and(|id| !world.leads.contains_key(&id)) {
        unknown("/lead_id", "lead");
    }
    if deal == Some(None) {
        unknown("/deal_id", "deal");
    }
    if said
        .company_id
        .is_some_and(|id| !world.companies.contains_key(&id))
    {
        unknown("/company_id", "company");
    }
    said.lead_id
        .or(deal.flatten().and_then(|deal| deal.primary_lead_id))
}

/// Activities are logged in one's own name; a sales manager names members of its teams.
fn may_name(person: &Person, user: UserId, staff: Option<&Staff>, faults: &mut Vec<Fault>) {
    let is_member =
        person.role == Role::SalesManager && staff.is_some_and(|staff| staff.share_a_team(person.id, user));
    let is_known = staff.is_some_and(|staff| staff.get(user).is_some());
    if user != person.id && !is_member && !(person.is_admin() && is_known) {
        let detail = "is neither the caller nor a member of a team that the caller manages";
        faults.push(Fault::new("/user_id", "not_allowed", detail));
    }
}

/// A sales manager gives tasks to sales, marketing to marketing, an admin to anybody.
fn may_give(person: &Person, owner: UserId, staff: Option<&Staff>, faults: &mut Vec<Fault>) {
    let colleague = staff.and_then(|staff| staff.get(owner));
    let may = owner == person.id
        || colleague.is_some_and(|colleague| {
            person.is_admin()
                || person.role == Role::SalesManager && colleague.is_sales()
                || person.is_marketing() && colleague.is_marketing()
        });
    if !may {
        let detail = "is not an active user to whom the caller may assign a task";
        faults.push(Fault::new("/owner_id", "not_allowed", detail));
    }
}

/// The activity as the draft says, if that is sound.
fn filled(
    world: &World,
    known: Activity,
    said: ActivityDraft,
    act: &Act,
    person: &Person,
    mut faults: Vec<Fault>,
) -> Result<Activity, ActivityError> {
    if !(person.is_admin() || person.is_sales() || person.is_marketing()) {
        return Err(Denied::WrongRole.into());
    }
    let is_task = known.kind == ActivityType::Task;
    let mut fault = |place: &str, code, detail: &str| faults.push(Fault::new(place, code, detail));
    let of_task = [
        ("/owner_id", said.owner_id.is_some()),
        ("/due_at", said.due_at.is_some()),
        ("/done_at", said.done_at.is_some()),
    ];
    for (place, is_said) in of_task {
        if is_said && !is_task {
            fault(place, "not_allowed", "belongs to tasks alone");
        }
    }
    if is_task && said.due_at.is_none() {
        fault("/due_at", "required", "a task has a due date");
    }
    let of_contact = [
        ("/direction", said.direction.is_some()),
        ("/outcome", said.outcome.is_some()),
    ];
    for (place, is_said) in of_contact {
        if is_said && !known.kind.is_contact() {
            fault(
                place,
                "not_allowed",
                "belongs to calls, e-mails, meetings and messages alone",
            );
        }
    }
    if known.kind.is_contact() && said.direction.is_none() {
        fault(
            "/direction",
            "required",
            "is required for calls, e-mails, meetings and messages",
        );
    }
    let latest = act.now.plus_millis(AHEAD);
    for (place, at) in [("/occurred_at", said.occurred_at), ("/done_at", said.done_at)] {
        if at.is_some_and(|at| at > latest) {
            fault(
                place,
                "out_of_range",
                "is more than five minutes in the future; a planned meeting is a task",
            );
        }
    }
    let objections = said.objections.unwrap_or_default();
    objections_are_sound(
        &objections,
        &known.objections,
        &world.rules.agreement.agreement,
        &mut faults,
    );
    let objections = world.rules.objections.mapped(objections);
    let content_ids = said.content_ids.unwrap_or_default();
    for (index, id) in content_ids.iter().enumerate() {
        if !world.rules.content.has(*id) {
            faults.push(Fault::new(
                format!("/content_ids/{index}"),
                "not_found",
                "is not content",
            ));
        }
    }
    let owner_id = is_task.then(|| said.owner_id.or(known.owner_id).unwrap_or(person.id));
    if let Some(owner) = owner_id.filter(|owner| known.owner_id != Some(*owner)) {
        may_give(person, owner, world.sales.staff.as_ref(), &mut faults);
    }
    if !faults.is_empty() {
        return Err(ActivityError::Invalid(faults));
    }
    Ok(Activity {
        owner_id,
        queue: None,
        direction: said.direction,
        occurred_at: said.occurred_at.unwrap_or(known.occurred_at),
        duration_s: said.duration_s,
        outcome: said.outcome,
        subject: said.subject,
        body: said.body,
        due_at: said.due_at,
        done_at: said.done_at,
        objections,
        promises: said.promises.unwrap_or_default(),
        content_ids,
        ..known
    })
}

/// An objection is a code of the agreement or a text. A code that was logged before stays good when it is retired.
pub(crate) fn objections_are_sound(
    said: &[Objection],
    known: &[Objection],
    agreement: &Agreement,
    faults: &mut Vec<Fault>,
) {
    for (index, objection) in said.iter().enumerate() {
        let place = format!("/objections/{index}");
        match (&objection.code, &objection.text) {
            (None, None) => faults.push(Fault::new(place, "required", "needs a code or a text")),
            // Words that were mapped have both.
            (Some(_), Some(_)) if known.contains(objection) => {}
            (Some(_), Some(_)) => faults.push(Fault::new(
                format!("{place}/text"),
                "not_allowed",
                "an objection has a code or a text",
            )),
            (Some(code), None) => {
                let is_known = known.iter().any(|known| known.code.as_ref() == Some(code));
                if !is_known && agreement.reason(ReasonList::Objection, code).is_none() {
                    let detail = "is not an objection in the agreement in force";
                    faults.push(Fault::new(format!("{place}/code"), "not_allowed", detail));
                }
            }
            (None, Some(_)) => {}
        }
    }
}
