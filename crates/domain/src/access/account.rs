//! Users, teams and secret keys as records.

use crate::access::{Role, Scope};
use crate::id::{KeyId, TeamId, UserId};
use crate::instant::Timestamp;

/// A user of Tandem. Its password is no part of it: the store keeps its hash apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// The e-mail it logs in with, in canonical form.
    pub email: String,
    /// What people call it.
    pub name: String,
    /// What it is in the company.
    pub role: Role,
    /// Whether the rights of an admin come on top.
    pub admin: bool,
    /// Since when it may not log in any more.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether it administers: by role or by mark, and not disabled.
    pub fn is_active_admin(&self) -> bool {
        (self.admin || self.role == Role::Admin) && self.disabled_at.is_none()
    }
}

/// A team of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Which.
    pub id: TeamId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// Its members, by id, ascending.
    pub members: Vec<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A partner's secret key. The secret is no part of it: the store keeps its hash apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: KeyId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// What it may do, ascending.
    pub scopes: Vec<Scope>,
    /// The last four characters of the secret, to tell keys apart.
    pub hint: String,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl ApiKey {
    /// Whether it may be used at an instant.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
