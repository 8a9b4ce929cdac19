//! A user's day in one call.

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::access::{Person, Queue, Role};
use tandem_domain::id::UserId;
use tandem_domain::work::{self, MOST, WorkItem};
use tandem_store as store;
use tandem_store::work::{Takes, Whose};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::Account;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config.service(list_work);
}

/// Whose work.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct WorkQuery {
    /// A user whose list its sales manager or an admin reads; default the caller.
    user_id: Option<UserId>,
}

/// The open work of a user.
#[derive(Debug, Serialize, ToSchema)]
struct WorkView {
    /// The items, by due date, then band, then amount; 200 at most.
    #[schema(max_items = 200)]
    data: Vec<WorkItem>,
    /// Whether there are more.
    has_more: bool,
}

/// List your work.
///
/// Pending hand-offs and open tasks (your own, and those in queues that you may take from), running and broken promises,
/// returned leads and stale deals; for marketing the rejections and losses that nobody answered, for revops the disputes that it may rule on. The
/// most urgent first, each with the operation that does it. A sales manager reads the list of a member
/// of its teams.
#[utoipa::path(tag = "notices", params(WorkQuery), security(("bearer" = [Account])),
    responses((status = 200, description = "The open work of the user", body = WorkView)))]
#[get("/v1/me/work")]
async fn list_work(ctx: Ctx<Account>, query: Query<WorkQuery>) -> Reply<Json<WorkView>> {
    let person = ctx.person().ok_or(Problem::new(Code::NotFound))?;
    let snapshot = ctx.snapshot().await?;
    let (user, role, takes) = match query.0.user_id.filter(|user| *user != person.id) {
        None => (person.id, person.role, takes(person.role, person.teams.to_vec())),
        Some(user) => {
            let staff = store::access::staff(&snapshot).await?;
            if !manages(person, staff.managers_of(user)) {
                return Err(Problem::new(Code::WrongRole));
            }
            let colleague = staff.get(user).ok_or(Problem::new(Code::NotFound))?;
            (
                user,
                colleague.role,
                takes(colleague.role, colleague.teams.iter().copied().collect()),
            )
        }
    };
    let agreement = &store::rules::read(&snapshot).await?.agreement.agreement;
    let whose = Whose {
        user,
        role,
        takes,
        stale_after: agreement.stages.opportunity.stale_after,
        now: snapshot.as_of(ctx.now()),
    };
    let items = store::work::of(&snapshot, &whose, MOST as u64 + 1).await?;
    let (data, has_more) = work::ordered(items, MOST);
    Ok(Json(WorkView { data, has_more }))
}

fn manages(person: &Person, managers: Vec<UserId>) -> bool {
    person.is_admin() || person.role == Role::SalesManager && managers.contains(&person.id)
}

/// A sales user takes from the queues of its teams and from the general one, a sales manager from all.
fn takes(role: Role, teams: Vec<tandem_domain::id::TeamId>) -> Takes {
    match role {
        Role::SalesManager => Takes::All,
        Role::Sales => {
            let teams = teams.into_iter().map(Queue::Team);
            Takes::From(teams.chain([Queue::General]).collect())
        }
        Role::Admin | Role::Revops | Role::MarketingManager | Role::Marketing | Role::Viewer => {
            Takes::Nothing
        }
    }
}
