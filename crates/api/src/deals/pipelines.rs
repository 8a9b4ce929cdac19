//! Pipelines over HTTP.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::deals::pipelines::{self, EditPipeline, Pipeline, PipelineError, PipelineStage};
use tandem_domain::fault::Fault;
use tandem_domain::id::PipelineId;
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::deals::pipelines as kept;
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{DealsRead, DealsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;

/// The most pipelines: every deal's decision reads them all.
const MAX_PIPELINES: usize = 100;

/// The operations about pipelines.
pub fn configure(config: &mut Services<'_>) {
    config
        .service(create_pipeline)
        .service(list_pipelines)
        .service(get_pipeline)
        .service(update_pipeline);
}

/// One stage of a pipeline.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StageView {
    /// The key of the stage in requests and reports. Keep it when you rename the stage, and never reuse it for another
    /// stage: the history of deals refers to it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "proposal"
    )]
    key: String,
    /// The label that people see.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Proposal")]
    name: String,
    /// The probability that a deal in it will be won, with four decimals at most.
    #[schema(minimum = 0, maximum = 1, example = 0.5)]
    probability: f64,
}

/// A pipeline: the ordered stages that deals go through.
#[derive(Debug, Serialize, ToSchema)]
struct PipelineView {
    /// Its id.
    id: PipelineId,
    /// The name that people see.
    #[schema(max_length = 200, example = "Sales")]
    name: String,
    /// Whether it is the default pipeline: used by deals that name none.
    is_default: bool,
    /// The stages, in order; `won` and `lost` are always the last two.
    #[schema(max_items = 32)]
    stages: Vec<StageView>,
    /// When it was archived: no deal can be opened in it since.
    archived_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Pipeline> for PipelineView {
    fn from(pipeline: Pipeline) -> Self {
        let stage = |stage: PipelineStage| StageView {
            key: stage.key,
            name: stage.name,
            probability: stage.probability as f64 / 10_000.0,
        };
        Self {
            id: pipeline.id,
            name: pipeline.name,
            is_default: pipeline.is_default,
            stages: pipeline.stages.into_iter().map(stage).collect(),
            archived_at: pipeline.archived_at,
            created_at: pipeline.created_at,
            updated_at: pipeline.updated_at,
        }
    }
}

/// A pipeline to create.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreatePipeline {
    /// The name that people see; unique among pipelines.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Partners")]
    name: String,
    /// The stages, in order; `won` and `lost` are added if omitted.
    #[schema(min_items = 1, max_items = 32)]
    stages: Vec<StageView>,
    /// Whether it is the default pipeline: used by deals that name none.
    #[serde(default)]
    is_default: bool,
}

type PipelinePatch = PatchOf<CreatePipeline, true>;

/// One pipeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PipelinePath {
    /// The pipeline's id.
    pipeline_id: PipelineId,
}

/// A page of pipelines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PipelineQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a pipeline.
///
/// By a sales manager, revops or an admin.
#[utoipa::path(tag = "pipelines", security(("bearer" = [DealsWrite])), request_body = CreatePipeline,
    responses((status = 201, description = "The pipeline", body = PipelineView,
        headers(("ETag" = String, description = "The pipeline's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/pipelines")]
async fn create_pipeline(ctx: Ctx<DealsWrite>, body: Json<CreatePipeline>) -> Reply<Created<PipelineView>> {
    let CreatePipeline {
        name,
        stages,
        is_default,
    } = body.0;
    let stages = read(stages)?;
    let tx = ctx.begin().await?;
    kept::lock(&tx).await?;
    let name = name.trim().to_owned();
    let (count, is_taken) = kept::known(&tx, &name).await?;
    let default = kept::default(&tx).await?.filter(|_| is_default);
    let made = pipelines::create(name, stages, default.as_ref(), ctx.act());
    let (pipeline, changes) = made.map_err(refused)?;
    if is_taken {
        return Err(Problem::new(Code::AlreadyExists));
    }
    if count >= MAX_PIPELINES {
        return Err(
            Problem::new(Code::Conflict).detail(format!("There already are {MAX_PIPELINES} pipelines"))
        );
    }
    store::write_records(&tx, changes).await?;
    let location = format!("/v1/pipelines/{}", pipeline.id);
    let answer = Created::at(location, PipelineView::from(pipeline)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List pipelines, the oldest first.
#[utoipa::path(tag = "pipelines", params(PipelineQuery), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "A page of pipelines", body = Listing<PipelineView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/pipelines")]
async fn list_pipelines(ctx: Ctx<DealsRead>, query: Query<PipelineQuery>) -> Reply<Listing<PipelineView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let page = kept::list(ctx.db(), after, query.0.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let view = PipelineView::from;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |pipeline| pipeline.id,
        view,
    ))
}

/// Read a pipeline.
#[utoipa::path(tag = "pipelines", params(PipelinePath), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "The pipeline", body = PipelineView,
        headers(("ETag" = String, description = "The pipeline's version")))))]
#[get("/v1/pipelines/{pipeline_id}")]
async fn get_pipeline(ctx: Ctx<DealsRead>, path: Path<PipelinePath>) -> Reply<Tagged<PipelineView>> {
    let pipeline = kept::get(ctx.db(), path.0.pipeline_id).await?;
    Ok(Tagged::new(etag(pipeline.version, 0), pipeline.into()))
}

/// Update a pipeline.
///
/// By a sales manager, revops or an admin. A stage cannot be removed while open deals are in it or closed deals would
/// reopen in it, so that the history of each deal stays readable; `409 stage_in_use` states how many.
#[utoipa::path(tag = "pipelines", params(PipelinePath), security(("bearer" = [DealsWrite])),
    request_body = PipelinePatch,
    responses((status = 200, description = "The updated pipeline", body = PipelineView,
        headers(("ETag" = String, description = "The pipeline's version")))))]
#[patch("/v1/pipelines/{pipeline_id}")]
async fn update_pipeline(
    ctx: Ctx<DealsWrite>,
    path: Path<PipelinePath>,
    body: MergePatch<PipelinePatch>,
) -> Reply<Tagged<PipelineView>> {
    let tx = ctx.begin().await?;
    kept::lock(&tx).await?;
    let pipeline = kept::get(&tx, path.0.pipeline_id).await?;
    ctx.check_if_match(pipeline.version)?;
    let (asked, archived) = body.0.apply(&editable(&pipeline))?;
    let asked = EditPipeline {
        name: asked.name.trim().to_owned(),
        stages: read(asked.stages)?,
        is_default: asked.is_default,
        archived,
    };
    let renamed = Some(asked.name.clone()).filter(|name| *name != pipeline.name);
    let (used, open) = kept::used(&tx, pipeline.id).await?;
    let default = kept::default(&tx).await?;
    let edited = pipelines::edit(&pipeline, asked, &used, open, default.as_ref(), ctx.act());
    let (pipeline, changes) = edited.map_err(refused)?;
    if let Some(name) = renamed
        && kept::known(&tx, &name).await?.1
    {
        return Err(Problem::new(Code::AlreadyExists));
    }
    store::write_records(&tx, changes).await?;
    ctx.commit(tx, Tagged::new(etag(pipeline.version, 0), pipeline.into()))
        .await
}

/// What may be edited of a pipeline, as a request would say it.
fn editable(pipeline: &Pipeline) -> CreatePipeline {
    let view = PipelineView::from(pipeline.clone());
    CreatePipeline {
        name: view.name,
        stages: view.stages,
        is_default: view.is_default,
    }
}

/// The stages as the rules know them: probabilities in ten-thousandths.
fn read(stages: Vec<StageView>) -> Result<Vec<PipelineStage>, Problem> {
    let mut faults = vec![];
    let mut stage = |(index, one): (usize, StageView)| {
        let scaled = one.probability * 10_000.0;
        if (scaled - scaled.round()).abs() > 1e-6 {
            let place = format!("/stages/{index}/probability");
            faults.push(Fault::new(
                place,
                "invalid_format",
                "must have four decimals at most",
            ));
        }
        PipelineStage {
            key: one.key,
            name: one.name.trim().to_owned(),
            probability: scaled.round() as i64,
        }
    };
    let read = stages.into_iter().enumerate().map(&mut stage).collect();
    if faults.is_empty() {
        Ok(read)
    } else {
        Err(invalid(faults))
    }
}

fn refused(refused: PipelineError) -> Problem {
    match refused {
        PipelineError::Denied(reason) => reason.into(),
        PipelineError::Invalid(faults) => invalid(faults),
        PipelineError::InUse(stages) => {
            let one = |(key, n): (&String, &u64)| json!({"stage": key, "deals": n});
            let each: Vec<String> = stages.iter().map(|(key, n)| format!("{key}: {n}")).collect();
            Problem::new(Code::StageInUse)
                .detail(format!(
                    "Stages to be removed are in use by deals ({})",
                    each.join(", ")
                ))
                .with("in_use", stages.iter().map(one).collect::<Vec<_>>())
        }
        PipelineError::HasOpenDeals(n) => {
            Problem::new(Code::StageInUse).detail(format!("The pipeline has {n} open deals"))
        }
    }
}
