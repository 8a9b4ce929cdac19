//! Consent as it comes in.

use serde::Deserialize;
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{ConsentSource, LegalBasis, StateConsent, WithdrawalReason};
use tandem_domain::leads::identity::Email;
use utoipa::ToSchema;

/// That a person agreed to a purpose, or no more.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentWrite {
    /// What for: one of the declared purposes; a purpose that is declared no more can be withdrawn.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "marketing_email"
    )]
    purpose: String,
    /// The e-mail address that it is about, where the purpose is one of e-mail; else the lead's first.
    #[schema(max_length = 254, format = "email", example = "ada@example.com")]
    address: Option<String>,
    /// Whether the person agrees.
    granted: bool,
    /// By what it ended, where the person did not simply say so; not with `granted`.
    #[schema(inline)]
    reason: Option<WithdrawalReason>,
    /// What the person read or heard.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "You may send me news by e-mail."
    )]
    wording: Option<String>,
    /// Why the data may be processed; else as the purpose is declared.
    legal_basis: Option<LegalBasis>,
    /// Where it comes from; else `hand` for a user and `api` for a key.
    #[schema(inline)]
    source: Option<ConsentSource>,
    /// When it was said, if not now; a later instant counts as now.
    stated_at: Option<Timestamp>,
}

impl ConsentWrite {
    /// What does not fit together, under a place of the body.
    pub fn faults(&self, pointer: &str) -> Vec<Fault> {
        let fault = || {
            Fault::new(
                format!("{pointer}/reason"),
                "not_allowed",
                "is the reason of a withdrawal, not of a grant",
            )
        };
        let is_at_odds = self.granted && self.reason.is_some();
        let address = self.address.as_deref().map(Email::parse);
        let unfit = address.and_then(Result::err);
        let unfit = unfit.map(|error| Fault::new(format!("{pointer}/address"), "invalid_format", error));
        is_at_odds.then(fault).into_iter().chain(unfit).collect()
    }
}

impl From<ConsentWrite> for StateConsent {
    fn from(said: ConsentWrite) -> Self {
        Self {
            address: said.address.and_then(|text| Email::parse(&text).ok()),
            purpose: said.purpose,
            granted: said.granted,
            reason: said.reason,
            wording: said.wording,
            legal_basis: said.legal_basis,
            source: said.source,
            stated_at: said.stated_at,
        }
    }
}
