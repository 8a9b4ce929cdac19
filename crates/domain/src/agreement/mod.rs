//! The agreement: what both teams signed. So far the provisional version with its stages and reasons.

pub mod conditions;
pub mod document;
pub mod reader;
pub mod scoring;
#[cfg(test)]
mod tests;

/// The document that a new installation starts with, signed by nobody, as JSON.
pub const PROVISIONAL: &str = include_str!("provisional.json");

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::lifecycle::Stage;

/// Where a reason sends the lead.
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

/// What must come with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requires {
    /// A note in words.
    Note,
    /// The competitor's name; of deals.
    Competitor,
}

/// One agreed reason. Codes are never deleted or given another meaning, only retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The code that requests and reports use.
    #[schema(max_length = 64, example = "no_budget")]
    pub code: String,
    /// What people read.
    #[schema(max_length = 200, example = "No budget")]
    pub label: String,
    /// Where it sends the lead; absent for reasons that move no lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// Days before a rule may make the lead an MQL again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 400)]
    pub cooldown_days: Option<i64>,
    /// What must come with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 3)]
    pub requires: Vec<Requires>,
    /// No longer offered, still understood.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
}

/// The lists of reasons, by the kind of decision that they explain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reasons {
    /// Why sales rejects an MQL.
    #[schema(max_items = 100)]
    pub rejection: Vec<Reason>,
    /// Why a lead is out, or not ready, at another stage.
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
        }
    }
}

/// One stage as both teams understand it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageDefinition {
    /// The stage.
    pub stage: Stage,
    /// What people read.
    #[schema(max_length = 100, example = "Marketing qualified lead")]
    pub label: String,
    /// What being in it means.
    #[schema(max_length = 500)]
    pub meaning: String,
}

/// The agreement document, as far as the service judges by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agreement {
    /// The stages, in their order.
    #[schema(max_items = 20)]
    pub stages: Vec<StageDefinition>,
    /// The reasons.
    pub reasons: Reasons,
    /// Days before a rule may make a nurtured lead an MQL again, where neither date nor reason says so.
    #[schema(minimum = 0, maximum = 400)]
    pub nurture_cooldown_days: i64,
}

/// An agreement with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Counts from 1.
    pub number: i64,
    /// Whether it is the one that a new installation starts with, signed by nobody.
    pub provisional: bool,
    /// What it says.
    pub agreement: Agreement,
}

impl Agreement {
    /// The reasons of a list.
    pub fn reasons(&self, list: ReasonList) -> &[Reason] {
        match list {
            ReasonList::Rejection => &self.reasons.rejection,
            ReasonList::Disqualification => &self.reasons.disqualification,
            ReasonList::Loss => &self.reasons.loss,
            ReasonList::Win => &self.reasons.win,
            ReasonList::Churn => &self.reasons.churn,
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

    /// The version that a new installation starts with, signed by nobody.
    pub fn provisional() -> Self {
        use Then::{Disqualify, Nurture};
        let stage = |stage, label: &str, meaning: &str| StageDefinition {
            stage,
            label: label.into(),
            meaning: meaning.into(),
        };
        let reason = |code: &str, label: &str, then, cooldown_days| Reason {
            code: code.into(),
            label: label.into(),
            then,
            cooldown_days,
            requires: vec![],
            retired: false,
        };
        let other = |then| Reason {
            requires: vec![Requires::Note],
            ..reason("other", "Another reason", then, None)
        };
        Self {
            stages: vec![
                stage(Stage::Lead, "Lead", "A person known by at least one identifier."),
                stage(
                    Stage::Mql,
                    "Marketing qualified lead",
                    "Marketing says: ready for sales.",
                ),
                stage(
                    Stage::Sal,
                    "Sales accepted lead",
                    "Sales has accepted it and works it.",
                ),
                stage(
                    Stage::Sql,
                    "Sales qualified lead",
                    "Budget, authority, need and timeline are confirmed.",
                ),
                stage(Stage::Opportunity, "Opportunity", "A deal is open."),
                stage(Stage::Customer, "Customer", "A deal was won."),
                stage(
                    Stage::Nurture,
                    "Nurture",
                    "Not ready yet; marketing keeps in touch.",
                ),
                stage(Stage::Disqualified, "Disqualified", "Not a fit."),
                stage(Stage::Churned, "Churned", "Was a customer and left."),
            ],
            reasons: Reasons {
                rejection: vec![
                    reason("not_ready", "Not ready yet", Some(Nurture), Some(30)),
                    reason("no_response", "No response", Some(Nurture), Some(30)),
                    reason("no_budget", "No budget", Some(Nurture), Some(90)),
                    reason("wrong_contact", "Wrong contact", Some(Nurture), None),
                    reason("not_a_fit", "Not a fit", Some(Disqualify), None),
                    reason("bad_data", "Wrong or invented data", Some(Disqualify), None),
                    reason(
                        "duplicate",
                        "Known already under another record",
                        Some(Disqualify),
                        None,
                    ),
                    other(Some(Nurture)),
                ],
                disqualification: vec![
                    reason("not_ready", "Not ready yet", Some(Nurture), Some(30)),
                    reason("no_response", "No response", Some(Nurture), Some(30)),
                    reason("no_budget", "No budget", Some(Nurture), Some(90)),
                    reason("not_a_fit", "Not a fit", Some(Disqualify), None),
                    reason("competitor", "Works for a competitor", Some(Disqualify), None),
                    reason("spam", "Spam or invented", Some(Disqualify), None),
                    reason("out_of_business", "Out of business", Some(Disqualify), None),
                    other(Some(Disqualify)),
                ],
                loss: vec![
                    reason("price", "Price", Some(Nurture), Some(90)),
                    reason("timing", "Timing", Some(Nurture), Some(90)),
                    reason("missing_feature", "Something was missing", Some(Nurture), None),
                    Reason {
                        requires: vec![Requires::Competitor],
                        ..reason(
                            "lost_to_competitor",
                            "Lost to a competitor",
                            Some(Nurture),
                            Some(180),
                        )
                    },
                    reason("no_decision", "No decision was made", Some(Nurture), Some(90)),
                    reason("not_a_fit", "Not a fit after all", Some(Disqualify), None),
                    other(Some(Nurture)),
                ],
                win: vec![
                    reason("product_fit", "The product fits best", None, None),
                    reason("price", "Price", None, None),
                    reason("service", "Service", None, None),
                    reason("relationship", "Relationship", None, None),
                    other(None),
                ],
                churn: vec![
                    reason("price", "Price", None, None),
                    reason("missing_feature", "Something was missing", None, None),
                    reason("switched", "Switched to a competitor", None, None),
                    reason("out_of_business", "Out of business", None, None),
                    other(None),
                ],
            },
            nurture_cooldown_days: 30,
        }
    }
}
