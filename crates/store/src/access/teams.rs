//! Teams and who belongs to them.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tandem_domain::access::account::Team;
use tandem_domain::id::{Id, TeamId, UserId};
use uuid::Uuid;

use crate::db::Read;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{team_members, teams};

/// A team.
pub async fn get(on: &impl Read, id: TeamId) -> Result<Team, StoreError> {
    let row = teams::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?;
    complete(on, vec![row]).await?.pop().ok_or(StoreError::NotFound)
}

/// Whether a team has this name.
pub async fn is_named(on: &impl Read, name: &str) -> Result<bool, StoreError> {
    let named = teams::Entity::find().filter(teams::Column::Name.eq(name));
    Ok(named.one(on.conn()).await?.is_some())
}

/// A page of teams, in the order of their ids.
pub async fn list(on: &impl Read, after: Option<TeamId>, limit: u64) -> Result<Page<Team>, StoreError> {
    let line = Keyset::by_id(teams::Column::Id);
    let query = line.page(teams::Entity::find(), after.map(|id| (None, id)), limit);
    let rows = query.all(on.conn()).await?;
    Ok(Page::of(complete(on, rows).await?, limit))
}

/// The teams that a user belongs to, in the order of their ids.
pub async fn of_user(on: &impl Read, user_id: UserId) -> Result<Vec<TeamId>, StoreError> {
    let rows = team_members::Entity::find()
        .filter(team_members::Column::UserId.eq(user_id.uuid()))
        .order_by_asc(team_members::Column::TeamId)
        .all(on.conn())
        .await?;
    Ok(rows.into_iter().map(|row| Id::from_uuid(row.team_id)).collect())
}

/// Those of the ids that name no team.
pub async fn unknown(on: &impl Read, ids: &[TeamId]) -> Result<Vec<TeamId>, StoreError> {
    let rows = teams::Entity::find().filter(teams::Column::Id.is_in(ids.iter().map(|id| id.uuid())));
    let known: Vec<Uuid> = rows.all(on.conn()).await?.into_iter().map(|row| row.id).collect();
    let unknown = ids.iter().copied().filter(|id| !known.contains(&id.uuid()));
    Ok(unknown.collect())
}

async fn complete(on: &impl Read, rows: Vec<teams::Model>) -> Result<Vec<Team>, StoreError> {
    let ids = rows.iter().map(|row| row.id);
    let members = team_members::Entity::find().filter(team_members::Column::TeamId.is_in(ids));
    let mut by_team: HashMap<Uuid, Vec<UserId>> = HashMap::new();
    for member in members.all(on.conn()).await? {
        by_team
            .entry(member.team_id)
            .or_default()
            .push(Id::from_uuid(member.user_id));
    }
    let team = |row: teams::Model| {
        let members = by_team.remove(&row.id).unwrap_or_default();
        row.into_domain(members)
    };
    Ok(rows.into_iter().map(team).collect())
}
