//! Logging in, staying in, logging out.

use actix_web::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tandem_domain::access::Actor;
use tandem_domain::access::account::User;
use tandem_domain::access::session::{Presented, Session};
use tandem_domain::leads::identity::Email;
use tandem_store::access::{sessions, users};
use utoipa::ToSchema;

use super::Gate;
use super::begin_unkept;
use super::scopes::Account;
use super::signing::{self, TOKEN_SECONDS};
use super::throttle::Attempt;
use crate::edge::crypto::hex;
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::secret::RefreshToken;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::address;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::{NoContent, Reply};

const PURPOSE: &str = "refresh-token";

/// The e-mail and password of a user who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// The account's e-mail.
    #[schema(min_length = 1, max_length = 320, example = "ada@example.com")]
    email: String,
    /// The account's password.
    #[schema(min_length = 1, max_length = 256, example = "correct horse battery staple")]
    password: String,
}

/// A refresh token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// The refresh token from the last login or refresh.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "tdm_rt_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    refresh_token: String,
}

/// An access token, and the refresh token that obtains the next pair.
#[derive(Serialize, ToSchema)]
struct Tokens {
    /// The access token: send it as `Authorization: Bearer`.
    #[schema(
        max_length = 4096,
        example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl"
    )]
    access_token: String,
    /// The refresh token, valid for one use at `/v1/auth/refresh`.
    #[schema(
        max_length = 128,
        example = "tdm_rt_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    refresh_token: String,
    /// Always `Bearer`.
    #[schema(max_length = 16, example = "Bearer")]
    token_type: String,
    /// For how many seconds the access token is valid.
    #[schema(minimum = 1, maximum = 86400, example = 900)]
    expires_in: i64,
}

/// Log in.
///
/// A wrong password and an unknown account get the same answer. After 10 failures from one address, further attempts
/// from it on that account get 429 with `Retry-After`, for longer after each failure. Failures from elsewhere do not
/// block an address that has logged in to the account before.
#[utoipa::path(tag = "access", security(()), request_body = Login, responses(
    (status = 200, description = "An access token for 15 minutes, and a refresh token", body = Tokens),
    (status = 401, description = "E-mail and password do not belong to an active account")))]
#[post("/v1/auth/login")]
pub(super) async fn login(ctx: Ctx<Public>, body: Json<Login>) -> Reply<Json<Tokens>> {
    let Login { email, password } = body.0;
    let email =
        Email::parse(&email).map_or_else(|_| email.trim().to_lowercase(), |email| email.as_str().to_owned());
    let attempt = Attempt::new(&ctx.master, &email, address::of(&ctx.settings, ctx.request()));
    let tx = begin_unkept(&ctx, Actor::System("login")).await?;
    attempt.count(&tx).await?;
    tx.commit().await?;

    let user = match proven(&ctx, &email, password).await {
        Ok(user) => user.ok_or(Problem::new(Code::InvalidCredentials))?,
        Err(problem) => {
            let tx = begin_unkept(&ctx, Actor::System("login")).await?;
            attempt.take_back(&tx).await?;
            tx.commit().await?;
            return Err(problem);
        }
    };

    let tx = begin_unkept(&ctx, Actor::System("login")).await?;
    attempt.succeed(&tx).await?;
    let token = RefreshToken::generate();
    let session = Session::begin(tx.act().ids.next(), user.id, hex(&token.hash()), ctx.now());
    sessions::save(&tx, &session).await?;
    tx.commit().await?;
    answer(&ctx, &session, token.reveal()).await
}

/// The active user whose password this is. The work is the same whether or not there is one.
async fn proven(ctx: &Ctx<Public>, email: &str, password: String) -> Result<Option<User>, Problem> {
    let user = users::find_by_email(ctx.db(), email)
        .await?
        .filter(|user| user.disabled_at.is_none());
    let hash = match &user {
        Some(user) => users::password(ctx.db(), user.id).await?,
        None => None,
    };
    let is_right = match hash {
        Some(hash) => ctx.part::<Passwords>().verify(password, hash).await?,
        None => {
            ctx.part::<Passwords>().verify_nobody(password).await?;
            false
        }
    };
    Ok(user.filter(|_| is_right))
}

/// Exchange a refresh token for new tokens.
///
/// A refresh token is valid for one use. Within 10 seconds the same token returns the same new pair, so that a lost
/// answer logs nobody out. A token that is used again later ends the session, since it may have been stolen.
#[utoipa::path(tag = "access", security(()), request_body = Refresh, responses(
    (status = 200, description = "The next access token and refresh token", body = Tokens),
    (status = 401, description = "The token is unknown or was used before, or its session has ended")))]
#[post("/v1/auth/refresh")]
pub(super) async fn refresh(ctx: Ctx<Public>, body: Json<Refresh>) -> Reply<Json<Tokens>> {
    let invalid = || Problem::new(Code::InvalidToken);
    let presented = RefreshToken::parse(&body.0.refresh_token).ok_or_else(invalid)?;
    let hash = hex(&presented.hash());
    let tx = begin_unkept(&ctx, Actor::System("refresh")).await?;
    let session = sessions::of_token(&tx, &hash).await?.ok_or_else(invalid)?;
    let is_active = users::find(&tx, session.user_id)
        .await?
        .is_some_and(|user| user.disabled_at.is_none());
    match session.present(&hash, ctx.now()) {
        _ if !is_active => Err(invalid()),
        Presented::Over => Err(invalid()),
        Presented::Reused => {
            sessions::revoke(&tx, session.id).await?;
            tx.commit().await?;
            ctx.part::<Gate>().forget();
            tracing::warn!(session_id = %session.id, user_id = %session.user_id, "a refresh token was used twice; its session has been ended");
            Err(invalid())
        }
        Presented::JustSpent => {
            let successor = opened(&ctx, &session).ok_or_else(invalid)?;
            tx.rollback().await?;
            answer(&ctx, &session, &successor).await
        }
        Presented::Current => {
            let token = RefreshToken::generate();
            let sealed = STANDARD.encode(ctx.master.seal(PURPOSE, token.reveal().as_bytes()));
            let rotated = session.rotate(hex(&token.hash()), sealed, ctx.now());
            sessions::spend(&tx, &rotated, &hash).await?;
            sessions::save(&tx, &rotated).await?;
            tx.commit().await?;
            answer(&ctx, &rotated, token.reveal()).await
        }
    }
}

/// Log out.
///
/// The session of the access token ends on every replica within a second.
#[utoipa::path(tag = "access", security(("bearer" = [Account])),
    responses((status = 204, description = "The session has ended")))]
#[post("/v1/auth/logout")]
pub(super) async fn logout(ctx: Ctx<Account>) -> Reply<NoContent> {
    let tx = begin_unkept(&ctx, ctx.actor().clone()).await?;
    if let Some(session) = super::session(&ctx) {
        sessions::revoke(&tx, session).await?;
    }
    tx.commit().await?;
    ctx.part::<Gate>().forget();
    Ok(NoContent)
}

/// The current token of a session, kept sealed for those who lost the answer.
fn opened(ctx: &Ctx<Public>, session: &Session) -> Option<String> {
    let sealed = STANDARD.decode(session.sealed_token.as_ref()?).ok()?;
    String::from_utf8(ctx.master.open(PURPOSE, &sealed).ok()?).ok()
}

async fn answer(ctx: &Ctx<Public>, session: &Session, refresh_token: &str) -> Reply<Json<Tokens>> {
    Ok(Json(Tokens {
        access_token: signing::issue(ctx, session.user_id, session.id, ctx.now()).await?,
        refresh_token: refresh_token.to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: TOKEN_SECONDS,
    }))
}
