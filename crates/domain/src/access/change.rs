//! What happens to the secrets of accounts, and what the journal says of it: never the secret itself.

use serde_json::json;

use crate::id::{SigningKeyId, UserId};
use crate::instant::Timestamp;
use crate::journal::{Entry, Subject};

/// The types of entry about secrets, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("user.password_changed", "A user's password changed."),
    (
        "user.reset_token_created",
        "A token was created by which a user may set a new password.",
    ),
    (
        "signing_key.rotated",
        "The signing key of access tokens was rotated; the previous key verifies until it expires.",
    ),
];

/// What happened to a secret.
#[derive(Debug, Clone, PartialEq)]
pub enum AccessChange {
    /// A user's password changed.
    PasswordChanged(UserId),
    /// A token was created by which a user may set a new password.
    ResetTokenCreated {
        /// The user.
        user_id: UserId,
        /// When the token expires.
        expires_at: Timestamp,
    },
    /// Access tokens are signed with another key.
    SigningKeyRotated {
        /// The new key.
        id: SigningKeyId,
        /// Its name in tokens and in the JWKS.
        kid: String,
    },
}

impl AccessChange {
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::PasswordChanged(id) => {
                let subject = Subject::new("user", id, 0);
                Entry::plain("user.password_changed", subject, None, json!({}))
            }
            Self::ResetTokenCreated { user_id, expires_at } => {
                let (subject, data) = (
                    Subject::new("user", user_id, 0),
                    json!({"expires_at": expires_at}),
                );
                Entry::plain("user.reset_token_created", subject, None, data)
            }
            Self::SigningKeyRotated { id, kid } => {
                let subject = Subject::new("signing_key", id, 0);
                Entry::plain("signing_key.rotated", subject, None, json!({"kid": kid}))
            }
        }
    }
}
