//! Settings: rows that the company changes, each with a version.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fault::Fault;
use crate::money::Currency;

/// The company whose record this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompanySettings {
    /// The company's name.
    #[schema(min_length = 1, max_length = 200, example = "Example Ltd")]
    pub name: String,
    /// The IANA time zone that days, weeks and months of reports follow.
    #[schema(min_length = 1, max_length = 64, example = "Europe/Rome")]
    pub timezone: String,
}

impl Default for CompanySettings {
    fn default() -> Self {
        Self {
            name: "My company".into(),
            timezone: "UTC".into(),
        }
    }
}

impl CompanySettings {
    /// What is wrong with the settings.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![];
        if TimeZone::get(&self.timezone).is_err() {
            faults.push(Fault::new(
                "/timezone",
                "invalid_format",
                "is not an IANA time zone such as Europe/Rome",
            ));
        }
        faults
    }

    /// The zone; UTC where the name is unknown (settings are checked when they are saved).
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.timezone).unwrap_or(TimeZone::UTC)
    }
}

/// What the company reports in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CurrencySettings {
    /// The base currency of reports.
    pub currency: Currency,
}

impl Default for CurrencySettings {
    fn default() -> Self {
        Self {
            currency: Currency::EUR,
        }
    }
}

/// The names under which settings are kept.
pub mod name {
    /// The company: [`super::CompanySettings`].
    pub const COMPANY: &str = "company";
    /// The base currency: [`super::CurrencySettings`].
    pub const CURRENCY: &str = "currency";
    /// The dated exchange rates: their number; the rates stand in a table of their own.
    pub const EXCHANGE_RATES: &str = "exchange_rates";
    /// The rules for channels: [`crate::tracking::channels::ChannelRules`].
    pub const CHANNEL_RULES: &str = "channel_rules";
    /// The declared purposes of consent.
    pub const CONSENT_PURPOSES: &str = "consent_purposes";
    /// The declared custom fields.
    pub const CUSTOM_FIELDS: &str = "custom_fields";
    /// Custom fields that were declared once: their types stay.
    pub const RETIRED_FIELDS: &str = "retired_custom_fields";
    /// The counter of the journal's epochs, in the setting's version.
    pub const JOURNAL_EPOCH: &str = "journal_epoch";
    /// How far the journal was followed for duplicates.
    pub const DUPLICATES_MARK: &str = "duplicates_mark";
    /// The one-time set-up token, hashed.
    pub const SETUP: &str = "setup";
}
