//! A clock as it is stored: what it is about, who owns it, and what happened to it for the journal.

use serde_json::json;

use super::{Clock, ClockEvent};
use crate::access::Queue;
use crate::id::{ClockId, DealId, HandoffId, LeadId, UserId};
use crate::journal::{Entry, Subject};

/// The types of entry about clocks, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("clock.started", "A promise began to run."),
    ("clock.warned", "80 % of a promise's time has run."),
    ("clock.breached", "A promise was not kept in time."),
    ("clock.met", "A promise was kept, in time or late."),
    ("clock.voided", "A promise no longer holds."),
    (
        "clock.corrected",
        "What arrived late changed how a promise had ended.",
    ),
];

/// One promise about one lead, hand-off or deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockRecord {
    /// Its id.
    pub id: ClockId,
    /// Counts the changes, from 1.
    pub version: i64,
    /// The promise and what became of it.
    pub clock: Clock,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The hand-off that started it.
    pub handoff_id: Option<HandoffId>,
    /// The deal that started it.
    pub deal_id: Option<DealId>,
    /// Who has to keep the promise. A breach belongs to the owner at the due instant.
    pub owner_id: Option<UserId>,
    /// The queue of the hand-off, if no user owned it; none for promises of marketing.
    pub queue: Option<Queue>,
    /// How often the lead is to be tried; of `attempts` alone, as promised when it was started.
    pub quota: Option<Quota>,
}

/// How many attempts meet a promise, and on how many different days at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Outbound activities of users.
    pub count: i64,
    /// Different local dates.
    pub on_days: i64,
}

impl ClockRecord {
    /// Change the clock by one of its acts, such as `|clock| clock.meet(at, now)`: one change for each event, all with the
    /// record as it then is; nothing where the clock stays as it was. The version counts the act, not its events.
    pub fn change(&mut self, act: impl FnOnce(&mut Clock) -> Vec<ClockEvent>) -> Vec<ClockChange> {
        let before = self.clock.clone();
        let events = act(&mut self.clock);
        if self.clock == before {
            return vec![];
        }
        self.version += 1;
        if events.is_empty() {
            return vec![ClockChange::Adjusted(Box::new(self.clone()))];
        }
        let happened = |event| ClockChange::Happened(Box::new(self.clone()), event);
        events.into_iter().map(happened).collect()
    }
}

/// What happened to a clock.
#[derive(Debug, Clone, PartialEq)]
pub enum ClockChange {
    /// It began to run.
    Started(Box<ClockRecord>),
    /// Something happened to it. Several events of one instant are several changes with the same record.
    Happened(Box<ClockRecord>, ClockEvent),
    /// It has another owner, queue or due time, and nothing else happened to it; no journal entry of its own.
    Adjusted(Box<ClockRecord>),
}

impl ClockChange {
    /// The clock after the change.
    pub fn record(&self) -> &ClockRecord {
        match self {
            Self::Started(record) | Self::Happened(record, _) | Self::Adjusted(record) => record,
        }
    }

    pub(crate) fn entry(&self) -> Option<Entry> {
        let kind = match self {
            Self::Started(_) => "clock.started",
            Self::Happened(_, ClockEvent::Warned) => "clock.warned",
            Self::Happened(_, ClockEvent::Breached) => "clock.breached",
            Self::Happened(_, ClockEvent::Met | ClockEvent::MetLate) => "clock.met",
            Self::Happened(_, ClockEvent::Voided) => "clock.voided",
            Self::Happened(_, ClockEvent::Corrected) => "clock.corrected",
            Self::Adjusted(_) => return None,
        };
        let record = self.record();
        let clock = &record.clock;
        let data = json!({
            "kind": clock.kind, "state": clock.state(), "handoff_id": record.handoff_id, "deal_id": record.deal_id,
            "owner_id": record.owner_id, "queue": record.queue, "started_at": clock.started_at,
            "warn_at": clock.deadline.warn_at, "due_at": clock.deadline.due_at, "met_at": clock.met_at(),
            "breached_at": clock.breached_at(), "void_reason": clock.void_reason(),
            "agreement_version": clock.agreement_version,
        });
        let subject = Subject::new("clock", record.id, record.version);
        Some(Entry::plain(kind, subject, record.lead_id, data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::{ClockKind, Deadline};
    use crate::id::Ids;
    use crate::instant::Timestamp;

    #[test]
    fn one_act_is_one_version_however_many_events_it_has() {
        let at = Timestamp::from_millis;
        let deadline = Deadline {
            warn_at: at(80),
            due_at: at(100),
        };
        let mut record = ClockRecord {
            id: Ids::new(at(0), 0).next(),
            version: 1,
            clock: Clock::start(ClockKind::Review, at(0), deadline, 1),
            lead_id: None,
            handoff_id: None,
            deal_id: None,
            owner_id: None,
            queue: None,
            quota: None,
        };
        let changes = record.change(|clock| clock.meet(at(101), at(120)));
        let events: Vec<Option<ClockEvent>> = changes
            .iter()
            .map(|change| match change {
                ClockChange::Happened(one, event) => {
                    assert_eq!((one.version, &**one), (2, &record));
                    Some(*event)
                }
                _ => None,
            })
            .collect();
        let expected = [ClockEvent::Warned, ClockEvent::Breached, ClockEvent::MetLate];
        assert_eq!(events, expected.map(Some));
        assert_eq!(record.change(|clock| clock.look(at(130))), vec![]);
        assert_eq!(record.version, 2);
    }
}
