//! One's own notices over HTTP, and the job that deletes old ones.

use std::time::Duration;

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::id::{LeadId, NoticeId};
use tandem_domain::instant::Timestamp;
use tandem_domain::notices::{About, NextAct, Notice, NoticeKind};
use tandem_store::{self as store, StoreError};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::Account;
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::{NoContent, Reply};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

/// How long a notice is stored, in milliseconds: 90 days.
const STORED: i64 = 90 * 86_400_000;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[
        Job::every("old_notices", Duration::from_secs(3600), |core, turn| {
            Box::pin(forget(core, turn))
        })
        .by_one(),
    ],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config.service(list_notices).service(mark_notices_read);
}

/// Delete notices that are older than 90 days.
async fn forget(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let gone = store::notices::forget(&tx, turn.now.plus_millis(-STORED), turn.limit).await?;
        tx.commit().await?;
        if gone < turn.limit {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

/// A notice: a message to one user about something that needs its attention.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeView {
    /// Its id.
    id: NoticeId,
    /// The kind of notice.
    kind: NoticeKind,
    /// When it was created.
    at: Timestamp,
    /// The record concerned.
    subject: About,
    /// The lead concerned.
    lead_id: Option<LeadId>,
    /// The operation that handles it.
    act: Option<NextAct>,
    /// When it was marked as read; `null` while it is unread.
    read_at: Option<Timestamp>,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self {
            id: notice.id,
            kind: notice.kind,
            at: notice.at,
            subject: notice.subject,
            lead_id: notice.lead_id,
            act: notice.act,
            read_at: notice.read_at,
        }
    }
}

/// Which of one's notices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct NoticesQuery {
    /// `true`: only unread notices; `false`: only read ones.
    unread: Option<bool>,
    /// The most notices of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Which notices to mark as read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadNotices {
    /// Marks notices up to this instant as read: send the `at` of the newest notice that was shown.
    until: Timestamp,
}

/// List your notices.
///
/// Notices about hand-offs, returned leads, warned or breached clocks, and due tasks, newest first. They are stored for
/// 90 days. The stream and the change feed show each at once as `notice.created`.
#[utoipa::path(tag = "notices", params(NoticesQuery), security(("bearer" = [Account])),
    responses((status = 200, description = "A page of notices", body = Listing<NoticeView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/me/notices")]
async fn list_notices(ctx: Ctx<Account>, query: Query<NoticesQuery>) -> Reply<Listing<NoticeView>> {
    let query = query.0;
    let person = ctx.person().ok_or(Problem::new(Code::NotFound))?;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let page = store::notices::list(ctx.db(), person.id, query.unread, after, limit).await?;
    let position = store::notices::position;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        position,
        NoticeView::from,
    ))
}

/// Mark your notices as read.
///
/// Marks all unread notices that were created at or before `until`.
#[utoipa::path(tag = "notices", security(("bearer" = [Account])), request_body = ReadNotices,
    responses((status = 204, description = "The notices are marked as read")))]
#[post("/v1/me/notices/read")]
async fn mark_notices_read(ctx: Ctx<Account>, body: Json<ReadNotices>) -> Reply<NoContent> {
    let person = ctx.person().ok_or(Problem::new(Code::NotFound))?.id;
    let tx = ctx.begin().await?;
    store::notices::mark_read(&tx, person, body.0.until).await?;
    ctx.commit(tx, NoContent).await
}
