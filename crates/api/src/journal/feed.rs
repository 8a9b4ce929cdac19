//! The feed of changes: gap-free, at least once, oldest first, by long poll.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::access::Actor;
use tandem_domain::id::LeadId;
use tandem_store::journal::{self, Entry, FeedPosition, Mark};
use tandem_store::{Db, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::Tail;
use super::entry::{self, EntryType, EntryView};
use crate::access::scopes::ChangesRead;
use crate::edge::crypto::cursor::{self, CursorError};
use crate::edge::crypto::seal::MasterKey;
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::json::Json;
use crate::edge::http::listing::DEFAULT_LIMIT;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// What cursors of the feed are bound to: the feed alone, so that a follower may change its types on the way.
const BINDING: &str = "changes";
/// How long one look at the feed may take.
const LOOK: Duration = Duration::from_millis(4500);
/// The word for the feed's end.
pub(super) const LATEST: &str = "latest";

/// What is followed, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesQuery {
    /// Where to start: `next_cursor` of the previous answer, or `latest` for what happens from now on. Without it the
    /// feed starts with the first entry.
    #[param(min_length = 1, max_length = 2048, example = "latest")]
    after: Option<String>,
    /// Entries of these types. You may change it between requests.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["lead.stage_changed"]))]
    types: Option<Vec<EntryType>>,
    /// Entries of these leads. You may change it between requests.
    #[param(style = Form, explode = false, min_items = 1, max_items = 200)]
    lead_id: Option<Vec<LeadId>>,
    /// The most entries of the answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// How long to wait if there is no entry yet: `0s` to `30s`.
    #[param(
        pattern = "^([0-9]|[12][0-9]|30)s$",
        max_length = 3,
        default = "0s",
        example = "0s"
    )]
    wait: Option<String>,
}

/// Entries of the feed, and the cursor to continue from.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changes {
    /// The entries, oldest first; empty if none came in time.
    #[schema(max_items = 200)]
    data: Vec<EntryView>,
    /// Whether more entries are available now.
    has_more: bool,
    /// The cursor for the parameter `after` of the next request. Store it only once you have processed `data`.
    #[schema(min_length = 1, max_length = 2048)]
    next_cursor: String,
}

/// Follow the change feed.
///
/// All changes, oldest first. Each entry comes at least once and none is skipped; the entries of one lead come in the
/// order in which they happened, others in the order of transactions. Send `next_cursor` as `after` of the next
/// request, also after an empty answer. With `wait` the answer comes as soon as there is an entry. After a lost answer
/// repeat the request: entries have ids. At most 500 requests wait at a time, 50 per caller; further ones get `503`. If
/// the journal lacks the cursor's entry, after a restore or a failover to a standby without the newest transactions,
/// the answer is `409 cursor_ahead`, whose member `cursor` is where to resume.
#[utoipa::path(tag = "journal", params(ChangesQuery), security(("bearer" = [ChangesRead])),
    responses((status = 200, description = "The next entries", body = Changes),
        (status = 409, description = "The journal lacks the cursor's entry: resume from `cursor`")))]
#[get("/v1/changes")]
pub(super) async fn follow_changes(
    ctx: Ctx<ChangesRead>,
    query: Query<ChangesQuery>,
) -> Reply<Json<Changes>> {
    let query = query.0;
    let types = entry::names(query.types);
    let leads = query.lead_id.unwrap_or_default();
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let first = async {
        let from = begin(&ctx, query.after.as_deref()).await?;
        Ok(Read::next(ctx.db(), ctx.actor(), from, &types, &leads, limit).await?)
    };
    let mut read = soon(first).await?;
    let wait = seconds(query.wait.as_deref());
    if read.data.is_empty() && wait > Duration::ZERO {
        read = wait_for_more(&ctx, read, (&types, &leads), limit, wait).await?;
    }
    Ok(Json(Changes {
        data: EntryView::all(read.data)?,
        has_more: read.has_more,
        next_cursor: cursor(&ctx.master, read.end),
    }))
}

/// The cursor of a mark.
pub(super) fn cursor(master: &MasterKey, mark: Mark) -> String {
    let FeedPosition { epoch, xid, seq } = mark.place;
    cursor::encode(master, BINDING, &json!([epoch, xid, seq, mark.entry]))
}

/// Where the parameter `after` stands; refused where the journal lacks its entry.
pub(super) async fn begin<P: Permission>(ctx: &Ctx<P>, after: Option<&str>) -> Result<Mark, Problem> {
    let Some(text) = after else {
        return Ok(Mark::default());
    };
    if text == LATEST {
        return Ok(journal::last(ctx.db()).await?);
    }
    let position = cursor::decode(&ctx.master, BINDING, text).map_err(|error| match error {
        CursorError::Malformed => Problem::new(Code::InvalidCursor),
        CursorError::Mismatch => Problem::new(Code::CursorMismatch),
    })?;
    let mark = serde_json::from_value(position).map_err(|_| Problem::new(Code::InvalidCursor))?;
    let (epoch, xid, seq, entry) = mark;
    let place = FeedPosition { epoch, xid, seq };
    let mark = Mark { place, entry };
    check(ctx, mark).await?;
    Ok(mark)
}

/// Refuses a mark whose entry the journal lacks.
async fn check<P: Permission>(ctx: &Ctx<P>, mark: Mark) -> Result<(), Problem> {
    if journal::has(ctx.db(), mark).await? {
        return Ok(());
    }
    let before = journal::before(ctx.db(), mark).await?;
    Err(Problem::new(Code::CursorAhead).with("cursor", cursor(&ctx.master, before)))
}

/// Wait without a connection until the feed has something of these types, the time is over or the service stops. Refused
/// where the journal loses the entry of the mark meanwhile: what is read then may not be all that stands behind it.
async fn wait_for_more(
    ctx: &Ctx<ChangesRead>,
    mut read: Read,
    (types, leads): (&[String], &[LeadId]),
    limit: u64,
    wait: Duration,
) -> Result<Read, Problem> {
    let mut seat = ctx
        .part::<Tail>()
        .sit(&ctx.actor().id())
        .ok_or_else(|| Problem::new(Code::Overloaded).retry_after(1))?;
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    while read.data.is_empty() && !over.is_elapsed() && !ctx.is_stopping.load(Ordering::Relaxed) {
        let has_moved = tokio::select! {
            has_moved = seat.glance(ctx.db(), read.end.place, types) => has_moved,
            () = &mut over => true,
        };
        if has_moved {
            let from = read.end;
            read = soon(async {
                let next = Read::next(ctx.db(), ctx.actor(), from, types, leads, limit).await?;
                check(ctx, from).await?;
                Ok(next)
            })
            .await?;
        }
    }
    Ok(read)
}

/// What one look at the feed gave, and up to where it has looked.
pub(super) struct Read {
    pub(super) data: Vec<Entry>,
    pub(super) has_more: bool,
    pub(super) end: Mark,
}

impl Read {
    pub(super) async fn next(
        db: &Db,
        actor: &Actor,
        from: Mark,
        types: &[String],
        leads: &[LeadId],
        limit: u64,
    ) -> Result<Read, StoreError> {
        // The end is read first: whatever of these types lies before it, the page shows. So a follower of rare types
        // gets on although nothing of them came.
        let end = journal::last(db).await?;
        let page = journal::changes(db, from.place, types, leads, limit).await?;
        let last = page.data.last().map_or(from, Entry::mark);
        let end = if page.has_more || last.place >= end.place {
            last
        } else {
            end
        };
        Ok(Read {
            data: entry::shown_to(actor, page.data),
            has_more: page.has_more,
            end,
        })
    }
}

/// A look at the feed, which takes no longer than any other request: only waiting may.
async fn soon<T>(look: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let late = |_| Problem::new(Code::Unavailable).because("the database does not answer");
    tokio::time::timeout(LOOK, look).await.map_err(late)?
}

/// The waiting time that its published pattern has let through.
fn seconds(wait: Option<&str>) -> Duration {
    let number = wait.and_then(|text| text.strip_suffix('s')?.parse().ok());
    Duration::from_secs(number.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_time_is_whole_seconds() {
        assert_eq!(seconds(Some("30s")), Duration::from_secs(30));
        assert_eq!(seconds(Some("0s")), Duration::ZERO);
        assert_eq!(seconds(None), Duration::ZERO);
    }
}
