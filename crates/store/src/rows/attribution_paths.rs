//! Rows of `attribution_paths`: written by one statement of the database, read by reports.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "attribution_paths")]
pub struct Model {
    /// `mql`, `sql`, `opportunity` or `customer`; `ended` of a cycle, `lost` of a deal.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub outcome: String,
    /// The cycle, or the move of the deal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Of a cycle: its lead.
    pub lead_id: Option<Uuid>,
    /// Of a move: its deal.
    pub deal_id: Option<Uuid>,
    /// Of a reopening: the closing that it takes back.
    pub reverses: Option<Uuid>,
    /// When it counts.
    pub at: i64,
    /// When the outcome happened; of a reopening, the closing.
    pub outcome_at: i64,
    /// When the primary lead became known.
    pub lead_at: Option<i64>,
    /// When the deal was opened.
    pub deal_at: Option<i64>,
    pub amount: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    pub base_amount: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub base_currency: Option<String>,
    /// `{known, touches}`: how many touches were known, and the first and the newest 999 that count, each as
    /// `[id, at, channel, source, campaign, content]`.
    #[sea_orm(column_type = "Text")]
    pub path: String,
    /// Whether an import of history derived it; the next import may derive it again.
    pub is_imported: bool,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
