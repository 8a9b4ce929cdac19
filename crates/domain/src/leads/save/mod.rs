//! Saving leads and companies: a statement finds or makes its lead, a patch edits one.

mod company;
mod draft;
mod ownership;
mod statement;
#[cfg(test)]
mod tests;

pub use company::{archive_company, date_company, find_company, may_own_company, save_company};
pub use ownership::{archive, assign, give};

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::consent::{self, StateConsent};
use super::fields::{CompanyField, LeadField};
use super::free_mail::company_domain;
use super::identity::{Dialled, Domain, Email, Invalid, Key, Phone, email_key, external_key, phone_key};
use super::{Lead, Profile, Touch};
use crate::access::{Actor, Denied, Role};
use crate::act::Act;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{FormId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::journal::Facts;
use crate::leads::change::LeadChange;
use crate::lifecycle::{Cycle, Stage, Transition};
use crate::money::Money;
use crate::tracking::Report;
use crate::world::World;
use draft::Draft;

/// The most identifiers of one kind that a lead may have.
pub const MAX_IDENTIFIERS: usize = 50;
/// The most identifiers of one kind that forms add to a lead.
pub const MOST_OF_FORMS: usize = 5;

/// A statement about a lead, parsed into its types. An absent field is not stated; an empty one states "empty".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statement {
    /// The lead's own id, where the caller knows it.
    pub id: Option<LeadId>,
    /// External ids, as (system, id); the first one addresses.
    pub external_ids: Vec<(String, String)>,
    /// E-mails; the first one addresses.
    pub emails: Vec<Email>,
    /// Phones.
    pub phones: Vec<Phone>,
    /// Phones without calling code or country: those of a known lead are read in its country.
    pub local_phones: Vec<LocalPhone>,
    /// Text fields.
    pub text: BTreeMap<LeadField, Option<String>>,
    /// Budget and timeline.
    pub plan: Plan,
    /// Custom fields by name; `null` is empty.
    pub custom: BTreeMap<String, Value>,
    /// The company; a given one without values prevents the e-mail's domain from naming one.
    pub company: Option<CompanyStatement>,
    /// The first touch; used only if none is known yet.
    pub first_touch: Option<Report>,
    /// What the person agreed to, or withdrew.
    pub consents: Vec<StateConsent>,
    /// When this was true, if not now.
    pub observed_at: Option<Timestamp>,
    /// When a lead that it makes became known, if not now: history says so.
    pub created_at: Option<Timestamp>,
}

/// What a person may spend, and by when; `Some(None)` says "empty".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// The budget.
    pub budget: Option<Option<Money>>,
    /// In how many days the person wants to decide, from 0 to [`MAX_TIMELINE_DAYS`].
    pub timeline_days: Option<Option<i64>>,
}

/// The longest time until a decision, in days: ten years.
pub const MAX_TIMELINE_DAYS: i64 = 3650;

/// A phone whose country only the stated lead determines.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalPhone {
    /// The number.
    pub dialled: Dialled,
    /// Where the fault is if no country is known or its numbering plan has no such number; a phone without is then left
    /// out.
    pub pointer: Option<String>,
}

/// A statement about a company: the fields that a request, a form or an import gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompanyStatement {
    /// The web domain, which names it.
    pub domain: Option<Domain>,
    /// Text fields.
    pub text: BTreeMap<CompanyField, Option<String>>,
    /// The number of employees.
    pub employees: Option<Option<i64>>,
    /// Who is responsible for it; whether the actor may say so is for the caller to ask ([`may_own_company`]).
    pub owner_id: Option<Option<UserId>>,
}

/// A merge patch of a lead: lists of identifiers replace, everything else as in a statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edit {
    /// The new primary e-mail; the others stay behind it.
    pub email: Option<Email>,
    /// All e-mails, the first one primary.
    pub emails: Option<Vec<Email>>,
    /// All phones.
    pub phones: Option<Vec<Phone>>,
    /// All external ids.
    pub external_ids: Option<Vec<(String, String)>>,
    /// Text fields.
    pub text: BTreeMap<LeadField, Option<String>>,
    /// Budget and timeline.
    pub plan: Plan,
    /// Custom fields by name; `null` is empty.
    pub custom: BTreeMap<String, Value>,
    /// The company; `Some(None)` takes the lead out of its company.
    pub company: Option<Option<CompanyStatement>>,
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The lead that it was about.
    pub lead_id: LeadId,
    /// Whether the lead was made by it.
    pub created: bool,
    /// The changes; empty if everything was known.
    pub changes: Vec<Change>,
}

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// Neither id, external id, e-mail nor phone.
    #[error("a lead needs an identifier")]
    NoIdentifier,
    /// The id names no lead.
    #[error("no such lead")]
    NoSuchLead,
    /// Identifiers name different leads.
    #[error("the identifiers belong to different leads")]
    IdentifiersConflict(Vec<LeadId>),
    /// A hand-off is pending, a clock runs, or a deal is open.
    #[error("the lead is worked on")]
    StillInWork,
    /// The actor may not write this lead.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A custom field is undeclared or does not fit, ...
    #[error("the statement does not fit")]
    Invalid(Vec<Fault>),
}

impl Statement {
    /// The keys of all its identifiers: external ids, then e-mails, then phones.
    pub fn keys(&self) -> Vec<Key> {
        let external = self
            .external_ids
            .iter()
            .map(|(system, id)| external_key(system, id));
        external
            .chain(self.emails.iter().map(email_key))
            .chain(self.phones.iter().map(phone_key))
            .collect()
    }

    /// The web domain of the company that its e-mails speak of, where it says nothing of a company itself; free and
    /// disposable mail speaks of none.
    pub fn company_of_email(&self) -> Option<Domain> {
        match self.company {
            None => self.emails.iter().find_map(company_domain),
            Some(_) => None,
        }
    }

    /// The statement with its local phones read in a country, or a fault for each that must be read and cannot.
    fn within(&self, country: Option<&str>) -> Result<Cow<'_, Self>, SaveError> {
        if self.local_phones.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let (mut phones, mut faults) = (self.phones.clone(), vec![]);
        for LocalPhone { dialled, pointer } in &self.local_phones {
            match (country.map(|country| dialled.within(country)), pointer) {
                (Some(Ok(phone)), _) => phones.push(phone),
                (_, Some(pointer)) => faults.push(Fault::new(pointer, "invalid_format", Invalid::Phone)),
                (_, None) => {}
            }
        }
        if !faults.is_empty() {
            return Err(SaveError::Invalid(faults));
        }
        Ok(Cow::Owned(Self {
            phones,
            local_phones: vec![],
            ..self.clone()
        }))
    }

    /// The first touch, if it is stated.
    fn touch(&self, world: &World, now: Timestamp) -> Option<Touch> {
        let report = self.first_touch.as_ref()?;
        report.touch(&world.rules.touch_rules, observed(self, now), now)
    }
}

/// Which identifier wins when two of them name different leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The caller must say what it means (upsert, import).
    Refuse,
    /// The e-mail (a form that a person sent).
    FollowEmail,
}

/// Find or create the lead of a statement, and apply the statement.
pub fn upsert(
    world: &mut World,
    said: &Statement,
    on_conflict: OnConflict,
    act: &Act,
) -> Result<Saved, SaveError> {
    let mut faults = custom_faults(world, &said.custom);
    if let Some(report) = &said.first_touch {
        faults.extend(report.faults("/first_touch", &world.rules.touch_rules, act.now));
    }
    if !faults.is_empty() {
        return Err(SaveError::Invalid(faults));
    }
    let known = addressed(world, said, on_conflict)?;
    let undeclared: Vec<Fault> = undeclared(world, known, said).collect();
    if !undeclared.is_empty() {
        return Err(SaveError::Invalid(undeclared));
    }
    let lead = known.and_then(|id| world.leads.get(&id));
    let country = lead.and_then(|lead| lead.profile.get(LeadField::Country));
    let said = said.within(country)?;
    let said = said.as_ref();
    let mut saved = match known {
        Some(lead_id) => Saved {
            lead_id,
            created: false,
            changes: update(world, lead_id, said, act)?,
        },
        None => create(world, said, act)?,
    };
    let stated = consent::take_over(world, saved.lead_id, said, act);
    saved.changes.extend(stated);
    Ok(saved)
}

/// A fault for each statement of consent whose purpose nobody declared.
fn undeclared<'a>(
    world: &'a World,
    lead_id: Option<LeadId>,
    said: &'a Statement,
) -> impl Iterator<Item = Fault> + 'a {
    let consents = said.consents.iter().enumerate();
    let undeclared = consents.filter(move |(_, one)| !consent::may_state(world, lead_id, one));
    undeclared.map(|(index, _)| {
        let pointer = format!("/consents/{index}/purpose");
        Fault::new(pointer, "not_allowed", "is not a declared purpose of consent")
    })
}

fn addressed(world: &World, said: &Statement, on_conflict: OnConflict) -> Result<Option<LeadId>, SaveError> {
    if said.id.is_some_and(|id| !world.leads.contains_key(&id)) {
        return Err(SaveError::NoSuchLead);
    }
    let external = said
        .external_ids
        .iter()
        .map(|(system, id)| external_key(system, id));
    let emails = said.emails.iter().map(email_key);
    let mut named: Vec<LeadId> = said.id.into_iter().collect();
    match on_conflict {
        OnConflict::Refuse => named.extend(external.chain(emails).filter_map(|key| world.holder(&key))),
        OnConflict::FollowEmail => named.extend(
            emails
                .chain(external)
                .filter_map(|key| world.holder(&key))
                .take(1),
        ),
    }
    let Some(first) = named.first().copied() else {
        let only_phones = said.id.is_none() && said.external_ids.is_empty() && said.emails.is_empty();
        return match said.phones.first() {
            None if only_phones => Err(SaveError::NoIdentifier),
            Some(phone) if only_phones => Ok(world.holder(&phone_key(phone))),
            _ => Ok(None),
        };
    };
    if named.iter().any(|other| *other != first) {
        named.sort_unstable();
        named.dedup();
        return Err(SaveError::IdentifiersConflict(named));
    }
    Ok(Some(first))
}

fn create(world: &mut World, said: &Statement, act: &Act) -> Result<Saved, SaveError> {
    act.by.may_create_lead()?;
    let lead_id: LeadId = act.ids.next();
    let known_since = said.created_at.map_or(act.now, |at| at.min(act.now));
    let found_by_sales = act
        .by
        .person()
        .filter(|person| person.role == Role::Sales)
        .map(|person| person.id);
    let lead = Lead {
        id: lead_id,
        version: 1,
        derived: 0,
        stage: Stage::Lead,
        stage_since: known_since,
        came_from: None,
        cycle: 1,
        owner_id: found_by_sales,
        previous_owner_id: None,
        nurture_until: None,
        identifiers: vec![],
        profile: Profile::default(),
        company_id: None,
        first_touch: None,
        last_touch: None,
        last_non_direct_touch: None,
        lead_touch: None,
        last_activity_at: None,
        returned_at: None,
        archived_at: None,
        created_at: known_since,
        updated_at: act.now,
    };
    let mut draft = Draft {
        lead,
        changes: vec![],
        after: Facts::new(),
        before: Facts::new(),
    };
    take_over(&mut draft, world, said, act)?;
    if let Some(touch) = said.touch(world, act.now) {
        draft.after.insert("first_touch".into(), json!(touch));
        draft.begin_with(touch, act);
    }
    let form_id: Option<FormId> = if let Actor::Form(id) = act.by {
        Some(id)
    } else {
        None
    };
    let cycle = Cycle::first(&draft.lead, form_id, world.rules.agreement.number, &act.ids);
    let transition = Transition {
        id: act.ids.next(),
        lead_id,
        cycle: 1,
        from: None,
        to: Stage::Lead,
        at: known_since,
        actor_kind: act.by.kind(),
        actor_id: act.by.id(),
        on_behalf_of: act.by.on_behalf_of(),
        reason: None,
        note: None,
        until: None,
        agreement_version: world.rules.agreement.number,
        score: None,
        by_rule: None,
    };
    let Draft {
        lead,
        mut changes,
        after,
        ..
    } = draft;
    world.add_lead(lead.clone(), Some(cycle.clone()));
    changes.insert(
        0,
        Change::Lead(LeadChange::Created {
            lead: Box::new(lead),
            cycle,
            transition,
            after,
        }),
    );
    Ok(Saved {
        lead_id,
        created: true,
        changes,
    })
}

/// Take over what a statement says of identifiers, fields and company; refused before anything is changed.
fn take_over(draft: &mut Draft, world: &mut World, said: &Statement, act: &Act) -> Result<(), SaveError> {
    let news = said.keys().into_iter().filter(|key| draft.is_new(world, key));
    let news: BTreeSet<Key> = news.collect();
    // A refusal would reveal that the person is known: what a form sends beyond the limits stays an answer.
    if !matches!(act.by, Actor::Form(_)) {
        draft.within_limits(|kind| {
            draft.lead.of_kind(kind).count() + news.iter().filter(|key| key.kind == kind).count()
        })?;
    }
    let at = observed(said, act.now);
    draft.add_identifiers(world, said, act);
    draft.state(world, &said.text, &said.plan, &said.custom, at, act);
    if let Some(company) = &said.company
        && *company != CompanyStatement::default()
    {
        draft.join(world, Some(company), at, act);
    }
    if let Some(domain) = said.company_of_email() {
        draft.join_by_email(world, domain, at, act);
    }
    Ok(())
}

fn update(world: &mut World, lead_id: LeadId, said: &Statement, act: &Act) -> Result<Vec<Change>, SaveError> {
    let mut draft = Draft::of(world, lead_id, &act.by)?;
    take_over(&mut draft, world, said, act)?;
    if draft.lead.first_touch.is_none()
        && let Some(touch) = said.touch(world, act.now)
    {
        draft.before.insert("first_touch".into(), Value::Null);
        draft.after.insert("first_touch".into(), json!(touch));
        draft.begin_with(touch, act);
    }
    Ok(draft.finish(world, act.now))
}

/// Change a lead as a merge patch says.
pub fn edit(world: &mut World, lead_id: LeadId, edit: &Edit, act: &Act) -> Result<Vec<Change>, SaveError> {
    let mut draft = Draft::of(world, lead_id, &act.by)?;
    // A field that is no longer declared can still be emptied.
    let stated = edit
        .custom
        .iter()
        .filter(|(name, value)| !(value.is_null() && draft.lead.profile.custom.contains_key(*name)));
    let faults = custom_faults(world, stated);
    if !faults.is_empty() {
        return Err(SaveError::Invalid(faults));
    }
    draft.replace_identifiers(world, edit, act)?;
    draft.within_limits(|kind| draft.lead.of_kind(kind).count())?;
    draft.state(world, &edit.text, &edit.plan, &edit.custom, act.now, act);
    if let Some(company) = &edit.company {
        draft.join(world, company.as_ref(), act.now, act);
    }
    Ok(draft.finish(world, act.now))
}

fn observed(said: &Statement, now: Timestamp) -> Timestamp {
    said.observed_at.map_or(now, |at| at.min(now))
}

fn custom_faults<'a>(world: &World, custom: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Vec<Fault> {
    let mut faults = vec![];
    for (name, value) in custom {
        let pointer = format!("/custom/{}", name.replace('~', "~0").replace('/', "~1"));
        match world.rules.custom_fields.iter().find(|field| field.name == *name) {
            None => faults.push(Fault::new(
                pointer,
                "unknown_field",
                "is not a declared custom field",
            )),
            Some(field) => {
                faults.extend(
                    field
                        .check(value)
                        .err()
                        .map(|unfit| Fault::new(pointer, "invalid_value", unfit)),
                );
            }
        }
    }
    faults
}
