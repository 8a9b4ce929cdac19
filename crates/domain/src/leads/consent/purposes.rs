//! What the company asks consent for, as it declares it: nothing else may be granted.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LegalBasis;

/// The purpose that a new installation declares.
pub const MARKETING_EMAIL: &str = "marketing_email";

/// A purpose for which the company requests consent.
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
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "News by e-mail")]
    pub label: String,
    /// Whether a grant counts only once the person confirmed it by a link.
    #[serde(default)]
    #[schema(default = false)]
    pub double_opt_in: bool,
    /// The default legal basis of statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis_default: Option<LegalBasis>,
    /// How the person is contacted. An unsubscription, a bounce or a complaint ends every e-mail purpose.
    #[serde(default)]
    #[schema(inline)]
    pub channel: ConsentChannel,
    /// For how many days a confirmation link is valid.
    #[serde(default = "token_days")]
    #[schema(minimum = 1, maximum = 90, default = 7)]
    pub token_days: i64,
}

/// How a person is contacted for a purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentChannel {
    /// By e-mail: consent belongs to the address.
    #[default]
    Email,
    /// By phone calls.
    Phone,
    /// By text messages.
    Sms,
    /// By letters.
    Post,
    /// In another way, or in none: terms that a person accepts.
    Other,
}

const fn token_days() -> i64 {
    7
}

impl ConsentPurpose {
    /// The purposes of a new installation.
    pub fn usual() -> Vec<Self> {
        vec![Self::plain(MARKETING_EMAIL)]
    }

    /// A purpose that is declared no more, of which something was stated before.
    pub fn plain(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: name.replace('_', " "),
            double_opt_in: false,
            legal_basis_default: None,
            channel: ConsentChannel::Email,
            token_days: token_days(),
        }
    }
}

/// The purpose with this name: as it is declared, else a plain one.
pub fn purpose_named<'a>(purposes: &'a [ConsentPurpose], name: &str) -> Cow<'a, ConsentPurpose> {
    let declared = purposes.iter().find(|purpose| purpose.name == name);
    declared.map_or_else(|| Cow::Owned(ConsentPurpose::plain(name)), Cow::Borrowed)
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
