//! Rows of `imports`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::ActorKind;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::transfer::{Import, ImportKind, ImportMode, ImportState, Progress};

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "imports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub mode: String,
    pub is_dry_run: bool,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub mapping: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub file: String,
    pub rows_read: i64,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub rejected: i64,
    pub warnings: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub failure: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub actor_kind: String,
    #[sea_orm(column_type = "Text")]
    pub actor_id: String,
    pub on_behalf_of: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub digest: String,
    pub chunks: i64,
    pub bytes: i64,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of an import.
    pub(crate) fn of(import: &Import) -> Self {
        Self {
            id: import.id.uuid(),
            kind: import.kind.name().to_owned(),
            mode: import.mode.name().to_owned(),
            is_dry_run: import.is_dry_run,
            state: import.state.name().to_owned(),
            mapping: import.mapping.as_ref().map(to_json),
            file: to_json(&import.file),
            rows_read: import.progress.rows_read,
            created: import.progress.created,
            updated: import.progress.updated,
            unchanged: import.progress.unchanged,
            rejected: import.progress.rejected,
            warnings: import.progress.warnings,
            failure: import.failure.as_ref().map(to_json),
            actor_kind: import.actor_kind.name().to_owned(),
            actor_id: import.actor_id.clone(),
            on_behalf_of: import.on_behalf_of.map(Id::uuid),
            digest: import.digest.clone(),
            chunks: import.chunks,
            bytes: import.bytes,
            created_at: import.created_at.millis(),
            started_at: import.started_at.map(Timestamp::millis),
            ended_at: import.ended_at.map(Timestamp::millis),
        }
    }

    /// The import.
    pub(crate) fn into_domain(self) -> Result<Import, StoreError> {
        let corrupt = || StoreError::Corrupt("imports");
        Ok(Import {
            id: Id::from_uuid(self.id),
            kind: ImportKind::named(&self.kind).ok_or_else(corrupt)?,
            mode: ImportMode::named(&self.mode).ok_or_else(corrupt)?,
            is_dry_run: self.is_dry_run,
            state: ImportState::named(&self.state).ok_or_else(corrupt)?,
            mapping: self.mapping.map(|text| from_json("imports", &text)).transpose()?,
            file: from_json("imports", &self.file)?,
            progress: Progress {
                rows_read: self.rows_read,
                created: self.created,
                updated: self.updated,
                unchanged: self.unchanged,
                rejected: self.rejected,
                warnings: self.warnings,
            },
            failure: self.failure.map(|text| from_json("imports", &text)).transpose()?,
            actor_kind: ActorKind::named(&self.actor_kind).ok_or_else(corrupt)?,
            actor_id: self.actor_id,
            on_behalf_of: self.on_behalf_of.map(Id::from_uuid),
            digest: self.digest,
            chunks: self.chunks,
            bytes: self.bytes,
            created_at: Timestamp::from_millis(self.created_at),
            started_at: self.started_at.map(Timestamp::from_millis),
            ended_at: self.ended_at.map(Timestamp::from_millis),
        })
    }
}

impl HasRows for Import {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
