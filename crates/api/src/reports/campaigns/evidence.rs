//! The costs and the conversations behind the figures of campaigns.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::campaigns::Cost;
use tandem_domain::id::{ActivityId, CampaignId, ConversationId, CostId, LeadId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::HeldConversation;
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{ActivitiesRead, CampaignReportRead, CampaignsRead, FollowUpsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;
use crate::reports::request::{Chosen, Ids, asked};

/// Which costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostFigure {
    /// Those in a currency with an exchange rate.
    #[default]
    Converted,
    /// Those in a currency without one.
    Unconverted,
}

impl CostFigure {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Unconverted => "unconverted",
        }
    }
}

/// Which conversations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationFigure {
    /// All of them.
    #[default]
    All,
    /// Those with high intent.
    HighIntent,
}

impl ConversationFigure {
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::HighIntent => "high_intent",
        }
    }
}

/// Which figure about costs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CostsQuery {
    /// The figure; default the converted costs.
    #[param(inline, example = "converted")]
    figure: Option<CostFigure>,
    /// Only in this currency.
    currency: Option<Currency>,
    /// The most costs of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// What a campaign cost on one day.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostEvidence {
    /// The campaign.
    campaign_id: CampaignId,
    /// The day, in the company's time zone.
    on: Day,
    /// The cost.
    amount: Money,
    /// The cost in the base currency, at the rate of the day; `null` without an exchange rate.
    value: Option<Money>,
}

/// List the costs counted in a figure of campaigns.
///
/// Returns exactly the days counted in the figure that the parameter `figure` names, ordered by id. Takes the same filters as
/// the report. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, CostsQuery), security(("bearer" = [ReportsRead, CampaignsRead])),
    responses((status = 200, description = "A page of costs", body = Listing<CostEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/costs/evidence")]
pub(in crate::reports) async fn list_cost_evidence(
    ctx: Ctx<CampaignReportRead>,
    query: Query<Both<Chosen, CostsQuery>>,
) -> Reply<Listing<CostEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<CostId> = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let counted = counted_costs(&ctx.report().await?, query.0).await?;
    let total = counted.len() as u64;
    let rest = counted.into_iter().filter(|(cost, _)| Some(cost.id) > after);
    let page = Page::of(rest.take(limit as usize + 1).collect(), limit);
    let view = |(cost, value): (Cost, Option<Money>)| CostEvidence {
        campaign_id: cost.campaign_id,
        on: cost.on,
        amount: cost.amount,
        value,
    };
    let listing = Listing::of(&ctx.master, ctx.request(), page, |(cost, _)| cost.id, view);
    Ok(listing.counted(Some((total, false))))
}

/// The costs of a figure, each with its value in the base currency, by id.
async fn counted_costs(
    snapshot: &Snapshot,
    Both(chosen, query): Both<Chosen, CostsQuery>,
) -> Result<Vec<(Cost, Option<Money>)>, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let selection = chosen.select(Basis::Activity, &rules.company.zone())?;
    let convert = |cost: &Cost| {
        let converted = rules.money.rates.convert(cost.amount, rules.money.base, cost.on);
        converted.ok().map(|found| found.money)
    };
    let is_converted = query.figure.unwrap_or_default() == CostFigure::Converted;
    let costs = super::costs(snapshot, &selection).await?.into_iter();
    let mut counted: Vec<(Cost, Option<Money>)> = costs
        .map(|cost| (cost, convert(&cost)))
        .filter(|(cost, value)| {
            value.is_some() == is_converted
                && query.currency.is_none_or(|asked| asked == cost.amount.currency)
        })
        .collect();
    counted.sort_unstable_by_key(|(cost, _)| cost.id);
    Ok(counted)
}

/// The campaign and day of the first costs of a list, and the number of all.
pub(in crate::reports) async fn cost_ids(
    snapshot: &Snapshot,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let counted = counted_costs(snapshot, asked(query)?).await?;
    let total = counted.len() as u64;
    let page = Page::of(counted.into_iter().take(limit as usize).collect(), limit);
    Ok(Ids::of(page, total, |(cost, _)| {
        format!("{} {}", cost.campaign_id, cost.on)
    }))
}

/// The ids of the first conversations of a list, and the number of all.
pub(in crate::reports) async fn conversation_ids(
    snapshot: &Snapshot,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let Both(chosen, query): Both<Chosen, HeldQuery> = asked(query)?;
    let high_intent = query.figure.unwrap_or_default() == ConversationFigure::HighIntent;
    let rules = store::rules::read(snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::held_conversations(snapshot, &scope, high_intent, None, limit).await?;
    let total = store::reports::conversation_count(snapshot, &scope, high_intent).await?;
    Ok(Ids::of(page, total, |held| held.id.to_string()))
}

/// Which figure about conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HeldQuery {
    /// The figure; default all conversations.
    #[param(inline, example = "high_intent")]
    figure: Option<ConversationFigure>,
    /// The most conversations of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A conversation counted in a figure.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationEvidence {
    /// Its id.
    id: ConversationId,
    /// The activity that follows from it.
    activity_id: ActivityId,
    /// The lead.
    lead_id: Option<LeadId>,
    /// The user who held it.
    user_id: Option<UserId>,
    /// When it began.
    occurred_at: Timestamp,
}

/// List the conversations counted in a figure of campaigns.
///
/// Returns exactly the conversations counted in the figure that the parameter `figure` names, ordered by the id of their
/// activity. Takes the same filters as the report. A conversation counts in the cycle of its lead at the time when it began,
/// unless its activity was deleted. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, HeldQuery), security(("bearer" = [ReportsRead, ActivitiesRead])),
    responses((status = 200, description = "A page of conversations", body = Listing<ConversationEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/conversations/evidence")]
pub(in crate::reports) async fn list_conversation_evidence(
    ctx: Ctx<FollowUpsRead>,
    query: Query<Both<Chosen, HeldQuery>>,
) -> Reply<Listing<ConversationEvidence>> {
    let Both(chosen, query) = query.0;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let high_intent = query.figure.unwrap_or_default() == ConversationFigure::HighIntent;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::held_conversations(&snapshot, &scope, high_intent, after, limit).await?;
    let total = store::reports::conversation_count(&snapshot, &scope, high_intent).await?;
    let view = |held: HeldConversation| ConversationEvidence {
        id: held.id,
        activity_id: held.activity_id,
        lead_id: held.lead_id,
        user_id: held.user_id,
        occurred_at: held.occurred_at,
    };
    let listing = Listing::of(&ctx.master, ctx.request(), page, |held| held.activity_id, view);
    Ok(listing.counted(Some((total, false))))
}
