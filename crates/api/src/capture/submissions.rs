//! What strangers sent, kept whole whatever became of it.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::capture::{Submission, SubmissionFault, SubmissionStatus};
use tandem_domain::id::{FormId, LeadId, SubmissionId};
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::scopes::FormsRead;
use crate::ctx::Ctx;
use crate::http::json::Json;
use crate::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Path, Query};
use crate::http::reply::Reply;

/// The operations on submissions.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(list_submissions).service(get_submission);
}

/// One submission of a form.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionView {
    /// Which.
    id: SubmissionId,
    /// To which form.
    form_id: FormId,
    /// What became of it.
    status: SubmissionStatus,
    /// The lead that it was about, if it was accepted.
    lead_id: Option<LeadId>,
    /// Why it was rejected.
    #[schema(max_items = 200)]
    reasons: Vec<SubmissionFault>,
    /// When it came in.
    received_at: Timestamp,
}

/// One submission of a form, with the body as it came.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionDetail {
    /// Which.
    id: SubmissionId,
    /// To which form.
    form_id: FormId,
    /// What became of it.
    status: SubmissionStatus,
    /// The lead that it was about, if it was accepted.
    lead_id: Option<LeadId>,
    /// Why it was rejected.
    #[schema(max_items = 200)]
    reasons: Vec<SubmissionFault>,
    /// When it came in.
    received_at: Timestamp,
    /// The body as it came, members that nobody knows included.
    #[schema(
        max_length = 65536,
        example = "{\"fields\": {\"email\": \"ada@example.com\"}}"
    )]
    raw: String,
}

impl From<Submission> for SubmissionView {
    fn from(submission: Submission) -> Self {
        Self {
            id: submission.id,
            form_id: submission.form_id,
            status: submission.status,
            lead_id: submission.lead_id,
            reasons: submission.faults,
            received_at: submission.received_at,
        }
    }
}

impl From<Submission> for SubmissionDetail {
    fn from(submission: Submission) -> Self {
        let raw = submission.raw.clone();
        let SubmissionView {
            id,
            form_id,
            status,
            lead_id,
            reasons,
            received_at,
        } = submission.into();
        Self {
            id,
            form_id,
            status,
            lead_id,
            reasons,
            received_at,
            raw,
        }
    }
}

/// The submission in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SubmissionPath {
    /// Which submission.
    submission_id: SubmissionId,
}

/// Which submissions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SubmissionsQuery {
    /// Of this form.
    form_id: Option<FormId>,
    /// With this status.
    #[param(inline)]
    status: Option<SubmissionStatus>,
    /// The most submissions of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List submissions.
///
/// The newest first, rejected ones included: nothing that was sent is lost.
#[utoipa::path(tag = "capture", params(SubmissionsQuery), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "A page of submissions", body = Listing<SubmissionView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/submissions")]
async fn list_submissions(
    ctx: Ctx<FormsRead>,
    query: Query<SubmissionsQuery>,
) -> Reply<Listing<SubmissionView>> {
    let SubmissionsQuery {
        form_id,
        status,
        limit,
        cursor,
    } = query.0;
    let after = listing::position(&ctx.master, ctx.request(), cursor.as_deref())?;
    let after = after
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| Problem::new(Code::InvalidCursor))?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let page = store::capture::submissions(ctx.db(), form_id, status, after, limit).await?;
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|last| json!(last.id));
    let views = page.data.into_iter().map(SubmissionView::from).collect();
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}

/// Read a submission.
///
/// With the body as it came.
#[utoipa::path(tag = "capture", params(SubmissionPath), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "The submission", body = SubmissionDetail)))]
#[get("/v1/submissions/{submission_id}")]
async fn get_submission(ctx: Ctx<FormsRead>, path: Path<SubmissionPath>) -> Reply<Json<SubmissionDetail>> {
    let submission = store::capture::submission(ctx.db(), path.0.submission_id).await?;
    Ok(Json(submission.into()))
}
