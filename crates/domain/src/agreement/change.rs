//! What happens to the agreement, and what the journal says of it.

use serde_json::json;

use super::preview::Preview;
use super::version::AgreementVersion;
use crate::journal::{Entry, Subject};

/// The types of entry about the agreement, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    (
        "agreement.came_into_force",
        "A version of the agreement came into force.",
    ),
    ("agreement.created", "A draft of the agreement was created."),
    (
        "agreement.updated",
        "A draft of the agreement was edited; its signatures no longer count.",
    ),
    (
        "agreement.discarded",
        "A draft of the agreement, or one that was scheduled, was discarded.",
    ),
    ("agreement.signed", "A manager signed a draft of the agreement."),
    (
        "agreement.signature_withdrawn",
        "A manager withdrew a signature from a draft of the agreement.",
    ),
    (
        "agreement.scheduled",
        "A draft of the agreement has both signatures, and a later instant from which on it is in force.",
    ),
    (
        "agreement.preview_requested",
        "A preview of a version of the agreement was requested.",
    ),
    (
        "agreement.preview_finished",
        "A preview of a version of the agreement was completed.",
    ),
    (
        "agreement.preview_failed",
        "A preview of a version of the agreement ended without a result.",
    ),
];

/// An act on a version that is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftAct {
    /// It was created.
    Created,
    /// It was edited.
    Updated,
    /// It was discarded.
    Discarded,
    /// It was signed for one side.
    Signed,
    /// A signature was withdrawn.
    SignatureWithdrawn,
    /// It has both signatures, and comes into force later.
    Scheduled,
}

impl DraftAct {
    const fn entry_type(self) -> &'static str {
        match self {
            DraftAct::Created => "agreement.created",
            DraftAct::Updated => "agreement.updated",
            DraftAct::Discarded => "agreement.discarded",
            DraftAct::Signed => "agreement.signed",
            DraftAct::SignatureWithdrawn => "agreement.signature_withdrawn",
            DraftAct::Scheduled => "agreement.scheduled",
        }
    }
}

/// What happened to the agreement.
#[derive(Debug, Clone, PartialEq)]
pub enum AgreementChange {
    /// A version came into force.
    CameIntoForce {
        /// The version.
        version: Box<AgreementVersion>,
        /// The previous version, after the change.
        superseded: Box<AgreementVersion>,
    },
    /// A version that is not in force was created, edited, signed or discarded.
    Draft(DraftAct, Box<AgreementVersion>),
    /// A preview was requested, or ended.
    Preview(Box<Preview>),
}

impl AgreementChange {
    /// What was done with a version, which is as it is now.
    pub fn draft(act: DraftAct, version: &AgreementVersion) -> Self {
        Self::Draft(act, Box::new(version.clone()))
    }

    pub(crate) fn entry(&self) -> Entry {
        let (version, superseded) = match self {
            Self::CameIntoForce { version, superseded } => (version, superseded),
            Self::Preview(preview) => return preview.entry(),
            Self::Draft(act, version) => {
                let subject = Subject::new("agreement", version.number, version.edits);
                let signed_by: Vec<_> = version.valid_signatures().map(|one| one.user_id).collect();
                let data = json!({
                    "version": version.number, "state": version.state, "based_on": version.based_on,
                    "effective_at": version.effective_at, "signed_by": signed_by,
                });
                return Entry::plain(act.entry_type(), subject, None, data);
            }
        };
        let subject = Subject::new("agreement", version.number, version.number);
        let data = json!({
            "version": version.number, "state": version.state, "superseded": superseded.number,
        });
        Entry::plain("agreement.came_into_force", subject, None, data)
    }
}
