//! CORS for the company's own front ends: only the origins that the operator lists, never credentials.
//!
//! Some paths have rules of their own, such as those of forms, whose origins stand in the form.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpRequest, HttpResponse};

use crate::edge::core::Core;
use crate::edge::room::PathRule;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, if-none-match, prefer, \
     traceparent, x-request-id";
const RESPONSE_HEADERS: &str = "etag, idempotent-replayed, link, location, ratelimit, ratelimit-policy, retry-after, \
     x-request-id";

/// The request's origin, if the operator lists it and the path has no rules of its own.
pub fn allowed_origin(core: &Core, request: &HttpRequest) -> Option<HeaderValue> {
    let origin = request.headers().get(ORIGIN)?;
    let text = origin.to_str().ok()?;
    let is_listed = core
        .settings
        .front_end_origins
        .iter()
        .any(|listed| listed == text);
    (is_listed && !PathRule::find(core.rooms, request.path()).has_own_cors).then(|| origin.clone())
}

/// The answer to a preflight, if the request is one.
pub fn preflight(request: &HttpRequest, origin: &HeaderValue) -> Option<HttpResponse> {
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let mut response = HttpResponse::NoContent();
        response.insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS));
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS));
        response.insert_header((ACCESS_CONTROL_MAX_AGE, "600"));
        response.insert_header((VARY, "Origin"));
        response.finish()
    })
}

/// Let the front end read an answer.
pub fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(RESPONSE_HEADERS),
    );
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
