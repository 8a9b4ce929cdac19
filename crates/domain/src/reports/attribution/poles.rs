//! Models that give fixed shares to the poles of a path and divide the rest among the other touches.

use super::Path;
use crate::words::words;

/// The whole, in tenths of a percent.
const WHOLE: u32 = 1000;

words! {
    /// A touch that position models distinguish.
    Pole {
        /// The first touch.
        First = "first",
        /// The last touch at or before the instant at which the primary lead became known.
        Lead = "lead",
        /// The last touch at or before the opening of the deal.
        Deal = "deal",
        /// The last touch.
        Last = "last",
    }
}

/// The shares of the poles, in the order of [`Pole::ALL`], and of the rest, in tenths of a percent; 1000 in sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poles {
    shares: [u32; 4],
    rest: u32,
}

/// The text names no poles whose shares sum to 100 with that of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPoles {
    /// It is not written as `first:40,lead:20`.
    #[error("must be written as `first:40,lead:20`, each of first, lead, deal, last at most once")]
    Unreadable,
    /// The shares have another sum.
    #[error("the shares of the poles and `rest` must sum to 100")]
    Sum,
}

impl Poles {
    pub(super) const U_FIRST_LAST: Self = Self {
        shares: [400, 0, 0, 400],
        rest: 200,
    };
    pub(super) const U_FIRST_LEAD: Self = Self {
        shares: [400, 400, 0, 0],
        rest: 200,
    };
    pub(super) const W: Self = Self {
        shares: [300, 300, 300, 0],
        rest: 100,
    };
    pub(super) const FULL_PATH: Self = Self {
        shares: [225, 225, 225, 225],
        rest: 100,
    };

    /// Shares in percent with one decimal at most, such as `first:40,lead:20`, and the share of the rest.
    pub fn read(poles: &str, rest: &str) -> Result<Self, NotPoles> {
        let mut shares = [None; 4];
        for one in poles.split(',') {
            let (name, share) = one.trim().split_once(':').ok_or(NotPoles::Unreadable)?;
            let pole = Pole::named(name.trim()).ok_or(NotPoles::Unreadable)?;
            let place = &mut shares[pole as usize];
            if place.is_some() {
                return Err(NotPoles::Unreadable);
            }
            *place = Some(tenths(share)?);
        }
        let shares = shares.map(Option::unwrap_or_default);
        let rest = tenths(rest)?;
        match shares.iter().sum::<u32>() + rest {
            WHOLE => Ok(Self { shares, rest }),
            _ => Err(NotPoles::Sum),
        }
    }

    /// The weight of each touch. A missing pole's share, and that of a missing rest, is divided among the remaining poles in
    /// proportion to theirs; a touch that is two poles gets both. Without a pole the rest has everything; `None` where it
    /// has no share either.
    pub(super) fn weights(&self, path: &Path) -> Option<Vec<u64>> {
        let mut of_poles = vec![0_u64; path.touches().len()];
        for (pole, share) in Pole::ALL.iter().zip(self.shares) {
            if let Some(place) = path.place(*pole) {
                of_poles[place] += u64::from(share);
            }
        }
        let present: u64 = of_poles.iter().sum();
        let others = of_poles.iter().filter(|share| **share == 0).count() as u64;
        let rest = u64::from(self.rest);
        if present == 0 {
            return (rest > 0).then(|| vec![1; of_poles.len()]);
        }
        if others == 0 || rest == 0 {
            return Some(of_poles);
        }
        // With the common denominator `present * others`: a pole has share * (1000 - rest) / present, each other touch
        // rest / others.
        let poles = u64::from(WHOLE) - rest;
        let weight = |share: u64| match share {
            0 => rest * present,
            share => share * poles * others,
        };
        Some(of_poles.into_iter().map(weight).collect())
    }
}

/// A share in percent as tenths of a percent, up to 100.
fn tenths(text: &str) -> Result<u32, NotPoles> {
    let (whole, tenth) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_digits = |text: &str, most| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_digits(whole, 3) || !is_digits(tenth, 1) {
        return Err(NotPoles::Unreadable);
    }
    let number = |text: &str| text.parse::<u32>().map_err(|_| NotPoles::Unreadable);
    let share = number(whole)? * 10 + number(tenth)?;
    (share <= WHOLE).then_some(share).ok_or(NotPoles::Sum)
}
