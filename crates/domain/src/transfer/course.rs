//! The way of a lead through the stages, as all that imports say of it makes it, together with what happened here. A pure
//! function of the statements: the order in which rows, batches and files came does not matter.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::past::{PastStatement, What};
use crate::deals::{Deal, Outcome};
use crate::id::{DealId, UserId};
use crate::instant::Timestamp;
use crate::lifecycle::{self, Cycle, Stage, Transition};

/// A step to a stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step<'a> {
    /// In which cycle: the new one, where it starts one.
    pub cycle: i64,
    /// The stage before.
    pub from: Option<Stage>,
    /// The new stage.
    pub to: Stage,
    /// When it happened.
    pub at: Timestamp,
    /// Whether the agreed table has such a move.
    pub is_legal: bool,
    /// Of what it follows.
    pub cause: Cause<'a>,
}

/// Of what a step follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cause<'a> {
    /// It was made here.
    Here(&'a Transition),
    /// An import says so.
    Stated(&'a PastStatement),
}

/// A deal on the way of its primary lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnWay {
    /// In which cycle it was opened.
    pub cycle: i64,
    /// Whether its closing moved the lead.
    pub moved_lead: bool,
    /// Who owned the lead when the deal was opened, or closed where nobody knows when that was.
    pub owner: Option<UserId>,
}

/// The stage changes of a lead in order, with the deals and owners that go with them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Course<'a> {
    /// The steps, in their order.
    pub steps: Vec<Step<'a>>,
    /// The deals that imports state.
    pub deals: BTreeMap<DealId, OnWay>,
    /// Who owned the lead at the end of each cycle, or before it was nobody's.
    pub owners: BTreeMap<i64, UserId>,
    /// Who owns it at the end.
    pub owner: Option<UserId>,
    /// Who owned it before.
    pub previous_owner: Option<UserId>,
}

/// Where a lead stands on its way.
struct Walker<'a> {
    way: Course<'a>,
    deals: &'a [Deal],
    stage: Option<Stage>,
    came_from: Option<Stage>,
    cycle: i64,
    /// Whether the cycle has ended.
    is_over: bool,
    /// The cycles that reached MQL or any later stage.
    handed_over: BTreeSet<i64>,
    /// The cycles in which a deal was won.
    won: BTreeSet<i64>,
    /// The deals whose closing was passed.
    closed: BTreeSet<DealId>,
}

/// What does not move on a way: what happened here, and that the lead became known.
struct Fixed<'a> {
    at: Timestamp,
    cycle: i64,
    to: Stage,
    from: Option<Stage>,
    is_beginning: bool,
    cause: Cause<'a>,
}

impl<'a> Fixed<'a> {
    fn here(made: &'a Transition) -> Self {
        Self {
            at: made.at,
            cycle: made.cycle,
            to: made.to,
            from: made.from,
            is_beginning: made.from.is_none(),
            cause: Cause::Here(made),
        }
    }

    fn known(stated: &'a PastStatement) -> Self {
        Self {
            at: stated.at,
            cycle: 1,
            to: Stage::Lead,
            from: None,
            is_beginning: true,
            cause: Cause::Stated(stated),
        }
    }
}

/// The way of a lead: `here` are the stage changes that were made here, by date; `deals` all deals that it is the primary
/// lead of.
///
/// Steps of one instant go in the order of the agreed moves, else of the stages. A cycle that something here belongs to
/// keeps its number: what is stated before it begins no cycle beyond.
pub(super) fn way<'a>(
    here: impl IntoIterator<Item = &'a Transition>,
    statements: &'a [PastStatement],
    deals: &'a [Deal],
) -> Course<'a> {
    let is = |what: What| move |one: &&'a PastStatement| one.what == what;
    let known = statements.iter().filter(is(What::Known)).map(Fixed::known);
    let mut fixed: Vec<Fixed<'a>> = known.chain(here.into_iter().map(Fixed::here)).collect();
    fixed.sort_by_key(|one| (one.at, !one.is_beginning));
    let begins = |at: Timestamp| fixed.iter().any(|one| one.is_beginning && one.at == at);
    let moving = statements.iter().filter(|one| match one.what {
        What::Known | What::Owned | What::OpenedSometime(_) => false,
        // That the lead became known is known.
        What::Moved(Stage::Lead) => !begins(one.at),
        _ => true,
    });
    let mut moving: Vec<&'a PastStatement> = moving.collect();
    moving.sort_by_key(|one| one.at);
    let mut walker = Walker {
        way: Course {
            owner: statements
                .iter()
                .find(is(What::Owned))
                .and_then(|one| one.owner_id),
            ..Course::default()
        },
        deals,
        stage: None,
        came_from: None,
        cycle: 1,
        is_over: false,
        handed_over: BTreeSet::new(),
        won: BTreeSet::new(),
        closed: BTreeSet::new(),
    };
    let mut rest = &moving[..];
    for one in &fixed {
        let is_before = |stated: &&PastStatement| match one.is_beginning {
            true => stated.at < one.at,
            false => stated.at <= one.at,
        };
        let (earlier, later) = rest.split_at(rest.partition_point(is_before));
        walker.through(earlier, one.cycle);
        walker.stand(one);
        rest = later;
    }
    walker.through(rest, i64::MAX);
    walker.way
}

impl<'a> Walker<'a> {
    /// Go through statements that are sorted by their instants, without beginning a cycle beyond `last`.
    fn through(&mut self, statements: &[&'a PastStatement], last: i64) {
        for instant in statements.chunk_by(|one, other| one.at == other.at) {
            let mut open = instant.to_vec();
            while let Some(place) = (0..open.len()).min_by(|one, other| self.first(open[*one], open[*other]))
            {
                let next = open.remove(place);
                self.follow(next, last);
            }
        }
    }

    /// Which of two statements of one instant comes first.
    fn first(&self, one: &PastStatement, other: &PastStatement) -> Ordering {
        let deal = |id: DealId| {
            let deal = self.deals.iter().find(|deal| deal.id == id);
            (deal.and_then(|deal| deal.external_id.clone()), id)
        };
        let place = |stated: &PastStatement| {
            let to = stated.what.to();
            let fits = match stated.from {
                Some(from) => self.stage == Some(from),
                None => self
                    .stage
                    .is_some_and(|from| lifecycle::is_move(from, to, self.came_from)),
            };
            let order = match (self.moves(stated), fits) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => 2,
            };
            (order, to, stated.what.deal().map(deal))
        };
        place(one).cmp(&place(other))
    }

    /// Whether a statement moves the lead from where it stands.
    fn moves(&self, stated: &PastStatement) -> bool {
        let is_of_cycle = |deal| {
            self.cycle_of(deal, stated.at)
                .is_none_or(|cycle| cycle == self.cycle)
        };
        match stated.what {
            What::Known | What::Owned | What::OpenedSometime(_) => false,
            What::Moved(_) => true,
            What::Opened(_) => !matches!(self.stage, Some(Stage::Opportunity | Stage::Customer)),
            What::Won(deal) => self.stage != Some(Stage::Customer) && is_of_cycle(deal),
            What::Lost(deal, _) => {
                self.stage == Some(Stage::Opportunity) && is_of_cycle(deal) && !self.is_held(deal, stated.at)
            }
        }
    }

    /// The cycle in which a deal was opened before its closing; `None` where nobody knows when it was opened.
    fn cycle_of(&self, id: DealId, closed_at: Timestamp) -> Option<i64> {
        let known = self.way.deals.get(&id).map(|deal| deal.cycle);
        known.or_else(|| {
            let deal = self.deals.iter().find(|deal| deal.id == id);
            deal.filter(|deal| deal.opened_at < closed_at)
                .and_then(|deal| deal.cycle)
        })
    }

    /// Whether another deal holds a lead whose deal was lost: one that is open, or one that was won in the same cycle.
    fn is_held(&self, lost: DealId, at: Timestamp) -> bool {
        let cycle = self.cycle_of(lost, at).unwrap_or(self.cycle);
        let holds = |deal: &Deal| {
            let is_closed = deal
                .closing
                .as_ref()
                .is_some_and(|closing| match closing.at.cmp(&at) {
                    Ordering::Less => true,
                    Ordering::Equal => self.closed.contains(&deal.id),
                    Ordering::Greater => false,
                });
            let is_won = deal
                .closing
                .as_ref()
                .is_some_and(|closing| closing.outcome == Outcome::Won);
            deal.opened_at <= at && !is_closed || is_closed && is_won && self.is_of(deal, cycle)
        };
        self.won.contains(&cycle) || self.deals.iter().any(|deal| deal.id != lost && holds(deal))
    }

    fn is_of(&self, deal: &Deal, cycle: i64) -> bool {
        match self.way.deals.get(&deal.id) {
            Some(on_way) => on_way.cycle == cycle,
            None => deal.cycle == Some(cycle),
        }
    }

    fn follow(&mut self, stated: &'a PastStatement, last: i64) {
        let moves = self.moves(stated);
        let known = stated.what.deal().and_then(|deal| self.cycle_of(deal, stated.at));
        self.way.owner = self.way.owner.or(stated.owner_id);
        let owner = self.way.owner;
        if moves {
            let from = stated.from.or(self.stage);
            let to = stated.what.to();
            let begins = match stated.what {
                What::Moved(Stage::Opportunity) => {
                    from == Some(Stage::Churned) || self.came_from != Some(Stage::Opportunity)
                }
                What::Moved(Stage::Lead | Stage::Mql) | What::Opened(_) => true,
                What::Won(_) => known.is_none(),
                _ => false,
            };
            let is_legal =
                from == self.stage && from.is_some_and(|from| lifecycle::is_move(from, to, self.came_from));
            self.cycle += i64::from(begins && self.is_over && self.cycle < last);
            self.arrive(Step {
                cycle: self.cycle,
                from,
                to,
                at: stated.at,
                is_legal,
                cause: Cause::Stated(stated),
            });
        }
        if let Some(deal) = stated.what.deal() {
            let is_closing = !matches!(stated.what, What::Opened(_));
            let cycle = known.unwrap_or(self.cycle);
            let opening = self.way.deals.get(&deal);
            let on_way = OnWay {
                cycle,
                moved_lead: moves && is_closing,
                owner: opening.map_or(owner, |known| known.owner),
            };
            self.way.deals.insert(deal, on_way);
            if is_closing {
                self.closed.insert(deal);
            }
            if matches!(stated.what, What::Won(_)) {
                self.won.insert(cycle);
            }
        }
    }

    fn stand(&mut self, fixed: &Fixed<'a>) {
        self.cycle = fixed.cycle;
        self.arrive(Step {
            cycle: fixed.cycle,
            from: fixed.from,
            to: fixed.to,
            at: fixed.at,
            is_legal: true,
            cause: fixed.cause,
        });
    }

    fn arrive(&mut self, step: Step<'a>) {
        if Cycle::HANDED_OVER.contains(&step.to) {
            self.handed_over.insert(step.cycle);
        }
        self.is_over = Cycle::ends_in(step.to, self.handed_over.contains(&step.cycle));
        (self.stage, self.came_from) = (Some(step.to), step.from);
        if step.to.clears_owner() {
            self.way.previous_owner = self.way.owner.take().or(self.way.previous_owner);
        }
        if let Some(owner) = self.way.owner.or(self.way.previous_owner) {
            self.way.owners.insert(step.cycle, owner);
        }
        self.way.steps.push(step);
    }
}
