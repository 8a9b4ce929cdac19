//! Score calibration: what became of leads by the score band in which they entered mql.

use std::collections::HashMap;

use actix_web::get;
use serde::Serialize;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::Rate;
use tandem_domain::reports::calibration::{Brier, auc, brier};
use tandem_domain::reports::dimension::Dimension;
use tandem_domain::reports::kpis::{DealFigure, Kpi, KpiFacts, Measure, measure};
use tandem_domain::reports::period::Days;
use tandem_domain::reports::row::{Cut, Key};
use tandem_store as store;
use tandem_store::reports::{Books, ScoredDeal};
use utoipa::ToSchema;

use super::answer::{Period, RateView, Report, Table, cell, rate_cells};
use super::kpis::change::facts;
use super::kpis::evidence::links;
use super::request::{Chosen, MinSample, Selection};
use crate::access::scopes::{DealEvidenceRead, DealsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// The key figures of a band, in the order of the columns.
const FIGURES: [Kpi; 4] = [Kpi::Mqls, Kpi::Acceptance, Kpi::MqlToSql, Kpi::WinRate];

/// What became of leads by their score.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalibrationView {
    /// The instant of the figures.
    as_of: Timestamp,
    /// The period covered.
    period: Period,
    /// Which records count.
    #[schema(inline)]
    basis: Basis,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    min_sample: i64,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    provisional: bool,
    /// The bands, in the order of their names; last, leads without a band.
    #[schema(max_items = 1000)]
    rows: Vec<BandRow>,
    /// All bands together.
    totals: BandFigures,
    /// How well the score tells won deals from lost ones.
    auc: AucView,
    /// How far the win rates of bands were off.
    brier: BrierView,
}

/// One band.
#[derive(Debug, Serialize, ToSchema)]
pub struct BandRow {
    /// The band in which leads entered mql; `null` for leads without a score or band.
    #[schema(max_length = 16, example = "A1")]
    key: Option<String>,
    /// What became of them.
    figures: BandFigures,
}

/// What became of the leads of a band.
#[derive(Debug, Serialize, ToSchema)]
pub struct BandFigures {
    /// Cycles that entered mql.
    #[schema(minimum = 0, example = 120)]
    mqls: i64,
    /// The share of the decided hand-offs that sales accepted.
    acceptance: RateView,
    /// The share of the cycles that entered mql which reached sql.
    mql_to_sql: RateView,
    /// The share of the closed deals that were won.
    win_rate: RateView,
    /// A link to the cycles that entered mql.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=activity&stage=mql&figure=cycles&band=A1"
    )]
    evidence: String,
}

/// How well scores order deals.
#[derive(Debug, Serialize, ToSchema)]
pub struct AucView {
    /// The probability that a won deal had a higher score at mql than a lost one, ties counted half (area under the ROC curve):
    /// 1 is perfect, 0.5 is chance. `null` unless deals of both kinds were closed.
    #[schema(minimum = 0, maximum = 1, example = 0.71)]
    value: Option<f64>,
    /// The closed deals whose lead had a score at mql.
    #[schema(minimum = 0, example = 84)]
    deals: i64,
    /// Whether there are fewer deals than `min_sample`, too few for a meaningful figure.
    insufficient: bool,
    /// A link to the deals.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=scored"
    )]
    evidence: String,
}

/// How far expected win rates were off.
#[derive(Debug, Serialize, ToSchema)]
pub struct BrierView {
    /// The mean squared difference between the outcome (1 won, 0 lost) and the win rate of the same band among the deals that
    /// were closed before the period: 0 is perfect. `null` without cases, and without `from`.
    #[schema(minimum = 0, maximum = 1, example = 0.19)]
    value: Option<f64>,
    /// The closed deals with such an expectation.
    #[schema(minimum = 0, example = 80)]
    deals: i64,
    /// Scored deals that do not count, because they have no band, or no deal of it had been closed before.
    #[schema(minimum = 0, example = 4)]
    without_rate: i64,
    /// Whether there are fewer deals than `min_sample`, too few for a meaningful figure.
    insufficient: bool,
    /// A link to the scored deals: `deals` plus `without_rate`.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=scored"
    )]
    evidence: String,
}

/// Report score calibration.
///
/// What became of leads by the score band in which they entered mql: acceptance, the way to sql, the win rate. A definition
/// works if these rise with the band. `auc` and `brier` measure the score against the outcome of deals: the first its order, the
/// second the win rates that the bands let expect from earlier deals. Deals whose lead had no score at mql count in neither.
/// `Accept: text/csv` returns a table of the bands.
#[utoipa::path(tag = "reports", params(Chosen, MinSample), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "The bands",
        content((CalibrationView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/score-calibration")]
pub(super) async fn get_score_calibration(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Both<Chosen, MinSample>>,
) -> Reply<Report<CalibrationView>> {
    let Both(chosen, MinSample { min_sample }) = query.0;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let rules = store::rules::read(&snapshot).await?;
    let zone = rules.company.zone();
    let min_sample = min_sample.unwrap_or(rules.reports.min_sample);
    let selection = chosen.select(Basis::Activity, &zone)?;
    let base = rules.money.base;
    let books = Books { now, base };
    let cuts = [Cut::By(Dimension::Band)];
    let by_band = facts(&snapshot, &selection, &cuts, &FIGURES, books).await?;
    let all = facts(&snapshot, &selection, &[], &FIGURES, books).await?;
    let deals = store::reports::scored_deals(&snapshot, &selection.scope(), books).await?;
    let earlier = match Days::between(None, selection.days.first, &zone) {
        Some(days) if selection.days.first.is_some() => {
            let before = Selection {
                basis: Basis::Activity,
                days,
                ..selection.clone()
            };
            win_rates(store::reports::scored_deals(&snapshot, &before.scope(), books).await?)
        }
        _ => HashMap::new(),
    };
    let figures = |selection: &Selection, facts: &KpiFacts| BandFigures::of(selection, facts, min_sample);
    let mut rows: Vec<(Vec<Key>, KpiFacts)> = by_band.into_iter().collect();
    rows.sort_by_key(|(keys, _)| (keys[..] == [Key::Value(None)], keys.clone()));
    let row = |(keys, facts): (Vec<Key>, KpiFacts)| BandRow {
        key: keys.first().and_then(|key| cuts[0].shown(key)),
        figures: figures(&selection.row(&cuts, &keys), &facts),
    };
    let scored = selection.evidence("deals", &[("figure", DealFigure::Scored.name())]);
    let cases: Vec<(i64, bool)> = deals.iter().map(|deal| (deal.total, deal.is_won)).collect();
    let of_bands: Vec<(String, bool)> = deals
        .into_iter()
        .map(|deal| (deal.band.unwrap_or_default(), deal.is_won))
        .collect();
    let Brier {
        score,
        cases: expected,
        without_rate,
    } = brier(&of_bands, &earlier);
    let view = CalibrationView {
        as_of: now,
        period: Period::of(&selection.days, &rules.company.timezone),
        basis: selection.basis,
        min_sample,
        agreement_version: rules.agreement.number,
        provisional: rules.agreement.provisional,
        rows: rows.into_iter().map(row).collect(),
        totals: figures(&selection, &all.into_values().next().unwrap_or_default()),
        auc: AucView {
            value: auc(&cases),
            deals: cases.len() as i64,
            insufficient: (cases.len() as i64) < min_sample,
            evidence: scored.clone(),
        },
        brier: BrierView {
            value: score,
            deals: expected,
            without_rate,
            insufficient: expected < min_sample,
            evidence: scored,
        },
    };
    Report::preferred(ctx.request(), "score-calibration", view, table)
}

/// The win rate of each band.
fn win_rates(deals: Vec<ScoredDeal>) -> HashMap<String, Rate> {
    let mut rates: HashMap<String, Rate> = HashMap::new();
    for deal in deals {
        let Some(band) = deal.band else { continue };
        let rate = rates.entry(band).or_default();
        rate.whole += 1;
        rate.part += i64::from(deal.is_won);
    }
    rates
}

impl BandFigures {
    fn of(selection: &Selection, facts: &KpiFacts, min_sample: i64) -> Self {
        let all = measure(selection.basis, facts);
        let measured = |kpi: Kpi| {
            all.iter()
                .find(|(known, _)| *known == kpi)
                .map(|(_, measured)| *measured)
        };
        let rate = |kpi: Kpi| {
            let rate = match measured(kpi) {
                Some(Measure::Share(rate)) => rate,
                _ => Rate::default(),
            };
            RateView::of(rate, min_sample, links(kpi, selection, selection, selection))
        };
        let [_, evidence] = links(Kpi::Mqls, selection, selection, selection);
        Self {
            mqls: measured(Kpi::Mqls).map_or(0, Measure::cases),
            acceptance: rate(Kpi::Acceptance),
            mql_to_sql: rate(Kpi::MqlToSql),
            win_rate: rate(Kpi::WinRate),
            evidence,
        }
    }
}

fn table(view: &CalibrationView) -> Table {
    let mut names = vec!["band".to_owned(), "mqls".to_owned()];
    for rate in ["acceptance", "mql_to_sql", "win_rate"] {
        names.extend(["", "_of", "_low", "_high", "_insufficient"].map(|suffix| format!("{rate}{suffix}")));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(&[], &names);
    let line = |band: Option<&str>, figures: &BandFigures| {
        let mut cells = vec![cell(band), figures.mqls.to_string()];
        for rate in [&figures.acceptance, &figures.mql_to_sql, &figures.win_rate] {
            cells.extend(rate_cells(Some(rate)));
        }
        cells
    };
    for row in &view.rows {
        table.row(None, None, line(row.key.as_deref(), &row.figures));
    }
    table.total(line(None, &view.totals));
    table
}
