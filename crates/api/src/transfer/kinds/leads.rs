//! Rows that are leads: what `POST /v1/leads` takes, by the same form and the same rules.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tandem_domain::fault::Fault;
use tandem_domain::id::UserId;
use tandem_domain::leads::Lead;
use tandem_domain::leads::country::country as country_code;
use tandem_domain::leads::custom::yes_or_no;
use tandem_domain::leads::identity::{Dialled, Kind, Phone};
use tandem_domain::leads::save::{self, LocalPhone, OnConflict, Statement};
use tandem_domain::tracking::address::Address;
use tandem_domain::tracking::channels;
use tandem_domain::transfer::history::{self, Pasts, state_beginning};
use tandem_domain::transfer::values::{Values, split_name};
use tandem_store::rules::Rules;
use tandem_store::{self as store, StoreError, Tx};

use super::unfit::{country, omit, sort_out};
use super::{Ground, Taken, add_deals, own_id, owner};
use crate::edge::http::violation::{Location, Violation};
use crate::leads::body::LeadWrite;
use crate::transfer::rows::Row;

/// What a row says: the statement, and whose lead it was.
struct LeadRow {
    said: Statement,
    owner: Option<String>,
    /// What of it cannot be taken; the rest is.
    warnings: Vec<(&'static str, String)>,
}

/// Take a batch of leads.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let rules = tx.rules();
    let good = ground.read(rows, &mut taken, |values| read(ground, values, rules));
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.said).collect();
    let mut world = store::leads::world(tx, statements).await?;
    let act = ground.act(tx);
    let mut pasts = Pasts::new();
    if ground.is_history() {
        let known: Vec<_> = world.leads.keys().copied().collect();
        pasts = store::transfer::pasts(tx, known).await?;
        let with_deals = pasts.iter().filter(|(_, past)| past.has_deals());
        let with_deals: Vec<_> = with_deals.map(|(lead_id, _)| *lead_id).collect();
        add_deals(tx, &mut world, with_deals).await?;
        history::remember_owners(&world, &mut pasts);
    }
    let mut touched = BTreeSet::new();
    for (row, stated) in &good {
        let owner: Option<UserId> = match &stated.owner {
            None => None,
            Some(email) => match owners.get(email) {
                Some(user) => Some(user.id),
                None => {
                    taken.reject(
                        row,
                        &[Fault::new("owner", "no_such_user", "is not the e-mail of a user")],
                    );
                    continue;
                }
            },
        };
        let saved = save::upsert(&mut world, &stated.said, OnConflict::Refuse, &act);
        match saved {
            Err(refused) => taken.refuse(row, &refused),
            Ok(mut saved) => {
                let mut is_news = !saved.changes.is_empty();
                if ground.is_history()
                    && let Some(lead) = world.leads.get(&saved.lead_id)
                {
                    let past = pasts
                        .entry(saved.lead_id)
                        .or_insert_with(|| history::past_of_new(&saved.changes));
                    let known_at = stated.said.created_at.map(|at| at.min(ground.now));
                    let (stored, is_new) = state_beginning(past, lead, known_at, owner, ground.import.id);
                    saved.changes.extend(stored);
                    is_news |= is_new;
                    if is_news {
                        touched.insert(saved.lead_id);
                    }
                }
                taken.count_as(saved.created, is_news, saved.changes);
                let mut warnings = stated.warnings.clone();
                let lead = world.leads.get(&saved.lead_id);
                if is_news && lead.is_some_and(|lead| lead.archived_at.is_some()) {
                    let archived = history::Warning::ArchivedLead;
                    warnings.push((archived.code(), archived.to_string()));
                }
                if lead.is_some_and(|lead| lacks_phone(lead, &stated.said)) {
                    warnings.push(unreadable_phone());
                }
                taken.warn_of(row, &warnings);
            }
        }
    }
    taken.derive(&mut world, &mut pasts, touched, &act);
    taken.suggest(tx, world).await?;
    Ok(taken)
}

fn read(ground: &Ground<'_>, values: &Values<'_>, rules: &Rules) -> Result<LeadRow, Vec<Fault>> {
    let (mut faults, mut warnings) = (vec![], vec![]);
    let mut body = body(values, rules, &mut faults, &mut warnings);
    let shape = ground.shapes.body("POST /v1/leads");
    let unfit = shape
        .iter()
        .flat_map(|shape| shape.check(&body))
        .map(fault)
        .collect();
    omit(&mut body, unfit, NEEDED, &mut faults, &mut warnings);
    let created_at = values.instant("created_at", &mut faults);
    let mut unfit = vec![];
    let owner = owner(values, &mut unfit).map(|email| email.as_str().to_owned());
    sort_out(unfit, &mut faults, &mut warnings);
    let mut said = statement(&body);
    if let Err(unfit) = said {
        omit(&mut body, unfit, NEEDED, &mut faults, &mut warnings);
        said = statement(&body);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut said = said?;
    // One that cannot be read even in the lead's country is left out.
    said.local_phones
        .iter_mut()
        .for_each(|phone| phone.pointer = None);
    let is_history = ground.is_history();
    Ok(LeadRow {
        said: Statement {
            observed_at: said.observed_at.or(created_at.filter(|_| is_history)),
            created_at: created_at.filter(|_| is_history),
            ..said
        },
        owner,
        warnings,
    })
}

/// What a lead is known by, or must not be lost in silence: a row in which it is unfit is rejected.
const NEEDED: &[&str] = &["id", "external_id", "email", "consents", "observed_at", ""];

fn statement(body: &Value) -> Result<Statement, Vec<Fault>> {
    let has_no_form = |_| {
        vec![Fault::new(
            "",
            "invalid_format",
            "does not have the form of a lead",
        )]
    };
    LeadWrite::deserialize(body).map_err(has_no_form)?.read()
}

/// The row as `POST /v1/leads` takes it.
fn body(
    values: &Values<'_>,
    rules: &Rules,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<(&'static str, String)>,
) -> Value {
    let (mut body, mut consents) = (Map::new(), vec![]);
    let mut unfit = vec![];
    let touched = values.all().any(|(field, _)| field.starts_with("first_touch."));
    for (field, text) in values.all() {
        match field.split_once('.') {
            None => match field {
                "external_id" if own_id(values, field).is_some() => {
                    body.entry("id").or_insert(json!(text));
                }
                "external_id" => {
                    if is_rounded(text) {
                        let detail =
                            "looks like a number that a spreadsheet has rounded: several people may have it";
                        warnings.push(("rounded_number", format!("{field}: {detail}")));
                    }
                    body.insert(field.into(), json!({"system": values.system(field), "id": text}));
                }
                "name" => {
                    let (first, last) = split_name(text);
                    body.entry("first_name").or_insert(json!(first));
                    body.entry("last_name").or_insert(json!(last));
                }
                "created_at" | "owner" => {}
                "country" => {
                    body.extend(country(field, text, &mut unfit).map(|code| (field.into(), json!(code))));
                }
                // The row stands among the warnings as it came.
                "phone" if !is_phone(text, values.text("country").and_then(country_code).as_deref()) => {
                    warnings.push(unreadable_phone());
                }
                "budget" => {
                    let budget = values.money(field, rules.money.base, &mut unfit);
                    body.extend(budget.map(|budget| (field.into(), json!(budget))));
                }
                "timeline_days" => {
                    let days = values.whole(field, &mut unfit);
                    body.extend(days.map(|days| (field.into(), json!(days))));
                }
                "observed_at" => {
                    body.insert(field.into(), json!(values.instant(field, faults)));
                }
                _ => {
                    body.insert(field.into(), json!(text));
                }
            },
            Some(("custom", name)) => match rules.custom_fields.iter().find(|known| known.name == name) {
                Some(known) => {
                    if let Some(value) = values.custom(field, known, &mut unfit) {
                        member(&mut body, "custom", name, value);
                    }
                }
                None => faults.push(Fault::new(
                    field,
                    "unknown_field",
                    "is not a declared custom field",
                )),
            },
            Some(("consent", purpose)) => match yes_or_no(text) {
                Some(granted) => consents.push(json!({"purpose": purpose, "granted": granted})),
                None => faults.push(Fault::new(field, "invalid_type", "must be yes or no")),
            },
            Some(("company", "employees")) => {
                if let Some(number) = values.whole(field, &mut unfit) {
                    member(&mut body, "company", "employees", json!(number));
                }
            }
            Some(("company", "country")) => {
                if let Some(code) = country(field, text, &mut unfit) {
                    member(&mut body, "company", "country", json!(code));
                }
            }
            // What made the lead known is where it came from, as long as nothing else is known of its way.
            Some(("lead_touch", _)) if touched => {}
            Some(("first_touch" | "lead_touch", name)) => {
                let value = match name {
                    "occurred_at" => Ok(json!(values.instant(field, faults))),
                    "channel" => channels::read(text, &rules.touch_rules.channels)
                        .map(|channel| json!(channel))
                        .ok_or((
                            "unknown_channel",
                            "is not a known channel; the channel is derived from the other values",
                        )),
                    "landing_url" | "referrer" if Address::read(text).is_none() => Err((
                        "unknown_address",
                        "is not the address of a page or an app; it is omitted",
                    )),
                    _ => Ok(json!(text)),
                };
                match value {
                    Ok(value) => member(&mut body, "first_touch", name, value),
                    Err((code, detail)) => warnings.push((code, format!("{field}: {detail}"))),
                }
            }
            Some((part, name)) => member(&mut body, part, name, json!(text)),
        }
    }
    sort_out(unfit, faults, warnings);
    if !consents.is_empty() {
        body.insert("consents".into(), Value::Array(consents));
    }
    Value::Object(body)
}

fn unreadable_phone() -> (&'static str, String) {
    let detail = "phone: is not a valid phone number; it is omitted";
    ("unreadable_phone", detail.into())
}

/// Whether a phone that was given without its country could not be read in that of the lead.
fn lacks_phone(lead: &Lead, said: &Statement) -> bool {
    let phones = || lead.of_kind(Kind::Phone);
    let is_there = |local: &LocalPhone| {
        let number = local.dialled.as_str().trim_start_matches('0');
        phones().any(|phone| phone.value.ends_with(number))
    };
    !said.local_phones.iter().all(is_there)
}

/// Whether a text is a phone, or may be one in a country that is still to be known.
fn is_phone(text: &str, country: Option<&str>) -> bool {
    let is_local = country.is_none() && Dialled::parse(text).is_some();
    is_local || Phone::parse_in(text, country).is_ok()
}

/// Whether an id has been written by a spreadsheet as a number of few digits: `1.23457E+11`.
fn is_rounded(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = text.split_once(['E', 'e']);
    parts.is_some_and(|(number, exponent)| {
        let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
        let exponent = exponent.strip_prefix('+').unwrap_or_default();
        digits(whole) && digits(fraction) && digits(exponent)
    })
}

fn member(body: &mut Map<String, Value>, part: &str, name: &str, value: Value) {
    let part = body.entry(part).or_insert_with(|| json!({}));
    part[name] = value;
}

/// A violation of the form as a fault of the row.
pub(super) fn fault(violation: Violation) -> Fault {
    let place = match violation.place {
        Location::Pointer(pointer) => pointer.trim_start_matches('#').to_owned(),
        Location::Parameter(name) => name,
        Location::Header(name) => name.to_owned(),
    };
    Fault::new(place, violation.code, violation.detail)
}
