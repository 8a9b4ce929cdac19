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
use crate::edge::http::json::{Unparsed, shapes};
use crate::edge::http::problem::{Code, Place, Problem, ProblemView, REQUEST_ID, Violation};
use crate::edge::http::reply::{Multi, Reply};
use crate::edge::http::strict;
use crate::settings::invalid;

/// The most leads of one request.
const MOST: usize = 500;

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
    let (body, unreadable) = strict::parse_apart(&body.0, "leads")?;
    let leads = leads_of(body)?;
    let shape = shapes(ctx.request())?
        .body("POST /v1/leads")
        .ok_or_else(|| Problem::new(Code::InternalError))?;
    let read = leads.iter().enumerate().map(|(index, lead)| {
        if let Some(code) = unreadable.get(&index) {
            return Err(Problem::new(*code));
        }
        let violations = shape.check(lead);
        if !violations.is_empty() {
            return Err(Problem::invalid(violations));
        }
        let typed = LeadWrite::deserialize(lead).map_err(|_| {
            Problem::invalid(vec![Violation::new(
                Place::body(),
                "invalid_format",
                "does not have the documented form",
            )])
        })?;
        typed.read().map_err(invalid)
    });
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
            let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
            let status = i32::from(problem.code().status().as_u16());
            BatchItem {
                index,
                status,
                id: None,
                stage: None,
                problem: Some(problem.document(&request_id)),
            }
        }
    }
}

/// The leads of the outer object, which has no other member.
fn leads_of(body: Value) -> Result<Vec<Value>, Problem> {
    let refuse = |place, code, detail: &str| Err(Problem::invalid(vec![Violation::new(place, code, detail)]));
    let Value::Object(mut members) = body else {
        return refuse(Place::body(), "invalid_type", "must be an object");
    };
    let leads = members.remove("leads");
    if let Some(name) = members.keys().next() {
        return refuse(
            Place::at([name]),
            "unknown_field",
            "unknown field; did you mean `leads`?",
        );
    }
    match leads {
        None => refuse(Place::at(["leads"]), "required", "is required"),
        Some(Value::Array(leads)) if leads.is_empty() => {
            refuse(Place::at(["leads"]), "too_few_items", "must have at least 1 item")
        }
        Some(Value::Array(leads)) if leads.len() > MOST => refuse(
            Place::at(["leads"]),
            "too_many_items",
            "must have at most 500 items",
        ),
        Some(Value::Array(leads)) => Ok(leads),
        Some(_) => refuse(Place::at(["leads"]), "invalid_type", "must be an array"),
    }
}
