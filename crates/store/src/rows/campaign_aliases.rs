//! Rows of `campaign_aliases`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::Campaign;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "campaign_aliases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub alias_key: String,
    pub campaign_id: Uuid,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of what a campaign is known by.
    pub(crate) fn all_of(campaign: &Campaign) -> Vec<Self> {
        let row = |alias_key| Self {
            alias_key,
            campaign_id: campaign.id.uuid(),
        };
        campaign.keys().map(row).collect()
    }
}
