//! The small pages that a person sees who sent a form without JavaScript: thanks, or what is wrong. They repeat nothing
//! that was sent.

use std::fmt::Write;
use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tandem_domain::capture::Form;
use tandem_domain::fault::Fault;

use crate::edge::crypto;
use crate::edge::http::problem::{MEDIA_TYPE, MOST_VIOLATIONS, StoredAnswer};

/// The media type of a page.
pub const HTML: &str = "text/html; charset=utf-8";

const STYLE: &str =
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:10vh auto;padding:0 1rem}";

/// The style of a longer document, on screens of any width and on paper.
const DOCUMENT_STYLE: &str = "body{font:1rem/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    section{break-inside:avoid;margin:0 0 1.5rem}div{overflow-x:auto}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #bbb;\
    max-width:18rem;overflow-wrap:break-word;unicode-bidi:isolate}\
    figure{margin:0 0 1.5rem;overflow-x:auto}figure svg{min-width:38rem;max-width:100%;height:auto}\
    @media print{body{margin:0;max-width:none;font-size:10pt}figure svg{min-width:0}}";

/// Nothing may be loaded, nothing may run; the one style is named by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| policy(STYLE, "'none'"));
/// The same, for a page that sends a form to this service.
static ASKING: LazyLock<String> = LazyLock::new(|| policy(STYLE, "'self'"));
/// The same, for a longer document.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| policy(DOCUMENT_STYLE, "'none'"));

fn policy(style: &str, form_action: &str) -> String {
    let hash = STANDARD.encode(crypto::sha256(style.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {form_action}; \
         frame-ancestors 'none'"
    )
}

/// A page with a message; `title` and `content` are HTML.
pub fn telling(status: u16, title: &str, content: &str) -> StoredAnswer {
    kept(status, &page(STYLE, title, content), &POLICY)
}

/// A page with a form for this service; `title` and `content` are HTML already.
pub fn asking(title: &str, content: &str) -> StoredAnswer {
    kept(200, &page(STYLE, title, content), &ASKING)
}

/// A longer document to read or to print; `title` and `content` are HTML.
pub fn document(title: &str, content: &str) -> StoredAnswer {
    kept(200, &page(DOCUMENT_STYLE, title, content), &DOCUMENT)
}

/// The thanks for a form that was taken.
pub fn thanks() -> StoredAnswer {
    telling(200, "Thank you", "<p>Your message has been received.</p>")
}

/// What is wrong with a form, by the names that the person read.
pub fn refusal(form: &Form, faults: &[Fault]) -> StoredAnswer {
    let mut list = String::from("<p>Nothing was sent. Please go back and correct this:</p>\n<ul>\n");
    for fault in faults.iter().take(MOST_VIOLATIONS) {
        let name = fault.pointer.strip_prefix("/fields/").unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        let field = form.fields.iter().find(|field| field.name == name);
        let item = match field {
            Some(field) => format!("<b>{}</b> {}", escaped(&field.label), escaped(&fault.detail)),
            None => escaped(&fault.detail),
        };
        let _ = writeln!(list, "<li>{item}</li>");
    }
    list.push_str("</ul>");
    telling(422, "Please check your entries", &list)
}

/// [`readable`], in place.
pub fn make_readable(response: &mut HttpResponse<BoxBody>) {
    let bare = std::mem::replace(response, HttpResponse::Ok().finish());
    *response = readable(bare);
}

/// The page that a problem document is to a person; any other answer as it is.
pub fn readable(response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(MEDIA_TYPE.as_bytes()));
    if !is_problem {
        return response;
    }
    let mut shown = String::new();
    let mut response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => {
            let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let text = |member: &str| escaped(problem[member].as_str().unwrap_or_default());
            let told = format!(
                "<p>{}.</p>\n<p>Request {}</p>",
                text("detail"),
                text("request_id")
            );
            shown = page(STYLE, &text("title"), &told);
            BoxBody::new(shown.clone())
        }
        Err(body) => body,
    });
    if !shown.is_empty() {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        if let Ok(policy) = HeaderValue::from_str(&POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

/// `title` and `content` are HTML already.
fn page(style: &str, title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{style}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n{content}\n</body>\n</html>\n"
    )
}

fn kept(status: u16, page: &str, policy: &str) -> StoredAnswer {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    StoredAnswer {
        status,
        headers: vec![
            header("content-type", HTML),
            header("content-security-policy", policy),
        ],
        body: page.as_bytes().to_vec(),
    }
}

/// Text as HTML shows it, in elements and in quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::http::problem::{Code, Problem};
    use actix_web::ResponseError;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn a_problem_becomes_a_page_with_its_status_and_headers() {
        let response = readable(
            Problem::new(Code::TooManyRequests)
                .retry_after(7)
                .error_response(),
        );
        assert_eq!(response.status(), 429);
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            (header("retry-after"), header("content-type")),
            ("7".into(), HTML.into())
        );
        assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        let text = to_bytes(response.into_body()).await.unwrap();
        assert!(String::from_utf8_lossy(&text).contains("<h1>Too many requests</h1>"));

        let plain = readable(HttpResponse::Ok().body("as it was"));
        assert_eq!(to_bytes(plain.into_body()).await.unwrap(), &b"as it was"[..]);
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        assert_eq!(
            escaped("<a href=\"x\">'&"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;"
        );
    }
}
