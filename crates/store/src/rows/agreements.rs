//! Rows of `agreements`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::{AgreementVersion, VersionState};
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "agreements")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub based_on: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub created_by: Option<String>,
    pub created_at: i64,
    pub effective_at: Option<i64>,
    pub in_force_from: Option<i64>,
    pub superseded_at: Option<i64>,
    pub edits: i64,
    pub document_version: i64,
    #[sea_orm(column_type = "Text")]
    pub signatures: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a version.
    pub(crate) fn of(version: &AgreementVersion) -> Self {
        Self {
            number: version.number,
            state: version.state.name().to_owned(),
            document: to_json(&version.document),
            based_on: version.based_on,
            created_by: version.created_by.clone(),
            created_at: version.created_at.millis(),
            effective_at: version.effective_at.map(Timestamp::millis),
            in_force_from: version.in_force_from.map(Timestamp::millis),
            superseded_at: version.superseded_at.map(Timestamp::millis),
            edits: version.edits,
            document_version: version.document_version,
            signatures: to_json(&version.signatures),
        }
    }

    /// The version.
    pub(crate) fn into_domain(self) -> Result<AgreementVersion, StoreError> {
        Ok(AgreementVersion {
            number: self.number,
            state: VersionState::named(&self.state).ok_or(StoreError::Corrupt("agreements"))?,
            document: from_json("agreements", &self.document)?,
            based_on: self.based_on,
            created_by: self.created_by,
            created_at: Timestamp::from_millis(self.created_at),
            effective_at: self.effective_at.map(Timestamp::from_millis),
            in_force_from: self.in_force_from.map(Timestamp::from_millis),
            superseded_at: self.superseded_at.map(Timestamp::from_millis),
            edits: self.edits,
            document_version: self.document_version,
            signatures: from_json("agreements", &self.signatures)?,
        })
    }
}
