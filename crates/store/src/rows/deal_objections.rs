//! Rows of `deal_objections`: what the other side held against buying, as stated when a deal was closed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::activities::Objection;
use tandem_domain::activities::objections::objection_key;
use tandem_domain::deals::Deal;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "deal_objections")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub deal_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub lead_id: Option<Uuid>,
    pub occurred_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub code: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub text: Option<String>,
    /// The words in the form in which they are compared.
    #[sea_orm(column_type = "Text", nullable)]
    pub text_key: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub quote: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of the objections that a closing states.
    pub(crate) fn all_of(deal: &Deal, at: Timestamp, objections: &[Objection]) -> Vec<Self> {
        let row = |(position, objection): (usize, &Objection)| Self {
            deal_id: deal.id.uuid(),
            position: position as i64,
            lead_id: deal.primary_lead_id.map(Id::uuid),
            occurred_at: at.millis(),
            code: objection.code.clone(),
            text: objection.text.clone(),
            text_key: objection.text.as_deref().map(objection_key),
            quote: objection.quote.clone(),
        };
        objections.iter().enumerate().map(row).collect()
    }

    /// The objection.
    pub(crate) fn into_domain(self) -> Objection {
        Objection {
            code: self.code,
            text: self.text,
            quote: self.quote,
        }
    }
}
