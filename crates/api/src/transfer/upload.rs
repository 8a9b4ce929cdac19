//! A file as a request's body: as it is, or as a part of a form; never whole in memory.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpMessage, HttpRequest};
use futures::{Stream, StreamExt, stream};
use tandem_domain::id::ImportId;
use tandem_domain::transfer::mapping::Mapping;
use tokio::sync::mpsc;

use super::decoding::MAX_UNPACKED;
use super::storage::{FileWriter, StoredFile};
use crate::edge::core::Core;
use crate::edge::crypto::sha256;
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::request::BodyHash;
use crate::edge::http::strict;

/// The most bytes of a mapping.
const MAX_MAPPING: usize = 256 * 1024;
/// The media types of a file that comes as it is.
const FILES: &[&str] = &[
    "text/csv",
    "application/csv",
    "text/tab-separated-values",
    "application/vnd.ms-excel",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/gzip",
    "application/x-gzip",
    "application/octet-stream",
];

type Piece = Result<Bytes, Problem>;

/// Keep the file of a request, and answer the mapping that came with it in a form.
pub async fn take(
    core: &Core,
    request: &HttpRequest,
    payload: Payload,
    id: ImportId,
) -> Result<(StoredFile, Option<Mapping>), Problem> {
    let header = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = header
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let mut keeper = FileWriter::new(&core.db, &core.ambient, id);
    let (mut mapping, mut written) = (None, vec![]);
    if FILES.contains(&essence.as_str()) {
        let mut body = arriving(payload, core);
        while let Some(piece) = body.next().await {
            push(&mut keeper, &piece?).await?;
        }
    } else if essence == "multipart/form-data" {
        let malformed = |error: multer::Error| {
            Problem::new(Code::BadRequest)
                .detail("The form cannot be read")
                .because(error)
        };
        let boundary = multer::parse_boundary(header).map_err(malformed)?;
        let mut form = multer::Multipart::new(arriving(payload, core), boundary);
        let mut has_file = false;
        while let Some(mut field) = form.next_field().await.map_err(unread)? {
            match field.name() {
                Some("file") if !has_file => {
                    has_file = true;
                    while let Some(piece) = field.chunk().await.map_err(unread)? {
                        push(&mut keeper, &piece).await?;
                    }
                }
                Some("mapping") if mapping.is_none() => {
                    let mut text = vec![];
                    while let Some(piece) = field.chunk().await.map_err(unread)? {
                        text.extend_from_slice(&piece);
                        if text.len() > MAX_MAPPING {
                            return Err(Problem::new(Code::BodyTooLarge));
                        }
                    }
                    mapping = Some(parse_mapping(&text)?);
                    written = text;
                }
                _ => {
                    let detail = "a form has one part `file` and an optional part `mapping`";
                    return Err(Problem::invalid(vec![Violation::new(
                        Location::body(),
                        "unknown_field",
                        detail,
                    )]));
                }
            }
        }
        if !has_file {
            return Err(Problem::invalid(vec![Violation::new(
                Location::at(["file"]),
                "required",
                "is missing",
            )]));
        }
    } else {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let kept = keeper.finish().await?;
    // What stands for the body in an idempotent request is the file, with the mapping that came beside it.
    let hash = match mapping {
        Some(_) => sha256(&[&kept.hash[..], &written[..]].concat()),
        None => kept.hash,
    };
    request.extensions_mut().insert(BodyHash(hash));
    Ok((kept, mapping))
}

/// A mapping from its JSON, at `#/mapping`.
pub fn parse_mapping(text: &[u8]) -> Result<Mapping, Problem> {
    strict::parse(text).map_err(|problem| {
        let violations = problem.violations().iter().map(|violation| Violation {
            place: Location::at(["mapping"]),
            ..violation.clone()
        });
        Problem::invalid(violations.collect())
    })?;
    serde_json::from_slice(text).map_err(|error| {
        let detail = format!(
            "is not a mapping as documented (line {}, column {})",
            error.line(),
            error.column()
        );
        Problem::invalid(vec![Violation::new(
            Location::at(["mapping"]),
            "invalid_format",
            detail,
        )])
    })
}

async fn push(keeper: &mut FileWriter<'_>, piece: &[u8]) -> Result<(), Problem> {
    if keeper.bytes() as u64 + piece.len() as u64 > MAX_UNPACKED {
        return Err(Problem::new(Code::BodyTooLarge));
    }
    Ok(keeper.push(piece).await?)
}

/// The body as it arrives, each piece within the time that a body has.
fn arriving(mut payload: Payload, core: &Core) -> impl Stream<Item = Piece> + Send + Unpin + 'static {
    let patience = core.settings.body_time;
    let (send, mut arrived) = mpsc::channel::<Piece>(4);
    actix_web::rt::spawn(async move {
        loop {
            let piece = match tokio::time::timeout(patience, payload.next()).await {
                Err(_) => Err(Problem::new(Code::RequestTimeout)),
                Ok(None) => break,
                Ok(Some(Err(error))) => Err(Problem::new(Code::BadRequest).because(error)),
                Ok(Some(Ok(bytes))) => Ok(bytes),
            };
            let is_last = piece.is_err();
            if send.send(piece).await.is_err() || is_last {
                break;
            }
        }
    });
    stream::poll_fn(move |context| arrived.poll_recv(context))
}

fn unread(error: multer::Error) -> Problem {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Problem>() {
            Ok(problem) => *problem,
            Err(cause) => Problem::new(Code::BadRequest).because(cause),
        },
        error => Problem::new(Code::BadRequest)
            .detail("The form cannot be read")
            .because(error),
    }
}
