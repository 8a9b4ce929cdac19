//! The customers and the done tasks behind key figures.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::id::{ActivityId, CompanyId, DealId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_domain::reports::customers::{Buyer, Customer, CustomerFigure};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::FollowUp;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::request::{Chosen, Ids, asked};
use crate::access::scopes::{
    ActivitiesRead, CustomerEvidenceRead, DealsRead, FollowUpsRead, LeadsRead, ReportsRead,
};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CustomersQuery {
    /// The figure; default new customers.
    #[param(inline, example = "new")]
    figure: Option<CustomerFigure>,
    /// With `figure=churned`: only those that churned for this reason.
    #[param(max_length = 64, example = "price")]
    churned_for: Option<String>,
    /// With `figure=churned`: only those that churned without a reason.
    churned_without_reason: Option<bool>,
    /// The most customers of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A customer counted in a figure: a company, or a lead without one.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerEvidence {
    /// The company.
    company_id: Option<CompanyId>,
    /// The lead, if the deal has no company.
    lead_id: Option<LeadId>,
    /// When its first deal was won.
    since: Timestamp,
    /// When it churned, unless it came back.
    churned_at: Option<Timestamp>,
    /// Its revenue in the period, in the base currency.
    revenue: Money,
}

/// List the customers counted in a figure.
///
/// Returns exactly the customers counted in the figure that the parameter `figure` names, ordered by id. Takes the same
/// filters as the report. `total_count` is always present and exact. A customer is a company, or a lead without one,
/// from its first won deal until every lead that was primary in one has churned. Its dimensions are those of its first
/// won deal.
#[utoipa::path(tag = "reports", params(Chosen, CustomersQuery),
    security(("bearer" = [ReportsRead, LeadsRead, DealsRead])),
    responses((status = 200, description = "A page of customers", body = Listing<CustomerEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/customers/evidence")]
pub(super) async fn list_customer_evidence(
    ctx: Ctx<CustomerEvidenceRead>,
    query: Query<Both<Chosen, CustomersQuery>>,
) -> Reply<Listing<CustomerEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<Uuid> = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let base = store::rules::read(&snapshot).await?.money.base;
    let (counted, (from, to)) = counted(&snapshot, query.0).await?;
    let total = counted.len() as u64;
    let rest = counted.into_iter().filter(|customer| Some(customer.id()) > after);
    let page = Page::of(rest.take(limit as usize + 1).collect(), limit);
    let now = snapshot.as_of(ctx.now());
    let view = |customer: Customer| CustomerEvidence::of(&customer, (from, to), now, base);
    let listing = Listing::of(&ctx.master, ctx.request(), page, Customer::id, view);
    Ok(listing.counted(Some((total, false))))
}

/// The customers of a figure, and its period.
async fn counted(
    snapshot: &Snapshot,
    Both(chosen, query): Both<Chosen, CustomersQuery>,
) -> Result<(Vec<Customer>, (Timestamp, Timestamp)), Problem> {
    let rules = store::rules::read(snapshot).await?;
    let selection = chosen.select(Basis::Activity, &rules.company.zone())?;
    let (from, to) = (selection.days.from, selection.days.to);
    let figure = query.figure.unwrap_or_default();
    let collected = store::reports::collected(snapshot, &rules.money).await?;
    let base = rules.money.base;
    let mut counted = store::reports::customers(snapshot, &selection.only, base, &collected).await?;
    counted.retain(|customer| customer.counts(figure, from, to));
    if query.churned_for.is_some() || query.churned_without_reason == Some(true) {
        let asked = query.churned_for.as_ref();
        let fits = |customer: &Customer| {
            customer
                .churn(from, to)
                .is_some_and(|churn| churn.reason.as_ref() == asked)
        };
        counted.retain(fits);
    }
    Ok((counted, (from, to)))
}

/// The ids of the first customers of a list, and the number of all.
pub(super) async fn customer_ids(snapshot: &Snapshot, query: Json, limit: u64) -> Result<Ids, Problem> {
    let (counted, _) = counted(snapshot, asked(query)?).await?;
    let total = counted.len() as u64;
    Ok(Ids::of(
        Page::of(counted, limit),
        total,
        |customer| match customer.buyer {
            Buyer::Company(id) => id.to_string(),
            Buyer::Lead(id) => id.to_string(),
        },
    ))
}

/// The ids of the first tasks of a list, and the number of all.
pub(super) async fn follow_up_ids(snapshot: &Snapshot, query: Json, limit: u64) -> Result<Ids, Problem> {
    let Both(chosen, _): Both<Chosen, FollowUpsQuery> = asked(query)?;
    let rules = store::rules::read(snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::follow_ups(snapshot, &scope, None, limit).await?;
    let total = store::reports::follow_up_count(snapshot, &scope).await?.max(0) as u64;
    Ok(Ids::of(page, total, |task| task.id.to_string()))
}

impl CustomerEvidence {
    fn of(
        customer: &Customer,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
        currency: Currency,
    ) -> Self {
        let (company_id, lead_id) = match customer.buyer {
            Buyer::Company(id) => (Some(id), None),
            Buyer::Lead(id) => (None, Some(id)),
        };
        Self {
            company_id,
            lead_id,
            since: customer.since,
            churned_at: customer.churned_at(now),
            revenue: Money {
                amount: customer.revenue(from, to),
                currency,
            },
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FollowUpsQuery {
    /// The most tasks of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A task that was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowUpEvidence {
    /// Its id.
    id: ActivityId,
    /// The lead for which it counts.
    lead_id: Option<LeadId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The company.
    company_id: Option<CompanyId>,
    /// The user who had to do it.
    owner_id: Option<UserId>,
    /// When it was done.
    done_at: Timestamp,
}

/// List the follow-ups counted in the figure.
///
/// Returns exactly the done tasks counted in `follow_ups`, ordered by id. Takes the same filters as the report. A task
/// counts in the cycle of its lead at the time when it was done. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, FollowUpsQuery),
    security(("bearer" = [ReportsRead, ActivitiesRead])),
    responses((status = 200, description = "A page of done tasks", body = Listing<FollowUpEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/follow-ups/evidence")]
pub(super) async fn list_follow_up_evidence(
    ctx: Ctx<FollowUpsRead>,
    query: Query<Both<Chosen, FollowUpsQuery>>,
) -> Reply<Listing<FollowUpEvidence>> {
    let Both(chosen, query) = query.0;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::follow_ups(&snapshot, &scope, after, limit).await?;
    let total = store::reports::follow_up_count(&snapshot, &scope).await?.max(0) as u64;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |task| task.id,
        FollowUpEvidence::of,
    );
    Ok(listing.counted(Some((total, false))))
}

impl FollowUpEvidence {
    fn of(task: FollowUp) -> Self {
        Self {
            id: task.id,
            lead_id: task.lead_id,
            deal_id: task.deal_id,
            company_id: task.company_id,
            owner_id: task.owner_id,
            done_at: task.done_at,
        }
    }
}
