//! Acts on deals: who may do them, and why they are refused.

use super::quotes::QuoteState;
use crate::access::{Denied, Role};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::UserId;
use crate::lifecycle::Stage;
use crate::money::NotConverted;

impl Act {
    /// Whether it happens now: rights and rules apply.
    pub(super) fn is_live(&self) -> bool {
        !self.is_history()
    }

    /// Whether the actor may work what this user owns: the owner, a sales manager; a sales user what nobody owns.
    pub(super) fn may_work(&self, owner: Option<UserId>) -> Result<(), Denied> {
        if !self.is_live() {
            return Ok(());
        }
        let person = self.by.demand_person()?;
        let may_take = owner.is_none() && person.role == Role::Sales;
        match () {
            () if person.is_admin() || person.role == Role::SalesManager => Ok(()),
            () if owner == Some(person.id) || may_take => Ok(()),
            () if person.role == Role::Sales => Err(Denied::NotOwner),
            () => Err(Denied::WrongRole),
        }
    }

    /// The sales user who takes what nobody owns by working it.
    pub(super) fn taker(&self) -> Option<UserId> {
        let person = self.by.person().filter(|_| self.is_live())?;
        (person.role == Role::Sales).then_some(person.id)
    }
}

/// Why an act on a deal was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DealError {
    /// There is no such deal.
    #[error("no such deal")]
    NoSuchDeal,
    /// Another deal has this external id.
    #[error("another deal has this external id")]
    AlreadyExists,
    /// The primary lead is not far enough.
    #[error("the primary lead must be sql, opportunity, customer or churned")]
    LeadNotSql {
        /// The stage.
        current: Stage,
    },
    /// The deal cannot go there from where it stands.
    #[error("{why}")]
    NoSuchMove {
        /// The stage.
        current: String,
        /// Where it could go.
        allowed: Vec<String>,
        /// Why not.
        why: &'static str,
    },
    /// The pipeline has no such stage.
    #[error("the pipeline has no such stage")]
    NoSuchStage {
        /// The stages that a deal can be in.
        allowed: Vec<String>,
    },
    /// What a closed deal is worth stays.
    #[error("the deal is closed: reopen it before its amount is changed")]
    Closed,
    /// The quote was answered, has expired, or belongs to a closed deal.
    #[error("the quote is closed")]
    QuoteClosed {
        /// Its state.
        state: QuoteState,
    },
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no rate to the base currency, or the amount is too large.
    #[error(transparent)]
    NotConverted(#[from] NotConverted),
    /// Something is missing or does not fit.
    #[error("the request is incomplete")]
    Invalid(Vec<Fault>),
}

impl DealError {
    pub(super) fn unless_sound(faults: Vec<Fault>) -> Result<(), DealError> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(DealError::Invalid(faults))
        }
    }
}
