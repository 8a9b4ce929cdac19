//! Rows of `objection_mappings`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::activities::objections::{ObjectionMapping, objection_key};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::rules::revision;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "objection_mappings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    #[sea_orm(column_type = "Text")]
    pub text_key: String,
    #[sea_orm(column_type = "Text")]
    pub code: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The mapping.
    pub(crate) fn into_domain(self) -> ObjectionMapping {
        ObjectionMapping {
            id: Id::from_uuid(self.id),
            version: self.version,
            text: self.text,
            code: self.code,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        }
    }
}

impl HasRows for ObjectionMapping {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model {
            id: self.id.uuid(),
            version: self.version,
            text: self.text.clone(),
            text_key: objection_key(&self.text),
            code: self.code.clone(),
            created_at: self.created_at.millis(),
            updated_at: self.updated_at.millis(),
        });
        rows.revisions.insert(revision::OBJECTIONS);
    }
}
