//! The moves that somebody may make with a lead now: what the table allows, less what the caller has no right to.

use super::{By, MOVES, Move, Stage, applies, fitting, is_a_deals, may_confirm, permit};
use crate::access::{Actor, Person};
use crate::agreement::Reason;
use crate::id::{DealId, HandoffId};
use crate::leads::Lead;
use crate::world::World;

/// A move that an actor may make with a lead now.
#[derive(Debug, Clone, PartialEq)]
pub struct PossibleMove {
    /// The new stage.
    pub to: Stage,
    /// The act that makes the move.
    pub act: MoveAct,
    /// The reasons of the agreement that lead there; empty if the move needs none.
    pub reasons: Vec<Reason>,
    /// What the act demands beside what its reason does.
    pub requires: Vec<Need>,
}

/// An act that moves a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveAct {
    /// A stage change by hand.
    Transition,
    /// Accepting this hand-off.
    AcceptHandoff(HandoffId),
    /// Rejecting this hand-off.
    RejectHandoff(HandoffId),
    /// Ruling on the dispute about this hand-off.
    RuleOnHandoff(HandoffId),
    /// Confirming what the agreement asks for before an SQL.
    Qualify,
    /// Opening a deal.
    OpenDeal,
    /// Closing this deal.
    CloseDeal(DealId),
    /// Reopening this deal.
    ReopenDeal(DealId),
}

/// What the request for a move must contain, or what must be true before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// An agreed reason.
    Reason,
    /// A note in words.
    Note,
    /// That every item of the agreement's list `bant` is confirmed.
    Confirmation,
}

/// The rows of the table for a lead as it stands, by hand: where its deals take it is theirs.
pub(super) fn rows<'w>(world: &'w World, lead: &'w Lead) -> impl Iterator<Item = &'static Move> + 'w {
    let has_deal = world.has_deal(lead.id);
    MOVES
        .iter()
        .filter(move |m| applies(m, lead) && !(has_deal && is_a_deals(m)) && m.by != By::Ruling)
}

/// The moves that an actor may make by hand with a lead of the world, whose deals, hand-offs and qualification are loaded.
/// Those that decide on a pending hand-off are its acts; an SAL of which something is not confirmed becomes an SQL by
/// confirming it.
pub fn by_hand(world: &World, lead: &Lead, actor: &Actor) -> Vec<PossibleMove> {
    let Ok(person) = actor.demand_person() else {
        return vec![];
    };
    let is_confirmed = world.unconfirmed(lead.id).is_empty();
    let is_to_confirm = |m: &Move| m.is_qualifying() && !is_confirmed;
    let possible = |m: &Move| PossibleMove {
        to: m.to,
        act: match world.pending_of(lead.id).map(|handoff| handoff.id) {
            Some(id) if m.to == Stage::Sal => MoveAct::AcceptHandoff(id),
            Some(id) => MoveAct::RejectHandoff(id),
            None if is_to_confirm(m) => MoveAct::Qualify,
            None => MoveAct::Transition,
        },
        reasons: m
            .reason
            .map_or_else(Vec::new, |list| fitting(world, list, Some(m.to))),
        requires: [
            (m.needs_reason, Need::Reason),
            (m.needs_note, Need::Note),
            (is_to_confirm(m), Need::Confirmation),
        ]
        .into_iter()
        .filter_map(|(is_needed, need)| is_needed.then_some(need))
        .collect(),
    };
    let may = |person: &Person, m: &Move| match is_to_confirm(m) {
        true => may_confirm(lead, person).is_ok(),
        false => permit(world, m, lead, person).is_ok(),
    };
    let by_hand = rows(world, lead).filter(|m| may(person, m)).map(possible);
    by_hand.chain(by_ruling(world, lead, person)).collect()
}

/// The way back to SAL of a lead whose rejection is disputed: the ruling.
fn by_ruling(world: &World, lead: &Lead, person: &Person) -> Option<PossibleMove> {
    let staff = world.sales.staff.as_ref()?;
    let handoff = world
        .handoff_of(lead.id)
        .filter(|handoff| handoff.is_disputed())?;
    let overturned = MOVES.iter().find(|m| m.by == By::Ruling && applies(m, lead))?;
    handoff.may_rule(person, staff).ok()?;
    Some(PossibleMove {
        to: overturned.to,
        act: MoveAct::RuleOnHandoff(handoff.id),
        reasons: vec![],
        requires: vec![Need::Note],
    })
}

/// The stages that an actor may move a lead of the world to by hand.
pub fn allowed(world: &World, lead: &Lead, actor: &Actor) -> Vec<Stage> {
    by_hand(world, lead, actor)
        .into_iter()
        .filter(|one| !matches!(one.act, MoveAct::RuleOnHandoff(_)))
        .map(|one| one.to)
        .collect()
}
