//! The keys of access tokens: made, rotated, published, and used.

use std::sync::Arc;

use actix_web::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use tandem_domain::access::change::AccessChange;
use tandem_domain::id::{SessionId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::access::signing::{self, KeptKey};
use tandem_store::{Db, StoreError, Tx};
use utoipa::ToSchema;

use super::gate::{Gate, MOST_AGE, locked};
use super::scopes::UsersManage;
use crate::edge::core::Core;
use crate::edge::crypto::jwt::{self, Claims, PublicKey, SigningKey, TokenError};
use crate::edge::crypto::seal::MasterKey;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::Reply;

/// How long an access token is good, in seconds.
pub const TOKEN_SECONDS: i64 = 15 * 60;

const AUDIENCE: &str = "tandem";
const PURPOSE: &str = "signing-key";
/// How long a retired key still verifies, in milliseconds: longer than any token that it signed.
const STAYS_VALID: i64 = 3_600_000;

/// The keys of this second, the newest first.
#[derive(Debug, Default)]
pub struct KeyRing {
    kept: Vec<KeptKey>,
    public: Vec<PublicKey>,
}

/// The keys by which access tokens are verified (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
struct Jwks {
    /// The keys; a token names its own in `kid`.
    #[schema(max_items = 100, value_type = Vec<Jwk>)]
    keys: Vec<serde_json::Value>,
}

/// An Ed25519 key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
struct Jwk {
    /// Always `OKP`.
    #[schema(max_length = 8, example = "OKP")]
    kty: String,
    /// Always `Ed25519`.
    #[schema(max_length = 16, example = "Ed25519")]
    crv: String,
    /// The public key in base64url.
    #[schema(max_length = 43, example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: String,
    /// Always `EdDSA`.
    #[schema(max_length = 8, example = "EdDSA")]
    alg: String,
    /// Always `sig`.
    #[schema(max_length = 8, example = "sig")]
    r#use: String,
    /// The key's name: its RFC 7638 thumbprint.
    #[schema(max_length = 43, example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
}

/// A new signing key.
#[derive(Debug, Serialize, ToSchema)]
struct SigningKeyView {
    /// The key's name.
    #[schema(max_length = 43, example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    /// When it was created.
    created_at: Timestamp,
    /// Until when tokens signed by previous keys remain valid.
    previous_valid_until: Timestamp,
}

/// Read the public keys of access tokens.
///
/// A replaced key stays in this list for one hour. Read the list again when a token has an unknown `kid`.
#[utoipa::path(tag = "access", security(()),
    responses((status = 200, description = "The keys", body = Jwks)))]
#[get("/.well-known/jwks.json")]
pub(super) async fn get_jwks(ctx: Ctx<Public>) -> Reply<Json<Jwks>> {
    let ring = ring(&ctx, ctx.now()).await?;
    Ok(Json(Jwks {
        keys: ring.public.iter().map(jwt::jwk).collect(),
    }))
}

/// Rotate the signing key of access tokens.
///
/// Nobody is logged out: tokens of the previous key remain valid until they expire. Replicas follow within a second.
#[utoipa::path(tag = "access", security(("bearer" = [UsersManage])),
    responses((status = 200, description = "The key that signs from now on", body = SigningKeyView)))]
#[post("/v1/signing-keys/rotate")]
pub(super) async fn rotate_signing_key(ctx: Ctx<UsersManage>) -> Reply<Json<SigningKeyView>> {
    let tx = ctx.begin().await?;
    signing::lock(&tx).await?;
    let key = add(&tx, &ctx.master).await?;
    let (id, kid) = (key.id, key.kid.clone());
    store::write_records(&tx, [AccessChange::SigningKeyRotated { id, kid }]).await?;
    let previous_valid_until = ctx.now().plus_millis(STAYS_VALID);
    let view = SigningKeyView {
        kid: key.kid,
        created_at: key.created_at,
        previous_valid_until,
    };
    let answer = ctx.commit(tx, Json(view)).await;
    ctx.part::<Gate>().forget();
    answer
}

/// Make the first signing key, where there is none; else make sure that this replica can open the one that there is.
pub async fn ensure_signing_key(core: &Core) -> Result<(), StoreError> {
    let tx = core.db.begin(core.ambient.act("start")).await?;
    signing::lock(&tx).await?;
    let kept = signing::list(&tx, core.ambient.now()).await?;
    match kept.iter().find(|key| key.retired_at.is_none()) {
        Some(key) => open(key, &core.master).map(drop),
        None => {
            add(&tx, &core.master).await?;
            tx.commit().await
        }
    }
}

/// Whether a master key, or none, fits a database: the signing key that is there must open.
pub async fn key_fits(db: &Db, master: Option<&MasterKey>, now: Timestamp) -> Result<bool, StoreError> {
    let kept = signing::list(db, now).await?;
    let signs = kept.iter().find(|key| key.retired_at.is_none());
    Ok(signs.is_none_or(|key| master.is_some_and(|master| open(key, master).is_ok())))
}

/// Retire the keys that sign and add a new one.
async fn add(tx: &Tx, master: &MasterKey) -> Result<KeptKey, StoreError> {
    let broken = |_| StoreError::Internal("no signing key could be created".into());
    let key = SigningKey::generate().map_err(broken)?;
    let now = tx.act().now;
    let kept = KeptKey {
        id: tx.act().ids.next(),
        kid: key.kid().to_owned(),
        sealed: STANDARD.encode(master.seal(PURPOSE, key.pkcs8())),
        public: STANDARD.encode(key.public().bytes()),
        created_at: now,
        retired_at: None,
    };
    signing::replace(tx, &kept, now.plus_millis(-STAYS_VALID)).await?;
    Ok(kept)
}

/// The private key; corrupt where it was sealed with another master key.
fn open(kept: &KeptKey, master: &MasterKey) -> Result<SigningKey, StoreError> {
    let corrupt = StoreError::Corrupt("signing_keys");
    let Ok(sealed) = STANDARD.decode(&kept.sealed) else {
        return Err(corrupt);
    };
    let Ok(pkcs8) = master.open(PURPOSE, &sealed) else {
        return Err(corrupt);
    };
    SigningKey::from_pkcs8(pkcs8).map_err(|_| corrupt)
}

/// An access token for a session of a user.
pub(super) async fn issue(
    core: &Core,
    user: UserId,
    session: SessionId,
    now: Timestamp,
) -> Result<String, Problem> {
    let bug = |what: &str| Problem::new(Code::InternalError).because(what);
    let ring = ring(core, now).await?;
    let newest = ring.kept.iter().find(|key| key.retired_at.is_none());
    let key = open(
        newest.ok_or_else(|| bug("there is no signing key"))?,
        &core.master,
    )?;
    let token: SessionId = tandem_domain::id::Ids::new(now, core.ambient.seed()).next();
    let claims = Claims {
        iss: core.part::<Gate>().issuer.clone(),
        aud: AUDIENCE.to_owned(),
        sub: user.to_string(),
        sid: session.to_string(),
        iat: now.seconds(),
        exp: now.seconds() + TOKEN_SECONDS,
        jti: token.uuid().to_string(),
    };
    jwt::issue(&key, &claims).map_err(|_| bug("no access token could be signed"))
}

/// What an access token says, or `None` where it is not good.
///
/// A replica may have a new key for less than a second: an unknown one is looked up anew, once a second at most.
pub(super) async fn read(
    core: &Core,
    token: &str,
    now: Timestamp,
) -> Result<Option<(UserId, SessionId)>, StoreError> {
    let check = |ring: &KeyRing| {
        jwt::verify(
            token,
            &ring.public,
            core.part::<Gate>().issuer.as_str(),
            AUDIENCE,
            now.seconds(),
        )
    };
    let mut read = check(ring(core, now).await?.as_ref());
    if read == Err(TokenError::UnknownKey) && may_ask_again(core.part(), now) {
        core.part::<Gate>().signing.clear();
        read = check(ring(core, now).await?.as_ref());
    }
    let ids = read.ok().map(|claims| (claims.sub.parse(), claims.sid.parse()));
    Ok(match ids {
        Some((Ok(user), Ok(session))) => Some((user, session)),
        _ => None,
    })
}

fn may_ask_again(gate: &Gate, now: Timestamp) -> bool {
    let mut asked_at = locked(&gate.asked_again_at);
    let is_due = asked_at.is_none_or(|at| now < at || now >= at.plus_millis(MOST_AGE));
    if is_due {
        *asked_at = Some(now);
    }
    is_due
}

async fn ring(core: &Core, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
    core.part::<Gate>()
        .signing
        .get((), now, load(&core.db, now))
        .await
}

async fn load(db: &Db, now: Timestamp) -> Result<Arc<KeyRing>, StoreError> {
    let kept = signing::list(db, now.plus_millis(-STAYS_VALID)).await?;
    let public = |key: &KeptKey| {
        STANDARD
            .decode(&key.public)
            .ok()
            .and_then(|bytes| PublicKey::from_bytes(&bytes).ok())
    };
    let public = kept
        .iter()
        .map(|key| public(key).ok_or(StoreError::Corrupt("signing_keys")))
        .collect::<Result<_, _>>()?;
    Ok(Arc::new(KeyRing { kept, public }))
}
