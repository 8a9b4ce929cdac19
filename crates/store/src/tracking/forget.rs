//! Retention: what visitors did who never identified themselves is deleted some time after its arrival.

use std::collections::BTreeSet;

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::first_uuid_at;
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use super::visitors;
use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{events, visitors as rows};

/// Delete events of nobody that arrived before an instant, at most `limit`, with the visits that are left without any, and
/// the visitors of whom nothing is left. Returns the number of events.
pub async fn forget_anonymous(tx: &Tx, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let backend = tx.conn().get_database_backend();
    let old = || {
        events::Entity::find()
            .filter(events::Column::LeadId.is_null())
            .filter(events::Column::Id.lt(first_uuid_at(before)))
            .order_by_asc(events::Column::Id)
            .limit(limit)
    };
    // Visitors are locked before everything else, so that none identifies itself meanwhile.
    let found: Vec<Option<Uuid>> = old()
        .select_only()
        .column(events::Column::VisitorId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    if found.is_empty() {
        return Ok(0);
    }
    let ids: BTreeSet<Uuid> = found.into_iter().flatten().collect();
    let keys: Vec<String> = rows::Entity::find()
        .select_only()
        .column(rows::Column::Key)
        .filter(dialect::id_in(backend, "id", ids.iter().copied()))
        .into_tuple()
        .all(tx.conn())
        .await?;
    visitors(tx, &keys.into_iter().collect()).await?;
    let gone: Vec<Uuid> = old()
        .select_only()
        .column(events::Column::Id)
        .into_tuple()
        .all(tx.conn())
        .await?;
    // A visitor that is not locked may identify itself meanwhile: its events are its lead's then.
    let delete = Query::delete()
        .from_table(events::Entity)
        .and_where(dialect::id_in(backend, "id", gone))
        .and_where(events::Column::LeadId.is_null())
        .take();
    let deleted = tx.conn().execute(&delete).await?.rows_affected();
    for statement in dialect::forget_visitors(backend, ids) {
        tx.conn().execute_raw(statement).await?;
    }
    Ok(deleted)
}
