//! Who does something, at which instant, with which ids: the argument of every command.

use crate::access::Actor;
use crate::id::Ids;
use crate::instant::Timestamp;

/// Why something happens: by a caller now, or otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Somebody does it now: rights and rules apply.
    Live,
    /// History that an import writes down, with its own dates: rights were checked when the import was created, no rule
    /// follows of it, and its journal entries say so.
    Import,
    /// A background job does it.
    Job,
    /// It follows of a ruling on a dispute.
    Ruling,
}

/// Who does something, at which instant, with which ids, and why.
#[derive(Debug, Clone)]
pub struct Act {
    /// Who acts.
    pub by: Actor,
    /// The instant at which it counts: `now`, but for history.
    pub at: Timestamp,
    /// When it is written down.
    pub now: Timestamp,
    /// The source of ids.
    pub ids: Ids,
    /// Why it happens.
    pub origin: Origin,
    /// The request or the job, by its id; journal entries name it.
    pub request_id: String,
}

impl Act {
    /// Something that happens now, with a source of ids of its own.
    pub fn new(by: Actor, request_id: impl Into<String>, now: Timestamp, seed: u64) -> Self {
        Self {
            by,
            at: now,
            now,
            ids: Ids::new(now, seed),
            origin: Origin::Live,
            request_id: request_id.into(),
        }
    }

    /// The same by another actor.
    pub fn with_actor(&self, by: Actor) -> Self {
        Self { by, ..self.clone() }
    }

    /// The same for another reason.
    pub fn from_origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The same, counting at another instant.
    pub fn dated(&self, at: Timestamp) -> Self {
        Self { at, ..self.clone() }
    }

    /// The same at the instant at which its transaction began; its further ids are not older. History keeps its dates.
    pub fn begun(self, now: Timestamp) -> Self {
        Self {
            at: if self.at == self.now { now } else { self.at },
            now,
            ids: self.ids.since(now),
            ..self
        }
    }

    /// Whether it is history that an import writes down.
    pub fn is_history(&self) -> bool {
        self.origin == Origin::Import
    }

    /// The same on a record: another machine's clock may have been ahead, a record's time does not run backwards.
    /// History keeps its dates.
    pub fn not_before(&self, known: Timestamp) -> Self {
        let at = if self.is_history() {
            self.at
        } else {
            self.at.max(known)
        };
        Self {
            at,
            now: self.now.max(known),
            ..self.clone()
        }
    }
}

#[cfg(test)]
impl Act {
    /// What somebody does at an instant, for unit tests.
    pub(crate) fn test(by: &Actor, now: Timestamp, ids: &Ids) -> Self {
        Self {
            ids: ids.clone(),
            ..Self::new(by.clone(), "test", now, 0)
        }
    }
}
