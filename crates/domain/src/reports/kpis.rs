//! Key figures of a period: volumes, conversions, speed and deals.

use super::attribution::report::{Revenue, Share};
use super::collected::CollectedFacts;
use super::costs::Costs;
use super::customers::CustomerFacts;
use super::funnel::{self, Tally};
use super::handoffs::{Delay, Verdicts};
use super::{Basis, Rate, percentile};
use crate::words::words;

words! {
    /// A key figure of marketing and sales.
    Kpi {
        /// Cycles that started.
        Leads = "leads",
        /// Cycles that entered mql.
        Mqls = "mqls",
        /// Hand-offs made, without self-sourced and void ones.
        MqlsHandedOver = "mqls_handed_over",
        /// Of these, those that joined the work on their company and took no turn.
        MqlsJoined = "mqls_joined",
        /// Of the decided hand-offs, those that sales accepted.
        Acceptance = "acceptance",
        /// Of the cycles that reached mql, those that reached sal.
        MqlToSal = "mql_to_sal",
        /// Of the cycles that reached mql, those that reached sql.
        MqlToSql = "mql_to_sql",
        /// Of the cycles that reached sql, those that reached opportunity.
        SqlToOpportunity = "sql_to_opportunity",
        /// Of the cycles that started, those that reached opportunity.
        LeadToOpportunity = "lead_to_opportunity",
        /// Of the cycles that reached opportunity, those that reached customer.
        OpportunityToCustomer = "opportunity_to_customer",
        /// Of the cycles that started, those that reached customer.
        LeadToCustomer = "lead_to_customer",
        /// Of the cycles that reached mql, those that reached customer.
        MqlToCustomer = "mql_to_customer",
        /// The median from hand-off to first contact.
        ResponseTime = "response_time",
        /// Tasks that were done.
        FollowUps = "follow_ups",
        /// Deals that are open at the end of the period, or now.
        DealsOpen = "deals_open",
        /// Quotes that were sent.
        QuotesSent = "quotes_sent",
        /// Deals that were won.
        DealsWon = "deals_won",
        /// The mean amount of the won deals, in the base currency.
        AverageDeal = "average_deal",
        /// The amount of the won deals, in the base currency.
        Booked = "booked",
        /// What was invoiced and renewed without what was paid back, in the base currency.
        Collected = "collected",
        /// Of the closed deals, those that were won.
        WinRate = "win_rate",
        /// The median from the first contact to the deal that was won.
        SalesCycle = "sales_cycle",
        /// How much more cycles entered mql in the last complete month than in the one before, as a fraction.
        Lvr = "lvr",
        /// Revenue of won deals with a touch, less that of reopened ones: what every model credits in sum.
        RevenueAttributed = "revenue_attributed",
        /// Revenue of deals with at least one touch of marketing.
        RevenueInfluenced = "revenue_influenced",
        /// Revenue of deals whose lead touch was marketing's.
        RevenueSourced = "revenue_sourced",
        /// The influenced revenue, as a share of all.
        InfluencedShare = "influenced_share",
        /// What a new customer cost: the costs of the period by its new customers.
        Cac = "cac",
        /// What a customer brings in all: what one brings a month, times the margin, by the monthly churn; from the twelve
        /// months before the end of the period.
        Ltv = "ltv",
        /// Of the customers at the beginning of the period, those that churned in it.
        Churn = "churn",
    }

    /// The unit of a key figure: records, a fraction, seconds, or minor units of the base currency.
    Unit {
        /// A number of records.
        Count = "count",
        /// A fraction.
        Rate = "rate",
        /// Seconds.
        Seconds = "seconds",
        /// Minor units of the base currency.
        Money = "money",
    }
}

words! {
    /// A figure about deals.
    #[derive(Default)]
    DealFigure {
        /// Those that were won.
        #[default]
        Won = "won",
        /// Those that were lost.
        Lost = "lost",
        /// Those that were won or lost.
        Closed = "closed",
        /// Those that are open at the end of the period, or now.
        Open = "open",
        /// Those that were won, with an amount in the base currency.
        Valued = "valued",
        /// Those that were won, with an amount that no rate converts.
        Unconverted = "unconverted",
        /// Those that were lost, with an amount in the base currency.
        LostValued = "lost_valued",
        /// Those that were lost, with an amount that no rate converts.
        LostUnconverted = "lost_unconverted",
        /// Those that were won, and have a lead in whose cycle they were opened.
        WonFromCycle = "won_from_cycle",
        /// Those that were won, with a touch on their path.
        WithPath = "with_path",
        /// Those that were won or lost, and in which an objection was raised.
        Objected = "objected",
        /// Of these, those that were won.
        WonObjected = "won_objected",
        /// Those that were lost, with an amount in the base currency, and in which an objection was raised.
        LostObjected = "lost_objected",
        /// Those that were won or lost, and whose lead had a score when it entered mql.
        Scored = "scored",
        /// Those that were lost with a reason other than `other`, and with an objection or a note.
        Explained = "explained",
        /// Those that were lost and whose feedback was given or is due.
        FeedbackDue = "feedback_due",
        /// Those that were lost with a reason, and whose feedback was given in time.
        Answered = "answered",
    }
}

/// The deals of a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DealFacts {
    /// Deals that were won.
    pub won: i64,
    /// Deals that were lost.
    pub lost: i64,
    /// Deals that are open at its end.
    pub open: i64,
    /// Won deals with an amount in the base currency.
    pub valued: i64,
    /// What these amount to, in minor units.
    pub value: i64,
}

/// What the key figures of a period are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiFacts {
    /// The cycles by the way they went.
    pub cycles: Vec<Tally>,
    /// What became of the hand-offs.
    pub verdicts: Verdicts,
    /// Hand-offs that joined the work on their company.
    pub joined: i64,
    /// From hand-off to first contact.
    pub response: Delay,
    /// The deals.
    pub deals: DealFacts,
    /// The revenue, and what touches had to do with it.
    pub revenue: Revenue,
    /// From the first contact to the won deal, in milliseconds.
    pub sales_cycles: Vec<i64>,
    /// How many of these begin with the acceptance, because no contact is known.
    pub estimated: i64,
    /// Cycles that entered mql in the last complete month and in the one before.
    pub mqls_by_month: [i64; 2],
    /// Tasks that were done.
    pub follow_ups: i64,
    /// Quotes that were sent.
    pub quotes_sent: i64,
    /// What was collected.
    pub collected: CollectedFacts,
    /// The customers.
    pub customers: CustomerFacts,
    /// What the period cost.
    pub costs: Costs,
    /// The share of revenue that is earned.
    pub margin: f64,
}

impl Default for KpiFacts {
    fn default() -> Self {
        Self {
            cycles: vec![],
            verdicts: Verdicts::default(),
            joined: 0,
            response: Delay::default(),
            deals: DealFacts::default(),
            revenue: Revenue::default(),
            sales_cycles: vec![],
            estimated: 0,
            mqls_by_month: [0; 2],
            follow_ups: 0,
            quotes_sent: 0,
            collected: CollectedFacts::default(),
            customers: CustomerFacts::default(),
            costs: Costs::default(),
            margin: 1.0,
        }
    }
}

/// A key figure, measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// So many.
    Count(i64),
    /// A share.
    Share(Rate),
    /// A median in milliseconds.
    Median {
        /// The median; `None` if there are no durations, or if it falls among those that have not ended.
        millis: Option<f64>,
        /// How many lengths there are.
        finished: i64,
        /// How many are still open.
        open: i64,
        /// How many are estimated.
        estimated: i64,
    },
    /// An amount in minor units.
    Sum {
        /// The amount; `None` if it is unknown.
        sum: Option<i64>,
        /// How many records make it up.
        of: i64,
    },
    /// A mean amount in minor units.
    Mean {
        /// What all amount to.
        sum: i64,
        /// How many there are.
        of: i64,
    },
    /// An amount in minor units.
    Amount(Share),
    /// A share of an amount.
    Portion {
        /// The part.
        part: Share,
        /// The whole, in minor units.
        whole: i64,
    },
    /// Costs of each new customer, in minor units.
    Costs {
        /// The costs.
        costs: Costs,
        /// The new customers.
        of: i64,
    },
    /// What a customer brings in all, in minor units.
    Lifetime {
        /// What customers brought in twelve months.
        revenue: i64,
        /// How many there were.
        customers: i64,
        /// The share of revenue that is earned.
        margin: f64,
        /// The monthly churn.
        churn: Rate,
    },
    /// A growth from one number to the next.
    Growth {
        /// The last number.
        last: i64,
        /// The one before.
        before: i64,
    },
}

impl Measure {
    /// The figure in its unit; `None` where there is nothing to divide by.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Count(count) => Some(count as f64),
            Self::Share(rate) => rate.value(),
            Self::Median { millis, .. } => millis.map(|millis| millis / 1000.0),
            Self::Sum { sum, .. } => sum.map(|sum| sum as f64),
            Self::Mean { sum, of } => (of > 0).then(|| sum as f64 / of as f64),
            Self::Amount(share) => Some(share.amount as f64),
            Self::Portion { part, whole } => (whole > 0).then(|| part.amount as f64 / whole as f64),
            Self::Costs { costs, of } => {
                let is_known = of > 0 && !costs.is_incomplete;
                is_known.then(|| costs.sum() as f64 / of as f64)
            }
            Self::Lifetime {
                revenue,
                customers,
                margin,
                churn,
            } => {
                let churn = churn.value().filter(|churn| *churn > 0.0)?;
                (customers > 0).then(|| revenue as f64 / customers as f64 / 12.0 * margin / churn)
            }
            Self::Growth { last, before } => (before > 0).then(|| last as f64 / before as f64 - 1.0),
        }
    }

    /// The number of records on which it is based.
    pub const fn cases(self) -> i64 {
        match self {
            Self::Count(count) => count,
            Self::Share(rate) => rate.whole,
            Self::Median { finished, .. } => finished,
            Self::Sum { of, .. } | Self::Mean { of, .. } | Self::Costs { of, .. } => of,
            Self::Amount(share) | Self::Portion { part: share, .. } => share.entries,
            Self::Lifetime { customers, .. } => customers,
            Self::Growth { last, before } => last + before,
        }
    }
}

impl Kpi {
    /// The stages of a conversion, as places in the funnel.
    pub const fn conversion(self) -> Option<(usize, usize)> {
        match self {
            Self::MqlToSal => Some((1, 2)),
            Self::MqlToSql => Some((1, 3)),
            Self::SqlToOpportunity => Some((3, 4)),
            Self::LeadToOpportunity => Some((0, 4)),
            Self::OpportunityToCustomer => Some((4, 5)),
            Self::LeadToCustomer => Some((0, 5)),
            Self::MqlToCustomer => Some((1, 5)),
            _ => None,
        }
    }

    /// The unit.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Leads
            | Self::Mqls
            | Self::MqlsHandedOver
            | Self::MqlsJoined
            | Self::FollowUps
            | Self::DealsOpen
            | Self::QuotesSent
            | Self::DealsWon => Unit::Count,
            Self::ResponseTime | Self::SalesCycle => Unit::Seconds,
            Self::AverageDeal
            | Self::Booked
            | Self::Collected
            | Self::Cac
            | Self::Ltv
            | Self::RevenueAttributed
            | Self::RevenueInfluenced
            | Self::RevenueSourced => Unit::Money,
            _ => Unit::Rate,
        }
    }

    /// Whether it is a number or an amount of all records, which means something even of few.
    pub const fn is_total(self) -> bool {
        matches!(self.unit(), Unit::Count)
            || matches!(
                self,
                Self::Booked
                    | Self::Collected
                    | Self::RevenueAttributed
                    | Self::RevenueInfluenced
                    | Self::RevenueSourced
            )
    }
}

/// The key figures of a period.
pub fn measure(basis: Basis, facts: &KpiFacts) -> Vec<(Kpi, Measure)> {
    let stages = funnel::count(basis, &facts.cycles).map(|stage| stage.cycles);
    let deals = &facts.deals;
    let one = |kpi: Kpi| match kpi {
        Kpi::Leads => Measure::Count(stages[0]),
        Kpi::Mqls => Measure::Count(stages[1]),
        Kpi::MqlsHandedOver => Measure::Count(facts.verdicts.handoffs),
        Kpi::MqlsJoined => Measure::Count(facts.joined),
        Kpi::Acceptance => Measure::Share(facts.verdicts.acceptance()),
        Kpi::ResponseTime => Measure::Median {
            millis: facts.response.elapsed.p50,
            finished: facts.response.finished,
            open: facts.response.open,
            estimated: 0,
        },
        Kpi::FollowUps => Measure::Count(facts.follow_ups),
        Kpi::DealsOpen => Measure::Count(deals.open),
        Kpi::QuotesSent => Measure::Count(facts.quotes_sent),
        Kpi::DealsWon => Measure::Count(deals.won),
        Kpi::Booked => Measure::Sum {
            sum: Some(deals.value),
            of: deals.valued,
        },
        Kpi::Collected => Measure::Sum {
            sum: Some(facts.collected.sum).filter(|_| !facts.collected.is_incomplete),
            of: facts.collected.entries,
        },
        Kpi::AverageDeal => Measure::Mean {
            sum: deals.value,
            of: deals.valued,
        },
        Kpi::WinRate => Measure::Share(Rate {
            part: deals.won,
            whole: deals.won + deals.lost,
        }),
        Kpi::SalesCycle => Measure::Median {
            millis: percentile(&mut facts.sales_cycles.clone(), 0.5),
            finished: facts.sales_cycles.len() as i64,
            open: 0,
            estimated: facts.estimated,
        },
        Kpi::RevenueAttributed => Measure::Amount(facts.revenue.attributed),
        Kpi::RevenueInfluenced => Measure::Amount(facts.revenue.influenced),
        Kpi::RevenueSourced => Measure::Amount(facts.revenue.sourced),
        Kpi::InfluencedShare => Measure::Portion {
            part: facts.revenue.influenced,
            whole: facts.revenue.all.amount,
        },
        Kpi::Lvr => Measure::Growth {
            last: facts.mqls_by_month[0],
            before: facts.mqls_by_month[1],
        },
        Kpi::Cac => Measure::Costs {
            costs: facts.costs,
            of: facts.customers.new,
        },
        Kpi::Ltv => Measure::Lifetime {
            revenue: facts.customers.year.revenue,
            customers: facts.customers.year.served,
            margin: facts.margin,
            churn: Rate {
                part: facts.customers.year.churned,
                whole: facts.customers.year.at_starts,
            },
        },
        Kpi::Churn => Measure::Share(Rate {
            part: facts.customers.churned,
            whole: facts.customers.at_start,
        }),
        conversion => {
            let (from, to) = conversion.conversion().unwrap_or_default();
            Measure::Share(funnel::conversion(basis, &facts.cycles, from, to))
        }
    };
    Kpi::ALL.iter().map(|kpi| (*kpi, one(*kpi))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::customers::CustomerYear;
    use crate::reports::funnel::Event;

    fn value(facts: &KpiFacts, kpi: Kpi) -> Option<f64> {
        let all = measure(Basis::Activity, facts);
        all.iter().find(|(known, _)| *known == kpi).unwrap().1.value()
    }

    #[test]
    fn nothing_has_no_rate_and_no_growth() {
        let nothing = KpiFacts::default();
        for (kpi, measure) in measure(Basis::Activity, &nothing) {
            let expected = kpi.is_total().then_some(0.0);
            assert_eq!(measure.value(), expected, "{kpi:?}");
        }
    }

    #[test]
    fn conversions_skip_stages_and_growth_is_against_the_month_before() {
        let tally = |event, path, cycles| Tally {
            event,
            path,
            reason: None,
            cycles,
        };
        let facts = KpiFacts {
            cycles: vec![
                tally(Event::Entered(0), 0b1, 6),
                tally(Event::Entered(0), 0b11_0001, 2),
                tally(Event::Entered(1), 0b11, 3),
                tally(Event::Entered(1), 0b1011, 1),
                tally(Event::Entered(4), 0b11_0001, 2),
            ],
            mqls_by_month: [6, 4],
            joined: 2,
            deals: DealFacts {
                won: 3,
                lost: 1,
                valued: 2,
                value: 500,
                open: 7,
            },
            revenue: Revenue {
                all: Share {
                    amount: 800,
                    entries: 4,
                },
                attributed: Share {
                    amount: 700,
                    entries: 3,
                },
                influenced: Share {
                    amount: 600,
                    entries: 2,
                },
                sourced: Share {
                    amount: 100,
                    entries: 1,
                },
            },
            sales_cycles: vec![4000, 1000, 3000],
            estimated: 1,
            follow_ups: 9,
            customers: CustomerFacts {
                new: 4,
                at_start: 10,
                churned: 1,
                year: CustomerYear {
                    served: 20,
                    revenue: 24_000,
                    at_starts: 100,
                    churned: 5,
                },
            },
            costs: Costs {
                campaigns: 100,
                marketing: 200,
                sales: 500,
                is_incomplete: false,
            },
            margin: 0.5,
            ..KpiFacts::default()
        };
        for (kpi, expected) in [
            (Kpi::Leads, 8.0),
            (Kpi::Mqls, 4.0),
            (Kpi::MqlsJoined, 2.0),
            (Kpi::MqlToSql, 0.25),
            (Kpi::LeadToCustomer, 0.25),
            (Kpi::OpportunityToCustomer, 1.0),
            (Kpi::Lvr, 0.5),
            (Kpi::WinRate, 0.75),
            (Kpi::AverageDeal, 250.0),
            (Kpi::SalesCycle, 3.0),
            (Kpi::FollowUps, 9.0),
            (Kpi::RevenueAttributed, 700.0),
            (Kpi::RevenueInfluenced, 600.0),
            (Kpi::RevenueSourced, 100.0),
            (Kpi::InfluencedShare, 0.75),
            (Kpi::Cac, 200.0),
            (Kpi::Churn, 0.1),
            // A customer brings 100 a month, of which half is earned, and stays for 20 months.
            (Kpi::Ltv, 1000.0),
        ] {
            assert_eq!(value(&facts, kpi), Some(expected), "{kpi:?}");
        }
        let mut facts = facts;
        facts.customers.year.churned = 0;
        facts.costs.is_incomplete = true;
        assert_eq!(
            (value(&facts, Kpi::Ltv), value(&facts, Kpi::Cac)),
            (None, None),
            "nobody churns, and costs are missing"
        );
    }
}
