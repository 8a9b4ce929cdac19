//! Forms and what strangers send to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::access::Actor;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{FormId, FormKeyId, Ids, LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::judge::{Rulebook, judge};
use crate::leads::Touch;
use crate::leads::fields::{CompanyField, LeadField};
use crate::leads::identity::{Domain, Email, Phone};
use crate::leads::save::{self, CompanyStatement, OnConflict, Statement};
use crate::world::World;

/// What a field of a form takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line of text.
    Text,
    /// Text of several lines.
    Textarea,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A number.
    Number,
    /// Yes or no.
    Checkbox,
    /// One of several options.
    Select,
    /// A calendar day.
    Date,
    /// Not shown to the person.
    Hidden,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormField {
    /// The name under which the website sends it.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_.\\-\\[\\]]+$",
        example = "email"
    )]
    pub name: String,
    /// What the person reads.
    #[schema(min_length = 1, max_length = 200, example = "Your e-mail")]
    pub label: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether a submission without it is rejected.
    #[serde(default)]
    pub required: bool,
    /// The lead or company field that it fills; without one it stays an answer of the submission. One of `email`,
    /// `first_name`, `last_name`, `phone`, `job_title`, `country`, `language`, `budget`, `need`, `timeline`,
    /// `company.name`, `company.domain`, `company.industry`, `company.employees`, `custom.<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 80, example = "email")]
    pub maps_to: Option<String>,
}

/// A capture point on a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Which.
    pub id: FormId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// The origins (`https://www.example.com`) whose pages may send it.
    pub allowed_origins: Vec<String>,
    /// Not in use any more, by hand.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A publishable key of a form (`fk_...`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormKey {
    /// Which.
    pub id: FormKeyId,
    /// Whose.
    pub form_id: FormId,
    /// The key itself: it is public.
    pub key: String,
    /// When it stops working: the end of its grace time after a rotation.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubmissionStatus {
    /// It made or changed a lead.
    Accepted,
    /// It did not fit the form; kept with its reasons.
    Rejected,
}

impl SubmissionStatus {
    /// The status's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            SubmissionStatus::Accepted => "accepted",
            SubmissionStatus::Rejected => "rejected",
        }
    }

    /// The status with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Why a submission was rejected, at one place of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubmissionFault {
    /// JSON pointer into the body.
    #[schema(max_length = 300, example = "#/fields/email")]
    pub pointer: String,
    /// Machine-readable code.
    #[schema(max_length = 64, example = "required")]
    pub code: String,
    /// What a person reads.
    #[schema(max_length = 300)]
    pub detail: String,
}

/// One POST to a form, kept whole whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Which.
    pub id: SubmissionId,
    /// To which form.
    pub form_id: FormId,
    /// What became of it.
    pub status: SubmissionStatus,
    /// The lead that it was about, if accepted.
    pub lead_id: Option<LeadId>,
    /// The body as it came.
    pub raw: String,
    /// Why it was rejected.
    pub faults: Vec<SubmissionFault>,
    /// When it came in.
    pub received_at: Timestamp,
}

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
    /// The body as it came.
    pub raw: String,
}

/// What is wrong with the fields of a form that is to be saved.
pub fn form_faults(fields: &[FormField], custom_names: &[&str]) -> Vec<Fault> {
    let mut faults = vec![];
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.name == field.name) {
            faults.push(Fault::new(
                format!("/fields/{index}/name"),
                "duplicate_items",
                "is used twice",
            ));
        }
        let Some(maps_to) = &field.maps_to else { continue };
        let pointer = format!("/fields/{index}/maps_to");
        if fields[..index].iter().any(|other| other.maps_to == field.maps_to) {
            faults.push(Fault::new(pointer, "duplicate_items", "is mapped twice"));
        } else if Target::named(maps_to, custom_names).is_none() {
            faults.push(Fault::new(
                pointer,
                "not_allowed",
                "is not a field of a lead or company",
            ));
        }
    }
    let identifies = |target: &str| {
        fields
            .iter()
            .any(|field| field.maps_to.as_deref() == Some(target))
    };
    if !identifies("email") && !identifies("phone") {
        faults.push(Fault::new(
            "/fields",
            "required",
            "one field must map to email or phone",
        ));
    }
    faults
}

enum Target {
    Email,
    Phone,
    Lead(LeadField),
    Company(CompanyField),
    CompanyDomain,
    CompanyEmployees,
    Custom(String),
}

impl Target {
    fn named(name: &str, custom_names: &[&str]) -> Option<Self> {
        if let Some(custom) = name.strip_prefix("custom.") {
            return custom_names
                .contains(&custom)
                .then(|| Target::Custom(custom.to_owned()));
        }
        match name {
            "email" => Some(Target::Email),
            "phone" => Some(Target::Phone),
            "company.domain" => Some(Target::CompanyDomain),
            "company.employees" => Some(Target::CompanyEmployees),
            _ => match name.strip_prefix("company.") {
                Some(field) => CompanyField::named(field).map(Target::Company),
                None => LeadField::named(name).map(Target::Lead),
            },
        }
    }
}

/// Take in one submission: keep it, and find or make its lead from the mapped answers.
///
/// A submission that does not fit is kept as `rejected` with every fault. Answers that map nowhere, and members that
/// nobody knows, stay answers.
pub fn capture(
    world: &mut World,
    form: &Form,
    posted: Posted,
    id: SubmissionId,
    now: Timestamp,
    ids: &mut Ids,
) -> (Submission, Vec<Change>) {
    let actor = Actor::Form(form.id);
    let mut submission = Submission {
        id,
        form_id: form.id,
        status: SubmissionStatus::Rejected,
        lead_id: None,
        raw: posted.raw.clone(),
        faults: vec![],
        received_at: now,
    };
    let said = match read(world, form, &posted, now) {
        Ok(said) => said,
        Err(faults) => return reject(submission, faults),
    };
    let saved = match save::upsert(world, &said, OnConflict::FollowEmail, &actor, now, ids) {
        Ok(saved) => saved,
        Err(save::Refused::Invalid(faults)) => {
            return reject(
                submission,
                faults
                    .into_iter()
                    .map(|fault| Fault {
                        pointer: "/fields".into(),
                        ..fault
                    })
                    .collect(),
            );
        }
        Err(_) => {
            return reject(
                submission,
                vec![Fault::new("/fields", "required", "an e-mail or phone is needed")],
            );
        }
    };
    submission.status = SubmissionStatus::Accepted;
    submission.lead_id = Some(saved.lead_id);
    let mut changes = vec![Change::SubmissionReceived(submission.clone())];
    changes.extend(saved.changes);
    changes.extend(take_up_again(world, saved.lead_id, now));
    let agreement = world.agreement.clone();
    changes.extend(judge(
        world,
        saved.lead_id,
        &Rulebook {
            agreement: &agreement,
        },
        now,
        ids,
    ));
    (submission, changes)
}

fn reject(mut submission: Submission, faults: Vec<Fault>) -> (Submission, Vec<Change>) {
    submission.faults = faults
        .into_iter()
        .map(|fault| SubmissionFault {
            pointer: format!("#{}", fault.pointer),
            code: fault.code.to_owned(),
            detail: fault.detail,
        })
        .collect();
    (submission.clone(), vec![Change::SubmissionReceived(submission)])
}

/// An archived lead that writes again is no longer put away.
fn take_up_again(world: &mut World, lead_id: LeadId, now: Timestamp) -> Option<Change> {
    let lead = world
        .leads
        .get_mut(&lead_id)
        .filter(|lead| lead.archived_at.is_some())?;
    lead.archived_at = None;
    lead.version += 1;
    lead.updated_at = now;
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

fn read(world: &World, form: &Form, posted: &Posted, now: Timestamp) -> Result<Statement, Vec<Fault>> {
    let mut faults = vec![];
    if posted.fields.len() > MAX_FIELDS {
        faults.push(Fault::new(
            "/fields",
            "too_many_items",
            "at most 100 fields are read",
        ));
    }
    let too_long = posted
        .fields
        .values()
        .any(|value| value.as_str().is_some_and(|text| text.len() > MAX_VALUE_BYTES));
    if too_long {
        faults.push(Fault::new(
            "/fields",
            "too_long",
            "a value may have at most 8192 bytes",
        ));
    }
    let custom_names: Vec<&str> = world
        .custom_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    let mut said = Statement {
        observed_at: posted.submitted_at.map(|at| at.min(now)),
        ..Statement::default()
    };
    let mut company = CompanyStatement::default();
    for field in &form.fields {
        let pointer = format!("/fields/{}", field.name.replace('~', "~0").replace('/', "~1"));
        let Some(text) = posted.fields.get(&field.name).and_then(text_of) else {
            if field.required {
                faults.push(Fault::new(pointer, "required", "is required"));
            }
            continue;
        };
        let target = field
            .maps_to
            .as_deref()
            .and_then(|name| Target::named(name, &custom_names));
        let invalid =
            |detail: &dyn ToString| Fault::new(pointer.clone(), "invalid_format", detail.to_string());
        match target {
            Some(Target::Email) => match Email::parse(&text) {
                Ok(email) => said.emails.push(email),
                Err(error) => faults.push(invalid(&error)),
            },
            Some(Target::Phone) => match Phone::parse(&text) {
                Ok(phone) => said.phones.push(phone),
                // A phone that cannot be read loses nobody: it stays an answer, unless it must be there.
                Err(error) if field.required => faults.push(invalid(&error)),
                Err(_) => {}
            },
            Some(Target::Lead(LeadField::Country)) => match country(&text) {
                Some(code) => drop(said.text.insert(LeadField::Country, Some(code))),
                None => faults.push(invalid(&"is not a two-letter country code")),
            },
            Some(Target::Lead(lead_field)) => {
                let clipped = text.chars().take(lead_field.max_chars()).collect();
                said.text.insert(lead_field, Some(clipped));
            }
            Some(Target::Company(CompanyField::Country)) => match country(&text) {
                Some(code) => drop(company.text.insert(CompanyField::Country, Some(code))),
                None => faults.push(invalid(&"is not a two-letter country code")),
            },
            Some(Target::Company(company_field)) => {
                let clipped = text.chars().take(company_field.max_chars()).collect();
                company.text.insert(company_field, Some(clipped));
            }
            Some(Target::CompanyDomain) => match Domain::parse(&text) {
                Ok(domain) => company.domain = Some(domain),
                Err(error) => faults.push(invalid(&error)),
            },
            Some(Target::CompanyEmployees) => match text.parse::<i64>() {
                Ok(count) if (0..=10_000_000).contains(&count) => company.employees = Some(Some(count)),
                _ => faults.push(invalid(&"is not a number of people")),
            },
            Some(Target::Custom(name)) => {
                let declared = world.custom_fields.iter().find(|declared| declared.name == name);
                match declared.map(|declared| declared.read(&text)) {
                    Some(Ok(value)) => drop(said.custom.insert(name, value)),
                    Some(Err(unfit)) => faults.push(invalid(&unfit)),
                    None => {}
                }
            }
            None => {}
        }
    }
    if company != CompanyStatement::default() {
        said.company = Some(company);
    }
    if let Some(language) = &posted.context.language {
        said.text
            .entry(LeadField::Language)
            .or_insert_with(|| Some(language.chars().take(35).collect()));
    }
    said.first_touch = first_touch(&posted.context, said.observed_at.unwrap_or(now));
    if faults.is_empty() { Ok(said) } else { Err(faults) }
}

/// The two upper-case letters of ISO 3166-1 that the text gives, if it does.
pub fn country(text: &str) -> Option<String> {
    let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    is_code.then(|| text.to_ascii_uppercase())
}

/// What the page's address says of where the person came from: its UTM parameters, taken as they are.
/// Channels by rule, click ids and sessions come with tracking.
fn first_touch(context: &Context, at: Timestamp) -> Option<Touch> {
    let landing = context.landing_url.as_ref().or(context.page_url.as_ref())?;
    let utm = utm(landing);
    let take = |name: &str| {
        utm.get(name)
            .map(|text| text.chars().take(200).collect::<String>())
    };
    Some(Touch {
        channel: None,
        source: take("utm_source"),
        medium: take("utm_medium"),
        campaign: take("utm_campaign"),
        term: take("utm_term"),
        content: take("utm_content"),
        landing_url: Some(without_query(landing)),
        referrer: context
            .landing_referrer
            .as_ref()
            .or(context.referrer.as_ref())
            .map(|url| without_query(url)),
        occurred_at: Some(at),
    })
}

/// An address without what may be personal in it: credentials, query and fragment.
fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bare = &url[..end];
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.chars().take(2048).collect();
    };
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let joined = path.map_or_else(
        || format!("{scheme}://{host}"),
        |path| format!("{scheme}://{host}/{path}"),
    );
    joined.chars().take(2048).collect()
}

fn utm(url: &str) -> BTreeMap<String, String> {
    let query = url
        .split_once('?')
        .map_or("", |(_, rest)| rest.split('#').next().unwrap_or(""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, value)| name.starts_with("utm_") && !value.is_empty())
        .filter_map(|(name, value)| Some((name.to_owned(), percent_decoded(value)?)))
        .filter(|(_, value)| !value.trim().is_empty() && !value.contains('\0'))
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |b: u8| (b as char).to_digit(16);
                (digit(high)? * 16 + digit(low)?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
