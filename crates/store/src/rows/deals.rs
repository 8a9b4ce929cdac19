//! Rows of `deals`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::{Closing, Deal, Member, Outcome, Recurring, State};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Converted, Currency, Money};

use super::day;
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "deals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_system: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    pub pipeline_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub stage: String,
    pub stage_since: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub amount: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub recurring: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub expected_close_on: Option<String>,
    pub owner_id: Option<Uuid>,
    pub company_id: Option<Uuid>,
    pub primary_lead_id: Option<Uuid>,
    pub cycle: Option<i64>,
    pub closed_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub competitor: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub closed_from: Option<String>,
    pub base_amount: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub base_currency: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub rate: Option<String>,
    pub moved_lead: bool,
    pub opened_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("deals");

fn money(amount: Option<i64>, currency: Option<&str>) -> Result<Option<Money>, StoreError> {
    let Some((amount, code)) = amount.zip(currency) else {
        return Ok(None);
    };
    let currency: Currency = code.parse().map_err(|_| CORRUPT)?;
    Ok(Some(Money { amount, currency }))
}

impl Model {
    /// The row of a deal; its leads are rows of their own.
    pub(crate) fn of(deal: &Deal) -> Self {
        let closing = deal.closing.clone();
        let value = closing.as_ref().and_then(|closing| closing.value);
        let (external_system, external_id) = deal.external_id.clone().unzip();
        Self {
            id: deal.id.uuid(),
            version: deal.version,
            external_system,
            external_id,
            name: deal.name.clone(),
            pipeline_id: deal.pipeline_id.uuid(),
            stage: deal.stage.clone(),
            stage_since: deal.stage_since.millis(),
            state: deal.state().name().to_owned(),
            amount: deal.amount.map(|money| money.amount),
            currency: deal.amount.map(|money| money.currency.to_string()),
            recurring: deal.recurring.map(|recurring| recurring.name().to_owned()),
            expected_close_on: deal.expected_close_on.map(|day| day.to_string()),
            owner_id: deal.owner_id.map(Id::uuid),
            company_id: deal.company_id.map(Id::uuid),
            primary_lead_id: deal.primary_lead_id.map(Id::uuid),
            cycle: deal.cycle,
            closed_at: closing.as_ref().map(|closing| closing.at.millis()),
            reason: closing.as_ref().and_then(|closing| closing.reason.clone()),
            competitor: closing.as_ref().and_then(|closing| closing.competitor.clone()),
            closed_from: closing.map(|closing| closing.from_stage),
            base_amount: value.map(|value| value.money.amount),
            base_currency: value.map(|value| value.money.currency.to_string()),
            rate: value.map(|value| value.rate.to_string()),
            moved_lead: deal.moved_lead,
            opened_at: deal.opened_at.millis(),
            created_at: deal.created_at.millis(),
            updated_at: deal.updated_at.millis(),
        }
    }

    /// The deal with its leads, in their order.
    pub(crate) fn into_domain(self, members: Vec<Member>) -> Result<Deal, StoreError> {
        let state = State::named(&self.state).ok_or(CORRUPT)?;
        let outcome = match state {
            State::Open => None,
            State::Won => Some(Outcome::Won),
            State::Lost => Some(Outcome::Lost),
        };
        let value = match (money(self.base_amount, self.base_currency.as_deref())?, self.rate) {
            (Some(money), Some(rate)) => Some(Converted {
                money,
                rate: rate.parse().map_err(|_| CORRUPT)?,
            }),
            _ => None,
        };
        let closing = match outcome {
            None => None,
            Some(outcome) => Some(Closing {
                outcome,
                at: Timestamp::from_millis(self.closed_at.ok_or(CORRUPT)?),
                reason: self.reason,
                competitor: self.competitor,
                from_stage: self.closed_from.ok_or(CORRUPT)?,
                value,
            }),
        };
        let recurring = self
            .recurring
            .as_deref()
            .map(|name| Recurring::named(name).ok_or(CORRUPT));
        let closes_on = self.expected_close_on.as_deref().map(|text| day("deals", text));
        Ok(Deal {
            id: Id::from_uuid(self.id),
            version: self.version,
            external_id: self.external_system.zip(self.external_id),
            name: self.name,
            pipeline_id: Id::from_uuid(self.pipeline_id),
            stage: self.stage,
            stage_since: Timestamp::from_millis(self.stage_since),
            amount: money(self.amount, self.currency.as_deref())?,
            recurring: recurring.transpose()?,
            expected_close_on: closes_on.transpose()?,
            owner_id: self.owner_id.map(Id::from_uuid),
            company_id: self.company_id.map(Id::from_uuid),
            primary_lead_id: self.primary_lead_id.map(Id::from_uuid),
            cycle: self.cycle,
            members,
            closing,
            moved_lead: self.moved_lead,
            opened_at: Timestamp::from_millis(self.opened_at),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
