//! Rows of `conversation_keys`: the identifiers that conversations without a lead wait for.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::activities::conversation::Conversation;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "conversation_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub kind: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub system: String,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub value: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The rows of a conversation; none once it has its lead.
    pub(crate) fn all_of(conversation: &Conversation) -> Vec<Self> {
        if conversation.lead_id.is_some() {
            return vec![];
        }
        let keys = conversation.details.lead.keys().into_iter();
        keys.map(|key| Self {
            conversation_id: conversation.id.uuid(),
            kind: key.kind.name().to_owned(),
            system: key.system,
            value: key.value,
        })
        .collect()
    }
}
