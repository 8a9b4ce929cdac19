//! Leads and companies over HTTP.

pub mod actions;
pub mod batch;
pub mod body;
pub mod companies;
pub mod consent;
pub mod list;
pub mod qualification;
mod score;
pub mod view;

use std::time::Duration;

use actix_web::{get, patch, post};
use serde::Deserialize;
use tandem_domain::handoff::Clocks;
use tandem_domain::id::{LeadId, UserId};
use tandem_domain::leads::Lead;
use tandem_domain::leads::identity::external_key;
use tandem_domain::scoring::StoredScore;
use tandem_store as store;
use tandem_store::leads::{LeadWithCompany, Part};
use tandem_store::rules::ShownBy;
use tandem_store::{Db, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Created, Reply, Tagged, Upserted, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::{PathRule, Room};
use actions::Decided;
use body::{LeadPatch, LeadWrite};
use consent::view::contacts;
use view::{FieldValuesView, LeadView};

/// This room.
pub const ROOM: Room = Room {
    paths: &[PathRule {
        has_token: true,
        ignores_unknown: true,
        ..PathRule::of(consent::LINK)
    }],
    dress: Some(consent::dress),
    jobs: &[
        Job::when(
            "company_words",
            Duration::from_secs(1),
            |snapshot| Box::pin(store::leads::next_rename(snapshot)),
            |core, turn| Box::pin(company_words(core, turn)),
        )
        .by_one(),
        Job::when(
            "refresh",
            Duration::from_secs(1),
            |snapshot| Box::pin(store::scoring::next_stale(snapshot)),
            |core, turn| Box::pin(refresh(core, turn)),
        )
        .by_one_promptly(),
    ],
    ..Room::of(configure)
};

/// The operations of this room.
pub fn configure(config: &mut Services<'_>) {
    config
        .service(create_lead)
        .service(batch::save_leads)
        .service(list::list_leads);
    config
        .service(get_lead_by_external_id)
        .service(get_lead)
        .service(update_lead)
        .service(list_lead_fields)
        .service(score::get_lead_score)
        .service(score::list_score_history);
    config
        .service(archive_lead)
        .service(restore_lead)
        .service(assign_lead)
        .service(qualification::update_qualification);
    companies::configure(config);
    consent::configure(config);
}

/// A lead by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LeadPath {
    /// The lead's id.
    pub lead_id: LeadId,
}

/// A lead by an id of another system.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ExternalPath {
    /// The system.
    #[param(max_length = 64, example = "crm")]
    system: String,
    /// The id in that system.
    #[param(max_length = 255, example = "4711")]
    id: String,
}

/// The new owner; `null` for none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignLead {
    /// The owner: an active user of sales; `null` for none.
    #[schema(required = true)]
    owner_id: Option<UserId>,
    /// What happens to running promises: `keep` continues them, `restart` restarts them.
    #[serde(default)]
    #[schema(default = "keep")]
    clocks: Clocks,
}

/// The lead's entity tag. It changes with the lead's version, and with what the answer derives from the consent purposes, the
/// job words and the score.
fn tag(lead: &Lead, score: Option<&StoredScore>, rules: &ShownBy) -> String {
    etag(lead.version, derived(lead, score, rules))
}

/// What time and rules did to what is shown of the lead.
fn derived(lead: &Lead, score: Option<&StoredScore>, rules: &ShownBy) -> i64 {
    lead.derived + score.map_or(0, |score| score.derived) + rules.version()
}

/// The lead as a decision left it, with its tag.
async fn shown(tx: &Tx, decided: Decided) -> Result<(String, LeadView), Problem> {
    let found = store::leads::get_parts(tx, decided.lead.id, &[Part::Consent, Part::Qualification]).await?;
    let rules = &tx.rules().shown_by;
    let tag = tag(&decided.lead, decided.score.as_ref(), rules);
    let may_contact = contacts(&found.consent, &rules.consent, decided.lead.email());
    let view = LeadView::of(decided.lead, decided.company, may_contact, &rules.job_words);
    Ok((tag, view.scored(decided.score).qualified(found.qualification)))
}

async fn reply(tx: &Tx, decided: Decided) -> Result<Tagged<LeadView>, Problem> {
    let (tag, view) = shown(tx, decided).await?;
    let id = view.id;
    Ok(Tagged::new(tag, view).about(vec![id]))
}

/// The answer to an upsert: 201 where the lead was made, 200 where it was there.
async fn upserted(tx: &Tx, decided: Decided) -> Result<Upserted<LeadView>, Problem> {
    if !decided.created {
        return Ok(Upserted::Changed(reply(tx, decided).await?));
    }
    let (tag, view) = shown(tx, decided).await?;
    let id = view.id;
    let made = Created::at(format!("/v1/leads/{id}"), view).tagged(tag);
    Ok(Upserted::Made(made.about(vec![id])))
}

/// A lead as it was found.
async fn found(db: &Db, found: LeadWithCompany) -> Result<Tagged<LeadView>, Problem> {
    let rules = &db.rules_at(found.settings_revision).await?.shown_by;
    Ok(Tagged::new(
        tag(&found.lead, found.score.as_ref(), rules),
        LeadView::found(found, rules),
    ))
}

/// Create or update a lead.
///
/// The lead is found by `id`, then external id, then e-mail; by phone only if that is the only identifier and exactly
/// one lead has it. If the identifiers belong to several leads, the request is refused, and these leads are suggested
/// as duplicates. Values are stored as statements; a field shows the highest-ranking one (users first, then the
/// newest).
#[utoipa::path(tag = "leads", security(("bearer" = [LeadsWrite])), request_body = LeadWrite, responses(
    (status = 201, description = "The lead was created", body = LeadView, headers(
        ("ETag" = String, description = "The lead's version"), ("Location" = String, description = "The URL of the lead"))),
    (status = 200, description = "The lead existed and was updated", body = LeadView,
        headers(("ETag" = String, description = "The lead's version"))),
    (status = 404, description = "There is no lead with this `id`")))]
#[post("/v1/leads")]
async fn create_lead(ctx: Ctx<LeadsWrite>, body: Json<LeadWrite>) -> Reply<Upserted<LeadView>> {
    let said = body.0.read().map_err(invalid)?;
    let tx = ctx.begin().await?;
    let decided = actions::upsert(&tx, ctx.act(), &[said]).await?.pop();
    let decided = match decided.unwrap_or_else(|| Err(Problem::new(Code::InternalError))) {
        Ok(decided) => decided,
        Err(problem) => return ctx.refuse(tx, problem).await,
    };
    let answer = upserted(&tx, decided).await?;
    ctx.commit(tx, answer).await
}

/// Read a lead.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[get("/v1/leads/{lead_id}")]
async fn get_lead(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let lead = store::leads::get(ctx.db(), path.0.lead_id).await?;
    found(ctx.db(), lead).await
}

/// Read a lead by its external id.
#[utoipa::path(tag = "leads", params(ExternalPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[get("/v1/leads/by-external-id/{system}/{id}")]
async fn get_lead_by_external_id(ctx: Ctx<LeadsRead>, path: Path<ExternalPath>) -> Reply<Tagged<LeadView>> {
    let key = external_key(&path.0.system, &path.0.id);
    let lead = store::leads::get_by_key(ctx.db(), &key).await?;
    found(ctx.db(), lead).await
}

/// Update a lead.
///
/// A JSON merge patch: omitted members stay, `null` empties. A key's value does not replace a user's; the answer shows
/// the values that prevail.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = LeadPatch,
    responses((status = 200, description = "The updated lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[patch("/v1/leads/{lead_id}")]
async fn update_lead(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    patch: MergePatch<LeadPatch>,
) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::edit(&tx, ctx.act(), path.0.lead_id, &ctx.if_match(), patch.0).await?;
    let answer = reply(&tx, decided).await?;
    ctx.commit(tx, answer).await
}

/// List all statements about a lead's fields.
///
/// Every stated value with its source and time, and which one is shown.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The statements", body = FieldValuesView)))]
#[get("/v1/leads/{lead_id}/fields")]
async fn list_lead_fields(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<FieldValuesView>> {
    let snapshot = ctx.snapshot().await?;
    store::leads::check(&snapshot, path.0.lead_id).await?;
    let statements = store::leads::statements(&snapshot, path.0.lead_id).await?;
    Ok(Json(FieldValuesView::of(statements)))
}

/// Archive a lead.
///
/// Lists omit archived leads by default. A lead with a pending hand-off, a running promise or an open deal cannot be
/// archived (`409 still_in_work`). A form that the person submits restores the lead.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The updated lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/archive")]
async fn archive_lead(ctx: Ctx<LeadsWrite>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::archive(&tx, ctx.act(), path.0.lead_id, &ctx.if_match(), true).await?;
    let answer = reply(&tx, decided).await?;
    ctx.commit(tx, answer).await
}

/// Restore a lead.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The updated lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/restore")]
async fn restore_lead(ctx: Ctx<LeadsWrite>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::archive(&tx, ctx.act(), path.0.lead_id, &ctx.if_match(), false).await?;
    let answer = reply(&tx, decided).await?;
    ctx.commit(tx, answer).await
}

/// Assign a lead to a user, or to nobody.
///
/// A sales manager or revops assigns a lead to any user. A sales user may take a lead without an owner, unless it waits
/// in another team's queue. A pending hand-off moves with the lead: to the user, or back to the general queue. If two
/// users take it at once, one gets `409 already_decided` with the user and the time.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = AssignLead,
    responses((status = 200, description = "The updated lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/assign")]
async fn assign_lead(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    body: Json<AssignLead>,
) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::assign(
        &tx,
        ctx.act(),
        path.0.lead_id,
        &ctx.if_match(),
        body.0.owner_id,
        body.0.clocks,
    )
    .await?;
    let answer = reply(&tx, decided).await?;
    ctx.commit(tx, answer).await
}

/// Let leads take over the words of their renamed company, where these are too many for the rename itself.
async fn company_words(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let is_left = store::leads::follow_renames(&tx, turn.limit).await?;
        tx.commit().await?;
        if !is_left {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

/// Judge leads again of which what was derived is no longer true.
async fn refresh(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let is_left = store::scoring::refresh(&tx, turn.limit).await?;
        tx.commit().await?;
        if !is_left {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}
