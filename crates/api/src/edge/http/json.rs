//! JSON bodies: taken strictly, walked by the operation's published schema, then typed.

use super::problem::{Code, Location, Problem, Violation};
use super::shape::Shapes;
use super::strict;
use super::walls::SentBody;
use crate::edge::core::Core;
use crate::edge::room::{MAX_BODY, PathRule};
use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::ContentType;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder, ResponseError, web};
use futures::future::{FutureExt, LocalBoxFuture};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use super::patch::Patch;

/// A JSON body, in a request or an answer (200).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A JSON merge patch as a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergePatch<T>(pub T);

/// A body as it was sent, whatever it is; unpacked, where it came packed, within the limit of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub web::Bytes);

impl FromRequest for Raw {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let core = req.app_data::<web::Data<Core>>();
        let most = core.map_or(MAX_BODY, |core| {
            PathRule::find(core.rooms, req.path()).most_bytes()
        });
        let bytes = web::Bytes::from_request(req, payload);
        async move {
            let bytes = bytes.await.map_err(|error| unread(&error))?;
            // Its size was held against the limit as it was sent.
            if bytes.len() > most {
                return Err(Problem::new(Code::BodyTooLarge));
            }
            Ok(Self(bytes))
        }
        .boxed_local()
    }
}

/// JSON in UTF-8 as it was sent: the handler takes its items apart, so that a bad one refuses no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unparsed(pub web::Bytes);

impl FromRequest for Unparsed {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = media_type(req, |subtype| subtype != "merge-patch+json");
        let bytes = Raw::from_request(req, payload);
        async move {
            kind?;
            Ok(Self(bytes.await?.0))
        }
        .boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        take(req, payload, |subtype| subtype != "merge-patch+json")
            .map(|taken| taken.map(Json))
            .boxed_local()
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for MergePatch<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        take(req, payload, |subtype| {
            matches!(subtype, "merge-patch+json" | "json")
        })
        .map(|taken| taken.map(MergePatch))
        .boxed_local()
    }
}

impl<T: Serialize> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match serde_json::to_vec(&self.0) {
            Ok(body) => HttpResponse::Ok().content_type(ContentType::json()).body(body),
            Err(error) => Problem::new(Code::InternalError).because(error).error_response(),
        }
    }
}

/// The key of the operation that this request reached, as in [`Shapes`]; HEAD is answered as GET.
pub fn operation_key(req: &HttpRequest) -> String {
    let method = if req.method() == Method::HEAD {
        &Method::GET
    } else {
        req.method()
    };
    format!("{method} {}", req.match_pattern().unwrap_or_default())
}

/// The shapes of the running service.
pub fn shapes(req: &HttpRequest) -> Result<&Shapes, Problem> {
    let shapes = req.app_data::<web::Data<Shapes>>();
    shapes
        .map(|data| data.get_ref())
        .ok_or_else(|| bug("the shapes are not in the application's data"))
}

/// An internal error that only a mistake in the code can cause.
pub(super) fn bug(what: impl std::fmt::Display) -> Problem {
    Problem::new(Code::InternalError).because(what)
}

fn take<T: DeserializeOwned>(
    req: &HttpRequest,
    payload: &mut Payload,
    known: fn(&str) -> bool,
) -> impl Future<Output = Result<T, Problem>> + use<T> {
    let taken = media_type(req, known).map(|()| (req.clone(), web::Bytes::from_request(req, payload)));
    async move {
        let (req, bytes) = taken?;
        let bytes = bytes.await.map_err(|error| unread(&error))?;
        typed(&req, &bytes)
    }
}

/// JSON in UTF-8 of a subtype that is `known`, else 415.
fn media_type(req: &HttpRequest, known: fn(&str) -> bool) -> Result<(), Problem> {
    let refused = || Problem::new(Code::UnsupportedMediaType);
    let mime = req.mime_type().ok().flatten().ok_or_else(refused)?;
    let subtype = mime
        .essence_str()
        .strip_prefix("application/")
        .ok_or_else(refused)?;
    let json = subtype == "json" || subtype.ends_with("+json");
    let utf_8 = mime.get_param("charset").is_none_or(|charset| charset == "utf-8");
    if json && utf_8 && known(subtype) {
        Ok(())
    } else {
        Err(refused())
    }
}

fn unread(error: &actix_web::Error) -> Problem {
    match error.as_error::<PayloadError>() {
        _ if error.as_response_error().status_code() == 413 => Problem::new(Code::BodyTooLarge),
        Some(PayloadError::Overflow) => Problem::new(Code::BodyTooLarge),
        Some(PayloadError::EncodingCorrupted) => {
            Problem::new(Code::BadRequest).detail("The body's encoding is corrupt")
        }
        _ => Problem::new(Code::BadRequest).detail("The body ended before it was complete"),
    }
}

fn typed<T: DeserializeOwned>(req: &HttpRequest, bytes: &[u8]) -> Result<T, Problem> {
    let key = operation_key(req);
    let shape = shapes(req)?
        .body(&key)
        .ok_or_else(|| bug(format!("the document has no body for {key}")))?;
    let value = strict::parse(bytes)?;
    let violations = shape.check(&value);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let typed = T::deserialize(&value).map_err(|_| {
        tracing::error!(
            key,
            "a body that matches its schema cannot be deserialized: schema and type disagree"
        );
        Problem::invalid(vec![Violation::new(
            Location::body(),
            "invalid_format",
            "does not have the documented form",
        )])
    })?;
    req.extensions_mut().insert(SentBody(value));
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::openapi::sample::{call, codes, send};
    use actix_web::test::{TestRequest, read_body};
    use serde_json::json;

    fn post(path: &str) -> TestRequest {
        TestRequest::post().uri(path)
    }

    #[actix_web::test]
    async fn a_good_body_is_typed() {
        let contact = json!({"kind": "phone", "number": "1", "extension": 7.0});
        let body = json!({"email": "a@b.ch", "stage": "mql", "company": null, "contact": contact, "custom": {"a": "b"}});

        let (status, answer) = send(post("/v1/leads"), &body.to_string()).await;

        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["contact"],
            json!({"kind": "phone", "number": "1", "extension": 7})
        );
    }

    #[actix_web::test]
    async fn all_violations_come_at_once() {
        let body = json!({
            "emial": "x", "first_name": "", "score": 1, "seats": 0, "stage": "sql", "company": {"domain": "A"},
            "notes": [{"text": 1}, {}, {"text": "", "more": 1}, {"text": ""}], "contact": {"kind": "phone", "numbr": "1"}
        });

        let (status, answer) = send(post("/v1/leads"), &body.to_string()).await;

        assert_eq!(
            (status, &answer["detail"]),
            (422, &json!("13 fields are invalid"))
        );
        let expected = [
            "#/company/domain: invalid_format",
            "#/contact/number: required",
            "#/contact/numbr: unknown_field",
            "#/email: required",
            "#/emial: unknown_field",
            "#/first_name: too_short",
            "#/notes: too_many_items",
            "#/notes/0/text: invalid_type",
            "#/notes/1/text: required",
            "#/notes/2/more: unknown_field",
            "#/score: read_only_field",
            "#/seats: out_of_range",
            "#/stage: not_allowed",
        ];
        assert_eq!(codes(&answer), expected);
        assert_eq!(
            answer["errors"][4]["detail"],
            "unknown field; did you mean `email`?"
        );
        assert_eq!(
            answer["errors"][2]["detail"],
            "unknown field; did you mean `number`?"
        );
    }

    #[actix_web::test]
    async fn an_array_has_its_places_by_index() {
        let (status, answer) = send(
            post("/v1/leads/batch"),
            r#"[{"email": "a@b.ch"}, {"email": "a"}, 5]"#,
        )
        .await;

        assert_eq!(status, 422);
        assert_eq!(codes(&answer), ["#/1/email: invalid_format", "#/2: invalid_type"]);
    }

    #[actix_web::test]
    async fn where_schema_and_type_disagree_the_body_as_a_whole_is_refused() {
        let (status, answer) = send(post("/v1/leads"), r#"{"email": "a@b.ch", "level": 256}"#).await;

        assert_eq!(
            (status, codes(&answer)),
            (422, vec!["#: invalid_format".to_owned()])
        );
    }

    #[actix_web::test]
    async fn a_merge_patch_tells_null_from_absent() {
        for (body, expected) in [
            ("{}", "Absent"),
            (r#"{"first_name": null}"#, "Null"),
            (r#"{"first_name": "A"}"#, "Set(\"A\")"),
        ] {
            let (status, answer) = send(TestRequest::patch().uri("/v1/leads/1"), body).await;
            assert_eq!((status, answer), (200, json!(expected)));
        }
        let typed = TestRequest::patch()
            .uri("/v1/leads/1")
            .insert_header(("content-type", "application/merge-patch+json"));
        assert_eq!(call(typed.set_payload("{}")).await.status(), 200);
    }

    #[actix_web::test]
    async fn only_json_in_utf_8_is_taken() {
        let types = [
            ("application/json; charset=UTF-8", 200),
            ("application/vnd.acme+json", 200),
            ("application/json; charset=latin1", 415),
            ("application/merge-patch+json", 415),
            ("text/json", 415),
            ("nonsense", 415),
            ("", 415),
        ];
        for (media, expected) in types {
            let request = post("/v1/leads")
                .insert_header(("content-type", media))
                .set_payload(r#"{"email": "a@b.ch"}"#);
            assert_eq!(call(request).await.status(), expected, "{media}");
        }
        assert_eq!(call(post("/v1/leads").set_payload("{}")).await.status(), 415);
    }

    #[actix_web::test]
    async fn what_is_not_strict_json_is_a_400() {
        for (body, code) in [
            ("", "malformed_json"),
            (r#"{"email": "a", "email": "b"}"#, "duplicate_key"),
        ] {
            let (status, answer) = send(post("/v1/leads"), body).await;
            assert_eq!((status, &answer["code"]), (400, &json!(code)));
        }
    }

    #[actix_web::test]
    async fn a_body_beyond_the_limit_is_a_413() {
        let request = post("/v1/leads")
            .insert_header(ContentType::json())
            .set_payload(vec![b' '; 300 * 1024]);

        let response = call(request).await;

        assert_eq!(response.status(), 413);
        assert!(String::from_utf8_lossy(&read_body(response).await).contains("body_too_large"));
    }
}
