//! Rows of `users`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::Role;
use tandem_domain::access::account::User;
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub email: String,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub role: String,
    pub admin: bool,
    pub disabled_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a user.
    pub(crate) fn of(user: &User) -> Self {
        Self {
            id: user.id.uuid(),
            version: user.version,
            email: user.email.clone(),
            name: user.name.clone(),
            role: user.role.name().to_owned(),
            admin: user.admin,
            disabled_at: user.disabled_at.map(Timestamp::millis),
            created_at: user.created_at.millis(),
            updated_at: user.updated_at.millis(),
        }
    }

    /// The user.
    pub(crate) fn into_domain(self) -> Result<User, StoreError> {
        Ok(User {
            id: Id::from_uuid(self.id),
            version: self.version,
            email: self.email,
            name: self.name,
            role: Role::named(&self.role).ok_or(StoreError::Corrupt("users"))?,
            admin: self.admin,
            disabled_at: self.disabled_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for User {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
