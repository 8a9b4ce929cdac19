//! Publishable tracking keys, with which sites send events.

use serde_json::json;

use crate::access::origins::origins;
use crate::access::{Actor, Denied, Scope};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::TrackingKeyId;
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Counted, Edited, Plain, RecordChange, counted};

/// A site that may send events, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingKey {
    /// Its id.
    pub id: TrackingKeyId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The name that people see.
    pub name: String,
    /// The origins whose pages may use it.
    pub allowed_origins: Vec<String>,
    /// The key itself: it is public.
    pub key: String,
    /// The key before the last rotation, and until when it works.
    pub previous: Option<(String, Timestamp)>,
    /// Since when it does not work any more.
    pub revoked_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why a tracking key was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackingKeyError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It is revoked for good.
    #[error("the tracking key is revoked")]
    Revoked,
    /// The origins are not sound.
    #[error("the tracking key is not sound")]
    Invalid(Vec<Fault>),
}

/// Make a tracking key.
pub fn create(
    name: &str,
    allowed_origins: &[String],
    key: String,
    act: &Act,
) -> Result<TrackingKey, TrackingKeyError> {
    may_manage(&act.by)?;
    Ok(TrackingKey {
        id: act.ids.next(),
        version: 1,
        name: name.trim().to_owned(),
        allowed_origins: sound(allowed_origins)?,
        key,
        previous: None,
        revoked_at: None,
        created_at: act.now,
        updated_at: act.now,
    })
}

/// Update name or origins; no change if nothing differs.
pub fn edit(
    known: &TrackingKey,
    name: &str,
    allowed_origins: &[String],
    act: &Act,
) -> Result<Edited<TrackingKey>, TrackingKeyError> {
    let mut edited = changeable(known, &act.by)?;
    edited.name = name.trim().to_owned();
    edited.allowed_origins = sound(allowed_origins)?;
    Ok(known.becomes(edited, act.now))
}

counted!(TrackingKey);

impl Plain for TrackingKey {
    const NOUN: &'static str = "tracking_key";
    const READ: Scope = Scope::FormsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("tracking_key.created", "A tracking key was created for a site."),
        (
            "tracking_key.updated",
            "Name or origins of a tracking key changed.",
        ),
        (
            "tracking_key.rotated",
            "A tracking key was rotated; the previous key works until it expires.",
        ),
        ("tracking_key.revoked", "A tracking key was revoked."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "name": self.name,
            "allowed_origins": self.allowed_origins,
        }))
    }
}

/// Give a site another key; the one so far works until `until`, one before that no more.
pub fn rotate(
    known: &TrackingKey,
    fresh: String,
    until: Timestamp,
    act: &Act,
) -> Result<RecordChange<TrackingKey>, TrackingKeyError> {
    let mut rotated = changeable(known, &act.by)?;
    rotated.previous = Some((std::mem::replace(&mut rotated.key, fresh), until));
    rotated.count(act.now);
    Ok(rotated.other(
        "rotated",
        [("older_key_ends".to_owned(), json!(until))]
            .into_iter()
            .collect(),
    ))
}

/// Revoke a key, permanently; `None` if it already is.
pub fn revoke(known: &TrackingKey, act: &Act) -> Result<Option<RecordChange<TrackingKey>>, TrackingKeyError> {
    may_manage(&act.by)?;
    if known.revoked_at.is_some() {
        return Ok(None);
    }
    let mut revoked = TrackingKey {
        revoked_at: Some(act.now),
        previous: None,
        ..known.clone()
    };
    revoked.count(act.now);
    Ok(Some(revoked.other("revoked", Facts::new())))
}

impl TrackingKey {
    /// Whether this text is a key of it that works.
    pub fn is_opened_by(&self, text: &str, now: Timestamp) -> bool {
        let is_previous = |(key, until): &(String, Timestamp)| key == text && now < *until;
        self.revoked_at.is_none() && (self.key == text || self.previous.as_ref().is_some_and(is_previous))
    }
}

fn changeable(known: &TrackingKey, actor: &Actor) -> Result<TrackingKey, TrackingKeyError> {
    may_manage(actor)?;
    match known.revoked_at {
        Some(_) => Err(TrackingKeyError::Revoked),
        None => Ok(known.clone()),
    }
}

fn sound(given: &[String]) -> Result<Vec<String>, TrackingKeyError> {
    let mut faults = vec![];
    let read = origins(given, &mut faults);
    if faults.is_empty() {
        Ok(read)
    } else {
        Err(TrackingKeyError::Invalid(faults))
    }
}

/// Sites are marketing's. A key by itself acts by its scope.
fn may_manage(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_marketing() && !person.is_admin() => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}
