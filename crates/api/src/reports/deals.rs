//! The deals behind key figures.

use actix_web::get;
use jiff::ToSpan;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::deals::State;
use tandem_domain::id::{ContentId, DealId, LeadId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_domain::reports::kpis::DealFigure;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::{Books, DealChoice, DealItem, Expected, Objected};
use utoipa::{IntoParams, ToSchema};

use super::request::{Chosen, Ids, asked};
use crate::access::scopes::{DealEvidenceRead, DealsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Which figure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DealEvidenceQuery {
    /// The figure; default won deals.
    #[param(inline, example = "won")]
    figure: Option<DealFigure>,
    /// Only with an amount in this currency.
    currency: Option<Currency>,
    /// Only with a lead who had seen this content before the deal was closed.
    read_content_id: Option<ContentId>,
    /// Only with this objection raised: its code.
    #[param(max_length = 64, example = "price")]
    objection: Option<String>,
    /// Only with an objection raised whose words nobody mapped to a code.
    unmapped_objection: Option<bool>,
    /// Only if expected to be closed in this month, such as `2026-05`; `unknown`: without an expected day.
    #[param(
        max_length = 7,
        pattern = "^([0-9]{4}-(0[1-9]|1[0-2])|unknown)$",
        example = "2026-05"
    )]
    expected_in: Option<String>,
    /// The most deals of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A deal counted in a figure.
#[derive(Debug, Serialize, ToSchema)]
pub struct DealEvidence {
    /// Its id.
    id: DealId,
    /// The state.
    state: State,
    /// The lead whose stage it moves.
    lead_id: Option<LeadId>,
    /// The number of the lead's cycle in which it was opened.
    #[schema(minimum = 1, example = 1)]
    cycle: Option<i64>,
    /// The owner.
    owner_id: Option<UserId>,
    /// When it was opened.
    opened_at: Timestamp,
    /// When it was closed.
    closed_at: Option<Timestamp>,
    /// The amount of the deal.
    amount: Option<Money>,
    /// The amount of a closed deal in the base currency, at the rate of the day of closing.
    value: Option<Money>,
}

/// List the deals counted in a figure.
///
/// Returns exactly the records counted in the figure that the parameter `figure` names, ordered by id. Takes the same
/// filters as the report. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, DealEvidenceQuery), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "A page of deals", body = Listing<DealEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/deals/evidence")]
pub(super) async fn list_deal_evidence(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Both<Chosen, DealEvidenceQuery>>,
) -> Reply<Listing<DealEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let base = store::rules::read(&snapshot).await?.money.base;
    let (page, total) = page(&snapshot, now, query.0, after, limit).await?;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |deal| deal.id,
        |deal| DealEvidence::of(deal, base),
    );
    Ok(listing.counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    now: Timestamp,
    Both(chosen, query): Both<Chosen, DealEvidenceQuery>,
    after: Option<DealId>,
    limit: u64,
) -> Result<(Page<DealItem>, u64), Problem> {
    let rules = store::rules::read(snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let base = rules.money.base;
    let books = Books { now, base };
    let choice = DealChoice {
        figure: query.figure.unwrap_or_default(),
        currency: query.currency,
        read_content_id: query.read_content_id,
        expected: query.expected_in.as_deref().and_then(expected),
        objection: match query.unmapped_objection {
            Some(true) => Some(Objected::Unmapped),
            _ => query.objection.map(Objected::Code),
        },
    };
    let page = store::reports::deal_evidence(snapshot, &scope, &choice, books, after, limit).await?;
    let total = store::reports::deal_evidence_count(snapshot, &scope, &choice, books).await?;
    Ok((page, total))
}

/// The days of a month, or `unknown`; the document admits nothing else.
fn expected(text: &str) -> Option<Expected> {
    let Ok(first) = format!("{text}-01").parse::<Day>() else {
        return Some(Expected::Unknown);
    };
    let next = first.date().checked_add(1.month()).ok()?;
    Some(Expected::Between(first, Day::try_from(next).ok()?))
}

/// The ids of the first records of a list, and the number of all.
pub(super) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, now, asked(query)?, None, limit).await?;
    Ok(Ids::of(page, total, |deal| deal.id.to_string()))
}

impl DealEvidence {
    fn of(deal: DealItem, base: Currency) -> Self {
        let money = |(amount, currency)| Money { amount, currency };
        Self {
            id: deal.id,
            state: deal.state,
            lead_id: deal.lead_id,
            cycle: deal.cycle,
            owner_id: deal.owner_id,
            opened_at: deal.opened_at,
            closed_at: deal.closed_at,
            amount: deal.amount.map(money),
            value: deal.value.map(|value| money((value, base))),
        }
    }
}
