//! The past of leads, loaded set-wise: everything that some rules look at, at whatever instant.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use tandem_domain::agreement::conditions::{Event, Field, Needs, Standard};
use tandem_domain::id::{CompanyId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::past::{Background, Done, Past, PastCompany};
use tandem_domain::tracking::events::EventKind;
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{
    companies, consents, cycles, events, field_values, from_json, handoffs, identifiers, journal, leads,
    touches, transitions, visitor_links,
};
use crate::rules::Rules;
use crate::{handoff, leads::world_by};

/// The past of the leads of these rows, as far as rules with these needs look at it, in the order of the rows. One query for
/// each table, for all leads.
pub(crate) async fn load(
    on: &impl Read,
    rules: &Rules,
    needs: &Needs,
    rows: Vec<leads::Model>,
) -> Result<(Background, Vec<Past>), StoreError> {
    let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut identifiers = grouped(identifiers_of(on, &ids).await?);
    let mut cycles = grouped(cycles_of(on, &ids).await?);
    let mut transitions = grouped(transitions_of(on, &ids).await?);
    let mut values = grouped(values_of(on, "lead_id", &ids).await?);
    let mut done = grouped(done_by(on, needs, &ids).await?);
    let mut touches = grouped(touches_of(on, needs, &ids).await?);
    let mut consents = grouped(consents_of(on, &ids).await?);
    let mut archivings = grouped(archivings_of(on, &ids).await?);
    let mut handoffs = grouped(handoffs_of(on, &ids).await?);
    let mut qualifications = handoff::qualifications(on, ids.iter().copied()).await?;
    let mut company_ids: BTreeSet<Uuid> = rows.iter().filter_map(|row| row.company_id).collect();
    let joined = values
        .values()
        .flatten()
        .filter(|value| value.field == "company_id");
    company_ids.extend(joined.filter_map(|value| {
        let id: CompanyId = value.value.as_str()?.parse().ok()?;
        Some(id.uuid())
    }));
    let background = background(on, rules, needs, company_ids).await?;
    let mut pasts = vec![];
    for row in rows {
        let id = row.id;
        let mut done = done.remove(&id).unwrap_or_default();
        done.sort_by_key(|done: &Done| (done.arrived_at, done.event.id));
        let handoffs = handoffs.remove(&id).unwrap_or_default();
        let by_hand = handoffs.iter().filter_map(|one| one.by_hand);
        pasts.push(Past {
            lead: row.into_domain(identifiers.remove(&id).unwrap_or_default())?,
            cycles: cycles.remove(&id).unwrap_or_default(),
            transitions: transitions.remove(&id).unwrap_or_default(),
            values: values.remove(&id).unwrap_or_default(),
            done,
            touches: touches.remove(&id).unwrap_or_default(),
            consents: consents.remove(&id).unwrap_or_default(),
            archivings: archivings.remove(&id).unwrap_or_default(),
            by_hand: by_hand.collect(),
            disputes: handoffs.iter().filter_map(|one| one.dispute).collect(),
            qualification: qualifications.remove(&Id::from_uuid(id)).unwrap_or_default(),
        });
    }
    Ok((background, pasts))
}

async fn background(
    on: &impl Read,
    rules: &Rules,
    needs: &Needs,
    ids: BTreeSet<Uuid>,
) -> Result<Background, StoreError> {
    let backend = on.conn().get_database_backend();
    let company_ids: BTreeSet<CompanyId> = ids.iter().copied().map(Id::from_uuid).collect();
    let asks_stage = needs.fields.contains(&Field::Standard(Standard::CompanyStage));
    let company_stages = match asks_stage {
        true => super::company_stages(on, &company_ids).await?,
        false => HashMap::new(),
    };
    let mut companies = HashMap::new();
    if !ids.is_empty() {
        let mut values = grouped(values_of(on, "company_id", &ids).await?);
        let rows = companies::Entity::find().filter(dialect::id_in(backend, "id", ids));
        for row in rows.all(on.conn()).await? {
            let values = values.remove(&row.id).unwrap_or_default();
            let company = row.into_domain();
            companies.insert(company.id, PastCompany { company, values });
        }
    }
    Ok(Background {
        rules: world_by(rules).rules,
        companies,
        company_stages,
    })
}

fn grouped<T>(all: Vec<(Uuid, T)>) -> HashMap<Uuid, Vec<T>> {
    let mut by_id: HashMap<Uuid, Vec<T>> = HashMap::new();
    for (id, one) in all {
        by_id.entry(id).or_default().push(one);
    }
    by_id
}

type Of<T> = Result<Vec<(Uuid, T)>, StoreError>;

async fn identifiers_of(
    on: &impl Read,
    ids: &BTreeSet<Uuid>,
) -> Of<tandem_domain::leads::identity::Identifier> {
    let rows = identifiers::Entity::find()
        .filter(about(on, ids))
        .all(on.conn())
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.lead_id, row.into_domain()?)))
        .collect()
}

async fn cycles_of(on: &impl Read, ids: &BTreeSet<Uuid>) -> Of<tandem_domain::lifecycle::Cycle> {
    let rows = cycles::Entity::find()
        .filter(about(on, ids))
        .order_by_asc(cycles::Column::Number)
        .all(on.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.lead_id, row.into_domain()))
        .collect())
}

async fn transitions_of(on: &impl Read, ids: &BTreeSet<Uuid>) -> Of<tandem_domain::lifecycle::Transition> {
    let rows = transitions::Entity::find()
        .filter(about(on, ids))
        .order_by_asc(transitions::Column::At)
        .order_by_asc(transitions::Column::Id)
        .all(on.conn())
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.lead_id, row.into_domain()?)))
        .collect()
}

async fn values_of(
    on: &impl Read,
    column: &'static str,
    ids: &BTreeSet<Uuid>,
) -> Of<tandem_domain::leads::fields::FieldValue> {
    let backend = on.conn().get_database_backend();
    let chosen = dialect::id_in(backend, column, ids.iter().copied());
    let rows = field_values::Entity::find().filter(chosen).all(on.conn()).await?;
    rows.into_iter()
        .map(|row| {
            let id = row.lead_id.or(row.company_id).unwrap_or_default();
            Ok((id, row.into_domain()?))
        })
        .collect()
}

/// An event without what it says.
#[derive(Debug, FromQueryResult)]
struct Bare {
    id: Uuid,
    kind: String,
    lead_id: Option<Uuid>,
    visitor_id: Option<Uuid>,
    occurred_at: i64,
    received_at: i64,
}

/// What leads did. What rules do not look at is loaded without its properties: it shows when a lead was active.
async fn done_by(on: &impl Read, needs: &Needs, ids: &BTreeSet<Uuid>) -> Of<Done> {
    use events::{Column, Entity};
    let links = visitor_links::Entity::find()
        .filter(about(on, ids))
        .all(on.conn())
        .await?;
    let mut linked: BTreeMap<(Uuid, Uuid), i64> = BTreeMap::new();
    for link in links {
        let at = linked
            .entry((link.lead_id, link.visitor_id))
            .or_insert(link.linked_at);
        *at = link.linked_at.min(*at);
    }
    let arrival = |lead_id: Uuid, visitor_id: Option<Uuid>, received_at: i64| {
        let since = visitor_id.and_then(|visitor| linked.get(&(lead_id, visitor)).copied());
        Timestamp::from_millis(since.map_or(received_at, |since| since.max(received_at)))
    };
    let looked_at: Vec<&str> = needs
        .events
        .keys()
        .filter(|kind| kind.as_activity().is_none())
        .map(EventKind::name)
        .collect();
    let of_persons = || {
        Entity::find()
            .filter(about(on, ids))
            .filter(Column::IsBot.eq(false))
            .filter(Column::IsMachine.eq(false))
    };
    let named = |name: &str| EventKind::named(name).ok_or(StoreError::Corrupt("events"));
    let mut found = vec![];
    let whole = of_persons().filter(Column::Kind.is_in(looked_at.iter().copied()));
    for row in whole.all(on.conn()).await? {
        let Some(lead_id) = row.lead_id else { continue };
        found.push((
            lead_id,
            Done {
                kind: named(&row.kind)?,
                arrived_at: arrival(lead_id, row.visitor_id, row.received_at),
                event: Event {
                    id: Id::from_uuid(row.id),
                    at: Timestamp::from_millis(row.occurred_at),
                    url: row.url,
                    referrer: row.referrer,
                    properties: from_json("events", &row.properties)?,
                },
            },
        ));
    }
    let others = of_persons()
        .filter(Column::Kind.is_not_in(looked_at))
        .select_only()
        .columns([
            Column::Id,
            Column::LeadId,
            Column::VisitorId,
            Column::OccurredAt,
            Column::ReceivedAt,
        ]);
    let others = others.column_as(Column::Kind, "kind").into_model::<Bare>();
    for row in others.all(on.conn()).await? {
        let Some(lead_id) = row.lead_id else { continue };
        let event = Event {
            id: Id::from_uuid(row.id),
            at: Timestamp::from_millis(row.occurred_at),
            url: None,
            referrer: None,
            properties: Default::default(),
        };
        let arrived_at = arrival(lead_id, row.visitor_id, row.received_at);
        found.push((
            lead_id,
            Done {
                kind: named(&row.kind)?,
                arrived_at,
                event,
            },
        ));
    }
    let leads: BTreeSet<LeadId> = ids.iter().copied().map(Id::from_uuid).collect();
    for (lead_id, histories) in crate::activities::histories(on, needs, &leads, None).await? {
        for (kind, history) in histories {
            found.extend(history.events().iter().map(|event| {
                let done = Done {
                    kind: kind.clone(),
                    arrived_at: event.id.drawn_at(),
                    event: event.clone(),
                };
                (lead_id.uuid(), done)
            }));
        }
    }
    Ok(found)
}

async fn touches_of(
    on: &impl Read,
    needs: &Needs,
    ids: &BTreeSet<Uuid>,
) -> Of<(Timestamp, tandem_domain::leads::Touch)> {
    if !needs.touches {
        return Ok(vec![]);
    }
    let rows = touches::Entity::find()
        .filter(about(on, ids))
        .order_by_asc(touches::Column::OccurredAt)
        .order_by_asc(touches::Column::Id)
        .all(on.conn())
        .await?;
    let mut found = vec![];
    for row in rows {
        let Some(lead_id) = row.lead_id else { continue };
        let record = row.into_domain()?;
        let arrived_at = record.id.drawn_at();
        found.extend(record.touch.map(|touch| (lead_id, (arrived_at, touch))));
    }
    Ok(found)
}

async fn consents_of(
    on: &impl Read,
    ids: &BTreeSet<Uuid>,
) -> Of<(String, Timestamp, tandem_domain::leads::consent::ConsentFact)> {
    let rows = consents::Entity::find()
        .filter(about(on, ids))
        .all(on.conn())
        .await?;
    rows.into_iter()
        .map(|row| {
            let (lead_id, purpose) = (row.lead_id, row.purpose.clone());
            let recorded_at = Timestamp::from_millis(row.recorded_at);
            Ok((lead_id, (purpose, recorded_at, row.fact()?)))
        })
        .collect()
}

/// When leads were archived and restored: only the journal knows.
async fn archivings_of(on: &impl Read, ids: &BTreeSet<Uuid>) -> Of<(Timestamp, bool)> {
    let rows = journal::Entity::find()
        .filter(about(on, ids))
        .filter(journal::Column::Kind.is_in(["lead.archived", "lead.restored"]))
        .order_by_asc(journal::Column::OccurredAt)
        .order_by_asc(journal::Column::Id)
        .all(on.conn())
        .await?;
    let found = rows.into_iter().filter_map(|row| {
        let at = Timestamp::from_millis(row.occurred_at);
        Some((row.lead_id?, (at, row.kind == "lead.archived")))
    });
    Ok(found.collect())
}

/// What matters of a hand-off here.
struct HandedOver {
    /// When, where no rule did it.
    by_hand: Option<Timestamp>,
    /// When its rejection was disputed, and until when.
    dispute: Option<(Timestamp, Option<Timestamp>)>,
}

async fn handoffs_of(on: &impl Read, ids: &BTreeSet<Uuid>) -> Of<HandedOver> {
    let rows = handoffs::Entity::find()
        .filter(about(on, ids))
        .all(on.conn())
        .await?;
    let found = rows.into_iter().map(|row| {
        let is_by_hand = !row.imported && (row.made_by.is_some() || row.self_sourced);
        let instant = Timestamp::from_millis;
        let handed_over = HandedOver {
            by_hand: is_by_hand.then(|| instant(row.made_at)),
            dispute: row.disputed_at.map(|at| (instant(at), row.ruled_at.map(instant))),
        };
        (row.lead_id, handed_over)
    });
    Ok(found.collect())
}

fn about(on: &impl Read, ids: &BTreeSet<Uuid>) -> sea_orm::sea_query::SimpleExpr {
    dialect::id_in(on.conn().get_database_backend(), "lead_id", ids.iter().copied())
}
