//! Rows of `teams`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::Team;
use tandem_domain::id::{Id, UserId};
use tandem_domain::instant::Timestamp;

use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a team; its members are rows of their own.
    pub(crate) fn of(team: &Team) -> Self {
        Self {
            id: team.id.uuid(),
            version: team.version,
            name: team.name.clone(),
            created_at: team.created_at.millis(),
            updated_at: team.updated_at.millis(),
        }
    }

    /// The team with its members.
    pub(crate) fn into_domain(self, mut members: Vec<UserId>) -> Team {
        members.sort_unstable();
        Team {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            members,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        }
    }
}

impl HasRows for Team {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        let members = super::team_members::Model::all_of(self);
        rows.records.replace("team_id", self.id.uuid(), members);
    }
}
