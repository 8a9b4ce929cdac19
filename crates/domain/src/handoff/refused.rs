//! Why a decision about a hand-off is refused.

use super::Handoff;
use crate::access::Denied;
use crate::leads::save;
use crate::lifecycle;

/// Why a decision was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such hand-off.
    #[error("no such hand-off")]
    NoSuchHandoff,
    /// Somebody decided otherwise, or before.
    #[error("the hand-off was decided")]
    Decided(Box<Handoff>),
    /// The lead's stage, the reason or the caller's rights do not allow the move.
    #[error(transparent)]
    Move(#[from] lifecycle::Refused),
}

/// Why an assignment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAssigned {
    /// Somebody took the hand-off from its queue before.
    #[error("the hand-off has an owner")]
    Taken(Box<Handoff>),
    /// The lead cannot be assigned so.
    #[error(transparent)]
    Refused(#[from] save::Refused),
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Move(denied.into())
    }
}
