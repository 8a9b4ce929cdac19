//! The loaded facts of one lead or of a whole batch; decisions are applied to it, so that the next stands on them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::access::Staff;
use crate::activities::conversation::Talks;
use crate::activities::objections::ObjectionMap;
use crate::activities::{Activity, Contact};
use crate::agreement::conditions::History;
use crate::agreement::{BantItem, Version};
use crate::clocks::Side;
use crate::clocks::record::ClockRecord;
use crate::content::library::Library;
use crate::deals::Deal;
use crate::deals::pipelines::Pipeline;
use crate::deals::promises::Promise;
use crate::handoff::packet::PacketFacts;
use crate::handoff::qualification::Qualification;
use crate::handoff::{Assignee, Handoff};
use crate::id::{ActivityId, ClockId, CompanyId, DealId, HandoffId, LeadId, PipelineId};
use crate::instant::Timestamp;
use crate::leads::consent::{ConsentFacts, ConsentPurpose};
use crate::leads::custom::CustomField;
use crate::leads::fields::{About, CompanyField, FieldValue, Rank, Source};
use crate::leads::identity::{Identifier, Key};
use crate::leads::job::JobWords;
use crate::leads::save::Statement;
use crate::leads::search::fold;
use crate::leads::{Company, Lead, Touch};
use crate::lifecycle::Cycle;
use crate::money::{Currency, Rates};
use crate::routing::{Desk, Routing};
use crate::scoring::StoredScore;
use crate::stage::Stage;
use crate::tracking::TouchRules;
use crate::tracking::events::EventKind;
use crate::tracking::visitors::Visitors;

/// What was said about one field: the statements that can still win, and the others, which are known all the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statements {
    /// The newest statement by hand.
    pub by_hand: Option<FieldValue>,
    /// The newest statement of a key or an import with a value.
    pub known: Option<FieldValue>,
    /// The newest statement of a form with a value.
    pub of_forms: Option<FieldValue>,
    /// What was said before these, or with an earlier date, in no order.
    pub older: Vec<FieldValue>,
}

impl Statements {
    /// The statement that is shown.
    pub fn winner(&self) -> Option<&FieldValue> {
        self.by_hand
            .as_ref()
            .or(self.known.as_ref())
            .or(self.of_forms.as_ref())
    }

    /// Take one more statement into account.
    pub fn add(&mut self, statement: FieldValue) {
        if !statement.counts() {
            return;
        }
        let place = match statement.source.rank() {
            Rank::Hand => &mut self.by_hand,
            Rank::Known => &mut self.known,
            Rank::Stranger => &mut self.of_forms,
        };
        let is_newer = place
            .as_ref()
            .is_none_or(|old| (old.observed_at, old.id) < (statement.observed_at, statement.id));
        let older = if is_newer {
            place.replace(statement)
        } else {
            Some(statement)
        };
        self.older.extend(older);
    }

    /// Every statement that says something, in no order.
    pub fn all(&self) -> impl Iterator<Item = &FieldValue> {
        let newest = [&self.by_hand, &self.known, &self.of_forms];
        newest.into_iter().flatten().chain(&self.older)
    }

    /// The newest statement of the kind that a statement from this source would join.
    pub fn newest_like(&self, source: Source) -> Option<&FieldValue> {
        match source.rank() {
            Rank::Hand => self.by_hand.as_ref(),
            Rank::Known => self.known.as_ref(),
            Rank::Stranger => self.of_forms.as_ref(),
        }
    }
}

/// What money is converted by.
#[derive(Debug, Clone)]
pub struct MoneyRules {
    /// The currency of reports.
    pub base: Currency,
    /// The dated exchange rates.
    pub rates: Arc<Rates>,
    /// The zone that days follow.
    pub zone: TimeZone,
}

/// The facts that decisions are made from.
#[derive(Debug, Clone)]
pub struct World {
    /// The leads, by id.
    pub leads: HashMap<LeadId, Lead>,
    /// The current cycle of each lead.
    pub cycles: HashMap<LeadId, Cycle>,
    /// The companies, by id.
    pub companies: HashMap<CompanyId, Company>,
    /// Who has an identifier; several only for phones.
    pub holders: HashMap<Key, Vec<LeadId>>,
    /// The companies by web domain.
    pub by_domain: HashMap<String, CompanyId>,
    /// The companies without a web domain, by folded name.
    pub by_name: HashMap<String, CompanyId>,
    /// What was said about each field of each loaded lead and company.
    pub statements: HashMap<(About, String), Statements>,
    /// What was said about consent, by lead: of those leads whose history a decision needs.
    pub consents: HashMap<LeadId, ConsentFacts>,
    /// Deals, hand-offs and clocks, as far as they are loaded.
    pub sales: Sales,
    /// What is tracked, as far as it is loaded.
    pub tracking: Tracking,
    /// What the agreement's rules look at beside the records, as far as it is loaded.
    pub judging: Judging,
    /// The rules that decisions are made by.
    pub rules: Rules,
}

/// The rules that decisions are made by: the agreement and the settings in force.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The agreement in force.
    pub agreement: Arc<Version>,
    /// The declared custom fields.
    pub custom_fields: Vec<CustomField>,
    /// The declared purposes of consent.
    pub consent_purposes: Arc<Vec<ConsentPurpose>>,
    /// What touches are made by.
    pub touch_rules: Arc<TouchRules>,
    /// What money is converted by.
    pub money: MoneyRules,
    /// The words by which job titles are read.
    pub job_words: Arc<JobWords>,
    /// The rules of routing, which assign hand-offs.
    pub routing: Arc<Routing>,
    /// The content library.
    pub content: Arc<Library>,
    /// The codes that objections in words are mapped to.
    pub objections: Arc<ObjectionMap>,
}

/// What the agreement's rules look at beside the records.
#[derive(Debug, Clone, Default)]
pub struct Judging {
    /// The stored scores of the loaded leads; a lead that has just been created has none.
    pub scores: HashMap<LeadId, StoredScore>,
    /// What leads did, by type of event; a lead is here once everything that rules look at is loaded for it.
    pub histories: HashMap<LeadId, BTreeMap<EventKind, History>>,
    /// The touches of leads, where a rule asks for them.
    pub touches: HashMap<LeadId, Vec<Touch>>,
    /// What stands of the consent of leads, where a rule asks for it.
    pub consents: HashMap<LeadId, ConsentFacts>,
    /// Those of these leads whose e-mail must not be used: the address takes no mail, or its owner complained.
    pub barred: HashSet<LeadId>,
    /// The leads that this transaction creates: the database has nothing of them but what it wrote.
    pub created: HashSet<LeadId>,
    /// The furthest stage among the leads of companies that are not archived, where a rule asks for it.
    pub company_stages: HashMap<CompanyId, Option<Stage>>,
}

/// The loaded records of sales: deals, hand-offs, clocks, and what decides on them.
#[derive(Debug, Clone, Default)]
pub struct Sales {
    /// The deals, by id; of a lead whose deals are decided on, all of them.
    pub deals: HashMap<DealId, Deal>,
    /// The deals by the id that another system knows them by, as (system, id).
    pub deals_by_key: HashMap<(String, String), DealId>,
    /// The pipelines, by id.
    pub pipelines: HashMap<PipelineId, Pipeline>,
    /// The leads whose hand-offs and clocks are loaded: all of their current cycle.
    pub loaded: HashSet<LeadId>,
    /// The hand-offs, by id.
    pub handoffs: HashMap<HandoffId, Handoff>,
    /// The clocks, by id.
    pub clocks: HashMap<ClockId, ClockRecord>,
    /// What packets of hand-offs are made of beside the records, of leads that are about to be handed over.
    pub packets: HashMap<LeadId, PacketFacts>,
    /// What is known of budget, authority, need and timeline, of leads whose hand-offs are loaded.
    pub qualifications: HashMap<LeadId, Qualification>,
    /// Who can take a hand-off now, where a rule asks.
    pub desk: Desk,
    /// The leads of which everything is loaded that routing asks.
    pub routable: HashSet<LeadId>,
    /// The activities that are decided on, by id.
    pub activities: HashMap<ActivityId, Activity>,
    /// The activities by the id that another system knows them by, as (system, id).
    pub activities_by_key: HashMap<(String, String), ActivityId>,
    /// The contacts with leads whose activities are loaded: all since the first hand-off.
    pub contacts: HashMap<LeadId, Vec<Contact>>,
    /// When the open tasks of these leads are due.
    pub open_tasks: HashMap<LeadId, Vec<Timestamp>>,
    /// Where the open tasks are that a rule created, of leads of which that is loaded; nowhere where there is none.
    pub rule_tasks: HashMap<LeadId, Option<Assignee>>,
    /// The conversations that are decided on.
    pub talks: Talks,
    /// The promises that loaded activities state.
    pub promises: HashMap<ActivityId, Vec<Promise>>,
    /// The enabled users, where they are loaded.
    pub staff: Option<Staff>,
}

/// What is known of visitors and events.
#[derive(Debug, Clone, Default)]
pub struct Tracking {
    /// The visitors of a batch.
    pub visitors: Visitors,
    /// The newest event of leads whose history is loaded, bots left out; nothing where there is none.
    pub newest_event: HashMap<LeadId, Option<Timestamp>>,
}

impl World {
    /// A world that knows the rules and nobody.
    pub fn of(rules: Rules) -> Self {
        Self {
            leads: HashMap::new(),
            cycles: HashMap::new(),
            companies: HashMap::new(),
            holders: HashMap::new(),
            by_domain: HashMap::new(),
            by_name: HashMap::new(),
            statements: HashMap::new(),
            consents: HashMap::new(),
            sales: Sales::default(),
            tracking: Tracking::default(),
            judging: Judging::default(),
            rules,
        }
    }

    /// A world that knows an agreement and custom fields, and the settings that a new installation has.
    pub fn new(agreement: Arc<Version>, custom_fields: Vec<CustomField>) -> Self {
        Self::of(Rules {
            agreement,
            custom_fields,
            consent_purposes: Arc::default(),
            touch_rules: Arc::default(),
            money: MoneyRules {
                base: Currency::EUR,
                rates: Arc::default(),
                zone: TimeZone::UTC,
            },
            job_words: JobWords::usual(),
            content: Arc::default(),
            objections: Arc::default(),
            routing: Arc::new(Routing::first()),
        })
    }

    /// The facts that one statement about a lead is decided on, and no others: what is decided on them leaves this world as
    /// it is.
    pub fn part_for(&self, said: &Statement) -> Self {
        let mut part = Self::of(self.rules.clone());
        let mut leads: Vec<LeadId> = said.id.into_iter().collect();
        for key in said.keys() {
            if let Some(holders) = self.holders.get(&key) {
                leads.extend(holders);
                part.holders.insert(key, holders.clone());
            }
        }
        let mut companies: Vec<CompanyId> = vec![];
        for lead in leads.into_iter().filter_map(|id| self.leads.get(&id)) {
            companies.extend(lead.company_id);
            part.add_lead(lead.clone(), self.cycles.get(&lead.id).cloned());
        }
        let named = said.company.as_ref().and_then(|company| company.domain.clone());
        let domain = named.or_else(|| said.company_of_email());
        companies.extend(domain.and_then(|domain| self.by_domain.get(domain.as_str())));
        let name = said
            .company
            .as_ref()
            .and_then(|company| company.text.get(&CompanyField::Name)?.as_deref());
        companies.extend(name.and_then(|name| self.by_name.get(&fold(name))));
        for company in companies.into_iter().filter_map(|id| self.companies.get(&id)) {
            part.add_company(company.clone());
        }
        let concerns = |about: &About| match about {
            About::Lead(id) => part.leads.contains_key(id),
            About::Company(id) => part.companies.contains_key(id),
        };
        let statements = self.statements.iter().filter(|((about, _), _)| concerns(about));
        part.statements = statements
            .map(|(key, known)| (key.clone(), known.clone()))
            .collect();
        part
    }

    /// Add a loaded lead with its current cycle.
    pub fn add_lead(&mut self, lead: Lead, cycle: Option<Cycle>) {
        for identifier in &lead.identifiers {
            self.hold(lead.id, identifier);
        }
        if let Some(cycle) = cycle {
            self.cycles.insert(lead.id, cycle);
        }
        self.leads.insert(lead.id, lead);
    }

    /// Add a loaded company.
    pub fn add_company(&mut self, company: Company) {
        match (&company.domain, company.name()) {
            (Some(domain), _) => {
                self.by_domain.insert(domain.clone(), company.id);
            }
            (None, Some(name)) => {
                let folded = fold(name);
                let first = self.by_name.entry(folded).or_insert(company.id);
                *first = company.id.min(*first);
            }
            (None, None) => {}
        }
        self.companies.insert(company.id, company);
    }

    /// The consent of a lead, as far as it is loaded or was recorded in this transaction.
    pub fn consent_of(&self, lead_id: LeadId) -> &ConsentFacts {
        self.consents.get(&lead_id).unwrap_or(ConsentFacts::none())
    }

    /// Add a loaded deal.
    pub fn add_deal(&mut self, deal: Deal) {
        let key = deal.external_id.clone();
        self.sales.deals_by_key.extend(key.map(|key| (key, deal.id)));
        self.sales.deals.insert(deal.id, deal);
    }

    /// The hand-off of a lead's current cycle, among the loaded ones.
    pub fn handoff_of(&self, lead: LeadId) -> Option<&Handoff> {
        let cycle = self.leads.get(&lead)?.cycle;
        let mut all = self.sales.handoffs.values();
        all.find(|handoff| handoff.lead_id == lead && handoff.cycle == cycle)
    }

    /// The hand-off of a lead that nobody has decided on yet, among the loaded ones.
    pub fn pending_of(&self, lead: LeadId) -> Option<&Handoff> {
        let is_mql = self.leads.get(&lead)?.stage == Stage::Mql;
        self.handoff_of(lead)
            .filter(|handoff| is_mql && handoff.is_pending())
    }

    /// Whether somebody works a lead still: its loaded hand-offs, clocks of sales and deals say so.
    pub fn is_in_work(&self, lead: LeadId) -> bool {
        let sales = &self.sales;
        let mut handoffs = sales.handoffs.values();
        let mut clocks = sales.clocks.values();
        let mut deals = sales.deals.values();
        handoffs.any(|handoff| handoff.lead_id == lead && handoff.is_pending())
            || clocks.any(|record| {
                let is_sales = record.clock.kind.side() == Side::Sales;
                record.lead_id == Some(lead) && is_sales && record.clock.next_look().is_some()
            })
            || deals.any(|deal| deal.primary_lead_id == Some(lead) && deal.closing.is_none())
    }

    /// Whether an item is confirmed in a lead's current cycle, as far as its qualification is loaded.
    pub fn is_confirmed(&self, lead: LeadId, item: BantItem) -> bool {
        let cycle = self.leads.get(&lead).map(|lead| lead.cycle);
        let known = self.sales.qualifications.get(&lead);
        let one = known.and_then(|known| known.get(&item));
        one.zip(cycle)
            .is_some_and(|(one, cycle)| one.is_confirmed_in(cycle))
    }

    /// The agreed items that nobody confirmed in a lead's current cycle.
    pub fn unconfirmed(&self, lead: LeadId) -> Vec<BantItem> {
        let agreed = self.rules.agreement.agreement.stages.sql.bant.iter().copied();
        agreed.filter(|item| !self.is_confirmed(lead, *item)).collect()
    }

    /// Whether a lead is the primary one of a loaded deal.
    pub fn has_deal(&self, lead: LeadId) -> bool {
        self.sales
            .deals
            .values()
            .any(|deal| deal.primary_lead_id == Some(lead))
    }

    /// Add a loaded statement.
    pub fn add_statement(&mut self, statement: FieldValue) {
        self.statements
            .entry((statement.about, statement.field.clone()))
            .or_default()
            .add(statement);
    }

    /// The one lead that has a unique identifier, or the only one that has a phone.
    pub fn holder(&self, key: &Key) -> Option<LeadId> {
        match self.holders.get(key).map(Vec::as_slice) {
            Some([one]) => Some(*one),
            _ => None,
        }
    }

    /// Note that a lead has an identifier.
    pub fn hold(&mut self, lead: LeadId, identifier: &Identifier) {
        let holders = self.holders.entry(identifier.key()).or_default();
        if !holders.contains(&lead) {
            holders.push(lead);
        }
    }

    /// Note that a lead has an identifier no more.
    pub fn release(&mut self, lead: LeadId, key: &Key) {
        if let Some(holders) = self.holders.get_mut(key) {
            holders.retain(|holder| *holder != lead);
        }
    }
}

#[cfg(test)]
impl World {
    /// An empty world under the provisional agreement.
    pub(crate) fn provisional() -> Self {
        Self::new(Version::provisional(), vec![])
    }

    /// Let everything be confirmed in a lead's current cycle, as if somebody had done so before.
    pub(crate) fn confirm_all(&mut self, lead: LeadId, by: crate::id::UserId) {
        use crate::handoff::qualification::{Confirmed, Qualified};
        let Some(found) = self.leads.get(&lead) else {
            return;
        };
        let (cycle, at) = (found.cycle, found.updated_at);
        let confirmed = Qualified {
            value: None,
            note: None,
            source: Source::Hand,
            stated_by: by.to_string(),
            stated_at: at,
            confirmed: Some(Confirmed { cycle, by, at }),
        };
        let all = BantItem::ALL.iter().map(|item| (*item, confirmed.clone()));
        self.sales.qualifications.insert(lead, all.collect());
    }
}
