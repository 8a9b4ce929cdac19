//! The one way in: what happened becomes one statement a table, and journal entries, in the transaction.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, EntityTrait, Statement};
use serde::Serialize;
use tandem_domain::change::Change;
use tandem_domain::deals::{Deal, DealMove};
use tandem_domain::id::{EntryId, Id};
use tandem_domain::journal;
use tandem_domain::leads::search;
use tandem_domain::settings::name;
use tandem_domain::tracking::record::TouchRecord;
use uuid::Uuid;

use crate::db::{Conn, Stamp, Tx};
use crate::deals;
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::leads::terms;
use crate::rows::{self, to_json};
use crate::rules::revision;

/// Write what happened. The last state of a row wins; journal entries keep the order of the changes.
pub async fn write(tx: &Tx, changes: &[Change]) -> Result<(), StoreError> {
    write_all(tx, &[(tx.stamp(), changes)]).await
}

/// [`write()`] for what happened by several requests in one transaction: each part bears its own stamp in the journal.
pub async fn write_all(
    tx: &Tx,
    parts: &[(impl Borrow<Stamp>, impl AsRef<[Change]>)],
) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    let mut is_valued = false;
    for change in parts.iter().flat_map(|(_, changes)| changes.as_ref()) {
        rows.take(change);
        is_valued |= values_a_deal(change);
    }
    if is_valued {
        deals::keep_base_currency(tx).await?;
    }
    rows.save(tx).await?;
    append_journal(tx, parts).await
}

/// Whether something is valued in the base currency by it.
fn values_a_deal(change: &Change) -> bool {
    match change {
        Change::DealClosed { deal, .. } => deal.closing.as_ref().is_some_and(|end| end.value.is_some()),
        _ => false,
    }
}

#[derive(Default)]
struct Rows {
    leads: BTreeMap<Uuid, rows::leads::Model>,
    identifiers: BTreeMap<Uuid, rows::identifiers::Model>,
    gone_identifiers: BTreeSet<Uuid>,
    duplicates: BTreeMap<Uuid, rows::duplicates::Model>,
    companies: BTreeMap<Uuid, rows::companies::Model>,
    values: BTreeMap<Uuid, rows::field_values::Model>,
    consents: BTreeMap<Uuid, rows::consents::Model>,
    transitions: BTreeMap<Uuid, rows::transitions::Model>,
    cycles: BTreeMap<Uuid, rows::cycles::Model>,
    forms: BTreeMap<Uuid, rows::forms::Model>,
    form_keys: BTreeMap<Uuid, rows::form_keys::Model>,
    submissions: BTreeMap<Uuid, rows::submissions::Model>,
    campaigns: BTreeMap<Uuid, rows::campaigns::Model>,
    campaign_aliases: BTreeMap<Uuid, Vec<rows::campaign_aliases::Model>>,
    pipelines: BTreeMap<Uuid, rows::pipelines::Model>,
    deals: BTreeMap<Uuid, rows::deals::Model>,
    deal_leads: BTreeMap<Uuid, Vec<rows::deal_leads::Model>>,
    deal_moves: BTreeMap<Uuid, rows::deal_moves::Model>,
    gone_rates: Vec<rows::exchange_rates::Model>,
    rates: Vec<rows::exchange_rates::Model>,
    replayed: BTreeMap<Uuid, rows::submissions::Model>,
    imports: BTreeMap<Uuid, rows::imports::Model>,
    settings: BTreeMap<String, rows::settings::Model>,
    touches: BTreeMap<Uuid, rows::touches::Model>,
    tracking_keys: BTreeMap<Uuid, rows::tracking_keys::Model>,
    users: BTreeMap<Uuid, rows::users::Model>,
    teams: BTreeMap<Uuid, rows::teams::Model>,
    members: BTreeMap<Uuid, Vec<rows::team_members::Model>>,
    keys: BTreeMap<Uuid, rows::api_keys::Model>,
    revisions: BTreeSet<&'static str>,
    // Search terms: of leads that are new, of leads and companies whose words changed.
    lead_terms: BTreeMap<Uuid, BTreeSet<String>>,
    known_leads: BTreeSet<Uuid>,
    joined: BTreeSet<Uuid>,
    created: BTreeSet<Uuid>,
    company_terms: BTreeMap<Uuid, BTreeSet<String>>,
    known_companies: BTreeSet<Uuid>,
}

const WORDS_OF_A_LEAD: &[&str] = &["first_name", "last_name", "emails", "phones"];

impl Rows {
    fn take(&mut self, change: &Change) {
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
            Change::PasswordChanged(_) | Change::ConfirmationIssued(_) => {}
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

    async fn save(self, tx: &Tx) -> Result<(), StoreError> {
        use OnConflict::{Fail, Replace};
        delete(tx, "identifiers", "id", &self.gone_identifiers).await?;
        insert::<rows::companies::Entity>(tx, self.companies.values(), Replace).await?;
        insert::<rows::leads::Entity>(tx, self.leads.values(), Replace).await?;
        insert::<rows::identifiers::Entity>(tx, self.identifiers.values(), Replace).await?;
        insert::<rows::field_values::Entity>(tx, self.values.values(), Fail).await?;
        insert::<rows::consents::Entity>(tx, self.consents.values(), Fail).await?;
        insert::<rows::cycles::Entity>(tx, self.cycles.values(), Replace).await?;
        insert::<rows::transitions::Entity>(tx, self.transitions.values(), Fail).await?;
        insert::<rows::duplicates::Entity>(tx, self.duplicates.values(), Replace).await?;
        insert::<rows::forms::Entity>(tx, self.forms.values(), Replace).await?;
        insert::<rows::form_keys::Entity>(tx, self.form_keys.values(), Replace).await?;
        insert::<rows::submissions::Entity>(tx, self.submissions.values(), Fail).await?;
        insert::<rows::campaigns::Entity>(tx, self.campaigns.values(), Replace).await?;
        let renamed = self.campaign_aliases.keys().copied().collect();
        delete(tx, "campaign_aliases", "campaign_id", &renamed).await?;
        let aliases = self.campaign_aliases.values().flatten();
        insert::<rows::campaign_aliases::Entity>(tx, aliases, Fail).await?;
        // Of two pipelines one gives the default away before the other takes it.
        let (after, before): (Vec<_>, Vec<_>) = self.pipelines.values().partition(|row| row.is_default);
        insert::<rows::pipelines::Entity>(tx, before.into_iter(), Replace).await?;
        insert::<rows::pipelines::Entity>(tx, after.into_iter(), Replace).await?;
        insert::<rows::deals::Entity>(tx, self.deals.values(), Replace).await?;
        let regrouped = self.deal_leads.keys().copied().collect();
        delete(tx, "deal_leads", "deal_id", &regrouped).await?;
        insert::<rows::deal_leads::Entity>(tx, self.deal_leads.values().flatten(), Fail).await?;
        insert::<rows::deal_moves::Entity>(tx, self.deal_moves.values(), Fail).await?;
        forget_rates(tx, &self.gone_rates).await?;
        insert::<rows::exchange_rates::Entity>(tx, self.rates.iter(), Replace).await?;
        insert::<rows::submissions::Entity>(tx, self.replayed.values(), Replace).await?;
        insert::<rows::imports::Entity>(tx, self.imports.values(), Replace).await?;
        insert::<rows::settings::Entity>(tx, self.settings.values(), Replace).await?;
        insert::<rows::touches::Entity>(tx, self.touches.values(), Fail).await?;
        insert::<rows::tracking_keys::Entity>(tx, self.tracking_keys.values(), Replace).await?;
        insert::<rows::users::Entity>(tx, self.users.values(), Replace).await?;
        insert::<rows::teams::Entity>(tx, self.teams.values(), Replace).await?;
        delete(
            tx,
            "team_members",
            "team_id",
            &self.members.keys().copied().collect(),
        )
        .await?;
        insert::<rows::team_members::Entity>(tx, self.members.values().flatten(), Fail).await?;
        insert::<rows::api_keys::Entity>(tx, self.keys.values(), Replace).await?;
        self.save_terms(tx).await?;
        for name in self.revisions {
            raise_revision(tx, name).await?;
        }
        Ok(())
    }

    async fn save_terms(&self, tx: &Tx) -> Result<(), StoreError> {
        delete(tx, "company_terms", "company_id", &self.known_companies).await?;
        let words = |(id, terms): (&Uuid, &BTreeSet<String>)| {
            let id = *id;
            let row = move |term: &String| rows::company_terms::Model {
                term: term.clone(),
                company_id: id,
            };
            terms.iter().map(row).collect::<Vec<_>>()
        };
        let company_words: Vec<_> = self.company_terms.iter().flat_map(words).collect();
        insert::<rows::company_terms::Entity>(tx, company_words.iter(), OnConflict::Fail).await?;

        delete_where(tx, "lead_terms", "lead_id", &self.known_leads, "origin = 'own'").await?;
        let words = |(id, terms): (&Uuid, &BTreeSet<String>)| {
            let id = *id;
            let row = move |term: &String| {
                let (term, origin) = (term.clone(), "own".to_owned());
                rows::lead_terms::Model {
                    term,
                    lead_id: id,
                    origin,
                }
            };
            terms.iter().map(row).collect::<Vec<_>>()
        };
        let own_words: Vec<_> = self.lead_terms.iter().flat_map(words).collect();
        insert::<rows::lead_terms::Entity>(tx, own_words.iter(), OnConflict::Fail).await?;

        let (new, known): (BTreeSet<Uuid>, BTreeSet<Uuid>) =
            self.joined.iter().partition(|id| self.created.contains(id));
        terms::inherit_at_first(tx, &new).await?;
        terms::inherit(tx, terms::Of::Leads, &known).await?;
        terms::company_renamed(tx, &self.known_companies).await
    }
}

/// Delete exchange rates by their keys.
async fn forget_rates(tx: &Tx, gone: &[rows::exchange_rates::Model]) -> Result<(), StoreError> {
    if gone.is_empty() {
        return Ok(());
    }
    let key = |rate: &rows::exchange_rates::Model| {
        format!("{}{}{}", rate.from_currency, rate.to_currency, rate.in_force_on)
    };
    let keys: Vec<String> = gone.iter().map(key).collect();
    let chosen = dialect::text_in(
        tx.conn().get_database_backend(),
        "from_currency || to_currency || in_force_on",
        keys.iter().map(String::as_str),
    );
    execute_with(tx, "DELETE FROM exchange_rates WHERE {}", chosen).await
}

/// Execute a statement whose `{}` is a condition.
pub(crate) async fn execute_with(
    tx: &Tx,
    template: &str,
    condition: sea_orm::sea_query::SimpleExpr,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let probe = sea_orm::sea_query::Query::select().expr(condition).to_owned();
    let built = backend.build(&probe);
    let condition = built.sql.trim_start_matches("SELECT ").to_owned();
    let sql = template.replace("{}", &condition);
    let values = built.values.unwrap_or(sea_orm::Values(vec![]));
    tx.conn()
        .execute_raw(Statement::from_sql_and_values(backend, sql, values.0))
        .await?;
    Ok(())
}

/// Insert rows from one JSON parameter; nothing where there are none.
pub(crate) async fn insert<'a, E>(
    tx: &Tx,
    rows: impl Iterator<Item = &'a E::Model>,
    on_conflict: OnConflict,
) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: Serialize + 'a,
{
    let rows: Vec<&E::Model> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let statement = dialect::insert::<E>(backend, to_json(&rows), on_conflict, &[]);
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

pub(crate) async fn delete(
    tx: &Tx,
    table: &str,
    column: &str,
    ids: &BTreeSet<Uuid>,
) -> Result<(), StoreError> {
    delete_where(tx, table, column, ids, "true").await
}

async fn delete_where(
    tx: &Tx,
    table: &str,
    column: &str,
    ids: &BTreeSet<Uuid>,
    condition: &str,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let chosen = dialect::id_in(tx.conn().get_database_backend(), column, ids.iter().copied());
    execute_with(
        tx,
        &format!("DELETE FROM {table} WHERE {condition} AND {{}}"),
        chosen,
    )
    .await
}

/// Raise a revision: whoever decides by what it stands for compiles anew.
pub(crate) async fn raise_revision(tx: &Tx, name: &str) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let sql = format!(
        "INSERT INTO revisions (name, revision) VALUES ({}, 1) \
         ON CONFLICT (name) DO UPDATE SET revision = revisions.revision + 1",
        dialect::parameter(backend, 1)
    );
    tx.conn()
        .execute_raw(Statement::from_sql_and_values(backend, sql, [name.into()]))
        .await?;
    Ok(())
}

async fn append_journal(
    tx: &Tx,
    parts: &[(impl Borrow<Stamp>, impl AsRef<[Change]>)],
) -> Result<(), StoreError> {
    let (mut entries, mut values) = (vec![], vec![]);
    for (stamp, changes) in parts {
        let stamp: &Stamp = stamp.borrow();
        let mut ids = stamp.ids();
        for entry in changes.as_ref().iter().filter_map(journal::entry) {
            let id: EntryId = ids.next();
            let names: BTreeSet<&String> = entry
                .before
                .iter()
                .chain(&entry.after)
                .flat_map(|facts| facts.keys())
                .collect();
            let lead_id = entry.lead_id.map(Id::uuid);
            entries.push(rows::journal::Model {
                id: id.uuid(),
                epoch: 0,
                xid: 0,
                seq: 0,
                kind: entry.kind.to_owned(),
                subject_kind: entry.subject.kind.to_owned(),
                subject_id: entry.subject.id,
                subject_version: entry.subject.version,
                lead_id,
                actor_kind: stamp.actor.kind().name().to_owned(),
                actor_id: stamp.actor.id(),
                on_behalf_of: stamp.actor.on_behalf_of().map(Id::uuid),
                occurred_at: stamp.now.millis(),
                request_id: stamp.request_id.clone(),
                fields: to_json(&names),
                agreement_version: entry
                    .data
                    .get("agreement_version")
                    .and_then(serde_json::Value::as_i64),
                is_imported: stamp.is_imported,
            });
            values.push(rows::journal_values::Model {
                id: id.uuid(),
                lead_id,
                before_values: entry.before.as_ref().map(to_json),
                after_values: entry.after.as_ref().map(to_json),
                data: to_json(&entry.data),
            });
        }
    }
    if entries.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let place = dialect::journal_place(backend);
    let statement =
        dialect::insert::<rows::journal::Entity>(backend, to_json(&entries), OnConflict::Fail, &place);
    tx.conn().execute_raw(statement).await?;
    insert::<rows::journal_values::Entity>(tx, values.iter(), OnConflict::Fail).await
}
