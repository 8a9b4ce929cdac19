//! Clocks: firing what is due, reading one, listing pages.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use tandem_domain::access::Queue;
use tandem_domain::change::Change;
use tandem_domain::clocks::notify::with_notices;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::clocks::{ClockKind, ClockState, Side};
use tandem_domain::id::{ClockId, HandoffId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::deals::Span;
use crate::error::StoreError;
use crate::leads::{self, members_of};
use crate::page::{self, Key, Keyset, Page, Position, earliest};
use crate::rows::clocks;
use crate::write::settle;
use crate::{access, dialect};

/// Which clocks are listed.
#[derive(Debug, Clone, Default)]
pub struct ClockFilter {
    /// Of one of these kinds.
    pub kind: Vec<ClockKind>,
    /// In one of these states.
    pub state: Vec<ClockState>,
    /// Of this side.
    pub side: Option<Side>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Without an owner.
    pub unowned: bool,
    /// In this queue.
    pub queue: Option<Queue>,
    /// About this lead.
    pub lead_id: Option<LeadId>,
    /// Of this hand-off.
    pub handoff_id: Option<HandoffId>,
    /// When they are due.
    pub due_at: Span,
}

/// What clocks are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockSort {
    /// By id alone: in the order in which they were started.
    Id,
    /// By the instant at which they are due.
    DueAt,
}

impl ClockSort {
    /// The place of a clock in this order.
    pub fn position(self, record: &ClockRecord) -> Position<ClockId> {
        let key = match self {
            ClockSort::Id => None,
            ClockSort::DueAt => Some(Key::Number(record.clock.deadline.due_at.millis())),
        };
        (key, record.id)
    }
}

/// The next instant at which a clock fires by itself, perhaps in the past; one look at an index, however many run.
pub async fn next_look(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    earliest::<clocks::Entity>(on, clocks::Column::NextLook).await
}

/// Fire what is due by now, the oldest first: warnings and breaches with their notices; how many clocks there were,
/// `limit` at most.
///
/// Leads are locked first, so that an act that meets a clock comes wholly before or after; what another replica has
/// fired meanwhile is left alone.
pub async fn fire_due(tx: &Tx, limit: u64) -> Result<u64, StoreError> {
    let act = tx.act();
    let due: Vec<(Uuid, Option<Uuid>)> = clocks::Entity::find()
        .select_only()
        .columns([clocks::Column::Id, clocks::Column::LeadId])
        .filter(clocks::Column::NextLook.lte(act.now.millis()))
        .order_by_asc(clocks::Column::NextLook)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let count = due.len() as u64;
    if count == 0 {
        return Ok(0);
    }
    leads::lock(tx, due.iter().filter_map(|(_, lead)| *lead)).await?;
    let backend = tx.conn().get_database_backend();
    let ids: BTreeSet<Uuid> = due.into_iter().map(|(id, _)| id).collect();
    let query = clocks::Entity::find()
        .filter(dialect::id_in(backend, "id", ids))
        .order_by_asc(clocks::Column::Id)
        .lock_exclusive();
    let mut records = vec![];
    for row in query.all(tx.conn()).await? {
        records.push(row.into_domain()?);
    }
    records.sort_by_key(|record| record.clock.next_look());
    let staff = access::staff(tx).await?;
    let mut changes: Vec<Change> = vec![];
    for mut record in records {
        let happened = record.change(|clock| clock.look(act.now));
        changes.extend(with_notices(happened, Some(&staff), act));
    }
    // An escalation passes the lead on.
    let lead_ids = changes.iter().filter_map(|change| match change {
        Change::Clock(change) => change.record().lead_id,
        _ => None,
    });
    let mut world = match tx.rules().routing.document.escalations.is_empty() {
        true => leads::empty_world(tx),
        false => leads::world_of(tx, lead_ids).await?,
    };
    settle(tx, &mut world, act, changes).await?;
    Ok(count)
}

/// A clock.
pub async fn get(on: &impl Read, id: ClockId) -> Result<ClockRecord, StoreError> {
    let row = clocks::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of clocks.
pub async fn list(
    on: &impl Read,
    filter: &ClockFilter,
    sort: ClockSort,
    descending: bool,
    after: Option<Position<ClockId>>,
    limit: u64,
) -> Result<Page<ClockRecord>, StoreError> {
    let line = Keyset {
        column: (sort == ClockSort::DueAt).then_some(clocks::Column::DueAt),
        id: clocks::Column::Id,
        descending,
    };
    let rows = line.page(filtered(filter), after, limit).all(on.conn()).await?;
    Page::of(rows, limit).read(clocks::Model::into_domain)
}

/// How many clocks a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &ClockFilter) -> Result<(u64, bool), StoreError> {
    page::count(on, filtered(filter)).await
}

fn filtered(filter: &ClockFilter) -> Select<clocks::Entity> {
    use clocks::Column;
    let kinds = filter.kind.iter().map(|kind| kind.name());
    let states = filter.state.iter().map(|state| state.name());
    let owners = filter.owner_id.iter().map(|owner| owner.uuid());
    let mut all = Condition::all()
        .add_option((!filter.kind.is_empty()).then(|| Column::Kind.is_in(kinds)))
        .add_option((!filter.state.is_empty()).then(|| Column::State.is_in(states)))
        .add_option(filter.side.map(|side| Column::Side.eq(side.name())))
        .add_option((!filter.owner_id.is_empty()).then(|| Column::OwnerId.is_in(owners)))
        .add_option(filter.unowned.then(|| Column::OwnerId.is_null()))
        .add_option(filter.queue.map(|queue| Column::Queue.eq(queue.to_string())))
        .add_option(
            filter
                .handoff_id
                .map(|handoff| Column::HandoffId.eq(handoff.uuid())),
        )
        .add_option(filter.due_at.from.map(|from| Column::DueAt.gte(from.millis())))
        .add_option(filter.due_at.to.map(|to| Column::DueAt.lt(to.millis())));
    if let Some(lead) = filter.lead_id {
        all = all.add(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    clocks::Entity::find().filter(all)
}
