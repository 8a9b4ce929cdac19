//! The referrers that end no visit.

use actix_web::{get, put};
use serde::Serialize;
use serde_json::json;
use tandem_domain::settings::name;
use tandem_domain::tracking::IgnoredReferrers;
use tandem_store as store;
use utoipa::ToSchema;

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

/// The company's changes to Tandem's list of ignored referrers, with that list.
#[derive(Debug, Serialize, ToSchema)]
pub struct IgnoredReferrersView {
    /// The hosts that are ignored beside those of `maintained`, including their subdomains.
    #[schema(max_items = 1000, example = json!(["pay.example.com"]))]
    hosts: Vec<String>,
    /// The hosts of `maintained` that are not ignored, including their subdomains.
    #[schema(max_items = 1000, example = json!(["paypal.com"]))]
    except: Vec<String>,
    /// Tandem's list of hosts that are ignored by default: payment and sign-in services, including their subdomains.
    #[schema(example = json!(["login.live.com", "paypal.com"]))]
    maintained: Vec<&'static str>,
}

impl From<IgnoredReferrers> for IgnoredReferrersView {
    fn from(own: IgnoredReferrers) -> Self {
        Self {
            hosts: own.hosts,
            except: own.except,
            maintained: IgnoredReferrers::maintained(),
        }
    }
}

/// Read the ignored referrers.
///
/// What the company adds to Tandem's list of ignored referrers, and takes away from it.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The hosts", body = IgnoredReferrersView,
        headers(("ETag" = String, description = "The list's version")))))]
#[get("/v1/settings/ignored-referrers")]
async fn get_ignored_referrers(ctx: Ctx<SettingsRead>) -> Reply<Tagged<IgnoredReferrersView>> {
    let kept = store::settings::get(ctx.db(), name::IGNORED_REFERRERS).await?;
    let referrers: IgnoredReferrers = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), referrers.into()))
}

/// Replace the ignored referrers.
///
/// `hosts` are ignored beside those of `maintained`, `except` are hosts of that list that are not. A page on an
/// ignored host, or on a site of the company's own forms and tracking keys, is never a referrer, and
/// returning from it continues the visit. The list applies to what arrives from then on.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = IgnoredReferrers,
    responses((status = 200, description = "The hosts as they are now", body = IgnoredReferrersView,
        headers(("ETag" = String, description = "The list's version")))))]
#[put("/v1/settings/ignored-referrers")]
async fn update_ignored_referrers(
    ctx: Ctx<SettingsManage>,
    body: Json<IgnoredReferrers>,
) -> Reply<Tagged<IgnoredReferrersView>> {
    let referrers = body.0.sound().map_err(invalid)?;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::IGNORED_REFERRERS, json!(referrers)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), referrers.into()))
        .await
}
