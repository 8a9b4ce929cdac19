//! Marketing acknowledges rejections and losses.

use actix_web::post;
use serde::{Deserialize, Serialize};
use tandem_domain::clocks::ClockKind;
use tandem_domain::fault::Fault;
use tandem_domain::handoff::{self, Conclusion};
use tandem_domain::id::{ActionItemId, DealId, HandoffId};
use tandem_store as store;
use utoipa::ToSchema;

use super::refused::not_decided;
use crate::access::scopes::HandoffsWrite;
use crate::clocks::ClockView;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::reply::Reply;

/// The rejections and losses that marketing acknowledges.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcknowledgeFeedback {
    /// Rejected hand-offs.
    #[serde(default)]
    #[schema(required = false, max_items = 200)]
    handoff_ids: Vec<HandoffId>,
    /// Lost deals.
    #[serde(default)]
    #[schema(required = false, max_items = 200)]
    deal_ids: Vec<DealId>,
    /// A note of marketing about what it concludes from them.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "The form asks for a budget from May on"
    )]
    note: Option<String>,
    /// The action item of a review that follows from them.
    action_item_id: Option<ActionItemId>,
}

/// The feedback clocks of the named hand-offs and deals, after the acknowledgement.
#[derive(Debug, Serialize, ToSchema)]
struct AcknowledgedView {
    /// The promises of all that was named.
    #[schema(max_items = 400)]
    data: Vec<ClockView>,
}

/// Acknowledge rejections and losses.
///
/// By marketing: it meets the promised feedback of these rejected hand-offs and lost deals. What was answered before, by a
/// dispute or an acknowledgement, stays as it was. What awaits no feedback is refused (`422`), and then nothing is done. A key
/// needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "handoffs", security(("bearer" = [HandoffsWrite])), request_body = AcknowledgeFeedback,
    responses((status = 200, description = "The promises of feedback", body = AcknowledgedView)))]
#[post("/v1/feedback/acknowledge")]
pub(super) async fn acknowledge_feedback(
    ctx: Ctx<HandoffsWrite>,
    body: Json<AcknowledgeFeedback>,
) -> Reply<Json<AcknowledgedView>> {
    let AcknowledgeFeedback {
        handoff_ids,
        deal_ids,
        note,
        action_item_id,
    } = body.0;
    let tx = ctx.begin().await?;
    if let Some(id) = action_item_id
        && !store::reviews::has_action(&tx, id).await?
    {
        let fault = Fault::new("/action_item_id", "not_found", "is not an action item");
        return Err(invalid(vec![fault]));
    }
    let conclusion = Conclusion { note, action_item_id };
    let mut world = store::handoff::world_for_feedback(&tx, &handoff_ids, &deal_ids).await?;
    let changes = handoff::acknowledge(&mut world, &handoff_ids, &deal_ids, &conclusion, ctx.act());
    let changes = changes.map_err(not_decided)?;
    store::settle(&tx, &mut world, ctx.act(), changes).await?;
    let clocks = world.sales.clocks.into_values();
    let named = clocks.filter(|record| {
        let is_named = record.handoff_id.is_some_and(|id| handoff_ids.contains(&id))
            || record.deal_id.is_some_and(|id| deal_ids.contains(&id));
        record.clock.kind == ClockKind::Feedback && is_named
    });
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|record| record.id);
    let data = named.into_iter().map(ClockView::from).collect();
    ctx.commit(tx, Json(AcknowledgedView { data })).await
}
