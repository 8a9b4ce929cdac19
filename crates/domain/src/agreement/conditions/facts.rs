//! The facts that conditions and scores are judged by, as plain values; nothing here loads them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::compare::{Property, Value};
use super::registry::Field;
use crate::id::{EventId, SegmentId};
use crate::instant::Timestamp;
use crate::leads::Touch;
use crate::stage::Stage;
use crate::tracking::events::{self, EventKind};

/// What is known about one lead.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The values of fields; a missing one is absent.
    pub fields: BTreeMap<Field, Value>,
    /// What the lead did, by type of event.
    pub histories: BTreeMap<EventKind, History>,
    /// The score, where a condition asks for it.
    pub score: Option<Standing>,
    /// Its stage, and since when it is there.
    pub stage: Option<(Stage, Timestamp)>,
    /// Its touches, where a condition asks for them.
    pub touches: Touches,
    /// The purposes for which it may be contacted, where a condition asks for them.
    pub consents: BTreeSet<String>,
    /// The segments that it is in.
    pub segments: Memberships,
}

/// The segments that a lead is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memberships {
    /// These segments.
    pub ids: BTreeSet<SegmentId>,
    /// When that could change if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
}

/// The touches of a lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Touches {
    /// The first one, as the lead shows it.
    pub first: Option<Touch>,
    /// The last one.
    pub last: Option<Touch>,
    /// All of them, in any order; only where a condition asks for any.
    pub all: Vec<Touch>,
}

impl Facts {
    /// The same lead with only what it did after an instant.
    pub fn since(&self, instant: Timestamp) -> Self {
        let histories = self.histories.iter();
        let later = histories.map(|(kind, history)| (kind.clone(), history.after(instant)));
        Self {
            histories: later.collect(),
            fields: self.fields.clone(),
            score: self.score.clone(),
            touches: self.touches.clone(),
            consents: self.consents.clone(),
            segments: self.segments.clone(),
            ..*self
        }
    }

    /// The newest of some events.
    pub fn newest_of(&self, ids: &[EventId]) -> Option<&Event> {
        let events = self.histories.values().flat_map(History::events);
        let of_these = events.filter(|event| ids.contains(&event.id));
        of_these.max_by_key(|event| (event.at, event.id))
    }
}

/// A score as conditions compare it, in whole points.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who the lead is.
    pub fit: i64,
    /// What it did.
    pub engagement: i64,
    /// Both.
    pub total: i64,
    /// The lead's bands of fit and engagement, such as `A1`; `None` if the agreement defines no bands.
    pub band: Option<String>,
    /// When it changes if nothing new happens.
    pub valid_until: Option<Timestamp>,
}

/// The lead's events of one type.
///
/// It holds the newest [`History::LOADED`] that have happened, as far as the conditions look back, and in addition those
/// that lie ahead (clocks differ).
#[derive(Debug, Clone, Default)]
pub struct History(Vec<Event>);

impl History {
    /// A rule or condition sees at most the newest 1,000 events of its type within its window.
    pub const SEEN: usize = 1_000;
    /// How many have to be loaded: one more shows whether there are others.
    pub const LOADED: usize = Self::SEEN + 1;

    /// No events.
    pub const EMPTY: History = History(Vec::new());

    /// The history of events in any order.
    pub fn new(events: impl IntoIterator<Item = Event>) -> Self {
        let mut events: Vec<Event> = events.into_iter().collect();
        events.sort_unstable_by_key(|event| Reverse((event.at, event.id)));
        Self(events)
    }

    /// The histories of tracked events, by type. Those of bots and machines do not count and are left out.
    pub fn by_type(events: impl IntoIterator<Item = events::Event>) -> BTreeMap<EventKind, History> {
        let mut by_type: BTreeMap<EventKind, Vec<Event>> = BTreeMap::new();
        for event in events.into_iter().filter(|event| event.counts()) {
            let fact = Event {
                id: event.id,
                at: event.occurred_at,
                url: event.pages.url,
                referrer: event.pages.referrer,
                properties: event.properties,
            };
            by_type.entry(event.kind).or_default().push(fact);
        }
        let histories = by_type.into_iter();
        histories
            .map(|(kind, events)| (kind, History::new(events)))
            .collect()
    }

    /// Add one event.
    pub fn insert(&mut self, event: Event) {
        let key = (event.at, event.id);
        let place = self.0.partition_point(|known| (known.at, known.id) > key);
        self.0.insert(place, event);
    }

    /// The events, newest first; at the same instant the greater id is newer.
    pub fn events(&self) -> &[Event] {
        &self.0
    }

    /// Those of the events that happened after an instant.
    fn after(&self, instant: Timestamp) -> Self {
        let later = self.ahead_of(instant.millis());
        Self(self.0[..later].to_vec())
    }

    /// How many events lie ahead of an instant.
    pub fn ahead_of(&self, at: i64) -> usize {
        self.0.partition_point(|event| event.at.millis() > at)
    }
}

/// One event, as conditions see it.
#[derive(Debug, Clone)]
pub struct Event {
    /// The event's id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The page on which it happened.
    pub url: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// What else is known of it.
    pub properties: Map<String, Json>,
}

impl Event {
    /// A property. `url`, `path`, `host` and `referrer` come from the event's pages unless given as properties.
    pub fn property(&self, name: &str) -> Option<Property<'_>> {
        let given = self.properties.get(name).and_then(Property::read);
        let of_page = || match name {
            "url" => self.url.as_deref(),
            "referrer" => self.referrer.as_deref(),
            "path" => self.url.as_deref().map(|url| parts(url).1),
            "host" => self.url.as_deref().and_then(|url| parts(url).0),
            _ => None,
        };
        given.or_else(|| of_page().and_then(Property::text))
    }
}

/// The host, without its port, and the path of an address as events keep it (`tracking::address`): absolute, or without
/// scheme and host where these are not known.
pub(super) fn parts(url: &str) -> (Option<&str>, &str) {
    let (authority, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, url),
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let host = authority.map(|authority| {
        let port = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        &authority[..port.unwrap_or(authority.len())]
    });
    (host, if path.is_empty() { "/" } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_path() {
        for (url, host, path) in [
            (
                "https://www.example.com/a/b?x=/y#z",
                Some("www.example.com"),
                "/a/b",
            ),
            ("https://example.com:8443", Some("example.com"), "/"),
            (
                "https://example.com?next=https://other.example/",
                Some("example.com"),
                "/",
            ),
            ("http://[::1]:80/x", Some("[::1]"), "/x"),
            ("http://[::1]/x", Some("[::1]"), "/x"),
            ("/pricing?next=https://other.example/", None, "/pricing"),
            ("?utm_source=x", None, "/"),
        ] {
            assert_eq!(parts(url), (host, path), "{url}");
        }
    }
}
