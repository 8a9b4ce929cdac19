//! Putting another document in force while nobody has signed one.

use serde_json::{Value as Json, json};

use super::Agreement;
use super::change::AgreementChange;
use super::conditions::Known;
use super::document::Rules;
use super::version::{AgreementVersion, VersionState};
use crate::access::{Actor, Denied, Role};
use crate::act::Act;
use crate::fault::Fault;

/// The result of replacing the provisional agreement in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Replaced {
    /// The version that is in force now.
    pub version: AgreementVersion,
    /// What the document may say but probably does not mean.
    pub warnings: Vec<Fault>,
    /// What happened; nothing where the document is the one in force already.
    pub change: Option<AgreementChange>,
}

/// Why a version was not put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The document has faults.
    #[error("the document has faults")]
    Invalid(Vec<Fault>),
    /// A version has been signed by both teams: only another such version takes its place.
    #[error("a version has been signed")]
    Signed,
}

/// Put a document in force at once, signed by nobody, in place of the version in force. Revops and admins may, as long as
/// no version has been signed by both; `number` is one that no other version has.
pub fn replace(
    current: AgreementVersion,
    has_scheduled: bool,
    number: i64,
    document: &Json,
    known: &Known<'_>,
    act: &Act,
) -> Result<Replaced, ReplaceError> {
    may_replace(&act.by)?;
    if current.state != VersionState::Provisional || has_scheduled {
        return Err(ReplaceError::Signed);
    }
    let rules = Rules::read(document, Some(&current.document), known).map_err(ReplaceError::Invalid)?;
    let read: Result<Agreement, _> = serde_json::from_value(document.clone());
    let document = read.map_err(|_| {
        let detail = "does not have the form of an agreement";
        ReplaceError::Invalid(vec![Fault::new("", "invalid_format", detail)])
    })?;
    let document = json!(document);
    if document == current.document {
        return Ok(Replaced {
            version: current,
            warnings: rules.warnings,
            change: None,
        });
    }
    let version = AgreementVersion {
        number,
        edits: 1,
        document_version: 1,
        state: VersionState::Provisional,
        document,
        based_on: Some(current.number),
        created_by: Some(act.by.id()),
        created_at: act.now,
        effective_at: Some(act.now),
        in_force_from: Some(act.now),
        superseded_at: None,
        signatures: vec![],
    };
    let superseded = AgreementVersion {
        state: VersionState::Superseded,
        superseded_at: Some(act.now),
        ..current
    };
    let change = AgreementChange::CameIntoForce {
        version: Box::new(version.clone()),
        superseded: Box::new(superseded),
    };
    Ok(Replaced {
        version,
        warnings: rules.warnings,
        change: Some(change),
    })
}

fn may_replace(by: &Actor) -> Result<(), Denied> {
    let person = by.demand_person()?;
    match person.role == Role::Revops || person.is_admin() {
        true => Ok(()),
        false => Err(Denied::WrongRole),
    }
}
