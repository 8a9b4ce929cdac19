//! The promises behind the figures of the commitments.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::access::Queue;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::clocks::{ClockKind, ClockState};
use tandem_domain::id::{ClockId, DealId, HandoffId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::Promises;
use utoipa::{IntoParams, ToSchema};

use super::{due, month};
use crate::access::scopes::{HandoffEvidenceRead, HandoffsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;
use crate::reports::request::{Ids, asked};

/// Which of the promises that fell due in the month are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PromiseFigure {
    /// All of them.
    #[default]
    Promised,
    /// Those that were met in time.
    Kept,
    /// Those that were broken.
    Broken,
}

/// Which promises.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SlaEvidenceQuery {
    /// The kind of promise.
    #[param(inline)]
    commitment: ClockKind,
    /// The calendar month in the company's time zone; default the present one.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", max_length = 7, example = "2026-05")]
    month: Option<String>,
    /// The figure; default all due promises.
    #[param(inline)]
    figure: Option<PromiseFigure>,
    /// Only those of this owner, or with `queue` those without an owner.
    #[param(pattern = "^(queue|user_[0-7][0-9a-hjkmnp-tv-z]{25})$", max_length = 31)]
    owner: Option<String>,
    /// The most promises of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A promise counted in a figure: the clock that measured it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromiseItem {
    /// The id of its clock.
    id: ClockId,
    /// The kind of promise.
    kind: ClockKind,
    /// The state.
    state: ClockState,
    /// The lead.
    lead_id: Option<LeadId>,
    /// The hand-off.
    handoff_id: Option<HandoffId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The user who had to meet it.
    owner_id: Option<UserId>,
    /// The queue of the hand-off, if no user owned it; `null` for promises of marketing.
    queue: Option<Queue>,
    /// When it started.
    started_at: Timestamp,
    /// The last instant at which it could be met in time.
    due_at: Timestamp,
    /// When it was met; `null` if it was not.
    met_at: Option<Timestamp>,
    /// When it was broken; `null` if it was not.
    breached_at: Option<Timestamp>,
}

/// List the promises counted in a figure of the commitments.
///
/// Returns exactly the records counted in the figure, ordered by id. The parameters select the figure. `total_count` is
/// always present and exact.
#[utoipa::path(tag = "reports", params(SlaEvidenceQuery), security(("bearer" = [ReportsRead, HandoffsRead])),
    responses((status = 200, description = "A page of promises", body = Listing<PromiseItem>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/sla/evidence")]
pub(in crate::reports) async fn list_sla_evidence(
    ctx: Ctx<HandoffEvidenceRead>,
    query: Query<SlaEvidenceQuery>,
) -> Reply<Listing<PromiseItem>> {
    let limit = query.0.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let (page, total) = page(&snapshot, now, query.0, after, limit).await?;
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |clock| clock.id,
        PromiseItem::of,
    );
    Ok(listing.counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    now: Timestamp,
    query: SlaEvidenceQuery,
    after: Option<ClockId>,
    limit: u64,
) -> Result<(Page<ClockRecord>, u64), Problem> {
    let zone = store::rules::read(snapshot).await?.company.zone();
    let (_, days) = month(query.month.as_deref(), now, &zone)?;
    let due = due(&days, now);
    let promises = Promises {
        kind: query.commitment,
        kept: match query.figure.unwrap_or_default() {
            PromiseFigure::Promised => None,
            PromiseFigure::Kept => Some(true),
            PromiseFigure::Broken => Some(false),
        },
        owner_id: query.owner.as_deref().map(|owner| owner.parse().ok()),
    };
    let page = store::reports::clock_evidence(snapshot, due, promises, after, limit).await?;
    let total = store::reports::clock_evidence_count(snapshot, due, promises).await?;
    Ok((page, total))
}

/// The ids of the first records of a list, and the number of all.
pub(in crate::reports) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, now, asked(query)?, None, limit).await?;
    Ok(Ids::of(page, total, |clock| clock.id.to_string()))
}

impl PromiseItem {
    fn of(record: ClockRecord) -> Self {
        let clock = &record.clock;
        Self {
            id: record.id,
            kind: clock.kind,
            state: clock.state(),
            lead_id: record.lead_id,
            handoff_id: record.handoff_id,
            deal_id: record.deal_id,
            owner_id: record.owner_id,
            queue: record.queue,
            started_at: clock.started_at,
            due_at: clock.deadline.due_at,
            met_at: clock.met_at(),
            breached_at: clock.breached_at(),
        }
    }
}
