//! How well scores tell which deals are won.

use std::collections::HashMap;

use super::Rate;

/// The probability that a won deal had a higher score than a lost one, ties counted half: the area under the ROC curve (Hanley
/// and McNeil 1982), from 0 to 1; 0.5 is chance. `None` unless there is at least one of each. Cases are the score, in any unit,
/// and whether the deal was won.
pub fn auc(cases: &[(i64, bool)]) -> Option<f64> {
    let mut cases = cases.to_vec();
    cases.sort_unstable();
    let won = cases.iter().filter(|(_, is_won)| *is_won).count() as u64;
    let lost = cases.len() as u64 - won;
    // Twice the number of pairs in which the won deal scored higher; a tie counts once.
    let (mut doubled, mut lost_below) = (0u128, 0u64);
    for tied in cases.chunk_by(|(one, _), (other, _)| one == other) {
        let won_here = tied.iter().filter(|(_, is_won)| *is_won).count() as u64;
        let lost_here = tied.len() as u64 - won_here;
        doubled += u128::from(won_here) * u128::from(2 * lost_below + lost_here);
        lost_below += lost_here;
    }
    let pairs = u128::from(won) * u128::from(lost);
    (pairs > 0).then(|| doubled as f64 / (2 * pairs) as f64)
}

/// How far the win rates of bands were off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Brier {
    /// The mean squared difference between the band's earlier win rate and the outcome (1 won, 0 lost), from 0, which is
    /// perfect, to 1 (Brier 1950); `None` without cases.
    pub score: Option<f64>,
    /// The number of cases.
    pub cases: i64,
    /// Deals that are no cases, because no deal of their band had been closed before.
    pub without_rate: i64,
}

/// The Brier score of bands: each deal's band and whether it was won, against the win rates of bands from earlier deals.
pub fn brier(deals: &[(String, bool)], earlier: &HashMap<String, Rate>) -> Brier {
    let (mut sum, mut cases) = (0.0, 0);
    for (band, is_won) in deals {
        let Some(rate) = earlier.get(band).and_then(|rate| rate.value()) else {
            continue;
        };
        sum += (rate - f64::from(u8::from(*is_won))).powi(2);
        cases += 1;
    }
    Brier {
        score: (cases > 0).then(|| sum / f64::from(cases)),
        cases: i64::from(cases),
        without_rate: deals.len() as i64 - i64::from(cases),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_area_by_hand() {
        assert_eq!(auc(&[(1, false), (2, true)]), Some(1.0));
        assert_eq!(auc(&[(1, true), (2, false)]), Some(0.0));
        assert_eq!(auc(&[(2, true), (2, false)]), Some(0.5));
        // Pairs: 3>1, 3>2, 2>1 and a tie 2=2: 3.5 of 4.
        assert_eq!(auc(&[(3, true), (2, true), (2, false), (1, false)]), Some(0.875));
        assert_eq!(
            (auc(&[]), auc(&[(1, true)]), auc(&[(1, false)])),
            (None, None, None)
        );
    }

    #[test]
    fn the_brier_score_by_hand() {
        let rate = |part, whole| Rate { part, whole };
        let earlier = HashMap::from([("A1".to_owned(), rate(3, 4)), ("B2".to_owned(), rate(0, 0))]);
        let deal = |band: &str, is_won| (band.to_owned(), is_won);
        let found = brier(
            &[
                deal("A1", true),
                deal("A1", false),
                deal("B2", true),
                deal("C3", false),
            ],
            &earlier,
        );
        let expected = Brier {
            score: Some((0.0625 + 0.5625) / 2.0),
            cases: 2,
            without_rate: 2,
        };
        assert_eq!(found, expected);
        assert_eq!(brier(&[], &earlier), Brier::default());
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs(cases in prop::collection::vec((-5i64..5, any::<bool>()), 0..60)) {
            let (mut pairs, mut points) = (0u32, 0.0);
            for (won, _) in cases.iter().filter(|(_, is_won)| *is_won) {
                for (lost, _) in cases.iter().filter(|(_, is_won)| !is_won) {
                    pairs += 1;
                    points += if won > lost { 1.0 } else if won == lost { 0.5 } else { 0.0 };
                }
            }
            let expected = (pairs > 0).then(|| points / f64::from(pairs));
            match (auc(&cases), expected) {
                (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-12),
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
    }
}
