//! Rows of `qualifications`: one for each item of a lead that something is known of.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::BantItem;
use tandem_domain::handoff::qualification::{Confirmed, Qualified};
use tandem_domain::id::{Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::Source;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "qualifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub item: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub value: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub source: String,
    #[sea_orm(column_type = "Text")]
    pub stated_by: String,
    pub stated_at: i64,
    pub confirmed_cycle: Option<i64>,
    pub confirmed_by: Option<Uuid>,
    pub confirmed_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("qualifications");

impl Model {
    pub(crate) fn of(lead_id: LeadId, item: BantItem, one: &Qualified) -> Self {
        let confirmed = one.confirmed;
        Self {
            lead_id: lead_id.uuid(),
            item: item.name().to_owned(),
            value: one.value.clone(),
            note: one.note.clone(),
            source: one.source.name().to_owned(),
            stated_by: one.stated_by.clone(),
            stated_at: one.stated_at.millis(),
            confirmed_cycle: confirmed.map(|confirmed| confirmed.cycle),
            confirmed_by: confirmed.map(|confirmed| confirmed.by.uuid()),
            confirmed_at: confirmed.map(|confirmed| confirmed.at.millis()),
        }
    }

    pub(crate) fn into_domain(self) -> Result<(LeadId, BantItem, Qualified), StoreError> {
        let confirmed = self.confirmed_cycle.zip(self.confirmed_by).zip(self.confirmed_at);
        let one = Qualified {
            value: self.value,
            note: self.note,
            source: Source::named(&self.source).ok_or(CORRUPT)?,
            stated_by: self.stated_by,
            stated_at: Timestamp::from_millis(self.stated_at),
            confirmed: confirmed.map(|((cycle, by), at)| Confirmed {
                cycle,
                by: Id::from_uuid(by),
                at: Timestamp::from_millis(at),
            }),
        };
        let item = BantItem::named(&self.item).ok_or(CORRUPT)?;
        Ok((Id::from_uuid(self.lead_id), item, one))
    }
}
