//! Feedback: marketing's promise to answer each rejection and each lost deal, by a dispute or an acknowledgement.

use super::change::HandoffChange;
use super::clocks::{About, start_about};
use super::error::HandoffError;
use crate::access::Denied;
use crate::act::Act;
use crate::change::Change;
use crate::clocks::notify::with_notices;
use crate::clocks::record::ClockRecord;
use crate::clocks::{ClockKind, VoidReason};
use crate::deals::change::DealChange;
use crate::fault::Fault;
use crate::id::{ActionItemId, ClockId, DealId, HandoffId, LeadId};
use crate::lifecycle;
use crate::world::World;

/// A deal with a lead was lost: marketing promises to answer it.
pub fn lost(world: &mut World, lead_id: LeadId, deal_id: DealId, act: &Act) -> Option<Change> {
    let about = About {
        lead_id: Some(lead_id),
        handoff_id: None,
        deal_id: Some(deal_id),
        owner_id: None,
        queue: None,
    };
    start_about(world, about, ClockKind::Feedback, act.now, act).map(Change::from)
}

/// A lost deal was opened again: nobody waits for an answer any more.
pub fn loss_taken_back(world: &mut World, deal_id: DealId, act: &Act) -> Vec<Change> {
    let staff = world.sales.staff.clone();
    let clocks = world.sales.clocks.values_mut();
    let running =
        clocks.filter(|record| record.deal_id == Some(deal_id) && record.clock.next_look().is_some());
    let voided = running.flat_map(|record| {
        let happened = record.change(|clock| clock.void(VoidReason::LeftStage, act.now));
        with_notices(happened, staff.as_ref(), act)
    });
    voided.collect()
}

/// What marketing concludes from what it acknowledges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// A note.
    pub note: Option<String>,
    /// The action item of a review that follows from it.
    pub action_item_id: Option<ActionItemId>,
}

/// Acknowledge rejections and losses: by marketing. What was answered before stays as it was.
///
/// The world holds the hand-offs and deals with their clocks, and the enabled users.
pub fn acknowledge(
    world: &mut World,
    handoffs: &[HandoffId],
    deals: &[DealId],
    conclusion: &Conclusion,
    act: &Act,
) -> Result<Vec<Change>, HandoffError> {
    let person = act.by.demand_person()?;
    if !(person.is_marketing() || person.is_admin()) {
        return Err(Denied::WrongRole.into());
    }
    let mut faults = vec![];
    let mut awaited: Vec<ClockId> = vec![];
    let mut find = |pointer: String, is_about: &dyn Fn(&ClockRecord) -> bool| {
        let clocks = world.sales.clocks.values();
        let feedback = clocks.filter(|record| record.clock.kind == ClockKind::Feedback && is_about(record));
        match feedback.map(|record| record.id).max() {
            Some(clock) => awaited.push(clock),
            None => faults.push(Fault::new(pointer, "not_found", "awaits no feedback")),
        }
    };
    for (index, id) in handoffs.iter().enumerate() {
        find(format!("/handoff_ids/{index}"), &|record| {
            record.handoff_id == Some(*id)
        });
    }
    for (index, id) in deals.iter().enumerate() {
        find(format!("/deal_ids/{index}"), &|record| {
            record.deal_id == Some(*id)
        });
    }
    if !faults.is_empty() {
        return Err(HandoffError::Move(lifecycle::MoveError::Invalid(faults)));
    }
    let staff = world.sales.staff.clone();
    let mut changes = vec![];
    for id in awaited {
        let Some(record) = world.sales.clocks.get_mut(&id) else {
            continue;
        };
        if record.clock.act_at.is_some() {
            continue;
        }
        let happened = record.change(|clock| clock.meet(act.now, act.now));
        let (handoff_id, deal_id) = (record.handoff_id, record.deal_id);
        changes.extend(with_notices(happened, staff.as_ref(), act));
        let handoff = handoff_id.and_then(|id| world.sales.handoffs.get_mut(&id));
        changes.extend(handoff.map(|handoff| {
            handoff.version += 1;
            handoff.updated_at = act.now.max(handoff.updated_at);
            Change::from(HandoffChange::Acknowledged(
                Box::new(handoff.clone()),
                conclusion.clone(),
            ))
        }));
        let deal = deal_id.and_then(|id| world.sales.deals.get_mut(&id));
        changes.extend(deal.map(|deal| {
            deal.version += 1;
            deal.updated_at = act.now.max(deal.updated_at);
            Change::Deal(DealChange::Acknowledged(
                Box::new(deal.clone()),
                conclusion.clone(),
            ))
        }));
    }
    Ok(changes)
}
