//! The lists of records behind key figures.

use tandem_domain::reports::attribution::report::AttributionFigure;
use tandem_domain::reports::customers::CustomerFigure;
use tandem_domain::reports::funnel::FUNNEL;
use tandem_domain::reports::handoffs::HandoffFigure;
use tandem_domain::reports::kpis::{DealFigure, Kpi};
use tandem_domain::reports::period::Days;

use crate::reports::handoffs::address;
use crate::reports::request::Selection;

/// The lists behind a key figure of a selection: the numerator of a rate, empty for any other figure, and all of its records.
/// `months` are the months that `lvr` compares, `year` the twelve months of `ltv`.
pub fn links(kpi: Kpi, selection: &Selection, months: &Selection, year: &Selection) -> [String; 2] {
    let handoffs = |figure: HandoffFigure| address(figure, selection);
    let reached = |stage| cycles(selection, stage, &[("figure", "cycles")]);
    match (kpi.conversion(), kpi) {
        (Some((from, to)), _) => {
            let both = [("figure", "cycles"), ("reached", FUNNEL[to].name())];
            [cycles(selection, from, &both), reached(from)]
        }
        (_, Kpi::Leads) => [String::new(), reached(0)],
        (_, Kpi::Mqls) => [String::new(), reached(1)],
        (_, Kpi::Lvr) => [String::new(), cycles(months, 1, &[("figure", "cycles")])],
        (_, Kpi::MqlsHandedOver) => [String::new(), handoffs(HandoffFigure::Handoffs)],
        (_, Kpi::MqlsJoined) => [String::new(), handoffs(HandoffFigure::Joined)],
        (_, Kpi::Acceptance) => [
            handoffs(HandoffFigure::Accepted),
            handoffs(HandoffFigure::Decided),
        ],
        (_, Kpi::ResponseTime) => [String::new(), handoffs(HandoffFigure::Contacted)],
        (_, Kpi::FollowUps) => [String::new(), selection.evidence("follow-ups", &[])],
        (_, Kpi::QuotesSent) => [String::new(), selection.evidence("quotes", &[])],
        (_, Kpi::Collected) => [String::new(), entries(&selection.days)],
        (_, Kpi::RevenueAttributed) => [
            String::new(),
            attribution(selection, AttributionFigure::Attributed),
        ],
        (_, Kpi::RevenueInfluenced | Kpi::InfluencedShare) => [
            String::new(),
            attribution(selection, AttributionFigure::Influenced),
        ],
        (_, Kpi::RevenueSourced) => [String::new(), attribution(selection, AttributionFigure::Sourced)],
        (_, Kpi::Cac) => [String::new(), customers(selection, CustomerFigure::New)],
        (_, Kpi::Ltv) => [String::new(), customers(year, CustomerFigure::Served)],
        (_, Kpi::Churn) => [
            customers(selection, CustomerFigure::Churned),
            customers(selection, CustomerFigure::AtStart),
        ],
        (_, Kpi::DealsOpen) => [String::new(), deals(selection, DealFigure::Open)],
        (_, Kpi::AverageDeal | Kpi::Booked) => [String::new(), deals(selection, DealFigure::Valued)],
        (_, Kpi::WinRate) => [
            deals(selection, DealFigure::Won),
            deals(selection, DealFigure::Closed),
        ],
        (_, Kpi::SalesCycle) => [String::new(), cycles(selection, 5, &[("figure", "sales_cycle")])],
        _ => [String::new(), deals(selection, DealFigure::Won)],
    }
}

fn attribution(selection: &Selection, figure: AttributionFigure) -> String {
    selection.evidence("attribution", &[("figure", figure.name())])
}

fn cycles(selection: &Selection, stage: usize, more: &[(&str, &str)]) -> String {
    let stage = [("stage", FUNNEL[stage].name())];
    selection.evidence("funnel", &[&stage[..], more].concat())
}

fn customers(selection: &Selection, figure: CustomerFigure) -> String {
    selection.evidence("customers", &[("figure", figure.name())])
}

pub fn deals(selection: &Selection, figure: DealFigure) -> String {
    selection.evidence("deals", &[("figure", figure.name())])
}

/// The entries of revenue of some days.
fn entries(days: &Days) -> String {
    let bounds = [("on_gte", days.first), ("on_lt", days.next)];
    let bounds = bounds
        .into_iter()
        .filter_map(|(name, day)| Some(format!("{name}={}", day?)));
    let bounds: Vec<String> = bounds.collect();
    match bounds.is_empty() {
        true => "/v1/revenue".to_owned(),
        false => format!("/v1/revenue?{}", bounds.join("&")),
    }
}
