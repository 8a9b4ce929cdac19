//! Who can take a hand-off now: availability, open leads and turns, as they are loaded for a decision.

use std::collections::{BTreeMap, HashMap};

use super::availability::Availability;
use super::turns::{Turn, Turns};
use crate::id::{CompanyId, HandoffId, TeamId, UserId};
use crate::instant::Timestamp;

/// The people who work leads, and what they have.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// Users by id; those who are disabled or not of sales too.
    pub sellers: BTreeMap<UserId, Seller>,
    /// The members of teams, by id.
    pub teams: BTreeMap<TeamId, Vec<UserId>>,
    /// The turns of the teams that rules name.
    pub turns: BTreeMap<TeamId, Turns>,
    /// Who owns companies, or works on them.
    pub company_owners: HashMap<CompanyId, UserId>,
    /// The turns that pending hand-offs took.
    pub taken: HashMap<HandoffId, (TeamId, Turn)>,
}

/// A user, as routing sees it.
#[derive(Debug, Clone, Default)]
pub struct Seller {
    /// Whether it works leads.
    pub is_enabled: bool,
    /// When it works and how much it takes.
    pub availability: Availability,
    /// Its open leads: owned, and in mql, sal or sql.
    pub open_leads: u32,
    /// When it last got a hand-off.
    pub last_assigned_at: Option<Timestamp>,
}

impl Desk {
    /// An owner has another lead from now on.
    pub fn assign(&mut self, owner: Option<UserId>, at: Timestamp) {
        if let Some(seller) = owner.and_then(|owner| self.sellers.get_mut(&owner)) {
            seller.open_leads += 1;
            seller.last_assigned_at = Some(at);
        }
    }

    /// The first team of a user, by id.
    pub fn first_team(&self, user: UserId) -> Option<TeamId> {
        let mut teams = self.teams.iter();
        teams
            .find(|(_, members)| members.contains(&user))
            .map(|(team, _)| *team)
    }
}
