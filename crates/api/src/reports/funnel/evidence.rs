//! The records behind each figure of the funnel.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tandem_domain::id::{CycleId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::{Cycle, Stage};
use tandem_domain::reports::Basis;
use tandem_domain::reports::funnel::FUNNEL;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::Figure;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::view::FigureName;
use crate::access::scopes::{EvidenceRead, LeadsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;
use crate::reports::request::{Chosen, Ids, asked};

/// Which figure of which funnel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EvidenceQuery {
    /// The stage of the funnel: lead, mql, sal, sql, opportunity or customer.
    #[param(inline, value_type = FunnelStage, example = "customer")]
    stage: Stage,
    /// The figure; default the cycles that reached the stage.
    #[param(inline)]
    figure: Option<FigureName>,
    /// With `figure=cycles`: only those that reached this stage too.
    #[param(inline, value_type = FunnelStage, required = false, example = "customer")]
    reached: Option<Stage>,
    /// The most cycles of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A stage that the funnel counts.
struct FunnelStage;

impl ToSchema for FunnelStage {}

impl PartialSchema for FunnelStage {
    fn schema() -> RefOr<Schema> {
        let names = FUNNEL.iter().map(|stage| stage.name());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
            .into()
    }
}

/// A cycle counted in a figure: one pass of a lead through the stages.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Its id.
    id: CycleId,
    /// The lead.
    lead_id: LeadId,
    /// The number of the cycle, from 1.
    #[schema(minimum = 1, example = 1)]
    cycle: i64,
    /// When it started.
    started_at: Timestamp,
    /// When it first entered the requested stage.
    entered_at: Option<Timestamp>,
    /// When its first stay in that stage ended; `null` if it has not.
    left_at: Option<Timestamp>,
    /// When the cycle ended; `null` if it has not.
    ended_at: Option<Timestamp>,
    /// The reason code of the latest stage change in this cycle that had one.
    #[schema(max_length = 64, example = "no_budget")]
    reason: Option<String>,
}

/// List the cycles counted in a figure of the funnel.
///
/// Returns exactly the records counted in the figure, ordered by id. The parameters `stage`, `figure` and `reached`
/// select the figure. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, EvidenceQuery), security(("bearer" = [ReportsRead, LeadsRead])),
    responses((status = 200, description = "A page of cycles", body = Listing<EvidenceView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/funnel/evidence")]
pub(in crate::reports) async fn list_funnel_evidence(
    ctx: Ctx<EvidenceRead>,
    query: Query<Both<Chosen, EvidenceQuery>>,
) -> Reply<Listing<EvidenceView>> {
    let stage = query.0.1.figure(ctx.now())?.0;
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::position(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let after = after
        .map(serde_json::from_value::<(CycleId,)>)
        .transpose()
        .map_err(|_| Problem::new(Code::InvalidCursor))?;
    let snapshot = ctx.report().await?;
    let (page, total) = page(
        &snapshot,
        query.0,
        snapshot.as_of(ctx.now()),
        after.map(|(id,)| id),
        limit,
    )
    .await?;
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|cycle| json!([cycle.id]));
    let views = page
        .data
        .into_iter()
        .map(|cycle| EvidenceView::of(cycle, stage))
        .collect();
    Ok(Listing::new(&ctx.master, ctx.request(), views, next).counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    Both(chosen, query): Both<Chosen, EvidenceQuery>,
    now: Timestamp,
    after: Option<CycleId>,
    limit: u64,
) -> Result<(Page<Cycle>, u64), Problem> {
    let (stage, figure) = query.figure(now)?;
    let zone = store::rules::read(snapshot).await?.company.zone();
    let scope = chosen.select(Basis::Cohort, &zone)?.scope();
    let page = store::reports::evidence(snapshot, &scope, stage, figure, after, limit).await?;
    let total = store::reports::evidence_count(snapshot, &scope, stage, figure).await?;
    Ok((page, total))
}

/// The ids of the first records of a list, and the number of all.
pub(in crate::reports) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, asked(query)?, now, None, limit).await?;
    Ok(Ids::of(page, total, |cycle| cycle.id.to_string()))
}

impl EvidenceQuery {
    /// The place of the stage in the funnel, and a figure that it has.
    fn figure(&self, now: Timestamp) -> Result<(usize, Figure), Problem> {
        let refused = |parameter: &str, detail: &str| {
            let violation = Violation::new(Location::parameter(parameter), "not_allowed", detail);
            Problem::invalid_parameters(vec![violation])
        };
        let figure = self.figure.unwrap_or(FigureName::Cycles);
        let Some(stage) = FUNNEL.iter().position(|stage| *stage == self.stage) else {
            return Err(refused("stage", "is not a stage of the funnel"));
        };
        if stage == 0 && matches!(figure, FigureName::FromPrevious | FigureName::FromStart) {
            return Err(refused("figure", "the first stage has no such figure"));
        }
        if stage != 0 && figure.is_of_first_stage() {
            return Err(refused("figure", "only the first stage has it"));
        }
        if figure == FigureName::SalesCycle && stage + 1 != FUNNEL.len() {
            return Err(refused("figure", "only customers have it"));
        }
        let Some(reached) = self.reached else {
            return Ok((stage, figure.figure(now)));
        };
        let place = FUNNEL.iter().position(|stage| *stage == reached);
        match (figure, place) {
            (FigureName::Cycles, Some(place)) => Ok((stage, Figure::Reached(place))),
            (_, None) => Err(refused("reached", "is not a stage of the funnel")),
            _ => Err(refused("reached", "is only valid with `figure=cycles`")),
        }
    }
}

impl EvidenceView {
    fn of(cycle: Cycle, stage: usize) -> Self {
        Self {
            entered_at: cycle.entered_at(FUNNEL[stage]),
            left_at: cycle.left[stage],
            id: cycle.id,
            lead_id: cycle.lead_id,
            cycle: cycle.number,
            started_at: cycle.started_at,
            ended_at: cycle.ended_at,
            reason: cycle.last_reason,
        }
    }
}
