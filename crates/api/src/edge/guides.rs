//! The guides of the project as pages at `/docs/guides`, with search. Rendered by the service: they need no internet and no script.

use std::fmt::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};
use serde::Deserialize;

use super::http::asset::Asset;

const HTML: &str = "text/html; charset=utf-8";

/// The name in the address, what a reader finds there, and the text. In reading order.
const SOURCES: &[(&str, &str, &str)] = &[
    (
        "start",
        "Start the service and follow one lead",
        include_str!("../../../../README.md"),
    ),
    (
        "http",
        "Call the API: login, scopes, lists, errors, browsers",
        include_str!("../../../../docs/http.md"),
    ),
    (
        "capture",
        "Forms on websites",
        include_str!("../../../../docs/capture.md"),
    ),
    (
        "script",
        "The tracking script",
        include_str!("../../../../docs/script.md"),
    ),
    (
        "tracking",
        "Events, visits and touches",
        include_str!("../../../../docs/tracking.md"),
    ),
    (
        "sources",
        "Sources and channels",
        include_str!("../../../../docs/sources.md"),
    ),
    (
        "content",
        "The content library",
        include_str!("../../../../docs/content.md"),
    ),
    ("consent", "Consent", include_str!("../../../../docs/consent.md")),
    ("import", "Imports", include_str!("../../../../docs/import.md")),
    (
        "agreement",
        "The agreement: stages, scores, commitments",
        include_str!("../../../../docs/agreement.md"),
    ),
    (
        "routing",
        "Routing: who gets a lead",
        include_str!("../../../../docs/routing.md"),
    ),
    (
        "activities",
        "Hand-offs, activities and the day's work",
        include_str!("../../../../docs/activities.md"),
    ),
    ("deals", "Deals", include_str!("../../../../docs/deals.md")),
    ("reports", "Reports", include_str!("../../../../docs/reports.md")),
    (
        "operation",
        "Operate the service",
        include_str!("../../../../docs/operation.md"),
    ),
];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1rem;color:#1b1f24}\
    a{color:#0b57d0}nav{display:flex;gap:1rem;flex-wrap:wrap;align-items:center;border-bottom:1px solid #d0d7de;padding-bottom:.5rem}\
    pre{overflow:auto;background:#f6f8fa;padding:.75rem;border-radius:6px}code{font-size:.9em}\
    table{border-collapse:collapse;display:block;overflow:auto}td,th{border:1px solid #d0d7de;padding:.3rem .6rem;text-align:left;vertical-align:top}\
    h1,h2,h3{line-height:1.25}";

/// A guide as it is read: its page, and its sections for the search.
#[derive(Debug)]
struct Guide {
    name: &'static str,
    page: Asset,
    sections: Vec<Section>,
}

/// The text below one heading.
#[derive(Debug, Default)]
struct Section {
    title: String,
    anchor: String,
    text: String,
    /// `title` and `text` in small letters.
    folded: String,
}

static GUIDES: LazyLock<Vec<Guide>> =
    LazyLock::new(|| SOURCES.iter().map(|source| Guide::of(*source)).collect());

/// The pages of the guides: `/docs/guides`, `/docs/guides?q=words`, `/docs/guides/{name}`.
pub fn pages(config: &mut web::ServiceConfig) {
    config
        .route("/docs/guides", web::get().to(contents))
        .route("/docs/guides/", web::get().to(contents))
        .route("/docs/guides/{name}", web::get().to(guide));
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

/// The list of guides, or the sections that contain all words of `q`.
async fn contents(query: Result<web::Query<Search>, actix_web::Error>) -> HttpResponse {
    let asked = query.map(|query| query.into_inner().q).unwrap_or_default();
    let mut body = String::new();
    if asked.trim().is_empty() {
        body.push_str("<h1>Guides</h1><ul>");
        for (name, about, _) in SOURCES {
            let _ = write!(
                body,
                "<li><a href=\"/docs/guides/{name}\">{}</a></li>",
                escaped(about)
            );
        }
        body.push_str("</ul>");
    } else {
        results(&mut body, &asked);
    }
    HttpResponse::Ok()
        .content_type(HTML)
        .body(page("Guides", &asked, &body))
}

async fn guide(name: web::Path<String>, request: HttpRequest) -> HttpResponse {
    match GUIDES.iter().find(|guide| guide.name == name.as_str()) {
        Some(guide) => guide.page.answer(&request, HTML, |response| {
            response.insert_header((CACHE_CONTROL, "public, max-age=60"));
        }),
        None => HttpResponse::NotFound().content_type(HTML).body(page(
            "No such guide",
            "",
            "<h1>No such guide</h1>",
        )),
    }
}

/// The sections that contain all words; those that name one in their title come first.
fn results(body: &mut String, asked: &str) {
    let words: Vec<String> = asked.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(bool, &Guide, &Section)> = GUIDES
        .iter()
        .flat_map(|guide| guide.sections.iter().map(move |section| (guide, section)))
        .filter(|(_, section)| words.iter().all(|word| section.folded.contains(word.as_str())))
        .map(|(guide, section)| {
            let title = section.title.to_lowercase();
            (
                !words.iter().any(|word| title.contains(word.as_str())),
                guide,
                section,
            )
        })
        .collect();
    found.sort_by_key(|(is_text_only, ..)| *is_text_only);
    let _ = write!(
        body,
        "<h1>{} sections contain “{}”</h1>",
        found.len(),
        escaped(asked)
    );
    for (_, guide, section) in found {
        let _ = write!(
            body,
            "<h3><a href=\"/docs/guides/{}#{}\">{}</a></h3><p>{}</p>",
            guide.name,
            section.anchor,
            escaped(&section.title),
            escaped(&excerpt(section, &words))
        );
    }
}

/// Some 200 characters around the first of the words.
fn excerpt(section: &Section, words: &[String]) -> String {
    let text: Vec<char> = section.text.chars().collect();
    let folded = section.text.to_lowercase();
    let at = words
        .iter()
        .filter_map(|word| folded.find(word.as_str()))
        .min()
        .map_or(0, |byte| folded[..byte].chars().count());
    let from = at.min(text.len()).saturating_sub(60);
    let shown: String = text.iter().skip(from).take(200).collect();
    let before = if from > 0 { "… " } else { "" };
    let after = if from + 200 < text.len() { " …" } else { "" };
    format!("{before}{}{after}", shown.trim())
}

impl Guide {
    fn of((name, about, markdown): (&'static str, &str, &str)) -> Self {
        let (body, sections) = rendered(markdown);
        Self {
            name,
            page: Asset::of(page(about, "", &body).into_bytes()),
            sections,
        }
    }
}

/// The text as HTML, and its sections.
fn rendered(markdown: &str) -> (String, Vec<Section>) {
    let mut anchors: Vec<String> = vec![];
    let mut sections = vec![Section::default()];
    let mut events: Vec<Event<'_>> = vec![];
    // Where the heading began whose words are being read.
    let mut heading: Option<usize> = None;
    let mut leads_nowhere = false;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                heading = Some(events.len());
                sections.push(Section::default());
                events.push(event);
            }
            Event::End(TagEnd::Heading(level)) => {
                if let (Some(at), Some(section)) = (heading.take(), sections.last_mut()) {
                    section.anchor = anchor(&section.title, &mut anchors);
                    events[at] = Event::Start(open(level, &section.anchor));
                }
                events.push(event);
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let target = target(dest_url);
                leads_nowhere = target.is_none();
                events.extend(target.map(|dest_url| {
                    Event::Start(Tag::Link {
                        link_type,
                        dest_url,
                        title,
                        id,
                    })
                }));
            }
            Event::End(TagEnd::Link) if leads_nowhere => leads_nowhere = false,
            Event::Text(ref text) | Event::Code(ref text) => {
                if let Some(section) = sections.last_mut() {
                    if heading.is_some() {
                        &mut section.title
                    } else {
                        &mut section.text
                    }
                    .push_str(text);
                }
                events.push(event);
            }
            Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item) | Event::SoftBreak => {
                if let Some(section) = sections.last_mut() {
                    section.text.push(' ');
                }
                events.push(event);
            }
            event => events.push(event),
        }
    }
    for section in &mut sections {
        section.folded = format!("{}\n{}", section.title, section.text).to_lowercase();
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    (body, sections)
}

fn open(level: HeadingLevel, anchor: &str) -> Tag<'static> {
    Tag::Heading {
        level,
        id: Some(CowStr::from(anchor.to_owned())),
        classes: vec![],
        attrs: vec![],
    }
}

/// The anchor of a heading, as code forges make it: small letters, hyphens for blanks; a number from the second of one name on.
fn anchor(title: &str, taken: &mut Vec<String>) -> String {
    let plain: String = title
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect();
    let same = taken.iter().filter(|known| **known == plain).count();
    taken.push(plain.clone());
    if same == 0 {
        plain
    } else {
        format!("{plain}-{same}")
    }
}

/// A link between files as a link between pages. None for a file of the repository that is no guide.
fn target(link: CowStr<'_>) -> Option<CowStr<'_>> {
    let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
    if file.is_empty() || file.contains("://") {
        return Some(link);
    }
    if file == "openapi/tandem.json" {
        return Some("/openapi.json".into());
    }
    let name = file.rsplit('/').next()?.strip_suffix(".md")?;
    let (name, ..) = SOURCES.iter().find(|(known, ..)| *known == name)?;
    let hash = if anchor.is_empty() { "" } else { "#" };
    Some(format!("/docs/guides/{name}{hash}{anchor}").into())
}

fn page(title: &str, asked: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{} · Tandem</title><style>{STYLE}</style></head><body><nav><a href=\"/docs/guides\">Guides</a>\
         <a href=\"/docs/\">API reference</a><form action=\"/docs/guides\"><input type=\"search\" name=\"q\" value=\"{}\" \
         placeholder=\"Search the guides\" aria-label=\"Search the guides\"></form></nav><main>{body}</main></body></html>",
        escaped(title),
        escaped(asked)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_a_guide_leads_to_a_section_that_exists() {
        for (name, _, markdown) in SOURCES {
            for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
                let Event::Start(Tag::Link { dest_url, .. }) = event else {
                    continue;
                };
                let Some(link) = target(dest_url) else { continue };
                let Some(page) = link.strip_prefix("/docs/guides/") else {
                    continue;
                };
                let (page, anchor) = page.split_once('#').unwrap_or((page, ""));
                let guide = GUIDES.iter().find(|guide| guide.name == page);
                let sections = &guide.unwrap_or_else(|| panic!("{name}: {link}")).sections;
                assert!(
                    anchor.is_empty() || sections.iter().any(|section| section.anchor == anchor),
                    "{name}: {link}"
                );
            }
        }
    }

    #[test]
    fn a_search_finds_sections_by_all_words_and_escapes_what_was_asked() {
        let mut body = String::new();
        results(&mut body, "REFRESH token");
        assert!(body.contains("/docs/guides/http#authentication"), "{body}");

        let mut none = String::new();
        results(&mut none, "<script>alert(1)</script>");
        assert!(
            none.starts_with("<h1>0 sections contain “&lt;script&gt;"),
            "{none}"
        );
    }

    #[test]
    fn headings_of_one_name_have_anchors_of_their_own() {
        let mut taken = vec![];
        assert_eq!(anchor("What to do, first?", &mut taken), "what-to-do-first");
        assert_eq!(anchor("Roles", &mut taken), "roles");
        assert_eq!(anchor("Roles", &mut taken), "roles-1");
    }

    #[test]
    fn links_to_files_that_are_no_guides_become_words() {
        let (page, _) =
            rendered("[map](ARCHITECTURE.md), [calls](docs/http.md#form) and [one](https://a.example)");
        assert!(
            page.contains(
                r#"map, <a href="/docs/guides/http#form">calls</a> and <a href="https://a.example">one</a>"#
            ),
            "{page}"
        );
    }
}
