//! Rows of `identifiers`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::{Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::Source;
use tandem_domain::leads::identity::{Identifier, Kind};

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "identifiers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub system: String,
    #[sea_orm(column_type = "Text")]
    pub value: String,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub position: i64,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a lead's identifier.
    pub(crate) fn of(lead_id: LeadId, identifier: &Identifier) -> Self {
        Self {
            id: identifier.id.uuid(),
            lead_id: lead_id.uuid(),
            kind: identifier.kind.name().to_owned(),
            system: identifier.system.clone(),
            value: identifier.value.clone(),
            source: identifier.source.name().to_owned(),
            position: identifier.position,
            created_at: identifier.created_at.millis(),
        }
    }

    /// The identifier.
    pub(crate) fn into_domain(self) -> Result<Identifier, StoreError> {
        Ok(Identifier {
            id: Id::from_uuid(self.id),
            kind: Kind::named(&self.kind).ok_or(StoreError::Corrupt("identifiers"))?,
            system: self.system,
            value: self.value,
            source: Source::named(&self.source).ok_or(StoreError::Corrupt("identifiers"))?,
            position: self.position,
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}
