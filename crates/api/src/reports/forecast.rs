//! The forecast: open pipeline by the month in which deals are expected to be closed.

use std::collections::{BTreeMap, HashMap};

use actix_web::get;
use jiff::ToSpan;
use serde::Serialize;
use tandem_domain::id::PipelineId;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money, MoneySum};
use tandem_domain::reports::Basis;
use tandem_domain::reports::forecast::{Forecast, OpenDeals};
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::period::Days;
use tandem_store as store;
use tandem_store::reports::Books;
use utoipa::ToSchema;

use super::answer::{Period, Report, Table};
use super::kpis::UnconvertedView;
use super::request::{Chosen, Filters, Selection};
use crate::access::scopes::{DealEvidenceRead, DealsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// What open deals let expect.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastView {
    /// The instant of the figures.
    as_of: Timestamp,
    /// The days on which the deals were closed that the win rates of stages are measured by: the twelve months before today.
    measured: Period,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    provisional: bool,
    /// The months, in order; last, deals without an expected day.
    #[schema(max_items = 1000)]
    rows: Vec<ForecastRow>,
    /// How many later months are omitted after the first 1,000; the totals include them.
    #[schema(minimum = 0, example = 0)]
    omitted_rows: i64,
    /// All open deals.
    totals: ForecastFigures,
}

/// The deals expected in one month.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastRow {
    /// The month; `null` for deals without an expected day. A month that has passed shows deals that are overdue.
    #[schema(max_length = 7, example = "2026-05")]
    key: Option<String>,
    /// What they let expect.
    figures: ForecastFigures,
}

/// What some open deals let expect, in the base currency at today's rates. Each amount is rounded once, so that the totals may
/// differ from the sum of the rows by minor units.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastFigures {
    /// The number of open deals.
    #[schema(minimum = 0, example = 14)]
    deals: i64,
    /// How many of them have an amount that counts.
    #[schema(minimum = 0, example = 12)]
    valued: i64,
    /// The total amount of these.
    amount: MoneySum,
    /// The same, each weighted by the probability that the pipeline gives its stage.
    weighted: MoneySum,
    /// The same, each weighted by the measured win rate of its stage.
    expected: ExpectedView,
    /// Deals in currencies without an exchange rate; they count in no amount.
    #[schema(max_items = 300)]
    unconverted: Vec<UnconvertedView>,
    /// A link to the deals.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=open&expected_in=2026-05"
    )]
    evidence: String,
}

/// An amount weighted by measured win rates: of the deals that were in the stage and were closed in the last twelve months,
/// the share that was won.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExpectedView {
    /// The weighted amount.
    value: MoneySum,
    /// By the lower bounds of the rates' 95 % Wilson intervals.
    low: MoneySum,
    /// By their upper bounds.
    high: MoneySum,
    /// Deals in a stage from which no deal was closed: they count in none of these.
    #[schema(minimum = 0, example = 1)]
    unmeasured: i64,
}

/// Report the forecast.
///
/// The open deals by the month in which they are expected to be closed: their amount, weighted by the probability of their
/// stage, and weighted by the measured win rate of their stage with its interval. Amounts are in the base currency at today's
/// rates. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Filters), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "The months",
        content((ForecastView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/forecast")]
pub(super) async fn get_forecast(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Filters>,
) -> Reply<Report<ForecastView>> {
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let rules = store::rules::read(&snapshot).await?;
    let zone = rules.company.zone();
    let selection = Chosen::only(query.0).select(Basis::Activity, &zone)?;
    let base = rules.money.base;
    let today = now.date_in(&zone);
    let year = today.checked_sub(1.year()).ok();
    let measured = Days::between(year, Some(today), &zone).unwrap_or_else(|| selection.days.clone());
    let closed = Selection {
        days: measured.clone(),
        only: vec![],
        ..selection.clone()
    };
    let won = store::reports::stage_outcomes(&snapshot, &closed.scope()).await?;
    let pipelines = store::deals::pipelines::all(&snapshot).await?;
    let probabilities: HashMap<(PipelineId, &str), i64> = pipelines
        .iter()
        .flat_map(|pipeline| {
            pipeline
                .stages
                .iter()
                .map(|stage| ((pipeline.id, stage.key.as_str()), stage.probability))
        })
        .collect();
    let today = now.day_in(&zone);
    let convert = |money: Money| {
        let converted = rules.money.rates.convert(money, base, today);
        converted.ok().map(|found| found.money.amount)
    };
    let (mut months, mut totals) = (BTreeMap::<String, Forecast>::new(), Forecast::default());
    let mut unknown = None::<Forecast>;
    for open in store::reports::open_deals(&snapshot, &selection.scope(), Books { now, base }).await? {
        let stage = (open.pipeline_id, open.stage);
        let alike = OpenDeals {
            amount: open.amount,
            deals: open.deals,
            probability: probabilities
                .get(&(stage.0, stage.1.as_str()))
                .copied()
                .unwrap_or_default(),
            won: won.get(&stage).copied().unwrap_or_default(),
        };
        totals.add(alike, convert);
        let row = match open.expected_on {
            Some(day) => months.entry(day.to_string()[..7].to_owned()).or_default(),
            None => unknown.get_or_insert_default(),
        };
        row.add(alike, convert);
    }
    let omitted = months.len().saturating_sub(MOST_MONTHS);
    let view =
        |forecast: Forecast, month: Option<&str>| ForecastFigures::of(forecast, &selection, month, base);
    let rows = months
        .into_iter()
        .take(MOST_MONTHS)
        .map(|(month, forecast)| ForecastRow {
            figures: view(forecast, Some(&month)),
            key: Some(month),
        });
    let unknown = unknown.map(|forecast| ForecastRow {
        key: None,
        figures: view(forecast, Some("unknown")),
    });
    let view = ForecastView {
        as_of: now,
        measured: Period::of(&measured, &rules.company.timezone),
        agreement_version: rules.agreement.number,
        provisional: rules.agreement.provisional,
        rows: rows.chain(unknown).collect(),
        omitted_rows: omitted as i64,
        totals: view(totals, None),
    };
    Report::preferred(ctx.request(), "forecast", view, table)
}

/// The most months that are shown.
const MOST_MONTHS: usize = 999;

impl ForecastFigures {
    /// The figures of the deals that are expected in a month, or of all.
    fn of(forecast: Forecast, selection: &Selection, month: Option<&str>, base: Currency) -> Self {
        let money = |amount: i64| MoneySum {
            amount,
            currency: base,
        };
        let mut evidence = selection.evidence("deals", &[("figure", DealFigure::Open.name())]);
        if let Some(month) = month {
            evidence += &format!("&expected_in={month}");
        }
        let [value, low, high] = forecast.expected().map(money);
        Self {
            deals: forecast.deals,
            valued: forecast.valued,
            amount: money(forecast.amount),
            weighted: money(forecast.weighted()),
            expected: ExpectedView {
                value,
                low,
                high,
                unmeasured: forecast.unmeasured,
            },
            unconverted: forecast
                .unconverted
                .iter()
                .map(|(&currency, &(amount, deals))| UnconvertedView {
                    amount: Money { amount, currency },
                    deals,
                    evidence: format!("{evidence}&currency={currency}"),
                })
                .collect(),
            evidence,
        }
    }
}

fn table(view: &ForecastView) -> Table {
    let names = [
        "month",
        "deals",
        "valued",
        "currency",
        "amount",
        "weighted",
        "expected",
        "expected_low",
        "expected_high",
        "unmeasured",
    ];
    let mut table = Table::new(&[], &names);
    let line = |month: Option<&String>, figures: &ForecastFigures| {
        let expected = &figures.expected;
        let amounts = [
            &figures.amount,
            &figures.weighted,
            &expected.value,
            &expected.low,
            &expected.high,
        ];
        let mut cells = vec![
            month.cloned().unwrap_or_default(),
            figures.deals.to_string(),
            figures.valued.to_string(),
        ];
        cells.push(figures.amount.currency.to_string());
        cells.extend(amounts.map(|money| money.amount.to_string()));
        cells.push(expected.unmeasured.to_string());
        cells
    };
    for row in &view.rows {
        table.row(None, None, line(row.key.as_ref(), &row.figures));
    }
    table.total(line(None, &view.totals));
    table
}
