//! Rows of `promises`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::deals::promises::{Promise, PromiseDetails};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::day;
use crate::error::StoreError;
use crate::write::{HasRows, Rows};

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "promises")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub due_on: Option<String>,
    pub done_at: Option<i64>,
    pub activity_id: Option<Uuid>,
    pub deal_id: Option<Uuid>,
    pub lead_id: Option<Uuid>,
    pub company_id: Option<Uuid>,
    pub archived_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a promise.
    pub(crate) fn of(promise: &Promise) -> Self {
        let details = &promise.details;
        Self {
            id: promise.id.uuid(),
            version: promise.version,
            text: details.text.clone(),
            due_on: details.due_on.map(|day| day.to_string()),
            done_at: details.done_at.map(Timestamp::millis),
            activity_id: promise.activity_id.map(Id::uuid),
            deal_id: promise.deal_id.map(Id::uuid),
            lead_id: promise.lead_id.map(Id::uuid),
            company_id: promise.company_id.map(Id::uuid),
            archived_at: promise.archived_at.map(Timestamp::millis),
            created_at: promise.created_at.millis(),
            updated_at: promise.updated_at.millis(),
        }
    }

    /// The promise.
    pub(crate) fn into_domain(self) -> Result<Promise, StoreError> {
        Ok(Promise {
            id: Id::from_uuid(self.id),
            version: self.version,
            details: PromiseDetails {
                text: self.text,
                due_on: self.due_on.map(|text| day("promises", &text)).transpose()?,
                done_at: self.done_at.map(Timestamp::from_millis),
            },
            activity_id: self.activity_id.map(Id::from_uuid),
            deal_id: self.deal_id.map(Id::from_uuid),
            lead_id: self.lead_id.map(Id::from_uuid),
            company_id: self.company_id.map(Id::from_uuid),
            archived_at: self.archived_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl HasRows for Promise {
    fn put(&self, rows: &mut Rows) {
        rows.records.put(Model::of(self));
    }
}
