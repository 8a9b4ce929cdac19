//! Rows of `visitor_links`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::visitor::Link;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "visitor_links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub visitor_id: Uuid,
    pub lead_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub told_by: String,
    pub linked_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a link.
    pub(crate) fn of(link: &Link, told_by: &str) -> Self {
        Self {
            id: link.id.uuid(),
            visitor_id: link.visitor_id.uuid(),
            lead_id: link.lead_id.uuid(),
            told_by: told_by.to_owned(),
            linked_at: link.at.millis(),
        }
    }

    /// The link.
    pub(crate) fn into_domain(self) -> Link {
        Link {
            id: Id::from_uuid(self.id),
            visitor_id: Id::from_uuid(self.visitor_id),
            lead_id: Id::from_uuid(self.lead_id),
            at: Timestamp::from_millis(self.linked_at),
        }
    }
}
