//! How deals ended: how many, for which reasons, and what they were worth.

use std::collections::BTreeMap;

use crate::money::Currency;

/// Closed deals of one reason, counted together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndingTally {
    /// The code of the reason.
    pub reason: Option<String>,
    /// The number of deals.
    pub deals: i64,
    /// How many of them have an amount in the base currency.
    pub valued: i64,
    /// What these amount to, in minor units.
    pub value: i64,
    /// The currency that no rate converts, with the amount in it; the deals then have no value.
    pub unconverted: Option<(Currency, i64)>,
}

/// Deals and their worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worth {
    /// The number of deals.
    pub deals: i64,
    /// How many of them have an amount in the base currency.
    pub valued: i64,
    /// What these amount to, in minor units.
    pub value: i64,
}

/// The closed deals of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endings {
    /// All of them.
    pub all: Worth,
    /// By reason.
    pub reasons: BTreeMap<Option<String>, Worth>,
    /// Amounts that no rate converts, with the number of deals, by the code of their currency.
    pub unconverted: BTreeMap<String, (Currency, i64, i64)>,
}

impl Worth {
    fn add(&mut self, tally: &EndingTally) {
        self.deals += tally.deals;
        self.valued += tally.valued;
        self.value += tally.value;
    }
}

impl Endings {
    /// Add up tallies.
    pub fn count<'t>(tallies: impl IntoIterator<Item = &'t EndingTally>) -> Self {
        let mut endings = Self::default();
        for tally in tallies {
            endings.all.add(tally);
            endings
                .reasons
                .entry(tally.reason.clone())
                .or_default()
                .add(tally);
            if let Some((currency, amount)) = tally.unconverted {
                let sum = endings
                    .unconverted
                    .entry(currency.to_string())
                    .or_insert((currency, 0, 0));
                sum.1 += amount;
                sum.2 += tally.deals;
            }
        }
        endings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_without_a_rate_count_as_deals_and_in_no_value() {
        let krone: Currency = "NOK".parse().unwrap();
        let tally = |reason: Option<&str>, deals, valued, value, unconverted| EndingTally {
            reason: reason.map(str::to_owned),
            deals,
            valued,
            value,
            unconverted,
        };
        let endings = Endings::count(&[
            tally(Some("price"), 2, 1, 500, None),
            tally(Some("price"), 3, 0, 0, Some((krone, 900))),
            tally(None, 1, 0, 0, Some((krone, 100))),
        ]);
        let worth = |deals, valued, value| Worth { deals, valued, value };
        assert_eq!(endings.all, worth(6, 1, 500));
        assert_eq!(endings.reasons[&Some("price".to_owned())], worth(5, 1, 500));
        assert_eq!(endings.reasons[&None], worth(1, 0, 0));
        assert_eq!(endings.unconverted["NOK"], (krone, 1000, 4));
        assert_eq!(Endings::count(&[]), Endings::default());
    }
}
