//! Reading what was sent: which answers there are, what they say about a lead, and everything that does not fit.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::consent::{Reply, Unticked};
use super::forms::Target;
use super::{Consent, FieldType, Form, FormField, Posted, country};
use crate::fault::Fault;
use crate::instant::Timestamp;
use crate::leads::custom::{CustomField, yes_or_no};
use crate::leads::fields::{CompanyField, LeadField};
use crate::leads::free_mail::{Mail, mail};
use crate::leads::identity::{Dialled, Domain, Email, Invalid, Phone};
use crate::leads::save::{CompanyStatement, LocalPhone, MAX_TIMELINE_DAYS, Statement};
use crate::money::{Currency, Money};
use crate::tracking::Report;

/// The largest number of fields that are read.
pub const MAX_FIELDS: usize = 100;
/// The most bytes of one value.
pub const MAX_VALUE_BYTES: usize = 8192;

/// What a submission says, as far as it fits its form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// What it says about the lead.
    pub said: Statement,
    /// The person's answer to each purpose of the form.
    pub consent: Vec<Consent>,
    /// What of it does not fit and stays an answer of the submission.
    pub remarks: Vec<Fault>,
    /// The phone numbers that can be read only within the lead's country, with their places in the body.
    pub national: Vec<(String, Dialled)>,
}

/// What a submission says about a lead, or everything that does not fit the form.
///
/// Read before the facts are loaded, so that they can be: the statement names the lead and its company.
pub fn statement(
    form: &Form,
    posted: &Posted,
    custom_fields: &[CustomField],
    base: Currency,
    now: Timestamp,
) -> Result<Answers, Vec<Fault>> {
    if !posted.faults.is_empty() {
        return Err(posted.faults.clone());
    }
    let names: Vec<&str> = custom_fields.iter().map(|custom| custom.name.as_str()).collect();
    let mut reading = Reading {
        custom_fields,
        base,
        country: said_country(form, posted),
        said: Statement {
            observed_at: posted.held().map(|_| posted.counts_from(now)),
            ..Statement::default()
        },
        company: CompanyStatement::default(),
        faults: size_faults(form, &posted.fields),
        remarks: vec![],
        national: vec![],
    };
    for field in &form.fields {
        let value = posted.fields.get(&field.name);
        match value.and_then(text_of) {
            // The body has a remark about it already.
            Some(_) if posted.unreadable.contains(&field.name) => {
                let is_needed = field.required || field.maps_to.as_deref() == Some("email");
                if is_needed {
                    reading.fault(field, "invalid_bytes", "is invalid in the charset of the form");
                }
            }
            Some(text) => {
                let target = field.maps_to.as_deref();
                reading.take(field, target.and_then(|to| Target::named(to, &names)), text);
            }
            None if value.is_some_and(is_nested) => {
                reading.misfit(field, "invalid_type", "must be text, a number or yes or no");
            }
            None if field.required => reading.fault(field, "required", "is required"),
            None => {}
        }
    }
    let consent = reading.consent(form, posted);
    reading.finish(posted, consent)
}

/// The text that an answer is: several ones (of a list, of boxes with one name) stand beside each other.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        // With a byte order mark, as exports leave it.
        Value::String(text) => Some(text.trim_matches('\u{feff}').trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(several) => {
            let texts: Option<Vec<String>> = several
                .iter()
                .map(|one| (!one.is_array()).then(|| text_of(one)).flatten())
                .collect();
            texts.map(|texts| texts.join(", "))
        }
        Value::Null | Value::Object(_) => None,
    }
    .filter(|text| !text.is_empty())
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Array(several) => several.iter().any(|one| one.is_array() || one.is_object()),
        value => value.is_object(),
    }
}

/// The place of an answer in the body.
pub(super) fn pointer(name: &str) -> String {
    format!("/fields/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn size_faults(form: &Form, fields: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = vec![];
    if fields.len() > MAX_FIELDS {
        faults.push(Fault::new(
            "/fields",
            "too_many_items",
            "a form may have at most 100 fields",
        ));
    }
    let is_too_long = |value: &Value| match value {
        Value::String(text) => text.len() > MAX_VALUE_BYTES,
        Value::Array(_) | Value::Object(_) => value.to_string().len() > MAX_VALUE_BYTES,
        _ => false,
    };
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
    /// The base currency, in which an amount without one is read.
    base: Currency,
    /// The country that the submission names, in which its phones are read.
    country: Option<String>,
    said: Statement,
    company: CompanyStatement,
    faults: Vec<Fault>,
    remarks: Vec<Fault>,
    national: Vec<(String, Dialled)>,
}

impl Reading<'_> {
    fn fault(&mut self, field: &FormField, code: &'static str, detail: impl ToString) {
        self.faults.push(Fault::new(pointer(&field.name), code, detail));
    }

    /// An answer that does not fit costs nobody the lead, unless the form requires it: it stays an answer.
    fn unfit(&mut self, field: &FormField, detail: impl ToString) {
        self.misfit(field, "invalid_format", detail);
    }

    fn misfit(&mut self, field: &FormField, code: &'static str, detail: impl ToString) {
        let fault = Fault::new(pointer(&field.name), code, detail);
        match field.required || field.maps_to.as_deref() == Some("email") {
            true => self.faults.push(fault),
            false => self.remarks.push(fault),
        }
    }

    fn take(&mut self, field: &FormField, target: Option<Target>, text: String) {
        if let Some(unfit) = unfit(field.kind, &text) {
            return match target {
                // By it the lead is found.
                Some(Target::Email) => self.fault(field, "invalid_format", unfit),
                _ => self.unfit(field, unfit),
            };
        }
        match target {
            // What maps nowhere, or to a field that is no longer declared, stays an answer.
            None => {}
            Some(Target::Email) => match Email::parse(&text) {
                Ok(email) => self.said.emails.push(email),
                Err(error) => self.fault(field, "invalid_format", error),
            },
            Some(Target::Phone) => match Phone::parse_in(&text, self.country.as_deref()) {
                Ok(phone) => self.said.phones.push(phone),
                // Whether a phone that must be there can be read is no matter of who is known.
                Err(error) if field.required => self.fault(field, "invalid_format", error),
                // One that need not and cannot be read loses nobody: it stays an answer.
                Err(error) => match self.country.is_none().then(|| Dialled::parse(&text)).flatten() {
                    Some(dialled) => {
                        self.national.push((pointer(&field.name), dialled.clone()));
                        self.said.local_phones.push(LocalPhone {
                            dialled,
                            pointer: None,
                        });
                    }
                    None => self.unfit(field, error),
                },
            },
            Some(Target::Lead(lead_field)) => {
                let is_country = lead_field == LeadField::Country;
                if let Some(text) = self.worded(field, text, is_country, lead_field.max_chars()) {
                    self.said.text.insert(lead_field, Some(text));
                }
            }
            Some(Target::Company(company_field)) => {
                let is_country = company_field == CompanyField::Country;
                if let Some(text) = self.worded(field, text, is_country, company_field.max_chars()) {
                    self.company.text.insert(company_field, Some(text));
                }
            }
            Some(Target::CompanyDomain) => match Domain::of_company(&text).map(|host| mail(host.as_str())) {
                Ok(Mail::Company(domain)) => self.company.domain = Some(domain),
                // No company has it: it stays an answer.
                Ok(Mail::Disposable | Mail::Free | Mail::Relay | Mail::Suffix) | Err(Invalid::Shared) => {}
                Err(error) => self.unfit(field, error),
            },
            Some(Target::CompanyEmployees) => match text.parse::<i64>() {
                Ok(count) if (0..=10_000_000).contains(&count) => self.company.employees = Some(Some(count)),
                _ => self.unfit(field, "is not a number of people"),
            },
            Some(Target::Budget) => match Money::answered(&text, self.base) {
                Some(budget) => self.said.plan.budget = Some(Some(budget)),
                None => self.unfit(field, "is not an amount"),
            },
            Some(Target::TimelineDays) => match text.parse::<i64>() {
                Ok(days) if (0..=MAX_TIMELINE_DAYS).contains(&days) => {
                    self.said.plan.timeline_days = Some(Some(days));
                }
                _ => self.unfit(field, "is not a number of days"),
            },
            Some(Target::Custom(name)) => {
                let declared = self.custom_fields.iter().find(|declared| declared.name == name);
                match declared.map(|declared| declared.read(&text)) {
                    Some(Ok(value)) => drop(self.said.custom.insert(name, value)),
                    Some(Err(unfit)) => self.unfit(field, unfit),
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
            self.unfit(field, "is not a country: a code of ISO 3166-1 or an English name");
        }
        code
    }

    /// What the person answered to the form's purposes: the last answer counts. Only a clear yes is consent, and only a
    /// clear no, or an unticked box, withdraws. A purpose that the form does not ask for leaves a remark.
    fn consent(&mut self, form: &Form, posted: &Posted) -> Vec<Consent> {
        let mut given = vec![];
        for asked in &form.settings.consent {
            let mut sent = posted.consent.iter().rev();
            let sent = sent.find(|(purpose, _)| *purpose == asked.purpose);
            let reply = sent.map(|(_, value)| asked.reply(value));
            let is_unclear = reply == Some(Reply::Unclear);
            if asked.required && reply != Some(Reply::Yes) {
                let detail = format!("consent to `{}` is required", asked.purpose);
                self.faults.push(Fault::new("/consent", "required", detail));
            }
            if is_unclear {
                let detail = format!("`{}` is not granted: the value is not a clear yes", asked.purpose);
                self.remarks
                    .push(Fault::new("/consent", "consent_not_given", detail));
            }
            if !is_unclear && (reply.is_some() || asked.unticked == Unticked::Withdraws) {
                given.push(Consent {
                    purpose: asked.purpose.clone(),
                    granted: reply == Some(Reply::Yes),
                    wording: asked.wording.clone(),
                    legal_basis: asked.legal_basis,
                });
            }
        }
        let is_asked = |purpose: &String| {
            form.settings
                .consent
                .iter()
                .any(|asked| asked.purpose == *purpose)
        };
        let others = posted.consent.iter().map(|(purpose, _)| purpose);
        let others: BTreeSet<&String> = others.filter(|purpose| !is_asked(purpose)).take(20).collect();
        self.remarks.extend(others.into_iter().map(|purpose| {
            let shown: String = purpose.chars().take(100).collect();
            let detail = format!("`{shown}` is not granted: the form does not ask for it");
            Fault::new("/consent", "consent_not_given", detail)
        }));
        given
    }

    fn finish(mut self, posted: &Posted, consent: Vec<Consent>) -> Result<Answers, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        if self.company != CompanyStatement::default() {
            if self.company.domain.is_none() {
                self.company.domain = self.said.company_of_email();
            }
            self.said.company = Some(self.company);
        }
        let language = posted.context.language.as_deref().map(str::trim);
        if let Some(language) = language.filter(|language| !language.is_empty()) {
            let clipped = || language.chars().take(LeadField::Language.max_chars()).collect();
            self.said
                .text
                .entry(LeadField::Language)
                .or_insert_with(|| Some(clipped()));
        }
        self.said.first_touch = posted.context.pages().map(Report::Form);
        Ok(Answers {
            said: self.said,
            consent,
            remarks: self.remarks,
            national: self.national,
        })
    }
}

/// Why a text is not what a field of this type takes.
fn unfit(kind: FieldType, text: &str) -> Option<String> {
    match kind {
        FieldType::Email => Email::parse(text).err().map(|error| error.to_string()),
        FieldType::Number => {
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            (!is_number).then(|| "is not a number".to_owned())
        }
        FieldType::Date => {
            let is_day = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
            (!is_day).then(|| "is not a day such as 2026-01-31".to_owned())
        }
        FieldType::Checkbox => {
            let is_known = ticked(text).is_some();
            (!is_known).then(|| "is neither yes nor no".to_owned())
        }
        FieldType::Text | FieldType::Textarea | FieldType::Phone | FieldType::Select | FieldType::Hidden => {
            None
        }
    }
}

/// What a box on a page says: one that is left blank says no.
pub fn ticked(text: &str) -> Option<bool> {
    match text.trim() {
        "" => Some(false),
        said => yes_or_no(said),
    }
}

/// The country that the submission names.
fn said_country(form: &Form, posted: &Posted) -> Option<String> {
    let mut fields = form.fields.iter();
    let field = fields.find(|field| field.maps_to.as_deref() == Some(LeadField::Country.name()))?;
    country(&text_of(posted.fields.get(&field.name)?)?)
}
