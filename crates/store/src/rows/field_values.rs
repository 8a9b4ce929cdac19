//! Rows of `field_values`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::{About, FieldValue, Source};

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "field_values")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Option<Uuid>,
    pub company_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub field: String,
    #[sea_orm(column_type = "Text")]
    pub value: String,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    pub observed_at: i64,
    pub recorded_at: i64,
    #[sea_orm(column_type = "Text")]
    pub stated_by: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a statement.
    pub(crate) fn of(statement: &FieldValue) -> Self {
        let (lead_id, company_id) = match statement.about {
            About::Lead(id) => (Some(id.uuid()), None),
            About::Company(id) => (None, Some(id.uuid())),
        };
        Self {
            id: statement.id.uuid(),
            lead_id,
            company_id,
            field: statement.field.clone(),
            value: to_json(&statement.value),
            source: statement.source.name().to_owned(),
            observed_at: statement.observed_at.millis(),
            recorded_at: statement.recorded_at.millis(),
            stated_by: statement.by.clone(),
        }
    }

    /// The statement.
    pub(crate) fn into_domain(self) -> Result<FieldValue, StoreError> {
        let corrupt = || StoreError::Corrupt("field_values");
        let about = match (self.lead_id, self.company_id) {
            (Some(id), None) => About::Lead(Id::from_uuid(id)),
            (None, Some(id)) => About::Company(Id::from_uuid(id)),
            _ => return Err(corrupt()),
        };
        Ok(FieldValue {
            id: Id::from_uuid(self.id),
            about,
            field: self.field,
            value: from_json("field_values", &self.value)?,
            source: Source::named(&self.source).ok_or_else(corrupt)?,
            observed_at: Timestamp::from_millis(self.observed_at),
            recorded_at: Timestamp::from_millis(self.recorded_at),
            by: self.stated_by,
        })
    }
}
