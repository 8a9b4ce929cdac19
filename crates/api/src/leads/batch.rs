//! Many leads in one request: an answer for each, one transaction for all.

use actix_web::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_domain::id::LeadId;
use tandem_domain::leads::save::Statement;
use tandem_domain::lifecycle::Stage;
use utoipa::ToSchema;

use super::actions;
use super::body::LeadWrite;
use crate::access::scopes::LeadsWrite;
use crate::edge::ctx::Ctx;
use crate::edge::http::batch;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Unparsed;
use crate::edge::http::problem::{Code, Problem, ProblemView};
use crate::edge::http::reply::{Multi, Reply};

/// Many leads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the published form; each lead is walked by itself")]
pub struct LeadBatch {
    /// The leads, each as for `POST /v1/leads`.
    #[schema(min_items = 1, max_items = 500)]
    leads: Vec<LeadWrite>,
}

/// What became of one lead of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchItem {
    /// Its place in the request, from 0.
    #[schema(minimum = 0, maximum = 499)]
    index: i64,
    /// The status that `POST /v1/leads` would have answered.
    #[schema(minimum = 200, maximum = 499, example = 201)]
    status: i32,
    /// The lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<LeadId>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemView>)]
    problem: Option<Value>,
}

/// What became of the leads of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// One item for each lead, in the order of the request.
    #[schema(max_items = 500)]
    items: Vec<BatchItem>,
}

/// Create or update up to 500 leads.
///
/// Each lead is taken by itself: one that is refused says why and refuses no other. Those that are taken become
/// durable together.
#[utoipa::path(tag = "leads", security(("bearer" = [LeadsWrite])), request_body = LeadBatch,
    responses((status = 207, description = "What became of each lead", body = BatchAnswer)))]
#[post("/v1/leads/batch")]
pub(super) async fn save_leads(ctx: Ctx<LeadsWrite>, body: Unparsed) -> Reply<Multi<BatchAnswer>> {
    let read = batch::read::<LeadWrite>(ctx.request(), &body, "leads", "POST /v1/leads")?;
    let read = read
        .into_iter()
        .map(|one| one.and_then(|lead| lead.read().map_err(invalid)));
    let read: Vec<Result<Statement, Problem>> = read.collect();
    let good: Vec<Statement> = read.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
    let tx = ctx.begin().await?;
    let mut decided = actions::upsert(&tx, ctx.act(), &good).await?.into_iter();
    let missing = || Err(Problem::new(Code::InternalError));
    let outcomes = read
        .into_iter()
        .map(|one| one.and_then(|_| decided.next().unwrap_or_else(missing)));
    let items: Vec<BatchItem> = outcomes
        .enumerate()
        .map(|(index, outcome)| item(index as i64, outcome))
        .collect();
    let lead_ids = items.iter().filter_map(|item| item.id).collect();
    ctx.commit(tx, Multi::new(BatchAnswer { items }, lead_ids)).await
}

fn item(index: i64, outcome: Result<actions::Decided, Problem>) -> BatchItem {
    match outcome {
        Ok(decided) => BatchItem {
            index,
            status: if decided.created { 201 } else { 200 },
            id: Some(decided.lead.id),
            stage: Some(decided.lead.stage),
            problem: None,
        },
        Err(problem) => {
            let (status, problem) = batch::refused(&problem);
            BatchItem {
                index,
                status,
                id: None,
                stage: None,
                problem: Some(problem),
            }
        }
    }
}
