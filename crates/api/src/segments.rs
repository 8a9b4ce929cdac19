//! Segments of leads over HTTP.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_domain::agreement::conditions::Known;
use tandem_domain::id::SegmentId;
use tandem_domain::instant::Timestamp;
use tandem_domain::record::Plain;
use tandem_domain::routing::Routing;
use tandem_domain::segments::{self, Refused, Segment, SegmentDetails};
use tandem_store::segments as stored;
use tandem_store::{self as store, Read, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{LeadsRead, SegmentsWrite};
use crate::agreement::RejudgingView;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config.service(create_segment).service(list_segments);
    config.service(get_segment).service(update_segment);
}

type SegmentPatch = PatchOf<SegmentDetails, true>;

/// A segment of leads.
#[derive(Debug, Serialize, ToSchema)]
struct SegmentView {
    /// Its id.
    id: SegmentId,
    /// The name that people see.
    #[schema(max_length = 200)]
    name: String,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Who is in it: a condition as in the agreement, without other segments.
    #[schema(value_type = Object)]
    when: Value,
    /// How many leads are in it.
    #[schema(minimum = 0)]
    members: i64,
    /// The progress of judging leads again since a segment or the agreement changed; `null` once all are judged.
    rejudging: Option<RejudgingView>,
    /// When it was archived; `null` if it is not. Nobody is in an archived segment.
    archived_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// One segment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SegmentPath {
    /// The segment's id.
    segment_id: SegmentId,
}

/// A page of segments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SegmentQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a segment.
///
/// For marketing and revops. Every lead is judged in the background, `rejudging` shows the progress; from then on each lead enters and
/// leaves the segment in the transaction that causes it, or when a window ends. List its leads with
/// `GET /v1/leads?segment=`.
#[utoipa::path(tag = "segments", security(("bearer" = [SegmentsWrite])), request_body = SegmentDetails,
    responses((status = 201, description = "The segment", body = SegmentView,
        headers(("ETag" = String, description = "The segment's version"), ("Location" = String, description = "The address of the new record")))))]
#[post("/v1/segments")]
async fn create_segment(ctx: Ctx<SegmentsWrite>, body: Json<SegmentDetails>) -> Reply<Created<SegmentView>> {
    let tx = ctx.begin().await?;
    let segment = with_known(&tx, |known| {
        segments::create(body.0, known, ctx.act()).map_err(refused)
    })?;
    store::write_records(&tx, [segment.created()]).await?;
    let location = format!("/v1/segments/{}", segment.id);
    let answer = Created::at(location, view(&tx, segment).await?).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List segments.
///
/// In creation order, including archived records.
#[utoipa::path(tag = "segments", params(SegmentQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of segments", body = Listing<SegmentView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/segments")]
async fn list_segments(ctx: Ctx<LeadsRead>, query: Query<SegmentQuery>) -> Reply<Listing<SegmentView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let snapshot = ctx.snapshot().await?;
    let page = stored::list(&snapshot, after, query.0.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let members = stored::members(&snapshot, page.data.iter().map(|segment| segment.id)).await?;
    let progress = store::scoring::rejudging(&snapshot).await?;
    let view = |segment: Segment| {
        let count = members.get(&segment.id).copied();
        shown(
            segment,
            count.unwrap_or_default(),
            progress.map(RejudgingView::from),
        )
    };
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |segment| segment.id,
        view,
    ))
}

/// Read a segment.
#[utoipa::path(tag = "segments", params(SegmentPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The segment", body = SegmentView,
        headers(("ETag" = String, description = "The segment's version")))))]
#[get("/v1/segments/{segment_id}")]
async fn get_segment(ctx: Ctx<LeadsRead>, path: Path<SegmentPath>) -> Reply<Tagged<SegmentView>> {
    let snapshot = ctx.snapshot().await?;
    let segment = stored::get(&snapshot, path.0.segment_id).await?;
    let tag = etag(segment.version, 0);
    Ok(Tagged::new(tag, view(&snapshot, segment).await?))
}

/// Update a segment.
///
/// For marketing and revops. Every lead is judged again in the background. A segment that the agreement in force or the
/// routing names cannot be archived.
#[utoipa::path(tag = "segments", params(SegmentPath), security(("bearer" = [SegmentsWrite])),
    request_body = SegmentPatch,
    responses((status = 200, description = "The segment as it is now", body = SegmentView,
        headers(("ETag" = String, description = "The segment's version")))))]
#[patch("/v1/segments/{segment_id}")]
async fn update_segment(
    ctx: Ctx<SegmentsWrite>,
    path: Path<SegmentPath>,
    body: MergePatch<SegmentPatch>,
) -> Reply<Tagged<SegmentView>> {
    let tx = ctx.begin().await?;
    let known = stored::get_for_update(&tx, path.0.segment_id).await?;
    ctx.check_if_match(known.version)?;
    let (details, archived) = body.0.apply(&known.details)?;
    let (segment, change) = with_known(&tx, |rules| {
        segments::edit(&known, details, archived, rules, ctx.act()).map_err(refused)
    })?;
    if segment.archived_at.is_some() {
        demand_unused(&tx, segment.id)?;
    }
    store::write_records(&tx, change).await?;
    let tag = etag(segment.version, 0);
    let answer = Tagged::new(tag, view(&tx, segment).await?);
    ctx.commit(tx, answer).await
}

/// What conditions may refer to now.
fn with_known<T>(tx: &Tx, run: impl FnOnce(&Known<'_>) -> T) -> T {
    let (rules, forms) = (tx.rules(), tx.rules().form_ids());
    run(&rules.known(&rules.custom_fields, &forms))
}

/// Refuse to archive what the agreement in force or the routing names.
fn demand_unused(tx: &Tx, id: SegmentId) -> Result<(), Problem> {
    with_known(tx, |known| {
        let mut others = known.segments.clone();
        others.remove(&id);
        let without = Known {
            segments: &others,
            ..*known
        };
        let rules = tx.rules();
        let routing = Routing::read(rules.routing.document.clone(), &without);
        if rules.agreement.faults_with(&without).is_empty() && routing.is_ok() {
            return Ok(());
        }
        let detail = "The agreement in force or the routing names this segment; change these first";
        Err(Problem::new(Code::Conflict).detail(detail))
    })
}

async fn view(on: &impl Read, segment: Segment) -> Result<SegmentView, Problem> {
    let members = stored::members(on, [segment.id]).await?;
    let progress = store::scoring::rejudging(on).await?;
    let count = members.get(&segment.id).copied().unwrap_or_default();
    Ok(shown(segment, count, progress.map(RejudgingView::from)))
}

fn shown(segment: Segment, members: i64, rejudging: Option<RejudgingView>) -> SegmentView {
    let details = segment.details;
    SegmentView {
        id: segment.id,
        name: details.name,
        description: details.description,
        when: details.when,
        members,
        rejudging,
        archived_at: segment.archived_at,
        created_at: segment.created_at,
        updated_at: segment.updated_at,
    }
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Denied(reason) => reason.into(),
        Refused::Invalid(faults) => invalid(faults),
    }
}
