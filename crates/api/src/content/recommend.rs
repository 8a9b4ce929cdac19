//! Content to show to a lead next, with the evidence of won deals.

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::content::Content;
use tandem_domain::content::evidence::{Recommended, recommended};
use tandem_domain::id::LeadId;
use tandem_domain::reports::Rate;
use tandem_store as store;
use tandem_store::content as stored;
use utoipa::{IntoParams, ToSchema};

use super::{ContentView, view};
use crate::access::scopes::{ActivitiesRead, ContentRead, LeadsRead, RecommendedRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::Listing;
use crate::edge::http::query::Path;
use crate::edge::http::reply::Reply;

/// The lead in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfLead {
    /// The lead.
    lead_id: LeadId,
}

/// Content to show to a lead, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendedContentView {
    /// The content.
    content: ContentView,
    /// The lead's objections that it answers.
    #[schema(max_items = 50, example = json!(["price"]))]
    answers: Vec<String>,
    /// Whether it fits the lead's stage: `awareness` for `lead`, `mql` and `nurture`, `consideration` for `sal` and `sql`,
    /// `decision` for `opportunity`.
    fits_stage: bool,
    /// The won deals with a lead that had read it before.
    won_deals: ShareView,
}

/// A share of cases with its 95 % Wilson score interval.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct ShareView {
    /// The share, as a fraction; `null` without cases.
    #[schema(minimum = 0, maximum = 1, example = 0.31)]
    pub value: Option<f64>,
    /// The number of counted cases.
    #[schema(minimum = 0, example = 31)]
    pub numerator: i64,
    /// The number of all cases.
    #[schema(minimum = 0, example = 100)]
    pub denominator: i64,
    /// The interval's lower bound.
    #[schema(minimum = 0, maximum = 1, example = 0.228)]
    pub low: Option<f64>,
    /// The interval's upper bound.
    #[schema(minimum = 0, maximum = 1, example = 0.406)]
    pub high: Option<f64>,
    /// Whether there are fewer cases than `min_sample`, too few for a meaningful share.
    pub insufficient: bool,
}

impl ShareView {
    /// A share of cases; too few of them are marked.
    pub fn of(rate: Rate, min_sample: i64) -> Self {
        let (low, high) = rate.interval().unzip();
        Self {
            value: rate.value(),
            numerator: rate.part,
            denominator: rate.whole,
            low,
            high,
            insufficient: rate.is_insufficient(min_sample),
        }
    }
}

/// List recommended content for a lead.
///
/// Published content that answers an objection of the lead or fits its stage, and that the lead has not seen and that no activity sent
/// to it, at most 20.
/// What answers most objections comes first, then what fits the stage, then what most won deals had read.
#[utoipa::path(tag = "content", params(OfLead), security(("bearer" = [LeadsRead, ActivitiesRead, ContentRead])),
    responses((status = 200, description = "The recommended content", body = Listing<RecommendedContentView>)))]
#[get("/v1/leads/{lead_id}/content")]
pub(super) async fn list_recommended_content(
    ctx: Ctx<RecommendedRead>,
    path: Path<OfLead>,
) -> Reply<Listing<RecommendedContentView>> {
    let snapshot = ctx.snapshot().await?;
    let lead = store::leads::get(&snapshot, path.0.lead_id).await?.lead;
    let mut seen = stored::seen_by(&snapshot, lead.id).await?;
    seen.extend(stored::sent_to(&snapshot, lead.id).await?);
    let objections = stored::objections_of(&snapshot, lead.id).await?;
    let library = stored::all(&snapshot).await?;
    let is_ready = |content: &&Content| content.is_published() && content.archived_at.is_none();
    let ready = library.iter().filter(is_ready).map(|content| content.id);
    let (won, by_content) = stored::won_deals(&snapshot, ready).await?;
    let min_sample = store::rules::read(&snapshot).await?.reports.min_sample;
    let found = recommended(library, (lead.stage, &objections), &seen, &by_content);
    let view = |one: Recommended| RecommendedContentView {
        content: view(one.content),
        answers: one.answers,
        fits_stage: one.fits_stage,
        won_deals: ShareView::of(
            Rate {
                part: one.won_deals,
                whole: won,
            },
            min_sample,
        ),
    };
    let views = found.into_iter().map(view).collect();
    Ok(Listing::new(&ctx.master, ctx.request(), views, None))
}
