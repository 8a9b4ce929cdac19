//! The enabled users with their roles and teams: who can own work, and who receives notices.

use std::collections::{BTreeMap, BTreeSet};

use super::{Queue, Role};
use crate::id::{TeamId, UserId};

/// An enabled user, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colleague {
    /// Its role.
    pub role: Role,
    /// The teams that it belongs to.
    pub teams: BTreeSet<TeamId>,
    /// Whether it is an admin, beside its role.
    pub admin: bool,
}

/// All enabled users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staff(BTreeMap<UserId, Colleague>);

impl FromIterator<(UserId, Colleague)> for Staff {
    fn from_iter<I: IntoIterator<Item = (UserId, Colleague)>>(users: I) -> Self {
        Self(users.into_iter().collect())
    }
}

impl Staff {
    /// The user with this id, unless it is disabled or unknown.
    pub fn get(&self, id: UserId) -> Option<&Colleague> {
        self.0.get(&id)
    }

    /// Whether two users share a team.
    pub fn share_a_team(&self, one: UserId, other: UserId) -> bool {
        let (Some(one), Some(other)) = (self.get(one), self.get(other)) else {
            return false;
        };
        !one.teams.is_disjoint(&other.teams)
    }

    /// Every user with this role, by id.
    pub fn with_role(&self, role: Role) -> Vec<UserId> {
        self.those(|colleague| colleague.role == role)
    }

    /// Every admin, by id.
    pub fn admins(&self) -> Vec<UserId> {
        self.those(|colleague| colleague.admin || colleague.role == Role::Admin)
    }

    /// The members of a team who work in sales, by id.
    pub fn sellers_of(&self, team: TeamId) -> Vec<UserId> {
        self.those(|colleague| colleague.is_sales() && colleague.teams.contains(&team))
    }

    /// The managers of a sales user: the sales managers in its teams, else all of them.
    pub fn managers_of(&self, user: UserId) -> Vec<UserId> {
        let teams = self.get(user).map(|colleague| &colleague.teams);
        self.managers_in(|team| teams.is_some_and(|teams| teams.contains(team)))
    }

    /// The sales managers of a queue: those of its team, else all of them.
    pub fn managers_of_queue(&self, queue: Queue) -> Vec<UserId> {
        self.managers_in(|team| queue == Queue::Team(*team))
    }

    /// Who is to know of work: its owner, else the sales users of the team in whose queue it waits, or the sales managers
    /// where it waits in the general one.
    pub fn concerned(&self, owner: Option<UserId>, queue: Option<Queue>) -> Vec<UserId> {
        match (owner, queue) {
            (Some(owner), _) => Vec::from_iter(self.get(owner).map(|_| owner)),
            (None, Some(Queue::Team(team))) => self.sellers_of(team),
            (None, Some(Queue::General) | None) => self.with_role(Role::SalesManager),
        }
    }

    fn managers_in(&self, is_theirs: impl Fn(&TeamId) -> bool) -> Vec<UserId> {
        let manages = |colleague: &Colleague| colleague.role == Role::SalesManager;
        let own = self.those(|colleague| manages(colleague) && colleague.teams.iter().any(&is_theirs));
        match own.is_empty() {
            true => self.with_role(Role::SalesManager),
            false => own,
        }
    }

    fn those(&self, are_meant: impl Fn(&Colleague) -> bool) -> Vec<UserId> {
        let meant = self.0.iter().filter(|(_, colleague)| are_meant(colleague));
        meant.map(|(id, _)| *id).collect()
    }
}

impl Colleague {
    /// Whether it works in sales, as a manager or not.
    pub fn is_sales(&self) -> bool {
        matches!(self.role, Role::Sales | Role::SalesManager)
    }

    /// Whether it works in marketing, as a manager or not.
    pub fn is_marketing(&self) -> bool {
        matches!(self.role, Role::Marketing | Role::MarketingManager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use crate::instant::Timestamp;

    #[test]
    fn a_manager_is_one_of_the_teams_else_all_are() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let [north, south]: [TeamId; 2] = [ids.next(), ids.next()];
        let [rep, chief, other, loner]: [UserId; 4] = [ids.next(), ids.next(), ids.next(), ids.next()];
        let user = |role, teams: &[TeamId]| Colleague {
            role,
            teams: teams.iter().copied().collect(),
            admin: false,
        };
        let staff = Staff::from_iter([
            (rep, user(Role::Sales, &[north])),
            (chief, user(Role::SalesManager, &[north])),
            (other, user(Role::SalesManager, &[south])),
            (loner, user(Role::Sales, &[])),
        ]);

        assert_eq!(staff.managers_of(rep), [chief]);
        assert_eq!(staff.managers_of(loner), [chief, other]);
        assert_eq!(staff.managers_of_queue(Queue::Team(south)), [other]);
        assert_eq!(staff.managers_of_queue(Queue::General), [chief, other]);
        assert_eq!(staff.sellers_of(north), [rep, chief]);
        assert!(staff.share_a_team(rep, chief) && !staff.share_a_team(rep, loner));
    }
}
