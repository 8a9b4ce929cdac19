//! Rows of `segments`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::segments::{Segment, SegmentDetails};

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::rules::revision;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "segments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub name: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub condition: String,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a segment.
    pub(crate) fn of(segment: &Segment) -> Self {
        let details = &segment.details;
        Self {
            id: segment.id.uuid(),
            version: segment.version,
            name: details.name.clone(),
            description: details.description.clone(),
            condition: to_json(&details.when),
            archived_at: segment.archived_at.map(Timestamp::millis),
            created_at: segment.created_at.millis(),
            updated_at: segment.updated_at.millis(),
        }
    }

    /// The segment.
    pub(crate) fn into_domain(self) -> Result<Segment, StoreError> {
        Ok(Segment {
            id: Id::from_uuid(self.id),
            version: self.version,
            details: SegmentDetails {
                name: self.name,
                description: self.description,
                when: from_json("segments", &self.condition)?,
            },
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Segment {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        // Leads are judged again: who is in it follows.
        rows.revisions.insert(revision::AGREEMENT);
    }
}
