//! What is stored of a submission's body: all of it, but for what lets somebody in within addresses. A page's address may hold
//! a password or a token that neither the person nor the site meant to send.

use serde_json::Value;
use tandem_domain::tracking::address::{redact_values, redacted, redacted_text};

/// The members of a context that are addresses, with or without a scheme.
const ADDRESSES: [&str; 4] = ["page_url", "referrer", "landing_url", "landing_referrer"];

/// Redact a JSON body; whether anything changed.
pub(super) fn json(body: &mut Value) -> bool {
    let before = body.clone();
    if let Some(context) = body.get_mut("context").and_then(Value::as_object_mut) {
        for name in ADDRESSES {
            if let Some(Value::String(text)) = context.get_mut(name) {
                *text = redacted(text).into_owned();
            }
        }
    }
    redact_values(body);
    *body != before
}

/// The value of a flat form's field, redacted, if that changes it.
pub(super) fn field(name: &str, value: &str) -> Option<String> {
    let is_address = name
        .strip_prefix('_')
        .is_some_and(|name| ADDRESSES.contains(&name));
    let after = match is_address {
        true => redacted(value).into_owned(),
        false => redacted_text(value)?,
    };
    (after != value).then_some(after)
}

/// Redact a body that cannot be read, word by word.
pub(super) fn words(raw: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "\"'<>".contains(c);
    let word = |word: &str| {
        let end = word
            .chars()
            .next_back()
            .filter(|c| is_end(*c))
            .map_or(0, char::len_utf8);
        let (word, end) = word.split_at(word.len() - end);
        redacted_text(word).unwrap_or_else(|| word.to_owned()) + end
    };
    raw.split_inclusive(is_end).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn addresses_lose_what_lets_somebody_in_and_answers_stay() {
        let mut body = value!({
            "fields": {"site": "https://ada:pw@e.com/a?token=t&b=1", "note": "see https://e.com/?token=t", "email": "ada@e.com"},
            "context": {"page_url": "/a?password=p&utm_source=x", "page_title": "A"},
        });
        assert!(json(&mut body));
        let after = value!({
            "fields": {"site": "https://e.com/a?b=1", "note": "see https://e.com/?token=t", "email": "ada@e.com"},
            "context": {"page_url": "/a?utm_source=x", "page_title": "A"},
        });
        assert_eq!(body, after);
        assert!(!json(&mut body));

        assert_eq!(field("email", "ada@e.com"), None);
        assert_eq!(
            field("_page_url", "e.com/?token=t").as_deref(),
            Some("https://e.com/")
        );
        assert_eq!(field("site", "e.com/?token=t"), None);
    }

    #[test]
    fn a_body_that_cannot_be_read_is_redacted_by_its_words() {
        let raw = "{\"a\": \"https://u:p@e.com/?token=t\", \"b\":\n'ada@e.com'";
        assert_eq!(words(raw), "{\"a\": \"https://e.com/\", \"b\":\n'ada@e.com'");
    }
}
