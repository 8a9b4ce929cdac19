//! The stages of a lead: the word that leads, the agreement and the lifecycle share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::words;

/// The stage of a lead: on the path from `lead` to `customer`, or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A known person, not qualified yet.
    Lead,
    /// Marketing qualified lead.
    Mql,
    /// Sales accepted lead.
    Sal,
    /// Sales qualified lead.
    Sql,
    /// A deal is open.
    Opportunity,
    /// A deal was won.
    Customer,
    /// Not ready to buy yet.
    Nurture,
    /// Out: not a possible customer.
    Disqualified,
    /// Was a customer.
    Churned,
}

words! {
    /// Who speaks with a lead: sales from SAL to the closing of its deals, otherwise marketing.
    Voice {
        /// Marketing.
        Marketing = "marketing",
        /// Sales.
        Sales = "sales",
    }
}

impl Stage {
    /// Who speaks with a lead in this stage.
    pub const fn voice(self) -> Voice {
        match self {
            Stage::Sal | Stage::Sql | Stage::Opportunity => Voice::Sales,
            _ => Voice::Marketing,
        }
    }

    /// Every stage: the path first, then those beside it.
    pub const ALL: &'static [Stage] = &[
        Stage::Lead,
        Stage::Mql,
        Stage::Sal,
        Stage::Sql,
        Stage::Opportunity,
        Stage::Customer,
        Stage::Nurture,
        Stage::Disqualified,
        Stage::Churned,
    ];

    /// Every stage, the furthest first: where a company stands follows from the furthest of its leads.
    pub const BY_REACH: &'static [Stage] = &[
        Stage::Customer,
        Stage::Opportunity,
        Stage::Sql,
        Stage::Sal,
        Stage::Mql,
        Stage::Churned,
        Stage::Nurture,
        Stage::Lead,
        Stage::Disqualified,
    ];

    /// The stage's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Lead => "lead",
            Stage::Mql => "mql",
            Stage::Sal => "sal",
            Stage::Sql => "sql",
            Stage::Opportunity => "opportunity",
            Stage::Customer => "customer",
            Stage::Nurture => "nurture",
            Stage::Disqualified => "disqualified",
            Stage::Churned => "churned",
        }
    }

    /// The stage with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.name() == name)
    }

    pub(crate) const fn clears_owner(self) -> bool {
        matches!(self, Stage::Nurture | Stage::Disqualified)
    }
}
