//! Many activities in one request: an answer for each, one transaction for all.

use actix_web::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_domain::activities::{Activity, ActivityDraft};
use tandem_domain::id::ActivityId;
use utoipa::ToSchema;

use super::actions;
use crate::access::scopes::ActivitiesWrite;
use crate::edge::ctx::Ctx;
use crate::edge::http::batch;
use crate::edge::http::json::Unparsed;
use crate::edge::http::problem::{Code, Problem, ProblemView};
use crate::edge::http::reply::{Multi, Reply};

/// A batch of activities.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(
    dead_code,
    reason = "it is the published form; each activity is walked by itself"
)]
pub struct ActivityBatch {
    /// The activities, each as for `POST /v1/activities`.
    #[schema(min_items = 1, max_items = 500)]
    activities: Vec<ActivityDraft>,
}

/// The result of one activity of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityBatchItem {
    /// Its place in the request, from 0.
    #[schema(minimum = 0, maximum = 499)]
    index: i64,
    /// The status that `POST /v1/activities` would have returned.
    #[schema(minimum = 200, maximum = 499, example = 201)]
    status: i32,
    /// The activity.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ActivityId>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemView>)]
    problem: Option<Value>,
}

/// The results of a batch of activities.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityBatchAnswer {
    /// One item for each activity, in the order of the request.
    #[schema(max_items = 500)]
    items: Vec<ActivityBatchItem>,
}

/// Log up to 500 activities.
///
/// Each activity is processed independently: a refused one has its own problem and does not affect the others. The
/// accepted ones are recorded in one transaction.
#[utoipa::path(tag = "activities", security(("bearer" = [ActivitiesWrite])), request_body = ActivityBatch,
    responses((status = 207, description = "The result of each activity", body = ActivityBatchAnswer)))]
#[post("/v1/activities/batch")]
pub(super) async fn log_activities(
    ctx: Ctx<ActivitiesWrite>,
    body: Unparsed,
) -> Reply<Multi<ActivityBatchAnswer>> {
    let read = batch::read::<ActivityDraft>(ctx.request(), &body, "activities", "POST /v1/activities")?;
    let good: Vec<ActivityDraft> = read.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
    let tx = ctx.begin().await?;
    let mut logged = actions::log(&tx, ctx.act(), good).await?.into_iter();
    let missing = || Err(Problem::new(Code::InternalError));
    let outcomes = read
        .into_iter()
        .map(|one| one.and_then(|_| logged.next().unwrap_or_else(missing)));
    let outcomes: Vec<Result<(Activity, bool), Problem>> = outcomes.collect();
    let taken = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let lead_ids = taken.filter_map(|(activity, _)| activity.lead_id).collect();
    let items = outcomes.into_iter().enumerate();
    let items = items
        .map(|(index, outcome)| item(index as i64, outcome))
        .collect();
    ctx.commit(tx, Multi::new(ActivityBatchAnswer { items }, lead_ids))
        .await
}

fn item(index: i64, outcome: Result<(Activity, bool), Problem>) -> ActivityBatchItem {
    let (status, id, problem) = match outcome {
        Ok((activity, is_new)) => (if is_new { 201 } else { 200 }, Some(activity.id), None),
        Err(problem) => {
            let (status, document) = batch::refused(&problem);
            (status, None, Some(document))
        }
    };
    ActivityBatchItem {
        index,
        status,
        id,
        problem,
    }
}
