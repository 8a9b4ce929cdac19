//! The words by which a lead is found: without case and accents, the same on every database.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fields::LeadField;
use super::identity::Kind;
use super::{Company, Lead};

/// The most bytes of a term that are stored and compared.
const MAX_BYTES: usize = 120;
/// The most words of a query that are looked at.
const MAX_WORDS: usize = 8;
/// The fewest digits that find a phone by its end.
const MIN_DIGITS: usize = 4;

/// Text without case, accents and surrounding space, as people type it: NFKD, combining marks and invisible characters
/// dropped, lower case, letters that do not decompose by the usual ones (ł, ø, ß), no apostrophes, and one hyphen for all.
pub fn fold(text: &str) -> String {
    let plain = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_invisible(*c) && !is_apostrophe(*c))
        .flat_map(char::to_lowercase)
        .nfkc();
    let mut folded = String::with_capacity(text.len());
    for c in plain {
        match usual(c) {
            Some(usual) => folded.push_str(usual),
            None if is_hyphen(c) => folded.push('-'),
            None => folded.push(c),
        }
    }
    folded.trim().to_owned()
}

/// How a letter without a decomposition is typed where the keyboard does not have it.
const fn usual(c: char) -> Option<&'static str> {
    Some(match c {
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'ŋ' => "n",
        'ı' => "i",
        'ĸ' => "k",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ß' => "ss",
        'ς' => "σ",
        _ => return None,
    })
}

/// What is not seen: soft hyphens, joiners and marks of direction, spaces without width, the tatweel, which stretches a
/// word; most of Unicode's Default_Ignorable_Code_Point.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{640}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Apostrophes, and what stands for one: quotes, primes, accents by themselves, letters of some languages.
pub(super) const fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '`' | '\u{b4}' | '\u{2b9}'..='\u{2bf}' | '\u{2c8}' | '\u{2ca}'..='\u{2cb}' | '\u{2018}'..='\u{201b}'
            | '\u{2032}' | '\u{2035}' | '\u{55a}' | '\u{5f3}' | '\u{a78b}'..='\u{a78c}' | '\u{ff07}'
    )
}

/// Hyphens and dashes of every kind.
pub(super) const fn is_hyphen(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{58a}' | '\u{5be}' | '\u{1806}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}'
            | '\u{2e17}' | '\u{2e3a}'..='\u{2e3b}' | '\u{30a0}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

fn clip(mut term: String) -> String {
    if term.len() > MAX_BYTES {
        let end = (0..=MAX_BYTES)
            .rev()
            .find(|at| term.is_char_boundary(*at))
            .unwrap_or(0);
        term.truncate(end);
    }
    term
}

/// The words of a text, those within a hyphenated one each by itself.
fn words(text: &str) -> impl Iterator<Item = String> {
    let folded = fold(text);
    let parts = folded.split(|c: char| c.is_whitespace() || c == '-');
    let found: Vec<String> = parts
        .filter(|word| !word.is_empty())
        .map(|word| clip(word.to_owned()))
        .collect();
    found.into_iter()
}

/// A hyphenated word without its hyphens: `annemarie` for Anne-Marie.
fn joined(word: &str) -> Option<String> {
    let parts = word.split('-').filter(|part| !part.is_empty()).count();
    (parts > 1).then(|| clip(word.replace('-', "")))
}

/// The words of a name, with those behind an apostrophe and with hyphenated ones as one: `Neil` finds O'Neil, as do `oneil`
/// and `o'neil`, and `annemarie` finds Anne-Marie.
fn words_of_name(name: &str) -> impl Iterator<Item = String> {
    let parts = name.split(is_apostrophe).skip(1);
    let behind: Vec<String> = parts
        .flat_map(words)
        .filter(|word| word.chars().count() > 1)
        .collect();
    let folded = fold(name);
    let whole: Vec<String> = folded.split_whitespace().filter_map(joined).collect();
    words(name).chain(behind).chain(whole)
}

fn phone_end(digits: &str) -> String {
    format!(
        "#{}",
        digits
            .chars()
            .rev()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    )
}

/// The terms of a lead: the words of its names, its e-mails, their domains, its phones backwards.
pub fn lead_terms(lead: &Lead) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for field in [LeadField::FirstName, LeadField::LastName] {
        terms.extend(lead.profile.get(field).into_iter().flat_map(words_of_name));
    }
    for identifier in &lead.identifiers {
        match identifier.kind {
            Kind::Email => {
                let email = fold(&identifier.value);
                terms.extend(words(&identifier.value));
                terms.extend(email.rsplit_once('@').map(|(_, domain)| clip(domain.to_owned())));
                terms.insert(clip(email));
            }
            Kind::Phone => {
                terms.insert(phone_end(&identifier.value));
            }
            Kind::ExternalId => {}
        }
    }
    terms
}

/// The terms of a company: the words of its name.
pub fn company_terms(company: &Company) -> BTreeSet<String> {
    company.name().into_iter().flat_map(words_of_name).collect()
}

/// One word of a query: a lead matches if any of its terms begins with any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The beginnings to look for; the last one is the word itself.
    pub beginnings: Vec<String>,
}

/// The words of a query, every one of which must match; at most eight, the rest is not looked at.
pub fn query(q: &str) -> Vec<Word> {
    let one = |written: &str| -> Vec<Word> {
        let digits: String = written.chars().filter(char::is_ascii_digit).collect();
        let is_number = written
            .chars()
            .all(|c| c.is_ascii_digit() || "+-./()".contains(c));
        if is_number && digits.len() >= MIN_DIGITS {
            let beginnings = vec![phone_end(&digits), clip(written.to_owned())];
            return vec![Word { beginnings }];
        }
        // Anne-Marie may have been recorded as Annemarie.
        let whole = joined(written);
        let beginning = |(place, word)| {
            let whole = whole.iter().filter(|_| place > 0).cloned();
            Word {
                beginnings: whole.chain([word]).collect(),
            }
        };
        words(written).enumerate().map(beginning).collect()
    };
    fold(q).split_whitespace().flat_map(one).take(MAX_WORDS).collect()
}

/// What names are sorted by: last name, then first name, without case and accents; nameless leads come first.
pub fn name_key(lead: &Lead) -> String {
    let part = |field| lead.profile.get(field).map(fold).unwrap_or_default();
    clip(
        format!("{} {}", part(LeadField::LastName), part(LeadField::FirstName))
            .trim()
            .to_owned(),
    )
}

/// What a company is sorted and looked up by: its folded name, clipped.
pub fn company_key(name: &str) -> String {
    clip(fold(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        assert_eq!(fold(" José ÅNGSTRÖM ﬁ "), "jose angstrom fi");
        assert_eq!(fold("Ελλάδα"), "ελλαδα");
        assert_eq!(fold("ΠΑΠΑΔΟΠΟΥΛΟΣ"), fold("Παπαδόπουλος"));
        assert_eq!(
            fold("\u{feff}An\u{ad}na\u{200b} Mar\u{2060}ia\u{200f}"),
            "anna maria"
        );
        assert_eq!(fold("محـــمد"), "محمد");
        assert_eq!(fold("محمد"), "محمد");
    }

    #[test]
    fn letters_apostrophes_and_hyphens_are_folded_as_people_type() {
        for (text, folded) in [
            ("Łukasz Bjørn Đorđe", "lukasz bjorn dorde"),
            ("Æsop Œuvre Straße ẞ Þór", "aesop oeuvre strasse ss thor"),
            ("Işık İstanbul IŞIK", "isik istanbul isik"),
            (
                "O'Neil O’Neil OʼNeil O`Neil O＇Neil",
                "oneil oneil oneil oneil oneil",
            ),
            (
                "Jean-Paul Jean‐Paul Jean–Paul Jean−Paul",
                "jean-paul jean-paul jean-paul jean-paul",
            ),
        ] {
            assert_eq!(fold(text), folded);
            assert_eq!(fold(&fold(text)), folded, "folding again changes nothing");
        }
    }

    #[test]
    fn a_word_within_a_name_is_found() {
        let terms: BTreeSet<String> = words_of_name("Anne-Marie d’Angelo O'Neil").collect();
        let finds = |q: &str| {
            query(q).iter().all(|word| {
                word.beginnings
                    .iter()
                    .any(|begin| terms.iter().any(|term| term.starts_with(begin)))
            })
        };
        for q in [
            "marie",
            "Anne-Marie",
            "anne marie",
            "Anne–Mar",
            "angelo",
            "dangelo",
            "d'angelo",
            "neil",
            "ONeil",
            "annemarie",
            "AnneMar",
        ] {
            assert!(finds(q), "{q}");
        }
        assert!(!finds("paul") && !finds("anne-paul"));
        let terms: Vec<String> = words_of_name("Annemarie").collect();
        let beginnings: Vec<Vec<String>> = query("Anne-Marie")
            .into_iter()
            .map(|one| one.beginnings)
            .collect();
        assert_eq!(beginnings, [vec!["anne"], vec!["annemarie", "marie"]]);
        let matches = |all: &Vec<String>| {
            all.iter()
                .any(|begin| terms.iter().any(|term| term.starts_with(begin)))
        };
        assert!(beginnings.iter().all(matches), "the other way about");
    }

    #[test]
    fn a_number_is_looked_for_at_the_end_of_phones() {
        assert_eq!(
            query("4567"),
            [Word {
                beginnings: vec!["#7654".into(), "4567".into()]
            }]
        );
        assert_eq!(
            query("456"),
            [Word {
                beginnings: vec!["456".into()]
            }]
        );
    }

    #[test]
    fn of_many_words_the_first_eight_are_looked_for() {
        let found = query("a b c d e f g h i j");
        let last = found.last().map(|word| word.beginnings.clone());
        assert_eq!((found.len(), last), (8, Some(vec!["h".to_owned()])));
    }

    #[test]
    fn long_words_are_clipped_at_a_character() {
        let word = &query(&"é".repeat(500))[0].beginnings[0];
        assert!(word.len() <= MAX_BYTES);
        // One character that folds to eighteen.
        assert!(company_key(&"\u{fdfa}".repeat(200)).len() <= MAX_BYTES);
    }
}
