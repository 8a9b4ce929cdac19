//! What the company decides for all: its name and zone, its custom fields, its money.

mod consent;
mod costs;
mod job_words;
mod money;
mod retention;

use actix_web::{get, put};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::fault::Fault;
use tandem_domain::leads::custom::{self, CustomField};
use tandem_domain::settings::SettingChange;
use tandem_domain::settings::{CompanySettings, name};
use tandem_store as store;
use utoipa::ToSchema;

use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config
        .service(get_company_settings)
        .service(update_company_settings);
    config.service(get_custom_fields).service(update_custom_fields);
    config
        .service(consent::get_consent_purposes)
        .service(consent::update_consent_purposes);
    config.service(costs::get_costs).service(costs::update_costs);
    config
        .service(costs::get_report_settings)
        .service(costs::update_report_settings);
    config
        .service(job_words::get_job_words)
        .service(job_words::update_job_words);
    config
        .service(money::get_currency)
        .service(money::update_currency);
    config
        .service(retention::get_retention)
        .service(retention::update_retention);
    config
        .service(money::get_exchange_rates)
        .service(money::update_exchange_rates);
}

/// The declared custom fields of leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomFields {
    /// The fields. An omitted field is no longer declared; its values stay stored.
    #[schema(max_items = 200)]
    pub fields: Vec<CustomField>,
}

/// Read the company's settings.
///
/// Days, weeks and months of reports follow its time zone.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The company's settings", body = CompanySettings,
        headers(("ETag" = String, description = "The settings' version")))))]
#[get("/v1/settings/company")]
async fn get_company_settings(ctx: Ctx<SettingsRead>) -> Reply<Tagged<CompanySettings>> {
    let kept = store::settings::get(ctx.db(), name::COMPANY).await?;
    let settings = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), settings))
}

/// Update the company's settings.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = CompanySettings,
    responses((status = 200, description = "The settings as they are now", body = CompanySettings,
        headers(("ETag" = String, description = "The settings' version")))))]
#[put("/v1/settings/company")]
async fn update_company_settings(
    ctx: Ctx<SettingsManage>,
    body: Json<CompanySettings>,
) -> Reply<Tagged<CompanySettings>> {
    let settings = body.0;
    refuse(settings.faults())?;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::COMPANY, json!(settings)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), settings)).await
}

/// Read the custom fields of leads.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The declared custom fields", body = CustomFields,
        headers(("ETag" = String, description = "The declaration's version")))))]
#[get("/v1/settings/custom-fields")]
async fn get_custom_fields(ctx: Ctx<SettingsRead>) -> Reply<Tagged<CustomFields>> {
    let kept = store::settings::get(ctx.db(), name::CUSTOM_FIELDS).await?;
    let fields = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), CustomFields { fields }))
}

/// Replace the custom fields of leads.
///
/// The type of a field cannot change, even if the field was declared once and omitted since: its values would no longer
/// fit. A field that the agreement in force uses cannot be omitted.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = CustomFields,
    responses((status = 200, description = "The custom fields as they are now", body = CustomFields,
        headers(("ETag" = String, description = "The declaration's version")))))]
#[put("/v1/settings/custom-fields")]
async fn update_custom_fields(
    ctx: Ctx<SettingsManage>,
    body: Json<CustomFields>,
) -> Reply<Tagged<CustomFields>> {
    let declared = body.0;
    let tx = ctx.begin().await?;
    let known = store::settings::get_for_update(&tx, name::CUSTOM_FIELDS).await?;
    let before: Vec<CustomField> = serde_json::from_value(known.value).unwrap_or_default();
    let once = store::settings::get_for_update(&tx, name::RETIRED_FIELDS).await?;
    let mut ever: Vec<CustomField> = serde_json::from_value(once.value).unwrap_or_default();
    ever.retain(|old| before.iter().all(|field| field.name != old.name));
    ever.extend(before);
    let faults = custom::faults(&declared.fields, &ever);
    refuse(
        faults
            .into_iter()
            .map(|(index, bad)| Fault::new(format!("/fields/{index}"), "not_allowed", bad))
            .collect(),
    )?;
    let (rules, forms) = (tx.rules(), tx.rules().form_ids());
    if !rules
        .agreement
        .faults_with(&rules.known(&declared.fields, &forms))
        .is_empty()
    {
        let detail = "must keep the fields that the agreement in force uses";
        return Err(invalid(vec![Fault::new("/fields", "not_allowed", detail)]));
    }
    let version = replace(&ctx, &tx, name::CUSTOM_FIELDS, json!(declared.fields)).await?;
    ever.retain(|old| declared.fields.iter().all(|field| field.name != old.name));
    store::settings::put(&tx, name::RETIRED_FIELDS, &json!(ever), once.version + 1).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), declared)).await
}

/// Replace a setting and answer its version; nothing happens where it says the same already.
pub(crate) async fn replace<P: Permission>(
    ctx: &Ctx<P>,
    tx: &store::Tx,
    name: &'static str,
    after: serde_json::Value,
) -> Result<i64, Problem> {
    let known = store::settings::get_for_update(tx, name).await?;
    ctx.check_if_match(known.version)?;
    if known.value == after {
        return Ok(known.version);
    }
    let version = known.version + 1;
    let before = known.value;
    let change = SettingChange::Changed {
        name,
        version,
        before,
        after,
    };
    store::write_records(tx, [change]).await?;
    Ok(version)
}
