//! Campaigns over HTTP.

use actix_web::{get, patch, post};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::campaigns::{self, Campaign, EditCampaign, MakeCampaign, Refused};
use tandem_domain::fault::Fault;
use tandem_domain::id::CampaignId;
use tandem_domain::instant::Timestamp;
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::Tx;
use tandem_store::campaigns::{self as kept, CampaignFilter};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{CampaignsRead, CampaignsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::patch::Patch;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::leads::actions::denied;
use crate::settings::{invalid, refuse};

/// The operations of this room.
pub fn configure(config: &mut Services<'_>) {
    config.service(create_campaign).service(list_campaigns);
    config.service(get_campaign).service(update_campaign);
}

fn aliases() -> ArrayBuilder {
    let alias = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(200))
        .pattern(Some(r"\S"));
    ArrayBuilder::new()
        .items(alias)
        .max_items(Some(100))
        .examples([json!(["spring-26"])])
        .description(Some(
            "All values of `utm_campaign` by which its touches are known, without case; each is one campaign's alone.",
        ))
}

/// What marketing runs over some time.
#[derive(Debug, Serialize, ToSchema)]
struct CampaignView {
    /// Its id.
    id: CampaignId,
    /// What people call it.
    #[schema(max_length = 200, example = "Spring 2026")]
    name: String,
    /// The channel that it runs in.
    #[schema(max_length = 100, example = "paid_social")]
    channel: String,
    /// The values of `utm_campaign` by which its touches are known, without case.
    #[schema(max_items = 100, example = json!(["spring-26", "spring_2026_eu"]))]
    utm_campaign_aliases: Vec<String>,
    /// Its first day.
    #[schema(format = Date, max_length = 10, example = "2026-03-01")]
    starts_on: String,
    /// Its last day.
    #[schema(format = Date, max_length = 10, example = "2026-05-31")]
    ends_on: Option<String>,
    /// Since when it is put away.
    archived_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Campaign> for CampaignView {
    fn from(campaign: Campaign) -> Self {
        Self {
            id: campaign.id,
            name: campaign.name,
            channel: campaign.channel,
            utm_campaign_aliases: campaign.aliases,
            starts_on: campaign.starts_on.to_string(),
            ends_on: campaign.ends_on.map(|day| day.to_string()),
            archived_at: campaign.archived_at,
            created_at: campaign.created_at,
            updated_at: campaign.updated_at,
        }
    }
}

/// A campaign to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateCampaign {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Spring 2026")]
    name: String,
    /// The channel that it runs in, such as `paid_social`.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "paid_social"
    )]
    channel: String,
    /// The values of `utm_campaign` by which its touches are known, without case; each is one campaign's alone.
    #[serde(default)]
    #[schema(schema_with = aliases)]
    utm_campaign_aliases: Vec<String>,
    /// Its first day.
    #[schema(format = Date, max_length = 10, example = "2026-03-01")]
    starts_on: String,
    /// Its last day.
    #[schema(format = Date, max_length = 10, example = "2026-05-31")]
    ends_on: Option<String>,
}

/// A merge patch of a campaign: lists replace, `null` empties.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CampaignPatch {
    /// What people call it.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"\S", example = "Spring 2026")]
    name: Option<String>,
    /// The channel that it runs in.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 100, pattern = "^[a-z][a-z0-9_]*$", example = "paid_social")]
    channel: Option<String>,
    /// All values of `utm_campaign` by which its touches are known.
    #[serde(default)]
    #[schema(schema_with = aliases, required = false)]
    utm_campaign_aliases: Option<Vec<String>>,
    /// Its first day.
    #[serde(default)]
    #[schema(value_type = String, required = false, format = Date, max_length = 10, example = "2026-03-01")]
    starts_on: Option<String>,
    /// Its last day.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date, max_length = 10, example = "2026-05-31")]
    ends_on: Patch<String>,
    /// Whether it is put away.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    archived: Option<bool>,
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
    /// Those of this channel.
    #[param(min_length = 1, max_length = 100, example = "paid_social")]
    channel: Option<String>,
    /// The one that this value of `utm_campaign` names.
    #[param(min_length = 1, max_length = 200, example = "spring-26")]
    utm_campaign: Option<String>,
    /// How many on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where to go on: `next_cursor` of the page before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Make a campaign.
///
/// For marketing. A value of `utm_campaign` that another campaign has is `409 already_exists`, whose detail names it.
#[utoipa::path(tag = "campaigns", security(("bearer" = [CampaignsWrite])), request_body = CreateCampaign,
    responses((status = 201, description = "The campaign", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version"), ("Location" = String, description = "Its address")))))]
#[post("/v1/campaigns")]
async fn create_campaign(
    ctx: Ctx<CampaignsWrite>,
    body: Json<CreateCampaign>,
) -> Reply<Created<CampaignView>> {
    let asked = body.0.read()?;
    let tx = ctx.begin().await?;
    kept::lock_aliases(&tx).await?;
    let campaign = campaigns::create(asked, ctx.actor(), ctx.now(), ctx.ids()).map_err(refused)?;
    demand_free(&tx, &campaign).await?;
    store::write_records(&tx, [campaign.created()]).await?;
    let location = format!("/v1/campaigns/{}", campaign.id);
    let answer = Created::at(location, CampaignView::from(campaign)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List campaigns, in the order in which they were made, archived ones included.
#[utoipa::path(tag = "campaigns", params(CampaignQuery), security(("bearer" = [CampaignsRead])),
    responses((status = 200, description = "A page of campaigns", body = Listing<CampaignView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/campaigns")]
async fn list_campaigns(
    ctx: Ctx<CampaignsRead>,
    query: Query<CampaignQuery>,
) -> Reply<Listing<CampaignView>> {
    let after = listing::position(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let after: Option<CampaignId> = after
        .map(|value| serde_json::from_value(value).map_err(|_| Problem::new(Code::InvalidCursor)))
        .transpose()?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let filter = CampaignFilter {
        channel: query.0.channel,
        utm_campaign: query.0.utm_campaign,
    };
    let snapshot = ctx.snapshot().await?;
    let page = kept::list(&snapshot, &filter, after, limit).await?;
    let last = page.data.last().filter(|_| page.has_more);
    let next = last.map(|campaign| json!(campaign.id));
    let views = page.data.into_iter().map(CampaignView::from).collect();
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}

/// Read a campaign.
#[utoipa::path(tag = "campaigns", params(CampaignPath), security(("bearer" = [CampaignsRead])),
    responses((status = 200, description = "The campaign", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version")))))]
#[get("/v1/campaigns/{campaign_id}")]
async fn get_campaign(ctx: Ctx<CampaignsRead>, path: Path<CampaignPath>) -> Reply<Tagged<CampaignView>> {
    let campaign = kept::get(ctx.db(), path.0.campaign_id).await?;
    Ok(Tagged::new(etag(campaign.version, 0), campaign.into()))
}

/// Change a campaign.
///
/// For marketing. A value of `utm_campaign` that another campaign has is `409 already_exists`, whose detail names it.
#[utoipa::path(tag = "campaigns", params(CampaignPath), security(("bearer" = [CampaignsWrite])),
    request_body = CampaignPatch,
    responses((status = 200, description = "The campaign as it is now", body = CampaignView,
        headers(("ETag" = String, description = "The campaign's version")))))]
#[patch("/v1/campaigns/{campaign_id}")]
async fn update_campaign(
    ctx: Ctx<CampaignsWrite>,
    path: Path<CampaignPath>,
    body: MergePatch<CampaignPatch>,
) -> Reply<Tagged<CampaignView>> {
    let asked = body.0.read()?;
    let tx = ctx.begin().await?;
    kept::lock_aliases(&tx).await?;
    let known = kept::get_for_update(&tx, path.0.campaign_id).await?;
    ctx.check_if_match(known.version)?;
    let (campaign, change) = campaigns::edit(&known, asked, ctx.actor(), ctx.now()).map_err(refused)?;
    if change.is_some() {
        demand_free(&tx, &campaign).await?;
    }
    store::write_records(&tx, change).await?;
    ctx.commit(tx, Tagged::new(etag(campaign.version, 0), campaign.into()))
        .await
}

/// Refuse what another campaign is known by already.
async fn demand_free(tx: &Tx, campaign: &Campaign) -> Result<(), Problem> {
    let known = kept::by_alias(tx, campaign.aliases.iter().map(String::as_str)).await?;
    match known.into_values().find(|holder| *holder != campaign.id) {
        None => Ok(()),
        Some(holder) => {
            let detail = format!("{holder} is known by one of these values of utm_campaign");
            Err(Problem::new(Code::AlreadyExists).detail(detail))
        }
    }
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Denied(reason) => denied(reason),
        Refused::Invalid(faults) => invalid(faults),
    }
}

fn day(text: &str, at: &str, faults: &mut Vec<Fault>) -> Option<Date> {
    let day = text.parse::<Date>().ok();
    let day = day.filter(|day| text.len() == 10 && day.year() >= 1);
    if day.is_none() {
        faults.push(Fault::new(
            at,
            "invalid_format",
            "must be a day such as 2026-06-30",
        ));
    }
    day
}

impl CreateCampaign {
    fn read(self) -> Result<MakeCampaign, Problem> {
        let mut faults = vec![];
        let starts_on = day(&self.starts_on, "/starts_on", &mut faults);
        let ends_on = self.ends_on.as_deref();
        let ends_on = ends_on.and_then(|text| day(text, "/ends_on", &mut faults));
        let (Some(starts_on), true) = (starts_on, faults.is_empty()) else {
            return Err(invalid(faults));
        };
        Ok(MakeCampaign {
            name: self.name,
            channel: self.channel,
            aliases: self.utm_campaign_aliases,
            starts_on,
            ends_on,
        })
    }
}

impl CampaignPatch {
    fn read(self) -> Result<EditCampaign, Problem> {
        let mut faults = vec![];
        let starts_on = self.starts_on.as_deref();
        let starts_on = starts_on.and_then(|text| day(text, "/starts_on", &mut faults));
        let ends_on = self.ends_on.change();
        let ends_on = ends_on.map(|text| text.and_then(|text| day(&text, "/ends_on", &mut faults)));
        refuse(faults)?;
        Ok(EditCampaign {
            name: self.name,
            channel: self.channel,
            aliases: self.utm_campaign_aliases,
            starts_on,
            ends_on,
            archived: self.archived,
        })
    }
}
