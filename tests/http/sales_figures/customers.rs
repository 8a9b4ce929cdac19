//! What customers cost, bring and how many churn, evaluated plainly over the rows.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use tandem_domain::instant::Timestamp;
use tandem_store::rows::{cycles, deals};
use uuid::Uuid;

use super::plain::{Rows, rome};

/// Customers, evaluated at every instant that matters.
pub struct Customers<'r> {
    pub rows: &'r Rows,
    /// The source of the first deal.
    pub asked_for: Option<&'static str>,
}

impl Customers<'_> {
    fn wins(&self, buyer: Uuid) -> impl Iterator<Item = &deals::Model> {
        let won = self.rows.deals.iter().filter(|deal| deal.state == "won");
        won.filter(move |deal| deal.company_id.or(deal.primary_lead_id) == Some(buyer))
    }

    fn first(&self, buyer: Uuid) -> &deals::Model {
        self.wins(buyer).min_by_key(|deal| (deal.closed_at, deal.id)).unwrap()
    }

    /// Those whose first deal has the source.
    fn all(&self) -> Vec<Uuid> {
        let won = self.rows.deals.iter().filter(|deal| deal.state == "won");
        let mut all: Vec<Uuid> = won.filter_map(|deal| deal.company_id.or(deal.primary_lead_id)).collect();
        all.sort_unstable();
        all.dedup();
        let source_of = |deal: &deals::Model| {
            let opened = |one: &&cycles::Model| {
                Some(one.lead_id) == deal.primary_lead_id && Some(one.number) == deal.cycle
            };
            self.rows.cycles.iter().find(opened).and_then(|one| one.source.clone())
        };
        all.retain(|buyer| {
            self.asked_for.is_none() || source_of(self.first(*buyer)).as_deref() == self.asked_for
        });
        all
    }

    /// When the leads of a buyer's deals churned.
    fn churns(&self, lead: Option<Uuid>) -> impl Iterator<Item = i64> {
        let own = self.rows.cycles.iter().filter(move |one| Some(one.lead_id) == lead);
        own.filter_map(|one| one.churned_at)
    }

    fn is_customer(&self, buyer: Uuid, now: i64) -> bool {
        self.wins(buyer).any(|deal| {
            let won = deal.closed_at.unwrap();
            won <= now && !self.churns(deal.primary_lead_id).any(|at| (won..=now).contains(&at))
        })
    }

    /// Those that are customers at an instant, and those of them that stop being so before another one.
    fn lost(&self, from: i64, to: i64) -> (usize, usize) {
        let all = self.all();
        let at_start: Vec<Uuid> = all.into_iter().filter(|buyer| self.is_customer(*buyer, from)).collect();
        let is_lost = |buyer: &&Uuid| {
            let leads = self.wins(**buyer).map(|deal| deal.primary_lead_id);
            let churns = leads.flat_map(|lead| self.churns(lead)).filter(|at| (from..to).contains(at));
            churns.into_iter().any(|at| !self.is_customer(**buyer, at))
        };
        (at_start.len(), at_start.iter().filter(is_lost).count())
    }

    pub fn churn(&self, from: &str, to: &str) -> Option<f64> {
        let (all, lost) = self.lost(start(from), start(to));
        (all > 0).then(|| lost as f64 / all as f64)
    }

    pub fn cac(&self, from: &str, to: &str) -> Option<f64> {
        let costs = &self.rows.costs;
        let is_new =
            |buyer: &&Uuid| (start(from)..start(to)).contains(&self.first(**buyer).closed_at.unwrap());
        let new = self.all().iter().filter(is_new).count();
        if self.asked_for.is_some() || new == 0 {
            return None;
        }
        let mut sum: i64 =
            costs.spent.iter().filter(|(day, _)| (from..to).contains(day)).map(|(_, amount)| amount).sum();
        // Each day has its part of its month; a month that is not stated has none.
        let mut by_month = BTreeMap::<String, (i64, i64)>::new();
        let mut day: Date = from.parse().unwrap();
        while day < to.parse().unwrap() {
            let (days, _) = by_month.entry(day.to_string()[..7].to_owned()).or_default();
            *days += 1;
            day = day.tomorrow().unwrap();
        }
        for (month, (days, _)) in by_month {
            let (_, marketing, sales) = costs.months.iter().find(|(known, _, _)| *known == month)?;
            let whole = i64::from(format!("{month}-01").parse::<Date>().unwrap().days_in_month());
            for amount in [marketing, sales] {
                sum += ((*amount as f64) * days as f64 / whole as f64 + 0.5).floor() as i64;
            }
        }
        Some(sum as f64 / new as f64)
    }

    pub fn ltv(&self, to: &str) -> Option<f64> {
        let next: Date = to.parse().unwrap();
        let edge = |back: i64| start(&next.checked_sub(back.months()).unwrap().to_string());
        let (first, last) = (edge(12), edge(0));
        let months: Vec<(usize, usize)> = (1..=12).rev().map(|n| self.lost(edge(n), edge(n - 1))).collect();
        let (at_starts, lost) = months.iter().fold((0, 0), |all, month| (all.0 + month.0, all.1 + month.1));
        let within = |deal: &&deals::Model| (first..last).contains(&deal.closed_at.unwrap());
        let is_served = |buyer: &Uuid| {
            let becomes = |deal: &deals::Model| self.is_customer(*buyer, deal.closed_at.unwrap());
            self.is_customer(*buyer, first) || self.wins(*buyer).filter(within).any(becomes)
        };
        let served: Vec<Uuid> = self.all().into_iter().filter(is_served).collect();
        let bought = served.iter().flat_map(|buyer| self.wins(*buyer).filter(within).collect::<Vec<_>>());
        let revenue: i64 = bought.filter_map(|deal| deal.base_amount).sum();
        let churn = (lost > 0).then(|| lost as f64 / at_starts as f64)?;
        (!served.is_empty())
            .then(|| revenue as f64 / served.len() as f64 / 12.0 * self.rows.costs.margin / churn)
    }
}

/// The first instant of a day.
fn start(day: &str) -> i64 {
    Timestamp::start_of_day(day.parse().unwrap(), &rome()).unwrap().millis()
}
