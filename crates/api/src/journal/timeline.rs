//! A lead's timeline: everything that happened to it, the newest first.

use actix_web::get;
use serde::Deserialize;
use serde_json::json;
use tandem_domain::id::{EntryId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_store::{journal, leads};
use utoipa::IntoParams;

use super::entry::{self, EntryType, EntryView};
use super::position;
use crate::access::scopes::LeadsRead;
use crate::ctx::Ctx;
use crate::http::listing::{DEFAULT_LIMIT, Listing};
use crate::http::query::{Path, Query};
use crate::http::reply::Reply;

/// Whose timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TimelinePath {
    /// The lead.
    #[param(inline)]
    lead_id: LeadId,
}

/// What of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineQuery {
    /// Entries of these types.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["lead.stage_changed"]))]
    types: Option<Vec<EntryType>>,
    /// How many entries a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 2048)]
    cursor: Option<String>,
}

/// Read a lead's timeline.
///
/// Everything that happened to the lead and to the records that were merged into it, the newest first, by
/// `(occurred_at, id)`. So far it shows the journal; events and touches join it when they are recorded.
#[utoipa::path(tag = "journal", params(TimelinePath, TimelineQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of the timeline", body = Listing<EntryView>)))]
#[get("/v1/leads/{lead_id}/timeline")]
pub(super) async fn get_lead_timeline(
    ctx: Ctx<LeadsRead>,
    path: Path<TimelinePath>,
    query: Query<TimelineQuery>,
) -> Reply<Listing<EntryView>> {
    let (lead_id, query) = (path.0.lead_id, query.0);
    let after: Option<(Timestamp, EntryId)> = position(&ctx, query.cursor.as_deref())?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let page = journal::timeline(ctx.db(), lead_id, &entry::names(query.types), after, limit).await?;
    if page.data.is_empty() {
        // A lead that exists may have nothing to show; one that does not is 404.
        leads::get(ctx.db(), lead_id).await?;
    }
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|last| json!([last.occurred_at, last.id]));
    Ok(Listing::new(
        &ctx.master,
        ctx.request(),
        EntryView::all(page.data)?,
        next,
    ))
}
