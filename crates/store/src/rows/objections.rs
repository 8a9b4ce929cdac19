//! Rows of `objections`: what the other side held against buying, in the order in which an activity lists it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::activities::objections::objection_key;
use tandem_domain::activities::{Activity, Objection};
use tandem_domain::id::Id;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "objections")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity_id: Uuid,
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
    /// The rows of an activity's objections.
    pub(crate) fn all_of(activity: &Activity) -> Vec<Self> {
        let row = |(position, objection): (usize, &Objection)| Self {
            activity_id: activity.id.uuid(),
            position: position as i64,
            lead_id: activity.lead_id.map(Id::uuid),
            occurred_at: activity.occurred_at.millis(),
            code: objection.code.clone(),
            text: objection.text.clone(),
            text_key: objection.text.as_deref().map(objection_key),
            quote: objection.quote.clone(),
        };
        activity.objections.iter().enumerate().map(row).collect()
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
