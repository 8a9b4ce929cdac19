//! Rows of `previewed_leads`: the lists of previews.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::preview::{PreviewList, PreviewedLead};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "previewed_leads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub preview_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub list: String,
    pub lead_id: Uuid,
    pub cycle: i64,
    pub would_be_at: Option<i64>,
    pub made_at: Option<i64>,
    #[sea_orm(column_type = "Text")]
    pub evidence: String,
    #[sea_orm(column_type = "Text")]
    pub blocked_by: String,
    #[sea_orm(column_type = "Text")]
    pub outcome: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a lead in a list.
    pub(crate) fn of(lead: &PreviewedLead) -> Self {
        Self {
            id: lead.id.uuid(),
            preview_id: lead.preview_id.uuid(),
            list: lead.list.name().to_owned(),
            lead_id: lead.lead_id.uuid(),
            cycle: lead.cycle,
            would_be_at: lead.would_be_at.map(Timestamp::millis),
            made_at: lead.made_at.map(Timestamp::millis),
            evidence: to_json(&lead.evidence),
            blocked_by: to_json(&lead.blocked_by),
            outcome: to_json(&lead.outcome),
        }
    }

    /// The lead in a list.
    pub(crate) fn into_domain(self) -> Result<PreviewedLead, StoreError> {
        const TABLE: &str = "previewed_leads";
        Ok(PreviewedLead {
            id: Id::from_uuid(self.id),
            preview_id: Id::from_uuid(self.preview_id),
            list: PreviewList::named(&self.list).ok_or(StoreError::Corrupt(TABLE))?,
            lead_id: Id::from_uuid(self.lead_id),
            cycle: self.cycle,
            would_be_at: self.would_be_at.map(Timestamp::from_millis),
            made_at: self.made_at.map(Timestamp::from_millis),
            evidence: from_json(TABLE, &self.evidence)?,
            blocked_by: from_json(TABLE, &self.blocked_by)?,
            outcome: from_json(TABLE, &self.outcome)?,
        })
    }
}
