//! The demo's chance: the same for the same seed.

use tandem_domain::id::splitmix64;
use tandem_domain::instant::Timestamp;

/// A source of chance.
pub struct Dice(u64);

/// Milliseconds of a day.
pub const DAY: f64 = 86_400_000.0;

impl Dice {
    /// Dice that fall the same for the same two numbers.
    pub fn of(seed: u64, n: u64) -> Self {
        Self(splitmix64(seed ^ splitmix64(n)))
    }

    /// A number from 0 to, not including, 1.
    pub fn roll(&mut self) -> f64 {
        self.0 = splitmix64(self.0);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.roll() < probability
    }

    /// A number in a range.
    pub fn between(&mut self, least: f64, most: f64) -> f64 {
        least + self.roll() * (most - least)
    }

    /// One of several, each as likely.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let place = (self.roll() * from.len() as f64) as usize;
        &from[place.min(from.len() - 1)]
    }

    /// A place, by weights.
    pub fn weighted(&mut self, weights: impl IntoIterator<Item = f64>) -> usize {
        let weights: Vec<f64> = weights.into_iter().collect();
        let mut left = self.roll() * weights.iter().sum::<f64>();
        for (place, weight) in weights.iter().enumerate() {
            if left < *weight {
                return place;
            }
            left -= weight;
        }
        weights.len() - 1
    }

    /// So many days later, at a time when people work (UTC, Monday to Friday, 7 to 16).
    pub fn workday_after(&mut self, at: Timestamp, least: f64, most: f64) -> Timestamp {
        let later = at.plus_millis((self.between(least, most) * DAY) as i64);
        let day = later.millis().div_euclid(DAY as i64);
        // 1970-01-01 was a Thursday: day 2 of that count is a Saturday.
        let over = match (day - 2).rem_euclid(7) {
            0 => 2,
            1 => 1,
            _ => 0,
        };
        let hour = self.between(7.0, 16.0) * 3_600_000.0;
        let worked = Timestamp::from_millis((day + over) * DAY as i64 + hour as i64);
        // Later on the same day is later than what went before.
        if worked > at {
            worked
        } else {
            at.plus_millis((self.between(0.2, 2.0) * 3_600_000.0) as i64)
        }
    }
}
