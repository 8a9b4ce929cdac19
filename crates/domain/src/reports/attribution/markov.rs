//! The Markov model of Anderl, Becker, von Wangenheim and Schumann, "Mapping the customer journey", International
//! Journal of Research in Marketing 33 (2016): an order-1 chain over start, channels, conversion and null. The effect of a
//! channel is the share of conversions that is lost without it.

use std::collections::BTreeMap;

use super::credit::whole;

/// A channel; `None` is an unknown one.
pub type Channel = Option<String>;

/// Transitions of journeys, counted.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    places: BTreeMap<Channel, usize>,
    steps: BTreeMap<(usize, usize), f64>,
    starts: BTreeMap<usize, f64>,
    conversions: BTreeMap<usize, f64>,
    leavings: BTreeMap<usize, f64>,
}

impl Chain {
    /// Add a journey through channels in their order; one without channels takes no part.
    pub fn add<'c>(&mut self, channels: impl IntoIterator<Item = Option<&'c str>>, is_converted: bool) {
        let mut before = None;
        for channel in channels {
            let next = self.places.len();
            let here = *self.places.entry(channel.map(str::to_owned)).or_insert(next);
            match before {
                None => *self.starts.entry(here).or_default() += 1.0,
                Some(before) => *self.steps.entry((before, here)).or_default() += 1.0,
            }
            before = Some(here);
        }
        let Some(last) = before else { return };
        *self.leavings.entry(last).or_default() += 1.0;
        if is_converted {
            *self.conversions.entry(last).or_default() += 1.0;
        }
    }

    /// The probability that a journey converts.
    pub fn conversion(&self) -> f64 {
        self.solve().map_or(0.0, |solved| solved.conversion)
    }

    /// The removal effect of each channel, from 0 to 1; nothing where no journey converts.
    ///
    /// Without a channel the conversions are lost that pass it: P(channel is reached) x P(conversion from it). By the
    /// fundamental matrix N of the chain (Kemeny and Snell, Finite Markov Chains, 1960, theorem 3.5.4) a state is reached
    /// with the probability of its expected visits divided by those of one that starts there.
    pub fn removal_effects(&self) -> BTreeMap<Channel, f64> {
        let Some(solved) = self.solve().filter(|solved| solved.conversion > 0.0) else {
            return BTreeMap::new();
        };
        let effect = |place: usize| {
            let reached = solved.visits[place] / solved.returns[place];
            (reached * solved.conversions[place] / solved.conversion).clamp(0.0, 1.0)
        };
        let named = self.places.iter();
        named
            .map(|(channel, place)| (channel.clone(), effect(*place)))
            .collect()
    }

    /// The weight of each channel, for [`super::apportion`].
    pub fn weights(&self) -> BTreeMap<Channel, u64> {
        let effects = self.removal_effects().into_iter();
        effects
            .map(|(channel, effect)| (channel, whole(effect)))
            .collect()
    }

    fn solve(&self) -> Option<Solved> {
        let n = self.places.len();
        let mut left = vec![0.0; n];
        for (place, count) in &self.leavings {
            left[*place] += count;
        }
        for ((from, _), count) in &self.steps {
            left[*from] += count;
        }
        let mut matrix: Vec<Vec<f64>> = (0..n).map(|row| unit(n, row)).collect();
        for ((from, to), count) in &self.steps {
            matrix[*from][*to] -= count / left[*from];
        }
        let fundamental = inverse(matrix)?;
        let converts = |place: usize| {
            self.conversions
                .get(&place)
                .map_or(0.0, |count| count / left[place])
        };
        let last: Vec<f64> = (0..n).map(converts).collect();
        let conversions: Vec<f64> = fundamental
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&last)
                    .map(|(visits, converts)| visits * converts)
                    .sum()
            })
            .collect();
        let all: f64 = self.starts.values().sum();
        let mut visits = vec![0.0; n];
        let mut conversion = 0.0;
        for (start, count) in &self.starts {
            conversion += count / all * conversions[*start];
            for (visits, row) in visits.iter_mut().zip(&fundamental[*start]) {
                *visits += count / all * row;
            }
        }
        Some(Solved {
            returns: (0..n).map(|place| fundamental[place][place]).collect(),
            visits,
            conversions,
            conversion,
        })
    }
}

struct Solved {
    /// The expected visits of each channel.
    visits: Vec<f64>,
    /// The expected visits of each channel by a journey that is there.
    returns: Vec<f64>,
    /// The probability of converting from each channel.
    conversions: Vec<f64>,
    /// The probability of converting from the start.
    conversion: f64,
}

fn unit(n: usize, place: usize) -> Vec<f64> {
    (0..n)
        .map(|column| if column == place { 1.0 } else { 0.0 })
        .collect()
}

/// The inverse by Gauss-Jordan elimination with partial pivoting; `None` of a singular matrix.
///
/// I - Q of an absorbing chain never is one: every journey ends.
fn inverse(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let n = matrix.len();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(|row| unit(n, row)).collect();
    for column in 0..n {
        let size = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b)))?;
        if matrix[pivot][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = matrix[column][column];
        matrix[column]
            .iter_mut()
            .chain(&mut inverse[column])
            .for_each(|cell| *cell /= scale);
        let (of_matrix, of_inverse) = (matrix[column].clone(), inverse[column].clone());
        for row in (0..n).filter(|row| *row != column) {
            let factor = matrix[row][column];
            if factor == 0.0 {
                continue;
            }
            let subtract = |row: &mut [f64], of: &[f64]| {
                row.iter_mut().zip(of).for_each(|(cell, of)| *cell -= factor * of);
            };
            subtract(&mut matrix[row], &of_matrix);
            subtract(&mut inverse[row], &of_inverse);
        }
    }
    Some(inverse)
}
