//! How points decay with the age of their event: by a half-life, in whole hours, without floating-point arithmetic, so that
//! every machine computes the same score.

use std::sync::Arc;

use super::points::Points;
use crate::duration::Duration;

const HOUR: i64 = 3_600_000;
/// The weight of an event that happened within the last hour.
const WHOLE: i64 = 1_000_000_000;
/// After this many half-lives a weight is below half of 10^-9, and so 0.
const HALVINGS: i64 = 31;
/// How many hours the table of single hours holds; the other one advances in steps of as many.
const STEP: usize = 256;
/// Fixed-point numbers with this many binary digits behind the point.
const DIGITS: u32 = 62;
const ONE: u64 = 1 << DIGITS;

/// The weights of a half-life: `w(k) = 2^(-k hours / half_life)` in units of 10^-9, rounded half-even.
///
/// Two short tables instead of one long one: the weight of `256 q + r` hours is the product of two entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    half_life: Duration,
    hours: Arc<[u64]>,
    steps: Arc<[u64]>,
}

impl Decay {
    /// The weights of a half-life longer than nothing.
    pub fn of(half_life: Duration) -> Self {
        let roots = roots();
        let power = |hours: usize| power(hours as i64 * HOUR, half_life.millis(), &roots);
        let last = (HALVINGS * half_life.millis() / HOUR) as usize;
        Self {
            half_life,
            hours: (0..STEP.min(last + 1)).map(power).collect(),
            steps: (0..=last / STEP).map(|step| power(step * STEP)).collect(),
        }
    }

    /// The points that are left of an event of this age, in milliseconds; to the thousandth, rounded half-even.
    pub fn left(&self, points: Points, age: i64) -> i64 {
        rounded(points.0 * self.weight(age / HOUR), WHOLE)
    }

    /// The age in milliseconds from which on nothing is left.
    pub const fn end(&self) -> i64 {
        HALVINGS * self.half_life.millis() + HOUR
    }

    /// The weight after so many whole hours, in units of 10^-9.
    fn weight(&self, hours: i64) -> i64 {
        let hours_left = hours as usize;
        let (Some(step), Some(hour)) = (
            self.steps.get(hours_left / STEP),
            self.hours.get(hours_left % STEP),
        ) else {
            return 0;
        };
        // Of the exact values only that after 10 half-lives, 976562.5, lies between two integers.
        if hours * HOUR == 10 * self.half_life.millis() {
            return rounded(WHOLE, 1 << 10);
        }
        let weight = u128::from(product(*step, *hour)) * WHOLE as u128;
        ((weight + u128::from(ONE / 2)) >> DIGITS) as i64
    }
}

/// A quotient, rounded half-even.
fn rounded(dividend: i64, divisor: i64) -> i64 {
    let (quotient, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let is_odd = quotient & 1 == 1;
    quotient + i64::from(rest * 2 > divisor || rest * 2 == divisor && is_odd)
}

fn product(one: u64, other: u64) -> u64 {
    ((u128::from(one) * u128::from(other) + u128::from(ONE / 2)) >> DIGITS) as u64
}

/// 2^(-1/2), 2^(-1/4), 2^(-1/8) and so on: each is the square root of the one before.
fn roots() -> [u64; DIGITS as usize] {
    let mut root = u128::from(ONE / 2);
    [(); DIGITS as usize].map(|()| {
        root = (root << DIGITS).isqrt();
        root as u64
    })
}

/// 2^(-age / half_life): the product of the roots that the binary digits of the exponent choose.
fn power(age: i64, half_life: i64, roots: &[u64]) -> u64 {
    let (halvings, mut rest) = (age / half_life, age % half_life);
    let mut power = ONE;
    for root in roots {
        rest *= 2;
        if rest >= half_life {
            rest -= half_life;
            power = product(power, *root);
        }
    }
    power.checked_shr(halvings as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weights as the formula writes them.
    fn weight(hours: i64, half_life: i64) -> i64 {
        let halvings = (hours * HOUR) as f64 / half_life as f64;
        (1e9 * (-halvings).exp2()).round_ties_even() as i64
    }

    #[test]
    fn weights_are_powers_of_two_to_the_ninth_decimal() {
        for half_life in ["1s", "90s", "59m", "1h", "90m", "5h", "1d", "7d", "30d", "400d"] {
            let half_life: Duration = half_life.parse().unwrap();
            let decay = Decay::of(half_life);
            let end = decay.end() / HOUR + 2;
            for hours in (0..end).step_by((end as usize / 20_000).max(1)) {
                let expected = weight(hours, half_life.millis());
                assert_eq!(decay.weight(hours), expected, "{half_life} {hours}");
            }
            assert_eq!(decay.left(Points::whole(10_000), decay.end()), 0);
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let decay = Decay::of("1h".parse().unwrap());
        assert_eq!(decay.weight(10), 976_562);
        for (thousandths, left) in [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2)] {
            assert_eq!(decay.left(Points(thousandths), HOUR), left, "{thousandths}");
        }
        // An hour counts once it is over.
        assert_eq!(decay.left(Points::whole(10), HOUR - 1), 10_000);
    }
}
