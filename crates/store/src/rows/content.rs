//! Rows of `content`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::content::{Content, ContentDetails, ContentKind, ContentStage, ContentState};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;
use crate::rules::revision;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "content")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub url_patterns: String,
    #[sea_orm(column_type = "Text")]
    pub stage: String,
    pub campaign_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub answers_objections: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("content");

impl Model {
    fn of(content: &Content) -> Self {
        let details = &content.details;
        Self {
            id: content.id.uuid(),
            version: content.version,
            title: details.title.clone(),
            kind: details.kind.name().to_owned(),
            url_patterns: to_json(&details.url_patterns),
            stage: details.stage.name().to_owned(),
            campaign_id: details.campaign_id.map(Id::uuid),
            answers_objections: to_json(&details.answers_objections),
            state: details.state.name().to_owned(),
            archived_at: content.archived_at.map(Timestamp::millis),
            created_at: content.created_at.millis(),
            updated_at: content.updated_at.millis(),
        }
    }

    /// The content.
    pub(crate) fn into_domain(self) -> Result<Content, StoreError> {
        let details = ContentDetails {
            title: self.title,
            kind: ContentKind::named(&self.kind).ok_or(CORRUPT)?,
            url_patterns: from_json("content", &self.url_patterns)?,
            stage: ContentStage::named(&self.stage).ok_or(CORRUPT)?,
            campaign_id: self.campaign_id.map(Id::from_uuid),
            answers_objections: from_json("content", &self.answers_objections)?,
            state: ContentState::named(&self.state).ok_or(CORRUPT)?,
        };
        Ok(Content {
            id: Id::from_uuid(self.id),
            version: self.version,
            details,
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Content {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        rows.revisions.insert(revision::CONTENT);
    }
}
