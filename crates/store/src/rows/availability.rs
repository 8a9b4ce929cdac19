//! Rows of `availability`: when users work, and how much they take.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::routing::UserAvailability;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "availability")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub details: String,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a user's availability.
    pub(crate) fn of(one: &UserAvailability) -> Self {
        Self {
            id: one.id.uuid(),
            version: one.version,
            details: to_json(&one.details),
            updated_at: one.updated_at.millis(),
        }
    }

    /// The availability.
    pub(crate) fn into_domain(self) -> Result<UserAvailability, StoreError> {
        Ok(UserAvailability {
            id: Id::from_uuid(self.id),
            version: self.version,
            details: from_json("availability", &self.details)?,
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for UserAvailability {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
