//! Campaigns and their costs over HTTP.

use actix_web::{get, patch, post, put};
use serde::{Deserialize, Serialize};
use tandem_domain::campaigns::{self, Beside, Campaign, CampaignDetails, CampaignError, Cost, DailyCost};
use tandem_domain::id::{CampaignId, UserId};
use tandem_domain::instant::Day;
use tandem_domain::money::Money;
use tandem_domain::record::Plain;
use tandem_domain::world::MoneyRules;
use tandem_store::campaigns::{self as kept, CampaignFilter};
use tandem_store::{self as store, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{CampaignsRead, CampaignsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::{PatchOf, RecordView};
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config.service(create_campaign).service(list_campaigns);
    config.service(get_campaign).service(update_campaign);
    config.service(update_campaign_costs).service(list_campaign_costs);
}

type CampaignView = RecordView<CampaignId, CampaignDetails>;
type CampaignPatch = PatchOf<CampaignDetails, true>;

fn view(campaign: Campaign) -> CampaignView {
    RecordView {
        id: campaign.id,
        details: campaign.details,
        archived_at: campaign.archived_at,
        created_at: campaign.created_at,
        updated_at: campaign.updated_at,
    }
}

/// One campaign.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CampaignPath {
    /// The campaign's id.
    campaign_id: CampaignId,
}

/// A page of campaigns.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CampaignQuery {
    /// In this channel.
    #[param(min_length = 1, max_length = 100, example = "paid_social")]
    channel: Option<String>,
    /// The campaign that has this value of `utm_campaign` among its aliases.
    #[param(min_length = 1, max_length = 200, example = "spring-26")]
    utm_campaign: Option<String>,
    /// Campaigns with this owner.
    owner_id: Option<UserId>,
    /// Direct parts of this campaign.
    parent_id: Option<CampaignId>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// The cost of a campaign on one day.
#[derive(Debug, Serialize, ToSchema)]
struct CostView {
    /// The day, in the company's zone.
    on: Day,
    /// The total spent on that day.
    amount: Money,
    /// The amount in the base currency, at the rate in force on the day.
    converted: Option<Money>,
    /// Whether it could not be converted, since no exchange rate was in force on the day.
    unconverted: bool,
}

/// Costs of a campaign, by day.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CostQuery {
    /// The first day.
    #[param(inline)]
    from: Option<Day>,
    /// The last day.
    #[param(inline)]
    to: Option<Day>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a campaign.
///
/// For marketing. If another campaign has one of the values of `utm_campaign`, the answer is `409 already_exists`, and
/// its detail names that campaign.
#[utoipa::path(tag = "campaigns", security(("bearer" = [CampaignsWrite])), request_body = CampaignDetails,
    responses((status = 201, description = "The campaign", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/campaigns")]
async fn create_campaign(
    ctx: Ctx<CampaignsWrite>,
    body: Json<CampaignDetails>,
) -> Reply<Created<CampaignView>> {
    let tx = ctx.begin().await?;
    kept::lock_aliases(&tx).await?;
    let beside = beside(&tx, &body.0).await?;
    let campaign = campaigns::create(body.0, &beside, ctx.act()).map_err(refused)?;
    demand_free(&tx, &campaign).await?;
    store::write_records(&tx, [campaign.created()]).await?;
    let location = format!("/v1/campaigns/{}", campaign.id);
    let answer = Created::at(location, view(campaign)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List campaigns.
///
/// In creation order, including archived records.
#[utoipa::path(tag = "campaigns", params(CampaignQuery), security(("bearer" = [CampaignsRead])),
    responses((status = 200, description = "A page of campaigns", body = Listing<CampaignView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/campaigns")]
async fn list_campaigns(
    ctx: Ctx<CampaignsRead>,
    query: Query<CampaignQuery>,
) -> Reply<Listing<CampaignView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = CampaignFilter {
        channel: query.channel,
        utm_campaign: query.utm_campaign,
        owner_id: query.owner_id,
        parent_id: query.parent_id,
    };
    let snapshot = ctx.snapshot().await?;
    let page = kept::list(&snapshot, &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |campaign| campaign.id,
        view,
    ))
}

/// Read a campaign.
#[utoipa::path(tag = "campaigns", params(CampaignPath), security(("bearer" = [CampaignsRead])),
    responses((status = 200, description = "The campaign", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version")))))]
#[get("/v1/campaigns/{campaign_id}")]
async fn get_campaign(ctx: Ctx<CampaignsRead>, path: Path<CampaignPath>) -> Reply<Tagged<CampaignView>> {
    let campaign = kept::get(ctx.db(), path.0.campaign_id).await?;
    Ok(Tagged::new(etag(campaign.version, 0), view(campaign)))
}

/// Update a campaign.
///
/// For marketing. If another campaign has one of the values of `utm_campaign`, the answer is `409 already_exists`, and
/// its detail names that campaign.
#[utoipa::path(tag = "campaigns", params(CampaignPath), security(("bearer" = [CampaignsWrite])),
    request_body = CampaignPatch,
    responses((status = 200, description = "The updated campaign", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version")))))]
#[patch("/v1/campaigns/{campaign_id}")]
async fn update_campaign(
    ctx: Ctx<CampaignsWrite>,
    path: Path<CampaignPath>,
    body: MergePatch<CampaignPatch>,
) -> Reply<Tagged<CampaignView>> {
    let tx = ctx.begin().await?;
    kept::lock_aliases(&tx).await?;
    let known = kept::get_for_update(&tx, path.0.campaign_id).await?;
    ctx.check_if_match(known.version)?;
    let (details, archived) = body.0.apply(&known.details)?;
    let beside = beside(&tx, &details).await?;
    let edited = campaigns::edit(&known, details, archived, &beside, ctx.act());
    let (campaign, change) = edited.map_err(refused)?;
    if change.is_some() {
        demand_free(&tx, &campaign).await?;
    }
    store::write_records(&tx, change).await?;
    ctx.commit(tx, Tagged::new(etag(campaign.version, 0), view(campaign)))
        .await
}

/// Update the costs of a campaign.
///
/// For marketing, by day. The same day again replaces its cost, `null` deletes it; other days do not change. The answer
/// contains the days of the request.
#[utoipa::path(tag = "campaigns", params(CampaignPath), security(("bearer" = [CampaignsWrite])),
    request_body = Vec<DailyCost>,
    responses((status = 200, description = "The costs of these days", body = Listing<CostView>)))]
#[put("/v1/campaigns/{campaign_id}/costs")]
async fn update_campaign_costs(
    ctx: Ctx<CampaignsWrite>,
    path: Path<CampaignPath>,
    body: Json<Vec<DailyCost>>,
) -> Reply<Json<Listing<CostView>>> {
    let asked = body.0;
    let days = || asked.iter().map(|cost| cost.on);
    let tx = ctx.begin().await?;
    let campaign = kept::get_for_update(&tx, path.0.campaign_id).await?;
    let known = kept::costs_on(&tx, campaign.id, days()).await?;
    let change = campaigns::replace_costs(&campaign, &known, &asked, ctx.act());
    store::write_records(&tx, change.map_err(refused)?).await?;
    let now = kept::costs_on(&tx, campaign.id, days()).await?;
    let money = &tx.rules().money;
    let views = now.into_iter().map(|cost| cost_view(money, cost)).collect();
    ctx.commit(tx, Json(Listing::new(&ctx.master, ctx.request(), views, None)))
        .await
}

/// List the costs of a campaign.
///
/// By day. Each amount is converted to the base currency at the rate of its day, or marked `unconverted` if there is
/// none.
#[utoipa::path(tag = "campaigns", params(CampaignPath, CostQuery), security(("bearer" = [CampaignsRead])),
    responses((status = 200, description = "A page of daily costs", body = Listing<CostView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/campaigns/{campaign_id}/costs")]
async fn list_campaign_costs(
    ctx: Ctx<CampaignsRead>,
    path: Path<CampaignPath>,
    query: Query<CostQuery>,
) -> Reply<Listing<CostView>> {
    let query = query.0;
    let after: Option<Day> = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.snapshot().await?;
    let campaign = kept::get(&snapshot, path.0.campaign_id).await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let page = kept::costs(&snapshot, campaign.id, (query.from, query.to), after, limit).await?;
    let rules = store::rules::read(&snapshot).await?;
    let view = |cost| cost_view(&rules.money, cost);
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |cost| cost.on,
        view,
    ))
}

fn cost_view(money: &MoneyRules, cost: Cost) -> CostView {
    let converted = money.rates.convert(cost.amount, money.base, cost.on).ok();
    CostView {
        on: cost.on,
        amount: cost.amount,
        converted: converted.map(|converted| converted.money),
        unconverted: converted.is_none(),
    }
}

/// What is to be known of the wanted parent and owner.
async fn beside(tx: &Tx, details: &CampaignDetails) -> Result<Beside, Problem> {
    let lineage = match details.parent_id {
        Some(parent) => kept::lineage(tx, parent).await?,
        None => vec![],
    };
    let unknown = store::access::users::unknown(tx, details.owner_id.as_slice()).await?;
    Ok(Beside {
        lineage,
        knows_owner: unknown.is_empty(),
    })
}

/// Refuse what another campaign is known by already.
async fn demand_free(tx: &Tx, campaign: &Campaign) -> Result<(), Problem> {
    let known = kept::by_alias(
        tx,
        campaign.details.utm_campaign_aliases.iter().map(String::as_str),
    )
    .await?;
    match known.into_values().find(|holder| *holder != campaign.id) {
        None => Ok(()),
        Some(holder) => {
            let detail = format!("{holder} already has one of these values of utm_campaign");
            Err(Problem::new(Code::AlreadyExists).detail(detail))
        }
    }
}

fn refused(refused: CampaignError) -> Problem {
    match refused {
        CampaignError::Denied(reason) => reason.into(),
        CampaignError::Invalid(faults) => invalid(faults),
    }
}
