//! Compression of answers by gzip, for callers that accept it.

use std::io::Write as _;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::ResponseHead;
use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, Encoding, Header as _, HeaderValue, VARY,
};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The fewest bytes that are worth compressing.
const LEAST: u64 = 1024;
/// The media types that are compressed.
const PACKED: [&str; 4] = [
    "application/json",
    "application/problem+json",
    "text/csv",
    "text/javascript",
];

/// Whether a caller prefers gzip to plain bytes.
pub fn is_taken(request: &HttpRequest) -> bool {
    let known = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request)
        .is_ok_and(|accepted| accepted.negotiate(known.iter()) == Some(known[0].clone()))
}

/// The body of an answer, compressed where it is long enough, is of one of these media types, and is no stream.
pub fn pack(head: &mut ResponseHead, body: BoxBody, is_taken: bool) -> BoxBody {
    let is_long = matches!(body.size(), BodySize::Sized(length) if length >= LEAST);
    let essence = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = essence.and_then(|text| text.split(';').next()).map(str::trim);
    let is_packable = essence.is_some_and(|essence| PACKED.contains(&essence));
    if !is_long || !is_packable || head.headers.contains_key(CONTENT_ENCODING) {
        return body;
    }
    head.headers
        .append(VARY, HeaderValue::from_static("accept-encoding"));
    if !is_taken {
        return body;
    }
    let bytes = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(stream) => return stream,
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let Ok(packed) = encoder.write_all(&bytes).and_then(|()| encoder.finish()) else {
        return BoxBody::new(bytes);
    };
    head.headers
        .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    BoxBody::new(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use actix_web::HttpResponse;
    use actix_web::test::TestRequest;

    /// The answer of this media type: how it is encoded, and its bytes.
    fn packed(media_type: &str, body: String, is_taken: bool) -> (Option<String>, Vec<u8>) {
        let mut answer = HttpResponse::Ok().content_type(media_type).finish();
        let body = pack(answer.head_mut(), BoxBody::new(body), is_taken);
        let encoding = answer.headers().get(CONTENT_ENCODING);
        let encoding = encoding.map(|value| value.to_str().unwrap().to_owned());
        (encoding, body.try_into_bytes().unwrap().to_vec())
    }

    #[test]
    fn what_is_long_and_text_is_packed_for_those_who_take_it() {
        let long = format!("[{}1]", "1,".repeat(1000));
        for media_type in [
            "application/json",
            "application/problem+json",
            "text/csv; charset=utf-8",
        ] {
            let (encoding, bytes) = packed(media_type, long.clone(), true);
            assert_eq!(encoding.as_deref(), Some("gzip"), "{media_type}");
            assert!(bytes.len() < 200);
            let mut text = String::new();
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, long);
        }
        for (media_type, body, is_taken) in [
            ("application/json", "{}".to_owned(), true),
            ("application/json", long.clone(), false),
            ("image/png", long.clone(), true),
        ] {
            assert_eq!(
                packed(media_type, body.clone(), is_taken),
                (None, body.into_bytes())
            );
        }
    }

    #[test]
    fn gzip_is_taken_by_those_who_say_so() {
        let takes = |value: &str| {
            is_taken(
                &TestRequest::default()
                    .insert_header(("accept-encoding", value))
                    .to_http_request(),
            )
        };
        assert!(takes("gzip") && takes("gzip, deflate, br, zstd") && takes("br;q=1.0, gzip;q=0.8"));
        assert!(!takes("identity") && !takes("br") && !takes("gzip;q=0"));
        assert!(!is_taken(&TestRequest::default().to_http_request()));
    }
}
