//! One choice among candidates, with why each other one was skipped.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clocks::Calendar;
use crate::id::UserId;
use crate::instant::Timestamp;

use super::availability::Availability;
use super::turns::{Turn, Turns};

/// How leads are distributed in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// In turn.
    #[default]
    RoundRobin,
    /// In turn, by the members' weights.
    Weighted,
    /// To the member with the fewest open leads for its capacity.
    LeastLoaded,
}

/// How a rule selects among candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// How they share.
    pub strategy: Strategy,
    /// Whether users outside their working hours are skipped.
    pub in_hours: bool,
}

/// A member that might get the lead.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The user.
    pub user: UserId,
    /// Whether it works leads.
    pub is_enabled: bool,
    /// Whether it rejected this lead before.
    pub has_rejected: bool,
    /// When it works and how much it takes.
    pub availability: &'a Availability,
    /// Its open leads.
    pub open_leads: u32,
    /// When routing last gave it a lead.
    pub last_assigned_at: Option<Timestamp>,
}

/// Why a candidate was skipped: the first reason that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassedOver {
    /// Disabled, or no longer in sales.
    Disabled,
    /// It rejected this lead before.
    RejectedBefore,
    /// Away.
    Absent,
    /// Outside its working hours.
    OutsideHours,
    /// It has as many open leads as it takes.
    AtCapacity,
    /// It could have taken the lead, but another one was next; also one without weight.
    NotTheirTurn,
}

/// Who gets the lead, and why the others do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Who gets it; `None` where it must wait in a queue.
    pub chosen: Option<UserId>,
    /// Every other candidate with its reason, in the order given.
    pub passed_over: Vec<(UserId, PassedOver)>,
    /// The turn that was taken.
    pub turn: Option<Turn>,
}

impl Candidate<'_> {
    /// What prevents it from getting the lead at an instant, whatever the other candidates.
    pub fn obstacle(
        &self,
        selection: Selection,
        agreed: Option<&Calendar>,
        now: Timestamp,
    ) -> Option<PassedOver> {
        let works = !selection.in_hours || self.availability.is_at_work(now, agreed);
        let obstacles = [
            (!self.is_enabled, PassedOver::Disabled),
            (self.has_rejected, PassedOver::RejectedBefore),
            (self.availability.is_away(now), PassedOver::Absent),
            (!works, PassedOver::OutsideHours),
            (
                !self.availability.has_room(self.open_leads),
                PassedOver::AtCapacity,
            ),
        ];
        obstacles
            .into_iter()
            .find(|(holds, _)| *holds)
            .map(|(_, obstacle)| obstacle)
    }
}

impl Selection {
    /// Choose among a team's members. Turns move when they decide; a simulation hands in a copy of them. `agreed` is the
    /// calendar of the agreement, for members without their own.
    pub fn choose(
        self,
        candidates: &[Candidate],
        turns: &mut Turns,
        agreed: Option<&Calendar>,
        now: Timestamp,
    ) -> Decision {
        let obstacle = |candidate: &Candidate| candidate.obstacle(self, agreed, now);
        let free = || {
            let able = candidates
                .iter()
                .filter(|candidate| obstacle(candidate).is_none());
            able.filter(|candidate| candidate.availability.weight > 0)
        };
        let turn = match self.strategy {
            Strategy::RoundRobin => turns.take(free().map(|candidate| (candidate.user, 1)).collect()),
            Strategy::Weighted => turns.take(
                free()
                    .map(|candidate| (candidate.user, candidate.availability.weight))
                    .collect(),
            ),
            Strategy::LeastLoaded => None,
        };
        let chosen = match self.strategy {
            Strategy::LeastLoaded => least_loaded(&free().collect::<Vec<_>>()),
            Strategy::RoundRobin | Strategy::Weighted => turn.as_ref().map(|turn| turn.user),
        };
        let others = candidates
            .iter()
            .filter(|candidate| Some(candidate.user) != chosen);
        let passed_over = others
            .map(|candidate| {
                (
                    candidate.user,
                    obstacle(candidate).unwrap_or(PassedOver::NotTheirTurn),
                )
            })
            .collect();
        Decision {
            chosen,
            passed_over,
            turn,
        }
    }
}

/// Open leads by capacity, or open leads alone where a candidate has no capacity; then who waited longest for a lead, then
/// the smallest id.
fn least_loaded(free: &[&Candidate]) -> Option<UserId> {
    let capacities: Option<Vec<u32>> = free
        .iter()
        .map(|candidate| candidate.availability.capacity)
        .collect();
    let capacity = |index: usize| u64::from(capacities.as_ref().map_or(1, |capacities| capacities[index]));
    let load = |a: usize, b: usize| -> Ordering {
        let (open_a, open_b) = (u64::from(free[a].open_leads), u64::from(free[b].open_leads));
        (open_a * capacity(b)).cmp(&(open_b * capacity(a)))
    };
    let least = (0..free.len()).min_by(|&a, &b| {
        let waited = |index: usize| (free[index].last_assigned_at, free[index].user);
        load(a, b).then_with(|| waited(a).cmp(&waited(b)))
    })?;
    Some(free[least].user)
}
