//! Who acts: a user in person, a key, a form or the service itself; and what a person may do with leads.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Role, Scope};
use crate::id::{FormId, KeyId, TeamId, UserId};

/// A user who acts, with the rights that were in force when the request began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: UserId,
    /// The one role.
    pub role: Role,
    /// Whether the user has the rights of an admin in addition to its role (for small firms).
    pub admin: bool,
    /// The teams that the user belongs to.
    pub teams: Vec<TeamId>,
}

impl Person {
    /// Whether the role, or the admin mark, grants the scope.
    pub fn grants(&self, scope: Scope) -> bool {
        self.role.grants(scope) || self.is_admin() && Role::Admin.grants(scope)
    }

    /// Whether the rights of an admin apply.
    pub fn is_admin(&self) -> bool {
        self.admin || self.role == Role::Admin
    }

    /// Whether the person belongs to marketing, as a manager or not.
    pub fn is_marketing(&self) -> bool {
        matches!(self.role, Role::Marketing | Role::MarketingManager)
    }

    /// Whether the person belongs to sales, as a manager or not.
    pub fn is_sales(&self) -> bool {
        matches!(self.role, Role::Sales | Role::SalesManager)
    }
}

/// Who or what acts. The journal names it, the rules judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user in person.
    User(Person),
    /// A partner's secret key, perhaps on behalf of a user.
    Key {
        /// The key.
        id: KeyId,
        /// The user named by `X-On-Behalf-Of`.
        on_behalf_of: Option<Person>,
    },
    /// A stranger who sent a form.
    Form(FormId),
    /// Tandem itself: a job, a rule or the command line, by name.
    System(&'static str),
}

/// How an actor is named in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A user.
    User,
    /// A secret key.
    Key,
    /// A form on a website.
    Form,
    /// Tandem itself.
    System,
}

impl ActorKind {
    /// The kind's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            ActorKind::User => "user",
            ActorKind::Key => "key",
            ActorKind::Form => "form",
            ActorKind::System => "system",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::User, Self::Key, Self::Form, Self::System]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A right was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The lead or deal belongs to somebody else.
    #[error("only the owner or a sales manager may do this")]
    NotOwner,
    /// The role does not carry the right.
    #[error("the caller's role may not do this")]
    WrongRole,
    /// A key asked for what the rules give to a person.
    #[error("a key needs X-On-Behalf-Of with a user who may do this")]
    NeedsPerson,
}

impl Actor {
    /// The person whose rights count, if any.
    pub fn person(&self) -> Option<&Person> {
        match self {
            Actor::User(person) => Some(person),
            Actor::Key { on_behalf_of, .. } => on_behalf_of.as_ref(),
            Actor::Form(_) | Actor::System(_) => None,
        }
    }

    /// The kind of actor.
    pub fn kind(&self) -> ActorKind {
        match self {
            Actor::User(_) => ActorKind::User,
            Actor::Key { .. } => ActorKind::Key,
            Actor::Form(_) => ActorKind::Form,
            Actor::System(_) => ActorKind::System,
        }
    }

    /// The actor's own id, or the name of the part of Tandem.
    pub fn id(&self) -> String {
        match self {
            Actor::User(person) => person.id.to_string(),
            Actor::Key { id, .. } => id.to_string(),
            Actor::Form(id) => id.to_string(),
            Actor::System(name) => (*name).to_owned(),
        }
    }

    /// The user in whose name a key acts.
    pub fn on_behalf_of(&self) -> Option<UserId> {
        match self {
            Actor::Key { on_behalf_of, .. } => on_behalf_of.as_ref().map(|person| person.id),
            _ => None,
        }
    }

    /// The person, or why there is none: a key needs `X-On-Behalf-Of`.
    pub fn demand_person(&self) -> Result<&Person, Denied> {
        self.person().ok_or(match self {
            Actor::Key { .. } => Denied::NeedsPerson,
            _ => Denied::WrongRole,
        })
    }

    /// Whether the actor may write the fields of a lead with this owner: marketing at any stage, the owner, a
    /// sales manager, a key by its own scope. An unowned lead is open to sales.
    pub fn may_edit(&self, owner: Option<UserId>) -> Result<(), Denied> {
        let person = match self {
            Actor::Key {
                on_behalf_of: None, ..
            }
            | Actor::System(_)
            | Actor::Form(_) => return Ok(()),
            Actor::Key {
                on_behalf_of: Some(person),
                ..
            }
            | Actor::User(person) => person,
        };
        if person.is_admin() || person.is_marketing() || person.role == Role::SalesManager {
            return Ok(());
        }
        match (person.role, owner) {
            (Role::Sales, None) => Ok(()),
            (_, Some(owner)) if owner == person.id => Ok(()),
            (Role::Sales, Some(_)) => Err(Denied::NotOwner),
            _ => Err(Denied::WrongRole),
        }
    }

    /// Whether the actor may create leads: marketing, sales, admins, and keys by their scope.
    pub fn may_create_lead(&self) -> Result<(), Denied> {
        match self.person() {
            Some(person) if person.is_admin() || person.is_marketing() || person.is_sales() => Ok(()),
            Some(_) => Err(Denied::WrongRole),
            None => Ok(()),
        }
    }

    /// Whether the actor may set a lead's owner: a sales manager or revops; a sales user takes an unowned lead.
    pub fn may_assign(&self, owner: Option<UserId>, to: Option<UserId>) -> Result<(), Denied> {
        let person = self.demand_person()?;
        let takes_unowned = person.role == Role::Sales && owner.is_none() && to == Some(person.id);
        if person.is_admin() || takes_unowned || matches!(person.role, Role::SalesManager | Role::Revops) {
            return Ok(());
        }
        Err(if person.role == Role::Sales {
            Denied::NotOwner
        } else {
            Denied::WrongRole
        })
    }
}
