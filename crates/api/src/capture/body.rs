//! Bodies of captures: JSON and the two kinds that browsers send by themselves, read leniently in what they may hold.

use std::convert::Infallible;

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use futures::{FutureExt, stream};
use multer::Multipart;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value};
use tandem_domain::capture::{Context, Posted, ticked};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use url::form_urlencoded;

use super::redact;
use super::submit::Understood;
use crate::edge::http::problem::{Code, MOST_VIOLATIONS, Place, Problem, Violation};
use crate::edge::http::shape::Shape;
use crate::edge::http::strict;

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
    fn of(media_type: &str) -> Option<Self> {
        let (essence, parameters) = media_type.split_once(';').unwrap_or((media_type, ""));
        let kind = match essence.trim().to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Urlencoded,
            "multipart/form-data" => Self::Multipart,
            _ => return None,
        };
        let charset = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"'))
        });
        charset
            .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
            .then_some(kind)
    }
}

/// The media type that a request says its body has.
pub fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Whether a browser's own form asks, so that a person reads the answer: a page. Who wants JSON says so.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let is_form = matches!(
        Kind::of(media_type(headers)),
        Some(Kind::Urlencoded | Kind::Multipart)
    );
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    is_form && (accept.contains("text/html") || !accept.contains("json"))
}

/// Read a body by its media type. What holds no text that could be kept is refused.
pub fn read(media_type: &str, body: &[u8], shape: &Shape) -> Result<Body, Problem> {
    let kind = Kind::of(media_type).ok_or_else(|| Problem::new(Code::UnsupportedMediaType))?;
    if body.trim_ascii().is_empty() && kind == Kind::Json {
        return Err(Problem::new(Code::MalformedJson));
    }
    let mut raw = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
    let said = match kind {
        Kind::Json => json(body, &mut raw, shape),
        Kind::Urlencoded => flat(urlencoded(body, &mut raw)),
        Kind::Multipart => multipart(media_type, body, &mut raw).and_then(flat),
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
            raw,
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

fn json(body: &[u8], raw: &mut String, shape: &Shape) -> Result<Posted, Unread> {
    let mut value = strict::parse(body)?;
    if redact::json(&mut value) {
        *raw = value.to_string();
    }
    let violations = shape.check(&value);
    if !violations.is_empty() {
        return Err(faults(&violations).into());
    }
    let understood = Understood::deserialize(&value);
    let unfit = |_| {
        vec![Fault::new(
            "",
            "invalid_format",
            "does not have the documented form",
        )]
    };
    Ok(understood.map_err(unfit)?.into())
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

fn urlencoded(body: &[u8], raw: &mut String) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    if !redact::pairs(&mut pairs).is_empty() {
        *raw = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
    }
    pairs.truncate(MOST_PARTS);
    pairs
}

/// The parts of a form that are text. A file is refused by name.
fn multipart(media_type: &str, body: &[u8], raw: &mut String) -> Result<Vec<(String, String)>, Unread> {
    let broken =
        || Unread::from(Problem::new(Code::BadRequest).detail("The form's parts cannot be separated"));
    let boundary = multer::parse_boundary(media_type).map_err(|_| broken())?;
    let whole = actix_web::web::Bytes::copy_from_slice(body);
    let mut parts = Multipart::new(stream::iter([Ok::<_, Infallible>(whole)]), boundary);
    let mut read = vec![];
    let mut files = vec![];
    // All of it is there already, so that nothing is ever waited for.
    let reading = async {
        while let Some(part) = parts.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(str::to_owned);
            let content = part.bytes().await?;
            match file {
                // A browser sends the empty name of a file that nobody chose.
                Some(file) if file.is_empty() && content.is_empty() => {}
                Some(_) => {
                    files.push(Fault::new("/fields", "file_not_allowed", "files are not taken"));
                }
                None => read.push((name, String::from_utf8_lossy(&content).into_owned())),
            }
            if read.len() + files.len() >= MOST_PARTS {
                break;
            }
        }
        Ok::<(), multer::Error>(())
    };
    match reading.now_or_never() {
        Some(Ok(())) => {
            for (before, after) in redact::pairs(&mut read) {
                *raw = raw.replace(&before, &after);
            }
            if files.is_empty() {
                Ok(read)
            } else {
                Err(files.into())
            }
        }
        Some(Err(_)) | None => Err(broken()),
    }
}

/// What a form without JavaScript says: its own fields, and context under names of ours.
fn flat(pairs: Vec<(String, String)>) -> Result<Posted, Unread> {
    let mut posted = Posted::default();
    let mut faults = vec![];
    if pairs
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err(Problem::new(Code::ForbiddenCharacter).into());
    }
    for (name, value) in pairs {
        let text = || Some(value.clone()).filter(|text| !text.trim().is_empty());
        let instant = |faults: &mut Vec<Fault>| {
            let parsed = text().map(|text| serde_json::from_value::<Timestamp>(text.trim().into()));
            if matches!(parsed, Some(Err(_))) {
                faults.push(Fault::new(
                    format!("/{name}"),
                    "invalid_format",
                    "is not an RFC 3339 instant",
                ));
            }
            parsed.and_then(Result::ok)
        };
        match name.as_str() {
            "_page_url" => posted.context.page_url = text(),
            "_referrer" => posted.context.referrer = text(),
            "_landing_url" => posted.context.landing_url = text(),
            "_landing_referrer" => posted.context.landing_referrer = text(),
            "_language" => posted.context.language = text(),
            "_rendered_at" => posted.context.rendered_at = instant(&mut faults),
            "_submitted_at" => posted.submitted_at = instant(&mut faults),
            "_visitor_id" => posted.visitor = text(),
            // Kept with the body: nothing is made of it.
            "_page_title" => {}
            "_test" => posted.is_test = ticked(&value).unwrap_or(true),
            _ => match name.strip_prefix("_consent_") {
                Some(purpose) => {
                    let granted = ticked(&value).unwrap_or(true);
                    posted.consent.push((purpose.to_owned(), granted));
                }
                None => add(&mut posted.fields, name, value),
            },
        }
    }
    posted.context = clipped(posted.context);
    if faults.is_empty() {
        Ok(posted)
    } else {
        Err(faults.into())
    }
}

/// Boxes and lists send one name several times.
fn add(fields: &mut Map<String, Value>, name: String, value: String) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value.into())),
        Some(Value::Array(several)) => several.push(value.into()),
        Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
    }
}

/// Addresses longer than JSON may have them say nothing.
fn clipped(context: Context) -> Context {
    let short = |text: Option<String>| text.filter(|text| text.len() <= 8192);
    Context {
        page_url: short(context.page_url),
        landing_url: short(context.landing_url),
        landing_referrer: short(context.landing_referrer),
        referrer: short(context.referrer),
        ..context
    }
}

#[cfg(test)]
mod tests;
