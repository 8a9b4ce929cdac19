//! Rows of `campaign_costs`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::Cost;
use tandem_domain::id::Id;

use super::{day, money};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "campaign_costs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub campaign_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub spent_on: String,
    pub amount: i64,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a day's cost.
    pub(crate) fn of(cost: &Cost) -> Self {
        Self {
            id: cost.id.uuid(),
            campaign_id: cost.campaign_id.uuid(),
            spent_on: cost.on.to_string(),
            amount: cost.amount.amount,
            currency: cost.amount.currency.to_string(),
        }
    }

    /// The day's cost.
    pub(crate) fn into_domain(self) -> Result<Cost, StoreError> {
        const TABLE: &str = "campaign_costs";
        Ok(Cost {
            id: Id::from_uuid(self.id),
            campaign_id: Id::from_uuid(self.campaign_id),
            on: day(TABLE, &self.spent_on)?,
            amount: money(TABLE, self.amount, &self.currency)?,
        })
    }
}
