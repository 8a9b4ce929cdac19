//! Rows of `api_keys`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::ApiKey;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub scopes: String,
    #[sea_orm(column_type = "Text")]
    pub hint: String,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub created_by: Option<Uuid>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a key; its secrets are rows of their own.
    pub(crate) fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id.uuid(),
            version: key.version,
            name: key.name.clone(),
            scopes: to_json(&key.scopes),
            hint: key.hint.clone(),
            expires_at: key.expires_at.map(Timestamp::millis),
            revoked_at: key.revoked_at.map(Timestamp::millis),
            last_used_at: key.last_used_at.map(Timestamp::millis),
            created_by: key.created_by.map(Id::uuid),
            created_at: key.created_at.millis(),
            updated_at: key.updated_at.millis(),
        }
    }

    /// The key.
    pub(crate) fn into_domain(self) -> Result<ApiKey, StoreError> {
        Ok(ApiKey {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            scopes: from_json("api_keys", &self.scopes)?,
            hint: self.hint,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
            last_used_at: self.last_used_at.map(Timestamp::from_millis),
            created_by: self.created_by.map(Id::from_uuid),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for ApiKey {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
