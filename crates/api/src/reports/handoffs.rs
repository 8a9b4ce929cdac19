//! The hand-offs behind a figure.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::access::Queue;
use tandem_domain::handoff::{Handoff, HandoffState};
use tandem_domain::id::{HandoffId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::handoffs::HandoffFigure;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use utoipa::{IntoParams, ToSchema};

use super::request::{Chosen, Ids, Selection, asked};
use crate::access::scopes::{HandoffEvidenceRead, HandoffsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// The address of the list of the hand-offs behind a figure.
pub(super) fn address(figure: HandoffFigure, selection: &Selection) -> String {
    selection.evidence("handoffs", &[("figure", figure.name())])
}

/// Which figure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HandoffEvidenceQuery {
    /// The figure; default all hand-offs.
    #[param(inline, example = "rejected")]
    figure: Option<HandoffFigure>,
    /// The most hand-offs of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A hand-off counted in a figure.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoffEvidence {
    /// Its id.
    id: HandoffId,
    /// The lead.
    lead_id: LeadId,
    /// The lead's cycle.
    #[schema(minimum = 1, example = 1)]
    cycle: i64,
    /// The state.
    state: HandoffState,
    /// When it was created.
    made_at: Timestamp,
    /// The owner.
    owner_id: Option<UserId>,
    /// The queue in which it waits without an owner.
    queue: Option<Queue>,
    /// When it first had an owner.
    assigned_at: Option<Timestamp>,
    /// When it was accepted or rejected.
    decided_at: Option<Timestamp>,
    /// The code of the reason of its rejection.
    #[schema(max_length = 64, example = "no_budget")]
    reason: Option<String>,
    /// When the lead was first contacted for it.
    first_contact_at: Option<Timestamp>,
    /// The version of the agreement in force at its creation.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
}

/// List the hand-offs counted in a figure.
///
/// Returns exactly the records counted in the figure that the parameter `figure` names, ordered by id. Takes the same
/// filters as the report. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, HandoffEvidenceQuery), security(("bearer" = [ReportsRead, HandoffsRead])),
    responses((status = 200, description = "A page of hand-offs", body = Listing<HandoffEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/handoffs/evidence")]
pub(super) async fn list_handoff_evidence(
    ctx: Ctx<HandoffEvidenceRead>,
    query: Query<Both<Chosen, HandoffEvidenceQuery>>,
) -> Reply<Listing<HandoffEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let (page, total) = page(&snapshot, now, query.0, after, limit).await?;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |handoff| handoff.id,
        HandoffEvidence::of,
    );
    Ok(listing.counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    now: Timestamp,
    Both(chosen, query): Both<Chosen, HandoffEvidenceQuery>,
    after: Option<HandoffId>,
    limit: u64,
) -> Result<(Page<Handoff>, u64), Problem> {
    let zone = store::rules::read(snapshot).await?.company.zone();
    let scope = chosen.select(Basis::Activity, &zone)?.scope();
    let figure = query.figure.unwrap_or_default();
    let page = store::reports::handoff_evidence(snapshot, &scope, figure, now, after, limit).await?;
    let total = store::reports::handoff_evidence_count(snapshot, &scope, figure, now).await?;
    Ok((page, total))
}

/// The ids of the first records of a list, and the number of all.
pub(super) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, now, asked(query)?, None, limit).await?;
    Ok(Ids::of(page, total, |handoff| handoff.id.to_string()))
}

impl HandoffEvidence {
    fn of(handoff: Handoff) -> Self {
        Self {
            id: handoff.id,
            lead_id: handoff.lead_id,
            cycle: handoff.cycle,
            state: handoff.state,
            made_at: handoff.made_at,
            owner_id: handoff.owner_id,
            queue: handoff.queue,
            assigned_at: handoff.assigned_at,
            decided_at: handoff.decided_at,
            reason: handoff.reason,
            first_contact_at: handoff.first_contact_at,
            agreement_version: handoff.agreement_version,
        }
    }
}
