//! Rows of `handoff_packets`: what a hand-off carries, frozen.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "handoff_packets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub handoff_id: Uuid,
    pub lead_id: Uuid,
    pub packet_version: i64,
    #[sea_orm(column_type = "Text")]
    pub packet: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
