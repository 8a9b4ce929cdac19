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
        .inspect_err(|error| tracing::error!(%error, "the list of bots cannot be read: no bot is recognised"))
        .ok()
});

static ANSWERS: LazyLock<Mutex<HashMap<Box<[u8]>, bool>>> = LazyLock::new(Mutex::default);

/// Mail scanners and prefetchers; see `data/mail_machines.txt`.
static MACHINES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/mail_machines.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

/// Mail services that fetch images in a person's stead when that person opens an e-mail. The list of bots names them.
const PROXIES: [&str; 2] = ["googleimageproxy", "yahoomailproxy"];

/// Whether a known bot sends this. Who does not say what it is, is none.
pub fn is_bot(headers: &HeaderMap) -> bool {
    headers
        .get(USER_AGENT)
        .is_some_and(|agent| is_crawler(agent.as_bytes()))
}

/// Whether an e-mail was opened, or its link followed, by a program and no person: a mail scanner, a prefetcher (Apple's
/// Mail Privacy Protection says `Mozilla/5.0` and nothing else), an HTTP library, or a bot. Who does not say what it is, is
/// none.
pub fn is_machine(agent: &str) -> bool {
    let agent = agent.trim();
    let lower = agent.to_ascii_lowercase();
    if PROXIES.iter().any(|known| lower.contains(known)) {
        return false;
    }
    agent == "Mozilla/5.0"
        || MACHINES.iter().any(|known| lower.contains(known))
        || !agent.is_empty() && is_crawler(agent.as_bytes())
}

/// What browsers of people have in their user agents that the list takes for a bot's name: the browsers of Sogou, and those
/// within Viber, WhatsApp and Meta's apps. Previews of links say the same names without `Mozilla/`.
const PEOPLE: [&[&str]; 4] = [
    &["mozilla/", "sogoumobilebrowser"],
    &["mozilla/", "viber"],
    &["mozilla/", "whatsapp"],
    &["mozilla/", "metaiab"],
];

/// Whether a user agent is one of a browser that has a bot's name in it, and nothing else of a bot.
fn is_peoples(agent: &[u8]) -> bool {
    let agent = String::from_utf8_lossy(agent).to_ascii_lowercase();
    let is_one = |parts: &&[&str]| parts.iter().all(|part| agent.contains(part));
    PEOPLE.iter().any(is_one)
        && !["bot", "spider", "crawl", "+http"]
            .iter()
            .any(|sign| agent.contains(sign))
}

fn is_crawler(agent: &[u8]) -> bool {
    let agent = &agent[..agent.len().min(LONGEST)];
    let answers = || ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = answers().get(agent) {
        return *known;
    }
    let is_listed = || CRAWLERS.as_ref().is_some_and(|crawlers| crawlers.is_match(agent));
    let is_bot = is_listed() && !is_peoples(agent);
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
            (
                "Mozilla/5.0 (Linux; Android 13; V2166A) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/98.0.4758.87 Mobile Safari/537.36 SogouMSE,SogouMobileBrowser/6.1.10",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Viber/22.1.0",
                false,
            ),
            (
                "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
                true,
            ),
            ("Viber", true),
            ("WhatsApp/2.23.20.0", true),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                true,
            ),
            (
                "Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)",
                true,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 WhatsApp/2.24.13",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36 MetaIAB Facebook",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 334.0.0.0",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F79 [FBAN/FBIOS;FBAV/465.0.0]",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-A536B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36 musical_ly_2023 BytedanceWebview/d8a21c6",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.29",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
                false,
            ),
            (
                "Mozilla/5.0 (Linux; Android 12; CUBOT P60) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
                false,
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html) Viber/1",
                true,
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

    #[test]
    fn scanners_and_prefetchers_of_mail_are_machines_and_mail_programs_are_not() {
        for (agent, expected) in [
            ("Mozilla/5.0", true),
            ("BarracudaCentral/1.0 (compatible)", true),
            ("Mozilla/5.0 (compatible; Mimecast-URL-Protect)", true),
            ("python-requests/2.32.3", true),
            (
                "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
                true,
            ),
            ("", false),
            // Yahoo fetches for a person; then a preview of a link in a chat.
            (
                "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
                false,
            ),
            ("WhatsApp/2.23.20.0", true),
            // A person's open by way of Gmail's proxy.
            (
                "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
                false,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
                false,
            ),
            (
                "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Win64; x64; Trident/7.0; Microsoft Outlook 16.0.17928)",
                false,
            ),
        ] {
            assert_eq!(is_machine(agent), expected, "{agent}");
        }
    }
}
