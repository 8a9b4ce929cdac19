//! The rows of a report: what each stands for, and in which order they come.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::dimension::{Dimension, Value};
use super::period::Bucket;

/// The most rows of a report.
pub const MOST_ROWS: usize = 1000;

/// What the rows of a report stand for, in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// A value.
    By(Dimension),
    /// A division of time, into which the instant that a record is counted by falls.
    Over(Vec<Bucket>),
}

/// What a row of a report has in one dimension: a value or none, or the place of a division of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A value; `None` where it is unknown.
    Value(Option<Value>),
    /// The n-th of the buckets.
    Bucket(usize),
}

impl Cut {
    /// A key as a report shows it: the value, its id, or the name of the division of time; `None` is unknown.
    pub fn shown(&self, key: &Key) -> Option<String> {
        match (self, key) {
            (_, Key::Value(value)) => value.as_ref().map(Value::to_string),
            (Cut::Over(buckets), Key::Bucket(place)) => buckets.get(*place).map(|bucket| bucket.name.clone()),
            (Cut::By(_), Key::Bucket(_)) => None,
        }
    }
}

/// The rows of a report in order, [`MOST_ROWS`] at most: by one value the largest volume first and what is unknown last,
/// else by key. Over time alone, divisions without a record between others are rows of nothing. The second member is the
/// number of rows that are left out, the smallest.
pub fn arrange<F, V: Ord>(
    mut counted: HashMap<Vec<Key>, F>,
    cuts: &[Cut],
    nothing: impl Fn() -> F,
    volume: impl Fn(&F) -> V,
) -> (Vec<(Vec<Key>, F)>, i64) {
    if let [Cut::Over(buckets)] = cuts {
        for place in 0..buckets.len() {
            counted.entry(vec![Key::Bucket(place)]).or_insert_with(&nothing);
        }
    }
    let last = |keys: &[Key]| {
        keys.iter()
            .map(|key| (*key == Key::Value(None), key.clone()))
            .collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = counted.into_iter().collect();
    rows.sort_by_cached_key(|(keys, figures)| (Reverse(volume(figures)), last(keys)));
    let omitted = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if let [Cut::By(_)] = cuts {
        rows.sort_by_key(|(keys, _)| keys[0] == Key::Value(None));
    } else {
        rows.sort_by_cached_key(|(keys, _)| last(keys));
    }
    (rows, omitted as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Key {
        Key::Value(Some(Value::Text(text.into())))
    }

    fn keys(rows: &[(Vec<Key>, i64)]) -> Vec<Vec<Key>> {
        rows.iter().map(|(keys, _)| keys.clone()).collect()
    }

    #[test]
    fn the_largest_row_comes_first_and_the_unknown_one_last() {
        let counted = [
            (vec![Key::Value(None)], 9),
            (vec![text("a")], 1),
            (vec![text("b")], 3),
        ];
        let (rows, omitted) = arrange(counted.into(), &[Cut::By(Dimension::Source)], || 0, |n| *n);
        assert_eq!(
            keys(&rows),
            [vec![text("b")], vec![text("a")], vec![Key::Value(None)]]
        );
        assert_eq!(omitted, 0);
    }

    #[test]
    fn two_dimensions_come_by_key_and_the_smallest_rows_are_left_out() {
        let cuts = [Cut::By(Dimension::Source), Cut::By(Dimension::Channel)];
        let counted = (0..1003i64).map(|n| (vec![text(&format!("{n:04}")), Key::Value(None)], n));
        let (rows, omitted) = arrange(counted.collect(), &cuts, || 0, |n| *n);
        assert_eq!((rows.len(), omitted, rows[0].1, rows[999].1), (1000, 3, 3, 1002));
    }
}
