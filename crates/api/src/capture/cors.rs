//! What browsers ask before they show a page of another origin the answer of a capture.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse};

use super::door;
use crate::http::problem::{Code, Problem};
use crate::http::reply::Reply;

/// Name the page's origin on the answer, problems included, where the form allows it. Nothing else is ever named,
/// and no credentials are allowed.
pub async fn reflect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut allowed = request.headers().get(ORIGIN).cloned();
    if let Some(origin) = &allowed {
        // Where the database is away, nobody is named.
        let door = door::of(request.request()).await.ok().flatten();
        allowed = allowed
            .clone()
            .filter(|_| door.is_some_and(|door| door.admits(origin)));
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    name_origin(response.headers_mut(), allowed);
    Ok(response)
}

/// Answer a browser's preflight (<https://fetch.spec.whatwg.org/#cors-preflight-fetch>).
pub async fn preflight(request: HttpRequest) -> Reply<HttpResponse> {
    let door = door::of(&request)
        .await?
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut response = HttpResponse::NoContent();
    response.insert_header((ALLOW, "OPTIONS, POST"));
    let Some(origin) = request.headers().get(ORIGIN) else {
        return Ok(response.finish());
    };
    if !door.admits(origin) {
        return Err(Problem::new(Code::OriginNotAllowed));
    }
    let mut response = response
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "POST"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "content-type, idempotency-key"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish();
    name_origin(response.headers_mut(), Some(origin.clone()));
    Ok(response)
}

fn name_origin(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("Idempotent-Replayed, Retry-After, X-Request-Id");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
