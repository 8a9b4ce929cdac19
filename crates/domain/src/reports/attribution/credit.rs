//! Dividing an amount by weights so that the parts sum to it exactly.

/// One, as a weight made from a fraction: fine enough for every cent below 2^53, coarse enough to equal out the rounding
/// of floating-point numbers.
const ONE: f64 = (1_u64 << 40) as f64;

/// A fraction from 0 to 1 as a whole weight.
pub(super) fn whole(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * ONE).round() as u64
}

/// Divide an amount by weights: floored, the remainder by largest fraction, ties to the earlier (Hamilton's method). A
/// negative amount is divided like the positive one, so that both cancel out. The parts sum to the amount; all are 0
/// where no weight is positive.
pub fn apportion(amount: i64, weights: &[u64]) -> Vec<i64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let size = u128::from(amount.unsigned_abs());
    let exact = weights.iter().map(|weight| size * u128::from(*weight));
    let exact: Vec<(u128, u128)> = exact.map(|part| (part / total, part % total)).collect();
    let mut parts: Vec<u128> = exact.iter().map(|(floor, _)| *floor).collect();
    let left = size - parts.iter().sum::<u128>();
    let mut by_fraction: Vec<usize> = (0..parts.len()).collect();
    by_fraction.sort_by_key(|place| std::cmp::Reverse(exact[*place].1));
    for place in by_fraction.into_iter().take(left as usize) {
        parts[place] += 1;
    }
    let signed = |part: u128| part as i64 * amount.signum();
    parts.into_iter().map(signed).collect()
}
