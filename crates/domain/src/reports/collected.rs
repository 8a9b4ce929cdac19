//! Collected revenue: what customers were invoiced after the win, without what was paid back.

use std::collections::{BTreeMap, BTreeSet};

use super::period::Days;
use crate::deals::revenue::RevenueKind;
use crate::id::{CompanyId, LeadId};
use crate::instant::{Day, Timestamp};
use crate::money::Money;
use crate::world::MoneyRules;

/// Who buys: a company, else a lead without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buyer {
    /// A company.
    Company(CompanyId),
    /// A lead.
    Lead(LeadId),
}

/// Entries of one customer, day, currency and kind, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectedSum {
    /// The customer.
    pub buyer: Buyer,
    /// The day.
    pub on: Day,
    /// What they are.
    pub kind: RevenueKind,
    /// What they amount to, positive for refunds too.
    pub amount: Money,
    /// How many there are.
    pub entries: i64,
}

/// What some days collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectedFacts {
    /// The amount in the base currency, in minor units; negative if more was paid back.
    pub sum: i64,
    /// The number of entries.
    pub entries: i64,
    /// Whether it is unknown: no rate converts an amount, or a filter is given by which entries are unknown.
    pub is_incomplete: bool,
}

/// All collected revenue, in the base currency at the rate of each day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    by_day: BTreeMap<Day, CollectedFacts>,
    by_buyer: BTreeMap<Buyer, Vec<(Timestamp, i64)>>,
}

impl Collected {
    /// All of these. What no rate converts counts for no customer.
    pub fn of(sums: &[CollectedSum], money: &MoneyRules) -> Self {
        let mut all = Self::default();
        let mut unknown = BTreeSet::new();
        for one in sums {
            let day = all.by_day.entry(one.on).or_default();
            day.entries += one.entries;
            let Ok(converted) = money.rates.convert(one.amount, money.base, one.on) else {
                day.is_incomplete = true;
                unknown.insert(one.buyer);
                continue;
            };
            let value = match one.kind {
                RevenueKind::Invoice | RevenueKind::Renewal => converted.money.amount,
                RevenueKind::Refund => -converted.money.amount,
            };
            day.sum += value;
            if let Some(at) = Timestamp::start_of_day(one.on.date(), &money.zone) {
                all.by_buyer.entry(one.buyer).or_default().push((at, value));
            }
        }
        all.by_buyer.retain(|buyer, _| !unknown.contains(buyer));
        all
    }

    /// What a customer paid, by the start of each day; `None` of one without entries, or with one that no rate converts.
    pub fn from(&self, buyer: Buyer) -> Option<&[(Timestamp, i64)]> {
        self.by_buyer.get(&buyer).map(Vec::as_slice)
    }

    /// What some days collected.
    pub fn during(&self, days: &Days) -> CollectedFacts {
        let own = self.by_day.iter().filter(|(day, _)| {
            days.first.is_none_or(|first| day.date() >= first)
                && days.next.is_none_or(|next| day.date() < next)
        });
        own.fold(CollectedFacts::default(), |all, (_, day)| CollectedFacts {
            sum: all.sum + day.sum,
            entries: all.entries + day.entries,
            is_incomplete: all.is_incomplete || day.is_incomplete,
        })
    }
}
