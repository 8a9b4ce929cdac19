//! The agreement: what both teams signed, as a typed document, and the one that an installation starts with.

pub mod change;
mod commitments;
pub mod conditions;
pub mod decay;
pub mod document;
pub mod draft;
pub mod points;
pub mod preview;
pub mod reader;
mod replace;
mod request_preview;
pub mod scoring;
pub mod signature;
#[cfg(test)]
mod tests;
mod version;

pub use commitments::{
    Attempts, Commitments, ContactFrom, MarketingCommitments, Period, Review, SalesCommitments,
    SharedCommitments, SharedRevenue, Time,
};
pub use replace::{ReplaceError, Replaced, replace};
pub use request_preview::{PreviewPeriod, request_preview};
pub use version::{AgreementVersion, Version, VersionState};

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clocks::{Calendar, CalendarDocument};
use crate::duration::Duration;
use crate::lifecycle::Stage;
use crate::words::words;

/// The document that a new installation starts with, signed by nobody, as JSON.
pub const PROVISIONAL: &str = include_str!("provisional.json");

/// The stage to which a reason moves the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Back to marketing, to be warmed up again.
    Nurture,
    /// Out.
    Disqualify,
}

impl Then {
    /// The stage that the reason leads to.
    pub const fn stage(self) -> Stage {
        match self {
            Then::Nurture => Stage::Nurture,
            Then::Disqualify => Stage::Disqualified,
        }
    }
}

/// What a request with a reason must contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requires {
    /// A note in words.
    Note,
    /// The competitor's name; of deals.
    Competitor,
    /// The activity that shows it; of rejected hand-offs.
    EvidenceActivity,
}

/// A reason. Its code is never deleted or given another meaning, only retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The code in requests and reports.
    #[schema(max_length = 64, example = "no_budget")]
    pub code: String,
    /// The label that people see.
    #[schema(max_length = 200, example = "No budget")]
    pub label: String,
    /// The stage to which it moves the lead; absent for reasons that move none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// How long no rule makes the lead an MQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Duration>,
    /// Whether the reason may be given only after the promised attempts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_attempts: bool,
    /// What a request with this reason must contain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 3)]
    pub requires: Vec<Requires>,
    /// Whether it is retired: no longer offered, but still valid in existing records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// The lists of reasons, by the kind of decision that they explain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Reasons {
    /// Why sales rejects an MQL.
    #[schema(max_items = 100)]
    pub rejection: Vec<Reason>,
    /// Why a lead is disqualified or nurtured at another stage.
    #[schema(max_items = 100)]
    pub disqualification: Vec<Reason>,
    /// Why a deal was lost.
    #[schema(max_items = 100)]
    pub loss: Vec<Reason>,
    /// Why a deal was won.
    #[schema(max_items = 100)]
    pub win: Vec<Reason>,
    /// Why a customer left.
    #[schema(max_items = 100)]
    pub churn: Vec<Reason>,
    /// Objections of leads.
    #[schema(max_items = 100)]
    pub objection: Vec<Reason>,
}

/// Which list of reasons a move draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonList {
    /// Rejections of MQLs.
    Rejection,
    /// Disqualifications at other stages.
    Disqualification,
    /// Lost deals.
    Loss,
    /// Won deals.
    Win,
    /// Customers that left.
    Churn,
    /// Objections.
    Objection,
}

impl ReasonList {
    /// The list's name in the agreement document.
    pub const fn name(self) -> &'static str {
        match self {
            ReasonList::Rejection => "rejection",
            ReasonList::Disqualification => "disqualification",
            ReasonList::Loss => "loss",
            ReasonList::Win => "win",
            ReasonList::Churn => "churn",
            ReasonList::Objection => "objection",
        }
    }
}

/// The requirements of the stages on which both teams agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stages {
    /// The requirements of an MQL.
    pub mql: MqlStage,
    /// The requirements of an SQL.
    pub sql: SqlStage,
    /// The requirements of an open deal.
    #[serde(default)]
    pub opportunity: OpportunityStage,
    /// The settings of nurture.
    pub nurture: NurtureStage,
}

/// The requirements of an MQL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MqlStage {
    /// The condition, in the language of conditions.
    #[schema(value_type = Object)]
    pub when: Value,
    /// The required fields, of the lead or of its company (`company.name`).
    #[serde(default)]
    #[schema(max_items = 50)]
    pub required_fields: Vec<String>,
}

/// The requirements of an SQL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlStage {
    /// The items that must be confirmed. If empty, every accepted lead is an SQL.
    #[schema(max_items = 4)]
    pub bant: Vec<BantItem>,
}

words! {
    /// An item of the qualification.
    BantItem {
        /// There is money for it.
        Budget = "budget",
        /// The person decides, or leads to who does.
        Authority = "authority",
        /// There is a need.
        Need = "need",
        /// It is wanted by a known time.
        Timeline = "timeline",
    }
}

/// The requirements of an open deal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpportunityStage {
    /// The roles that the buying group must have.
    #[serde(default)]
    #[schema(max_items = 5)]
    pub required_roles: Vec<BuyingRole>,
    /// A deal without activity or move for this long is listed as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Duration>,
}

/// A role in the group that decides on a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuyingRole {
    /// Decides.
    DecisionMaker,
    /// Wants it and says so.
    Champion,
    /// Is listened to.
    Influencer,
    /// Will work with it.
    User,
    /// Buys it.
    Procurement,
}

impl BuyingRole {
    /// Every role.
    pub const ALL: &'static [BuyingRole] = &[
        BuyingRole::DecisionMaker,
        BuyingRole::Champion,
        BuyingRole::Influencer,
        BuyingRole::User,
        BuyingRole::Procurement,
    ];

    /// The role's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            BuyingRole::DecisionMaker => "decision_maker",
            BuyingRole::Champion => "champion",
            BuyingRole::Influencer => "influencer",
            BuyingRole::User => "user",
            BuyingRole::Procurement => "procurement",
        }
    }

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// The settings of nurture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NurtureStage {
    /// How long no rule makes a nurtured lead an MQL, unless a date or the reason determines it.
    pub cooldown: Duration,
    /// The condition that ends the wait early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub unless: Option<Value>,
}

impl Default for NurtureStage {
    fn default() -> Self {
        Self {
            cooldown: Duration::days(30),
            unless: None,
        }
    }
}

/// The agreement document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Agreement {
    /// The condition for the ideal customer profile (ICP).
    #[schema(value_type = Object)]
    pub icp: Value,
    /// The requirements of the stages.
    pub stages: Stages,
    /// The scoring rules.
    #[schema(value_type = Object)]
    pub scoring: Value,
    /// The commitments of both teams to each other.
    #[serde(default)]
    pub commitments: Commitments,
    /// The reasons.
    pub reasons: Reasons,
    /// The working hours in which promises run while a lead has no owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub calendar: Option<Value>,
    /// When both teams review the agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

impl Agreement {
    /// The document that a new installation starts with, signed by nobody.
    pub fn provisional() -> Self {
        static TYPED: LazyLock<Agreement> =
            LazyLock::new(|| serde_json::from_str(PROVISIONAL).unwrap_or_default());
        TYPED.clone()
    }

    /// The agreed working hours; day and night where none are agreed.
    pub fn working_hours(&self) -> Option<Calendar> {
        let document = match &self.calendar {
            Some(calendar) => serde_json::from_value(calendar.clone()).ok()?,
            None => CalendarDocument::always("UTC"),
        };
        Calendar::new(&document).ok()
    }

    /// The reasons of a list.
    pub fn reasons(&self, list: ReasonList) -> &[Reason] {
        match list {
            ReasonList::Rejection => &self.reasons.rejection,
            ReasonList::Disqualification => &self.reasons.disqualification,
            ReasonList::Loss => &self.reasons.loss,
            ReasonList::Win => &self.reasons.win,
            ReasonList::Churn => &self.reasons.churn,
            ReasonList::Objection => &self.reasons.objection,
        }
    }

    /// The reason with this code in a list, unless it is retired.
    pub fn reason(&self, list: ReasonList, code: &str) -> Option<&Reason> {
        self.reasons(list)
            .iter()
            .find(|reason| reason.code == code && !reason.retired)
    }

    /// Whether any list has a reason with this code, retired or not.
    pub fn knows_reason(&self, code: &str) -> bool {
        use ReasonList::{Churn, Disqualification, Loss, Rejection, Win};
        let mut all = [Rejection, Disqualification, Loss, Win, Churn].into_iter();
        all.any(|list| self.reasons(list).iter().any(|reason| reason.code == code))
    }
}
