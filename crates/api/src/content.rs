//! The content library over HTTP, and the job that matches events again when a pattern changes.

mod recommend;
mod requests;

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::{get, patch, post};
use serde::Deserialize;
use tandem_domain::agreement::ReasonList;
use tandem_domain::change::Unruled;
use tandem_domain::content::{
    self, Beside, Content, ContentDetails, ContentError, ContentKind, ContentStage, ContentState,
};
use tandem_domain::id::{CampaignId, ContentId};
use tandem_domain::record::Plain;
use tandem_store::content::{self as stored, ContentFilter};
use tandem_store::{self as store, StoreError, Tx};
use utoipa::IntoParams;

use crate::access::scopes::{ContentRead, ContentWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::{PatchOf, RecordView};
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "content",
        Duration::from_secs(1),
        |snapshot| Box::pin(stored::next_match(snapshot)),
        |core, turn| Box::pin(match_events(core, turn)),
    )
    .by_one()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config.service(create_content).service(list_content);
    config.service(get_content).service(update_content);
    config.service(recommend::list_recommended_content);
    requests::configure(config);
}

type ContentView = RecordView<ContentId, ContentDetails>;
type ContentPatch = PatchOf<ContentDetails, true>;

fn view(content: Content) -> ContentView {
    RecordView {
        id: content.id,
        details: content.details,
        archived_at: content.archived_at,
        created_at: content.created_at,
        updated_at: content.updated_at,
    }
}

/// One piece of content.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ContentPath {
    /// The content's id.
    content_id: ContentId,
}

/// A page of content.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ContentQuery {
    /// Of this kind.
    #[param(inline)]
    kind: Option<ContentKind>,
    /// For this part of a purchase.
    #[param(inline)]
    stage: Option<ContentStage>,
    /// In this state.
    #[param(inline)]
    state: Option<ContentState>,
    /// Of this campaign.
    campaign_id: Option<CampaignId>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create content.
///
/// For marketing. Page views and downloads are matched with its `url_patterns` when they arrive, and those that are stored
/// already in the background. Published content notifies every user of sales once.
#[utoipa::path(tag = "content", security(("bearer" = [ContentWrite])), request_body = ContentDetails,
    responses((status = 201, description = "The content", body = ContentView,
        headers(("ETag" = String, description = "The content's version"), ("Location" = String, description = "The URL of the new record")))))]
#[post("/v1/content")]
async fn create_content(ctx: Ctx<ContentWrite>, body: Json<ContentDetails>) -> Reply<Created<ContentView>> {
    let tx = ctx.begin().await?;
    let beside = beside(&tx, &body.0).await?;
    let content = content::create(body.0, &beside, ctx.act()).map_err(refused)?;
    store::write_records(&tx, [content.created()]).await?;
    follow(&ctx, &tx, None, &content).await?;
    let location = format!("/v1/content/{}", content.id);
    let answer = Created::at(location, view(content)).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// List content.
///
/// In creation order, including archived records.
#[utoipa::path(tag = "content", params(ContentQuery), security(("bearer" = [ContentRead])),
    responses((status = 200, description = "A page of content", body = Listing<ContentView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/content")]
async fn list_content(ctx: Ctx<ContentRead>, query: Query<ContentQuery>) -> Reply<Listing<ContentView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = ContentFilter {
        kind: query.kind,
        stage: query.stage,
        state: query.state,
        campaign_id: query.campaign_id,
    };
    let page = stored::list(ctx.db(), &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let place = |content: &Content| content.id;
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view))
}

/// Read content.
#[utoipa::path(tag = "content", params(ContentPath), security(("bearer" = [ContentRead])),
    responses((status = 200, description = "The content", body = ContentView,
        headers(("ETag" = String, description = "The content's version")))))]
#[get("/v1/content/{content_id}")]
async fn get_content(ctx: Ctx<ContentRead>, path: Path<ContentPath>) -> Reply<Tagged<ContentView>> {
    let content = stored::get(ctx.db(), path.0.content_id).await?;
    Ok(Tagged::new(etag(content.version, 0), view(content)))
}

/// Update content.
///
/// For marketing. New `url_patterns` match events from then on, and stored ones in the background. Published content cannot
/// become a draft again; archived content is still known by its pages, and never recommended.
#[utoipa::path(tag = "content", params(ContentPath), security(("bearer" = [ContentWrite])),
    request_body = ContentPatch,
    responses((status = 200, description = "The updated content", body = ContentView,
        headers(("ETag" = String, description = "The content's version")))))]
#[patch("/v1/content/{content_id}")]
async fn update_content(
    ctx: Ctx<ContentWrite>,
    path: Path<ContentPath>,
    body: MergePatch<ContentPatch>,
) -> Reply<Tagged<ContentView>> {
    let tx = ctx.begin().await?;
    let known = stored::get_for_update(&tx, path.0.content_id).await?;
    ctx.check_if_match(known.version)?;
    let (details, archived) = body.0.apply(&known.details)?;
    let beside = beside(&tx, &details).await?;
    let edited = content::edit(&known, details, archived, &beside, ctx.act());
    let (content, change) = edited.map_err(refused)?;
    store::write_records(&tx, change).await?;
    follow(&ctx, &tx, Some(&known), &content).await?;
    ctx.commit(tx, Tagged::new(etag(content.version, 0), view(content)))
        .await
}

/// What follows when content becomes this: sales is notified once it is published, and events are matched again.
async fn follow(
    ctx: &Ctx<ContentWrite>,
    tx: &Tx,
    before: Option<&Content>,
    now: &Content,
) -> Result<(), StoreError> {
    let staff = store::access::staff(tx).await?;
    if let Some((published, notices)) = content::published(before, now, &staff, ctx.act()) {
        let notices = notices.into_iter().map(Unruled::from);
        store::write_records(tx, std::iter::once(published.into()).chain(notices)).await?;
    }
    if now.is_known_otherwise(before) {
        stored::request_match(tx).await?;
    }
    Ok(())
}

/// Match stored events with the library again, after a pattern has changed. Nobody waits for it: while submissions or events
/// come in, few events are matched at a time.
async fn match_events(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for round in 0..turn.rounds {
        if core.backlog() > 0 && round > 0 {
            return Ok(Remaining::Nothing);
        }
        let horizon = core.db.horizon().await?;
        let tx = turn.begin(core).await?;
        let is_left = stored::resume_match(&tx, horizon, turn.limit).await?;
        tx.commit().await?;
        if !is_left {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

/// What is to be known of the wanted campaign and of the agreement.
async fn beside(tx: &Tx, details: &ContentDetails) -> Result<Beside, StoreError> {
    let knows_campaign = match details.campaign_id {
        None => false,
        Some(id) => !store::campaigns::lineage(tx, id).await?.is_empty(),
    };
    Ok(Beside {
        knows_campaign,
        objections: objections(tx),
    })
}

/// The codes of objections that may be named.
fn objections(tx: &Tx) -> BTreeSet<String> {
    let reasons = tx.rules().agreement.agreement.reasons(ReasonList::Objection);
    let usable = reasons.iter().filter(|reason| !reason.retired);
    usable.map(|reason| reason.code.clone()).collect()
}

fn refused(refused: ContentError) -> Problem {
    match refused {
        ContentError::Denied(reason) => reason.into(),
        ContentError::Invalid(faults) => invalid(faults),
    }
}
