//! The moves of a lead that acts on its deals make.

use super::close::{goes_back, goes_to, may_reopen};
use super::open::IN_BUSINESS;
use super::{Deal, Outcome, READY, deals_of};
use crate::act::Act;
use crate::agreement::Reason;
use crate::leads::Lead;
use crate::lifecycle::Stage;
use crate::lifecycle::moves::{MoveAct, Need, PossibleMove};
use crate::world::World;

/// The moves that an actor may make now by opening, closing or reopening deals of which a lead of the world is the
/// primary one; all of these are loaded.
pub fn moves(world: &World, lead: &Lead, act: &Act) -> Vec<PossibleMove> {
    let by_deals = deals_of(world, lead.id).flat_map(|deal| match &deal.closing {
        None => by_closing(world, deal, act),
        Some(closing) => by_reopening(world, deal, closing.outcome, act),
    });
    by_opening(lead, act).into_iter().chain(by_deals).collect()
}

fn by_opening(lead: &Lead, act: &Act) -> Option<PossibleMove> {
    let moves = READY.contains(&lead.stage) && !IN_BUSINESS.contains(&lead.stage);
    (moves && act.may_work(lead.owner_id).is_ok()).then_some(PossibleMove {
        to: Stage::Opportunity,
        act: MoveAct::OpenDeal,
        reasons: vec![],
        requires: vec![],
    })
}

fn by_closing(world: &World, deal: &Deal, act: &Act) -> Vec<PossibleMove> {
    if act.may_work(deal.owner_id).is_err() {
        return vec![];
    }
    let mut moves: Vec<PossibleMove> = vec![];
    for outcome in [Outcome::Won, Outcome::Lost] {
        let reasons = world.rules.agreement.agreement.reasons(outcome.reasons());
        for reason in reasons.iter().filter(|reason| !reason.retired) {
            let Some(to) = goes_to(world, deal, outcome, Some(reason)) else {
                continue;
            };
            match moves.iter_mut().find(|known| known.to == to) {
                Some(known) => known.reasons.push(reason.clone()),
                None => moves.push(closing(to, deal, reason)),
            }
        }
    }
    moves
}

fn closing(to: Stage, deal: &Deal, reason: &Reason) -> PossibleMove {
    PossibleMove {
        to,
        act: MoveAct::CloseDeal(deal.id),
        reasons: vec![reason.clone()],
        requires: vec![Need::Reason],
    }
}

fn by_reopening(world: &World, deal: &Deal, outcome: Outcome, act: &Act) -> Vec<PossibleMove> {
    if !goes_back(world, deal, outcome) || may_reopen(act).is_err() {
        return vec![];
    }
    vec![PossibleMove {
        to: Stage::Opportunity,
        act: MoveAct::ReopenDeal(deal.id),
        reasons: vec![],
        requires: vec![Need::Note],
    }]
}
