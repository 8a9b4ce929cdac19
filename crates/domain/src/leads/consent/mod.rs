//! Consent: a history of statements per purpose, of which the newest counts.

mod confirm;
mod purposes;
mod standing;
#[cfg(test)]
mod tests;
mod upsert;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use confirm::{Confirmation, NotConfirmed, confirm, issue};
pub use purposes::{ConsentPurpose, MARKETING_EMAIL, is_purpose, purpose_faults};
pub use standing::{ConsentFact, MayContact, Standing};
pub(super) use upsert::take_over;

use super::fields::Source;
use crate::access::{Actor, Denied};
use crate::act::Act;
use crate::change::Change;
use crate::id::{ConsentId, LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
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
        /// A system repeated a grant, without saying of when it is, after it was withdrawn: kept, but it counts for nothing.
        Disregarded = "disregarded",
    }

    /// Where a statement about consent comes from.
    ConsentSource {
        /// Said on a form.
        Form = "form",
        /// Told by a partner's system.
        Api = "api",
        /// Read from a file.
        Import = "import",
        /// Written down by a user of the company.
        Hand = "hand",
        /// Something that happened: an unsubscription, a bounce, a click on a confirmation link.
        Event = "event",
    }

    /// By what consent ended, where the person did not simply say so.
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
        /// Nothing was said about it.
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
    /// The source of what an actor states, where nothing else is said.
    pub fn of(actor: &Actor) -> Self {
        match Source::of(actor) {
            Source::Hand => Self::Hand,
            Source::Form => Self::Form,
            Source::Api | Source::Partner => Self::Api,
            Source::Import => Self::Import,
        }
    }
}

/// One statement about one purpose, as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentStatement {
    /// Which.
    pub id: ConsentId,
    /// Whose.
    pub lead_id: LeadId,
    /// What for.
    pub purpose: String,
    /// What it says.
    pub state: ConsentState,
    /// By what it was withdrawn.
    pub reason: Option<WithdrawalReason>,
    /// What the person read.
    pub wording: Option<String>,
    /// Why the data may be processed.
    pub legal_basis: Option<LegalBasis>,
    /// Where it comes from.
    pub source: ConsentSource,
    /// The submission that it was part of.
    pub submission_id: Option<SubmissionId>,
    /// The grant that it confirms.
    pub confirms: Option<ConsentId>,
    /// When it was said, as far as the source knows.
    pub stated_at: Timestamp,
    /// When it was written down.
    pub recorded_at: Timestamp,
    /// Who said it: a user, key or form, by id.
    pub by: String,
}

/// Something that is said about a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConsent {
    /// What for.
    pub purpose: String,
    /// Whether the person agrees.
    pub granted: bool,
    /// By what it was withdrawn.
    pub reason: Option<WithdrawalReason>,
    /// What the person read.
    pub wording: Option<String>,
    /// Why the data may be processed; else as the purpose says.
    pub legal_basis: Option<LegalBasis>,
    /// Where it comes from; else as the actor is.
    pub source: Option<ConsentSource>,
    /// When it was said, if not now; what lies ahead counts as now.
    pub stated_at: Option<Timestamp>,
}

impl StateConsent {
    /// What a tracked event says of consent, if anything: an `email_unsubscribe`, or an `email_bounce` that its property
    /// `bounce_type` does not call `soft`, ends it for the purpose that the property `purpose` names, else for
    /// [`MARKETING_EMAIL`]. An `email_unsubscribe` whose property `reason` is `complained` was a complaint.
    pub fn of_event(kind: &str, properties: &Map<String, Value>, occurred_at: Timestamp) -> Option<Self> {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let reason = match kind {
            "email_unsubscribe" if text("reason") == Some("complained") => WithdrawalReason::Complained,
            "email_unsubscribe" => WithdrawalReason::Unsubscribed,
            "email_bounce" if text("bounce_type") != Some("soft") => WithdrawalReason::Bounced,
            _ => return None,
        };
        let named = text("purpose").filter(|name| is_purpose(name));
        Some(Self {
            purpose: named.unwrap_or(MARKETING_EMAIL).to_owned(),
            granted: false,
            reason: Some(reason),
            wording: None,
            legal_basis: None,
            source: Some(ConsentSource::Event),
            stated_at: Some(occurred_at),
        })
    }

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
pub enum Refused {
    /// The id names no lead.
    #[error("no such lead")]
    NoSuchLead,
    /// The actor may not write this lead.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Nothing is granted that could be confirmed, or it was withdrawn since.
    #[error("nothing is granted that could be confirmed")]
    NotGranted,
    /// What is granted is confirmed already.
    #[error("the consent is confirmed already")]
    IsConfirmed,
}

/// Write down what was said to a known lead, for somebody who may write it.
pub fn state(
    world: &mut World,
    lead_id: LeadId,
    said: StateConsent,
    act: &Act,
) -> Result<Vec<Change>, Refused> {
    let lead = world.leads.get(&lead_id).ok_or(Refused::NoSuchLead)?;
    act.by.may_edit(lead.owner_id)?;
    Ok(record(world, lead_id, [said], None, act))
}

/// Keep statements about a loaded lead, as part of a submission or not: one command, one version of the lead.
///
/// What was said before needs not be known: a history only grows, and what follows from it is derived.
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
    let basis = |purpose: &str| {
        purposes
            .iter()
            .find(|one| one.name == purpose)?
            .legal_basis_default
    };
    let statement = |(state, said): (ConsentState, StateConsent)| ConsentStatement {
        id: act.ids.next(),
        lead_id,
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

/// What is said now comes after what was said, whatever another machine's clock showed, as far as that is loaded.
fn not_before_what_was_said(world: &World, lead_id: LeadId, purpose: &str, now: Timestamp) -> Timestamp {
    let last = standing(world, lead_id, purpose).newest();
    last.map_or(now, |last| now.max(last.stated_at.plus_millis(1)))
}

/// What was said about a purpose, as far as it is loaded.
fn standing(world: &World, lead_id: LeadId, purpose: &str) -> Standing {
    let facts = world.consents.get(&(lead_id, purpose.to_owned()));
    Standing::of(facts.into_iter().flatten().copied())
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
    for statement in &statements {
        let about = (lead_id, statement.purpose.clone());
        world.consents.entry(about).or_default().push(statement.into());
    }
    let change = |statement| {
        Change::Lead(LeadChange::ConsentStated {
            lead: Box::new(lead.clone()),
            statement,
        })
    };
    statements.into_iter().map(change).collect()
}
