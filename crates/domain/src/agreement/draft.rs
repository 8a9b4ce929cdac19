//! Drafts of the agreement: how they are written, signed by both teams, and come into force.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::Agreement;
use super::change::{AgreementChange, DraftAct};
use super::conditions::Known;
use super::document::{Rules, faults_of_draft};
use super::signature::{Signature, SignatureEnd};
use super::version::{AgreementVersion, VersionState};
use crate::access::{Actor, Denied, Person, Role, Staff};
use crate::act::Act;
use crate::change::Unruled;
use crate::fault::Fault;
use crate::instant::Timestamp;
use crate::notices::{self, About, NextAct, NoticeKind};

/// What a request states of a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftDetails {
    /// The document, which may be incomplete.
    pub document: Json,
    /// From when on it is to be in force; at once where it is `None` or past.
    pub effective_at: Option<Timestamp>,
}

/// Why an act on a draft was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftRefused {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The document has faults.
    #[error("the document has faults")]
    Invalid(Vec<Fault>),
    /// The version is in another state.
    #[error("the version is {}", .0.name())]
    State(VersionState),
    /// Another version than the one that it is based on is in force.
    #[error("the draft is based on a version that is no longer in force")]
    Outdated {
        /// The version in force.
        in_force: i64,
    },
    /// The user, or another one for the same side, has signed it.
    #[error("the side has signed it")]
    Signed,
    /// The other signer has left or has another role.
    #[error("the other signer may no longer sign")]
    SignerLeft,
    /// The period of a preview is impossible.
    #[error("the period is impossible")]
    InvalidPeriod(Vec<Fault>),
    /// No finished preview of the document as it stands covers enough of the past.
    #[error("the version was not previewed as it stands")]
    PreviewMissing,
    /// The user has no signature on it that counts.
    #[error("the user has not signed it")]
    NotSigned,
}

/// What decisions about versions look at beside the version itself.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The version in force.
    pub in_force: AgreementVersion,
    /// The version that is to come into force, if there is one.
    pub scheduled: Option<AgreementVersion>,
    /// The enabled users.
    pub staff: &'a Staff,
    /// Whether a finished preview of the document as it stands covers enough of the past.
    pub is_previewed: bool,
}

impl AgreementVersion {
    /// The signatures that count.
    pub fn valid_signatures(&self) -> impl Iterator<Item = &Signature> {
        self.signatures
            .iter()
            .filter(|signature| signature.ended_at.is_none())
    }

    /// Whether a user who signed it has left or has another role.
    pub fn has_lost_a_signer(&self, staff: &Staff) -> bool {
        self.valid_signatures()
            .any(|signature| !is_still_signer(signature, staff))
    }

    fn end_signatures(&mut self, which: impl Fn(&Signature) -> bool, by: SignatureEnd, at: Timestamp) {
        let ended = self.signatures.iter_mut();
        for signature in ended.filter(|one| one.ended_at.is_none() && which(one)) {
            signature.ended_at = Some(at);
            signature.ended_by = Some(by);
        }
    }

    fn edited(mut self) -> Self {
        self.edits += 1;
        self
    }
}

fn is_still_signer(signature: &Signature, staff: &Staff) -> bool {
    staff
        .get(signature.user_id)
        .is_some_and(|colleague| colleague.role == signature.role)
}

/// Create a draft with a number that no other version has, based on the version in force. Revops, both managers and admins
/// may.
pub fn draft(
    number: i64,
    details: DraftDetails,
    in_force: &AgreementVersion,
    known: &Known<'_>,
    act: &Act,
) -> Result<(AgreementVersion, AgreementChange), DraftRefused> {
    may_draft(&act.by)?;
    check(&details.document, in_force, known)?;
    let version = AgreementVersion {
        number,
        edits: 1,
        document_version: 1,
        state: VersionState::Draft,
        document: details.document,
        based_on: Some(in_force.number),
        created_by: Some(act.by.id()),
        created_at: act.now,
        effective_at: details.effective_at,
        in_force_from: None,
        superseded_at: None,
        signatures: vec![],
    };
    let change = AgreementChange::draft(DraftAct::Created, &version);
    Ok((version, change))
}

/// Edit a draft. Its signatures no longer count.
pub fn edit(
    version: AgreementVersion,
    details: DraftDetails,
    in_force: &AgreementVersion,
    known: &Known<'_>,
    act: &Act,
) -> Result<(AgreementVersion, Option<AgreementChange>), DraftRefused> {
    may_draft(&act.by)?;
    demand(&version, &[VersionState::Draft])?;
    check(&details.document, in_force, known)?;
    if version.document == details.document && version.effective_at == details.effective_at {
        return Ok((version, None));
    }
    let mut edited = version.edited();
    edited.document_version += i64::from(edited.document != details.document);
    edited.document = details.document;
    edited.effective_at = details.effective_at;
    edited.end_signatures(|_| true, SignatureEnd::Edited, act.now);
    let change = AgreementChange::draft(DraftAct::Updated, &edited);
    Ok((edited, Some(change)))
}

/// Discard a draft, or a version that has not come into force yet.
pub fn discard(
    version: AgreementVersion,
    act: &Act,
) -> Result<(AgreementVersion, AgreementChange), DraftRefused> {
    may_draft(&act.by)?;
    demand(&version, &[VersionState::Draft, VersionState::Scheduled])?;
    let discarded = discarded(version);
    let change = AgreementChange::draft(DraftAct::Discarded, &discarded);
    Ok((discarded, change))
}

/// Sign a draft for one's own side. With the second signature it comes into force, or from `effective_at` on.
pub fn sign(
    version: AgreementVersion,
    standing: Standing<'_>,
    known: &Known<'_>,
    act: &Act,
) -> Result<(AgreementVersion, Vec<Unruled>), DraftRefused> {
    let person = signer(&act.by)?;
    demand(&version, &[VersionState::Draft])?;
    if version.based_on != Some(standing.in_force.number) {
        return Err(DraftRefused::Outdated {
            in_force: standing.in_force.number,
        });
    }
    let is_taken = version
        .valid_signatures()
        .any(|one| one.role == person.role || one.user_id == person.id);
    if is_taken {
        return Err(DraftRefused::Signed);
    }
    if version.has_lost_a_signer(standing.staff) {
        return Err(DraftRefused::SignerLeft);
    }
    complete(&version.document, &standing.in_force, known)?;
    if !standing.is_previewed {
        return Err(DraftRefused::PreviewMissing);
    }
    let mut signed = version.edited();
    signed.signatures.push(Signature {
        user_id: person.id,
        role: person.role,
        signed_at: act.now,
        ended_at: None,
        ended_by: None,
    });
    let mut changes: Vec<Unruled> = vec![];
    if signed.valid_signatures().count() < 2 {
        changes.push(AgreementChange::draft(DraftAct::Signed, &signed).into());
        changes.extend(ask_the_other_side(&signed, person.role, standing.staff, act));
        return Ok((signed, changes));
    }
    if signed.effective_at.is_some_and(|at| at > act.now) {
        signed.state = VersionState::Scheduled;
        changes.extend(standing.scheduled.map(discard_change).map(Unruled::from));
        changes.push(AgreementChange::draft(DraftAct::Scheduled, &signed).into());
        return Ok((signed, changes));
    }
    changes.push(AgreementChange::draft(DraftAct::Signed, &signed).into());
    let (in_force, more) = come_into_force(signed, standing.in_force, standing.scheduled, act.now);
    changes.extend(more.into_iter().map(Unruled::from));
    Ok((in_force, changes))
}

/// Withdraw one's own signature while the other one is missing.
pub fn withdraw(
    version: AgreementVersion,
    act: &Act,
) -> Result<(AgreementVersion, AgreementChange), DraftRefused> {
    let person = signer(&act.by)?;
    demand(&version, &[VersionState::Draft])?;
    if !version.valid_signatures().any(|one| one.user_id == person.id) {
        return Err(DraftRefused::NotSigned);
    }
    let mut withdrawn = version.edited();
    withdrawn.end_signatures(|one| one.user_id == person.id, SignatureEnd::Withdrawn, act.now);
    let change = AgreementChange::draft(DraftAct::SignatureWithdrawn, &withdrawn);
    Ok((withdrawn, change))
}

/// A version takes the place of the one in force. One that was scheduled beside it is discarded.
pub fn come_into_force(
    version: AgreementVersion,
    in_force: AgreementVersion,
    scheduled: Option<AgreementVersion>,
    at: Timestamp,
) -> (AgreementVersion, Vec<AgreementChange>) {
    let version = AgreementVersion {
        state: VersionState::InForce,
        in_force_from: Some(at),
        ..version
    };
    let superseded = AgreementVersion {
        state: VersionState::Superseded,
        superseded_at: Some(at),
        ..in_force
    };
    let other = scheduled.filter(|other| other.number != version.number);
    let mut changes: Vec<AgreementChange> = other.map(discard_change).into_iter().collect();
    changes.push(AgreementChange::CameIntoForce {
        version: Box::new(version.clone()),
        superseded: Box::new(superseded),
    });
    (version, changes)
}

fn discarded(version: AgreementVersion) -> AgreementVersion {
    AgreementVersion {
        state: VersionState::Discarded,
        ..version.edited()
    }
}

fn discard_change(version: AgreementVersion) -> AgreementChange {
    AgreementChange::draft(DraftAct::Discarded, &discarded(version))
}

/// Notices for those who can give the signature that is missing.
fn ask_the_other_side(version: &AgreementVersion, signed: Role, staff: &Staff, act: &Act) -> Vec<Unruled> {
    let missing = match signed {
        Role::MarketingManager => Role::SalesManager,
        _ => Role::MarketingManager,
    };
    let about = About::new("agreement", version.number);
    let path = format!("/v1/agreements/{}/sign", version.number);
    let next = NextAct::new("sign_agreement", "POST", path);
    let what = (NoticeKind::AgreementSignatureMissing, about, None);
    let notices = notices::for_each(staff.with_role(missing), what, Some(next), act);
    notices.into_iter().map(Unruled::from).collect()
}

fn demand(version: &AgreementVersion, states: &[VersionState]) -> Result<(), DraftRefused> {
    match states.contains(&version.state) {
        true => Ok(()),
        false => Err(DraftRefused::State(version.state)),
    }
}

fn check(document: &Json, in_force: &AgreementVersion, known: &Known<'_>) -> Result<(), DraftRefused> {
    let faults = faults_of_draft(document, Some(&in_force.document), known);
    match faults.is_empty() {
        true => Ok(()),
        false => Err(DraftRefused::Invalid(faults)),
    }
}

/// A signed document is a complete one.
pub(super) fn complete(
    document: &Json,
    in_force: &AgreementVersion,
    known: &Known<'_>,
) -> Result<(), DraftRefused> {
    Rules::read(document, Some(&in_force.document), known).map_err(DraftRefused::Invalid)?;
    Agreement::deserialize(document).map(drop).map_err(|_| {
        let detail = "does not have the form of an agreement";
        DraftRefused::Invalid(vec![Fault::new("", "invalid_format", detail)])
    })
}

pub(super) fn may_draft(by: &Actor) -> Result<(), Denied> {
    let person = by.demand_person()?;
    let has_role = matches!(
        person.role,
        Role::Revops | Role::MarketingManager | Role::SalesManager
    );
    match has_role || person.is_admin() {
        true => Ok(()),
        false => Err(Denied::WrongRole),
    }
}

/// The manager who signs in person: no key signs for anybody, and no admin as such.
fn signer(by: &Actor) -> Result<&Person, Denied> {
    match by {
        Actor::User(person) if matches!(person.role, Role::MarketingManager | Role::SalesManager) => {
            Ok(person)
        }
        Actor::Key { .. } => Err(Denied::NeedsPerson),
        _ => Err(Denied::WrongRole),
    }
}

/// One difference between two documents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// The place that differs, as a JSON pointer.
    #[schema(max_length = 1024, example = "/stages/nurture/cooldown")]
    pub pointer: String,
    /// The value in the other version; `null` if it has none there.
    #[schema(value_type = Value)]
    pub before: Json,
    /// The value in this version; `null` if it has none there.
    #[schema(value_type = Value)]
    pub after: Json,
}

/// How a document differs from another one, in the order of its members..
pub fn differences(before: &Json, after: &Json) -> Vec<Difference> {
    let mut found = vec![];
    compare("", before, after, &mut found);
    found
}

fn compare(at: &str, before: &Json, after: &Json, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    if let (Json::Object(one), Json::Object(other)) = (before, after) {
        let names = one
            .keys()
            .chain(other.keys().filter(|name| !one.contains_key(*name)));
        for name in names {
            let value = |map: &serde_json::Map<String, Json>| map.get(name).cloned().unwrap_or(json!(null));
            compare(&super::reader::below(at, name), &value(one), &value(other), found);
        }
        return;
    }
    found.push(Difference {
        pointer: at.to_owned(),
        before: before.clone(),
        after: after.clone(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_each_place_once() {
        let before = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1, "e/f": 2});
        let after = json!({"a": {"b": 2, "c": [1]}, "e/f": 3, "g": {"h": 1}});
        let found: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|one| (one.pointer, one.before, one.after))
            .collect();
        let expected = [
            ("/a/b", json!(1), json!(2)),
            ("/a/c", json!([1, 2]), json!([1])),
            ("/d", json!(1), json!(null)),
            ("/e~1f", json!(2), json!(3)),
            ("/g", json!(null), json!({"h": 1})),
        ];
        let expected: Vec<_> = expected
            .map(|(at, one, other)| (at.to_owned(), one, other))
            .into();
        assert_eq!(found, expected);
        assert_eq!(differences(&after, &after), []);
    }
}
