//! Rows of `past_statements`: statements of imports about the stages of leads, of which stage changes and cycles are derived.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_domain::transfer::past::{PastStatement, What};

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "past_statements")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub key: String,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub to_stage: String,
    pub deal_id: Option<Uuid>,
    pub at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub from_stage: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub owner_id: Option<Uuid>,
    pub import_id: Uuid,
    pub deal_version: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a statement.
    pub(crate) fn of(stated: &PastStatement) -> Self {
        Self {
            lead_id: stated.lead_id.uuid(),
            key: stated.key(),
            kind: stated.what.name().to_owned(),
            to_stage: stated.what.to().name().to_owned(),
            deal_id: stated.what.deal().map(Id::uuid),
            at: stated.at.millis(),
            from_stage: stated.from.map(|stage| stage.name().to_owned()),
            reason: stated.reason.clone(),
            note: stated.note.clone(),
            owner_id: stated.owner_id.map(Id::uuid),
            import_id: stated.import_id.uuid(),
            deal_version: stated.deal_version,
        }
    }

    /// The statement.
    pub(crate) fn into_domain(self) -> Result<PastStatement, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("past_statements");
        let stage = |name: &str| Stage::named(name).ok_or(CORRUPT);
        let to = stage(&self.to_stage)?;
        let what = What::named(&self.kind, to, self.deal_id.map(Id::from_uuid)).ok_or(CORRUPT)?;
        Ok(PastStatement {
            lead_id: Id::from_uuid(self.lead_id),
            what,
            at: Timestamp::from_millis(self.at),
            from: self.from_stage.as_deref().map(stage).transpose()?,
            reason: self.reason,
            note: self.note,
            owner_id: self.owner_id.map(Id::from_uuid),
            import_id: Id::from_uuid(self.import_id),
            deal_version: self.deal_version,
        })
    }
}
