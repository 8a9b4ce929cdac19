//! What a source is: a search engine, a social site, a video or shopping site, an AI assistant.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::address::Address;

/// What kind of site a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// A search engine.
    Search,
    /// A social site.
    Social,
    /// A video site.
    Video,
    /// A shopping site.
    Shopping,
    /// An AI assistant.
    Assistant,
}

/// A site that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// What it is called, in lower case.
    pub name: &'static str,
    /// What it is.
    pub category: Category,
}

/// What a source is that is named by hand (`utm_source`): by its name or by its host, or by what is left of either without
/// the words that it was paid for (`meta_ads`, `google.ads`).
pub fn category(source: &str) -> Option<Category> {
    let source = source.trim().to_lowercase();
    plainly(&source).or_else(|| paid(&source))
}

/// Whether a source that is named by hand says that somebody paid for it: `google_ads`, `fb-ads`, `yandex.direct`,
/// `adwords`.
pub fn is_for_ads(source: &str) -> bool {
    let source = source.trim().to_lowercase();
    source == "adwords" || paid(&source).is_some()
}

/// What a source is by its name as it stands, whatever separates its words, or by its host.
fn plainly(source: &str) -> Option<Category> {
    let known = known();
    if let Some(category) = known.names.get(compact(source).as_str()) {
        return Some(*category);
    }
    if !source.contains('.') {
        return None;
    }
    let address = Address::read(source)?;
    let entry = known.at(address.name()?, address.path())?;
    entry.asks_for.is_none().then_some(entry.site.category)
}

/// The words for what somebody paid for, behind or before the name of the source.
const PAID: &[&str] = &[
    "ads",
    "ad",
    "adwords",
    "cpc",
    "cpm",
    "ppc",
    "paid",
    "direct",
    "sem",
    "sponsored",
    "advertising",
];
/// Those that are also written in one word with it: `tiktokads`.
const PAID_ENDINGS: &[&str] = &["ads", "adwords", "cpc", "ppc"];

/// What a source is whose name has words that it was paid for, by what is left of it.
fn paid(source: &str) -> Option<Category> {
    let is_separator = |c: char| !(c.is_alphanumeric());
    let is_paid = |word: &&str| PAID.contains(word);
    let words: Vec<&str> = source
        .split(is_separator)
        .filter(|word| !word.is_empty())
        .collect();
    let first = words.iter().take_while(|word| is_paid(word)).count();
    let last = words[first..]
        .iter()
        .rev()
        .take_while(|word| is_paid(word))
        .count();
    let name = &words[first..words.len() - last];
    let found = |name: &str| {
        // Microsoft's own name says nothing, unless somebody paid for it.
        let bought = matches!(name, "microsoft" | "msft").then_some(Category::Search);
        known().names.get(name).copied().or(bought)
    };
    match name.len() == words.len() {
        true => {
            let whole = compact(source);
            let mut names = PAID_ENDINGS
                .iter()
                .filter_map(|ending| whole.strip_suffix(ending));
            names.find_map(found)
        }
        // What is left may be a host: `ads.google.com`.
        false => found(&name.concat()).or_else(|| plainly(&name.join("."))),
    }
}

/// A name without what separates its words: `Hacker News`, `hacker-news` and `hackernews` are one.
fn compact(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The known site that an address belongs to. A portal counts as a search engine only if its address has a search in it:
/// browsers mostly send the host alone, so that of a host that is nothing but a search engine no search is asked for.
pub fn site(address: &Address) -> Option<Site> {
    let known = known();
    let of_page = || known.at(address.page_of_app()?, "");
    let entry = known.at(address.name()?, address.path()).or_else(of_page)?;
    let has_search = |names: &str| names.split(',').any(|name| address.has_parameter(name));
    entry.asks_for.is_none_or(has_search).then_some(entry.site)
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    site: Site,
    /// Of a portal: parameters of which the address must have one.
    asks_for: Option<&'static str>,
    /// Whether everything below the host counts too.
    is_whole: bool,
}

struct Known {
    /// By host; `{}` in it stands for a country or a public suffix.
    hosts: HashMap<&'static str, Entry>,
    /// By host and the beginning of the path.
    paths: Vec<(&'static str, &'static str, Entry)>,
    /// By name, [`compact`].
    names: HashMap<String, Category>,
}

/// The lists; where a host or name stands in several, the first has it.
const LISTS: &[(Category, &str)] = &[
    (Category::Video, include_str!("../../data/video_sites.txt")),
    (Category::Shopping, include_str!("../../data/shopping_sites.txt")),
    (Category::Assistant, include_str!("../../data/ai_assistants.txt")),
    (
        Category::Assistant,
        include_str!("../../data/further_assistants.txt"),
    ),
    (Category::Social, include_str!("../../data/social_sites.txt")),
    (Category::Search, include_str!("../../data/search_engines.txt")),
];

/// The hosts among the search engines that are something else too.
const PORTALS: &str = include_str!("../../data/portals.txt");

/// The apps of known sites, by their ids, which stand for hosts in addresses of apps.
const APPS: &str = include_str!("../../data/apps.txt");

const NAMES: &str = include_str!("../../data/source_names.txt");

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(Known::read)
}

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let said = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    said.map(|line| line.split('\t').collect())
}

impl Known {
    fn read() -> Self {
        let mut known = Self {
            hosts: HashMap::new(),
            paths: vec![],
            names: HashMap::new(),
        };
        let portals: HashSet<&str> = lines(PORTALS).flatten().collect();
        for (category, list) in LISTS {
            for line in lines(list) {
                let (Some(place), Some(name)) = (line.first(), line.get(1)) else {
                    continue;
                };
                let entry = Entry {
                    site: Site {
                        name,
                        category: *category,
                    },
                    asks_for: line.get(2).copied().filter(|_| portals.contains(place)),
                    is_whole: *category != Category::Search,
                };
                match place.split_once('/') {
                    Some((host, path)) => known.paths.push((host, path, entry)),
                    None => drop(known.hosts.entry(place).or_insert(entry)),
                }
                known.names.entry(compact(name)).or_insert(*category);
            }
        }
        for line in lines(APPS) {
            if let [app, category, name] = line[..]
                && let Some(category) = named(category)
            {
                let entry = Entry {
                    site: Site { name, category },
                    asks_for: None,
                    is_whole: false,
                };
                known.hosts.insert(app, entry);
            }
        }
        for line in lines(NAMES) {
            if let (Some(name), Some(category)) = (line.first(), line.get(1).and_then(|name| named(name))) {
                known.names.entry(compact(name)).or_insert(category);
            }
        }
        known
    }

    fn at(&self, host: &str, path: &str) -> Option<Entry> {
        let path = path.trim_start_matches('/');
        let by_path = self
            .paths
            .iter()
            .find(|(known, beginning, _)| *known == host && path.starts_with(beginning));
        if let Some((_, _, entry)) = by_path {
            return Some(*entry);
        }
        let suffix = psl::suffix_str(host).unwrap_or_default();
        let mut rest = host;
        loop {
            let whole = rest.len() == host.len();
            let is_here = |entry: &Entry| whole || entry.is_whole || is_version(host, rest);
            let entry = self.exactly(rest, suffix).filter(is_here);
            if entry.is_some() {
                return entry;
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The entry of a host, of the host under any suffix, or of the host below any country.
    fn exactly(&self, host: &str, suffix: &str) -> Option<Entry> {
        let found = self.hosts.get(host);
        let found = found.or_else(|| {
            let label = host.strip_suffix(suffix)?.strip_suffix('.')?;
            self.hosts.get(format!("{label}.{{}}").as_str())
        });
        let found = found.or_else(|| {
            let (country, rest) = host.split_once('.')?;
            let is_country = country.len() == 2 && country.bytes().all(|b| b.is_ascii_lowercase());
            is_country.then(|| self.hosts.get(format!("{{}}.{rest}").as_str()))?
        });
        found.copied()
    }
}

/// Whether a host is another version of the site at one above it: for phones, without scripts, without pictures.
fn is_version(host: &str, site: &str) -> bool {
    const VERSIONS: &[&str] = &[
        "amp", "html", "lite", "m", "mobile", "noai", "safe", "start", "touch", "wap",
    ];
    let below = host.strip_suffix(site).and_then(|rest| rest.strip_suffix('.'));
    below.is_some_and(|label| VERSIONS.contains(&label))
}

fn named(name: &str) -> Option<Category> {
    Some(match name {
        "search" => Category::Search,
        "social" => Category::Social,
        "video" => Category::Video,
        "shopping" => Category::Shopping,
        "assistant" => Category::Assistant,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Category::{Assistant, Search, Shopping, Social, Video};

    #[test]
    fn a_referrer_is_known_by_its_host() {
        for (referrer, expected) in [
            ("https://www.google.com/", Some(("google", Search))),
            ("https://www.google.co.uk/", Some(("google", Search))),
            ("https://google.it", Some(("google", Search))),
            (
                "android-app://com.google.android.googlequicksearchbox/https/www.google.com",
                Some(("google", Search)),
            ),
            ("https://de.search.yahoo.com/", Some(("yahoo", Search))),
            ("https://cn.bing.com/search?q=x", Some(("bing", Search))),
            ("https://search.brave.com/", Some(("brave", Search))),
            ("https://duckduckgo.com/", Some(("duckduckgo", Search))),
            ("https://html.duckduckgo.com/", Some(("duckduckgo", Search))),
            ("https://noai.duckduckgo.com/", Some(("duckduckgo", Search))),
            ("https://m.baidu.com/", Some(("baidu", Search))),
            ("https://help.duckduckgo.com/", None),
            (
                "android-app://com.google.android.googlequicksearchbox",
                Some(("google", Search)),
            ),
            (
                "android-app://com.google.android.googlequicksearchbox/",
                Some(("google", Search)),
            ),
            (
                "ios-app://284815942/https/www.google.com",
                Some(("google", Search)),
            ),
            (
                "android-app://org.example.reader/https/www.bing.com/search",
                Some(("bing", Search)),
            ),
            ("android-app://com.openai.chatgpt/", Some(("chatgpt", Assistant))),
            ("android-app://com.linkedin.android/", Some(("linkedin", Social))),
            ("android-app://com.google.android.gm/", None),
            ("https://kimi.moonshot.cn/", Some(("kimi", Assistant))),
            ("https://www.kimi.com/", Some(("kimi", Assistant))),
            ("https://www.doubao.com/chat/1", Some(("doubao", Assistant))),
            ("https://poe.com/", Some(("poe", Assistant))),
            ("https://m365.cloud.microsoft/chat", Some(("copilot", Assistant))),
            ("https://www.bing.com/chat?q=x", Some(("copilot", Assistant))),
            // Not the search engine, though its company's.
            ("https://mail.google.com/mail/u/0", None),
            ("https://docs.google.com/", None),
            ("https://www.bing.com.evil.example/", None),
            ("https://notgoogle.com/", None),
            // A portal is one only where somebody searched.
            ("https://www.cnn.com/2026/news", None),
            ("https://www.cnn.com/search?query=crm", Some(("google", Search))),
            ("https://news.google.com/", None),
            // Browsers send the host of a search engine alone.
            ("https://www.ask.com/", Some(("ask", Search))),
            ("https://kagi.com/", Some(("kagi", Search))),
            ("https://yep.com/", Some(("yep", Search))),
            ("https://www.mojeek.com/", Some(("mojeek", Search))),
            ("https://l.facebook.com/", Some(("facebook", Social))),
            ("https://it.linkedin.com/in/ada", Some(("linkedin", Social))),
            ("https://t.co/x", Some(("twitter", Social))),
            ("https://m.youtube.com/watch?v=1", Some(("youtube", Video))),
            ("https://vimeo.com/1", Some(("vimeo", Video))),
            ("https://www.amazon.co.uk/dp/1", Some(("amazon", Shopping))),
            ("https://smile.amazon.com/", Some(("amazon", Shopping))),
            ("https://chatgpt.com/", Some(("chatgpt", Assistant))),
            (
                "https://www.perplexity.ai/search?q=x",
                Some(("perplexity", Assistant)),
            ),
            ("https://gemini.google.com/app", Some(("gemini", Assistant))),
            ("https://x.com/i/grok?c=1", Some(("grok", Assistant))),
            ("https://x.com/ada", Some(("twitter", Social))),
            ("https://news.example.com/", None),
            ("/contact", None),
        ] {
            let found = Address::read(referrer).and_then(|address| site(&address));
            assert_eq!(
                found.map(|site| (site.name, site.category)),
                expected,
                "{referrer}"
            );
        }
    }

    #[test]
    fn a_source_is_known_by_its_name_or_host() {
        for (source, expected) in [
            ("google", Some(Search)),
            (" Google ", Some(Search)),
            ("googleads", Some(Search)),
            ("bing.com", Some(Search)),
            ("cnn.com", None),
            ("Facebook", Some(Social)),
            ("fb", Some(Social)),
            ("m.facebook.com", Some(Social)),
            ("LinkedIn", Some(Social)),
            ("hacker news", Some(Social)),
            ("youtube", Some(Video)),
            ("YouTube.com", Some(Video)),
            ("amazon.de", Some(Shopping)),
            ("IGShopping", Some(Shopping)),
            ("chatgpt.com", Some(Assistant)),
            ("google.ads", Some(Search)),
            ("Google Ads", Some(Search)),
            ("google_cpc", Some(Search)),
            ("googleppc", Some(Search)),
            ("yandex.direct", Some(Search)),
            ("yandex-direct", Some(Search)),
            ("microsoft.ads", Some(Search)),
            ("ads.google.com", Some(Search)),
            ("meta_ads", Some(Social)),
            ("fb-ads", Some(Social)),
            ("linkedin.ads", Some(Social)),
            ("paid_linkedin", Some(Social)),
            ("tiktokads", Some(Social)),
            ("Facebook.com / Paid", Some(Social)),
            ("reddit+ads", Some(Social)),
            ("yt_ads", Some(Video)),
            ("hacker-news", Some(Social)),
            ("chatgpt ads", Some(Assistant)),
            ("newsletter", None),
            ("newsletter_ads", None),
            ("ads", None),
            ("direct", None),
            ("beads", None),
            ("", None),
            ("<script>", None),
        ] {
            assert_eq!(category(source), expected, "{source}");
        }
        for (source, paid) in [
            ("google_ads", true),
            ("adwords", true),
            ("google adwords", true),
            ("meta-ads", true),
            ("tiktokads", true),
            ("bing.direct", true),
            ("microsoft ads", true),
            ("microsoftads", true),
            ("threads", false),
            ("google", false),
            ("facebook.com", false),
            ("newsletter_ads", false),
            ("(direct)", false),
        ] {
            assert_eq!(is_for_ads(source), paid, "{source}");
        }
    }

    #[test]
    fn every_line_of_the_lists_is_read() {
        for (category, list) in LISTS {
            for line in lines(list) {
                let [place, name] = [line[0], line[1]];
                assert!(
                    line.len() <= 3 && !name.is_empty() && name == name.to_lowercase(),
                    "{line:?}"
                );
                let host = place.replace("{}", "de");
                let found = known().at(
                    host.split('/').next().unwrap_or_default(),
                    place.split_once('/').map_or("", |(_, path)| path),
                );
                assert!(found.is_some(), "{category:?} {place}");
            }
        }
        assert!(lines(APPS).all(|line| line.len() == 3 && named(line[1]).is_some() && line[0].contains('.')));
        let engines: HashSet<&str> = lines(LISTS[5].1).map(|line| line[0]).collect();
        for portal in lines(PORTALS) {
            assert!(engines.contains(portal[0]), "{portal:?} is no search engine");
        }
        assert!(lines(NAMES).all(|line| line.len() == 2 && named(line[1]).is_some()));
    }
}
