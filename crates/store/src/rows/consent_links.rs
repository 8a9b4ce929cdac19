//! Rows of `consent_links`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::Confirmation;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "consent_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub token_hash: String,
    pub lead_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub purpose: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub address: Option<String>,
    pub consent_id: Uuid,
    pub granted_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a confirmation with its token's hash.
    pub(crate) fn of(confirmation: &Confirmation, token_hash: String, created_at: Timestamp) -> Self {
        Self {
            token_hash,
            lead_id: confirmation.lead_id.uuid(),
            purpose: confirmation.purpose.clone(),
            address: confirmation.address.clone(),
            consent_id: confirmation.consent_id.uuid(),
            granted_at: confirmation.granted_at.millis(),
            expires_at: confirmation.expires_at.millis(),
            used_at: confirmation.used_at.map(Timestamp::millis),
            created_at: created_at.millis(),
        }
    }

    /// The confirmation.
    pub(crate) fn into_domain(self) -> Confirmation {
        Confirmation {
            lead_id: Id::from_uuid(self.lead_id),
            purpose: self.purpose,
            address: self.address,
            consent_id: Id::from_uuid(self.consent_id),
            granted_at: Timestamp::from_millis(self.granted_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            used_at: self.used_at.map(Timestamp::from_millis),
        }
    }
}
