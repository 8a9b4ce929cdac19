//! The forecast: what open deals are worth, weighted by the probability of their stage and by how deals in it really ended.

use std::collections::BTreeMap;

use super::Rate;
use crate::money::{Currency, Money};

/// Open deals that stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenDeals {
    /// What each of them amounts to; `None` if nobody said.
    pub amount: Option<Money>,
    /// The number of deals.
    pub deals: i64,
    /// The probability of their stage, in ten-thousandths.
    pub probability: i64,
    /// Of the deals that were in their stage and are closed, those that were won.
    pub won: Rate,
}

/// What open deals let expect, in minor units of the base currency.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Forecast {
    /// The number of deals.
    pub deals: i64,
    /// How many of them have an amount in the base currency, or one that a rate converts.
    pub valued: i64,
    /// What these amount to.
    pub amount: i64,
    /// The same, each weighted by the probability of its stage; in ten-thousandths of a minor unit.
    weighted: i128,
    /// Each weighted by the measured win rate of its stage, and by the lower and upper bound of that rate's 95 % interval.
    expected: [f64; 3],
    /// How many valued deals stand in a stage of which no closed deal is known: they count in no expectation.
    pub unmeasured: i64,
    /// What no rate converts, by currency: the amount, and the number of deals.
    pub unconverted: BTreeMap<Currency, (i64, i64)>,
}

impl Forecast {
    /// Count open deals. `convert` gives the amount in the base currency at today's rate, if there is one.
    pub fn add(&mut self, open: OpenDeals, convert: impl Fn(Money) -> Option<i64>) {
        self.deals += open.deals;
        let Some(money) = open.amount else { return };
        let Some(each) = convert(money) else {
            let sum = self.unconverted.entry(money.currency).or_default();
            *sum = (sum.0 + money.amount * open.deals, sum.1 + open.deals);
            return;
        };
        let amount = each * open.deals;
        self.valued += open.deals;
        self.amount += amount;
        self.weighted += i128::from(amount) * i128::from(open.probability);
        match open.won.value().zip(open.won.interval()) {
            Some((rate, (low, high))) => {
                for (sum, share) in self.expected.iter_mut().zip([rate, low, high]) {
                    *sum += amount as f64 * share;
                }
            }
            None => self.unmeasured += open.deals,
        }
    }

    /// The amount weighted by the probabilities of stages, rounded once to the minor unit, half up.
    pub fn weighted(&self) -> i64 {
        i64::try_from((self.weighted * 2 + 10_000).div_euclid(20_000)).unwrap_or(i64::MAX)
    }

    /// The amount weighted by measured win rates, with the sums of their lower and upper bounds, each rounded once to the
    /// minor unit: the bounds are those of all stages being off in the same direction.
    pub fn expected(&self) -> [i64; 3] {
        self.expected.map(|sum| sum.round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur(amount: i64) -> Option<Money> {
        Some(Money {
            amount,
            currency: "EUR".parse().unwrap(),
        })
    }

    fn at_par(money: Money) -> Option<i64> {
        (money.currency.to_string() == "EUR").then_some(money.amount)
    }

    #[test]
    fn weights_are_the_probability_and_the_measured_rate() {
        let mut forecast = Forecast::default();
        let deals = |amount, deals, probability, part, whole| OpenDeals {
            amount,
            deals,
            probability,
            won: Rate { part, whole },
        };
        forecast.add(deals(eur(1001), 1, 5_000, 1, 4), at_par);
        forecast.add(deals(eur(500), 2, 2_500, 0, 0), at_par);
        forecast.add(deals(None, 1, 9_000, 1, 1), at_par);
        let krone = Money {
            amount: 70,
            currency: "NOK".parse().unwrap(),
        };
        forecast.add(deals(Some(krone), 3, 9_000, 1, 1), at_par);
        assert_eq!(
            (
                forecast.deals,
                forecast.valued,
                forecast.amount,
                forecast.unmeasured
            ),
            (7, 3, 2001, 2)
        );
        assert_eq!(forecast.weighted(), 751, "500.5 and 250");
        let [expected, low, high] = forecast.expected();
        assert_eq!(expected, 250);
        assert!(low < expected && expected < high, "{low} {high}");
        assert_eq!(forecast.unconverted[&krone.currency], (210, 3));
        assert_eq!(
            (Forecast::default().weighted(), Forecast::default().expected()),
            (0, [0; 3])
        );
    }

    proptest! {
        #[test]
        fn alike_deals_count_as_often_as_one_by_one(amount in 0i64..1_000_000_000, deals in 1i64..50, probability in 0i64..=10_000, part in 0i64..20, more in 0i64..20) {
            let open = OpenDeals { amount: eur(amount), deals, probability, won: Rate { part, whole: part + more } };
            let (mut together, mut apart) = (Forecast::default(), Forecast::default());
            together.add(open, at_par);
            for _ in 0..deals {
                apart.add(OpenDeals { deals: 1, ..open }, at_par);
            }
            prop_assert_eq!(together.weighted(), apart.weighted());
            prop_assert!(together.expected().iter().zip(apart.expected()).all(|(one, other)| (one - other).abs() <= 1));
            prop_assert!(together.weighted() <= together.amount);
        }
    }
}
