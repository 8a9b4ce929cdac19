//! A lead's events, touches and visits.

use std::borrow::Cow;

use actix_web::get;
use serde::Deserialize;
use serde_json::json;
use tandem_domain::id::LeadId;
use tandem_domain::tracking::events::PATTERN;
use tandem_store::tracking::{self, ListPosition};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::views::{EventView, SessionView, TouchView};
use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;

/// The operations.
pub fn configure(config: &mut Services<'_>) {
    config.service(list_lead_events);
    config.service(list_lead_touches).service(list_lead_sessions);
}

/// The lead in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct OfLead {
    /// The lead.
    lead_id: LeadId,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// Events of these types.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["page_view"]))]
    types: Option<Vec<EventTypeName>>,
    /// The most events of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// The name of a type of event.
#[derive(Debug, Deserialize)]
struct EventTypeName(String);

impl PartialSchema for EventTypeName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The name of a type of event"))
            .pattern(Some(PATTERN))
            .max_length(Some(71))
            .into()
    }
}

impl ToSchema for EventTypeName {
    fn name() -> Cow<'static, str> {
        "EventTypeName".into()
    }
}

fn place(ctx: &Ctx<LeadsRead>, cursor: Option<&str>) -> Result<Option<ListPosition>, Problem> {
    listing::after(&ctx.master, ctx.request(), cursor)
}

/// List the events of a lead.
///
/// The events of the lead and of records merged into it, newest first, by `(occurred_at, id)`, including what its
/// visitors did before they were linked to it.
#[utoipa::path(tag = "tracking", params(OfLead, EventsQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of events", body = Listing<EventView>)))]
#[get("/v1/leads/{lead_id}/events")]
async fn list_lead_events(
    ctx: Ctx<LeadsRead>,
    path: Path<OfLead>,
    query: Query<EventsQuery>,
) -> Reply<Listing<EventView>> {
    let types = query.0.types.unwrap_or_default();
    let types: Vec<_> = types.into_iter().map(|EventTypeName(name)| name).collect();
    let after = place(&ctx, query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    tracking::lead_exists(&snapshot, path.0.lead_id).await?;
    let page = tracking::events_of(&snapshot, path.0.lead_id, &types, after, limit).await?;
    let last = page.data.last().filter(|_| page.has_more);
    let next = last.map(|event| json!([event.occurred_at, event.id.uuid()]));
    let views = EventView::all(&snapshot, page.data).await?;
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}

/// List the touches of a lead.
///
/// Where the lead came from, each time: visits of the site, clicks in e-mails, attended events, and recorded touches;
/// newest first, by `(occurred_at, id)`.
#[utoipa::path(tag = "tracking", params(OfLead, PageQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of touches", body = Listing<TouchView>)))]
#[get("/v1/leads/{lead_id}/touches")]
async fn list_lead_touches(
    ctx: Ctx<LeadsRead>,
    path: Path<OfLead>,
    query: Query<PageQuery>,
) -> Reply<Listing<TouchView>> {
    let after = place(&ctx, query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    tracking::lead_exists(&snapshot, path.0.lead_id).await?;
    let page = tracking::touches_of(&snapshot, path.0.lead_id, None, after, limit).await?;
    let last = page.data.last().filter(|_| page.has_more);
    let next = last.map(|touch| json!([touch.occurred_at, touch.id.uuid()]));
    let views = TouchView::all(&snapshot, page.data).await?;
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}

/// List the sessions of a lead.
///
/// Newest first. A visit is a run of a visitor's events with gaps below half an hour; another UTM campaign, click id or
/// referring site starts a new visit.
#[utoipa::path(tag = "tracking", params(OfLead, PageQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of visits", body = Listing<SessionView>)))]
#[get("/v1/leads/{lead_id}/sessions")]
async fn list_lead_sessions(
    ctx: Ctx<LeadsRead>,
    path: Path<OfLead>,
    query: Query<PageQuery>,
) -> Reply<Listing<SessionView>> {
    let after = place(&ctx, query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    tracking::lead_exists(&snapshot, path.0.lead_id).await?;
    let page = tracking::sessions_of(&snapshot, path.0.lead_id, after, limit).await?;
    let last = page.data.last().filter(|_| page.has_more);
    let next = last.map(|session| json!([session.occurred_at, session.id.uuid()]));
    let views = SessionView::all(&snapshot, page.data).await?;
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}
