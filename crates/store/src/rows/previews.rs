//! Rows of `previews`: of versions of the agreement.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::preview::{Preview, PreviewState};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "previews")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub document_version: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub from_at: i64,
    pub to_at: i64,
    pub suffices: bool,
    #[sea_orm(column_type = "Text")]
    pub requested_by: String,
    pub requested_at: i64,
    pub finished_at: Option<i64>,
    pub total: i64,
    pub done: i64,
    pub last: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub figures: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a preview.
    pub(crate) fn of(preview: &Preview) -> Self {
        Self {
            id: preview.id.uuid(),
            version: preview.version,
            document_version: preview.document_version,
            state: preview.state.name().to_owned(),
            from_at: preview.from.millis(),
            to_at: preview.to.millis(),
            suffices: preview.suffices,
            requested_by: preview.requested_by.clone(),
            requested_at: preview.requested_at.millis(),
            finished_at: preview.finished_at.map(Timestamp::millis),
            total: preview.total,
            done: preview.done,
            last: preview.last.map(Id::uuid),
            figures: to_json(&preview.figures),
        }
    }

    /// The preview.
    pub(crate) fn into_domain(self) -> Result<Preview, StoreError> {
        Ok(Preview {
            id: Id::from_uuid(self.id),
            version: self.version,
            document_version: self.document_version,
            state: PreviewState::named(&self.state).ok_or(StoreError::Corrupt("previews"))?,
            from: Timestamp::from_millis(self.from_at),
            to: Timestamp::from_millis(self.to_at),
            suffices: self.suffices,
            requested_by: self.requested_by,
            requested_at: Timestamp::from_millis(self.requested_at),
            finished_at: self.finished_at.map(Timestamp::from_millis),
            total: self.total,
            done: self.done,
            last: self.last.map(Id::from_uuid),
            figures: from_json("previews", &self.figures)?,
        })
    }
}
