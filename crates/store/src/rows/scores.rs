//! Rows of `scores`: one for each lead.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::points::Points;
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;
use tandem_domain::scoring::{Exact, StoredScore};

use super::to_json;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "scores")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: Uuid,
    pub derived: i64,
    pub fit: i64,
    pub engagement: i64,
    pub total: i64,
    pub exact_fit: i64,
    pub exact_engagement: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub band: Option<String>,
    pub truncated: bool,
    #[sea_orm(column_type = "Text")]
    pub blocked_by: String,
    pub valid_until: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub segments: String,
    pub history_changed_at: Option<i64>,
    pub is_expired: bool,
    pub agreement_version: i64,
    pub revision: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What stands on both sides of each entry of the column `blocked_by`, so that one can be looked for.
pub(crate) const SEPARATOR: &str = "|";

impl Model {
    /// The row of a lead's score.
    pub(crate) fn of(lead_id: LeadId, score: &StoredScore) -> Self {
        let blocked_by = score.blocked_by.iter().map(|what| format!("{what}{SEPARATOR}"));
        let blocked_by: String = blocked_by.collect();
        let before = if blocked_by.is_empty() { "" } else { SEPARATOR };
        Self {
            lead_id: lead_id.uuid(),
            derived: score.derived,
            fit: score.fit,
            engagement: score.engagement,
            total: score.total,
            exact_fit: score.exact.fit.0,
            exact_engagement: score.exact.engagement.0,
            band: score.band.clone(),
            truncated: score.truncated,
            blocked_by: format!("{before}{blocked_by}"),
            valid_until: score.valid_until.map(Timestamp::millis),
            segments: to_json(&score.segments),
            history_changed_at: score.history_changed_at.map(Timestamp::millis),
            is_expired: score.is_expired,
            agreement_version: score.agreement_version,
            revision: score.revision,
        }
    }

    /// The row of a lead that was not judged yet. One that an import of history created stays so until something happens
    /// to it, or until the agreement changes.
    pub(crate) fn unjudged(lead_id: LeadId, agreement_version: i64, revision: i64) -> Self {
        Self {
            lead_id: lead_id.uuid(),
            derived: 0,
            fit: 0,
            engagement: 0,
            total: 0,
            exact_fit: 0,
            exact_engagement: 0,
            band: None,
            truncated: false,
            blocked_by: String::new(),
            valid_until: None,
            segments: "{}".to_owned(),
            history_changed_at: None,
            is_expired: false,
            agreement_version,
            revision,
        }
    }

    /// The score.
    pub(crate) fn into_domain(self) -> StoredScore {
        let blocked_by = self.blocked_by.split(SEPARATOR);
        let blocked_by = blocked_by.filter(|what| !what.is_empty()).map(str::to_owned);
        StoredScore {
            derived: self.derived,
            fit: self.fit,
            engagement: self.engagement,
            total: self.total,
            exact: Exact {
                fit: Points(self.exact_fit),
                engagement: Points(self.exact_engagement),
                total: Points(self.exact_fit + self.exact_engagement),
            },
            band: self.band,
            truncated: self.truncated,
            blocked_by: blocked_by.collect(),
            valid_until: self.valid_until.map(Timestamp::from_millis),
            segments: serde_json::from_str(&self.segments).unwrap_or_default(),
            history_changed_at: self.history_changed_at.map(Timestamp::from_millis),
            is_expired: self.is_expired,
            agreement_version: self.agreement_version,
            revision: self.revision,
        }
    }
}
