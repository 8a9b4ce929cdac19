//! Settings: rows that the company changes, each with a version.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::duration::Duration;
use crate::fault::Fault;
use crate::journal::Facts;
use crate::journal::{Entry, Subject};
use crate::money::{Currency, DatedRate};

/// The company that uses Tandem.
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

/// How long records of unidentified visitors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// How long events and visits of unidentified visitors are stored after their arrival; `0d` deletes them at once.
    #[serde(default = "anonymous_events")]
    #[schema(default = "90d", example = "90d")]
    pub anonymous_events: Duration,
}

const fn anonymous_events() -> Duration {
    Duration::days(90)
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            anonymous_events: anonymous_events(),
        }
    }
}

/// The currency of reports.
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

/// The settings of reports.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// The margin as a fraction of revenue, which `ltv` uses.
    #[serde(default = "whole")]
    #[schema(minimum = 0, maximum = 1, default = 1.0, example = 0.8)]
    pub margin: f64,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[serde(default = "min_sample")]
    #[schema(minimum = 1, maximum = 1_000_000, default = 30)]
    pub min_sample: i64,
}

const fn whole() -> f64 {
    1.0
}

const fn min_sample() -> i64 {
    30
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            margin: whole(),
            min_sample: min_sample(),
        }
    }
}

/// The types of entry about settings, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[("setting.changed", "A setting was changed.")];

/// What happened to a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingChange {
    /// It was changed.
    Changed {
        /// Its name.
        name: &'static str,
        /// Its new version.
        version: i64,
        /// Its value before.
        before: Value,
        /// Its value after.
        after: Value,
    },
    /// The dated exchange rates were replaced.
    RatesReplaced {
        /// The setting's new version.
        version: i64,
        /// Those that went.
        gone: Vec<DatedRate>,
        /// Those that came.
        come: Vec<DatedRate>,
        /// How many there are now.
        count: usize,
    },
}

impl SettingChange {
    pub(crate) fn entry(&self) -> Entry {
        let changed = |name: &str, version, data| {
            Entry::plain(
                "setting.changed",
                Subject::new("setting", name, version),
                None,
                data,
            )
        };
        match self {
            Self::Changed {
                name,
                version,
                before,
                after,
            } => {
                let value = |value: &Value| Facts::from_iter([("value".to_owned(), value.clone())]);
                changed(name, *version, json!({})).edited(&value(before), &value(after))
            }
            Self::RatesReplaced {
                version,
                gone,
                come,
                count,
            } => {
                let one = |rate: &DatedRate| {
                    let (on, value) = (rate.on.to_string(), rate.rate.to_string());
                    json!({"from": rate.from, "to": rate.to, "on": on, "rate": value})
                };
                let list = |rates: &[DatedRate]| {
                    Facts::from_iter([("rates".to_owned(), rates.iter().map(one).collect())])
                };
                let data = json!({"count": count});
                changed(name::EXCHANGE_RATES, *version, data).edited(&list(gone), &list(come))
            }
        }
    }
}

/// The names under which settings are stored.
pub mod name {
    /// The company: [`super::CompanySettings`].
    pub const COMPANY: &str = "company";
    /// The base currency: [`super::CurrencySettings`].
    pub const CURRENCY: &str = "currency";
    /// The dated exchange rates: their number; the rates stand in a table of their own.
    pub const EXCHANGE_RATES: &str = "exchange_rates";
    /// The rules for channels: [`crate::tracking::channels::ChannelRules`].
    pub const CHANNEL_RULES: &str = "channel_rules";
    /// The referrers that end no visit: [`crate::tracking::IgnoredReferrers`].
    pub const IGNORED_REFERRERS: &str = "ignored_referrers";
    /// How long records of visitors who are not identified are stored: [`super::RetentionSettings`].
    pub const RETENTION: &str = "retention";
    /// The declared purposes of consent.
    pub const CONSENT_PURPOSES: &str = "consent_purposes";
    /// The words that job titles are read by: [`crate::leads::job::JobWords`].
    pub const JOB_WORDS: &str = "job_words";
    /// The declared custom fields.
    pub const CUSTOM_FIELDS: &str = "custom_fields";
    /// Custom fields that were declared once: their types stay.
    pub const RETIRED_FIELDS: &str = "retired_custom_fields";
    /// The counter of the journal's epochs, in the setting's version.
    pub const JOURNAL_EPOCH: &str = "journal_epoch";
    /// How far the journal was followed for duplicates.
    pub const DUPLICATES_MARK: &str = "duplicates_mark";
    /// How far events were matched with the content library since its patterns changed.
    pub const CONTENT_MATCH: &str = "content_match";
    /// What months cost beside campaigns: [`crate::reports::costs::CostSettings`].
    pub const COSTS: &str = "costs";
    /// The settings of reports: [`super::ReportSettings`].
    pub const REPORTS: &str = "reports";
    /// How hand-offs find their owner: [`crate::routing::RoutingRules`].
    pub const ROUTING: &str = "routing";
    /// The one-time set-up token, hashed.
    pub const SETUP: &str = "setup";
}
