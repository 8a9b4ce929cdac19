//! Hand-offs over HTTP: what waits for sales, its packet, and the decision.

mod feedback;
mod list;
mod packet;
pub mod refused;
pub mod view;

use std::time::Duration;

use actix_web::{get, post};
use serde::Deserialize;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::handoff::{self, Handoff, HandoffError, RuleOn, Verdict};
use tandem_domain::id::{ActivityId, HandoffId};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::routes;
use tandem_domain::world::World;
use tandem_store::{self as store, Read, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{HandoffsRead, HandoffsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;
use crate::leads::qualification::QualifyLead;
use refused::not_decided;
use view::HandoffView;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "disputes",
        Duration::from_secs(60),
        |snapshot| Box::pin(store::handoff::next_reminder(snapshot)),
        |core, turn| Box::pin(remind(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(list::list_handoffs)
        .service(get_handoff)
        .service(packet::get_handoff_packet)
        .service(accept_handoff)
        .service(reject_handoff)
        .service(dispute_handoff)
        .service(rule_on_handoff)
        .service(feedback::acknowledge_feedback);
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
    Ok(tagged(handoff, &clocks))
}

fn tagged(handoff: Handoff, clocks: &[ClockRecord]) -> Tagged<HandoffView> {
    let derived = clocks.iter().map(|clock| clock.version).sum();
    let (tag, lead_id) = (etag(handoff.version, derived), handoff.lead_id);
    Tagged::new(tag, HandoffView::of(handoff, clocks)).about(vec![lead_id])
}

/// Read a hand-off.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "The hand-off", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[get("/v1/handoffs/{handoff_id}")]
async fn get_handoff(ctx: Ctx<HandoffsRead>, path: Path<HandoffPath>) -> Reply<Tagged<HandoffView>> {
    let (handoff, clocks) = store::handoff::get_with_clocks(ctx.db(), path.0.handoff_id).await?;
    Ok(tagged(handoff, &clocks))
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

/// The dispute of a rejection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DisputeHandoff {
    /// The reason why the rejection is wrong.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "The budget was confirmed in the form"
    )]
    argument: String,
}

/// The ruling on a dispute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RuleOnHandoff {
    /// The ruling.
    decision: Verdict,
    /// Why.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "The form names a budget of 20,000 EUR"
    )]
    note: String,
}

/// Dispute the rejection of a hand-off.
///
/// By marketing, within seven days, once. It meets the promise of feedback. While the dispute is open, the hand-off
/// counts as rejected, and no rule starts a new cycle of the lead. Revops is notified, else the admins. Repeating the
/// same user's same dispute gets the same answer; after another user's dispute the answer is `409 already_decided`. A
/// key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsWrite])),
    request_body = DisputeHandoff, responses((status = 200, description = "The disputed hand-off", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[post("/v1/handoffs/{handoff_id}/dispute")]
async fn dispute_handoff(
    ctx: Ctx<HandoffsWrite>,
    path: Path<HandoffPath>,
    body: Json<DisputeHandoff>,
) -> Reply<Tagged<HandoffView>> {
    let id = path.0.handoff_id;
    let tx = ctx.begin().await?;
    let disputed = decide(&tx, ctx.act(), id, None, |world, act| {
        handoff::dispute(world, id, &body.0.argument, act)
    })
    .await?;
    let answer = shown(&tx, disputed).await?;
    ctx.commit(tx, answer).await
}

/// Rule on the dispute about a hand-off.
///
/// By a user of revops who neither rejected nor disputed the hand-off; if there is none, by an admin. If the rejection
/// is overturned, the hand-off counts as accepted, and the lead becomes an SAL in the same cycle: it is routed again
/// without the user who rejected it, and its clocks of first contact and attempts start at the ruling. If the lead has
/// left that cycle, only the figures change. Both managers are notified. Repeating the same user's same ruling gets the
/// same answer; after another user's ruling the answer is `409 already_decided`. A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "handoffs", params(HandoffPath), security(("bearer" = [HandoffsWrite])),
    request_body = RuleOnHandoff, responses((status = 200, description = "The hand-off after the ruling", body = HandoffView,
        headers(("ETag" = String, description = "The version of the hand-off and its clocks")))))]
#[post("/v1/handoffs/{handoff_id}/ruling")]
async fn rule_on_handoff(
    ctx: Ctx<HandoffsWrite>,
    path: Path<HandoffPath>,
    body: Json<RuleOnHandoff>,
) -> Reply<Tagged<HandoffView>> {
    let id = path.0.handoff_id;
    let asked = RuleOn {
        decision: body.0.decision,
        note: body.0.note,
    };
    let tx = ctx.begin().await?;
    let ruled = rule_on(&tx, ctx.act(), id, &asked).await?;
    let answer = shown(&tx, ruled).await?;
    ctx.commit(tx, answer).await
}

/// Rule on a dispute, settle what follows, and answer the hand-off as it is then.
async fn rule_on(tx: &Tx, act: &Act, id: HandoffId, asked: &RuleOn) -> Result<Handoff, Problem> {
    let mut world = store::handoff::world_of(tx, id).await?;
    let lead_id = world.sales.handoffs.get(&id).map(|handoff| handoff.lead_id);
    let lead_id = lead_id.ok_or_else(|| not_decided(HandoffError::NoSuchHandoff))?;
    store::routing::add_to(tx, &mut world, lead_id).await?;
    let holds = routes(&mut world, lead_id, None, act.now);
    let changes = handoff::rule_on(&mut world, id, asked, &holds, act).map_err(not_decided)?;
    store::settle(tx, &mut world, act, changes).await?;
    let handoff = world.sales.handoffs.remove(&id);
    handoff.ok_or_else(|| not_decided(HandoffError::NoSuchHandoff))
}

/// Remind those who can rule of disputes that have been open for 14 days.
async fn remind(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    let tx = turn.begin(core).await?;
    let done = store::handoff::remind_due(&tx, turn.limit).await?;
    tx.commit().await?;
    Ok(if done < turn.limit {
        Remaining::Nothing
    } else {
        Remaining::More
    })
}

/// Decide on a hand-off, settle what follows, and answer it as it is then.
async fn decide(
    tx: &Tx,
    act: &Act,
    id: HandoffId,
    evidence: Option<ActivityId>,
    decision: impl FnOnce(&mut World, &Act) -> Result<Vec<Change>, HandoffError>,
) -> Result<Handoff, Problem> {
    let mut world = store::handoff::world_of(tx, id).await?;
    if let Some(evidence) = evidence {
        store::activities::add_referred(tx, &mut world, evidence).await?;
    }
    let changes = decision(&mut world, act).map_err(not_decided)?;
    store::settle(tx, &mut world, act, changes).await?;
    let handoff = world.sales.handoffs.remove(&id);
    handoff.ok_or_else(|| not_decided(HandoffError::NoSuchHandoff))
}
