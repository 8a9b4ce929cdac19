//! The first start: a one-time token makes the first administrator.

use actix_web::post;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::access::Actor;
use tandem_domain::fault::Fault;
use tandem_domain::leads::identity::Email;
use tandem_domain::settings::name::SETUP;
use tandem_store::access::{lock_accounts, users};
use tandem_store::{StoreError, settings};
use utoipa::ToSchema;

use super::Gate;
use super::users::UserView;
use super::{admin, begin_unkept, name, password_faults, taken};
use crate::edge::core::Core;
use crate::edge::crypto::equal;
use crate::edge::crypto::hex;
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::secret::OneTimeToken;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::{Created, Reply, etag};

/// The tokens of so many starts are good: of replicas that started one after the other.
const MOST_TOKENS: usize = 8;

/// The hashes of the set-up tokens that are good, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tokens {
    hashes: Vec<String>,
}

impl Tokens {
    fn of(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }

    fn contains(&self, hash: &str) -> bool {
        self.hashes
            .iter()
            .any(|known| equal(known.as_bytes(), hash.as_bytes()))
    }
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// The token that the first start printed.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "tdm_it_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    token: String,
    /// The e-mail to log in with.
    #[schema(min_length = 3, max_length = 320, example = "ada@example.com")]
    email: String,
    /// The user's name, as others see it.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    name: String,
    /// The password: any 10 characters or more.
    #[schema(min_length = 10, max_length = 256, example = "correct horse battery staple")]
    password: String,
}

/// Create the first administrator with the one-time set-up token.
///
/// While there is no administrator who can log in, `tandem serve` prints a token at each start. Once there is one, the
/// answer is 409.
#[utoipa::path(tag = "access", security(()), request_body = Setup, responses(
    (status = 201, description = "The administrator", body = UserView,
        headers(("ETag" = String, description = "The user's version"), ("Location" = String, description = "The URL of the new record"))),
    (status = 401, description = "The token is not the printed one"),
    (status = 409, description = "There already is an administrator")))]
#[post("/v1/setup")]
pub(super) async fn complete_setup(ctx: Ctx<Public>, body: Json<Setup>) -> Reply<Created<UserView>> {
    let body = body.0;
    let completed = || Problem::new(Code::SetupCompleted);
    let invalid = || Problem::new(Code::InvalidToken);
    if users::has_admin(ctx.db()).await? {
        return Err(completed());
    }
    let token = hex(&OneTimeToken::parse(&body.token).ok_or_else(invalid)?.hash());
    if !Tokens::of(&settings::get(ctx.db(), SETUP).await?.value).contains(&token) {
        return Err(invalid());
    }
    let mut faults = password_faults("/password", &body.password, [&body.email, &body.name]);
    let name = name(&body.name, &mut faults);
    let email = Email::parse(&body.email);
    faults.extend(
        email
            .as_ref()
            .err()
            .map(|error| Fault::new("/email", "invalid_format", error)),
    );
    refuse(faults)?;
    let email = email.map_err(|_| invalid())?;
    let hash = ctx.part::<Passwords>().hash(body.password).await?;

    let tx = begin_unkept(&ctx, Actor::System("setup")).await?;
    lock_accounts(&tx).await?;
    if users::has_admin(&tx).await? {
        return Err(completed());
    }
    let kept = settings::get_for_update(&tx, SETUP).await?;
    if !Tokens::of(&kept.value).contains(&token) {
        return Err(invalid());
    }
    let user = admin::add_admin(&tx, &email, &name, hash).await.map_err(taken)?;
    settings::put(&tx, SETUP, &Value::Null, kept.version + 1).await?;
    tx.commit().await?;
    ctx.part::<Gate>().forget();
    let location = format!("/v1/users/{}", user.id);
    Ok(Created::at(location, UserView::from(user)).tagged(etag(1, 0)))
}

/// While there is no administrator: make a set-up token, to be printed once. Only its hash is stored.
pub async fn ensure_setup_token(core: &Core) -> Result<Option<String>, StoreError> {
    if users::has_admin(&core.db).await? {
        return Ok(None);
    }
    let tx = core.db.begin(core.ambient.act("setup")).await?;
    lock_accounts(&tx).await?;
    if users::has_admin(&tx).await? {
        return Ok(None);
    }
    let kept = settings::get_for_update(&tx, SETUP).await?;
    let token = OneTimeToken::generate();
    let mut tokens = Tokens::of(&kept.value);
    tokens.hashes.push(hex(&token.hash()));
    let old = tokens.hashes.len().saturating_sub(MOST_TOKENS);
    tokens.hashes.drain(..old);
    settings::put(&tx, SETUP, &json!(tokens), kept.version + 1).await?;
    tx.commit().await?;
    Ok(Some(token.reveal().to_owned()))
}
