//! Rows of `deal_leads`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::{BuyingRole, Deal, Member};
use tandem_domain::id::Id;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "deal_leads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub deal_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: Uuid,
    #[sea_orm(column_type = "Text", nullable)]
    pub role: Option<String>,
    pub position: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of a deal's leads.
    pub(crate) fn all_of(deal: &Deal) -> Vec<Self> {
        let row = |(position, member): (usize, &Member)| Self {
            deal_id: deal.id.uuid(),
            lead_id: member.lead_id.uuid(),
            role: member.role.map(|role| role.name().to_owned()),
            position: position as i64,
        };
        deal.members.iter().enumerate().map(row).collect()
    }

    /// The lead with its role.
    pub(crate) fn into_domain(self) -> Result<Member, StoreError> {
        let role = |name: &str| BuyingRole::named(name).ok_or(StoreError::Corrupt("deal_leads"));
        Ok(Member {
            lead_id: Id::from_uuid(self.lead_id),
            role: self.role.as_deref().map(role).transpose()?,
        })
    }
}
