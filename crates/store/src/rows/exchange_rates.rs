//! Rows of `exchange_rates`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::money::DatedRate;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "exchange_rates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub from_currency: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub to_currency: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub in_force_on: String,
    #[sea_orm(column_type = "Text")]
    pub rate: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a rate.
    pub(crate) fn of(rate: &DatedRate) -> Self {
        Self {
            from_currency: rate.from.to_string(),
            to_currency: rate.to.to_string(),
            in_force_on: rate.on.to_string(),
            rate: rate.rate.to_string(),
        }
    }

    /// The rate.
    pub(crate) fn into_domain(self) -> Result<DatedRate, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt("exchange_rates");
        Ok(DatedRate {
            from: self.from_currency.parse().map_err(|_| CORRUPT)?,
            to: self.to_currency.parse().map_err(|_| CORRUPT)?,
            on: self.in_force_on.parse().map_err(|_| CORRUPT)?,
            rate: self.rate.parse().map_err(|_| CORRUPT)?,
        })
    }
}
