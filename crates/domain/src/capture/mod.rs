//! Forms and what strangers send to them.

mod answers;
mod change;
mod consent;
mod forms;
mod spam;
mod submission;
mod submit;
mod twins;
mod visitor;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{FormId, FormKeyId};
use crate::instant::Timestamp;
pub use crate::leads::consent::LegalBasis;
pub use crate::leads::country::country;

pub use crate::access::origins::origin;
pub use answers::{Answers, MAX_FIELDS, MAX_VALUE_BYTES, statement, ticked};
pub use change::CaptureChange;
pub(crate) use change::TYPES;
pub use consent::{FormConsent, Unticked};
pub use forms::{
    Beside, FormError, FormSettings, MakeForm, edit_form, form_faults, is_reserved, make_form, rotate_key,
};
pub use submission::{Consent, Context, Posted, Submission, SubmissionFault, SubmissionStatus};
pub use submit::{Captured, Incoming, capture, failed};
pub use twins::{Earlier, Sameness, TWIN_MS, Twins};

/// The type of a form field: it decides which answers are valid.
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
    /// The name under which the website submits the field.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_.\\-\\[\\]]+$",
        example = "email"
    )]
    pub name: String,
    /// The wording that the person reads.
    #[schema(min_length = 1, max_length = 200, example = "Your e-mail")]
    pub label: String,
    /// The type of value.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether a submission without this consent is rejected.
    #[serde(default)]
    pub required: bool,
    /// The lead or company field that the answer fills; without one the answer stays in the submission. One of `email`,
    /// `first_name`, `last_name`, `phone`, `job_title`, `country`, `language`, `budget`, `need`, `timeline_days`,
    /// `company.name`, `company.domain`, `company.industry`, `company.employees`, `custom.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 80, example = "email")]
    pub maps_to: Option<String>,
}

/// A form on a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its id.
    pub id: FormId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The name that people see.
    pub name: String,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// The origins (`https://www.example.com`) whose pages may send it.
    pub allowed_origins: Vec<String>,
    /// Everything else that it is set to.
    pub settings: FormSettings,
    /// Not in use any more, by hand.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A publishable key of a form (`fk_...`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormKey {
    /// Its id.
    pub id: FormKeyId,
    /// The form.
    pub form_id: FormId,
    /// The key itself: it is public.
    pub key: String,
    /// When it stops working: the end of its grace time after a rotation.
    pub expires_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
}
