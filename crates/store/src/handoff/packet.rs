//! What packets are made of, loaded for all hand-offs of a batch in a handful of queries.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult,
    QuerySelect,
};
use serde_json::Value;
use tandem_domain::campaigns::alias_key;
use tandem_domain::content::library::Library;
use tandem_domain::handoff::packet::{
    CompanyContact, EarlierCycle, EventCount, Message, Origin, PacketAnswer, PacketCampaign, PacketConsent,
    PacketEvent, PacketFacts, Request, TREND,
};
use tandem_domain::id::{CompanyId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Lead;
use tandem_domain::leads::fields::LeadField;
use tandem_domain::leads::identity::Kind;
use tandem_domain::lifecycle::{Cycle, Stage};
use tandem_domain::tracking::events::{Event, EventKind};
use tandem_domain::world::World;
use uuid::Uuid;

use crate::content;
use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{by_ids, consent, merged_into};
use crate::rows::{
    activities, campaign_aliases, campaigns, cycles, events, leads, objections, submissions, to_json,
};
use crate::scoring;

/// The events that a packet shows one by one.
const LAST_EVENTS: u64 = 10;
/// The contacts of one company that a packet shows.
const CONTACTS: u64 = 20;
/// The titles of content that a packet shows.
const CONTENT: usize = 50;
/// The properties of an event that say what it was about, the first one that it has.
const ABOUT: [&str; 6] = ["title", "subject", "name", "file", "content", "form_id"];

/// Load what the packets of leads are made of. What the same transaction recorded is written by then, and the hand-offs of
/// the leads are loaded.
pub(crate) async fn add_packets(
    tx: &Tx,
    world: &mut World,
    wanted: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut facts: HashMap<LeadId, PacketFacts> =
        wanted.iter().map(|id| (*id, PacketFacts::default())).collect();
    add_origin(tx, world, wanted, &mut facts).await?;
    add_requests(tx, wanted, &mut facts).await?;
    add_behaviour(tx, world, wanted, &mut facts).await?;
    add_contacts(tx, world, wanted, &mut facts).await?;
    add_cycles(tx, world, wanted, &mut facts).await?;
    add_done_before(tx, world, wanted, &mut facts).await?;
    world.sales.packets.extend(facts);
    Ok(())
}

type Facts = HashMap<LeadId, PacketFacts>;

/// What leads show of touches, which is loaded again once it is written; their consent; the campaigns of the latest touches.
async fn add_origin(
    tx: &Tx,
    world: &World,
    wanted: &BTreeSet<LeadId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let key = |lead: &Lead| lead.last_touch.as_ref()?.campaign.as_deref().map(alias_key);
    let leads = || wanted.iter().filter_map(|id| world.leads.get(id));
    let campaigns = campaigns_of(tx, &leads().filter_map(key).collect()).await?;
    let merged = merged_into(tx, known_before(world, wanted).map(Id::uuid)).await?;
    let mut consents = consent::facts_of(tx, wanted.iter().map(|id| id.uuid()).collect(), &merged).await?;
    let purposes = &tx.rules().shown_by.consent.purposes;
    for lead in leads() {
        let Some(facts) = facts.get_mut(&lead.id) else {
            continue;
        };
        let consent = consents.remove(&lead.id.uuid()).unwrap_or_default();
        let contacts = consent.may_contact(purposes, lead.email());
        let stated = contacts
            .into_iter()
            .filter(|(_, contact)| contact.since.is_some());
        let stated = stated.map(|(purpose, contact)| PacketConsent {
            purpose,
            may_contact: contact.allowed,
            since: contact.since,
        });
        facts.consents = stated.collect();
        facts.origin = Origin {
            campaign: key(lead).and_then(|key| campaigns.get(&key).cloned()),
            first: lead.first_touch.clone(),
            lead: lead.lead_touch.clone(),
            last: lead.last_touch.clone(),
        };
    }
    Ok(())
}

/// The campaigns by the keys of their aliases.
async fn campaigns_of(
    tx: &Tx,
    keys: &BTreeSet<String>,
) -> Result<HashMap<String, PacketCampaign>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = tx.conn().get_database_backend();
    let named = dialect::text_in(backend, "alias_key", keys.iter().map(String::as_str));
    let aliases = campaign_aliases::Entity::find()
        .filter(named)
        .all(tx.conn())
        .await?;
    let ids = aliases.iter().map(|alias| alias.campaign_id);
    let rows = campaigns::Entity::find().filter(dialect::id_in(backend, "id", ids));
    let mut campaigns: HashMap<Uuid, PacketCampaign> = HashMap::new();
    for row in rows.all(tx.conn()).await? {
        let id = row.id;
        let campaign = row.into_domain()?;
        campaigns.insert(
            id,
            PacketCampaign {
                id: campaign.id,
                name: campaign.details.name,
                channel: campaign.details.channel,
                brief: campaign.details.brief,
            },
        );
    }
    let found = aliases.into_iter();
    Ok(found
        .filter_map(|alias| Some((alias.alias_key, campaigns.get(&alias.campaign_id)?.clone())))
        .collect())
}

/// The newest form that each lead sent.
async fn add_requests(tx: &Tx, wanted: &BTreeSet<LeadId>, facts: &mut Facts) -> Result<(), StoreError> {
    let statement = dialect::newest_of_each(
        tx.conn().get_database_backend(),
        ("submissions", "lead_id", "id"),
        "n.status = 'accepted'",
        to_json(&uuids(wanted)),
        1,
    );
    for row in tx.conn().query_all_raw(statement).await? {
        let submission = submissions::Model::from_query_result(&row, "")?.into_domain()?;
        let lead = submission.lead_id.and_then(|lead_id| facts.get_mut(&lead_id));
        let Some(facts) = lead else { continue };
        let form = tx.rules().forms.get(&submission.form_id);
        let fields: Vec<&str> = form
            .iter()
            .flat_map(|form| form.fields.iter().map(|field| field.name.as_str()))
            .collect();
        facts.request = Request {
            form_id: Some(submission.form_id),
            form_name: form.map(|form| form.name.clone()),
            campaign_id: form.and_then(|form| form.settings.campaign_id),
            service_requested: form.and_then(|form| form.settings.service_requested.clone()),
            sent_at: Some(submission.received_at),
            answers: PacketAnswer::of_body(&submission.media_type, &submission.raw, &fields),
            ..Request::default()
        };
    }
    Ok(())
}

/// What leads did: counted by type, the last events, and the last e-mail that reached them.
async fn add_behaviour(
    tx: &Tx,
    world: &World,
    wanted: &BTreeSet<LeadId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let counts: Vec<(Uuid, String, i64)> = events::Entity::find()
        .select_only()
        .columns([events::Column::LeadId, events::Column::Kind])
        .column_as(Expr::col(events::Column::Id).count(), "count")
        .filter(dialect::id_in(
            backend,
            "lead_id",
            wanted.iter().map(|id| id.uuid()),
        ))
        .filter(events::Column::IsBot.eq(false))
        .filter(events::Column::IsMachine.eq(false))
        .group_by(events::Column::LeadId)
        .group_by(events::Column::Kind)
        .order_by_asc(events::Column::Kind)
        .into_tuple()
        .all(tx.conn())
        .await?;
    for (lead_id, kind, count) in counts {
        if let Some(facts) = facts.get_mut(&Id::from_uuid(lead_id)) {
            facts.counts.push(EventCount { kind, count });
        }
    }
    let who_did = |facts: &Facts, is_it: fn(&EventCount) -> bool| -> Vec<Uuid> {
        let did = facts.iter().filter(|(_, facts)| facts.counts.iter().any(is_it));
        did.map(|(lead_id, _)| lead_id.uuid()).collect()
    };
    let of_events = ("events", "lead_id", "occurred_at");
    let counted = "NOT n.is_bot AND NOT n.is_machine";
    let active = who_did(facts, |_| true);
    for row in newest(tx, of_events, counted, active, LAST_EVENTS).await? {
        let event = events::Model::from_query_result(&row, "")?.into_domain()?;
        if let Some(facts) = event.lead_id.and_then(|lead_id| facts.get_mut(&lead_id)) {
            facts.last_events.push(shown(event));
        }
    }
    let read = who_did(facts, |count| is_of_content(&count.kind));
    add_content(tx, read, facts).await?;
    let reached = who_did(facts, |count| count.kind == "email_delivered");
    for row in newest(tx, of_events, "n.type = 'email_delivered'", reached, 1).await? {
        let event = events::Model::from_query_result(&row, "")?.into_domain()?;
        if let Some(facts) = event.lead_id.and_then(|lead_id| facts.get_mut(&lead_id)) {
            facts.last_email = event
                .properties
                .get("subject")
                .and_then(Value::as_str)
                .map(|subject| Message {
                    kind: "email".to_owned(),
                    at: Some(event.occurred_at),
                    text: subject.chars().take(2000).collect(),
                });
        }
    }
    let of_activities = ("activities", "lead_id", "occurred_at");
    let known = known_before(world, wanted).map(Id::uuid).collect();
    for row in newest(tx, of_activities, "n.direction = 'outbound'", known, 1).await? {
        let activity = activities::Model::from_query_result(&row, "")?;
        let lead_id = activity.lead_id.map(Id::from_uuid);
        if let Some(facts) = lead_id.and_then(|lead_id| facts.get_mut(&lead_id)) {
            let text = activity.subject.or(activity.body).unwrap_or(activity.kind);
            facts.last_activity = Some(Message {
                kind: "activity".to_owned(),
                at: Some(Timestamp::from_millis(activity.occurred_at)),
                text: text.chars().take(2000).collect(),
            });
        }
    }
    Ok(())
}

/// Whether events of a kind may be about content.
fn is_of_content(kind: &str) -> bool {
    EventKind::named(kind)
        .is_some_and(|kind| Library::knows_by_page(&kind) || kind == EventKind::form_submit())
}

/// The titles of the content that leads read.
async fn add_content(tx: &Tx, readers: Vec<Uuid>, facts: &mut Facts) -> Result<(), StoreError> {
    if readers.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let mut read: Vec<(Uuid, Option<Uuid>, i64)> = events::Entity::find()
        .select_only()
        .columns([events::Column::LeadId, events::Column::ContentId])
        .column_as(events::Column::OccurredAt.max(), "newest")
        .filter(dialect::id_in(backend, "lead_id", readers))
        .filter(events::Column::ContentId.is_not_null())
        .filter(events::Column::IsBot.eq(false))
        .filter(events::Column::IsMachine.eq(false))
        .group_by(events::Column::LeadId)
        .group_by(events::Column::ContentId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    if read.is_empty() {
        return Ok(());
    }
    let titles = content::titles(tx, read.iter().filter_map(|(_, id, _)| *id)).await?;
    read.sort_by_key(|(lead, id, newest)| (*lead, Reverse(*newest), *id));
    for (lead_id, id, _) in read {
        let facts = facts.get_mut(&Id::from_uuid(lead_id));
        let title = id.and_then(|id| titles.get(&id));
        if let (Some(facts), Some(title)) = (facts, title)
            && facts.content.len() < CONTENT
        {
            facts.content.push(title.clone());
        }
    }
    Ok(())
}

/// What leads had done by the instant that their scores are compared with; of those that were known then.
async fn add_done_before(
    tx: &Tx,
    world: &World,
    wanted: &BTreeSet<LeadId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let then = tx.act().now.plus_millis(-TREND);
    let was_known = |id: &&LeadId| world.leads.get(id).is_some_and(|lead| lead.created_at <= then);
    let known: BTreeSet<LeadId> = wanted.iter().filter(was_known).copied().collect();
    let looked_at = &world.rules.agreement.rules.needs;
    for (lead_id, done) in scoring::histories(tx, looked_at, &known, then).await? {
        if let Some(facts) = facts.get_mut(&lead_id) {
            facts.done_before = done;
        }
    }
    Ok(())
}

fn shown(event: Event) -> PacketEvent {
    let about = ABOUT
        .iter()
        .find_map(|name| event.properties.get(*name).and_then(Value::as_str));
    PacketEvent {
        id: event.id,
        kind: event.kind.name().to_owned(),
        at: event.occurred_at,
        about: about.map(|about| about.chars().take(300).collect()),
        url: event.pages.url,
    }
}

/// Others of the same companies.
async fn add_contacts(
    tx: &Tx,
    world: &World,
    wanted: &BTreeSet<LeadId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let company_of = |lead_id: &LeadId| world.leads.get(lead_id)?.company_id;
    let companies: BTreeSet<CompanyId> = wanted.iter().filter_map(company_of).collect();
    if companies.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let ids: Vec<Uuid> = companies.iter().map(|id| id.uuid()).collect();
    let sizes: Vec<(Uuid, i64)> = leads::Entity::find()
        .select_only()
        .column(leads::Column::CompanyId)
        .column_as(Expr::col(leads::Column::Id).count(), "count")
        .filter(leads::Column::IsListed.eq(true))
        .filter(dialect::id_in(backend, "company_id", ids.iter().copied()))
        .group_by(leads::Column::CompanyId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let sizes: BTreeMap<CompanyId, i64> = sizes
        .into_iter()
        .map(|(id, count)| (Id::from_uuid(id), count))
        .collect();
    let of_companies = ("leads", "company_id", "created_at");
    let is_listed = |lead_id: &&LeadId| {
        world
            .leads
            .get(lead_id)
            .is_some_and(|lead| lead.archived_at.is_none())
    };
    let mut others_of = sizes.clone();
    for company in wanted.iter().filter(is_listed).filter_map(company_of) {
        others_of.entry(company).and_modify(|size| *size -= 1);
    }
    let shared = sizes.keys().filter(|id| sizes[id] > 1 || others_of[id] > 0);
    let shared = shared.map(|id| id.uuid()).collect();
    let mut others = vec![];
    // One more than is shown: the lead itself may be among them.
    for row in newest(tx, of_companies, "n.is_listed", shared, CONTACTS + 1).await? {
        others.push(leads::Model::from_query_result(&row, "")?.into_domain(vec![])?);
    }
    let name = |lead: &Lead| {
        let names = [LeadField::FirstName, LeadField::LastName];
        let names: Vec<&str> = names
            .iter()
            .filter_map(|field| lead.profile.get(*field))
            .collect();
        (!names.is_empty()).then(|| names.join(" "))
    };
    // Of a company with one lead nobody else is shown.
    let is_shared = |lead: &Lead| lead.company_id.is_some_and(|id| sizes.get(&id) > Some(&1));
    let nameless = others
        .iter()
        .filter(|lead| name(lead).is_none() && is_shared(lead));
    let emails = emails_of(tx, nameless.map(|lead| lead.id).collect()).await?;
    let mut contacts: BTreeMap<CompanyId, Vec<CompanyContact>> = BTreeMap::new();
    for lead in others {
        let contact = CompanyContact {
            lead_id: lead.id,
            name: name(&lead).or_else(|| emails.get(&lead.id).cloned()),
            job_title: lead.profile.get(LeadField::JobTitle).map(str::to_owned),
            stage: lead.stage,
        };
        if let Some(company) = lead.company_id {
            contacts.entry(company).or_default().push(contact);
        }
    }
    for lead_id in wanted {
        let Some((facts, company)) = facts.get_mut(lead_id).zip(company_of(lead_id)) else {
            continue;
        };
        let others = contacts.get(&company).into_iter().flatten();
        facts.company_contacts = others
            .filter(|other| other.lead_id != *lead_id)
            .take(CONTACTS as usize)
            .cloned()
            .collect();
        let size = sizes.get(&company).copied().unwrap_or_default();
        let is_counted = world
            .leads
            .get(lead_id)
            .is_some_and(|lead| lead.archived_at.is_none());
        let others = size - i64::from(is_counted);
        facts.company_size = Ord::max(others, facts.company_contacts.len() as i64);
    }
    Ok(())
}

/// The primary e-mails of leads.
async fn emails_of(tx: &Tx, ids: BTreeSet<LeadId>) -> Result<HashMap<LeadId, String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut emails = HashMap::new();
    for found in by_ids(tx, ids).await? {
        if let Some(email) = found.lead.of_kind(Kind::Email).next() {
            emails.insert(found.lead.id, email.value.clone());
        }
    }
    Ok(emails)
}

/// The cycles before the current ones, with the notes of their rejections and the objections that were raised in them.
async fn add_cycles(
    tx: &Tx,
    world: &World,
    wanted: &BTreeSet<LeadId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let number = |lead_id: &LeadId| world.leads.get(lead_id).map_or(1, |lead| lead.cycle);
    let returned = wanted.iter().filter(|lead_id| number(lead_id) > 1);
    let returned: Vec<Uuid> = returned.map(|id| id.uuid()).collect();
    if returned.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let raised: Vec<(Option<Uuid>, i64, Option<String>)> = objections::Entity::find()
        .select_only()
        .columns([
            objections::Column::LeadId,
            objections::Column::OccurredAt,
            objections::Column::Code,
        ])
        .filter(dialect::id_in(backend, "lead_id", returned.iter().copied()))
        .filter(objections::Column::Code.is_not_null())
        .order_by_asc(objections::Column::OccurredAt)
        .order_by_asc(objections::Column::ActivityId)
        .order_by_asc(objections::Column::Position)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let rows = cycles::Entity::find()
        .filter(dialect::id_in(backend, "lead_id", returned))
        .order_by_desc(cycles::Column::Number)
        .all(tx.conn())
        .await?;
    // What was raised after a cycle ended and before the next one began belongs to the earlier.
    let mut later: BTreeMap<LeadId, Timestamp> = BTreeMap::new();
    for cycle in rows.into_iter().map(cycles::Model::into_domain) {
        let lead_id = cycle.lead_id;
        let until = later.insert(lead_id, cycle.started_at);
        let Some(facts) = facts
            .get_mut(&lead_id)
            .filter(|_| cycle.number < number(&lead_id))
        else {
            continue;
        };
        let mut handoffs = world.sales.handoffs.values();
        let handoff = handoffs.find(|handoff| handoff.lead_id == lead_id && handoff.cycle == cycle.number);
        facts.earlier_cycles.push(EarlierCycle {
            cycle: cycle.number,
            started_at: cycle.started_at,
            ended_at: cycle.ended_at,
            reached: furthest(&cycle),
            reason: cycle.last_reason,
            note: handoff.and_then(|handoff| handoff.note.clone()),
            objections: codes(&raised, lead_id, cycle.started_at, until),
        });
    }
    Ok(())
}

/// The codes of the objections that a lead raised in a time, each once, at most 50.
fn codes(
    raised: &[(Option<Uuid>, i64, Option<String>)],
    lead_id: LeadId,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    for (of, at, code) in raised {
        let is_within = *at >= from.millis() && until.is_none_or(|until| *at < until.millis());
        let new = code.as_ref().filter(|code| !found.contains(code));
        if *of == Some(lead_id.uuid()) && is_within && found.len() < 50 {
            found.extend(new.cloned());
        }
    }
    found
}

/// The furthest stage of the path that a cycle reached.
fn furthest(cycle: &Cycle) -> Stage {
    let path = [
        Stage::Customer,
        Stage::Opportunity,
        Stage::Sql,
        Stage::Sal,
        Stage::Mql,
    ];
    let reached = path.into_iter().find(|stage| cycle.entered_at(*stage).is_some());
    reached.unwrap_or(Stage::Lead)
}

/// Those of the leads of which others may have recorded something: all but those that this transaction creates.
fn known_before<'a>(world: &'a World, wanted: &'a BTreeSet<LeadId>) -> impl Iterator<Item = LeadId> + 'a {
    wanted
        .iter()
        .copied()
        .filter(|id| !world.judging.created.contains(id))
}

/// The newest `most` rows of each owner, as [`dialect::newest_of_each`] finds them; no statement for nobody.
async fn newest(
    tx: &Tx,
    of: (&str, &str, &str),
    condition: &str,
    owners: Vec<Uuid>,
    most: u64,
) -> Result<Vec<QueryResult>, StoreError> {
    if owners.is_empty() {
        return Ok(vec![]);
    }
    let backend = tx.conn().get_database_backend();
    let statement = dialect::newest_of_each(backend, of, condition, to_json(&owners), most);
    Ok(tx.conn().query_all_raw(statement).await?)
}

/// Ids as the statements take them.
fn uuids(wanted: &BTreeSet<LeadId>) -> Vec<Uuid> {
    wanted.iter().map(|id| id.uuid()).collect()
}
