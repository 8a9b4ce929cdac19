//! The facts of one lead as conditions see them, from the loaded records.

use crate::agreement::BantItem;
use std::collections::BTreeSet;

use crate::agreement::conditions::{Facts, Field, Needs, Standard, Touches, Value};
use crate::id::LeadId;
use crate::leads::fields::{About, CompanyField, LeadField};
use crate::leads::free_mail::{Mail, mail};
use crate::leads::identity::Kind;
use crate::leads::job::Job;
use crate::leads::{Company, Lead};
use crate::stage::Stage;
use crate::world::World;

/// The values of the fields that conditions need; what the lead did is not among them.
pub(super) fn fields(world: &World, lead: &Lead, needs: &Needs) -> Facts {
    let known = Known {
        world,
        lead,
        company: lead.company_id.and_then(|id| world.companies.get(&id)),
        job: job(world, lead),
    };
    let values = needs.fields.iter().filter_map(|field| {
        let value = match field {
            Field::Standard(field) => known.standard(*field),
            Field::Custom { name, kind } => {
                let value = lead.profile.custom.get(name)?;
                Value::read(*kind, value, &world.rules.money.zone)
            }
        };
        Some((field.clone(), value?))
    });
    Facts {
        fields: values.collect(),
        stage: Some((lead.stage, lead.stage_since)),
        touches: touches(world, lead, needs),
        consents: consents(world, lead, needs),
        ..Facts::default()
    }
}

/// The touches, where a condition asks for them.
fn touches(world: &World, lead: &Lead, needs: &Needs) -> Touches {
    if !needs.touches {
        return Touches::default();
    }
    let all = world.judging.touches.get(&lead.id);
    Touches {
        first: lead.first_touch.clone(),
        last: lead.last_touch.clone(),
        all: all.cloned().unwrap_or_default(),
    }
}

/// The purposes for which a lead may be contacted, where a condition asks for them.
fn consents(world: &World, lead: &Lead, needs: &Needs) -> BTreeSet<String> {
    let known = world.judging.consents.get(&lead.id).filter(|_| needs.consents);
    let may_contact = known.map(|facts| facts.may_contact(&world.rules.consent_purposes, lead.email()));
    let allowed = may_contact
        .into_iter()
        .flatten()
        .filter(|(_, contact)| contact.allowed);
    allowed.map(|(purpose, _)| purpose).collect()
}

/// Whether everything is loaded that conditions with these needs look at beside the records.
pub(super) fn are_loaded(world: &World, lead_id: LeadId, needs: &Needs) -> bool {
    let asks_company = needs.fields.contains(&Field::Standard(Standard::CompanyStage));
    let company = world.leads.get(&lead_id).and_then(|lead| lead.company_id);
    let is_known = |id| world.judging.company_stages.contains_key(&id);
    let lacks_company = asks_company && company.is_some_and(|id| !is_known(id));
    let lacks_touches = needs.touches && !world.judging.touches.contains_key(&lead_id);
    let lacks_consents = needs.consents && !world.judging.consents.contains_key(&lead_id);
    let is_short = lacks_company || lacks_touches || lacks_consents;
    world.judging.histories.contains_key(&lead_id) && !is_short
}

/// Whether a lead's e-mail must not be used, by what is loaded and what was stated in this transaction.
fn is_barred(world: &World, lead: &Lead) -> bool {
    let consent = world.consent_of(lead.id);
    world.judging.barred.contains(&lead.id) || consent.bars_mail(&world.rules.consent_purposes, lead.email())
}

fn job<'w>(world: &'w World, lead: &Lead) -> Job<'w> {
    let title = lead.profile.get(LeadField::JobTitle);
    title
        .map(|title| world.rules.job_words.read(title))
        .unwrap_or_default()
}

/// The records of one lead.
struct Known<'w> {
    world: &'w World,
    lead: &'w Lead,
    company: Option<&'w Company>,
    job: Job<'w>,
}

impl Known<'_> {
    fn standard(&self, field: Standard) -> Option<Value> {
        let (lead, company) = (self.lead, self.company);
        let text = |text: Option<&str>| text.map(|text| Value::Text(text.to_owned()));
        let of_lead = |field| text(lead.profile.get(field));
        let of_company = |field| text(company?.get(field));
        let is_confirmed = |item| Some(Value::Boolean(self.world.is_confirmed(lead.id, item)));
        let is_there = |is_there: bool| is_there.then_some(Value::Boolean(true));
        match field {
            Standard::Email => is_there(lead.email().is_some()),
            Standard::Phone => is_there(self.has_phone()),
            Standard::FirstName => is_there(lead.profile.get(LeadField::FirstName).is_some()),
            Standard::LastName => is_there(lead.profile.get(LeadField::LastName).is_some()),
            Standard::Contactable => Some(Value::Boolean(self.is_contactable())),
            Standard::LastActivityAt => lead.last_activity_at.map(Value::Instant),
            Standard::Voice => text(Some(lead.stage.voice().name())),
            Standard::EmailDomain => text(self.domain()),
            Standard::EmailIsFree => {
                let is_free = matches!(mail(self.domain()?), Mail::Free | Mail::Disposable);
                Some(Value::Boolean(is_free))
            }
            Standard::Country => of_lead(LeadField::Country),
            Standard::Language => of_lead(LeadField::Language),
            Standard::JobTitle => of_lead(LeadField::JobTitle),
            Standard::JobFunction => text(self.job.function),
            Standard::Seniority => text(self.job.seniority),
            Standard::Budget => self.budget(),
            Standard::TimelineDays => lead.profile.timeline_days.map(|days| Value::Number(days as f64)),
            Standard::Need => of_lead(LeadField::Need),
            Standard::CreatedAt => Some(Value::Instant(lead.created_at)),
            Standard::ReturnedAt => lead.returned_at.map(Value::Instant),
            Standard::Owner => text(lead.owner_id.map(|id| id.to_string()).as_deref()),
            Standard::Cycle => Some(Value::Number(lead.cycle as f64)),
            Standard::CompanyName => of_company(CompanyField::Name),
            Standard::CompanyDomain => text(company?.domain.as_deref()),
            Standard::CompanyIndustry => of_company(CompanyField::Industry),
            Standard::CompanyEmployees => company?.employees.map(|number| Value::Number(number as f64)),
            Standard::CompanyCountry => of_company(CompanyField::Country),
            Standard::CompanyOwner => text(company?.owner_id.map(|id| id.to_string()).as_deref()),
            Standard::CompanyStage => text(self.company_stage().map(Stage::name)),
            Standard::BudgetConfirmed => is_confirmed(BantItem::Budget),
            Standard::AuthorityConfirmed => is_confirmed(BantItem::Authority),
            Standard::NeedConfirmed => is_confirmed(BantItem::Need),
            Standard::TimelineConfirmed => is_confirmed(BantItem::Timeline),
        }
    }

    fn has_phone(&self) -> bool {
        self.lead.of_kind(Kind::Phone).next().is_some()
    }

    fn is_contactable(&self) -> bool {
        let has_email = self.lead.email().is_some();
        self.has_phone() || has_email && !is_barred(self.world, self.lead)
    }

    fn domain(&self) -> Option<&str> {
        self.lead.email()?.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// The budget in the base currency, at the rate of the day on which it was observed; missing without a rate.
    fn budget(&self) -> Option<Value> {
        let (budget, money) = (self.lead.profile.budget?, &self.world.rules.money);
        if budget.currency == money.base {
            return Some(Value::Money(budget));
        }
        let about = (About::Lead(self.lead.id), "budget".to_owned());
        let observed_at = self.world.statements.get(&about)?.winner()?.observed_at;
        let converted = money
            .rates
            .convert(budget, money.base, observed_at.day_in(&money.zone));
        converted.ok().map(|converted| Value::Money(converted.money))
    }

    /// The furthest stage among the leads of the company that are not archived: those that are stored, and those of this
    /// transaction.
    fn company_stage(&self) -> Option<Stage> {
        let id = self.lead.company_id?;
        let stored = self.world.judging.company_stages.get(&id).copied().flatten();
        let colleagues = self.world.leads.values();
        let colleagues = colleagues.filter(|lead| lead.company_id == Some(id) && lead.archived_at.is_none());
        let all = stored.into_iter().chain(colleagues.map(|lead| lead.stage));
        all.min_by_key(|stage| Stage::BY_REACH.iter().position(|other| other == stage))
    }
}
