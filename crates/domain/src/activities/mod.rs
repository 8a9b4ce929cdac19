//! Activities: calls, e-mails, meetings, messages and notes of users with leads, and the tasks that they set themselves.

mod attempts;
pub mod change;
mod contacts;
pub mod conversation;
pub mod converse;
mod log;
pub mod objections;
mod remind;
#[cfg(test)]
mod tests;

pub use attempts::{attempted, made};
pub use contacts::first_contacts;
pub(crate) use log::objections_are_sound;
pub use log::{ActivityDraft, ActivityError, delete, edit, log};
pub use remind::remind;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::access::Queue;
use crate::agreement::conditions::Event;
use crate::id::{ActivityId, CompanyId, ContentId, ConversationId, DealId, Id, LeadId, UserId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::tracking::events::EventKind;
use crate::words::words;

words! {
    /// The type of an activity: a contact (`call`, `email`, `meeting`, `message`), a `note`, or a `task` to do.
    ActivityType {
        /// A phone call.
        Call = "call",
        /// An e-mail.
        Email = "email",
        /// A meeting.
        Meeting = "meeting",
        /// A text or chat message.
        Message = "message",
        /// A note for colleagues.
        Note = "note",
        /// Something to be done, with an owner and a due date.
        Task = "task",
    }

    /// The direction of a contact: `inbound` if the lead contacted the company, `outbound` if a user contacted the lead.
    Direction {
        /// The lead contacted the company.
        Inbound = "inbound",
        /// A user contacted the lead.
        Outbound = "outbound",
    }

    /// How a contact went. `connected`, `replied` and `held` mean that both sides took part.
    ActivityOutcome {
        /// They spoke with each other.
        Connected = "connected",
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// A recording was left.
        Voicemail = "voicemail",
        /// The number belongs to somebody else.
        WrongNumber = "wrong_number",
        /// The other side replied.
        Replied = "replied",
        /// It could not be delivered.
        Bounced = "bounced",
        /// The meeting took place.
        Held = "held",
        /// The other side did not come.
        NoShow = "no_show",
    }

    /// How much a lead intends to buy, as a conversation shows it.
    Intent {
        /// It does not intend to buy.
        None = "none",
        /// It might buy one day.
        Low = "low",
        /// It considers buying.
        Medium = "medium",
        /// It wants to buy.
        High = "high",
    }
}

impl ActivityType {
    /// Whether it is a contact with somebody outside, which has a direction.
    pub const fn is_contact(self) -> bool {
        use ActivityType::{Call, Email, Meeting, Message};
        matches!(self, Call | Email | Meeting | Message)
    }
}

impl ActivityOutcome {
    /// Whether both sides took part.
    pub const fn is_two_way(self) -> bool {
        use ActivityOutcome::{Connected, Held, Replied};
        matches!(self, Connected | Replied | Held)
    }
}

/// An objection of the other side: a code in the agreement's list `objection`, or free text until it is mapped to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Objection {
    /// A code in the agreement's list `objection`; without it `text` is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 64, nullable = false, example = "too_expensive")]
    pub code: Option<String>,
    /// The objection in words, if no code fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        nullable = false,
        example = "Wants to host it itself"
    )]
    pub text: Option<String>,
    /// The objection, quoted literally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"\S",
        nullable = false,
        example = "Twice what we pay now"
    )]
    pub quote: Option<String>,
}

/// A promise of a user to the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ActivityPromise)]
pub struct Promised {
    /// What was promised.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        example = "Send the case study"
    )]
    pub text: String,
    /// The day by which it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub due_on: Option<Day>,
}

/// What an activity or task has of the conversation that it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfConversation {
    /// The conversation.
    pub id: ConversationId,
    /// How much the lead intends to buy; tasks have none.
    pub intent: Option<Intent>,
    /// Whether somebody changed it since: a correction of the conversation leaves such a task alone.
    pub is_touched: bool,
}

/// One activity or task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its id.
    pub id: ActivityId,
    /// Counts the changes, from 1.
    pub version: i64,
    /// The lead for which it counts: its own, or the primary lead of its deal.
    pub lead_id: Option<LeadId>,
    /// The deal that it is about, if not a lead or a company.
    pub deal_id: Option<DealId>,
    /// The company that it is about, if not a lead or a deal.
    pub company_id: Option<CompanyId>,
    /// Who did it; nobody where a rule created a task.
    pub user_id: Option<UserId>,
    /// For a task: the user who must do it.
    pub owner_id: Option<UserId>,
    /// The queue of a task that a rule created and that has no owner yet.
    pub queue: Option<Queue>,
    /// What kind it is; fixed.
    pub kind: ActivityType,
    /// The direction: `inbound` if the lead contacted the company, `outbound` if a user contacted the lead; only
    /// contacts have one.
    pub direction: Option<Direction>,
    /// When it happened, whenever it was logged.
    pub occurred_at: Timestamp,
    /// How long it took, in seconds.
    pub duration_s: Option<i64>,
    /// The outcome.
    pub outcome: Option<ActivityOutcome>,
    /// The subject, in one line.
    pub subject: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// For a task: when it is due.
    pub due_at: Option<Timestamp>,
    /// For a task: when it was done.
    pub done_at: Option<Timestamp>,
    /// Whether its owner was notified that it is due.
    pub is_reminded: bool,
    /// Whether a machine sent it; fixed.
    pub automatic: bool,
    /// The objections of the other side.
    pub objections: Vec<Objection>,
    /// The promises to the other side.
    pub promises: Vec<Promised>,
    /// The content that was sent or shown to the other side.
    pub content_ids: Vec<ContentId>,
    /// The id that another system knows it by, as (system, id).
    pub external_id: Option<(String, String)>,
    /// The conversation that it follows from; fixed.
    pub conversation: Option<OfConversation>,
    /// When it was logged.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Activity {
    /// An activity with the least that one has: about nobody yet, logged when it happened.
    pub fn blank(id: ActivityId, kind: ActivityType, at: Timestamp) -> Self {
        Self {
            id,
            version: 1,
            lead_id: None,
            deal_id: None,
            company_id: None,
            user_id: None,
            owner_id: None,
            queue: None,
            kind,
            direction: None,
            occurred_at: at,
            duration_s: None,
            outcome: None,
            subject: None,
            body: None,
            due_at: None,
            done_at: None,
            is_reminded: false,
            automatic: false,
            objections: vec![],
            promises: vec![],
            content_ids: vec![],
            external_id: None,
            conversation: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// Whether it is a task that is not done.
    pub fn is_open(&self) -> bool {
        self.kind == ActivityType::Task && self.done_at.is_none()
    }

    /// When its owner is to be notified that it is due; `None` where nobody is, or no longer.
    pub fn remind_at(&self) -> Option<Timestamp> {
        self.due_at
            .filter(|_| self.is_open() && !self.is_reminded && self.owner_id.is_some())
    }

    /// What the journal shows of it.
    pub(crate) fn facts(&self) -> Facts {
        facts(json!({
            "lead_id": self.lead_id, "deal_id": self.deal_id, "company_id": self.company_id, "user_id": self.user_id,
            "owner_id": self.owner_id, "queue": self.queue, "type": self.kind, "direction": self.direction,
            "occurred_at": self.occurred_at, "duration_s": self.duration_s, "outcome": self.outcome,
            "subject": self.subject, "body": self.body, "due_at": self.due_at, "done_at": self.done_at, "automatic": self.automatic,
            "objections": self.objections, "promises": self.promises, "content_ids": self.content_ids,
            "external_id": self.external_id.as_ref().map(|(system, id)| json!({"system": system, "id": id})),
            "conversation_id": self.conversation.map(|of| of.id), "intent": self.intent(),
        }))
    }

    /// How much the lead intends to buy, where it is the activity of a conversation.
    pub fn intent(&self) -> Option<Intent> {
        self.conversation?.intent
    }

    /// What conditions see of it: an event by its type, and one of a conversation if it is one.
    pub fn events(&self) -> Vec<(EventKind, Event)> {
        let event = |properties: serde_json::Value| Event {
            id: Id::from_uuid(self.id.uuid()),
            at: self.occurred_at,
            url: None,
            referrer: None,
            properties: facts(properties)
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
        };
        let own = json!({"automatic": self.automatic, "outcome": self.outcome, "direction": self.direction});
        let as_conversation = self.intent().map(|intent| {
            let seen = json!({"intent": intent, "direction": self.direction});
            (EventKind::conversation(), event(seen))
        });
        let as_activity = (EventKind::activity(self.kind.name()), event(own));
        [Some(as_activity), as_conversation]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// An activity of a lead, as far as promises look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The type of activity.
    pub kind: ActivityType,
    /// The direction of a contact: `inbound` if the lead contacted the company, `outbound` if a user contacted the lead.
    pub direction: Option<Direction>,
    /// The outcome.
    pub outcome: Option<ActivityOutcome>,
    /// Whether a machine sent it.
    pub automatic: bool,
    /// When it happened.
    pub at: Timestamp,
}

impl Contact {
    /// Whether it meets the promise of a first contact: an outbound contact by a user, whatever its outcome; an inbound one
    /// that is not automatic; or a two-way exchange, automatic or not.
    pub fn counts(&self) -> bool {
        let is_two_way = self.outcome.is_some_and(ActivityOutcome::is_two_way);
        self.kind.is_contact() && self.direction.is_some() && (!self.automatic || is_two_way)
    }

    /// Whether it is one of the promised attempts: an outbound contact by a user, whatever its outcome.
    pub fn is_attempt(&self) -> bool {
        self.kind.is_contact() && self.direction == Some(Direction::Outbound) && !self.automatic
    }

    /// Whether it makes further attempts needless: a two-way exchange, or an inbound contact, automatic or not.
    pub fn ends_attempts(&self) -> bool {
        let is_two_way = self.outcome.is_some_and(ActivityOutcome::is_two_way);
        self.kind.is_contact() && (is_two_way || self.direction == Some(Direction::Inbound))
    }
}
