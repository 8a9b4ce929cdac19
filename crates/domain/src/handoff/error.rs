//! Why a decision about a hand-off is refused.

use super::Handoff;
use crate::access::Denied;
use crate::instant::Timestamp;
use crate::leads::save;
use crate::lifecycle;

/// Why a decision was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandoffError {
    /// There is no such hand-off.
    #[error("no such hand-off")]
    NoSuchHandoff,
    /// Only a rejected hand-off can be disputed.
    #[error("the hand-off is not rejected")]
    NotRejected(Box<Handoff>),
    /// The time to dispute is over.
    #[error("a rejection is disputed within seven days")]
    TooLate {
        /// The last instant.
        until: Timestamp,
    },
    /// It is disputed already.
    #[error("the rejection is disputed already")]
    Disputed(Box<Handoff>),
    /// Nobody disputes it.
    #[error("the hand-off is not disputed")]
    NotDisputed(Box<Handoff>),
    /// The dispute was ruled on.
    #[error("the dispute was ruled on")]
    Ruled(Box<Handoff>),
    /// Who rejected or disputed a hand-off does not rule on it.
    #[error("who rejected or disputed a hand-off does not rule on it")]
    NotNeutral,
    /// Somebody decided otherwise, or before.
    #[error("the hand-off was decided")]
    Decided(Box<Handoff>),
    /// The lead's stage, the reason or the caller's rights do not allow the move.
    #[error(transparent)]
    Move(#[from] lifecycle::MoveError),
}

/// Why an assignment was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAssigned {
    /// Somebody took the hand-off from its queue before.
    #[error("the hand-off has an owner")]
    Taken(Box<Handoff>),
    /// The lead cannot be assigned so.
    #[error(transparent)]
    Refused(#[from] save::SaveError),
}

impl From<Denied> for HandoffError {
    fn from(denied: Denied) -> Self {
        Self::Move(denied.into())
    }
}
