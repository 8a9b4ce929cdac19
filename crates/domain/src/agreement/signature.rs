//! Signatures on a version of the agreement.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Role;
use crate::id::UserId;
use crate::instant::Timestamp;
use crate::words::words;

words! {
    /// Why a signature no longer counts.
    SignatureEnd {
        /// The signer withdrew it.
        Withdrawn = "withdrawn",
        /// The draft was edited after it.
        Edited = "edited",
    }
}

/// A signature on a version. One that no longer counts stays, with what ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signature {
    /// The user who signed.
    pub user_id: UserId,
    /// For which side: the role in which the user signed.
    pub role: Role,
    /// When.
    pub signed_at: Timestamp,
    /// When it ceased to count; `null` while it counts.
    pub ended_at: Option<Timestamp>,
    /// Why; `null` while it counts.
    pub ended_by: Option<SignatureEnd>,
}
