//! Rows of `campaigns`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::{Campaign, CampaignDetails};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{day, from_json, money, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "campaigns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub channel: String,
    #[sea_orm(column_type = "Text")]
    pub aliases: String,
    #[sea_orm(column_type = "Text")]
    pub starts_on: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub ends_on: Option<String>,
    pub budget: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub budget_currency: Option<String>,
    pub owner_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub brief: Option<String>,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a campaign; what it is known by stands in rows of its own too.
    pub(crate) fn of(campaign: &Campaign) -> Self {
        let details = &campaign.details;
        Self {
            id: campaign.id.uuid(),
            version: campaign.version,
            name: details.name.clone(),
            channel: details.channel.clone(),
            aliases: to_json(&details.utm_campaign_aliases),
            starts_on: details.starts_on.to_string(),
            ends_on: details.ends_on.map(|day| day.to_string()),
            budget: details.budget.map(|money| money.amount),
            budget_currency: details.budget.map(|money| money.currency.to_string()),
            owner_id: details.owner_id.map(Id::uuid),
            parent_id: details.parent_id.map(Id::uuid),
            brief: details.brief.as_ref().map(to_json),
            archived_at: campaign.archived_at.map(Timestamp::millis),
            created_at: campaign.created_at.millis(),
            updated_at: campaign.updated_at.millis(),
        }
    }

    /// The campaign.
    pub(crate) fn into_domain(self) -> Result<Campaign, StoreError> {
        const TABLE: &str = "campaigns";
        let budget = self.budget.zip(self.budget_currency);
        let details = CampaignDetails {
            name: self.name,
            channel: self.channel,
            utm_campaign_aliases: from_json(TABLE, &self.aliases)?,
            starts_on: day(TABLE, &self.starts_on)?,
            ends_on: self.ends_on.map(|text| day(TABLE, &text)).transpose()?,
            budget: budget
                .map(|(amount, currency)| money(TABLE, amount, &currency))
                .transpose()?,
            owner_id: self.owner_id.map(Id::from_uuid),
            parent_id: self.parent_id.map(Id::from_uuid),
            brief: self.brief.map(|text| from_json(TABLE, &text)).transpose()?,
        };
        Ok(Campaign {
            id: Id::from_uuid(self.id),
            version: self.version,
            details,
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Campaign {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        let aliases = super::campaign_aliases::Model::all_of(self);
        rows.records.replace("campaign_id", self.id.uuid(), aliases);
    }
}
