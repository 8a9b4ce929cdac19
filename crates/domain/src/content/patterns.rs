//! By which pages and files content is known. A pattern is a host and a path in which `*` stands for any characters;
//! [`Library`] finds the content of an address by a few look-ups, however many patterns there are.

use std::collections::{BTreeSet, HashMap};

use crate::content::Content;
use crate::id::ContentId;
use crate::tracking::address::Address;
use crate::tracking::events::EventKind;

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
    fn named(&self) -> usize {
        self.path.len() - self.path.matches('*').count()
    }

    /// What stands before its first `*`; everything where it has none.
    fn beginning(&self) -> &str {
        self.path.split('*').next().unwrap_or_default()
    }

    fn matches(&self, host: Option<&str>, path: &str) -> bool {
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
fn compared_path(path: &str) -> String {
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

/// A pattern with its content.
#[derive(Debug, Clone)]
struct Known {
    pattern: Pattern,
    content: ContentId,
    is_archived: bool,
}

/// The content by its patterns, compiled.
#[derive(Debug, Clone, Default)]
pub struct Library {
    ids: BTreeSet<ContentId>,
    all: Vec<Known>,
    /// Patterns without `*`, by path.
    exact: HashMap<String, Vec<usize>>,
    /// The others, by what stands before their first `*`.
    by_beginning: HashMap<String, Vec<usize>>,
    /// The lengths of these beginnings, in bytes.
    lengths: BTreeSet<usize>,
}

impl<'a> FromIterator<&'a Content> for Library {
    fn from_iter<I: IntoIterator<Item = &'a Content>>(content: I) -> Self {
        let mut library = Self::default();
        for one in content {
            library.ids.insert(one.id);
            let patterns = one.details.url_patterns.iter();
            for pattern in patterns.filter_map(|text| Pattern::read(text).ok()) {
                library.add(Known {
                    pattern,
                    content: one.id,
                    is_archived: one.archived_at.is_some(),
                });
            }
        }
        library
    }
}

impl Library {
    fn add(&mut self, known: Known) {
        let place = self.all.len();
        let beginning = known.pattern.beginning().to_owned();
        if beginning.len() == known.pattern.path.len() {
            self.exact.entry(beginning).or_default().push(place);
        } else {
            self.lengths.insert(beginning.len());
            self.by_beginning.entry(beginning).or_default().push(place);
        }
        self.all.push(known);
    }

    /// Whether there is content with this id, archived or not.
    pub fn has(&self, id: ContentId) -> bool {
        self.ids.contains(&id)
    }

    /// Whether events of this kind are about the content of their page.
    pub fn knows_by_page(kind: &EventKind) -> bool {
        matches!(kind.name(), "page_view" | "content_view" | "download")
    }

    /// The content of an event, by its kind and pages: what was viewed, or the file that was downloaded.
    pub fn of_event(&self, kind: &EventKind, url: Option<&str>, file: Option<&str>) -> Option<ContentId> {
        if self.all.is_empty() || !Self::knows_by_page(kind) {
            return None;
        }
        let file = file.filter(|_| kind.name() == "download");
        // The name of a file alone would read as a host.
        let of_file = file.and_then(|file| match file.contains('/') {
            true => self.find(file),
            false => self.find(&format!("/{file}")),
        });
        of_file.or_else(|| self.find(url?))
    }

    /// The content with the pattern that matches an address and names most of it; of several, one that is not archived,
    /// then the oldest.
    pub fn find(&self, address: &str) -> Option<ContentId> {
        let address = Address::read(address)?;
        let path = compared_path(address.path());
        let exact = self.exact.get(&path).into_iter().flatten();
        let beginnings = self.lengths.iter().filter_map(|length| path.get(..*length));
        let likely = beginnings
            .filter_map(|beginning| self.by_beginning.get(beginning))
            .flatten();
        let candidates = exact.chain(likely).map(|place| &self.all[*place]);
        let matching = candidates.filter(|known| known.pattern.matches(address.name(), &path));
        matching
            .min_by_key(|known| {
                (
                    std::cmp::Reverse(known.pattern.named()),
                    known.is_archived,
                    known.content,
                )
            })
            .map(|known| known.content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content::{ContentDetails, ContentKind, ContentStage, ContentState};
    use crate::id::Ids;
    use crate::instant::Timestamp;

    fn content(n: u64, patterns: &[&str], is_archived: bool) -> Content {
        let at = Timestamp::from_millis(1_800_000_000_000 + n as i64);
        Content {
            id: Ids::new(at, 0).next(),
            version: 1,
            details: ContentDetails {
                title: format!("Number {n}"),
                kind: ContentKind::Article,
                url_patterns: patterns.iter().map(|text| (*text).to_owned()).collect(),
                stage: ContentStage::Awareness,
                campaign_id: None,
                answers_objections: vec![],
                state: ContentState::Draft,
            },
            archived_at: is_archived.then_some(at),
            created_at: at,
            updated_at: at,
        }
    }

    fn is_known(pattern: &str, address: &str) -> bool {
        let one = content(0, &[pattern], false);
        Library::from_iter([&one]).find(address) == Some(one.id)
    }

    #[test]
    fn a_pattern_is_compared_without_case_scheme_www_query_and_slash() {
        for (pattern, address) in [
            (
                "example.com/guides/costs",
                "https://www.EXAMPLE.com/Guides/Costs/?utm_source=x#top",
            ),
            (
                "https://www.example.com/guides/costs/",
                "http://example.com/guides/costs",
            ),
            ("example.com/guides/*", "https://example.com/guides/a/b"),
            ("example.com/*/costs", "https://example.com/en/guides/costs"),
            ("example.com/a*b*c", "https://example.com/abbc"),
            ("*.example.com/costs", "https://blog.eu.example.com/costs"),
            ("/files/*.pdf", "https://cdn.example.net/files/x.pdf"),
            ("/files/*.pdf", "/files/x.pdf"),
            ("example.com", "https://example.com/"),
            ("example.com/über/*", "https://example.com/%C3%BCber/uns"),
        ] {
            assert!(is_known(pattern, address), "{pattern} {address}");
        }
        for (pattern, address) in [
            ("example.com/guides/*", "https://example.com/guides"),
            ("example.com/costs", "https://example.com/costs/more"),
            ("example.com/costs", "https://example.org/costs"),
            ("example.com/costs", "https://blog.example.com/costs"),
            ("*.example.com/costs", "https://example.com/costs"),
            ("*.example.com/costs", "https://badexample.com/costs"),
            ("example.com/a*a", "https://example.com/a"),
            ("example.com/costs", "/costs"),
            ("example.com/costs", "javascript:alert(1)"),
        ] {
            assert!(!is_known(pattern, address), "{pattern} {address}");
        }
    }

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

    #[test]
    fn the_pattern_that_names_most_counts_then_one_in_use_then_the_oldest() {
        let [all, one, old, new, gone] = [
            content(1, &["example.com/guides/*"], false),
            content(2, &["example.com/guides/costs"], false),
            content(3, &["example.com/new/*"], false),
            content(4, &["example.com/new/*"], false),
            content(0, &["example.com/new/*"], true),
        ];
        let library = Library::from_iter([&all, &one, &new, &old, &gone]);

        assert_eq!(library.find("example.com/guides/costs"), Some(one.id));
        assert_eq!(library.find("example.com/guides/other"), Some(all.id));
        assert_eq!(library.find("example.com/new/x"), Some(old.id));
    }

    #[test]
    fn views_and_downloads_have_content() {
        let one = content(0, &["example.com/costs"], false);
        let library = Library::from_iter([&one]);
        let of = |kind: &str, url, file| library.of_event(&EventKind::named(kind).unwrap(), url, file);
        let (page, other) = (Some("https://example.com/costs"), Some("https://example.com/"));

        assert_eq!(of("page_view", page, None), Some(one.id));
        assert_eq!(of("content_view", page, None), Some(one.id));
        assert_eq!(of("download", other, page), Some(one.id));
        assert_eq!(of("download", page, None), Some(one.id));
        let file = content(1, &["/costs.pdf"], false);
        let download = EventKind::named("download").unwrap();
        assert_eq!(
            Library::from_iter([&file]).of_event(&download, None, Some("costs.pdf")),
            Some(file.id)
        );
        assert_eq!(of("page_view", other, page), None);
        assert_eq!(of("email_click", page, None), None);
    }

    /// Whether a text is like a pattern, by trying everything that a star may stand for.
    fn slowly(text: &[char], pattern: &[char]) -> bool {
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

        #[test]
        fn look_ups_find_what_trying_every_pattern_finds(
            paths in prop::collection::vec("/[ab]{1,2}[ab*/]{0,4}", 1..12),
            path in "/[ab]{0,4}",
        ) {
            let patterns: Vec<String> = paths.iter().map(|path| format!("example.com{path}")).collect();
            let library: Vec<Content> = patterns
                .iter()
                .enumerate()
                .map(|(n, pattern)| content(n as u64, &[pattern], false))
                .collect();
            let tried = library.iter().filter(|one| {
                let text = one.details.url_patterns[0].trim_start_matches("example.com");
                let text = text.trim_end_matches('/');
                let path = path.trim_end_matches('/');
                slowly(&path.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
            });
            let named = |one: &&Content| {
                let text = one.details.url_patterns[0].trim_end_matches('/');
                text.chars().filter(|c| *c != '*').count()
            };
            let most = tried.clone().map(|one| named(&one)).max();
            let expected = tried.clone().find(|one| Some(named(one)) == most).map(|one| one.id);
            prop_assert_eq!(Library::from_iter(&library).find(&format!("https://example.com{path}")), expected);
        }
    }
}
