//! Answers that are the same for everybody: the document, the script for websites. Compressed once, sent in pieces.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CONTENT_ENCODING, ContentEncoding, ETAG, VARY};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{packed, reply};
use crate::edge::crypto::{hex, sha256};

/// How many bytes of an asset one connection holds for a client that reads slowly.
const PIECE: usize = 32 << 10;

/// One asset, as it is and compressed.
#[derive(Debug)]
pub struct Asset {
    plain: Rendition,
    gzip: Rendition,
}

#[derive(Debug)]
struct Rendition {
    body: Bytes,
    etag: String,
}

impl Asset {
    /// An asset of these bytes. Compresses them, which takes some ten milliseconds for a megabyte.
    pub fn of(plain: Vec<u8>) -> Self {
        let mut encoder = GzEncoder::new(vec![], Compression::best());
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish());
        Self {
            plain: Rendition::of(plain),
            // Writing to memory cannot fail.
            gzip: Rendition::of(gzip.unwrap_or_default()),
        }
    }

    /// The asset, or `304` for a caller that has it. `dress` adds the headers of both.
    pub fn answer(
        &self,
        request: &HttpRequest,
        content_type: &str,
        dress: impl FnOnce(&mut HttpResponseBuilder),
    ) -> HttpResponse {
        let compresses = packed::is_taken(request);
        let rendition = if compresses { &self.gzip } else { &self.plain };
        let is_known = reply::has(request, &rendition.etag);
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response.insert_header((ETAG, rendition.etag.as_str()));
        dress(&mut response);
        // What is not compressed gets its `Vary` from `packed`.
        if compresses || is_known {
            response.insert_header((VARY, "accept-encoding"));
        }
        if is_known {
            return response.finish();
        }
        if compresses {
            response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip));
        }
        response
            .content_type(content_type)
            .body(Pieces(rendition.body.clone()))
    }
}

impl Rendition {
    fn of(body: Vec<u8>) -> Self {
        Self {
            etag: format!("\"{}\"", hex(&sha256(&body)[..12])),
            body: body.into(),
        }
    }
}

/// A body of shared bytes, of which a connection copies one piece at a time.
#[derive(Debug)]
struct Pieces(Bytes);

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.0.len().min(PIECE);
        Poll::Ready(Some(Ok(self.0.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use std::io::Read as _;

    use super::*;

    #[actix_web::test]
    async fn an_asset_is_sent_whole_compressed_or_not_and_is_known_by_its_tag() {
        let whole = "some words of an asset, ".repeat(10_000).into_bytes();
        let asset = Asset::of(whole.clone());
        let asked = |headers: &[(&'static str, &str)]| {
            let request = headers.iter().fold(TestRequest::get(), |request, header| {
                request.insert_header(*header)
            });
            asset.answer(&request.to_http_request(), "text/plain", |_| ())
        };
        let plain = asked(&[]);
        let tag = plain.headers().get("etag").unwrap().to_str().unwrap().to_owned();
        assert_eq!(to_bytes(plain.into_body()).await.unwrap(), whole);

        let gzip = asked(&[("accept-encoding", "gzip")]);
        assert_eq!(gzip.headers().get("vary").unwrap(), "accept-encoding");
        assert_ne!(gzip.headers().get("etag").unwrap(), tag.as_str());
        let mut unpacked = vec![];
        let packed = to_bytes(gzip.into_body()).await.unwrap();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, whole);

        assert_eq!(asked(&[("if-none-match", &tag)]).status(), 304);
    }
}
