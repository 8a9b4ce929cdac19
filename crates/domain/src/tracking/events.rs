//! Events: what visitors and leads did, read and checked one by one.

use serde_json::{Map, Value};

use super::address::{Address, redact_values};
use crate::id::{ContentId, EventId, LeadId, VisitorId};
use crate::instant::Timestamp;

/// Every type of event but those that a site names itself, with what it means.
pub const TYPES: &[(&str, &str)] = &[
    ("page_view", "A page was looked at."),
    ("form_view", "A form came into view."),
    ("form_submit", "A form was sent."),
    ("email_delivered", "An e-mail was delivered."),
    ("email_open", "An e-mail was opened."),
    ("email_click", "A link of an e-mail was followed."),
    ("email_bounce", "An e-mail came back."),
    ("email_unsubscribe", "Somebody wants no more of such e-mails."),
    ("download", "A file was downloaded."),
    ("content_view", "A piece of content was looked at."),
    ("event_registration", "Somebody signed up for an event."),
    ("event_attendance", "Somebody came to an event."),
    ("ad_click", "An ad was followed."),
    ("chat", "Somebody chatted."),
    ("product_signup", "Somebody signed up for the product."),
    ("product_usage", "Somebody used the product."),
];
/// What the names begin with that sites give to events of their own.
pub const CUSTOM: &str = "custom.";
/// What the names begin with under which conditions look at activities.
const ACTIVITY: &str = "activity.";
/// The names of events, as a pattern.
pub const PATTERN: &str = "^(page_view|form_view|form_submit|email_delivered|email_open|email_click|email_bounce|email_unsubscribe|download|content_view|event_registration|event_attendance|ad_click|chat|product_signup|product_usage|custom\\.[a-z][a-z0-9_]{0,63})$";

/// The most bytes of an event's properties, as JSON.
pub const MAX_PROPERTIES_BYTES: usize = 8192;
/// The most bytes of the properties of an event that a page reports: anybody can report one.
pub const MAX_PAGE_PROPERTIES_BYTES: usize = 2048;
/// How deep properties may be nested.
pub const MAX_PROPERTIES_DEPTH: usize = 5;
/// How far ahead of the service's clock an event may lie, in milliseconds: clocks differ.
pub const MAX_AHEAD: i64 = 5 * 60_000;

/// The type of an event: a known one such as `page_view`, or `custom.<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKind(String);

impl EventKind {
    /// A form was sent.
    pub const FORM_SUBMIT: &'static str = "form_submit";
    /// A conversation was held.
    pub const CONVERSATION: &'static str = "conversation";

    /// The kind with this name, if there may be one.
    pub fn named(name: &str) -> Option<Self> {
        let is_known = TYPES.iter().any(|(known, _)| *known == name);
        let is_own = name.strip_prefix(CUSTOM).is_some_and(is_snake_case);
        (is_known || is_own).then(|| Self(name.to_owned()))
    }

    /// An activity of this type, which conditions look at like an event.
    pub fn activity(name: &str) -> Self {
        Self(format!("{ACTIVITY}{name}"))
    }

    /// A conversation, which conditions look at like an event; it is an activity as well.
    pub fn conversation() -> Self {
        Self(Self::CONVERSATION.into())
    }

    /// The type of activity that it is, if it is one; `conversation` where it is one of a conversation.
    pub fn as_activity(&self) -> Option<&str> {
        match self.0.as_str() {
            Self::CONVERSATION => Some(Self::CONVERSATION),
            name => name.strip_prefix(ACTIVITY),
        }
    }

    /// A form was sent.
    pub fn form_submit() -> Self {
        Self(Self::FORM_SUBMIT.into())
    }

    /// The name on the wire and on disk.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it belongs to a visit of the site. What mail servers, fairs and products tell is none.
    pub fn is_of_a_visit(&self) -> bool {
        !(self.0.starts_with("email_") || self.0.starts_with("event_") || self.0 == "product_usage")
    }

    /// Whether it makes a touch by itself.
    pub fn is_a_touch(&self) -> bool {
        matches!(self.0.as_str(), "email_click" | "event_attendance")
    }
}

fn is_snake_case(name: &str) -> bool {
    let mut letters = name.bytes();
    let begins = letters.next().is_some_and(|b| b.is_ascii_lowercase());
    begins && name.len() <= 64 && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The pages of an event, without credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pages {
    /// The page on which it happened.
    pub url: Option<String>,
    /// The page before it.
    pub referrer: Option<String>,
    /// Of a form that was sent: the page on which the visit began, as the site remembers it.
    pub landing_url: Option<String>,
    /// Of a form that was sent: the page that led there.
    pub landing_referrer: Option<String>,
}

impl Pages {
    /// The pages as they are kept.
    pub fn kept(self) -> Self {
        let kept = |text: Option<String>| text.and_then(|text| Address::read(&text)?.kept());
        Self {
            url: kept(self.url),
            referrer: kept(self.referrer),
            landing_url: kept(self.landing_url),
            landing_referrer: kept(self.landing_referrer),
        }
    }
}

/// What is said of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetails {
    /// What happened.
    pub kind: String,
    /// When; now where nothing is said.
    pub occurred_at: Option<Timestamp>,
    /// Where.
    pub url: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// What else.
    pub properties: Option<Map<String, Value>>,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which.
    pub id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// Who sent it: the id of a key, tracking key, form or user.
    pub told_by: String,
    /// The visitor who did it.
    pub visitor_id: Option<VisitorId>,
    /// The lead who did it, once known: never changed from then on.
    pub lead_id: Option<LeadId>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it happened.
    pub pages: Pages,
    /// What else was said.
    pub properties: Map<String, Value>,
    /// The content that it is about: found by its page when it is stored, unless it is known before.
    pub content_id: Option<ContentId>,
    /// Whether a known bot did it; such events are never counted.
    pub is_bot: bool,
    /// Whether a mail scanner or a prefetcher did it; such events are never counted.
    pub is_machine: bool,
}

impl Event {
    /// Whether it counts: it makes visits and touches.
    pub fn counts(&self) -> bool {
        !self.is_bot && !self.is_machine
    }
}

/// What was read of an event: what it has of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// What happened.
    pub kind: EventKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Where it happened.
    pub pages: Pages,
    /// What else was said.
    pub properties: Map<String, Value>,
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no such type.
    #[error("is no type of event")]
    Kind,
    /// It lies too far ahead.
    #[error("lies more than 5 minutes in the future")]
    Future,
    /// The properties are too large.
    #[error("the properties have more than 8192 bytes")]
    TooLarge,
    /// The properties are nested too deep.
    #[error("the properties are nested more than 5 deep")]
    TooDeep,
}

impl Unfit {
    /// The code of the violation.
    pub fn code(self) -> &'static str {
        match self {
            Unfit::Kind => "not_allowed",
            Unfit::Future => "out_of_range",
            Unfit::TooLarge => "too_long",
            Unfit::TooDeep => "too_deep",
        }
    }
}

/// How far ahead a browser's clock must be before what it says is moved, in milliseconds: less may be rounding.
const MOST_AHEAD: i64 = 60_000;
/// How old what a page reports may be, in milliseconds: anybody can say what a page says, and a visit of long ago would be
/// somebody's first touch.
const MOST_OF_A_PAGE: i64 = 24 * 3_600_000;

/// When something happened by this service's clock, as far as the browser that reports it says what its own clock showed
/// when it sent it. A clock that is ahead is put right, and so is one by which the event would be older than a day. What
/// is older than that all the same is dated at its arrival.
pub fn by_our_clock(occurred_at: Timestamp, sent_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let since = |from: Timestamp, to: Timestamp| to.millis().saturating_sub(from.millis());
    let is_old = since(occurred_at, now) > MOST_OF_A_PAGE;
    let is_ahead = sent_at.is_some_and(|sent_at| since(now, sent_at) >= MOST_AHEAD);
    // Nothing is sent before it happens.
    let kept = sent_at.map(|sent_at| since(occurred_at, sent_at).max(0));
    match kept.filter(|kept| *kept <= MOST_OF_A_PAGE) {
        Some(kept) if is_ahead || is_old => now.plus_millis(-kept),
        _ if is_old => now,
        _ => occurred_at,
    }
}

/// Read an event as a page reports it at an instant: properties that are too large for a page are left out.
pub fn read_of_page(said: EventDetails, now: Timestamp) -> Result<Read, Unfit> {
    let read = read(said, now)?;
    let is_large = size(&read.properties) > MAX_PAGE_PROPERTIES_BYTES;
    Ok(Read {
        properties: if is_large { Map::new() } else { read.properties },
        ..read
    })
}

/// The bytes of properties as JSON.
fn size(properties: &Map<String, Value>) -> usize {
    serde_json::to_string(properties).map_or(usize::MAX, |text| text.len())
}

/// Read an event that is received at an instant.
pub fn read(said: EventDetails, now: Timestamp) -> Result<Read, Unfit> {
    let kind = EventKind::named(&said.kind).ok_or(Unfit::Kind)?;
    let occurred_at = said.occurred_at.unwrap_or(now);
    if occurred_at > now.plus_millis(MAX_AHEAD) {
        return Err(Unfit::Future);
    }
    let mut properties = said.properties.unwrap_or_default();
    properties.values_mut().for_each(redact_values);
    if !properties.is_empty() {
        if properties
            .values()
            .any(|value| depth(value) >= MAX_PROPERTIES_DEPTH)
        {
            return Err(Unfit::TooDeep);
        }
        if size(&properties) > MAX_PROPERTIES_BYTES {
            return Err(Unfit::TooLarge);
        }
    }
    Ok(Read {
        kind,
        occurred_at,
        pages: Pages {
            url: said.url,
            referrer: said.referrer,
            ..Pages::default()
        }
        .kept(),
        properties,
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn said(kind: &str) -> EventDetails {
        EventDetails {
            kind: kind.into(),
            occurred_at: None,
            url: None,
            referrer: None,
            properties: None,
        }
    }

    #[test]
    fn the_known_types_and_own_names_in_snake_case_are_taken() {
        for (name, _) in TYPES {
            assert_eq!(EventKind::named(name).unwrap().name(), *name);
            assert!(PATTERN.contains(name));
        }
        for good in ["custom.a", "custom.trial_started_2"] {
            assert!(EventKind::named(good).is_some(), "{good}");
        }
        let long = format!("custom.{}", "a".repeat(65));
        for bad in [
            "",
            "custom.",
            "custom.A",
            "custom._x",
            "custom.a-b",
            "custom.é",
            "pageview",
            &long,
        ] {
            assert!(EventKind::named(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn clocks_may_be_ahead_by_five_minutes() {
        let at = |millis| {
            let occurred_at = Some(NOW.plus_millis(millis));
            read(
                EventDetails {
                    occurred_at,
                    ..said("chat")
                },
                NOW,
            )
            .map(|read| read.occurred_at)
        };
        assert_eq!(at(MAX_AHEAD), Ok(NOW.plus_millis(MAX_AHEAD)));
        assert_eq!(at(MAX_AHEAD + 1), Err(Unfit::Future));
        assert_eq!(at(-400 * 86_400_000), Ok(NOW.plus_millis(-400 * 86_400_000)));
        let last = "9999-12-30T00:00:00Z".parse().ok();
        assert_eq!(
            read(
                EventDetails {
                    occurred_at: last,
                    ..said("chat")
                },
                NOW
            ),
            Err(Unfit::Future)
        );
    }

    #[test]
    fn a_browser_whose_clock_is_ahead_tells_by_how_much() {
        let (hour, second) = (3_600_000, 1_000);
        for (occurred, sent, at) in [
            (-second, None, -second),
            // The clock is right, or ahead by less than a minute.
            (-5 * second, Some(-second), -5 * second),
            (15 * second, Some(20 * second), 15 * second),
            // An hour ahead.
            (hour - 5 * second, Some(hour), -5 * second),
            // An hour behind: the same as an event that is received late.
            (-hour - 5 * second, Some(-hour), -hour - 5 * second),
            // Sent before it happened: it happened now.
            (2 * hour, Some(hour), 0),
            // A clock that shows another century, and one that cannot be believed.
            (876_000 * hour - second, Some(876_000 * hour), -second),
            (-second, Some(876_000 * hour), -second),
        ] {
            let at_our = |millis: i64| NOW.plus_millis(millis);
            let told = by_our_clock(at_our(occurred), sent.map(at_our), NOW);
            assert_eq!(told, at_our(at), "{occurred} {sent:?}");
        }
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(by_our_clock(first, Some(last), NOW), NOW);
        assert_eq!(by_our_clock(last, Some(last), NOW), NOW);
        assert_eq!(by_our_clock(NOW, Some(first), NOW), NOW);
        assert_eq!(by_our_clock(first, None, NOW), NOW);
        let day = NOW.plus_millis(-24 * hour);
        assert_eq!(by_our_clock(day, None, NOW), day);
        assert_eq!(by_our_clock(day.plus_millis(-1), None, NOW), NOW);
    }

    #[test]
    fn properties_are_bounded_in_size_and_depth() {
        let of = |value: Value| {
            let properties = value.as_object().cloned();
            read(
                EventDetails {
                    properties,
                    ..said("chat")
                },
                NOW,
            )
            .map(|_| ())
        };
        assert_eq!(of(json!({"a": "x".repeat(8000)})), Ok(()));
        assert_eq!(of(json!({"a": "x".repeat(8200)})), Err(Unfit::TooLarge));
        assert_eq!(of(json!({"a": {"b": {"c": {"d": 1}}}})), Ok(()));
        assert_eq!(of(json!({"a": [[[[[1]]]]]})), Err(Unfit::TooDeep));
        let of_page = |bytes: usize| {
            let properties = json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())})
                .as_object()
                .cloned();
            let said = EventDetails {
                properties,
                ..said("chat")
            };
            read_of_page(said, NOW).unwrap().properties.len()
        };
        assert_eq!(
            [2048, 2049].map(of_page),
            [1, 0],
            "of a page's event they are left out"
        );
    }

    #[test]
    fn pages_are_kept_without_credentials() {
        let told = EventDetails {
            url: Some("https://ada:pw@www.example.com/a?utm_source=x&token=secret#frag".into()),
            referrer: Some("https://u:p@news.example/?q=1&access_token=s".into()),
            ..said("page_view")
        };
        let read = read(told, NOW).unwrap();
        assert_eq!(
            read.pages.url.as_deref(),
            Some("https://www.example.com/a?utm_source=x")
        );
        assert_eq!(read.pages.referrer.as_deref(), Some("https://news.example/?q=1"));
    }
}
