//! Known bots, by what they call themselves: a maintained list, see `data/crawlers.txt`.
//!
//! HTTP libraries and browsers that are driven by programs are left out: a company's own servers and tests use them.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use actix_web::http::header::{HeaderMap, USER_AGENT};
use regex::bytes::{RegexSet, RegexSetBuilder};

/// The most user agents whose answer is remembered.
const MOST: usize = 2048;
/// What of a longer user agent is looked at, in bytes.
const LONGEST: usize = 512;

static CRAWLERS: LazyLock<Option<RegexSet>> = LazyLock::new(|| {
    let lines = include_str!("../../data/crawlers.txt").lines();
    let patterns = lines.filter(|line| !line.starts_with('#'));
    let built = RegexSetBuilder::new(patterns)
        .size_limit(64 << 20)
        .dfa_size_limit(16 << 20)
        .build();
    built
        .inspect_err(|error| tracing::error!(%error, "the list of bots cannot be read: none is known"))
        .ok()
});

static ANSWERS: LazyLock<Mutex<HashMap<Box<[u8]>, bool>>> = LazyLock::new(Mutex::default);

/// Whether a known bot sends this. Who does not say what it is, is none.
pub fn is_bot(headers: &HeaderMap) -> bool {
    let Some(agent) = headers.get(USER_AGENT) else {
        return false;
    };
    let agent = &agent.as_bytes()[..agent.len().min(LONGEST)];
    let answers = || ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = answers().get(agent) {
        return *known;
    }
    let is_bot = CRAWLERS.as_ref().is_some_and(|crawlers| crawlers.is_match(agent));
    let mut answers = answers();
    if answers.len() >= MOST {
        answers.clear();
    }
    answers.insert(agent.into(), is_bot);
    is_bot
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn crawlers_are_bots_and_people_and_servers_are_not() {
        for (agent, expected) in [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                true,
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                true,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
                false,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1",
                false,
            ),
            ("python-requests/2.32.3", false),
            ("curl/8.9.1", false),
            ("node", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(agent))]);
            // The second answer is the remembered one.
            assert_eq!(
                (is_bot(&headers), is_bot(&headers)),
                (expected, expected),
                "{agent}"
            );
        }
        assert!(!is_bot(&HeaderMap::new()));
    }
}
