//! Rows of `deal_moves`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::ActorKind;
use tandem_domain::deals::{DealMove, Revenue};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "deal_moves")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub deal_id: Uuid,
    #[sea_orm(column_type = "Text", nullable)]
    pub from_stage: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub to_stage: String,
    pub at: i64,
    #[sea_orm(column_type = "Text")]
    pub actor_kind: String,
    #[sea_orm(column_type = "Text")]
    pub actor_id: String,
    pub on_behalf_of: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub revenue: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    pub base_revenue: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub base_currency: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub rate: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("deal_moves");

impl Model {
    /// The row of a move.
    pub(crate) fn of(made: &DealMove) -> Self {
        let base = made.revenue.and_then(|revenue| revenue.base);
        Self {
            id: made.id.uuid(),
            deal_id: made.deal_id.uuid(),
            from_stage: made.from.clone(),
            to_stage: made.to.clone(),
            at: made.at.millis(),
            actor_kind: made.actor_kind.name().to_owned(),
            actor_id: made.actor_id.clone(),
            on_behalf_of: made.on_behalf_of.map(Id::uuid),
            reason: made.reason.clone(),
            note: made.note.clone(),
            revenue: made.revenue.map(|revenue| revenue.amount),
            currency: made.revenue.map(|revenue| revenue.currency.to_string()),
            base_revenue: base.map(|(amount, ..)| amount),
            base_currency: base.map(|(_, currency, _)| currency.to_string()),
            rate: base.map(|(.., rate)| rate.to_string()),
        }
    }

    /// The move.
    pub(crate) fn into_domain(self) -> Result<DealMove, StoreError> {
        let base = match (self.base_revenue, self.base_currency, self.rate) {
            (Some(amount), Some(currency), Some(rate)) => Some((
                amount,
                currency.parse().map_err(|_| CORRUPT)?,
                rate.parse().map_err(|_| CORRUPT)?,
            )),
            _ => None,
        };
        let revenue = match self.revenue.zip(self.currency) {
            Some((amount, currency)) => Some(Revenue {
                amount,
                currency: currency.parse().map_err(|_| CORRUPT)?,
                base,
            }),
            None => None,
        };
        Ok(DealMove {
            id: Id::from_uuid(self.id),
            deal_id: Id::from_uuid(self.deal_id),
            from: self.from_stage,
            to: self.to_stage,
            at: Timestamp::from_millis(self.at),
            actor_kind: ActorKind::named(&self.actor_kind).ok_or(CORRUPT)?,
            actor_id: self.actor_id,
            on_behalf_of: self.on_behalf_of.map(Id::from_uuid),
            reason: self.reason,
            note: self.note,
            revenue,
        })
    }
}
