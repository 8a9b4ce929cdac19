//! Rows of `action_items`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::review::{ActionItem, ActionProgress, ActionState};

use super::day;
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "action_items")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub review_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    pub owner_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub due_on: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub closed_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of an action item.
    pub(crate) fn of(item: &ActionItem) -> Self {
        Self {
            id: item.id.uuid(),
            version: item.version,
            review_id: item.review_id.uuid(),
            text: item.text.clone(),
            owner_id: item.owner_id.uuid(),
            due_on: item.due_on.to_string(),
            state: item.progress.state.name().to_owned(),
            note: item.progress.note.clone(),
            closed_at: item.closed_at.map(Timestamp::millis),
            created_at: item.created_at.millis(),
            updated_at: item.updated_at.millis(),
        }
    }

    /// The action item.
    pub(crate) fn into_domain(self) -> Result<ActionItem, StoreError> {
        const TABLE: &str = "action_items";
        Ok(ActionItem {
            id: Id::from_uuid(self.id),
            version: self.version,
            review_id: Id::from_uuid(self.review_id),
            text: self.text,
            owner_id: Id::from_uuid(self.owner_id),
            due_on: day(TABLE, &self.due_on)?,
            progress: ActionProgress {
                state: ActionState::named(&self.state).ok_or(StoreError::Corrupt(TABLE))?,
                note: self.note,
            },
            closed_at: self.closed_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for ActionItem {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
