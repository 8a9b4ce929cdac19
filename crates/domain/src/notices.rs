//! Notices: messages to single users. Tandem sends no e-mail by itself; front ends and webhooks deliver them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::act::Act;
use crate::id::{LeadId, NoticeId, UserId};
use crate::instant::Timestamp;
use crate::journal::{Entry, Subject};
use crate::words::words;

/// The types of entry about notices, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[("notice.created", "A notice for a user was created.")];

words! {
    /// What a notice is about.
    NoticeKind {
        /// A hand-off was assigned to the user.
        HandoffAssigned = "handoff_assigned",
        /// A hand-off waits in a queue of the user's.
        HandoffQueued = "handoff_queued",
        /// Marketing disputes a rejection: somebody neutral is to rule on it.
        HandoffDisputed = "handoff_disputed",
        /// A dispute has waited for a ruling for long.
        RulingDue = "ruling_due",
        /// A dispute about a hand-off was ruled on.
        HandoffRuled = "handoff_ruled",
        /// A customer, churned or disqualified lead sent a form again.
        LeadReturned = "lead_returned",
        /// A lead that is worked on sent another form.
        LeadActive = "lead_active",
        /// A clock warned: 80 % of its time has passed.
        ClockWarned = "clock_warned",
        /// A clock was breached: its promise was not met in time.
        ClockBreached = "clock_breached",
        /// A task is due.
        TaskDue = "task_due",
        /// A signature is missing on an agreement.
        AgreementSignatureMissing = "agreement_signature_missing",
        /// The agreement should be reviewed.
        AgreementReviewDue = "agreement_review_due",
        /// Content was published.
        ContentPublished = "content_published",
        /// Marketing has not answered a rejection or a loss in time.
        FeedbackDue = "feedback_due",
    }
}

/// The record that a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// The kind of record: `handoff`, `clock`, `lead`, `activity`.
    #[serde(rename = "type")]
    #[schema(max_length = 20, example = "handoff")]
    pub kind: String,
    /// Its id.
    #[schema(max_length = 40, example = "handoff_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
}

impl About {
    /// A record of a kind, by its id.
    pub fn new(kind: &str, id: impl ToString) -> Self {
        Self {
            kind: kind.to_owned(),
            id: id.to_string(),
        }
    }
}

/// The operation that handles a notice or an item of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextAct {
    /// The operation's id in the API document.
    #[schema(max_length = 60, example = "accept_handoff")]
    pub operation_id: String,
    /// Its HTTP method.
    #[schema(max_length = 6, example = "POST")]
    pub method: String,
    /// Its path, with the ids in it.
    #[schema(
        max_length = 200,
        example = "/v1/handoffs/handoff_01h455vb4pex5vsknk084sn02q/accept"
    )]
    pub path: String,
}

impl NextAct {
    /// An operation with its method and path.
    pub fn new(operation_id: &str, method: &str, path: impl Into<String>) -> Self {
        Self {
            operation_id: operation_id.to_owned(),
            method: method.to_owned(),
            path: path.into(),
        }
    }
}

/// A message to one user, stored for 90 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Whom it is for.
    pub user_id: UserId,
    /// The kind of notice.
    pub kind: NoticeKind,
    /// When it was created.
    pub at: Timestamp,
    /// The record concerned.
    pub subject: About,
    /// The lead concerned.
    pub lead_id: Option<LeadId>,
    /// The operation that handles it.
    pub act: Option<NextAct>,
    /// When the user marked it as read.
    pub read_at: Option<Timestamp>,
}

/// A notice was created.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeChange(pub Box<Notice>);

impl NoticeChange {
    pub(crate) fn entry(&self) -> Entry {
        let notice = &self.0;
        let data = json!({
            "user_id": notice.user_id, "kind": notice.kind, "subject": notice.subject, "act": notice.act,
        });
        let subject = Subject::new("notice", notice.id, 1);
        Entry::plain("notice.created", subject, notice.lead_id, data)
    }
}

/// A notice for each of these users, once.
pub fn for_each(
    users: impl IntoIterator<Item = UserId>,
    (kind, subject, lead_id): (NoticeKind, About, Option<LeadId>),
    next: Option<NextAct>,
    act: &Act,
) -> Vec<NoticeChange> {
    let users: BTreeSet<UserId> = users.into_iter().collect();
    let notice = |user_id| Notice {
        id: act.ids.next(),
        user_id,
        kind,
        at: act.now,
        subject: subject.clone(),
        lead_id,
        act: next.clone(),
        read_at: None,
    };
    users
        .into_iter()
        .map(|user| NoticeChange(Box::new(notice(user))))
        .collect()
}
