//! What happens to every request before its handler: an id, a caller, a body in time, a limit; and to its answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, PayloadError};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use futures::{FutureExt, StreamExt, stream};
use tandem_domain::id::{Ids, RequestId};
use tracing::Instrument;

use super::connection::{Slot, UnderWay};
use super::problem::{Code, Problem, REQUEST_ID};
use super::reply::{NoContent, Reply};
use super::{address, cors, leaks, packed};
use crate::ambient::Stopwatch;
use crate::edge::caller::{Caller, NotAuthenticated};
use crate::edge::core::Core;
use crate::edge::crypto;
use crate::edge::room::{Body, Dressing, PathRule, Time};

/// The most bytes of a head: the address and the headers.
const MAX_HEAD: usize = 32 * 1024;
/// How many bytes of a packed body are unpacked at one go, to some thousand times as many at most.
const PIECE: usize = 1024;
/// How long a request may take once its body is there, unless its path has a rule.
const HANDLING: Duration = Duration::from_secs(5);
/// How long the question who calls may take.
const ASKING: Duration = Duration::from_millis(2500);
/// A body that takes longer, in milliseconds, has its caller identified again.
const SLOW_BODY: i64 = 200;

/// The SHA-256 of the request's body.
#[derive(Debug, Clone, Copy)]
pub struct BodyHash(pub [u8; 32]);

/// Whether the request is being made durable at this moment.
#[derive(Debug, Clone, Default)]
pub struct Commits(Arc<AtomicBool>);

impl Commits {
    /// A commit begins.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// It was answered.
    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether one was begun that has not been answered: it was made durable, or not.
    pub fn are_under_way(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The outermost middleware: gives the request its id, and every failure its problem document.
///
/// Nothing here holds a clone of the request while the router works on it: actix needs it alone.
pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let Some(core) = request.app_data::<web::Data<Core>>().cloned() else {
        return Ok(request.into_response(Problem::new(Code::InternalError).error_response()));
    };
    let place = place_behind_proxy(&core, request.request());
    let is_one_too_many = place.is_err();
    let under_way = UnderWay::begin(request.request(), place.unwrap_or_default());
    let id = request_id(&request, &core);
    let trace = trace_id(&request);
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let front_end = cors::allowed_origin(&core, request.request());
    let takes_gzip = packed::is_taken(request.request());
    let dressings = core
        .rooms
        .iter()
        .filter_map(|room| room.dress?(request.request()));
    let dressings: Vec<Dressing> = dressings.collect();
    let span = tracing::info_span!("request", request_id = %id, trace_id = trace.as_deref());
    let started = core.ambient.now();
    let watch = Stopwatch::start();
    let outcome = match is_one_too_many {
        true => Err(REQUEST_ID.sync_scope(id.clone(), || too_many_at_once().error_response())),
        false => {
            let work = handle(request, next, core.clone()).instrument(span.clone());
            REQUEST_ID.scope(id.clone(), work).await
        }
    };
    let (handled, mut response) = match outcome {
        Ok(answer) => {
            let (request, response) = answer.into_parts();
            (Some(request), response)
        }
        Err(response) => (None, response),
    };
    for dress in dressings {
        dress(&core, &mut response).await;
    }
    let is_last = core.is_draining.load(Ordering::Relaxed);
    finish(&mut response, &id, &path, is_last);
    if let Some(origin) = front_end {
        cors::allow(response.headers_mut(), origin);
    }
    let response = response.map_body(|head, body| under_way.until_sent(packed::pack(head, body, takes_gzip)));
    let pattern = handled.as_ref().and_then(HttpRequest::match_pattern);
    let (route, status) = (pattern.unwrap_or_else(|| "-".into()), response.status());
    let millis = core.ambient.now().millis() - started.millis();
    core.metrics
        .answered(&method, &route, status.as_u16(), watch.elapsed());
    span.in_scope(|| tracing::info!(%method, route, status = status.as_u16(), millis, "answered"));
    match handled {
        Some(request) => Ok(ServiceResponse::new(request, response)),
        None => Err(InternalError::from_response("answered", response).into()),
    }
}

/// The place of a request that a listed proxy forwarded, among those of the client that the proxy names. Connections are
/// counted where they are opened; those of a proxy are not, since it forwards the requests of many clients.
fn place_behind_proxy(core: &Core, request: &HttpRequest) -> Result<Option<Slot>, OneTooMany> {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    if !peer.is_some_and(|peer| core.settings.trusts(peer)) {
        return Ok(None);
    }
    let client = address::of(&core.settings, request);
    if core.settings.trusts(client) {
        return Ok(None);
    }
    core.connections.place(client).map(Some).ok_or(OneTooMany)
}

/// The client has reached its limit of requests under way.
struct OneTooMany;

fn too_many_at_once() -> Problem {
    Problem::new(Code::TooManyRequests)
        .detail("Too many concurrent requests from one address")
        .retry_after(1)
}

async fn handle(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    core: web::Data<Core>,
) -> Result<ServiceResponse, HttpResponse> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    if head_bytes(&request) > MAX_HEAD {
        return Err(Problem::new(Code::HeadTooLarge).error_response());
    }
    let asked = cors::allowed_origin(&core, request.request());
    if let Some(answer) = asked.and_then(|origin| cors::preflight(request.request(), &origin)) {
        return Ok(request.into_response(answer));
    }
    let rule = PathRule::find(core.rooms, request.path());
    leaks::refuse_credentials_in_url(&request, rule).map_err(|problem| problem.error_response())?;
    let watch = Stopwatch::start();
    let caller = who_calls(&core, &request)
        .await
        .map_err(|problem| problem.error_response())?;
    let asking = watch.elapsed();
    let verdict = match &caller.identity {
        Ok(identity) => core.limits.admit_caller(identity),
        Err(_) => core
            .limits
            .admit_address(address::of(&core.settings, request.request())),
    };
    let mut outcome = match verdict.refusal() {
        Some(problem) => Err(problem.error_response()),
        None => answer(request, next, &core, rule, caller, asking).await,
    };
    if is_head {
        outcome = outcome.map(without_stream);
    }
    match &mut outcome {
        Ok(response) => verdict.tell(response.headers_mut()),
        Err(response) => verdict.tell(response.headers_mut()),
    }
    outcome
}

/// The answer to HEAD: a body that is made while it is sent is not made at all, since it may have no end.
fn without_stream(response: ServiceResponse) -> ServiceResponse {
    response.map_body(|_, body| match body.size() {
        BodySize::Stream => BoxBody::new(actix_web::body::None::new()),
        _ => body,
    })
}

/// The bytes of a request's address and headers, a colon, a blank and the end of the line for each header included.
fn head_bytes(request: &ServiceRequest) -> usize {
    let headers = request.headers().iter();
    let lines = headers.map(|(name, value)| name.as_str().len() + value.len() + 4);
    let address = request.uri().path_and_query().map_or(0, |all| all.as_str().len());
    address + lines.sum::<usize>()
}

/// Who calls: asked of the database where the caches do not know, which has its limit like everything. The clock is read
/// here, for the whole request.
async fn who_calls(core: &Core, request: &ServiceRequest) -> Result<Caller, Problem> {
    let now = core.ambient.now();
    let Some(identify) = core.rooms.iter().find_map(|room| room.identify) else {
        let identity = Err(NotAuthenticated::new(Code::Unauthenticated));
        return Ok(Caller { now, identity });
    };
    let late = |_| {
        Problem::new(Code::Unavailable)
            .retry_after(1)
            .because("the caller could not be identified in time")
    };
    let identity = tokio::time::timeout(ASKING, identify(core, request.headers(), now))
        .await
        .map_err(late)?;
    Ok(Caller { now, identity })
}

/// Take the body and hand the request to its handler.
async fn answer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    core: &Core,
    rule: PathRule,
    caller: Caller,
    asking: Duration,
) -> Result<ServiceResponse, HttpResponse> {
    let begun = core.ambient.now();
    if let Body::AtMost(most) = rule.body {
        take_body(&mut request, core, most)
            .await
            .map_err(|problem| problem.error_response())?;
    }
    // Rights are those of the moment at which the handler begins, also where the body took its time.
    let waited = core.ambient.now().millis() - begun.millis();
    let caller = match waited > SLOW_BODY {
        true => who_calls(core, &request)
            .await
            .map_err(|problem| problem.error_response())?,
        false => caller,
    };
    let lacking = core.walls.lacking(&caller);
    request.extensions_mut().insert(caller);
    let commits = Commits::default();
    request.extensions_mut().insert(commits.clone());
    // Asking who calls and handling share one limit: an unavailable database is reported within that time.
    let allowed = handling(rule.time, core).saturating_sub(asking);
    let call = AssertUnwindSafe(next.call(request)).catch_unwind();
    match tokio::time::timeout(allowed, call).await {
        Ok(Ok(Ok(response))) => {
            let response = response.map_into_boxed_body();
            Ok(match &lacking {
                Some(lacking) => core.walls.hide(lacking, response),
                None => response,
            })
        }
        Ok(Ok(Err(error))) => Err(as_problem(&error).unwrap_or_else(|| error.error_response())),
        // The panic itself was logged where it happened.
        Ok(Err(_)) => Err(Problem::new(Code::InternalError)
            .because("a handler panicked")
            .error_response()),
        // What is being made durable may still become so: 503 would say that it was not processed.
        Err(_) if commits.are_under_way() => Err(Problem::new(Code::InternalError)
            .because("a commit took too long")
            .error_response()),
        Err(_) => {
            let late = Problem::new(Code::Unavailable)
                .retry_after(1)
                .because("the handler took too long");
            Err(late.error_response())
        }
    }
}

/// How long the handler may take.
fn handling(time: Time, core: &Core) -> Duration {
    match time {
        Time::Usual => HANDLING.min(core.settings.request_time),
        Time::Configured => core.settings.request_time,
        Time::Own(time) => time,
    }
}

/// Errors of the framework become problem documents; ours are already.
fn as_problem(error: &Error) -> Option<HttpResponse> {
    if error.as_error::<Problem>().is_some() {
        return None;
    }
    let code = match error.as_response_error().status_code() {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
        status if status.is_client_error() => Code::BadRequest,
        _ => Code::InternalError,
    };
    Some(Problem::new(code).because(error).error_response())
}

/// Read the whole body, within its size and time, hash it, and hand it on.
async fn take_body(request: &mut ServiceRequest, core: &Core, most: usize) -> Result<(), Problem> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    let mut payload = request.take_payload();
    let allowed = core.settings.body_time;
    let read = async {
        let mut body = web::BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Problem::new(Code::BadRequest).because(error))?;
            if body.len() + chunk.len() > most {
                return Err(Problem::new(Code::BodyTooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let body = tokio::time::timeout(allowed, read)
        .await
        .map_err(|_| Problem::new(Code::RequestTimeout))??;
    request.extensions_mut().insert(BodyHash(crypto::sha256(&body)));
    // What unpacks to more than may be is given up after a piece, not held in memory as a whole.
    let piece = match request.headers().contains_key(CONTENT_ENCODING) {
        true => PIECE,
        false => body.len().max(1),
    };
    let pieces = (0..body.len())
        .step_by(piece)
        .map(move |from| Ok::<_, PayloadError>(body.slice(from..body.len().min(from + piece))));
    request.set_payload(Payload::Stream {
        payload: Box::pin(stream::iter(pieces)),
    });
    Ok(())
}

fn request_id(request: &ServiceRequest, core: &Core) -> String {
    let given = request
        .headers()
        .get("x-request-id")
        .and_then(|value| value.to_str().ok());
    let is_sound = |text: &&str| {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    given.filter(is_sound).map(str::to_owned).unwrap_or_else(|| {
        let id: RequestId = Ids::new(core.ambient.now(), core.ambient.seed()).next();
        id.to_string()
    })
}

/// The trace that a W3C `traceparent` (version 00) continues.
fn trace_id(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = header.split('-').collect();
    let [_, trace, parent, _] = parts[..] else {
        return None;
    };
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit()) && text.bytes().any(|b| b != b'0')
    };
    (is_hex(trace, 32) && is_hex(parent, 16)).then(|| trace.to_owned())
}

fn finish(response: &mut HttpResponse<BoxBody>, id: &str, path: &str, is_last: bool) {
    if is_last {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let is_page = path.starts_with("/docs");
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str, replace: bool| {
        let name = HeaderName::from_static(name);
        if let Ok(value) = HeaderValue::from_str(value)
            && (replace || !headers.contains_key(&name))
        {
            headers.insert(name, value);
        }
    };
    set("x-request-id", id, true);
    set("x-content-type-options", "nosniff", true);
    set("referrer-policy", "no-referrer", true);
    let policy = if is_page {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; script-src 'self' 'unsafe-inline'; \
         frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    set("content-security-policy", policy, false);
    set(CACHE_CONTROL.as_str(), "no-store", false);
}

/// What nothing else answers: 405 with `Allow` where the path is known, 404 elsewhere.
pub async fn nothing_here(request: actix_web::HttpRequest) -> Reply<NoContent> {
    let core = request.app_data::<web::Data<Core>>();
    Err(match core.and_then(|core| core.routes.allowed(request.path())) {
        Some(allow) => Problem::new(Code::MethodNotAllowed).allow(allow),
        None => Problem::new(Code::NotFound),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_trace_that_is_one_is_taken_over() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let taken = |header: String| {
            let request = TestRequest::default().insert_header(("traceparent", header));
            trace_id(&request.to_srv_request())
        };
        assert_eq!(
            taken(format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(),
            Some(trace)
        );
        for broken in [
            String::new(),
            trace.to_owned(),
            format!("00-{trace}-00f067aa0ba902b7"),
            format!("00-{trace}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", &trace[1..]),
            format!("00-{}x-00f067aa0ba902b7-01", &trace[1..]),
        ] {
            assert_eq!(taken(broken.clone()), None, "{broken}");
        }
        assert_eq!(trace_id(&TestRequest::default().to_srv_request()), None);
    }
}
