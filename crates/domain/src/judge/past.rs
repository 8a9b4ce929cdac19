//! The past of a lead, and what rules see of it from a later day: the facts of any instant, either as they had arrived by then or
//! as they are known today.

use std::collections::{BTreeMap, HashMap};

use super::facts::fields;
use crate::agreement::Version;
use crate::agreement::conditions::{Event, Facts, History, Needs};
use crate::handoff::qualification::Qualification;
use crate::id::CompanyId;
use crate::instant::Timestamp;
use crate::leads::consent::{ConsentFact, ConsentFacts};
use crate::leads::fields::{FieldValue, winner};
use crate::leads::{Company, Lead, Profile, Touch};
use crate::lifecycle::mql::{Readiness, Wait};
use crate::lifecycle::{Cycle, Transition};
use crate::stage::Stage;
use crate::tracking::events::EventKind;
use crate::world::{Rules, World};

/// Which part of the past is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// What had arrived by an instant.
    Arrived(Timestamp),
    /// What had happened by an instant, as it is known today.
    Happened(Timestamp),
}

impl Sight {
    /// The instant.
    pub const fn at(self) -> Timestamp {
        match self {
            Sight::Arrived(at) | Sight::Happened(at) => at,
        }
    }

    fn shows(self, arrived_at: Timestamp, happened_at: Timestamp) -> bool {
        match self {
            Sight::Arrived(at) => arrived_at <= at,
            Sight::Happened(at) => happened_at <= at,
        }
    }
}

/// One thing that a lead did: an event or an activity. What bots and machines did is not among them.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its type.
    pub kind: EventKind,
    /// From when on it was the lead's: when it was received, or when its visitor was linked to the lead.
    pub arrived_at: Timestamp,
    /// The event; its properties are loaded where rules look at its type.
    pub event: Event,
}

impl Done {
    /// Whether it counts as activity of the lead itself.
    fn is_own(&self) -> bool {
        self.kind.as_activity().is_none()
    }
}

/// Everything that is known of one lead, as far as some rules look at it.
#[derive(Debug, Clone)]
pub struct Past {
    /// The lead as it is now.
    pub lead: Lead,
    /// Its cycles, in their order.
    pub cycles: Vec<Cycle>,
    /// Its stage changes, oldest first.
    pub transitions: Vec<Transition>,
    /// Every statement about its fields.
    pub values: Vec<FieldValue>,
    /// What it did, in the order of arrival.
    pub done: Vec<Done>,
    /// Its touches, oldest first, where rules look at them; each with its arrival.
    pub touches: Vec<(Timestamp, Touch)>,
    /// Every statement about its consent, with its purpose and arrival.
    pub consents: Vec<(String, Timestamp, ConsentFact)>,
    /// When it was archived (`true`) and restored, oldest first.
    pub archivings: Vec<(Timestamp, bool)>,
    /// When rejections of its hand-offs were disputed, and until when.
    pub disputes: Vec<(Timestamp, Option<Timestamp>)>,
    /// When it was handed over by hand, or was sourced by sales.
    pub by_hand: Vec<Timestamp>,
    /// What is known of its budget, authority, need and timeline now.
    pub qualification: Qualification,
}

/// A company with every statement about it.
#[derive(Debug, Clone)]
pub struct PastCompany {
    /// The company as it is now.
    pub company: Company,
    /// Every statement about its fields.
    pub values: Vec<FieldValue>,
}

/// What the past of several leads has in common.
#[derive(Debug, Clone)]
pub struct Background {
    /// The settings of now: they are not stored by date.
    pub rules: Rules,
    /// The companies that the leads belong to or belonged to.
    pub companies: HashMap<CompanyId, PastCompany>,
    /// The furthest stage among the leads of companies now, where a rule asks for it.
    pub company_stages: HashMap<CompanyId, Option<Stage>>,
}

/// A lead as it was at an instant.
#[derive(Debug, Clone)]
pub(super) struct Then {
    pub(super) lead: Lead,
    pub(super) cycle: Cycle,
    pub(super) facts: Facts,
}

impl Past {
    /// When it became known to Tandem.
    pub fn arrived_at(&self) -> Timestamp {
        self.lead.id.drawn_at()
    }

    /// Whether it existed at an instant, as it is known today.
    pub fn existed_at(&self, at: Timestamp) -> bool {
        self.lead.created_at <= at
    }

    /// What an agreement's conditions and scoring say of it at an instant; nothing where it did not exist.
    pub fn readiness(&self, background: &Background, version: &Version, sight: Sight) -> Option<Readiness> {
        let mut then = self.then(background, &version.rules.needs, sight)?;
        let mut readiness = Readiness::of(&mut then.facts, &version.rules, sight.at());
        if !is_open(&then.lead) {
            readiness.blocked_by.clear();
            readiness.truncated = readiness.score.truncated;
        }
        Some(readiness)
    }

    /// Whether an agreement's rule would make it an MQL at an instant.
    pub(super) fn becomes_mql(
        &self,
        background: &Background,
        version: &Version,
        sight: Sight,
    ) -> Option<(i64, Readiness)> {
        let mut then = self.then(background, &version.rules.needs, sight)?;
        let readiness = Readiness::of(&mut then.facts, &version.rules, sight.at());
        let wait = Wait::of(&then.lead, &then.cycle, &then.facts, version, sight.at());
        let becomes = readiness.is_ready && wait.is_over && !self.is_disputed(sight.at());
        becomes.then(|| (next_cycle(&then.cycle), readiness))
    }

    /// It and its facts at an instant; nothing where it did not exist.
    pub(super) fn then(&self, background: &Background, needs: &Needs, sight: Sight) -> Option<Then> {
        let (mut lead, cycle) = self.lead_then(sight)?;
        let mut histories: BTreeMap<EventKind, Vec<Event>> = BTreeMap::new();
        for done in &self.done {
            if !sight.shows(done.arrived_at, done.event.at) {
                continue;
            }
            if done.is_own() {
                lead.last_activity_at = lead.last_activity_at.max(Some(done.event.at));
            }
            if needs.events.contains_key(&done.kind) {
                histories
                    .entry(done.kind.clone())
                    .or_default()
                    .push(done.event.clone());
            }
        }
        let mut facts = self.fields_then(background, needs, &lead, sight);
        let histories = histories.into_iter();
        facts.histories = histories
            .map(|(kind, events)| (kind, History::new(events)))
            .collect();
        Some(Then { lead, cycle, facts })
    }

    /// Its last stage change at an instant; nothing where it did not exist.
    pub(super) fn move_then(&self, sight: Sight) -> Option<&Transition> {
        let at = sight.at();
        // A move that the rule made at this very instant is what is judged, not what is given.
        let is_before = |transition: &&Transition| match sight {
            Sight::Arrived(_) => transition.at < at || transition.at == at && transition.by_rule.is_none(),
            Sight::Happened(_) => transition.at <= at,
        };
        let exists = match sight {
            Sight::Arrived(_) => self.arrived_at() <= at,
            Sight::Happened(_) => self.existed_at(at),
        };
        let last = self.transitions.iter().rfind(is_before);
        last.or(self.transitions.first()).filter(|_| exists)
    }

    /// Its record and cycle at an instant, without what it did.
    pub(super) fn lead_then(&self, sight: Sight) -> Option<(Lead, Cycle)> {
        let at = sight.at();
        let last = self.move_then(sight)?;
        let cycle = self.cycles.iter().find(|cycle| cycle.number == last.cycle)?;
        let mut cycle = cycle.clone();
        cycle.ended_at = cycle.ended_at.filter(|end| *end <= at);
        let archived = self.archivings.iter().rev().find(|(when, _)| *when <= at);
        let mut lead = Lead {
            stage: last.to,
            stage_since: last.at,
            came_from: last.from,
            cycle: last.cycle,
            nurture_until: last.until.filter(|_| last.to == Stage::Nurture),
            profile: Profile::default(),
            company_id: None,
            first_touch: None,
            last_touch: None,
            last_activity_at: None,
            returned_at: self.lead.returned_at.filter(|returned| *returned <= at),
            archived_at: archived.and_then(|(when, is_archived)| is_archived.then_some(*when)),
            ..self.lead.clone()
        };
        lead.identifiers
            .retain(|identifier| sight.shows(identifier.created_at, identifier.created_at));
        for (field, value) in winners(&self.values, sight) {
            match field {
                "company_id" => lead.company_id = value.as_str().and_then(|text| text.parse().ok()),
                _ => lead.profile.state(field, value),
            }
        }
        let mut touches = self
            .touches
            .iter()
            .filter(|(arrived, touch)| sight.shows(*arrived, touch.occurred_at.unwrap_or(*arrived)));
        lead.first_touch = touches.clone().next().map(|(_, touch)| touch.clone());
        lead.last_touch = touches.next_back().map(|(_, touch)| touch.clone());
        Some((lead, cycle))
    }

    /// The fields of a lead that is as it was then.
    pub(super) fn fields_then(
        &self,
        background: &Background,
        needs: &Needs,
        lead: &Lead,
        sight: Sight,
    ) -> Facts {
        let mut world = World::of(background.rules.clone());
        let company = lead.company_id.and_then(|id| background.companies.get(&id));
        if let Some(past) = company {
            world.companies.insert(past.company.id, past.then(sight));
        }
        world.judging.company_stages = lead
            .company_id
            .and_then(|id| Some((id, *background.company_stages.get(&id)?)))
            .into_iter()
            .collect();
        let consents = self.consents_then(sight);
        if needs.consents {
            world.judging.consents.insert(lead.id, consents.clone());
        }
        world.consents.insert(lead.id, consents);
        if needs.touches {
            let touches = self.touches.iter();
            let touches = touches
                .filter(|(arrived, touch)| sight.shows(*arrived, touch.occurred_at.unwrap_or(*arrived)));
            let touches = touches.map(|(_, touch)| touch.clone()).collect();
            world.judging.touches.insert(lead.id, touches);
        }
        world
            .sales
            .qualifications
            .insert(lead.id, self.qualification.clone());
        for value in &self.values {
            if value.field == "budget" && sight.shows(value.recorded_at, value.observed_at) {
                world.add_statement(value.clone());
            }
        }
        fields(&world, lead, needs)
    }

    fn consents_then(&self, sight: Sight) -> ConsentFacts {
        let mut facts = ConsentFacts::default();
        for (purpose, arrived_at, fact) in &self.consents {
            if sight.shows(*arrived_at, fact.stated_at) {
                facts.add(purpose.clone(), fact.clone());
            }
        }
        facts
    }

    /// Whether a rejection was disputed and not ruled on at an instant: no rule starts a cycle meanwhile.
    pub(super) fn is_disputed(&self, at: Timestamp) -> bool {
        let mut disputes = self.disputes.iter();
        disputes.any(|(from, until)| *from <= at && until.is_none_or(|until| at < until))
    }

    /// The instants at which anything about it but its events arrived or changed, in no order.
    pub(super) fn changes<'p>(&'p self, background: &'p Background) -> impl Iterator<Item = Timestamp> + 'p {
        let values = self.values.iter();
        let joined = values
            .clone()
            .filter(|value| value.field == "company_id")
            .filter_map(|value| value.value.as_str()?.parse::<CompanyId>().ok());
        let of_companies = joined
            .filter_map(|id| background.companies.get(&id))
            .flat_map(|past| past.values.iter().map(|value| value.recorded_at));
        let identifiers = self.lead.identifiers.iter().map(|one| one.created_at);
        let moves = self.transitions.iter().map(|transition| transition.at);
        let disputes = self.disputes.iter();
        let disputes = disputes.flat_map(|(from, until)| [Some(*from), *until].into_iter().flatten());
        values
            .map(|value| value.recorded_at)
            .chain(of_companies)
            .chain(identifiers)
            .chain(moves)
            .chain(self.touches.iter().map(|(arrived, _)| *arrived))
            .chain(self.consents.iter().map(|(_, arrived, _)| *arrived))
            .chain(self.archivings.iter().map(|(at, _)| *at))
            .chain(disputes)
    }
}

impl PastCompany {
    fn then(&self, sight: Sight) -> Company {
        let mut company = Company {
            text: BTreeMap::new(),
            employees: None,
            owner_id: None,
            ..self.company.clone()
        };
        for (field, value) in winners(&self.values, sight) {
            company.state(field, value);
        }
        company
    }
}

/// Whether a rule may move a lead: one that is in lead or nurture and not archived.
pub(super) fn is_open(lead: &Lead) -> bool {
    matches!(lead.stage, Stage::Lead | Stage::Nurture) && lead.archived_at.is_none()
}

/// The cycle in which a lead becomes an MQL: the next one after a cycle that has ended.
pub(super) fn next_cycle(cycle: &Cycle) -> i64 {
    cycle.number + i64::from(cycle.is_over())
}

/// The value of each field that wins among the visible statements.
fn winners(values: &[FieldValue], sight: Sight) -> impl Iterator<Item = (&str, &serde_json::Value)> {
    let mut by_field: BTreeMap<&str, Vec<&FieldValue>> = BTreeMap::new();
    for value in values {
        if sight.shows(value.recorded_at, value.observed_at) {
            by_field.entry(value.field.as_str()).or_default().push(value);
        }
    }
    let fields = by_field.into_iter();
    fields.filter_map(|(field, values)| Some((field, &winner(values)?.value)))
}

#[cfg(test)]
mod tests;
