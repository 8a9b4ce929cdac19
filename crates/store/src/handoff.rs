//! Hand-offs, clocks and notices of leads: loading the facts of a decision, and the rows that changes leave.

mod list;
mod packet;

pub use list::{HandoffFilter, HandoffSort, count, list};
pub(crate) use packet::add_packets;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::change::Change;
use tandem_domain::clocks::record::ClockChange;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::handoff::change::HandoffChange;
use tandem_domain::handoff::packet::PACKET_VERSION;
use tandem_domain::handoff::qualification::Qualification;
use tandem_domain::handoff::{Handoff, remind_to_rule};
use tandem_domain::id::{DealId, HandoffId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::notices::NoticeChange;
use tandem_domain::world::World;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::deals::{self, Wanted};
use crate::dialect;
use crate::error::StoreError;
use crate::own::with_own;
use crate::page::earliest;
use crate::rows::{clocks, handoff_packets, handoffs, notices, qualifications, to_json};
use crate::write::Rows;
use crate::{access, leads};

/// The facts that a decision about one hand-off is made on: its lead, with all hand-offs, clocks and deals of the lead, and
/// the enabled users.
pub async fn world_of(tx: &Tx, id: HandoffId) -> Result<World, StoreError> {
    // A hand-off's lead is fixed, so that it can be read before it is locked.
    let lead: Option<Uuid> = handoffs::Entity::find_by_id(id.uuid())
        .select_only()
        .column(handoffs::Column::LeadId)
        .into_tuple()
        .one(tx.conn())
        .await?;
    let lead_id = Id::from_uuid(lead.ok_or(StoreError::NotFound)?);
    let mut world = leads::world_of(tx, [lead_id]).await?;
    add_to(tx, &mut world, lead_id).await?;
    Ok(world)
}

/// Add the hand-offs, clocks and deals of a lead whose row is locked, and the enabled users.
pub async fn add_to(tx: &Tx, world: &mut World, lead_id: LeadId) -> Result<(), StoreError> {
    let wanted = Wanted {
        lead_ids: [lead_id].into(),
        ..Wanted::default()
    };
    deals::add_to(tx, world, &wanted).await?;
    add_sales(tx, world, &[lead_id].into()).await?;
    world.sales.staff = Some(access::staff(tx).await?);
    let owners: Vec<UserId> = world
        .leads
        .get(&lead_id)
        .and_then(|lead| lead.owner_id)
        .into_iter()
        .chain(tx.act().by.person().map(|person| person.id))
        .collect();
    crate::routing::add_for_decision(tx, world, owners).await
}

/// The facts that an acknowledgement of rejections and losses is decided on: the leads with their hand-offs, clocks and deals, and
/// the enabled users. What there is not is left out.
pub async fn world_for_feedback(
    tx: &Tx,
    handoff_ids: &[HandoffId],
    deal_ids: &[DealId],
) -> Result<World, StoreError> {
    let backend = tx.conn().get_database_backend();
    let ids = handoff_ids.iter().map(|id| id.uuid());
    let found: Vec<Uuid> = handoffs::Entity::find()
        .select_only()
        .column(handoffs::Column::LeadId)
        .filter(dialect::id_in(backend, "id", ids))
        .into_tuple()
        .all(tx.conn())
        .await?;
    let deal_ids: BTreeSet<DealId> = deal_ids.iter().copied().collect();
    let primary = deals::primary_leads(tx, &deal_ids).await?;
    let lead_ids: BTreeSet<LeadId> = found.into_iter().map(Id::from_uuid).chain(primary).collect();
    let mut world = leads::world_of(tx, lead_ids.iter().copied()).await?;
    let wanted = Wanted {
        ids: deal_ids,
        ..Wanted::default()
    };
    deals::add_to(tx, &mut world, &wanted).await?;
    let all = world.leads.keys().copied().collect();
    add_sales(tx, &mut world, &all).await?;
    world.sales.staff = Some(access::staff(tx).await?);
    Ok(world)
}

/// When the next open dispute is due for a reminder, if any is.
pub async fn next_reminder(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    earliest::<handoffs::Entity>(on, handoffs::Column::RemindAt).await
}

/// Remind those who can rule of disputes that have been open for long; how many there were, `limit` at most.
pub async fn remind_due(tx: &Tx, limit: u64) -> Result<u64, StoreError> {
    let act = tx.act();
    let due: Vec<Uuid> = handoffs::Entity::find()
        .select_only()
        .column(handoffs::Column::LeadId)
        .filter(handoffs::Column::RemindAt.lte(act.now.millis()))
        .order_by_asc(handoffs::Column::RemindAt)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let count = due.len() as u64;
    if count == 0 {
        return Ok(0);
    }
    let lead_ids: BTreeSet<LeadId> = due.into_iter().map(Id::from_uuid).collect();
    leads::lock(tx, lead_ids.iter().map(|id| id.uuid())).await?;
    let mut world = leads::empty_world(tx);
    add_sales(tx, &mut world, &lead_ids).await?;
    let staff = access::staff(tx).await?;
    let handoffs: Vec<Handoff> = world.sales.handoffs.values().cloned().collect();
    let reminded = handoffs
        .into_iter()
        .flat_map(|handoff| remind_to_rule(handoff, &staff, act));
    let changes: Vec<Change> = reminded.collect();
    crate::write::settle(tx, &mut world, act, changes).await?;
    Ok(count)
}

/// A hand-off.
pub async fn get(on: &impl Read, id: HandoffId) -> Result<Handoff, StoreError> {
    let row = handoffs::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// The clocks of a hand-off, for [`with_own`].
const CLOCKS: &str = "clocks x WHERE x.handoff_id = handoffs.id";

/// A hand-off with its clocks, in the order in which they were started.
pub async fn get_with_clocks(
    on: &impl Read,
    id: HandoffId,
) -> Result<(Handoff, Vec<ClockRecord>), StoreError> {
    let query = handoffs::Entity::find_by_id(id.uuid());
    let found = with_own::<_, clocks::Entity>(on, query, CLOCKS).await?.pop();
    with_clocks(found.ok_or(StoreError::NotFound)?)
}

fn with_clocks(
    (handoff, mut own): (handoffs::Model, Vec<clocks::Model>),
) -> Result<(Handoff, Vec<ClockRecord>), StoreError> {
    own.sort_by_key(|clock| clock.id);
    let clocks: Result<_, StoreError> = own.into_iter().map(clocks::Model::into_domain).collect();
    Ok((handoff.into_domain()?, clocks?))
}

/// The clocks of hand-offs, in the order in which they were started.
pub async fn clocks_of(
    on: &impl Read,
    ids: impl IntoIterator<Item = HandoffId>,
) -> Result<Vec<ClockRecord>, StoreError> {
    let backend = on.conn().get_database_backend();
    let rows = clocks::Entity::find()
        .filter(dialect::id_in(
            backend,
            "handoff_id",
            ids.into_iter().map(Id::uuid),
        ))
        .order_by_asc(clocks::Column::Id)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// What is known of leads' budget, authority, need and timeline, for those of whom something is.
pub(crate) async fn qualifications(
    on: &impl Read,
    leads: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<LeadId, Qualification>, StoreError> {
    let backend = on.conn().get_database_backend();
    let rows = qualifications::Entity::find().filter(dialect::id_in(backend, "lead_id", leads));
    let mut found: HashMap<LeadId, Qualification> = HashMap::new();
    for row in rows.all(on.conn()).await? {
        let (lead_id, item, one) = row.into_domain()?;
        found.entry(lead_id).or_default().insert(item, one);
    }
    Ok(found)
}

/// Load into a world the hand-offs, clocks and qualifications of all its leads. The caller has locked the leads' rows.
pub async fn add_all(tx: &Tx, world: &mut World) -> Result<(), StoreError> {
    let ids = world.leads.keys().copied().collect();
    add_sales(tx, world, &ids).await
}

/// What is known of a lead's budget, authority, need and timeline.
pub async fn qualification(on: &impl Read, lead_id: LeadId) -> Result<Qualification, StoreError> {
    let mut found = qualifications(on, [lead_id.uuid()]).await?;
    Ok(found.remove(&lead_id).unwrap_or_default())
}

/// The packet of a hand-off as it was frozen, as JSON text; an imported hand-off has none.
pub async fn packet(on: &impl Read, id: HandoffId) -> Result<String, StoreError> {
    let row = handoff_packets::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?;
    Ok(row.ok_or(StoreError::NotFound)?.packet)
}

/// Add the hand-offs of leads, of every cycle, and all of their clocks: what is logged late can still change any of them. The leads' rows are locked by then:
/// their locks cover both.
pub(crate) async fn add_sales(
    tx: &Tx,
    world: &mut World,
    leads: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    if leads.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let ids = || leads.iter().map(|lead| lead.uuid());
    let found = handoffs::Entity::find().filter(dialect::id_in(backend, "lead_id", ids()));
    for row in found.all(tx.conn()).await? {
        let handoff = row.into_domain()?;
        world.sales.handoffs.insert(handoff.id, handoff);
    }
    let found = clocks::Entity::find().filter(dialect::id_in(backend, "lead_id", ids()));
    for row in found.all(tx.conn()).await? {
        let record = row.into_domain()?;
        world.sales.clocks.insert(record.id, record);
    }
    for (lead_id, known) in qualifications(tx, ids()).await? {
        world.sales.qualifications.insert(lead_id, known);
    }
    world.sales.loaded.extend(leads);
    Ok(())
}

impl Rows {
    pub(crate) fn add_handoff(&mut self, change: &HandoffChange) {
        let handoff = change.handoff();
        self.handoffs
            .insert(handoff.id.uuid(), handoffs::Model::of(handoff));
        if let HandoffChange::Made(handoff, Some(packet)) = change {
            self.packets.push(handoff_packets::Model {
                handoff_id: handoff.id.uuid(),
                lead_id: handoff.lead_id.uuid(),
                packet_version: PACKET_VERSION,
                packet: to_json(packet),
            });
        }
    }

    pub(crate) fn add_clock(&mut self, change: &ClockChange) {
        let record = change.record();
        self.clocks.insert(record.id.uuid(), clocks::Model::of(record));
    }

    pub(crate) fn add_notice(&mut self, change: &NoticeChange) {
        self.notices.push(notices::Model::of(&change.0));
    }
}
