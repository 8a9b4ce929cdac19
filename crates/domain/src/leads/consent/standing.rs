//! What stands of consent to a purpose, whatever the order in which it was said.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ConsentState, ConsentStatement, ContactReason, WithdrawalReason};
use crate::id::ConsentId;
use crate::instant::Timestamp;

/// What of a statement decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentFact {
    /// Which statement.
    pub id: ConsentId,
    /// What it says.
    pub state: ConsentState,
    /// By what it was withdrawn.
    pub reason: Option<WithdrawalReason>,
    /// When it was said.
    pub stated_at: Timestamp,
}

impl From<&ConsentStatement> for ConsentFact {
    fn from(statement: &ConsentStatement) -> Self {
        Self {
            id: statement.id,
            state: statement.state,
            reason: statement.reason,
            stated_at: statement.stated_at,
        }
    }
}

impl ConsentFact {
    /// The place among the statements about a purpose: by time, then id. Of what was said at the same instant a
    /// withdrawal counts, so that the order of arrival decides nothing about the person's right.
    fn place(&self) -> (Timestamp, bool, ConsentId) {
        let is_withdrawn = self.state == ConsentState::Withdrawn;
        (self.stated_at, is_withdrawn, self.id)
    }
}

/// What was said about one purpose: the newest statement of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub(super) granted: Option<ConsentFact>,
    confirmed: Option<ConsentFact>,
    withdrawn: Option<ConsentFact>,
}

/// Whether a person may be contacted for a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MayContact {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why, or why not.
    pub why: ContactReason,
    /// When the statement was made that counts; `null` where there is none.
    pub since: Option<Timestamp>,
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
        let place = match fact.state {
            ConsentState::Granted => &mut self.granted,
            ConsentState::Confirmed => &mut self.confirmed,
            ConsentState::Withdrawn => &mut self.withdrawn,
            ConsentState::Disregarded => return,
        };
        if place.is_none_or(|known| known.place() < fact.place()) {
            *place = Some(fact);
        }
    }

    /// The statement that counts.
    pub fn newest(&self) -> Option<ConsentFact> {
        [self.granted, self.confirmed, self.withdrawn]
            .into_iter()
            .flatten()
            .max_by_key(ConsentFact::place)
    }

    /// Whether mail must not be sent at all, whatever it is about: the address takes none, or its owner complained. Who only
    /// unsubscribed or refused news may still be answered.
    pub fn bars_mail(&self) -> bool {
        let reason = self.newest().and_then(|newest| newest.reason);
        reason.is_some_and(|reason| WithdrawalReason::BARRING.contains(&reason))
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
        let counts = |why, fact: ConsentFact| MayContact {
            allowed: why == ContactReason::Granted,
            why,
            since: Some(fact.stated_at),
        };
        if newest.state == ConsentState::Withdrawn {
            let why = match newest.reason {
                None => ContactReason::Withdrawn,
                Some(WithdrawalReason::Unsubscribed) => ContactReason::Unsubscribed,
                Some(WithdrawalReason::Bounced) => ContactReason::Bounced,
                Some(WithdrawalReason::Complained) => ContactReason::Complained,
            };
            return counts(why, newest);
        }
        match self
            .confirmed
            .filter(|confirmed| self.is_since_withdrawal(confirmed))
        {
            Some(confirmed) if double_opt_in => counts(ContactReason::Granted, confirmed),
            None if double_opt_in => counts(ContactReason::NotConfirmed, newest),
            _ => counts(ContactReason::Granted, newest),
        }
    }

    pub(super) fn is_since_withdrawal(&self, fact: &ConsentFact) -> bool {
        self.withdrawn
            .is_none_or(|withdrawn| withdrawn.place() < fact.place())
    }
}
