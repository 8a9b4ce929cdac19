//! Many leads in one request: an answer for each, a transaction for every fifty.

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
use crate::edge::ctx::{Ctx, Part};
use crate::edge::http::batch;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Unparsed;
use crate::edge::http::problem::{Code, Problem, ProblemView};
use crate::edge::http::reply::{Multi, Reply};

/// So many leads become durable at once.
const PART: usize = 50;

/// Many leads.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the published form; each lead is walked by itself")]
pub struct LeadBatch {
    /// The leads, each as for `POST /v1/leads`.
    #[schema(min_items = 1, max_items = 500)]
    leads: Vec<LeadWrite>,
}

/// The result of one lead of a batch.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BatchItem {
    /// Its place in the request, from 0.
    #[schema(minimum = 0, maximum = 499)]
    index: i64,
    /// The status that `POST /v1/leads` would have returned.
    #[schema(minimum = 200, maximum = 599, example = 201)]
    status: i32,
    /// The lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<LeadId>,
    /// The stage of the lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemView>)]
    problem: Option<Value>,
}

/// The results of a batch of leads.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// One item for each lead, in the order of the request.
    #[schema(max_items = 500)]
    items: Vec<BatchItem>,
}

/// Create or update up to 500 leads.
///
/// Each lead is processed independently: a refused lead has its own problem and does not affect the others. The leads
/// are recorded in parts of fifty, so that other writers do not wait for the whole batch. If a part fails, its leads
/// and the following ones have the status `503` or `500`; the same request with the same `Idempotency-Key` continues
/// there.
#[utoipa::path(tag = "leads", security(("bearer" = [LeadsWrite])), request_body = LeadBatch,
    responses((status = 207, description = "The result for each lead", body = BatchAnswer)))]
#[post("/v1/leads/batch")]
pub(super) async fn save_leads(ctx: Ctx<LeadsWrite>, body: Unparsed) -> Reply<Multi<BatchAnswer>> {
    let read = batch::read::<LeadWrite>(ctx.request(), &body, "leads", "POST /v1/leads")?;
    let read = read
        .into_iter()
        .map(|one| one.and_then(|lead| lead.read().map_err(invalid)));
    let read: Vec<Result<Statement, Problem>> = read.collect();
    let (count, mut left) = (read.len(), read.into_iter());
    let mut items: Vec<BatchItem> = vec![];
    for n in 0..count.div_ceil(PART) {
        let first = items.len();
        let part = left.by_ref().take(PART).collect();
        let is_last = left.len() == 0;
        let Err(problem) = save_part(&ctx, n, part, is_last, &mut items).await else {
            continue;
        };
        if n == 0 || !problem.code().status().is_server_error() {
            return Err(problem);
        }
        // The earlier parts are committed: their leads keep their results, and the others get this problem.
        items.truncate(first);
        items.extend((first..count).map(|index| refused(index, &problem)));
        break;
    }
    Ok(answer(items))
}

/// Save a part of a batch, and add what became of its leads; the last one stores the answer to the whole batch.
async fn save_part(
    ctx: &Ctx<LeadsWrite>,
    n: usize,
    part: Vec<Result<Statement, Problem>>,
    is_last: bool,
    items: &mut Vec<BatchItem>,
) -> Result<(), Problem> {
    let tx = match ctx.begin_part(n).await? {
        Part::New(tx) => tx,
        Part::Done(kept) => {
            let known: BatchAnswer = serde_json::from_slice(&kept.body)
                .map_err(|error| Problem::new(Code::InternalError).because(error))?;
            items.extend(known.items);
            return Ok(());
        }
    };
    let good: Vec<Statement> = part.iter().filter_map(|one| one.as_ref().ok()).cloned().collect();
    let mut decided = actions::upsert(&tx, tx.act(), &good).await?.into_iter();
    let missing = || Err(Problem::new(Code::InternalError));
    let first = items.len();
    for read in part {
        let outcome = read.and_then(|_| decided.next().unwrap_or_else(missing));
        items.push(item(items.len(), outcome));
    }
    match is_last {
        true => ctx.commit(tx, answer(items.clone())).await.map(drop),
        false => ctx.commit_part(tx, n, &answer(items[first..].to_vec())).await,
    }
}

fn answer(items: Vec<BatchItem>) -> Multi<BatchAnswer> {
    let lead_ids = items.iter().filter_map(|item| item.id).collect();
    Multi::new(BatchAnswer { items }, lead_ids)
}

fn item(index: usize, outcome: Result<actions::Decided, Problem>) -> BatchItem {
    match outcome {
        Ok(decided) => BatchItem {
            index: index as i64,
            status: if decided.created { 201 } else { 200 },
            id: Some(decided.lead.id),
            stage: Some(decided.lead.stage),
            problem: None,
        },
        Err(problem) => refused(index, &problem),
    }
}

fn refused(index: usize, problem: &Problem) -> BatchItem {
    let (status, problem) = batch::refused(problem);
    BatchItem {
        index: index as i64,
        status,
        id: None,
        stage: None,
        problem: Some(problem),
    }
}
