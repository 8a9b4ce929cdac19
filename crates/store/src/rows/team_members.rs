//! Rows of `team_members`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::Team;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "team_members")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of the members of a team.
    pub(crate) fn all_of(team: &Team) -> Vec<Self> {
        let row = |user_id| Self {
            team_id: team.id.uuid(),
            user_id,
        };
        team.members.iter().map(|id| row(id.uuid())).collect()
    }
}
