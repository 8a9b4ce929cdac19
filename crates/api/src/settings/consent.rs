//! What the company asks consent for.

use actix_web::{get, put};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::fault::Fault;
use tandem_domain::leads::consent::{ConsentPurpose, purpose_faults};
use tandem_domain::settings::name;
use tandem_store as store;
use utoipa::ToSchema;

use super::replace;
use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};

/// The purposes for which the company requests consent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentPurposes {
    /// The purposes. An omitted purpose can no longer be granted; existing statements about it still count.
    #[schema(max_items = 100)]
    purposes: Vec<ConsentPurpose>,
}

/// Read the purposes of consent.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The declared purposes", body = ConsentPurposes,
        headers(("ETag" = String, description = "The declaration's version")))))]
#[get("/v1/settings/consent-purposes")]
pub(super) async fn get_consent_purposes(ctx: Ctx<SettingsRead>) -> Reply<Tagged<ConsentPurposes>> {
    let rules = store::rules::consent(ctx.db()).await?;
    let purposes = rules.purposes.as_ref().clone();
    Ok(Tagged::new(etag(rules.version, 0), ConsentPurposes { purposes }))
}

/// Replace the purposes of consent.
///
/// Forms, statements and imports may only grant declared purposes; a new installation declares `marketing_email`. A
/// change of `double_opt_in` applies to existing grants too.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = ConsentPurposes,
    responses((status = 200, description = "The purposes as they are now", body = ConsentPurposes,
        headers(("ETag" = String, description = "The declaration's version")))))]
#[put("/v1/settings/consent-purposes")]
pub(super) async fn update_consent_purposes(
    ctx: Ctx<SettingsManage>,
    body: Json<ConsentPurposes>,
) -> Reply<Tagged<ConsentPurposes>> {
    let declared = body.0;
    let fault = |index| {
        Fault::new(
            format!("/purposes/{index}/name"),
            "not_allowed",
            "another purpose has this name",
        )
    };
    refuse(
        purpose_faults(&declared.purposes)
            .into_iter()
            .map(fault)
            .collect(),
    )?;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::CONSENT_PURPOSES, json!(declared.purposes)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), declared)).await
}
