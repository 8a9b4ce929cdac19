//! Hand-offs over HTTP: what waits for sales, its packet, and the decision.

mod list;
mod packet;
pub mod refused;
mod view;

use actix_web::{get, post};
use serde::Deserialize;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::handoff::{self, Handoff, Refused};
use tandem_domain::id::{ActivityId, HandoffId};
use tandem_domain::instant::Timestamp;
use tandem_domain::world::World;
use tandem_store::{self as store, Read, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{HandoffsRead, HandoffsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::room::Room;
use crate::leads::qualification::QualifyLead;
use refused::not_decided;
use view::HandoffView;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config
        .service(list::list_handoffs)
        .service(get_handoff)
        .service(packet::get_handoff_packet)
        .service(accept_handoff)
        .service(reject_handoff);
}

/// A hand-off by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct HandoffPath {
    /// The hand-off's id.
    handoff_id: HandoffId,
}

/// The acceptance of a hand-off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptHandoff {
    /// The qualification of the lead. If all items are then confirmed, the lead becomes an SQL.
    #[serde(default)]
    #[schema(value_type = QualifyLead, required = false)]
    qualification: Option<QualifyLead>,
}

/// The rejection of a hand-off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectHandoff {
    /// The code of a reason in the agreement's list `rejection`. It determines the lead's new stage, and what the
    /// request must contain.
    #[schema(min_length = 1, max_length = 64, example = "no_budget")]
    reason: String,
    /// A note about the reason.
    #[schema(max_length = 4000, example = "Has no budget before next year")]
    note: Option<String>,
    /// For reasons that lead to nurture only: no rule makes the lead an MQL before this instant.
    until: Option<Timestamp>,
    /// The activity that proves the reason: of the lead, of its company or of one of its deals.
    evidence_activity_id: Option<ActivityId>,
}

/// The hand-off with its clocks, and the tag of both.
async fn shown(on: &impl Read, handoff: Handoff) -> Result<Tagged<HandoffView>, Problem> {
    let clocks = store::handoff::clocks_of(on, [handoff.id]).await?;
    let derived = clocks.iter().map(|clock| clock.version).sum();
    let (tag, lead_id) = (etag(handoff.version, derived), handoff.lead_id);
    Ok(Tagged::new(tag, HandoffView::of(handoff, &clocks)).about(vec![lead_id]))
}

/// Read a hand-off.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "The hand-off", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[get("/v1/handoffs/{handoff_id}")]
async fn get_handoff(ctx: Ctx<HandoffsRead>, path: Path<HandoffPath>) -> Reply<Tagged<HandoffView>> {
    let snapshot = ctx.snapshot().await?;
    let handoff = store::handoff::get(&snapshot, path.0.handoff_id).await?;
    shown(&snapshot, handoff).await
}

/// Accept a hand-off.
///
/// The lead becomes an SAL, and the review promise is met. If a `qualification` confirms all remaining items, or the
/// agreement requires none, the lead becomes an SQL. By the owner, a sales manager, or a sales user in whose queue it
/// waits, who becomes its owner. Repeating the same user's acceptance gets the same answer; after another user's
/// decision the answer is `409 already_decided` with the user and the time. A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsWrite])),
    request_body = AcceptHandoff, responses((status = 200, description = "The accepted hand-off", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[post("/v1/handoffs/{handoff_id}/accept")]
async fn accept_handoff(
    ctx: Ctx<HandoffsWrite>,
    path: Path<HandoffPath>,
    body: Json<AcceptHandoff>,
) -> Reply<Tagged<HandoffView>> {
    let id = path.0.handoff_id;
    let said = body.0.qualification.unwrap_or_default().read();
    let tx = ctx.begin().await?;
    let accepted = decide(&tx, ctx.act(), id, None, |world, act| {
        handoff::accept(world, id, &said, act)
    })
    .await?;
    let answer = shown(&tx, accepted).await?;
    ctx.commit(tx, answer).await
}

/// Reject a hand-off.
///
/// The reason determines whether the lead moves to nurture or is disqualified, and what the request must contain (else
/// `422`). By the users who may accept it. Repeating the same rejection gets the same answer; after another user's
/// decision the answer is `409 already_decided` with the user and the time. A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsWrite])),
    request_body = RejectHandoff, responses((status = 200, description = "The rejected hand-off", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[post("/v1/handoffs/{handoff_id}/reject")]
async fn reject_handoff(
    ctx: Ctx<HandoffsWrite>,
    path: Path<HandoffPath>,
    body: Json<RejectHandoff>,
) -> Reply<Tagged<HandoffView>> {
    let id = path.0.handoff_id;
    let asked = handoff::RejectHandoff {
        reason: body.0.reason,
        note: body.0.note,
        until: body.0.until,
        evidence_activity_id: body.0.evidence_activity_id,
    };
    let tx = ctx.begin().await?;
    let evidence = asked.evidence_activity_id;
    let rejected = decide(&tx, ctx.act(), id, evidence, |world, act| {
        handoff::reject(world, id, &asked, act)
    })
    .await?;
    let answer = shown(&tx, rejected).await?;
    ctx.commit(tx, answer).await
}

/// Decide on a hand-off, settle what follows, and answer it as it is then.
async fn decide(
    tx: &Tx,
    act: &Act,
    id: HandoffId,
    evidence: Option<ActivityId>,
    decision: impl FnOnce(&mut World, &Act) -> Result<Vec<Change>, Refused>,
) -> Result<Handoff, Problem> {
    let mut world = store::handoff::world_of(tx, id).await?;
    if let Some(evidence) = evidence {
        store::activities::add_referred(tx, &mut world, evidence).await?;
    }
    let changes = decision(&mut world, act).map_err(not_decided)?;
    store::settle(tx, &mut world, act, changes).await?;
    let handoff = world.sales.handoffs.remove(&id);
    handoff.ok_or_else(|| not_decided(Refused::NoSuchHandoff))
}
