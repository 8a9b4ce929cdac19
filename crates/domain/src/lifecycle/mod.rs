//! Stages and cycles: which moves exist, who may make them, and what they leave behind.

mod cycle;
pub mod moves;
pub mod mql;
mod order;
mod step;
#[cfg(test)]
mod tests;

pub use cycle::{Cycle, Dimensions};
pub use order::in_order;
pub use step::{Step, take};

use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Actor, ActorKind, Denied, Person, Role};
use crate::act::Act;
use crate::agreement::conditions::Evidence;
use crate::agreement::{BantItem, Reason, ReasonList, Requires};
use crate::change::Change;
use crate::fault::Fault;
use crate::id::{EventId, LeadId, TransitionId, UserId};
use crate::instant::Timestamp;
use crate::leads::Lead;
pub use crate::stage::Stage;
use crate::world::World;

/// Whose act a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Marketing.
    Marketing,
    /// Marketing, or sales for a lead that it found itself.
    MarketingOrFinder,
    /// Marketing or sales.
    Either,
    /// The owner or a sales manager; a sales user takes an unowned lead by it.
    Worker,
    /// A marketing manager or a sales manager.
    Manager,
    /// A sales manager.
    SalesManager,
    /// Who rules on a dispute: no move by hand.
    Ruling,
}

/// One legal move: a row of the table in the specification.
#[derive(Debug)]
struct Move {
    from: Stage,
    to: Stage,
    by: By,
    reason: Option<ReasonList>,
    needs_reason: bool,
    needs_note: bool,
    /// Only if the lead entered `from` out of this stage, in this cycle.
    came_from: Option<Stage>,
}

const fn row(from: Stage, to: Stage, by: By) -> Move {
    Move {
        from,
        to,
        by,
        reason: None,
        needs_reason: false,
        needs_note: false,
        came_from: None,
    }
}

impl Move {
    const fn because(self, list: ReasonList) -> Self {
        Self {
            reason: Some(list),
            needs_reason: true,
            ..self
        }
    }
    const fn perhaps_because(self, list: ReasonList) -> Self {
        Self {
            reason: Some(list),
            ..self
        }
    }
    const fn noted(self) -> Self {
        Self {
            needs_note: true,
            ..self
        }
    }
    const fn undoing(self, came_from: Stage) -> Self {
        Self {
            came_from: Some(came_from),
            ..self
        }
    }
    /// Whether what the agreement asks for must be confirmed first.
    fn is_qualifying(&self) -> bool {
        self.from == Stage::Sal && self.to == Stage::Sql
    }
}

/// Every move that exists; all others are refused with what is allowed. Moves that decide on a pending hand-off are
/// permitted by it. An overturned rejection is made by the ruling alone; the moves of deals are made by hand where a lead has no
/// deal.
const MOVES: &[Move] = {
    use By::*;
    use ReasonList::*;
    use Stage::*;
    &[
        row(Lead, Mql, MarketingOrFinder).noted(),
        row(Nurture, Mql, MarketingOrFinder).noted(),
        row(Lead, Nurture, Marketing).because(Disqualification),
        row(Lead, Disqualified, Either).because(Disqualification),
        row(Nurture, Disqualified, Either).because(Disqualification),
        row(Mql, Sal, Worker),
        row(Mql, Nurture, Worker).because(Rejection),
        row(Mql, Disqualified, Worker).because(Rejection),
        row(Nurture, Sal, Ruling).noted().undoing(Mql),
        row(Disqualified, Sal, Ruling).noted().undoing(Mql),
        row(Sal, Sql, Worker),
        row(Sal, Nurture, Worker).because(Disqualification),
        row(Sal, Disqualified, Worker).because(Disqualification),
        row(Sql, Nurture, Worker).because(Disqualification),
        row(Sql, Disqualified, Worker).because(Disqualification),
        row(Sql, Opportunity, Worker),
        row(Opportunity, Customer, Worker).perhaps_because(Win),
        row(Opportunity, Nurture, Worker).because(Loss),
        row(Opportunity, Disqualified, Worker).because(Loss),
        row(Customer, Opportunity, SalesManager).noted(),
        row(Nurture, Opportunity, SalesManager)
            .noted()
            .undoing(Opportunity),
        row(Disqualified, Opportunity, SalesManager)
            .noted()
            .undoing(Opportunity),
        row(Customer, Churned, Manager).because(Churn),
        row(Disqualified, Lead, Manager).noted(),
        row(Churned, Lead, Manager).noted(),
    ]
};

/// A stage change to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoveLead {
    /// Where to; absent where the reason decides.
    pub to: Option<Stage>,
    /// The code of a reason of the agreement.
    pub reason: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// No rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
}

/// A stage change that happened; never changed nor deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Its id.
    pub id: TransitionId,
    /// The lead.
    pub lead_id: LeadId,
    /// In which cycle: the new one, where it starts one.
    pub cycle: i64,
    /// The stage before; absent where the lead became known.
    pub from: Option<Stage>,
    /// The new stage.
    pub to: Stage,
    /// When it happened.
    pub at: Timestamp,
    /// Who, by kind.
    pub actor_kind: ActorKind,
    /// Who, by id.
    pub actor_id: String,
    /// The user on whose behalf a key acted.
    pub on_behalf_of: Option<UserId>,
    /// The code of the reason.
    pub reason: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// No rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
    /// The version of the agreement by which it was judged.
    pub agreement_version: i64,
    /// The lead's score at that moment, where it had been judged by then.
    pub score: Option<ScoreThen>,
    /// The rule that made it, and why; nothing where somebody decided it.
    pub by_rule: Option<ByRule>,
}

/// A lead's score at the moment of a stage change, in whole points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoreThen {
    /// Fit: points for who the lead is.
    pub fit: i64,
    /// Engagement: points for what the lead did.
    pub engagement: i64,
    /// Fit and engagement together.
    pub total: i64,
    /// The bands of fit and engagement, if the agreement has bands.
    #[schema(max_length = 16, example = "A1")]
    pub band: Option<String>,
}

/// Why a rule moved a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByRule {
    /// The rule, by its name.
    pub rule: String,
    /// The parts of its condition that decided.
    pub evidence: Vec<Evidence>,
    /// The newest event among them, or among the contributions of the score.
    pub caused_by: Option<CausedBy>,
}

impl ByRule {
    /// The condition `stages.mql.when` of the agreement.
    pub const MQL: &'static str = "stages.mql";
}

/// The event that caused a rule to move a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CausedBy {
    /// The event.
    pub event_id: EventId,
    /// When the event happened. The stage change itself is never backdated.
    pub occurred_at: Timestamp,
}

/// Why a stage change was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// The table has no such move.
    #[error("there is no such move from this stage")]
    NoSuchMove {
        /// Where the lead stands.
        current: Stage,
        /// Where the actor may move it by hand.
        allowed: Vec<Stage>,
    },
    /// The lead has deals: opening, closing and reopening them make this move.
    #[error("the lead's deals make this move")]
    IsADeals {
        /// Where the lead stands.
        current: Stage,
        /// Where the actor may move it by hand.
        allowed: Vec<Stage>,
    },
    /// The person may not make the move.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The reason leads elsewhere.
    #[error("the reason leads to another stage")]
    ReasonMismatch {
        /// Where the reason leads.
        leads_to: Stage,
        /// The codes of those that fit.
        allowed: Vec<String>,
    },
    /// No such reason was agreed for the move.
    #[error("the reason is none of this move's")]
    NoSuchReason {
        /// The codes of those that fit; none where the move takes no reason.
        allowed: Vec<String>,
    },
    /// Something is missing or unknown.
    #[error("the request is incomplete")]
    Invalid(Vec<Fault>),
}

/// Whether opening, closing or reopening a deal makes this move.
fn is_a_deals(m: &Move) -> bool {
    m.to == Stage::Opportunity || m.from == Stage::Opportunity
}

/// Whether the table has a move, for a lead that came to `from` out of `came_from`.
pub fn is_move(from: Stage, to: Stage, came_from: Option<Stage>) -> bool {
    let fits = |m: &Move| m.from == from && m.to == to && (m.came_from.is_none() || m.came_from == came_from);
    MOVES.iter().any(fits)
}

fn applies(m: &Move, lead: &Lead) -> bool {
    m.from == lead.stage && (m.came_from.is_none() || m.came_from == lead.came_from)
}

/// Move a lead by hand.
///
/// Checked in this order: does the move exist and fit its reason, may the actor make it, is what it needs there.
pub fn move_lead(
    world: &mut World,
    lead_id: LeadId,
    asked: &MoveLead,
    act: &Act,
) -> Result<Vec<Change>, MoveError> {
    let Some(lead) = world.leads.get(&lead_id) else {
        return Err(MoveError::NoSuchMove {
            current: Stage::Lead,
            allowed: vec![],
        });
    };
    // Another machine's clock may have been ahead: a lead's time does not run backwards.
    let act = &act.not_before(lead.updated_at);
    let (to, reason) = destination(world, lead, asked, &act.by)?;
    let (current, allowed) = (lead.stage, || moves::allowed(world, lead, &act.by));
    let Some(chosen) = moves::rows(world, lead).find(|m| m.to == to) else {
        let allowed = allowed();
        return Err(
            match MOVES
                .iter()
                .any(|m| applies(m, lead) && is_a_deals(m) && m.to == to)
            {
                true => MoveError::IsADeals { current, allowed },
                false => MoveError::NoSuchMove { current, allowed },
            },
        );
    };
    let person = act.by.demand_person()?;
    permit(world, chosen, lead, person)?;
    demand(chosen, asked, reason, act.now)?;
    if chosen.is_qualifying() {
        demand_confirmed(world, lead_id)?;
    }

    let accepts = world.pending_of(lead_id).is_some() && to == Stage::Sal;
    let may_take = match person.role {
        Role::Sales => chosen.by == By::Worker,
        Role::SalesManager => accepts,
        _ => false,
    };
    let step = Step {
        to,
        at: act.now,
        recorded_at: act.now,
        takes_back: chosen.came_from.is_some(),
        reason: asked.reason.clone(),
        note: asked.note.clone(),
        until: (to == Stage::Nurture).then(|| wait(world, asked.until, reason, act.now)),
        taken_by: may_take.then_some(person.id),
        by_rule: None,
    };
    let illegal = MoveError::NoSuchMove {
        current,
        allowed: allowed(),
    };
    take(world, lead_id, step, act)
        .map(|change| vec![change])
        .ok_or(illegal)
}

fn list_of(stage: Stage) -> Option<ReasonList> {
    match stage {
        Stage::Mql => Some(ReasonList::Rejection),
        Stage::Lead | Stage::Nurture | Stage::Sal | Stage::Sql => Some(ReasonList::Disqualification),
        Stage::Opportunity => Some(ReasonList::Loss),
        Stage::Customer => Some(ReasonList::Churn),
        Stage::Disqualified | Stage::Churned => None,
    }
}

/// Where the request leads: the named stage, else the one that the reason decides.
fn destination<'w>(
    world: &'w World,
    lead: &Lead,
    asked: &MoveLead,
    actor: &Actor,
) -> Result<(Stage, Option<&'w Reason>), MoveError> {
    let list = match asked.to {
        Some(to) => match MOVES.iter().find(|m| applies(m, lead) && m.to == to) {
            Some(chosen) => chosen.reason,
            None => {
                return Err(MoveError::NoSuchMove {
                    current: lead.stage,
                    allowed: moves::allowed(world, lead, actor),
                });
            }
        },
        None => list_of(lead.stage),
    };
    let allowed = || {
        let fitting = list.map_or_else(Vec::new, |list| fitting(world, list, asked.to));
        fitting.into_iter().map(|reason| reason.code).collect()
    };
    let unknown = || MoveError::NoSuchReason { allowed: allowed() };
    let reason = match (&asked.reason, list) {
        (None, _) => None,
        (Some(_), None) => return Err(unknown()),
        (Some(code), Some(list)) => Some(
            world
                .rules
                .agreement
                .agreement
                .reason(list, code)
                .ok_or_else(unknown)?,
        ),
    };
    let leads_to = reason.and_then(|reason| reason.then).map(|then| then.stage());
    match (asked.to, leads_to) {
        (Some(to), Some(leads_to)) if is_elsewhere(leads_to, to) => Err(MoveError::ReasonMismatch {
            leads_to,
            allowed: allowed(),
        }),
        (Some(to), _) => Ok((to, reason)),
        (None, Some(leads_to)) => Ok((leads_to, reason)),
        (None, None) if reason.is_some() && lead.stage == Stage::Customer => Ok((Stage::Churned, reason)),
        (None, None) => Err(MoveError::Invalid(vec![Fault::new(
            "/to",
            "required",
            "say where to, or give a reason that decides",
        )])),
    }
}

/// Whether a reason that leads to one stage cannot be that of a move to another.
fn is_elsewhere(leads_to: Stage, to: Stage) -> bool {
    to.clears_owner() && to != leads_to
}

/// The agreed reasons of a list that fit the stage that is named, if one is.
fn fitting(world: &World, list: ReasonList, to: Option<Stage>) -> Vec<Reason> {
    let contradicts = |reason: &Reason| match (reason.then, to) {
        (Some(then), Some(to)) => is_elsewhere(then.stage(), to),
        _ => false,
    };
    let reasons = world.rules.agreement.agreement.reasons(list).iter();
    let fit = reasons.filter(|reason| !reason.retired && !contradicts(reason));
    fit.cloned().collect()
}

fn permit(world: &World, chosen: &Move, lead: &Lead, person: &Person) -> Result<(), Denied> {
    if let Some(handoff) = world.pending_of(lead.id) {
        return handoff.may_decide(person);
    }
    let is_owner = lead.owner_id == Some(person.id);
    let may_take = lead.owner_id.is_none() && person.role == Role::Sales;
    let may = match chosen.by {
        By::Marketing => person.is_marketing(),
        By::MarketingOrFinder | By::Either => {
            person.is_marketing() || person.role == Role::SalesManager || is_owner || may_take
        }
        By::Worker => is_owner || may_take || person.role == Role::SalesManager,
        By::Manager => matches!(person.role, Role::MarketingManager | Role::SalesManager),
        By::SalesManager => person.role == Role::SalesManager,
        By::Ruling => false,
    };
    let is_for_owners = matches!(chosen.by, By::Worker | By::MarketingOrFinder | By::Either);
    match () {
        () if may || person.is_admin() => Ok(()),
        () if is_for_owners && person.role == Role::Sales => Err(Denied::NotOwner),
        () => Err(Denied::WrongRole),
    }
}

/// Whether a person may confirm what is known of a lead's budget, authority, need and timeline: its owner and sales managers.
pub(crate) fn may_confirm(lead: &Lead, person: &Person) -> Result<(), Denied> {
    let is_owner = lead.owner_id == Some(person.id);
    match person.role {
        _ if is_owner || person.is_admin() => Ok(()),
        Role::SalesManager => Ok(()),
        Role::Sales => Err(Denied::NotOwner),
        _ => Err(Denied::WrongRole),
    }
}

/// A lead is an SQL once every agreed item is confirmed.
fn demand_confirmed(world: &World, lead_id: LeadId) -> Result<(), MoveError> {
    let fault = |item: BantItem| {
        let detail = format!("the {} is not confirmed", item.name());
        Fault::new("/to", "not_confirmed", detail)
    };
    let faults: Vec<Fault> = world.unconfirmed(lead_id).into_iter().map(fault).collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(MoveError::Invalid(faults)),
    }
}

fn demand(chosen: &Move, asked: &MoveLead, reason: Option<&Reason>, now: Timestamp) -> Result<(), MoveError> {
    let mut faults = vec![];
    let has_note = asked.note.as_deref().is_some_and(|note| !note.trim().is_empty());
    let reason_wants_note = reason.is_some_and(|reason| reason.requires.contains(&Requires::Note));
    if chosen.needs_reason && reason.is_none() {
        faults.push(Fault::new(
            "/reason",
            "required",
            "this move needs an agreed reason",
        ));
    }
    if (chosen.needs_note || reason_wants_note) && !has_note {
        faults.push(Fault::new("/note", "required", "this move needs a note"));
    }
    if asked.until.is_some_and(|until| until <= now) {
        faults.push(Fault::new("/until", "out_of_range", "must be in the future"));
    }
    if asked.until.is_some() && chosen.to != Stage::Nurture {
        faults.push(Fault::new(
            "/until",
            "not_allowed",
            "only a lead that goes to nurture waits",
        ));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(MoveError::Invalid(faults))
    }
}

/// Until when no rule makes the lead an MQL: the given date, else the reason's cooldown, else the agreement's.
pub(crate) fn wait(
    world: &World,
    until: Option<Timestamp>,
    reason: Option<&Reason>,
    at: Timestamp,
) -> Timestamp {
    let cooldown = reason
        .and_then(|reason| reason.cooldown)
        .unwrap_or(world.rules.agreement.agreement.stages.nurture.cooldown);
    until.unwrap_or_else(|| at.plus_millis(cooldown.millis()))
}
