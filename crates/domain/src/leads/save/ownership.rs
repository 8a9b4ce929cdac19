//! Archiving and assigning a lead, by who works on it.

use super::SaveError;
use crate::access::account::User;
use crate::act::Act;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{LeadId, UserId};
use crate::leads::change::LeadChange;
use crate::world::World;

/// Archive or restore a lead; `None` if it already is. A lead that is being worked on cannot be archived: its
/// hand-offs, clocks and deals are among the loaded facts.
pub fn archive(
    world: &mut World,
    lead_id: LeadId,
    away: bool,
    act: &Act,
) -> Result<Option<Change>, SaveError> {
    let is_in_work = world.is_in_work(lead_id);
    let lead = world.leads.get_mut(&lead_id).ok_or(SaveError::NoSuchLead)?;
    act.by.may_edit(lead.owner_id)?;
    if lead.archived_at.is_some() == away {
        return Ok(None);
    }
    if away && is_in_work {
        return Err(SaveError::StillInWork);
    }
    lead.archived_at = away.then_some(act.now);
    lead.version += 1;
    lead.updated_at = act.now.max(lead.updated_at);
    let lead = Box::new(lead.clone());
    Ok(Some(if away {
        Change::Lead(LeadChange::Archived(lead))
    } else {
        Change::Lead(LeadChange::Restored(lead))
    }))
}

/// Assign a lead to a user of sales, or to nobody; `None` if it already is.
pub fn assign(
    world: &mut World,
    lead_id: LeadId,
    to: Option<&User>,
    act: &Act,
) -> Result<Option<Change>, SaveError> {
    let lead = world.leads.get(&lead_id).ok_or(SaveError::NoSuchLead)?;
    let owner = to.map(|user| user.id);
    act.by.may_assign(lead.owner_id, owner)?;
    if to.is_some_and(|user| !user.works_leads()) {
        return Err(SaveError::Invalid(vec![Fault::new(
            "/owner_id",
            "not_allowed",
            "is not an active user of sales",
        )]));
    }
    Ok(give(world, lead_id, owner, act))
}

/// Set or clear the owner of a lead without checking rights; `None` where nothing changes.
pub fn give(world: &mut World, lead_id: LeadId, owner: Option<UserId>, act: &Act) -> Option<Change> {
    let lead = world.leads.get_mut(&lead_id)?;
    if lead.owner_id == owner {
        return None;
    }
    let from = std::mem::replace(&mut lead.owner_id, owner);
    lead.previous_owner_id = from.or(lead.previous_owner_id);
    lead.version += 1;
    lead.updated_at = act.now.max(lead.updated_at);
    let lead = lead.clone();
    let cycle = world.cycles.get_mut(&lead_id).map(|cycle| {
        cycle.describe(&lead);
        cycle.clone()
    });
    Some(Change::Lead(LeadChange::Assigned {
        lead: Box::new(lead),
        cycle,
        from,
    }))
}
