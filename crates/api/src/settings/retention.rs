//! How long records of visitors who are not identified are stored.

use actix_web::{get, put};
use serde_json::json;
use tandem_domain::settings::{RetentionSettings, name};
use tandem_store as store;

use super::replace;
use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};

/// Read the retention periods.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The retention periods", body = RetentionSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[get("/v1/settings/retention")]
pub(super) async fn get_retention(ctx: Ctx<SettingsRead>) -> Reply<Tagged<RetentionSettings>> {
    let stored = store::settings::get(ctx.db(), name::RETENTION).await?;
    let retention = serde_json::from_value(stored.value).unwrap_or_default();
    Ok(Tagged::new(etag(stored.version, 0), retention))
}

/// Replace the retention periods.
///
/// Events and visits of visitors who were never identified are deleted this long after their arrival. Those of leads
/// are not deleted.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = RetentionSettings,
    responses((status = 200, description = "The retention periods as they are now", body = RetentionSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[put("/v1/settings/retention")]
pub(super) async fn update_retention(
    ctx: Ctx<SettingsManage>,
    body: Json<RetentionSettings>,
) -> Reply<Tagged<RetentionSettings>> {
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::RETENTION, json!(body.0)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), body.0)).await
}
