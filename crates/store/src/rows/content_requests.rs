//! Rows of `content_requests`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::content::requests::{AnsweredRequest, ContentRequest, RequestState};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{content_request_deals, content_request_leads, from_json, to_json};
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "content_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub why: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub objection: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub lead_ids: String,
    #[sea_orm(column_type = "Text")]
    pub deal_ids: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub content_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub answer: Option<String>,
    pub requested_by: Option<Uuid>,
    pub answered_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    fn of(request: &ContentRequest) -> Self {
        let details = request.details.clone();
        Self {
            id: request.id.uuid(),
            version: request.version,
            title: details.title,
            why: details.why,
            objection: details.objection,
            lead_ids: to_json(&details.lead_ids),
            deal_ids: to_json(&details.deal_ids),
            state: details.state.name().to_owned(),
            content_id: details.content_id.map(Id::uuid),
            answer: details.answer,
            requested_by: request.requested_by.map(Id::uuid),
            answered_at: request.answered_at.map(Timestamp::millis),
            created_at: request.created_at.millis(),
            updated_at: request.updated_at.millis(),
        }
    }

    /// The request.
    pub(crate) fn into_domain(self) -> Result<ContentRequest, StoreError> {
        const TABLE: &str = "content_requests";
        let details = AnsweredRequest {
            title: self.title,
            why: self.why,
            objection: self.objection,
            lead_ids: from_json(TABLE, &self.lead_ids)?,
            deal_ids: from_json(TABLE, &self.deal_ids)?,
            state: RequestState::named(&self.state).ok_or(StoreError::Corrupt(TABLE))?,
            content_id: self.content_id.map(Id::from_uuid),
            answer: self.answer,
        };
        Ok(ContentRequest {
            id: Id::from_uuid(self.id),
            version: self.version,
            details,
            requested_by: self.requested_by.map(Id::from_uuid),
            answered_at: self.answered_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for ContentRequest {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
        let id = self.id.uuid();
        rows.records
            .replace("request_id", id, content_request_leads::Model::all_of(self));
        rows.records
            .replace("request_id", id, content_request_deals::Model::all_of(self));
    }
}
