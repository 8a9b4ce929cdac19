//! A lead's events, touches and sessions, by `(occurred_at, id)`, the newest first.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use tandem_domain::id::{Id, LeadId, VisitorId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Touch;
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::record::{TouchKind, TouchRecord};
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{members, of_members};
use crate::page::Page;
use crate::rows::{events, touches, visitors};

/// A place in a list of what happened to a lead: the instant, and the id whatever it is of.
pub type ListPosition = (Timestamp, Uuid);

/// A page of the events of a lead and its members. `types` are names; none means all.
pub async fn events_of(
    on: &impl Read,
    lead_id: LeadId,
    types: &[String],
    after: Option<ListPosition>,
    limit: u64,
) -> Result<Page<Event>, StoreError> {
    use events::Column;
    let members = members(on, lead_id).await?;
    let mut query = events::Entity::find().filter(of_members(Column::LeadId, &members));
    if !types.is_empty() {
        query = query.filter(Column::Kind.is_in(types));
    }
    let query = behind(query, Column::OccurredAt, Column::Id, after);
    let rows = query.limit(limit + 1).all(on.conn()).await?;
    let found: Result<Vec<Event>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Page::of(found?, limit))
}

/// The touches of leads, in any order.
pub(crate) async fn touches_of_leads(
    on: &impl Read,
    leads: &BTreeSet<LeadId>,
) -> Result<Vec<(LeadId, Touch)>, StoreError> {
    let backend = on.conn().get_database_backend();
    let theirs = dialect::id_in(backend, "lead_id", leads.iter().map(|id| id.uuid()));
    let rows = touches::Entity::find()
        .filter(theirs)
        .filter(touches::Column::Touch.is_not_null());
    let mut found = vec![];
    for row in rows.all(on.conn()).await? {
        let record = row.into_domain()?;
        found.extend(record.lead_id.zip(record.touch));
    }
    Ok(found)
}

/// A page of the touches of a lead and its members, but for those of one kind, if any.
pub async fn touches_of(
    on: &impl Read,
    lead_id: LeadId,
    but: Option<TouchKind>,
    after: Option<ListPosition>,
    limit: u64,
) -> Result<Page<TouchRecord>, StoreError> {
    use touches::Column;
    let members = members(on, lead_id).await?;
    let mut query = touches::Entity::find()
        .filter(of_members(Column::LeadId, &members))
        .filter(Column::Touch.is_not_null());
    if let Some(but) = but {
        query = query.filter(Column::Kind.ne(but.name()));
    }
    page(on, query, after, limit).await
}

/// A page of the sessions of a lead and its members.
pub async fn sessions_of(
    on: &impl Read,
    lead_id: LeadId,
    after: Option<ListPosition>,
    limit: u64,
) -> Result<Page<TouchRecord>, StoreError> {
    use touches::Column;
    let members = members(on, lead_id).await?;
    let query = touches::Entity::find()
        .filter(of_members(Column::LeadId, &members))
        .filter(Column::Kind.eq(TouchKind::Session.name()));
    page(on, query, after, limit).await
}

/// The ids that sites gave visitors.
pub async fn visitor_keys(
    on: &impl Read,
    ids: impl IntoIterator<Item = VisitorId>,
) -> Result<HashMap<VisitorId, String>, StoreError> {
    let mut ids = ids.into_iter().map(Id::uuid).peekable();
    if ids.peek().is_none() {
        return Ok(HashMap::new());
    }
    let chosen = dialect::id_in(on.conn().get_database_backend(), "id", ids);
    let rows = visitors::Entity::find().filter(chosen).all(on.conn()).await?;
    Ok(rows
        .into_iter()
        .map(|row| (Id::from_uuid(row.id), row.key))
        .collect())
}

async fn page(
    on: &impl Read,
    query: Select<touches::Entity>,
    after: Option<ListPosition>,
    limit: u64,
) -> Result<Page<TouchRecord>, StoreError> {
    use touches::Column;
    let query = behind(query, Column::OccurredAt, Column::Id, after);
    let rows = query.limit(limit + 1).all(on.conn()).await?;
    let found: Result<Vec<TouchRecord>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Page::of(found?, limit))
}

fn behind<E: EntityTrait>(
    mut query: Select<E>,
    occurred_at: E::Column,
    id: E::Column,
    after: Option<ListPosition>,
) -> Select<E> {
    if let Some((at, last)) = after {
        let place = Expr::tuple([Expr::col(occurred_at), Expr::col(id)]);
        query = query.filter(place.lt(Expr::tuple([Expr::val(at.millis()), Expr::val(last)])));
    }
    query.order_by_desc(occurred_at).order_by_desc(id)
}
