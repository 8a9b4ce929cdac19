//! What browsers ask before they show a page of another origin the answer of a capture.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::known_forms::{self, KnownForms};
use super::{body, page};
use crate::edge::core::Core;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::Reply;
use crate::edge::room::Dressing;

/// The page that sends a form, as far as its answer has to fit it: which origin it has, and whether a person reads.
///
/// It is known before the request is worked on, so that also what ends early (a body too large, a limit) is dressed.
#[derive(Debug)]
struct Page {
    form_key: String,
    origin: Option<HeaderValue>,
    wants_page: bool,
    doors: Option<web::Data<KnownForms>>,
}

/// Dresses the answer to a request that sends a form.
pub fn dress(request: &HttpRequest) -> Option<Dressing> {
    let page = Page::of(request)?;
    Some(Box::new(move |core, response| {
        Box::pin(page.dress(core, response))
    }))
}

impl Page {
    /// The page that sends this request, if it sends a form.
    fn of(request: &HttpRequest) -> Option<Self> {
        let form_key = request.path().strip_prefix("/v1/capture/")?;
        let sends = request.method() != Method::OPTIONS;
        sends.then(|| Self {
            form_key: form_key.to_owned(),
            origin: request.headers().get(ORIGIN).cloned(),
            wants_page: body::wants_page(request.headers()),
            doors: request.app_data().cloned(),
        })
    }

    /// Name the page's origin on the answer, problems included, where the form allows it, and make a problem readable
    /// for a person. No other origin is ever named, and no credentials are allowed.
    async fn dress(self, core: &Core, response: &mut HttpResponse) {
        if self.wants_page {
            page::make_readable(response);
        }
        let allowed = match (&self.doors, self.origin) {
            (Some(doors), Some(origin)) => {
                let now = core.ambient.now();
                // Where a limit is used up or the database is away, it is not asked for the sake of a refusal.
                let door = match response.status() {
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                        doors.known(&self.form_key, now)
                    }
                    _ => doors.find(&core.db, &self.form_key, now).await.ok().flatten(),
                };
                Some(origin).filter(|origin| door.is_some_and(|door| door.admits(origin)))
            }
            _ => None,
        };
        name_origin(response.headers_mut(), allowed);
    }
}

/// Answer a browser's preflight (<https://fetch.spec.whatwg.org/#cors-preflight-fetch>).
pub async fn preflight(request: HttpRequest) -> Reply<HttpResponse> {
    let door = known_forms::of(&request)
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
