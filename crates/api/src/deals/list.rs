//! Lists of deals.

use actix_web::get;
use serde::Deserialize;
use tandem_domain::deals::{Deal, State};
use tandem_domain::id::{CompanyId, LeadId, PipelineId};
use tandem_domain::instant::Day;
use tandem_domain::money::Currency;
use tandem_store::deals::{DealFilter, DealSort, Span};
use tandem_store::{self as store, Horizon};
use utoipa::IntoParams;

use super::view::DealView;
use crate::access::scopes::DealsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::filter::owners;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

type DealOrder = Order<DealSort>;

impl Sorts for DealSort {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("id", DealSort::Id),
        ("created_at", DealSort::CreatedAt),
        ("updated_at", DealSort::UpdatedAt),
        ("opened_at", DealSort::OpenedAt),
    ];
}

/// Which deals, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DealsQuery {
    /// In one of these states.
    #[param(min_items = 1, max_items = 3, style = Form, explode = false)]
    state: Option<Vec<State>>,
    /// In this pipeline.
    pipeline_id: Option<PipelineId>,
    /// In one of these stages, by key.
    #[param(min_items = 1, max_items = 32, style = Form, explode = false)]
    stage: Option<Vec<String>>,
    /// Deals with one of these owners: ids, `me`, or `none` for deals without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// Deals with this lead in the group that decides.
    lead_id: Option<LeadId>,
    /// Deals with this company.
    company_id: Option<CompanyId>,
    /// Deals with an amount in this currency.
    currency: Option<Currency>,
    /// Worth this many minor units or more.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    amount_gte: Option<i64>,
    /// Worth this many minor units or less.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    amount_lte: Option<i64>,
    /// Expected to close on this day or later.
    #[param(inline)]
    expected_close_on_gte: Option<Day>,
    /// Expected to close before this day.
    #[param(inline)]
    expected_close_on_lt: Option<Day>,
    /// Opened at this instant or later.
    #[param(inline)]
    opened_at_gte: Option<Bound>,
    /// Opened before this instant.
    #[param(inline)]
    opened_at_lt: Option<Bound>,
    /// Closed at this instant or later.
    #[param(inline)]
    closed_at_gte: Option<Bound>,
    /// Closed before this instant.
    #[param(inline)]
    closed_at_lt: Option<Bound>,
    /// Created in Tandem at this instant or later.
    #[param(inline)]
    created_at_gte: Option<Bound>,
    /// Created in Tandem before this instant.
    #[param(inline)]
    created_at_lt: Option<Bound>,
    /// Changed at this instant or later.
    #[param(inline)]
    updated_at_gte: Option<Bound>,
    /// Changed before this instant.
    #[param(inline)]
    updated_at_lt: Option<Bound>,
    /// The sort order. By `id`, a crawl through all pages sees each deal that existed and matched throughout exactly
    /// once.
    #[param(inline)]
    sort: Option<DealOrder>,
    /// The most deals of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List deals.
///
/// Pages cost the same at any depth. `Prefer: return=total-count` adds the total.
#[utoipa::path(tag = "deals", params(DealsQuery), security(("bearer" = [DealsRead])),
    responses((status = 200, description = "A page of deals", body = Listing<DealView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/deals")]
pub(super) async fn list_deals(ctx: Ctx<DealsRead>, query: Query<DealsQuery>) -> Reply<Listing<DealView>> {
    let query = query.0;
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(DealSort::Id));
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let horizon = ctx.horizon(query.goes_by_stamps(sort)).await?;
    let filter = query.filter(&ctx, sort, horizon).await?;
    let page = store::deals::list(ctx.db(), &filter, sort, descending, after, limit).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::deals::count(ctx.db(), &filter).await?),
        false => None,
    };
    let ids = page.data.iter().map(|deal| deal.id);
    let mut facts = store::deals::closing_facts(ctx.db(), ids).await?;
    let view = |deal: Deal| {
        let own = facts.remove(&deal.id).unwrap_or_default();
        DealView::of(deal, own)
    };
    let listing = Listing::of(&ctx.master, ctx.request(), page, |last| sort.position(last), view);
    Ok(listing.counted(total))
}

impl DealsQuery {
    fn goes_by_stamps(&self, sort: DealSort) -> bool {
        let bounds = [
            &self.created_at_gte,
            &self.created_at_lt,
            &self.updated_at_gte,
            &self.updated_at_lt,
        ];
        matches!(sort, DealSort::CreatedAt | DealSort::UpdatedAt)
            || bounds.iter().any(|bound| bound.is_some())
    }

    async fn filter(
        self,
        ctx: &Ctx<DealsRead>,
        sort: DealSort,
        horizon: Horizon,
    ) -> Result<DealFilter, Problem> {
        let (owner_id, unowned) = owners(self.owner_id.as_deref(), ctx.person())?;
        let bounds = [
            ("opened_at_gte", self.opened_at_gte),
            ("opened_at_lt", self.opened_at_lt),
            ("closed_at_gte", self.closed_at_gte),
            ("closed_at_lt", self.closed_at_lt),
            ("created_at_gte", self.created_at_gte),
            ("created_at_lt", self.created_at_lt),
            ("updated_at_gte", self.updated_at_gte),
            ("updated_at_lt", self.updated_at_lt),
        ];
        let instants = bound::instants(ctx.db(), bounds).await?;
        let span = |n: usize| Span {
            from: instants[n],
            to: instants[n + 1],
        };
        let stamped = |n: usize, is_sorted_by: bool| Span {
            from: instants[n],
            to: horizon.below(is_sorted_by, instants[n], instants[n + 1]),
        };
        Ok(DealFilter {
            state: self.state.unwrap_or_default(),
            pipeline_id: self.pipeline_id,
            stage: self.stage.unwrap_or_default(),
            owner_id,
            unowned,
            lead_id: self.lead_id,
            company_id: self.company_id,
            currency: self.currency,
            amount_gte: self.amount_gte,
            amount_lte: self.amount_lte,
            expected_close_on_gte: self.expected_close_on_gte,
            expected_close_on_lt: self.expected_close_on_lt,
            opened_at: span(0),
            closed_at: span(2),
            created_at: stamped(4, sort == DealSort::CreatedAt),
            updated_at: stamped(6, sort == DealSort::UpdatedAt),
        })
    }
}
