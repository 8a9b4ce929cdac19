//! A lead in the making: what a command changes of it, before the change is one.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::company::{find_company, save_company};
use super::statement::FieldStatement;
use super::{CompanyStatement, Edit, MAX_IDENTIFIERS, MOST_OF_FORMS, Plan, SaveError, Statement};
use crate::access::Actor;
use crate::act::Act;
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{CompanyId, LeadId};
use crate::instant::Timestamp;
use crate::journal::Facts;
use crate::leads::change::LeadChange;
use crate::leads::fields::{About, LeadField, Source, is_empty};
use crate::leads::identity::{Domain, Identifier, Key, Kind, email_key, external_key, phone_key};
use crate::leads::{Lead, Touch, search};
use crate::world::World;

/// A lead in the making, with what has changed so far.
pub(super) struct Draft {
    /// The lead as it will be.
    pub(super) lead: Lead,
    /// What happened so far, but for the lead's own change.
    pub(super) changes: Vec<Change>,
    /// The changed fields before.
    pub(super) before: Facts,
    /// The changed fields after.
    pub(super) after: Facts,
}

impl Draft {
    pub(super) fn of(world: &World, lead_id: LeadId, actor: &Actor) -> Result<Self, SaveError> {
        let lead = world.leads.get(&lead_id).ok_or(SaveError::NoSuchLead)?.clone();
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

    /// The first touch that is known of it. The visit of a form becomes a touch by the visit.
    pub(super) fn begin_with(&mut self, touch: Touch, act: &Act) {
        self.lead.begin_with(&touch);
        if !matches!(act.by, Actor::Form(_)) {
            self.changes.push(Change::Lead(LeadChange::TouchStated {
                id: act.ids.next(),
                lead_id: self.lead.id,
                touch: Box::new(touch),
            }));
        }
    }

    fn note(&mut self, name: &str, before: Value, after: Value) {
        self.before.insert(name.to_owned(), before);
        self.after.insert(name.to_owned(), after);
    }

    fn append(&mut self, world: &mut World, key: &Key, act: &Act) {
        let position = self
            .lead
            .of_kind(key.kind)
            .map(|i| i.position + 1)
            .max()
            .unwrap_or(0);
        let identifier = Identifier {
            id: act.ids.next(),
            kind: key.kind,
            system: key.system.clone(),
            value: key.value.clone(),
            source: Source::of(&act.by),
            position,
            created_at: act.now,
        };
        world.hold(self.lead.id, &identifier);
        self.changes.push(Change::Lead(LeadChange::IdentifierAdded(
            self.lead.id,
            identifier.clone(),
        )));
        self.lead.identifiers.push(identifier);
    }

    /// Whether neither this lead nor, where it must be unique, another one has the identifier.
    pub(super) fn is_new(&self, world: &World, key: &Key) -> bool {
        let is_known = self
            .lead
            .identifiers
            .iter()
            .any(|identifier| identifier.key() == *key);
        let is_taken = key.kind.is_unique() && world.holder(key).is_some_and(|holder| holder != self.lead.id);
        !is_known && !is_taken
    }

    /// Whether a form may add no more identifiers of a kind: anybody can send one. Further ones stay answers.
    fn is_full(&self, kind: Kind, act: &Act) -> bool {
        let of_forms = self.lead.of_kind(kind).filter(|one| one.source == Source::Form);
        matches!(act.by, Actor::Form(_))
            && (of_forms.count() >= MOST_OF_FORMS || self.lead.of_kind(kind).count() >= MAX_IDENTIFIERS)
    }

    /// Add what is new; an identifier that another lead has stays with that lead.
    pub(super) fn add_identifiers(&mut self, world: &mut World, said: &Statement, act: &Act) {
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
                if !is_known && !is_taken && !self.is_full(kind, act) {
                    self.append(world, &key, act);
                }
            }
            let (_, after) = self.facts(kind);
            if before != after {
                self.note(name, before, after);
            }
        }
    }

    pub(super) fn replace_identifiers(
        &mut self,
        world: &mut World,
        edit: &Edit,
        act: &Act,
    ) -> Result<(), SaveError> {
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
                self.set_identifiers(world, kind, wanted, act)?;
            }
        }
        if self.lead.identifiers.is_empty() {
            Err(SaveError::NoIdentifier)
        } else {
            Ok(())
        }
    }

    fn set_identifiers(
        &mut self,
        world: &mut World,
        kind: Kind,
        mut wanted: Vec<Key>,
        act: &Act,
    ) -> Result<(), SaveError> {
        let mut seen = HashSet::new();
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
            return Err(SaveError::IdentifiersConflict(taken));
        }
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lead.identifiers)
            .into_iter()
            .partition(|identifier| identifier.kind == kind && !wanted.contains(&identifier.key()));
        self.lead.identifiers = kept;
        for identifier in gone {
            world.release(self.lead.id, &identifier.key());
            self.changes.push(Change::Lead(LeadChange::IdentifierRemoved(
                self.lead.id,
                identifier.id,
            )));
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
                    self.changes.push(Change::Lead(LeadChange::IdentifierMoved(
                        self.lead.id,
                        identifier.clone(),
                    )));
                }
                Some(_) => {}
                None => {
                    self.append(world, key, act);
                    let added = self.lead.identifiers.last_mut();
                    if let (Some(added), Some(Change::Lead(LeadChange::IdentifierAdded(_, change)))) =
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

    pub(super) fn within_limits(&self, count: impl Fn(Kind) -> usize) -> Result<(), SaveError> {
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
            Err(SaveError::Invalid(faults))
        }
    }

    pub(super) fn state(
        &mut self,
        world: &mut World,
        text: &BTreeMap<LeadField, Option<String>>,
        plan: &Plan,
        custom: &BTreeMap<String, Value>,
        observed_at: Timestamp,
        act: &Act,
    ) {
        let about = About::Lead(self.lead.id);
        let mut stated = |changes: &mut Vec<Change>, field: String, value: Value| {
            let said = FieldStatement {
                about,
                field,
                value,
                observed_at,
                source: Source::of(&act.by),
            };
            said.record(world, changes, act)
        };
        for (field, value) in text {
            let Some(winner) = stated(&mut self.changes, field.name().to_owned(), json!(value)) else {
                continue;
            };
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
        let budget = plan.budget.map(|budget| json!(budget));
        if let Some(winner) = budget.and_then(|value| stated(&mut self.changes, "budget".into(), value)) {
            let (before, after) = (self.lead.profile.budget, serde_json::from_value(winner).ok());
            if before != after {
                self.note("budget", json!(before), json!(after));
                self.lead.profile.budget = after;
            }
        }
        let days = plan.timeline_days.map(|days| json!(days));
        if let Some(winner) = days.and_then(|value| stated(&mut self.changes, "timeline_days".into(), value))
        {
            let (before, after) = (self.lead.profile.timeline_days, winner.as_i64());
            if before != after {
                self.note("timeline_days", json!(before), json!(after));
                self.lead.profile.timeline_days = after;
            }
        }
        for (name, value) in custom {
            let field = format!("custom.{name}");
            let Some(winner) = stated(&mut self.changes, field.clone(), value.clone()) else {
                continue;
            };
            let before = self.lead.profile.custom.get(name).cloned();
            let after = Some(winner).filter(|value| !is_empty(value));
            if before != after {
                self.note(&field, json!(before), json!(after));
                match after {
                    Some(value) => self.lead.profile.custom.insert(name.clone(), value),
                    None => self.lead.profile.custom.remove(name),
                };
            }
        }
    }

    /// The lead belongs to the stated company (or to none), as far as this statement wins.
    pub(super) fn join(
        &mut self,
        world: &mut World,
        company: Option<&CompanyStatement>,
        observed_at: Timestamp,
        act: &Act,
    ) {
        let company_id = company.and_then(|said| {
            let known = find_company(world, said, self.lead.company_id);
            let (id, changes) = save_company(world, known, said, observed_at, act)?;
            self.changes.extend(changes);
            Some(id)
        });
        if company.is_some() && company_id.is_none() {
            return;
        }
        let said = FieldStatement {
            about: About::Lead(self.lead.id),
            field: "company_id".into(),
            value: json!(company_id),
            observed_at,
            source: Source::of(&act.by),
        };
        self.belong(world, said, act);
    }

    /// The lead, which has no company, belongs to the one whose e-mail it uses: unless somebody took it out by hand.
    /// Nobody typed that, so that whatever a person types goes before it.
    pub(super) fn join_by_email(
        &mut self,
        world: &mut World,
        domain: Domain,
        observed_at: Timestamp,
        act: &Act,
    ) {
        let (about, field) = (About::Lead(self.lead.id), "company_id".to_owned());
        let stated = world.statements.get(&(about, field.clone()));
        let was_told_by_hand = stated.is_some_and(|stated| stated.by_hand.is_some());
        if self.lead.company_id.is_some() || was_told_by_hand {
            return;
        }
        let company = CompanyStatement {
            domain: Some(domain),
            ..CompanyStatement::default()
        };
        let known = find_company(world, &company, None);
        let saved = save_company(world, known, &company, observed_at, act);
        let Some((company_id, changes)) = saved else {
            return;
        };
        self.changes.extend(changes);
        let source = match Source::of(&act.by) {
            Source::Hand => Source::Api,
            source => source,
        };
        let said = FieldStatement {
            about,
            field,
            value: json!(company_id),
            observed_at,
            source,
        };
        self.belong(world, said, act);
    }

    fn belong(&mut self, world: &mut World, said: FieldStatement, act: &Act) {
        if let Some(winner) = said.record(world, &mut self.changes, act) {
            let after: Option<CompanyId> = winner.as_str().and_then(|text| text.parse().ok());
            if self.lead.company_id != after {
                self.note("company_id", json!(self.lead.company_id), json!(after));
                self.lead.company_id = after;
            }
        }
    }

    /// One command, one version; empty if nothing changed.
    pub(super) fn finish(mut self, world: &mut World, now: Timestamp) -> Vec<Change> {
        if self.after.is_empty() && self.before.is_empty() {
            return self.changes;
        }
        self.lead.version += 1;
        self.lead.updated_at = now.max(self.lead.updated_at);
        let cycle = world.cycles.get_mut(&self.lead.id).and_then(|cycle| {
            let before = cycle.dimensions.clone();
            cycle.describe(&self.lead);
            if self.after.contains_key("first_touch") {
                // Nothing else is known of its way.
                cycle.begin_with(self.lead.first_touch.as_ref(), None);
            }
            (cycle.dimensions != before).then(|| cycle.clone())
        });
        let known = world.leads.insert(self.lead.id, self.lead.clone());
        let words = known.as_ref().map(search::lead_terms);
        let has_other_words = words.is_none_or(|words| words != search::lead_terms(&self.lead));
        let has_other_company = known.is_none_or(|known| known.company_id != self.lead.company_id);
        let (before, after) = (self.before, self.after);
        self.changes.insert(
            0,
            Change::Lead(LeadChange::Edited {
                lead: Box::new(self.lead),
                cycle,
                before,
                after,
                has_other_words,
                has_other_company,
            }),
        );
        self.changes
    }
}
