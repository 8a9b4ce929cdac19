//! Reviews: the regular meeting of both teams, with a pack of figures that stays as it was.

mod actions;
mod frozen;
mod pack;
mod page;

use actix_web::{Either, get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::access::Scope;
use tandem_domain::id::{ReviewId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::record::Plain;
use tandem_domain::reports::kpis::Unit;
use tandem_domain::reports::review::{self, Review, ReviewError, ReviewPeriod};
use tandem_store as store;
use tandem_store::reviews::ActionFilter;
use utoipa::{IntoParams, ToSchema};

use self::actions::ActionItemView;
use self::pack::ReviewPack;
use crate::access::scopes::{ReportsRead, ReviewsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, Rendered, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::reports::answer::prefers_page;

/// The most action items that a review shows.
const MOST_ITEMS: u64 = 200;

pub(super) fn configure(config: &mut Services<'_>) {
    config
        .service(create_review)
        .service(list_reviews)
        .service(get_review)
        .service(hold_review)
        .service(frozen::list_review_evidence)
        .service(actions::create_action_item)
        .service(actions::list_action_items)
        .service(actions::update_action_item);
}

/// One review.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ReviewPath {
    /// The review's id.
    review_id: ReviewId,
}

/// A page of reviews.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ReviewsQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Who met about a review, and when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldReview {
    /// When the meeting began; not in the future.
    held_at: Timestamp,
    /// The users who attended.
    #[schema(min_items = 1, max_items = 100)]
    attended_by: Vec<UserId>,
}

/// A review.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// Its id.
    id: ReviewId,
    /// The first day that it covers.
    from: Day,
    /// The day after the last one.
    to: Day,
    /// The user who created it.
    created_by: Option<UserId>,
    /// When it was created: the instant of its figures.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// When it was held; `null` if it has not been.
    held_at: Option<Timestamp>,
    /// The users who attended.
    #[schema(max_items = 100)]
    attended_by: Vec<UserId>,
    /// Whether a marketing manager and a sales manager attended. Such a review moves `review_due` of the agreement.
    by_both_managers: bool,
}

/// A review with its pack and its action items.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewDetail {
    /// Its id.
    id: ReviewId,
    /// The first day that it covers.
    from: Day,
    /// The day after the last one.
    to: Day,
    /// The user who created it.
    created_by: Option<UserId>,
    /// When it was created: the instant of its figures.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// When it was held; `null` if it has not been.
    held_at: Option<Timestamp>,
    /// The users who attended.
    #[schema(max_items = 100)]
    attended_by: Vec<UserId>,
    /// Whether a marketing manager and a sales manager attended. Such a review moves `review_due` of the agreement.
    by_both_managers: bool,
    /// The figures, as they stood when the review was created. Amounts need `deals:read` too.
    #[schema(value_type = ReviewPack)]
    pack: Value,
    /// The action items that it decided on, as they stand now.
    #[schema(max_items = 200)]
    action_items: Vec<ActionItemView>,
}

impl ReviewView {
    fn of(review: Review) -> Self {
        let held = review.held;
        Self {
            id: review.id,
            from: review.period.from,
            to: review.period.to,
            created_by: review.created_by,
            created_at: review.created_at,
            updated_at: review.updated_at,
            held_at: held.as_ref().map(|held| held.at),
            by_both_managers: held.as_ref().is_some_and(|held| held.by_both_managers),
            attended_by: held.map(|held| held.attended_by).unwrap_or_default(),
        }
    }

    fn with(self, pack: Value, action_items: Vec<ActionItemView>) -> ReviewDetail {
        ReviewDetail {
            id: self.id,
            from: self.from,
            to: self.to,
            created_by: self.created_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
            held_at: self.held_at,
            attended_by: self.attended_by,
            by_both_managers: self.by_both_managers,
            pack,
            action_items,
        }
    }
}

/// Create a review.
///
/// For both managers, revops and admins. Freezes the figures of the period with the records behind them: the scorecard,
/// commitments, funnel, key figures and their change, rejections, leaks, disputes, the campaigns that start before the
/// next review, and the open action items. The pack never changes; its evidence opens the records of that time.
#[utoipa::path(tag = "reviews", security(("bearer" = [ReviewsWrite])), request_body = ReviewPeriod,
    responses((status = 201, description = "The review", body = ReviewView,
        headers(("ETag" = String, description = "The review's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/reviews")]
async fn create_review(ctx: Ctx<ReviewsWrite>, body: Json<ReviewPeriod>) -> Reply<Created<ReviewView>> {
    let period = body.0.sound().map_err(refused)?;
    review::may_review(ctx.actor())?;
    // The figures are read before the transaction begins, so that nobody waits for them.
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let pack = pack::of(&snapshot, now, period).await?;
    let (pack, links, lists) = frozen::freeze(&snapshot, now, json!(pack)).await?;
    drop(snapshot);
    let tx = ctx.begin().await?;
    let review = review::create(period, ctx.act()).map_err(refused)?;
    store::write_records(&tx, [review.created()]).await?;
    let pack = frozen::linked(pack, &links, review.id);
    store::reviews::freeze(&tx, review.id, &pack, &lists).await?;
    let location = format!("/v1/reviews/{}", review.id);
    let answer = Created::at(location, ReviewView::of(review)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List reviews.
///
/// Newest first.
#[utoipa::path(tag = "reviews", params(ReviewsQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "A page of reviews", body = Listing<ReviewView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reviews")]
async fn list_reviews(ctx: Ctx<ReportsRead>, query: Query<ReviewsQuery>) -> Reply<Listing<ReviewView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let page = store::reviews::list(ctx.db(), after, limit).await?;
    let place = |review: &Review| review.id;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        place,
        ReviewView::of,
    ))
}

/// Read a review.
///
/// With its frozen figures, and its action items as they stand now. `Accept: text/html` returns one page with charts, to
/// read or to print.
#[utoipa::path(tag = "reviews", params(ReviewPath), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The review",
        content((ReviewDetail = "application/json"), (String = "text/html")))))]
#[get("/v1/reviews/{review_id}")]
async fn get_review(
    ctx: Ctx<ReportsRead>,
    path: Path<ReviewPath>,
) -> Reply<Either<Json<ReviewDetail>, Rendered>> {
    let id = path.0.review_id;
    let snapshot = ctx.snapshot().await?;
    let review = store::reviews::get(&snapshot, id).await?;
    let pack = store::reviews::pack(&snapshot, id).await?;
    let filter = ActionFilter {
        review_id: Some(id),
        ..ActionFilter::default()
    };
    let items = store::reviews::actions(&snapshot, &filter, None, MOST_ITEMS).await?;
    let items = items.data.into_iter().map(ActionItemView::of).collect();
    let pack = readable(pack, |scope| ctx.grants(scope));
    let review = ReviewView::of(review).with(pack, items);
    match prefers_page(ctx.request()) {
        true => Ok(Either::Right(Rendered(page::of(&json!(review))?))),
        false => Ok(Either::Left(Json(review))),
    }
}

/// Record that a review was held.
///
/// For both managers, revops and admins. A review counts as held by both managers if a user of each of the roles
/// `marketing_manager` and `sales_manager` attended; the agreement's `review_due` then counts from `held_at`. Sending it
/// again corrects the attendance.
#[utoipa::path(tag = "reviews", params(ReviewPath), security(("bearer" = [ReviewsWrite])), request_body = HoldReview,
    responses((status = 200, description = "The review", body = ReviewView,
        headers(("ETag" = String, description = "The review's version")))))]
#[post("/v1/reviews/{review_id}/hold")]
async fn hold_review(
    ctx: Ctx<ReviewsWrite>,
    path: Path<ReviewPath>,
    body: Json<HoldReview>,
) -> Reply<Tagged<ReviewView>> {
    let HoldReview { held_at, attended_by } = body.0;
    let tx = ctx.begin().await?;
    let known = store::reviews::get_for_update(&tx, path.0.review_id).await?;
    ctx.check_if_match(known.version)?;
    let staff = store::access::staff(&tx).await?;
    let role_of = |user| staff.get(user).map(|colleague| colleague.role);
    let held = review::hold(&known, held_at, &attended_by, role_of, ctx.act());
    let (review, change) = held.map_err(refused)?;
    store::write_records(&tx, change).await?;
    let tag = etag(review.version, 0);
    ctx.commit(tx, Tagged::new(tag, ReviewView::of(review))).await
}

/// The pack as far as a caller may read it: without `deals:read` it shows no amount, without `campaigns:read` no campaign,
/// without `activities:read` no objection.
fn readable(mut pack: Value, grants: impl Fn(Scope) -> bool) -> Value {
    if !grants(Scope::CampaignsRead) {
        pack["campaigns"] = Value::Null;
    }
    if !(grants(Scope::ActivitiesRead) && grants(Scope::DealsRead)) {
        pack["objections"] = Value::Null;
    }
    if grants(Scope::DealsRead) {
        return pack;
    }
    let is_money = |figure: &Value| figure["unit"] == Unit::Money.name();
    for list in ["/kpis/figures", "/changes"] {
        if let Some(figures) = pack.pointer_mut(list).and_then(Value::as_array_mut) {
            figures.retain(|figure| !is_money(figure));
        }
    }
    if let Some(unconverted) = pack["kpis"]["unconverted"].as_array_mut() {
        unconverted.clear();
    }
    pack["losses"] = Value::Null;
    let hide = |figures: &mut Value| {
        for name in ["revenue", "pipeline", "roi"] {
            if let Some(figure) = figures.get_mut(name) {
                *figure = Value::Null;
            }
        }
    };
    let campaigns = &mut pack["campaigns"];
    for name in ["totals", "unattributed"] {
        campaigns.get_mut(name).into_iter().for_each(hide);
    }
    let rows = campaigns.get_mut("rows").and_then(Value::as_array_mut);
    rows.into_iter()
        .flatten()
        .for_each(|row| hide(&mut row["figures"]));
    pack
}

fn refused(refused: ReviewError) -> Problem {
    match refused {
        ReviewError::Denied(reason) => reason.into(),
        ReviewError::Invalid(faults) => invalid(faults),
    }
}
