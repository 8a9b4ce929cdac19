//! `POST /v1/identify` and `POST /v1/touches`: statements of servers and people about a lead.

use std::collections::BTreeSet;

use actix_web::post;
use serde::{Deserialize, Serialize};
use tandem_domain::act::Act;
use tandem_domain::fault::Fault;
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::change::LeadChange;
use tandem_domain::leads::{ClickIds, Touch};
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::Report;
use tandem_domain::tracking::record::TouchRecord;
use tandem_domain::tracking::visitor::visitor_key;
use tandem_domain::tracking::visitors::Visitors;
use tandem_store as store;
use tandem_store::Tx;
use utoipa::ToSchema;

use super::body::{LeadName, Who};
use super::views::TouchView;
use crate::access::scopes::EventsWrite;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::{Created, Reply};
use crate::edge::http::services::Services;

/// The operations.
pub fn configure(config: &mut Services<'_>) {
    config.service(identify_visitor).service(record_touch);
}

/// The lead that a visitor is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentifyRequest {
    /// The visitor's id, as the website chose it.
    #[schema(
        min_length = 8,
        max_length = 100,
        pattern = "^[A-Za-z0-9._:-]+$",
        example = "0b8ff2b1-6d0a-4a54-9f3c-7a1f4c0d9e21"
    )]
    visitor_id: String,
    /// The lead, by exactly one identifier.
    lead: LeadName,
}

/// The lead that a visitor is from now on.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentifyAnswer {
    /// The visitor.
    #[schema(max_length = 100)]
    visitor_id: String,
    /// The lead that uses the browser.
    lead_id: LeadId,
    /// Since when the visitor is this lead.
    linked_at: Timestamp,
}

/// A touch to record. It must state a channel, or values from which one is derived.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TouchWrite {
    /// The lead, by exactly one identifier.
    lead: LeadName,
    /// The channel: a known one, or one of your channel rules; `event`, `partner` and `sales` are never derived. If
    /// omitted, it is derived from the other values, by your channel rules first.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "event"
    )]
    channel: Option<String>,
    /// The source, such as a fair's name.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "trade-fair")]
    source: Option<String>,
    /// The medium.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "booth")]
    medium: Option<String>,
    /// The campaign, by one of its `utm_campaign` aliases or as text.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "expo-2026")]
    campaign: Option<String>,
    /// The search term.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    term: Option<String>,
    /// The content.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    content: Option<String>,
    /// The click ids of ad networks.
    #[serde(default)]
    click_ids: Option<ClickIds>,
    /// The URL of the page on which the visit began. Its `utm_*` parameters and click ids supply omitted members;
    /// it is stored without its query.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2048)]
    landing_url: Option<String>,
    /// The URL of the page that linked to it, stored without its query.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2048)]
    referrer: Option<String>,
    /// When it happened; default now, at most 5 minutes in the future.
    #[serde(default)]
    occurred_at: Option<Timestamp>,
}

/// Identify a visitor as a lead.
///
/// The visitor's earlier events become the lead's, unless they belong to another lead. A visitor that was linked to
/// another lead is this lead's from now on; the other lead's history does not change (a shared device).
#[utoipa::path(tag = "tracking", security(("bearer" = [EventsWrite])), request_body = IdentifyRequest,
    responses((status = 200, description = "The visitor's lead", body = IdentifyAnswer),
        (status = 404, description = "There is no such lead")))]
#[post("/v1/identify")]
async fn identify_visitor(ctx: Ctx<EventsWrite>, body: Json<IdentifyRequest>) -> Reply<Json<IdentifyAnswer>> {
    let who = named(&body.0.lead)?;
    let unfit = || {
        invalid(vec![Fault::new(
            "/visitor_id",
            "invalid_format",
            "is not a visitor's id",
        )])
    };
    let key = visitor_key(&body.0.visitor_id).ok_or_else(unfit)?;
    let tx = ctx.begin().await?;
    let visitors = store::tracking::visitors(&tx, &BTreeSet::from([key.to_owned()])).await?;
    let lead_id = known(&tx, &who).await?;
    let linked_at = identify(&tx, ctx.act(), visitors, key, lead_id).await?;
    let answer = IdentifyAnswer {
        visitor_id: key.to_owned(),
        lead_id,
        linked_at,
    };
    ctx.commit(tx, Json(answer)).await
}

/// Record a touch of a lead: a fair, a call, a recommendation, an ad elsewhere.
///
/// The touch counts like those of visits.
#[utoipa::path(tag = "tracking", security(("bearer" = [EventsWrite])), request_body = TouchWrite,
    responses((status = 201, description = "The touch", body = TouchView,
            headers(("Location" = String, description = "The touches of the lead"))),
        (status = 404, description = "There is no such lead")))]
#[post("/v1/touches")]
async fn record_touch(ctx: Ctx<EventsWrite>, body: Json<TouchWrite>) -> Reply<Created<TouchView>> {
    let given = body.0;
    let who = named(&given.lead)?;
    let report = Report::from(Touch {
        channel: given.channel,
        source: given.source,
        medium: given.medium,
        campaign: given.campaign,
        term: given.term,
        content: given.content,
        click_ids: given.click_ids,
        landing_url: given.landing_url,
        referrer: given.referrer,
        occurred_at: given.occurred_at,
    });
    let tx = ctx.begin().await?;
    let lead_id = known(&tx, &who).await?;
    let rules = &tx.rules().touch_rules;
    let faults = report.faults("", rules, ctx.now());
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    let missing = || {
        invalid(vec![Fault::new(
            "/channel",
            "required",
            "the touch needs a channel, or values from which one is derived",
        )])
    };
    let touch = report.touch(rules, ctx.now(), ctx.now()).ok_or_else(missing)?;
    let record = add_touch(&tx, ctx.act(), lead_id, &touch).await?;
    let view = TouchView::all(&tx, vec![record]).await?.pop();
    let view = view.ok_or_else(|| Problem::new(Code::InternalError).because("a touch has no view"))?;
    let created = Created::at(format!("/v1/leads/{lead_id}/touches"), view).about(vec![lead_id]);
    ctx.commit(tx, created).await
}

/// Say who a visitor is from now on; answers since when it is so.
async fn identify(
    tx: &Tx,
    act: &Act,
    visitors: Visitors,
    key: &str,
    lead_id: LeadId,
) -> Result<Timestamp, Problem> {
    let touched: BTreeSet<LeadId> = visitors.leads().chain([lead_id]).collect();
    store::tracking::lock_leads(tx, &touched).await?;
    let mut world = store::leads::empty_world(tx);
    world.tracking.visitors = visitors;
    let visitors = &mut world.tracking.visitors;
    let done = visitors.identify(key, lead_id, None, &act.by.id(), act);
    let last = visitors.get(key).and_then(|visitor| visitor.links.last());
    let linked_at = last.map_or(act.now, |link| link.at);
    store::settle(tx, &mut world, act, done).await?;
    Ok(linked_at)
}

/// Record a touch of a lead.
async fn add_touch(tx: &Tx, act: &Act, lead_id: LeadId, touch: &Touch) -> Result<TouchRecord, Problem> {
    store::tracking::lock_leads(tx, &BTreeSet::from([lead_id])).await?;
    let record = TouchRecord::given(act.ids.next(), lead_id, touch, act.now);
    let added = LeadChange::TouchAdded(Box::new(record.clone()));
    let mut world = store::leads::empty_world(tx);
    store::settle(tx, &mut world, act, Unsettled::from_iter([added])).await?;
    Ok(record)
}

fn named(lead: &LeadName) -> Result<Who, Problem> {
    lead.read()
        .map_err(|(code, detail)| invalid(vec![Fault::new("/lead", code, detail)]))
}

/// The lead that a name names.
async fn known(tx: &Tx, who: &Who) -> Result<LeadId, Problem> {
    let found = match (who, who.key()) {
        (Who::Lead(id), _) => store::tracking::leads_there(tx, &BTreeSet::from([*id]))
            .await?
            .pop_first(),
        (_, Some(key)) => store::tracking::leads_named(tx, &BTreeSet::from([key.clone()]))
            .await?
            .remove(&key),
        (_, None) => None,
    };
    found.ok_or_else(|| Problem::new(Code::NotFound))
}
