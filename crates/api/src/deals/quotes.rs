//! Quotes over HTTP.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::change::Change;
use tandem_domain::deals::Recurring;
use tandem_domain::deals::quotes::{self, Quote, QuoteChange, QuoteDetails, QuoteState};
use tandem_domain::deals::{Answer, answer_quote};
use tandem_domain::id::{CompanyId, DealId, LeadId, QuoteId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::leads::ExternalId;
use tandem_domain::money::Money;
use tandem_domain::world::World;
use tandem_store::deals::quotes::{self as kept, QuoteFilter};
use tandem_store::{self as store, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use super::DealPath;
use super::actions::refused;
use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::filter::owners;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{JobRun, Remaining};

/// The operations about quotes.
pub fn configure(config: &mut Services<'_>) {
    config
        .service(create_quote)
        .service(list_quotes)
        .service(get_quote)
        .service(update_quote);
    config
        .service(send_quote)
        .service(accept_quote)
        .service(decline_quote);
}

/// Expire quotes whose last day has passed.
pub async fn expire(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let done = kept::expire_due(&tx, turn.limit).await?;
        tx.commit().await?;
        if done < turn.limit {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

type QuotePatch = PatchOf<QuoteDetails>;

/// A quote: an offer sent within a deal.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteView {
    /// Its id.
    id: QuoteId,
    /// The deal.
    deal_id: DealId,
    /// The number that the customer sees on it.
    #[schema(max_length = 100, example = "Q-2026-0117")]
    number: String,
    /// Its state.
    state: QuoteState,
    /// The quoted amount.
    amount: Money,
    /// How often the amount is due; `null` means once.
    recurring: Option<Recurring>,
    /// When it was sent; `null` for a draft.
    sent_at: Option<Timestamp>,
    /// The last day on which it can be accepted, in the company's zone; `null` if it does not expire.
    valid_until: Option<Day>,
    /// When it was accepted, declined or expired.
    closed_at: Option<Timestamp>,
    /// The amount that the acceptance suggests for the deal: only in the answer to an acceptance without `apply_amount`,
    /// if the deal's amount or recurrence differs.
    suggested_amount: Option<Money>,
    /// The address of the document.
    #[schema(max_length = 2000, example = "https://erp.example.com/quotes/117")]
    url: Option<String>,
    /// Its id in another system.
    external_id: Option<ExternalId>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Quote> for QuoteView {
    fn from(quote: Quote) -> Self {
        let details = quote.details;
        Self {
            id: quote.id,
            deal_id: quote.deal_id,
            number: details.number,
            state: quote.state,
            amount: details.amount,
            recurring: details.recurring,
            sent_at: details.sent_at,
            valid_until: details.valid_until,
            closed_at: quote.closed_at,
            suggested_amount: None,
            url: details.url,
            external_id: details.external_id,
            created_at: quote.created_at,
            updated_at: quote.updated_at,
        }
    }
}

/// One quote.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct QuotePath {
    /// The quote's id.
    quote_id: QuoteId,
}

/// Which quotes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct QuoteQuery {
    /// Of this deal.
    deal_id: Option<DealId>,
    /// In one of these states.
    #[param(min_items = 1, max_items = 5, style = Form, explode = false)]
    state: Option<Vec<QuoteState>>,
    /// Of deals with one of these owners: ids, `me`, or `none` for deals without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// With an id in this other system; only together with `external_id`.
    #[param(min_length = 1, max_length = 64, example = "erp")]
    external_system: Option<String>,
    /// With this id in `external_system`.
    #[param(min_length = 1, max_length = 255, example = "4711")]
    external_id: Option<String>,
    /// Valid until a day before this one.
    #[param(inline)]
    valid_until_lt: Option<Day>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// How to accept a quote.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptQuote {
    /// Whether the deal gets the quote's amount and recurrence; the quote must have the deal's currency.
    #[serde(default)]
    #[schema(default = false)]
    apply_amount: bool,
}

fn reply(quote: Quote) -> Tagged<QuoteView> {
    Tagged::new(etag(quote.version, 0), QuoteView::from(quote))
}

/// Record a quote of a deal.
///
/// With `sent_at` the quote is sent, otherwise it is a draft. By the deal's owner or a sales manager; a key needs
/// `X-On-Behalf-Of`. If another quote has the same `external_id`, the answer is `409 already_exists`.
#[utoipa::path(tag = "quotes", params(DealPath), security(("bearer" = [DealsWrite])), request_body = QuoteDetails,
    responses((status = 201, description = "The quote", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version"), ("Location" = String, description = "The address of the new record")))))]
#[post("/v1/deals/{deal_id}/quotes")]
async fn create_quote(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    body: Json<QuoteDetails>,
) -> Reply<Created<QuoteView>> {
    let tx = ctx.begin().await?;
    let is_taken = match &body.0.external_id {
        Some(key) => kept::lock_key(&tx, key).await?.is_some(),
        None => false,
    };
    let world = world_of(&tx, path.0.deal_id).await?;
    let deal = world.sales.deals.get(&path.0.deal_id);
    let deal = deal.ok_or_else(|| Problem::new(Code::NotFound))?;
    let made = quotes::create(deal, body.0, &world.rules.money.zone, ctx.act());
    let (quote, changes) = made.map_err(refused)?;
    if is_taken {
        return Err(Problem::new(Code::AlreadyExists));
    }
    store::write_records(&tx, changes).await?;
    let location = format!("/v1/quotes/{}", quote.id);
    let answer = Created::at(location, QuoteView::from(quote)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List quotes.
///
/// In creation order.
#[utoipa::path(tag = "quotes", params(QuoteQuery), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "A page of quotes", body = Listing<QuoteView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/quotes")]
async fn list_quotes(ctx: Ctx<DealsRead>, query: Query<QuoteQuery>) -> Reply<Listing<QuoteView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let (owner_id, unowned) = owners(query.owner_id.as_deref(), ctx.person())?;
    let key = query.external_system.zip(query.external_id);
    let filter = QuoteFilter {
        deal_id: query.deal_id,
        state: query.state.unwrap_or_default(),
        owner_id,
        unowned,
        external_id: key.map(|(system, id)| ExternalId { system, id }),
        valid_until_lt: query.valid_until_lt,
    };
    let page = kept::list(ctx.db(), &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |quote| quote.id,
        QuoteView::from,
    ))
}

/// Read a quote.
#[utoipa::path(tag = "quotes", params(QuotePath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The quote", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version")))))]
#[get("/v1/quotes/{quote_id}")]
async fn get_quote(ctx: Ctx<DealsRead>, path: Path<QuotePath>) -> Reply<Tagged<QuoteView>> {
    Ok(reply(kept::get(ctx.db(), path.0.quote_id).await?))
}

/// Update a draft.
///
/// A JSON merge patch. A draft that gets `sent_at` is sent. A sent quote cannot change (`409 illegal_transition`), nor
/// can an answered or expired one, or one of a closed deal (`409 quote_closed`).
#[utoipa::path(tag = "quotes", params(QuotePath), security(("bearer" = [DealsWrite])), request_body = QuotePatch,
    responses((status = 200, description = "The quote as it is now", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version")))))]
#[patch("/v1/quotes/{quote_id}")]
async fn update_quote(
    ctx: Ctx<DealsWrite>,
    path: Path<QuotePath>,
    body: MergePatch<QuotePatch>,
) -> Reply<Tagged<QuoteView>> {
    let tx = ctx.begin().await?;
    // The key is locked before the deal, as by those who create a quote.
    let known = kept::get(&tx, path.0.quote_id).await?;
    let (wanted, _) = body.0.clone().apply(&known.details)?;
    let holder = match &wanted.external_id {
        Some(key) => kept::lock_key(&tx, key).await?,
        None => None,
    };
    let (world, quote) = locked(&ctx, &tx, &known).await?;
    let (details, _) = body.0.apply(&quote.details)?;
    if details.external_id != wanted.external_id {
        return Err(StoreError::Contended.into());
    }
    let deal = world.sales.deals.get(&quote.deal_id);
    let deal = deal.ok_or_else(|| Problem::new(Code::NotFound))?;
    let edited = quotes::edit(deal, &quote, details, &world.rules.money.zone, ctx.act());
    let (quote, changes) = edited.map_err(refused)?;
    if holder.is_some_and(|holder| holder != quote.id) {
        return Err(Problem::new(Code::AlreadyExists));
    }
    store::write_records(&tx, changes).await?;
    ctx.commit(tx, reply(quote)).await
}

/// Send a draft.
///
/// Records that the customer has the quote from now on. One sent earlier is recorded with `PATCH` and its `sent_at`.
#[utoipa::path(tag = "quotes", params(QuotePath), security(("bearer" = [DealsWrite])),
    responses((status = 200, description = "The quote as it is now", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version")))))]
#[post("/v1/quotes/{quote_id}/send")]
async fn send_quote(ctx: Ctx<DealsWrite>, path: Path<QuotePath>) -> Reply<Tagged<QuoteView>> {
    let tx = ctx.begin().await?;
    let known = kept::get(&tx, path.0.quote_id).await?;
    let (world, quote) = locked(&ctx, &tx, &known).await?;
    let deal = world.sales.deals.get(&quote.deal_id);
    let deal = deal.ok_or_else(|| Problem::new(Code::NotFound))?;
    let sent = quotes::send(deal, &quote, &world.rules.money.zone, ctx.act());
    let (quote, changes): (Quote, Vec<QuoteChange>) = sent.map_err(refused)?;
    store::write_records(&tx, changes).await?;
    ctx.commit(tx, reply(quote)).await
}

/// Accept a sent quote.
///
/// With `apply_amount` the deal gets the quote's amount and recurrence; without it, `suggested_amount` shows an amount
/// that differs. Other quotes of the deal stay as they are. An answered or expired quote, or one of a closed deal, is
/// `409 quote_closed`.
#[utoipa::path(tag = "quotes", params(QuotePath), security(("bearer" = [DealsWrite])), request_body = AcceptQuote,
    responses((status = 200, description = "The quote as it is now", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version")))))]
#[post("/v1/quotes/{quote_id}/accept")]
async fn accept_quote(
    ctx: Ctx<DealsWrite>,
    path: Path<QuotePath>,
    body: Json<AcceptQuote>,
) -> Reply<Tagged<QuoteView>> {
    let apply_amount = body.0.apply_amount;
    answer(ctx, path.0.quote_id, Answer::Accept { apply_amount }).await
}

/// Decline a sent quote.
///
/// Records that the customer declined it. An answered or expired quote, or one of a closed deal, is `409 quote_closed`.
#[utoipa::path(tag = "quotes", params(QuotePath), security(("bearer" = [DealsWrite])),
    responses((status = 200, description = "The quote as it is now", body = QuoteView,
        headers(("ETag" = String, description = "The quote's version")))))]
#[post("/v1/quotes/{quote_id}/decline")]
async fn decline_quote(ctx: Ctx<DealsWrite>, path: Path<QuotePath>) -> Reply<Tagged<QuoteView>> {
    answer(ctx, path.0.quote_id, Answer::Decline).await
}

async fn answer(ctx: Ctx<DealsWrite>, id: QuoteId, answer: Answer) -> Reply<Tagged<QuoteView>> {
    let tx = ctx.begin().await?;
    let known = kept::get(&tx, id).await?;
    let (mut world, quote) = locked(&ctx, &tx, &known).await?;
    let answered = answer_quote(&mut world, &quote, answer, ctx.act());
    let (quote, changes): (Quote, Vec<Change>) = answered.map_err(refused)?;
    store::settle(&tx, &mut world, ctx.act(), changes).await?;
    let deal = world.sales.deals.get(&quote.deal_id);
    let suggested_amount = deal.and_then(|deal| quote.suggests(deal));
    let tag = etag(quote.version, 0);
    let view = QuoteView {
        suggested_amount,
        ..QuoteView::from(quote)
    };
    ctx.commit(tx, Tagged::new(tag, view)).await
}

async fn world_of(tx: &Tx, deal_id: DealId) -> Result<World, StoreError> {
    store::deals::world_of(tx, deal_id, None::<LeadId>, None::<CompanyId>).await
}

/// The deal of a quote, locked with its leads, then the quote itself, in the version that the caller has read.
async fn locked(ctx: &Ctx<DealsWrite>, tx: &Tx, known: &Quote) -> Result<(World, Quote), Problem> {
    let world = world_of(tx, known.deal_id).await?;
    let quote = kept::get_for_update(tx, known.id).await?;
    ctx.check_if_match(quote.version)?;
    Ok((world, quote))
}
