//! Rows of `agreements`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::Version;

use super::from_json;
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "agreements")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub provisional: bool,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text")]
    pub document: String,
    pub created_at: i64,
    pub effective_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The version.
    pub(crate) fn into_domain(self) -> Result<Version, StoreError> {
        Ok(Version {
            number: self.number,
            provisional: self.provisional,
            agreement: from_json("agreements", &self.document)?,
        })
    }
}
