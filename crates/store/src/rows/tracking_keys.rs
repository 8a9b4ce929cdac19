//! Rows of `tracking_keys`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::keys::TrackingKey;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::rules::revision;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "tracking_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub allowed_origins: String,
    #[sea_orm(column_type = "Text")]
    pub key: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub previous_key: Option<String>,
    pub previous_until: Option<i64>,
    pub revoked_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a tracking key.
    pub(crate) fn of(key: &TrackingKey) -> Self {
        let (previous_key, previous_until) = key.previous.clone().unzip();
        Self {
            id: key.id.uuid(),
            version: key.version,
            name: key.name.clone(),
            allowed_origins: to_json(&key.allowed_origins),
            key: key.key.clone(),
            previous_key,
            previous_until: previous_until.map(Timestamp::millis),
            revoked_at: key.revoked_at.map(Timestamp::millis),
            created_at: key.created_at.millis(),
            updated_at: key.updated_at.millis(),
        }
    }

    /// The tracking key.
    pub(crate) fn into_domain(self) -> Result<TrackingKey, StoreError> {
        Ok(TrackingKey {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            allowed_origins: from_json("tracking_keys", &self.allowed_origins)?,
            key: self.key,
            previous: self
                .previous_key
                .zip(self.previous_until.map(Timestamp::from_millis)),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for TrackingKey {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        rows.revisions.insert(revision::SITES);
    }
}
