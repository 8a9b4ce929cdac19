//! Reports: rates with their intervals, and the funnel over cycles.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::instant::Timestamp;
use crate::lifecycle::Stage;

/// The fewest cases on which a rate says something.
pub const MIN_SAMPLE: i64 = 30;

/// The stages of the funnel, in order.
pub const FUNNEL: &[Stage] = &[
    Stage::Lead,
    Stage::Mql,
    Stage::Sal,
    Stage::Sql,
    Stage::Opportunity,
    Stage::Customer,
];

/// A share of cases, as a fraction, with its 95 % Wilson score interval (Wilson 1927).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Cases that did.
    pub part: i64,
    /// All cases.
    pub whole: i64,
}

impl Rate {
    /// The share, or `None` where there are no cases.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    /// Whether there are too few cases to say much.
    pub fn is_insufficient(self) -> bool {
        self.whole < MIN_SAMPLE
    }

    /// The lower and upper bound of the 95 % Wilson score interval, within 0 and 1.
    pub fn interval(self) -> Option<(f64, f64)> {
        const Z: f64 = 1.959_963_984_540_054;
        let p = self.value()?;
        let n = self.whole as f64;
        let scale = 1.0 + Z * Z / n;
        let centre = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some((
            ((centre - spread) / scale).max(0.0),
            ((centre + spread) / scale).min(1.0),
        ))
    }
}

/// A calendar month in a zone: its name, its first instant and the first instant after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// `2026-05`.
    pub name: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant of the next month.
    pub to: Timestamp,
}

/// The months that cover the instants from the first to the last, at most `limit` of them.
pub fn months(first: Timestamp, last: Timestamp, zone: &TimeZone, limit: usize) -> Vec<Month> {
    let mut date: Date = first.date_in(zone).first_of_month();
    let mut months = vec![];
    while months.len() < limit {
        let Ok(next) = date.checked_add(1.month()) else {
            break;
        };
        let (Some(from), Some(to)) = (
            Timestamp::start_of_day(date, zone),
            Timestamp::start_of_day(next, zone),
        ) else {
            break;
        };
        if from > last {
            break;
        }
        months.push(Month {
            name: format!("{:04}-{:02}", date.year(), date.month()),
            from,
            to,
        });
        date = next;
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wilson_interval_as_published() {
        // Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263 -> 0.2553 to 0.3662; 0/20 -> 0 to 0.1611.
        let (low, high) = Rate { part: 81, whole: 263 }.interval().unwrap();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
        let (low, high) = Rate { part: 0, whole: 20 }.interval().unwrap();
        assert!(low == 0.0 && (high - 0.1611).abs() < 5e-5);
    }

    #[test]
    fn nothing_is_no_number() {
        let none = Rate { part: 0, whole: 0 };
        assert_eq!(
            (none.value(), none.interval(), none.is_insufficient()),
            (None, None, true)
        );
    }

    #[test]
    fn months_follow_the_zone() {
        let zone = TimeZone::get("Europe/Rome").unwrap();
        let first: Timestamp = "2026-02-28T23:30:00Z".parse().unwrap(); // already March in Rome
        let last: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
        let names: Vec<_> = months(first, last, &zone, 100)
            .into_iter()
            .map(|month| month.name)
            .collect();
        assert_eq!(names, ["2026-03", "2026-04"]);
    }

    proptest! {
        #[test]
        fn months_join_without_gap(start in -60_000_000_000_000i64..250_000_000_000_000, days in 0i64..2000) {
            let zone = TimeZone::get("America/Sao_Paulo").unwrap();
            let (first, last) = (Timestamp::from_millis(start), Timestamp::from_millis(start + days * 86_400_000));
            let months = months(first, last, &zone, 1000);
            prop_assert!(months.first().unwrap().from <= first && last < months.last().unwrap().to);
            prop_assert!(months.windows(2).all(|pair| pair[0].to == pair[1].from));
        }
    }
}
