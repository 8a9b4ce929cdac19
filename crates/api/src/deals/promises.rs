//! Promises to customers over HTTP.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::deals::promises::{self, Promise, PromiseDetails, PromiseSource};
use tandem_domain::id::{ActivityId, CompanyId, DealId, LeadId, PromiseId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::deals::promises::{self as stored, PromiseFilter};
use utoipa::{IntoParams, ToSchema};

use super::DealPath;
use super::actions::refused;
use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;

/// The operations about promises.
pub fn configure(config: &mut Services<'_>) {
    config.service(create_promise).service(list_promises);
    config.service(get_promise).service(update_promise);
}

type PromisePatch = PatchOf<PromiseDetails, true>;

/// A promise of a user to a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromiseView {
    /// Its id.
    id: PromiseId,
    /// What was promised.
    #[schema(max_length = 500, example = "Train the team in the first week")]
    text: String,
    /// The day by which it is due.
    due_on: Option<Day>,
    /// When it was done; `null` while it is open.
    done_at: Option<Timestamp>,
    /// Where it was made.
    source: PromiseSource,
    /// The activity in which it was made.
    activity_id: Option<ActivityId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The lead of the activity, or the primary lead of the deal.
    lead_id: Option<LeadId>,
    /// The company of the activity or deal.
    company_id: Option<CompanyId>,
    /// When it was archived, or its activity stopped to state it; `null` if it holds.
    archived_at: Option<Timestamp>,
    /// When it was recorded.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Promise> for PromiseView {
    fn from(promise: Promise) -> Self {
        Self {
            id: promise.id,
            source: promise.source(),
            text: promise.details.text,
            due_on: promise.details.due_on,
            done_at: promise.details.done_at,
            activity_id: promise.activity_id,
            deal_id: promise.deal_id,
            lead_id: promise.lead_id,
            company_id: promise.company_id,
            archived_at: promise.archived_at,
            created_at: promise.created_at,
            updated_at: promise.updated_at,
        }
    }
}

/// One promise.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PromisePath {
    /// The promise's id.
    promise_id: PromiseId,
}

/// Which promises.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PromiseQuery {
    /// Of this deal.
    deal_id: Option<DealId>,
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Of this company.
    company_id: Option<CompanyId>,
    /// `true`: only those that are done; `false`: only open ones.
    done: Option<bool>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

fn reply(promise: Promise) -> Tagged<PromiseView> {
    let leads = promise.lead_id.into_iter().collect();
    Tagged::new(etag(promise.version, 0), PromiseView::from(promise)).about(leads)
}

/// Record a promise that was made with a deal.
///
/// By the deal's owner or a sales manager, whether the deal is open or closed. Promises in the `promises` of an
/// activity are recorded with the activity.
#[utoipa::path(tag = "deals", params(DealPath), security(("bearer" = [DealsWrite])), request_body = PromiseDetails,
    responses((status = 201, description = "The promise", body = PromiseView, headers(
        ("ETag" = String, description = "The promise's version"), ("Location" = String, description = "The URL of the promise")))))]
#[post("/v1/deals/{deal_id}/promises")]
async fn create_promise(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    body: Json<PromiseDetails>,
) -> Reply<Created<PromiseView>> {
    let tx = ctx.begin().await?;
    let id = path.0.deal_id;
    let world = store::deals::world_of(&tx, id, None::<LeadId>, None::<CompanyId>).await?;
    let deal = world.sales.deals.get(&id);
    let deal = deal.ok_or_else(|| Problem::new(Code::NotFound))?;
    let promise = promises::create(deal, body.0, ctx.act()).map_err(refused)?;
    store::write_records(&tx, [promise.created()]).await?;
    let location = format!("/v1/promises/{}", promise.id);
    let leads = promise.lead_id.into_iter().collect();
    let answer = Created::at(location, PromiseView::from(promise)).tagged(etag(1, 0));
    ctx.commit(tx, answer.about(leads)).await
}

/// List promises to customers.
///
/// In creation order, without archived ones.
#[utoipa::path(tag = "deals", params(PromiseQuery), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "A page of promises", body = Listing<PromiseView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/promises")]
async fn list_promises(ctx: Ctx<DealsRead>, query: Query<PromiseQuery>) -> Reply<Listing<PromiseView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = PromiseFilter {
        deal_id: query.deal_id,
        lead_id: query.lead_id,
        company_id: query.company_id,
        done: query.done,
    };
    let page = stored::list(ctx.db(), &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |promise| promise.id,
        PromiseView::from,
    ))
}

/// Read a promise.
#[utoipa::path(tag = "deals", params(PromisePath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The promise", body = PromiseView,
        headers(("ETag" = String, description = "The promise's version")))))]
#[get("/v1/promises/{promise_id}")]
async fn get_promise(ctx: Ctx<DealsRead>, path: Path<PromisePath>) -> Reply<Tagged<PromiseView>> {
    Ok(reply(stored::get(ctx.db(), path.0.promise_id).await?))
}

/// Update a promise.
///
/// A JSON merge patch, by a user of sales: `done_at` says when it was done. The text and the day of a
/// promise that an activity states change with the activity alone, which also archives it when it no longer states it.
#[utoipa::path(tag = "deals", params(PromisePath), security(("bearer" = [DealsWrite])), request_body = PromisePatch,
    responses((status = 200, description = "The updated promise", body = PromiseView,
        headers(("ETag" = String, description = "The promise's version")))))]
#[patch("/v1/promises/{promise_id}")]
async fn update_promise(
    ctx: Ctx<DealsWrite>,
    path: Path<PromisePath>,
    body: MergePatch<PromisePatch>,
) -> Reply<Tagged<PromiseView>> {
    let tx = ctx.begin().await?;
    let known = stored::get_for_update(&tx, path.0.promise_id).await?;
    ctx.check_if_match(known.version)?;
    let (details, archived) = body.0.apply(&known.details)?;
    let edited = promises::edit(&known, details, archived, ctx.act());
    let (promise, change) = edited.map_err(refused)?;
    store::write_records(&tx, change).await?;
    ctx.commit(tx, reply(promise)).await
}
