//! Closing a deal as won or lost, and opening it again: what it does to the revenue and to the primary lead.

use super::{Closing, Deal, DealError, Outcome, Revenue, State, deals_of, moved};
use crate::access::{Denied, Role};
use crate::act::Act;
use crate::activities::{Objection, objections_are_sound};
use crate::agreement::{Reason, Requires};
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::fault::Fault;
use crate::id::DealId;
use crate::instant::Timestamp;
use crate::lifecycle::{Stage, Step, take, wait};
use crate::money::{Converted, NotConverted};
use crate::world::World;

/// A deal that is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseDeal {
    /// Won or lost.
    pub outcome: Outcome,
    /// The code of an agreed reason; imports may know none.
    pub reason: Option<String>,
    /// The competitor to whom it was lost, or from whom it was won.
    pub competitor: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// The objections that were raised until then.
    pub objections: Vec<Objection>,
    /// When, if not now.
    pub closed_at: Option<Timestamp>,
    /// For a lost deal: no rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
}

/// Close a deal.
///
/// Won, the primary lead becomes a customer; lost, it leaves opportunity when this was its last open deal and none was
/// won in the same cycle. The amount is converted at the rate in force on the day of closing; only an import goes
/// without one. The note stays with the deal. `act.at` is the default for `closed_at`; the lead moves now, whatever that
/// says. An import moves no lead by it: what follows for the lead is derived of all its history.
pub fn close(
    world: &mut World,
    deal_id: DealId,
    asked: &CloseDeal,
    act: &Act,
) -> Result<Vec<Change>, DealError> {
    let deal = world.sales.deals.get(&deal_id).ok_or(DealError::NoSuchDeal)?;
    act.may_work(deal.owner_id)?;
    if deal.closing.is_some() {
        return Err(DealError::NoSuchMove {
            current: deal.state().name().to_owned(),
            allowed: vec![],
            why: "the deal is already closed",
        });
    }
    let act = act.not_before(deal.updated_at);
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    let act = lead.map_or_else(|| act.clone(), |lead| act.not_before(lead.updated_at));
    let reason = reason(world, deal, asked, &act)?;
    let at = asked.closed_at.unwrap_or(act.at);
    let value = value(world, deal, at, &act)?;
    let goes = goes_to(world, deal, asked.outcome, reason).filter(|_| act.is_live());
    let until = goes
        .filter(|to| *to == Stage::Nurture)
        .map(|_| wait(world, asked.until, reason, at));

    let mut after = deal.clone();
    after.version += 1;
    after.updated_at = act.now;
    after.stage_since = at;
    after.owner_id = after.owner_id.or(act.taker());
    after.moved_lead = goes.is_some();
    let from = std::mem::replace(&mut after.stage, asked.outcome.state().name().to_owned());
    after.closing = Some(Closing {
        outcome: asked.outcome,
        at,
        reason: asked.reason.clone(),
        competitor: asked.competitor.clone(),
        from_stage: from.clone(),
        value,
    });
    let mut made = moved(&after, Some(from), &act.dated(at));
    made.reason = asked.reason.clone();
    made.note = asked.note.clone();
    made.revenue = after
        .amount
        .filter(|_| asked.outcome == Outcome::Won)
        .map(|amount| Revenue::of(amount, value));
    let primary = after.primary_lead_id;
    world.sales.deals.insert(deal_id, after.clone());
    let mut changes = vec![Change::Deal(DealChange::Closed {
        deal: Box::new(after),
        made,
        objections: world.rules.objections.mapped(asked.objections.clone()),
    })];
    if let (Some(lead_id), Some(to)) = (primary, goes) {
        let step = Step {
            reason: asked.reason.clone(),
            until,
            taken_by: act.taker(),
            takes_back: true,
            ..Step::plain(to, act.at, act.now)
        };
        changes.extend(take(world, lead_id, step, &act));
    }
    Ok(changes)
}

/// The agreed reason, with all that it and the closing need, or everything that is wrong.
fn reason<'w>(
    world: &'w World,
    deal: &Deal,
    asked: &CloseDeal,
    act: &Act,
) -> Result<Option<&'w Reason>, DealError> {
    let mut faults = vec![];
    let has = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    let list = world.rules.agreement.agreement.reasons(asked.outcome.reasons());
    let is_offered = |reason: &&Reason| !reason.retired || !act.is_live();
    let known = asked.reason.as_deref();
    let reason = known.and_then(|code| list.iter().filter(is_offered).find(|reason| reason.code == code));
    match (known, reason) {
        (None, _) if act.is_live() => {
            faults.push(Fault::new(
                "/reason",
                "required",
                "a deal is closed with an agreed reason",
            ));
        }
        (Some(_), None) => {
            let name = asked.outcome.reasons().name();
            faults.push(Fault::new(
                "/reason",
                "not_allowed",
                format!("is not an agreed reason of `{name}`"),
            ));
        }
        _ => {}
    }
    let needs = |what| act.is_live() && reason.is_some_and(|reason| reason.requires.contains(&what));
    if needs(Requires::Note) && !has(&asked.note) {
        faults.push(Fault::new("/note", "required", "this reason needs a note"));
    }
    if needs(Requires::Competitor) && !has(&asked.competitor) {
        faults.push(Fault::new(
            "/competitor",
            "required",
            "this reason needs the competitor's name",
        ));
    }
    if asked.closed_at.is_some_and(|at| at < deal.stage_since) {
        faults.push(Fault::new(
            "/closed_at",
            "out_of_range",
            "must not be before the deal's last move",
        ));
    }
    if asked.closed_at.is_some_and(|at| at > act.now) {
        faults.push(Fault::new(
            "/closed_at",
            "out_of_range",
            "must not be in the future",
        ));
    }
    if asked.until.is_some() && asked.outcome == Outcome::Won {
        faults.push(Fault::new(
            "/until",
            "not_allowed",
            "is only valid for a lost deal",
        ));
    } else if asked.until.is_some_and(|until| act.is_live() && until <= act.now) {
        faults.push(Fault::new("/until", "out_of_range", "must be in the future"));
    }
    objections_are_sound(
        &asked.objections,
        &[],
        &world.rules.agreement.agreement,
        &mut faults,
    );
    DealError::unless_sound(faults)?;
    Ok(reason)
}

/// The amount in the base currency, at the rate in force on the day in the company's zone.
fn value(world: &World, deal: &Deal, at: Timestamp, act: &Act) -> Result<Option<Converted>, DealError> {
    let Some(amount) = deal.amount else {
        return Ok(None);
    };
    let money = &world.rules.money;
    match money.rates.convert(amount, money.base, at.day_in(&money.zone)) {
        Ok(converted) => Ok(Some(converted)),
        Err(NotConverted::MissingRate { .. }) if !act.is_live() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where the closing takes the primary lead, if it does.
pub(super) fn goes_to(
    world: &World,
    deal: &Deal,
    outcome: Outcome,
    reason: Option<&Reason>,
) -> Option<Stage> {
    let lead_id = deal.primary_lead_id?;
    let lead = world.leads.get(&lead_id)?;
    let is_same_cycle = deal.cycle == Some(lead.cycle);
    match outcome {
        Outcome::Won => {
            let may = !matches!(lead.stage, Stage::Customer | Stage::Churned);
            (may && is_same_cycle).then_some(Stage::Customer)
        }
        Outcome::Lost => {
            let mut others = deals_of(world, lead_id).filter(|other| other.id != deal.id);
            let holds = others.any(|other| match other.state() {
                State::Open => true,
                State::Won => other.cycle == deal.cycle,
                State::Lost => false,
            });
            let leaves = lead.stage == Stage::Opportunity && is_same_cycle && !holds;
            leaves.then(|| after_loss(reason))
        }
    }
}

/// The stage of a lead whose last deal was lost for this reason.
pub(crate) fn after_loss(reason: Option<&Reason>) -> Stage {
    let then = reason.and_then(|reason| reason.then);
    then.map_or(Stage::Nurture, |then| then.stage())
}

/// Open a closed deal again: a sales manager's act.
///
/// The revenue is taken back by an entry of its own date. The lead goes back to opportunity where that closing moved it
/// and the cycle is the same; a customer stays one while another deal of the cycle is won.
pub fn reopen(world: &mut World, deal_id: DealId, note: &str, act: &Act) -> Result<Vec<Change>, DealError> {
    let deal = world.sales.deals.get(&deal_id).ok_or(DealError::NoSuchDeal)?;
    may_reopen(act)?;
    let pipeline = world
        .sales
        .pipelines
        .get(&deal.pipeline_id)
        .ok_or(DealError::NoSuchDeal)?;
    let Some(closing) = &deal.closing else {
        return Err(DealError::NoSuchMove {
            current: deal.stage.clone(),
            allowed: vec![],
            why: "the deal is open",
        });
    };
    if note.trim().is_empty() {
        return Err(DealError::Invalid(vec![Fault::new(
            "/note",
            "required",
            "must not be blank",
        )]));
    }
    let act = act.not_before(deal.updated_at);
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    let act = lead.map_or_else(|| act.clone(), |lead| act.not_before(lead.updated_at));
    let goes_back = goes_back(world, deal, closing.outcome);
    let mut after = deal.clone();
    after.version += 1;
    after.updated_at = act.now;
    after.stage_since = act.at;
    after.closing = None;
    after.stage = if pipeline.has_open(&closing.from_stage) {
        closing.from_stage.clone()
    } else {
        pipeline.open_keys().swap_remove(0)
    };
    let mut made = moved(&after, Some(deal.stage.clone()), &act);
    made.note = Some(note.to_owned());
    made.revenue = deal
        .amount
        .filter(|_| closing.outcome == Outcome::Won)
        .map(|amount| Revenue::of(amount, closing.value).reversed());
    let (primary, owner) = (after.primary_lead_id, after.owner_id);
    world.sales.deals.insert(deal_id, after.clone());
    let mut changes = vec![Change::Deal(DealChange::Reopened {
        deal: Box::new(after),
        made,
    })];
    if let Some(lead_id) = primary.filter(|_| goes_back) {
        let step = Step {
            taken_by: owner,
            takes_back: true,
            ..Step::plain(Stage::Opportunity, act.at, act.now)
        };
        changes.extend(take(world, lead_id, step, &act));
    }
    Ok(changes)
}

/// Whether the actor may reopen deals: a sales manager.
pub(super) fn may_reopen(act: &Act) -> Result<(), Denied> {
    let person = act.by.demand_person()?;
    if person.is_admin() || person.role == Role::SalesManager {
        Ok(())
    } else {
        Err(Denied::WrongRole)
    }
}

/// Whether reopening a deal that was closed with this outcome takes its primary lead back to opportunity.
pub(super) fn goes_back(world: &World, deal: &Deal, outcome: Outcome) -> bool {
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    let Some(lead) = lead.filter(|lead| deal.cycle == Some(lead.cycle)) else {
        return false;
    };
    let others = || deals_of(world, lead.id).filter(|other| other.id != deal.id && other.cycle == deal.cycle);
    match outcome {
        // Two deals were won and the one that made it a customer was reopened first: the mark stayed with that one.
        Outcome::Won => {
            let by_deals = deal.moved_lead || others().any(|other| other.moved_lead);
            let other_won = others().any(|other| other.state() == State::Won);
            lead.stage == Stage::Customer && by_deals && !other_won
        }
        Outcome::Lost => deal.moved_lead && matches!(lead.stage, Stage::Nurture | Stage::Disqualified),
    }
}
