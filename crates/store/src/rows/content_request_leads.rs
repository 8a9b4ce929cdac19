//! Rows of `content_request_leads`: the leads that need requested content.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::content::requests::ContentRequest;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "content_request_leads")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: Uuid,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of a request.
    pub(crate) fn all_of(request: &ContentRequest) -> Vec<Self> {
        let row = |lead_id: &tandem_domain::id::LeadId| Self {
            request_id: request.id.uuid(),
            lead_id: lead_id.uuid(),
        };
        request.details.lead_ids.iter().map(row).collect()
    }
}
