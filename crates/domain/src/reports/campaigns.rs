//! What campaigns cost and brought: counts that add up, so that a campaign may be seen with all below it, and the figures that
//! follow from them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::AddAssign;

use uuid::Uuid;

use super::percentile;
use crate::id::CampaignId;
use crate::money::Currency;
use crate::words::words;

/// After how many days a lead that is neither qualified nor archived is wasted.
pub const IDLE_DAYS: i64 = 30;

words! {
    /// Why a cycle that a campaign brought is wasted. Each cycle is wasted for one reason at most: the first that holds.
    Waste {
        /// Sales rejected the hand-off, and the lead was disqualified.
        Rejected = "wasted_rejected",
        /// Sales accepted the hand-off or let its promised contact pass, and nobody contacted the lead.
        Uncontacted = "wasted_uncontacted",
        /// It has been neither qualified nor archived for 30 days.
        Idle = "wasted_idle",
    }
}

/// What a campaign cost and brought in a period. Money is in minor units of the base currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignFacts {
    /// What it cost on the days whose currency has a rate.
    pub cost: i64,
    /// On how many days it cost that.
    pub cost_days: i64,
    /// What it cost in currencies without a rate, and on how many days.
    pub unconverted: BTreeMap<Currency, (i64, i64)>,
    /// Cycles that started.
    pub leads: i64,
    /// Cycles that entered mql.
    pub mqls: i64,
    /// Cycles that entered sql.
    pub sqls: i64,
    /// Cycles that entered opportunity.
    pub opportunities: i64,
    /// Deals that were won.
    pub won: i64,
    /// Deals that were lost.
    pub lost: i64,
    /// Customers whose first deal was won.
    pub customers: i64,
    /// Conversations.
    pub conversations: i64,
    /// Of these, the ones with high intent.
    pub high_intent: i64,
    /// Credited revenue.
    pub revenue: Credited,
    /// Credited pipeline.
    pub pipeline: Credited,
    /// Of the cycles that started, the wasted ones by reason, in the order of [`Waste::ALL`].
    pub wasted: [i64; 3],
    /// From the start of the cycle in which a deal was opened until it was won, in milliseconds.
    pub times_to_revenue: Vec<i64>,
}

/// Credit of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credited {
    /// The credited amount.
    pub value: i64,
    /// The outcomes, and the reopenings, that it is part of: one may be credited to several campaigns.
    pub outcomes: BTreeSet<Uuid>,
}

impl AddAssign<&Self> for CampaignFacts {
    fn add_assign(&mut self, other: &Self) {
        let Self {
            cost,
            cost_days,
            unconverted,
            leads,
            mqls,
            sqls,
            opportunities,
            won,
            lost,
            customers,
            conversations,
            high_intent,
            revenue,
            pipeline,
            wasted,
            times_to_revenue,
        } = other;
        self.cost += cost;
        self.cost_days += cost_days;
        for (currency, (amount, days)) in unconverted {
            let sum = self.unconverted.entry(*currency).or_default();
            *sum = (sum.0 + amount, sum.1 + days);
        }
        self.leads += leads;
        self.mqls += mqls;
        self.sqls += sqls;
        self.opportunities += opportunities;
        self.won += won;
        self.lost += lost;
        self.customers += customers;
        self.conversations += conversations;
        self.high_intent += high_intent;
        self.revenue += revenue;
        self.pipeline += pipeline;
        for (sum, one) in self.wasted.iter_mut().zip(wasted) {
            *sum += one;
        }
        self.times_to_revenue.extend(times_to_revenue);
    }
}

impl AddAssign<&Self> for Credited {
    fn add_assign(&mut self, other: &Self) {
        self.value += other.value;
        self.outcomes.extend(&other.outcomes);
    }
}

/// What follows from the counts of a campaign. Amounts are `None` where there is nothing to divide by, or where a part of the
/// cost has no rate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CampaignFigures {
    /// Cost divided by leads.
    pub cost_per_lead: Option<f64>,
    /// Cost divided by MQLs.
    pub cost_per_mql: Option<f64>,
    /// Cost divided by SQLs.
    pub cost_per_sql: Option<f64>,
    /// Cost divided by new customers.
    pub cac: Option<f64>,
    /// (Credited revenue - cost) / cost, as a fraction.
    pub roi: Option<f64>,
    /// Cost x wasted cycles / all cycles, rounded to the minor unit, half up.
    pub wasted: Option<i64>,
    /// The median from the start of a cycle to its won deal, in seconds.
    pub time_to_revenue: Option<f64>,
}

impl CampaignFacts {
    /// The wasted cycles.
    pub fn wasted_cycles(&self) -> i64 {
        self.wasted.iter().sum()
    }

    /// What follows from the counts.
    pub fn figures(&self) -> CampaignFigures {
        let cost = self.unconverted.is_empty().then_some(self.cost);
        let per = |cases: i64| Some(cost? as f64 / (cases > 0).then_some(cases)? as f64);
        let roi = |cost: i64| (cost > 0).then(|| (self.revenue.value - cost) as f64 / cost as f64);
        let wasted = |cost: i64| {
            let (cases, all) = (i128::from(self.wasted_cycles()), i128::from(self.leads));
            let doubled = i128::from(cost) * cases * 2 + all;
            (all > 0).then(|| i64::try_from(doubled.div_euclid(2 * all)).ok())?
        };
        let median = percentile(&mut self.times_to_revenue.clone(), 0.5);
        CampaignFigures {
            cost_per_lead: per(self.leads),
            cost_per_mql: per(self.mqls),
            cost_per_sql: per(self.sqls),
            cac: per(self.customers),
            roi: cost.and_then(roi),
            wasted: cost.and_then(wasted),
            time_to_revenue: median.map(|millis| millis / 1000.0),
        }
    }
}

/// The same with the facts of each campaign added to those of all above it. What belongs to no campaign stays so. A parent
/// above itself, which no command allows, ends the walk.
pub fn roll_up(
    own: &HashMap<Option<CampaignId>, CampaignFacts>,
    parents: &HashMap<CampaignId, CampaignId>,
) -> HashMap<Option<CampaignId>, CampaignFacts> {
    let mut all: HashMap<Option<CampaignId>, CampaignFacts> = HashMap::new();
    for (campaign, facts) in own {
        let (mut seen, mut at) = (HashSet::new(), *campaign);
        if at.is_none() {
            *all.entry(None).or_default() += facts;
        }
        while let Some(here) = at.filter(|here| seen.insert(*here)) {
            *all.entry(Some(here)).or_default() += facts;
            at = parents.get(&here).copied();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use proptest::prelude::*;

    fn id(n: u8) -> CampaignId {
        Id::from_uuid(Uuid::from_u128(u128::from(n) + 1))
    }

    #[test]
    fn figures_divide_the_cost() {
        let facts = CampaignFacts {
            cost: 1000,
            leads: 8,
            mqls: 4,
            sqls: 2,
            customers: 1,
            revenue: Credited {
                value: 1500,
                ..Credited::default()
            },
            wasted: [1, 1, 1],
            times_to_revenue: vec![3000, 1000],
            ..CampaignFacts::default()
        };
        let figures = facts.figures();
        assert_eq!(
            figures,
            CampaignFigures {
                cost_per_lead: Some(125.0),
                cost_per_mql: Some(250.0),
                cost_per_sql: Some(500.0),
                cac: Some(1000.0),
                roi: Some(0.5),
                wasted: Some(375),
                time_to_revenue: Some(2.0),
            }
        );
        let third = CampaignFacts {
            cost: 100,
            leads: 3,
            wasted: [0, 2, 0],
            ..CampaignFacts::default()
        };
        assert_eq!(third.figures().wasted, Some(67));
    }

    #[test]
    fn nothing_to_divide_by_and_a_cost_without_a_rate_are_no_figure() {
        assert_eq!(CampaignFacts::default().figures(), CampaignFigures::default());
        let foreign = CampaignFacts {
            cost: 1000,
            unconverted: BTreeMap::from([("NOK".parse().unwrap(), (50, 1))]),
            leads: 8,
            customers: 1,
            wasted: [1, 0, 0],
            ..CampaignFacts::default()
        };
        assert_eq!(foreign.figures(), CampaignFigures::default());
    }

    #[test]
    fn a_parent_above_itself_ends_the_walk() {
        let one = CampaignFacts {
            leads: 1,
            ..CampaignFacts::default()
        };
        let own = HashMap::from([(Some(id(1)), one)]);
        let rolled = roll_up(&own, &HashMap::from([(id(1), id(2)), (id(2), id(1))]));
        assert_eq!(
            rolled.values().map(|facts| facts.leads).collect::<Vec<_>>(),
            [1, 1]
        );
    }

    proptest! {
        /// Against asking of each campaign which ones are below it.
        #[test]
        fn rolling_up_adds_every_campaign_below(
            parents in prop::collection::vec(prop::option::of(0u8..8), 8),
            own in prop::collection::hash_map(prop::option::of(0u8..8), (0i64..100, 0i64..9), 0..9),
        ) {
            // A parent has a smaller number: there are no circles.
            let parents: HashMap<u8, u8> = (0u8..8).zip(parents).filter_map(|(n, parent)| Some((n, parent.filter(|parent| *parent < n)?))).collect();
            let facts = |(cost, leads): (i64, i64)| CampaignFacts { cost, leads, times_to_revenue: vec![leads], ..CampaignFacts::default() };
            let of = own.iter().map(|(n, numbers)| (n.map(id), facts(*numbers))).collect();
            let ids = parents.iter().map(|(n, parent)| (id(*n), id(*parent))).collect();
            let rolled = roll_up(&of, &ids);
            let is_below = |mut n: u8, top: u8| loop {
                if n == top { break true; }
                match parents.get(&n) { Some(parent) => n = *parent, None => break false }
            };
            for top in 0..8 {
                let below = own.iter().filter(|(n, _)| n.is_some_and(|n| is_below(n, top)));
                let (cost, leads) = below.fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
                let found = rolled.get(&Some(id(top))).cloned().unwrap_or_default();
                prop_assert_eq!((found.cost, found.leads), (cost, leads));
                prop_assert_eq!(found.times_to_revenue.iter().sum::<i64>(), leads);
            }
            prop_assert_eq!(rolled.get(&None), of.get(&None));
        }
    }
}
