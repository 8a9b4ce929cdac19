//! The journal on the wire: the audit view, a lead's timeline, the feed of changes, also as a stream.

mod entry;
mod feed;
mod stream;
mod tail;
mod timeline;

pub use tail::Tail;

use std::time::Duration;

use actix_web::get;
use serde::Deserialize;
use serde_json::json;
use tandem_domain::id::EntryId;
use tandem_store::journal::{self, EntryFilter};
use utoipa::IntoParams;

use crate::access::scopes::JournalRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::room::{Gauge, PathRule, Room, Time};
use entry::{EntryType, EntryView, SubjectType};

/// This room.
pub const ROOM: Room = Room {
    // A caller that follows the feed may ask to wait for up to 30 s.
    paths: &[PathRule {
        time: Time::Own(Duration::from_secs(40)),
        ..PathRule::of("/v1/changes")
    }],
    gauges: &[Gauge {
        name: "tandem_feed_waiters",
        help: "Requests that wait for the change feed.",
        read: |core| core.part::<Tail>().waiting(),
    }],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(list_journal)
        .service(feed::follow_changes)
        .service(stream::create_stream_ticket)
        .service(stream::stream_changes)
        .service(timeline::get_lead_timeline);
}

/// Which entries are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct JournalQuery {
    /// Entries of these types.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["lead.created"]))]
    r#type: Option<Vec<EntryType>>,
    /// Entries about this kind of record.
    #[param(inline, example = "lead")]
    subject_type: Option<SubjectType>,
    /// Entries about this record.
    #[param(min_length = 1, max_length = 64, example = "lead_01h455vb4pex5vsknk084sn02q")]
    subject_id: Option<String>,
    /// Entries by this actor: the id of a user, key or form, or the name of a part of Tandem, such as `agreement`,
    /// `import` or `login`.
    #[param(min_length = 1, max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    actor_id: Option<String>,
    /// Entries at this instant or later.
    #[param(inline)]
    occurred_at_gte: Option<Bound>,
    /// Entries before this instant.
    #[param(inline)]
    occurred_at_lt: Option<Bound>,
    /// The most entries of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(min_length = 1, max_length = 2048)]
    cursor: Option<String>,
}

/// List journal entries.
///
/// Who changed what, newest first. Entries never change; erasure removes their values. Use `GET /v1/changes` to follow
/// changes without gaps.
#[utoipa::path(tag = "journal", params(JournalQuery), security(("bearer" = [JournalRead])),
    responses((status = 200, description = "A page of entries", body = Listing<EntryView>)))]
#[get("/v1/journal")]
async fn list_journal(ctx: Ctx<JournalRead>, query: Query<JournalQuery>) -> Reply<Listing<EntryView>> {
    let query = query.0;
    let after: Option<EntryId> = position(&ctx, query.cursor.as_deref())?;
    let subject = query.subject_type.map(|kind| kind.name());
    let mut types = entry::names(query.r#type);
    // By its types a kind of record is found by an index.
    if let (Some(subject), true) = (subject, types.is_empty()) {
        types = entry::names_of(subject);
    }
    let bounds = [
        ("occurred_at_gte", query.occurred_at_gte),
        ("occurred_at_lt", query.occurred_at_lt),
    ];
    let is_by_stamps = bounds.iter().any(|(_, bound)| bound.is_some());
    let horizon = ctx.horizon(is_by_stamps).await?;
    let [occurred_at_gte, occurred_at_lt] = bound::instants(ctx.db(), bounds).await?;
    let filter = EntryFilter {
        types,
        subject_kind: subject.map(str::to_owned),
        subject_id: query.subject_id,
        actor_id: query.actor_id,
        occurred_at_gte,
        occurred_at_lt: horizon.below(false, occurred_at_gte, occurred_at_lt),
    };
    let snapshot = ctx.snapshot().await?;
    let page = journal::list(&snapshot, &filter, after, query.limit.unwrap_or(DEFAULT_LIMIT)).await?;
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|last| json!(last.id));
    Ok(Listing::new(
        &ctx.master,
        ctx.request(),
        EntryView::all(entry::shown_to(ctx.actor(), page.data))?,
        next,
    ))
}

/// The typed position that a list's cursor stands for.
fn position<P, T: serde::de::DeserializeOwned>(
    ctx: &Ctx<P>,
    cursor: Option<&str>,
) -> Result<Option<T>, Problem>
where
    P: crate::edge::ctx::Permission,
{
    let position = listing::position(&ctx.master, ctx.request(), cursor)?;
    let typed = position.map(serde_json::from_value).transpose();
    typed.map_err(|_| Problem::new(Code::InvalidCursor))
}
