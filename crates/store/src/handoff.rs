//! Hand-offs, clocks and notices of leads: loading the facts of a decision, and the rows that changes leave.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter};
use tandem_domain::clocks::record::ClockChange;
use tandem_domain::handoff::change::HandoffChange;
use tandem_domain::id::LeadId;
use tandem_domain::notices::NoticeChange;
use tandem_domain::world::World;

use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{clocks, handoff_packets, handoffs, notices, to_json};
use crate::write::Rows;

/// The version of the packet's shape.
pub const PACKET_VERSION: i64 = 1;

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
