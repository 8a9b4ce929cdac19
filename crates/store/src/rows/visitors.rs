//! Rows of `visitors`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::visitor::{Link, Visitor};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "visitors")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub key: String,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a visitor; its links are rows of their own.
    pub(crate) fn of(visitor: &Visitor) -> Self {
        Self {
            id: visitor.id.uuid(),
            key: visitor.key.clone(),
            created_at: visitor.created_at.millis(),
        }
    }

    /// The visitor with its links, in their order.
    pub(crate) fn into_domain(self, links: Vec<Link>) -> Visitor {
        Visitor {
            id: Id::from_uuid(self.id),
            key: self.key,
            created_at: Timestamp::from_millis(self.created_at),
            links,
        }
    }
}
