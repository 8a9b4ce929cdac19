//! The commitments of both teams, measured in their own period.

use tandem_domain::agreement::{Period as Per, SharedCommitments, SharedRevenue};
use tandem_domain::reports::funnel::{FUNNEL, conversion};
use tandem_domain::reports::kpis::{DealFigure, Kpi};
use tandem_domain::reports::period::Days;
use tandem_domain::reports::promises::Month;
use tandem_domain::reports::{Basis, Rate};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::Books;
use tandem_store::rules::Rules;

use super::super::answer::{Period, RateView};
use super::super::request::Selection;
use super::{NumberView, terms};
use crate::edge::http::problem::Problem;

/// The commitments of both teams, in the period of the revenue that contains the month; without a revenue in the month.
pub(super) async fn numbers(
    on: &Snapshot,
    rules: &Rules,
    promised: &SharedCommitments,
    month: Month<'_>,
    min_sample: i64,
) -> Result<Vec<NumberView>, Problem> {
    let per = promised.revenue.map_or(Per::Month, |revenue| revenue.per);
    let zone = rules.company.zone();
    let days = month.days.first.and_then(|day| match per {
        Per::Month => Days::month_of(day, &zone),
        Per::Quarter => Days::quarter_of(day, &zone),
        Per::Year => Days::year_of(day, &zone),
    });
    let Some(days) = days else {
        return Ok(vec![]);
    };
    let selection = Selection {
        basis: Basis::Activity,
        days,
        only: vec![],
    };
    let measured = Month {
        days: &selection.days,
        now: month.now,
    };
    let mut numbers = vec![];
    if let Some(promised) = promised.revenue {
        numbers.push(revenue(on, rules, promised, (&selection, measured)).await?);
    }
    if let Some(least) = promised.mql_to_customer {
        let tallied = store::reports::tally(on, &selection.scope(), &[]).await?;
        let cycles: Vec<_> = tallied.into_iter().map(|row| row.tally).collect();
        let (from, to) = Kpi::MqlToCustomer.conversion().unwrap_or_default();
        let rate = conversion(Basis::Activity, &cycles, from, to);
        let timezone = &rules.company.timezone;
        numbers.push(mql_to_customer(
            rate,
            least,
            (&selection, measured),
            timezone,
            min_sample,
        ));
    }
    Ok(numbers)
}

/// The amount won so far, in minor units of the base currency.
async fn revenue(
    on: &Snapshot,
    rules: &Rules,
    promised: SharedRevenue,
    (selection, measured): (&Selection, Month<'_>),
) -> Result<NumberView, Problem> {
    let books = Books {
        now: measured.now,
        base: rules.money.base,
    };
    let won = store::reports::deal_facts(on, &selection.scope(), books)
        .await?
        .value;
    let is_alike = |other: &SharedRevenue| (other.per, other.currency) == (promised.per, promised.currency);
    let terms = terms(on, &selection.days, |promised| {
        let revenue = promised.shared.revenue.filter(is_alike);
        revenue.map(|revenue| revenue.amount)
    });
    let target = measured.target(&terms.await?);
    Ok(NumberView {
        commitment: "revenue",
        side: None,
        period: Period::of(&selection.days, &rules.company.timezone),
        target: target as f64,
        so_far: Some(won as f64),
        pace: measured.pace(won),
        rate: None,
        state: measured.count(won, target),
        evidence: selection.evidence("deals", &[("figure", DealFigure::Valued.name())]),
    })
}

/// Of the cycles that entered mql in the period, those that became customers, whenever.
fn mql_to_customer(
    rate: Rate,
    least: f64,
    (selection, measured): (&Selection, Month<'_>),
    timezone: &str,
    min_sample: i64,
) -> NumberView {
    let cycles = |more: &[(&str, &str)]| {
        let own = [("stage", FUNNEL[1].name()), ("figure", "cycles")];
        selection.evidence("funnel", &[&own[..], more].concat())
    };
    let customers = cycles(&[("reached", FUNNEL[5].name())]);
    NumberView {
        commitment: Kpi::MqlToCustomer.name(),
        side: None,
        period: Period::of(&selection.days, timezone),
        target: least,
        so_far: rate.value(),
        pace: rate.value(),
        state: measured.rate(rate, least),
        rate: Some(RateView::of(rate, min_sample, [customers, cycles(&[])])),
        evidence: cycles(&[]),
    }
}
