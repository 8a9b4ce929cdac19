//! Forms as browsers send them by themselves: urlencoded and in parts.

use std::convert::Infallible;

use actix_web::web::Bytes;
use futures::{FutureExt, stream};
use multer::Multipart;
use serde_json::{Map, Value};
use tandem_domain::capture::{Posted, ticked};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;

use super::{Unread, charset_of, nul_removed};
use crate::capture::charset::{self, Charset};
use crate::capture::redact;
use crate::edge::http::problem::{Code, Problem};

/// The most bytes of an address of the context, as JSON may have them.
const MOST_OF_ADDRESS: usize = 8192;
/// The most characters of a name that a remark shows: a form's own have no more.
const MOST_OF_NAME: usize = 100;
/// The most parts of a form that are looked at, one more than a form may have.
const MOST_PARTS: usize = 201;

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

    /// Without NUL, which no database stores, and without the byte order marks that exports leave.
    fn cleaned(self) -> Self {
        let clean = |text: String| match text.contains(['\0', '\u{feff}']) {
            true => text.trim_matches('\u{feff}').replace('\0', ""),
            false => text,
        };
        Self {
            name: clean(self.name),
            value: clean(self.value),
            ..self
        }
    }

    /// Redact its value; the value before, if that changed it.
    fn redact(&mut self) -> Option<String> {
        let after = redact::field(&self.name, &self.value)?;
        Some(std::mem::replace(&mut self.value, after))
    }
}

/// The charset in which a form is read: the first that fits all of it, of the one that its header names, the one that it
/// names itself, and UTF-8.
fn fitting<'a>(
    header: Option<Charset>,
    own: Option<Charset>,
    texts: impl Iterator<Item = &'a [u8]> + Clone,
) -> Charset {
    let named = header.into_iter().chain(own);
    let is_fit = |charset: &Charset| texts.clone().all(|text| charset.decode(text).is_some());
    let fit = named.chain([Charset::UTF_8]).find(is_fit);
    fit.or(header).or(own).unwrap_or(Charset::UTF_8)
}

/// The charset that a form declares by its field `_charset_`, which browsers fill.
fn own_charset<'a>(mut pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Charset> {
    let (_, label) = pairs.find(|(name, _)| *name == b"_charset_")?;
    Charset::labelled(&String::from_utf8_lossy(label))
}

/// An urlencoded form, as it is stored and as it is read.
pub(super) fn urlencoded(charset: Option<Charset>, body: &[u8]) -> (String, Result<Posted, Unread>) {
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
    let texts = bytes
        .iter()
        .flat_map(|(name, value)| [name.as_slice(), value.as_slice()]);
    let charset = fitting(charset, own_charset(borrowed.clone()), texts);
    let mut pairs: Vec<Pair> = borrowed
        .map(|(name, value)| Pair::of(charset, name, value))
        .collect();
    // Bytes that are not UTF-8 are escaped, which means the same.
    let mut raw = String::from_utf8(body.to_vec()).unwrap_or_else(|_| escaped_form(body));
    let changed: Vec<bool> = pairs.iter_mut().map(|pair| pair.redact().is_some()).collect();
    if changed.contains(&true) {
        let stored = parts.iter().zip(&pairs).zip(changed);
        let stored = stored.map(|((part, pair), is_changed)| match is_changed {
            true => format!("{}={}", charset.form(&pair.name), charset.form(&pair.value)),
            false => escaped_form(part),
        });
        raw = stored.collect::<Vec<_>>().join("&");
    }
    pairs.truncate(MOST_PARTS);
    (raw, posted(pairs))
}

/// A form of lines, whose names and values have no escapes, as it is stored and as it is read.
pub(super) fn lines(charset: Option<Charset>, body: &[u8]) -> (String, Result<Posted, Unread>) {
    let lines = body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let pair = |line: &'_ [u8]| {
        let at = line.iter().position(|b| *b == b'=')?;
        Some((line[..at].to_vec(), line[at + 1..].to_vec()))
    };
    let bytes: Vec<(Vec<u8>, Vec<u8>)> = lines.filter_map(pair).collect();
    let borrowed = bytes
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()));
    let charset = fitting(charset, own_charset(borrowed.clone()), std::iter::once(body));
    let mut raw = charset
        .decode(body)
        .unwrap_or_else(|| charset::as_windows_1252(body));
    let mut pairs: Vec<Pair> = borrowed
        .map(|(name, value)| Pair::of(charset, name, value))
        .collect();
    for pair in &mut pairs {
        if let Some(before) = pair.redact() {
            raw = raw.replace(&before, &pair.value);
        }
    }
    pairs.truncate(MOST_PARTS);
    (raw, posted(pairs))
}

/// A form whose bytes beyond ASCII are escaped; its own escapes stay.
fn escaped_form(body: &[u8]) -> String {
    let parts = body.split(|b| *b == b'%').map(charset::escaped);
    parts.collect::<Vec<_>>().join("%")
}

/// A form in parts, as it is stored and as it is read. A file is refused by name.
pub(super) fn multipart(
    charset: Option<Charset>,
    media_type: &str,
    body: &[u8],
) -> (String, Result<Posted, Unread>) {
    let mut files = vec![];
    let parts = parts(media_type, body, &mut files);
    let own = |parts: &[Part]| {
        let pairs = parts.iter();
        own_charset(pairs.map(|part| (part.name.as_bytes(), part.content.as_ref())))
    };
    let named = parts.as_ref().ok().and_then(|parts| own(parts));
    let charset = fitting(charset, named, std::iter::once(body));
    let mut raw = charset
        .decode(body)
        .unwrap_or_else(|| charset::as_windows_1252(body));
    let read = parts.and_then(|parts| {
        let pair = |part: &Part| {
            let charset = part.charset.unwrap_or(charset);
            Pair::of(charset, part.name.as_bytes(), &part.content)
        };
        let mut pairs: Vec<Pair> = parts.iter().map(pair).collect();
        for pair in &mut pairs {
            if let Some(before) = pair.redact() {
                raw = raw.replace(&before, &pair.value);
            }
        }
        match files.is_empty() {
            true => posted(pairs),
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
    // Clients that set the header themselves omit the boundary: it stands in the first line.
    let first = || {
        let line = body.split(|b| *b == b'\n').next()?.trim_ascii();
        let boundary = std::str::from_utf8(line.strip_prefix(b"--")?).ok()?;
        Some(boundary.to_owned()).filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
    };
    let boundary = multer::parse_boundary(media_type).ok().or_else(first);
    let boundary = boundary.ok_or_else(broken)?;
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
                    files.push(Fault::new(
                        "/fields",
                        "file_not_allowed",
                        "files are not accepted",
                    ));
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

/// What a form without JavaScript sends: its own fields, and context under names of ours.
fn posted(pairs: Vec<Pair>) -> Result<Posted, Unread> {
    let mut posted = Posted::default();
    for pair in pairs {
        let has_nul = pair.name.contains('\0') || pair.value.contains('\0');
        let Pair {
            name,
            value,
            is_unreadable,
        } = pair.cleaned();
        let place = || {
            let shown: String = name.chars().take(MOST_OF_NAME).collect();
            format!("/fields/{}", shown.replace('~', "~0").replace('/', "~1"))
        };
        if has_nul {
            posted.remarks.push(nul_removed(&place()));
        }
        if is_unreadable {
            let detail = "the bytes are invalid in the charset of the form; the stored body contains them";
            posted.remarks.push(Fault::new(place(), "invalid_bytes", detail));
            posted.unreadable.insert(name.clone());
        }
        let text = || Some(value.clone()).filter(|text| !text.trim().is_empty());
        match name.as_str() {
            "_page_url" | "_referrer" | "_landing_url" | "_landing_referrer"
                if value.len() > MOST_OF_ADDRESS =>
            {
                let detail = "has more than 8192 bytes; it is omitted";
                posted
                    .remarks
                    .push(Fault::new(format!("/{name}"), "too_long", detail));
            }
            "_page_url" => posted.context.page_url = text(),
            "_referrer" => posted.context.referrer = text(),
            "_landing_url" => posted.context.landing_url = text(),
            "_landing_referrer" => posted.context.landing_referrer = text(),
            "_language" => posted.context.language = text(),
            "_rendered_at" => posted.context.rendered_at = instant(&name, text(), &mut posted.remarks),
            "_submitted_at" => posted.submitted_at = instant(&name, text(), &mut posted.remarks),
            "_sent_at" => posted.sent_at = instant(&name, text(), &mut posted.remarks),
            "_visitor_id" => posted.visitor = text(),
            // Stored with the body alone.
            "_page_title" | "_charset_" => {}
            "_test" => posted.is_test = is_test(&value),
            _ => match name.strip_prefix("_consent_") {
                Some(purpose) => posted.consent.push((purpose.to_owned(), value)),
                None => add(&mut posted.fields, name, value),
            },
        }
    }
    Ok(posted)
}

/// Whether a submission is a test: by any value but a no, which forms write in the languages of their sites.
fn is_test(value: &str) -> bool {
    let no = [
        "nein",
        "non",
        "nee",
        "nej",
        "nie",
        "não",
        "nao",
        "нет",
        "aus",
        "none",
        "null",
        "undefined",
    ];
    let said = value.trim().to_lowercase();
    ticked(&said).unwrap_or_else(|| !no.contains(&said.as_str()))
}

/// The instant that a field names. One that cannot be read is left out, with a remark.
fn instant(name: &str, text: Option<String>, remarks: &mut Vec<Fault>) -> Option<Timestamp> {
    let read = serde_json::from_value::<Timestamp>(text?.trim().into());
    if read.is_err() {
        let detail = "is not an RFC 3339 instant; it is omitted";
        remarks.push(Fault::new(format!("/{name}"), "invalid_format", detail));
    }
    read.ok()
}

/// Boxes and lists send one name several times.
fn add(fields: &mut Map<String, Value>, name: String, value: String) {
    match fields.get_mut(&name) {
        None => drop(fields.insert(name, value.into())),
        Some(Value::Array(several)) => several.push(value.into()),
        Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
    }
}
