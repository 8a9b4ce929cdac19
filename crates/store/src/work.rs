//! What waits for a user: a handful of queries, each along an index.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    Statement,
};
use tandem_domain::access::{Queue, Role};
use tandem_domain::clocks::ClockKind;
use tandem_domain::clocks::notify::act_on;
use tandem_domain::duration::Duration;
use tandem_domain::handoff::REMIND_AFTER;
use tandem_domain::id::{ActivityId, DealId, HandoffId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Money;
use tandem_domain::notices::NextAct;
use tandem_domain::work::{WorkItem, WorkKind};
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::reports::WORKED_ON;
use crate::rows::{activities, clocks, deals, handoffs, leads, money, scores};

/// Which queues a user may take from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Nothing,
    /// These.
    From(Vec<Queue>),
    /// Every one.
    All,
}

/// Whose work, and as of when.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The user.
    pub user: UserId,
    /// Its role.
    pub role: Role,
    /// The queues it may take from.
    pub takes: Takes,
    /// After how long without a move or an activity a deal is stale; `None` is never.
    pub stale_after: Option<Duration>,
    /// Now.
    pub now: Timestamp,
}

/// What waits for a user, in no order: of each kind the most urgent ones, `limit` at most.
pub async fn of(on: &impl Read, whose: &Whose, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    let Whose {
        user, role, takes, ..
    } = whose;
    let (user, role) = (*user, *role);
    let mut items = own_handoffs(on, user, takes, limit).await?;
    items.extend(running_clocks(on, user, limit).await?);
    items.extend(open_tasks(on, user, takes, limit).await?);
    items.extend(returned_leads(on, user, limit).await?);
    if let Some(stale_after) = whose.stale_after {
        items.extend(stale_deals(on, user, (stale_after, whose.now), limit).await?);
    }
    if role == Role::Revops {
        items.extend(disputes(on, user, limit).await?);
    }
    if matches!(role, Role::Marketing | Role::MarketingManager) {
        items.extend(open_feedback(on, limit).await?);
    }
    add_values(on, &mut items).await?;
    Ok(items)
}

/// What the user owns, and what nobody owns in the queues that it takes from.
fn theirs<C: ColumnTrait>(owner: C, queue: C, user: UserId, takes: &Takes) -> Condition {
    let in_queues = match takes {
        Takes::Nothing => None,
        Takes::From(queues) => Some(queue.is_in(queues.iter().map(ToString::to_string))),
        Takes::All => Some(queue.is_not_null()),
    };
    let waiting = in_queues.map(|queued| Condition::all().add(owner.is_null()).add(queued));
    Condition::any().add(owner.eq(user.uuid())).add_option(waiting)
}

async fn own_handoffs(
    on: &impl Read,
    user: UserId,
    takes: &Takes,
    limit: u64,
) -> Result<Vec<WorkItem>, StoreError> {
    use handoffs::Column;
    let theirs = theirs(Column::OwnerId, Column::Queue, user, takes);
    type Found = (Uuid, Uuid, Option<Uuid>, i64, String);
    let found: Vec<Found> = handoffs::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::LeadId,
            Column::OwnerId,
            Column::DueAt,
            Column::State,
        ])
        .filter(Column::State.eq("pending").or(Column::Queue.is_not_null()))
        .filter(theirs)
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?;
    let item = |(id, lead, owner, due_at, state): Found| {
        let id: HandoffId = Id::from_uuid(id);
        let lead: LeadId = Id::from_uuid(lead);
        let act = match state.as_str() {
            "pending" => NextAct::new("accept_handoff", "POST", format!("/v1/handoffs/{id}/accept")),
            _ => NextAct::new("assign_lead", "POST", format!("/v1/leads/{lead}/assign")),
        };
        let why = match owner {
            Some(_) => "Accept or reject the hand-off",
            None => "Take the hand-off from the queue, or leave it to others",
        };
        WorkItem {
            kind: WorkKind::Handoff,
            id: id.to_string(),
            lead_id: Some(lead),
            deal_id: None,
            why: why.to_owned(),
            due_at: (due_at != i64::MAX).then(|| Timestamp::from_millis(due_at)),
            band: None,
            amount: None,
            act,
        }
    };
    Ok(found.into_iter().map(item).collect())
}

/// Promises of the user that run, and broken ones that can still be kept late: those of the hand-off that its lead is worked
/// on by. The review stands with its hand-off.
async fn running_clocks(on: &impl Read, user: UserId, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    use clocks::Column;
    let current = Expr::col((leads::Entity, leads::Column::Id))
        .equals((handoffs::Entity, handoffs::Column::LeadId))
        .and(
            Expr::col((leads::Entity, leads::Column::Cycle))
                .equals((handoffs::Entity, handoffs::Column::Cycle)),
        );
    let worked = Query::select()
        .column((handoffs::Entity, handoffs::Column::Id))
        .from(handoffs::Entity)
        .inner_join(leads::Entity, current)
        .and_where(Expr::col((handoffs::Entity, handoffs::Column::OwnerId)).eq(user.uuid()))
        .and_where(Expr::col((leads::Entity, leads::Column::Stage)).is_in(["mql", "sal"]))
        .take();
    let runs = Column::State.is_in(["running", "warned"]);
    let broken = Condition::all()
        .add(Column::State.eq("breached"))
        .add(Column::HandoffId.in_subquery(worked));
    let own = Condition::all()
        .add(Column::OwnerId.eq(user.uuid()))
        .add(Column::Kind.ne(ClockKind::Review.name()))
        .add(Condition::any().add(runs).add(broken));
    promises(on, own, limit).await
}

/// The clocks that a condition chooses, the first due ones first.
async fn promises(on: &impl Read, chosen: Condition, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    let rows = clocks::Entity::find()
        .filter(chosen)
        .order_by_asc(clocks::Column::DueAt)
        .order_by_asc(clocks::Column::Id)
        .limit(limit)
        .all(on.conn())
        .await?;
    let item = |row: clocks::Model| {
        let record = row.into_domain()?;
        let why = match record.clock.kind {
            ClockKind::Review => "Accept or reject the hand-off",
            ClockKind::FirstContact => "Contact the lead for the first time",
            ClockKind::Attempts => "Try to reach the lead as often as promised",
            ClockKind::Outcome => "Decide what becomes of the lead",
            ClockKind::Feedback => "Answer the rejection or loss",
        };
        Ok(WorkItem {
            kind: WorkKind::Clock,
            id: record.id.to_string(),
            lead_id: record.lead_id,
            deal_id: record.deal_id,
            why: why.to_owned(),
            due_at: Some(record.clock.deadline.due_at),
            band: None,
            amount: None,
            act: act_on(&record),
        })
    };
    rows.into_iter().map(item).collect()
}

/// Open disputes on which the user may rule: it neither rejected nor disputed them.
async fn disputes(on: &impl Read, user: UserId, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    use handoffs::Column;
    let found: Vec<(Uuid, Uuid, i64)> = handoffs::Entity::find()
        .select_only()
        .columns([Column::Id, Column::LeadId, Column::DisputedAt])
        .filter(Column::State.eq("disputed"))
        .filter(Column::DisputedBy.ne(user.uuid()))
        .filter(Column::DecidedBy.ne(user.uuid()))
        .order_by_asc(Column::MadeAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?;
    let item = |(id, lead, at): (Uuid, Uuid, i64)| {
        let id: HandoffId = Id::from_uuid(id);
        WorkItem {
            kind: WorkKind::Dispute,
            id: id.to_string(),
            lead_id: Some(Id::from_uuid(lead)),
            deal_id: None,
            why: "Rule on the dispute about the rejection".to_owned(),
            due_at: Some(Timestamp::from_millis(at).plus_millis(REMIND_AFTER)),
            band: None,
            amount: None,
            act: NextAct::new("rule_on_handoff", "POST", format!("/v1/handoffs/{id}/ruling")),
        }
    };
    Ok(found.into_iter().map(item).collect())
}

/// Rejections and losses that marketing has not answered: a promise of its side, and of no user.
async fn open_feedback(on: &impl Read, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    let open = Condition::all()
        .add(clocks::Column::Kind.eq(ClockKind::Feedback.name()))
        .add(clocks::Column::State.is_in(["running", "warned", "breached"]));
    promises(on, open, limit).await
}

async fn open_tasks(
    on: &impl Read,
    user: UserId,
    takes: &Takes,
    limit: u64,
) -> Result<Vec<WorkItem>, StoreError> {
    use activities::Column;
    type Task = (Uuid, Option<Uuid>, Option<Uuid>, Option<String>, i64);
    let found: Vec<Task> = activities::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::LeadId,
            Column::DealId,
            Column::Subject,
            Column::DueAt,
        ])
        .filter(theirs(Column::OwnerId, Column::Queue, user, takes))
        .filter(Column::IsOpen.eq(true))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?;
    let item = |(id, lead, deal, subject, due_at): Task| {
        let id: ActivityId = Id::from_uuid(id);
        WorkItem {
            kind: WorkKind::Task,
            id: id.to_string(),
            lead_id: lead.map(Id::from_uuid),
            deal_id: deal.map(Id::from_uuid),
            why: subject.unwrap_or_else(|| "Do the task".to_owned()),
            due_at: (due_at != i64::MAX).then(|| Timestamp::from_millis(due_at)),
            band: None,
            amount: None,
            act: NextAct::new("update_activity", "PATCH", format!("/v1/activities/{id}")),
        }
    };
    Ok(found.into_iter().map(item).collect())
}

async fn returned_leads(on: &impl Read, user: UserId, limit: u64) -> Result<Vec<WorkItem>, StoreError> {
    use leads::Column;
    let found: Vec<Uuid> = leads::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::OwnerId.eq(user.uuid()))
        .filter(Column::ReturnedAt.is_not_null())
        .filter(Column::ArchivedAt.is_null())
        .order_by_asc(Column::ReturnedAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?;
    let item = |id: Uuid| {
        let id: LeadId = Id::from_uuid(id);
        WorkItem {
            kind: WorkKind::ReturnedLead,
            id: id.to_string(),
            lead_id: Some(id),
            deal_id: None,
            why: "See why the lead came back".to_owned(),
            due_at: None,
            band: None,
            amount: None,
            act: NextAct::new("get_lead", "GET", format!("/v1/leads/{id}")),
        }
    };
    Ok(found.into_iter().map(item).collect())
}

/// Open deals of the user's on which nothing happened for long; each was due when it became stale.
async fn stale_deals(
    on: &impl Read,
    user: UserId,
    (stale_after, now): (Duration, Timestamp),
    limit: u64,
) -> Result<Vec<WorkItem>, StoreError> {
    let backend = on.conn().get_database_backend();
    let [owner, before] = [1, 2].map(|n| dialect::parameter(backend, n));
    let text = format!(
        "SELECT d.id, d.primary_lead_id, d.amount, d.currency, {WORKED_ON} AS worked_on FROM deals d \
         WHERE d.state = 'open' AND d.owner_id = {owner} AND {WORKED_ON} < {before} \
         ORDER BY worked_on, d.id LIMIT {limit}"
    );
    let before = now.plus_millis(-stale_after.millis()).millis();
    let values = [user.uuid().into(), before.into()];
    let statement = Statement::from_sql_and_values(backend, text, values);
    let item = |row: QueryResult| {
        let id: DealId = Id::from_uuid(row.try_get("", "id")?);
        let lead: Option<Uuid> = row.try_get("", "primary_lead_id")?;
        let worth: (Option<i64>, Option<String>) = (row.try_get("", "amount")?, row.try_get("", "currency")?);
        let amount = worth.0.zip(worth.1);
        let worked_on = Timestamp::from_millis(row.try_get("", "worked_on")?);
        Ok(WorkItem {
            kind: WorkKind::StaleDeal,
            id: id.to_string(),
            lead_id: lead.map(Id::from_uuid),
            deal_id: Some(id),
            why: "Work on the deal or close it: nothing happened for long".to_owned(),
            due_at: Some(worked_on.plus_millis(stale_after.millis())),
            band: None,
            amount: amount
                .map(|(amount, currency)| money("deals", amount, &currency))
                .transpose()?,
            act: NextAct::new("get_deal", "GET", format!("/v1/deals/{id}")),
        })
    };
    let rows = on.conn().query_all_raw(statement).await?;
    rows.into_iter().map(item).collect()
}

/// Add the bands of the leads, and the amounts of the largest open deals.
async fn add_values(on: &impl Read, items: &mut [WorkItem]) -> Result<(), StoreError> {
    let ids: BTreeSet<Uuid> = items
        .iter()
        .filter_map(|item| item.lead_id)
        .map(Id::uuid)
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let backend = on.conn().get_database_backend();
    let bands: Vec<(Uuid, Option<String>)> = scores::Entity::find()
        .select_only()
        .columns([scores::Column::LeadId, scores::Column::Band])
        .filter(dialect::id_in(backend, "lead_id", ids.iter().copied()))
        .into_tuple()
        .all(on.conn())
        .await?;
    let bands: HashMap<Uuid, Option<String>> = bands.into_iter().collect();
    type OpenDeal = (Uuid, Option<Uuid>, Option<i64>, Option<String>);
    let open: Vec<OpenDeal> = deals::Entity::find()
        .select_only()
        .columns([
            deals::Column::Id,
            deals::Column::PrimaryLeadId,
            deals::Column::Amount,
            deals::Column::Currency,
        ])
        .filter(dialect::id_in(backend, "primary_lead_id", ids))
        .filter(deals::Column::State.eq("open"))
        .into_tuple()
        .all(on.conn())
        .await?;
    let mut amounts: HashMap<Uuid, Money> = HashMap::new();
    for (deal, lead, amount, currency) in open {
        let (Some(amount), Some(currency)) = (amount, currency) else {
            continue;
        };
        let worth = money("deals", amount, &currency)?;
        amounts.insert(deal, worth);
        if let Some(lead) = lead {
            let largest = amounts.entry(lead).or_insert(worth);
            *largest = if worth.amount > largest.amount {
                worth
            } else {
                *largest
            };
        }
    }
    for item in items {
        let lead = item.lead_id.map(Id::uuid);
        item.band = lead.and_then(|lead| bands.get(&lead).cloned().flatten());
        let by_deal = item.deal_id.and_then(|deal| amounts.get(&deal.uuid()));
        let by_lead = || lead.and_then(|lead| amounts.get(&lead));
        item.amount = item.amount.or_else(|| by_deal.or_else(by_lead).copied());
    }
    Ok(())
}
