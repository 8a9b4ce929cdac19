//! Lists of activities.

use actix_web::get;
use serde::Deserialize;
use tandem_domain::activities::{ActivityOutcome, ActivityType};
use tandem_domain::id::{CompanyId, DealId, LeadId};
use tandem_store as store;
use tandem_store::activities::{ActivityFilter, ActivitySort};
use tandem_store::deals::Span;
use utoipa::IntoParams;

use super::view::ActivityView;
use crate::access::scopes::ActivitiesRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::filter::users;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

type ActivityOrder = Order<ActivitySort>;

impl Sorts for ActivitySort {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("id", ActivitySort::Id),
        ("occurred_at", ActivitySort::OccurredAt),
        ("due_at", ActivitySort::DueAt),
    ];
}

/// Which activities, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ActivitiesQuery {
    /// That count for this lead, including those of its deals.
    lead_id: Option<LeadId>,
    /// About this deal.
    deal_id: Option<DealId>,
    /// About this company.
    company_id: Option<CompanyId>,
    /// Done by one of these users: ids, or `me`.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    user_id: Option<Vec<String>>,
    /// Tasks of one of these users: ids, or `me`.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// Of one of these types.
    #[param(min_items = 1, max_items = 6, style = Form, explode = false)]
    r#type: Option<Vec<ActivityType>>,
    /// Activities with one of these outcomes.
    #[param(min_items = 1, max_items = 8, style = Form, explode = false)]
    outcome: Option<Vec<ActivityOutcome>>,
    /// `true`: only tasks that are not done; `false`: everything else.
    open: Option<bool>,
    /// Happened at this instant or later.
    #[param(inline)]
    occurred_at_gte: Option<Bound>,
    /// Happened before this instant.
    #[param(inline)]
    occurred_at_lt: Option<Bound>,
    /// Due at this instant or later.
    #[param(inline)]
    due_at_gte: Option<Bound>,
    /// Due before this instant.
    #[param(inline)]
    due_at_lt: Option<Bound>,
    /// The sort order. By `id`, a crawl through all pages sees each activity that existed and matched throughout
    /// exactly once. By `due_at`, activities without a due date come last.
    #[param(inline)]
    sort: Option<ActivityOrder>,
    /// The most activities of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List activities.
///
/// Pages cost the same at any depth. `Prefer: return=total-count` adds the total.
#[utoipa::path(tag = "activities", params(ActivitiesQuery), security(("bearer" = [ActivitiesRead])),
    responses((status = 200, description = "A page of activities", body = Listing<ActivityView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/activities")]
pub(super) async fn list_activities(
    ctx: Ctx<ActivitiesRead>,
    query: Query<ActivitiesQuery>,
) -> Reply<Listing<ActivityView>> {
    let query = query.0;
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(ActivitySort::Id));
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let bounds = [
        ("occurred_at_gte", query.occurred_at_gte),
        ("occurred_at_lt", query.occurred_at_lt),
        ("due_at_gte", query.due_at_gte),
        ("due_at_lt", query.due_at_lt),
    ];
    let [occurred_from, occurred_to, due_from, due_to] = bound::instants(ctx.db(), bounds).await?;
    let filter = ActivityFilter {
        lead_id: query.lead_id,
        deal_id: query.deal_id,
        company_id: query.company_id,
        user_id: users("user_id", query.user_id.as_deref(), ctx.person())?,
        owner_id: users("owner_id", query.owner_id.as_deref(), ctx.person())?,
        kind: query.r#type.unwrap_or_default(),
        outcome: query.outcome.unwrap_or_default(),
        open: query.open,
        occurred_at: Span {
            from: occurred_from,
            to: occurred_to,
        },
        due_at: Span {
            from: due_from,
            to: due_to,
        },
    };
    let page = store::activities::list(ctx.db(), &filter, sort, descending, after, limit).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::activities::count(ctx.db(), &filter).await?),
        false => None,
    };
    let position = |last: &_| sort.position(last);
    let listing = Listing::of(&ctx.master, ctx.request(), page, position, ActivityView::from);
    Ok(listing.counted(total))
}
