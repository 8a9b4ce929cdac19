//! The change feed as server-sent events, and the tickets that let a browser open it.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder, get, post, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream::{self, LocalBoxStream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tandem_domain::access::Scope;
use tandem_domain::instant::Timestamp;
use tandem_store::access::sessions;
use tandem_store::journal::{self, Entry, Mark};
use utoipa::{IntoParams, ToSchema};

use super::Tail;
use super::entry::{self, EntryType, EntryView};
use super::feed::{self, Read};
use super::tail::Seat;
use crate::access::scopes::ChangesRead;
use crate::ambient::Stopwatch;
use crate::edge::caller::{Caller, Identity};
use crate::edge::core::Core;
use crate::edge::crypto::{hex, sha256};
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// How long a ticket is good, in milliseconds.
const GOOD: i64 = 60_000;
/// How often a quiet stream shows that it lives.
const BEAT: Duration = Duration::from_secs(15);
/// How often a stream asks whether its caller may still read.
const ASK: Duration = Duration::from_millis(900);
/// How many entries one look reads.
const PAGE: u64 = 100;
/// What the master key seals tickets for.
const PURPOSE: &str = "stream ticket";

/// What is followed, and from where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StreamQuery {
    /// Entries of these types.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["notice.created"]))]
    types: Option<Vec<EntryType>>,
    /// Where to start if there is no `Last-Event-ID`: the id of an event, or a cursor of `GET /v1/changes`. Without
    /// either the stream starts with what happens from now on.
    #[param(min_length = 1, max_length = 2048, example = "latest")]
    after: Option<String>,
    /// A ticket of `POST /v1/stream/ticket`, in place of the `Authorization` header that browsers cannot send.
    #[param(min_length = 1, max_length = 2048)]
    ticket: Option<String>,
}

/// A ticket that opens one stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreamTicket {
    /// The ticket: send it once, as the parameter `ticket` of `GET /v1/stream`.
    #[schema(max_length = 2048)]
    ticket: String,
    /// When the ticket expires: after 60 seconds.
    expires_at: Timestamp,
}

/// What a ticket seals: the headers that the stream would have been opened with.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    authorization: String,
    expires_at: i64,
}

/// An answer that goes on: `text/event-stream`.
pub struct EventStream(LocalBoxStream<'static, web::Bytes>);

impl Responder for EventStream {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header(("x-accel-buffering", "no"))
            .streaming(self.0.map(Ok::<_, std::convert::Infallible>))
            .map_into_boxed_body()
    }
}

/// Create a ticket for the stream.
///
/// A browser's `EventSource` cannot send `Authorization`. The ticket replaces the caller's access token in the address
/// of one stream. It is valid once, for 60 seconds. Keys send their header instead.
#[utoipa::path(tag = "journal", security(("bearer" = [ChangesRead])),
    responses((status = 200, description = "The ticket", body = StreamTicket)))]
#[post("/v1/stream/ticket")]
pub(super) async fn create_stream_ticket(ctx: Ctx<ChangesRead>) -> Reply<Json<StreamTicket>> {
    let header = ctx.request().headers().get(AUTHORIZATION);
    let authorization = header.and_then(|value| value.to_str().ok());
    let (Some(authorization), true) = (authorization, is_user(ctx.request())) else {
        return Err(Problem::new(Code::WrongRole).detail("Only a user needs a ticket"));
    };
    let expires_at = ctx.now().plus_millis(GOOD);
    let sealed = Sealed {
        authorization: authorization.to_owned(),
        expires_at: expires_at.millis(),
    };
    let sealed = ctx.master.seal(PURPOSE, json!(sealed).to_string().as_bytes());
    Ok(Json(StreamTicket {
        ticket: URL_SAFE_NO_PAD.encode(sealed),
        expires_at,
    }))
}

/// Follow the change feed as a stream.
///
/// Server-sent events: `event` is the entry's type, `data` the entry as in `GET /v1/changes`, `id` its cursor. Resume a
/// lost connection with `Last-Event-ID`, as browsers do automatically; a stream by ticket needs another ticket. The
/// stream ends with the caller's token, when its rights end, and when the service stops. A comment is sent at least
/// every 15 seconds as a heartbeat. At most 500 streams and waiting requests are open at a time, 50 per caller; further
/// ones get `503`.
#[utoipa::path(tag = "journal", params(StreamQuery), security(("bearer" = [ChangesRead])),
    responses((status = 200, description = "The entries, one after the other", body = String,
        content_type = "text/event-stream"),
        (status = 409, description = "The journal lacks the cursor's entry: resume from `cursor`")))]
#[get("/v1/stream")]
pub(super) async fn stream_changes(ctx: Ctx<Public>, query: Query<StreamQuery>) -> Reply<EventStream> {
    let query = query.0;
    let (identity, headers) = match &query.ticket {
        Some(ticket) => redeemed(&ctx, ticket).await?,
        None => (caller(ctx.request())?, credentials(ctx.request().headers())),
    };
    if !identity.grants(Scope::ChangesRead) {
        return Err(Problem::new(Code::InsufficientScope).with("scope", Scope::ChangesRead.name()));
    }
    let last = ctx.request().headers().get("last-event-id");
    let last = last.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let after = last.or(query.after).unwrap_or_else(|| feed::LATEST.to_owned());
    let mark = feed::begin(&ctx, Some(&after)).await?;
    let seat = ctx
        .part::<Tail>()
        .sit(&identity.actor.id())
        .ok_or_else(|| Problem::new(Code::Overloaded).retry_after(1))?;
    let core = ctx.request().app_data::<web::Data<Core>>().cloned();
    let core = core.ok_or_else(|| Problem::new(Code::InternalError).because("a stream without a core"))?;
    let following = Following {
        lacking: lacking(&core, &identity),
        core,
        identity,
        headers,
        breaks: seat.breaks(),
        seat,
        mark,
        types: entry::names(query.types),
        is_behind: true,
        asked: Stopwatch::start(),
        spoke: Stopwatch::start(),
    };
    // The first comment opens the stream at once.
    let opened = stream::iter([web::Bytes::from_static(b"retry: 2000\n: opened\n\n")]);
    let rest = stream::unfold(following, |mut following| async move {
        let piece = following.next().await?;
        Some((piece, following))
    });
    Ok(EventStream(opened.chain(rest).boxed_local()))
}

/// A stream that is read: nothing is held between two pieces but its seat, so that a slow client keeps nobody waiting.
struct Following {
    core: web::Data<Core>,
    identity: Identity,
    headers: HeaderMap,
    lacking: Option<BTreeSet<Scope>>,
    seat: Seat,
    /// How often the feed had broken off when the mark was last found in the journal.
    breaks: u64,
    mark: Mark,
    types: Vec<String>,
    /// Whether the feed has, or may have, more behind the place.
    is_behind: bool,
    /// Since the caller's rights were looked at.
    asked: Stopwatch,
    /// Since the last piece.
    spoke: Stopwatch,
}

impl Following {
    /// The next piece; `None` where the stream ends.
    async fn next(&mut self) -> Option<web::Bytes> {
        loop {
            if self.core.is_stopping.load(Ordering::Relaxed) || !self.may_go_on().await {
                return None;
            }
            if self.spoke.elapsed() > BEAT {
                self.spoke = Stopwatch::start();
                return Some(web::Bytes::from_static(b": alive\n\n"));
            }
            if !self.is_behind {
                self.is_behind = self
                    .seat
                    .glance(&self.core.db, self.mark.place, &self.types)
                    .await;
                if !self.is_in_line().await? {
                    return None;
                }
                continue;
            }
            let read = Read::next(
                &self.core.db,
                &self.identity.actor,
                self.mark,
                &self.types,
                &[],
                PAGE,
            )
            .await;
            // A database that is away ends the stream: its client comes back to where it was.
            let read = read.ok()?;
            (self.is_behind, self.mark) = (read.has_more, read.end);
            let marks: Vec<Mark> = read.data.iter().map(Entry::mark).collect();
            let views = EntryView::all(read.data).ok()?;
            if !views.is_empty() {
                self.spoke = Stopwatch::start();
                return Some(self.piece(&views, &marks));
            }
        }
    }

    /// Whether the journal still has the entry that this stream stands behind. Where it does not, the stream ends; a client
    /// that connects again gets the cursor from which to read.
    async fn is_in_line(&mut self) -> Option<bool> {
        let breaks = self.seat.breaks();
        if breaks != self.breaks {
            self.breaks = breaks;
            return journal::has(&self.core.db, self.mark).await.ok();
        }
        Some(true)
    }

    /// Whether the caller may still read, by the rights of this second.
    async fn may_go_on(&mut self) -> bool {
        if self.asked.elapsed() < ASK {
            return true;
        }
        self.asked = Stopwatch::start();
        match identified(&self.core, &self.headers).await {
            Ok(identity) if identity.grants(Scope::ChangesRead) => {
                self.lacking = lacking(&self.core, &identity);
                self.identity = identity;
                true
            }
            _ => false,
        }
    }

    /// The events of some entries. The id of the last one alone goes on behind all of them.
    fn piece(&self, views: &[EntryView], marks: &[Mark]) -> web::Bytes {
        let mut text = String::new();
        for (index, (view, mark)) in views.iter().zip(marks).enumerate() {
            let mut shown = json!(view);
            if let Some(lacking) = &self.lacking {
                self.core.walls.hide_entry(lacking, &mut shown);
            }
            let is_last = index + 1 == views.len();
            let mark = if is_last { self.mark } else { *mark };
            let id = feed::cursor(&self.core.master, mark);
            text += &format!("id: {id}\nevent: {}\ndata: {shown}\n\n", view.r#type);
        }
        text.into()
    }
}

/// The credentials of a request, for asking again who it is.
fn credentials(headers: &HeaderMap) -> HeaderMap {
    let mut own = HeaderMap::new();
    for name in [AUTHORIZATION, HeaderName::from_static("x-on-behalf-of")] {
        if let Some(value) = headers.get(&name) {
            own.insert(name, value.clone());
        }
    }
    own
}

fn caller(request: &HttpRequest) -> Result<Identity, Problem> {
    let caller = request.extensions().get::<Caller>().cloned();
    let caller =
        caller.ok_or_else(|| Problem::new(Code::InternalError).because("the caller was not identified"))?;
    Ok(caller.identity?)
}

fn is_user(request: &HttpRequest) -> bool {
    caller(request).is_ok_and(|identity| identity.session.is_some())
}

fn lacking(core: &Core, identity: &Identity) -> Option<BTreeSet<Scope>> {
    let caller = Caller {
        now: core.ambient.now(),
        identity: Ok(identity.clone()),
    };
    core.walls.lacking(&caller)
}

/// Who these headers name now.
async fn identified(core: &Core, headers: &HeaderMap) -> Result<Identity, Problem> {
    let identify = core.rooms.iter().find_map(|room| room.identify);
    let identify = identify.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    Ok(identify(core, headers, core.ambient.now()).await?)
}

/// The caller whose ticket this is, and the headers that name it; the ticket is used up.
async fn redeemed(ctx: &Ctx<Public>, ticket: &str) -> Result<(Identity, HeaderMap), Problem> {
    let invalid = || Problem::new(Code::InvalidToken);
    let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| invalid())?;
    let opened = ctx.master.open(PURPOSE, &bytes).map_err(|_| invalid())?;
    let sealed: Value = serde_json::from_slice(&opened).map_err(|_| invalid())?;
    let sealed: Sealed = serde_json::from_value(sealed).map_err(|_| invalid())?;
    let expires_at = Timestamp::from_millis(sealed.expires_at);
    if expires_at <= ctx.now() {
        return Err(invalid());
    }
    let mut headers = HeaderMap::new();
    let authorization = HeaderValue::from_str(&sealed.authorization).map_err(|_| invalid())?;
    headers.insert(AUTHORIZATION, authorization);
    let identity = identified(ctx.core(), &headers).await?;
    let session = identity.session.ok_or_else(invalid)?;
    let act = ctx.act_as(identity.actor.clone());
    let tx = ctx.db().begin(act).await?;
    let is_first = sessions::spend_once(&tx, session, &hex(&sha256(&bytes)), expires_at).await?;
    tx.commit().await?;
    match is_first {
        true => Ok((identity, headers)),
        false => Err(invalid()),
    }
}
