//! Lists of hand-offs.

use actix_web::get;
use serde::Deserialize;
use tandem_domain::access::Queue;
use tandem_domain::handoff::HandoffState;
use tandem_domain::id::{CompanyId, LeadId};
use tandem_store as store;
use tandem_store::deals::Span;
use tandem_store::handoff::{HandoffFilter, HandoffSort};
use utoipa::IntoParams;

use super::view::HandoffView;
use crate::access::scopes::HandoffsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::filter::owners;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

type HandoffOrder = Order<HandoffSort>;

impl Sorts for HandoffSort {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("id", HandoffSort::Id),
        ("made_at", HandoffSort::MadeAt),
        ("due_at", HandoffSort::DueAt),
    ];
}

/// Which hand-offs, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HandoffsQuery {
    /// In one of these states.
    #[param(min_items = 1, max_items = 7, style = Form, explode = false)]
    state: Option<Vec<HandoffState>>,
    /// Hand-offs with one of these owners: ids, `me`, or `none` for hand-offs without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// Waiting in this queue: `general`, or the id of a team.
    queue: Option<Queue>,
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Of leads that belonged to this company at the hand-off.
    company_id: Option<CompanyId>,
    /// Rejected for one of these reasons, by code.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    reason: Option<Vec<String>>,
    /// Created at this instant or later.
    #[param(inline)]
    made_at_gte: Option<Bound>,
    /// Created before this instant.
    #[param(inline)]
    made_at_lt: Option<Bound>,
    /// `true`: only self-sourced hand-offs, of leads that sales found itself; `false`: only the others.
    self_sourced: Option<bool>,
    /// The sort order. By `id`, a crawl through all pages sees each hand-off that existed and matched throughout
    /// exactly once.
    #[param(inline)]
    sort: Option<HandoffOrder>,
    /// The most hand-offs of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List hand-offs.
///
/// `?state=pending&owner_id=me` lists what the caller must decide, `?queue=general` what waits in the general queue.
/// `Prefer: return=total-count` adds the total.
#[utoipa::path(tag = "handoffs", params(HandoffsQuery), security(("bearer" = [HandoffsRead])),
    responses((status = 200, description = "A page of hand-offs", body = Listing<HandoffView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/handoffs")]
pub(super) async fn list_handoffs(
    ctx: Ctx<HandoffsRead>,
    query: Query<HandoffsQuery>,
) -> Reply<Listing<HandoffView>> {
    let query = query.0;
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(HandoffSort::Id));
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = query.filter(&ctx).await?;
    let page = store::handoff::list(ctx.db(), &filter, sort, descending, after, limit).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::handoff::count(ctx.db(), &filter).await?),
        false => None,
    };
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |(last, _)| sort.position(last),
        |(handoff, clocks)| HandoffView::of(handoff, &clocks),
    );
    Ok(listing.counted(total))
}

impl HandoffsQuery {
    async fn filter(self, ctx: &Ctx<HandoffsRead>) -> Result<HandoffFilter, Problem> {
        let (owner_id, unowned) = owners(self.owner_id.as_deref(), ctx.person())?;
        let bounds = [("made_at_gte", self.made_at_gte), ("made_at_lt", self.made_at_lt)];
        let made = bound::instants(ctx.db(), bounds).await?;
        Ok(HandoffFilter {
            state: self.state.unwrap_or_default(),
            owner_id,
            unowned,
            queue: self.queue,
            lead_id: self.lead_id,
            company_id: self.company_id,
            reason: self.reason.unwrap_or_default(),
            made_at: Span {
                from: made[0],
                to: made[1],
            },
            self_sourced: self.self_sourced,
        })
    }
}
