//! Making and changing forms: who may, which fields and origins are sound.

use std::net::Ipv6Addr;

use serde_json::json;

use super::{Form, FormField, FormKey};
use crate::access::{Actor, Denied};
use crate::change::{Change, Facts};
use crate::fault::Fault;
use crate::id::Ids;
use crate::instant::Timestamp;
use crate::leads::fields::{CompanyField, LeadField};

/// A form that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeForm {
    /// What people call it.
    pub name: String,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// The origins whose pages may send it.
    pub allowed_origins: Vec<String>,
}

/// A change of a form that is asked for; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditForm {
    /// What people call it.
    pub name: Option<String>,
    /// Its fields, in order.
    pub fields: Option<Vec<FormField>>,
    /// The origins whose pages may send it.
    pub allowed_origins: Option<Vec<String>>,
    /// Whether it is out of use.
    pub archived: Option<bool>,
}

/// Why a form was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Fields or origins are not sound.
    #[error("the form is not sound")]
    Invalid(Vec<Fault>),
}

/// Make a form with its first publishable key. `custom_names` are the declared custom fields.
pub fn make_form(
    asked: MakeForm,
    key: String,
    custom_names: &[&str],
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<(Form, FormKey), Refused> {
    may_change_forms(actor)?;
    let mut faults = form_faults(&asked.fields, custom_names);
    let allowed_origins = origins(&asked.allowed_origins, &mut faults);
    if !faults.is_empty() {
        return Err(Refused::Invalid(faults));
    }
    let form = Form {
        id: ids.next(),
        version: 1,
        name: asked.name,
        fields: asked.fields,
        allowed_origins,
        archived_at: None,
        created_at: now,
        updated_at: now,
    };
    let key = FormKey {
        id: ids.next(),
        form_id: form.id,
        key,
        expires_at: None,
        created_at: now,
    };
    Ok((form, key))
}

/// Change a form; nothing where it is as asked already.
pub fn edit_form(
    form: &Form,
    asked: EditForm,
    custom_names: &[&str],
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Refused> {
    may_change_forms(actor)?;
    let mut faults = vec![];
    let mut edited = form.clone();
    if let Some(name) = asked.name {
        edited.name = name;
    }
    if let Some(fields) = asked.fields {
        faults.extend(form_faults(&fields, custom_names));
        edited.fields = fields;
    }
    if let Some(wanted) = asked.allowed_origins {
        edited.allowed_origins = origins(&wanted, &mut faults);
    }
    match asked.archived {
        Some(true) => edited.archived_at = edited.archived_at.or(Some(now)),
        Some(false) => edited.archived_at = None,
        None => {}
    }
    if !faults.is_empty() {
        return Err(Refused::Invalid(faults));
    }
    if edited == *form {
        return Ok(None);
    }
    edited.version += 1;
    edited.updated_at = now;
    let (before, after) = differences(form, &edited);
    Ok(Some(Change::FormEdited {
        form: edited,
        before,
        after,
    }))
}

/// Forms are marketing's. A key by itself acts by its scope.
fn may_change_forms(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_marketing() && !person.is_admin() => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}

fn differences(old: &Form, new: &Form) -> (Facts, Facts) {
    let facts = |form: &Form| {
        [
            ("name", json!(form.name)),
            ("fields", json!(form.fields)),
            ("allowed_origins", json!(form.allowed_origins)),
            ("archived", json!(form.archived_at.is_some())),
        ]
    };
    let (mut before, mut after) = (Facts::new(), Facts::new());
    for ((name, was), (_, is)) in facts(old).into_iter().zip(facts(new)) {
        if was != is {
            before.insert(name.to_owned(), was);
            after.insert(name.to_owned(), is);
        }
    }
    (before, after)
}

/// What is wrong with the fields of a form that is to be saved.
pub fn form_faults(fields: &[FormField], custom_names: &[&str]) -> Vec<Fault> {
    let mut faults = vec![];
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.name == field.name) {
            let pointer = format!("/fields/{index}/name");
            faults.push(Fault::new(pointer, "duplicate_items", "is used twice"));
        }
        let Some(maps_to) = &field.maps_to else { continue };
        let pointer = format!("/fields/{index}/maps_to");
        if fields[..index].iter().any(|other| other.maps_to == field.maps_to) {
            faults.push(Fault::new(pointer, "duplicate_items", "is mapped twice"));
        } else if Target::named(maps_to, custom_names).is_none() {
            let detail = "is not a field of a lead or company";
            faults.push(Fault::new(pointer, "not_allowed", detail));
        }
    }
    let identifies = |field: &FormField| matches!(field.maps_to.as_deref(), Some("email" | "phone"));
    if !fields.iter().any(identifies) {
        let detail = "one field must map to email or phone";
        faults.push(Fault::new("/fields", "required", detail));
    }
    faults
}

/// The origins as browsers send them, each once.
fn origins(wanted: &[String], faults: &mut Vec<Fault>) -> Vec<String> {
    let mut sound: Vec<String> = vec![];
    for (index, text) in wanted.iter().enumerate() {
        match origin(text) {
            Some(origin) if sound.contains(&origin) => {}
            Some(origin) => sound.push(origin),
            None => {
                let detail = "is not an origin such as https://www.example.com: scheme, host, perhaps a port";
                faults.push(Fault::new(
                    format!("/allowed_origins/{index}"),
                    "invalid_format",
                    detail,
                ));
            }
        }
    }
    sound
}

/// An origin as browsers send it (RFC 6454, ASCII serialisation): lower case, IDNA, no default port. One host
/// exactly: no path, no `*`, no credentials.
pub fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':')?)
            };
            (format!("[{address}]"), port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(authority)?, None),
        },
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        Some(_) => return None,
        None => None,
    };
    match port {
        Some(0) => None,
        Some(port) if port != default_port => Some(format!("{scheme}://{host}:{port}")),
        _ => Some(format!("{scheme}://{host}")),
    }
}

fn host_name(text: &str) -> Option<String> {
    let host = idna::domain_to_ascii(text).ok()?;
    let is_sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let has_sound_labels = host.split('.').all(|label| (1..=63).contains(&label.len()));
    (host.len() <= 253 && has_sound_labels && host.bytes().all(is_sound)).then_some(host)
}

/// The lead or company field that a form's field fills.
pub(super) enum Target {
    Email,
    Phone,
    Lead(LeadField),
    Company(CompanyField),
    CompanyDomain,
    CompanyEmployees,
    Custom(String),
}

impl Target {
    pub(super) fn named(name: &str, custom_names: &[&str]) -> Option<Self> {
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

#[cfg(test)]
mod tests;
