//! Revenue after the win over HTTP.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::deals::revenue::{self, Customers, RevenueDetails, RevenueEntry, RevenueKind};
use tandem_domain::id::{CompanyId, LeadId, RevenueEntryId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::leads::ExternalId;
use tandem_domain::money::Money;
use tandem_store::deals::revenue::{self as stored, RevenueFilter};
use tandem_store::{self as store, Read, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use super::actions::refused;
use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, Reply, Tagged, Upserted, etag};
use crate::edge::http::services::Services;

/// The operations about revenue.
pub fn configure(config: &mut Services<'_>) {
    config.service(create_revenue_entry).service(list_revenue);
    config.service(get_revenue_entry);
}

/// An entry of revenue: an invoice, renewal or refund of a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevenueEntryView {
    /// Its id.
    id: RevenueEntryId,
    /// The company that is the customer.
    company_id: Option<CompanyId>,
    /// The lead that is the customer.
    lead_id: Option<LeadId>,
    /// The day, in the company's zone.
    on: Day,
    /// The amount, positive for a refund too.
    amount: Money,
    /// What it is.
    kind: RevenueKind,
    /// Its id in the system that invoices.
    external_id: ExternalId,
    /// When it was recorded.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<RevenueEntry> for RevenueEntryView {
    fn from(entry: RevenueEntry) -> Self {
        let details = entry.details;
        Self {
            id: entry.id,
            company_id: details.company_id,
            lead_id: details.lead_id,
            on: details.on,
            amount: details.amount,
            kind: details.kind,
            external_id: details.external_id,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}

/// One entry of revenue.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct RevenuePath {
    /// The entry's id.
    revenue_entry_id: RevenueEntryId,
}

/// Which entries of revenue.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RevenueQuery {
    /// Of this company.
    company_id: Option<CompanyId>,
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Of one of these kinds.
    #[param(min_items = 1, max_items = 3, style = Form, explode = false)]
    kind: Option<Vec<RevenueKind>>,
    /// On this day or later.
    #[param(inline)]
    on_gte: Option<Day>,
    /// Before this day.
    #[param(inline)]
    on_lt: Option<Day>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

fn reply(entry: RevenueEntry) -> Tagged<RevenueEntryView> {
    let leads = entry.details.lead_id.into_iter().collect();
    Tagged::new(etag(entry.version, 0), RevenueEntryView::from(entry)).about(leads)
}

/// Record revenue of a customer.
///
/// An invoice, renewal or refund of a company, or of a lead without one. The same `external_id` again updates the entry
/// (`200`), so that a repetition never counts twice. Reports convert amounts at the rate of their day.
#[utoipa::path(tag = "deals", security(("bearer" = [DealsWrite])), request_body = RevenueDetails,
    responses((status = 201, description = "The entry", body = RevenueEntryView, headers(
        ("ETag" = String, description = "The entry's version"), ("Location" = String, description = "The URL of the entry"))),
        (status = 200, description = "The existing entry with this `external_id`, updated", body = RevenueEntryView,
        headers(("ETag" = String, description = "The entry's version")))))]
#[post("/v1/revenue")]
async fn create_revenue_entry(
    ctx: Ctx<DealsWrite>,
    body: Json<RevenueDetails>,
) -> Reply<Upserted<RevenueEntryView>> {
    let tx = ctx.begin().await?;
    let (entry, is_new) = record(&tx, body.0).await?;
    if !is_new {
        return ctx.commit(tx, Upserted::Changed(reply(entry))).await;
    }
    let location = format!("/v1/revenue/{}", entry.id);
    let leads = entry.details.lead_id.into_iter().collect();
    let made = Created::at(location, RevenueEntryView::from(entry)).tagged(etag(1, 0));
    ctx.commit(tx, Upserted::Made(made.about(leads))).await
}

/// Record an entry, or correct the one that has its external id; whether it is new.
async fn record(tx: &Tx, details: RevenueDetails) -> Result<(RevenueEntry, bool), Problem> {
    let key = &details.external_id;
    let key = (key.system.clone(), key.id.clone());
    let known = stored::lock_keys(tx, [key.clone()].into()).await?.remove(&key);
    let customers = customers(tx, &details).await?;
    let recorded = revenue::record(known.as_ref(), details, customers, tx.act());
    let (entry, change) = recorded.map_err(refused)?;
    store::write_records(tx, change).await?;
    Ok((entry, known.is_none()))
}

async fn customers(on: &impl Read, details: &RevenueDetails) -> Result<Customers, StoreError> {
    let is_there = |found: Result<(), StoreError>| match found {
        Ok(()) => Ok(true),
        Err(StoreError::NotFound) => Ok(false),
        Err(error) => Err(error),
    };
    let has_company = match details.company_id {
        Some(id) => is_there(store::leads::company(on, id).await.map(drop))?,
        None => false,
    };
    let has_lead = match details.lead_id {
        Some(id) => is_there(store::leads::check(on, id).await)?,
        None => false,
    };
    Ok(Customers {
        has_company,
        has_lead,
    })
}

/// List revenue of customers.
///
/// In creation order. `total_count` is always present, and exact up to 10,000.
#[utoipa::path(tag = "deals", params(RevenueQuery), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "A page of entries", body = Listing<RevenueEntryView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/revenue")]
async fn list_revenue(ctx: Ctx<DealsRead>, query: Query<RevenueQuery>) -> Reply<Listing<RevenueEntryView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = RevenueFilter {
        company_id: query.company_id,
        lead_id: query.lead_id,
        kind: query.kind.unwrap_or_default(),
        on_gte: query.on_gte,
        on_lt: query.on_lt,
    };
    let page = stored::list(ctx.db(), &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let total = stored::count(ctx.db(), &filter).await?;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |entry| entry.id,
        RevenueEntryView::from,
    );
    Ok(listing.counted(Some(total)))
}

/// Read an entry of revenue.
#[utoipa::path(tag = "deals", params(RevenuePath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The entry", body = RevenueEntryView,
        headers(("ETag" = String, description = "The entry's version")))))]
#[get("/v1/revenue/{revenue_entry_id}")]
async fn get_revenue_entry(ctx: Ctx<DealsRead>, path: Path<RevenuePath>) -> Reply<Tagged<RevenueEntryView>> {
    Ok(reply(stored::get(ctx.db(), path.0.revenue_entry_id).await?))
}
