//! Double opt-in: a link that only the person was sent confirms what was granted.

use super::{
    ConsentError, ConsentFact, ConsentSource, ConsentState, ConsentStatement, ContactReason, Standing,
    address_of, keep, not_before_what_was_said, purpose_named, standing_at,
};
use crate::act::Act;
use crate::change::Change;
use crate::id::{ConsentId, LeadId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::world::World;

const DAY: i64 = 24 * 3_600_000;

/// What a confirmation link stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The lead.
    pub lead_id: LeadId,
    /// The purpose.
    pub purpose: String,
    /// The e-mail address that it confirms: the one that the link is sent to.
    pub address: Option<String>,
    /// The statement that it confirms.
    pub consent_id: ConsentId,
    /// When that was stated.
    pub granted_at: Timestamp,
    /// From when on it is good no more.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// A link confirms nothing: it is too old, or what it confirms was withdrawn since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link is no longer valid")]
pub struct NotConfirmed;

/// Make a confirmation for what stands granted. Needs the lead's facts in `world`.
pub fn issue(
    world: &World,
    lead_id: LeadId,
    purpose: &str,
    act: &Act,
) -> Result<(Confirmation, Change), ConsentError> {
    let lead = world.leads.get(&lead_id).ok_or(ConsentError::NoSuchLead)?;
    act.by.may_edit(lead.owner_id)?;
    let address = address_of(world, lead_id, purpose, None);
    let standing = standing_at(world, lead_id, purpose, address.as_deref());
    let grant = match (standing.may_contact(true).why, standing.grant()) {
        (ContactReason::NotConfirmed, Some(grant)) => grant,
        (ContactReason::Granted, _) => return Err(ConsentError::IsConfirmed),
        _ => return Err(ConsentError::NotGranted),
    };
    let days = purpose_named(&world.rules.consent_purposes, purpose).token_days;
    let confirmation = Confirmation {
        lead_id,
        purpose: purpose.to_owned(),
        address,
        consent_id: grant.id,
        granted_at: grant.stated_at,
        expires_at: act.now.plus_millis(days * DAY),
        used_at: None,
    };
    let change = Change::Lead(LeadChange::ConfirmationIssued(confirmation.clone()));
    Ok((confirmation, change))
}

/// Confirm what was granted; nothing more happens where the same link did so before. Needs the lead's facts in `world`.
pub fn confirm(
    world: &mut World,
    confirmation: &Confirmation,
    act: &Act,
) -> Result<Vec<Change>, NotConfirmed> {
    let address = confirmation.address.as_deref();
    let standing = standing_at(world, confirmation.lead_id, &confirmation.purpose, address);
    confirmation.check(&standing, act.now)?;
    if confirmation.used_at.is_some() {
        return Ok(vec![]);
    }
    let statement = ConsentStatement {
        id: act.ids.next(),
        lead_id: confirmation.lead_id,
        purpose: confirmation.purpose.clone(),
        address: confirmation.address.clone(),
        state: ConsentState::Confirmed,
        reason: None,
        wording: None,
        legal_basis: None,
        source: ConsentSource::Event,
        submission_id: None,
        confirms: Some(confirmation.consent_id),
        stated_at: not_before_what_was_said(world, confirmation.lead_id, &confirmation.purpose, act.now),
        recorded_at: act.now,
        by: act.by.id(),
    };
    Ok(keep(world, confirmation.lead_id, vec![statement], act.now))
}

impl Confirmation {
    /// Whether it is good: in time (or used in time), and what it confirms not withdrawn since.
    pub fn check(&self, standing: &Standing, now: Timestamp) -> Result<(), NotConfirmed> {
        let grant = ConsentFact {
            id: self.consent_id,
            state: ConsentState::Granted,
            reason: None,
            address: self.address.clone(),
            is_by_form: false,
            stated_at: self.granted_at,
        };
        let is_in_time = self.used_at.is_some() || now < self.expires_at;
        if is_in_time && standing.is_since_withdrawal(&grant) {
            Ok(())
        } else {
            Err(NotConfirmed)
        }
    }
}
