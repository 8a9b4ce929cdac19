//! Visitors, events and touches: loading whom they belong to, recording them, reading them.

pub mod keys;
mod list;
mod record;
mod sessions;
mod show;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::{EventId, Id, Ids, LeadId, VisitorId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Key;
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::visitors::{Link, MOST_OF_A_LEADS, Teller, Visitor};
use uuid::Uuid;

pub use list::{Place, events_of, sessions_of, touches_of, visitor_keys};
pub use record::{Identified, record};
pub use show::show;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{events, identifiers, leads, to_json, visitor_links, visitors};

/// Visitors by the ids that their sites gave them.
#[derive(Debug, Clone, Default)]
pub struct Visitors {
    by_key: HashMap<String, Visitor>,
    made: BTreeSet<VisitorId>,
    /// How many events are kept of each.
    kept: HashMap<VisitorId, u64>,
}

impl Visitors {
    /// The visitor with this id; made where nobody has heard of it.
    pub fn visit(&mut self, key: &str, now: Timestamp, ids: &Ids) -> &mut Visitor {
        let Self { by_key, made, .. } = self;
        by_key.entry(key.to_owned()).or_insert_with(|| {
            let id = ids.next();
            made.insert(id);
            Visitor {
                id,
                key: key.to_owned(),
                created_at: now,
                links: vec![],
            }
        })
    }

    /// Whether one more event is kept of the visitor with this id, where so somebody tells it; it is counted then.
    pub fn admit(&mut self, key: &str, teller: Teller) -> bool {
        // One that is made with this event has no others.
        let Some(visitor) = self.by_key.get(key) else {
            return true;
        };
        let kept = self.kept.entry(visitor.id).or_default();
        let is_admitted = *kept < visitor.most_events(teller);
        *kept += u64::from(is_admitted);
        is_admitted
    }

    /// How many events are kept of a visitor, with those that were admitted.
    fn kept(&self, id: VisitorId) -> u64 {
        self.kept.get(&id).copied().unwrap_or_default()
    }

    /// Every lead that any of them was linked to.
    pub fn leads(&self) -> impl Iterator<Item = LeadId> {
        let links = self.by_key.values().flat_map(|visitor| &visitor.links);
        links.map(|link| link.lead_id)
    }

    /// The lead whose an event is: the one it names, else the one who used the visitor then.
    pub fn owner(&self, event: &Event) -> Option<LeadId> {
        let visitor = || {
            let mut all = self.by_key.values();
            all.find(|visitor| Some(visitor.id) == event.visitor_id)
        };
        event.lead_id.or_else(|| visitor()?.owner_at(event.occurred_at))
    }

    fn made(&self) -> impl Iterator<Item = &Visitor> {
        let all = self.by_key.values();
        all.filter(|visitor| self.made.contains(&visitor.id))
    }

    fn by_id(&self) -> HashMap<VisitorId, &Visitor> {
        self.by_key
            .values()
            .map(|visitor| (visitor.id, visitor))
            .collect()
    }
}

/// Lock and load visitors with their links. They are locked before whatever else is locked by name.
pub async fn visitors(tx: &Tx, keys: &BTreeSet<String>) -> Result<Visitors, StoreError> {
    if keys.is_empty() {
        return Ok(Visitors::default());
    }
    dialect::lock_visitors(tx.conn(), keys.iter().cloned()).await?;
    let backend = tx.conn().get_database_backend();
    let known = visitors::Entity::find()
        .filter(dialect::text_in(backend, "key", keys.iter().map(String::as_str)))
        .all(tx.conn())
        .await?;
    if known.is_empty() {
        return Ok(Visitors::default());
    }
    let theirs = dialect::id_in(backend, "visitor_id", known.iter().map(|row| row.id));
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
    let kept = kept_of(tx, known.iter().map(|row| row.id).collect()).await?;
    let by_key = known.into_iter().map(|row| {
        let links = links.remove(&row.id).unwrap_or_default();
        (row.key.clone(), row.into_domain(links))
    });
    Ok(Visitors {
        by_key: by_key.collect(),
        made: BTreeSet::new(),
        kept,
    })
}

/// How many events are kept of visitors, counted no further than it matters.
async fn kept_of(tx: &Tx, ids: Vec<Uuid>) -> Result<HashMap<VisitorId, u64>, StoreError> {
    let backend = tx.conn().get_database_backend();
    let statement = dialect::events_of_visitors(backend, to_json(&ids), MOST_OF_A_LEADS);
    let mut kept = HashMap::new();
    for row in tx.conn().query_all_raw(statement).await? {
        let id: Uuid = row.try_get("", "id")?;
        let count: i64 = row.try_get("", "kept")?;
        kept.insert(Id::from_uuid(id), u64::try_from(count).unwrap_or_default());
    }
    Ok(kept)
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

/// Note that events were told; answers those whose hashes are new. Hashes that another transaction is about to note are
/// waited for.
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

/// Those of these hashes whose events were told before.
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
