//! Saving leads and companies: a statement finds or makes its lead, a patch edits one.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fields::{About, CompanyField, FieldValue, LeadField, Source, is_empty};
use super::identity::{Domain, Email, Identifier, Key, Kind, Phone, email_key, external_key, phone_key};
use super::{Company, Lead, Profile, Touch, search};
use crate::access::account::User;
use crate::access::{Actor, Denied, Role};
use crate::change::{Change, Facts};
use crate::fault::Fault;
use crate::id::{CompanyId, FormId, Ids, LeadId};
use crate::instant::Timestamp;
use crate::lifecycle::{Cycle, Stage, Transition};
use crate::world::World;

/// The most identifiers of one kind that a lead may have.
pub const MAX_IDENTIFIERS: usize = 50;

/// What is said about a lead: parsed, true to its types. An absent field was not said; an empty one says "empty".
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
    /// Text fields.
    pub text: BTreeMap<LeadField, Option<String>>,
    /// Custom fields by name; `null` is empty.
    pub custom: BTreeMap<String, Value>,
    /// The company.
    pub company: Option<CompanyStatement>,
    /// Where it first came from; counts only where nothing is known yet.
    pub first_touch: Option<Touch>,
    /// When this was true, if not now.
    pub observed_at: Option<Timestamp>,
}

/// What is said about a company.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompanyStatement {
    /// The web domain, which names it.
    pub domain: Option<Domain>,
    /// Text fields.
    pub text: BTreeMap<CompanyField, Option<String>>,
    /// The number of employees.
    pub employees: Option<Option<i64>>,
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
    /// What changed; nothing where all of it was known.
    pub changes: Vec<Change>,
}

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither id, external id, e-mail nor phone.
    #[error("a lead needs an identifier")]
    NoIdentifier,
    /// The id names no lead.
    #[error("no such lead")]
    NoSuchLead,
    /// Identifiers name different leads.
    #[error("the identifiers belong to different leads")]
    IdentifiersConflict(Vec<LeadId>),
    /// The actor may not write this lead.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A custom field is undeclared or does not fit, ...
    #[error("the statement does not fit")]
    Invalid(Vec<Fault>),
}

impl Statement {
    /// The keys that address a lead: external ids, then e-mails; phones only where there is neither.
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
}

/// Which identifier wins when two of them name different leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// The caller must say what it means (upsert, import).
    Refuse,
    /// The e-mail (a form that a person sent).
    FollowEmail,
}

/// Find the lead that a statement is about or make it, and take over what was said.
pub fn upsert(
    world: &mut World,
    said: &Statement,
    on_conflict: OnConflict,
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<Saved, Refused> {
    let faults = custom_faults(world, &said.custom);
    if !faults.is_empty() {
        return Err(Refused::Invalid(faults));
    }
    match addressed(world, said, on_conflict)? {
        Some(lead_id) => {
            let changes = update(world, lead_id, said, actor, now, ids)?;
            Ok(Saved {
                lead_id,
                created: false,
                changes,
            })
        }
        None => create(world, said, actor, now, ids),
    }
}

fn addressed(world: &World, said: &Statement, on_conflict: OnConflict) -> Result<Option<LeadId>, Refused> {
    if said.id.is_some_and(|id| !world.leads.contains_key(&id)) {
        return Err(Refused::NoSuchLead);
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
            None if only_phones => Err(Refused::NoIdentifier),
            Some(phone) if only_phones => Ok(world.holder(&phone_key(phone))),
            _ => Ok(None),
        };
    };
    if named.iter().any(|other| *other != first) {
        named.sort_unstable();
        named.dedup();
        return Err(Refused::IdentifiersConflict(named));
    }
    Ok(Some(first))
}

fn create(
    world: &mut World,
    said: &Statement,
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<Saved, Refused> {
    actor.may_create_lead()?;
    let lead_id: LeadId = ids.next();
    let found_by_sales = actor
        .person()
        .filter(|person| person.role == Role::Sales)
        .map(|person| person.id);
    let lead = Lead {
        id: lead_id,
        version: 1,
        derived: 0,
        stage: Stage::Lead,
        stage_since: now,
        came_from: None,
        cycle: 1,
        owner_id: found_by_sales,
        previous_owner_id: None,
        nurture_until: None,
        identifiers: vec![],
        profile: Profile::default(),
        company_id: None,
        first_touch: said.first_touch.clone(),
        archived_at: None,
        created_at: now,
        updated_at: now,
    };
    let mut draft = Draft {
        lead,
        changes: vec![],
        after: Facts::new(),
        before: Facts::new(),
    };
    draft.add_identifiers(world, said, now, ids);
    draft.state(
        world,
        &said.text,
        &said.custom,
        observed(said, now),
        actor,
        now,
        ids,
    );
    if let Some(company) = &said.company {
        draft.join(world, Some(company), observed(said, now), actor, now, ids);
    }
    if let Some(touch) = &said.first_touch {
        draft.after.insert("first_touch".into(), json!(touch));
    }
    let form_id: Option<FormId> = if let Actor::Form(id) = actor {
        Some(*id)
    } else {
        None
    };
    let cycle = Cycle::first(&draft.lead, form_id, world.agreement.number, ids);
    let transition = Transition {
        id: ids.next(),
        lead_id,
        cycle: 1,
        from: None,
        to: Stage::Lead,
        at: now,
        actor_kind: actor.kind(),
        actor_id: actor.id(),
        on_behalf_of: actor.on_behalf_of(),
        reason: None,
        note: None,
        until: None,
        agreement_version: world.agreement.number,
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
        Change::LeadCreated {
            lead: Box::new(lead),
            cycle,
            transition,
            after,
        },
    );
    Ok(Saved {
        lead_id,
        created: true,
        changes,
    })
}

fn update(
    world: &mut World,
    lead_id: LeadId,
    said: &Statement,
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<Vec<Change>, Refused> {
    let mut draft = Draft::of(world, lead_id, actor)?;
    let news = said
        .keys()
        .into_iter()
        .filter(|key| draft.is_new(world, key))
        .collect::<Vec<_>>();
    draft.within_limits(|kind| {
        draft.lead.of_kind(kind).count() + news.iter().filter(|key| key.kind == kind).count()
    })?;
    draft.add_identifiers(world, said, now, ids);
    draft.state(
        world,
        &said.text,
        &said.custom,
        observed(said, now),
        actor,
        now,
        ids,
    );
    if let Some(company) = &said.company {
        draft.join(world, Some(company), observed(said, now), actor, now, ids);
    }
    if let (None, Some(touch)) = (&draft.lead.first_touch, &said.first_touch) {
        draft.before.insert("first_touch".into(), Value::Null);
        draft.after.insert("first_touch".into(), json!(touch));
        draft.lead.first_touch = Some(touch.clone());
    }
    Ok(draft.finish(world, now))
}

/// Change a lead as a merge patch says.
pub fn edit(
    world: &mut World,
    lead_id: LeadId,
    edit: &Edit,
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<Vec<Change>, Refused> {
    let faults = custom_faults(world, &edit.custom);
    if !faults.is_empty() {
        return Err(Refused::Invalid(faults));
    }
    let mut draft = Draft::of(world, lead_id, actor)?;
    draft.replace_identifiers(world, edit, now, ids)?;
    draft.within_limits(|kind| draft.lead.of_kind(kind).count())?;
    draft.state(world, &edit.text, &edit.custom, now, actor, now, ids);
    if let Some(company) = &edit.company {
        draft.join(world, company.as_ref(), now, actor, now, ids);
    }
    Ok(draft.finish(world, now))
}

fn observed(said: &Statement, now: Timestamp) -> Timestamp {
    said.observed_at.map_or(now, |at| at.min(now))
}

fn custom_faults(world: &World, custom: &BTreeMap<String, Value>) -> Vec<Fault> {
    let mut faults = vec![];
    for (name, value) in custom {
        let pointer = format!("/custom/{name}");
        match world.custom_fields.iter().find(|field| field.name == *name) {
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

/// A lead in the making, with what has changed so far.
struct Draft {
    lead: Lead,
    changes: Vec<Change>,
    before: Facts,
    after: Facts,
}

impl Draft {
    fn of(world: &World, lead_id: LeadId, actor: &Actor) -> Result<Self, Refused> {
        let lead = world.leads.get(&lead_id).ok_or(Refused::NoSuchLead)?.clone();
        actor.may_edit(lead.owner_id)?;
        Ok(Self {
            lead,
            changes: vec![],
            before: Facts::new(),
            after: Facts::new(),
        })
    }

    fn facts(&self, kind: Kind) -> (&'static str, Value) {
        let of_kind = || self.lead.of_kind(kind);
        match kind {
            Kind::Email => ("emails", of_kind().map(|i| i.value.as_str()).collect()),
            Kind::Phone => ("phones", of_kind().map(|i| i.value.as_str()).collect()),
            Kind::ExternalId => (
                "external_ids",
                of_kind()
                    .map(|i| json!({"system": i.system, "id": i.value}))
                    .collect(),
            ),
        }
    }

    fn note(&mut self, name: &str, before: Value, after: Value) {
        self.before.insert(name.to_owned(), before);
        self.after.insert(name.to_owned(), after);
    }

    fn append(&mut self, world: &mut World, key: &Key, now: Timestamp, ids: &mut Ids) {
        let position = self
            .lead
            .of_kind(key.kind)
            .map(|i| i.position + 1)
            .max()
            .unwrap_or(0);
        let identifier = Identifier {
            id: ids.next(),
            kind: key.kind,
            system: key.system.clone(),
            value: key.value.clone(),
            position,
            created_at: now,
        };
        world.hold(self.lead.id, &identifier);
        self.changes
            .push(Change::IdentifierAdded(self.lead.id, identifier.clone()));
        self.lead.identifiers.push(identifier);
    }

    /// Whether neither this lead nor, where it must be unique, another one has the identifier.
    fn is_new(&self, world: &World, key: &Key) -> bool {
        let is_known = self
            .lead
            .identifiers
            .iter()
            .any(|identifier| identifier.key() == *key);
        let is_taken = key.kind.is_unique() && world.holder(key).is_some_and(|holder| holder != self.lead.id);
        !is_known && !is_taken
    }

    /// Add what is new; an identifier that another lead has stays with that lead.
    fn add_identifiers(&mut self, world: &mut World, said: &Statement, now: Timestamp, ids: &mut Ids) {
        for kind in [Kind::ExternalId, Kind::Email, Kind::Phone] {
            let (name, before) = self.facts(kind);
            for key in said.keys().into_iter().filter(|key| key.kind == kind) {
                let is_known = self
                    .lead
                    .identifiers
                    .iter()
                    .any(|identifier| identifier.key() == key);
                let is_taken =
                    kind.is_unique() && world.holder(&key).is_some_and(|holder| holder != self.lead.id);
                if !is_known && !is_taken {
                    self.append(world, &key, now, ids);
                }
            }
            let (_, after) = self.facts(kind);
            if before != after {
                self.note(name, before, after);
            }
        }
    }

    fn replace_identifiers(
        &mut self,
        world: &mut World,
        edit: &Edit,
        now: Timestamp,
        ids: &mut Ids,
    ) -> Result<(), Refused> {
        let emails = edit
            .emails
            .clone()
            .map(|emails| emails.iter().map(email_key).collect::<Vec<_>>());
        let emails = match (&edit.email, emails) {
            (None, list) => list,
            (Some(primary), list) => {
                let primary = email_key(primary);
                let others =
                    list.unwrap_or_else(|| self.lead.of_kind(Kind::Email).map(Identifier::key).collect());
                Some(
                    std::iter::once(primary.clone())
                        .chain(others.into_iter().filter(|k| *k != primary))
                        .collect(),
                )
            }
        };
        let phones = edit
            .phones
            .as_ref()
            .map(|phones| phones.iter().map(phone_key).collect());
        let external = edit.external_ids.as_ref();
        let external = external.map(|all| all.iter().map(|(system, id)| external_key(system, id)).collect());
        for (kind, wanted) in [
            (Kind::Email, emails),
            (Kind::Phone, phones),
            (Kind::ExternalId, external),
        ] {
            if let Some(wanted) = wanted {
                self.set_identifiers(world, kind, wanted, now, ids)?;
            }
        }
        if self.lead.identifiers.is_empty() {
            Err(Refused::NoIdentifier)
        } else {
            Ok(())
        }
    }

    fn set_identifiers(
        &mut self,
        world: &mut World,
        kind: Kind,
        mut wanted: Vec<Key>,
        now: Timestamp,
        ids: &mut Ids,
    ) -> Result<(), Refused> {
        let mut seen = std::collections::HashSet::new();
        wanted.retain(|key| seen.insert(key.clone()));
        let (name, before) = self.facts(kind);
        let elsewhere = |key: &Key| {
            world
                .holder(key)
                .filter(|holder| kind.is_unique() && *holder != self.lead.id)
        };
        let mut taken: Vec<LeadId> = wanted.iter().filter_map(elsewhere).collect();
        if !taken.is_empty() {
            taken.push(self.lead.id);
            taken.sort_unstable();
            taken.dedup();
            return Err(Refused::IdentifiersConflict(taken));
        }
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lead.identifiers)
            .into_iter()
            .partition(|identifier| identifier.kind == kind && !wanted.contains(&identifier.key()));
        self.lead.identifiers = kept;
        for identifier in gone {
            world.release(self.lead.id, &identifier.key());
            self.changes
                .push(Change::IdentifierRemoved(self.lead.id, identifier.id));
        }
        for (position, key) in wanted.iter().enumerate() {
            match self
                .lead
                .identifiers
                .iter_mut()
                .find(|identifier| identifier.key() == *key)
            {
                Some(identifier) if identifier.position != position as i64 => {
                    identifier.position = position as i64;
                    self.changes
                        .push(Change::IdentifierMoved(self.lead.id, identifier.clone()));
                }
                Some(_) => {}
                None => {
                    self.append(world, key, now, ids);
                    let added = self.lead.identifiers.last_mut();
                    if let (Some(added), Some(Change::IdentifierAdded(_, change))) =
                        (added, self.changes.last_mut())
                    {
                        added.position = position as i64;
                        change.position = position as i64;
                    }
                }
            }
        }
        self.lead
            .identifiers
            .sort_by_key(|identifier| (identifier.kind, identifier.position));
        let (_, after) = self.facts(kind);
        if before != after {
            self.note(name, before, after);
        }
        Ok(())
    }

    fn within_limits(&self, count: impl Fn(Kind) -> usize) -> Result<(), Refused> {
        let too_many = |kind: &Kind| count(*kind) > MAX_IDENTIFIERS;
        let kinds = [
            (Kind::Email, "/emails"),
            (Kind::Phone, "/phones"),
            (Kind::ExternalId, "/external_ids"),
        ];
        let faults: Vec<Fault> = kinds
            .iter()
            .filter(|(kind, _)| too_many(kind))
            .map(|(_, pointer)| {
                Fault::new(
                    *pointer,
                    "too_many_items",
                    "a lead has at most 50 identifiers of a kind",
                )
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refused::Invalid(faults))
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the instant of the statement and the call's are two things"
    )]
    fn state(
        &mut self,
        world: &mut World,
        text: &BTreeMap<LeadField, Option<String>>,
        custom: &BTreeMap<String, Value>,
        observed_at: Timestamp,
        actor: &Actor,
        now: Timestamp,
        ids: &mut Ids,
    ) {
        let about = About::Lead(self.lead.id);
        for (field, value) in text {
            let said = Said {
                about,
                field: field.name().to_owned(),
                value: json!(value),
                observed_at,
            };
            if let Some(winner) = said.record(world, &mut self.changes, actor, now, ids) {
                let before = self.lead.profile.text.get(field).cloned();
                let after = winner.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                if before != after {
                    self.note(field.name(), json!(before), json!(after));
                    match after {
                        Some(text) => self.lead.profile.text.insert(*field, text),
                        None => self.lead.profile.text.remove(field),
                    };
                }
            }
        }
        for (name, value) in custom {
            let said = Said {
                about,
                field: format!("custom.{name}"),
                value: value.clone(),
                observed_at,
            };
            if let Some(winner) = said.record(world, &mut self.changes, actor, now, ids) {
                let before = self.lead.profile.custom.get(name).cloned();
                let after = Some(winner).filter(|value| !is_empty(value));
                if before != after {
                    self.note(&format!("custom.{name}"), json!(before), json!(after));
                    match after {
                        Some(value) => self.lead.profile.custom.insert(name.clone(), value),
                        None => self.lead.profile.custom.remove(name),
                    };
                }
            }
        }
    }

    /// The lead belongs to the stated company (or to none), as far as this statement wins.
    fn join(
        &mut self,
        world: &mut World,
        company: Option<&CompanyStatement>,
        observed_at: Timestamp,
        actor: &Actor,
        now: Timestamp,
        ids: &mut Ids,
    ) {
        let company_id = company.and_then(|said| {
            let known = find_company(world, said, self.lead.company_id);
            let (id, changes) = save_company(world, known, said, observed_at, actor, now, ids)?;
            self.changes.extend(changes);
            Some(id)
        });
        if company.is_some() && company_id.is_none() {
            return;
        }
        let about = About::Lead(self.lead.id);
        let said = Said {
            about,
            field: "company_id".into(),
            value: json!(company_id),
            observed_at,
        };
        if let Some(winner) = said.record(world, &mut self.changes, actor, now, ids) {
            let after: Option<CompanyId> = winner.as_str().and_then(|text| text.parse().ok());
            if self.lead.company_id != after {
                self.note("company_id", json!(self.lead.company_id), json!(after));
                self.lead.company_id = after;
            }
        }
    }

    /// One command, one version; nothing where nothing changed.
    fn finish(mut self, world: &mut World, now: Timestamp) -> Vec<Change> {
        if self.after.is_empty() && self.before.is_empty() {
            return self.changes;
        }
        self.lead.version += 1;
        self.lead.updated_at = now;
        let cycle = world.cycles.get_mut(&self.lead.id).and_then(|cycle| {
            let before = cycle.dimensions.clone();
            cycle.describe(&self.lead);
            (cycle.dimensions != before).then(|| cycle.clone())
        });
        world.leads.insert(self.lead.id, self.lead.clone());
        let (before, after) = (self.before, self.after);
        self.changes.insert(
            0,
            Change::LeadEdited {
                lead: Box::new(self.lead),
                cycle,
                before,
                after,
            },
        );
        self.changes
    }
}

/// One statement about one field, before it is known whether it is news.
struct Said {
    about: About,
    field: String,
    value: Value,
    observed_at: Timestamp,
}

impl Said {
    /// Keep the statement unless the newest one of its kind says the same; answer the value that wins now.
    fn record(
        self,
        world: &mut World,
        changes: &mut Vec<Change>,
        actor: &Actor,
        now: Timestamp,
        ids: &mut Ids,
    ) -> Option<Value> {
        let source = Source::of(actor);
        let statements = world
            .statements
            .entry((self.about, self.field.clone()))
            .or_default();
        let newest = statements.newest_like(source);
        let is_known = newest.is_some_and(|newest| newest.value == self.value);
        let says_nothing = is_empty(&self.value) && (source != Source::Hand || statements.winner().is_none());
        if is_known || says_nothing {
            return None;
        }
        let statement = FieldValue {
            id: ids.next(),
            about: self.about,
            field: self.field,
            value: self.value,
            source,
            observed_at: self.observed_at,
            recorded_at: now,
            by: actor.id(),
        };
        changes.push(Change::FieldStated(statement.clone()));
        statements.add(statement);
        statements.winner().map(|winner| winner.value.clone())
    }
}

/// The company that a statement names: by domain; by name, the lead's own company before one without a domain.
pub fn find_company(world: &World, said: &CompanyStatement, current: Option<CompanyId>) -> Option<CompanyId> {
    if let Some(domain) = &said.domain {
        return world.by_domain.get(domain.as_str()).copied();
    }
    let Some(name) = said
        .text
        .get(&CompanyField::Name)
        .and_then(|name| name.as_deref())
    else {
        return current;
    };
    let folded = search::fold(name);
    let is_current = |id: &CompanyId| {
        world
            .companies
            .get(id)
            .and_then(Company::name)
            .is_some_and(|name| search::fold(name) == folded)
    };
    current
        .filter(is_current)
        .or_else(|| world.by_name.get(&folded).copied())
}

/// Take over what is said about a company, making it where it is unknown and named at all.
pub fn save_company(
    world: &mut World,
    known: Option<CompanyId>,
    said: &CompanyStatement,
    observed_at: Timestamp,
    actor: &Actor,
    now: Timestamp,
    ids: &mut Ids,
) -> Option<(CompanyId, Vec<Change>)> {
    let has_name = said
        .text
        .get(&CompanyField::Name)
        .is_some_and(|name| name.is_some());
    if known.is_none() && said.domain.is_none() && !has_name {
        return None;
    }
    let mut company = match known.and_then(|id| world.companies.get(&id)) {
        Some(company) => company.clone(),
        None => Company {
            id: ids.next(),
            version: 0,
            domain: said.domain.as_ref().map(|domain| domain.as_str().to_owned()),
            text: BTreeMap::new(),
            employees: None,
            archived_at: None,
            created_at: now,
            updated_at: now,
        },
    };
    let is_new = company.version == 0;
    let about = About::Company(company.id);
    let (mut changes, mut before, mut after) = (vec![], Facts::new(), Facts::new());
    if is_new && let Some(domain) = &company.domain {
        after.insert("domain".into(), json!(domain));
    }
    for (field, value) in &said.text {
        let stated = Said {
            about,
            field: field.name().to_owned(),
            value: json!(value),
            observed_at,
        };
        let Some(winner) = stated.record(world, &mut changes, actor, now, ids) else {
            continue;
        };
        let winner = winner.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let old = company.text.get(field).cloned();
        if winner != old {
            before.insert(field.name().into(), json!(old));
            after.insert(field.name().into(), json!(winner));
            match winner {
                Some(text) => company.text.insert(*field, text),
                None => company.text.remove(field),
            };
        }
    }
    if let Some(employees) = said.employees {
        let stated = Said {
            about,
            field: "employees".into(),
            value: json!(employees),
            observed_at,
        };
        if let Some(winner) = stated.record(world, &mut changes, actor, now, ids)
            && company.employees != winner.as_i64()
        {
            before.insert("employees".into(), json!(company.employees));
            after.insert("employees".into(), winner.clone());
            company.employees = winner.as_i64();
        }
    }
    if is_new || !after.is_empty() {
        company.version += 1;
        company.updated_at = now;
        let change = if is_new {
            Change::CompanyCreated {
                company: company.clone(),
                after,
            }
        } else {
            Change::CompanyEdited {
                company: company.clone(),
                before,
                after,
            }
        };
        changes.insert(0, change);
        world.add_company(company.clone());
    }
    Some((company.id, changes))
}

/// Put a lead away, or take it up again; nothing where it is so already.
pub fn archive(
    world: &mut World,
    lead_id: LeadId,
    away: bool,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Refused> {
    let lead = world.leads.get_mut(&lead_id).ok_or(Refused::NoSuchLead)?;
    actor.may_edit(lead.owner_id)?;
    if lead.archived_at.is_some() == away {
        return Ok(None);
    }
    lead.archived_at = away.then_some(now);
    lead.version += 1;
    lead.updated_at = now;
    let lead = Box::new(lead.clone());
    Ok(Some(if away {
        Change::LeadArchived(lead)
    } else {
        Change::LeadRestored(lead)
    }))
}

/// Give a lead to a user who works leads, or to nobody; nothing where it is so already.
pub fn assign(
    world: &mut World,
    lead_id: LeadId,
    to: Option<&User>,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<Change>, Refused> {
    let lead = world.leads.get_mut(&lead_id).ok_or(Refused::NoSuchLead)?;
    let owner = to.map(|user| user.id);
    actor.may_assign(lead.owner_id, owner)?;
    let works_leads =
        |user: &User| user.disabled_at.is_none() && matches!(user.role, Role::Sales | Role::SalesManager);
    if to.is_some_and(|user| !works_leads(user)) {
        return Err(Refused::Invalid(vec![Fault::new(
            "/owner_id",
            "not_allowed",
            "is not an active user of sales",
        )]));
    }
    if lead.owner_id == owner {
        return Ok(None);
    }
    let from = std::mem::replace(&mut lead.owner_id, owner);
    lead.previous_owner_id = from.or(lead.previous_owner_id);
    lead.version += 1;
    lead.updated_at = now;
    Ok(Some(Change::LeadAssigned {
        lead: Box::new(lead.clone()),
        from,
    }))
}
