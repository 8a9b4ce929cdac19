//! What happens to submissions and to the keys of forms, and what the journal says of it.

use serde_json::json;

use super::{FormKey, Submission, SubmissionStatus};
use crate::id::SubmissionId;
use crate::journal::{Entry, Subject};

/// The types of entry about submissions, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    (
        "submission.accepted",
        "A submission was accepted: it found or created its lead.",
    ),
    (
        "submission.rejected",
        "A submission did not fit its form; it is stored.",
    ),
    (
        "submission.flagged",
        "A submission looks like spam; it is stored.",
    ),
    (
        "submission.failed",
        "A submission could not be processed; it is stored and can be replayed.",
    ),
    (
        "submission.tested",
        "A test submission was stored; nothing else changed.",
    ),
];

/// What happened to a submission or to the keys of a form.
#[derive(Debug, Clone, PartialEq)]
pub enum CaptureChange {
    /// A submission came in and was stored, whatever became of it.
    Received(Submission),
    /// A stored submission was run again.
    Replayed(Submission),
    /// A submission came in that repeats one of the last minute: its id stands for that one.
    Repeated {
        /// The id that its sender was given.
        id: SubmissionId,
        /// The submission that it repeats.
        submission_id: SubmissionId,
    },
    /// A publishable key of a form was issued, or has an end from now on. What is to be read of it stands with the form.
    KeyWritten(FormKey),
}

impl CaptureChange {
    pub(crate) fn entry(&self) -> Option<Entry> {
        Some(match self {
            Self::Received(one) => received(one, json!({"form_id": one.form_id})),
            Self::Replayed(one) => received(one, json!({"form_id": one.form_id, "replayed": true})),
            Self::Repeated { .. } | Self::KeyWritten(_) => return None,
        })
    }
}

fn received(submission: &Submission, data: serde_json::Value) -> Entry {
    let kind = match submission.status {
        SubmissionStatus::Accepted => "submission.accepted",
        SubmissionStatus::Rejected => "submission.rejected",
        SubmissionStatus::Spam => "submission.flagged",
        SubmissionStatus::Test => "submission.tested",
        SubmissionStatus::Failed => "submission.failed",
    };
    let subject = Subject::new("submission", submission.id, submission.version);
    Entry::plain(kind, subject, submission.lead_id, data)
}
