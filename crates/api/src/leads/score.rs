//! The score of a lead, and what it consists of.

use actix_web::get;
use serde::Serialize;
use tandem_domain::instant::Timestamp;
use tandem_domain::scoring::{Contribution, Exact, StoredScore};
use tandem_store as store;
use utoipa::ToSchema;

use super::LeadPath;
use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::query::Path;
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
    /// The bands of fit and engagement, such as `A1`, if the agreement has bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The exact values.
    exact: Exact,
    /// Until when the score holds if nothing new happens; `null`: indefinitely.
    valid_until: Option<Timestamp>,
    /// Whether a rule counted its maximum of 1,000 events although there were more.
    truncated: bool,
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
    /// The bands of fit and engagement, such as `A1`, if the agreement has bands.
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
    /// The version of the agreement by which it was judged.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
}

/// Read a lead's score.
///
/// The score at this instant by the agreement in force, itemised: each rule that gave points, how often, and for which
/// events.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The score with its contributions", body = ScoreDetail)))]
#[get("/v1/leads/{lead_id}/score")]
pub(super) async fn get_lead_score(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<ScoreDetail>> {
    let snapshot = ctx.snapshot().await?;
    let assessment = store::scoring::assessment(&snapshot, path.0.lead_id, ctx.now()).await?;
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
        agreement_version: stored.agreement_version,
    }))
}
