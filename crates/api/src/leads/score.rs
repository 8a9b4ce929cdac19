//! The score of a lead, and what it consists of.

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::id::{LeadId, ScoreRecordId};
use tandem_domain::instant::Timestamp;
use tandem_domain::scoring::{Contribution, Exact, ScoreCause, ScoreRecord, StoredScore};
use tandem_store::{self as store, Snapshot};
use utoipa::{IntoParams, ToSchema};

use super::LeadPath;
use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;

/// A lead's score at its last judging.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LeadScore)]
pub struct ScoreView {
    /// The points for who the lead is, in whole points, rounded down.
    #[schema(minimum = 0, example = 25)]
    fit: i64,
    /// The points for what the lead did, in whole points, rounded down.
    #[schema(minimum = 0, example = 56)]
    engagement: i64,
    /// Fit and engagement together, in whole points, rounded down; may exceed the sum of the two rounded values by one.
    #[schema(minimum = 0, example = 81)]
    total: i64,
    /// The lead's bands of fit and engagement, such as `A1`; `null` if the agreement defines no bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The exact values.
    exact: Exact,
    /// Until when the score holds if nothing new happens; `null`: indefinitely.
    valid_until: Option<Timestamp>,
    /// Whether a rule counted its maximum of 1,000 events although there were more.
    truncated: bool,
    /// When something last became known of an earlier instant, so that scores of the past are others; `null`: never.
    history_changed_at: Option<Timestamp>,
    /// The version of the agreement by which it was judged.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
}

impl From<&StoredScore> for ScoreView {
    fn from(score: &StoredScore) -> Self {
        Self {
            fit: score.fit,
            engagement: score.engagement,
            total: score.total,
            band: score.band.clone(),
            exact: score.exact,
            valid_until: score.valid_until,
            truncated: score.truncated,
            history_changed_at: score.history_changed_at,
            agreement_version: score.agreement_version,
        }
    }
}

/// A lead's score with its contributions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeadScoreDetail)]
pub struct ScoreDetail {
    /// The points for who the lead is, in whole points, rounded down.
    #[schema(minimum = 0, example = 25)]
    fit: i64,
    /// The points for what the lead did, in whole points, rounded down.
    #[schema(minimum = 0, example = 56)]
    engagement: i64,
    /// Fit and engagement together, in whole points, rounded down; may exceed the sum of the two rounded values by one.
    #[schema(minimum = 0, example = 81)]
    total: i64,
    /// The lead's bands of fit and engagement, such as `A1`; `null` if the agreement defines no bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The exact values.
    exact: Exact,
    /// The contributions; those of a side add up to its exact value. What a maximum removes, or the minimum of 0 adds,
    /// is a contribution of its own.
    #[schema(max_items = 1000)]
    contributions: Vec<Contribution>,
    /// What blocks the lead from becoming an MQL, as on the lead.
    #[schema(max_items = 300, example = json!(["country"]))]
    mql_blocked_by: Vec<String>,
    /// Until when the score holds if nothing new happens; `null`: indefinitely.
    valid_until: Option<Timestamp>,
    /// Whether a rule counted its maximum of 1,000 events although there were more.
    truncated: bool,
    /// When something last became known of an earlier instant, so that scores of the past are others; `null`: never.
    history_changed_at: Option<Timestamp>,
    /// The version of the agreement by which it was judged.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
}

/// The instant of a score.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreQuery {
    /// An instant of the past; default now.
    as_of: Option<Timestamp>,
}

/// Which page of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreHistoryQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A change of a lead's score.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScoreRecordView {
    /// Its id.
    id: ScoreRecordId,
    /// When.
    at: Timestamp,
    /// Why.
    cause: ScoreCause,
    /// Fit since then, in whole points.
    #[schema(minimum = 0)]
    fit: i64,
    /// Engagement since then, in whole points.
    #[schema(minimum = 0)]
    engagement: i64,
    /// Both since then, in whole points.
    #[schema(minimum = 0)]
    total: i64,
    /// The exact values since then.
    exact: Exact,
    /// The lead's bands of fit and engagement since then, such as `A1`; `null` if the agreement defined no bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The version of the agreement.
    #[schema(minimum = 1)]
    agreement_version: i64,
}

impl From<ScoreRecord> for ScoreRecordView {
    fn from(record: ScoreRecord) -> Self {
        let (fit, engagement, total) = record.exact.whole();
        Self {
            id: record.id,
            at: record.at,
            cause: record.cause,
            fit,
            engagement,
            total,
            exact: record.exact,
            band: record.band,
            agreement_version: record.agreement_version,
        }
    }
}

/// Read a lead's score.
///
/// The score at this instant by the agreement in force, itemised: each rule that gave points, how often, and for which
/// events. With `as_of` that of an earlier instant, by the agreement that was in force then, from what had happened by then as it
/// is known today: the same answer every day, until something becomes known of the past (`history_changed_at`).
/// Settings, qualification and the stages of companies count as they are now.
#[utoipa::path(tag = "leads", params(LeadPath, ScoreQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The score with its contributions", body = ScoreDetail)))]
#[get("/v1/leads/{lead_id}/score")]
pub(super) async fn get_lead_score(
    ctx: Ctx<LeadsRead>,
    path: Path<LeadPath>,
    query: Query<ScoreQuery>,
) -> Reply<Json<ScoreDetail>> {
    let snapshot = ctx.snapshot().await?;
    let lead_id = path.0.lead_id;
    if let Some(at) = query.0.as_of {
        return as_of(&ctx, &snapshot, lead_id, at).await.map(Json);
    }
    let assessment = store::scoring::assessment(&snapshot, lead_id, ctx.now()).await?;
    let (stored, contributions) = (assessment.stored, assessment.score.contributions);
    Ok(Json(ScoreDetail {
        fit: stored.fit,
        engagement: stored.engagement,
        total: stored.total,
        band: stored.band,
        exact: stored.exact,
        contributions,
        mql_blocked_by: stored.blocked_by,
        valid_until: stored.valid_until,
        truncated: stored.truncated,
        history_changed_at: stored.history_changed_at,
        agreement_version: stored.agreement_version,
    }))
}

async fn as_of(
    ctx: &Ctx<LeadsRead>,
    snapshot: &Snapshot,
    lead_id: LeadId,
    at: Timestamp,
) -> Result<ScoreDetail, Problem> {
    if at > ctx.now() {
        let place = Location::Parameter("as_of".into());
        let violation = Violation::new(place, "out_of_range", "must not be in the future");
        return Err(Problem::invalid_parameters(vec![violation]));
    }
    let found = store::scoring::as_of(snapshot, lead_id, at).await?;
    let store::scoring::AsOf {
        readiness,
        agreement_version,
        history_changed_at,
    } = found.ok_or(Problem::new(Code::HistoryExpired))?;
    let score = readiness.score;
    Ok(ScoreDetail {
        fit: score.fit,
        engagement: score.engagement,
        total: score.total,
        band: score.band,
        exact: score.exact,
        contributions: score.contributions,
        mql_blocked_by: readiness.blocked_by,
        valid_until: score.valid_until,
        truncated: readiness.truncated,
        history_changed_at,
        agreement_version,
    })
}

/// List the changes of a lead's score.
///
/// Newest first: each change with another cause than time, and each change of band. What decayed in between is computed:
/// read the score `as_of` any instant.
#[utoipa::path(tag = "leads", params(LeadPath, ScoreHistoryQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of changes", body = Listing<ScoreRecordView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/leads/{lead_id}/score/history")]
pub(super) async fn list_score_history(
    ctx: Ctx<LeadsRead>,
    path: Path<LeadPath>,
    query: Query<ScoreHistoryQuery>,
) -> Reply<Listing<ScoreRecordView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    let page = store::scoring::history(&snapshot, path.0.lead_id, after, limit).await?;
    let place = |record: &ScoreRecord| record.id;
    let view = ScoreRecordView::from;
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view))
}
