//! What the first contact after a hand-off means for its clock.

use crate::act::Act;
use crate::change::Change;
use crate::clocks::ClockKind;
use crate::clocks::notify::with_notices;
use crate::handoff::change::HandoffChange;
use crate::handoff::{Handoff, HandoffState};
use crate::id::LeadId;
use crate::instant::Timestamp;
use crate::world::World;

/// Recompute the first contact of each hand-off of a lead from all of its loaded activities: what arrived late, was edited
/// or deleted counts as if it had always been so. A contact counts for the newest hand-off that was made before it.
pub fn first_contacts(world: &mut World, lead_id: LeadId, act: &Act) -> Vec<Change> {
    let contacts = world.sales.contacts.get(&lead_id);
    let mut at: Vec<Timestamp> = contacts
        .into_iter()
        .flatten()
        .filter(|contact| contact.counts())
        .map(|contact| contact.at)
        .collect();
    at.sort_unstable();
    let handoffs = world.sales.handoffs.values();
    let mut handoffs: Vec<Handoff> = handoffs
        .filter(|handoff| handoff.lead_id == lead_id && handoff.state != HandoffState::Void)
        .cloned()
        .collect();
    handoffs.sort_unstable_by_key(|handoff| handoff.made_at);
    let next = handoffs
        .iter()
        .skip(1)
        .map(|next| Some(next.made_at))
        .chain([None]);
    let next: Vec<Option<Timestamp>> = next.collect();
    let mut changes = vec![];
    for (handoff, next) in handoffs.into_iter().zip(next) {
        let first_from = |since: Timestamp| {
            let first = at.iter().copied().find(|at| *at >= since);
            first.filter(|at| next.is_none_or(|next| *at < next))
        };
        changes.extend(contacted(world, handoff, first_from, act));
    }
    changes
}

/// Correct the clocks of a hand-off's first contact, and the hand-off itself. A promise that was started by the ruling on a
/// dispute is met by a contact since then.
fn contacted(
    world: &mut World,
    mut handoff: Handoff,
    first_from: impl Fn(Timestamp) -> Option<Timestamp>,
    act: &Act,
) -> Vec<Change> {
    let mut changes = vec![];
    let clocks = world.sales.clocks.values_mut();
    let own = clocks.filter(|record| {
        record.handoff_id == Some(handoff.id) && record.clock.kind == ClockKind::FirstContact
    });
    for record in own {
        let since = match record.clock.started_at >= handoff.counts_from() {
            true => handoff.counts_from(),
            false => handoff.made_at,
        };
        let happened = record.change(|clock| clock.correct(first_from(since), act.now));
        changes.extend(with_notices(happened, world.sales.staff.as_ref(), act));
    }
    let first = first_from(handoff.made_at);
    if handoff.first_contact_at != first {
        handoff.first_contact_at = first;
        handoff.version += 1;
        handoff.updated_at = act.now.max(handoff.updated_at);
        world.sales.handoffs.insert(handoff.id, handoff.clone());
        changes.push(HandoffChange::Adjusted(Box::new(handoff)).into());
    }
    changes
}
