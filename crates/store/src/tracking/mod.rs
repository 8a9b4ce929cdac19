//! Visitors, events and touches: loading whom they belong to, recording them, reading them.

mod forget;
pub mod keys;
mod list;
mod sessions;
mod shown;
mod write;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use tandem_domain::id::{EventId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Key;
use tandem_domain::tracking::visitor::{Link, MOST_OF_A_LEADS};
use tandem_domain::tracking::visitors::Visitors;
use uuid::Uuid;

pub use forget::forget_anonymous;
pub(crate) use list::touches_of_leads;
pub use list::{ListPosition, events_of, sessions_of, touches_of, visitor_keys};
pub(crate) use sessions::follow;
pub(crate) use shown::show;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{events, identifiers, leads, to_json, visitor_links, visitors};

/// Lock and load visitors with their links. They are locked before whatever else is locked by name.
pub async fn visitors(tx: &Tx, keys: &BTreeSet<String>) -> Result<Visitors, StoreError> {
    if keys.is_empty() {
        return Ok(Visitors::default());
    }
    dialect::lock_visitors(tx.conn(), keys.iter().cloned()).await?;
    let backend = tx.conn().get_database_backend();
    let statement = dialect::visitors_with_keys(backend, to_json(keys), MOST_OF_A_LEADS);
    let mut known = vec![];
    for row in tx.conn().query_all_raw(statement).await? {
        let kept: i64 = row.try_get("", "kept")?;
        known.push((
            visitors::Model::from_query_result(&row, "")?,
            u64::try_from(kept).unwrap_or_default(),
        ));
    }
    if known.is_empty() {
        return Ok(Visitors::default());
    }
    let theirs = dialect::id_in(backend, "visitor_id", known.iter().map(|(row, _)| row.id));
    let found = visitor_links::Entity::find()
        .filter(theirs)
        .order_by_asc(visitor_links::Column::LinkedAt)
        .order_by_asc(visitor_links::Column::Id)
        .all(tx.conn())
        .await?;
    let mut links: HashMap<Uuid, Vec<Link>> = HashMap::new();
    for row in found {
        links.entry(row.visitor_id).or_default().push(row.into_domain());
    }
    let known = known.into_iter().map(|(row, kept)| {
        let links = links.remove(&row.id).unwrap_or_default();
        (row.into_domain(links), kept)
    });
    Ok(Visitors::known(known))
}

/// Load the newest event of leads; bots and machines are left out.
pub(crate) async fn newest_events(
    tx: &Tx,
    leads: &BTreeSet<LeadId>,
) -> Result<Vec<(LeadId, Option<Timestamp>)>, StoreError> {
    if leads.is_empty() {
        return Ok(vec![]);
    }
    let ids: Vec<Uuid> = leads.iter().map(|id| id.uuid()).collect();
    let statement = dialect::newest_events(tx.conn().get_database_backend(), to_json(&ids));
    let mut newest = vec![];
    for row in tx.conn().query_all_raw(statement).await? {
        let id: Uuid = row.try_get("", "id")?;
        let at: Option<i64> = row.try_get("", "newest")?;
        newest.push((Id::from_uuid(id), at.map(Timestamp::from_millis)));
    }
    Ok(newest)
}

/// The leads that these identifiers name, each by the record that has it.
pub async fn leads_named(on: &impl Read, keys: &BTreeSet<Key>) -> Result<HashMap<Key, LeadId>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<_> = keys
        .iter()
        .map(|key| serde_json::json!({"kind": key.kind.name(), "system": key.system, "value": key.value}))
        .collect();
    let statement = dialect::identifiers_like(on.conn().get_database_backend(), to_json(&wanted));
    let rows = on.conn().query_all_raw(statement).await?;
    let mut named = HashMap::new();
    for row in &rows {
        let row = <identifiers::Model as sea_orm::FromQueryResult>::from_query_result(row, "")?;
        let lead_id = Id::from_uuid(row.lead_id);
        named.insert(row.into_domain()?.key(), lead_id);
    }
    Ok(named)
}

/// Which of these leads there are.
pub async fn leads_there(on: &impl Read, ids: &BTreeSet<LeadId>) -> Result<BTreeSet<LeadId>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let backend = on.conn().get_database_backend();
    let found: Vec<Uuid> = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(dialect::id_in(backend, "id", ids.iter().map(|id| id.uuid())))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().map(Id::from_uuid).collect())
}

/// Lock leads whose touches may change, after everything that is locked by name.
pub async fn lock_leads(tx: &Tx, ids: &BTreeSet<LeadId>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    // Gathered: nothing that borrows is held while the locks are waited for.
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    Ok(dialect::lock_leads(tx.conn(), ids).await?)
}

/// Record the hashes of events; returns those that are new. Waits for transactions that are about to record the same.
pub async fn news(tx: &Tx, hashes: &BTreeSet<Uuid>) -> Result<BTreeSet<Uuid>, StoreError> {
    use crate::rows::event_keys;
    if hashes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<_> = hashes
        .iter()
        .map(|hash| event_keys::Model { hash: *hash })
        .collect();
    let backend = tx.conn().get_database_backend();
    let mut statement =
        dialect::insert::<event_keys::Entity>(backend, to_json(&rows), dialect::OnConflict::Keep, &[]);
    statement.sql.push_str(" RETURNING hash");
    let rows = tx.conn().query_all_raw(statement).await?;
    let hashes = rows.iter().map(|row| row.try_get::<Uuid>("", "hash"));
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// The hashes among these whose events are already recorded.
pub async fn told_before(on: &impl Read, hashes: &BTreeSet<Uuid>) -> Result<BTreeSet<Uuid>, StoreError> {
    use crate::rows::event_keys::{Column, Entity};
    if hashes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let backend = on.conn().get_database_backend();
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Hash)
        .filter(dialect::id_in(backend, "hash", hashes.iter().copied()))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().collect())
}

/// Which of these events are kept already.
pub async fn known_events(on: &impl Read, ids: &[EventId]) -> Result<BTreeSet<EventId>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let backend = on.conn().get_database_backend();
    let found: Vec<Uuid> = events::Entity::find()
        .select_only()
        .column(events::Column::Id)
        .filter(dialect::id_in(backend, "id", ids.iter().map(|id| id.uuid())))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().map(Id::from_uuid).collect())
}

/// A lead by its id, with the condition that it is there.
pub async fn lead_exists(on: &impl Read, id: LeadId) -> Result<(), StoreError> {
    let found: Option<Uuid> = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(leads::Column::Id.eq(id.uuid()))
        .into_tuple()
        .one(on.conn())
        .await?;
    found.map(drop).ok_or(StoreError::NotFound)
}
