//! Countries as people and systems write them: codes of ISO 3166-1, its names, common English ones, and those of other
//! languages.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::search::fold;

/// The codes of countries by their names and by their three letters, in the form in which names are compared.
static NAMES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut names = HashMap::new();
    // What ISO and English call them goes before what another language does.
    let lists = [
        include_str!("../../data/country_names.txt"),
        include_str!("../../data/countries.txt"),
    ];
    let lines = lists.into_iter().flat_map(str::lines);
    for line in lines.filter(|line| !line.starts_with('#')) {
        let Some((code, known)) = line.split_once('\t') else {
            continue;
        };
        let all = known.split(['|', '\t']);
        names.extend(all.map(|name| (compared(name), code)));
    }
    names
});

/// The codes of two letters that are assigned; `XX`, `EU` and the like are no countries.
static CODES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| NAMES.values().copied().collect());

/// The two upper-case letters of ISO 3166-1 that a text stands for: a code of two or three letters, or a name.
pub fn country(text: &str) -> Option<String> {
    let text = text.trim();
    let named = NAMES.get(&compared(text)).map(|code| (*code).to_owned());
    named.or_else(|| Some(text.to_ascii_uppercase()).filter(|code| CODES.contains(code.as_str())))
}

/// A name without case, accents, signs and a leading article.
fn compared(name: &str) -> String {
    let folded = fold(&name.replace('&', " and "));
    let bare = folded.strip_prefix("the ").unwrap_or(&folded);
    bare.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_read() {
        for (text, code) in [
            ("de", Some("DE")),
            (" IT ", Some("IT")),
            ("Germany", Some("DE")),
            ("GERMANY", Some("DE")),
            ("deu", Some("DE")),
            ("UK", Some("GB")),
            ("uk", Some("GB")),
            ("United Kingdom", Some("GB")),
            ("U.S.A.", Some("US")),
            ("The United States of America", Some("US")),
            ("the Netherlands", Some("NL")),
            ("Holland", Some("NL")),
            ("Cote d'Ivoire", Some("CI")),
            ("Côte d’Ivoire", Some("CI")),
            ("Bosnia & Herzegovina", Some("BA")),
            ("Türkiye", Some("TR")),
            ("Turkey", Some("TR")),
            ("Korea (Republic of)", Some("KR")),
            ("South Korea", Some("KR")),
            ("Tanzania, United Republic of", Some("TZ")),
            ("Czechia", Some("CZ")),
            ("Deutschland", Some("DE")),
            ("Espana", Some("ES")),
            ("España", Some("ES")),
            ("ITALIA", Some("IT")),
            ("Österreich", Some("AT")),
            ("Schweiz", Some("CH")),
            ("Svizzera", Some("CH")),
            ("Royaume-Uni", Some("GB")),
            ("Estados Unidos", Some("US")),
            ("Россия", Some("RU")),
            ("Ελλάδα", Some("GR")),
            ("ελλαδα", Some("GR")),
            ("日本", Some("JP")),
            ("السعودية", Some("SA")),
            ("République tchèque", Some("CZ")),
            ("EEUU", Some("US")),
            ("المملكة العربية السعودية", Some("SA")),
            ("nga", Some("NG")),
            ("Euskadi", None),
            ("Atlantis", None),
            ("XX", None),
            ("EU", None),
            ("zz", None),
            ("xk", Some("XK")),
            ("n/a", None),
            ("-", None),
            ("", None),
            ("4", None),
        ] {
            assert_eq!(country(text).as_deref(), code, "{text}");
        }
    }

    #[test]
    fn every_country_is_read_by_its_own_names() {
        let others = include_str!("../../data/country_names.txt").lines();
        for line in others.filter(|line| !line.starts_with('#')) {
            let (code, names) = line.split_once('\t').unwrap();
            for name in names.split('|') {
                assert_eq!(country(name).as_deref(), Some(code), "{name}");
            }
        }
        let lines = include_str!("../../data/countries.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in lines {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(country(columns[0]).as_deref(), Some(columns[0]));
            assert_eq!(country(columns[1]).as_deref(), Some(columns[0]), "{line}");
            for name in columns[2].split('|') {
                assert_eq!(country(name).as_deref(), Some(columns[0]), "{name}");
            }
            count += 1;
        }
        assert_eq!(count, 250);
    }
}
