//! The content by its patterns, compiled: finds the content of an address by a few look-ups, however many patterns there are.

use std::collections::{BTreeSet, HashMap};

use super::Content;
use super::patterns::{Pattern, compared_path};
use crate::id::ContentId;
use crate::tracking::address::Address;
use crate::tracking::events::EventKind;

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
        if known.pattern.is_exact() {
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

    use super::super::patterns::tests::slowly;
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

    proptest! {
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
