//! Web addresses as browsers report them: read leniently, stored without what may be personal.

mod secrets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;
use url::{ParseError, Url, form_urlencoded};

use crate::leads::identity::site;
use secrets::is_secret;

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
