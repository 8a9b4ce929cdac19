//! The patterns of the numbering plans, each compiled once.
//!
//! The phonenumber crate holds no more than 100 of them at a time, so that numbers of many countries compile theirs again and
//! again. Here all of them stay: by the small engine, which is enough for 15 digits, and knows no digits but those of ASCII.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use regex_lite::{Regex, RegexBuilder};

/// The compiled patterns, by their texts; `None` for one that is none.
static COMPILED: LazyLock<RwLock<HashMap<String, Option<Arc<Regex>>>>> = LazyLock::new(RwLock::default);

/// A pattern of a plan, for a whole number.
pub(super) fn whole(pattern: &str) -> Option<Arc<Regex>> {
    compiled(format!("^(?:{pattern})$"))
}

/// A pattern of a plan, for what a number begins with.
pub(super) fn beginning(pattern: &str) -> Option<Arc<Regex>> {
    compiled(format!("^(?:{pattern})"))
}

fn compiled(pattern: String) -> Option<Arc<Regex>> {
    let known = COMPILED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(compiled) = known.get(&pattern) {
        return compiled.clone();
    }
    drop(known);
    let compiled = RegexBuilder::new(&pattern).ignore_whitespace(true).build();
    let compiled = compiled.ok().map(Arc::new);
    let mut known = COMPILED.write().unwrap_or_else(PoisonError::into_inner);
    known.insert(pattern, compiled.clone());
    compiled
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;
    use phonenumber::metadata::DATABASE;

    #[test]
    fn every_pattern_of_every_plan_is_compiled_once() {
        let countries = include_str!("examples.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split('\t').next());
        let countries: std::collections::BTreeSet<&str> = countries.collect();
        let round = || {
            let mut compiled = vec![];
            for &country in &countries {
                let plan = DATABASE.by_id(country).unwrap();
                let general = plan.descriptors().general();
                let kinds = kinds(plan).chain([general]);
                compiled.extend(kinds.map(|kind| whole(kind.national_number().as_str()).unwrap()));
                let prefixes = [plan.international_prefix(), plan.national_prefix_for_parsing()];
                let prefixes = prefixes.into_iter().flatten();
                compiled.extend(prefixes.map(|prefix| beginning(prefix.as_str()).unwrap()));
            }
            compiled
        };
        let (first, second) = (round(), round());
        assert!(first.len() > 1500 && countries.len() > 230, "{}", first.len());
        assert!(
            first
                .iter()
                .zip(&second)
                .all(|(one, again)| Arc::ptr_eq(one, again))
        );
    }
}
