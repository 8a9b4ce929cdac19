//! What marketing and sales promise each other. Every promise is optional: an absent one is not measured.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clocks::{ClockKind, Promise, TimeBase};
use crate::duration::Duration;
use crate::money::Currency;

/// The commitments of both teams to each other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Commitments {
    /// The commitments of marketing.
    #[serde(default)]
    pub marketing: MarketingCommitments,
    /// The commitments of sales.
    #[serde(default)]
    pub sales: SalesCommitments,
    /// The commitments of both teams.
    #[serde(default)]
    pub shared: SharedCommitments,
}

/// The commitments of marketing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MarketingCommitments {
    /// The number of MQLs per month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub mqls_per_month: Option<i64>,
    /// The least share of hand-offs that sales accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub min_acceptance_rate: Option<f64>,
    /// The least share of required fields that are filled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub min_field_completeness: Option<f64>,
    /// The greatest share of a month's handed-over leads with a hard bounce or a wrong number within 14 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub max_bad_contact_rate: Option<f64>,
    /// The time in which a rejection or a loss is acknowledged or disputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_within: Option<Duration>,
}

/// The commitments of sales.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesCommitments {
    /// The time in which a hand-off is accepted or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_within: Option<Duration>,
    /// The time in which the lead is contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_contact_within: Option<Duration>,
    /// When the time to the first contact begins.
    #[serde(default)]
    pub first_contact_from: ContactFrom,
    /// How often sales tries to reach the lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Attempts>,
    /// The time after the attempts in which the lead's stage is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_within: Option<Duration>,
    /// Whether promises run in elapsed or business time.
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

/// When the time to the first contact begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactFrom {
    /// From the hand-off.
    #[default]
    Handoff,
    /// From its acceptance.
    Acceptance,
}

/// How often sales tries to reach a lead before giving up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempts {
    /// The number of outbound activities.
    #[schema(minimum = 1, maximum = 1000)]
    pub count: i64,
    /// The time in which they must be made.
    pub within: Duration,
    /// The least number of different days.
    #[serde(default = "one_day")]
    #[schema(minimum = 1, maximum = 400, default = 1)]
    pub on_days: i64,
}

const fn one_day() -> i64 {
    1
}

/// Whether promises run in elapsed or business time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// The working hours of a calendar.
    #[default]
    Business,
    /// All of it.
    Elapsed,
}

/// The commitments of both teams.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SharedCommitments {
    /// The revenue of both teams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<SharedRevenue>,
    /// The share of the cycles that became MQL which become customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub mql_to_customer: Option<f64>,
}

/// The revenue of both teams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedRevenue {
    /// The amount in minor units.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
    /// The period of the commitment.
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

/// When the agreement is reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The interval between reviews by both teams.
    #[schema(max_length = 16, pattern = "^[1-9][0-9]? months?$", example = "1 month")]
    pub every: String,
    /// How long after coming into force the agreement counts as stale.
    #[schema(max_length = 16, pattern = "^[1-9][0-9]? months?$", example = "18 months")]
    pub stale_after: String,
}
