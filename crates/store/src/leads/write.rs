//! The rows that changes of leads and companies leave.

use tandem_domain::leads::change::{CompanyChange, LeadChange};
use tandem_domain::leads::search;
use tandem_domain::tracking::record::TouchRecord;

use crate::rows;
use crate::write::Rows;

const WORDS_OF_A_LEAD: &[&str] = &["first_name", "last_name", "emails", "phones"];

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
            }
            LeadChange::Edited {
                lead, cycle, after, ..
            } => {
                let id = lead.id.uuid();
                let is_new = self.lead_terms.contains_key(&id) && !self.known_leads.contains(&id);
                if WORDS_OF_A_LEAD.iter().any(|field| after.contains_key(*field)) {
                    self.lead_terms.insert(id, search::lead_terms(lead));
                    if !is_new {
                        self.known_leads.insert(id);
                    }
                }
                if after.contains_key("company_id") {
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
            }
            LeadChange::Assigned { lead, .. } | LeadChange::Archived(lead) | LeadChange::Restored(lead) => {
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
            }
            LeadChange::TouchAdded(record) => {
                self.touches
                    .insert(record.id.uuid(), rows::touches::Model::of(record));
            }
            // The link is written with what follows of it: crates/store/src/tracking/record.rs.
            LeadChange::VisitorIdentified(_) => {}
            LeadChange::ConfirmationIssued(_) => {}
        }
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
