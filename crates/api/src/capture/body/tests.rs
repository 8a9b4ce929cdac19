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
    assert_eq!(
        read_as("application/json", b" \n").unwrap_err().code(),
        Code::MalformedJson
    );
}

#[test]
fn a_body_of_no_kind_that_is_read_is_read_by_what_it_looks_like() {
    let json = r#" {"fields": {"email": "a@b.ch", "name": "Zo\u00eb"}}"#;
    let parts = "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@b.ch\r\n\
        --x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nZoë\r\n--x--\r\n";
    for (kind, body) in [
        ("application/json", json),
        ("Application/JSON; Charset=\"UTF-8\"", json),
        ("text/plain", json),
        ("text/plain;charset=UTF-8", json),
        ("", json),
        ("application/csp-report", json),
        (
            "text/plain",
            "\u{feff}{\"fields\": {\"email\": \"a@b.ch\", \"name\": \"Zoë\"}}",
        ),
        ("", "email=a%40b.ch&name=Zo%C3%AB"),
        ("text/plain", "email=a%40b.ch&name=Zo%C3%AB"),
        ("application/octet-stream", "email=a%40b.ch&name=Zo%C3%AB"),
        ("text/plain", "email=a@b.ch\r\nname=Zoë\r\n"),
        ("multipart/form-data", parts),
        ("", parts),
        (FLAT, "\u{feff}email=a%40b.ch&name=%EF%BB%BFZo%C3%AB"),
    ] {
        let said = said(kind, body.as_bytes());
        assert_eq!(
            json!(said.fields),
            json!({"email": "a@b.ch", "name": "Zoë"}),
            "{kind} {body}"
        );
    }
    for (kind, body) in [
        ("text/xml", "<lead email='a@b.ch'/>"),
        ("", "hello"),
        ("image/png", "\u{89}PNG"),
    ] {
        let read = read_as(kind, body.as_bytes()).unwrap();
        assert_eq!(
            read.malformed.unwrap().code(),
            Code::UnsupportedMediaType,
            "{kind}"
        );
        assert_eq!(
            (read.posted.raw.as_str(), read.posted.media_type.as_str()),
            (body, kind)
        );
        assert_eq!(read.posted.faults[0].code, "unsupported_media_type");
    }
    assert_eq!(read_as("", b"").unwrap_err().code(), Code::UnsupportedMediaType);
}

#[test]
fn nul_is_removed_with_a_remark() {
    let flat = said(FLAT, b"fn=A%00da&x%00y=1");
    assert_eq!(json!(flat.fields), json!({"fn": "Ada", "xy": "1"}));
    let places: Vec<&str> = flat
        .remarks
        .iter()
        .map(|remark| remark.pointer.as_str())
        .collect();
    assert_eq!(places, ["/fields/fn", "/fields/xy"]);

    let json = said(
        "application/json",
        br#"{"fields": {"a": "x\u0000y", "b": "\\u0000 \" \u00e9", "c": "\u0000"}}"#,
    );
    assert_eq!(
        json!(json.fields),
        json!({"a": "xy", "b": "\\u0000 \" é", "c": ""})
    );
    assert_eq!(
        (json.remarks.len(), json.remarks[0].code),
        (1, "forbidden_character")
    );
    let none = said("application/json", br#"{"fields": {"b": "\\u0000"}}"#);
    assert!(none.remarks.is_empty());
}

#[test]
fn the_charset_that_fits_counts_where_header_and_form_differ() {
    for (charset, body, name) in [
        ("utf-8", &b"_charset_=windows-1252&name=Zo%EB"[..], "Zoë"),
        ("utf-8", b"_charset_=windows-1252&name=Zo%C3%AB", "Zoë"),
        ("latin1", b"_charset_=utf-8&name=Zo%EB", "Zoë"),
    ] {
        let said = said(&format!("{FLAT}; charset={charset}"), body);
        assert_eq!(
            (said.fields["name"].as_str(), said.remarks.len()),
            (Some(name), 0),
            "{charset}"
        );
    }
}

#[test]
fn a_no_in_another_language_makes_no_test() {
    for (value, is_test) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("ja", true),
        ("x", true),
        ("0", false),
        ("", false),
        ("no", false),
        ("nein", false),
        ("Non", false),
        ("нет", false),
    ] {
        let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let body = format!("_test={value}");
        assert_eq!(said(FLAT, body.as_bytes()).is_test, is_test, "{value}");
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
