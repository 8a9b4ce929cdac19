//! Content requests over HTTP: sales asks, marketing answers.

use std::collections::BTreeSet;

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::Scope;
use tandem_domain::content::requests::{
    self, AnsweredRequest, Beside, ContentRequest, RequestError, RequestState, RequestedContent,
};
use tandem_domain::id::{ContentId, ContentRequestId, DealId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Money;
use tandem_domain::record::Plain;
use tandem_store::content::requests::{self as stored, Pipeline, Place};
use tandem_store::rules::Rules;
use tandem_store::{self as store, Read, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use super::objections;
use crate::access::scopes::{ActivitiesWrite, ContentRead, ContentRequested, ContentWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;

/// The operations.
pub(super) fn configure(config: &mut Services<'_>) {
    config
        .service(create_content_request)
        .service(list_content_requests)
        .service(get_content_request)
        .service(update_content_request);
}

type ContentRequestPatch = PatchOf<AnsweredRequest>;

/// What sales asks marketing to write, and the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentRequestView {
    /// Its id.
    id: ContentRequestId,
    /// What is wanted.
    #[schema(max_length = 200, example = "A comparison with doing it by hand")]
    title: String,
    /// Why it is needed.
    #[schema(max_length = 4000, example = "Three shops asked what they would save")]
    why: String,
    /// The code of the objection that it would answer.
    #[schema(max_length = 64, example = "price")]
    objection: Option<String>,
    /// The leads that need it.
    #[schema(max_items = 100)]
    lead_ids: Vec<LeadId>,
    /// The deals that need it.
    #[schema(max_items = 100)]
    deal_ids: Vec<DealId>,
    /// The answer so far.
    state: RequestState,
    /// The content that answers it.
    content_id: Option<ContentId>,
    /// Marketing's answer in words.
    #[schema(max_length = 4000, example = "Planned for the spring campaign")]
    answer: Option<String>,
    /// The open pipeline behind it.
    pipeline: PipelineBehind,
    /// The user who asked; `null` if a key did.
    requested_by: Option<UserId>,
    /// When it was published or declined.
    answered_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// The open deals behind a request: those that it names, and those of its leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct PipelineBehind {
    /// The number of deals.
    #[schema(minimum = 0, example = 3)]
    deals: i64,
    /// Their amounts in the base currency, at today's exchange rates.
    value: Money,
    /// How many of them have no amount, or one that no exchange rate converts.
    #[schema(minimum = 0, example = 0)]
    unvalued: i64,
}

impl ContentRequestView {
    fn of(request: ContentRequest, pipeline: Pipeline, rules: &Rules) -> Self {
        let details = request.details;
        Self {
            id: request.id,
            title: details.title,
            why: details.why,
            objection: details.objection,
            lead_ids: details.lead_ids,
            deal_ids: details.deal_ids,
            state: details.state,
            content_id: details.content_id,
            answer: details.answer,
            pipeline: PipelineBehind {
                deals: pipeline.deals,
                value: Money {
                    amount: pipeline.value,
                    currency: rules.money.base,
                },
                unvalued: pipeline.unvalued,
            },
            requested_by: request.requested_by,
            answered_at: request.answered_at,
            created_at: request.created_at,
            updated_at: request.updated_at,
        }
    }

    /// One request with the pipeline behind it.
    async fn one(
        on: &impl Read,
        request: ContentRequest,
        now: Timestamp,
        rules: &Rules,
    ) -> Result<Self, StoreError> {
        let today = now.day_in(&rules.money.zone);
        let id = request.id.uuid();
        let mut pipelines = stored::pipelines(on, &[id], &rules.money, today).await?;
        let pipeline = pipelines.remove(&id).unwrap_or_default();
        Ok(Self::of(request, pipeline, rules))
    }
}

/// One request.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct RequestPath {
    /// The content request's id.
    content_request_id: ContentRequestId,
}

/// A page of requests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RequestQuery {
    /// In this state; default `open` and `planned`.
    #[param(inline)]
    state: Option<RequestState>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a content request.
///
/// For sales and marketing: a user of sales needs `activities:write`, marketing `content:write`.
#[utoipa::path(tag = "content", security(("bearer" = [ActivitiesWrite]), ("bearer" = [ContentWrite])), request_body = RequestedContent,
    responses((status = 201, description = "The content request", body = ContentRequestView,
        headers(("ETag" = String, description = "The request's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/content-requests")]
async fn create_content_request(
    ctx: Ctx<ContentRequested>,
    body: Json<RequestedContent>,
) -> Reply<Created<ContentRequestView>> {
    let tx = ctx.begin().await?;
    let asked = body.0;
    let beside = beside(&tx, &asked.lead_ids, &asked.deal_ids, None).await?;
    let request = requests::create(asked, &beside, ctx.act()).map_err(refused)?;
    store::write_records(&tx, [request.created()]).await?;
    let location = format!("/v1/content-requests/{}", request.id);
    let view = ContentRequestView::one(&tx, request, ctx.now(), tx.rules()).await?;
    ctx.commit(tx, Created::at(location, view).tagged(etag(1, 0)))
        .await
}

/// List content requests.
///
/// Those with the most open pipeline behind them come first: the open deals that they name and those of the leads that they
/// name, in the base currency at today's exchange rates. A page shows the order of its instant.
/// Without `deals:read` the newest come first.
#[utoipa::path(tag = "content", params(RequestQuery), security(("bearer" = [ContentRead])),
    responses((status = 200, description = "A page of content requests", body = Listing<ContentRequestView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/content-requests")]
async fn list_content_requests(
    ctx: Ctx<ContentRead>,
    query: Query<RequestQuery>,
) -> Reply<Listing<ContentRequestView>> {
    let query = query.0;
    let after: Option<Place> = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let states = match query.state {
        Some(state) => vec![state],
        None => vec![RequestState::Open, RequestState::Planned],
    };
    let snapshot = ctx.snapshot().await?;
    let rules = store::rules::read(&snapshot).await?;
    let today = ctx.now().day_in(&rules.money.zone);
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let shown = ctx.grants(Scope::DealsRead).then_some((&rules.money, today));
    let page = stored::list(&snapshot, &states, shown, after, limit).await?;
    let place = |(request, pipeline): &(ContentRequest, Pipeline)| (pipeline.value, request.id);
    let view = |(request, pipeline)| ContentRequestView::of(request, pipeline, &rules);
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view))
}

/// Read a content request.
#[utoipa::path(tag = "content", params(RequestPath), security(("bearer" = [ContentRead])),
    responses((status = 200, description = "The content request", body = ContentRequestView,
        headers(("ETag" = String, description = "The request's version")))))]
#[get("/v1/content-requests/{content_request_id}")]
async fn get_content_request(
    ctx: Ctx<ContentRead>,
    path: Path<RequestPath>,
) -> Reply<Tagged<ContentRequestView>> {
    let snapshot = ctx.snapshot().await?;
    let request = stored::get(&snapshot, path.0.content_request_id).await?;
    let tag = etag(request.version, 0);
    let rules = store::rules::read(&snapshot).await?;
    let view = ContentRequestView::one(&snapshot, request, ctx.now(), &rules).await?;
    Ok(Tagged::new(tag, view))
}

/// Update a content request.
///
/// For marketing, who answers it: `open`, then `planned`, then `published` with the published content that answers it, or
/// `declined` with an `answer` that says why. Once published or declined it keeps its state.
#[utoipa::path(tag = "content", params(RequestPath), security(("bearer" = [ContentWrite])),
    request_body = ContentRequestPatch,
    responses((status = 200, description = "The updated content request", body = ContentRequestView,
        headers(("ETag" = String, description = "The request's version")))))]
#[patch("/v1/content-requests/{content_request_id}")]
async fn update_content_request(
    ctx: Ctx<ContentWrite>,
    path: Path<RequestPath>,
    body: MergePatch<ContentRequestPatch>,
) -> Reply<Tagged<ContentRequestView>> {
    let tx = ctx.begin().await?;
    let known = stored::get_for_update(&tx, path.0.content_request_id).await?;
    ctx.check_if_match(known.version)?;
    let (details, _) = body.0.apply(&known.details)?;
    let beside = beside(&tx, &details.lead_ids, &details.deal_ids, details.content_id).await?;
    let edited = requests::edit(&known, details, &beside, ctx.act());
    let (request, change) = edited.map_err(refused)?;
    store::write_records(&tx, change).await?;
    let tag = etag(request.version, 0);
    let view = ContentRequestView::one(&tx, request, ctx.now(), tx.rules()).await?;
    ctx.commit(tx, Tagged::new(tag, view)).await
}

/// What is to be known of the wanted leads, deals and content.
async fn beside(
    tx: &Tx,
    leads: &[LeadId],
    deals: &[DealId],
    content: Option<ContentId>,
) -> Result<Beside, StoreError> {
    let content = match content {
        Some(id) => store::content::find(tx, id).await?,
        None => None,
    };
    let leads: BTreeSet<LeadId> = leads.iter().copied().collect();
    Ok(Beside {
        leads: store::tracking::leads_there(tx, &leads).await?,
        deals: stored::deals_there(tx, deals).await?,
        content: content.map(|content| content.is_published()),
        objections: objections(tx),
    })
}

fn refused(refused: RequestError) -> Problem {
    match refused {
        RequestError::Denied(reason) => reason.into(),
        RequestError::Invalid(faults) => invalid(faults),
    }
}
