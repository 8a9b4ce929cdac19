//! Suggested duplicates over HTTP, and the job that finds them.

use std::time::Duration;

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::id::{DuplicateId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::duplicates::DuplicateChange;
use tandem_domain::leads::duplicates::{self, Duplicate, DuplicateState, Reason};
use tandem_domain::world::World;
use tandem_store::duplicates::{self as kept, DuplicateFilter};
use tandem_store::{self as store, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{IfMatch, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "duplicates",
        Duration::from_secs(1),
        |snapshot| Box::pin(kept::next_news(snapshot)),
        |core, turn| Box::pin(suggest(core, turn)),
    )
    .by_one()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config.service(list_duplicates).service(dismiss_duplicate);
}

/// Two leads that may be one person.
#[derive(Debug, Serialize, ToSchema)]
struct DuplicateView {
    /// Its id.
    id: DuplicateId,
    /// The two leads, the older one first.
    #[schema(min_items = 2, max_items = 2)]
    lead_ids: Vec<LeadId>,
    /// Why they may be one person.
    #[schema(min_items = 1, max_items = 5)]
    reasons: Vec<Reason>,
    /// The likelihood that they are one person, from 0 to 1, by all reasons together.
    #[schema(minimum = 0, maximum = 1, example = 0.8)]
    confidence: f64,
    /// The state of the suggestion.
    state: DuplicateState,
    /// When it was first suggested.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Duplicate> for DuplicateView {
    fn from(duplicate: Duplicate) -> Self {
        Self {
            id: duplicate.id,
            lead_ids: vec![duplicate.leads.0, duplicate.leads.1],
            confidence: duplicates::confidence(&duplicate.reasons) as f64 / 100.0,
            reasons: duplicate.reasons.into_iter().collect(),
            state: duplicate.state,
            created_at: duplicate.created_at,
            updated_at: duplicate.updated_at,
        }
    }
}

/// One suggestion.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct DuplicatePath {
    /// The suggestion's id.
    duplicate_id: DuplicateId,
}

/// A page of suggestions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DuplicateQuery {
    /// In this state; default `open`.
    #[param(inline)]
    state: Option<DuplicateState>,
    /// About this lead.
    lead_id: Option<LeadId>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List duplicate suggestions.
///
/// Found within seconds after a lead was created or changed: the same phone that few others have, the same full name in
/// the same company, or e-mails whose domains differ by one typing error. Suggested at once if a statement was refused
/// because its identifiers belong to both. The same name alone is no reason. Nothing is merged automatically.
#[utoipa::path(tag = "duplicates", params(DuplicateQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of suggestions", body = Listing<DuplicateView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/duplicates")]
async fn list_duplicates(ctx: Ctx<LeadsRead>, query: Query<DuplicateQuery>) -> Reply<Listing<DuplicateView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let filter = DuplicateFilter {
        state: query.0.state.unwrap_or(DuplicateState::Open),
        lead_id: query.0.lead_id,
    };
    let page = kept::list(ctx.db(), &filter, after, query.0.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let view = DuplicateView::from;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |duplicate| duplicate.id,
        view,
    ))
}

/// Dismiss a duplicate suggestion.
///
/// The two leads are never suggested again.
#[utoipa::path(tag = "duplicates", params(DuplicatePath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The updated suggestion", body = DuplicateView,
        headers(("ETag" = String, description = "The suggestion's version")))))]
#[post("/v1/duplicates/{duplicate_id}/dismiss")]
async fn dismiss_duplicate(ctx: Ctx<LeadsWrite>, path: Path<DuplicatePath>) -> Reply<Tagged<DuplicateView>> {
    let tx = ctx.begin().await?;
    let duplicate = dismiss(&tx, ctx.act(), path.0.duplicate_id, &ctx.if_match()).await?;
    ctx.commit(tx, Tagged::new(etag(duplicate.version, 0), duplicate.into()))
        .await
}

/// Say that the two leads of a suggestion are two people.
async fn dismiss(tx: &Tx, act: &Act, id: DuplicateId, if_match: &IfMatch) -> Result<Duplicate, Problem> {
    let mut duplicate = kept::get_for_update(tx, id).await?;
    if_match.check(duplicate.version, 0)?;
    let change = duplicates::dismiss(&duplicate, &act.by, act.now).map_err(Problem::from)?;
    if let Some(DuplicateChange::Dismissed(dismissed)) = &change {
        duplicate = dismissed.clone();
    }
    let mut world = store::leads::empty_world(tx);
    store::settle(tx, &mut world, act, change.map(Change::from)).await?;
    Ok(duplicate)
}

/// Suggest pairs among the leads that changed. Nobody waits for a suggestion: while submissions or events come in, few
/// leads are looked at, and the rest afterwards.
async fn suggest(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for round in 0..turn.rounds {
        let is_busy = core.backlog() > 0;
        if is_busy && round > 0 {
            return Ok(Remaining::Nothing);
        }
        let entries = if is_busy { turn.limit / 5 } else { turn.limit };
        if !follow(core, turn, entries).await? {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

/// Look at the leads that changed since the last time, of at most so many journal entries, and suggest or withdraw;
/// whether there was anything to look at.
///
/// The looking holds no writer up: it is done before the transaction. What changes meanwhile is behind the mark, and is
/// looked at the next time.
async fn follow(core: &Core, turn: &JobRun, limit: u64) -> Result<bool, StoreError> {
    let snapshot = core.db.snapshot().await?;
    let Some(news) = kept::news(&snapshot, limit).await? else {
        return Ok(false);
    };
    let beside = kept::neighbourhood(&snapshot, news.changed.clone()).await?;
    drop(snapshot);
    let found = duplicates::find(&beside.changed, &beside.leads, &beside.switchboards);

    let pairs = found.keys();
    let leads: Vec<LeadId> = pairs.flat_map(|(elder, younger)| [*elder, *younger]).collect();

    let tx = turn.begin(core).await?;
    if !kept::pass(&tx, &news).await? {
        return Ok(false);
    }
    kept::hold(&tx, leads).await?;
    let known = kept::known_for_update(&tx, beside.changed).await?;
    let told = known.iter().filter(|duplicate| duplicate.was_told());
    let told: Vec<LeadId> = told.flat_map(|one| [one.leads.0, one.leads.1]).collect();
    let put_away = kept::put_away(&tx, told).await?;
    let changes = duplicates::settle(known, found, &put_away, tx.act().now, &tx.act().ids);
    let changes: Vec<Change> = changes.into_iter().map(Change::from).collect();
    let mut world = store::leads::empty_world(&tx);
    store::settle(&tx, &mut world, tx.act(), changes).await?;
    tx.commit().await?;
    Ok(true)
}

/// What is suggested because refused statements named several leads each; the caller's transaction, which has decided on
/// these leads, holds them, and writes it.
pub async fn of_refused(
    tx: &Tx,
    world: &World,
    conflicts: &[Vec<LeadId>],
) -> Result<Vec<Change>, StoreError> {
    let told = duplicates::named_as_one(world, conflicts);
    if told.is_empty() {
        return Ok(vec![]);
    }
    let known = kept::known_for_update(tx, told.keys().map(|(_, younger)| *younger)).await?;
    let changes = duplicates::suggest(known, told, tx.act().now, &tx.act().ids);
    Ok(changes.into_iter().map(Change::from).collect())
}
