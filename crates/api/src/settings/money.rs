//! What money is counted in: the base currency, and the dated exchange rates to it.

use std::collections::BTreeSet;

use actix_web::{get, put};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::agreement::conditions::Known;
use tandem_domain::fault::Fault;
use tandem_domain::instant::Day;
use tandem_domain::money::{Currency, DatedRate, Rates};
use tandem_domain::settings::SettingChange;
use tandem_domain::settings::{CurrencySettings, name};
use tandem_store as store;
use utoipa::ToSchema;

use super::replace;
use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::{Reply, Tagged, etag};

/// One dated exchange rate.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExchangeRate {
    /// The currency that is converted: one unit of it is worth `rate` units of `to`.
    from: Currency,
    /// The currency into which it is converted.
    to: Currency,
    /// The first day on which the rate is in force, in the company's time zone. It holds until the next rate of the
    /// pair.
    on: Day,
    /// Units of `to` per unit of `from`: a decimal above 0 with at most 9 digits before the point, 10 after it, and 15
    /// in all.
    #[schema(
        min_length = 1,
        max_length = 20,
        pattern = r"^[0-9]{1,9}(\.[0-9]{1,10})?$",
        example = "0.9215"
    )]
    rate: String,
}

/// The dated exchange rates.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExchangeRates {
    /// All rates; they replace the previous ones.
    #[schema(max_items = 5000)]
    rates: Vec<ExchangeRate>,
}

impl ExchangeRates {
    fn of(rates: &Rates) -> Self {
        let view = |one: DatedRate| ExchangeRate {
            from: one.from,
            to: one.to,
            on: one.on,
            rate: one.rate.to_string(),
        };
        Self {
            rates: rates.iter().map(view).collect(),
        }
    }

    /// The rates, or everything that is wrong with them.
    fn read(self) -> Result<Rates, Problem> {
        let (mut faults, mut rates, mut seen) = (vec![], vec![], BTreeSet::new());
        for (index, one) in self.rates.into_iter().enumerate() {
            let place = |member: &str| format!("/rates/{index}/{member}");
            if one.from == one.to {
                faults.push(Fault::new(
                    place("to"),
                    "not_allowed",
                    "must be another currency than `from`",
                ));
            }
            let rate = one.rate.parse();
            if let Err(error) = &rate {
                faults.push(Fault::new(place("rate"), "invalid_format", error));
            }
            let Ok(rate) = rate else {
                continue;
            };
            if !seen.insert((one.from, one.to, one.on)) {
                faults.push(Fault::new(
                    place("on"),
                    "not_allowed",
                    "the pair already has a rate of that day",
                ));
            }
            rates.push(DatedRate {
                from: one.from,
                to: one.to,
                on: one.on,
                rate,
            });
        }
        if faults.is_empty() {
            Ok(rates.into_iter().collect())
        } else {
            Err(invalid(faults))
        }
    }
}

/// Read the base currency.
///
/// The currency of reports; a new installation starts with EUR.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The base currency", body = CurrencySettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[get("/v1/settings/currency")]
pub(super) async fn get_currency(ctx: Ctx<SettingsRead>) -> Reply<Tagged<CurrencySettings>> {
    let kept = store::settings::get(ctx.db(), name::CURRENCY).await?;
    let settings: CurrencySettings = serde_json::from_value(kept.value).unwrap_or_default();
    Ok(Tagged::new(etag(kept.version, 0), settings))
}

/// Update the base currency.
///
/// Sets the currency of reports. Refused with `409 conflict` once a deal has been valued in another base currency, even
/// if it was reopened since, because reported figures would no longer add up; and while the agreement in force contains
/// amounts in another currency.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = CurrencySettings,
    responses((status = 200, description = "The updated base currency", body = CurrencySettings,
        headers(("ETag" = String, description = "The setting's version")))))]
#[put("/v1/settings/currency")]
pub(super) async fn update_currency(
    ctx: Ctx<SettingsManage>,
    body: Json<CurrencySettings>,
) -> Reply<Tagged<CurrencySettings>> {
    let settings = body.0;
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::CURRENCY, json!(settings)).await?;
    if store::deals::is_valued_otherwise(&tx, settings.currency.code()).await? {
        let detail = "The base currency cannot change: deals have been closed in another one";
        return Err(Problem::new(Code::Conflict).detail(detail));
    }
    let (rules, forms) = (tx.rules(), tx.rules().form_ids());
    let known = Known {
        currency: settings.currency,
        ..rules.known(&rules.custom_fields, &forms)
    };
    if !rules.agreement.faults_with(&known).is_empty() {
        let detail = "The agreement in force contains amounts in another currency; change these first";
        return Err(Problem::new(Code::Conflict).detail(detail));
    }
    ctx.commit(tx, Tagged::new(etag(version, 0), settings)).await
}

/// Read the dated exchange rates.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The rates, by pair and day", body = ExchangeRates,
        headers(("ETag" = String, description = "The rates' version")))))]
#[get("/v1/settings/exchange-rates")]
pub(super) async fn get_exchange_rates(ctx: Ctx<SettingsRead>) -> Reply<Tagged<ExchangeRates>> {
    let snapshot = ctx.snapshot().await?;
    let kept = store::settings::get(&snapshot, name::EXCHANGE_RATES).await?;
    let rates = store::settings::rates(&snapshot).await?;
    Ok(Tagged::new(etag(kept.version, 0), ExchangeRates::of(&rates)))
}

/// Replace the dated exchange rates.
///
/// A deal is converted to the base currency when it closes, at the newest rate of the pair dated on or before that day.
/// Rates are not inverted. Amounts that have been converted do not change.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = ExchangeRates,
    responses((status = 200, description = "The rates as they are now", body = ExchangeRates,
        headers(("ETag" = String, description = "The rates' version")))))]
#[put("/v1/settings/exchange-rates")]
pub(super) async fn update_exchange_rates(
    ctx: Ctx<SettingsManage>,
    body: Json<ExchangeRates>,
) -> Reply<Tagged<ExchangeRates>> {
    let after = body.0.read()?;
    let tx = ctx.begin().await?;
    let known = store::settings::get_for_update(&tx, name::EXCHANGE_RATES).await?;
    ctx.check_if_match(known.version)?;
    let before = store::settings::rates(&tx).await?;
    let (gone, come) = (before.without(&after), after.without(&before));
    let mut version = known.version;
    if !gone.is_empty() || !come.is_empty() {
        version += 1;
        let change = SettingChange::RatesReplaced {
            version,
            gone,
            come,
            count: after.len(),
        };
        store::write_records(&tx, [change]).await?;
    }
    ctx.commit(tx, Tagged::new(etag(version, 0), ExchangeRates::of(&after)))
        .await
}
