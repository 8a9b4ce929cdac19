//! Rows of `pipelines`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::pipelines::Pipeline;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "pipelines")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub is_default: bool,
    #[sea_orm(column_type = "Text")]
    pub stages: String,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a pipeline.
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        Self {
            id: pipeline.id.uuid(),
            version: pipeline.version,
            name: pipeline.name.clone(),
            is_default: pipeline.is_default,
            stages: to_json(&pipeline.stages),
            archived_at: pipeline.archived_at.map(Timestamp::millis),
            created_at: pipeline.created_at.millis(),
            updated_at: pipeline.updated_at.millis(),
        }
    }

    /// The pipeline.
    pub(crate) fn into_domain(self) -> Result<Pipeline, StoreError> {
        Ok(Pipeline {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            is_default: self.is_default,
            stages: from_json("pipelines", &self.stages)?,
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Pipeline {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
