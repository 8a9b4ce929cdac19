//! What strangers send, and how it is stored.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::LegalBasis;
use crate::fault::Fault;
use crate::id::{FormId, LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::tracking::events::Pages;

/// The result of a submission. Only `accepted` ones create or update a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionStatus {
    /// It made or changed a lead.
    Accepted,
    /// It did not fit the form; stored with its reasons.
    Rejected,
    /// It looks like spam; stored with its reasons, answered as if accepted.
    Spam,
    /// It only tried the form out; nothing came of it but its record.
    Test,
    /// It could not be worked on; stored to be replayed.
    Failed,
}

impl SubmissionStatus {
    /// Every status.
    pub const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::Rejected,
        Self::Spam,
        Self::Test,
        Self::Failed,
    ];

    /// The status's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            SubmissionStatus::Accepted => "accepted",
            SubmissionStatus::Rejected => "rejected",
            SubmissionStatus::Spam => "spam",
            SubmissionStatus::Test => "test",
            SubmissionStatus::Failed => "failed",
        }
    }

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.name() == name)
    }

    /// Whether a submission that is stored so may be run again.
    pub const fn can_be_replayed(self) -> bool {
        matches!(self, Self::Rejected | Self::Spam | Self::Failed)
    }
}

/// A reason or remark about one place of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmissionFault {
    /// JSON pointer into the body.
    #[schema(max_length = 1024, example = "#/fields/email")]
    pub pointer: String,
    /// Machine-readable code.
    #[schema(max_length = 64, example = "required")]
    pub code: String,
    /// A sentence for people.
    #[schema(max_length = 2048, example = "is required")]
    pub detail: String,
}

impl From<&Fault> for SubmissionFault {
    fn from(fault: &Fault) -> Self {
        Self {
            pointer: format!("#{}", fault.pointer),
            code: fault.code.to_owned(),
            detail: fault.detail.clone(),
        }
    }
}

/// A person's answer to one purpose, with the form's wording at that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Consent {
    /// The purpose.
    #[schema(max_length = 64, example = "marketing_email")]
    pub purpose: String,
    /// Whether it was granted.
    pub granted: bool,
    /// The wording that the person read.
    #[schema(max_length = 4000, example = "You may send me news by e-mail.")]
    pub wording: String,
    /// The legal basis (GDPR, article 6 (1)).
    pub legal_basis: LegalBasis,
}

/// What a page says about where the person was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The address of the page with the form.
    pub page_url: Option<String>,
    /// The page on which the visit began.
    pub landing_url: Option<String>,
    /// The page that led to the landing page.
    pub landing_referrer: Option<String>,
    /// The page before this one.
    pub referrer: Option<String>,
    /// The browser's language.
    pub language: Option<String>,
    /// When the form was shown, as the page says.
    pub rendered_at: Option<Timestamp>,
}

impl Context {
    /// The pages that it names, as they are stored.
    pub fn pages(&self) -> Option<Pages> {
        let pages = Pages {
            url: self.page_url.clone(),
            referrer: self.referrer.clone(),
            landing_url: self.landing_url.clone(),
            landing_referrer: self.landing_referrer.clone(),
        };
        Some(pages.kept()).filter(|pages| *pages != Pages::default())
    }
}

/// A submission as it came, parsed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Posted {
    /// The answers, by field name.
    pub fields: Map<String, Value>,
    /// The answers whose bytes are no text in the charset of the body.
    pub unreadable: BTreeSet<String>,
    /// What was sent for each purpose of consent, as text.
    pub consent: Vec<(String, String)>,
    /// Where the person was.
    pub context: Context,
    /// The visitor as the site knows it.
    pub visitor: Option<String>,
    /// When the person sent it, by the clock of the page.
    pub submitted_at: Option<Timestamp>,
    /// When an offline queue sent it on, by the same clock.
    pub sent_at: Option<Timestamp>,
    /// Whether it only tries the form out.
    pub is_test: bool,
    /// Whether a known bot sent it.
    pub by_bot: bool,
    /// Whether a page of an origin sent it that the form does not list.
    pub is_foreign: bool,
    /// The body as it came, but for what lets somebody in within addresses.
    pub raw: String,
    /// Its Content-Type.
    pub media_type: String,
    /// What is wrong with the body itself, whatever the form asks for.
    pub faults: Vec<Fault>,
    /// What of the body was left out or is worth knowing, and rejects nothing.
    pub remarks: Vec<Fault>,
}

/// The longest that an offline queue is believed to have held a submission, in milliseconds: 7 days.
const LONGEST_HELD: i64 = 7 * 86_400_000;

impl Posted {
    /// For how long an offline queue held it, in milliseconds: only a queue names both instants, of one clock.
    pub fn held(&self) -> Option<i64> {
        let (submitted, sent) = (self.submitted_at?, self.sent_at?);
        let held = sent.millis().saturating_sub(submitted.millis());
        (held >= 0).then_some(held.min(LONGEST_HELD))
    }

    /// When it counts from: when it came in, less the time for which an offline queue held it.
    pub fn counts_from(&self, received_at: Timestamp) -> Timestamp {
        received_at.plus_millis(-self.held().unwrap_or_default())
    }
}

/// One POST to a form, stored whole whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Its id.
    pub id: SubmissionId,
    /// Counts how often it was run, from 1.
    pub version: i64,
    /// The form.
    pub form_id: FormId,
    /// The status.
    pub status: SubmissionStatus,
    /// The lead that it was about, if accepted.
    pub lead_id: Option<LeadId>,
    /// The person's answer to each purpose of the form.
    pub consent: Vec<Consent>,
    /// The body as it came, but for what lets somebody in within addresses.
    pub raw: String,
    /// Its Content-Type.
    pub media_type: String,
    /// Why it was not accepted.
    pub faults: Vec<SubmissionFault>,
    /// Remarks about omitted or unusual input that did not reject the submission.
    pub remarks: Vec<SubmissionFault>,
    /// By what a twin of it is found; see [`super::Sameness`].
    pub twin: Option<Uuid>,
    /// When it arrived.
    pub received_at: Timestamp,
}
