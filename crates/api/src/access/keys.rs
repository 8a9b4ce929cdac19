//! Secret keys of partners.

use std::borrow::Cow;

use actix_web::{delete, get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::account::{ApiKey, ascending};
use tandem_domain::access::{Actor, Scope};
use tandem_domain::fault::Fault;
use tandem_domain::id::{KeyId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::journal::Facts;
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::access::{keys, lock_accounts};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Gate;
use super::scopes::KeysManage;
use super::{Caller, after, name};
use crate::edge::crypto::hex;
use crate::edge::crypto::secret::SecretKey;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, NoContent, Reply, Tagged, etag};

/// For how long the secret before a rotation stays good, in seconds: a day.
const OVERLAP: i64 = 86_400;

/// A scope that a key may carry: all but that of a person's own account.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct KeyScope(Scope);

impl PartialSchema for KeyScope {
    fn schema() -> RefOr<Schema> {
        let names = Scope::ALL
            .iter()
            .filter(|scope| scope.is_for_keys())
            .map(|scope| scope.name());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names.collect::<Vec<_>>()))
            .description(Some("A scope of the key"))
            .into()
    }
}

impl ToSchema for KeyScope {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("KeyScope")
    }
}

/// A partner's secret key: its scopes and when it expires. The secret itself is shown only when it is created or rotated.
#[derive(Serialize, ToSchema)]
struct ApiKeyView {
    /// Its id.
    id: KeyId,
    /// The name that people see.
    #[schema(max_length = 200, example = "Web shop")]
    name: String,
    /// The scopes that it grants.
    #[schema(max_items = 100)]
    scopes: Vec<KeyScope>,
    /// The last four characters of the secret, to distinguish keys.
    #[schema(max_length = 8, example = "x3Fz")]
    hint: String,
    /// When the key expires; `null`: never.
    expires_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    last_used_at: Option<Timestamp>,
    /// The user who created it.
    created_by: Option<UserId>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// The secret, shown once: in the answer to its creation or rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        max_length = 128,
        example = "tdm_sk_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk0Ab3xF"
    )]
    secret: Option<String>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.into_iter().map(KeyScope).collect(),
            hint: key.hint,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            created_by: key.created_by,
            created_at: key.created_at,
            updated_at: key.updated_at,
            secret: None,
        }
    }
}

/// A secret key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateApiKey {
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, example = "Web shop")]
    name: String,
    /// The scopes that it grants.
    #[schema(min_items = 1, max_items = 100, example = json!(["leads:write"]))]
    scopes: Vec<KeyScope>,
    /// When the key expires; never if omitted.
    expires_at: Option<Timestamp>,
}

/// How to rotate a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateApiKey {
    /// For how many seconds the previous secrets remain valid beside the new one; 0 ends them at once.
    #[serde(default)]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<i64>,
}

/// One key.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct KeyPath {
    /// The key's id.
    key_id: KeyId,
}

/// A page of keys.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a secret key.
///
/// The secret is shown once; only its hash is stored. A key cannot create a key with scopes that it lacks itself, nor one
/// that is valid for longer.
#[utoipa::path(tag = "api-keys", security(("bearer" = [KeysManage])), request_body = CreateApiKey,
    responses((status = 201, description = "The key with its secret", body = ApiKeyView,
        headers(("ETag" = String, description = "The key's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/api-keys")]
pub(super) async fn create_api_key(
    ctx: Ctx<KeysManage>,
    body: Json<CreateApiKey>,
) -> Reply<Created<ApiKeyView>> {
    let body = body.0;
    let (now, mut faults) = (ctx.now(), vec![]);
    let name = name(&body.name, &mut faults);
    let is_past = |at: &Timestamp| *at <= now;
    faults.extend(
        body.expires_at
            .filter(is_past)
            .map(|_| Fault::new("/expires_at", "out_of_range", "must be in the future")),
    );
    let for_people = body
        .scopes
        .iter()
        .enumerate()
        .filter(|(_, scope)| !scope.0.is_for_keys());
    faults.extend(
        for_people.map(|(index, _)| Fault::new(format!("/scopes/{index}"), "not_allowed", "is not for keys")),
    );
    refuse(faults)?;
    let scopes = ascending(body.scopes.into_iter().map(|scope| scope.0).collect());
    only_own(&ctx, &scopes)?;

    let secret = SecretKey::generate();
    let tx = ctx.begin().await?;
    if outlives_caller(&ctx, &tx, body.expires_at).await? {
        let detail = "must not be after the end of the key that calls";
        refuse(vec![Fault::new("/expires_at", "out_of_range", detail)])?;
    }
    let key = ApiKey {
        id: tx.act().ids.next(),
        version: 1,
        name,
        scopes,
        hint: hint(&secret),
        expires_at: body.expires_at,
        revoked_at: None,
        last_used_at: None,
        created_by: ctx.person().map(|person| person.id),
        created_at: now,
        updated_at: now,
    };
    store::write_records(&tx, [key.created()]).await?;
    keys::add_secret(&tx, key.id, hex(&secret.hash())).await?;
    ctx.commit(tx, shown(key, &secret)).await
}

/// List secret keys.
///
/// In creation order, including revoked keys.
#[utoipa::path(tag = "api-keys", security(("bearer" = [KeysManage])), params(KeyQuery),
    responses((status = 200, description = "A page of keys", body = Listing<ApiKeyView>)))]
#[get("/v1/api-keys")]
pub(super) async fn list_api_keys(
    ctx: Ctx<KeysManage>,
    query: Query<KeyQuery>,
) -> Reply<Listing<ApiKeyView>> {
    let after = after(&ctx, query.0.cursor.as_deref())?;
    let page = keys::list(ctx.db(), after, query.0.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |key| key.id,
        ApiKeyView::from,
    ))
}

/// Read a secret key.
///
/// The secret is never shown again.
#[utoipa::path(tag = "api-keys", security(("bearer" = [KeysManage])), params(KeyPath),
    responses((status = 200, description = "The key", body = ApiKeyView,
        headers(("ETag" = String, description = "The key's version")))))]
#[get("/v1/api-keys/{key_id}")]
pub(super) async fn get_api_key(ctx: Ctx<KeysManage>, path: Path<KeyPath>) -> Reply<Tagged<ApiKeyView>> {
    let key = keys::get(ctx.db(), path.0.key_id).await?;
    Ok(Tagged::new(etag(key.version, 0), key.into()))
}

/// Rotate a secret key.
///
/// The previous secrets remain valid for a while, by default one day, so that callers can switch.
#[utoipa::path(tag = "api-keys", security(("bearer" = [KeysManage])), params(KeyPath), request_body = RotateApiKey,
    responses((status = 201, description = "The key with its new secret", body = ApiKeyView,
        headers(("ETag" = String, description = "The key's version"), ("Location" = String, description = "The URL of the new record"))),
        (status = 409, description = "The key is revoked or has expired")))]
#[post("/v1/api-keys/{key_id}/rotate")]
pub(super) async fn rotate_api_key(
    ctx: Ctx<KeysManage>,
    path: Path<KeyPath>,
    body: Json<RotateApiKey>,
) -> Reply<Created<ApiKeyView>> {
    let secret = SecretKey::generate();
    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    let key = keys::get_for_update(&tx, path.0.key_id).await?;
    only_own(&ctx, &key.scopes)?;
    if outlives_caller(&ctx, &tx, key.expires_at).await? {
        let detail = "A key cannot rotate a key that is valid for longer than itself";
        return Err(Problem::new(Code::WrongRole).detail(detail));
    }
    ctx.check_if_match(key.version)?;
    let over = || Problem::new(Code::Conflict).detail("The key is revoked or has expired");
    let rotated = key.rotate(hint(&secret), ctx.now()).ok_or_else(over)?;
    let overlap = body.0.overlap_seconds.unwrap_or(OVERLAP);
    keys::end_secrets(&tx, key.id, ctx.now().plus_millis(overlap * 1000)).await?;
    keys::add_secret(&tx, key.id, hex(&secret.hash())).await?;
    store::write_records(&tx, [rotated.other("rotated", Facts::new())]).await?;
    let answer = ctx.commit(tx, shown(rotated, &secret)).await;
    ctx.part::<Gate>().forget();
    answer
}

/// Revoke a secret key.
///
/// The key stops working on every replica within a second, permanently. Revoking it again has no effect.
#[utoipa::path(tag = "api-keys", security(("bearer" = [KeysManage])), params(KeyPath),
    responses((status = 204, description = "The key is revoked")))]
#[delete("/v1/api-keys/{key_id}")]
pub(super) async fn revoke_api_key(ctx: Ctx<KeysManage>, path: Path<KeyPath>) -> Reply<NoContent> {
    let tx = ctx.begin().await?;
    lock_accounts(&tx).await?;
    let key = keys::get_for_update(&tx, path.0.key_id).await?;
    ctx.check_if_match(key.version)?;
    if let Some(revoked) = key.revoke(ctx.now()) {
        keys::drop_secrets(&tx, key.id).await?;
        store::write_records(&tx, [revoked.other("revoked", Facts::new())]).await?;
    }
    let answer = ctx.commit(tx, NoContent).await;
    ctx.part::<Gate>().forget();
    answer
}

/// Whether the caller is a key that stops working before this instant, or before a key without an end.
async fn outlives_caller(
    ctx: &Ctx<KeysManage>,
    tx: &store::Tx,
    end: Option<Timestamp>,
) -> Result<bool, Problem> {
    let Actor::Key { id, .. } = ctx.actor() else {
        return Ok(false);
    };
    let own = keys::get(tx, *id).await?.expires_at;
    Ok(own.is_some_and(|own| end.is_none_or(|end| end > own)))
}

/// A key hands on no right that it does not have; a person who manages keys has them all.
fn only_own(ctx: &Ctx<KeysManage>, scopes: &[Scope]) -> Result<(), Problem> {
    use actix_web::HttpMessage;
    if !matches!(ctx.actor(), Actor::Key { .. }) {
        return Ok(());
    }
    let extensions = ctx.request().extensions();
    let identity = extensions
        .get::<Caller>()
        .and_then(|caller| caller.identity.as_ref().ok());
    let own = identity
        .map(|identity| identity.scopes.as_slice())
        .unwrap_or_default();
    match scopes.iter().find(|scope| !own.contains(scope)) {
        Some(missing) => Err(Problem::new(Code::InsufficientScope).with("scope", missing.name())),
        None => Ok(()),
    }
}

fn hint(secret: &SecretKey) -> String {
    let text = secret.reveal();
    text[text.len().saturating_sub(4)..].to_owned()
}

/// The one answer that shows a secret.
fn shown(key: ApiKey, secret: &SecretKey) -> Created<ApiKeyView> {
    let (location, tag) = (format!("/v1/api-keys/{}", key.id), etag(key.version, 0));
    let view = ApiKeyView {
        secret: Some(secret.reveal().to_owned()),
        ..ApiKeyView::from(key)
    };
    Created::at(location, view).tagged(tag).shown_once(&["secret"])
}
