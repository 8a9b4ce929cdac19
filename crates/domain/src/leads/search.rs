//! The words by which a lead is found: without case and accents, the same on every database.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fields::LeadField;
use super::identity::Kind;
use super::{Company, Lead};

/// The most bytes of a term that are kept and compared.
const MAX_BYTES: usize = 120;
/// The most words of a query that are looked at.
const MAX_WORDS: usize = 8;
/// The fewest digits that find a phone by its end.
const MIN_DIGITS: usize = 4;

/// Text without case, accents and surrounding space: NFKD, combining marks dropped, lower case.
pub fn fold(text: &str) -> String {
    let folded: String = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect();
    folded.trim().to_owned()
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

fn words(text: &str) -> impl Iterator<Item = String> {
    let folded = fold(text);
    let found: Vec<String> = folded
        .split_whitespace()
        .map(|word| clip(word.to_owned()))
        .collect();
    found.into_iter()
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
        terms.extend(lead.profile.get(field).into_iter().flat_map(words));
    }
    for identifier in &lead.identifiers {
        match identifier.kind {
            Kind::Email => {
                let email = fold(&identifier.value);
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
    company.name().into_iter().flat_map(words).collect()
}

/// One word of a query: a lead matches if any of its terms begins with any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The beginnings to look for.
    pub beginnings: Vec<String>,
}

/// The words of a query, every one of which must match; at most eight, the rest is not looked at.
pub fn query(q: &str) -> Vec<Word> {
    let one = |word: String| {
        let digits: String = word.chars().filter(char::is_ascii_digit).collect();
        let is_number = word.chars().all(|c| c.is_ascii_digit() || "+-./()".contains(c));
        let mut beginnings = vec![];
        if is_number && digits.len() >= MIN_DIGITS {
            beginnings.push(phone_end(&digits));
        }
        beginnings.push(word);
        Word { beginnings }
    };
    words(q).take(MAX_WORDS).map(one).collect()
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
        assert_eq!(fold("محمد"), "محمد");
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
