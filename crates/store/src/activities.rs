//! Activities: loading the facts of a decision, reading one, listing pages, and the rows that changes leave.

pub mod conversations;
pub mod mapping;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde_json::json;
use tandem_domain::activities::change::ActivityChange;
use tandem_domain::activities::{Activity, ActivityDraft, ActivityOutcome, ActivityType, remind};
use tandem_domain::agreement::conditions::{Event, History, Needs};
use tandem_domain::change::Change;
use tandem_domain::handoff::Assignee;
use tandem_domain::id::{ActivityId, CompanyId, DealId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::events::EventKind;
use tandem_domain::world::World;
use uuid::Uuid;

use crate::access;
use crate::db::{Conn, Read, Tx};
use crate::deals::{self, Span, Wanted};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{self, members_of};
use crate::own::{locked, with_own};
use crate::page::{self, Key, Keyset, Page, Position, earliest};
use crate::rows::{activities, objections, to_json};
use crate::write::{Rows, settle};

/// Which activities are listed.
#[derive(Debug, Clone, Default)]
pub struct ActivityFilter {
    /// Those that count for this lead.
    pub lead_id: Option<LeadId>,
    /// About this deal.
    pub deal_id: Option<DealId>,
    /// About this company.
    pub company_id: Option<CompanyId>,
    /// Done by one of these users.
    pub user_id: Vec<UserId>,
    /// Tasks of one of these users.
    pub owner_id: Vec<UserId>,
    /// Of one of these types.
    pub kind: Vec<ActivityType>,
    /// With one of these outcomes.
    pub outcome: Vec<ActivityOutcome>,
    /// Tasks that are not done, or all others.
    pub open: Option<bool>,
    /// When they happened.
    pub occurred_at: Span,
    /// When they are due.
    pub due_at: Span,
}

/// The activities of leads as conditions look at them, of the types that they ask for.
pub(crate) async fn histories(
    on: &impl Read,
    looked_at: &Needs,
    leads: &BTreeSet<LeadId>,
    at: Option<Timestamp>,
) -> Result<HashMap<LeadId, BTreeMap<EventKind, History>>, StoreError> {
    use activities::Column;
    let types: Vec<&str> = looked_at
        .events
        .keys()
        .filter_map(EventKind::as_activity)
        .collect();
    if types.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = on.conn().get_database_backend();
    let theirs = dialect::id_in(backend, "lead_id", leads.iter().map(|id| id.uuid()));
    let mut asked = Column::Kind.is_in(types.iter().copied());
    if types.contains(&EventKind::CONVERSATION) {
        asked = asked.or(Column::Intent.is_not_null());
    }
    let theirs = theirs.and(asked);
    let rows: Vec<activities::Model> = match at {
        None => activities::Entity::find().filter(theirs).all(on.conn()).await?,
        Some(at) => {
            let newest = dialect::newest_activities(backend, theirs, at.millis(), History::LOADED);
            let rows = on.conn().query_all_raw(newest).await?;
            let rows = rows
                .iter()
                .map(|row| activities::Model::from_query_result(row, ""));
            rows.collect::<Result<_, _>>()?
        }
    };
    let mut found: HashMap<LeadId, BTreeMap<EventKind, Vec<Event>>> = HashMap::new();
    for row in rows {
        let Some(lead_id) = row.lead_id.map(Id::from_uuid) else {
            continue;
        };
        let of_lead = found.entry(lead_id).or_default();
        for (kind, event) in row.into_domain(vec![])?.events() {
            if looked_at.events.contains_key(&kind) {
                of_lead.entry(kind).or_default().push(event);
            }
        }
    }
    let histories = |by_type: BTreeMap<EventKind, Vec<Event>>| {
        let by_type = by_type.into_iter();
        by_type
            .map(|(kind, events)| (kind, History::new(events)))
            .collect()
    };
    Ok(found
        .into_iter()
        .map(|(id, by_type)| (id, histories(by_type)))
        .collect())
}

/// What activities are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivitySort {
    /// By id alone: in the order in which they were logged.
    Id,
    /// By the instant at which they happened.
    OccurredAt,
    /// By the instant at which they are due; what has no due date comes last.
    DueAt,
}

impl ActivitySort {
    const fn column(self) -> Option<activities::Column> {
        match self {
            ActivitySort::Id => None,
            ActivitySort::OccurredAt => Some(activities::Column::OccurredAt),
            ActivitySort::DueAt => Some(activities::Column::DueAt),
        }
    }

    /// The place of an activity in this order.
    pub fn position(self, activity: &Activity) -> Position<ActivityId> {
        let key = match self {
            ActivitySort::Id => None,
            ActivitySort::OccurredAt => Some(activity.occurred_at.millis()),
            ActivitySort::DueAt => Some(activity.due_at.map_or(i64::MAX, Timestamp::millis)),
        };
        (key.map(Key::Number), activity.id)
    }
}

/// The facts that a batch of drafts is decided on: their leads, deals and companies, and the activities that other systems
/// know by the same ids. Locks those ids first, then leads and deals.
pub async fn world_for(tx: &Tx, drafts: &[ActivityDraft]) -> Result<World, StoreError> {
    let keys: BTreeSet<(String, String)> = drafts.iter().filter_map(ActivityDraft::key).collect();
    let names = keys
        .iter()
        .map(|(system, id)| format!("activity\u{0}{system}\u{0}{id}"));
    dialect::lock_external_ids(tx.conn(), names).await?;
    let known = rows_by_key(tx, &keys).await?;
    let deal_ids: BTreeSet<DealId> = drafts.iter().filter_map(|draft| draft.deal_id).collect();
    let mut lead_ids: BTreeSet<LeadId> = drafts.iter().filter_map(|draft| draft.lead_id).collect();
    // What an activity is about, and the primary lead of a deal, are fixed: they can be read before they are locked.
    lead_ids.extend(known.iter().filter_map(|row| row.lead_id).map(Id::from_uuid));
    lead_ids.extend(deals::primary_leads(tx, &deal_ids).await?);
    let mut world = leads::world_of(tx, lead_ids).await?;
    let wanted = Wanted {
        ids: deal_ids,
        company_ids: drafts.iter().filter_map(|draft| draft.company_id).collect(),
        ..Wanted::default()
    };
    if !wanted.ids.is_empty() || !wanted.company_ids.is_empty() {
        deals::add_to(tx, &mut world, &wanted).await?;
    }
    let ids: BTreeSet<Uuid> = known.iter().map(|row| row.id).collect();
    add_for_update(tx, &mut world, &ids).await?;
    Ok(world)
}

/// The facts that a change of one activity is decided on; [`StoreError::NotFound`] where there is none.
pub async fn world_of(tx: &Tx, id: ActivityId) -> Result<(World, Activity), StoreError> {
    let row = activities::Entity::find_by_id(id.uuid()).one(tx.conn()).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    let mut world = leads::world_of(tx, row.lead_id.map(Id::from_uuid)).await?;
    add_for_update(tx, &mut world, &[id.uuid()].into()).await?;
    let activity = world
        .sales
        .activities
        .get(&id)
        .cloned()
        .ok_or(StoreError::NotFound)?;
    Ok((world, activity))
}

async fn rows_by_key(
    tx: &Tx,
    keys: &BTreeSet<(String, String)>,
) -> Result<Vec<activities::Model>, StoreError> {
    if keys.is_empty() {
        return Ok(vec![]);
    }
    let keys: Vec<_> = keys
        .iter()
        .map(|(system, id)| json!({"system": system, "id": id}))
        .collect();
    let chosen = dialect::id_in_keys(tx.conn().get_database_backend(), "activities", to_json(&keys));
    Ok(activities::Entity::find().filter(chosen).all(tx.conn()).await?)
}

async fn add_for_update(tx: &Tx, world: &mut World, ids: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let query = activities::Entity::find()
        .filter(dialect::id_in(backend, "id", ids.iter().copied()))
        .order_by_asc(activities::Column::Id);
    let query = locked(tx, query, activities::Column::Id).await?;
    for activity in read(tx, query).await? {
        let key = activity.external_id.clone();
        world
            .sales
            .activities_by_key
            .extend(key.map(|key| (key, activity.id)));
        world.sales.activities.insert(activity.id, activity);
    }
    Ok(())
}

/// Add the contacts with leads since their first hand-off, whose hand-offs are loaded.
pub(crate) async fn add_contacts(
    tx: &Tx,
    world: &mut World,
    leads: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    use activities::Column::{Automatic, Direction, Kind, LeadId as Lead, OccurredAt, Outcome};
    for lead in leads {
        world.sales.contacts.entry(*lead).or_default();
    }
    let handoffs = world.sales.handoffs.values();
    let own = handoffs.filter(|handoff| leads.contains(&handoff.lead_id));
    let mut first: BTreeMap<LeadId, Timestamp> = BTreeMap::new();
    for handoff in own {
        let at = first.entry(handoff.lead_id).or_insert(handoff.made_at);
        *at = handoff.made_at.min(*at);
    }
    let Some(earliest) = first.values().min() else {
        return Ok(());
    };
    let backend = tx.conn().get_database_backend();
    let found: Vec<activities::ContactColumns> = activities::Entity::find()
        .select_only()
        .columns([Lead, Kind, Direction, Outcome, Automatic, OccurredAt])
        .filter(dialect::id_in(
            backend,
            "lead_id",
            first.keys().map(|lead| lead.uuid()),
        ))
        .filter(OccurredAt.gte(earliest.millis()))
        .filter(Direction.is_not_null())
        .into_tuple()
        .all(tx.conn())
        .await?;
    add_open_tasks(tx, world, first.keys().copied().collect()).await?;
    for columns in found {
        let lead = Id::from_uuid(columns.0);
        let contact = activities::contact(&columns)?;
        world.sales.contacts.entry(lead).or_default().push(contact);
    }
    Ok(())
}

/// Add when the open tasks of leads are due.
async fn add_open_tasks(tx: &Tx, world: &mut World, leads: Vec<LeadId>) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let own = dialect::id_in(backend, "lead_id", leads.iter().map(|lead| lead.uuid()));
    let found: Vec<(Uuid, i64)> = activities::Entity::find()
        .select_only()
        .columns([activities::Column::LeadId, activities::Column::DueAt])
        .filter(own)
        .filter(activities::Column::IsOpen.eq(true))
        .into_tuple()
        .all(tx.conn())
        .await?;
    let open = &mut world.sales.open_tasks;
    open.extend(leads.into_iter().map(|lead| (lead, vec![])));
    for (lead, due_at) in found {
        let due = open.entry(Id::from_uuid(lead)).or_default();
        due.push(Timestamp::from_millis(due_at));
    }
    Ok(())
}

/// Add where the open tasks of leads are that a rule created.
pub(crate) async fn add_rule_tasks(
    tx: &Tx,
    world: &mut World,
    leads: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    if leads.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let found: Vec<(Uuid, Option<Uuid>, Option<String>)> = activities::Entity::find()
        .select_only()
        .columns([
            activities::Column::LeadId,
            activities::Column::OwnerId,
            activities::Column::Queue,
        ])
        .filter(dialect::id_in(
            backend,
            "lead_id",
            leads.iter().map(|lead| lead.uuid()),
        ))
        .filter(activities::Column::IsOpen.eq(true))
        .filter(activities::Column::UserId.is_null())
        .filter(activities::Column::ConversationId.is_null())
        .into_tuple()
        .all(tx.conn())
        .await?;
    world
        .sales
        .rule_tasks
        .extend(leads.iter().map(|lead| (*lead, None)));
    for (lead, owner, queue) in found {
        let place = Assignee {
            owner_id: owner.map(Id::from_uuid),
            queue: activities::queue(queue.as_deref())?,
        };
        world.sales.rule_tasks.insert(Id::from_uuid(lead), Some(place));
    }
    Ok(())
}

/// An activity.
pub async fn get(on: &impl Read, id: ActivityId) -> Result<Activity, StoreError> {
    let found = read(on, activities::Entity::find_by_id(id.uuid())).await?;
    found.into_iter().next().ok_or(StoreError::NotFound)
}

/// A page of activities with their objections.
pub async fn list(
    on: &impl Read,
    filter: &ActivityFilter,
    sort: ActivitySort,
    descending: bool,
    after: Option<Position<ActivityId>>,
    limit: u64,
) -> Result<Page<Activity>, StoreError> {
    let line = Keyset {
        column: sort.column(),
        id: activities::Column::Id,
        descending,
    };
    let read = |(activity, objections)| with_objections(activity, objections);
    line.read_with::<_, objections::Entity, _, _>(on, filtered(filter), OBJECTIONS, after, limit, read)
        .await
}

/// How many activities a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &ActivityFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(filter)).await
}

fn filtered(filter: &ActivityFilter) -> Select<activities::Entity> {
    use activities::Column;
    let mut all = Condition::all();
    if let Some(lead) = filter.lead_id {
        all = all.add(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    all = all
        .add_option(filter.deal_id.map(|deal| Column::DealId.eq(deal.uuid())))
        .add_option(
            filter
                .company_id
                .map(|company| Column::CompanyId.eq(company.uuid())),
        )
        .add_option(filter.open.map(|open| Column::IsOpen.eq(open)));
    let users = |column: Column, users: &[UserId]| {
        (!users.is_empty()).then(|| column.is_in(users.iter().map(|user| user.uuid())))
    };
    all = all
        .add_option(users(Column::UserId, &filter.user_id))
        .add_option(users(Column::OwnerId, &filter.owner_id));
    let kinds = filter.kind.iter().map(|kind| kind.name());
    let outcomes = filter.outcome.iter().map(|outcome| outcome.name());
    all = all
        .add_option((!filter.kind.is_empty()).then(|| Column::Kind.is_in(kinds)))
        .add_option((!filter.outcome.is_empty()).then(|| Column::Outcome.is_in(outcomes)));
    for (column, span) in [
        (Column::OccurredAt, filter.occurred_at),
        (Column::DueAt, filter.due_at),
    ] {
        all = all
            .add_option(span.from.map(|from| column.gte(from.millis())))
            .add_option(span.to.map(|to| column.lt(to.millis())));
    }
    // What is not due has the greatest date.
    if filter.due_at.from.is_some() && filter.due_at.to.is_none() {
        all = all.add(Column::DueAt.lt(i64::MAX));
    }
    activities::Entity::find().filter(all)
}

/// The objections of an activity, for [`with_own`].
const OBJECTIONS: &str = "objections x WHERE x.activity_id = activities.id";

/// The activities of a query, in its order, with their objections.
async fn read(on: &impl Read, query: Select<activities::Entity>) -> Result<Vec<Activity>, StoreError> {
    let found = with_own::<_, objections::Entity>(on, query, OBJECTIONS).await?;
    let read = |(activity, objections)| with_objections(activity, objections);
    found.into_iter().map(read).collect()
}

fn with_objections(
    activity: activities::Model,
    mut own: Vec<objections::Model>,
) -> Result<Activity, StoreError> {
    own.sort_by_key(|objection| objection.position);
    activity.into_domain(own.into_iter().map(objections::Model::into_domain).collect())
}

/// Add an activity that a decision refers to, if there is one with this id; and its deal.
pub async fn add_referred(tx: &Tx, world: &mut World, id: ActivityId) -> Result<(), StoreError> {
    let activity = read(tx, activities::Entity::find_by_id(id.uuid())).await?.pop();
    let deal_id = activity.as_ref().and_then(|activity| activity.deal_id);
    if let Some(deal_id) = deal_id.filter(|id| !world.sales.deals.contains_key(id)) {
        let deal = deals::get(tx, deal_id).await?;
        world.sales.deals.insert(deal_id, deal);
    }
    world
        .sales
        .activities
        .extend(activity.map(|activity| (id, activity)));
    Ok(())
}

/// When the next owner of a task is to be notified, if any is.
pub async fn next_reminder(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    earliest::<activities::Entity>(on, activities::Column::RemindAt).await
}

/// Notify the owners of tasks that are due, the oldest first; how many there were, `limit` at most.
pub async fn remind_due(tx: &Tx, limit: u64) -> Result<u64, StoreError> {
    let act = tx.act();
    let due: Vec<(Uuid, Option<Uuid>)> = activities::Entity::find()
        .select_only()
        .columns([activities::Column::Id, activities::Column::LeadId])
        .filter(activities::Column::RemindAt.lte(act.now.millis()))
        .order_by_asc(activities::Column::RemindAt)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let count = due.len() as u64;
    if count == 0 {
        return Ok(0);
    }
    let lead_ids = due.iter().filter_map(|(_, lead)| *lead);
    let mut world = leads::world_of(tx, lead_ids.map(Id::from_uuid)).await?;
    let ids: BTreeSet<Uuid> = due.into_iter().map(|(id, _)| id).collect();
    add_for_update(tx, &mut world, &ids).await?;
    let staff = access::staff(tx).await?;
    let tasks = std::mem::take(&mut world.sales.activities);
    let tasks = tasks
        .into_values()
        .filter(|task| task.remind_at().is_some_and(|at| at <= act.now));
    let changes: Vec<Change> = tasks.flat_map(|task| remind(task, &staff, act)).collect();
    settle(tx, &mut world, act, changes).await?;
    Ok(count)
}

impl Rows {
    pub(crate) fn add_activity(&mut self, change: &ActivityChange) {
        let activity = change.activity();
        let id = activity.id.uuid();
        match change {
            ActivityChange::Deleted(_) => {
                self.activities.remove(&id);
                self.gone_activities.insert(id);
                self.objections.insert(id, vec![]);
            }
            ActivityChange::Logged(_) | ActivityChange::Updated { .. } | ActivityChange::Reminded(_) => {
                self.activities.insert(id, activities::Model::of(activity));
                self.objections.insert(id, objections::Model::all_of(activity));
            }
        }
    }
}
