//! What a caller may do with a lead now.

use actix_web::get;
use serde::Serialize;
use tandem_domain::access::Scope;
use tandem_domain::agreement::Reason;
use tandem_domain::deals;
use tandem_domain::id::LeadId;
use tandem_domain::lifecycle::Stage;
use tandem_domain::lifecycle::moves::{self, MoveAct, Need, PossibleMove};
use tandem_store as store;
use utoipa::ToSchema;

use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::Reply;
use crate::leads::LeadPath;

/// The moves that the caller may make with a lead now.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovesView {
    /// The moves. A stage is listed once per operation that leads to it.
    #[schema(max_items = 1000)]
    data: Vec<MoveView>,
}

/// A move that the caller may make.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoveView {
    /// The new stage.
    to: Stage,
    /// The operation that makes the move.
    act: ActView,
    /// The reasons of the agreement that lead there; empty if the move needs none.
    #[schema(max_items = 100)]
    reasons: Vec<Reason>,
    /// What the operation requires, besides what its reason requires.
    #[schema(max_items = 3)]
    requires: Vec<Need>,
}

/// The operation of this API that makes a move: its id, method and path.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActView {
    /// Its id in the document.
    #[schema(max_length = 64, example = "create_transition")]
    operation_id: &'static str,
    /// Its method.
    #[schema(max_length = 8, example = "POST")]
    method: &'static str,
    /// Its path.
    #[schema(
        max_length = 200,
        example = "/v1/leads/lead_01h455vb4pex5vsknk084sn02q/transitions"
    )]
    path: String,
}

impl MoveView {
    fn of(possible: PossibleMove, lead_id: LeadId) -> Self {
        let (operation_id, path) = match possible.act {
            MoveAct::Transition => ("create_transition", format!("/v1/leads/{lead_id}/transitions")),
            MoveAct::AcceptHandoff(id) => ("accept_handoff", format!("/v1/handoffs/{id}/accept")),
            MoveAct::RejectHandoff(id) => ("reject_handoff", format!("/v1/handoffs/{id}/reject")),
            MoveAct::RuleOnHandoff(id) => ("rule_on_handoff", format!("/v1/handoffs/{id}/ruling")),
            MoveAct::Qualify => (
                "update_qualification",
                format!("/v1/leads/{lead_id}/qualification"),
            ),
            MoveAct::OpenDeal => ("create_deal", "/v1/deals".to_owned()),
            MoveAct::CloseDeal(id) => ("close_deal", format!("/v1/deals/{id}/close")),
            MoveAct::ReopenDeal(id) => ("reopen_deal", format!("/v1/deals/{id}/reopen")),
        };
        Self {
            to: possible.to,
            act: ActView {
                operation_id,
                method: match possible.act {
                    MoveAct::Qualify => "PATCH",
                    _ => "POST",
                },
                path,
            },
            reasons: possible.reasons,
            requires: possible.requires,
        }
    }
}

/// List the moves that the caller may make with a lead now.
///
/// Each move names the operation that makes it: a stage change by hand, accepting or rejecting a hand-off, ruling on a
/// disputed rejection, confirming the qualification, or opening, closing or reopening a deal. Only moves that the
/// caller's scopes allow are listed: all but those by deals need `leads:write`, decisions on hand-offs `handoffs:write`
/// too, and deals both `deals:read` and `deals:write`.
#[utoipa::path(tag = "stages", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The moves", body = MovesView)))]
#[get("/v1/leads/{lead_id}/moves")]
pub(super) async fn list_moves(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<MovesView>> {
    let lead_id = path.0.lead_id;
    let world = store::lifecycle::standing(&ctx.snapshot().await?, lead_id).await?;
    let lead = world
        .leads
        .get(&lead_id)
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut possible = vec![];
    if ctx.grants(Scope::LeadsWrite) {
        possible.extend(moves::by_hand(&world, lead, ctx.actor()));
    }
    let decides = ctx.grants(Scope::HandoffsWrite);
    let is_a_decision = |one: &PossibleMove| {
        use MoveAct::{AcceptHandoff, RejectHandoff, RuleOnHandoff};
        matches!(one.act, AcceptHandoff(_) | RejectHandoff(_) | RuleOnHandoff(_))
    };
    possible.retain(|one| decides || !is_a_decision(one));
    if ctx.grants(Scope::DealsRead) && ctx.grants(Scope::DealsWrite) {
        possible.extend(deals::moves(&world, lead, ctx.act()));
    }
    let view = |possible| MoveView::of(possible, lead_id);
    Ok(Json(MovesView {
        data: possible.into_iter().map(view).collect(),
    }))
}
