//! Reports: counted by the database, over cycles, hand-offs, promises and deals.

mod attribution;
mod campaigns;
mod clocks;
mod collected;
mod content;
mod customers;
mod deals;
mod evidence;
mod follow_ups;
mod funnel;
mod handoffs;
mod leakage;
mod objections;
mod quotes;
mod selection;

use tandem_domain::deals::Outcome;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::attribution::PathOutcome;

use crate::db::Read;
use crate::error::StoreError;

pub use attribution::{OutcomePath, lost_paths, outcome_paths};
pub use campaigns::{
    HeldConversation, WonDeal, conversation_count, conversation_tally, costs_by_campaign, held_conversations,
    wasted_cycles, won_deals,
};
pub use clocks::{Due, Promises, clock_evidence, clock_evidence_count, clock_tally};
pub use collected::collected;
pub use content::{ContentFacts, Reader, Seen, content_facts, readers};
pub use customers::{campaign_costs, customers};
pub use deals::{
    Books, DealChoice, DealItem, Expected, ScoredDeal, TalliedEndings, TalliedOpen, Unconverted, deal_counts,
    deal_endings, deal_evidence, deal_evidence_count, deal_facts, open_deals, sales_cycles, scored_deals,
    stage_outcomes, unconverted,
};
pub use evidence::{Figure, evidence, evidence_count, evidence_counts};
pub use follow_ups::{FollowUp, follow_up_count, follow_ups};
pub use funnel::{Again, Lengths, Tallied, again, lengths, tally};
pub use handoffs::{
    Since, TalliedHandoffs, TimedHandoff, handoff_counts, handoff_evidence, handoff_evidence_count,
    handoff_tally, handoff_times,
};
pub(crate) use leakage::WORKED_ON;
pub use leakage::{LeakItem, LeakScope, LeakTally, leak_evidence, leak_tally};
pub use objections::{
    Objected, RaisedObjection, met_objections, raised_count, raised_objections, raised_page,
};
pub use quotes::{SentQuote, sent_quote_count, sent_quotes};
pub use selection::Scope;

/// What a report counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Cycles.
    Cycles,
    /// Hand-offs.
    Handoffs,
    /// Deals that ended in a way.
    Deals(Outcome),
    /// Outcomes that touches are credited for.
    Outcomes(PathOutcome),
}

/// The first and the last instant among those that the figures of a report are counted by; none where there are none.
pub async fn span(
    on: &impl Read,
    scope: &Scope,
    records: Records,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    match records {
        Records::Cycles => funnel::span(on, scope).await,
        Records::Handoffs => handoffs::span(on, scope).await,
        Records::Deals(outcome) => deals::span(on, scope, outcome).await,
        Records::Outcomes(outcome) => attribution::span(on, scope, outcome).await,
    }
}
