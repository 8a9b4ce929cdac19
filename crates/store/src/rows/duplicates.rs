//! Rows of `duplicates`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::duplicates::{Duplicate, DuplicateState};

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "duplicates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub lead_id: Uuid,
    pub other_lead_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub reasons: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a suggestion.
    pub(crate) fn of(duplicate: &Duplicate) -> Self {
        Self {
            id: duplicate.id.uuid(),
            version: duplicate.version,
            lead_id: duplicate.leads.0.uuid(),
            other_lead_id: duplicate.leads.1.uuid(),
            reasons: to_json(&duplicate.reasons),
            state: duplicate.state.name().to_owned(),
            created_at: duplicate.created_at.millis(),
            updated_at: duplicate.updated_at.millis(),
        }
    }

    /// The suggestion.
    pub(crate) fn into_domain(self) -> Result<Duplicate, StoreError> {
        Ok(Duplicate {
            id: Id::from_uuid(self.id),
            version: self.version,
            leads: (Id::from_uuid(self.lead_id), Id::from_uuid(self.other_lead_id)),
            reasons: from_json("duplicates", &self.reasons)?,
            state: DuplicateState::named(&self.state).ok_or(StoreError::Corrupt("duplicates"))?,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
