//! The referrers that end no visit.

use actix_web::{get, put};
use serde_json::json;
use tandem_domain::settings::name;
use tandem_domain::tracking::IgnoredReferrers;
use tandem_store as store;

use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::settings::replace;

/// The operations on the referrers.
pub fn configure(config: &mut Services<'_>) {
    config
        .service(get_ignored_referrers)
        .service(update_ignored_referrers);
}

/// Read the ignored referrers.
///
/// A maintained list of payment and sign-in services until the company sets its own.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The hosts", body = IgnoredReferrers,
        headers(("ETag" = String, description = "The list's version")))))]
#[get("/v1/settings/ignored-referrers")]
async fn get_ignored_referrers(ctx: Ctx<SettingsRead>) -> Reply<Tagged<IgnoredReferrers>> {
    let kept = store::settings::get(ctx.db(), name::IGNORED_REFERRERS).await?;
    let referrers = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), referrers))
}

/// Replace the ignored referrers.
///
/// A page on one of these hosts, or on a site of the company's own forms and tracking keys, is never a referrer, and
/// returning from it continues the visit. The list applies to what arrives from then on.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = IgnoredReferrers,
    responses((status = 200, description = "The hosts as they are now", body = IgnoredReferrers,
        headers(("ETag" = String, description = "The list's version")))))]
#[put("/v1/settings/ignored-referrers")]
async fn update_ignored_referrers(
    ctx: Ctx<SettingsManage>,
    body: Json<IgnoredReferrers>,
) -> Reply<Tagged<IgnoredReferrers>> {
    let referrers = body.0.sound().map_err(invalid)?;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::IGNORED_REFERRERS, json!(referrers)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), referrers)).await
}
