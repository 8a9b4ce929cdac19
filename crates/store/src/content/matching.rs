//! Matching stored events with the library once more, after a pattern has changed: piece by piece in the order of their
//! ids, from where the last piece ended. What is stored meanwhile is matched by the new patterns already.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::content::library::Library;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::settings::name::CONTENT_MATCH;
use tandem_domain::tracking::events::EventKind;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::horizon::Horizon;
use crate::rows::{events, from_json, to_json};
use crate::settings;

/// How far the events are matched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// How often the patterns changed.
    wanted: i64,
    /// How many of these changes all events were matched by.
    done: i64,
    /// When the job saw the last change: transactions that began before may store events by older patterns.
    seen_at: Option<Timestamp>,
    /// The last event that is matched.
    after: Option<Uuid>,
}

impl Progress {
    fn of(value: Value) -> Result<Self, StoreError> {
        let read: Result<Option<Self>, _> = serde_json::from_value(value);
        Ok(read
            .map_err(|_| StoreError::Corrupt("settings"))?
            .unwrap_or_default())
    }
}

/// Let the job match all events again.
pub async fn request_match(tx: &Tx) -> Result<(), StoreError> {
    let known = settings::get_for_update(tx, CONTENT_MATCH).await?;
    let progress = Progress::of(known.value)?;
    let wanted = Progress {
        wanted: progress.wanted + 1,
        done: progress.done,
        ..Progress::default()
    };
    settings::put(tx, CONTENT_MATCH, &json!(wanted), known.version + 1).await
}

/// When the job is due: at once where a pattern changed.
pub async fn next_match(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let progress = Progress::of(settings::get(on, CONTENT_MATCH).await?.value)?;
    Ok((progress.done < progress.wanted).then(|| Timestamp::from_millis(0)))
}

/// Match the next events, at most `limit`. Returns whether more can be matched now.
///
/// `horizon` was read before the transaction began: the matching waits until no transaction is left that began before the
/// change was seen, since what such a one stores is behind no mark.
pub async fn resume_match(tx: &Tx, horizon: Horizon, limit: u64) -> Result<bool, StoreError> {
    let known = settings::get_for_update(tx, CONTENT_MATCH).await?;
    let mut progress = Progress::of(known.value)?;
    if progress.done >= progress.wanted {
        return Ok(false);
    }
    let is_left = match progress.seen_at {
        None => {
            progress.seen_at = Some(tx.act().now);
            true
        }
        Some(seen_at) if horizon.0.is_some_and(|horizon| horizon <= seen_at) => return Ok(false),
        Some(_) => {
            progress.after = match_next(tx, progress.after, limit).await?;
            progress.after.is_some()
        }
    };
    if !is_left {
        progress.done = progress.wanted;
        progress.seen_at = None;
    }
    settings::put(tx, CONTENT_MATCH, &json!(progress), known.version + 1).await?;
    Ok(is_left)
}

/// Match the events behind one; the last of them, or none where these are all.
async fn match_next(tx: &Tx, after: Option<Uuid>, limit: u64) -> Result<Option<Uuid>, StoreError> {
    use events::Column;
    type Seen = (Uuid, String, Option<String>, String, Option<Uuid>);
    let mut query = events::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::Kind,
            Column::Url,
            Column::Properties,
            Column::ContentId,
        ])
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after));
    }
    let rows: Vec<Seen> = query.into_tuple().all(tx.conn()).await?;
    let last = rows
        .last()
        .map(|row| row.0)
        .filter(|_| rows.len() as u64 == limit);
    let library = &tx.rules().content;
    let mut changed = vec![];
    for (id, kind, url, properties, known) in rows {
        let kind = EventKind::named(&kind).ok_or(StoreError::Corrupt("events"))?;
        if !Library::knows_by_page(&kind) {
            continue;
        }
        let properties: Value = from_json("events", &properties)?;
        let file = properties.get("file").and_then(Value::as_str);
        let found = library.of_event(&kind, url.as_deref(), file).map(Id::uuid);
        if found != known {
            changed.push(json!({"id": id, "content_id": found}));
        }
    }
    if !changed.is_empty() {
        let statement = dialect::match_content(tx.conn().get_database_backend(), to_json(&changed));
        tx.conn().execute_raw(statement).await?;
    }
    Ok(last)
}
