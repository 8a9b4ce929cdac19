//! Rows of `events`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::events::{Event, EventKind, Pages};

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_name = "type", column_type = "Text")]
    #[serde(rename = "type")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub told_by: String,
    pub visitor_id: Option<Uuid>,
    pub lead_id: Option<Uuid>,
    pub occurred_at: i64,
    pub received_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub url: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub referrer: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub landing_url: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub landing_referrer: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub properties: String,
    pub content_id: Option<Uuid>,
    pub is_bot: bool,
    pub is_machine: bool,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of an event.
    pub(crate) fn of(event: &Event) -> Self {
        let pages = event.pages.clone();
        Self {
            id: event.id.uuid(),
            kind: event.kind.name().to_owned(),
            told_by: event.told_by.clone(),
            visitor_id: event.visitor_id.map(Id::uuid),
            lead_id: event.lead_id.map(Id::uuid),
            occurred_at: event.occurred_at.millis(),
            received_at: event.received_at.millis(),
            url: pages.url,
            referrer: pages.referrer,
            landing_url: pages.landing_url,
            landing_referrer: pages.landing_referrer,
            properties: to_json(&event.properties),
            content_id: event.content_id.map(Id::uuid),
            is_bot: event.is_bot,
            is_machine: event.is_machine,
        }
    }

    /// The event.
    pub(crate) fn into_domain(self) -> Result<Event, StoreError> {
        Ok(Event {
            id: Id::from_uuid(self.id),
            kind: EventKind::named(&self.kind).ok_or(StoreError::Corrupt("events"))?,
            told_by: self.told_by,
            visitor_id: self.visitor_id.map(Id::from_uuid),
            lead_id: self.lead_id.map(Id::from_uuid),
            occurred_at: Timestamp::from_millis(self.occurred_at),
            received_at: Timestamp::from_millis(self.received_at),
            pages: Pages {
                url: self.url,
                referrer: self.referrer,
                landing_url: self.landing_url,
                landing_referrer: self.landing_referrer,
            },
            properties: from_json("events", &self.properties)?,
            content_id: self.content_id.map(Id::from_uuid),
            is_bot: self.is_bot,
            is_machine: self.is_machine,
        })
    }
}
