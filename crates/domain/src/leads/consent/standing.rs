//! What stands of consent to a purpose, whatever the order of the statements.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ConsentChannel, ConsentPurpose, ConsentSource, ConsentState, ConsentStatement, ContactReason,
    WithdrawalReason, purpose_named,
};
use crate::id::ConsentId;
use crate::instant::Timestamp;

/// What of a statement decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentFact {
    /// Which statement.
    pub id: ConsentId,
    /// The kind of statement.
    pub state: ConsentState,
    /// Why consent ended, if the person did not withdraw it directly.
    pub reason: Option<WithdrawalReason>,
    /// The e-mail address that it is about; none where it is about the person.
    pub address: Option<String>,
    /// Whether it came from a form: anybody can send one.
    pub is_by_form: bool,
    /// When it was stated.
    pub stated_at: Timestamp,
}

impl From<&ConsentStatement> for ConsentFact {
    fn from(statement: &ConsentStatement) -> Self {
        Self {
            id: statement.id,
            state: statement.state,
            reason: statement.reason,
            address: statement.address.clone(),
            is_by_form: statement.source == ConsentSource::Form,
            stated_at: statement.stated_at,
        }
    }
}

impl ConsentFact {
    /// The place among the statements about a purpose: by time, then id. Of statements of the same instant a
    /// withdrawal counts, so that the order of arrival decides nothing about the person's right.
    fn place(&self) -> (Timestamp, bool, ConsentId) {
        let is_withdrawn = self.state == ConsentState::Withdrawn;
        (self.stated_at, is_withdrawn, self.id)
    }

    /// Whether it says something of contacts at this address: not where it is about another one.
    pub fn concerns(&self, address: Option<&str>) -> bool {
        self.address.is_none() || self.address.as_deref() == address
    }
}

/// The statements about consent of one person, by purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentFacts(BTreeMap<String, Vec<ConsentFact>>);

static NONE: ConsentFacts = ConsentFacts(BTreeMap::new());

impl ConsentFacts {
    /// There is no statement.
    pub fn none() -> &'static Self {
        &NONE
    }

    /// Add a statement about a purpose.
    pub fn add(&mut self, purpose: String, fact: ConsentFact) {
        self.0.entry(purpose).or_default().push(fact);
    }

    /// Whether there is any statement.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The purposes that have statements.
    pub fn purposes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The statements about one purpose.
    pub(super) fn of(&self, purpose: &str) -> &[ConsentFact] {
        self.0.get(purpose).map(Vec::as_slice).unwrap_or_default()
    }

    /// What stands of one purpose; of one of e-mail, for an address.
    pub fn standing(&self, purpose: &ConsentPurpose, address: Option<&str>) -> Standing {
        let is_by_mail = purpose.channel == ConsentChannel::Email;
        let facts = self.of(&purpose.name).iter();
        Standing::of(
            facts
                .filter(|fact| !is_by_mail || fact.concerns(address))
                .cloned(),
        )
    }

    /// Whether the person may be contacted, for every purpose that is declared or has statements, where this is
    /// the e-mail address that would be used.
    pub fn may_contact(
        &self,
        purposes: &[ConsentPurpose],
        address: Option<&str>,
    ) -> BTreeMap<String, MayContact> {
        let bar = self.bar(purposes, address);
        let declared = purposes.iter().map(|purpose| purpose.name.as_str());
        let contact = |name: &str| {
            let purpose = purpose_named(purposes, name);
            let own = self
                .standing(&purpose, address)
                .may_contact(purpose.double_opt_in);
            let is_barred = purpose.channel == ConsentChannel::Email && !own.is_withdrawn();
            let contact = match &bar {
                Some(bar) if is_barred => MayContact {
                    allowed: false,
                    why: why_withdrawn(bar.reason),
                    since: Some(bar.stated_at),
                },
                _ => own,
            };
            (name.to_owned(), contact)
        };
        declared.chain(self.purposes()).map(contact).collect()
    }

    /// Whether mail must not be sent to an address at all, whatever it is about: it takes none, or its owner complained. Who
    /// only unsubscribed or refused news may still be answered.
    pub fn bars_mail(&self, purposes: &[ConsentPurpose], address: Option<&str>) -> bool {
        self.bar(purposes, address).is_some()
    }

    /// The statement that bars an address from all mail, unless a later grant of any purpose of e-mail lifts it.
    fn bar(&self, purposes: &[ConsentPurpose], address: Option<&str>) -> Option<ConsentFact> {
        let of_mail = self.0.iter().filter(|(name, _)| {
            let purpose = purpose_named(purposes, name);
            purpose.channel == ConsentChannel::Email
        });
        let facts = of_mail.flat_map(|(_, facts)| facts);
        let all = Standing::of(facts.filter(|fact| fact.concerns(address)).cloned());
        let bar = all.barred.clone()?;
        let is_lifted = [all.grant(), all.confirmed.as_ref()]
            .into_iter()
            .flatten()
            .any(|grant| bar.place() < grant.place());
        (!is_lifted).then_some(bar)
    }
}

/// The statements about one purpose: the newest of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    granted: Option<ConsentFact>,
    /// The newest grant that did not come from a form.
    granted_by_known: Option<ConsentFact>,
    confirmed: Option<ConsentFact>,
    withdrawn: Option<ConsentFact>,
    /// The newest statement that the address takes no mail, or that its owner complained.
    barred: Option<ConsentFact>,
    complained: Option<ConsentFact>,
}

/// Whether a person may be contacted for a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MayContact {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The reason.
    pub why: ContactReason,
    /// The time of the statement that counts; `null` if there is none.
    pub since: Option<Timestamp>,
}

impl MayContact {
    /// Whether the person, or what happened, ended it.
    const fn is_withdrawn(&self) -> bool {
        !matches!(
            self.why,
            ContactReason::Granted | ContactReason::NotConfirmed | ContactReason::NeverAsked
        )
    }
}

impl Standing {
    /// What follows from some statements about one purpose, in any order.
    pub fn of(facts: impl IntoIterator<Item = ConsentFact>) -> Self {
        let mut standing = Self::default();
        facts.into_iter().for_each(|fact| standing.add(fact));
        standing
    }

    /// Take one more statement into account.
    pub fn add(&mut self, fact: ConsentFact) {
        let is_known = !fact.is_by_form;
        let is_barring = fact
            .reason
            .is_some_and(|reason| WithdrawalReason::BARRING.contains(&reason));
        let is_complaint = fact.reason == Some(WithdrawalReason::Complained);
        let places = match fact.state {
            ConsentState::Granted => [
                Some(&mut self.granted),
                is_known.then_some(&mut self.granted_by_known),
                None,
            ],
            ConsentState::Confirmed => [Some(&mut self.confirmed), None, None],
            ConsentState::Withdrawn => [
                Some(&mut self.withdrawn),
                is_barring.then_some(&mut self.barred),
                is_complaint.then_some(&mut self.complained),
            ],
            ConsentState::Disregarded => return,
        };
        for place in places.into_iter().flatten() {
            if place.as_ref().is_none_or(|known| known.place() < fact.place()) {
                *place = Some(fact.clone());
            }
        }
    }

    /// The grant that counts. A form undoes no complaint: anybody can send one.
    pub(super) fn grant(&self) -> Option<&ConsentFact> {
        let Some(complaint) = &self.complained else {
            return self.granted.as_ref();
        };
        let known = [&self.granted_by_known, &self.confirmed];
        let is_lifted = known
            .into_iter()
            .flatten()
            .any(|known| complaint.place() < known.place());
        match is_lifted {
            true => self.granted.as_ref(),
            false => self.granted_by_known.as_ref(),
        }
    }

    /// The statement that counts.
    pub fn newest(&self) -> Option<&ConsentFact> {
        [self.grant(), self.confirmed.as_ref(), self.withdrawn.as_ref()]
            .into_iter()
            .flatten()
            .max_by_key(|fact| fact.place())
    }

    /// Whether the person may be contacted; with double opt-in only once a grant was confirmed and not withdrawn since.
    pub fn may_contact(&self, double_opt_in: bool) -> MayContact {
        let Some(newest) = self.newest() else {
            return MayContact {
                allowed: false,
                why: ContactReason::NeverAsked,
                since: None,
            };
        };
        let counts = |why, fact: &ConsentFact| MayContact {
            allowed: why == ContactReason::Granted,
            why,
            since: Some(fact.stated_at),
        };
        if newest.state == ConsentState::Withdrawn {
            return counts(why_withdrawn(newest.reason), newest);
        }
        match self
            .confirmed
            .as_ref()
            .filter(|confirmed| self.is_since_withdrawal(confirmed))
        {
            Some(confirmed) if double_opt_in => counts(ContactReason::Granted, confirmed),
            None if double_opt_in => counts(ContactReason::NotConfirmed, newest),
            _ => counts(ContactReason::Granted, newest),
        }
    }

    pub(super) fn is_since_withdrawal(&self, fact: &ConsentFact) -> bool {
        self.withdrawn
            .as_ref()
            .is_none_or(|withdrawn| withdrawn.place() < fact.place())
    }
}

/// Why a person may not be contacted whose consent was withdrawn.
const fn why_withdrawn(reason: Option<WithdrawalReason>) -> ContactReason {
    match reason {
        None => ContactReason::Withdrawn,
        Some(WithdrawalReason::Unsubscribed) => ContactReason::Unsubscribed,
        Some(WithdrawalReason::Bounced) => ContactReason::Bounced,
        Some(WithdrawalReason::Complained) => ContactReason::Complained,
    }
}
