//! Why a key figure moved: its change from one period to the next, split among the values of a dimension.

use std::collections::HashMap;
use std::hash::Hash;

use super::kpis::{Kpi, Measure, Unit};

/// The key figures whose change is split: conversion rates, counts and revenue.
pub const DECOMPOSED: &[Kpi] = &[
    Kpi::Leads,
    Kpi::Mqls,
    Kpi::MqlsHandedOver,
    Kpi::Acceptance,
    Kpi::MqlToSal,
    Kpi::MqlToSql,
    Kpi::SqlToOpportunity,
    Kpi::LeadToOpportunity,
    Kpi::OpportunityToCustomer,
    Kpi::LeadToCustomer,
    Kpi::MqlToCustomer,
    Kpi::DealsWon,
    Kpi::Booked,
    Kpi::WinRate,
    Kpi::RevenueAttributed,
    Kpi::RevenueInfluenced,
    Kpi::RevenueSourced,
];

/// What a value of the dimension had in both periods, and what it added to the change.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<K> {
    /// The value.
    pub key: K,
    /// Its figure in the period; `None` if it has no records there.
    pub now: Option<Measure>,
    /// Its figure in the period before.
    pub before: Option<Measure>,
    /// What it added to the change.
    pub effect: Effect,
}

/// A contribution to a change, in the unit of the figure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Effect {
    /// Because it had another share of the cases (of a rate), or another number of them (of a count or an amount).
    pub mix: f64,
    /// Because its own rate, or the mean amount of its cases, was another one.
    pub rate: f64,
}

impl Effect {
    /// Both together.
    pub fn sum(self) -> f64 {
        self.mix + self.rate
    }

    /// The sum of some effects.
    pub fn total(effects: impl IntoIterator<Item = Self>) -> Self {
        effects.into_iter().fold(Self::default(), |sum, one| Self {
            mix: sum.mix + one.mix,
            rate: sum.rate + one.rate,
        })
    }
}

/// Cases, and what they amount to: of a rate the counted ones, of revenue minor units, of a count the cases themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Terms {
    cases: i64,
    amount: i64,
}

impl Terms {
    /// `None` for a figure that is no sum over records, such as a median.
    fn of(measure: Measure) -> Option<Self> {
        let (cases, amount) = match measure {
            Measure::Count(count) => (count, count),
            Measure::Share(rate) => (rate.whole, rate.part),
            Measure::Sum { sum, of } => (of, sum?),
            Measure::Amount(share) => (share.entries, share.amount),
            Measure::Median { .. }
            | Measure::Mean { .. }
            | Measure::Portion { .. }
            | Measure::Costs { .. }
            | Measure::Lifetime { .. }
            | Measure::Growth { .. } => return None,
        };
        Some(Self { cases, amount })
    }

    fn mean(self) -> Option<f64> {
        (self.cases > 0).then(|| self.amount as f64 / self.cases as f64)
    }

    fn share_of(self, all: Self) -> f64 {
        self.cases as f64 / all.cases as f64
    }
}

/// Split the change of a figure among the values of a dimension; `None` where a rate has no cases in one of the periods, or
/// for a figure that is no sum over records. `now` and `before` hold the figure `kpi` of each value.
///
/// The symmetric decomposition of Kitagawa (1955), "Components of a difference between two rates", Journal of the American
/// Statistical Association 50, formula for two components. Of a rate `R = sum of w r`, where `w` is a value's share of the
/// cases and `r` its own rate:
///
/// ```text
/// mix  = (w1 - w0) (r1 + r0) / 2
/// rate = (r1 - r0) (w1 + w0) / 2
/// ```
///
/// A value without cases in one period has no rate there: its rate of the other period stands for both, and its whole
/// contribution is mix. Of counts and amounts `w` is the number of cases and `r` their mean; mix is rounded to the unit,
/// half away from zero. The parts sum to the change, and the periods swapped give the negative of each part; of rates both
/// hold up to the rounding of floating-point numbers.
pub fn decompose<K: Eq + Hash + Ord + Clone>(
    kpi: Kpi,
    now: &HashMap<K, Measure>,
    before: &HashMap<K, Measure>,
) -> Option<Vec<Part<K>>> {
    let terms = |of: &HashMap<K, Measure>| {
        let of_each = of
            .iter()
            .map(|(key, measure)| Some((key.clone(), Terms::of(*measure)?)));
        of_each.collect::<Option<HashMap<K, Terms>>>()
    };
    let (terms_now, terms_before) = (terms(now)?, terms(before)?);
    let all = |of: &HashMap<K, Terms>| {
        of.values().fold(Terms::default(), |all, one| Terms {
            cases: all.cases + one.cases,
            amount: all.amount + one.amount,
        })
    };
    let (all_now, all_before) = (all(&terms_now), all(&terms_before));
    let is_rate = kpi.unit() == Unit::Rate;
    if is_rate && (all_now.cases == 0 || all_before.cases == 0) {
        return None;
    }
    let mut keys: Vec<&K> = now.keys().chain(before.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let part = |key: &K| {
        let (now_of, before_of) = (terms_now.get(key), terms_before.get(key));
        let (one, other) = (
            now_of.copied().unwrap_or_default(),
            before_of.copied().unwrap_or_default(),
        );
        Part {
            key: key.clone(),
            now: now.get(key).copied(),
            before: before.get(key).copied(),
            effect: match is_rate {
                true => of_rate((one, all_now), (other, all_before)),
                false => of_sum(one, other),
            },
        }
    };
    Some(keys.into_iter().map(part).collect())
}

/// The means of both periods; one that is missing is that of the other period.
fn means(now: Terms, before: Terms) -> (f64, f64) {
    let (one, other) = (now.mean(), before.mean());
    (
        one.or(other).unwrap_or_default(),
        other.or(one).unwrap_or_default(),
    )
}

fn of_rate((now, all_now): (Terms, Terms), (before, all_before): (Terms, Terms)) -> Effect {
    let (rate, rate_before) = means(now, before);
    let (share, share_before) = (now.share_of(all_now), before.share_of(all_before));
    Effect {
        mix: (share - share_before) * (rate + rate_before) / 2.0,
        rate: (rate - rate_before) * (share + share_before) / 2.0,
    }
}

fn of_sum(now: Terms, before: Terms) -> Effect {
    let (mean, mean_before) = means(now, before);
    let mix = ((now.cases - before.cases) as f64 * (mean + mean_before) / 2.0).round();
    Effect {
        mix,
        rate: (now.amount - before.amount) as f64 - mix,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::Rate;
    use crate::reports::attribution::report::Share;
    use proptest::prelude::*;

    fn rates(rows: &[(u8, i64, i64)]) -> HashMap<u8, Measure> {
        let one = |&(key, part, whole)| (key, Measure::Share(Rate { part, whole }));
        rows.iter().map(one).collect()
    }

    fn value(of: &HashMap<u8, Measure>) -> f64 {
        let terms = of.values().map(|one| Terms::of(*one).unwrap());
        let (part, whole) = terms.fold((0, 0), |(part, whole), one| {
            (part + one.amount, whole + one.cases)
        });
        part as f64 / whole as f64
    }

    fn effects(now: &HashMap<u8, Measure>, before: &HashMap<u8, Measure>) -> Vec<(u8, Effect)> {
        let kpi = match now.values().chain(before.values()).next() {
            Some(Measure::Share(_)) => Kpi::WinRate,
            _ => Kpi::Booked,
        };
        let parts = decompose(kpi, now, before).unwrap();
        parts.into_iter().map(|part| (part.key, part.effect)).collect()
    }

    #[test]
    fn better_rates_everywhere_and_a_worse_mix() {
        // Both campaigns convert better than before, and the whole converts worse: Simpson's paradox.
        let before = rates(&[(1, 40, 80), (2, 2, 20)]);
        let now = rates(&[(1, 12, 20), (2, 16, 80)]);
        let found = effects(&now, &before);
        let expected = [
            (1, -0.6 * 1.1 / 2.0, 0.1 * 1.0 / 2.0),
            (2, 0.6 * 0.3 / 2.0, 0.1 * 1.0 / 2.0),
        ];
        for ((key, effect), (of, mix, rate)) in found.iter().zip(expected) {
            assert_eq!(*key, of);
            assert!(
                (effect.mix - mix).abs() < 1e-12 && (effect.rate - rate).abs() < 1e-12,
                "{effect:?}"
            );
        }
        let sum = Effect::total(found.iter().map(|(_, effect)| *effect));
        assert!((sum.sum() - (0.28 - 0.42)).abs() < 1e-12 && sum.rate > 0.0 && sum.mix < 0.0);
    }

    #[test]
    fn what_is_new_or_gone_is_mix_alone() {
        let found = effects(&rates(&[(1, 5, 10), (2, 3, 10)]), &rates(&[(1, 5, 10)]));
        assert_eq!(found[1].1, Effect { mix: 0.15, rate: 0.0 });
        let gone = effects(&rates(&[(1, 5, 10)]), &rates(&[(1, 5, 10), (2, 3, 10)]));
        assert_eq!(
            gone[1].1,
            Effect {
                mix: -0.15,
                rate: 0.0
            }
        );
    }

    #[test]
    fn amounts_move_by_number_and_by_size() {
        let amount = |entries, amount| HashMap::from([(1u8, Measure::Amount(Share { amount, entries }))]);
        let found = effects(&amount(3, 900), &amount(2, 400));
        // One more deal of 250 on the mean of both periods; the deals were larger by 100, 2.5 of them.
        assert_eq!(
            found[0].1,
            Effect {
                mix: 250.0,
                rate: 250.0
            }
        );
        let counts = HashMap::from([(1u8, Measure::Count(7))]);
        let found = effects(&counts, &HashMap::new());
        assert_eq!(found[0].1, Effect { mix: 7.0, rate: 0.0 });
    }

    #[test]
    fn nothing_to_compare_is_no_split() {
        assert_eq!(
            decompose(Kpi::WinRate, &rates(&[(1, 0, 0)]), &rates(&[(1, 1, 2)])),
            None
        );
        let median = HashMap::from([(1u8, Measure::Mean { sum: 3, of: 2 })]);
        assert_eq!(decompose(Kpi::AverageDeal, &median, &median), None);
        let nothing = HashMap::<u8, Measure>::new();
        assert_eq!(decompose(Kpi::WinRate, &nothing, &nothing), None);
        assert_eq!(decompose(Kpi::Leads, &nothing, &nothing), Some(vec![]));
    }

    #[test]
    fn only_sums_over_records_are_split() {
        use crate::reports::Basis;
        use crate::reports::kpis::{KpiFacts, measure};
        for (kpi, measure) in measure(Basis::Activity, &KpiFacts::default()) {
            if DECOMPOSED.contains(&kpi) {
                assert!(Terms::of(measure).is_some(), "{kpi:?}");
            }
        }
    }

    fn some_rates() -> impl Strategy<Value = HashMap<u8, Measure>> {
        prop::collection::hash_map(0u8..6, (0i64..=40, 0i64..=40), 1..6).prop_map(|rows| {
            let one = |(key, (a, b)): (u8, (i64, i64))| {
                let rate = Rate {
                    part: a.min(b),
                    whole: a.max(b),
                };
                (key, Measure::Share(rate))
            };
            rows.into_iter().map(one).collect()
        })
    }

    fn some_amounts() -> impl Strategy<Value = HashMap<u8, Measure>> {
        prop::collection::hash_map(0u8..6, (1i64..=40, -1_000_000i64..1_000_000_000), 0..6).prop_map(|rows| {
            let one = |(key, (entries, amount))| (key, Measure::Amount(Share { amount, entries }));
            rows.into_iter().map(one).collect()
        })
    }

    proptest! {
        #[test]
        fn the_parts_of_a_rate_sum_to_its_change_and_turn_with_the_periods(now in some_rates(), before in some_rates()) {
            let Some(parts) = decompose(Kpi::WinRate, &now, &before) else {
                let empty = |of: &HashMap<u8, Measure>| of.values().all(|one| one.cases() == 0);
                prop_assert!(empty(&now) || empty(&before));
                return Ok(());
            };
            let sum = Effect::total(parts.iter().map(|part| part.effect));
            prop_assert!((sum.sum() - (value(&now) - value(&before))).abs() < 1e-12);
            for (part, swapped) in parts.iter().zip(decompose(Kpi::WinRate, &before, &now).unwrap()) {
                prop_assert_eq!(part.effect.mix, -swapped.effect.mix);
                prop_assert_eq!(part.effect.rate, -swapped.effect.rate);
                prop_assert_eq!((part.now, part.before), (swapped.before, swapped.now));
            }
        }

        #[test]
        fn the_parts_of_an_amount_sum_to_its_change_to_the_unit(now in some_amounts(), before in some_amounts()) {
            let sum_of = |of: &HashMap<u8, Measure>| of.values().map(|one| one.value().unwrap()).sum::<f64>();
            let parts = decompose(Kpi::Booked, &now, &before).unwrap();
            let sum = Effect::total(parts.iter().map(|part| part.effect));
            prop_assert_eq!(sum.sum(), sum_of(&now) - sum_of(&before));
            for (part, swapped) in parts.iter().zip(decompose(Kpi::Booked, &before, &now).unwrap()) {
                prop_assert_eq!(part.effect.mix.fract(), 0.0);
                prop_assert_eq!(part.effect.sum(), -swapped.effect.sum());
                prop_assert_eq!(part.effect.mix, -swapped.effect.mix);
            }
        }
    }
}
