//! What the company asks consent for.

use actix_web::{get, put};
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::agreement::conditions::Known;
use tandem_domain::fault::Fault;
use tandem_domain::leads::consent::{ConsentPurpose, purpose_faults};
use tandem_domain::routing::Routing;
use tandem_domain::settings::name;
use tandem_store::{self as store, Tx};
use utoipa::ToSchema;

use super::replace;
use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
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
    demand_used(&tx, &declared.purposes)?;
    let version = replace(&ctx, &tx, name::CONSENT_PURPOSES, json!(declared.purposes)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), declared)).await
}

/// Refuse to omit a purpose that the agreement in force, a segment or the routing names.
fn demand_used(tx: &Tx, declared: &[ConsentPurpose]) -> Result<(), Problem> {
    let (rules, forms) = (tx.rules(), tx.rules().form_ids());
    let names: BTreeSet<String> = declared.iter().map(|purpose| purpose.name.clone()).collect();
    let known = Known {
        purposes: &names,
        ..rules.known(&rules.custom_fields, &forms)
    };
    let routing = Routing::read(rules.routing.document.clone(), &known);
    if rules.agreement.faults_with(&known).is_empty() && routing.is_ok() {
        return Ok(());
    }
    let detail = "must keep the purposes that the agreement in force, a segment or the routing uses";
    refuse(vec![Fault::new("/purposes", "not_allowed", detail)])
}
