//! Rows of `revenue_entries`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::revenue::{RevenueDetails, RevenueEntry, RevenueKind};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::ExternalId;

use super::{day, money};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "revenue_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub company_id: Option<Uuid>,
    pub lead_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub happened_on: String,
    pub amount: i64,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub external_system: String,
    #[sea_orm(column_type = "Text")]
    pub external_id: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of an entry.
    pub(crate) fn of(entry: &RevenueEntry) -> Self {
        let details = &entry.details;
        Self {
            id: entry.id.uuid(),
            version: entry.version,
            company_id: details.company_id.map(Id::uuid),
            lead_id: details.lead_id.map(Id::uuid),
            happened_on: details.on.to_string(),
            amount: details.amount.amount,
            currency: details.amount.currency.to_string(),
            kind: details.kind.name().to_owned(),
            external_system: details.external_id.system.clone(),
            external_id: details.external_id.id.clone(),
            created_at: entry.created_at.millis(),
            updated_at: entry.updated_at.millis(),
        }
    }

    /// The entry.
    pub(crate) fn into_domain(self) -> Result<RevenueEntry, StoreError> {
        const TABLE: &str = "revenue_entries";
        let details = RevenueDetails {
            company_id: self.company_id.map(Id::from_uuid),
            lead_id: self.lead_id.map(Id::from_uuid),
            on: day(TABLE, &self.happened_on)?,
            amount: money(TABLE, self.amount, &self.currency)?,
            kind: RevenueKind::named(&self.kind).ok_or(StoreError::Corrupt(TABLE))?,
            external_id: ExternalId {
                system: self.external_system,
                id: self.external_id,
            },
        };
        Ok(RevenueEntry {
            id: Id::from_uuid(self.id),
            version: self.version,
            details,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for RevenueEntry {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
