//! Rows of `submissions`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::capture::{Submission, SubmissionStatus};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "submissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub form_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub status: String,
    pub lead_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub consent: String,
    #[sea_orm(column_type = "Text")]
    pub raw: String,
    #[sea_orm(column_type = "Text")]
    pub media_type: String,
    #[sea_orm(column_type = "Text")]
    pub faults: String,
    #[sea_orm(column_type = "Text")]
    pub remarks: String,
    pub twin: Option<Uuid>,
    pub received_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a submission.
    pub(crate) fn of(submission: &Submission) -> Self {
        Self {
            id: submission.id.uuid(),
            version: submission.version,
            form_id: submission.form_id.uuid(),
            status: submission.status.name().to_owned(),
            lead_id: submission.lead_id.map(Id::uuid),
            consent: to_json(&submission.consent),
            raw: submission.raw.clone(),
            media_type: submission.media_type.clone(),
            faults: to_json(&submission.faults),
            remarks: to_json(&submission.remarks),
            twin: submission.twin,
            received_at: submission.received_at.millis(),
        }
    }

    /// The submission.
    pub(crate) fn into_domain(self) -> Result<Submission, StoreError> {
        Ok(Submission {
            id: Id::from_uuid(self.id),
            version: self.version,
            form_id: Id::from_uuid(self.form_id),
            status: SubmissionStatus::named(&self.status).ok_or(StoreError::Corrupt("submissions"))?,
            lead_id: self.lead_id.map(Id::from_uuid),
            consent: from_json("submissions", &self.consent)?,
            raw: self.raw,
            media_type: self.media_type,
            faults: from_json("submissions", &self.faults)?,
            remarks: from_json("submissions", &self.remarks)?,
            twin: self.twin,
            received_at: Timestamp::from_millis(self.received_at),
        })
    }
}
