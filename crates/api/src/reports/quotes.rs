//! The quotes behind a key figure.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::id::{DealId, LeadId, QuoteId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::SentQuote;
use utoipa::{IntoParams, ToSchema};

use super::request::{Chosen, Ids, asked};
use crate::access::scopes::{DealEvidenceRead, DealsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SentQuotesQuery {
    /// The most quotes of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A quote that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteEvidence {
    /// Its id.
    id: QuoteId,
    /// Its deal.
    deal_id: DealId,
    /// The primary lead of the deal.
    lead_id: Option<LeadId>,
    /// The owner of the deal.
    owner_id: Option<UserId>,
    /// When it was sent.
    sent_at: Timestamp,
}

/// List the quotes counted in the figure.
///
/// Returns exactly the quotes counted in `quotes_sent`, ordered by id. Takes the same filters as the report.
/// `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, SentQuotesQuery), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "A page of sent quotes", body = Listing<QuoteEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/quotes/evidence")]
pub(super) async fn list_quote_evidence(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Both<Chosen, SentQuotesQuery>>,
) -> Reply<Listing<QuoteEvidence>> {
    let Both(chosen, query) = query.0;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let (page, total) = page(&snapshot, chosen, after, limit).await?;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |quote| quote.id,
        QuoteEvidence::from,
    );
    Ok(listing.counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    chosen: Chosen,
    after: Option<QuoteId>,
    limit: u64,
) -> Result<(Page<SentQuote>, u64), Problem> {
    let rules = store::rules::read(snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::sent_quotes(snapshot, &scope, after, limit).await?;
    let total = store::reports::sent_quote_count(snapshot, &scope).await?.max(0) as u64;
    Ok((page, total))
}

/// The ids of the first quotes of a list, and the number of all.
pub(super) async fn ids(snapshot: &Snapshot, query: Json, limit: u64) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, asked(query)?, None, limit).await?;
    Ok(Ids::of(page, total, |quote| quote.id.to_string()))
}

impl From<SentQuote> for QuoteEvidence {
    fn from(quote: SentQuote) -> Self {
        Self {
            id: quote.id,
            deal_id: quote.deal_id,
            lead_id: quote.lead_id,
            owner_id: quote.owner_id,
            sent_at: quote.sent_at,
        }
    }
}
