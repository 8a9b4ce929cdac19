//! Events as they arrive: bodies of requests, read item by item, so that an invalid one does not affect the others.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::{Email, Key, email_key, external_key};
use tandem_domain::tracking::events::EventDetails;
use tandem_domain::tracking::visitor::visitor_key;
use utoipa::ToSchema;

use crate::capture::bots;
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::shape::Shape;
use crate::leads::body::ExternalId;

/// Events of one visitor of a website.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the published form; each event is read by itself")]
pub struct CollectRequest {
    /// The visitor's id, as the website chose it.
    #[schema(
        min_length = 8,
        max_length = 100,
        pattern = "^[A-Za-z0-9._:-]+$",
        example = "0b8ff2b1-6d0a-4a54-9f3c-7a1f4c0d9e21"
    )]
    visitor_id: String,
    /// The events.
    #[schema(min_items = 1, max_items = 100)]
    events: Vec<CollectedEvent>,
    /// The time of sending, by the browser's clock. It serves to correct a clock that is more than a minute ahead.
    #[serde(default)]
    sent_at: Option<Timestamp>,
}

/// An event of a visitor, as a web page sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectedEvent {
    /// The type of event: a known one, or `custom.<snake_case>`.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"^[a-z_]+(\.[a-z0-9_]+)?$",
        example = "page_view"
    )]
    r#type: String,
    /// When it happened; default now, at most 5 minutes in the future.
    #[serde(default)]
    occurred_at: Option<Timestamp>,
    /// Further properties, nested at most 5 levels; omitted beyond 2,048 bytes.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"plan": "team"}))]
    properties: Option<Map<String, Value>>,
    /// The URL of the page; stored without credentials, and cut to 2,048 characters.
    #[serde(default)]
    #[schema(
        max_length = 200000,
        example = "https://www.example.com/pricing?utm_source=newsletter"
    )]
    url: Option<String>,
    /// The URL of the page that linked to it.
    #[serde(default)]
    #[schema(max_length = 200000, example = "https://www.google.com/")]
    referrer: Option<String>,
    /// The caller's id of the event, by which repetitions are ignored.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "0b8ff2b1-6d0a-4a54")]
    event_id: Option<String>,
}

/// A lead, by one of its identifiers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeadName {
    /// Its id.
    #[serde(default)]
    id: Option<LeadId>,
    /// One of its e-mails.
    #[serde(default)]
    #[schema(max_length = 254, format = "email", example = "ada@example.com")]
    email: Option<String>,
    /// An id that another system knows it by.
    #[serde(default)]
    external_id: Option<ExternalId>,
}

/// Events from a server.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the published form; each event is read by itself")]
pub struct EventsRequest {
    /// The events; an invalid one does not affect the others.
    #[schema(min_items = 1, max_items = 1000)]
    events: Vec<ToldEvent>,
    /// Whether an unknown e-mail creates a lead.
    #[serde(default)]
    create_lead: Option<bool>,
}

/// An event of a visitor or of a lead; it names exactly one of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToldEvent {
    /// The type of event: a known one, or `custom.<snake_case>`.
    #[schema(
        min_length = 1,
        max_length = 80,
        pattern = r"^[a-z_]+(\.[a-z0-9_]+)?$",
        example = "email_click"
    )]
    r#type: String,
    /// The visitor's id, as the website chose it.
    #[serde(default)]
    #[schema(
        min_length = 8,
        max_length = 100,
        pattern = "^[A-Za-z0-9._:-]+$",
        example = "0b8ff2b1-6d0a-4a54-9f3c-7a1f4c0d9e21"
    )]
    visitor_id: Option<String>,
    /// The lead, by exactly one identifier.
    #[serde(default)]
    lead: Option<LeadName>,
    /// When it happened; default now, at most 5 minutes in the future.
    #[serde(default)]
    occurred_at: Option<Timestamp>,
    /// Further properties: at most 8,192 bytes, nested at most 5 levels.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({"campaign": "may-news"}))]
    properties: Option<Map<String, Value>>,
    /// The URL of the page; stored without credentials, and cut to 2,048 characters.
    #[serde(default)]
    #[schema(max_length = 200000, example = "https://www.example.com/pricing")]
    url: Option<String>,
    /// The URL of the page that linked to it.
    #[serde(default)]
    #[schema(max_length = 200000)]
    referrer: Option<String>,
    /// The caller's id of the event, by which repetitions from the same key are ignored.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "evt-4711")]
    event_id: Option<String>,
    /// Whether a machine did it, such as a mail scanner or a prefetcher. Such an open or click makes no touch and
    /// counts in no rule.
    #[serde(default)]
    machine: Option<bool>,
    /// The user agent, if known, by which scanners, prefetchers and bots are recognised. It is not stored.
    #[serde(default)]
    #[schema(max_length = 2000)]
    user_agent: Option<String>,
}

/// The results of a batch of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsAnswer {
    /// How many events were recorded.
    #[schema(minimum = 0, maximum = 1000)]
    pub accepted: i64,
    /// How many events had been recorded before.
    #[schema(minimum = 0, maximum = 1000)]
    pub duplicates: i64,
    /// The rejected events.
    #[schema(max_items = 1000)]
    pub rejected: Vec<RejectedEvent>,
}

/// A rejected event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedEvent {
    /// The item's index in the request, from 0.
    #[schema(minimum = 0, maximum = 999)]
    pub index: i64,
    /// The reason, as a code for programs.
    #[schema(max_length = 64, example = "out_of_range")]
    pub code: String,
    /// The reason, as a sentence for people.
    #[schema(max_length = 2048, example = "is more than 5 minutes in the future")]
    pub detail: String,
}

impl RejectedEvent {
    /// A rejected event.
    pub fn new(index: usize, code: &str, detail: impl ToString) -> Self {
        Self {
            index: index as i64,
            code: code.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A visitor.
    Visitor(String),
    /// A lead by its id.
    Lead(LeadId),
    /// A lead by an e-mail, which may make one.
    Email(Email),
    /// A lead by an id of another system.
    External(Key),
}

impl Who {
    /// The identifier that the lead is looked up by.
    pub fn key(&self) -> Option<Key> {
        match self {
            Who::Email(email) => Some(email_key(email)),
            Who::External(key) => Some(key.clone()),
            Who::Visitor(_) | Who::Lead(_) => None,
        }
    }
}

impl LeadName {
    /// The one name.
    pub fn read(&self) -> Result<Who, (&'static str, &'static str)> {
        match (self.id, &self.email, &self.external_id) {
            (Some(id), None, None) => Ok(Who::Lead(id)),
            (None, Some(email), None) => {
                let parsed =
                    Email::parse(email).map_err(|_| ("invalid_format", "is not an e-mail address"))?;
                Ok(Who::Email(parsed))
            }
            (None, None, Some(external)) => Ok(Who::External(external_key(&external.system, &external.id))),
            _ => Err((
                "invalid_variant",
                "identify the lead by exactly one of id, email and external_id",
            )),
        }
    }
}

/// The events of a body.
pub struct Items<T> {
    /// Those that fit its shape, with their places.
    pub fit: Vec<(usize, T)>,
    /// Those that do not.
    pub rejected: Vec<RejectedEvent>,
}

/// Read the events of a body, but for those that were `refused` already. What is wrong with the body itself refuses all
/// of it.
pub fn items<T: DeserializeOwned>(
    shape: &Shape,
    body: &Value,
    refused: BTreeMap<usize, Code>,
) -> Result<Items<T>, Problem> {
    let rejection = |(index, code): (usize, Code)| {
        let detail = code.detail().replace("body", "event");
        (index, RejectedEvent::new(index, code.name(), detail))
    };
    let mut rejected: BTreeMap<usize, RejectedEvent> = refused.into_iter().map(rejection).collect();
    let mut whole: Vec<Violation> = vec![];
    for violation in shape.check(body) {
        let index = match &violation.place {
            Location::Pointer(pointer) => index_of(pointer),
            Location::Header(_) | Location::Parameter(_) => None,
        };
        match index {
            Some((index, rest)) => {
                let detail = match rest.is_empty() {
                    true => violation.detail.clone(),
                    false => format!("{rest}: {}", violation.detail),
                };
                rejected
                    .entry(index)
                    .or_insert_with(|| RejectedEvent::new(index, violation.code, detail));
            }
            None => whole.push(violation),
        }
    }
    if !whole.is_empty() {
        return Err(Problem::invalid(whole));
    }
    let mut fit = vec![];
    for (index, event) in body["events"].as_array().into_iter().flatten().enumerate() {
        if rejected.contains_key(&index) {
            continue;
        }
        match T::deserialize(event) {
            Ok(event) => fit.push((index, event)),
            Err(_) => {
                let detail = "does not have the documented form";
                rejected.insert(index, RejectedEvent::new(index, "invalid_format", detail));
            }
        }
    }
    Ok(Items {
        fit,
        rejected: rejected.into_values().collect(),
    })
}

/// The place of an event in a pointer, and what of the pointer lies within it.
fn index_of(pointer: &str) -> Option<(usize, String)> {
    let rest = pointer.trim_start_matches('#').strip_prefix("/events/")?;
    let (index, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((index.parse().ok()?, rest.replace('/', ".")))
}

impl CollectedEvent {
    /// Its description, and its own id.
    pub fn said(self) -> (EventDetails, Option<String>) {
        let said = EventDetails {
            kind: self.r#type,
            occurred_at: self.occurred_at,
            url: self.url,
            referrer: self.referrer,
            properties: self.properties,
        };
        (said, self.event_id)
    }
}

impl ToldEvent {
    /// Whether no person did it: because the caller says so, or by the user agent. What mail servers do is no matter of it:
    /// an e-mail that comes back was sent back by a machine, and counts.
    pub fn is_machine(&self) -> bool {
        let is_open_or_click = matches!(self.r#type.as_str(), "email_open" | "email_click");
        let agent = self.user_agent.as_deref().unwrap_or_default();
        self.machine == Some(true) || is_open_or_click && bots::is_machine(agent)
    }

    /// Who did it: exactly one of both.
    pub fn who(&self) -> Result<Who, (&'static str, &'static str)> {
        match (&self.visitor_id, &self.lead) {
            (Some(visitor), None) => {
                let key = visitor_key(visitor).ok_or(("invalid_format", "is not a visitor's id"))?;
                Ok(Who::Visitor(key.to_owned()))
            }
            (None, Some(lead)) => lead.read(),
            _ => Err(("invalid_variant", "name either a visitor or a lead")),
        }
    }

    /// Its description, and its own id.
    pub fn said(self) -> (EventDetails, Option<String>) {
        let said = EventDetails {
            kind: self.r#type,
            occurred_at: self.occurred_at,
            url: self.url,
            referrer: self.referrer,
            properties: self.properties,
        };
        (said, self.event_id)
    }
}
