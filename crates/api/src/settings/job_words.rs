//! The words by which job titles are read.

use actix_web::{get, put};
use serde_json::json;
use tandem_domain::leads::job::JobWords;
use tandem_domain::settings::name;
use tandem_store as store;

use super::replace;
use crate::access::scopes::{SettingsManage, SettingsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::reply::{Reply, Tagged, etag};

/// Read the words that classify job titles.
///
/// Until the company replaces them, the built-in words: English, German, French, Italian and Spanish.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsRead])),
    responses((status = 200, description = "The words, in order", body = JobWords,
        headers(("ETag" = String, description = "The words' version")))))]
#[get("/v1/settings/job-words")]
pub(super) async fn get_job_words(ctx: Ctx<SettingsRead>) -> Reply<Tagged<JobWords>> {
    let rules = store::rules::shown_by(&ctx.snapshot().await?).await?;
    let words = rules.job_words.as_ref().clone();
    Ok(Tagged::new(etag(rules.job_words_version, 0), words))
}

/// Replace the words that classify job titles.
///
/// A lead's `job_function` and `seniority` are the names of the first lists that contain a word of its job title. They
/// are derived whenever the lead is shown, so that a change applies to all leads at once.
#[utoipa::path(tag = "settings", security(("bearer" = [SettingsManage])), request_body = JobWords,
    responses((status = 200, description = "The words as they are now", body = JobWords,
        headers(("ETag" = String, description = "The words' version")))))]
#[put("/v1/settings/job-words")]
pub(super) async fn update_job_words(
    ctx: Ctx<SettingsManage>,
    body: Json<JobWords>,
) -> Reply<Tagged<JobWords>> {
    refuse(body.0.faults())?;
    let words = body.0.folded();
    let tx = ctx.begin().await?;
    let version = replace(&ctx, &tx, name::JOB_WORDS, json!(words)).await?;
    ctx.commit(tx, Tagged::new(etag(version, 0), words)).await
}
