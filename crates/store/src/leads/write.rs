//! The rows that changes of leads and companies leave.

use tandem_domain::id::SegmentId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::change::{CompanyChange, LeadChange};
use tandem_domain::leads::search;
use tandem_domain::lifecycle::Stage;
use tandem_domain::tracking::record::TouchRecord;

use crate::rows;
use crate::write::Rows;

impl Rows {
    pub(crate) fn add_lead(&mut self, change: &LeadChange) {
        match change {
            LeadChange::Created {
                lead,
                cycle,
                transition,
                ..
            } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                self.created.insert(lead.id.uuid());
                self.lead_terms.insert(lead.id.uuid(), search::lead_terms(lead));
                if lead.company_id.is_some() {
                    self.joined.insert(lead.id.uuid());
                }
                self.cycles
                    .insert(cycle.id.uuid(), rows::cycles::Model::of(cycle));
                self.transitions
                    .insert(transition.id.uuid(), rows::transitions::Model::of(transition));
                let version = transition.agreement_version;
                let unjudged = rows::scores::Model::unjudged(lead.id, version, self.judging_revision);
                self.scores.entry(lead.id.uuid()).or_insert(unjudged);
            }
            LeadChange::Edited {
                lead,
                cycle,
                has_other_words,
                has_other_company,
                ..
            } => {
                let id = lead.id.uuid();
                if *has_other_words {
                    self.lead_terms.insert(id, search::lead_terms(lead));
                    if !self.created.contains(&id) {
                        self.known_leads.insert(id);
                    }
                }
                if *has_other_company {
                    self.joined.insert(id);
                }
                self.leads.insert(id, rows::leads::Model::of(lead));
                self.cycles.extend(
                    cycle
                        .iter()
                        .map(|cycle| (cycle.id.uuid(), rows::cycles::Model::of(cycle))),
                );
            }
            LeadChange::Moved {
                lead,
                transition,
                cycle,
                ..
            } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                self.cycles
                    .insert(cycle.id.uuid(), rows::cycles::Model::of(cycle));
                self.transitions
                    .insert(transition.id.uuid(), rows::transitions::Model::of(transition));
                let was_open = transition
                    .from
                    .is_some_and(|from| matches!(from, Stage::Mql | Stage::Sal | Stage::Sql));
                if was_open && !matches!(transition.to, Stage::Mql | Stage::Sal | Stage::Sql) {
                    self.has_room(transition.id.uuid(), transition.at);
                }
                // The touches of a first cycle are the lead's first, whenever it ends.
                if lead.cycle > 1 || cycle.number > 1 {
                    self.touched.insert(lead.id);
                }
            }
            LeadChange::Assigned { lead, cycle, .. } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                let cycle = cycle.iter();
                self.cycles
                    .extend(cycle.map(|cycle| (cycle.id.uuid(), rows::cycles::Model::of(cycle))));
            }
            LeadChange::Qualified { lead, items, .. } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                for (item, one) in items {
                    let row = rows::qualifications::Model::of(lead.id, *item, one);
                    self.qualifications.insert((row.lead_id, row.item.clone()), row);
                }
            }
            LeadChange::Archived(lead) | LeadChange::Restored(lead) | LeadChange::Returned(lead) => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
            }
            LeadChange::IdentifierAdded(lead_id, identifier)
            | LeadChange::IdentifierMoved(lead_id, identifier) => {
                let row = rows::identifiers::Model::of(*lead_id, identifier);
                self.identifiers.insert(row.id, row);
            }
            LeadChange::IdentifierRemoved(_, id) => {
                self.identifiers.remove(&id.uuid());
                self.gone_identifiers.insert(id.uuid());
            }
            LeadChange::FieldStated(statement) => {
                self.values
                    .insert(statement.id.uuid(), rows::field_values::Model::of(statement));
            }
            LeadChange::ConsentStated { lead, statement } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                self.consents
                    .insert(statement.id.uuid(), rows::consents::Model::of(statement));
            }
            LeadChange::TouchStated { id, lead_id, touch } => {
                let at = touch.occurred_at.unwrap_or_default();
                let record = TouchRecord::given(*id, *lead_id, touch, at);
                self.touches.insert(id.uuid(), rows::touches::Model::of(&record));
                // Of a new lead it is the only one, which the lead shows already.
                if !self.created.contains(&lead_id.uuid()) {
                    self.touched.insert(*lead_id);
                }
            }
            LeadChange::TouchAdded(record) => {
                self.touched.extend(record.lead_id);
                self.touches
                    .insert(record.id.uuid(), rows::touches::Model::of(record));
            }
            LeadChange::VisitorIdentified(identified) => self.add_link(identified),
            LeadChange::Active { lead_id, at } => {
                let known = self.active.entry(lead_id.uuid()).or_default();
                *known = at.millis().max(*known);
            }
            LeadChange::Scored {
                lead_id,
                score,
                record,
                ..
            } => {
                let record = record.iter();
                self.score_history
                    .extend(record.map(|record| rows::score_history::Model::of(record)));
                let row = rows::scores::Model::of(*lead_id, score);
                self.scores.insert(row.lead_id, row);
            }
            LeadChange::Segmented { lead_id, now, .. } => {
                let member = |(segment, since): (&SegmentId, &Timestamp)| rows::segment_members::Model {
                    segment_id: segment.uuid(),
                    lead_id: lead_id.uuid(),
                    since: since.millis(),
                };
                let members = now.iter().map(member).collect();
                self.segment_members.insert(lead_id.uuid(), members);
            }
            LeadChange::Refreshed { .. } | LeadChange::ConfirmationIssued(_) => {}
        }
    }

    /// Leads whose rows are written anyway bear in them when they were active; the others get it by a statement of its own.
    pub(crate) fn fold_activity(&mut self) {
        let (leads, created) = (&mut self.leads, &self.created);
        self.active.retain(|id, at| {
            let Some(row) = leads.get_mut(id) else {
                return true;
            };
            if row.last_activity_at < Some(*at) {
                row.last_activity_at = Some(*at);
                row.derived += i64::from(!created.contains(id));
            }
            false
        });
    }

    pub(crate) fn add_company(&mut self, change: &CompanyChange) {
        match change {
            CompanyChange::Created { company, .. } => {
                self.companies
                    .insert(company.id.uuid(), rows::companies::Model::of(company));
                self.company_terms
                    .insert(company.id.uuid(), search::company_terms(company));
            }
            CompanyChange::Edited { company, after, .. } => {
                let id = company.id.uuid();
                if after.contains_key("name") {
                    if !self.company_terms.contains_key(&id) {
                        self.known_companies.insert(id);
                    }
                    self.company_terms.insert(id, search::company_terms(company));
                }
                self.companies.insert(id, rows::companies::Model::of(company));
                self.changed_companies.insert(id);
            }
            CompanyChange::Archived(company) | CompanyChange::Restored(company) => {
                self.companies
                    .insert(company.id.uuid(), rows::companies::Model::of(company));
            }
            CompanyChange::FieldStated(statement) => {
                self.values
                    .insert(statement.id.uuid(), rows::field_values::Model::of(statement));
            }
        }
    }
}
