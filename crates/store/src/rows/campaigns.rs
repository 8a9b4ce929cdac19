//! Rows of `campaigns`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::Campaign;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

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
        Self {
            id: campaign.id.uuid(),
            version: campaign.version,
            name: campaign.name.clone(),
            channel: campaign.channel.clone(),
            aliases: to_json(&campaign.aliases),
            starts_on: campaign.starts_on.to_string(),
            ends_on: campaign.ends_on.map(|day| day.to_string()),
            archived_at: campaign.archived_at.map(Timestamp::millis),
            created_at: campaign.created_at.millis(),
            updated_at: campaign.updated_at.millis(),
        }
    }

    /// The campaign.
    pub(crate) fn into_domain(self) -> Result<Campaign, StoreError> {
        let day = |text: String| text.parse().map_err(|_| StoreError::Corrupt("campaigns"));
        Ok(Campaign {
            id: Id::from_uuid(self.id),
            version: self.version,
            name: self.name,
            channel: self.channel,
            aliases: from_json("campaigns", &self.aliases)?,
            starts_on: day(self.starts_on)?,
            ends_on: self.ends_on.map(day).transpose()?,
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
