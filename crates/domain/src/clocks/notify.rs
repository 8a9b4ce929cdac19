//! Notices of warnings and breaches, and the operation that meets each clock.

use super::record::{ClockChange, ClockRecord};
use super::{ClockEvent, ClockKind};
use crate::access::{Queue, Role, Staff};
use crate::act::Act;
use crate::change::Change;
use crate::notices::{About, NextAct, NoticeChange, NoticeKind, for_each};

/// What happened to a clock, with the notices that follow of it. `staff` must be loaded where a clock warns or breaches.
pub fn with_notices(happened: Vec<ClockChange>, staff: Option<&Staff>, act: &Act) -> Vec<Change> {
    let notices: Vec<NoticeChange> = happened
        .iter()
        .filter_map(|change| match change {
            ClockChange::Happened(record, event) => Some(of_clock(record, *event, staff?, act)),
            ClockChange::Started(_) | ClockChange::Adjusted(_) => None,
        })
        .flatten()
        .collect();
    let happened = happened.into_iter().map(Change::from);
    happened.chain(notices.into_iter().map(Change::from)).collect()
}

/// Who receives the notice that a clock warned or breached: its owner; of a breach also the sales managers of the owner's teams (else
/// all of them), or of the queue. A breach of marketing's promise concerns the marketing managers. Other events concern
/// nobody.
fn of_clock(record: &ClockRecord, event: ClockEvent, staff: &Staff, act: &Act) -> Vec<NoticeChange> {
    if !matches!(event, ClockEvent::Warned | ClockEvent::Breached) {
        return vec![];
    }
    let owner = record.owner_id.filter(|owner| staff.get(*owner).is_some());
    let (kind, users) = match (record.clock.kind, event) {
        (ClockKind::Feedback, ClockEvent::Breached) => {
            (NoticeKind::FeedbackDue, staff.with_role(Role::MarketingManager))
        }
        (_, ClockEvent::Breached) => {
            let managers = match (record.owner_id, record.queue) {
                (Some(owner), _) => staff.managers_of(owner),
                (None, queue) => staff.managers_of_queue(queue.unwrap_or(Queue::General)),
            };
            let all = managers.into_iter().chain(owner).collect();
            (NoticeKind::ClockBreached, all)
        }
        _ => (NoticeKind::ClockWarned, Vec::from_iter(owner)),
    };
    let subject = About::new("clock", record.id);
    for_each(users, (kind, subject, record.lead_id), Some(act_on(record)), act)
}

/// The operation that keeps the promise of a clock.
pub fn act_on(record: &ClockRecord) -> NextAct {
    match (record.clock.kind, record.handoff_id) {
        (ClockKind::Review, Some(handoff)) => {
            NextAct::new("accept_handoff", "POST", format!("/v1/handoffs/{handoff}/accept"))
        }
        (ClockKind::FirstContact | ClockKind::Attempts, _) => {
            NextAct::new("log_activity", "POST", "/v1/activities")
        }
        (ClockKind::Feedback, _) => NextAct::new("acknowledge_feedback", "POST", "/v1/feedback/acknowledge"),
        _ => NextAct::new("get_clock", "GET", format!("/v1/clocks/{}", record.id)),
    }
}
