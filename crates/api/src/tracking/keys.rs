//! Publishable tracking keys of sites.

use actix_web::{delete, get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::id::TrackingKeyId;
use tandem_domain::instant::Timestamp;
use tandem_domain::record::Plain;
use tandem_domain::tracking::keys::{self, TrackingKey, TrackingKeyError};
use tandem_store as store;
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{FormsRead, FormsWrite};
use crate::edge::crypto::secret;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, NoContent, Reply, Tagged, etag};
use crate::edge::http::services::Services;

/// The operations on tracking keys.
pub fn configure(config: &mut Services<'_>) {
    config.service(create_tracking_key).service(list_tracking_keys);
    config.service(get_tracking_key).service(update_tracking_key);
    config.service(rotate_tracking_key).service(revoke_tracking_key);
}

/// How long the key before a rotation works by default, in seconds: 30 days.
const GRACE: i64 = 30 * 86_400;

/// A tracking key to create.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTrackingKey {
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Website")]
    name: String,
    /// The origins whose pages may use the key: scheme, host and optional port.
    #[schema(min_items = 1, max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
}

type TrackingKeyPatch = PatchOf<CreateTrackingKey>;

/// How to rotate a tracking key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateTrackingKey {
    /// For how many seconds the previous key remains valid; default 30 days, 0 ends it at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 31536000, example = 2592000)]
    grace_seconds: Option<i64>,
}

/// A publishable tracking key; it is safe to show to everybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrackingKeyView {
    /// Its id.
    id: TrackingKeyId,
    /// The name that people see.
    #[schema(max_length = 200, example = "Website")]
    name: String,
    /// The key itself.
    #[schema(
        max_length = 64,
        example = "tdm_pk_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk0Ab3xF"
    )]
    key: String,
    /// The origins whose pages may use it.
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
    /// When the key before the last rotation expires.
    previous_key_ends_at: Option<Timestamp>,
    /// When it was revoked.
    revoked_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<TrackingKey> for TrackingKeyView {
    fn from(key: TrackingKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            key: key.key,
            allowed_origins: key.allowed_origins,
            previous_key_ends_at: key.previous.map(|(_, until)| until),
            revoked_at: key.revoked_at,
            created_at: key.created_at,
            updated_at: key.updated_at,
        }
    }
}

/// The tracking key in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TrackingKeyPath {
    /// The tracking key's id.
    tracking_key_id: TrackingKeyId,
}

/// Which page of tracking keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TrackingKeysQuery {
    /// The most tracking keys of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

fn tagged(key: TrackingKey) -> Tagged<TrackingKeyView> {
    Tagged::new(etag(key.version, 0), key.into())
}

/// Create a tracking key.
///
/// For marketing. A site uses the key to report its visitors' events with `POST /v1/collect`; the key reads nothing.
#[utoipa::path(tag = "tracking", security(("bearer" = [FormsWrite])), request_body = CreateTrackingKey,
    responses((status = 201, description = "The tracking key", body = TrackingKeyView,
        headers(("Location" = String, description = "The URL of the new record"), ("ETag" = String, description = "The record's version")))))]
#[post("/v1/tracking-keys")]
async fn create_tracking_key(
    ctx: Ctx<FormsWrite>,
    body: Json<CreateTrackingKey>,
) -> Reply<Created<TrackingKeyView>> {
    let CreateTrackingKey {
        name,
        allowed_origins,
    } = body.0;
    let fresh = secret::TrackingKey::generate().reveal().to_owned();
    let tx = ctx.begin().await?;
    let key = keys::create(&name, &allowed_origins, fresh, ctx.act()).map_err(refused)?;
    store::write_records(&tx, [key.created()]).await?;
    let (location, tag) = (format!("/v1/tracking-keys/{}", key.id), etag(key.version, 0));
    ctx.commit(tx, Created::at(location, TrackingKeyView::from(key)).tagged(tag))
        .await
}

/// List tracking keys.
///
/// In creation order, including revoked keys.
#[utoipa::path(tag = "tracking", params(TrackingKeysQuery), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "A page of tracking keys", body = Listing<TrackingKeyView>)))]
#[get("/v1/tracking-keys")]
async fn list_tracking_keys(
    ctx: Ctx<FormsRead>,
    query: Query<TrackingKeysQuery>,
) -> Reply<Listing<TrackingKeyView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let page = store::tracking::keys::list(ctx.db(), after, limit).await?;
    let view = TrackingKeyView::from;
    Ok(Listing::of(&ctx.master, ctx.request(), page, |key| key.id, view))
}

/// Read a tracking key.
#[utoipa::path(tag = "tracking", params(TrackingKeyPath), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "The tracking key", body = TrackingKeyView,
        headers(("ETag" = String, description = "The record's version")))))]
#[get("/v1/tracking-keys/{tracking_key_id}")]
async fn get_tracking_key(
    ctx: Ctx<FormsRead>,
    path: Path<TrackingKeyPath>,
) -> Reply<Tagged<TrackingKeyView>> {
    let key = store::tracking::keys::get(ctx.db(), path.0.tracking_key_id).await?;
    Ok(tagged(key))
}

/// Update the name or the origins of a tracking key.
///
/// A JSON merge patch. It takes effect on every replica within a second.
#[utoipa::path(tag = "tracking", params(TrackingKeyPath), security(("bearer" = [FormsWrite])), request_body = TrackingKeyPatch,
    responses((status = 200, description = "The updated tracking key", body = TrackingKeyView,
        headers(("ETag" = String, description = "The record's version"))),
        (status = 409, description = "The key is revoked")))]
#[patch("/v1/tracking-keys/{tracking_key_id}")]
async fn update_tracking_key(
    ctx: Ctx<FormsWrite>,
    path: Path<TrackingKeyPath>,
    body: MergePatch<TrackingKeyPatch>,
) -> Reply<Tagged<TrackingKeyView>> {
    let tx = ctx.begin().await?;
    let key = store::tracking::keys::get_for_update(&tx, path.0.tracking_key_id).await?;
    ctx.check_if_match(key.version)?;
    let editable = CreateTrackingKey {
        name: key.name.clone(),
        allowed_origins: key.allowed_origins.clone(),
    };
    let (asked, _) = body.0.apply(&editable)?;
    let edited = keys::edit(&key, &asked.name, &asked.allowed_origins, ctx.act());
    let (key, change) = edited.map_err(refused)?;
    store::write_records(&tx, change).await?;
    ctx.commit(tx, tagged(key)).await
}

/// Rotate a tracking key.
///
/// The present key remains valid for the grace time, so that the site can switch; an older one ends at once.
#[utoipa::path(tag = "tracking", params(TrackingKeyPath), security(("bearer" = [FormsWrite])), request_body = RotateTrackingKey,
    responses((status = 200, description = "The tracking key with its new key", body = TrackingKeyView,
        headers(("ETag" = String, description = "The record's version"))),
        (status = 409, description = "The key is revoked")))]
#[post("/v1/tracking-keys/{tracking_key_id}/rotate")]
async fn rotate_tracking_key(
    ctx: Ctx<FormsWrite>,
    path: Path<TrackingKeyPath>,
    body: Json<RotateTrackingKey>,
) -> Reply<Tagged<TrackingKeyView>> {
    let fresh = secret::TrackingKey::generate().reveal().to_owned();
    let grace = body.0.grace_seconds.unwrap_or(GRACE);
    let tx = ctx.begin().await?;
    let key = store::tracking::keys::get_for_update(&tx, path.0.tracking_key_id).await?;
    ctx.check_if_match(key.version)?;
    let until = ctx.now().plus_millis(grace * 1000);
    let rotated = keys::rotate(&key, fresh, until, ctx.act()).map_err(refused)?;
    let key = rotated.record.clone();
    store::write_records(&tx, [rotated]).await?;
    ctx.commit(tx, tagged(key)).await
}

/// Revoke a tracking key.
///
/// The key stops working on every replica within a second, permanently. Revoking it again has no effect.
#[utoipa::path(tag = "tracking", params(TrackingKeyPath), security(("bearer" = [FormsWrite])),
    responses((status = 204, description = "The tracking key is revoked")))]
#[delete("/v1/tracking-keys/{tracking_key_id}")]
async fn revoke_tracking_key(ctx: Ctx<FormsWrite>, path: Path<TrackingKeyPath>) -> Reply<NoContent> {
    let tx = ctx.begin().await?;
    let key = store::tracking::keys::get_for_update(&tx, path.0.tracking_key_id).await?;
    ctx.check_if_match(key.version)?;
    let revoked = keys::revoke(&key, ctx.act()).map_err(refused)?;
    store::write_records(&tx, revoked).await?;
    ctx.commit(tx, NoContent).await
}

fn refused(refused: TrackingKeyError) -> Problem {
    match refused {
        TrackingKeyError::Denied(reason) => Problem::new(Code::WrongRole).detail(reason.to_string()),
        TrackingKeyError::Revoked => Problem::new(Code::Conflict).detail("The tracking key is revoked"),
        TrackingKeyError::Invalid(faults) => invalid(faults),
    }
}
