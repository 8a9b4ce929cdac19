//! Taking in a submission: its answers are read, and find or make its lead.

use serde_json::{Map, Value};

use super::forms::Target;
use super::touch::first_touch;
use super::{Form, FormField, Submission, SubmissionFault, SubmissionStatus};
use crate::access::Actor;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{Ids, LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::judge::{Rulebook, judge};
use crate::leads::custom::CustomField;
use crate::leads::fields::{CompanyField, LeadField};
use crate::leads::identity::{Domain, Email, Kind, Phone, email_key};
use crate::leads::save::{self, CompanyStatement, MAX_IDENTIFIERS, OnConflict, Statement};
use crate::world::World;

/// The largest number of fields that are read.
pub const MAX_FIELDS: usize = 100;
/// The most bytes of one value.
pub const MAX_VALUE_BYTES: usize = 8192;

/// What a page says about where the person was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The page with the form.
    pub page_url: Option<String>,
    /// The page on which the visit began.
    pub landing_url: Option<String>,
    /// The page that led to the landing page.
    pub landing_referrer: Option<String>,
    /// The page before this one.
    pub referrer: Option<String>,
    /// The browser's language.
    pub language: Option<String>,
}

/// A submission as it came, parsed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Posted {
    /// The answers, by field name.
    pub fields: Map<String, Value>,
    /// Where the person was.
    pub context: Context,
    /// When the person sent it, as the page says.
    pub submitted_at: Option<Timestamp>,
    /// Whether it only tries the form out.
    pub is_test: bool,
    /// The body as it came.
    pub raw: String,
    /// What is wrong with the body itself, whatever the form asks for.
    pub faults: Vec<Fault>,
}

/// What a submission says about a lead, or everything that does not fit the form.
///
/// Read before the facts are loaded, so that they can be: the statement names the lead and its company.
pub fn statement(
    form: &Form,
    posted: &Posted,
    custom_fields: &[CustomField],
    now: Timestamp,
) -> Result<Statement, Vec<Fault>> {
    if !posted.faults.is_empty() {
        return Err(posted.faults.clone());
    }
    let mut reading = Reading {
        custom_fields,
        said: Statement {
            observed_at: posted.submitted_at.map(|at| at.min(now)),
            ..Statement::default()
        },
        company: CompanyStatement::default(),
        faults: size_faults(form, &posted.fields),
    };
    for field in &form.fields {
        match posted.fields.get(&field.name).and_then(text_of) {
            Some(text) => reading.take(field, text),
            None if field.required => reading.fault(field, "required", "is required"),
            None => {}
        }
    }
    reading.finish(&posted.context, now)
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Captured {
    /// As it is kept.
    pub submission: Submission,
    /// Why it was rejected; nothing where it was taken.
    pub faults: Vec<Fault>,
    /// What happened.
    pub changes: Vec<Change>,
}

/// Take in one submission: keep it, and find or make its lead from what [`statement`] read of it.
///
/// A submission that does not fit is kept as `rejected` with every fault. Answers that map nowhere, and members that
/// nobody knows, stay answers. A test runs through all of it and leaves nothing but itself. Nothing in the outcome
/// tells whether the person was known.
pub fn capture(
    world: &mut World,
    form: &Form,
    posted: &Posted,
    said: Result<Statement, Vec<Fault>>,
    id: SubmissionId,
    now: Timestamp,
    ids: &mut Ids,
) -> Captured {
    let mut submission = Submission {
        id,
        form_id: form.id,
        status: SubmissionStatus::Rejected,
        lead_id: None,
        raw: posted.raw.clone(),
        faults: vec![],
        received_at: now,
    };
    let saved = match said {
        Ok(said) if posted.is_test => save(&mut world.clone(), form, said, now, ids),
        Ok(said) => save(world, form, said, now, ids),
        Err(faults) => Err(faults),
    };
    let (faults, consequences) = match saved {
        Ok(_) if posted.is_test => {
            submission.status = SubmissionStatus::Test;
            (vec![], vec![])
        }
        Ok((lead_id, consequences)) => {
            submission.status = SubmissionStatus::Accepted;
            submission.lead_id = Some(lead_id);
            (vec![], consequences)
        }
        Err(faults) => {
            submission.faults = faults.iter().map(SubmissionFault::from).collect();
            (faults, vec![])
        }
    };
    let mut changes = vec![Change::SubmissionReceived(submission.clone())];
    changes.extend(consequences);
    Captured {
        submission,
        faults,
        changes,
    }
}

/// Find or make the lead, and let follow what follows.
fn save(
    world: &mut World,
    form: &Form,
    mut said: Statement,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<(LeadId, Vec<Change>), Vec<Fault>> {
    leave_out_phones_of_the_full(world, &mut said);
    let actor = Actor::Form(form.id);
    let saved = save::upsert(world, &said, OnConflict::FollowEmail, &actor, now, ids);
    let saved = saved.map_err(|refused| match refused {
        save::Refused::Invalid(faults) => {
            let at_fields = |fault| Fault {
                pointer: "/fields".into(),
                ..fault
            };
            faults.into_iter().map(at_fields).collect()
        }
        _ => vec![Fault::new("/fields", "required", "an e-mail or phone is needed")],
    })?;
    let mut changes = saved.changes;
    changes.extend(take_up_again(world, saved.lead_id, now));
    let agreement = world.agreement.clone();
    let rulebook = Rulebook {
        agreement: &agreement,
    };
    changes.extend(judge(world, saved.lead_id, &rulebook, now, ids));
    Ok((saved.lead_id, changes))
}

/// A lead that has as many phones as a lead may have gets no more: the number stays an answer. A refusal would tell
/// a stranger that the person is known.
fn leave_out_phones_of_the_full(world: &World, said: &mut Statement) {
    let lead = said
        .emails
        .first()
        .and_then(|email| world.holder(&email_key(email)))
        .and_then(|id| world.leads.get(&id));
    if lead.is_some_and(|lead| lead.of_kind(Kind::Phone).count() >= MAX_IDENTIFIERS) {
        said.phones.clear();
    }
}

/// An archived lead that writes again is no longer put away.
fn take_up_again(world: &mut World, lead_id: LeadId, now: Timestamp) -> Option<Change> {
    let lead = world
        .leads
        .get_mut(&lead_id)
        .filter(|lead| lead.archived_at.is_some())?;
    lead.archived_at = None;
    lead.version += 1;
    lead.updated_at = now.max(lead.updated_at);
    Some(Change::LeadRestored(Box::new(lead.clone())))
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

fn pointer(name: &str) -> String {
    format!("/fields/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn size_faults(form: &Form, fields: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = vec![];
    if fields.len() > MAX_FIELDS {
        faults.push(Fault::new(
            "/fields",
            "too_many_items",
            "at most 100 fields are read",
        ));
    }
    let is_too_long = |value: &Value| value.as_str().is_some_and(|text| text.len() > MAX_VALUE_BYTES);
    let detail = "a value may have at most 8192 bytes";
    for field in &form.fields {
        if fields.get(&field.name).is_some_and(is_too_long) {
            faults.push(Fault::new(pointer(&field.name), "too_long", detail));
        }
    }
    // A name that the form does not know is not repeated.
    if faults.is_empty() && fields.values().any(is_too_long) {
        faults.push(Fault::new("/fields", "too_long", detail));
    }
    faults
}

/// The answers on their way to a statement.
struct Reading<'a> {
    custom_fields: &'a [CustomField],
    said: Statement,
    company: CompanyStatement,
    faults: Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, field: &FormField, code: &'static str, detail: impl ToString) {
        self.faults.push(Fault::new(pointer(&field.name), code, detail));
    }

    fn take(&mut self, field: &FormField, text: String) {
        let names: Vec<&str> = self
            .custom_fields
            .iter()
            .map(|custom| custom.name.as_str())
            .collect();
        let target = field.maps_to.as_deref().and_then(|to| Target::named(to, &names));
        match target {
            // What maps nowhere, or to a field that is no longer declared, stays an answer.
            None => {}
            Some(Target::Email) => match Email::parse(&text) {
                Ok(email) => self.said.emails.push(email),
                Err(error) => self.fault(field, "invalid_format", error),
            },
            Some(Target::Phone) => match Phone::parse(&text) {
                Ok(phone) => self.said.phones.push(phone),
                // A phone that cannot be read loses nobody: it stays an answer, unless it must be there.
                Err(error) if field.required => self.fault(field, "invalid_format", error),
                Err(_) => {}
            },
            Some(Target::Lead(lead_field)) => {
                if let Some(text) = self.worded(
                    field,
                    text,
                    lead_field == LeadField::Country,
                    lead_field.max_chars(),
                ) {
                    self.said.text.insert(lead_field, Some(text));
                }
            }
            Some(Target::Company(company_field)) => {
                let is_country = company_field == CompanyField::Country;
                if let Some(text) = self.worded(field, text, is_country, company_field.max_chars()) {
                    self.company.text.insert(company_field, Some(text));
                }
            }
            Some(Target::CompanyDomain) => match Domain::parse(&text) {
                Ok(domain) => self.company.domain = Some(domain),
                Err(error) => self.fault(field, "invalid_format", error),
            },
            Some(Target::CompanyEmployees) => match text.parse::<i64>() {
                Ok(count) if (0..=10_000_000).contains(&count) => self.company.employees = Some(Some(count)),
                _ => self.fault(field, "invalid_format", "is not a number of people"),
            },
            Some(Target::Custom(name)) => {
                let declared = self.custom_fields.iter().find(|declared| declared.name == name);
                match declared.map(|declared| declared.read(&text)) {
                    Some(Ok(value)) => drop(self.said.custom.insert(name, value)),
                    Some(Err(unfit)) => self.fault(field, "invalid_format", unfit),
                    None => {}
                }
            }
        }
    }

    /// A text as its field takes it: a country as its code, anything else clipped.
    fn worded(&mut self, field: &FormField, text: String, is_country: bool, most: usize) -> Option<String> {
        if !is_country {
            return Some(text.chars().take(most).collect());
        }
        let code = country(&text);
        if code.is_none() {
            self.fault(field, "invalid_format", "is not a two-letter country code");
        }
        code
    }

    fn finish(mut self, context: &Context, now: Timestamp) -> Result<Statement, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        if self.company != CompanyStatement::default() {
            self.said.company = Some(self.company);
        }
        let language = context.language.as_deref().map(str::trim);
        if let Some(language) = language.filter(|language| !language.is_empty()) {
            let clipped = || language.chars().take(LeadField::Language.max_chars()).collect();
            self.said
                .text
                .entry(LeadField::Language)
                .or_insert_with(|| Some(clipped()));
        }
        self.said.first_touch = first_touch(context, self.said.observed_at.unwrap_or(now));
        Ok(self.said)
    }
}

impl From<&Fault> for SubmissionFault {
    fn from(fault: &Fault) -> Self {
        Self {
            pointer: format!("#{}", fault.pointer),
            code: fault.code.to_owned(),
            detail: fault.detail.clone(),
        }
    }
}

/// The two upper-case letters of ISO 3166-1 that the text gives, if it does.
pub fn country(text: &str) -> Option<String> {
    let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
