//! Rows of `conversations`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::activities::conversation::Conversation;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{conversation_keys, from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "conversations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub provider: String,
    #[sea_orm(column_type = "Text")]
    pub external_id: String,
    pub lead_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub intent: String,
    #[sea_orm(column_type = "Text")]
    pub details: String,
    pub linked_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a conversation; the identifiers that it waits for are rows of their own.
    pub(crate) fn of(conversation: &Conversation) -> Self {
        let details = &conversation.details;
        Self {
            id: conversation.id.uuid(),
            version: conversation.version,
            provider: details.provider.clone(),
            external_id: details.external_id.clone(),
            lead_id: conversation.lead_id.map(Id::uuid),
            user_id: conversation.user_id.map(Id::uuid),
            intent: details.intent.name().to_owned(),
            details: to_json(details),
            linked_at: conversation.linked_at.map(Timestamp::millis),
            created_at: conversation.created_at.millis(),
            updated_at: conversation.updated_at.millis(),
        }
    }

    /// The conversation.
    pub(crate) fn into_domain(self) -> Result<Conversation, StoreError> {
        Ok(Conversation {
            id: Id::from_uuid(self.id),
            version: self.version,
            details: from_json("conversations", &self.details)?,
            lead_id: self.lead_id.map(Id::from_uuid),
            user_id: self.user_id.map(Id::from_uuid),
            linked_at: self.linked_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Conversation {
    fn put(&self, rows: &mut Rows) {
        let keys = conversation_keys::Model::all_of(self);
        rows.records.replace("conversation_id", self.id.uuid(), keys);
        rows.records.put(Model::of(self));
    }
}
