//! Rows of `form_keys`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::capture::FormKey;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "form_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub form_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub key: String,
    pub expires_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a form's key.
    pub(crate) fn of(key: &FormKey) -> Self {
        Self {
            id: key.id.uuid(),
            form_id: key.form_id.uuid(),
            key: key.key.clone(),
            expires_at: key.expires_at.map(Timestamp::millis),
            created_at: key.created_at.millis(),
        }
    }

    /// The key.
    pub(crate) fn into_domain(self) -> FormKey {
        FormKey {
            id: Id::from_uuid(self.id),
            form_id: Id::from_uuid(self.form_id),
            key: self.key,
            expires_at: self.expires_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
        }
    }
}
