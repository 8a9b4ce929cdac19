//! The small pages behind a confirmation link.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE};

use std::future::ready;

use crate::capture::page::{asking, escaped, make_readable, telling};
use crate::edge::http::problem::StoredAnswer;
use crate::edge::room::Dressing;

/// Where links lead.
pub const PATH: &str = "/v1/consents/confirm";

/// Shows a problem as a page where a person with a browser follows a link.
pub fn dress(request: &HttpRequest) -> Option<Dressing> {
    let dress: Dressing = Box::new(|_, response| {
        make_readable(response);
        Box::pin(ready(()))
    });
    wants_page(request).then_some(dress)
}

/// Whether a person with a browser follows a link, and reads the answer as a page. Programs say what they want.
pub fn wants_page(request: &HttpRequest) -> bool {
    let header = |name| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let accept = header(ACCEPT);
    let is_form = header(CONTENT_TYPE).starts_with("application/x-www-form-urlencoded");
    let is_asked_for = match *request.method() {
        Method::POST => is_form && (accept.contains("text/html") || !accept.contains("json")),
        _ => accept.contains("text/html"),
    };
    request.path() == PATH && is_asked_for
}

/// The page that asks a person to confirm a consent: the wording that the person agreed to, and a button.
pub fn asked(company: &str, label: &str, wording: Option<&str>, token: &str) -> StoredAnswer {
    let wording = wording.map(|wording| format!("<blockquote>{}</blockquote>\n", escaped(wording)));
    let content = format!(
        "<p>{} asks you to confirm: <b>{}</b></p>\n{}<form method=\"post\" action=\"{PATH}\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{}\">\n<button>Confirm</button>\n</form>\n\
         <p>If this was not you, simply close this page.</p>",
        escaped(company),
        escaped(label),
        wording.unwrap_or_default(),
        escaped(token)
    );
    asking("Please confirm", &content)
}

/// The thanks.
pub fn confirmed(label: &str) -> StoredAnswer {
    telling(
        200,
        "Thank you",
        &format!("<p>You have confirmed: <b>{}</b></p>", escaped(label)),
    )
}

/// A link that is not good any more.
pub fn not_good() -> StoredAnswer {
    telling(
        404,
        "This link is no longer valid",
        "<p>It has expired, or the consent was withdrawn since.</p>",
    )
}
