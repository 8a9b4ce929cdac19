//! Who can take a hand-off now: availability, open leads and turns, as they are loaded for a decision.

use std::collections::{BTreeMap, HashMap};

use super::availability::Availability;
use super::turns::{Turn, Turns};
use crate::id::{CompanyId, DealId, HandoffId, LeadId, TeamId, UserId};
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
    /// The work on companies that hand-offs join, and whose it is: open deals, then leads that sales works on, the newest first.
    pub worked: HashMap<CompanyId, Vec<(Joins, UserId)>>,
    /// The turns that hand-offs took that are pending or disputed.
    pub taken: HashMap<HandoffId, (TeamId, Turn)>,
}

/// The work on a company that a hand-off joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// An open deal.
    Deal(DealId),
    /// A lead in mql, sal or sql.
    Lead(LeadId),
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

    /// A lead of a company is worked on from now on: it is the newest one, behind the deals.
    pub fn is_worked(&mut self, company: CompanyId, joins: Joins, owner: UserId) {
        let known = self.worked.entry(company).or_default();
        let deals = known
            .iter()
            .take_while(|(one, _)| matches!(one, Joins::Deal(_)))
            .count();
        known.insert(deals, (joins, owner));
    }

    /// The first team of a user, by id.
    pub fn first_team(&self, user: UserId) -> Option<TeamId> {
        let mut teams = self.teams.iter();
        teams
            .find(|(_, members)| members.contains(&user))
            .map(|(team, _)| *team)
    }
}
