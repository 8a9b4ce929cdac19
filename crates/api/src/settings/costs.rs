//! What months cost beside campaigns, and the settings of reports.

use actix_web::{get, put};
use serde_json::json;
use tandem_domain::reports::costs::{CostSettings, MonthCosts};
use tandem_domain::settings::{ReportSettings, name};
use tandem_store as store;

use super::replace;
use crate::access::scopes::{CostsWrite, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};

/// Read the monthly costs beside the campaigns.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The months that have costs", body = CostSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[get("/v1/settings/costs")]
pub(super) async fn get_costs(ctx: Ctx<SettingsRead>) -> Reply<Tagged<CostSettings>> {
    let stored = store::settings::get(ctx.db(), name::COSTS).await?;
    let costs = serde_json::from_value(stored.value).unwrap_or_default();
    Ok(Tagged::new(etag(stored.version, 0), costs))
}

/// Update the monthly costs beside the campaigns.
///
/// The same month again replaces its costs; with both amounts `null` it is removed. The key figure `cac` divides these
/// costs and those of the campaigns by the new customers. It is `incomplete` while a month of its period is missing
/// here.
#[utoipa::path(tag = "settings", security(("bearer" = [CostsWrite])), request_body = MonthCosts,
    responses((status = 200, description = "The costs of all months", body = CostSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[put("/v1/settings/costs")]
pub(super) async fn update_costs(
    ctx: Ctx<CostsWrite>,
    body: Json<MonthCosts>,
) -> Reply<Tagged<CostSettings>> {
    let tx = ctx.begin().await?;
    let known = store::settings::get_for_update(&tx, name::COSTS).await?;
    let known: CostSettings = serde_json::from_value(known.value).unwrap_or_default();
    let costs = known.with(body.0).map_err(invalid)?;
    let version = replace(&ctx, &tx, name::COSTS, json!(costs)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), costs)).await
}

/// Read the settings of reports.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The settings of reports", body = ReportSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[get("/v1/settings/reports")]
pub(super) async fn get_report_settings(ctx: Ctx<SettingsRead>) -> Reply<Tagged<ReportSettings>> {
    let stored = store::settings::get(ctx.db(), name::REPORTS).await?;
    let settings = serde_json::from_value(stored.value).unwrap_or_default();
    Ok(Tagged::new(etag(stored.version, 0), settings))
}

/// Update the settings of reports.
///
/// The margin by which `ltv` is multiplied, and the default `min_sample` of reports.
#[utoipa::path(tag = "settings", security(("bearer" = [CostsWrite])), request_body = ReportSettings,
    responses((status = 200, description = "The settings as they are now", body = ReportSettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[put("/v1/settings/reports")]
pub(super) async fn update_report_settings(
    ctx: Ctx<CostsWrite>,
    body: Json<ReportSettings>,
) -> Reply<Tagged<ReportSettings>> {
    let settings = body.0;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::REPORTS, json!(settings)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), settings)).await
}
