//! Customers: who is one, and when, from the deals that were won and the leads that churned.

use std::collections::BTreeMap;

pub use super::collected::Buyer;
use super::collected::Collected;
use super::period::Days;
use crate::id::{DealId, LeadId};
use crate::instant::Timestamp;
use crate::words::words;

words! {
    /// A figure about customers.
    #[derive(Default)]
    CustomerFigure {
        /// Those whose first deal was won in the period.
        #[default]
        New = "new",
        /// Those who were customers when the period began.
        AtStart = "at_start",
        /// Of those, the ones that churned in the period.
        Churned = "churned",
        /// Those who were customers at some time in the period.
        Served = "served",
    }
}

/// A deal that was won.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Win {
    /// Its id.
    pub deal_id: DealId,
    /// Who bought.
    pub buyer: Buyer,
    /// The lead whose churn ends it; without one it does not end.
    pub lead_id: Option<LeadId>,
    /// When it was won.
    pub at: Timestamp,
    /// The amount in the base currency, in minor units.
    pub value: Option<i64>,
    /// Whether it has the values that the report asks for.
    pub is_asked_for: bool,
}

/// The end of a lead's time as a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Churn {
    /// When it churned.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<String>,
}

/// When a buyer was a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The customer.
    pub buyer: Buyer,
    /// Its first deal.
    pub first_deal_id: DealId,
    /// When that was won.
    pub since: Timestamp,
    /// From when to when it was a customer: half-open, disjoint, in order. What has no end goes on.
    stays: Vec<(Timestamp, Option<Churn>)>,
    /// When it paid or, where that is unknown, bought, and how much.
    bought: Vec<(Timestamp, i64)>,
}

/// The customers whose first deal has the values that are asked for, by id: a customer counts where it was won first.
///
/// A buyer is a customer from a won deal until the deal's primary lead churns. A company has churned once every lead that was
/// primary in one of its won deals has. `churns` are those of leads, in order.
///
/// What a customer brings is what was collected from it, where that is known, else what its deals were won for.
pub fn customers(
    mut wins: Vec<Win>,
    churns: &BTreeMap<LeadId, Vec<Churn>>,
    collected: &Collected,
) -> Vec<Customer> {
    wins.sort_unstable_by_key(|win| (win.buyer, win.at, win.deal_id));
    let of_buyers = wins.chunk_by(|one, other| one.buyer == other.buyer);
    let asked_for = of_buyers.filter(|of_buyer| of_buyer.first().is_some_and(|first| first.is_asked_for));
    let mut found: Vec<Customer> = asked_for
        .filter_map(|of_buyer| Customer::of(of_buyer, churns, collected))
        .collect();
    found.sort_unstable_by_key(Customer::id);
    found
}

impl Customer {
    fn of(wins: &[Win], churns: &BTreeMap<LeadId, Vec<Churn>>, collected: &Collected) -> Option<Self> {
        let first = wins.first()?;
        let mut stays: Vec<(Timestamp, Option<Churn>)> = vec![];
        for win in wins {
            let of_lead = win.lead_id.and_then(|lead_id| churns.get(&lead_id));
            let end = of_lead
                .and_then(|all| all.iter().find(|churn| churn.at >= win.at))
                .cloned();
            if end.as_ref().is_some_and(|churn| churn.at == win.at) {
                continue;
            }
            match stays.last_mut() {
                Some((_, until)) if until.as_ref().is_none_or(|until| win.at <= until.at) => {
                    *until = until.take().zip(end).map(|(until, end)| until.max(end));
                }
                _ => stays.push((win.at, end)),
            }
        }
        let won = || wins.iter().filter_map(|win| Some((win.at, win.value?)));
        let bought = match collected.from(first.buyer) {
            Some(paid) => paid.to_vec(),
            None => won().collect(),
        };
        Some(Self {
            buyer: first.buyer,
            first_deal_id: first.deal_id,
            since: first.at,
            stays,
            bought,
        })
    }

    /// The id of the company or lead.
    pub fn id(&self) -> uuid::Uuid {
        match self.buyer {
            Buyer::Company(id) => id.uuid(),
            Buyer::Lead(id) => id.uuid(),
        }
    }

    /// When it last stopped being a customer before an instant; `None` if it is one, or was none yet.
    pub fn churned_at(&self, until: Timestamp) -> Option<Timestamp> {
        let begun = self.stays.iter().rev().find(|(from, _)| *from < until);
        begun
            .and_then(|(_, end)| end.as_ref())
            .map(|end| end.at)
            .filter(|end| *end < until)
    }

    /// What it brought in some days, in minor units of the base currency.
    pub fn revenue(&self, from: Timestamp, to: Timestamp) -> i64 {
        let bought = self.bought.iter().filter(|(at, _)| (from..to).contains(at));
        bought.map(|(_, value)| value).sum()
    }

    /// The churn in some days, if it was a customer when they began.
    pub fn churn(&self, from: Timestamp, to: Timestamp) -> Option<&Churn> {
        let (_, end) = self.at(from)?;
        end.as_ref().filter(|end| end.at < to)
    }

    /// The stay in which an instant lies.
    fn at(&self, at: Timestamp) -> Option<&(Timestamp, Option<Churn>)> {
        let mut stays = self.stays.iter();
        stays.find(|(began, end)| *began <= at && end.as_ref().is_none_or(|end| end.at > at))
    }

    /// Whether a figure about some days counts it.
    pub fn counts(&self, figure: CustomerFigure, from: Timestamp, to: Timestamp) -> bool {
        match figure {
            CustomerFigure::New => (from..to).contains(&self.since),
            CustomerFigure::AtStart => self.at(from).is_some(),
            CustomerFigure::Churned => self.churn(from, to).is_some(),
            CustomerFigure::Served => {
                let mut stays = self.stays.iter();
                stays.any(|(began, end)| *began < to && end.as_ref().is_none_or(|end| end.at > from))
            }
        }
    }
}

/// How many customers a figure counts.
fn count(customers: &[Customer], figure: CustomerFigure, days: &Days) -> i64 {
    let counted = customers
        .iter()
        .filter(|one| one.counts(figure, days.from, days.to));
    counted.count() as i64
}

/// The customers of a period, and of the twelve months before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CustomerFacts {
    /// Those whose first deal was won in the period.
    pub new: i64,
    /// Those who were customers when it began.
    pub at_start: i64,
    /// Of those, the ones that churned in it.
    pub churned: i64,
    /// The twelve months.
    pub year: CustomerYear,
}

/// The customers of twelve months.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CustomerYear {
    /// Those who were customers at some time in them.
    pub served: i64,
    /// What these brought in them, in minor units of the base currency.
    pub revenue: i64,
    /// The customers at the beginning of each month, added up.
    pub at_starts: i64,
    /// Of those, the ones that churned in the month, added up.
    pub churned: i64,
}

impl CustomerFacts {
    /// Those of some days; `months` are the twelve before their end.
    pub fn of(customers: &[Customer], days: &Days, months: &[Days]) -> Self {
        let over = |figure| months.iter().map(|month| count(customers, figure, month)).sum();
        let mut year = CustomerYear {
            at_starts: over(CustomerFigure::AtStart),
            churned: over(CustomerFigure::Churned),
            ..CustomerYear::default()
        };
        if let (Some(first), Some(last)) = (months.first(), months.last()) {
            let counts = |one: &&Customer| one.counts(CustomerFigure::Served, first.from, last.to);
            for customer in customers.iter().filter(counts) {
                year.served += 1;
                year.revenue += customer.revenue(first.from, last.to);
            }
        }
        Self {
            new: count(customers, CustomerFigure::New, days),
            at_start: count(customers, CustomerFigure::AtStart, days),
            churned: count(customers, CustomerFigure::Churned, days),
            year,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::Id;

    fn churn(millis: i64) -> Churn {
        Churn {
            at: at(millis),
            reason: None,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn win(deal: u128, buyer: u128, lead: u128, won: i64) -> Win {
        let id = Uuid::from_u128;
        Win {
            deal_id: Id::from_uuid(id(deal)),
            buyer: Buyer::Company(Id::from_uuid(id(buyer))),
            lead_id: Some(Id::from_uuid(id(lead))),
            at: at(won),
            value: Some(100),
            is_asked_for: true,
        }
    }

    #[test]
    fn a_company_has_churned_once_all_of_its_leads_have() {
        let churns = BTreeMap::from([
            (Id::from_uuid(Uuid::from_u128(1)), vec![churn(30)]),
            (Id::from_uuid(Uuid::from_u128(2)), vec![churn(50)]),
        ]);
        let all = customers(
            vec![win(1, 9, 1, 10), win(2, 9, 2, 20)],
            &churns,
            &Collected::default(),
        );
        let [customer] = &all[..] else { panic!("{all:?}") };
        let counts = |figure, from, to| customer.counts(figure, at(from), at(to));
        assert!(counts(CustomerFigure::New, 10, 11) && !counts(CustomerFigure::New, 11, 99));
        assert!(counts(CustomerFigure::AtStart, 49, 60) && !counts(CustomerFigure::AtStart, 50, 60));
        assert!(!counts(CustomerFigure::Churned, 20, 50) && counts(CustomerFigure::Churned, 20, 51));
        assert!(
            !counts(CustomerFigure::Churned, 0, 99),
            "it was none when the period began"
        );
        assert_eq!(
            (customer.churned_at(at(50)), customer.churned_at(at(51))),
            (None, Some(at(50)))
        );
        assert_eq!(customer.revenue(at(10), at(20)), 100);
    }

    #[test]
    fn a_customer_counts_where_it_was_won_first() {
        let later = Win {
            is_asked_for: false,
            ..win(2, 9, 1, 20)
        };
        assert_eq!(
            customers(
                vec![later, win(1, 9, 1, 10)],
                &BTreeMap::new(),
                &Collected::default()
            )
            .len(),
            1
        );
        let later = Win { at: at(5), ..later };
        assert_eq!(
            customers(
                vec![later, win(1, 9, 1, 10)],
                &BTreeMap::new(),
                &Collected::default()
            ),
            []
        );
    }

    proptest! {
        /// Against a walk through every instant.
        #[test]
        fn stays_are_what_a_walk_through_all_instants_finds(
            wins in prop::collection::vec((0u128..3, 0u128..4, 0i64..30), 0..12),
            churns in prop::collection::vec((0u128..4, 0i64..30), 0..8),
            (from, length) in (0i64..30, 0i64..30),
        ) {
            let to = from + length;
            let mut by_lead = BTreeMap::<LeadId, Vec<Churn>>::new();
            for (lead, when) in &churns {
                by_lead.entry(Id::from_uuid(Uuid::from_u128(*lead))).or_default().push(churn(*when));
            }
            by_lead.values_mut().for_each(|all| all.sort_unstable());
            let asked: Vec<Win> =
                wins.iter().enumerate().map(|(n, (buyer, lead, won))| win(n as u128, *buyer, *lead, *won)).collect();
            let found = customers(asked, &by_lead, &Collected::default());
            let is_customer = |buyer: u128, now: i64| {
                wins.iter().any(|(of, lead, won)| {
                    let over = churns.iter().any(|(who, when)| who == lead && (*won..=now).contains(when));
                    *of == buyer && *won <= now && !over
                })
            };
            for buyer in 0..3 {
                let own = found.iter().find(|one| one.id() == Uuid::from_u128(buyer));
                let counts = |figure| own.is_some_and(|one| one.counts(figure, at(from), at(to)));
                let first = wins.iter().filter(|(of, _, _)| *of == buyer).map(|(_, _, won)| *won).min();
                prop_assert_eq!(counts(CustomerFigure::New), first.is_some_and(|won| (from..to).contains(&won)));
                let at_start = is_customer(buyer, from);
                prop_assert_eq!(counts(CustomerFigure::AtStart), at_start);
                let is_lost = (from..to).any(|now| !is_customer(buyer, now));
                prop_assert_eq!(counts(CustomerFigure::Churned), at_start && is_lost);
                if length > 0 {
                    prop_assert_eq!(counts(CustomerFigure::Served), (from..to).any(|now| is_customer(buyer, now)));
                }
            }
        }
    }
}
