//! Simulated routing, and moving the leads of a user who leaves or is away.

use actix_web::post;
use serde::{Deserialize, Serialize};
use tandem_domain::access::Queue;
use tandem_domain::fault::Fault;
use tandem_domain::handoff::{self, Simulated};
use tandem_domain::id::{LeadId, TeamId, UserId};
use tandem_domain::judge::{assess, routes};
use tandem_domain::leads::save::{self, OnConflict};
use tandem_domain::routing::decision::AskedRule;
use tandem_domain::world::World;
use tandem_store::{self as store, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{LeadsWrite, RoutingRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Path;
use crate::edge::http::reply::Reply;
use crate::handoff::view::JoinsView;
use crate::leads::actions::refused;
use crate::leads::body::LeadWrite;

/// The lead that is to be routed: one that is known, or one as it could come in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SimulateRouting {
    /// A known lead.
    #[serde(default)]
    lead_id: Option<LeadId>,
    /// A lead as `POST /v1/leads` takes it; nothing of it is stored.
    #[serde(default)]
    lead: Option<LeadWrite>,
}

/// The user or queue that would get the hand-off of a lead now, and why.
#[derive(Debug, Serialize, ToSchema)]
struct SimulatedRoutingView {
    /// The user who would get the hand-off.
    owner_id: Option<UserId>,
    /// The queue in which it would wait, if no user would get it.
    queue: Option<Queue>,
    /// The work on its company that it would join.
    joins: Option<JoinsView>,
    /// The evaluated rules, in order, with the users who were skipped; empty if the lead stays with its owner or joins.
    #[schema(max_items = 100)]
    rules: Vec<AskedRule>,
    /// The team whose turn it would take.
    team_id: Option<TeamId>,
}

impl From<Simulated> for SimulatedRoutingView {
    fn from(simulated: Simulated) -> Self {
        let (rules, turn) = match simulated.decision {
            Some(decision) => (decision.rules, decision.turn),
            None => (vec![], None),
        };
        Self {
            owner_id: simulated.place.owner_id,
            queue: simulated.place.queue,
            joins: simulated.joins.map(JoinsView::from),
            rules,
            team_id: turn.map(|(team, _)| team),
        }
    }
}

/// Simulate routing.
///
/// Where a lead would go if it became an MQL now, and why: by the same rules, availability and turns as a real decision.
/// Nothing is written, and no turn is taken.
#[utoipa::path(tag = "routing", security(("bearer" = [RoutingRead])), request_body = SimulateRouting,
    responses((status = 200, description = "Where the lead would go", body = SimulatedRoutingView)))]
#[post("/v1/routing/simulate")]
pub(super) async fn simulate_routing(
    ctx: Ctx<RoutingRead>,
    body: Json<SimulateRouting>,
) -> Reply<Json<SimulatedRoutingView>> {
    let tx = ctx.begin().await?;
    let (mut world, lead_id) = asked(&tx, &ctx, body.0).await?;
    store::routing::add_to(&tx, &mut world, lead_id).await?;
    let now = ctx.now();
    let score = assess(&mut world, lead_id, now).map(|judged| judged.score.standing());
    let holds = routes(&mut world, lead_id, score, now);
    let simulated = handoff::simulate(&mut world, lead_id, &holds, ctx.act());
    // The transaction is dropped: nothing of it is written.
    Ok(Json(simulated.into()))
}

/// The facts about the lead that is asked about.
async fn asked(tx: &Tx, ctx: &Ctx<RoutingRead>, asked: SimulateRouting) -> Result<(World, LeadId), Problem> {
    let one = || {
        let detail = "names a known lead by `lead_id`, or describes one by `lead`";
        invalid(vec![Fault::new("/lead_id", "not_allowed", detail)])
    };
    match (asked.lead_id, asked.lead) {
        (Some(lead_id), None) => {
            let mut world = store::leads::world_of(tx, [lead_id]).await?;
            let unknown = || invalid(vec![Fault::new("/lead_id", "not_found", "is no lead")]);
            world.leads.get(&lead_id).ok_or_else(unknown)?;
            store::handoff::add_to(tx, &mut world, lead_id).await?;
            Ok((world, lead_id))
        }
        (None, Some(lead)) => {
            let within = |fault: Fault| Fault {
                pointer: format!("/lead{}", fault.pointer),
                ..fault
            };
            let read = lead.read();
            let said = read.map_err(|faults| invalid(faults.into_iter().map(within).collect()))?;
            let mut world = store::leads::world(tx, [&said]).await?;
            let saved = save::upsert(&mut world, &said, OnConflict::Refuse, ctx.act()).map_err(refused)?;
            store::handoff::add_to(tx, &mut world, saved.lead_id).await?;
            Ok((world, saved.lead_id))
        }
        _ => Err(one()),
    }
}

/// The user whose leads are moved.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ReassignPath {
    /// The user's id.
    user_id: UserId,
}

/// The team that gets the leads of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReassignLeads {
    /// The team whose members get them in turn.
    to: TeamId,
}

/// The result of reassigning the leads of a user.
#[derive(Debug, Serialize, ToSchema)]
struct ReassignedView {
    /// The leads that another user owns now.
    #[schema(max_items = 500)]
    moved: Vec<LeadId>,
    /// The leads that stay with the user, because no member of the team can take them.
    #[schema(max_items = 500)]
    left: Vec<LeadId>,
    /// Whether the user has more: repeat the request.
    has_more: bool,
}

/// Move the leads of a user to a team.
///
/// The user's leads in mql, sal, sql and opportunity go to other members of the team in turn, 500 at a time, with their
/// clocks running: for a user who leaves or is away. By a sales manager or revops. A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "routing", params(ReassignPath), security(("bearer" = [LeadsWrite])), request_body = ReassignLeads,
    responses((status = 200, description = "The result of reassigning the leads", body = ReassignedView)))]
#[post("/v1/users/{user_id}/reassign")]
pub(super) async fn reassign_leads(
    ctx: Ctx<LeadsWrite>,
    path: Path<ReassignPath>,
    body: Json<ReassignLeads>,
) -> Reply<Json<ReassignedView>> {
    let (user, team) = (path.0.user_id, body.0.to);
    let tx = ctx.begin().await?;
    store::access::users::get(&tx, user).await?;
    let missing = store::access::teams::unknown(&tx, &[team]).await?;
    let unknown = |_| Fault::new("/to", "not_found", "is no team");
    refuse(missing.into_iter().map(unknown).collect())?;
    let (mut world, leads, has_more) = store::routing::world_of_owner(&tx, user, team).await?;
    let reassigned = handoff::reassign(&mut world, &leads, user, team, ctx.act())?;
    store::settle(&tx, &mut world, ctx.act(), reassigned.changes).await?;
    let answer = ReassignedView {
        moved: reassigned.moved,
        left: reassigned.left,
        has_more,
    };
    ctx.commit(tx, Json(answer)).await
}
