//! Web addresses as browsers report them: read leniently, stored without what may be personal.

use std::borrow::Cow;

use serde_json::Value;
use url::{ParseError, Url, form_urlencoded};

use crate::leads::identity::site;

/// The most bytes of an address that are read; the rest is ignored.
const MOST_READ: usize = 16 * 1024;
/// The most characters of an address that are stored.
pub const MOST_KEPT: usize = 2048;
/// The most characters of a parameter that are stored.
pub const MOST_OF_A_PARAMETER: usize = 200;

/// An address of a page or of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    host: Option<String>,
}

impl Address {
    /// Read an address. A scheme may be missing, and the host too (`/contact?utm_source=x`). Nothing is read of what is
    /// no web page and no app: `javascript:`, `data:`, `file:`.
    pub fn read(text: &str) -> Option<Self> {
        let text = clipped_bytes(text.trim(), MOST_READ);
        if text.is_empty() {
            return None;
        }
        let url = match Url::parse(text) {
            // `example.com:8080/path` reads as if its host were a scheme.
            Ok(url) if url.cannot_be_a_base() && text.split(':').next()?.contains('.') => {
                without_scheme(text)?
            }
            Ok(url) => url,
            Err(ParseError::RelativeUrlWithoutBase) => without_scheme(text)?,
            Err(_) => return None,
        };
        if !matches!(url.scheme(), "http" | "https" | "android-app" | "ios-app") {
            return None;
        }
        let host = url
            .host_str()
            .map(|host| host.trim_end_matches('.').to_ascii_lowercase());
        let host = host.filter(|host| !host.is_empty() && host != NOWHERE);
        Some(Self { url, host })
    }

    /// The host, in lower case and ASCII, without a dot at its end.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The host without `www.`, as sources are named.
    pub fn name(&self) -> Option<&str> {
        let host = self.host()?;
        Some(host.strip_prefix("www.").unwrap_or(host))
    }

    /// The host of the page that an app shows, without `www.`: behind its id and a scheme stands the page's address
    /// (`ios-app://284815942/https/www.google.com`).
    pub fn page_of_app(&self) -> Option<&str> {
        let is_app = self.url.scheme().ends_with("-app");
        let mut parts = self.url.path().trim_start_matches('/').split('/');
        let is_page = is_app && matches!(parts.next(), Some("http" | "https"));
        let host = parts.next().filter(|host| is_page && !host.is_empty())?;
        Some(host.strip_prefix("www.").unwrap_or(host))
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Whether both are pages of one site: their hosts share the domain that can be registered.
    pub fn is_same_site(&self, other: &Address) -> bool {
        match (self.host(), other.host()) {
            (Some(one), Some(two)) => one == two || site(one).is_some_and(|one| site(two) == Some(one)),
            _ => false,
        }
    }

    /// The path without parameters that let somebody in (`/cart;jsessionid=1`).
    fn open_path(&self) -> Cow<'_, str> {
        let path = self.url.path();
        if !path.contains(';') {
            return path.into();
        }
        let is_open = |part: &&str| !is_secret(part.split('=').next().unwrap_or_default());
        let segment = |segment: &str| {
            let (name, parameters) = segment.split_once(';').unwrap_or((segment, ""));
            let parameters = parameters.split(';').filter(|part| !part.is_empty());
            let open = std::iter::once(name).chain(parameters.filter(is_open));
            open.collect::<Vec<_>>().join(";")
        };
        path.split('/').map(segment).collect::<Vec<_>>().join("/").into()
    }

    /// Whether it holds what lets somebody in: a user's name or password, a token and the like.
    fn lets_in(&self, depth: u8) -> bool {
        let is_nested = |value: &str| depth > 0 && redacted_value(value, depth - 1).is_some();
        let has_secrets = |query: &str| {
            open_query(query) != query
                || form_urlencoded::parse(query.as_bytes())
                    .any(|(name, value)| is_secret(&name) || is_nested(&value))
        };
        let fragment = self.url.fragment().unwrap_or_default();
        let of_fragment = fragment.rsplit('?').next().unwrap_or_default();
        !self.url.username().is_empty()
            || self.url.password().is_some()
            || self.url.query().is_some_and(has_secrets)
            || has_secrets(of_fragment)
            || self.open_path() != self.url.path()
    }

    /// The address without credentials, query and fragment.
    pub fn bare(&self) -> Option<String> {
        let path = self.open_path();
        let text = match self.host() {
            None => path.into_owned(),
            Some(host) => {
                let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://{host}{port}{path}", self.url.scheme())
            }
        };
        let text: String = text.chars().take(MOST_KEPT).collect();
        Some(text).filter(|text| !text.is_empty() && text != "/")
    }

    /// The address as events keep it: without credentials and fragment. One that is too long keeps of its query only
    /// what shows where a visit came from.
    pub fn kept(&self) -> Option<String> {
        let bare = self.bare();
        let bare = bare.or_else(|| (self.url.path() == "/").then(String::new))?;
        let open = open_query(self.url.query().unwrap_or_default());
        let with = |is_wanted: &dyn Fn(&str) -> bool| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let wanted = form_urlencoded::parse(open.as_bytes()).filter(|(name, _)| is_wanted(name));
            for (name, value) in wanted {
                let value = redacted_value(&value, DEPTH).unwrap_or_else(|| value.into_owned());
                query.append_pair(&name, &clean(&value, MOST_OF_A_PARAMETER * 5));
            }
            let query = query.finish();
            Some(if query.is_empty() {
                bare.clone()
            } else {
                format!("{bare}?{query}")
            })
        };
        let is_short = |text: &String| text.len() <= MOST_KEPT;
        let whole = with(&|name| !is_secret(name)).filter(is_short);
        let ways = || with(&is_of_a_way).filter(is_short);
        let kept = whole.or_else(ways).unwrap_or(bare);
        Some(kept).filter(|text| !text.is_empty())
    }

    /// The first value of a parameter that says something: decoded, without control characters, clipped. Names are
    /// compared without case. It is text, whatever it looks like.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameter_within(name, MOST_OF_A_PARAMETER)
    }

    /// The same with a limit of its own, in characters.
    pub(super) fn parameter_within(&self, name: &str, most: usize) -> Option<String> {
        let named = self
            .url
            .query_pairs()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named
            .map(|(_, value)| clean(&value, most))
            .find(|value| !value.is_empty())
    }

    /// Whether it has a parameter of this very name that is not empty.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.url
            .query_pairs()
            .any(|(key, value)| key == name && !value.is_empty())
    }
}

/// How many addresses deep within each other secrets are looked for (`?next=https%3A%2F%2F...`).
const DEPTH: u8 = 3;

/// A member that holds an address, without what lets somebody in; unchanged where it has nothing of that.
pub fn redacted(text: &str) -> Cow<'_, str> {
    match redacted_within(text, DEPTH) {
        Some(redacted) => redacted.into(),
        None => text.into(),
    }
}

/// [`redacted`] for every text within a value that is an address with its scheme, from end to end. Text that only contains
/// addresses is what somebody wrote, and stays.
pub fn redact_values(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(redacted) = redacted_text(text) {
                *text = redacted;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_values),
        Value::Object(members) => members.values_mut().for_each(redact_values),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What is left of a text that is an address with its scheme, from end to end, and lets somebody in; `None` where nothing
/// of it goes.
pub fn redacted_text(text: &str) -> Option<String> {
    let scheme = text.trim().split("://").next().unwrap_or_default();
    let is_address = scheme.len() < text.trim().len()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !text.trim().contains(char::is_whitespace);
    is_address.then(|| redacted_within(text, DEPTH))?
}

/// The value of a parameter that is an address itself; an e-mail is none.
fn redacted_value(value: &str, depth: u8) -> Option<String> {
    let is_address = value.contains("://") || value.starts_with(['/', '?']);
    is_address.then(|| redacted_within(value, depth))?
}

fn redacted_within(text: &str, depth: u8) -> Option<String> {
    match Address::read(text) {
        Some(address) => address.lets_in(depth).then(|| address.kept().unwrap_or_default()),
        // Of no page: `postgres://user:password@host/`.
        None => {
            let mut url = Url::parse(text.trim()).ok()?;
            let lets_in = !url.username().is_empty() || url.password().is_some();
            let is_open = lets_in && url.set_username("").is_ok() && url.set_password(None).is_ok();
            is_open.then(|| url.into())
        }
    }
}

/// Names of parameters that let somebody in: short ones that are parts of harmless names too (`promo_code`).
const SECRETS: [&str; 9] = [
    "code",
    "key",
    "pass",
    "pin",
    "pw",
    "reset",
    "samlresponse",
    "sso",
    "ticket",
];
/// Parts of such names, between capitals and what is neither letter nor digit: `reset_password_token`, `X-Amz-Credential`,
/// `resetKey`.
const SECRET_PARTS: [&str; 30] = [
    "accesskey",
    "activation",
    "apikey",
    "assertion",
    "auth",
    "authkey",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "invitation",
    "invite",
    "jsessionid",
    "jwt",
    "key",
    "magic",
    "magiclink",
    "otp",
    "passcode",
    "passwd",
    "phpsessid",
    "pwd",
    "reset",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "verification",
    "verify",
];
/// The two halves of names that let somebody in only together: `login_code`, `accessCode`, `userpass`.
const SECRET_PAIRS: ([&str; 14], [&str; 7]) = (
    [
        "access",
        "account",
        "confirm",
        "confirmation",
        "invite",
        "license",
        "login",
        "private",
        "security",
        "session",
        "sign",
        "signin",
        "unlock",
        "user",
    ],
    ["code", "hash", "key", "link", "pass", "pin", "pw"],
);
/// What gives such a name away wherever it stands: `accessToken`.
const SECRET_WORDS: [&str; 5] = ["api_key", "passphrase", "password", "secret", "token"];

fn is_secret(name: &str) -> bool {
    let (name, words) = (name.trim().to_ascii_lowercase(), words(name));
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let (first, second) = SECRET_PAIRS;
    let is_pair = |one: &str, next: &str| first.contains(&one) && second.contains(&next);
    let is_compound = |word: &&str| {
        SECRET_PARTS.contains(word)
            || second.iter().any(|end| {
                let start = word.strip_suffix(end);
                start.is_some_and(|start| first.contains(&start) || SECRET_PARTS.contains(&start))
            })
    };
    let mut parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    SECRETS.contains(&name.as_str())
        || SECRET_WORDS.iter().any(|word| name.contains(word))
        || parts.any(|part| is_compound(&part))
        || words.iter().any(is_compound)
        || words.windows(2).any(|two| is_pair(two[0], two[1]))
}

/// The words of a name in lower case, with a space between them: `resetKey` is `reset key`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut was_small = false;
    for c in name.chars() {
        if was_small && c.is_ascii_uppercase() {
            words.push(' ');
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        words.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        });
    }
    words
}

/// A query without the secrets behind semicolons, which separate parameters on old servers (`a=1;key=S`).
fn open_query(query: &str) -> Cow<'_, str> {
    if !query.contains(';') {
        return query.into();
    }
    let is_open = |piece: &&str| {
        let mut pairs = form_urlencoded::parse(piece.as_bytes());
        !pairs.next().is_some_and(|(name, _)| is_secret(&name))
    };
    let pair = |pair: &str| {
        let Some((first, rest)) = pair.split_once(';') else {
            return pair.to_owned();
        };
        let rest = rest.split(';').filter(is_open);
        let open: Vec<&str> = std::iter::once(first).chain(rest).collect();
        open.join(";")
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&").into()
}

/// Whether a parameter shows where a visit came from.
fn is_of_a_way(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_click = [
        "gclid",
        "gbraid",
        "wbraid",
        "fbclid",
        "msclkid",
        "li_fat_id",
        "ttclid",
    ]
    .contains(&name.as_str());
    is_click || name.starts_with("utm_")
}

/// Stands for the host of an address that has none.
const NOWHERE: &str = "nowhere.invalid";

fn without_scheme(text: &str) -> Option<Url> {
    if let Some(rest) = text.strip_prefix("//") {
        return Url::parse(&format!("https://{rest}")).ok();
    }
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    if first.contains('.') {
        return Url::parse(&format!("https://{text}")).ok();
    }
    Url::parse(&format!("https://{NOWHERE}")).ok()?.join(text).ok()
}

/// Text without control characters and space at its ends, and no longer than this many characters.
pub(super) fn clean(text: &str, most: usize) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_control())
        .take(most.saturating_mul(2));
    let kept: String = kept.collect();
    kept.trim()
        .chars()
        .take(most)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn clipped_bytes(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_what_may_be_personal() {
        for (text, bare) in [
            (
                "https://www.example.com/offer?utm_source=x&email=ada%40example.com#top",
                "https://www.example.com/offer",
            ),
            ("https://ada:secret@www.example.com/", "https://www.example.com/"),
            (
                "https://ada:se%40cret@www.example.com:8443/a/b",
                "https://www.example.com:8443/a/b",
            ),
            ("HTTPS://WWW.Example.COM./Path", "https://www.example.com/Path"),
            ("//cdn.example.com/a?b", "https://cdn.example.com/a"),
            ("www.example.com/contact?x=1", "https://www.example.com/contact"),
            ("example.com:8080/contact", "https://example.com:8080/contact"),
            ("/contact?email=ada", "/contact"),
            (
                "https://bücher.example/käse",
                "https://xn--bcher-kva.example/k%C3%A4se",
            ),
            ("android-app://com.Slack/", "android-app://com.slack/"),
            ("http://ada@[::1]:3000/x", "http://[::1]:3000/x"),
        ] {
            let kept = Address::read(text).and_then(|address| address.bare());
            assert_eq!(kept.as_deref(), Some(bare), "{text}");
        }
    }

    #[test]
    fn events_keep_the_query_without_what_lets_somebody_in() {
        for (text, kept) in [
            (
                "https://ada:pw@e.com/a?b=1&Token=x&code=y#z",
                "https://e.com/a?b=1",
            ),
            ("https://e.com/?token=x", "https://e.com/"),
            (
                "https://e.com/reset?reset_password_token=a&X-Amz-Credential=b&sessionId=c&accessToken=d&jwt=e&PHP_SID=f&x=1",
                "https://e.com/reset?x=1",
            ),
            (
                "https://e.com/?promo_code=a&author=b&signup=c&pinned=d",
                "https://e.com/?promo_code=a&author=b&signup=c&pinned=d",
            ),
            (
                "https://e.com/?resetKey=a&invite=b&inviteCode=c&passCode=p&authcode=d&login_code=e&userPass=f&verifyLink=g&x=1",
                "https://e.com/?x=1",
            ),
            (
                "https://e.com/?a=1;key=S&b=2;accessCode=S;c=3",
                "https://e.com/?a=1&b=2%3Bc%3D3",
            ),
            (
                "https://e.com/?countryCode=a&postcode=b&zipCode=c&monkey=d&userId=e&keyword=f&sessions=g&design=h&linkId=i",
                "https://e.com/?countryCode=a&postcode=b&zipCode=c&monkey=d&userId=e&keyword=f&sessions=g&design=h&linkId=i",
            ),
            ("/contact?utm_source=x", "/contact?utm_source=x"),
            ("/?utm_source=x", "?utm_source=x"),
        ] {
            let found = Address::read(text).and_then(|address| address.kept());
            assert_eq!(found.as_deref(), Some(kept));
        }
        let clipped = format!("https://e.com/a?utm_source=n&gclid=Cj0&x={}", "y".repeat(100_000));
        let found = Address::read(&clipped)
            .and_then(|address| address.kept())
            .unwrap();
        assert!(found.len() <= MOST_KEPT && found.starts_with("https://e.com/a?utm_source=n&gclid=Cj0"));
    }

    #[test]
    fn what_lets_somebody_in_goes_wherever_it_stands_and_all_else_stays() {
        for (text, redacted_to) in [
            ("https://u:s@e.com/a?utm_source=x", "https://e.com/a?utm_source=x"),
            ("https://u@e.com/", "https://e.com/"),
            ("e.com/a?password=s&b=1", "https://e.com/a?b=1"),
            ("/a?token=s", "/a"),
            ("https://e.com/#access_token=s&b=1", "https://e.com/"),
            ("https://e.com/#/reset?token=s", "https://e.com/"),
            (
                "https://e.com/cart;jsessionid=s;v=1/pay",
                "https://e.com/cart;v=1/pay",
            ),
            (
                "https://e.com/?next=https%3A%2F%2Fu%3As%40e.com%2F%3Fb%3D1&c=2",
                "https://e.com/?next=https%3A%2F%2Fe.com%2F%3Fb%3D1&c=2",
            ),
            (
                "https://e.com/?next=%2Freset%3Ftoken%3Ds",
                "https://e.com/?next=%2Freset",
            ),
            (
                "https://e.com/?key=s&reset=s&ticket=s&SAMLResponse=s&activation_key=s&reset-link=s&magic.link=s",
                "https://e.com/",
            ),
            ("postgres://u:s@db.e.com/crm", "postgres://db.e.com/crm"),
            (
                "https://e.com/?email=ada%40e.com&token=s",
                "https://e.com/?email=ada%40e.com",
            ),
            // Nothing lets anybody in: not a sign changes.
            ("HTTPS://E.com/a b?x=1#top", "HTTPS://E.com/a b?x=1#top"),
            ("mailto:ada@e.com", "mailto:ada@e.com"),
        ] {
            assert_eq!(redacted(text), redacted_to);
            assert_eq!(redacted(redacted_to), redacted_to);
        }
        let mut said = serde_json::json!({
            "page": "https://u:s@e.com/", "list": [" https://e.com/?token=s"],
            "email": "ada@e.com", "text": "look at https://e.com/?token=t", "relative": "/a?token=t", "n": 1,
        });
        redact_values(&mut said);
        let expected = serde_json::json!({
            "page": "https://e.com/", "list": ["https://e.com/"],
            "email": "ada@e.com", "text": "look at https://e.com/?token=t", "relative": "/a?token=t", "n": 1,
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_no_page_is_not_kept() {
        for text in [
            "",
            "  ",
            "javascript:alert(1)",
            "data:text/html,<b>x</b>",
            "file:///home/ada/cv.html",
            "mailto:ada@example.com",
            "blob:https://example.com/uuid",
            "https://",
            "https://exa mple.com/",
            "http://[::1",
        ] {
            assert_eq!(
                Address::read(text).and_then(|address| address.bare()),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn parameters_are_decoded_text() {
        let address = Address::read(
            "https://e.com/?utm_source=&UTM_Source=News%20letter+1&utm_source=late&utm_campaign=%3Cscript%3Ealert(1)%3C%2Fscript%3E&utm_term=a%00b%0Ac&utm_content=%FF",
        )
        .unwrap();

        assert_eq!(address.parameter("utm_source").as_deref(), Some("News letter 1"));
        assert_eq!(
            address.parameter("utm_campaign").as_deref(),
            Some("<script>alert(1)</script>")
        );
        assert_eq!(address.parameter("utm_term").as_deref(), Some("abc"));
        assert_eq!(address.parameter("utm_content").as_deref(), Some("\u{fffd}"));
        assert_eq!(address.parameter("utm_medium"), None);
    }

    #[test]
    fn an_address_of_100_kilobytes_does_no_harm() {
        let long = format!("https://example.com/{}?utm_source=x", "ä".repeat(50_000));
        let kept = Address::read(&long).and_then(|address| address.bare()).unwrap();
        assert_eq!(kept.chars().count(), MOST_KEPT);

        let many = format!("https://example.com/?utm_source=x&{}", "a=b&".repeat(25_000));
        assert_eq!(
            Address::read(&many).unwrap().parameter("utm_source").as_deref(),
            Some("x")
        );

        let value = format!("https://example.com/?utm_source={}", "%41".repeat(33_000));
        assert_eq!(
            Address::read(&value)
                .unwrap()
                .parameter("utm_source")
                .unwrap()
                .len(),
            MOST_OF_A_PARAMETER
        );
    }

    #[test]
    fn pages_of_one_site_share_the_domain_that_can_be_registered() {
        for (one, two, is_one) in [
            ("https://www.example.co.uk", "https://shop.example.co.uk", true),
            ("https://example.co.uk", "https://other.co.uk", false),
            ("https://ada.github.io", "https://bob.github.io", false),
            ("http://10.0.0.1", "http://10.0.0.1:8080", true),
            ("http://10.0.0.1", "http://11.0.0.1", false),
            ("http://localhost", "http://localhost:3000", true),
            ("/a", "/b", false),
        ] {
            let (one, two) = (Address::read(one).unwrap(), Address::read(two).unwrap());
            assert_eq!(one.is_same_site(&two), is_one, "{one:?} {two:?}");
        }
    }
}
