//! What history does to leads: the way that all imports together say of it, at its own dates, legal or not; nothing follows of
//! it by rule.

mod derivation;

use std::collections::HashMap;

use super::ACTOR;
use super::change::HistoryChange;
use super::course::{Cause, Course, Step, way};
use super::past::{Added, Past, PastStatement, What};
use crate::access::ActorKind;
use crate::agreement::{Reason, ReasonList};
use crate::change::Change;
use crate::deals::{self, Deal};
use crate::id::{ImportId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::lifecycle::{Stage, Transition};
use crate::world::World;
pub use derivation::derive;

/// A move that a row states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastMove {
    /// The new stage.
    pub to: Stage,
    /// When it happened.
    pub at: Timestamp,
    /// Where from, if the row says so.
    pub from: Option<Stage>,
    /// The code of a reason.
    pub reason: Option<String>,
    /// A note about the reason.
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
    #[error("the table of stages has no such move; it is imported nevertheless")]
    IllegalMove,
    /// The lead was not known yet.
    #[error("is dated before the lead was created; it is imported nevertheless")]
    BeforeFirstContact,
    /// The agreement has no such reason.
    #[error("the agreement has no such reason; it is imported nevertheless")]
    UnknownReason,
    /// The lead is archived.
    #[error("the lead is archived; the row is imported nevertheless")]
    ArchivedLead,
    /// The amount has no value in the base currency.
    #[error(
        "no exchange rate to the base currency is known for this day; the deal is stored without a value in it"
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

/// Add a move to the past of a lead, which is derived of it by [`derive()`]: what is to be stored, and whether it is new.
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

fn warnings_of(world: &World, lead: &Lead, way: &Course<'_>, stated: &PastMove) -> Vec<Warning> {
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
fn way_of<'a>(past: &'a Past, lead: &Lead, deals: &'a [Deal]) -> Course<'a> {
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

/// The reason with this code for which deals are lost, retired or not.
pub(super) fn loss_reason<'w>(world: &'w World, code: Option<&str>) -> Option<&'w Reason> {
    let mut reasons = world.rules.agreement.agreement.reasons(ReasonList::Loss).iter();
    reasons.find(|reason| Some(reason.code.as_str()) == code)
}

#[cfg(test)]
mod tests;
