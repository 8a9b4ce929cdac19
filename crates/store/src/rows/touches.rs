//! Rows of `touches`: touches, and the sessions that they are made of.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Touch;
use tandem_domain::tracking::record::{TouchKind, TouchRecord};
use tandem_domain::tracking::sessions::Session;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "touches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    pub lead_id: Option<Uuid>,
    pub visitor_id: Option<Uuid>,
    pub occurred_at: i64,
    /// The touch itself; none of a session that makes none.
    #[sea_orm(column_type = "Text", nullable)]
    pub touch: Option<String>,
    /// Its channel, to recognise direct ones.
    #[sea_orm(column_type = "Text", nullable)]
    pub channel: Option<String>,
    /// Of a session: when the run began that it is a part of.
    pub run_at: Option<i64>,
    /// Of a session: when its last event happened.
    pub ended_at: Option<i64>,
    /// Of a session: how many events it has.
    pub events: Option<i64>,
    /// Of a session: what distinguishes its visit.
    #[sea_orm(column_type = "Text", nullable)]
    pub signals: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a touch.
    pub(crate) fn of(record: &TouchRecord) -> Self {
        let session = record.session.as_ref();
        Self {
            id: record.id.uuid(),
            kind: record.kind.name().to_owned(),
            lead_id: record.lead_id.map(Id::uuid),
            visitor_id: record.visitor_id.map(Id::uuid),
            occurred_at: record.occurred_at.millis(),
            touch: record.touch.as_ref().map(to_json),
            channel: record.touch.as_ref().and_then(|touch| touch.channel.clone()),
            run_at: session.map(|session| session.run_at.millis()),
            ended_at: session.map(|session| session.ended_at.millis()),
            events: session.map(|session| session.events),
            signals: session.and_then(|session| session.signals.as_ref()).map(to_json),
        }
    }

    /// The touch.
    pub(crate) fn into_domain(self) -> Result<TouchRecord, StoreError> {
        let corrupt = || StoreError::Corrupt("touches");
        let touch: Option<Touch> = self.touch.map(|text| from_json("touches", &text)).transpose()?;
        let signals = self.signals.map(|text| from_json("touches", &text)).transpose()?;
        let occurred_at = Timestamp::from_millis(self.occurred_at);
        let session = match (self.run_at, self.ended_at, self.events) {
            (Some(run_at), Some(ended_at), Some(events)) => Some(Session {
                run_at: Timestamp::from_millis(run_at),
                started_at: occurred_at,
                ended_at: Timestamp::from_millis(ended_at),
                events,
                signals,
                touch: touch.clone(),
            }),
            _ => None,
        };
        Ok(TouchRecord {
            id: Id::from_uuid(self.id),
            kind: TouchKind::named(&self.kind).ok_or_else(corrupt)?,
            lead_id: self.lead_id.map(Id::from_uuid),
            visitor_id: self.visitor_id.map(Id::from_uuid),
            occurred_at,
            touch,
            session,
        })
    }
}
