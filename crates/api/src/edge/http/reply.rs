//! Answers: concrete types that are rendered once, so that what is stored for a repetition is what was sent.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::Serialize;
use tandem_domain::id::LeadId;

use super::json::Json;
use super::problem::{Code, Problem, StoredAnswer};

/// What a handler answers: the documented answer, or a problem.
pub type Reply<T> = Result<T, Problem>;

/// An answer before it is sent: stored for a repetition as it is.
pub trait Answer {
    /// Status, headers and body.
    fn render(&self) -> StoredAnswer;

    /// What is stored of it for a repetition: the same, but secrets as `null`.
    fn keep(&self) -> StoredAnswer {
        self.render()
    }

    /// The leads that the body shows: an erasure empties the stored answer.
    fn lead_ids(&self) -> Vec<LeadId> {
        vec![]
    }
}

/// 201 with `Location`, and with an `ETag` where the resource has one.
#[derive(Debug)]
pub struct Created<T> {
    location: String,
    etag: Option<String>,
    secrets: &'static [&'static str],
    lead_ids: Vec<LeadId>,
    body: T,
}

impl<T> Created<T> {
    /// A made resource and its address.
    pub fn at(location: String, body: T) -> Self {
        Self {
            location,
            etag: None,
            secrets: &[],
            lead_ids: vec![],
            body,
        }
    }

    /// With the resource's entity tag.
    pub fn tagged(self, etag: String) -> Self {
        Self {
            etag: Some(etag),
            ..self
        }
    }

    /// These top-level members are shown once: a repetition gets `null`.
    pub fn shown_once(self, secrets: &'static [&'static str]) -> Self {
        Self { secrets, ..self }
    }

    /// The body shows these leads.
    pub fn about(self, lead_ids: Vec<LeadId>) -> Self {
        Self { lead_ids, ..self }
    }
}

/// 202 with `Location`: it will be done, and the resource there says how far it is.
#[derive(Debug)]
pub struct Accepted<T> {
    location: String,
    body: T,
}

impl<T> Accepted<T> {
    /// Accepted background work, and the address of its status.
    pub fn at(location: String, body: T) -> Self {
        Self { location, body }
    }
}

/// 200 with an `ETag`; 304 where the caller has that very state.
#[derive(Debug)]
pub struct Tagged<T> {
    etag: String,
    lead_ids: Vec<LeadId>,
    body: T,
}

impl<T> Tagged<T> {
    /// A resource with its entity tag.
    pub fn new(etag: String, body: T) -> Self {
        Self {
            etag,
            lead_ids: vec![],
            body,
        }
    }

    /// The body shows these leads.
    pub fn about(self, lead_ids: Vec<LeadId>) -> Self {
        Self { lead_ids, ..self }
    }
}

/// 201 where the resource was made, 200 where it was changed, 202 where it waits for something.
#[derive(Debug)]
pub enum Upserted<T> {
    /// It was made.
    Made(Created<T>),
    /// It was there.
    Changed(Tagged<T>),
    /// It is stored, and waits.
    Waiting(Accepted<T>),
}

/// 207: one item for each item of the request.
#[derive(Debug)]
pub struct Multi<T> {
    lead_ids: Vec<LeadId>,
    body: T,
}

impl<T> Multi<T> {
    /// The items, and the leads that they show.
    pub fn new(body: T, lead_ids: Vec<LeadId>) -> Self {
        Self { lead_ids, body }
    }
}

/// An answer that was rendered already: whatever it is.
#[derive(Debug)]
pub struct Rendered(pub StoredAnswer);

/// The answer `204`, without a body.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

fn json(status: StatusCode, headers: Vec<(String, String)>, body: &impl Serialize) -> StoredAnswer {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let kind = (header::CONTENT_TYPE.to_string(), "application/json".to_owned());
    StoredAnswer {
        status: status.as_u16(),
        headers: std::iter::once(kind).chain(headers).collect(),
        body,
    }
}

impl<T: Serialize> Answer for Json<T> {
    fn render(&self) -> StoredAnswer {
        json(StatusCode::OK, vec![], &self.0)
    }
}

impl<T: Serialize> Answer for Created<T> {
    fn render(&self) -> StoredAnswer {
        let location = (LOCATION.to_string(), self.location.clone());
        let etag = self.etag.iter().map(|etag| (ETAG.to_string(), etag.clone()));
        json(
            StatusCode::CREATED,
            std::iter::once(location).chain(etag).collect(),
            &self.body,
        )
    }

    fn keep(&self) -> StoredAnswer {
        let mut kept = self.render();
        if self.secrets.is_empty() {
            return kept;
        }
        let mut body = serde_json::to_value(&self.body).unwrap_or_default();
        for secret in self.secrets {
            if let Some(member) = body.get_mut(*secret) {
                *member = serde_json::Value::Null;
            }
        }
        kept.body = serde_json::to_vec(&body).unwrap_or_default();
        kept
    }

    fn lead_ids(&self) -> Vec<LeadId> {
        self.lead_ids.clone()
    }
}

impl<T: Serialize> Answer for Accepted<T> {
    fn render(&self) -> StoredAnswer {
        let location = (LOCATION.to_string(), self.location.clone());
        json(StatusCode::ACCEPTED, vec![location], &self.body)
    }
}

impl<T: Serialize> Answer for Tagged<T> {
    fn render(&self) -> StoredAnswer {
        json(
            StatusCode::OK,
            vec![(ETAG.to_string(), self.etag.clone())],
            &self.body,
        )
    }

    fn lead_ids(&self) -> Vec<LeadId> {
        self.lead_ids.clone()
    }
}

impl<T: Serialize> Answer for Upserted<T> {
    fn render(&self) -> StoredAnswer {
        match self {
            Upserted::Made(created) => created.render(),
            Upserted::Changed(tagged) => tagged.render(),
            Upserted::Waiting(accepted) => accepted.render(),
        }
    }

    fn lead_ids(&self) -> Vec<LeadId> {
        match self {
            Upserted::Made(created) => created.lead_ids.clone(),
            Upserted::Changed(tagged) => tagged.lead_ids.clone(),
            Upserted::Waiting(_) => vec![],
        }
    }
}

impl<T: Serialize> Answer for Multi<T> {
    fn render(&self) -> StoredAnswer {
        json(StatusCode::MULTI_STATUS, vec![], &self.body)
    }

    fn lead_ids(&self) -> Vec<LeadId> {
        self.lead_ids.clone()
    }
}

impl Answer for NoContent {
    fn render(&self) -> StoredAnswer {
        StoredAnswer {
            status: StatusCode::NO_CONTENT.as_u16(),
            headers: vec![],
            body: vec![],
        }
    }
}

impl Answer for Rendered {
    fn render(&self) -> StoredAnswer {
        self.0.clone()
    }
}

impl Responder for Rendered {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        respond(self.0)
    }
}

/// The response that a rendered answer is.
pub fn respond(kept: StoredAnswer) -> HttpResponse {
    let Ok(status) = StatusCode::from_u16(kept.status) else {
        return Problem::new(Code::InternalError)
            .because("a rendered answer has an invalid status")
            .error_response();
    };
    let mut response = HttpResponse::build(status);
    for (name, value) in &kept.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            response.insert_header((name, value));
        }
    }
    response.body(kept.body)
}

macro_rules! responds {
    ($($kind:ident $(<$param:ident>)?),*) => {$(
        impl $(<$param: Serialize>)? Responder for $kind $(<$param>)? {
            type Body = BoxBody;

            fn respond_to(self, request: &HttpRequest) -> HttpResponse {
                conditional(self.render(), request)
            }
        }
    )*};
}
responds!(
    Created<T>,
    Accepted<T>,
    Tagged<T>,
    Upserted<T>,
    Multi<T>,
    NoContent
);

/// 304 where a GET names the state that it would get.
fn conditional(kept: StoredAnswer, request: &HttpRequest) -> HttpResponse {
    let etag = kept
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("etag"))
        .map(|(_, etag)| etag.clone());
    match etag {
        Some(etag) if has(request, &etag) => HttpResponse::NotModified().insert_header((ETAG, etag)).finish(),
        _ => respond(kept),
    }
}

/// Whether the caller only reads, and has that very state.
pub fn has(request: &HttpRequest, etag: &str) -> bool {
    let known = request.headers().get(IF_NONE_MATCH);
    let known = known.and_then(|value| value.to_str().ok());
    request.method().is_safe() && known.is_some_and(|known| names(known, etag))
}

fn names(header: &str, etag: &str) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == etag)
}

/// The entity tag of a resource: what commands did, and what time and rules did.
pub fn etag(version: i64, derived: i64) -> String {
    format!("\"{version}.{derived}\"")
}

/// An entity tag as it is written (RFC 9110, 8.8.3).
struct EntityTag<'a> {
    is_weak: bool,
    /// What stands between the quotes.
    opaque: &'a str,
}

/// The entity tags of a list, at least one; `None` where it is malformed.
fn entity_tags(mut text: &str) -> Option<Vec<EntityTag<'_>>> {
    let mut tags = vec![];
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if text.is_empty() {
            return Some(tags).filter(|tags| !tags.is_empty());
        }
        let (is_weak, quoted) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        text = rest.trim_start_matches([' ', '\t']);
        if !text.is_empty() && !text.starts_with(',') {
            return None;
        }
        tags.push(EntityTag { is_weak, opaque });
    }
}

/// The `If-Match` header of a request, as it was sent.
#[derive(Debug, Clone, Default)]
pub struct IfMatch(Option<HeaderValue>);

impl IfMatch {
    /// That of a request.
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.headers().get(header::IF_MATCH).cloned())
    }

    /// Checks that it names this version; the problem carries the current tag. Changes by time and rules refuse nobody's
    /// edit.
    pub fn check(&self, version: i64, derived: i64) -> Result<(), Problem> {
        let Some(value) = &self.0 else {
            return Ok(());
        };
        let malformed = || {
            Problem::new(Code::InvalidHeader).detail("If-Match must be an entity tag as it was given, or *")
        };
        let text = value.to_str().map_err(|_| malformed())?;
        if text.trim() == "*" {
            return Ok(());
        }
        // A weak tag never matches, and one that was never given names no state (RFC 9110, 13.1.1): both are `412`.
        let names_version = |tag: &EntityTag<'_>| {
            let is_whole = |text: &str| text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
            let parts = tag
                .opaque
                .split_once('.')
                .filter(|(_, derived)| is_whole(derived));
            !tag.is_weak && parts.is_some_and(|(number, _)| number == version.to_string())
        };
        let tags = entity_tags(text).ok_or_else(malformed)?;
        if tags.iter().any(names_version) {
            Ok(())
        } else {
            Err(Problem::new(Code::Stale).with("current", etag(version, derived)))
        }
    }
}
