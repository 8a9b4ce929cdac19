//! Rows of `clocks`: the facts of each clock, and what follows from them, to be filtered by.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use tandem_domain::clocks::record::{ClockRecord, Quota};
use tandem_domain::clocks::{Clock, ClockKind, Deadline, Ended, How, VoidReason};
use tandem_domain::id::Id;
use tandem_domain::instant::Timestamp;

use crate::error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "clocks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub version: i64,
    #[sea_orm(column_type = "Text")]
    pub kind: String,
    #[sea_orm(column_type = "Text")]
    pub side: String,
    #[sea_orm(column_type = "Text")]
    pub state: String,
    pub lead_id: Option<Uuid>,
    pub handoff_id: Option<Uuid>,
    pub deal_id: Option<Uuid>,
    pub owner_id: Option<Uuid>,
    #[sea_orm(column_type = "Text", nullable)]
    pub queue: Option<String>,
    pub quota_count: Option<i64>,
    pub quota_days: Option<i64>,
    pub started_at: i64,
    pub warn_at: i64,
    pub due_at: i64,
    pub next_look: Option<i64>,
    pub act_at: Option<i64>,
    pub met_at: Option<i64>,
    pub breached_at: Option<i64>,
    pub ended_at: Option<i64>,
    #[sea_orm(column_type = "Text", nullable)]
    pub ended_how: Option<String>,
    pub has_warned: bool,
    pub has_breached: bool,
    pub agreement_version: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const CORRUPT: StoreError = StoreError::Corrupt("clocks");
/// `ended_how` of a promise that was given up before it was due; else it is the reason why the clock is void.
const GIVEN_UP: &str = "given_up";

impl Model {
    pub(crate) fn of(record: &ClockRecord) -> Self {
        let clock = &record.clock;
        let how = clock.ended.map(|ended| match ended.how {
            How::GivenUp => GIVEN_UP.to_owned(),
            How::Void(reason) => reason.name().to_owned(),
        });
        Self {
            id: record.id.uuid(),
            version: record.version,
            kind: clock.kind.name().to_owned(),
            side: clock.kind.side().name().to_owned(),
            state: clock.state().name().to_owned(),
            lead_id: record.lead_id.map(Id::uuid),
            handoff_id: record.handoff_id.map(Id::uuid),
            deal_id: record.deal_id.map(Id::uuid),
            owner_id: record.owner_id.map(Id::uuid),
            queue: record.queue.map(|queue| queue.to_string()),
            quota_count: record.quota.map(|quota| quota.count),
            quota_days: record.quota.map(|quota| quota.on_days),
            started_at: clock.started_at.millis(),
            warn_at: clock.deadline.warn_at.millis(),
            due_at: clock.deadline.due_at.millis(),
            next_look: clock.next_look().map(Timestamp::millis),
            act_at: clock.act_at.map(Timestamp::millis),
            met_at: clock.met_at().map(Timestamp::millis),
            breached_at: clock.breached_at().map(Timestamp::millis),
            ended_at: clock.ended.map(|ended| ended.at.millis()),
            ended_how: how,
            has_warned: clock.has_warned,
            has_breached: clock.has_breached,
            agreement_version: clock.agreement_version,
        }
    }

    pub(crate) fn into_domain(self) -> Result<ClockRecord, StoreError> {
        let how = self.ended_how.as_deref().map(|how| match how {
            GIVEN_UP => Ok(How::GivenUp),
            reason => VoidReason::named(reason).map(How::Void).ok_or(CORRUPT),
        });
        let ended = self.ended_at.zip(how.transpose()?).map(|(at, how)| Ended {
            at: Timestamp::from_millis(at),
            how,
        });
        let queue = self.queue.map(|queue| queue.parse().map_err(|_| CORRUPT));
        let quota = self.quota_count.zip(self.quota_days);
        Ok(ClockRecord {
            id: Id::from_uuid(self.id),
            version: self.version,
            clock: Clock {
                kind: ClockKind::named(&self.kind).ok_or(CORRUPT)?,
                started_at: Timestamp::from_millis(self.started_at),
                deadline: Deadline {
                    warn_at: Timestamp::from_millis(self.warn_at),
                    due_at: Timestamp::from_millis(self.due_at),
                },
                agreement_version: self.agreement_version,
                act_at: self.act_at.map(Timestamp::from_millis),
                ended,
                has_warned: self.has_warned,
                has_breached: self.has_breached,
            },
            lead_id: self.lead_id.map(Id::from_uuid),
            handoff_id: self.handoff_id.map(Id::from_uuid),
            deal_id: self.deal_id.map(Id::from_uuid),
            owner_id: self.owner_id.map(Id::from_uuid),
            queue: queue.transpose()?,
            quota: quota.map(|(count, on_days)| Quota { count, on_days }),
        })
    }
}
