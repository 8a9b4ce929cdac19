//! Deals, quotes, promises, revenue and pipelines over HTTP.

pub mod actions;
pub mod body;
pub mod handover;
pub mod list;
pub mod moves;
pub mod pipelines;
pub mod promises;
pub mod quotes;
pub mod revenue;
pub mod view;

use std::time::Duration;

use actix_web::{get, patch, post};
use serde::Deserialize;
use tandem_domain::deals::Deal;
use tandem_domain::id::DealId;
use tandem_store::deals::ClosingFacts;
use tandem_store::{self as store, Read, StoreError};
use utoipa::IntoParams;

use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::Job;
use crate::edge::room::Room;
use crate::leads::qualification::QualifyLead;
use body::{CreateDeal, DealPatch};
use view::DealView;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "expired_quotes",
        Duration::from_secs(1),
        |snapshot| Box::pin(store::deals::quotes::next_expiry(snapshot)),
        |core, turn| Box::pin(quotes::expire(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(create_deal)
        .service(list::list_deals)
        .service(get_deal_by_external_id);
    config.service(get_deal).service(update_deal);
    config
        .service(moves::move_deal)
        .service(moves::close_deal)
        .service(moves::reopen_deal)
        .service(moves::list_deal_moves);
    pipelines::configure(config);
    quotes::configure(config);
    promises::configure(config);
    revenue::configure(config);
    config.service(handover::get_handover);
}

/// A deal by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DealPath {
    /// The deal's id.
    pub deal_id: DealId,
}

/// A deal by an id of another system.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ExternalPath {
    /// The name of the system that issued the external id.
    #[param(max_length = 64, example = "crm")]
    system: String,
    /// The id in that system.
    #[param(max_length = 255, example = "4711")]
    id: String,
}

/// The answer that shows a deal.
async fn reply(on: &impl Read, deal: Deal) -> Result<Tagged<DealView>, StoreError> {
    let leads = deal.members.iter().map(|member| member.lead_id).collect();
    let mut facts = store::deals::closing_facts(on, [deal.id]).await?;
    let facts = facts.remove(&deal.id).unwrap_or_default();
    let tag = etag(deal.version, facts.late_touches.unwrap_or_default());
    Ok(Tagged::new(tag, DealView::of(deal, facts)).about(leads))
}

/// Open a deal.
///
/// A deal needs a lead or a company. The primary lead must be `sql`, `opportunity`, `customer` or `churned`, or `sal`
/// with a `qualification` that confirms the remaining items (else `409 lead_not_sql`). It becomes an opportunity with
/// its first deal; the other leads stay in their stage. Only the primary lead's owner or a sales manager opens a deal.
/// A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "deals", security(("bearer" = [DealsWrite])), request_body = CreateDeal,
    responses((status = 201, description = "The deal", body = DealView, headers(
        ("ETag" = String, description = "The deal's version"), ("Location" = String, description = "The URL of the deal")))))]
#[post("/v1/deals")]
async fn create_deal(ctx: Ctx<DealsWrite>, body: Json<CreateDeal>) -> Reply<Created<DealView>> {
    let mut body = body.0;
    let said = body.qualification.take().map(QualifyLead::read);
    let asked = body.read();
    let tx = ctx.begin().await?;
    let deal = actions::open(&tx, ctx.act(), &asked, said).await?;
    let (tag, location) = (etag(deal.version, 0), format!("/v1/deals/{}", deal.id));
    let leads = deal.members.iter().map(|member| member.lead_id).collect();
    let answer = Created::at(location, DealView::of(deal, ClosingFacts::default()))
        .tagged(tag)
        .about(leads);
    ctx.commit(tx, answer).await
}

/// Read a deal.
#[utoipa::path(tag = "deals", params(DealPath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[get("/v1/deals/{deal_id}")]
async fn get_deal(ctx: Ctx<DealsRead>, path: Path<DealPath>) -> Reply<Tagged<DealView>> {
    let deal = store::deals::get(ctx.db(), path.0.deal_id).await?;
    Ok(reply(ctx.db(), deal).await?)
}

/// Read a deal by its external id.
#[utoipa::path(tag = "deals", params(ExternalPath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[get("/v1/deals/by-external-id/{system}/{id}")]
async fn get_deal_by_external_id(ctx: Ctx<DealsRead>, path: Path<ExternalPath>) -> Reply<Tagged<DealView>> {
    let found = store::deals::find_by_key(ctx.db(), &path.0.system, &path.0.id).await?;
    let deal = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(reply(ctx.db(), deal).await?)
}

/// Update a deal.
///
/// A JSON merge patch. The primary lead cannot change, nor can the amount of a closed deal (`409 deal_closed`). A sales
/// manager or revops may set the owner; a sales user may take a deal without an owner.
#[utoipa::path(tag = "deals", params(DealPath), security(("bearer" = [DealsWrite])), request_body = DealPatch,
    responses((status = 200, description = "The updated deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[patch("/v1/deals/{deal_id}")]
async fn update_deal(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    patch: MergePatch<DealPatch>,
) -> Reply<Tagged<DealView>> {
    let tx = ctx.begin().await?;
    let deal = actions::edit(&tx, ctx.act(), path.0.deal_id, &ctx.if_match(), patch.0).await?;
    let answer = reply(&tx, deal).await?;
    ctx.commit(tx, answer).await
}
