//! Reports: rates with their intervals, percentiles, periods of the calendar, dimensions and rows; and the figures of
//! each report.

pub mod alignment;
pub mod attribution;
pub mod calibration;
pub mod campaigns;
pub mod collected;
pub mod costs;
pub mod customers;
pub mod decomposition;
pub mod dimension;
pub mod endings;
pub mod forecast;
pub mod funnel;
pub mod handoffs;
pub mod kpis;
pub mod leakage;
pub mod objections;
pub mod period;
pub mod promises;
pub mod review;
pub mod row;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a report follows the cycles that started in its period, or counts what happened in its period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The cycles that started in the period, whatever happened later.
    #[default]
    Cohort,
    /// What happened in the period, whenever the cycle started.
    Activity,
}

impl Basis {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Activity => "activity",
        }
    }
}

/// A share of cases, as a fraction, with its 95 % Wilson score interval (Wilson 1927).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// The numerator: the number of counted cases.
    pub part: i64,
    /// The denominator: all cases.
    pub whole: i64,
}

impl Rate {
    /// The share, or `None` where there are no cases.
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    /// Whether there are too few cases to say much.
    pub fn is_insufficient(self, min_sample: i64) -> bool {
        self.whole < min_sample
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

/// A percentile by linear interpolation, type 7 of Hyndman and Fan (1996), the default of R; `None` of nothing.
///
/// `share` lies within 0 and 1. The values are put into another order.
pub fn percentile(values: &mut [i64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable(below);
    let low = *low as f64;
    let high = above.iter().min().map_or(low, |next| *next as f64);
    Some(low + (high - low) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wilson_interval_as_published() {
        // Newcombe 1998, Statistics in Medicine 17, table I, method 3.
        for (part, whole, lower, upper) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (low, high) = Rate { part, whole }.interval().unwrap();
            assert!(
                (low - lower).abs() < 5e-5 && (high - upper).abs() < 5e-5,
                "{part}/{whole}"
            );
        }
    }

    #[test]
    fn nothing_is_no_number() {
        let none = Rate::default();
        assert_eq!(
            (none.value(), none.interval(), none.is_insufficient(1)),
            (None, None, true)
        );
        assert_eq!(percentile(&mut [], 0.5), None);
    }

    #[test]
    fn percentiles_as_published() {
        // R: quantile(c(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), c(0.5, 0.9)) gives 5.5 and 9.1; quantile(c(15, 20, 35, 40,
        // 50), 0.4) gives 29 (the example of Wikipedia, "Percentile", for this method).
        let mut ten = [10, 3, 7, 1, 9, 2, 8, 4, 6, 5];
        assert_eq!(percentile(&mut ten, 0.5), Some(5.5));
        assert!((percentile(&mut ten, 0.9).unwrap() - 9.1).abs() < 1e-9);
        assert!((percentile(&mut [50, 15, 40, 20, 35], 0.4).unwrap() - 29.0).abs() < 1e-9);
        assert_eq!(percentile(&mut [7], 0.9), Some(7.0));
    }

    proptest! {
        #[test]
        fn a_percentile_is_what_sorting_finds(mut values in prop::collection::vec(-1000i64..1000, 1..60), percent in 0u32..=100) {
            let share = f64::from(percent) / 100.0;
            let found = percentile(&mut values, share).unwrap();
            values.sort_unstable();
            let place = share * (values.len() - 1) as f64;
            let (low, high) = (values[place.floor() as usize] as f64, values[place.ceil() as usize] as f64);
            prop_assert!((found - (low + (high - low) * place.fract())).abs() < 1e-6);
        }

        #[test]
        fn an_interval_holds_its_rate(whole in 1i64..10_000, share in 0.0f64..=1.0) {
            let rate = Rate { part: (whole as f64 * share) as i64, whole };
            let (low, high) = rate.interval().unwrap();
            prop_assert!(0.0 <= low && low <= rate.value().unwrap() + 1e-12 && rate.value().unwrap() <= high + 1e-12 && high <= 1.0);
        }
    }
}
