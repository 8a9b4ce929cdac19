//! One's own account: who one is, and one's password.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::change::AccessChange;
use tandem_domain::access::{Actor, Scope};
use tandem_domain::id::TeamId;
use tandem_store as store;
use tandem_store::access::{invitations, sessions, users};
use utoipa::ToSchema;

use super::Gate;
use super::scopes::Account;
use super::throttle::Attempt;
use super::users::UserView;
use super::{begin_unkept, password_faults, session};
use crate::edge::crypto::hex;
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::secret::OneTimeToken;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::address;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::{NoContent, Reply};

/// The caller's account with its scopes.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The user.
    user: UserView,
    /// The teams that the user belongs to.
    #[schema(max_items = 1000)]
    team_ids: Vec<TeamId>,
    /// The scopes that the user's role grants.
    #[schema(max_items = 100)]
    scopes: Vec<Scope>,
}

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The current password.
    #[schema(min_length = 1, max_length = 256, example = "correct horse battery staple")]
    current_password: String,
    /// The new password: any 10 characters or more.
    #[schema(min_length = 10, max_length = 256, example = "staple battery horse correct")]
    new_password: String,
}

/// A one-time token, and the password to set with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvitation {
    /// The token of an invitation or of a reset.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "tdm_it_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    token: String,
    /// The password: any 10 characters or more.
    #[schema(min_length = 10, max_length = 256, example = "correct horse battery staple")]
    password: String,
}

/// Read your own account.
///
/// Includes the user's teams and scopes.
#[utoipa::path(tag = "access", security(("bearer" = [Account])),
    responses((status = 200, description = "The account", body = Me)))]
#[get("/v1/me")]
pub(super) async fn get_me(ctx: Ctx<Account>) -> Reply<Json<Me>> {
    let person = ctx.person().ok_or(Problem::new(Code::NotFound))?;
    let user = users::get(ctx.db(), person.id).await?;
    let scopes = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| person.grants(*scope))
        .collect();
    Ok(Json(Me {
        user: user.into(),
        team_ids: person.teams.clone(),
        scopes,
    }))
}

/// Change your own password.
///
/// Ends all other sessions of the account; the session of this request continues.
#[utoipa::path(tag = "access", security(("bearer" = [Account])), request_body = ChangePassword,
    responses((status = 204, description = "The new password is set"),
        (status = 401, description = "The current password is wrong, or the caller is not authenticated"),
        (status = 409, description = "Another request changed the password at the same moment")))]
#[post("/v1/auth/password")]
pub(super) async fn change_password(ctx: Ctx<Account>, body: Json<ChangePassword>) -> Reply<NoContent> {
    let ChangePassword {
        current_password,
        new_password,
    } = body.0;
    let person = ctx.person().ok_or(Problem::new(Code::NotFound))?;
    let user = users::get(ctx.db(), person.id).await?;
    let about = [user.email.as_str(), user.name.as_str()];
    refuse(password_faults("/new_password", &new_password, about))?;
    let attempt = Attempt::new(
        &ctx.master,
        &user.email,
        address::of(&ctx.settings, ctx.request()),
    );
    let tx = begin_unkept(&ctx, ctx.actor().clone()).await?;
    attempt.count(&tx).await?;
    tx.commit().await?;

    let wrong = || Problem::new(Code::InvalidCredentials);
    let known = users::password(ctx.db(), user.id).await?.ok_or_else(wrong)?;
    if !ctx
        .part::<Passwords>()
        .verify(current_password, known.clone())
        .await?
    {
        return Err(wrong());
    }
    let hash = ctx.part::<Passwords>().hash(new_password).await?;

    let tx = begin_unkept(&ctx, ctx.actor().clone()).await?;
    attempt.succeed(&tx).await?;
    users::replace_password(&tx, user.id, &known, hash).await?;
    sessions::revoke_all(&tx, user.id, session(&ctx)).await?;
    store::write_records(&tx, [AccessChange::PasswordChanged(user.id)]).await?;
    tx.commit().await?;
    ctx.part::<Gate>().forget();
    Ok(NoContent)
}

/// Accept an invitation or reset a password.
///
/// Sets the password, consumes the token and ends all sessions of the account. Log in afterwards.
#[utoipa::path(tag = "access", security(()), request_body = AcceptInvitation, responses(
    (status = 204, description = "The password is set"),
    (status = 401, description = "The token is unknown, was used before, or has expired")))]
#[post("/v1/auth/accept")]
pub(super) async fn accept_invitation(ctx: Ctx<Public>, body: Json<AcceptInvitation>) -> Reply<NoContent> {
    let AcceptInvitation { token, password } = body.0;
    let invalid = || Problem::new(Code::InvalidToken);
    let token = hex(&OneTimeToken::parse(&token).ok_or_else(invalid)?.hash());
    let invited = invitations::find(ctx.db(), &token, ctx.now()).await?;
    let invited = users::get(ctx.db(), invited.ok_or_else(invalid)?).await?;
    refuse(password_faults(
        "/password",
        &password,
        [&invited.email, &invited.name],
    ))?;
    let hash = ctx.part::<Passwords>().hash(password).await?;

    let tx = begin_unkept(&ctx, Actor::System("invitation")).await?;
    let user_id = invitations::redeem(&tx, &token).await?.ok_or_else(invalid)?;
    let user = users::get(&tx, user_id).await?;
    if user.disabled_at.is_some() {
        return Err(invalid());
    }
    Attempt::new(
        &ctx.master,
        &user.email,
        address::of(&ctx.settings, ctx.request()),
    )
    .succeed(&tx)
    .await?;
    users::set_password(&tx, user_id, hash).await?;
    sessions::revoke_all(&tx, user_id, None).await?;
    store::write_records(&tx, [AccessChange::PasswordChanged(user_id)]).await?;
    tx.commit().await?;
    ctx.part::<Gate>().forget();
    Ok(NoContent)
}
