//! Rows of `sessions`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::session::Session;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub token_hash: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub previous_hash: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub sealed_token: Option<String>,
    pub rotated_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub created_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a session.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            id: session.id.uuid(),
            user_id: session.user_id.uuid(),
            token_hash: session.token_hash.clone(),
            previous_hash: session.previous_hash.clone(),
            sealed_token: session.sealed_token.clone(),
            rotated_at: session.rotated_at.millis(),
            expires_at: session.expires_at.millis(),
            revoked_at: session.revoked_at.map(Timestamp::millis),
            created_at: session.created_at.millis(),
        }
    }

    /// The session.
    pub(crate) fn into_domain(self) -> Session {
        Session {
            id: Id::from_uuid(self.id),
            user_id: Id::from_uuid(self.user_id),
            token_hash: self.token_hash,
            previous_hash: self.previous_hash,
            sealed_token: self.sealed_token,
            rotated_at: Timestamp::from_millis(self.rotated_at),
            expires_at: Timestamp::from_millis(self.expires_at),
            revoked_at: self.revoked_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
        }
    }
}
