//! What strangers sent, stored whole whatever became of it.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::access::Actor;
use tandem_domain::capture::{Consent, Submission, SubmissionFault, SubmissionStatus};
use tandem_domain::id::{FormId, LeadId, SubmissionId};
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use utoipa::{IntoParams, ToSchema};

use super::{batch, body};
use crate::access::scopes::{FormsRead, FormsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, shapes};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;

/// The operation whose bodies are stored.
const CAPTURE: &str = "POST /v1/capture/{form_key}";

/// The operations on submissions.
pub fn configure(config: &mut Services<'_>) {
    config.service(list_submissions).service(get_submission);
    config.service(replay_submission);
}

/// A submission of a form, with its result.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionView {
    /// Its id.
    id: SubmissionId,
    /// The form.
    form_id: FormId,
    /// The status.
    status: SubmissionStatus,
    /// The lead that it created or updated, if it was accepted.
    lead_id: Option<LeadId>,
    /// Why it was not accepted.
    #[schema(max_items = 200)]
    reasons: Vec<SubmissionFault>,
    /// Remarks about omitted or unusual input that did not reject the submission: an invalid answer, consent that is no
    /// clear yes, invalid bytes, a hidden origin.
    #[schema(max_items = 1000)]
    remarks: Vec<SubmissionFault>,
    /// The person's answer for each purpose, with the wording that the form showed then.
    #[schema(max_items = 20)]
    consent: Vec<Consent>,
    /// When it arrived.
    received_at: Timestamp,
}

/// A submission of a form, with its body.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubmissionDetail {
    /// Its id.
    id: SubmissionId,
    /// The form.
    form_id: FormId,
    /// The status.
    status: SubmissionStatus,
    /// The lead that it created or updated, if it was accepted.
    lead_id: Option<LeadId>,
    /// Why it was not accepted.
    #[schema(max_items = 200)]
    reasons: Vec<SubmissionFault>,
    /// Remarks about omitted or unusual input that did not reject the submission.
    #[schema(max_items = 1000)]
    remarks: Vec<SubmissionFault>,
    /// The person's answer for each purpose, with the wording that the form showed then.
    #[schema(max_items = 20)]
    consent: Vec<Consent>,
    /// When it arrived.
    received_at: Timestamp,
    /// Its Content-Type.
    #[schema(max_length = 200, example = "application/json")]
    media_type: String,
    /// The body as it arrived, including unknown members, but without passwords and tokens in addresses. Bytes that are
    /// invalid in its charset are shown as in windows-1252; those of a form remain percent-encoded.
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
            remarks: submission.remarks,
            consent: submission.consent,
            received_at: submission.received_at,
        }
    }
}

impl From<Submission> for SubmissionDetail {
    fn from(submission: Submission) -> Self {
        let (raw, media_type) = (submission.raw.clone(), submission.media_type.clone());
        let SubmissionView {
            id,
            form_id,
            status,
            lead_id,
            reasons,
            remarks,
            consent,
            received_at,
        } = submission.into();
        Self {
            id,
            form_id,
            status,
            lead_id,
            reasons,
            remarks,
            consent,
            received_at,
            media_type,
            raw,
        }
    }
}

/// The submission in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SubmissionPath {
    /// The submission's id.
    submission_id: SubmissionId,
}

/// Which submissions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SubmissionsQuery {
    /// Of this form.
    form_id: Option<FormId>,
    /// Submissions with this status.
    #[param(inline)]
    status: Option<SubmissionStatus>,
    /// The most submissions of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List submissions.
///
/// Newest first, including rejected ones: every submission is stored.
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
    let after = listing::after(&ctx.master, ctx.request(), cursor.as_deref())?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let page = store::capture::submissions(ctx.db(), form_id, status, after, limit).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |one| one.id,
        SubmissionView::from,
    ))
}

/// Read a submission.
///
/// Includes the body as it arrived, without passwords and tokens in URLs. The id of a submission that repeated another
/// one within a minute returns that one.
#[utoipa::path(tag = "capture", params(SubmissionPath), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "The submission", body = SubmissionDetail)))]
#[get("/v1/submissions/{submission_id}")]
async fn get_submission(ctx: Ctx<FormsRead>, path: Path<SubmissionPath>) -> Reply<Json<SubmissionDetail>> {
    let submission = store::capture::submission(ctx.db(), path.0.submission_id).await?;
    Ok(Json(submission.into()))
}

/// Replay a submission.
///
/// For marketing: after the form was corrected, or if a submission is no spam. Processes a rejected, spam or failed
/// submission again by the present form, dated at its arrival. An accepted submission or a test is refused (`409`).
#[utoipa::path(tag = "capture", params(SubmissionPath), security(("bearer" = [FormsWrite])),
    responses((status = 200, description = "The submission with its new status", body = SubmissionDetail)))]
#[post("/v1/submissions/{submission_id}/replay")]
async fn replay_submission(
    ctx: Ctx<FormsWrite>,
    path: Path<SubmissionPath>,
) -> Reply<Json<SubmissionDetail>> {
    let is_marketing = |actor: &Actor| {
        let person = actor.person();
        person.is_none_or(|person| person.is_marketing() || person.is_admin())
    };
    if !is_marketing(ctx.actor()) {
        return Err(Problem::new(Code::WrongRole));
    }
    let tx = ctx.begin().await?;
    let kept = store::capture::submission(&tx, path.0.submission_id).await?;
    if !kept.status.can_be_replayed() {
        return Err(Problem::new(Code::Conflict)
            .with("current", kept.status.name())
            .detail("The submission was already accepted, or is a test"));
    }
    let form = tx.rules().forms.get(&kept.form_id).cloned();
    let form = form.ok_or_else(|| Problem::new(Code::NotFound))?;
    let shape = shapes(ctx.request())?.body(CAPTURE);
    let shape = shape.ok_or_else(|| Problem::new(Code::InternalError).because("a capture has no shape"))?;
    let read = body::read_stored(&kept.media_type, &kept.raw, shape)?;
    let replayed = batch::replay(&tx, ctx.act(), &kept, &read.posted, &form).await?;
    ctx.commit(tx, Json(replayed.into())).await
}
