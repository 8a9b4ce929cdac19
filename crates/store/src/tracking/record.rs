//! Recording events and links: one statement a table, then the sessions and touches that follow.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;
use serde_json::json;
use tandem_domain::id::{Id, LeadId};
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::record::{TouchKind, TouchRecord};
use tandem_domain::tracking::sessions::event_touch;
use tandem_domain::tracking::visitors::Link;

use super::{Visitors, sessions, show};
use crate::db::{Conn, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{events, to_json, touches, visitor_links, visitors};
use crate::write;

/// A visitor that a lead identified itself with.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The link.
    pub link: Link,
    /// Who told it, by id.
    pub told_by: String,
    /// Whether it is the visitor's first one: what the visitor did before is then the lead's too.
    pub is_first: bool,
}

/// Record what happened: visitors that are new, links, events, and all that is derived from them.
///
/// `fresh` are the leads that were made in this transaction: their cycles begin with what is known now. Whoever calls
/// has loaded and locked the visitors, and locked the leads.
pub async fn record(
    tx: &Tx,
    known: &Visitors,
    links: &[Identified],
    mut arrived: Vec<Event>,
    fresh: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    let made: Vec<_> = known.made().map(visitors::Model::of).collect();
    write::insert::<visitors::Entity>(tx, made.iter(), OnConflict::Fail).await?;
    let rows: Vec<_> = links
        .iter()
        .map(|one| visitor_links::Model::of(&one.link, &one.told_by))
        .collect();
    write::insert::<visitor_links::Entity>(tx, rows.iter(), OnConflict::Fail).await?;
    let mut changed = adopt(tx, known, links).await?;

    let by_id = known.by_id();
    for event in &mut arrived {
        let visitor = event.visitor_id.and_then(|id| by_id.get(&id));
        event.lead_id = event.lead_id.or_else(|| visitor?.owner_at(event.occurred_at));
    }
    let rows: Vec<_> = arrived.iter().map(events::Model::of).collect();
    write::insert::<events::Entity>(tx, rows.iter(), OnConflict::Fail).await?;

    arrived.retain(|event| !event.is_bot);
    changed.extend(touch(tx, &arrived).await?);
    changed.extend(sessions::follow(tx, &arrived, known, fresh).await?);
    show::show(tx, &changed, fresh).await
}

/// What visitors did before their first link becomes their lead's.
async fn adopt(tx: &Tx, known: &Visitors, links: &[Identified]) -> Result<BTreeSet<LeadId>, StoreError> {
    let is_old = |one: &&Identified| one.is_first && !known.made.contains(&one.link.visitor_id);
    let first: Vec<_> = links.iter().filter(is_old).map(|one| one.link).collect();
    if first.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<_> = first
        .iter()
        .map(|link| json!({"visitor_id": link.visitor_id.uuid(), "lead_id": link.lead_id.uuid()}))
        .collect();
    let backend = tx.conn().get_database_backend();
    for table in ["events", "touches"] {
        tx.conn()
            .execute_raw(dialect::adopt(backend, table, to_json(&rows)))
            .await?;
    }
    Ok(first.into_iter().map(|link| link.lead_id).collect())
}

/// The touches that events make by themselves.
async fn touch(tx: &Tx, arrived: &[Event]) -> Result<BTreeSet<LeadId>, StoreError> {
    let rules = &tx.rules().channel_rules;
    let record = |event: &Event| {
        let made = event_touch(
            &event.kind,
            &event.pages,
            &event.properties,
            event.occurred_at,
            rules,
        )?;
        let is_click = event.kind.name() == "email_click";
        Some(TouchRecord {
            id: Id::from_uuid(event.id.uuid()),
            kind: if is_click {
                TouchKind::EmailClick
            } else {
                TouchKind::EventAttendance
            },
            lead_id: event.lead_id,
            visitor_id: event.visitor_id,
            occurred_at: event.occurred_at,
            touch: Some(made),
            session: None,
        })
    };
    let made: Vec<TouchRecord> = arrived.iter().filter_map(record).collect();
    let rows: Vec<_> = made.iter().map(touches::Model::of).collect();
    write::insert::<touches::Entity>(tx, rows.iter(), OnConflict::Fail).await?;
    Ok(made.iter().filter_map(|touch| touch.lead_id).collect())
}
