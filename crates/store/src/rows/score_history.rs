//! Rows of `score_history`: the changes of scores.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::points::Points;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::scoring::{Exact, ScoreCause, ScoreRecord};

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "score_history")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    pub at: i64,
    #[sea_orm(column_type = "Text")]
    pub cause: String,
    pub exact_fit: i64,
    pub exact_engagement: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub band: Option<String>,
    pub agreement_version: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a change.
    pub(crate) fn of(record: &ScoreRecord) -> Self {
        Self {
            id: record.id.uuid(),
            lead_id: record.lead_id.uuid(),
            at: record.at.millis(),
            cause: record.cause.name().to_owned(),
            exact_fit: record.exact.fit.0,
            exact_engagement: record.exact.engagement.0,
            band: record.band.clone(),
            agreement_version: record.agreement_version,
        }
    }

    /// The change.
    pub(crate) fn into_domain(self) -> Result<ScoreRecord, StoreError> {
        Ok(ScoreRecord {
            id: Id::from_uuid(self.id),
            lead_id: Id::from_uuid(self.lead_id),
            at: Timestamp::from_millis(self.at),
            cause: ScoreCause::named(&self.cause).ok_or(StoreError::Corrupt("score_history"))?,
            exact: Exact {
                fit: Points(self.exact_fit),
                engagement: Points(self.exact_engagement),
                total: Points(self.exact_fit + self.exact_engagement),
            },
            band: self.band,
            agreement_version: self.agreement_version,
        })
    }
}
