//! Clocks over HTTP, and the job that fires them.

use std::time::Duration;

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::access::Queue;
use tandem_domain::clocks::record::ClockRecord;
use tandem_domain::clocks::{ClockKind, ClockState, Side, VoidReason};
use tandem_domain::id::{ClockId, DealId, HandoffId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store::clocks::{ClockFilter, ClockSort};
use tandem_store::deals::Span;
use tandem_store::{self as store, StoreError};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::HandoffsRead;
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::filter::owners;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

/// The longest wait between two looks at when the next clock fires: the most that a warning or breach is late by.
const LOOK: Duration = Duration::from_millis(250);

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "clocks",
        LOOK,
        |snapshot| Box::pin(store::clocks::next_look(snapshot)),
        |core, turn| Box::pin(fire(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config.service(list_clocks).service(get_clock);
}

/// Fire the clocks that are due, in sets.
async fn fire(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let done = store::clocks::fire_due(&tx, turn.limit).await?;
        tx.commit().await?;
        if done < turn.limit {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

/// A clock: it measures one promise of the agreement, such as the time in which sales accepts or rejects a hand-off.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockView {
    /// Its id.
    id: ClockId,
    /// The kind of promise.
    kind: ClockKind,
    /// The side that made the promise: marketing or sales.
    side: Side,
    /// The state.
    state: ClockState,
    /// The lead.
    lead_id: Option<LeadId>,
    /// The hand-off that started it.
    handoff_id: Option<HandoffId>,
    /// The deal that started it.
    deal_id: Option<DealId>,
    /// The user who must meet the promise. A breach belongs to the owner at the due instant.
    owner_id: Option<UserId>,
    /// The queue of the hand-off, if no user owned it; `null` for promises of marketing.
    queue: Option<Queue>,
    /// When it started.
    started_at: Timestamp,
    /// When the owner is warned: at 80 % of the time.
    warn_at: Timestamp,
    /// The last instant at which it can be met in time.
    due_at: Timestamp,
    /// When it was met, in time or late.
    met_at: Option<Timestamp>,
    /// When the promise was broken: a millisecond after `due_at`, or when sales gave the lead up.
    breached_at: Option<Timestamp>,
    /// Whether an activity that was logged after the breach showed that the promise had been met in time.
    met_by_late_log: bool,
    /// Why it is void.
    void_reason: Option<VoidReason>,
    /// The version of the agreement that contains the promise.
    #[schema(minimum = 1)]
    agreement_version: i64,
}

impl From<ClockRecord> for ClockView {
    fn from(record: ClockRecord) -> Self {
        let clock = record.clock;
        Self {
            id: record.id,
            kind: clock.kind,
            side: clock.kind.side(),
            state: clock.state(),
            lead_id: record.lead_id,
            handoff_id: record.handoff_id,
            deal_id: record.deal_id,
            owner_id: record.owner_id,
            queue: record.queue,
            started_at: clock.started_at,
            warn_at: clock.deadline.warn_at,
            due_at: clock.deadline.due_at,
            met_at: clock.met_at(),
            breached_at: clock.breached_at(),
            met_by_late_log: clock.was_met_by_late_log(),
            void_reason: clock.void_reason(),
            agreement_version: clock.agreement_version,
        }
    }
}

/// One clock.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ClockPath {
    /// The clock's id.
    clock_id: ClockId,
}

type ClockOrder = Order<ClockSort>;

impl Sorts for ClockSort {
    const NAMES: &'static [(&'static str, Self)] = &[("id", ClockSort::Id), ("due_at", ClockSort::DueAt)];
}

/// Which clocks, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ClocksQuery {
    /// Of one of these kinds.
    #[param(min_items = 1, max_items = 5, style = Form, explode = false)]
    kind: Option<Vec<ClockKind>>,
    /// In one of these states.
    #[param(min_items = 1, max_items = 6, style = Form, explode = false)]
    state: Option<Vec<ClockState>>,
    /// Of this side: marketing or sales.
    side: Option<Side>,
    /// Clocks with one of these owners: ids, `me`, or `none` for clocks without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// In this queue: `general`, or a team's id.
    #[param(inline)]
    queue: Option<Queue>,
    /// About this lead.
    lead_id: Option<LeadId>,
    /// Of this hand-off.
    handoff_id: Option<HandoffId>,
    /// Due at this instant or later.
    #[param(inline)]
    due_at_gte: Option<Bound>,
    /// Due before this instant.
    #[param(inline)]
    due_before: Option<Bound>,
    /// The sort order. By `id`, a crawl through all pages sees each clock that existed and matched throughout exactly
    /// once.
    #[param(inline)]
    sort: Option<ClockOrder>,
    /// The most clocks of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List clocks.
///
/// Each clock is one promise with its due time. Pages cost the same at any depth. `Prefer: return=total-count` adds the
/// total.
#[utoipa::path(tag = "clocks", params(ClocksQuery), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "A page of clocks", body = Listing<ClockView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/clocks")]
async fn list_clocks(ctx: Ctx<HandoffsRead>, query: Query<ClocksQuery>) -> Reply<Listing<ClockView>> {
    let query = query.0;
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(ClockSort::Id));
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let (owner_id, unowned) = owners(query.owner_id.as_deref(), ctx.person())?;
    let bounds = [("due_at_gte", query.due_at_gte), ("due_before", query.due_before)];
    let [from, to] = bound::instants(ctx.db(), bounds).await?;
    let filter = ClockFilter {
        kind: query.kind.unwrap_or_default(),
        state: query.state.unwrap_or_default(),
        side: query.side,
        owner_id,
        unowned,
        queue: query.queue,
        lead_id: query.lead_id,
        handoff_id: query.handoff_id,
        due_at: Span { from, to },
    };
    let page = store::clocks::list(ctx.db(), &filter, sort, descending, after, limit).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::clocks::count(ctx.db(), &filter).await?),
        false => None,
    };
    let position = |last: &_| sort.position(last);
    let listing = Listing::of(&ctx.master, ctx.request(), page, position, ClockView::from);
    Ok(listing.counted(total))
}

/// Read a clock.
#[utoipa::path(tag = "clocks", params(ClockPath), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "The clock", body = ClockView)))]
#[get("/v1/clocks/{clock_id}")]
async fn get_clock(ctx: Ctx<HandoffsRead>, path: Path<ClockPath>) -> Reply<Json<ClockView>> {
    let record = store::clocks::get(ctx.db(), path.0.clock_id).await?;
    Ok(Json(record.into()))
}
