//! Making and changing forms: who may, which fields and origins are sound.

use serde_json::json;

use super::{Form, FormConsent, FormField, FormKey};
use crate::access::origins::{origin, origins};
use crate::access::{Actor, Denied, Scope};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{CampaignId, ContentId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::leads::consent::ConsentPurpose;
use crate::leads::fields::{CompanyField, LeadField};
use crate::record::{Counted, Edited, Plain, RecordChange, archived_at, counted};
use crate::tracking::address::redacted;

/// What a form is set to, besides its fields and origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormSettings {
    /// The address to which a browser without JavaScript is redirected after submitting.
    pub redirect_url: Option<String>,
    /// A field that people do not see: a submission that fills it is spam.
    pub honeypot_field: Option<String>,
    /// A submission sooner than this many seconds after the form was shown counts as spam.
    pub min_fill_seconds: Option<i64>,
    /// The service that a submission requests, such as `demo`.
    pub service_requested: Option<String>,
    /// The campaign to which the form belongs.
    pub campaign_id: Option<CampaignId>,
    /// The content that a submission gives access to: it counts as a download of it.
    pub content_id: Option<ContentId>,
    /// The consent that the form requests.
    pub consent: Vec<FormConsent>,
}

/// A form that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeForm {
    /// The name that people see.
    pub name: String,
    /// Its fields, in order.
    pub fields: Vec<FormField>,
    /// The origins whose pages may send it.
    pub allowed_origins: Vec<String>,
    /// Everything else.
    pub settings: FormSettings,
}

/// Why a form was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Fields or origins are not sound.
    #[error("the form is not sound")]
    Invalid(Vec<Fault>),
}

/// What a form may refer to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The declared custom fields.
    pub custom_names: &'a [&'a str],
    /// The declared purposes of consent.
    pub purposes: &'a [ConsentPurpose],
    /// The campaign that is named, if there is one.
    pub campaign: Option<CampaignId>,
    /// The content that is named, if there is any.
    pub content: Option<ContentId>,
}

/// Make a form with its first publishable key.
pub fn make_form(
    asked: MakeForm,
    key: String,
    beside: &Beside<'_>,
    act: &Act,
) -> Result<(Form, FormKey), FormError> {
    may_change_forms(&act.by)?;
    let mut faults = form_faults(&asked.fields, beside.custom_names);
    let allowed_origins = origins(&asked.allowed_origins, &mut faults);
    faults.extend(settings_faults(&asked.settings, &asked.fields, beside));
    faults.extend(undeclared(&asked.settings.consent, &[], beside));
    if !faults.is_empty() {
        return Err(FormError::Invalid(faults));
    }
    let form = Form {
        id: act.ids.next(),
        version: 1,
        name: asked.name,
        fields: asked.fields,
        allowed_origins,
        settings: asked.settings,
        archived_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    let key = FormKey {
        id: act.ids.next(),
        form_id: form.id,
        key,
        expires_at: None,
        created_at: act.now,
    };
    Ok((form, key))
}

/// Update a form, and archive or restore it; no change if nothing differs. Fields that stay are not held against
/// the custom fields again, some of which may be gone.
pub fn edit_form(
    form: &Form,
    asked: MakeForm,
    archived: Option<bool>,
    beside: &Beside<'_>,
    act: &Act,
) -> Result<Edited<Form>, FormError> {
    may_change_forms(&act.by)?;
    let mut faults = vec![];
    if asked.fields != form.fields {
        faults.extend(form_faults(&asked.fields, beside.custom_names));
    }
    let allowed_origins = origins(&asked.allowed_origins, &mut faults);
    faults.extend(settings_faults(&asked.settings, &asked.fields, beside));
    faults.extend(undeclared(
        &asked.settings.consent,
        &form.settings.consent,
        beside,
    ));
    if !faults.is_empty() {
        return Err(FormError::Invalid(faults));
    }
    let edited = Form {
        name: asked.name,
        fields: asked.fields,
        allowed_origins,
        settings: asked.settings,
        archived_at: archived_at(form.archived_at, archived, act.now),
        ..form.clone()
    };
    Ok(form.becomes(edited, act.now))
}

/// Give a form another publishable key. Those that it has keep working until `until`, or until their own end.
///
/// Answers the keys too: the new one first, then the older ones with the end that they have now.
pub fn rotate_key(
    form: &Form,
    keys: &[FormKey],
    key: String,
    until: Timestamp,
    act: &Act,
) -> Result<(RecordChange<Form>, Vec<FormKey>), FormError> {
    may_change_forms(&act.by)?;
    let ended = |key: &FormKey| FormKey {
        expires_at: Some(key.expires_at.map_or(until, |end| end.min(until))),
        ..key.clone()
    };
    let ended: Vec<FormKey> = keys.iter().map(ended).collect();
    let ends: Vec<_> = ended.iter().map(|key| key.expires_at).collect();
    let mut form = form.clone();
    form.count(act.now);
    let key = FormKey {
        id: act.ids.next(),
        form_id: form.id,
        key,
        expires_at: None,
        created_at: act.now,
    };
    let data = Facts::from_iter([("older_keys_end".to_owned(), json!(ends))]);
    let rotated = form.other("key_rotated", data);
    Ok((rotated, std::iter::once(key).chain(ended).collect()))
}

/// Forms are marketing's. A key by itself acts by its scope.
fn may_change_forms(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_marketing() && !person.is_admin() => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}

counted!(Form);

impl Plain for Form {
    const NOUN: &'static str = "form";
    const READ: Scope = Scope::FormsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("form.created", "A form was created."),
        ("form.updated", "A form changed."),
        (
            "form.key_rotated",
            "The publishable key of a form was rotated; older keys work until they expire.",
        ),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "name": self.name,
            "fields": self.fields,
            "allowed_origins": self.allowed_origins,
            "redirect_url": self.settings.redirect_url,
            "honeypot_field": self.settings.honeypot_field,
            "min_fill_seconds": self.settings.min_fill_seconds,
            "service_requested": self.settings.service_requested,
            "campaign_id": self.settings.campaign_id,
            "content_id": self.settings.content_id,
            "consent": self.settings.consent,
            "archived": self.archived_at.is_some(),
        }))
    }
}

/// What is wrong with the fields of a form that is to be saved.
pub fn form_faults(fields: &[FormField], custom_names: &[&str]) -> Vec<Fault> {
    let mut faults = vec![];
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|other| other.name == field.name) {
            let pointer = format!("/fields/{index}/name");
            faults.push(Fault::new(pointer, "duplicate_items", "is used twice"));
        }
        if is_reserved(&field.name) {
            let pointer = format!("/fields/{index}/name");
            faults.push(Fault::new(pointer, "not_allowed", "is a reserved name"));
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

/// The flat names that say something about the visit, not about the person; see [`is_reserved`].
const RESERVED: &[&str] = &[
    "_visitor_id",
    "_page_url",
    "_page_title",
    "_referrer",
    "_landing_url",
    "_landing_referrer",
    "_language",
    "_rendered_at",
    "_submitted_at",
    "_sent_at",
    "_test",
    "_charset_",
];

/// Whether a form without JavaScript sends context under this name, so that no field may have it.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("_consent_")
}

fn settings_faults(settings: &FormSettings, fields: &[FormField], beside: &Beside<'_>) -> Vec<Fault> {
    let mut faults = vec![];
    if settings.campaign_id.is_some() && settings.campaign_id != beside.campaign {
        faults.push(Fault::new("/campaign_id", "not_allowed", "is not a campaign"));
    }
    if settings.content_id.is_some() && settings.content_id != beside.content {
        faults.push(Fault::new("/content_id", "not_found", "is not content"));
    }
    if settings
        .redirect_url
        .as_deref()
        .is_some_and(|url| !is_address(url))
    {
        let detail = "is not an address such as https://www.example.com/thanks, without password or token";
        faults.push(Fault::new("/redirect_url", "invalid_format", detail));
    }
    if let Some(honeypot) = &settings.honeypot_field {
        if fields.iter().any(|field| field.name == *honeypot) {
            let detail = "is also the name of a visible field";
            faults.push(Fault::new("/honeypot_field", "not_allowed", detail));
        } else if is_reserved(honeypot) {
            let detail = "is a reserved name";
            faults.push(Fault::new("/honeypot_field", "not_allowed", detail));
        }
    }
    for (index, consent) in settings.consent.iter().enumerate() {
        if settings.consent[..index]
            .iter()
            .any(|other| other.purpose == consent.purpose)
        {
            let pointer = format!("/consent/{index}/purpose");
            faults.push(Fault::new(pointer, "duplicate_items", "is listed twice"));
        }
        if let Some(value) = consent.unfit_value() {
            let pointer = format!("/consent/{index}/granting_values/{value}");
            faults.push(Fault::new(pointer, "not_allowed", "says no"));
        }
    }
    faults
}

/// A fault for each purpose that nobody declared, but for those that the form asks for already.
fn undeclared(asked: &[FormConsent], known: &[FormConsent], beside: &Beside<'_>) -> Vec<Fault> {
    let is_sound = |purpose: &str| {
        beside.purposes.iter().any(|declared| declared.name == purpose)
            || known.iter().any(|known| known.purpose == purpose)
    };
    let places = asked
        .iter()
        .enumerate()
        .filter(|(_, one)| !is_sound(&one.purpose));
    let fault = |(index, _)| {
        let detail = "is not a declared purpose of consent";
        Fault::new(format!("/consent/{index}/purpose"), "not_allowed", detail)
    };
    places.map(fault).collect()
}

/// Whether a text is an absolute http or https address, without credentials, as a header can carry it.
fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = text.len() - rest.len() + end;
    text.bytes().all(|b| (0x21..=0x7e).contains(&b))
        && !text.contains('\\')
        && is_web
        && origin(&text[..authority]).is_some()
        && redacted(text) == text
}

/// The lead or company field that a form's field fills.
pub(super) enum Target {
    Email,
    Phone,
    Lead(LeadField),
    Company(CompanyField),
    CompanyDomain,
    CompanyEmployees,
    Budget,
    TimelineDays,
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
            "budget" => Some(Target::Budget),
            "timeline_days" => Some(Target::TimelineDays),
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
