//! Bodies of every kind: what they say, and what becomes of those that say nothing.

use super::*;
use crate::edge::http::shape::Shapes;
use crate::edge::openapi;
use actix_web::http::header::{HeaderName, HeaderValue};
use serde_json::json;
use tandem_domain::instant::Timestamp;

fn read_as(media_type: &str, body: &[u8]) -> Result<Body, Problem> {
    static SHAPES: std::sync::LazyLock<Shapes> =
        std::sync::LazyLock::new(|| Shapes::compile(&openapi::document(crate::capture::configure)).unwrap());
    read(
        media_type,
        body,
        SHAPES.body("POST /v1/capture/{form_key}").unwrap(),
    )
}

fn said(media_type: &str, body: &[u8]) -> Posted {
    let body = read_as(media_type, body).unwrap();
    assert!(
        body.malformed.is_none() && body.posted.faults.is_empty(),
        "{body:?}"
    );
    body.posted
}

const FLAT: &str = "application/x-www-form-urlencoded";

#[test]
fn flat_names_are_fields_and_context() {
    let body = "email=a%40b.ch&box=1&box=2&_page_url=https%3A%2F%2Fx.example%2F&_referrer=&_consent_news=on&_consent_ads=0\
        &_rendered_at=2026-01-01T00%3A00%3A00Z&_test=1&_own=kept";
    let posted = said(FLAT, body.as_bytes());
    assert_eq!(
        json!(posted.fields),
        json!({"email": "a@b.ch", "box": ["1", "2"], "_own": "kept"})
    );
    assert_eq!(
        posted.consent,
        [("news".into(), "on".into()), ("ads".into(), "0".into())]
    );
    assert_eq!(posted.context.page_url.as_deref(), Some("https://x.example/"));
    assert_eq!(
        (posted.context.referrer, posted.is_test, posted.raw.as_str()),
        (None, true, body)
    );
    assert_eq!(
        posted.context.rendered_at.map(Timestamp::millis),
        Some(1_767_225_600_000)
    );
    let late = said(FLAT, b"_rendered_at=soon");
    assert_eq!(
        (late.remarks[0].pointer.as_str(), late.context.rendered_at),
        ("/_rendered_at", None)
    );
}

#[test]
fn parts_are_read_and_files_refused() {
    let part =
        |head: &str, text: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let kind = "multipart/form-data; boundary=x";
    let text = part("name=\"email\"", "a@b.ch") + &part("name=\"cv\"; filename=\"\"", "") + "--x--\r\n";
    assert_eq!(
        json!(said(kind, text.as_bytes()).fields),
        json!({"email": "a@b.ch"})
    );

    let file = part("name=\"cv\"; filename=\"a.pdf\"", "%PDF") + "--x--\r\n";
    let body = read_as(kind, file.as_bytes()).unwrap();
    assert_eq!(body.posted.faults[0].code, "file_not_allowed");
    assert!(body.malformed.is_none() && body.posted.raw == file);

    for (kind, body) in [
        (kind, "nonsense"),
        (kind, "--x\r\n"),
        ("multipart/form-data", "--x--"),
    ] {
        let body = read_as(kind, body.as_bytes()).unwrap();
        assert_eq!(body.malformed.unwrap().code(), Code::BadRequest, "{kind}");
        assert!(!body.posted.faults.is_empty());
    }
}

#[test]
fn what_is_no_text_is_kept_as_far_as_it_goes() {
    for body in [&b"{\"fields\": \"\xff\0\"}"[..], b"{", b"[1,"] {
        let body = read_as("application/json", body).unwrap();
        assert_eq!(body.malformed.unwrap().code(), Code::MalformedJson);
        assert!(!body.posted.raw.contains(['\0', '\u{fffd}']) && !body.posted.faults.is_empty());
    }
    let nul = read_as(FLAT, b"email=%00").unwrap();
    assert_eq!(nul.malformed.unwrap().code(), Code::ForbiddenCharacter);
    assert_eq!(
        read_as("application/json", b" \n").unwrap_err().code(),
        Code::MalformedJson
    );
}

#[test]
fn only_three_kinds_are_known() {
    for (kind, is_known) in [
        ("application/json", true),
        ("Application/JSON; Charset=\"UTF-8\"", true),
        ("application/json; charset=latin1", true),
        ("text/plain", false),
        ("", false),
    ] {
        assert_eq!(read_as(kind, b"{\"fields\": {}}").is_ok(), is_known, "{kind}");
    }
}

#[test]
fn a_person_reads_a_page_and_a_program_json() {
    let page = "text/html,application/xhtml+xml,*/*;q=0.8";
    for (kind, accept, mode, expected) in [
        (FLAT, page, "navigate", true),
        (FLAT, page, "", true),
        (FLAT, "*/*", "", true),
        (FLAT, "*/*", "navigate", true),
        (FLAT, "*/*", "cors", false),
        ("multipart/form-data; boundary=x", "*/*", "same-origin", false),
        (FLAT, page, "cors", true),
        (FLAT, "application/json", "navigate", false),
        ("application/json", "text/html", "", false),
    ] {
        let headers = [
            ("content-type", kind),
            ("accept", accept),
            ("sec-fetch-mode", mode),
        ];
        let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers = HeaderMap::from_iter(headers.map(header));
        assert_eq!(wants_page(&headers), expected, "{kind} {accept} {mode}");
    }
}
