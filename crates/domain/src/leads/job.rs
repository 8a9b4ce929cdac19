//! What a job title says: a function and a seniority, by lists of words.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::search::{fold, is_apostrophe};
use crate::fault::Fault;

/// The words that classify job titles. Of each kind the first list that contains a word of the title applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobWords {
    /// The functions, in order of precedence.
    #[schema(max_items = 100)]
    pub functions: Vec<WordList>,
    /// The seniorities, in order of precedence.
    #[schema(max_items = 100)]
    pub seniorities: Vec<WordList>,
}

/// The words of one function or seniority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordList {
    /// The function or seniority that leads with such a title show.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "sales"
    )]
    pub name: String,
    /// Words or phrases of at most 100 characters, ignoring case and accents. `*` at an end matches any letters:
    /// `vertrieb*`, `*leiter`.
    #[schema(max_items = 500)]
    pub words: Vec<String>,
}

/// What a job title says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Job<'w> {
    /// The function, by the name of its list.
    pub function: Option<&'w str>,
    /// The seniority, by the name of its list.
    pub seniority: Option<&'w str>,
}

impl JobWords {
    /// The words that an installation starts with: English, German, French, Italian, Spanish.
    pub fn usual() -> Arc<Self> {
        static USUAL: LazyLock<Arc<JobWords>> = LazyLock::new(|| {
            let text = include_str!("../../data/job_words.json");
            Arc::new(serde_json::from_str(text).unwrap_or_default())
        });
        USUAL.clone()
    }

    /// What a job title says.
    pub fn read(&self, title: &str) -> Job<'_> {
        let title = words(title);
        let first = |lists: &'_ [WordList]| {
            lists
                .iter()
                .position(|list| list.words.iter().any(|word| stands_in(word, &title)))
        };
        Job {
            function: first(&self.functions).map(|place| self.functions[place].name.as_str()),
            seniority: first(&self.seniorities).map(|place| self.seniorities[place].name.as_str()),
        }
    }

    /// The same words as they are compared: without case and accents.
    pub fn folded(mut self) -> Self {
        let lists = self.functions.iter_mut().chain(&mut self.seniorities);
        for word in lists.flat_map(|list| &mut list.words) {
            *word = plain(word);
        }
        self
    }

    /// Names that stand there twice, and words that would fit everything.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![];
        for (kind, lists) in [("functions", &self.functions), ("seniorities", &self.seniorities)] {
            for (index, list) in lists.iter().enumerate() {
                if lists[..index].iter().any(|other| other.name == list.name) {
                    let pointer = format!("/{kind}/{index}/name");
                    faults.push(Fault::new(pointer, "not_allowed", "another list has this name"));
                }
                for (place, word) in list.words.iter().enumerate() {
                    if !is_sound(word) {
                        let pointer = format!("/{kind}/{index}/words/{place}");
                        let detail = "needs at least 2 letters and at most 100 characters, and `*` only at the ends of words";
                        faults.push(Fault::new(pointer, "invalid_format", detail));
                    }
                }
            }
        }
        faults
    }
}

/// A phrase as it is compared: an apostrophe separates words.
fn plain(text: &str) -> String {
    let spaced: String = text
        .chars()
        .map(|c| if is_apostrophe(c) { ' ' } else { c })
        .collect();
    fold(&spaced)
}

/// The words of a title or phrase, as they are compared; a star stays with its word.
fn words(text: &str) -> Vec<String> {
    let folded = plain(text);
    let parts = folded.split(|c: char| !c.is_alphanumeric() && c != '*');
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn is_sound(phrase: &str) -> bool {
    let words = words(phrase);
    let letters = |word: &String| word.chars().filter(|c| *c != '*').count();
    let inner = |word: &String| word.trim_start_matches('*').trim_end_matches('*').contains('*');
    let is_short = phrase.chars().count() <= 100;
    is_short && words.iter().map(letters).sum::<usize>() >= 2 && !words.iter().any(inner)
}

/// Whether a folded phrase stands in a title, word after word.
fn stands_in(phrase: &str, title: &[String]) -> bool {
    let parts = phrase.split(|c: char| !c.is_alphanumeric() && c != '*');
    let phrase: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let fits = |at: &[String]| {
        at.iter()
            .zip(&phrase)
            .all(|(word, pattern)| is_like(word, pattern))
    };
    !phrase.is_empty() && title.windows(phrase.len()).any(fits)
}

/// Whether a word is like a pattern: `*` at an end stands for any letters.
fn is_like(word: &str, pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (None, None) => word == pattern,
        (Some(end), None) => word.ends_with(end),
        (None, Some(begin)) => word.starts_with(begin),
        (Some(_), Some(_)) => word.contains(pattern.trim_matches('*')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn job_titles_in_five_languages_say_function_and_seniority() {
        let words = JobWords::usual();
        for (title, function, seniority) in [
            ("Head of Analytics", "data", "head"),
            ("VP Sales", "sales", "vice_president"),
            ("Vice President, Marketing", "marketing", "vice_president"),
            ("Chief Financial Officer", "finance", "c_level"),
            ("Senior Software Engineer", "engineering", "senior"),
            ("Junior Buyer", "procurement", "junior"),
            ("Assistant to the CEO", "general_management", "assistant"),
            ("Vertriebsleiterin", "sales", "head"),
            ("Geschäftsführer", "general_management", "c_level"),
            ("Leiter Einkauf", "procurement", "head"),
            ("IT-Administrator", "it", ""),
            (
                "Directrice des ressources humaines",
                "human_resources",
                "director",
            ),
            ("Président-directeur général", "general_management", "c_level"),
            ("Responsabile acquisti", "procurement", "head"),
            ("Amministratore delegato", "general_management", "c_level"),
            ("Directora de Compras", "procurement", "director"),
            ("Jefe de ventas", "sales", "head"),
            ("Becaria de marketing", "marketing", "intern"),
            ("Beekeeper", "", ""),
            ("", "", ""),
        ] {
            let read = words.read(title);
            let read = (read.function.unwrap_or(""), read.seniority.unwrap_or(""));
            assert_eq!(read, (function, seniority), "{title}");
        }
    }

    #[test]
    fn the_usual_words_are_there_sound_and_folded() {
        let usual = JobWords::usual();
        assert!(usual.functions.len() > 10 && usual.seniorities.len() > 5);
        assert_eq!(usual.faults(), []);
        assert_eq!(usual.as_ref().clone().folded(), *usual);
    }

    #[test]
    fn words_of_the_company_are_checked_all_at_once() {
        let list = |name: &str, words: &[&str]| WordList {
            name: name.into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let words = JobWords {
            functions: vec![list("sales", &["*", "ve*nte"]), list("sales", &["Comercial"])],
            seniorities: vec![list("head", &["--"])],
        };
        let faults = words.faults();
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let expected = [
            "/functions/0/words/0",
            "/functions/0/words/1",
            "/functions/1/name",
            "/seniorities/0/words/0",
        ];
        assert_eq!(pointers, expected);
    }

    proptest! {
        /// A slow reading: every list, every word, every place of the title, letter by letter.
        #[test]
        fn the_first_list_with_a_word_of_the_title_counts(
            title in prop::collection::vec("[ab]{1,3}", 0..4),
            lists in prop::collection::vec(prop::collection::vec("\\*?[ab]{1,2}\\*?", 0..3), 0..4),
        ) {
            let named = |(n, words): (usize, &Vec<String>)| WordList {
                name: format!("l{n}"),
                words: words.clone(),
            };
            let words = JobWords { functions: lists.iter().enumerate().map(named).collect(), seniorities: vec![] };
            let like = |word: &str, pattern: &str| {
                let core = pattern.trim_matches('*');
                (0..=word.len()).any(|from| {
                    let begins = from == 0 || pattern.starts_with('*');
                    let rest = word[from..].strip_prefix(core);
                    begins && rest.is_some_and(|rest| rest.is_empty() || pattern.ends_with('*'))
                })
            };
            let mut oracle = None;
            for (n, list) in lists.iter().enumerate().rev() {
                if list.iter().any(|pattern| title.iter().any(|word| like(word, pattern))) {
                    oracle = Some(format!("l{n}"));
                }
            }
            prop_assert_eq!(words.read(&title.join(" ")).function.map(str::to_owned), oracle);
        }
    }
}
