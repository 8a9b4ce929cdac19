//! Recording a submission, which finds or creates its lead.

use super::answers::Answers;
use super::consent::Unticked;
use super::spam::signs;
use super::visitor::{linked, sent};
use super::{Earlier, Form, Posted, Sameness, Submission, SubmissionFault, SubmissionStatus, Twins};
use crate::access::Actor;
use crate::act::Act;
use crate::capture::CaptureChange;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::leads::consent::{self, StateConsent};
use crate::leads::fields::LeadField;
use crate::leads::identity::Dialled;
use crate::leads::save::{self, OnConflict};
use crate::settle::Unsettled;
use crate::stage::Stage;
use crate::world::World;

/// One submission on its way in.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Its id, drawn once.
    pub id: SubmissionId,
    /// Its form, as it is now.
    pub form: &'a Form,
    /// What was sent.
    pub posted: &'a Posted,
    /// What makes it the same as another one; `None` if an `Idempotency-Key` says that.
    pub sameness: Option<Sameness>,
    /// The stored submission that is run again, on somebody's word that it is none of spam.
    pub again: Option<&'a Submission>,
}

/// The result of a submission, with the changes to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// The status.
    pub status: SubmissionStatus,
    /// Why it was not accepted.
    pub faults: Vec<Fault>,
    /// The submission as it is stored; `None` if it repeats an earlier one.
    pub submission: Option<Submission>,
    /// What happened.
    pub done: Unsettled,
}

/// Record one submission, and find or create its lead from what [`super::statement`] read of it.
///
/// What looks like spam is stored as `spam`; what does not fit is stored as `rejected` with every fault. Answers that map
/// nowhere, and members that nobody knows, stay answers. A test runs through all of it and leaves nothing but itself. Of a
/// twin of the last minute its id alone is stored, and its visitor is linked. Nothing in the outcome reveals whether the
/// person was known.
pub fn capture(
    world: &mut World,
    twins: &mut Twins,
    incoming: Incoming<'_>,
    answers: Result<Answers, Vec<Fault>>,
    act: &Act,
) -> Captured {
    let Incoming {
        id,
        form,
        posted,
        sameness,
        again,
    } = incoming;
    let earlier = sameness.and_then(|sameness| twins.find(sameness, act.now).copied());
    if let Some(earlier) = earlier.filter(|earlier| earlier.status != SubmissionStatus::Rejected) {
        return Captured {
            status: earlier.status,
            faults: vec![],
            submission: None,
            done: repeated(world, &earlier, incoming, act),
        };
    }
    let answers = answers.map(|answers| without_undeclared(answers, world));
    let mut remarks = posted.remarks.clone();
    remarks.extend(answers.iter().flat_map(|answers| answers.remarks.iter().cloned()));
    let national = answers
        .iter()
        .flat_map(|answers| answers.national.clone())
        .collect::<Vec<_>>();
    let decided = decide(world, incoming, answers, act);
    let lead = decided.lead_id.and_then(|lead_id| world.leads.get(&lead_id));
    if let Some(lead) = lead {
        let country = lead.profile.get(LeadField::Country);
        let is_read = |dialled: &Dialled| country.is_some_and(|country| dialled.within(country).is_ok());
        let unread = national.into_iter().filter(|(_, dialled)| !is_read(dialled));
        remarks.extend(unread.map(|(pointer, _)| Fault::new(pointer, "invalid_format", NATIONAL)));
    }
    if earlier.is_some_and(|earlier| earlier.status == decided.status) {
        return Captured {
            status: decided.status,
            faults: decided.faults,
            submission: None,
            done: Unsettled::default(),
        };
    }
    let submission = Submission {
        id,
        version: again.map_or(1, |kept| kept.version + 1),
        form_id: form.id,
        status: decided.status,
        lead_id: decided.lead_id,
        consent: decided.consent,
        raw: posted.raw.clone(),
        media_type: posted.media_type.clone(),
        faults: decided.faults.iter().map(SubmissionFault::from).collect(),
        remarks: remarks.iter().map(SubmissionFault::from).collect(),
        twin: sameness.map(|sameness| sameness.key(act.now)),
        received_at: again.map_or(act.now, |kept| kept.received_at),
    };
    if let Some(key) = submission.twin {
        twins.note(
            key,
            Earlier {
                id,
                status: decided.status,
                lead_id: decided.lead_id,
                received_at: act.now,
            },
        );
    }
    let received = match again {
        None => CaptureChange::Received(submission.clone()),
        Some(_) => CaptureChange::Replayed(submission.clone()),
    };
    let mut done = Unsettled::from_iter([received]);
    done.extend(decided.consequences);
    if let Some(lead_id) = submission.lead_id {
        done.extend(sent(world, lead_id, &submission, form, posted, act));
    }
    Captured {
        status: decided.status,
        faults: decided.faults,
        submission: Some(submission),
        done,
    }
}

/// The answers without consent to purposes that are no longer declared: nobody may be contacted for these. A form may ask for
/// them longer than the settings have them.
fn without_undeclared(mut answers: Answers, world: &World) -> Answers {
    let declared = &world.rules.consent_purposes;
    let is_declared = |one: &super::Consent| declared.iter().any(|purpose| purpose.name == one.purpose);
    let (known, unknown): (Vec<_>, Vec<_>) = answers
        .consent
        .into_iter()
        .partition(|one| !one.granted || is_declared(one));
    answers.consent = known;
    answers.remarks.extend(unknown.into_iter().map(|one| {
        let detail = format!(
            "`{}` is not granted: it is no longer a declared purpose of consent",
            one.purpose
        );
        Fault::new("/consent", "consent_not_given", detail)
    }));
    answers
}

/// Why a phone number stays an answer.
const NATIONAL: &str = "is a national number of an unknown country: send it with + and the country's code, or ask for the country too";

/// What follows from a repeated submission: its id stands for the earlier one, and its visitor is that one's lead.
fn repeated(world: &mut World, earlier: &Earlier, incoming: Incoming<'_>, act: &Act) -> Unsettled {
    let mut done = Unsettled::from_iter([CaptureChange::Repeated {
        id: incoming.id,
        submission_id: earlier.id,
    }]);
    let lead_id = earlier.lead_id.filter(|id| world.leads.contains_key(id));
    if let Some(lead_id) = lead_id {
        done.extend(linked(
            world,
            lead_id,
            incoming.form.id,
            incoming.posted,
            act.now,
            act,
        ));
    }
    done
}

/// A submission that could not be worked on: stored with its body, to be replayed.
pub fn failed(incoming: Incoming<'_>, now: Timestamp) -> Unsettled {
    let Incoming {
        id,
        form,
        posted,
        sameness,
        ..
    } = incoming;
    let fault = Fault::new("", "failed", "could not be processed; it can be replayed");
    let kept = Submission {
        id,
        version: 1,
        form_id: form.id,
        status: SubmissionStatus::Failed,
        lead_id: None,
        consent: vec![],
        raw: posted.raw.clone(),
        media_type: posted.media_type.clone(),
        faults: vec![SubmissionFault::from(&fault)],
        remarks: posted.remarks.iter().map(SubmissionFault::from).collect(),
        twin: sameness.map(|sameness| sameness.key(now)),
        received_at: now,
    };
    Unsettled::from_iter([CaptureChange::Received(kept)])
}

struct Decided {
    status: SubmissionStatus,
    lead_id: Option<LeadId>,
    consent: Vec<super::Consent>,
    faults: Vec<Fault>,
    consequences: Vec<Change>,
}

impl Decided {
    fn left(status: SubmissionStatus, faults: Vec<Fault>) -> Self {
        Self {
            status,
            lead_id: None,
            consent: vec![],
            faults,
            consequences: vec![],
        }
    }
}

fn decide(
    world: &mut World,
    incoming: Incoming<'_>,
    answers: Result<Answers, Vec<Fault>>,
    act: &Act,
) -> Decided {
    let Incoming {
        form, posted, again, ..
    } = incoming;
    if again.is_none() {
        if posted.is_foreign {
            let detail = "was submitted by a page of an origin that the form does not list";
            let fault = Fault::new("", "origin_not_allowed", detail);
            return Decided::left(SubmissionStatus::Rejected, vec![fault]);
        }
        let signs = signs(form, posted, act.now);
        if !signs.is_empty() {
            return Decided::left(SubmissionStatus::Spam, signs);
        }
    }
    let mut answers = match answers {
        Ok(answers) => answers,
        Err(faults) => return Decided::left(SubmissionStatus::Rejected, faults),
    };
    if let Some(kept) = again {
        answers.said.observed_at = answers.said.observed_at.or(Some(kept.received_at));
    }
    let consent = answers.consent.clone();
    let saved = if posted.is_test {
        save(&mut world.part_for(&answers.said), incoming, answers, act)
    } else {
        save(world, incoming, answers, act)
    };
    match saved {
        Err(faults) => Decided::left(SubmissionStatus::Rejected, faults),
        Ok(_) if posted.is_test => Decided {
            consent,
            ..Decided::left(SubmissionStatus::Test, vec![])
        },
        Ok((lead_id, consequences)) => Decided {
            status: SubmissionStatus::Accepted,
            lead_id: Some(lead_id),
            consent,
            faults: vec![],
            consequences,
        },
    }
}

/// Find or create the lead, with the consequences.
fn save(
    world: &mut World,
    incoming: Incoming<'_>,
    answers: Answers,
    act: &Act,
) -> Result<(LeadId, Vec<Change>), Vec<Fault>> {
    let Answers {
        said,
        consent,
        national,
        ..
    } = answers;
    let act = &act.with_actor(Actor::Form(incoming.form.id));
    let saved = save::upsert(world, &said, OnConflict::FollowEmail, act);
    let saved = saved.map_err(|refused| match refused {
        save::SaveError::Invalid(faults) => {
            let at_fields = |fault| Fault {
                pointer: "/fields".into(),
                ..fault
            };
            faults.into_iter().map(at_fields).collect()
        }
        _ => match national.into_iter().next() {
            Some((pointer, _)) => vec![Fault::new(pointer, "invalid_format", NATIONAL)],
            None => vec![Fault::new("/fields", "required", "an e-mail or phone is needed")],
        },
    })?;
    let mut changes = saved.changes;
    // A clock that is behind must not put a no before the yes that it takes back.
    let received_at = incoming.again.map_or(act.now, |kept| kept.received_at);
    let observed_at = said.observed_at.unwrap_or(received_at);
    let withdraws = |purpose: &str| {
        let mut asked = incoming.form.settings.consent.iter();
        asked.any(|asked| asked.purpose == purpose && asked.unticked == Unticked::Withdraws)
    };
    let stated = consent
        .into_iter()
        .filter(|one| one.granted || withdraws(&one.purpose));
    let stated = stated.map(|one| StateConsent {
        purpose: one.purpose,
        address: said.emails.first().cloned(),
        granted: one.granted,
        reason: None,
        wording: Some(one.wording),
        legal_basis: Some(one.legal_basis),
        source: None,
        stated_at: Some(if one.granted { observed_at } else { received_at }),
    });
    let stated = consent::record(world, saved.lead_id, stated, Some(incoming.id), act);
    changes.extend(stated);
    changes.extend(take_up_again(world, saved.lead_id, act.now));
    changes.extend(came_back(world, saved.lead_id, received_at));
    Ok((saved.lead_id, changes))
}

/// A customer, a churned or a disqualified lead that sends a form again has come back; its stage stays.
fn came_back(world: &mut World, lead_id: LeadId, at: Timestamp) -> Option<Change> {
    let lead = world.leads.get_mut(&lead_id)?;
    let is_out = matches!(lead.stage, Stage::Customer | Stage::Churned | Stage::Disqualified);
    if !is_out || lead.returned_at >= Some(at) {
        return None;
    }
    lead.returned_at = Some(at);
    lead.derived += 1;
    Some(Change::Lead(LeadChange::Returned(Box::new(lead.clone()))))
}

/// An archived lead that writes again is restored.
fn take_up_again(world: &mut World, lead_id: LeadId, now: Timestamp) -> Option<Change> {
    let lead = world
        .leads
        .get_mut(&lead_id)
        .filter(|lead| lead.archived_at.is_some())?;
    lead.archived_at = None;
    lead.version += 1;
    lead.updated_at = now.max(lead.updated_at);
    Some(Change::Lead(LeadChange::Restored(Box::new(lead.clone()))))
}

#[cfg(test)]
mod tests;
