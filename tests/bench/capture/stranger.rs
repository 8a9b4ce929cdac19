//! Whether a stranger can tell by the answer or its time that a person is known.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::crowd::{Connection, Told};
use super::form::{COMPANIES, Sender};
use crate::Failure;
use crate::people::Dice;

/// How many pairs are sent.
pub const PAIRS: u64 = 500;
/// How unlikely a difference of the times by chance must be before it counts as one.
pub const LEVEL: f64 = 0.01;

/// What the pairs showed.
#[derive(Default)]
pub struct Stranger {
    /// The median of the known, in milliseconds.
    pub known: f64,
    /// The median of the unknown, in milliseconds.
    pub unknown: f64,
    /// How often a known one took longer than an unknown one; a half where nothing can be told.
    pub longer: f64,
    /// The probability of such a difference by chance: Mann and Whitney's test, two-sided, by the normal approximation.
    pub p: f64,
    /// Whether status, headers and the size of the body are the same for all.
    pub looks_alike: bool,
}

/// Send a known and an unknown person in turns over one connection; which comes first is left to chance.
pub fn look(address: SocketAddr, sender: &Sender) -> Result<Stranger, Failure> {
    let mut shapes = BTreeSet::new();
    let (mut known, mut unknown) = (vec![], vec![]);
    crate::wait_for(async {
        let mut connection = Connection::to(address).await?;
        for _ in 0..20 {
            connection.ask(&sender.stranger()).await?;
        }
        for pair in 0..PAIRS {
            let is_first = Dice::of(pair).roll() < 0.5;
            for is_known in [is_first, !is_first] {
                let wire = match is_known {
                    true => sender.again(pair * 2 % COMPANIES),
                    false => sender.stranger(),
                };
                let Told { status, took, shape, .. } = connection.ask(&wire).await?;
                shapes.insert((status, shape));
                if is_known { &mut known } else { &mut unknown }.push(took);
            }
        }
        Ok(())
    })?;
    let (longer, p) = mann_whitney(&known, &unknown);
    Ok(Stranger {
        known: median(&mut known),
        unknown: median(&mut unknown),
        longer,
        p,
        looks_alike: shapes.len() == 1,
    })
}

fn median(took: &mut [Duration]) -> f64 {
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1000.0
}

/// How often one of `a` exceeds one of `b` (ties count half), and how likely that is by chance. Mann, H. B.; Whitney,
/// D. R. (1947); ties are too rare among nanoseconds to be corrected for.
fn mann_whitney(a: &[Duration], b: &[Duration]) -> (f64, f64) {
    let mut sorted = b.to_vec();
    sorted.sort_unstable();
    let mut u = 0.0;
    for one in a {
        let below = sorted.partition_point(|other| other < one);
        let not_above = sorted.partition_point(|other| other <= one);
        u += (below + not_above) as f64 / 2.0;
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    (u / (n * m), (2.0 * upper_tail(z.abs())).min(1.0))
}

/// The upper tail of the normal distribution: Abramowitz and Stegun (1964), 26.2.17, to 7.5e-8.
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let terms = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl Iterator<Item = u64>) -> Vec<Duration> {
        millis.map(Duration::from_millis).collect()
    }

    #[test]
    fn times_that_differ_are_told_apart_and_equal_ones_are_not() {
        let (low, high) = (of(0..100), of(50..150));
        let (longer, p) = mann_whitney(&high, &low);
        assert!(longer > 0.8 && p < 1e-6, "{longer} {p}");
        assert_eq!(mann_whitney(&low, &high).1, p, "either way round");
        let (longer, p) = mann_whitney(&low, &low);
        assert!(longer == 0.5 && p > 0.999, "{longer} {p}");
    }

    #[test]
    fn the_tail_is_that_of_the_tables() {
        for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655), (1.959_964, 0.025), (3.0, 0.001_350)] {
            assert!((upper_tail(z) - tail).abs() < 1e-6, "{z}");
        }
    }
}
