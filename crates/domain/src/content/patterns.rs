//! Patterns of pages and files: a host and a path in which `*` stands for any characters.

use crate::tracking::address::Address;

/// The most characters of a pattern.
pub const MAX_CHARS: usize = 500;
/// The most `*` of a path.
const MAX_STARS: usize = 10;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no host with a path.
    #[error("must be a host and a path such as www.example.com/guides/*")]
    Form,
    /// It has a query or fragment, which are ignored.
    #[error("must have no query and no fragment: they are ignored in addresses")]
    Query,
    /// Its host has a `*` elsewhere than as its first label.
    #[error("may have a * in its host only as *. before a domain")]
    Host,
    /// It has too many `*`.
    #[error("has more than 10 *")]
    Stars,
    /// It would match every page of a host, or of all hosts.
    #[error("must name a part of the path")]
    Everything,
    /// It is too long.
    #[error("has more than 500 characters")]
    Long,
}

impl Unfit {
    /// The code of the violation.
    pub fn code(self) -> &'static str {
        match self {
            Unfit::Form => "invalid_format",
            Unfit::Long => "too_long",
            Unfit::Query | Unfit::Host | Unfit::Stars | Unfit::Everything => "not_allowed",
        }
    }
}

/// The hosts of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hosts {
    /// Every host.
    Every,
    /// One host, without `www.`.
    One(String),
    /// All subdomains of a domain.
    Below(String),
}

/// A pattern, as addresses are compared with it: in lower case, without `www.`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    hosts: Hosts,
    path: String,
}

impl Pattern {
    /// Read a pattern. A scheme before the host is ignored.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if text.chars().count() > MAX_CHARS {
            return Err(Unfit::Long);
        }
        if text.contains(['?', '#']) {
            return Err(Unfit::Query);
        }
        let bare = ["https://", "http://", "//"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .unwrap_or(text);
        let (host, path) = match bare.find('/') {
            Some(at) => bare.split_at(at),
            None => (bare, "/"),
        };
        let (is_below, domain) = match host.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, host),
        };
        if domain.contains('*') {
            return Err(Unfit::Host);
        }
        // A path alone is of every host.
        let read = if domain.is_empty() && !is_below && bare.starts_with('/') {
            Address::read(bare)
        } else {
            // A host has no port, no user and no space.
            let is_host = !domain.is_empty() && !domain.contains([':', '@', ' ']);
            is_host
                .then(|| Address::read(&format!("https://{domain}{path}")))
                .flatten()
        };
        let address = read.ok_or(Unfit::Form)?;
        let hosts = match (address.name(), is_below) {
            (None, _) => Hosts::Every,
            (Some(name), false) => Hosts::One(name.to_owned()),
            (Some(name), true) => Hosts::Below(name.to_owned()),
        };
        let path = compared_path(address.path());
        if path.matches('*').count() > MAX_STARS {
            return Err(Unfit::Stars);
        }
        // The entry page of one host is a page like others; a star alone is all pages.
        let names_no_part = path.chars().all(|c| matches!(c, '*' | '/'));
        if names_no_part && (path.contains('*') || !matches!(hosts, Hosts::One(_))) {
            return Err(Unfit::Everything);
        }
        Ok(Self { hosts, path })
    }

    /// How many characters of a path it names: of two patterns that match, the one that names more counts.
    pub(super) fn named(&self) -> usize {
        self.path.len() - self.path.matches('*').count()
    }

    /// Whether it has no `*`: it matches one path.
    pub(super) fn is_exact(&self) -> bool {
        !self.path.contains('*')
    }

    /// What stands before its first `*`; everything where it has none.
    pub(super) fn beginning(&self) -> &str {
        self.path.split('*').next().unwrap_or_default()
    }

    /// Whether it matches a page of a host, without `www.`, with a path as [`compared_path`] gives it.
    pub(super) fn matches(&self, host: Option<&str>, path: &str) -> bool {
        let is_host = match &self.hosts {
            Hosts::Every => true,
            Hosts::One(name) => host == Some(name),
            Hosts::Below(domain) => host.is_some_and(|host| is_below(host, domain)),
        };
        is_host && is_like(path, &self.path)
    }
}

/// Whether a host is a subdomain of a domain.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|before| before.len() > 1 && before.ends_with('.'))
}

/// A path as patterns and addresses are compared: without case and without a slash at its end.
pub(super) fn compared_path(path: &str) -> String {
    let path = path.to_lowercase();
    let bare = path.trim_end_matches('/');
    if bare.is_empty() {
        "/".to_owned()
    } else {
        bare.to_owned()
    }
}

/// Whether a text is like a pattern in which `*` stands for any characters. The first fit of each part is the right one,
/// since all parts but the last may be followed by anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, unfit) in [
            ("", Unfit::Form),
            ("example .com/a", Unfit::Form),
            ("ftp://example.com/a", Unfit::Form),
            ("user@example.com/a", Unfit::Form),
            ("example.com/a?b=1", Unfit::Query),
            ("example.com/a#b", Unfit::Query),
            ("www.*.com/a", Unfit::Host),
            ("*/a", Unfit::Host),
            ("example.com/*", Unfit::Everything),
            ("/", Unfit::Everything),
            ("/**", Unfit::Everything),
            ("*.example.com", Unfit::Everything),
            ("example.com/a*a*a*a*a*a*a*a*a*a*a*", Unfit::Stars),
        ] {
            assert_eq!(Pattern::read(text), Err(unfit), "{text}");
        }
        assert_eq!(Pattern::read(&"a".repeat(501)), Err(Unfit::Long));
    }

    /// Whether a text is like a pattern, by trying everything that a star may stand for.
    pub(in crate::content) fn slowly(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| slowly(&text[n..], rest)),
            Some((c, rest)) => text
                .split_first()
                .is_some_and(|(t, left)| t == c && slowly(left, rest)),
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_any_characters(text in "[ab]{0,8}", pattern in "[ab*]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(is_like(&text, &pattern), slowly(&chars(&text), &chars(&pattern)));
        }
    }
}
