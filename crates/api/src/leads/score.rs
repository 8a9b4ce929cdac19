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

/// How ready a lead is, as it was judged last.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LeadScore)]
pub struct ScoreView {
    /// Who the lead is, in whole points: the floor of the exact value.
    #[schema(minimum = 0, example = 25)]
    fit: i64,
    /// What it did, likewise.
    #[schema(minimum = 0, example = 56)]
    engagement: i64,
    /// Both, likewise: it may be one more than the sum of the other two.
    #[schema(minimum = 0, example = 81)]
    total: i64,
    /// The bands of both sides, such as `A1`, where the agreement has bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The exact values.
    exact: Exact,
    /// When it next changes if nothing new happens; never too late. `null`: never.
    valid_until: Option<Timestamp>,
    /// Whether a rule saw 1,000 events and there were more.
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

/// A lead's score with what it consists of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LeadScoreDetail)]
pub struct ScoreDetail {
    /// Who the lead is, in whole points: the floor of the exact value.
    #[schema(minimum = 0, example = 25)]
    fit: i64,
    /// What it did, likewise.
    #[schema(minimum = 0, example = 56)]
    engagement: i64,
    /// Both, likewise: it may be one more than the sum of the other two.
    #[schema(minimum = 0, example = 81)]
    total: i64,
    /// The bands of both sides, such as `A1`, where the agreement has bands.
    #[schema(max_length = 16, example = "C2")]
    band: Option<String>,
    /// The exact values.
    exact: Exact,
    /// What the score consists of: those of a side add up to its exact value. What a maximum takes away, or the floor of 0
    /// adds, is a contribution of its own.
    #[schema(max_items = 1000)]
    contributions: Vec<Contribution>,
    /// What keeps the lead from becoming an MQL, whatever it does: as on the lead.
    #[schema(max_items = 300, example = json!(["country"]))]
    mql_blocked_by: Vec<String>,
    /// When it next changes if nothing new happens; never too late. `null`: never.
    valid_until: Option<Timestamp>,
    /// Whether a rule saw 1,000 events and there were more.
    truncated: bool,
    /// The version of the agreement by which it was judged.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
}

/// Read a lead's score.
///
/// Judged at this instant by the agreement in force, and itemised: each rule that gave points, how often, and for which
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
