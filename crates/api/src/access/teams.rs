//! Teams of users.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::{Team, ascending};
use tandem_domain::fault::Fault;
use tandem_domain::id::{TeamId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::Tx;
use tandem_store::access::{lock_accounts, teams, users};
use utoipa::{IntoParams, ToSchema};

use super::Gate;
use super::scopes::{UsersManage, UsersRead};
use super::{after, name, taken};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};

/// A team of users.
#[derive(Debug, Serialize, ToSchema)]
struct TeamView {
    /// Its id.
    id: TeamId,
    /// The name that people see.
    #[schema(max_length = 200, example = "Enterprise sales")]
    name: String,
    /// Its members.
    #[schema(max_items = 1000)]
    members: Vec<UserId>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Team> for TeamView {
    fn from(team: Team) -> Self {
        let Team {
            id,
            name,
            members,
            created_at,
            updated_at,
            ..
        } = team;
        Self {
            id,
            name,
            members,
            created_at,
            updated_at,
        }
    }
}

/// A team to create.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateTeam {
    /// The name that people see; unique among teams.
    #[schema(min_length = 1, max_length = 200, example = "Enterprise sales")]
    name: String,
    /// Its members.
    #[serde(default)]
    #[schema(max_items = 1000)]
    members: Vec<UserId>,
}

type TeamPatch = PatchOf<CreateTeam>;

/// One team.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TeamPath {
    /// The team's id.
    team_id: TeamId,
}

/// A page of teams.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TeamQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a team.
#[utoipa::path(tag = "teams", security(("bearer" = [UsersManage])), request_body = CreateTeam,
    responses((status = 201, description = "The team", body = TeamView,
        headers(("ETag" = String, description = "The team's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/teams")]
pub(super) async fn create_team(ctx: Ctx<UsersManage>, body: Json<CreateTeam>) -> Reply<Created<TeamView>> {
    let mut faults = vec![];
    let name = name(&body.0.name, &mut faults);
    refuse(faults)?;

    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    known_members(&tx, &body.0.members).await?;
    unique_name(&tx, &name).await?;
    let now = ctx.now();
    let members = ascending(body.0.members);
    let team = Team {
        id: tx.act().ids.next(),
        version: 1,
        name,
        members,
        created_at: now,
        updated_at: now,
    };
    store::write_records(&tx, [team.created()]).await.map_err(taken)?;
    let answer = Created::at(format!("/v1/teams/{}", team.id), TeamView::from(team)).tagged(etag(1, 0));
    let answer = ctx.commit(tx, answer).await;
    ctx.part::<Gate>().forget();
    answer
}

/// List teams.
///
/// In creation order.
#[utoipa::path(tag = "teams", security(("bearer" = [UsersRead])), params(TeamQuery),
    responses((status = 200, description = "A page of teams", body = Listing<TeamView>)))]
#[get("/v1/teams")]
pub(super) async fn list_teams(ctx: Ctx<UsersRead>, query: Query<TeamQuery>) -> Reply<Listing<TeamView>> {
    let after = after(&ctx, query.0.cursor.as_deref())?;
    let snapshot = ctx.snapshot().await?;
    let page = teams::list(&snapshot, after, query.0.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |team| team.id,
        TeamView::from,
    ))
}

/// Read a team.
#[utoipa::path(tag = "teams", security(("bearer" = [UsersRead])), params(TeamPath),
    responses((status = 200, description = "The team", body = TeamView,
        headers(("ETag" = String, description = "The team's version")))))]
#[get("/v1/teams/{team_id}")]
pub(super) async fn get_team(ctx: Ctx<UsersRead>, path: Path<TeamPath>) -> Reply<Tagged<TeamView>> {
    let snapshot = ctx.snapshot().await?;
    let team = teams::get(&snapshot, path.0.team_id).await?;
    Ok(Tagged::new(etag(team.version, 0), team.into()))
}

/// Update a team: its name, its members.
#[utoipa::path(tag = "teams", security(("bearer" = [UsersManage])), params(TeamPath), request_body = TeamPatch,
    responses((status = 200, description = "The updated team", body = TeamView,
        headers(("ETag" = String, description = "The team's version")))))]
#[patch("/v1/teams/{team_id}")]
pub(super) async fn update_team(
    ctx: Ctx<UsersManage>,
    path: Path<TeamPath>,
    body: MergePatch<TeamPatch>,
) -> Reply<Tagged<TeamView>> {
    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    let known = teams::get(&tx, path.0.team_id).await?;
    ctx.check_if_match(known.version)?;
    let editable = CreateTeam {
        name: known.name.clone(),
        members: known.members.clone(),
    };
    let (asked, _) = body.0.apply(&editable)?;
    let mut faults = vec![];
    let name = name(&asked.name, &mut faults);
    refuse(faults)?;
    if name != known.name {
        unique_name(&tx, &name).await?;
    }
    known_members(&tx, &asked.members).await?;
    let (team, change) = known.edit(name, asked.members, ctx.now());
    store::write_records(&tx, change).await.map_err(taken)?;
    store::routing::look_at(&tx, [ctx.now()]).await?;
    let answer = Tagged::new(etag(team.version, 0), team.into());
    let answer = ctx.commit(tx, answer).await;
    ctx.part::<Gate>().forget();
    answer
}

async fn unique_name(tx: &Tx, name: &str) -> Result<(), Problem> {
    if teams::is_named(tx, name).await? {
        Err(Problem::new(Code::AlreadyExists))
    } else {
        Ok(())
    }
}

/// Refuse members who are no users, each at its place.
async fn known_members(tx: &Tx, members: &[UserId]) -> Result<(), Problem> {
    let unknown = users::unknown(tx, members).await?;
    let places = members.iter().enumerate().filter(|(_, id)| unknown.contains(id));
    refuse(
        places
            .map(|(index, _)| Fault::new(format!("/members/{index}"), "not_found", "is not a user"))
            .collect(),
    )
}
