//! Consent: a history of statements per purpose, of which the newest counts.

mod confirm;
mod ended;
mod purposes;
mod standing;
#[cfg(test)]
mod tests;
mod upsert;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use confirm::{Confirmation, NotConfirmed, confirm, issue};
pub use ended::Ended;
pub use purposes::{
    ConsentChannel, ConsentPurpose, MARKETING_EMAIL, is_purpose, purpose_faults, purpose_named,
};
pub use standing::{ConsentFact, ConsentFacts, MayContact, Standing};
pub(super) use upsert::take_over;

use super::fields::Source;
use crate::access::{Actor, Denied};
use crate::act::Act;
use crate::change::Change;
use crate::id::{ConsentId, LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::leads::identity::Email;
use crate::words::words;
use crate::world::World;

/// Why personal data may be processed (GDPR, article 6 (1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalBasis {
    /// The person agreed (a).
    Consent,
    /// For a contract with the person, or before one (b).
    Contract,
    /// A law demands it (c).
    LegalObligation,
    /// To save a life (d).
    VitalInterests,
    /// In the public interest (e).
    PublicTask,
    /// The company's interest outweighs the person's (f).
    LegitimateInterests,
}

words! {
    /// What a statement says of its purpose.
    ConsentState {
        /// The person agrees.
        Granted = "granted",
        /// The person agrees, by a link that only the person was sent.
        Confirmed = "confirmed",
        /// The person does not agree, or no more.
        Withdrawn = "withdrawn",
        /// A system repeated a grant, without saying of when it is, after it was withdrawn: stored, but it counts for nothing.
        Disregarded = "disregarded",
    }

    /// Where a statement about consent came from.
    ConsentSource {
        /// Said on a form.
        Form = "form",
        /// Reported by a partner's system.
        Api = "api",
        /// Read from a file.
        Import = "import",
        /// Written down by a user of the company.
        Hand = "hand",
        /// Something that happened: an unsubscription, a bounce, a click on a confirmation link.
        Event = "event",
    }

    /// Why consent ended, if the person did not withdraw it directly.
    WithdrawalReason {
        /// The person unsubscribed.
        Unsubscribed = "unsubscribed",
        /// The address takes no mail.
        Bounced = "bounced",
        /// The person reported the mail as unwanted.
        Complained = "complained",
    }

    /// Why a person may be contacted for a purpose, or may not.
    ContactReason {
        /// The newest statement grants it, and is confirmed where the purpose asks for that.
        Granted = "granted",
        /// It is granted, and still to be confirmed.
        NotConfirmed = "not_confirmed",
        /// The newest statement withdraws it.
        Withdrawn = "withdrawn",
        /// The person unsubscribed.
        Unsubscribed = "unsubscribed",
        /// The address takes no mail.
        Bounced = "bounced",
        /// The person reported the mail as unwanted.
        Complained = "complained",
        /// There is no statement about it.
        NeverAsked = "never_asked",
    }
}

impl WithdrawalReason {
    /// Those after which an address must not be used at all.
    pub const BARRING: [Self; 2] = [Self::Bounced, Self::Complained];
}

impl LegalBasis {
    /// Its name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            LegalBasis::Consent => "consent",
            LegalBasis::Contract => "contract",
            LegalBasis::LegalObligation => "legal_obligation",
            LegalBasis::VitalInterests => "vital_interests",
            LegalBasis::PublicTask => "public_task",
            LegalBasis::LegitimateInterests => "legitimate_interests",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Consent,
            Self::Contract,
            Self::LegalObligation,
            Self::VitalInterests,
            Self::PublicTask,
            Self::LegitimateInterests,
        ]
        .into_iter()
        .find(|basis| basis.name() == name)
    }
}

impl ConsentSource {
    /// The default source of an actor's statements.
    pub fn of(actor: &Actor) -> Self {
        match Source::of(actor) {
            Source::Hand => Self::Hand,
            Source::Form => Self::Form,
            Source::Api | Source::Partner => Self::Api,
            Source::Import => Self::Import,
        }
    }
}

/// One statement about one purpose, as it is stored for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentStatement {
    /// Its id.
    pub id: ConsentId,
    /// The lead.
    pub lead_id: LeadId,
    /// The purpose.
    pub purpose: String,
    /// The e-mail address that it is about; none where it is about the person.
    pub address: Option<String>,
    /// The kind of statement.
    pub state: ConsentState,
    /// Why consent ended, if the person did not withdraw it directly.
    pub reason: Option<WithdrawalReason>,
    /// The wording that the person read.
    pub wording: Option<String>,
    /// The legal basis (GDPR, article 6 (1)).
    pub legal_basis: Option<LegalBasis>,
    /// The source of the statement.
    pub source: ConsentSource,
    /// The submission that contains it.
    pub submission_id: Option<SubmissionId>,
    /// The statement that it confirms.
    pub confirms: Option<ConsentId>,
    /// When the person stated it, as far as the source knows.
    pub stated_at: Timestamp,
    /// When it was created in Tandem.
    pub recorded_at: Timestamp,
    /// Who stated it: the id of a user, key or form.
    pub by: String,
}

/// A statement about a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConsent {
    /// The purpose.
    pub purpose: String,
    /// The e-mail address that it is about; else the lead's first one.
    pub address: Option<Email>,
    /// Whether the person agrees.
    pub granted: bool,
    /// Why consent ended, if the person did not withdraw it directly.
    pub reason: Option<WithdrawalReason>,
    /// The wording that the person read.
    pub wording: Option<String>,
    /// Why the data may be processed; else as the purpose says.
    pub legal_basis: Option<LegalBasis>,
    /// Where it comes from; else as the actor is.
    pub source: Option<ConsentSource>,
    /// When it was stated; default now. A future instant counts as now.
    pub stated_at: Option<Timestamp>,
}

impl StateConsent {
    const fn state(&self) -> ConsentState {
        if self.granted {
            ConsentState::Granted
        } else {
            ConsentState::Withdrawn
        }
    }
}

/// Why a statement about consent was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The id names no lead.
    #[error("no such lead")]
    NoSuchLead,
    /// The actor may not write this lead.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The purpose is not declared, and has no earlier statement to withdraw.
    #[error("no declared purpose")]
    Undeclared,
    /// Nothing is granted that could be confirmed, or it was withdrawn since.
    #[error("nothing is granted that could be confirmed")]
    NotGranted,
    /// What is granted is confirmed already.
    #[error("the consent is confirmed already")]
    IsConfirmed,
}

/// Record a statement about a known lead, for a caller that may write it.
pub fn state(
    world: &mut World,
    lead_id: LeadId,
    said: StateConsent,
    act: &Act,
) -> Result<Vec<Change>, ConsentError> {
    let lead = world.leads.get(&lead_id).ok_or(ConsentError::NoSuchLead)?;
    act.by.may_edit(lead.owner_id)?;
    if !may_state(world, Some(lead_id), &said) {
        return Err(ConsentError::Undeclared);
    }
    Ok(record(world, lead_id, [said], None, act))
}

/// Whether a purpose may be stated: a declared one, or one of which something can be withdrawn.
pub(super) fn may_state(world: &World, lead_id: Option<LeadId>, said: &StateConsent) -> bool {
    let mut declared = world.rules.consent_purposes.iter();
    let is_known = |lead_id| !world.consent_of(lead_id).of(&said.purpose).is_empty();
    declared.any(|purpose| purpose.name == said.purpose) || !said.granted && lead_id.is_some_and(is_known)
}

/// Keep statements about a loaded lead, as part of a submission or not: one command, one version of the lead.
///
/// Earlier statements need not be known: a history only grows, and its result is derived.
pub fn record(
    world: &mut World,
    lead_id: LeadId,
    said: impl IntoIterator<Item = StateConsent>,
    submission_id: Option<SubmissionId>,
    act: &Act,
) -> Vec<Change> {
    let said = said.into_iter().map(|one| (one.state(), one));
    write_down(world, lead_id, said, submission_id, act)
}

fn write_down(
    world: &mut World,
    lead_id: LeadId,
    said: impl IntoIterator<Item = (ConsentState, StateConsent)>,
    submission_id: Option<SubmissionId>,
    act: &Act,
) -> Vec<Change> {
    let purposes = &world.rules.consent_purposes;
    let basis = |purpose: &str| purpose_named(purposes, purpose).legal_basis_default;
    let statement = |(state, said): (ConsentState, StateConsent)| ConsentStatement {
        id: act.ids.next(),
        lead_id,
        address: address_of(world, lead_id, &said.purpose, said.address.as_ref()),
        state,
        reason: said.reason.filter(|_| !said.granted),
        legal_basis: said.legal_basis.or_else(|| basis(&said.purpose)),
        source: said.source.unwrap_or_else(|| ConsentSource::of(&act.by)),
        stated_at: match said.stated_at {
            Some(at) => at.min(act.now),
            None => not_before_what_was_said(world, lead_id, &said.purpose, act.now),
        },
        purpose: said.purpose,
        wording: said.wording,
        submission_id,
        confirms: None,
        recorded_at: act.now,
        by: act.by.id(),
    };
    let statements = said.into_iter().map(statement).collect();
    keep(world, lead_id, statements, act.now)
}

/// The e-mail address that a statement about a purpose is about: the one that is given, else the lead's first. None where
/// the purpose is not one of e-mail.
fn address_of(world: &World, lead_id: LeadId, purpose: &str, given: Option<&Email>) -> Option<String> {
    let purpose = purpose_named(&world.rules.consent_purposes, purpose);
    let first = || world.leads.get(&lead_id)?.email();
    let address = given.map(Email::as_str).or_else(first);
    address
        .filter(|_| purpose.channel == ConsentChannel::Email)
        .map(str::to_owned)
}

/// A statement of now comes after the loaded earlier ones, whatever another machine's clock showed.
fn not_before_what_was_said(world: &World, lead_id: LeadId, purpose: &str, now: Timestamp) -> Timestamp {
    let facts = world.consent_of(lead_id).of(purpose).iter();
    let counting = facts.filter(|fact| fact.state != ConsentState::Disregarded);
    let last = counting.map(|fact| fact.stated_at).max();
    last.map_or(now, |last| now.max(last.plus_millis(1)))
}

/// The loaded statements about a purpose that concern an address.
fn standing_at(world: &World, lead_id: LeadId, purpose: &str, address: Option<&str>) -> Standing {
    let purpose = purpose_named(&world.rules.consent_purposes, purpose);
    world.consent_of(lead_id).standing(&purpose, address)
}

fn keep(
    world: &mut World,
    lead_id: LeadId,
    statements: Vec<ConsentStatement>,
    now: Timestamp,
) -> Vec<Change> {
    if statements.is_empty() {
        return vec![];
    }
    let Some(lead) = world.leads.get_mut(&lead_id) else {
        return vec![];
    };
    lead.version += 1;
    lead.updated_at = now.max(lead.updated_at);
    let lead = lead.clone();
    let facts = world.consents.entry(lead_id).or_default();
    for statement in &statements {
        facts.add(statement.purpose.clone(), statement.into());
    }
    let change = |statement| {
        Change::Lead(LeadChange::ConsentStated {
            lead: Box::new(lead.clone()),
            statement,
        })
    };
    statements.into_iter().map(change).collect()
}
