//! Forms and what strangers send to them.

mod forms;
mod submit;
mod touch;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{FormId, FormKeyId, LeadId, SubmissionId};
use crate::instant::Timestamp;

pub use forms::{EditForm, MakeForm, Refused, edit_form, form_faults, make_form, origin};
pub use submit::{Captured, Context, MAX_FIELDS, MAX_VALUE_BYTES, Posted, capture, country, statement};

/// What a field of a form takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line of text.
    Text,
    /// Text of several lines.
    Textarea,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A number.
    Number,
    /// Yes or no.
    Checkbox,
    /// One of several options.
    Select,
    /// A calendar day.
    Date,
    /// Not shown to the person.
    Hidden,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// The name under which the website sends it.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_.\\-\\[\\]]+$",
        example = "email"
    )]
    pub name: String,
    /// What the person reads.
    #[schema(min_length = 1, max_length = 200, example = "Your e-mail")]
    pub label: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether a submission without it is rejected.
    #[serde(default)]
    pub required: bool,
    /// The lead or company field that it fills; without one it stays an answer of the submission. One of `email`,
    /// `first_name`, `last_name`, `phone`, `job_title`, `country`, `language`, `budget`, `need`, `timeline`,
    /// `company.name`, `company.domain`, `company.industry`, `company.employees`, `custom.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 80, example = "email")]
    pub maps_to: Option<String>,
}

/// A capture point on a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Which.
    pub id: FormId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// The origins (`https://www.example.com`) whose pages may send it.
    pub allowed_origins: Vec<String>,
    /// Not in use any more, by hand.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A publishable key of a form (`fk_...`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormKey {
    /// Which.
    pub id: FormKeyId,
    /// Whose.
    pub form_id: FormId,
    /// The key itself: it is public.
    pub key: String,
    /// When it stops working: the end of its grace time after a rotation.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionStatus {
    /// It made or changed a lead.
    Accepted,
    /// It did not fit the form; kept with its reasons.
    Rejected,
    /// It only tried the form out; nothing came of it but its record.
    Test,
}

impl SubmissionStatus {
    /// The status's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            SubmissionStatus::Accepted => "accepted",
            SubmissionStatus::Rejected => "rejected",
            SubmissionStatus::Test => "test",
        }
    }

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Test]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Why a submission was rejected, at one place of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmissionFault {
    /// JSON pointer into the body.
    #[schema(max_length = 1024, example = "#/fields/email")]
    pub pointer: String,
    /// Machine-readable code.
    #[schema(max_length = 64, example = "required")]
    pub code: String,
    /// What a person reads.
    #[schema(max_length = 2048, example = "is required")]
    pub detail: String,
}

/// One POST to a form, kept whole whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Which.
    pub id: SubmissionId,
    /// To which form.
    pub form_id: FormId,
    /// What became of it.
    pub status: SubmissionStatus,
    /// The lead that it was about, if accepted.
    pub lead_id: Option<LeadId>,
    /// The body as it came.
    pub raw: String,
    /// Why it was rejected.
    pub faults: Vec<SubmissionFault>,
    /// When it came in.
    pub received_at: Timestamp,
}
