//! Action items of reviews: what both teams decided to do, by whom and until when.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_domain::id::{ActionItemId, ReviewId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::review::{self, ActionItem, ActionProgress, ActionState, CreateActionItem};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reviews::ActionFilter;
use utoipa::{IntoParams, ToSchema};

use super::{ReviewPath, refused};
use crate::access::scopes::{ReportsRead, ReviewsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::reports::request::{Ids, asked};

type ActionItemPatch = PatchOf<ActionProgress>;

/// One action item.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ActionPath {
    /// The action item's id.
    action_item_id: ActionItemId,
}

/// Which action items.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionsQuery {
    /// Of this review.
    review_id: Option<ReviewId>,
    /// Of this owner.
    owner_id: Option<UserId>,
    /// In one of these states; default all.
    #[param(inline, min_items = 1, max_items = 3, style = Form, explode = false, example = json!(["open"]))]
    state: Option<Vec<ActionState>>,
    /// Due on this day or before.
    #[param(inline)]
    due_until: Option<Day>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// An action item of a review.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionItemView {
    /// Its id.
    id: ActionItemId,
    /// The review in which it was decided.
    review_id: ReviewId,
    /// What is to be done.
    #[schema(max_length = 2000, example = "Ask for the budget in the form")]
    text: String,
    /// The user who does it.
    owner_id: UserId,
    /// The day by which it is to be done, in the company's time zone.
    due_on: Day,
    /// The state.
    state: ActionState,
    /// What came of it.
    #[schema(max_length = 4000, example = "The form asks for it from May on")]
    note: Option<String>,
    /// When it was done or dropped.
    closed_at: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl ActionItemView {
    pub(super) fn of(item: ActionItem) -> Self {
        Self {
            id: item.id,
            review_id: item.review_id,
            text: item.text,
            owner_id: item.owner_id,
            due_on: item.due_on,
            state: item.progress.state,
            note: item.progress.note,
            closed_at: item.closed_at,
            created_at: item.created_at,
            updated_at: item.updated_at,
        }
    }
}

/// Create an action item of a review.
///
/// For both managers, revops and admins. It is shown by every review until it is done or dropped.
#[utoipa::path(tag = "reviews", params(ReviewPath), security(("bearer" = [ReviewsWrite])), request_body = CreateActionItem,
    responses((status = 201, description = "The action item", body = ActionItemView,
        headers(("ETag" = String, description = "The action item's version"), ("Location" = String, description = "The URL of the list that has it")))))]
#[post("/v1/reviews/{review_id}/actions")]
pub(super) async fn create_action_item(
    ctx: Ctx<ReviewsWrite>,
    path: Path<ReviewPath>,
    body: Json<CreateActionItem>,
) -> Reply<Created<ActionItemView>> {
    let tx = ctx.begin().await?;
    let review = store::reviews::get_for_update(&tx, path.0.review_id).await?;
    ctx.check_if_match(review.version)?;
    let staff = store::access::staff(&tx).await?;
    let knows_owner = staff.get(body.0.owner_id).is_some();
    let added = review::add_action(&review, body.0, knows_owner, ctx.act());
    let (item, change) = added.map_err(refused)?;
    store::write_records(&tx, [change]).await?;
    let location = format!("/v1/actions?review_id={}", review.id);
    let answer = Created::at(location, ActionItemView::of(item)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List action items.
///
/// In creation order. `total_count` is always present.
#[utoipa::path(tag = "reviews", params(ActionsQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "A page of action items", body = Listing<ActionItemView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/actions")]
pub(super) async fn list_action_items(
    ctx: Ctx<ReportsRead>,
    query: Query<ActionsQuery>,
) -> Reply<Listing<ActionItemView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.snapshot().await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let (page, total) = page(&snapshot, query, after, limit).await?;
    let place = |item: &ActionItem| item.id;
    let listing = Listing::of(&ctx.master, ctx.request(), page, place, ActionItemView::of);
    Ok(listing.counted(Some(total)))
}

async fn page(
    snapshot: &Snapshot,
    query: ActionsQuery,
    after: Option<ActionItemId>,
    limit: u64,
) -> Result<(Page<ActionItem>, (u64, bool)), Problem> {
    let filter = ActionFilter {
        review_id: query.review_id,
        owner_id: query.owner_id,
        states: query.state.unwrap_or_default(),
        due_until: query.due_until,
    };
    let page = store::reviews::actions(snapshot, &filter, after, limit).await?;
    let total = store::reviews::action_count(snapshot, &filter).await?;
    Ok((page, total))
}

/// The ids of the first action items of a list, and the number of all.
pub(super) async fn ids(snapshot: &Snapshot, query: Value, limit: u64) -> Result<Ids, Problem> {
    let (page, (total, _)) = page(snapshot, asked(query)?, None, limit).await?;
    Ok(Ids::of(page, total, |item| item.id.to_string()))
}

/// Update an action item: its state and its note.
///
/// For both managers, revops and admins.
#[utoipa::path(tag = "reviews", params(ActionPath), security(("bearer" = [ReviewsWrite])),
    request_body = ActionItemPatch,
    responses((status = 200, description = "The action item", body = ActionItemView,
        headers(("ETag" = String, description = "The action item's version")))))]
#[patch("/v1/actions/{action_item_id}")]
pub(super) async fn update_action_item(
    ctx: Ctx<ReviewsWrite>,
    path: Path<ActionPath>,
    body: MergePatch<ActionItemPatch>,
) -> Reply<Tagged<ActionItemView>> {
    let tx = ctx.begin().await?;
    let known = store::reviews::action_for_update(&tx, path.0.action_item_id).await?;
    ctx.check_if_match(known.version)?;
    let (progress, _) = body.0.apply(&known.progress)?;
    let (item, change) = review::update_action(&known, progress, ctx.act()).map_err(refused)?;
    store::write_records(&tx, change).await?;
    let tag = etag(item.version, 0);
    ctx.commit(tx, Tagged::new(tag, ActionItemView::of(item))).await
}
