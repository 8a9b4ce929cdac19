//! Stages over HTTP: moving a lead by hand, what may be done with it, and the history of its moves.

mod moves;
pub mod refused;

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::{ActorKind, Scope};
use tandem_domain::act::Act;
use tandem_domain::agreement::conditions::Evidence;
use tandem_domain::change::Change;
use tandem_domain::handoff;
use tandem_domain::id::{LeadId, TransitionId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::change::LeadChange;
use tandem_domain::lifecycle::{self, CausedBy, MoveLead, ScoreThen, Stage, Transition};
use tandem_store::{self as store, Tx};
use utoipa::ToSchema;

use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Created, IfMatch, Reply};
use crate::edge::http::services::Services;
use crate::edge::room::Room;
use crate::handoff::refused::not_decided;
use crate::leads::LeadPath;
use crate::leads::actions::{check_if_match, known};

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config
        .service(create_transition)
        .service(list_transitions)
        .service(moves::list_moves);
}

/// A stage change to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateTransition {
    /// The new stage; omit it if the reason decides.
    to: Option<Stage>,
    /// The code of a reason of the agreement.
    #[schema(min_length = 1, max_length = 64, example = "no_budget")]
    reason: Option<String>,
    /// A note about the reason.
    #[schema(max_length = 4000, example = "Asked for a demo on the phone")]
    note: Option<String>,
    /// For nurture only: no rule makes the lead an MQL before this instant.
    until: Option<Timestamp>,
}

/// A stage change of a lead: from which stage to which, when, by whom and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionView {
    /// Its id.
    id: TransitionId,
    /// The lead.
    lead_id: LeadId,
    /// The number of the cycle.
    #[schema(minimum = 1)]
    cycle: i64,
    /// The previous stage; `null` at the lead's creation.
    from: Option<Stage>,
    /// The new stage.
    to: Stage,
    /// When it happened.
    at: Timestamp,
    /// The type of the actor that made the move.
    actor_type: ActorKind,
    /// The actor that made the move: the id of a user, key or form, or the name of a part of Tandem.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    actor_id: String,
    /// The user on whose behalf a key acted.
    on_behalf_of: Option<UserId>,
    /// The code of the reason.
    #[schema(max_length = 64)]
    reason: Option<String>,
    /// A note about the reason.
    #[schema(max_length = 4000)]
    note: Option<String>,
    /// No rule makes the lead an MQL before this instant.
    until: Option<Timestamp>,
    /// The version of the agreement by which it was judged.
    #[schema(minimum = 1)]
    agreement_version: i64,
    /// The lead's score at that moment; `null` if it had not been judged yet.
    score: Option<ScoreThen>,
    /// The rule of the agreement that moved the lead; `null` if a user, key or deal did.
    #[schema(max_length = 64, example = "stages.mql")]
    rule: Option<String>,
    /// For a rule: the parts of its condition that decided.
    #[schema(max_items = 200)]
    evidence: Vec<Evidence>,
    /// For a rule: the newest event among the evidence.
    caused_by: Option<CausedBy>,
}

/// The stage changes of a lead.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionsView {
    /// The stage changes, oldest first; at most 1,000.
    #[schema(max_items = 1000)]
    data: Vec<TransitionView>,
    /// The stages to which the caller may move the lead by hand now. `sql` is listed even while qualification items are
    /// unconfirmed; `POST /v1/leads/{lead_id}/transitions` then answers `422`.
    #[schema(max_items = 9)]
    allowed: Vec<Stage>,
}

impl From<Transition> for TransitionView {
    fn from(transition: Transition) -> Self {
        let (rule, evidence, caused_by) = match transition.by_rule {
            Some(by) => (Some(by.rule), by.evidence, by.caused_by),
            None => (None, vec![], None),
        };
        Self {
            id: transition.id,
            lead_id: transition.lead_id,
            cycle: transition.cycle,
            from: transition.from,
            to: transition.to,
            at: transition.at,
            actor_type: transition.actor_kind,
            actor_id: transition.actor_id,
            on_behalf_of: transition.on_behalf_of,
            reason: transition.reason,
            note: transition.note,
            until: transition.until,
            agreement_version: transition.agreement_version,
            score: transition.score,
            rule,
            evidence,
            caused_by,
        }
    }
}

/// Move a lead to another stage.
///
/// A move by hand, within the table of stages. While a hand-off is pending, `{to: sal}` accepts it and a reason rejects
/// it, with the same rights and checks as those operations. Any other move is `409` with `current` and `allowed`, the
/// stages to which the caller may move the lead (`GET /v1/leads/{id}/moves` lists what each needs). Marketing moves
/// leads up to MQL; the owner or a sales manager moves them from SAL on. An SAL becomes an SQL once all items that the
/// agreement requires are confirmed (`PATCH /v1/leads/{id}/qualification`); `422` names the others. A reason decides
/// between nurture and disqualified. If the lead has deals, they make the moves to and from opportunity. A key needs
/// `X-On-Behalf-Of` with a user who may make the move.
#[utoipa::path(tag = "stages", params(LeadPath, ("If-Match" = Option<String>, Header, max_length = 256,
        description = "The ETag of the lead on which the move is based. If the lead has changed since, the answer is 412.")), security(("bearer" = [LeadsWrite])), request_body = CreateTransition,
    responses((status = 201, description = "The stage change", body = TransitionView,
        headers(("Location" = String, description = "The lead's stage changes")))))]
#[post("/v1/leads/{lead_id}/transitions")]
async fn create_transition(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    body: Json<CreateTransition>,
) -> Reply<Created<TransitionView>> {
    let CreateTransition {
        to,
        reason,
        note,
        until,
    } = body.0;
    let lead_id = path.0.lead_id;
    let tx = ctx.begin().await?;
    let made = move_lead(
        &tx,
        ctx.act(),
        lead_id,
        &ctx.if_match(),
        &MoveLead {
            to,
            reason,
            note,
            until,
        },
    )
    .await?;
    let location = format!("/v1/leads/{lead_id}/transitions");
    ctx.commit(
        tx,
        Created::at(location, TransitionView::from(made)).about(vec![lead_id]),
    )
    .await
}

async fn move_lead(
    tx: &Tx,
    act: &Act,
    lead_id: LeadId,
    if_match: &IfMatch,
    asked: &MoveLead,
) -> Result<Transition, Problem> {
    let mut world = store::leads::world_of(tx, [lead_id]).await?;
    check_if_match(tx, if_match, &world, known(&world, lead_id)?)?;
    store::handoff::add_to(tx, &mut world, lead_id).await?;
    let moved = handoff::move_lead(&mut world, lead_id, asked, act);
    let changes = moved.map_err(not_decided)?;
    let made = changes.iter().find_map(|change| match change {
        Change::Lead(LeadChange::Moved { transition, .. }) => Some(transition.clone()),
        _ => None,
    });
    store::settle(tx, &mut world, act, changes).await?;
    made.ok_or_else(|| Problem::new(Code::InternalError).because("a move left no transition"))
}

/// List the stage changes of a lead.
#[utoipa::path(tag = "stages", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The stage changes", body = TransitionsView)))]
#[get("/v1/leads/{lead_id}/transitions")]
async fn list_transitions(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<TransitionsView>> {
    let snapshot = ctx.snapshot().await?;
    let world = store::lifecycle::standing(&snapshot, path.0.lead_id).await?;
    let made = store::lifecycle::transitions(&snapshot, path.0.lead_id).await?;
    let data = made.into_iter().map(TransitionView::from).collect();
    let lead = world
        .leads
        .get(&path.0.lead_id)
        .filter(|_| ctx.grants(Scope::LeadsWrite));
    let allowed = lead.map_or_else(Vec::new, |lead| {
        lifecycle::moves::allowed(&world, lead, ctx.actor())
    });
    Ok(Json(TransitionsView { data, allowed }))
}
