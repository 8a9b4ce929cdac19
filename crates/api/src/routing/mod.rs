//! Routing over HTTP: its rules, who is available, and why a hand-off went where it went.

mod availability;
mod simulate;

use std::time::Duration;

use actix_web::{get, put};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::access::Queue;
use tandem_domain::fault::Fault;
use tandem_domain::id::{LeadId, RoutingDecisionId, TeamId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::routing::decision::{AskedRule, RoutingDecision};
use tandem_domain::routing::{Routing, RoutingRules};
use tandem_domain::settings::{SettingChange, name};
use tandem_store as store;
use tandem_store::{StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{HandoffsRead, RoutingManage, RoutingRead};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "queues",
        Duration::from_secs(1),
        |snapshot| Box::pin(store::routing::next_look(snapshot)),
        |core, turn| Box::pin(release(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(get_routing)
        .service(update_routing)
        .service(get_routing_decision)
        .service(simulate::simulate_routing)
        .service(simulate::reassign_leads)
        .service(availability::get_availability)
        .service(availability::update_availability);
}

/// A routing decision by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DecisionPath {
    /// The decision's id.
    decision_id: RoutingDecisionId,
}

/// A routing decision, with its explanation.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoutingDecisionView {
    /// Its id.
    id: RoutingDecisionId,
    /// The lead.
    lead_id: LeadId,
    /// When it was created.
    at: Timestamp,
    /// The user to whom it assigned the hand-off.
    owner_id: Option<UserId>,
    /// The queue, if no user could take it.
    queue: Option<Queue>,
    /// The evaluated rules, in order, with the users who were skipped.
    #[schema(max_items = 100)]
    rules: Vec<AskedRule>,
    /// The team in which a turn was taken.
    team_id: Option<TeamId>,
}

impl From<RoutingDecision> for RoutingDecisionView {
    fn from(decision: RoutingDecision) -> Self {
        Self {
            id: decision.id,
            lead_id: decision.lead_id,
            at: decision.at,
            owner_id: decision.owner_id,
            queue: decision.queue,
            rules: decision.rules,
            team_id: decision.turn.map(|(team, _)| team),
        }
    }
}

/// Read the rules of routing.
#[utoipa::path(tag = "routing", security(("bearer" = [RoutingRead])),
    responses((status = 200, description = "The rules", body = RoutingRules,
        headers(("ETag" = String, description = "The rules' version")))))]
#[get("/v1/routing")]
async fn get_routing(ctx: Ctx<RoutingRead>) -> Reply<Tagged<RoutingRules>> {
    let kept = store::settings::get(ctx.db(), name::ROUTING).await?;
    let rules = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), rules))
}

/// Replace the rules of routing.
///
/// The first rule whose condition holds assigns the hand-off: to a user, to a member of a team by turns, weight or
/// load, to the company's owner, to the previous owner, or to a queue. Waiting hand-offs are routed again by the new
/// rules.
#[utoipa::path(tag = "routing", security(("bearer" = [RoutingManage])), request_body = RoutingRules,
    responses((status = 200, description = "The rules as they are now", body = RoutingRules,
        headers(("ETag" = String, description = "The rules' version")))))]
#[put("/v1/routing")]
async fn update_routing(ctx: Ctx<RoutingManage>, body: Json<RoutingRules>) -> Reply<Tagged<RoutingRules>> {
    let rules = body.0;
    let tx = ctx.begin().await?;
    let form_ids = tx.rules().form_ids();
    let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
    Routing::read(rules.clone(), &known).map_err(invalid)?;
    refuse(unknown(&tx, &rules).await?)?;
    let kept = store::settings::get_for_update(&tx, name::ROUTING).await?;
    ctx.check_if_match(kept.version)?;
    let (before, after) = (kept.value, json!(rules));
    let mut version = kept.version;
    if before != after {
        version += 1;
        let change = SettingChange::Changed {
            name: name::ROUTING,
            version,
            before,
            after,
        };
        store::write_records(&tx, [change]).await?;
        store::routing::look_at(&tx, [ctx.now()]).await?;
    }
    ctx.commit(tx, Tagged::new(etag(version, 0), rules)).await
}

/// Named users and teams that are not there, each at its place.
async fn unknown(tx: &Tx, rules: &RoutingRules) -> Result<Vec<Fault>, Problem> {
    let (teams, users) = Routing::named(rules);
    let at = |index: usize, member: &str| format!("/rules/{index}/to/{member}");
    let user_ids: Vec<UserId> = users.iter().map(|(_, user)| *user).collect();
    let missing = store::access::users::unknown(tx, &user_ids).await?;
    let users = users.into_iter().filter(|(_, user)| missing.contains(user));
    let mut faults: Vec<Fault> = users
        .map(|(index, _)| Fault::new(at(index, "user_id"), "not_found", "is not a user"))
        .collect();
    let team_ids: Vec<TeamId> = teams.iter().map(|(_, team)| *team).collect();
    let missing = store::access::teams::unknown(tx, &team_ids).await?;
    let teams = teams.into_iter().filter(|(_, team)| missing.contains(team));
    faults.extend(teams.map(|(index, _)| Fault::new(at(index, "team_id"), "not_found", "is not a team")));
    Ok(faults)
}

/// Read a routing decision.
///
/// Includes the rules that did not match, and for each member who was skipped the reason.
#[utoipa::path(tag = "routing", params(DecisionPath), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "The decision", body = RoutingDecisionView)))]
#[get("/v1/routing/decisions/{decision_id}")]
async fn get_routing_decision(
    ctx: Ctx<HandoffsRead>,
    path: Path<DecisionPath>,
) -> Reply<Json<RoutingDecisionView>> {
    let decision = store::routing::decision(ctx.db(), path.0.decision_id).await?;
    Ok(Json(decision.into()))
}

/// Give what waits in queues to who is free by now, and what absent owners have to others.
async fn release(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    let tx = turn.begin(core).await?;
    let is_left = store::routing::release(&tx, turn.limit).await?;
    tx.commit().await?;
    Ok(if is_left {
        Remaining::More
    } else {
        Remaining::Nothing
    })
}
