//! Segments: leads that satisfy a condition, kept up to date by the rules.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use crate::access::{Actor, Denied, Role, Scope};
use crate::act::Act;
use crate::agreement::conditions::{Condition, Known, Usage};
use crate::agreement::reader::Reader;
use crate::fault::Fault;
use crate::id::SegmentId;
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Edited, Plain, archived_at, counted};

/// A segment of leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateSegment)]
pub struct SegmentDetails {
    /// The name that people see.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "Italian factories"
    )]
    pub name: String,
    /// What it is for.
    #[schema(max_length = 2000)]
    pub description: Option<String>,
    /// Who is in it: a condition as in the agreement, without other segments.
    #[schema(value_type = Object)]
    pub when: Json,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its id.
    pub id: SegmentId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What may be edited of it.
    pub details: SegmentDetails,
    /// When it was archived; `null` if it is not. Nobody is in an archived segment.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Segment);

impl Plain for Segment {
    const NOUN: &'static str = "segment";
    const READ: Scope = Scope::LeadsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("segment.created", "A segment was created."),
        ("segment.updated", "A segment changed."),
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        known.insert("archived_at".into(), json!(self.archived_at));
        known
    }
}

/// Why a segment was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The condition has faults.
    #[error("the condition has faults")]
    Invalid(Vec<Fault>),
}

/// Create a segment. Marketing, marketing managers, revops and admins may.
pub fn create(details: SegmentDetails, known: &Known<'_>, act: &Act) -> Result<Segment, Refused> {
    may_write(&act.by)?;
    check(&details, known)?;
    Ok(Segment {
        id: act.ids.next(),
        version: 1,
        details,
        archived_at: None,
        created_at: act.now,
        updated_at: act.now,
    })
}

/// Change a segment; `archived` archives or restores it.
pub fn edit(
    segment: &Segment,
    details: SegmentDetails,
    archived: Option<bool>,
    known: &Known<'_>,
    act: &Act,
) -> Result<Edited<Segment>, Refused> {
    may_write(&act.by)?;
    check(&details, known)?;
    let edited = Segment {
        details,
        archived_at: archived_at(segment.archived_at, archived, act.now),
        ..segment.clone()
    };
    Ok(segment.becomes(edited, act.now))
}

fn may_write(by: &Actor) -> Result<(), Denied> {
    let person = by.demand_person()?;
    let has_role = matches!(
        person.role,
        Role::Marketing | Role::MarketingManager | Role::Revops
    );
    match has_role || person.is_admin() {
        true => Ok(()),
        false => Err(Denied::WrongRole),
    }
}

fn check(details: &SegmentDetails, known: &Known<'_>) -> Result<(), Refused> {
    let mut reader = Reader::new();
    Condition::read(&details.when, "/when", Usage::Segment, known, &mut reader);
    match reader.into_faults() {
        faults if faults.is_empty() => Ok(()),
        faults => Err(Refused::Invalid(faults)),
    }
}
