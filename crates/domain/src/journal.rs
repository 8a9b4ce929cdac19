//! What a journal entry is. Entries name fields; values stand apart, where erasure finds them. Which entry a change
//! leaves stands with the changes of each room.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::id::LeadId;

/// Fields with their values, by name, as a journal entry shows them.
pub type Facts = Map<String, Value>;

/// The members of a JSON object; none of anything else.
pub fn facts(value: Value) -> Facts {
    match value {
        Value::Object(members) => members,
        _ => Facts::new(),
    }
}

/// The values that differ, before and after; `None` where all are equal. Both have the same names.
pub fn differences(before: &Facts, after: &Facts) -> Option<(Facts, Facts)> {
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    let new: Facts = changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let known = before.iter().filter(|(name, _)| new.contains_key(*name));
    let old = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    (!new.is_empty()).then_some((old, new))
}

/// The record that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The kind of record: `lead`, `company`, `form`, ...
    pub kind: &'static str,
    /// Its id, or a setting's name.
    pub id: String,
    /// Its version after the change.
    pub version: i64,
}

impl Subject {
    /// The record that an entry is about.
    pub(crate) fn new(kind: &'static str, id: impl ToString, version: i64) -> Self {
        let id = id.to_string();
        Self { kind, id, version }
    }
}

/// One journal entry before it gets its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `<noun>.<past participle>`: one of [`types`](crate::change::types).
    pub kind: Cow<'static, str>,
    /// The record that the entry is about.
    pub subject: Subject,
    /// The lead that it belongs to, if any.
    pub lead_id: Option<LeadId>,
    /// The values before.
    pub before: Option<Facts>,
    /// The values after.
    pub after: Option<Facts>,
    /// Anything else about it.
    pub data: Facts,
}

impl Entry {
    /// An entry without values before and after.
    pub(crate) fn plain(
        kind: impl Into<Cow<'static, str>>,
        subject: Subject,
        lead_id: Option<LeadId>,
        data: Value,
    ) -> Self {
        Self {
            kind: kind.into(),
            subject,
            lead_id,
            before: None,
            after: None,
            data: facts(data),
        }
    }

    /// The entry of a record that was created with these values.
    pub(crate) fn created(self, after: &Facts) -> Self {
        Self {
            after: Some(after.clone()),
            ..self
        }
    }

    /// The entry of a record whose values changed.
    pub(crate) fn edited(self, before: &Facts, after: &Facts) -> Self {
        Self {
            before: Some(before.clone()),
            ..self.created(after)
        }
    }
}
