//! Leakage: what nobody works.

use crate::duration::Duration;
use crate::instant::{Day, Timestamp};
use crate::words::words;

words! {
    /// A way in which leads, hand-offs or deals are neglected, such as an overdue review.
    Leak {
        /// A hand-off whose review is overdue.
        Unreviewed = "unreviewed",
        /// A hand-off whose lead should have been contacted and was not.
        Uncontacted = "uncontacted",
        /// A lead in mql, sal, sql or opportunity that nobody owns.
        NoOwner = "no_owner",
        /// A lead in mql, sal, sql or opportunity whose owner is absent or disabled.
        OwnerAway = "owner_away",
        /// A lead in sal, sql or opportunity without an open task that lies ahead.
        NoNextStep = "no_next_step",
        /// A customer, churned or disqualified lead that sent a form again, until the task that this creates is done.
        ReturnedUnanswered = "returned_unanswered",
        /// An open deal whose expected day of closing has passed.
        CloseDatePassed = "close_date_passed",
        /// An open deal without a move or an activity for longer than the agreement's `stale_after`.
        DealStale = "deal_stale",
        /// An open deal in whose group nobody has one of the roles that the agreement requires.
        RoleMissing = "role_missing",
        /// An open deal with a quote that was sent more than 14 days ago and has no answer.
        QuoteUnanswered = "quote_unanswered",
        /// A lead that has been neither qualified nor archived for `idle_days`.
        Idle = "idle",
    }
}

/// The days after which a lead that is neither qualified nor archived counts as idle, unless the caller says otherwise.
pub const IDLE_DAYS: i64 = 30;

/// The days after which a sent quote without an answer is a leak.
const QUOTE_DAYS: i64 = 14;

/// The instants and the day by which leaks are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Now.
    pub now: Timestamp,
    /// The present day in the company's zone.
    pub today: Day,
    /// A deal that was last worked on before is stale; `None` where the agreement says nothing.
    pub stale_before: Option<Timestamp>,
    /// A sent quote without an answer is unanswered if it was sent before.
    pub quote_sent_before: Timestamp,
    /// A lead that has stood in its stage since before is idle.
    pub idle_before: Timestamp,
}

impl Watermarks {
    /// Those of an instant.
    pub fn at(now: Timestamp, today: Day, stale_after: Option<Duration>, idle_days: i64) -> Self {
        const DAY: i64 = 86_400_000;
        Self {
            now,
            today,
            stale_before: stale_after.map(|after| now.plus_millis(-after.millis())),
            quote_sent_before: now.plus_millis(-QUOTE_DAYS * DAY),
            idle_before: now.plus_millis(-idle_days.saturating_mul(DAY)),
        }
    }
}
