//! Consent as it comes in.

use serde::Deserialize;
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{ConsentSource, LegalBasis, StateConsent, WithdrawalReason};
use tandem_domain::leads::identity::Email;
use utoipa::ToSchema;

/// A statement that a person agrees to a purpose, or no longer agrees.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentWrite {
    /// The purpose, one of the declared ones. A purpose that is no longer declared can still be withdrawn.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "marketing_email"
    )]
    purpose: String,
    /// For an e-mail purpose: the address; default the lead's first.
    #[schema(max_length = 254, format = "email", example = "ada@example.com")]
    address: Option<String>,
    /// Whether the person agrees.
    granted: bool,
    /// Why consent ended, if the person did not withdraw it directly; not with `granted: true`.
    #[schema(inline)]
    reason: Option<WithdrawalReason>,
    /// The wording that the person read or heard.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "You may send me news by e-mail."
    )]
    wording: Option<String>,
    /// The legal basis (GDPR, article 6 (1)); default that of the purpose.
    legal_basis: Option<LegalBasis>,
    /// The source; default `hand` for a user and `api` for a key.
    #[schema(inline)]
    source: Option<ConsentSource>,
    /// When the person stated it; default now. A future instant counts as now.
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
