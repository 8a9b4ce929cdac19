//! What a form asks a person to agree to, and what counts as a yes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LegalBasis;

/// The values that grant consent on every form, in any case.
const YES: [&str; 4] = ["true", "1", "on", "yes"];
/// The values that plainly say no; an unticked box that sends anything at all sends one of these.
const NO: [&str; 5] = ["", "false", "0", "off", "no"];

/// A consent that a form requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormConsent {
    /// The purpose, one of the declared ones. A form without JavaScript sends it as `_consent_<purpose>`.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "marketing_email"
    )]
    pub purpose: String,
    /// The wording that the person reads.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "You may send me news by e-mail."
    )]
    pub wording: String,
    /// The legal basis (GDPR, article 6 (1)).
    pub legal_basis: LegalBasis,
    /// Whether a submission without this consent is rejected.
    #[serde(default)]
    pub required: bool,
    /// The values that grant it on this form, besides `true`, `1`, `on` and `yes`, ignoring case. Any other value
    /// counts as no answer.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["accepted"]))]
    pub granting_values: Vec<String>,
    /// The meaning of an unticked box.
    #[serde(default)]
    #[schema(inline)]
    pub unticked: Unticked,
}

/// What it means that a purpose of a form is not granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unticked {
    /// Nothing: what the person agreed to before stands.
    #[default]
    Nothing,
    /// The person withdraws it: for forms on which people choose what they want to receive.
    Withdraws,
}

/// What was sent for a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// A clear yes.
    Yes,
    /// A plain no.
    No,
    /// Neither: it counts as not given.
    Unclear,
}

impl FormConsent {
    /// What a value says.
    pub(super) fn reply(&self, value: &str) -> Reply {
        let value = value.trim().to_lowercase();
        let is_own = |own: &String| own.trim().to_lowercase() == value;
        if YES.contains(&value.as_str()) || self.granting_values.iter().any(is_own) {
            return Reply::Yes;
        }
        match NO.contains(&value.as_str()) {
            true => Reply::No,
            false => Reply::Unclear,
        }
    }

    /// The place of a granting value that says no, if there is one.
    pub(super) fn unfit_value(&self) -> Option<usize> {
        let says_no = |value: &String| NO.contains(&value.trim().to_lowercase().as_str());
        self.granting_values.iter().position(says_no)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_grants() {
        let mut consent = FormConsent {
            purpose: "news".into(),
            wording: "News?".into(),
            legal_basis: LegalBasis::Consent,
            required: false,
            granting_values: vec![],
            unticked: Unticked::Nothing,
        };
        for yes in ["true", "1", "on", "yes", " YES ", "On"] {
            assert_eq!(consent.reply(yes), Reply::Yes, "{yes}");
        }
        for no in ["", " ", "0", "false", "off", "No"] {
            assert_eq!(consent.reply(no), Reply::No, "{no}");
        }
        for unclear in [
            "nein",
            "ja",
            "oui",
            "2",
            "null",
            "undefined",
            "accepted",
            "yes, but",
            "y",
            "-1",
        ] {
            assert_eq!(consent.reply(unclear), Reply::Unclear, "{unclear}");
        }
        consent.granting_values = vec![" Accepted".into(), "Sì".into()];
        assert_eq!([consent.reply("ACCEPTED"), consent.reply("sì")], [Reply::Yes; 2]);
        assert_eq!(
            (consent.reply("ja"), consent.unfit_value()),
            (Reply::Unclear, None)
        );
        consent.granting_values.push("NO".into());
        assert_eq!(consent.unfit_value(), Some(2));
    }
}
