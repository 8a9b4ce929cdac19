//! What happened, gathered as rows: the last state of each.

use std::collections::{BTreeMap, BTreeSet};

use tandem_domain::change::Change;
use tandem_domain::deals::{Deal, DealMove};
use tandem_domain::id::Id;
use tandem_domain::leads::search;
use tandem_domain::settings::name;
use tandem_domain::tracking::record::TouchRecord;
use uuid::Uuid;

use crate::rows::{self, to_json};
use crate::rules::revision;

/// Rows to write, by their keys.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) leads: BTreeMap<Uuid, rows::leads::Model>,
    pub(super) identifiers: BTreeMap<Uuid, rows::identifiers::Model>,
    pub(super) gone_identifiers: BTreeSet<Uuid>,
    pub(super) duplicates: BTreeMap<Uuid, rows::duplicates::Model>,
    pub(super) companies: BTreeMap<Uuid, rows::companies::Model>,
    pub(super) values: BTreeMap<Uuid, rows::field_values::Model>,
    pub(super) consents: BTreeMap<Uuid, rows::consents::Model>,
    pub(super) transitions: BTreeMap<Uuid, rows::transitions::Model>,
    pub(super) cycles: BTreeMap<Uuid, rows::cycles::Model>,
    pub(super) forms: BTreeMap<Uuid, rows::forms::Model>,
    pub(super) form_keys: BTreeMap<Uuid, rows::form_keys::Model>,
    pub(super) submissions: BTreeMap<Uuid, rows::submissions::Model>,
    pub(super) campaigns: BTreeMap<Uuid, rows::campaigns::Model>,
    pub(super) campaign_aliases: BTreeMap<Uuid, Vec<rows::campaign_aliases::Model>>,
    pub(super) pipelines: BTreeMap<Uuid, rows::pipelines::Model>,
    pub(super) deals: BTreeMap<Uuid, rows::deals::Model>,
    pub(super) deal_leads: BTreeMap<Uuid, Vec<rows::deal_leads::Model>>,
    pub(super) deal_moves: BTreeMap<Uuid, rows::deal_moves::Model>,
    pub(super) gone_rates: Vec<rows::exchange_rates::Model>,
    pub(super) rates: Vec<rows::exchange_rates::Model>,
    pub(super) replayed: BTreeMap<Uuid, rows::submissions::Model>,
    pub(super) imports: BTreeMap<Uuid, rows::imports::Model>,
    pub(super) settings: BTreeMap<String, rows::settings::Model>,
    pub(super) touches: BTreeMap<Uuid, rows::touches::Model>,
    pub(super) tracking_keys: BTreeMap<Uuid, rows::tracking_keys::Model>,
    pub(super) users: BTreeMap<Uuid, rows::users::Model>,
    pub(super) teams: BTreeMap<Uuid, rows::teams::Model>,
    pub(super) members: BTreeMap<Uuid, Vec<rows::team_members::Model>>,
    pub(super) keys: BTreeMap<Uuid, rows::api_keys::Model>,
    pub(super) revisions: BTreeSet<&'static str>,
    // Search terms: of leads that are new, of leads and companies whose words changed.
    pub(super) lead_terms: BTreeMap<Uuid, BTreeSet<String>>,
    pub(super) known_leads: BTreeSet<Uuid>,
    pub(super) joined: BTreeSet<Uuid>,
    pub(super) created: BTreeSet<Uuid>,
    pub(super) company_terms: BTreeMap<Uuid, BTreeSet<String>>,
    pub(super) known_companies: BTreeSet<Uuid>,
}

const WORDS_OF_A_LEAD: &[&str] = &["first_name", "last_name", "emails", "phones"];

impl Rows {
    /// Take in what one change leaves.
    pub(super) fn take(&mut self, change: &Change) {
        match change {
            Change::LeadCreated {
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
            Change::LeadEdited {
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
            Change::LeadMoved {
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
            Change::LeadAssigned { lead, .. } | Change::LeadArchived(lead) | Change::LeadRestored(lead) => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
            }
            Change::IdentifierAdded(lead_id, identifier) | Change::IdentifierMoved(lead_id, identifier) => {
                let row = rows::identifiers::Model::of(*lead_id, identifier);
                self.identifiers.insert(row.id, row);
            }
            Change::IdentifierRemoved(_, id) => {
                self.identifiers.remove(&id.uuid());
                self.gone_identifiers.insert(id.uuid());
            }
            Change::FieldStated(statement) => {
                self.values
                    .insert(statement.id.uuid(), rows::field_values::Model::of(statement));
            }
            Change::DuplicateSuggested(duplicate)
            | Change::DuplicateWithdrawn(duplicate)
            | Change::DuplicateDismissed(duplicate) => {
                let row = rows::duplicates::Model::of(duplicate);
                self.duplicates.insert(row.id, row);
            }
            Change::ConsentStated { lead, statement } => {
                self.leads.insert(lead.id.uuid(), rows::leads::Model::of(lead));
                self.consents
                    .insert(statement.id.uuid(), rows::consents::Model::of(statement));
            }
            Change::CompanyCreated { company, .. } => {
                self.companies
                    .insert(company.id.uuid(), rows::companies::Model::of(company));
                self.company_terms
                    .insert(company.id.uuid(), search::company_terms(company));
            }
            Change::CompanyEdited { company, after, .. } => {
                let id = company.id.uuid();
                if after.contains_key("name") {
                    if !self.company_terms.contains_key(&id) {
                        self.known_companies.insert(id);
                    }
                    self.company_terms.insert(id, search::company_terms(company));
                }
                self.companies.insert(id, rows::companies::Model::of(company));
            }
            Change::CompanyArchived(company) | Change::CompanyRestored(company) => {
                self.companies
                    .insert(company.id.uuid(), rows::companies::Model::of(company));
            }
            Change::FormCreated { form, key } => {
                self.forms.insert(form.id.uuid(), rows::forms::Model::of(form));
                self.form_keys
                    .insert(key.id.uuid(), rows::form_keys::Model::of(key));
                self.revisions.insert(revision::FORMS);
            }
            Change::FormEdited { form, .. } => {
                self.forms.insert(form.id.uuid(), rows::forms::Model::of(form));
                self.revisions.insert(revision::FORMS);
            }
            Change::FormKeyRotated { form, key, ended } => {
                self.forms.insert(form.id.uuid(), rows::forms::Model::of(form));
                let keys = std::iter::once(key).chain(ended);
                self.form_keys
                    .extend(keys.map(|key| (key.id.uuid(), rows::form_keys::Model::of(key))));
                self.revisions.insert(revision::FORMS);
            }
            Change::SubmissionReceived(submission) => {
                self.submissions
                    .insert(submission.id.uuid(), rows::submissions::Model::of(submission));
            }
            Change::SubmissionReplayed(submission) => {
                self.replayed
                    .insert(submission.id.uuid(), rows::submissions::Model::of(submission));
            }
            Change::ImportCreated(import) | Change::ImportEnded(import) => {
                self.imports
                    .insert(import.id.uuid(), rows::imports::Model::of(import));
            }
            Change::SettingChanged {
                name, version, after, ..
            } => {
                let row = rows::settings::Model {
                    name: (*name).to_owned(),
                    value: to_json(after),
                    version: *version,
                };
                self.settings.insert((*name).to_owned(), row);
                self.revisions.insert(revision::SETTINGS);
            }
            Change::RatesReplaced {
                version,
                gone,
                come,
                count,
            } => {
                self.gone_rates
                    .extend(gone.iter().map(rows::exchange_rates::Model::of));
                self.rates
                    .extend(come.iter().map(rows::exchange_rates::Model::of));
                let row = rows::settings::Model {
                    name: name::EXCHANGE_RATES.to_owned(),
                    value: to_json(count),
                    version: *version,
                };
                self.settings.insert(row.name.clone(), row);
                self.revisions.insert(revision::SETTINGS);
            }
            Change::CampaignCreated(campaign) | Change::CampaignEdited { campaign, .. } => {
                let id = campaign.id.uuid();
                self.campaigns.insert(id, rows::campaigns::Model::of(campaign));
                self.campaign_aliases
                    .insert(id, rows::campaign_aliases::Model::all_of(campaign));
            }
            Change::PipelineCreated(pipeline) | Change::PipelineEdited { pipeline, .. } => {
                self.pipelines
                    .insert(pipeline.id.uuid(), rows::pipelines::Model::of(pipeline));
            }
            Change::DealOpened { deal, made, .. } => {
                self.take_deal(deal);
                self.take_deal_leads(deal);
                self.take_deal_move(made);
            }
            Change::DealMoved { deal, made }
            | Change::DealClosed { deal, made }
            | Change::DealReopened { deal, made } => {
                self.take_deal(deal);
                self.take_deal_move(made);
            }
            Change::DealEdited { deal, .. } => {
                self.take_deal(deal);
                self.take_deal_leads(deal);
            }
            Change::TouchStated { id, lead_id, touch } => {
                let at = touch.occurred_at.unwrap_or_default();
                let told = TouchRecord::given(*id, *lead_id, touch, at);
                self.touches.insert(id.uuid(), rows::touches::Model::of(&told));
            }
            Change::TouchAdded(told) => {
                self.touches
                    .insert(told.id.uuid(), rows::touches::Model::of(told));
            }
            // The link is written with what follows of it: crates/store/src/tracking/record.rs.
            Change::VisitorIdentified(_) => {}
            Change::TrackingKeyCreated(key)
            | Change::TrackingKeyEdited { key, .. }
            | Change::TrackingKeyRotated(key)
            | Change::TrackingKeyRevoked(key) => {
                self.tracking_keys
                    .insert(key.id.uuid(), rows::tracking_keys::Model::of(key));
            }
            Change::UserCreated(user) | Change::UserEdited { user, .. } => {
                self.users.insert(user.id.uuid(), rows::users::Model::of(user));
            }
            Change::TeamCreated(team) | Change::TeamEdited { team, .. } => {
                let team_id = team.id.uuid();
                self.teams.insert(team_id, rows::teams::Model::of(team));
                let member = |user_id: &Id<_>| rows::team_members::Model {
                    team_id,
                    user_id: user_id.uuid(),
                };
                self.members
                    .insert(team_id, team.members.iter().map(member).collect());
            }
            Change::KeyCreated(key) | Change::KeyRotated(key) | Change::KeyRevoked(key) => {
                self.keys.insert(key.id.uuid(), rows::api_keys::Model::of(key));
            }
            // Secrets are written by their own rooms.
            Change::PasswordChanged(_)
            | Change::ResetTokenCreated { .. }
            | Change::SigningKeyRotated { .. }
            | Change::ConfirmationIssued(_) => {}
        }
    }

    fn take_deal(&mut self, deal: &Deal) {
        self.deals.insert(deal.id.uuid(), rows::deals::Model::of(deal));
    }

    fn take_deal_leads(&mut self, deal: &Deal) {
        self.deal_leads
            .insert(deal.id.uuid(), rows::deal_leads::Model::all_of(deal));
    }

    fn take_deal_move(&mut self, made: &DealMove) {
        self.deal_moves
            .insert(made.id.uuid(), rows::deal_moves::Model::of(made));
    }
}
