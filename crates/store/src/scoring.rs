//! What is derived of leads and until when it is true: what changes many leads at once makes it untrue, and a job judges
//! them again.

pub(crate) mod past;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::json;
use tandem_domain::agreement::Version;
use tandem_domain::agreement::conditions::{Event, Field, History, Needs, Standard};
use tandem_domain::id::{CompanyId, Id, LeadId, ScoreRecordId};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::past::Sight;
use tandem_domain::judge::{Assessment, assess};
use tandem_domain::leads::change::LeadChange;
use tandem_domain::leads::consent::ConsentFacts;
use tandem_domain::lifecycle::mql::Readiness;
use tandem_domain::scoring::{ScoreRecord, StoredScore};
use tandem_domain::settle::Unsettled;
use tandem_domain::stage::Stage;
use tandem_domain::tracking::events::EventKind;
use tandem_domain::world::World;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::handoff;
use crate::leads::{self, world_of};
use crate::page::{Keyset, Page};
use crate::rows::scores::{Column, Entity};
use crate::rows::{from_json, to_json};
use crate::write::settle_all;

/// The leads of which what was derived is no longer true: those whose time is over, the longest first, then those that
/// were judged at an earlier revision; at most so many.
async fn stale(on: &impl Read, now: Timestamp, revision: i64, limit: u64) -> Result<Vec<Uuid>, StoreError> {
    let ids = || Entity::find().select_only().column(Column::LeadId);
    let mut found: Vec<Uuid> = ids()
        .filter(Column::ValidUntil.lte(now.millis()))
        .order_by_asc(Column::ValidUntil)
        .order_by_asc(Column::LeadId)
        .limit(limit)
        .into_tuple()
        .all(on.conn())
        .await?;
    if (found.len() as u64) < limit {
        let outdated: Vec<Uuid> = ids()
            .filter(Column::Revision.lt(revision))
            .order_by_asc(Column::Revision)
            .order_by_asc(Column::LeadId)
            .limit(limit)
            .into_tuple()
            .all(on.conn())
            .await?;
        let new = outdated.into_iter().filter(|id| !found.contains(id));
        let room = limit as usize - found.len();
        let new: Vec<Uuid> = new.take(room).collect();
        found.extend(new);
    }
    Ok(found)
}

/// Whether leads are judged by how far their companies are: then a lead that is created or moves changes others.
pub(crate) fn asks_for_company_stage(tx: &Tx) -> bool {
    let company_stage = Field::Standard(Standard::CompanyStage);
    tx.rules().agreement.rules.needs.fields.contains(&company_stage)
}

/// Companies changed: what was derived of their leads is no longer true.
pub(crate) async fn company_changed(tx: &Tx, companies: &BTreeSet<Uuid>) -> Result<(), StoreError> {
    if companies.is_empty() || tx.act().is_history() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let statement = dialect::expire_scores(backend, companies.iter().copied(), tx.act().now.millis());
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

/// When the first lead is to be judged again.
pub async fn next_stale(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let revision = crate::rules::judging_revision(on).await?;
    if is_outdated(on, revision).await? {
        return Ok(Some(Timestamp::from_millis(0)));
    }
    let first: Option<i64> = Entity::find()
        .select_only()
        .column(Column::ValidUntil)
        .filter(Column::ValidUntil.is_not_null())
        .order_by_asc(Column::ValidUntil)
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(first.map(Timestamp::from_millis))
}

async fn is_outdated(on: &impl Read, revision: i64) -> Result<bool, StoreError> {
    let one: Option<Uuid> = Entity::find()
        .select_only()
        .column(Column::LeadId)
        .filter(Column::Revision.lt(revision))
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(one.is_some())
}

/// How far the leads are judged again after a change of what they are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejudging {
    /// All leads.
    pub total: u64,
    /// Those that are judged by what is in force now.
    pub done: u64,
}

/// How far the leads are judged again; nothing where all are.
pub async fn rejudging(on: &impl Read) -> Result<Option<Rejudging>, StoreError> {
    let revision = crate::rules::judging_revision(on).await?;
    if !is_outdated(on, revision).await? {
        return Ok(None);
    }
    let left = Entity::find().filter(Column::Revision.lt(revision));
    let total = Entity::find().count(on.conn()).await?;
    let done = total.saturating_sub(left.count(on.conn()).await?);
    Ok(Some(Rejudging { total, done }))
}

/// Judge leads again of which what was derived is no longer true, `limit` at most; answers whether some are left.
pub async fn refresh(tx: &Tx, limit: u64) -> Result<bool, StoreError> {
    let (now, revision) = (tx.act().now, tx.rules().agreement.revision);
    let found = stale(tx, now, revision, limit).await?;
    let is_left = found.len() as u64 == limit;
    let mut world = world_of(tx, found.iter().copied().map(Id::from_uuid)).await?;
    // Judged by another replica in the meantime: what was read under the locks of the leads counts.
    let is_stale = |score: &StoredScore| {
        score.revision < revision || score.valid_until.is_some_and(|until| until <= now)
    };
    let still: Vec<LeadId> = found.into_iter().map(Id::from_uuid).collect();
    let still = still
        .into_iter()
        .filter(|id| world.judging.scores.get(id).is_some_and(is_stale));
    let again: Vec<_> = still
        .map(|lead_id| {
            let refreshed = LeadChange::Refreshed { lead_id };
            (tx.act(), Unsettled::from_iter([refreshed]))
        })
        .collect();
    settle_all(tx, &mut world, again).await?;
    Ok(is_left)
}

/// Load what the agreement's rules look at of some leads, at an instant and later ones; those of them that are not loaded yet
/// are locked and loaded whole.
pub(crate) async fn load(
    tx: &Tx,
    world: &mut World,
    ids: &BTreeSet<LeadId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    leads::add_missing(tx, world, ids).await?;
    add_facts(tx, world, ids, at).await
}

/// What the agreement in force says of a lead at an instant. Nothing is locked: an answer to a reader.
pub async fn assessment(on: &impl Read, lead_id: LeadId, at: Timestamp) -> Result<Assessment, StoreError> {
    let mut world = crate::lifecycle::standing(on, lead_id).await?;
    add_facts(on, &mut world, &[lead_id].into(), at).await?;
    assess(&mut world, lead_id, at).ok_or(StoreError::NotFound)
}

/// What an agreement says of a lead at an instant of the past.
#[derive(Debug)]
pub struct AsOf {
    /// The score, and what blocked the lead.
    pub readiness: Readiness,
    /// The version of the agreement that was in force.
    pub agreement_version: i64,
    /// When its past last changed.
    pub history_changed_at: Option<Timestamp>,
}

/// What the agreement that was in force at an instant says of a lead, from what had happened by then as it is known today.
/// Nothing where that version cannot be evaluated any more; `NotFound` before the lead existed.
pub async fn as_of(on: &impl Read, lead_id: LeadId, at: Timestamp) -> Result<Option<AsOf>, StoreError> {
    let row = crate::rows::leads::Entity::find_by_id(lead_id.uuid())
        .one(on.conn())
        .await?;
    let row = row.filter(|row| row.created_at <= at.millis());
    let row = row.ok_or(StoreError::NotFound)?;
    let rules = crate::rules::read(on).await?;
    let form_ids = rules.form_ids();
    let known = rules.known(&rules.custom_fields, &form_ids);
    let version = crate::agreement::in_force_at(on, at).await?;
    let Ok(version) = Version::compile(version, rules.segments.clone(), &known, rules.agreement.revision)
    else {
        return Ok(None);
    };
    let (background, pasts) = past::load(on, &rules, &version.rules.needs, vec![row]).await?;
    let stored = Entity::find_by_id(lead_id.uuid()).one(on.conn()).await?;
    let readiness = pasts
        .iter()
        .find_map(|past| past.readiness(&background, &version, Sight::Happened(at)));
    Ok(Some(AsOf {
        readiness: readiness.ok_or(StoreError::NotFound)?,
        agreement_version: version.number,
        history_changed_at: stored.and_then(|row| row.into_domain().history_changed_at),
    }))
}

/// A page of the changes of a lead's score, the newest first.
pub async fn history(
    on: &impl Read,
    lead_id: LeadId,
    after: Option<ScoreRecordId>,
    limit: u64,
) -> Result<Page<ScoreRecord>, StoreError> {
    use crate::rows::score_history::{Column, Entity};
    leads::check(on, lead_id).await?;
    let query = Entity::find().filter(Column::LeadId.eq(lead_id.uuid()));
    Keyset::newest_first(Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

/// Load what the rules and the conditions of routing look at beside the records: what leads did, whether their mail may be used, and whatever else a
/// condition asks for. One query each, for all leads.
async fn add_facts(
    on: &impl Read,
    world: &mut World,
    ids: &BTreeSet<LeadId>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut looked_at = world.rules.agreement.rules.needs.clone();
    looked_at.extend(&world.rules.routing.needs);
    let known: BTreeSet<LeadId> = ids
        .iter()
        .copied()
        .filter(|id| world.leads.contains_key(id))
        .collect();
    let mut histories = histories(on, &looked_at, &known, at).await?;
    for (id, activities) in crate::activities::histories(on, &looked_at, &known, Some(at)).await? {
        histories.entry(id).or_default().extend(activities);
    }
    for id in ids {
        world.judging.histories.insert(*id, BTreeMap::new());
    }
    world.judging.histories.extend(histories);
    if looked_at.touches {
        world.judging.touches.extend(known.iter().map(|id| (*id, vec![])));
        for (id, touch) in crate::tracking::touches_of_leads(on, &known).await? {
            world.judging.touches.entry(id).or_default().push(touch);
        }
    }
    if looked_at.consents {
        let uuids = known.iter().map(|id| id.uuid()).collect();
        let found = leads::consent::facts_of(on, uuids, &HashMap::new()).await?;
        let consents = &mut world.judging.consents;
        consents.extend(known.iter().map(|id| (*id, ConsentFacts::default())));
        let found = found.into_iter();
        consents.extend(found.map(|(id, facts)| (Id::from_uuid(id), facts)));
    }
    let barred = leads::consent::barred(on, world, &known).await?;
    world.judging.barred.extend(barred);
    let asks = |field| looked_at.fields.contains(&Field::Standard(field));
    if asks(Standard::Budget) {
        let base = world.rules.money.base;
        let foreign = known.iter().filter(|id| {
            let budget = world.leads.get(id).and_then(|lead| lead.profile.budget);
            budget.is_some_and(|budget| budget.currency != base)
        });
        let foreign: BTreeSet<Uuid> = foreign.map(|id| id.uuid()).collect();
        leads::add_statements_about(on, world, foreign, "budget").await?;
    }
    let items = [
        Standard::BudgetConfirmed,
        Standard::AuthorityConfirmed,
        Standard::NeedConfirmed,
        Standard::TimelineConfirmed,
    ];
    if items.into_iter().any(asks) {
        let found = handoff::qualifications(on, known.iter().map(|id| id.uuid())).await?;
        world.sales.qualifications.extend(found);
    }
    if asks(Standard::CompanyStage) {
        let companies = known.iter().filter_map(|id| world.leads.get(id)?.company_id);
        let companies: BTreeSet<CompanyId> = companies.collect();
        world
            .judging
            .company_stages
            .extend(company_stages(on, &companies).await?);
    }
    Ok(())
}

/// What leads did, as far as the rules look at it: of each type the newest events that they see, and those ahead.
pub(crate) async fn histories(
    on: &impl Read,
    looked_at: &Needs,
    ids: &BTreeSet<LeadId>,
    at: Timestamp,
) -> Result<HashMap<LeadId, BTreeMap<EventKind, History>>, StoreError> {
    let asked = &looked_at.events;
    let tracked = || asked.iter().filter(|(kind, _)| kind.as_activity().is_none());
    let wanted: Vec<_> = ids
        .iter()
        .flat_map(|id| {
            tracked().map(|(kind, needs)| {
                let since = needs
                    .within
                    .map(|within| at.plus_millis(-within.millis()).millis());
                json!({
                    "lead_id": id.uuid(), "type": kind.name(), "since": since.unwrap_or(i64::MIN / 2),
                    "whole": !needs.properties.is_empty(),
                })
            })
        })
        .collect();
    let mut events: HashMap<LeadId, BTreeMap<EventKind, Vec<Event>>> = HashMap::new();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = on.conn().get_database_backend();
    let statement = dialect::histories(backend, to_json(&wanted), at.millis(), History::LOADED);
    for row in on.conn().query_all_raw(statement).await? {
        let kind: String = row.try_get("", "type")?;
        let kind = EventKind::named(&kind).ok_or(StoreError::Corrupt("events"))?;
        let properties: Option<String> = row.try_get("", "properties")?;
        let event = Event {
            id: Id::from_uuid(row.try_get("", "id")?),
            at: Timestamp::from_millis(row.try_get("", "occurred_at")?),
            url: row.try_get("", "url")?,
            referrer: row.try_get("", "referrer")?,
            properties: properties.map_or(Ok(Default::default()), |text| from_json("events", &text))?,
        };
        let lead_id = Id::from_uuid(row.try_get("", "lead_id")?);
        events
            .entry(lead_id)
            .or_default()
            .entry(kind)
            .or_default()
            .push(event);
    }
    let histories = events.into_iter().map(|(lead_id, by_type)| {
        let by_type = by_type.into_iter();
        (
            lead_id,
            by_type
                .map(|(kind, events)| (kind, History::new(events)))
                .collect(),
        )
    });
    Ok(histories.collect())
}

#[derive(FromQueryResult)]
struct StageOfCompany {
    company_id: Uuid,
    stage: String,
}

/// The furthest stage among the leads of companies that are not archived.
async fn company_stages(
    on: &impl Read,
    companies: &BTreeSet<CompanyId>,
) -> Result<HashMap<CompanyId, Option<Stage>>, StoreError> {
    use crate::rows::leads::{Column, Entity};
    if companies.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = on.conn().get_database_backend();
    let theirs = dialect::id_in(backend, "company_id", companies.iter().map(|id| id.uuid()));
    let found = Entity::find()
        .select_only()
        .columns([Column::CompanyId, Column::Stage])
        .distinct()
        .filter(theirs)
        .filter(Column::IsListed.eq(true))
        .into_model::<StageOfCompany>()
        .all(on.conn())
        .await?;
    let reach = |stage: Stage| Stage::BY_REACH.iter().position(|other| *other == stage);
    let mut furthest: HashMap<CompanyId, Option<Stage>> = companies.iter().map(|id| (*id, None)).collect();
    for row in found {
        let stage = Stage::named(&row.stage).ok_or(StoreError::Corrupt("leads"))?;
        let known = furthest.entry(Id::from_uuid(row.company_id)).or_default();
        if known.is_none_or(|known| reach(stage) < reach(known)) {
            *known = Some(stage);
        }
    }
    Ok(furthest)
}
