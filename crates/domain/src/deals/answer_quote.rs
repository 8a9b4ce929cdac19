//! Accepting and declining quotes, which may set the amount of the deal.

use super::quotes::{Quote, QuoteEvent, QuoteState};
use super::{DealError, EditDeal, edit};
use crate::act::Act;
use crate::change::Change;
use crate::fault::Fault;
use crate::money::Money;
use crate::world::World;

/// How a customer answers a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The quote is accepted; whether the deal gets its amount.
    Accept {
        /// Whether the deal gets the quote's amount.
        apply_amount: bool,
    },
    /// The quote is declined.
    Decline,
}

/// Accept or decline a sent quote of a deal of the world. Other quotes of the deal stay as they are.
pub fn answer_quote(
    world: &mut World,
    quote: &Quote,
    answer: Answer,
    act: &Act,
) -> Result<(Quote, Vec<Change>), DealError> {
    let deal = world
        .sales
        .deals
        .get(&quote.deal_id)
        .ok_or(DealError::NoSuchDeal)?;
    act.may_work(deal.owner_id)?;
    quote.demand_open(deal, act, &world.rules.money.zone)?;
    quote.demand(QuoteState::Sent)?;
    let (state, applied) = match answer {
        Answer::Accept { apply_amount } => (QuoteState::Accepted, apply_amount),
        Answer::Decline => (QuoteState::Declined, false),
    };
    let is_other_currency = |known: Money| known.currency != quote.details.amount.currency;
    if applied && deal.amount.is_some_and(is_other_currency) {
        let detail = "the quote has another currency than the deal";
        return Err(DealError::Invalid(vec![Fault::new(
            "/apply_amount",
            "not_allowed",
            detail,
        )]));
    }
    let (deal_id, lead_id) = (deal.id, deal.primary_lead_id);
    let answered = quote.closed(state, act);
    let mut changes = vec![answered.change(QuoteEvent::Became(state), lead_id).into()];
    if applied {
        let asked = EditDeal {
            amount: Some(Some(quote.details.amount)),
            recurring: Some(quote.details.recurring),
            ..EditDeal::default()
        };
        changes.extend(edit(world, deal_id, asked, act)?);
    }
    Ok((answered, changes))
}
