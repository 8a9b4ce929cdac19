//! What marketing and sales promise each other. Every promise is optional: an absent one is not measured.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clocks::{ClockKind, Promise, TimeBase};
use crate::duration::Duration;
use crate::money::Currency;

/// What the teams promise each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Commitments {
    /// What marketing promises.
    #[serde(default)]
    pub marketing: MarketingCommitments,
    /// What sales promises.
    #[serde(default)]
    pub sales: SalesCommitments,
    /// What both promise.
    #[serde(default)]
    pub shared: SharedCommitments,
}

/// What marketing promises.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MarketingCommitments {
    /// MQLs a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub mqls_per_month: Option<i64>,
    /// The share of hand-offs that sales accepts, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub min_acceptance_rate: Option<f64>,
    /// The share of required fields that are filled, at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub min_field_completeness: Option<f64>,
    /// Of the leads handed over in a month, the share with a hard bounce or a wrong number within 14 days, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub max_bad_contact_rate: Option<f64>,
    /// How soon a rejection or a loss is acknowledged or disputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_within: Option<Duration>,
}

/// What sales promises.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesCommitments {
    /// How soon a hand-off is accepted or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_within: Option<Duration>,
    /// How soon the lead is contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_contact_within: Option<Duration>,
    /// From when the first contact is due.
    #[serde(default)]
    pub first_contact_from: ContactFrom,
    /// How often the lead is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
    /// How soon after the attempts the lead's stage is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_within: Option<Duration>,
    /// Which time the promises of both sides run in.
    #[serde(default)]
    pub time: Time,
}

impl Commitments {
    /// The promise that a kind of clock runs by; `None` where nobody promises anything of the kind. Marketing's promise runs
    /// in the same time as those of sales.
    pub fn promise(&self, kind: ClockKind) -> Option<Promise> {
        let sales = &self.sales;
        let within = match kind {
            ClockKind::Review => sales.review_within,
            ClockKind::FirstContact => sales.first_contact_within,
            ClockKind::Attempts => sales.attempts.map(|attempts| attempts.within),
            ClockKind::Outcome => sales.outcome_within,
            ClockKind::Feedback => self.marketing.feedback_within,
        };
        let time = match sales.time {
            Time::Business => TimeBase::Business,
            Time::Elapsed => TimeBase::Elapsed,
        };
        Promise::new(within?, time).ok()
    }
}

/// From when the first contact is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactFrom {
    /// From the hand-off.
    #[default]
    Handoff,
    /// From its acceptance.
    Acceptance,
}

/// How often a lead is tried before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempts {
    /// How many outbound activities.
    #[schema(minimum = 1, maximum = 1000)]
    pub count: i64,
    /// Within which time.
    pub within: Duration,
    /// On how many different days, at least.
    #[schema(minimum = 1, maximum = 400)]
    pub on_days: i64,
}

/// Which time promises run in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// The working hours of a calendar.
    #[default]
    Business,
    /// All of it.
    Elapsed,
}

/// What both teams promise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SharedCommitments {
    /// The revenue that both bring in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<SharedRevenue>,
    /// Of the cycles that became MQL, the share that become customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub mql_to_customer: Option<f64>,
}

/// The revenue that both teams bring in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedRevenue {
    /// Minor units.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
    /// The period in which it is due.
    pub per: Period,
}

/// A period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A month.
    Month,
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

/// When the agreement is looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// How often both teams meet about it.
    #[schema(max_length = 16, pattern = "^[1-9][0-9]? months?$", example = "1 month")]
    pub every: String,
    /// How long after it came into force the agreement is stale.
    #[schema(max_length = 16, pattern = "^[1-9][0-9]? months?$", example = "18 months")]
    pub stale_after: String,
}
