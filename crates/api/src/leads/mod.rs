//! Leads and companies over HTTP.

pub mod actions;
pub mod batch;
pub mod body;
pub mod companies;
pub mod list;
pub mod view;

use actix_web::{get, patch, post};
use serde::Deserialize;
use tandem_domain::id::{LeadId, UserId};
use tandem_domain::leads::identity::external_key;
use tandem_store as store;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::ctx::Ctx;
use crate::http::json::{Json, MergePatch};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::http::reply::{Created, Reply, Tagged, Upserted, etag};
use crate::settings::invalid;
use actions::Decided;
use body::{LeadPatch, LeadWrite};
use view::{FieldValuesView, LeadView};

/// The operations of this room.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(create_lead)
        .service(batch::save_leads)
        .service(list::list_leads);
    config
        .service(get_lead_by_external_id)
        .service(get_lead)
        .service(patch_lead)
        .service(list_lead_fields);
    config
        .service(archive_lead)
        .service(restore_lead)
        .service(assign_lead);
    companies::configure(config);
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

/// Who is to be responsible.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignLead {
    /// An active user of sales; `null` for nobody.
    #[schema(required = true)]
    owner_id: Option<UserId>,
}

fn tag(decided: &Decided) -> String {
    etag(decided.lead.version, decided.lead.derived)
}

fn reply(decided: Decided) -> Tagged<LeadView> {
    let (tag, id) = (tag(&decided), decided.lead.id);
    Tagged::new(tag, LeadView::of(decided.lead, decided.company)).about(vec![id])
}

/// The answer to an upsert: 201 where the lead was made, 200 where it was there.
fn upserted(decided: Decided) -> Upserted<LeadView> {
    if !decided.created {
        return Upserted::Changed(reply(decided));
    }
    let (tag, id) = (tag(&decided), decided.lead.id);
    let view = LeadView::of(decided.lead, decided.company);
    Upserted::Made(
        Created::at(format!("/v1/leads/{id}"), view)
            .tagged(tag)
            .about(vec![id]),
    )
}

/// Create a lead, or add to the one that is there.
///
/// The lead is found by `id`, then external id, then e-mail; by phone only where it is the one identifier and one lead
/// alone has it. What is said is kept as statements; the shown value of a field is chosen among them (by hand first,
/// then the newest).
#[utoipa::path(tag = "leads", security(("bearer" = [LeadsWrite])), request_body = LeadWrite, responses(
    (status = 201, description = "The lead was made", body = LeadView, headers(
        ("ETag" = String, description = "The lead's version"), ("Location" = String, description = "The lead's address"))),
    (status = 200, description = "The lead was there; what is new was added", body = LeadView,
        headers(("ETag" = String, description = "The lead's version"))),
    (status = 404, description = "The `id` names no lead")))]
#[post("/v1/leads")]
async fn create_lead(ctx: Ctx<LeadsWrite>, body: Json<LeadWrite>) -> Reply<Upserted<LeadView>> {
    let said = body.0.read().map_err(invalid)?;
    let tx = ctx.begin().await?;
    let decided = actions::upsert(&tx, &ctx, &[said]).await?.pop();
    let decided = decided.unwrap_or_else(|| Err(Problem::new(Code::InternalError)))?;
    ctx.commit(tx, upserted(decided)).await
}

/// Read a lead.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[get("/v1/leads/{lead_id}")]
async fn get_lead(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let snapshot = ctx.snapshot().await?;
    let found = store::leads::get(&snapshot, path.0.lead_id).await?;
    Ok(Tagged::new(
        etag(found.lead.version, found.lead.derived),
        found.into(),
    ))
}

/// Read a lead by an id of another system.
#[utoipa::path(tag = "leads", params(ExternalPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[get("/v1/leads/by-external-id/{system}/{id}")]
async fn get_lead_by_external_id(ctx: Ctx<LeadsRead>, path: Path<ExternalPath>) -> Reply<Tagged<LeadView>> {
    let snapshot = ctx.snapshot().await?;
    let key = external_key(&path.0.system, &path.0.id);
    let id = store::leads::find_by_key(&snapshot, &key)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    let found = store::leads::get(&snapshot, id).await?;
    Ok(Tagged::new(
        etag(found.lead.version, found.lead.derived),
        found.into(),
    ))
}

/// Change a lead.
///
/// A JSON merge patch: what is left out stays, `null` empties. What a key says does not change what a user typed by
/// hand; the answer shows the values that win.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = LeadPatch,
    responses((status = 200, description = "The lead as it is now", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[patch("/v1/leads/{lead_id}")]
async fn patch_lead(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    patch: MergePatch<LeadPatch>,
) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::edit(&tx, &ctx, path.0.lead_id, patch.0).await?;
    ctx.commit(tx, reply(decided)).await
}

/// List every statement about a lead.
///
/// Each value that was ever said, by whom and when, and which one is shown.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The statements", body = FieldValuesView)))]
#[get("/v1/leads/{lead_id}/fields")]
async fn list_lead_fields(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<FieldValuesView>> {
    let snapshot = ctx.snapshot().await?;
    store::leads::get(&snapshot, path.0.lead_id).await?;
    let statements = store::leads::statements(&snapshot, path.0.lead_id).await?;
    Ok(Json(FieldValuesView::of(statements)))
}

/// Put a lead away.
///
/// Lists leave it out unless they ask for archived leads. A form that the person sends takes it up again.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The lead as it is now", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/archive")]
async fn archive_lead(ctx: Ctx<LeadsWrite>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::archive(&tx, &ctx, path.0.lead_id, true).await?;
    ctx.commit(tx, reply(decided)).await
}

/// Take a lead up again.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The lead as it is now", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/restore")]
async fn restore_lead(ctx: Ctx<LeadsWrite>, path: Path<LeadPath>) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::archive(&tx, &ctx, path.0.lead_id, false).await?;
    ctx.commit(tx, reply(decided)).await
}

/// Give a lead to a user, or to nobody.
///
/// A sales manager or revops gives; a sales user takes a lead that nobody owns.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = AssignLead,
    responses((status = 200, description = "The lead as it is now", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[post("/v1/leads/{lead_id}/assign")]
async fn assign_lead(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    body: Json<AssignLead>,
) -> Reply<Tagged<LeadView>> {
    let tx = ctx.begin().await?;
    let decided = actions::assign(&tx, &ctx, path.0.lead_id, body.0.owner_id).await?;
    ctx.commit(tx, reply(decided)).await
}
