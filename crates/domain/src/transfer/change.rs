//! What imports of history change, and what the journal says of it.

use serde_json::json;

use super::past::PastStatement;
use crate::deals::{Deal, DealMove};
use crate::id::{CycleId, TransitionId};
use crate::journal::{Entry, Facts, Subject};
use crate::leads::Lead;
use crate::lifecycle::{Cycle, Transition};

/// The types of entry about history, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[(
    "lead.history_corrected",
    "An import changed stage changes that were derived from earlier imports.",
)];

/// What an import of history changed.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryChange {
    /// It stated something about the stages of a lead.
    Stated(Box<PastStatement>),
    /// What follows of all statements about a lead is another way than before.
    Derived(Derived),
    /// It stated a deal of the past otherwise than an import before.
    DealCorrected {
        /// The deal after the change.
        deal: Box<Deal>,
        /// All of its moves.
        moves: Vec<DealMove>,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
}

/// What is derived of the statements about a lead, as far as it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The lead after the change.
    pub lead: Box<Lead>,
    /// Stage changes that were known, as they are now.
    pub transitions: Vec<Transition>,
    /// Stage changes that did not happen.
    pub gone_transitions: Vec<TransitionId>,
    /// Cycles as they are now.
    pub cycles: Vec<Cycle>,
    /// Cycles that there were not.
    pub gone_cycles: Vec<CycleId>,
    /// Deals that belong to another cycle.
    pub deals: Vec<Deal>,
}

impl Derived {
    /// Whether nothing but the lead itself changed.
    pub fn is_empty(&self) -> bool {
        !self.is_corrected() && self.cycles.is_empty() && self.deals.is_empty()
    }

    /// Whether something that was recorded before is otherwise now.
    pub fn is_corrected(&self) -> bool {
        !(self.transitions.is_empty() && self.gone_transitions.is_empty() && self.gone_cycles.is_empty())
    }
}

impl HistoryChange {
    pub(crate) fn entry(&self) -> Option<Entry> {
        match self {
            Self::Stated(_) => None,
            Self::Derived(derived) => derived.is_corrected().then(|| {
                let lead = &derived.lead;
                let changed: Vec<_> = derived.transitions.iter().map(|one| one.id).collect();
                let data = json!({
                    "stage": lead.stage, "stage_since": lead.stage_since, "cycle": lead.cycle,
                    "changed_transition_ids": changed, "gone_transition_ids": derived.gone_transitions,
                });
                let subject = Subject::new("lead", lead.id, lead.version);
                Entry::plain("lead.history_corrected", subject, Some(lead.id), data)
            }),
            Self::DealCorrected {
                deal, before, after, ..
            } => {
                let subject = Subject::new("deal", deal.id, deal.version);
                let entry = Entry::plain("deal.updated", subject, deal.primary_lead_id, json!({}));
                Some(entry.edited(before, after))
            }
        }
    }
}
