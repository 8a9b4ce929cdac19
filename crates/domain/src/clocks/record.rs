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
    /// The lead that it is about.
    pub lead_id: Option<LeadId>,
    /// The hand-off that started it.
    pub handoff_id: Option<HandoffId>,
    /// The deal that started it.
    pub deal_id: Option<DealId>,
    /// Who has to keep the promise. A breach belongs to the owner at the due instant.
    pub owner_id: Option<UserId>,
    /// Where the work waited when nobody owned it.
    pub queue: Option<Queue>,
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
    /// The clock as it is now.
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
