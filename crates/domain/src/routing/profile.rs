//! When a user works and how much it takes, as it is written and stored.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::availability::{Absence, Availability};
use crate::access::{Actor, Denied, Role, Scope};
use crate::clocks::{Calendar, CalendarDocument};
use crate::fault::Fault;
use crate::id::UserId;
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Plain, counted};

/// A user's availability: working hours, absences, capacity and weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Availability)]
pub struct AvailabilityDetails {
    /// The user's own working hours; default the agreement's.
    #[serde(default)]
    #[schema(required = false)]
    pub calendar: Option<CalendarDocument>,
    /// The capacity: how many open leads (owned, in mql, sal or sql) routing may assign up to; default no limit.
    #[serde(default)]
    #[schema(required = false, minimum = 0, maximum = 100_000, example = 40)]
    pub capacity: Option<u32>,
    /// The weight in weighted turns. With 0 the user gets no turn.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 100, default = 1)]
    pub weight: u32,
    /// The absences.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub absences: Vec<Absence>,
}

const fn one() -> u32 {
    1
}

impl Default for AvailabilityDetails {
    fn default() -> Self {
        Self {
            calendar: None,
            capacity: None,
            weight: 1,
            absences: vec![],
        }
    }
}

impl AvailabilityDetails {
    /// Everything that is wrong with it.
    pub fn faults(&self) -> Vec<Fault> {
        let calendar = self
            .calendar
            .as_ref()
            .and_then(|calendar| Calendar::new(calendar).err());
        let within = |fault: Fault| Fault {
            pointer: format!("/calendar{}", fault.pointer),
            ..fault
        };
        let mut faults: Vec<Fault> = calendar.into_iter().flatten().map(within).collect();
        for (index, absence) in self.absences.iter().enumerate() {
            if absence.to <= absence.from {
                let at = format!("/absences/{index}/to");
                faults.push(Fault::new(at, "out_of_range", "must be after `from`"));
            }
        }
        faults
    }

    /// The same, as routing asks it.
    pub fn compiled(&self) -> Availability {
        Availability {
            calendar: self
                .calendar
                .as_ref()
                .and_then(|calendar| Calendar::new(calendar).ok()),
            capacity: self.capacity,
            weight: self.weight,
            absences: self.absences.clone(),
        }
    }

    /// Whether it may be replaced: a sales manager replaces that of members of its teams, revops and keys by their scope that
    /// of all, a user its own calendar and absences.
    pub fn may_be_replaced(
        &self,
        by: &Actor,
        user: UserId,
        shares_team: bool,
        before: &Self,
    ) -> Result<(), Denied> {
        let Some(person) = by.person() else {
            return match by {
                Actor::Key { .. } => Ok(()),
                _ => Err(Denied::WrongRole),
            };
        };
        let of_all = person.is_admin() || person.role == Role::Revops;
        let of_team = person.role == Role::SalesManager && shares_team;
        let own = person.id == user && (self.capacity, self.weight) == (before.capacity, before.weight);
        match of_all || of_team || own {
            true => Ok(()),
            false => Err(Denied::WrongRole),
        }
    }
}

/// The availability of one user; its id is the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAvailability {
    /// The user.
    pub id: UserId,
    /// The version: incremented by each command; 0 if nothing was ever set.
    pub version: i64,
    /// What a request states.
    pub details: AvailabilityDetails,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(UserAvailability);

impl Plain for UserAvailability {
    const NOUN: &'static str = "availability";
    const READ: Scope = Scope::UsersRead;
    const TYPES: &'static [(&'static str, &'static str)] =
        &[("availability.updated", "A user's availability changed.")];

    fn facts(&self) -> Facts {
        facts(json!(self.details))
    }
}
