//! Consent as it goes out.

use std::collections::BTreeMap;

use serde::Serialize;
use tandem_domain::id::{ConsentId, SubmissionId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{
    ConsentFacts, ConsentSource, ConsentState, ConsentStatement, LegalBasis, MayContact, WithdrawalReason,
};
use tandem_store::rules::ConsentRules;
use utoipa::ToSchema;

/// Whether a person may be contacted, by purpose: all declared purposes, and those that have statements.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = MayContactByPurpose)]
pub struct Contacts(BTreeMap<String, MayContact>);

/// The result for every purpose that is declared or has statements,
/// where this is the lead's e-mail address.
pub fn contacts(consent: &ConsentFacts, rules: &ConsentRules, address: Option<&str>) -> Contacts {
    Contacts(consent.may_contact(&rules.purposes, address))
}

/// A lead's consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentsView {
    /// Whether the person may be contacted, by purpose.
    may_contact: Contacts,
    /// All statements, newest first; at most 1,000.
    #[schema(max_items = 1000)]
    data: Vec<ConsentView>,
}

/// One statement about one purpose.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentView {
    /// Its id.
    id: ConsentId,
    /// The purpose.
    #[schema(max_length = 64, example = "marketing_email")]
    purpose: String,
    /// The e-mail address; `null` if the statement applies to the person.
    #[schema(max_length = 254, example = "ada@example.com")]
    address: Option<String>,
    /// The kind of statement.
    #[schema(inline)]
    state: ConsentState,
    /// Why consent ended, if the person did not withdraw it directly.
    #[schema(inline)]
    reason: Option<WithdrawalReason>,
    /// The wording that the person read.
    #[schema(max_length = 4000, example = "You may send me news by e-mail.")]
    wording: Option<String>,
    /// The legal basis (GDPR, article 6 (1)).
    legal_basis: Option<LegalBasis>,
    /// The source of the statement.
    #[schema(inline)]
    source: ConsentSource,
    /// The submission that contains it.
    submission_id: Option<SubmissionId>,
    /// The statement that it confirms.
    confirms: Option<ConsentId>,
    /// When the person stated it, as far as the source knows.
    stated_at: Timestamp,
    /// When it was created in Tandem.
    recorded_at: Timestamp,
    /// Who stated it: the id of a user, key or form; `public` for a person who followed a link.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    by: String,
}

impl ConsentsView {
    /// What stands, and the history.
    pub(super) fn of(may_contact: Contacts, history: Vec<ConsentStatement>) -> Self {
        let data = history.into_iter().map(ConsentView::from).collect();
        Self { may_contact, data }
    }
}

impl From<ConsentStatement> for ConsentView {
    fn from(statement: ConsentStatement) -> Self {
        Self {
            id: statement.id,
            purpose: statement.purpose,
            address: statement.address,
            state: statement.state,
            reason: statement.reason,
            wording: statement.wording,
            legal_basis: statement.legal_basis,
            source: statement.source,
            submission_id: statement.submission_id,
            confirms: statement.confirms,
            stated_at: statement.stated_at,
            recorded_at: statement.recorded_at,
            by: statement.by,
        }
    }
}

/// A link by which a person confirms consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// The token for `POST /v1/consents/confirm`, shown once.
    #[schema(
        max_length = 128,
        example = "tdm_ct_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    pub token: Option<String>,
    /// The address that the person opens, shown once.
    #[schema(
        max_length = 2048,
        example = "https://leads.example.com/v1/consents/confirm?token=tdm_ct_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    pub confirm_url: Option<String>,
    /// When the token expires.
    pub expires_at: Timestamp,
}

/// A confirmed consent.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmedView {
    /// The purpose.
    #[schema(max_length = 64, example = "marketing_email")]
    pub purpose: String,
    /// Always `confirmed`.
    #[schema(inline)]
    pub status: ConfirmedStatus,
    /// When this link confirmed it.
    pub confirmed_at: Timestamp,
}

/// A confirmed consent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmedStatus {
    /// It is.
    Confirmed,
}
