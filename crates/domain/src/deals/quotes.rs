//! Quotes: offers sent within a deal. Another system computes them; here they are recorded, answered, and expire.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Deal, DealError, Recurring};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{DealId, LeadId, QuoteId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Entry, Facts, Subject, differences, facts};
use crate::leads::ExternalId;
use crate::money::Money;
use crate::record::{Counted, counted};
use crate::tracking::address::redacted;
use crate::words::words;

words! {
    /// The state of a quote.
    QuoteState {
        /// It is written and can still change.
        Draft = "draft",
        /// The customer has it and has not answered.
        Sent = "sent",
        /// The customer accepted it.
        Accepted = "accepted",
        /// The customer declined it.
        Declined = "declined",
        /// Its last day passed without an answer.
        Expired = "expired",
    }
}

/// A quote, as a request describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateQuote)]
pub struct QuoteDetails {
    /// The number that the customer sees on it.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Q-2026-0117")]
    pub number: String,
    /// The quoted amount.
    pub amount: Money,
    /// How often the amount is due; `null` means once.
    pub recurring: Option<Recurring>,
    /// When it was sent; without it, the quote is a draft.
    pub sent_at: Option<Timestamp>,
    /// The last day on which it can be accepted, in the company's zone; `null` if it does not expire.
    #[schema(example = "2026-06-30")]
    pub valid_until: Option<Day>,
    /// The address of the document; stored without credentials.
    #[schema(
        max_length = 2000,
        pattern = "^https?://",
        example = "https://erp.example.com/quotes/117"
    )]
    pub url: Option<String>,
    /// The quote's id in another system, unique among quotes.
    pub external_id: Option<ExternalId>,
}

/// A quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The deal.
    pub deal_id: DealId,
    /// What a request describes of it.
    pub details: QuoteDetails,
    /// Its state.
    pub state: QuoteState,
    /// When it was accepted, declined or expired.
    pub closed_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Quote);

/// The types of entry about quotes, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("quote.created", "A quote of a deal was recorded."),
    ("quote.updated", "A draft of a quote changed."),
    ("quote.sent", "A quote was sent to the customer."),
    ("quote.accepted", "The customer accepted a quote."),
    ("quote.declined", "The customer declined a quote."),
    (
        "quote.expired",
        "The last day of a quote passed without an answer.",
    ),
];

/// What happened to a quote.
#[derive(Debug, Clone, PartialEq)]
pub enum QuoteEvent {
    /// It was recorded.
    Created,
    /// Fields of the draft changed.
    Updated {
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// It was sent, accepted, declined, or it expired, as its state says.
    Became(QuoteState),
}

/// One thing that happened to a quote.
#[derive(Debug, Clone, PartialEq)]
pub struct QuoteChange {
    /// What happened.
    pub event: QuoteEvent,
    /// The quote as it is now.
    pub quote: Box<Quote>,
    /// The deal's primary lead, in whose timeline it stands.
    pub lead_id: Option<LeadId>,
}

impl QuoteChange {
    pub(crate) fn entry(&self) -> Entry {
        let quote = &self.quote;
        let subject = Subject::new("quote", quote.id, quote.version);
        let of_deal = json!({"deal_id": quote.deal_id});
        match &self.event {
            QuoteEvent::Created => {
                let known = quote.facts().into_iter().filter(|(_, value)| !value.is_null());
                Entry::plain("quote.created", subject, self.lead_id, of_deal).created(&known.collect())
            }
            QuoteEvent::Updated { before, after } => {
                Entry::plain("quote.updated", subject, self.lead_id, of_deal).edited(before, after)
            }
            QuoteEvent::Became(state) => {
                let details = &quote.details;
                let data = json!({
                    "deal_id": quote.deal_id, "number": details.number, "amount": details.amount,
                    "recurring": details.recurring, "valid_until": details.valid_until,
                });
                Entry::plain(format!("quote.{}", state.name()), subject, self.lead_id, data)
            }
        }
    }
}

impl Quote {
    fn facts(&self) -> Facts {
        facts(json!(self.details))
    }

    /// Whether its last day has passed.
    pub fn is_past(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.details
            .valid_until
            .is_some_and(|last| last < now.day_in(zone))
    }

    /// The instant at which a quote with this last day expires: the end of the day in the company's zone.
    pub fn expires_at(last: Day, zone: &TimeZone) -> Option<Timestamp> {
        Timestamp::start_of_day(last.date().tomorrow().ok()?, zone)
    }

    pub(super) fn change(&self, event: QuoteEvent, lead_id: Option<LeadId>) -> QuoteChange {
        QuoteChange {
            event,
            quote: Box::new(self.clone()),
            lead_id,
        }
    }

    /// Refuse what nobody can change any more: an answered or expired quote, one of a closed deal.
    pub(super) fn demand_open(&self, deal: &Deal, act: &Act, zone: &TimeZone) -> Result<(), DealError> {
        let is_past = self.state == QuoteState::Sent && self.is_past(act.now, zone);
        let is_open = matches!(self.state, QuoteState::Draft | QuoteState::Sent);
        if is_open && !is_past && deal.closing.is_none() {
            return Ok(());
        }
        let state = if is_past { QuoteState::Expired } else { self.state };
        Err(DealError::QuoteClosed { state })
    }

    pub(super) fn demand(&self, state: QuoteState) -> Result<(), DealError> {
        if self.state == state {
            return Ok(());
        }
        let (allowed, why): (&[QuoteState], _) = match self.state {
            QuoteState::Draft => (&[QuoteState::Sent], "the quote has not been sent"),
            _ => (
                &[QuoteState::Accepted, QuoteState::Declined],
                "the quote has been sent: only a draft can change or be sent",
            ),
        };
        Err(DealError::NoSuchMove {
            current: self.state.name().to_owned(),
            allowed: allowed.iter().map(|state| state.name().to_owned()).collect(),
            why,
        })
    }
}

impl QuoteDetails {
    fn trimmed(self) -> Self {
        Self {
            number: self.number.trim().to_owned(),
            url: self.url.map(|url| redacted(&url).into_owned()),
            ..self
        }
    }

    fn demand_sound(&self, act: &Act, zone: &TimeZone) -> Result<(), DealError> {
        let mut faults = vec![];
        if self.number.is_empty() {
            faults.push(Fault::new("/number", "required", "must not be blank"));
        }
        if !self.amount.is_sound() {
            faults.push(Fault::new(
                "/amount/amount",
                "out_of_range",
                "must be from 0 to 2^53 - 1",
            ));
        }
        if self.sent_at.is_some_and(|at| at > act.now) {
            faults.push(Fault::new(
                "/sent_at",
                "out_of_range",
                "must not be in the future",
            ));
        }
        let sent_on = self.sent_at.map(|at| at.day_in(zone));
        if self
            .valid_until
            .zip(sent_on)
            .is_some_and(|(last, sent)| last < sent)
        {
            let detail = "must not be before the day on which the quote is sent";
            faults.push(Fault::new("/valid_until", "out_of_range", detail));
        }
        DealError::unless_sound(faults)
    }
}

/// Record a quote of an open deal. With `sent_at` it is sent, otherwise a draft.
pub fn create(
    deal: &Deal,
    details: QuoteDetails,
    zone: &TimeZone,
    act: &Act,
) -> Result<(Quote, Vec<QuoteChange>), DealError> {
    act.may_work(deal.owner_id)?;
    if deal.closing.is_some() {
        return Err(DealError::Closed);
    }
    let details = details.trimmed();
    details.demand_sound(act, zone)?;
    let quote = Quote {
        id: act.ids.next(),
        version: 1,
        deal_id: deal.id,
        state: state_of(&details),
        details,
        closed_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    let created = quote.change(QuoteEvent::Created, deal.primary_lead_id);
    let changes = [created].into_iter().chain(sent(&quote, deal));
    Ok((quote.clone(), changes.collect()))
}

fn state_of(details: &QuoteDetails) -> QuoteState {
    match details.sent_at {
        Some(_) => QuoteState::Sent,
        None => QuoteState::Draft,
    }
}

fn sent(quote: &Quote, deal: &Deal) -> Option<QuoteChange> {
    let event = QuoteEvent::Became(QuoteState::Sent);
    (quote.state == QuoteState::Sent).then(|| quote.change(event, deal.primary_lead_id))
}

/// Update a draft; no change if nothing differs. A draft that gets `sent_at` is sent.
pub fn edit(
    deal: &Deal,
    quote: &Quote,
    details: QuoteDetails,
    zone: &TimeZone,
    act: &Act,
) -> Result<(Quote, Vec<QuoteChange>), DealError> {
    act.may_work(deal.owner_id)?;
    quote.demand_open(deal, act, zone)?;
    quote.demand(QuoteState::Draft)?;
    let details = details.trimmed();
    details.demand_sound(act, zone)?;
    let mut edited = Quote {
        state: state_of(&details),
        details,
        ..quote.clone()
    };
    let Some((before, after)) = differences(&quote.facts(), &edited.facts()) else {
        return Ok((edited, vec![]));
    };
    edited.count(act.now);
    let updated = edited.change(QuoteEvent::Updated { before, after }, deal.primary_lead_id);
    let changes = [updated].into_iter().chain(sent(&edited, deal));
    Ok((edited.clone(), changes.collect()))
}

/// Send a draft, now.
pub fn send(
    deal: &Deal,
    quote: &Quote,
    zone: &TimeZone,
    act: &Act,
) -> Result<(Quote, Vec<QuoteChange>), DealError> {
    act.may_work(deal.owner_id)?;
    quote.demand_open(deal, act, zone)?;
    quote.demand(QuoteState::Draft)?;
    let mut sending = quote.clone();
    sending.details.sent_at = Some(act.now);
    sending.details.demand_sound(act, zone)?;
    sending.state = QuoteState::Sent;
    sending.count(act.now);
    let changes = sent(&sending, deal).into_iter().collect();
    Ok((sending, changes))
}

/// Expire a sent quote whose last day has passed; `None` for any other.
pub fn expire(quote: &Quote, lead_id: Option<LeadId>, zone: &TimeZone, act: &Act) -> Option<QuoteChange> {
    let expires = quote.state == QuoteState::Sent && quote.is_past(act.now, zone);
    let event = QuoteEvent::Became(QuoteState::Expired);
    expires.then(|| quote.closed(QuoteState::Expired, act).change(event, lead_id))
}

impl Quote {
    pub(super) fn closed(&self, state: QuoteState, act: &Act) -> Self {
        let mut closed = Self {
            state,
            ..self.clone()
        };
        closed.count(act.now);
        closed.closed_at = Some(closed.updated_at);
        closed
    }

    /// The amount that an accepted quote suggests for its open deal, if that has another one.
    pub fn suggests(&self, deal: &Deal) -> Option<Money> {
        let quoted = (Some(self.details.amount), self.details.recurring);
        let differs = quoted != (deal.amount, deal.recurring);
        let applies = self.state == QuoteState::Accepted && deal.closing.is_none();
        (applies && differs).then_some(self.details.amount)
    }
}
