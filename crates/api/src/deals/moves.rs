//! A deal's way: moving, closing, opening again, and the history of it.

use actix_web::{get, post};
use tandem_domain::deals;
use tandem_store as store;

use super::body::{CloseDeal, MoveDeal, ReopenDeal};
use super::view::{DealMovesView, DealView};
use super::{DealPath, actions, reply};
use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged};

/// Move a deal to another stage of its pipeline.
///
/// From any open stage to any other. `won` and `lost` are reached only by closing (`409 illegal_transition`).
#[utoipa::path(tag = "deals", params(DealPath, ("If-Match" = Option<String>, Header, max_length = 256,
        description = "The ETag of the deal on which the move is based. If the deal has changed since, the answer is 412.")),
    security(("bearer" = [DealsWrite])), request_body = MoveDeal,
    responses((status = 200, description = "The updated deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[post("/v1/deals/{deal_id}/move")]
pub(super) async fn move_deal(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    body: Json<MoveDeal>,
) -> Reply<Tagged<DealView>> {
    let MoveDeal { stage, note } = body.0;
    let (id, asked) = (path.0.deal_id, deals::MoveDeal { stage, note });
    let tx = ctx.begin().await?;
    let deal = actions::act(&tx, ctx.act(), id, &ctx.if_match(), |world, act| {
        deals::move_to(world, id, &asked, act)
    })
    .await?;
    let answer = reply(&tx, deal).await?;
    ctx.commit(tx, answer).await
}

/// Close a deal as won or lost.
///
/// Winning and losing both need a reason of the agreement. If the deal is won, the primary lead becomes a customer. If
/// it is lost, the lead moves to nurture or disqualified, depending on the reason, if this was its last open deal and
/// none was won in the same cycle. The amount is converted to the base currency at the rate of that day (`409
/// missing_exchange_rate` names the pair and the day).
#[utoipa::path(tag = "deals", params(DealPath, ("If-Match" = Option<String>, Header, max_length = 256,
        description = "The ETag of the deal on which the decision is based. If the deal has changed since, the answer is 412.")),
    security(("bearer" = [DealsWrite])), request_body = CloseDeal,
    responses((status = 200, description = "The updated deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[post("/v1/deals/{deal_id}/close")]
pub(super) async fn close_deal(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    body: Json<CloseDeal>,
) -> Reply<Tagged<DealView>> {
    let id = path.0.deal_id;
    let asked = deals::CloseDeal {
        outcome: body.0.outcome,
        reason: Some(body.0.reason),
        competitor: body.0.competitor.map(|name| name.trim().to_owned()),
        note: body.0.note,
        objections: body.0.objections,
        closed_at: body.0.closed_at,
        until: body.0.until,
    };
    let tx = ctx.begin().await?;
    let deal = actions::act(&tx, ctx.act(), id, &ctx.if_match(), |world, act| {
        deals::close(world, id, &asked, act)
    })
    .await?;
    let answer = reply(&tx, deal).await?;
    ctx.commit(tx, answer).await
}

/// Reopen a closed deal.
///
/// By a sales manager. The revenue is subtracted on the date of the reopening, so that closed months do not change. The
/// lead returns to opportunity only if that closing moved it and its cycle is the same.
#[utoipa::path(tag = "deals", params(DealPath, ("If-Match" = Option<String>, Header, max_length = 256,
        description = "The ETag of the deal on which the decision is based. If the deal has changed since, the answer is 412.")),
    security(("bearer" = [DealsWrite])), request_body = ReopenDeal,
    responses((status = 200, description = "The updated deal", body = DealView,
        headers(("ETag" = String, description = "The deal's version")))))]
#[post("/v1/deals/{deal_id}/reopen")]
pub(super) async fn reopen_deal(
    ctx: Ctx<DealsWrite>,
    path: Path<DealPath>,
    body: Json<ReopenDeal>,
) -> Reply<Tagged<DealView>> {
    let id = path.0.deal_id;
    let tx = ctx.begin().await?;
    let deal = actions::act(&tx, ctx.act(), id, &ctx.if_match(), |world, act| {
        deals::reopen(world, id, &body.0.note, act)
    })
    .await?;
    let answer = reply(&tx, deal).await?;
    ctx.commit(tx, answer).await
}

/// List the moves of a deal.
///
/// Includes the time spent in each stage, and the revenue that winning added and reopening subtracted.
#[utoipa::path(tag = "deals", params(DealPath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The moves", body = DealMovesView)))]
#[get("/v1/deals/{deal_id}/moves")]
pub(super) async fn list_deal_moves(ctx: Ctx<DealsRead>, path: Path<DealPath>) -> Reply<Json<DealMovesView>> {
    let snapshot = ctx.snapshot().await?;
    store::deals::get(&snapshot, path.0.deal_id).await?;
    let moves = store::deals::moves(&snapshot, path.0.deal_id).await?;
    Ok(Json(DealMovesView::of(moves)))
}
