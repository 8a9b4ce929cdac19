//! Bodies of captures: JSON and the two kinds that browsers send by themselves, read leniently in what they may hold.

mod flat;

use std::collections::BTreeSet;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use tandem_domain::capture::Posted;
use tandem_domain::fault::Fault;

use super::charset::{self, Charset};
use super::redact;
use super::submit::Understood;
use crate::edge::http::problem::{Code, Location, MOST_VIOLATIONS, Problem, Violation};
use crate::edge::http::shape::Shape;
use crate::edge::http::strict;

/// The kinds of body that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Urlencoded,
    Multipart,
    /// A form of lines, as `enctype="text/plain"` sends it.
    Lines,
}

/// A body as it was read. One that cannot be read is there with its faults, to be stored.
#[derive(Debug)]
pub struct Body {
    /// What was sent.
    pub posted: Posted,
    /// What is answered where its very form is wrong.
    pub malformed: Option<Problem>,
}

impl Kind {
    /// The kind of a body, with the charset that its media type names. What says to be of no kind that is read, or nothing
    /// at all, is looked at: `navigator.sendBeacon` sends JSON and forms as `text/plain`.
    fn of(media_type: &str, body: &[u8]) -> Option<(Self, Option<Charset>)> {
        Self::named(media_type).or_else(|| {
            let parameters = media_type
                .split_once(';')
                .map_or("", |(_, parameters)| parameters);
            Some((Self::looks_like(media_type, body)?, charset_of(parameters)))
        })
    }

    fn looks_like(media_type: &str, body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        let is_plain = media_type.trim().is_empty() || media_type.trim_start().starts_with("text/plain");
        match body.first()? {
            b'{' => Some(Self::Json),
            b'<' | b'[' => None,
            b'-' if body.starts_with(b"--") && body.ends_with(b"--") => Some(Self::Multipart),
            _ if !body.contains(&b'=') => None,
            _ if is_plain && body.contains(&b'\n') => Some(Self::Lines),
            _ => Some(Self::Urlencoded),
        }
    }

    /// The kind that a media type names.
    fn named(media_type: &str) -> Option<(Self, Option<Charset>)> {
        let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
        let kind = match essence.trim().to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Urlencoded,
            "multipart/form-data" => Self::Multipart,
            _ => return None,
        };
        Some((kind, charset_of(parameters)))
    }
}

/// The charset that the parameters of a media type name.
fn charset_of(parameters: &str) -> Option<Charset> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| Charset::labelled(value)).flatten()
    })
}

/// The media type that a request says its body has.
pub fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Whether a browser's own form asks, so that a person reads the answer: a page. Clients that accept JSON alone and scripts
/// of a page get JSON.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let kind = Kind::named(media_type(headers)).map(|(kind, _)| kind);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let accept = text("accept").unwrap_or_default();
    // Fetch Metadata: whether the browser navigates or a script asks.
    let is_script = matches!(text("sec-fetch-mode"), Some("cors" | "no-cors" | "same-origin"));
    match kind {
        Some(Kind::Json) => false,
        Some(_) => accept.contains("text/html") || !accept.contains("json") && !is_script,
        None => accept.contains("text/html"),
    }
}

/// Read a body by its media type, else by what it looks like. What holds no text that could be stored is refused; what is of
/// no kind that is read has this as its fault.
pub fn read(media_type: &str, body: &[u8], shape: &Shape) -> Result<Body, Problem> {
    let (kind, charset) = match Kind::of(media_type, body) {
        Some((kind, charset)) => (Some(kind), charset),
        None => (None, None),
    };
    read_in(kind, charset, media_type, body, shape)
}

/// Read a stored body again: as text, whatever its charset was. What a form escaped stays in the charset that it declares.
pub fn read_stored(media_type: &str, raw: &str, shape: &Shape) -> Result<Body, Problem> {
    let unknown = || Problem::new(Code::UnsupportedMediaType);
    let (kind, charset) = Kind::of(media_type, raw.as_bytes()).ok_or_else(unknown)?;
    let charset = match kind {
        Kind::Urlencoded => charset,
        Kind::Json | Kind::Multipart | Kind::Lines => Some(Charset::UTF_8),
    };
    read_in(Some(kind), charset, media_type, raw.as_bytes(), shape)
}

fn read_in(
    kind: Option<Kind>,
    charset: Option<Charset>,
    media_type: &str,
    body: &[u8],
    shape: &Shape,
) -> Result<Body, Problem> {
    if body.trim_ascii().is_empty() {
        match kind {
            None => return Err(Problem::new(Code::UnsupportedMediaType)),
            Some(Kind::Json) => return Err(Problem::new(Code::MalformedJson)),
            Some(Kind::Urlencoded | Kind::Multipart | Kind::Lines) => {}
        }
    }
    let (mut raw, result) = match kind {
        Some(Kind::Json) => json(charset, body, shape),
        Some(Kind::Urlencoded) => flat::urlencoded(charset, body),
        Some(Kind::Multipart) => flat::multipart(charset, media_type, body),
        Some(Kind::Lines) => flat::lines(charset, body),
        None => {
            let text = Charset::UTF_8.decode(body);
            let raw = text.unwrap_or_else(|| charset::as_windows_1252(body));
            (raw, Err(Problem::new(Code::UnsupportedMediaType).into()))
        }
    };
    let (posted, malformed) = match result {
        Ok(posted) => (posted, None),
        Err(Unread { faults, problem }) => {
            if problem.is_some() {
                raw = redact::words(&raw);
            }
            let posted = Posted {
                faults,
                ..Posted::default()
            };
            (posted, problem)
        }
    };
    Ok(Body {
        posted: Posted {
            // No database stores NUL; the faults name it.
            raw: raw.replace('\0', "\u{2400}"),
            media_type: media_type.chars().take(200).collect(),
            ..posted
        },
        malformed,
    })
}

/// Why a body was not read: its faults, and the problem where it is none of what it says it is.
struct Unread {
    faults: Vec<Fault>,
    problem: Option<Problem>,
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        let mut faults = faults(problem.violations());
        if faults.is_empty() {
            faults.push(Fault::new("", problem.code().name(), problem.code().detail()));
        }
        Self {
            faults,
            problem: Some(problem),
        }
    }
}

impl From<Vec<Fault>> for Unread {
    fn from(faults: Vec<Fault>) -> Self {
        Self {
            faults,
            problem: None,
        }
    }
}

/// A JSON body, as it is stored and as it is read. What does not fit beside the answers is left out.
fn json(charset: Option<Charset>, body: &[u8], shape: &Shape) -> (String, Result<Posted, Unread>) {
    let Some(text) = charset.unwrap_or(Charset::UTF_8).decode(body) else {
        return (
            charset::as_windows_1252(body),
            Err(Problem::new(Code::MalformedJson).into()),
        );
    };
    let text = text.trim_start_matches('\u{feff}').to_owned();
    let clean = without_nul(&text);
    let mut value = match strict::parse(clean.as_bytes()) {
        Ok(value) => value,
        Err(problem) => return (text, Err(problem.into())),
    };
    let had_nul = clean.len() < text.len();
    let raw = match redact::json(&mut value) {
        true => value.to_string(),
        false => text,
    };
    let read = understood(value, shape).map(|mut posted| {
        posted.remarks.extend(had_nul.then(|| nul_removed("")));
        posted
    });
    (raw, read)
}

/// JSON without the escape of NUL, which no database stores.
fn without_nul(text: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        rest = &rest[at..];
        let escape = match rest.strip_prefix("\\u0000") {
            Some(behind) => {
                rest = behind;
                continue;
            }
            None => rest.chars().take(2).map(char::len_utf8).sum(),
        };
        clean.push_str(&rest[..escape]);
        rest = &rest[escape..];
    }
    clean + rest
}

/// The remark on a NUL that was removed from a value.
fn nul_removed(pointer: &str) -> Fault {
    Fault::new(pointer, "forbidden_character", "contains NUL, which is removed")
}

fn understood(mut value: Value, shape: &Shape) -> Result<Posted, Unread> {
    let mut remarks = vec![];
    let mut violations = shape.check(&value);
    if !violations.is_empty() {
        remarks = set_aside(&mut value, &violations);
        violations = shape.check(&value);
    }
    if !violations.is_empty() {
        return Err(faults(&violations).into());
    }
    let unfit = |_| {
        vec![Fault::new(
            "",
            "invalid_format",
            "does not have the documented form",
        )]
    };
    let posted = Posted::from(Understood::deserialize(&value).map_err(unfit)?);
    Ok(Posted { remarks, ..posted })
}

/// The members of a body that may be left out without its answers being any the worse.
const BESIDE: [&str; 5] = ["visitor_id", "context", "submitted_at", "sent_at", "consent"];

/// Leave out what is invalid apart from the answers to the form's fields: a member of the context, a statement of consent, an
/// instant. Returns a remark for each.
fn set_aside(body: &mut Value, violations: &[Violation]) -> Vec<Fault> {
    let mut remarks = vec![];
    let mut statements = BTreeSet::new();
    for fault in faults(violations) {
        let place = fault.pointer.trim_start_matches('/').to_owned();
        let mut steps = place.split('/');
        let (Some(member), step) = (steps.next(), steps.next()) else {
            continue;
        };
        if !BESIDE.contains(&member) {
            continue;
        }
        remarks.push(fault);
        match (member, step) {
            ("consent", Some(step)) => statements.extend(step.parse::<usize>()),
            ("context", Some(step)) => {
                if let Some(context) = body[member].as_object_mut() {
                    context.remove(step);
                }
            }
            _ => {
                if let Some(body) = body.as_object_mut() {
                    body.remove(member);
                }
            }
        }
    }
    if let Some(consent) = body.get_mut("consent").and_then(Value::as_array_mut) {
        let mut index = 0;
        consent.retain(|_| {
            index += 1;
            !statements.contains(&(index - 1))
        });
    }
    remarks
}

/// What the walk over a body found, as it is stored with the submission.
fn faults(violations: &[Violation]) -> Vec<Fault> {
    let fault = |violation: &Violation| {
        let pointer = match &violation.place {
            Location::Pointer(pointer) => {
                percent_decode_str(pointer.trim_start_matches('#')).decode_utf8_lossy()
            }
            Location::Header(_) | Location::Parameter(_) => "".into(),
        };
        Fault::new(pointer, violation.code, &violation.detail)
    };
    violations.iter().take(MOST_VIOLATIONS).map(fault).collect()
}

#[cfg(test)]
mod tests;
