//! What history does to leads: the way that all imports together say of it, at its own dates, legal or not; nothing follows of
//! it by rule.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use super::ACTOR;
use super::change::{Derived, HistoryChange};
use super::past::{Added, Past, PastStatement, What};
use super::way::{Cause, Step, Way, way};
use crate::access::ActorKind;
use crate::act::Act;
use crate::agreement::{Reason, ReasonList};
use crate::change::Change;
use crate::deals::{self, Deal};
use crate::id::{ImportId, LeadId, TransitionId, UserId};
use crate::instant::Timestamp;
use crate::journal::{differences, facts};
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::leads::fields::LeadField;
use crate::lifecycle::{self, Cycle, Stage, Transition};
use crate::world::World;

/// A move that a row states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastMove {
    /// Where to.
    pub to: Stage,
    /// When.
    pub at: Timestamp,
    /// Where from, if the row says so.
    pub from: Option<Stage>,
    /// The code of a reason.
    pub reason: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
    /// Who owned the lead then.
    pub owner_id: Option<UserId>,
}

impl PastMove {
    /// A move of which nothing but the stage and the instant is stated.
    pub const fn plain(to: Stage, at: Timestamp) -> Self {
        Self {
            to,
            at,
            from: None,
            reason: None,
            note: None,
            owner_id: None,
        }
    }
}

/// The pasts of the leads of a batch.
pub type Pasts = HashMap<LeadId, Past>;

/// What is odd about a row that was taken all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The table has no such move.
    #[error("the agreed table has no such move; it is imported all the same")]
    IllegalMove,
    /// The lead was not known yet.
    #[error("is dated before the lead became known; it is imported all the same")]
    BeforeFirstContact,
    /// The agreement has no such reason.
    #[error("the agreement has no such reason; it is imported all the same")]
    UnknownReason,
    /// The lead is archived.
    #[error("the lead is archived; the row is imported all the same")]
    ArchivedLead,
    /// The amount has no value in the base currency.
    #[error(
        "no exchange rate to the base currency is known for this day; the deal is kept without a value in it"
    )]
    MissingRate,
}

impl Warning {
    /// The warning as a word.
    pub const fn code(self) -> &'static str {
        match self {
            Warning::IllegalMove => "illegal_move",
            Warning::BeforeFirstContact => "before_first_contact",
            Warning::UnknownReason => "unknown_reason",
            Warning::ArchivedLead => "archived",
            Warning::MissingRate => "missing_exchange_rate",
        }
    }
}

/// Whether a stage change is derived of imports; all others were made here.
fn is_derived(transition: &Transition) -> bool {
    transition.actor_kind == ActorKind::System && transition.actor_id == ACTOR
}

/// Add a statement to the past of its lead: what is to be stored, and whether it says something new.
pub(super) fn state(past: &mut Past, stated: PastStatement) -> (Option<Change>, bool) {
    let store = |stated| Some(Change::History(HistoryChange::Stated(Box::new(stated))));
    match past.add(stated) {
        Added::News(stated) => (store(stated), true),
        Added::Again(stated) => (store(stated), false),
        Added::Known => (None, false),
    }
}

/// Add a move to the past of a lead, which is derived of it by [`derive`]: what is to be stored, and whether it is new.
pub fn state_move(
    past: &mut Past,
    lead_id: LeadId,
    stated: &PastMove,
    import_id: ImportId,
) -> (Option<Change>, bool) {
    let what = What::Moved(stated.to);
    let stated = PastStatement {
        from: stated.from,
        reason: stated.reason.clone(),
        note: stated.note.clone(),
        owner_id: stated.owner_id,
        ..PastStatement::plain(lead_id, what, stated.at, import_id)
    };
    state(past, stated)
}

/// The past of the lead that these changes created; empty if they created none.
pub fn past_of_new(changes: &[Change]) -> Past {
    let created = changes.iter().find_map(|change| match change {
        Change::Lead(LeadChange::Created {
            cycle, transition, ..
        }) => Some((transition.clone(), cycle.clone())),
        _ => None,
    });
    let (transitions, cycles) = created.into_iter().unzip();
    Past {
        transitions,
        cycles,
        ..Past::default()
    }
}

/// State when a lead became known, of a lead that an import created, and who owned it then.
pub fn state_beginning(
    past: &mut Past,
    lead: &Lead,
    known_at: Option<Timestamp>,
    owner_id: Option<UserId>,
    import_id: ImportId,
) -> (Vec<Change>, bool) {
    let (mut changes, mut is_news) = (vec![], false);
    let is_ours = past.transitions.iter().any(|one| {
        is_derived(one) && one.from.is_none() && one.to == Stage::Lead && one.at == lead.created_at
    });
    let known_at = known_at.or((is_ours && past.statements.is_empty()).then_some(lead.created_at));
    let known = known_at
        .filter(|_| is_ours)
        .map(|at| PastStatement::plain(lead.id, What::Known, at, import_id));
    let owned = owner_id.map(|owner| PastStatement {
        owner_id: Some(owner),
        ..PastStatement::plain(lead.id, What::Owned, lead.created_at, import_id)
    });
    for stated in known.into_iter().chain(owned) {
        let (change, is_new) = state(past, stated);
        changes.extend(change);
        is_news |= is_new;
    }
    (changes, is_news)
}

/// What is odd about each of these moves of a lead, as its past is derived by now; nothing of a lead that is not loaded.
pub fn warnings(world: &World, past: &Past, lead_id: LeadId, stated: &[PastMove]) -> Vec<Vec<Warning>> {
    let Some(lead) = world.leads.get(&lead_id) else {
        return vec![];
    };
    let deals = deals_of(world, lead_id);
    let way = way_of(past, lead, &deals);
    let each = stated.iter();
    each.map(|one| warnings_of(world, lead, &way, one)).collect()
}

fn warnings_of(world: &World, lead: &Lead, way: &Way<'_>, stated: &PastMove) -> Vec<Warning> {
    let mut warnings = vec![];
    let what = What::Moved(stated.to);
    let is_it = |step: &&Step<'_>| match step.cause {
        Cause::Stated(one) => one.what == what && one.at == stated.at,
        Cause::Here(_) => false,
    };
    let is_legal = way.steps.iter().find(is_it).is_none_or(|step| step.is_legal);
    if stated.at < lead.created_at {
        warnings.push(Warning::BeforeFirstContact);
    } else if !is_legal {
        warnings.push(Warning::IllegalMove);
    }
    if lead.archived_at.is_some() {
        warnings.push(Warning::ArchivedLead);
    }
    let agreement = &world.rules.agreement.agreement;
    if stated
        .reason
        .as_ref()
        .is_some_and(|code| !agreement.knows_reason(code))
    {
        warnings.push(Warning::UnknownReason);
    }
    warnings
}

fn deals_of(world: &World, lead_id: LeadId) -> Vec<Deal> {
    deals::deals_of(world, lead_id).cloned().collect()
}

/// The way of a lead. Its beginning, where nobody states it, counts as made here.
fn way_of<'a>(past: &'a Past, lead: &Lead, deals: &'a [Deal]) -> Way<'a> {
    let is_stated = past.statements.iter().any(|one| one.what == What::Known);
    let is_beginning = |one: &Transition| one.from.is_none() && one.at == lead.created_at;
    let here = past
        .transitions
        .iter()
        .filter(|one| !is_derived(one) || !is_stated && is_beginning(one));
    way(here, &past.statements, deals)
}

/// Record the owners that follow of the loaded statements, before rows state more: an import may replace an owner whom an
/// import named, but not one who was named here.
pub fn remember_owners(world: &World, pasts: &mut Pasts) {
    for (lead_id, past) in pasts.iter_mut().filter(|(_, past)| !past.statements.is_empty()) {
        if let Some(lead) = world.leads.get(lead_id) {
            let deals = deals_of(world, *lead_id);
            let way = way_of(past, lead, &deals);
            past.owners = (way.owner, way.previous_owner);
        }
    }
}

/// Derive the stage changes, cycles and stage of a lead from all statements of imports about it.
///
/// What was made here stays as it is; before the latest of it history only adds. Skipped stages are not invented. The world
/// holds the lead, its current cycle and all of its deals.
pub fn derive(world: &mut World, past: &mut Past, lead_id: LeadId, act: &Act) -> Vec<Change> {
    let (Some(lead), Some(_)) = (world.leads.get(&lead_id), world.cycles.get(&lead_id)) else {
        return vec![];
    };
    let (lead, deals) = (lead.clone(), deals_of(world, lead_id));
    let stated = past.clone();
    let after = way_of(&stated, &lead, &deals);
    let moves = moves(world, past, &lead, &after, act);
    let mut derived = Derived {
        lead: Box::new(lead.clone()),
        transitions: moves.changed,
        gone_transitions: moves.gone,
        cycles: vec![],
        gone_cycles: vec![],
        deals: vec![],
    };
    past.transitions = moves.all;

    let mut moved = lead.clone();
    stand(world, &mut moved, &after);
    own(&mut moved, stated.owners, &after);
    derived.deals = place_deals(world, &stated, &deals, &moved, &after);
    let cycles = cycles(&stated, &moved, &after, world.rules.agreement.number, act);
    for known in &past.cycles {
        if !cycles.contains_key(&known.number) {
            derived.gone_cycles.push(known.id);
        }
    }
    let news = cycles.values().filter(|cycle| !past.cycles.contains(cycle));
    derived.cycles = news.cloned().collect();
    past.cycles = cycles.into_values().collect();
    past.owners = (after.owner, after.previous_owner);

    let mut changes = vec![];
    let current = past.cycles.iter().find(|cycle| cycle.number == moved.cycle);
    let current = current.cloned();
    let is_other = moved != lead;
    let count = |lead: &mut Lead| {
        lead.version += 1;
        lead.updated_at = act.now.max(lead.updated_at);
    };
    for transition in moves.new {
        let cycle = past.cycles.iter().find(|cycle| cycle.number == transition.cycle);
        let Some(cycle) = cycle.cloned() else { continue };
        count(&mut moved);
        changes.push(Change::Lead(LeadChange::Moved {
            lead: Box::new(moved.clone()),
            transition,
            cycle,
            from_owner: lead.owner_id,
        }));
    }
    let stated_fields =
        |lead: &Lead| facts(json!({"owner_id": lead.owner_id, "created_at": lead.created_at}));
    if let Some((old, new)) = differences(&stated_fields(&lead), &stated_fields(&moved)) {
        count(&mut moved);
        changes.push(Change::Lead(LeadChange::Edited {
            lead: Box::new(moved.clone()),
            cycle: current.clone(),
            before: old,
            after: new,
            has_other_words: false,
            has_other_company: false,
        }));
    }
    if derived.is_corrected() || is_other && changes.is_empty() {
        count(&mut moved);
    }
    derived.lead = Box::new(moved.clone());
    if is_other || !derived.is_empty() {
        changes.push(Change::History(HistoryChange::Derived(derived)));
    }
    world.leads.insert(lead_id, moved);
    if let Some(cycle) = current {
        world.cycles.insert(lead_id, cycle);
    }
    changes
}

/// The stage changes of a way, compared with those that are known.
#[derive(Default)]
struct Moves {
    all: Vec<Transition>,
    new: Vec<Transition>,
    changed: Vec<Transition>,
    gone: Vec<TransitionId>,
}

fn moves(world: &World, past: &Past, lead: &Lead, way: &Way<'_>, act: &Act) -> Moves {
    let mut known: BTreeMap<(Stage, Timestamp), Vec<&Transition>> = BTreeMap::new();
    for one in past.transitions.iter().rev().filter(|one| is_derived(one)) {
        known.entry((one.to, one.at)).or_default().push(one);
    }
    let mut take = |place: (Stage, Timestamp)| known.get_mut(&place).and_then(Vec::pop);
    let is_beginning = |step: &Step<'_>| matches!(step.cause, Cause::Stated(one) if one.what == What::Known);
    // The beginning is the same stage change whatever its date is by now.
    let beginning = way
        .steps
        .iter()
        .any(is_beginning)
        .then(|| take((Stage::Lead, lead.created_at)))
        .flatten();
    let mut moves = Moves::default();
    for step in &way.steps {
        let stated = match step.cause {
            Cause::Here(made) => {
                if is_derived(made) {
                    take((made.to, made.at));
                }
                moves.all.push(made.clone());
                continue;
            }
            Cause::Stated(stated) => stated,
        };
        let known = match is_beginning(step) {
            true => beginning,
            false => take((step.to, step.at)),
        };
        let transition = Transition {
            cycle: step.cycle,
            from: step.from,
            at: step.at,
            reason: stated.reason.clone(),
            note: stated.note.clone(),
            ..known.cloned().unwrap_or_else(|| Transition {
                id: act.ids.next(),
                lead_id: lead.id,
                cycle: step.cycle,
                from: step.from,
                to: step.to,
                at: step.at,
                actor_kind: ActorKind::System,
                actor_id: ACTOR.to_owned(),
                on_behalf_of: None,
                reason: None,
                note: None,
                until: None,
                agreement_version: world.rules.agreement.number,
                score: None,
                by_rule: None,
            })
        };
        match known {
            None => moves.new.push(transition.clone()),
            Some(known) if *known != transition => moves.changed.push(transition.clone()),
            Some(_) => {}
        }
        moves.all.push(transition);
    }
    moves.gone = known.into_values().flatten().map(|one| one.id).collect();
    moves
}

/// Let the deals that imports state belong to the cycles that the way puts them in, and to who owned the lead where no row
/// names an owner: those that change.
fn place_deals(world: &mut World, past: &Past, deals: &[Deal], lead: &Lead, way: &Way<'_>) -> Vec<Deal> {
    let mut placed = vec![];
    for deal in deals {
        let Some(on_way) = way.deals.get(&deal.id) else {
            continue;
        };
        let opened = past.find(&PastStatement::opening_key(deal.id));
        let untouched = opened.filter(|opened| opened.deal_version == Some(deal.version));
        let owner_id = match untouched {
            Some(opened) => opened.owner_id.or(on_way.owner).or(lead.owner_id),
            None => deal.owner_id,
        };
        let after = Deal {
            cycle: Some(on_way.cycle),
            moved_lead: on_way.moved_lead,
            owner_id,
            ..deal.clone()
        };
        if after != *deal {
            world.sales.deals.insert(deal.id, after.clone());
            placed.push(after);
        }
    }
    placed
}

/// Let a lead stand where its way ends, and be known since when that says.
fn stand(world: &World, lead: &mut Lead, way: &Way<'_>) {
    let known = way.steps.iter().find_map(|step| match step.cause {
        Cause::Stated(one) if one.what == What::Known => Some(one.at),
        _ => None,
    });
    lead.created_at = known.unwrap_or(lead.created_at);
    let Some(last) = way.steps.last() else { return };
    lead.came_from = last.from;
    if (lead.stage, lead.stage_since, lead.cycle) == (last.to, last.at, last.cycle) {
        return;
    }
    lead.stage = last.to;
    lead.stage_since = last.at;
    lead.cycle = last.cycle;
    lead.nurture_until = match last.cause {
        Cause::Here(made) => made.until,
        Cause::Stated(one) if last.to == Stage::Nurture && one.what.deal().is_some() => {
            let reason = loss_reason(world, one.reason.as_deref());
            Some(lifecycle::wait(world, None, reason, last.at))
        }
        Cause::Stated(_) => None,
    };
}

/// The reason with this code for which deals are lost, retired or not.
pub(super) fn loss_reason<'w>(world: &'w World, code: Option<&str>) -> Option<&'w Reason> {
    let mut reasons = world.rules.agreement.agreement.reasons(ReasonList::Loss).iter();
    reasons.find(|reason| Some(reason.code.as_str()) == code)
}

/// A lead whose owner history named, or nobody, belongs to whom history names now.
fn own(lead: &mut Lead, before: (Option<UserId>, Option<UserId>), after: &Way<'_>) {
    if lead.owner_id == before.0 {
        lead.owner_id = after.owner;
    }
    if lead.previous_owner_id == before.1 {
        lead.previous_owner_id = after.previous_owner;
    }
}

/// The cycles of a way, by number. Those of which nothing is stated stay as they are.
fn cycles(past: &Past, lead: &Lead, way: &Way<'_>, agreement: i64, act: &Act) -> BTreeMap<i64, Cycle> {
    let mut steps: BTreeMap<i64, Vec<&Step<'_>>> = BTreeMap::new();
    for step in &way.steps {
        steps.entry(step.cycle).or_default().push(step);
    }
    let mut cycles: BTreeMap<i64, Cycle> = BTreeMap::new();
    for (number, steps) in steps {
        let known = past.cycles.iter().find(|cycle| cycle.number == number);
        let is_here = |step: &&Step<'_>| matches!(step.cause, Cause::Here(_));
        let was_stated = past
            .transitions
            .iter()
            .any(|one| one.cycle == number && is_derived(one));
        if let Some(known) = known.filter(|_| steps.iter().all(is_here) && !was_stated) {
            cycles.insert(number, known.clone());
            continue;
        }
        let nearest = cycles.values().next_back().or(past.cycles.first());
        let Some(mut cycle) = known.cloned().or_else(|| {
            nearest.map(|one| Cycle {
                number,
                agreement_version: agreement,
                ..one.next(steps[0].at, &act.ids)
            })
        }) else {
            continue;
        };
        let started_at = match number {
            1 => steps
                .iter()
                .find(|step| step.from.is_none() && step.to == Stage::Lead && step.at == lead.created_at)
                .map_or(cycle.started_at, |step| step.at),
            _ => steps[0].at,
        };
        let moves: Vec<(Stage, Timestamp)> = steps.iter().map(|step| (step.to, step.at)).collect();
        cycle.rebuild(started_at, &moves);
        cycle.last_reason = steps.iter().rev().find_map(|step| match step.cause {
            Cause::Here(made) => made.reason.clone(),
            Cause::Stated(one) => one.reason.clone(),
        });
        if number == lead.cycle {
            cycle.describe(lead);
        } else {
            let dimensions = &mut cycle.dimensions;
            let on_way = way.owners.get(&number).copied();
            if steps.iter().any(|step| is_here(step) && step.from.is_some()) {
                // An owner whom history names elsewhere may come from a derivation that knew less of it.
                let is_named =
                    |owner: &UserId| past.statements.iter().any(|one| one.owner_id == Some(*owner));
                dimensions.owner_id = on_way.or(dimensions.owner_id.filter(|owner| !is_named(owner)));
            } else {
                dimensions.country = lead.profile.get(LeadField::Country).map(str::to_owned);
                // Whom history does not name was named here.
                let here = lead.owner_id.filter(|owner| way.owner != Some(*owner));
                dimensions.owner_id = on_way.or(here);
            }
        }
        cycles.insert(number, cycle);
    }
    cycles
}

#[cfg(test)]
mod tests;
