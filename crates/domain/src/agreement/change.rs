//! What happens to the agreement, and what the journal says of it.

use serde_json::json;

use super::version::AgreementVersion;
use crate::journal::{Entry, Subject};

/// The types of entry about the agreement, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[(
    "agreement.came_into_force",
    "A version of the agreement came into force.",
)];

/// What happened to the agreement.
#[derive(Debug, Clone, PartialEq)]
pub enum AgreementChange {
    /// A version came into force.
    CameIntoForce {
        /// The version.
        version: Box<AgreementVersion>,
        /// The version before it, as it is now.
        superseded: Box<AgreementVersion>,
    },
}

impl AgreementChange {
    pub(crate) fn entry(&self) -> Entry {
        let Self::CameIntoForce { version, superseded } = self;
        let subject = Subject::new("agreement", version.number, version.number);
        let data = json!({
            "version": version.number, "state": version.state, "superseded": superseded.number,
        });
        Entry::plain("agreement.came_into_force", subject, None, data)
    }
}
