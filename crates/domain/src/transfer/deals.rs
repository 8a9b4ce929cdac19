//! Deals of the past: opened and closed at their own dates; what the file does not say is not invented. What follows for
//! their leads is derived of all that imports say of them.

use std::cmp::Ordering;

use serde_json::json;

use super::change::HistoryChange;
use super::history::{Pasts, Warning, loss_reason, state};
use super::past::{PastStatement, What};
use crate::act::{Act, Origin};
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::deals::{
    CloseDeal, Deal, DealError, DealMove, OpenDeal, Outcome, after_loss, close, open_without_move,
};
use crate::id::{DealId, ImportId};
use crate::instant::Timestamp;
use crate::journal::{Facts, differences, facts};
use crate::world::World;

/// A deal that a row states.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDeal {
    /// How it was opened; its external id is how it is known again.
    pub opening: OpenDeal,
    /// When it was opened, if the row says so.
    pub opened_at: Option<Timestamp>,
    /// How it ended, with its date, if it has.
    pub closing: Option<CloseDeal>,
}

/// What became of a deal that a row states.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// Whether the deal was created by it.
    pub created: bool,
    /// Whether it says something new.
    pub is_news: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

impl PastDeal {
    fn closed_at(&self) -> Option<Timestamp> {
        self.closing.as_ref().and_then(|closing| closing.closed_at)
    }

    /// Which of two rows of one file about one deal says how it stands: one that closes it, then the later end, then the
    /// rest, so that the order of the rows does not matter.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |one: &Self| {
            let closing = one.closing.as_ref();
            let amount = one
                .opening
                .amount
                .map(|money| (money.amount, money.currency.to_string()));
            (
                one.closed_at(),
                closing.map(|closing| closing.outcome == Outcome::Won),
                one.opened_at,
                amount,
                one.opening.name.clone(),
                closing.map(|closing| {
                    (
                        closing.reason.clone(),
                        closing.competitor.clone(),
                        closing.note.clone(),
                    )
                }),
            )
        };
        rest(self).cmp(&rest(other))
    }

    /// This row, completed by what another one says beside it. An opening after the end is no opening: of a deal that is
    /// open it may have been assumed.
    fn completed_by(self, other: &Self) -> Self {
        let closing = self.closing.or_else(|| other.closing.clone());
        let closed_at = closing.as_ref().and_then(|closing| closing.closed_at);
        let earlier = other
            .opened_at
            .filter(|at| closed_at.is_none_or(|closed| *at <= closed));
        let (opening, known) = (self.opening, &other.opening);
        Self {
            opened_at: self.opened_at.or(earlier),
            closing,
            opening: OpenDeal {
                amount: opening.amount.or(known.amount),
                expected_close_on: opening.expected_close_on.or(known.expected_close_on),
                owner_id: opening.owner_id.or(known.owner_id),
                pipeline_id: opening.pipeline_id.or(known.pipeline_id),
                stage: opening.stage.or(known.stage.clone()),
                company_id: opening.company_id.or(known.company_id),
                recurring: opening.recurring.or(known.recurring),
                ..opening
            },
        }
    }

    /// A deal as rows state deals.
    fn of(deal: &Deal, opened: &PastStatement, closed: Option<&PastStatement>) -> Self {
        let closing = deal.closing.as_ref().map(|closing| CloseDeal {
            outcome: closing.outcome,
            reason: closing.reason.clone(),
            competitor: closing.competitor.clone(),
            note: closed.and_then(|closed| closed.note.clone()),
            closed_at: Some(closing.at),
            objections: vec![],
            until: None,
        });
        let stage = deal.closing.as_ref().map(|closing| closing.from_stage.clone());
        Self {
            opened_at: matches!(opened.what, What::Opened(_)).then_some(deal.opened_at),
            closing,
            opening: OpenDeal {
                name: deal.name.clone(),
                external_id: deal.external_id.clone(),
                pipeline_id: Some(deal.pipeline_id),
                stage: Some(stage.unwrap_or_else(|| deal.stage.clone())),
                lead_ids: deal.members.iter().map(|member| member.lead_id).collect(),
                roles: vec![],
                primary_lead_id: None,
                company_id: deal.company_id,
                owner_id: opened.owner_id,
                amount: deal.amount,
                recurring: deal.recurring,
                expected_close_on: deal.expected_close_on,
            },
        }
    }
}

/// Record a deal of the past. One that an import stated before, and that nothing else has changed since, is corrected; one
/// that is open may be closed.
///
/// What follows for its lead is derived by [`super::history::derive`], after all rows of a batch.
pub fn state_deal(
    world: &mut World,
    pasts: &mut Pasts,
    row: &PastDeal,
    import_id: ImportId,
    act: &Act,
) -> Result<Stated, DealError> {
    let key = row.opening.external_id.as_ref();
    let known = key.and_then(|key| world.sales.deals_by_key.get(key)).copied();
    let Some(known) = known.and_then(|id| world.sales.deals.get(&id)).cloned() else {
        let (id, changes) = record(world, row, act)?;
        let stated = Stated {
            created: true,
            is_news: true,
            changes,
            warnings: vec![],
        };
        return Ok(with_statements(world, pasts, id, row, import_id, stated));
    };
    let past = known.primary_lead_id.and_then(|lead_id| pasts.get(&lead_id));
    let find = |key: String| past.and_then(|past| past.find(&key));
    let opened = find(PastStatement::opening_key(known.id));
    let opened = opened.filter(|opened| opened.deal_version == Some(known.version));
    if let Some(opened) = opened {
        let before = PastDeal::of(&known, opened, find(PastStatement::closing_key(known.id)));
        let is_same_import = opened.import_id == import_id;
        let row = match is_same_import && row.order(&before) == Ordering::Less {
            true => before.clone().completed_by(row),
            false => row.clone().completed_by(&before),
        };
        let stated = match row == before {
            true => Stated::default(),
            false => correct(world, &known, &row, act)?,
        };
        return Ok(with_statements(world, pasts, known.id, &row, import_id, stated));
    }
    let Some(closing) = row.closing.as_ref().filter(|_| known.closing.is_none()) else {
        return Ok(Stated::default());
    };
    let at = closing.closed_at.unwrap_or(act.now);
    let changes = close(
        world,
        known.id,
        closing,
        &act.dated(at).from_origin(Origin::Import),
    )?;
    let mut stated = Stated {
        is_news: true,
        changes,
        ..Stated::default()
    };
    state_closing(world, pasts, known.id, row, import_id, &mut stated);
    stated.warnings = warnings(world, known.id);
    Ok(stated)
}

/// Open a deal, and close it where the row does; a refused deal leaves nothing behind.
fn record(world: &mut World, row: &PastDeal, act: &Act) -> Result<(DealId, Vec<Change>), DealError> {
    let act = act.clone().from_origin(Origin::Import);
    let at = row.opened_at.or(row.closed_at()).unwrap_or(act.now);
    let (id, opened) = open_without_move(world, &row.opening, &act.dated(at))?;
    let mut changes = vec![opened];
    let Some(closing) = &row.closing else {
        return Ok((id, changes));
    };
    let at = closing.closed_at.unwrap_or(act.now);
    match close(world, id, closing, &act.dated(at)) {
        Ok(closed) => {
            changes.extend(closed);
            Ok((id, changes))
        }
        Err(refused) => {
            forget(world, id);
            Err(refused)
        }
    }
}

fn forget(world: &mut World, id: DealId) {
    let deal = world.sales.deals.remove(&id);
    if let Some(key) = deal.and_then(|deal| deal.external_id) {
        world.sales.deals_by_key.remove(&key);
    }
}

/// Overwrite an existing deal and its moves with an import row, as if the row had been the first import. If the row is
/// refused, the deal stays as it was.
fn correct(world: &mut World, known: &Deal, row: &PastDeal, act: &Act) -> Result<Stated, DealError> {
    forget(world, known.id);
    let recorded = record(world, row, act);
    let made = recorded.and_then(|(id, changes)| {
        let deal = world.sales.deals.get(&id).cloned().ok_or(DealError::NoSuchDeal)?;
        forget(world, id);
        Ok((deal, changes))
    });
    let (deal, changes) = match made {
        Ok(made) => made,
        Err(refused) => {
            world.add_deal(known.clone());
            return Err(refused);
        }
    };
    let moves = changes.into_iter().filter_map(|change| match change {
        Change::Deal(DealChange::Opened { made, .. } | DealChange::Closed { made, .. }) => Some(DealMove {
            deal_id: known.id,
            ..made
        }),
        _ => None,
    });
    let moves: Vec<DealMove> = moves.collect();
    let deal = Deal {
        id: known.id,
        version: known.version + 1,
        created_at: known.created_at,
        cycle: known.cycle,
        moved_lead: known.moved_lead,
        ..deal
    };
    let changed = differences(&stated_fields(known), &stated_fields(&deal));
    let (before, after) = changed.unwrap_or_default();
    world.add_deal(deal.clone());
    Ok(Stated {
        is_news: true,
        changes: vec![Change::History(HistoryChange::DealCorrected {
            deal: Box::new(deal),
            moves,
            before,
            after,
        })],
        ..Stated::default()
    })
}

/// The fields of a deal that a row may correct.
fn stated_fields(deal: &Deal) -> Facts {
    let closing = deal.closing.as_ref();
    facts(json!({
        "name": deal.name,
        "stage": deal.stage,
        "amount": deal.amount,
        "expected_close_on": deal.expected_close_on,
        "owner_id": deal.owner_id,
        "opened_at": deal.opened_at,
        "closed_at": closing.map(|closing| closing.at),
        "reason": closing.and_then(|closing| closing.reason.as_ref()),
        "competitor": closing.and_then(|closing| closing.competitor.as_ref()),
    }))
}

/// Add to the past of the lead what a row states about the opening and the closing of its deal.
fn with_statements(
    world: &World,
    pasts: &mut Pasts,
    id: DealId,
    row: &PastDeal,
    import_id: ImportId,
    mut stated: Stated,
) -> Stated {
    let Some(deal) = world.sales.deals.get(&id) else {
        return stated;
    };
    if let Some(lead_id) = deal.primary_lead_id {
        let is_dated = row.opened_at.is_some() || deal.closing.is_none();
        let what = if is_dated {
            What::Opened(id)
        } else {
            What::OpenedSometime(id)
        };
        let opened = PastStatement {
            owner_id: row.opening.owner_id,
            deal_version: Some(deal.version),
            ..PastStatement::plain(lead_id, what, deal.opened_at, import_id)
        };
        let (change, is_new) = state(pasts.entry(lead_id).or_default(), opened);
        stated.changes.extend(change);
        stated.is_news |= is_new;
        state_closing(world, pasts, id, row, import_id, &mut stated);
    }
    if stated.is_news {
        stated.warnings = warnings(world, id);
    }
    stated
}

fn state_closing(
    world: &World,
    pasts: &mut Pasts,
    id: DealId,
    row: &PastDeal,
    import_id: ImportId,
    stated: &mut Stated,
) {
    let Some(deal) = world.sales.deals.get(&id) else {
        return;
    };
    let (Some(lead_id), Some(closing)) = (deal.primary_lead_id, &deal.closing) else {
        return;
    };
    let what = match closing.outcome {
        Outcome::Won => What::Won(id),
        Outcome::Lost => What::Lost(id, after_loss(loss_reason(world, closing.reason.as_deref()))),
    };
    let closed = PastStatement {
        reason: closing.reason.clone(),
        note: row.closing.as_ref().and_then(|closing| closing.note.clone()),
        owner_id: row.opening.owner_id,
        ..PastStatement::plain(lead_id, what, closing.at, import_id)
    };
    let (change, is_new) = state(pasts.entry(lead_id).or_default(), closed);
    stated.changes.extend(change);
    stated.is_news |= is_new;
}

fn warnings(world: &World, deal_id: DealId) -> Vec<Warning> {
    let mut warnings = vec![];
    let Some(deal) = world.sales.deals.get(&deal_id) else {
        return warnings;
    };
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    if lead.is_some_and(|lead| lead.archived_at.is_some()) {
        warnings.push(Warning::ArchivedLead);
    }
    let Some(closing) = &deal.closing else {
        return warnings;
    };
    if lead.is_some_and(|lead| closing.at < lead.created_at) {
        warnings.push(Warning::BeforeFirstContact);
    }
    let is_worth_something = deal.amount.is_some_and(|amount| amount.amount > 0);
    if is_worth_something && closing.value.is_none() {
        warnings.push(Warning::MissingRate);
    }
    warnings
}

#[cfg(test)]
mod tests;
