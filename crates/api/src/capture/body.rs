//! Bodies of captures: JSON and the two kinds that browsers send by themselves, read leniently in what they may hold.

use std::collections::BTreeSet;
use std::convert::Infallible;

use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::Bytes;
use futures::{FutureExt, stream};
use multer::Multipart;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};
use tandem_domain::capture::{Posted, ticked};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;

use super::charset::{self, Charset};
use super::redact;
use super::submit::Understood;
use crate::edge::http::problem::{Code, MOST_VIOLATIONS, Place, Problem, Violation};
use crate::edge::http::shape::Shape;
use crate::edge::http::strict;

/// The most bytes of an address of the context, as JSON may have them.
const MOST_OF_ADDRESS: usize = 8192;
/// The most characters of a name that a remark shows: a form's own have no more.
const MOST_OF_NAME: usize = 100;
/// The most parts of a form that are looked at, one more than a form may have.
const MOST_PARTS: usize = 201;

/// The kinds of body that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Urlencoded,
    Multipart,
}

/// A body as it was read. One that cannot be read is there with its faults, to be kept.
#[derive(Debug)]
pub struct Body {
    /// What it says.
    pub posted: Posted,
    /// What is answered where its very form is wrong.
    pub malformed: Option<Problem>,
}

impl Kind {
    /// The kind of a media type, with the charset that it names.
    fn of(media_type: &str) -> Option<(Self, Option<Charset>)> {
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

/// Whether a browser's own form asks, so that a person reads the answer: a page. Who wants JSON says so, and the script of a
/// page gets it.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let is_form = matches!(
        Kind::of(media_type(headers)),
        Some((Kind::Urlencoded | Kind::Multipart, _))
    );
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let accept = text("accept").unwrap_or_default();
    // Browsers say whether they navigate or a script asks (Fetch Metadata).
    let is_script = matches!(text("sec-fetch-mode"), Some("cors" | "no-cors" | "same-origin"));
    is_form && (accept.contains("text/html") || !accept.contains("json") && !is_script)
}

/// Read a body by its media type. What holds no text that could be kept is refused.
pub fn read(media_type: &str, body: &[u8], shape: &Shape) -> Result<Body, Problem> {
    let (kind, charset) = Kind::of(media_type).ok_or_else(|| Problem::new(Code::UnsupportedMediaType))?;
    read_in(kind, charset, media_type, body, shape)
}

/// Read a body again as it was kept: as text, whatever its charset was. What a form escaped stays in the charset that it
/// declares.
pub fn read_kept(media_type: &str, raw: &str, shape: &Shape) -> Result<Body, Problem> {
    let (kind, charset) = Kind::of(media_type).ok_or_else(|| Problem::new(Code::UnsupportedMediaType))?;
    let charset = match kind {
        Kind::Urlencoded => charset,
        Kind::Json | Kind::Multipart => Some(Charset::UTF_8),
    };
    read_in(kind, charset, media_type, raw.as_bytes(), shape)
}

fn read_in(
    kind: Kind,
    charset: Option<Charset>,
    media_type: &str,
    body: &[u8],
    shape: &Shape,
) -> Result<Body, Problem> {
    if body.trim_ascii().is_empty() && kind == Kind::Json {
        return Err(Problem::new(Code::MalformedJson));
    }
    let (mut raw, said) = match kind {
        Kind::Json => json(charset, body, shape),
        Kind::Urlencoded => {
            let (raw, pairs) = urlencoded(charset, body);
            (raw, flat(pairs))
        }
        Kind::Multipart => {
            let (raw, pairs) = multipart(charset, media_type, body);
            (raw, pairs.and_then(flat))
        }
    };
    let (posted, malformed) = match said {
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
            // No database keeps NUL; its faults say that it was there.
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

/// A JSON body, as it is kept and as it is read. What does not fit beside the answers is left out.
fn json(charset: Option<Charset>, body: &[u8], shape: &Shape) -> (String, Result<Posted, Unread>) {
    let Some(text) = charset.unwrap_or(Charset::UTF_8).decode(body) else {
        return (charset::kept(body), Err(Problem::new(Code::MalformedJson).into()));
    };
    let text = text.trim_start_matches('\u{feff}').to_owned();
    let mut value = match strict::parse(text.as_bytes()) {
        Ok(value) => value,
        Err(problem) => return (text, Err(problem.into())),
    };
    let raw = match redact::json(&mut value) {
        true => value.to_string(),
        false => text,
    };
    (raw, understood(value, shape))
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

/// Leave out what is unfit beside the answers: a member of the context, a statement of consent, an instant. What it cost
/// is said.
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

/// What the walk over a body found, as it is kept with the submission.
fn faults(violations: &[Violation]) -> Vec<Fault> {
    let fault = |violation: &Violation| {
        let pointer = match &violation.place {
            Place::Pointer(pointer) => {
                percent_decode_str(pointer.trim_start_matches('#')).decode_utf8_lossy()
            }
            Place::Header(_) | Place::Parameter(_) => "".into(),
        };
        Fault::new(pointer, violation.code, &violation.detail)
    };
    violations.iter().take(MOST_VIOLATIONS).map(fault).collect()
}

/// A name and a value of a form, as far as they are text.
struct Pair {
    name: String,
    value: String,
    /// Whether the bytes of either are no text: they are escaped then.
    is_unreadable: bool,
}

impl Pair {
    fn of(charset: Charset, name: &[u8], value: &[u8]) -> Self {
        let (read_name, read_value) = (charset.decode(name), charset.decode(value));
        Self {
            is_unreadable: read_name.is_none() || read_value.is_none(),
            name: read_name.unwrap_or_else(|| charset::escaped(name)),
            value: read_value.unwrap_or_else(|| charset::escaped(value)),
        }
    }
}

/// The charset in which a form says that it was sent, by its field `_charset_`, which browsers fill.
fn own_charset<'a>(mut pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Charset> {
    let (_, label) = pairs.find(|(name, _)| *name == b"_charset_")?;
    Charset::labelled(&String::from_utf8_lossy(label))
}

fn urlencoded(charset: Option<Charset>, body: &[u8]) -> (String, Vec<Pair>) {
    let pair = |pair: &[u8]| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let value = pair.get(at + 1..).unwrap_or_default();
        (charset::unescaped(&pair[..at]), charset::unescaped(value))
    };
    let parts: Vec<&[u8]> = body
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .collect();
    let bytes: Vec<(Vec<u8>, Vec<u8>)> = parts.iter().map(|part| pair(part)).collect();
    let borrowed = bytes
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()));
    let charset = charset
        .or_else(|| own_charset(borrowed.clone()))
        .unwrap_or(Charset::UTF_8);
    let mut pairs: Vec<Pair> = borrowed
        .map(|(name, value)| Pair::of(charset, name, value))
        .collect();
    // What is not escaped and no UTF-8 is escaped, which says the same.
    let mut raw = String::from_utf8(body.to_vec()).unwrap_or_else(|_| escaped_form(body));
    let before: Vec<String> = pairs.iter().map(|pair| pair.value.clone()).collect();
    if !redacted(&mut pairs).is_empty() {
        let kept = parts.iter().zip(&pairs).zip(&before);
        let kept = kept.map(|((part, pair), before)| match pair.value == *before {
            true => escaped_form(part),
            false => format!("{}={}", charset.form(&pair.name), charset.form(&pair.value)),
        });
        raw = kept.collect::<Vec<_>>().join("&");
    }
    pairs.truncate(MOST_PARTS);
    (raw, pairs)
}

/// A form whose bytes beyond ASCII are escaped; its own escapes stay.
fn escaped_form(body: &[u8]) -> String {
    let parts = body.split(|b| *b == b'%').map(charset::escaped);
    parts.collect::<Vec<_>>().join("%")
}

/// Redact the values of a form; each that changed, before and after.
fn redacted(pairs: &mut [Pair]) -> Vec<(String, String)> {
    let mut texts: Vec<(String, String)> = pairs
        .iter()
        .map(|pair| (pair.name.clone(), pair.value.clone()))
        .collect();
    let changed = redact::pairs(&mut texts);
    for (pair, (_, value)) in pairs.iter_mut().zip(texts) {
        pair.value = value;
    }
    changed
}

/// The parts of a form that are text. A file is refused by name.
fn multipart(charset: Option<Charset>, media_type: &str, body: &[u8]) -> (String, Result<Vec<Pair>, Unread>) {
    let mut files = vec![];
    let parts = parts(media_type, body, &mut files);
    let own = |parts: &[Part]| {
        let pairs = parts.iter();
        own_charset(pairs.map(|part| (part.name.as_bytes(), part.content.as_ref())))
    };
    let charset = charset.or_else(|| own(parts.as_ref().ok()?));
    let charset = charset.unwrap_or(Charset::UTF_8);
    let mut raw = charset.decode(body).unwrap_or_else(|| charset::kept(body));
    let read = parts.and_then(|parts| {
        let pair = |part: &Part| {
            let charset = part.charset.unwrap_or(charset);
            Pair::of(charset, part.name.as_bytes(), &part.content)
        };
        let mut pairs: Vec<Pair> = parts.iter().map(pair).collect();
        for (before, after) in redacted(&mut pairs) {
            raw = raw.replace(&before, &after);
        }
        match files.is_empty() {
            true => Ok(pairs),
            false => Err(files.into()),
        }
    });
    (raw, read)
}

/// A part of a form that is no file.
struct Part {
    name: String,
    content: Bytes,
    charset: Option<Charset>,
}

fn parts(media_type: &str, body: &[u8], files: &mut Vec<Fault>) -> Result<Vec<Part>, Unread> {
    let broken =
        || Unread::from(Problem::new(Code::BadRequest).detail("The form's parts cannot be separated"));
    let boundary = multer::parse_boundary(media_type).map_err(|_| broken())?;
    let whole = Bytes::copy_from_slice(body);
    let mut parts = Multipart::new(stream::iter([Ok::<_, Infallible>(whole)]), boundary);
    let mut read = vec![];
    // All of it is there already, so that nothing is ever waited for.
    let reading = async {
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(str::to_owned);
            let kind = part.headers().get("content-type");
            let charset = kind.and_then(|kind| charset_of(&String::from_utf8_lossy(kind.as_bytes())));
            let content = part.bytes().await?;
            match file {
                // A browser sends the empty name of a file that nobody chose.
                Some(file) if file.is_empty() && content.is_empty() => {}
                Some(_) => {
                    files.push(Fault::new("/fields", "file_not_allowed", "files are not taken"));
                }
                None => read.push(Part {
                    name,
                    content,
                    charset,
                }),
            }
            if read.len() + files.len() >= MOST_PARTS {
                break;
            }
        }
        Ok::<(), multer::Error>(())
    };
    match reading.now_or_never() {
        Some(Ok(())) => Ok(read),
        Some(Err(_)) | None => Err(broken()),
    }
}

/// What a form without JavaScript says: its own fields, and context under names of ours.
fn flat(pairs: Vec<Pair>) -> Result<Posted, Unread> {
    let mut posted = Posted::default();
    if pairs
        .iter()
        .any(|pair| pair.name.contains('\0') || pair.value.contains('\0'))
    {
        return Err(Problem::new(Code::ForbiddenCharacter).into());
    }
    for Pair {
        name,
        value,
        is_unreadable,
    } in pairs
    {
        if is_unreadable {
            let detail = "the bytes are no text in the charset of the form; they stay in the body";
            let shown: String = name.chars().take(MOST_OF_NAME).collect();
            let place = format!("/fields/{}", shown.replace('~', "~0").replace('/', "~1"));
            posted.remarks.push(Fault::new(place, "invalid_bytes", detail));
            posted.unreadable.insert(name.clone());
        }
        let text = || Some(value.clone()).filter(|text| !text.trim().is_empty());
        let mut unfit = |code, detail| posted.remarks.push(Fault::new(format!("/{name}"), code, detail));
        match name.as_str() {
            "_page_url" | "_referrer" | "_landing_url" | "_landing_referrer"
                if value.len() > MOST_OF_ADDRESS =>
            {
                unfit("too_long", "has more than 8192 bytes; it is left out");
            }
            "_page_url" => posted.context.page_url = text(),
            "_referrer" => posted.context.referrer = text(),
            "_landing_url" => posted.context.landing_url = text(),
            "_landing_referrer" => posted.context.landing_referrer = text(),
            "_language" => posted.context.language = text(),
            "_rendered_at" | "_submitted_at" | "_sent_at" => {
                let read = text().map(|text| serde_json::from_value::<Timestamp>(text.trim().into()));
                if matches!(read, Some(Err(_))) {
                    unfit("invalid_format", "is not an RFC 3339 instant; it is left out");
                }
                let instant = read.and_then(Result::ok);
                match name.as_str() {
                    "_rendered_at" => posted.context.rendered_at = instant,
                    "_submitted_at" => posted.submitted_at = instant,
                    _ => posted.sent_at = instant,
                }
            }
            "_visitor_id" => posted.visitor = text(),
            // Kept with the body: nothing is made of them.
            "_page_title" | "_charset_" => {}
            "_test" => posted.is_test = ticked(&value).unwrap_or(true),
            _ => match name.strip_prefix("_consent_") {
                Some(purpose) => posted.consent.push((purpose.to_owned(), value)),
                None => add(&mut posted.fields, name, value),
            },
        }
    }
    Ok(posted)
}

/// Boxes and lists send one name several times.
fn add(fields: &mut Map<String, Value>, name: String, value: String) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value.into())),
        Some(Value::Array(several)) => several.push(value.into()),
        Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
    }
}

#[cfg(test)]
mod tests;
