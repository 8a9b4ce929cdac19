//! What happened, gathered as rows: the last state of each. Which rows a change leaves stands in its room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use tandem_domain::change::Change;
use tandem_domain::content::library::Library;
use tandem_domain::id::LeadId;
use uuid::Uuid;

use super::records::Tables;
use crate::rows;

/// Rows to write, by their keys.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) leads: BTreeMap<Uuid, rows::leads::Model>,
    pub(crate) identifiers: BTreeMap<Uuid, rows::identifiers::Model>,
    pub(crate) gone_identifiers: BTreeSet<Uuid>,
    pub(crate) duplicates: BTreeMap<Uuid, rows::duplicates::Model>,
    pub(crate) companies: BTreeMap<Uuid, rows::companies::Model>,
    pub(crate) values: BTreeMap<Uuid, rows::field_values::Model>,
    pub(crate) consents: BTreeMap<Uuid, rows::consents::Model>,
    pub(crate) transitions: BTreeMap<Uuid, rows::transitions::Model>,
    /// Stage changes of history that are stored and have changed.
    pub(crate) corrected_transitions: BTreeMap<Uuid, rows::transitions::Model>,
    pub(crate) gone_transitions: BTreeSet<Uuid>,
    pub(crate) cycles: BTreeMap<Uuid, rows::cycles::Model>,
    pub(crate) gone_cycles: BTreeSet<Uuid>,
    pub(crate) past: BTreeMap<(Uuid, String), rows::past_statements::Model>,
    pub(crate) submissions: BTreeMap<Uuid, rows::submissions::Model>,
    pub(crate) deals: BTreeMap<Uuid, rows::deals::Model>,
    pub(crate) deal_leads: BTreeMap<Uuid, Vec<rows::deal_leads::Model>>,
    pub(crate) deal_moves: BTreeMap<Uuid, rows::deal_moves::Model>,
    pub(crate) deals_of_gone_moves: BTreeSet<Uuid>,
    pub(crate) deal_objections: BTreeMap<Uuid, Vec<rows::deal_objections::Model>>,
    pub(crate) handoffs: BTreeMap<Uuid, rows::handoffs::Model>,
    pub(crate) packets: Vec<rows::handoff_packets::Model>,
    pub(crate) clocks: BTreeMap<Uuid, rows::clocks::Model>,
    pub(crate) notices: Vec<rows::notices::Model>,
    pub(crate) decisions: Vec<rows::routing_decisions::Model>,
    pub(crate) turns: BTreeMap<Uuid, rows::team_turns::Model>,
    pub(crate) marks: BTreeMap<i64, rows::queue_marks::Model>,
    pub(crate) qualifications: BTreeMap<(Uuid, String), rows::qualifications::Model>,
    pub(crate) activities: BTreeMap<Uuid, rows::activities::Model>,
    pub(crate) gone_activities: BTreeSet<Uuid>,
    pub(crate) objections: BTreeMap<Uuid, Vec<rows::objections::Model>>,
    pub(crate) gone_rates: Vec<rows::exchange_rates::Model>,
    pub(crate) rates: Vec<rows::exchange_rates::Model>,
    /// The submissions that repeated others.
    pub(crate) repeats: Vec<rows::submission_repeats::Model>,
    pub(crate) replayed: BTreeMap<Uuid, rows::submissions::Model>,
    pub(crate) settings: BTreeMap<String, rows::settings::Model>,
    pub(crate) agreements: BTreeMap<i64, rows::agreements::Model>,
    pub(crate) previews: BTreeMap<Uuid, rows::previews::Model>,
    pub(crate) visitors: Vec<rows::visitors::Model>,
    pub(crate) links: Vec<rows::visitor_links::Model>,
    pub(crate) events: Vec<rows::events::Model>,
    pub(crate) touches: BTreeMap<Uuid, rows::touches::Model>,
    pub(crate) gone_touches: BTreeSet<Uuid>,
    /// Visitors whose history becomes a lead's.
    pub(crate) adoptions: Vec<Value>,
    /// Leads whose touches, or the bounds of whose cycles, changed: what follows from both is derived again.
    pub(crate) touched: BTreeSet<LeadId>,
    /// When leads were active whose rows are not written.
    pub(crate) active: BTreeMap<Uuid, i64>,
    pub(crate) scores: BTreeMap<Uuid, rows::scores::Model>,
    pub(crate) score_history: Vec<rows::score_history::Model>,
    /// All memberships of leads that entered or left segments.
    pub(crate) segment_members: BTreeMap<Uuid, Vec<rows::segment_members::Model>>,
    /// The revision of what leads are judged by: of leads that are created without being judged.
    pub(crate) judging_revision: i64,
    /// The library that events are matched with.
    pub(crate) content: Arc<Library>,
    /// Companies of whose leads what was derived is no longer true.
    pub(crate) changed_companies: BTreeSet<Uuid>,
    pub(crate) records: Tables,
    pub(crate) revisions: BTreeSet<&'static str>,
    // Search terms: of leads that are new, of leads and companies whose words changed.
    pub(crate) lead_terms: BTreeMap<Uuid, BTreeSet<String>>,
    pub(crate) known_leads: BTreeSet<Uuid>,
    pub(crate) joined: BTreeSet<Uuid>,
    pub(crate) created: BTreeSet<Uuid>,
    pub(crate) company_terms: BTreeMap<Uuid, BTreeSet<String>>,
    pub(crate) known_companies: BTreeSet<Uuid>,
}

impl Rows {
    /// Add what one change leaves.
    pub(super) fn add(&mut self, change: &Change) {
        match change {
            Change::Lead(change) => self.add_lead(change),
            Change::Company(change) => self.add_company(change),
            Change::Duplicate(change) => self.add_duplicate(change),
            Change::Costs(change) => self.add_costs(change),
            Change::Deal(change) => self.add_deal(change),
            Change::Quote(change) => self.add_quote(change),
            Change::Handoff(change) => self.add_handoff(change),
            Change::Routing(change) => self.add_routing(change),
            Change::Clock(change) => self.add_clock(change),
            Change::Notice(change) => self.add_notice(change),
            Change::Activity(change) => self.add_activity(change),
            Change::Capture(change) => self.add_capture(change),
            Change::Tracking(change) => self.add_tracking(change),
            Change::History(change) => self.add_history(change),
            Change::Setting(change) => self.add_setting(change),
            Change::Agreement(change) => self.add_agreement(change),
            // Secrets are written by their own rooms.
            Change::Access(_) => {}
            Change::Record(_, record) => self.add_record(record),
        }
    }
}
