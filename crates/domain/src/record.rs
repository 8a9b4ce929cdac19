//! Plain records: created, edited, archived, restored, without rules about anything beside them. What they share
//! stands here once: versions, differences, journal entries.

use serde_json::{Value, json};

use crate::id::LeadId;
use crate::instant::Timestamp;
use crate::journal::{Entry, Facts, Subject, differences};
use crate::role::Scope;

/// What happened to a plain record.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// It was created.
    Created,
    /// Fields of it changed.
    Edited {
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// It was archived.
    Archived,
    /// It was restored.
    Restored,
    /// Something else that has a word of its own: `rotated`, `revoked`.
    Other(&'static str, Facts),
}

/// What happened to one plain record of a known kind.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordChange<R> {
    /// What happened.
    pub happened: Happened,
    /// The record as it is now.
    pub record: R,
}

/// A record as it is now, with what happened to it, if anything.
pub type Edited<R> = (R, Option<RecordChange<R>>);

/// A record with an id whose commands are counted.
pub trait Counted {
    /// Its id as the journal shows it.
    fn id(&self) -> String;

    /// How many commands changed it, from 1.
    fn version(&self) -> i64;

    /// Count a command that changed it at `now`. Its last change never goes back, whatever another machine's clock showed.
    fn count(&mut self, now: Timestamp);
}

/// Records with `id`, `version` and `updated_at` as fields.
macro_rules! counted {
    ($($name:ident),*) => {$(
        impl $crate::record::Counted for $name {
            fn id(&self) -> String {
                self.id.to_string()
            }

            fn version(&self) -> i64 {
                self.version
            }

            fn count(&mut self, now: $crate::instant::Timestamp) {
                self.version += 1;
                self.updated_at = now.max(self.updated_at);
            }
        }
    )*};
}

pub(crate) use counted;

/// A plain record.
pub trait Plain: Clone + Counted {
    /// Its kind in the journal, such as `campaign`.
    const NOUN: &'static str;

    /// The scope that reads it, over HTTP and in the journal.
    const READ: Scope;

    /// Every type of entry that it leaves, with what it means.
    const TYPES: &'static [(&'static str, &'static str)];

    /// Its fields by name, always all of them: what an entry shows of it.
    fn facts(&self) -> Facts;

    /// The lead in whose timeline its entries stand, if any.
    fn lead_id(&self) -> Option<LeadId> {
        None
    }

    /// It was created.
    fn created(&self) -> RecordChange<Self> {
        RecordChange {
            happened: Happened::Created,
            record: self.clone(),
        }
    }

    /// The record as `edited`, whose version and instant are set here; no change if no field differs.
    fn becomes(&self, mut edited: Self, now: Timestamp) -> Edited<Self> {
        let Some((before, after)) = differences(&self.facts(), &edited.facts()) else {
            return (self.clone(), None);
        };
        edited.count(now);
        let change = RecordChange {
            happened: Happened::Edited { before, after },
            record: edited.clone(),
        };
        (edited, Some(change))
    }

    /// Something else happened that has a word of its own.
    fn other(&self, word: &'static str, data: Facts) -> RecordChange<Self> {
        RecordChange {
            happened: Happened::Other(word, data),
            record: self.clone(),
        }
    }
}

impl Happened {
    /// The journal entry of what happened to this record.
    pub(crate) fn entry<R: Plain>(&self, record: &R) -> Entry {
        let subject = Subject {
            kind: R::NOUN,
            id: record.id(),
            version: record.version(),
        };
        let named = |word: &str, data| {
            Entry::plain(
                format!("{}.{word}", R::NOUN),
                subject.clone(),
                record.lead_id(),
                data,
            )
        };
        match self {
            Happened::Created => {
                let known = record.facts().into_iter().filter(|(_, value)| !value.is_null());
                Entry {
                    after: Some(known.collect()),
                    ..named("created", json!({}))
                }
            }
            Happened::Edited { before, after } => named("updated", json!({})).edited(before, after),
            Happened::Archived => named("archived", json!({})),
            Happened::Restored => named("restored", json!({})),
            Happened::Other(word, data) => named(word, Value::Object(data.clone())),
        }
    }
}

/// Since when a record is archived: as it was, unless `wanted` says that it is archived or restored.
pub fn archived_at(known: Option<Timestamp>, wanted: Option<bool>, now: Timestamp) -> Option<Timestamp> {
    match wanted {
        Some(true) => known.or(Some(now)),
        Some(false) => None,
        None => known,
    }
}
