//! The enabled users with their roles and teams, for decisions.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use tandem_domain::access::{Colleague, Role, Staff};
use tandem_domain::id::{Id, TeamId, UserId};
use uuid::Uuid;

use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{team_members, users};

/// All enabled users: two queries.
pub async fn staff(on: &impl Read) -> Result<Staff, StoreError> {
    let enabled: Vec<(Uuid, String, bool)> = users::Entity::find()
        .select_only()
        .columns([users::Column::Id, users::Column::Role, users::Column::Admin])
        .filter(users::Column::DisabledAt.is_null())
        .into_tuple()
        .all(on.conn())
        .await?;
    let mut teams: BTreeMap<Uuid, BTreeSet<TeamId>> = BTreeMap::new();
    for row in team_members::Entity::find().all(on.conn()).await? {
        teams
            .entry(row.user_id)
            .or_default()
            .insert(Id::from_uuid(row.team_id));
    }
    let colleague = |(id, role, admin): (Uuid, String, bool)| {
        let role = Role::named(&role).ok_or(StoreError::Corrupt("users"))?;
        let teams = teams.remove(&id).unwrap_or_default();
        Ok((Id::from_uuid(id), Colleague { role, teams, admin }))
    };
    enabled.into_iter().map(colleague).collect()
}

/// The enabled users with these e-mails, in the form in which they are compared.
pub async fn users_with_emails(
    on: &impl Read,
    emails: &BTreeSet<String>,
) -> Result<Vec<(String, UserId)>, StoreError> {
    let backend = on.conn().get_database_backend();
    let found: Vec<(String, Uuid)> = users::Entity::find()
        .select_only()
        .columns([users::Column::Email, users::Column::Id])
        .filter(dialect::text_in(
            backend,
            "email",
            emails.iter().map(String::as_str),
        ))
        .filter(users::Column::DisabledAt.is_null())
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found
        .into_iter()
        .map(|(email, id)| (email, Id::from_uuid(id)))
        .collect())
}
