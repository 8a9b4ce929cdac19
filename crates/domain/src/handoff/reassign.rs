//! Where a lead would go, and moving the leads of a user to a team.

use super::hand_over::{notices, place, placed};
use super::{Assignee, Handoff, Joins, clocks};
use crate::access::{Denied, Role};
use crate::act::Act;
use crate::change::Change;
use crate::id::{LeadId, TeamId, UserId};
use crate::leads::save::give;
use crate::routing::decision::RoutingDecision;
use crate::routing::take_turn;
use crate::world::World;

/// Where a lead would go if it became an MQL now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    /// To whom, or into which queue.
    pub place: Assignee,
    /// The work on its company that it would join.
    pub joins: Option<Joins>,
    /// How it would be routed; nothing where it stays with its owner or joins.
    pub decision: Option<RoutingDecision>,
}

/// Route a lead as if it became an MQL; the world is left with a turn taken, and nothing of it is to be written.
pub fn simulate(world: &mut World, lead_id: LeadId, holds: &[bool], act: &Act) -> Simulated {
    let placed = place(world, lead_id, None, holds, act);
    Simulated {
        place: placed.place,
        joins: placed.joins,
        decision: placed.decision,
    }
}

/// What became of the leads of a user.
#[derive(Debug, Default)]
pub struct Reassigned {
    /// The changes.
    pub changes: Vec<Change>,
    /// The leads that another user owns now.
    pub moved: Vec<LeadId>,
    /// The leads that stay, since nobody can take them.
    pub left: Vec<LeadId>,
}

/// Give the leads of a user to other members of a team in turn, with their clocks running: by a sales manager or revops.
///
/// The world holds the leads with their hand-offs and clocks, the enabled users, and who of the team is free.
pub fn reassign(
    world: &mut World,
    leads: &[LeadId],
    from: UserId,
    team: TeamId,
    act: &Act,
) -> Result<Reassigned, Denied> {
    let person = act.by.demand_person()?;
    if !(person.is_admin() || matches!(person.role, Role::SalesManager | Role::Revops)) {
        return Err(Denied::WrongRole);
    }
    let mut done = Reassigned::default();
    for lead_id in leads {
        let (owner, turned) = take_turn(world, team, from, act);
        let Some(owner) = owner else {
            done.left.push(*lead_id);
            continue;
        };
        done.changes.extend(turned.map(Change::from));
        done.changes.extend(give(world, *lead_id, Some(owner), act));
        done.changes.extend(handed_on(world, *lead_id, owner, act));
        done.moved.push(*lead_id);
    }
    Ok(done)
}

/// The hand-off of a lead goes with it to another owner, and so do its clocks.
fn handed_on(world: &mut World, lead_id: LeadId, owner: UserId, act: &Act) -> Vec<Change> {
    let Some(known) = world.handoff_of(lead_id).cloned() else {
        return vec![];
    };
    let act = &act.not_before(known.updated_at);
    let from = known.owner_id;
    let handoff = Handoff {
        version: known.version + 1,
        updated_at: act.now,
        owner_id: Some(owner),
        queue: None,
        ..known
    };
    world.sales.handoffs.insert(handoff.id, handoff.clone());
    let mut changes = vec![placed(&handoff, from).into()];
    changes.extend(clocks::give(world, &handoff, false, act));
    changes.extend(notices(world, &handoff, act));
    changes
}
