//! The company's own rules for channels.

use actix_web::{get, put};
use serde_json::json;
use tandem_domain::settings::name;
use tandem_domain::tracking::channels::ChannelRules;
use tandem_store as store;

use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::settings::replace;

/// The operations on the rules.
pub fn configure(config: &mut Services<'_>) {
    config.service(get_channel_rules).service(update_channel_rules);
}

/// Read the company's channel rules.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The rules, in order", body = ChannelRules,
        headers(("ETag" = String, description = "The rules' version")))))]
#[get("/v1/settings/channel-rules")]
async fn get_channel_rules(ctx: Ctx<SettingsRead>) -> Reply<Tagged<ChannelRules>> {
    let kept = store::settings::get(ctx.db(), name::CHANNEL_RULES).await?;
    let rules = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), rules))
}

/// Replace the company's channel rules.
///
/// The first rule whose conditions all hold names the channel; without one, the published definitions of GA4's default
/// channel group decide. Rules apply to what arrives from then on.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = ChannelRules,
    responses((status = 200, description = "The rules as they are now", body = ChannelRules,
        headers(("ETag" = String, description = "The rules' version")))))]
#[put("/v1/settings/channel-rules")]
async fn update_channel_rules(
    ctx: Ctx<SettingsManage>,
    body: Json<ChannelRules>,
) -> Reply<Tagged<ChannelRules>> {
    let rules = body.0;
    refuse(rules.faults())?;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::CHANNEL_RULES, json!(rules)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), rules)).await
}
