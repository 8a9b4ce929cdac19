//! When users work, and how much they take.

use actix_web::{get, put};
use serde::Deserialize;
use tandem_domain::access::{Denied, Scope};
use tandem_domain::id::UserId;
use tandem_domain::record::Plain;
use tandem_domain::routing::AvailabilityDetails;
use tandem_store as store;
use utoipa::IntoParams;

use crate::access::scopes::{Account, AvailabilityOf, AvailabilityWrite, UsersRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged, etag};

/// A user by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct UserPath {
    /// The user's id.
    user_id: UserId,
}

/// Read a user's availability.
#[utoipa::path(tag = "routing", params(UserPath), security(("bearer" = [UsersRead])),
    responses((status = 200, description = "The availability", body = AvailabilityDetails,
        headers(("ETag" = String, description = "The availability's version")))))]
#[get("/v1/users/{user_id}/availability")]
pub(super) async fn get_availability(
    ctx: Ctx<UsersRead>,
    path: Path<UserPath>,
) -> Reply<Tagged<AvailabilityDetails>> {
    let snapshot = ctx.snapshot().await?;
    store::access::users::get(&snapshot, path.0.user_id).await?;
    let known = store::routing::availability_of(&snapshot, path.0.user_id).await?;
    Ok(Tagged::new(etag(known.version, 0), known.details))
}

/// Replace a user's availability.
///
/// A sales manager changes members of its teams, revops and keys change all users, and a user changes its own calendar
/// and absences. A late change reverts no decision; pending hand-offs of an absent user are routed again.
#[utoipa::path(tag = "routing", params(UserPath), security(("bearer" = [Account]), ("bearer" = [AvailabilityWrite])),
    request_body = AvailabilityDetails, responses((status = 200, description = "The updated availability",
        body = AvailabilityDetails, headers(("ETag" = String, description = "The availability's version")))))]
#[put("/v1/users/{user_id}/availability")]
pub(super) async fn update_availability(
    ctx: Ctx<AvailabilityOf>,
    path: Path<UserPath>,
    body: Json<AvailabilityDetails>,
) -> Reply<Tagged<AvailabilityDetails>> {
    let (user_id, asked) = (path.0.user_id, body.0);
    refuse(asked.faults())?;
    let tx = ctx.begin().await?;
    store::access::lock_accounts(&tx).await?;
    let user = store::access::users::get(&tx, user_id).await?;
    let known = store::routing::availability_of(&tx, user_id).await?;
    ctx.check_if_match(known.version)?;
    let person = ctx.actor().person();
    let theirs = store::access::teams::of_user(&tx, user.id).await?;
    let shares = person.is_some_and(|person| person.teams.iter().any(|team| theirs.contains(team)));
    let may = asked.may_be_replaced(ctx.actor(), user_id, shares, &known.details);
    if may == Err(Denied::WrongRole) && !ctx.grants(Scope::AvailabilityWrite) {
        ctx.demand(Scope::AvailabilityWrite)?;
    }
    may?;
    let mut edited = known.clone();
    edited.details = asked;
    let (after, change) = known.becomes(edited, ctx.now());
    if change.is_some() {
        let spans = after
            .details
            .absences
            .iter()
            .flat_map(|span| [span.from, span.to]);
        let later = spans.filter(|at| *at > ctx.now());
        let looks: Vec<_> = std::iter::once(ctx.now()).chain(later).collect();
        store::routing::look_at(&tx, looks).await?;
    }
    store::write_records(&tx, change).await?;
    let answer = Tagged::new(etag(after.version, 0), after.details);
    ctx.commit(tx, answer).await
}
