//! Rows of `handoffs`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::handoff::{Dispute, Handoff, HandoffState, Joins, MadeBy, Ruling};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "handoffs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    pub lead_id: Uuid,
    pub company_id: Option<Uuid>,
    pub cycle: i64,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub made_at: i64,
    pub made_by: Option<Uuid>,
    pub self_sourced: bool,
    pub imported: bool,
    pub owner_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub queue: Option<String>,
    pub assigned_at: Option<i64>,
    pub decided_at: Option<i64>,
    pub decided_by: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub reason: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    pub until: Option<i64>,
    pub evidence_activity_id: Option<Uuid>,
    pub opened_at: Option<i64>,
    pub opened_by: Option<Uuid>,
    pub first_contact_at: Option<i64>,
    pub due_at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub void_reason: Option<String>,
    pub joins_deal_id: Option<Uuid>,
    pub joins_lead_id: Option<Uuid>,
    pub taken_from: Option<Uuid>,
    pub disputed_by: Option<Uuid>,
    pub disputed_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub argument: Option<String>,
    pub ruled_by: Option<Uuid>,
    pub ruled_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub ruling_note: Option<String>,
    pub remind_at: Option<i64>,
    pub agreement_version: i64,
    pub routing_decision_id: Option<Uuid>,
    pub updated_at: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("handoffs");

impl Model {
    pub(crate) fn of(handoff: &Handoff) -> Self {
        let (dispute, ruling) = (handoff.dispute.as_ref(), handoff.ruling.as_ref());
        Self {
            id: handoff.id.uuid(),
            version: handoff.version,
            lead_id: handoff.lead_id.uuid(),
            company_id: handoff.company_id.map(Id::uuid),
            cycle: handoff.cycle,
            state: handoff.state.name().to_owned(),
            made_at: handoff.made_at.millis(),
            made_by: match handoff.made_by {
                MadeBy::Rule => None,
                MadeBy::User(user) => Some(user.uuid()),
            },
            self_sourced: handoff.self_sourced,
            imported: handoff.imported,
            owner_id: handoff.owner_id.map(Id::uuid),
            queue: handoff.queue.map(|queue| queue.to_string()),
            assigned_at: handoff.assigned_at.map(Timestamp::millis),
            decided_at: handoff.decided_at.map(Timestamp::millis),
            decided_by: handoff.decided_by.map(Id::uuid),
            reason: handoff.reason.clone(),
            note: handoff.note.clone(),
            until: handoff.until.map(Timestamp::millis),
            evidence_activity_id: handoff.evidence_activity_id.map(Id::uuid),
            opened_at: handoff.opened_at.map(Timestamp::millis),
            opened_by: handoff.opened_by.map(Id::uuid),
            first_contact_at: handoff.first_contact_at.map(Timestamp::millis),
            due_at: handoff.due_at.map_or(i64::MAX, Timestamp::millis),
            void_reason: handoff.void_reason.clone(),
            joins_deal_id: match handoff.joins {
                Some(Joins::Deal(deal)) => Some(deal.uuid()),
                _ => None,
            },
            joins_lead_id: match handoff.joins {
                Some(Joins::Lead(lead)) => Some(lead.uuid()),
                _ => None,
            },
            taken_from: handoff.taken_from.map(Id::uuid),
            disputed_by: dispute.map(|dispute| dispute.by.uuid()),
            disputed_at: dispute.map(|dispute| dispute.at.millis()),
            argument: dispute.and_then(|dispute| dispute.argument.clone()),
            ruled_by: ruling.map(|ruling| ruling.by.uuid()),
            ruled_at: ruling.map(|ruling| ruling.at.millis()),
            ruling_note: ruling.and_then(|ruling| ruling.note.clone()),
            remind_at: handoff.remind_at().map(Timestamp::millis),
            agreement_version: handoff.agreement_version,
            routing_decision_id: handoff.routing_decision_id.map(Id::uuid),
            updated_at: handoff.updated_at.millis(),
        }
    }

    pub(crate) fn into_domain(self) -> Result<Handoff, StoreError> {
        let queue = self.queue.map(|queue| queue.parse().map_err(|_| CORRUPT));
        let joins = self.joins_deal_id.map(|deal| Joins::Deal(Id::from_uuid(deal)));
        let dispute = self.disputed_by.zip(self.disputed_at);
        let ruling = self.ruled_by.zip(self.ruled_at);
        Ok(Handoff {
            id: Id::from_uuid(self.id),
            version: self.version,
            lead_id: Id::from_uuid(self.lead_id),
            company_id: self.company_id.map(Id::from_uuid),
            cycle: self.cycle,
            state: HandoffState::named(&self.state).ok_or(CORRUPT)?,
            made_at: Timestamp::from_millis(self.made_at),
            made_by: match self.made_by {
                None => MadeBy::Rule,
                Some(user) => MadeBy::User(Id::from_uuid(user)),
            },
            self_sourced: self.self_sourced,
            imported: self.imported,
            owner_id: self.owner_id.map(Id::from_uuid),
            queue: queue.transpose()?,
            assigned_at: self.assigned_at.map(Timestamp::from_millis),
            decided_at: self.decided_at.map(Timestamp::from_millis),
            decided_by: self.decided_by.map(Id::from_uuid),
            reason: self.reason,
            note: self.note,
            until: self.until.map(Timestamp::from_millis),
            evidence_activity_id: self.evidence_activity_id.map(Id::from_uuid),
            opened_at: self.opened_at.map(Timestamp::from_millis),
            opened_by: self.opened_by.map(Id::from_uuid),
            first_contact_at: self.first_contact_at.map(Timestamp::from_millis),
            due_at: (self.due_at != i64::MAX).then(|| Timestamp::from_millis(self.due_at)),
            void_reason: self.void_reason,
            joins: joins.or(self.joins_lead_id.map(|lead| Joins::Lead(Id::from_uuid(lead)))),
            taken_from: self.taken_from.map(Id::from_uuid),
            dispute: dispute.map(|(by, at)| Dispute {
                by: Id::from_uuid(by),
                at: Timestamp::from_millis(at),
                argument: self.argument,
                is_reminded: self.remind_at.is_none(),
            }),
            ruling: ruling.map(|(by, at)| Ruling {
                by: Id::from_uuid(by),
                at: Timestamp::from_millis(at),
                note: self.ruling_note,
            }),
            agreement_version: self.agreement_version,
            routing_decision_id: self.routing_decision_id.map(Id::from_uuid),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}
