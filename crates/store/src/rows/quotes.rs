//! Rows of `quotes`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::Recurring;
use tandem_domain::deals::quotes::{Quote, QuoteDetails, QuoteState};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::ExternalId;

use super::{day, money};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "quotes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub deal_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub number: String,
    pub amount: i64,
    #[sea_orm(column_type = "Text")]
    pub currency: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub recurring: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub sent_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub valid_until: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub url: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_system: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    pub closed_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a quote.
    pub(crate) fn of(quote: &Quote) -> Self {
        let details = &quote.details;
        let (external_system, external_id) = details
            .external_id
            .clone()
            .map(|one| (one.system, one.id))
            .unzip();
        Self {
            id: quote.id.uuid(),
            version: quote.version,
            deal_id: quote.deal_id.uuid(),
            number: details.number.clone(),
            amount: details.amount.amount,
            currency: details.amount.currency.to_string(),
            recurring: details.recurring.map(|recurring| recurring.name().to_owned()),
            state: quote.state.name().to_owned(),
            sent_at: details.sent_at.map(Timestamp::millis),
            valid_until: details.valid_until.map(|day| day.to_string()),
            url: details.url.clone(),
            external_system,
            external_id,
            closed_at: quote.closed_at.map(Timestamp::millis),
            created_at: quote.created_at.millis(),
            updated_at: quote.updated_at.millis(),
        }
    }

    /// The quote.
    pub(crate) fn into_domain(self) -> Result<Quote, StoreError> {
        const TABLE: &str = "quotes";
        let corrupt = || StoreError::Corrupt(TABLE);
        let recurring = self.recurring.as_deref();
        let recurring = recurring.map(|name| Recurring::named(name).ok_or_else(corrupt));
        let external = self.external_system.zip(self.external_id);
        let details = QuoteDetails {
            number: self.number,
            amount: money(TABLE, self.amount, &self.currency)?,
            recurring: recurring.transpose()?,
            sent_at: self.sent_at.map(Timestamp::from_millis),
            valid_until: self.valid_until.map(|text| day(TABLE, &text)).transpose()?,
            url: self.url,
            external_id: external.map(|(system, id)| ExternalId { system, id }),
        };
        Ok(Quote {
            id: Id::from_uuid(self.id),
            version: self.version,
            deal_id: Id::from_uuid(self.deal_id),
            details,
            state: QuoteState::named(&self.state).ok_or_else(corrupt)?,
            closed_at: self.closed_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
