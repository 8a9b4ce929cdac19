//! Credentials in URLs: they would end up in logs and histories, so they are refused.

use actix_web::dev::ServiceRequest;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::edge::http::problem::{Code, Problem};
use crate::edge::room::PathRule;

/// Names of query parameters that nobody has but a caller who means to authenticate.
const NAMES: [&str; 5] = ["access_token", "refresh_token", "token", "api_key", "password"];
/// What secrets begin with; publishable keys are no secrets.
const PREFIXES: [&str; 3] = ["tdm_sk_", "tdm_rt_", "tdm_it_"];

/// Refuse a request whose path or query carries a secret. A path with a rule may have a token, which opens nothing else; on
/// paths that take no credentials only secrets of this service count: a page's own token must not cost a submission.
pub fn refuse_credentials_in_url(request: &ServiceRequest, rule: PathRule) -> Result<(), Problem> {
    if leaks(request.path(), request.query_string(), rule) {
        Err(Problem::new(Code::CredentialInUrl))
    } else {
        Ok(())
    }
}

fn leaks(path: &str, query: &str, rule: PathRule) -> bool {
    let in_path = path
        .split('/')
        .any(|segment| is_credential(&percent_decode_str(segment).decode_utf8_lossy()));
    in_path
        || form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            if rule.ignores_unknown {
                return is_secret(&value);
            }
            let is_link = rule.has_token && name == "token";
            let is_named = NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
            (is_named && !is_link) || is_credential(&value)
        })
}

/// Whether a text is a secret of this service.
fn is_secret(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| bare(text).starts_with(prefix))
}

fn is_credential(text: &str) -> bool {
    is_secret(text) || is_jwt(bare(text))
}

/// The text without surrounding blanks and a leading `Bearer`.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let is_bearer = text
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
    if is_bearer { text[7..].trim_start() } else { text }
}

/// Three parts of base64url, the first of which is an object: `{"` is `eyJ`.
fn is_jwt(text: &str) -> bool {
    let is_part = |part: &str| {
        part.len() >= 4
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.starts_with("eyJ") && text.split('.').count() == 3 && text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link that carries a token, and what takes no credentials at all.
    fn rule(path: &'static str) -> PathRule {
        let rule = PathRule::of(path);
        PathRule {
            has_token: path == "/v1/link",
            ignores_unknown: path == "/v1/open",
            ..rule
        }
    }

    #[test]
    fn secrets_are_found_wherever_they_hide() {
        for (path, query) in [
            ("/v1/leads", "q=tdm_sk_abc"),
            ("/v1/leads", "x=1&cursor=tdm%5Frt%5Fabc"),
            ("/v1/leads", "q=Bearer+tdm_it_abc"),
            ("/v1/leads", "q=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
            ("/v1/leads", "Access_Token="),
            ("/v1/leads", "token=tdm_ct_abc"),
            ("/v1/link", "token=tdm_sk_abc"),
            ("/v1/link", "api_key=x"),
            ("/v1/leads", "password=x"),
            ("/v1/leads", "%61pi_key=x"),
            ("/v1/leads/tdm_sk_abc", ""),
            ("/v1/leads/tdm%5Fsk_abc", ""),
            ("/v1/open", "utm_source=tdm_sk_abc"),
        ] {
            assert!(leaks(path, query, rule(path)), "{path}?{query}");
        }
    }

    #[test]
    fn what_is_no_secret_passes() {
        for (path, query) in [
            ("/v1/capture/fk_0123456789", ""),
            ("/v1/leads", "q=ada&limit=5&cursor=eyJhbGciOiJFZERTQSJ9"),
            ("/v1/leads", "q=eyJ.b.c"),
            ("/v1/leads", "q=eyJhb.%C3%A9%C3%A9%C3%A9%C3%A9.abcd"),
            ("/v1/leads", "key=tdm_pk_abc&q=tokens"),
            ("/v1/link", "token=tdm_ct_abc"),
            ("/v1/leads", ""),
            ("/v1/open", "token=x&password=y&access_token=z"),
            (
                "/v1/open",
                "id_token=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            ),
        ] {
            assert!(!leaks(path, query, rule(path)), "{path}?{query}");
        }
    }
}
