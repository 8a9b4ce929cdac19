//! Conversations: what a partner that transcribes calls reports of one call, as structured facts.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Direction, Intent, Objection, Promised};
use crate::access::Scope;
use crate::fault::Fault;
use crate::id::{ConversationId, LeadId, UserId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::leads::ExternalId;
use crate::leads::identity::{Email, Key, Phone};
use crate::leads::save::{CompanyStatement, Statement};
use crate::record::{Plain, counted};

/// The lead of a conversation, as the partner knows it: at least one member is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationLead {
    /// The lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<LeadId>,
    /// Its e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 3,
        max_length = 320,
        nullable = false,
        example = "ada@example.com"
    )]
    pub email: Option<String>,
    /// Its phone, with the country's code. It finds the lead only if nothing else is stated and one lead alone has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 3, max_length = 40, nullable = false, example = "+390212345678")]
    pub phone: Option<String>,
    /// Its id in another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub external_id: Option<ExternalId>,
}

impl ConversationLead {
    /// What it says of the lead, or its faults.
    pub fn statement(&self) -> Result<Statement, Vec<Fault>> {
        let mut faults = vec![];
        if *self == Self::default() {
            let detail = "needs an id, e-mail, phone or external id";
            faults.push(Fault::new("/lead", "required", detail));
        }
        let email = self.email.as_deref().map(Email::parse);
        let phone = self.phone.as_deref().map(Phone::parse);
        if let Some(Err(invalid)) = &email {
            faults.push(Fault::new("/lead/email", "invalid_format", invalid.to_string()));
        }
        if let Some(Err(invalid)) = &phone {
            faults.push(Fault::new("/lead/phone", "invalid_format", invalid.to_string()));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let external = self.external_id.clone();
        Ok(Statement {
            id: self.id,
            external_ids: external
                .into_iter()
                .map(|known| (known.system, known.id))
                .collect(),
            emails: email.into_iter().flatten().collect(),
            phones: phone.into_iter().flatten().collect(),
            // The company is not its subject.
            company: Some(CompanyStatement::default()),
            ..Statement::default()
        })
    }

    /// The identifiers by which it finds its lead, the strongest first: a phone only where it stands alone, since a
    /// switchboard's number leads to everybody behind it.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = self.statement().map(|said| said.keys()).unwrap_or_default();
        let is_alone = keys.len() == 1;
        keys.retain(|key| key.kind.is_unique() || is_alone);
        keys
    }
}

/// Somebody who took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, nullable = false, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// The e-mail: by it a user is recognised, who then counts as the one who held the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 3,
        max_length = 320,
        nullable = false,
        example = "sam@company.example"
    )]
    pub email: Option<String>,
}

/// What is to be done next: it becomes a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NextStep {
    /// What is to be done.
    #[schema(
        min_length = 1,
        max_length = 300,
        pattern = r"\S",
        example = "Send the security paper"
    )]
    pub text: String,
    /// The e-mail of the user who does it; by default the lead's owner does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 3,
        max_length = 320,
        nullable = false,
        example = "sam@company.example"
    )]
    pub owner_email: Option<String>,
    /// The day by which it is due, in the company's time zone; by default in a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub due_on: Option<Day>,
}

/// A call as a partner reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateConversation)]
pub struct ConversationDetails {
    /// The partner.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "callsense"
    )]
    pub provider: String,
    /// The partner's id of the call. The same id again updates the conversation.
    #[schema(min_length = 1, max_length = 255, example = "call-4711")]
    pub external_id: String,
    /// Who the call was with. Of a conversation that has its lead already it is stored and changes nothing.
    pub lead: ConversationLead,
    /// When it began; at most five minutes in the future.
    pub occurred_at: Timestamp,
    /// How long it took, in seconds.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800, example = 1260)]
    pub duration_s: Option<i64>,
    /// `outbound` if a user called, `inbound` if the lead did.
    #[serde(default = "outbound")]
    #[schema(default = "outbound")]
    pub direction: Direction,
    /// Who took part.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub participants: Vec<Participant>,
    /// What was spoken about.
    #[schema(
        min_length = 1,
        max_length = 20_000,
        pattern = r"\S",
        example = "Wants to replace the old system before summer."
    )]
    pub summary: String,
    /// How much the lead intends to buy.
    pub intent: Intent,
    /// The objections of the lead. Words that no code is known for wait for marketing to map them.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub objections: Vec<Objection>,
    /// What the lead needs; proposed for its qualification.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub needs: Vec<String>,
    /// The competitors that were named.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub competitors: Vec<String>,
    /// The budget in words; proposed for the lead's qualification.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        example = "50,000 euros a year"
    )]
    pub budget: Option<String>,
    /// By when the lead wants to decide, in words; proposed for its qualification.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "Before summer")]
    pub timeline: Option<String>,
    /// What is to be done next.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub next_steps: Vec<NextStep>,
    /// The promises to the lead.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub promises: Vec<Promised>,
    /// Where the recording is.
    #[serde(default)]
    #[schema(
        max_length = 2048,
        pattern = "^https?://",
        example = "https://calls.example.com/4711"
    )]
    pub recording_url: Option<String>,
}

const fn outbound() -> Direction {
    Direction::Outbound
}

impl ConversationDetails {
    /// The key that it is known by, as (provider, external id).
    pub fn key(&self) -> (String, String) {
        (self.provider.clone(), self.external_id.clone())
    }

    /// The e-mails of those who took part and of those who have something to do, as addresses are compared.
    pub fn emails(&self) -> impl Iterator<Item = String> + '_ {
        let spoke = self.participants.iter().filter_map(|one| one.email.as_deref());
        let owners = self
            .next_steps
            .iter()
            .filter_map(|step| step.owner_email.as_deref());
        spoke.chain(owners).filter_map(address)
    }
}

/// An e-mail as it is compared; `None` where it is none.
pub(super) fn address(email: &str) -> Option<String> {
    Email::parse(email).ok().map(|email| email.as_str().to_owned())
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What the partner reports.
    pub details: ConversationDetails,
    /// Its lead, once one is found; then fixed.
    pub lead_id: Option<LeadId>,
    /// The user who held it: the first participant who is a user, else the owner that the lead had when it was found.
    pub user_id: Option<UserId>,
    /// When its lead was found.
    pub linked_at: Option<Timestamp>,
    /// When it was reported first.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Conversation);

impl Plain for Conversation {
    const NOUN: &'static str = "conversation";
    const READ: Scope = Scope::ActivitiesRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("conversation.created", "A partner reported a conversation."),
        (
            "conversation.updated",
            "A partner corrected a conversation, or its lead was found.",
        ),
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        known.insert("lead_id".into(), json!(self.lead_id));
        known.insert("user_id".into(), json!(self.user_id));
        known
    }

    fn lead_id(&self) -> Option<LeadId> {
        self.lead_id
    }
}

/// A loaded conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// The conversation.
    pub conversation: Conversation,
    /// What its activity, tasks and proposals follow from so far; nothing where it has none yet.
    pub applied: Option<ConversationDetails>,
}

/// The loaded conversations, and who is meant in them.
#[derive(Debug, Clone, Default)]
pub struct Talks {
    /// The conversations.
    pub known: BTreeMap<ConversationId, Talk>,
    /// Those that wait for an identifier that a lead has, by lead.
    pub waiting: HashMap<LeadId, HashSet<ConversationId>>,
    /// The enabled users by their e-mails, of those that the conversations name.
    pub users: HashMap<String, UserId>,
}

impl Talks {
    /// The user with this e-mail.
    pub(super) fn user(&self, email: &str) -> Option<UserId> {
        self.users.get(&address(email)?).copied()
    }
}
