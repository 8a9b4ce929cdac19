//! Rows of `activities`; a deleted one has none.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::access::Queue;
use tandem_domain::activities::{
    Activity, ActivityOutcome, ActivityType, Contact, Direction, Intent, Objection, OfConversation,
};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use super::{from_json, to_json};
use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "activities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub lead_id: Option<Uuid>,
    pub deal_id: Option<Uuid>,
    pub company_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub owner_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub queue: Option<String>,
    #[sea_orm(column_name = "type", column_type = "Text")]
    #[serde(rename = "type")]
    pub kind: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub direction: Option<String>,
    pub occurred_at: i64,
    pub duration_s: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub outcome: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub subject: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub body: Option<String>,
    /// The greatest value where nothing is due.
    pub due_at: i64,
    pub done_at: Option<i64>,
    pub is_open: bool,
    pub remind_at: Option<i64>,
    pub is_reminded: bool,
    pub automatic: bool,
    #[sea_orm(column_type = "Text")]
    pub promises: String,
    #[sea_orm(column_type = "Text")]
    pub content_ids: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_system: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub external_id: Option<String>,
    pub conversation_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub intent: Option<String>,
    pub is_touched: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("activities");

fn kind(name: &str) -> Result<ActivityType, StoreError> {
    ActivityType::named(name).ok_or(CORRUPT)
}

fn direction(name: Option<&str>) -> Result<Option<Direction>, StoreError> {
    name.map(|name| Direction::named(name).ok_or(CORRUPT)).transpose()
}

fn outcome(name: Option<&str>) -> Result<Option<ActivityOutcome>, StoreError> {
    name.map(|name| ActivityOutcome::named(name).ok_or(CORRUPT))
        .transpose()
}

/// How much a lead intends to buy, by the name of it.
pub(crate) fn intent(name: Option<&str>) -> Result<Option<Intent>, StoreError> {
    name.map(|name| Intent::named(name).ok_or(CORRUPT)).transpose()
}

/// The queue with this name.
pub(crate) fn queue(name: Option<&str>) -> Result<Option<Queue>, StoreError> {
    name.map(|name| name.parse().map_err(|_| CORRUPT)).transpose()
}

/// What promises look at of an activity: type, direction, outcome, whether it is automatic, when it happened.
pub(crate) type ContactColumns = (Uuid, String, Option<String>, Option<String>, bool, i64);

/// The contact that these columns are.
pub(crate) fn contact(columns: &ContactColumns) -> Result<Contact, StoreError> {
    let (_, type_name, direction_name, outcome_name, automatic, at) = columns;
    Ok(Contact {
        kind: kind(type_name)?,
        direction: direction(direction_name.as_deref())?,
        outcome: outcome(outcome_name.as_deref())?,
        automatic: *automatic,
        at: Timestamp::from_millis(*at),
    })
}

impl Model {
    /// The row of an activity; its objections are rows of their own.
    pub(crate) fn of(activity: &Activity) -> Self {
        let (external_system, external_id) = activity.external_id.clone().unzip();
        Self {
            id: activity.id.uuid(),
            version: activity.version,
            lead_id: activity.lead_id.map(Id::uuid),
            deal_id: activity.deal_id.map(Id::uuid),
            company_id: activity.company_id.map(Id::uuid),
            user_id: activity.user_id.map(Id::uuid),
            owner_id: activity.owner_id.map(Id::uuid),
            queue: activity.queue.map(|queue| queue.to_string()),
            kind: activity.kind.name().to_owned(),
            direction: activity.direction.map(|direction| direction.name().to_owned()),
            occurred_at: activity.occurred_at.millis(),
            duration_s: activity.duration_s,
            outcome: activity.outcome.map(|outcome| outcome.name().to_owned()),
            subject: activity.subject.clone(),
            body: activity.body.clone(),
            due_at: activity.due_at.map_or(i64::MAX, Timestamp::millis),
            done_at: activity.done_at.map(Timestamp::millis),
            is_open: activity.is_open(),
            remind_at: activity.remind_at().map(Timestamp::millis),
            is_reminded: activity.is_reminded,
            automatic: activity.automatic,
            promises: to_json(&activity.promises),
            content_ids: to_json(&activity.content_ids),
            external_system,
            external_id,
            conversation_id: activity.conversation.map(|of| of.id.uuid()),
            intent: activity.intent().map(|intent| intent.name().to_owned()),
            is_touched: activity.conversation.is_some_and(|of| of.is_touched),
            created_at: activity.created_at.millis(),
            updated_at: activity.updated_at.millis(),
        }
    }

    /// The activity with its objections, in their order.
    pub(crate) fn into_domain(self, objections: Vec<Objection>) -> Result<Activity, StoreError> {
        Ok(Activity {
            id: Id::from_uuid(self.id),
            version: self.version,
            lead_id: self.lead_id.map(Id::from_uuid),
            deal_id: self.deal_id.map(Id::from_uuid),
            company_id: self.company_id.map(Id::from_uuid),
            user_id: self.user_id.map(Id::from_uuid),
            owner_id: self.owner_id.map(Id::from_uuid),
            queue: queue(self.queue.as_deref())?,
            kind: kind(&self.kind)?,
            direction: direction(self.direction.as_deref())?,
            occurred_at: Timestamp::from_millis(self.occurred_at),
            duration_s: self.duration_s,
            outcome: outcome(self.outcome.as_deref())?,
            subject: self.subject,
            body: self.body,
            due_at: (self.due_at != i64::MAX).then(|| Timestamp::from_millis(self.due_at)),
            done_at: self.done_at.map(Timestamp::from_millis),
            is_reminded: self.is_reminded,
            automatic: self.automatic,
            objections,
            promises: from_json("activities", &self.promises)?,
            content_ids: from_json("activities", &self.content_ids)?,
            external_id: self.external_system.zip(self.external_id),
            conversation: match self.conversation_id {
                Some(id) => Some(OfConversation {
                    id: Id::from_uuid(id),
                    intent: intent(self.intent.as_deref())?,
                    is_touched: self.is_touched,
                }),
                None => None,
            },
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
