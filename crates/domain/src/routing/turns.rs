//! Fair turns: whose turn it is, by weights, with arrears kept while members, weights and presence change.
//!
//! In a *round* the available members and their weights stay the same. After t assignments a member with the share λ has
//! had ⌊λt⌋ or ⌈λt⌉ of them: it differs from its share by less than one. That such an order exists is Tijdeman's theorem
//! on the chairman assignment problem (R. Tijdeman, Discrete Mathematics 32, 1980, pages 323-330): a member's next turn may
//! come once its quota is not used up, and must come by its deadline, the first t at which ⌊λt⌋ exceeds what it has had.
//!
//! Tijdeman's own rule takes the earliest deadline. It forgets what a round leaves over, so that members who come and go
//! drift apart without bound. Here the deadlines only say who may be chosen without a later deadline being missed; among
//! these the member with the greatest arrears over all rounds is next, which keeps the arrears below two in practice. No
//! rule that cannot foresee changes bounds them for teams of every size: whenever half of a team has had its turn and
//! leaves, the other half is owed half a turn more.
//!
//! A turn that is given back begins a round in which the greatest arrears alone decide, until nobody is owed, or ahead by, a
//! whole turn. A member that rejects much at once, or rejects while it is away, would be owed a flood: turns that are given back
//! raise nobody's arrears above `BOUND`, and what exceeds it is forgotten.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// Arrears are stored in billionths of a turn.
const TURN: i64 = 1_000_000_000;

/// What turns that are given back leave a member owed, or ahead by, at most: high enough for one rejection,
/// low enough that the arrears stay below two in the rounds that follow.
const BOUND: i64 = TURN;

/// The turns of one team, kept from assignment to assignment; the store keeps it as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    members: BTreeMap<UserId, Member>,
    /// Assignments of the round.
    assigned: u64,
    /// Whether a turn that was given back, or counts again, began the round.
    catches_up: bool,
}

/// The state of a member; one that left retains its arrears for its return.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Member {
    /// 0 while it is not available.
    weight: u64,
    /// Its assignments of the round.
    taken: u64,
    /// What it was owed when the round began, in billionths of a turn; negative where it was ahead.
    owed: i64,
}

/// A turn that was taken: who took it, and who had which part in it. Stored with the routing decision, so that it can be
/// given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who took it.
    pub user: UserId,
    /// The members that were available, with their weights.
    pub available: BTreeMap<UserId, u32>,
}

impl Turns {
    /// Give the next turn to one of those who are available, with their weights; `None` where nobody has a weight. Only
    /// they earn a part of it, so that nobody comes back to a flood.
    pub fn take(&mut self, available: BTreeMap<UserId, u32>) -> Option<Turn> {
        let available: BTreeMap<UserId, u32> =
            available.into_iter().filter(|(_, weight)| *weight > 0).collect();
        if !self.is_round_of(&available) {
            self.begin_round(&available);
        } else if self.catches_up && self.is_even() {
            self.settle_round();
        }
        let user = self.next()?;
        self.assigned += 1;
        self.members.entry(user).or_default().taken += 1;
        Some(Turn { user, available })
    }

    /// Undo a turn, as when its hand-off was rejected: it counts for nobody. This begins a round.
    pub fn give_back(&mut self, turn: &Turn) {
        self.correct(turn, -1);
    }

    /// Count a turn again that was given back, as when the rejection was overturned. This begins a round.
    pub fn take_again(&mut self, turn: &Turn) {
        self.correct(turn, 1);
    }

    /// Count a turn so many times more, as far as nobody's arrears grow beyond the bound.
    fn correct(&mut self, turn: &Turn, times: i64) {
        self.settle_round();
        self.catches_up = true;
        let changes = turn.changes();
        let room = |(user, change): (&UserId, &i64)| {
            let owed = self.members.get(user).map_or(0, |member| member.owed);
            let room = (BOUND - owed * (change * times).signum()).max(0);
            i128::from(room) * i128::from(TURN) / i128::from(change.abs().max(1))
        };
        let part = changes.iter().map(room).min().unwrap_or(0).min(i128::from(TURN));
        // What rounding leaves over falls to the member whose turn it is, so that nothing is lost.
        let mut left = 0;
        for (user, change) in &changes {
            let counted = (i128::from(change * times) * part / i128::from(TURN)) as i64;
            self.members.entry(*user).or_default().owed += counted;
            left -= counted;
        }
        self.members.entry(turn.user).or_default().owed += left;
    }

    /// What a member is owed after all rounds, in turns; negative where it is ahead.
    pub fn arrears(&self, user: UserId) -> f64 {
        let total = self.total_weight().max(1);
        let owed = self
            .members
            .get(&user)
            .map_or(0, |member| self.owed(member, total));
        owed as f64 / (TURN as f64 * total as f64)
    }

    fn is_round_of(&self, available: &BTreeMap<UserId, u32>) -> bool {
        let of_round = self.members.iter().filter(|(_, member)| member.weight > 0);
        let of_round = of_round.map(|(user, member)| (*user, member.weight));
        of_round.eq(available.iter().map(|(user, weight)| (*user, u64::from(*weight))))
    }

    fn begin_round(&mut self, available: &BTreeMap<UserId, u32>) {
        self.settle_round();
        for member in self.members.values_mut() {
            member.weight = 0;
        }
        for (user, weight) in available {
            self.members.entry(*user).or_default().weight = u64::from(*weight);
        }
    }

    /// Carry what the round leaves over into the arrears; all members' arrears together stay what they are.
    fn settle_round(&mut self) {
        let weights: Vec<u64> = self.members.values().map(|member| member.weight).collect();
        let earned = parts(&weights, self.assigned);
        for (member, earned) in self.members.values_mut().zip(earned) {
            member.owed += earned - member.taken as i64 * TURN;
            member.taken = 0;
        }
        self.assigned = 0;
        self.catches_up = false;
    }

    /// Whether nobody of the round is owed, or ahead by, a whole turn.
    fn is_even(&self) -> bool {
        let total = self.total_weight();
        let mut members = self.members.values().filter(|member| member.weight > 0);
        members.all(|member| self.owed(member, total).abs() < i128::from(TURN) * i128::from(total))
    }

    /// Of those who may be next without a deadline being missed, the one with the greatest arrears; then the one with the
    /// earliest deadline, then the smallest id. A round that catches up has no deadlines.
    fn next(&self) -> Option<UserId> {
        let total = self.total_weight();
        let turn = self.assigned + 1;
        let last = self.last_deadline(turn, total);
        self.members
            .iter()
            .filter(|(_, member)| member.weight > 0)
            .filter(|(_, member)| self.catches_up || member.taken * total < member.weight * turn)
            .map(|(user, member)| (user, member, member.deadline(1, total)))
            .filter(|(_, _, deadline)| self.catches_up || *deadline <= last)
            .max_by_key(|(user, member, deadline)| {
                let owed = self.owed(member, total) + i128::from(member.weight) * i128::from(TURN);
                (owed, std::cmp::Reverse((*deadline, **user)))
            })
            .map(|(user, ..)| *user)
    }

    /// The first deadline by which every turn from this one on is needed by a member's deadline; a member with a later one
    /// must wait. Deadlines behind everybody's next one keep nobody waiting.
    fn last_deadline(&self, turn: u64, total: u64) -> u64 {
        let members = || self.members.values().filter(|member| member.weight > 0);
        let horizon = members()
            .map(|member| member.deadline(1, total))
            .max()
            .unwrap_or(turn);
        let mut deadlines: Vec<u64> = members()
            .flat_map(|member| {
                (1..)
                    .map(move |nth| member.deadline(nth, total))
                    .take_while(|deadline| *deadline <= horizon)
            })
            .collect();
        deadlines.sort_unstable();
        let mut tight = (turn..)
            .zip(deadlines)
            .filter(|(slot, deadline)| deadline <= slot);
        tight.next().map_or(u64::MAX, |(_, deadline)| deadline)
    }

    /// What a member is owed now, in billionths of a turn times the weight of the round.
    fn owed(&self, member: &Member, total: u64) -> i128 {
        let earned = i128::from(member.weight) * i128::from(self.assigned);
        let taken = i128::from(member.taken) * i128::from(total);
        i128::from(member.owed) * i128::from(total) + (earned - taken) * i128::from(TURN)
    }

    fn total_weight(&self) -> u64 {
        self.members.values().map(|member| member.weight).sum()
    }
}

impl Member {
    /// The assignment of the round, from 1, by which its nth turn from now must have come.
    fn deadline(&self, nth: u64, total: u64) -> u64 {
        ((self.taken + nth) * total).div_ceil(self.weight.max(1))
    }
}

impl Turn {
    /// What it changed in each one's arrears, in billionths of a turn; nothing altogether.
    fn changes(&self) -> BTreeMap<UserId, i64> {
        let weights: Vec<u64> = self.available.values().map(|weight| u64::from(*weight)).collect();
        let earned = self.available.keys().copied().zip(parts(&weights, 1));
        let mut changes: BTreeMap<UserId, i64> = earned.collect();
        *changes.entry(self.user).or_default() -= TURN;
        changes
    }
}

/// Some turns divided by weights, in billionths: rounded down, the rest to the first ones, so that nothing is lost.
fn parts(weights: &[u64], turns: u64) -> Vec<i64> {
    let total = u128::from(weights.iter().sum::<u64>().max(1));
    let whole = u128::from(turns) * TURN as u128;
    let mut parts: Vec<i64> = weights
        .iter()
        .map(|weight| (u128::from(*weight) * whole / total) as i64)
        .collect();
    let rest = turns as i64 * TURN - parts.iter().sum::<i64>();
    let weighty = parts.iter_mut().zip(weights).filter(|(_, weight)| **weight > 0);
    for (part, _) in weighty.take(rest as usize) {
        *part += 1;
    }
    parts
}
