//! What the company asks consent for, as it declares it. A purpose that is not declared is a plain one.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LegalBasis;

/// The purpose that an unsubscription ends where it names none.
pub const MARKETING_EMAIL: &str = "marketing_email";

/// Something that the company asks consent for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentPurpose {
    /// Its name, in forms and statements.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "marketing_email"
    )]
    pub name: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "News by e-mail")]
    pub label: String,
    /// Whether a grant counts only once the person confirmed it by a link.
    #[serde(default)]
    #[schema(default = false)]
    pub double_opt_in: bool,
    /// Why the data may be processed, where a statement says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis_default: Option<LegalBasis>,
    /// For how many days a confirmation link is good.
    #[serde(default = "token_days")]
    #[schema(minimum = 1, maximum = 90, default = 7)]
    pub token_days: i64,
}

const fn token_days() -> i64 {
    7
}

impl ConsentPurpose {
    /// A purpose that nobody declared.
    pub fn plain(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: name.replace('_', " "),
            double_opt_in: false,
            legal_basis_default: None,
            token_days: token_days(),
        }
    }
}

/// The places of purposes whose name another one before has.
pub fn purpose_faults(purposes: &[ConsentPurpose]) -> Vec<usize> {
    let mut names = HashSet::new();
    let is_again =
        |(index, purpose): (usize, &ConsentPurpose)| (!names.insert(purpose.name.clone())).then_some(index);
    purposes.iter().enumerate().filter_map(is_again).collect()
}

/// Whether a text has the form of a purpose's name.
pub fn is_purpose(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(is_inner)
}
