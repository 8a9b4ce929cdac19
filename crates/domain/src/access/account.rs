//! Users, teams and secret keys as records.

use serde_json::json;

use crate::access::{Role, Scope};
use crate::id::{KeyId, TeamId, UserId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Edited, Plain, counted};

/// A user of Tandem. Its password is no part of it: the store keeps its hash apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The user's e-mail, with which it logs in, in canonical form.
    pub email: String,
    /// The name that people see.
    pub name: String,
    /// The user's role.
    pub role: Role,
    /// Whether the user has the rights of an admin in addition to its role.
    pub admin: bool,
    /// Since when it may not log in any more.
    pub disabled_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether leads and deals can be given to it: sales, not disabled.
    pub fn works_leads(&self) -> bool {
        self.disabled_at.is_none() && matches!(self.role, Role::Sales | Role::SalesManager)
    }

    /// Whether it administers: by role or by mark, and not disabled.
    pub fn is_active_admin(&self) -> bool {
        (self.admin || self.role == Role::Admin) && self.disabled_at.is_none()
    }

    /// Change it; `None` where nothing becomes different. `other_admins` is the number of administrators beside this
    /// user who can log in: one must remain.
    pub fn edit(&self, edit: UserEdit, other_admins: u64, now: Timestamp) -> Result<Edited<Self>, LastAdmin> {
        let mut user = self.clone();
        user.name = edit.name.unwrap_or(user.name);
        user.role = edit.role.unwrap_or(user.role);
        user.admin = edit.admin.unwrap_or(user.admin);
        user.disabled_at = match edit.disabled {
            Some(true) => self.disabled_at.or(Some(now)),
            Some(false) => None,
            None => self.disabled_at,
        };
        if self.is_active_admin() && !user.is_active_admin() && other_admins == 0 {
            return Err(LastAdmin);
        }
        Ok(self.becomes(user, now))
    }
}

impl Plain for User {
    const NOUN: &'static str = "user";
    const READ: Scope = Scope::UsersRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("user.created", "A user was created or invited."),
        ("user.updated", "A user's name, role or state changed."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "email": self.email,
            "name": self.name,
            "role": self.role,
            "admin": self.admin,
            "disabled_at": self.disabled_at,
        }))
    }
}

/// What is to become different about a user; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserEdit {
    /// The name that people see.
    pub name: Option<String>,
    /// The user's role.
    pub role: Option<Role>,
    /// Whether the user has the rights of an admin in addition to its role.
    pub admin: Option<bool>,
    /// Whether the user is disabled and cannot log in.
    pub disabled: Option<bool>,
}

/// No active administrator would remain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at least one active administrator must remain")]
pub struct LastAdmin;

/// A team of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The name that people see.
    pub name: String,
    /// Its members, by id, ascending.
    pub members: Vec<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Team {
    /// Update its name, its members or both; no change if nothing differs.
    pub fn edit(&self, name: String, members: Vec<UserId>, now: Timestamp) -> Edited<Self> {
        let edited = Self {
            name,
            members: ascending(members),
            ..self.clone()
        };
        self.becomes(edited, now)
    }
}

impl Plain for Team {
    const NOUN: &'static str = "team";
    const READ: Scope = Scope::UsersRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("team.created", "A team was created."),
        ("team.updated", "A team's name or members changed."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({"name": self.name, "members": self.members}))
    }
}

/// Each once, in order.
pub fn ascending<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// A partner's secret key. The secret is no part of it: the store keeps its hash apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The name that people see.
    pub name: String,
    /// What it may do, ascending.
    pub scopes: Vec<Scope>,
    /// The last four characters of the secret, to distinguish keys.
    pub hint: String,
    /// When the key expires; `null`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The user who created it.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl ApiKey {
    /// Whether it may be used at an instant.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// The key with a new secret; `None` where it does not work any more.
    pub fn rotate(&self, hint: String, now: Timestamp) -> Option<Self> {
        let is_good = self.works_at(now);
        is_good.then(|| Self {
            hint,
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        })
    }

    /// The key revoked; `None` where it is already.
    pub fn revoke(&self, now: Timestamp) -> Option<Self> {
        let is_revoked = self.revoked_at.is_some();
        (!is_revoked).then(|| Self {
            revoked_at: Some(now),
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        })
    }
}

impl Plain for ApiKey {
    const NOUN: &'static str = "api_key";
    const READ: Scope = Scope::KeysManage;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("api_key.created", "A secret key was created."),
        ("api_key.rotated", "A secret key was rotated."),
        ("api_key.revoked", "A secret key was revoked."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "name": self.name,
            "scopes": self.scopes,
            "expires_at": self.expires_at,
        }))
    }
}

counted!(User, Team, ApiKey);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use crate::record::{Happened, RecordChange};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn admin() -> User {
        User {
            id: Ids::new(at(0), 0).next(),
            version: 1,
            email: "ada@example.com".into(),
            name: "Ada".into(),
            role: Role::Admin,
            admin: false,
            disabled_at: None,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    #[test]
    fn the_last_admin_stays_admin() {
        let demoted = UserEdit {
            role: Some(Role::Sales),
            ..UserEdit::default()
        };
        let disabled = UserEdit {
            disabled: Some(true),
            ..UserEdit::default()
        };
        assert_eq!(admin().edit(demoted.clone(), 0, at(1)), Err(LastAdmin));
        assert_eq!(admin().edit(disabled, 0, at(1)), Err(LastAdmin));
        assert!(admin().edit(demoted.clone(), 1, at(1)).is_ok());
        let marked = UserEdit {
            admin: Some(true),
            ..demoted
        };
        assert!(admin().edit(marked, 0, at(1)).is_ok());
    }

    #[test]
    fn an_edit_names_what_became_different_and_nothing_else() {
        let edit = UserEdit {
            name: Some("Ada L.".into()),
            role: Some(Role::Admin),
            ..UserEdit::default()
        };
        let Ok((
            user,
            Some(RecordChange {
                happened: Happened::Edited { before, after },
                ..
            }),
        )) = admin().edit(edit.clone(), 0, at(7))
        else {
            panic!("the edit did not go through");
        };
        assert_eq!((user.version, user.updated_at), (2, at(7)));
        assert_eq!(json!({"name": "Ada"}), json!(before));
        assert_eq!(json!({"name": "Ada L."}), json!(after));
        assert_eq!(user.edit(edit, 0, at(8)), Ok((user.clone(), None)));
    }

    #[test]
    fn a_key_is_revoked_once_and_not_rotated_afterwards() {
        let ids = Ids::new(at(0), 0);
        let key = ApiKey {
            id: ids.next(),
            version: 1,
            name: "Partner".into(),
            scopes: vec![Scope::LeadsRead],
            hint: "abcd".into(),
            expires_at: Some(at(10)),
            revoked_at: None,
            last_used_at: None,
            created_by: None,
            created_at: at(0),
            updated_at: at(0),
        };
        assert_eq!(
            key.rotate("efgh".into(), at(9))
                .map(|key| (key.hint, key.version)),
            Some(("efgh".into(), 2))
        );
        assert_eq!(key.rotate("efgh".into(), at(10)), None);
        let revoked = key.revoke(at(1)).unwrap();
        assert_eq!(
            (revoked.revoke(at(2)), revoked.rotate("efgh".into(), at(2))),
            (None, None)
        );
    }
}
