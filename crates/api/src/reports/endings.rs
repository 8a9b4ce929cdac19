//! Losses and wins: why deals ended, what they were worth, and how that compares with the period before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::get;
use serde::Serialize;
use tandem_domain::deals::Outcome;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::endings::{EndingTally, Endings, Worth};
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_domain::reports::{Basis, Rate};
use tandem_store as store;
use tandem_store::reports::{Books, Records, Scope, TalliedEndings};
use tandem_store::{Snapshot, StoreError};
use utoipa::ToSchema;

use super::answer::{RateView, Report, Table, cell, rate_cells, report_view, whole};
use super::kpis::UnconvertedView;
use super::request::{Chosen, Defaults, Divided, Question, Selection};
use crate::access::scopes::{DealEvidenceRead, DealsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

report_view!(
    /// Deals that ended in one way, by reason.
    EndingsView: EndingsRow,
    /// The totals of all rows.
    EndingFigures
);

/// One row of closed deals.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndingsRow {
    /// The value of the first dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "price")]
    pub key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "spring_launch")]
    pub second_key: Option<Option<String>>,
    /// Its deals.
    pub figures: EndingFigures,
}

/// Closed deals: their number, worth and reasons.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndingFigures {
    /// The number of deals.
    #[schema(minimum = 0, example = 12)]
    pub deals: i64,
    /// How many of them have an amount in the base currency.
    #[schema(minimum = 0, example = 11)]
    pub valued: i64,
    /// The total amount of these, at the rate of the day of closing.
    pub value: Money,
    /// This row's share of all deals.
    pub share: RateView,
    /// The reasons, the most frequent first.
    #[schema(max_items = 1000)]
    pub reasons: Vec<EndedFor>,
    /// The number of deals in the previous period; `null` if the period is open, and in rows by time.
    #[schema(minimum = 0, example = 9)]
    pub deals_before: Option<i64>,
    /// How many of those had an amount in the base currency.
    #[schema(minimum = 0, example = 8)]
    pub valued_before: Option<i64>,
    /// The total amount of these.
    pub value_before: Option<Money>,
    /// `deals` minus `deals_before`.
    #[schema(example = 3)]
    pub change: Option<i64>,
    /// Deals in currencies without an exchange rate; they count in no value.
    #[schema(max_items = 300)]
    pub unconverted: Vec<UnconvertedView>,
    /// Links to the counted deals.
    pub evidence: EndingEvidence,
}

/// Deals closed for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndedFor {
    /// The code of the reason; `null` if unknown.
    #[schema(max_length = 64, example = "price")]
    pub reason: Option<String>,
    /// The number of deals.
    #[schema(minimum = 0, example = 5)]
    pub deals: i64,
    /// Their total amount in the base currency.
    pub value: Money,
    /// The deals.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost&reason=price"
    )]
    pub evidence: String,
}

/// Links to the counted deals.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndingEvidence {
    /// All of them.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost"
    )]
    pub deals: String,
    /// Those with an amount in the base currency: the terms of `value`.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost_valued"
    )]
    pub value: String,
    /// The deals of the previous period.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost"
    )]
    pub deals_before: Option<String>,
    /// The terms of `value_before`.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost_valued"
    )]
    pub value_before: Option<String>,
}

/// Report losses.
///
/// How many deals were lost in the period, what they were worth, and for which reasons, by one or two dimensions
/// (default `reason`), with the previous period's numbers. With the basis `cohort` these are the deals of cycles that
/// started in the period. Every figure links to its deals. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, Divided), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "The losses",
        content((EndingsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/losses")]
pub(super) async fn get_losses(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Both<Chosen, Divided>>,
) -> Reply<Report<EndingsView>> {
    answer(ctx, query.0, Outcome::Lost, "losses").await
}

/// Report wins.
///
/// How many deals were won in the period, what they were worth, and for which reasons, by one or two dimensions
/// (default `reason`), with the previous period's numbers. With the basis `cohort` these are the deals of cycles that
/// started in the period. Every figure links to its deals. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, Divided), security(("bearer" = [ReportsRead, DealsRead])),
    responses((status = 200, description = "The wins",
        content((EndingsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/wins")]
pub(super) async fn get_wins(
    ctx: Ctx<DealEvidenceRead>,
    query: Query<Both<Chosen, Divided>>,
) -> Reply<Report<EndingsView>> {
    answer(ctx, query.0, Outcome::Won, "wins").await
}

async fn answer(
    ctx: Ctx<DealEvidenceRead>,
    Both(chosen, divided): Both<Chosen, Divided>,
    outcome: Outcome,
    name: &'static str,
) -> Reply<Report<EndingsView>> {
    let snapshot = ctx.report().await?;
    let view = report(&snapshot, snapshot.as_of(ctx.now()), chosen, divided, outcome).await?;
    Report::preferred(ctx.request(), name, view, table)
}

pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    divided: Divided,
    outcome: Outcome,
) -> Result<EndingsView, Problem> {
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(Dimension::Reason),
        records: Records::Deals(outcome),
    };
    let question = Question::ask(snapshot, chosen, divided, defaults).await?;
    let base = question.rules.money.base;
    let books = Books { now, base };
    let cuts = &question.cuts;
    let tallied =
        store::reports::deal_endings(snapshot, &question.selection.scope(), cuts, outcome, books).await?;
    let versions: BTreeSet<i64> = tallied.iter().filter_map(|row| row.agreement_version).collect();
    let totals = Endings::count(tallied.iter().map(|row| &row.tally));
    let before = question.selection.before(&question.zone);
    let all_before = match &before {
        Some(before) => Some(by_row_before(snapshot, &before.scope(), cuts, outcome, books).await?),
        None => None,
    };
    // Divisions of time have no counterpart in the period before.
    let known_before = all_before.as_ref().filter(|_| !question.is_over_time());
    let mut of_row = by_row(tallied);
    for keys in known_before.iter().flat_map(|rows| rows.keys()) {
        of_row.entry(keys.clone()).or_default();
    }
    let counted = of_row
        .into_iter()
        .map(|(keys, tallies)| (keys, Endings::count(&tallies)));
    let (rows, omitted) = arrange(counted.collect(), cuts, Endings::default, |row| {
        (row.all.deals, row.all.value)
    });
    let view = View {
        outcome,
        base,
        min_sample: question.min_sample,
        all_deals: totals.all.deals,
        all: &question.selection,
    };
    let row = |(keys, endings): (Vec<Key>, Endings)| {
        let known = known_before.zip(before.as_ref()).map(|(known, before)| {
            let worth = known.get(&keys).copied().unwrap_or_default();
            (worth, before.row(cuts, &keys))
        });
        let (key, second_key) = question.names(&keys);
        EndingsRow {
            key,
            second_key,
            figures: view.figures(&question.selection.row(cuts, &keys), endings, known),
        }
    };
    let rows = rows.into_iter().map(row).collect();
    let known = all_before
        .as_ref()
        .zip(before)
        .map(|(rows, before)| (sum(rows.values()), before));
    let totals = view.figures(&question.selection, totals, known);
    Ok(EndingsView::of(
        question.head(now, versions),
        rows,
        omitted,
        totals,
    ))
}

/// What the deals of the period before were worth, by row; one row of all instead of divisions of time.
async fn by_row_before(
    snapshot: &Snapshot,
    scope: &Scope,
    cuts: &[Cut],
    outcome: Outcome,
    books: Books,
) -> Result<HashMap<Vec<Key>, Worth>, StoreError> {
    let cuts = match cuts.iter().any(|cut| matches!(cut, Cut::Over(_))) {
        true => &[],
        false => cuts,
    };
    let tallied = store::reports::deal_endings(snapshot, scope, cuts, outcome, books).await?;
    let rows = by_row(tallied).into_iter();
    Ok(rows
        .map(|(keys, tallies)| (keys, Endings::count(&tallies).all))
        .collect())
}

fn by_row(tallied: Vec<TalliedEndings>) -> HashMap<Vec<Key>, Vec<EndingTally>> {
    let mut rows: HashMap<Vec<Key>, Vec<EndingTally>> = HashMap::new();
    for row in tallied {
        rows.entry(row.keys).or_default().push(row.tally);
    }
    rows
}

fn sum<'w>(rows: impl Iterator<Item = &'w Worth>) -> Worth {
    rows.fold(Worth::default(), |sum, row| Worth {
        deals: sum.deals + row.deals,
        valued: sum.valued + row.valued,
        value: sum.value + row.value,
    })
}

/// What all rows of a report have in common.
struct View<'q> {
    outcome: Outcome,
    base: Currency,
    min_sample: i64,
    all_deals: i64,
    all: &'q Selection,
}

impl View<'_> {
    fn money(&self, amount: i64) -> Money {
        Money {
            amount,
            currency: self.base,
        }
    }

    fn deals(&self, selection: &Selection) -> String {
        let figure = match self.outcome {
            Outcome::Won => DealFigure::Won,
            Outcome::Lost => DealFigure::Lost,
        };
        address(selection, figure)
    }

    fn valued(&self, selection: &Selection) -> String {
        let figure = match self.outcome {
            Outcome::Won => DealFigure::Valued,
            Outcome::Lost => DealFigure::LostValued,
        };
        address(selection, figure)
    }

    fn figures(
        &self,
        selection: &Selection,
        endings: Endings,
        before: Option<(Worth, Selection)>,
    ) -> EndingFigures {
        let unconverted = self.unconverted(selection, &endings);
        let Endings { all, reasons, .. } = endings;
        let share = Rate {
            part: all.deals,
            whole: self.all_deals,
        };
        let (worth_before, before) = before.unzip();
        EndingFigures {
            deals: all.deals,
            valued: all.valued,
            value: self.money(all.value),
            share: RateView::of(
                share,
                self.min_sample,
                [self.deals(selection), self.deals(self.all)],
            ),
            reasons: self.reasons(selection, reasons),
            deals_before: worth_before.map(|worth| worth.deals),
            valued_before: worth_before.map(|worth| worth.valued),
            value_before: worth_before.map(|worth| self.money(worth.value)),
            change: worth_before.map(|worth| all.deals - worth.deals),
            unconverted,
            evidence: EndingEvidence {
                deals: self.deals(selection),
                value: self.valued(selection),
                deals_before: before.as_ref().map(|before| self.deals(before)),
                value_before: before.as_ref().map(|before| self.valued(before)),
            },
        }
    }

    fn reasons(&self, selection: &Selection, counted: BTreeMap<Option<String>, Worth>) -> Vec<EndedFor> {
        let one = |(reason, worth): (Option<String>, Worth)| {
            let narrowed = selection.with(Dimension::Reason, reason.clone().map(Value::Text));
            EndedFor {
                reason,
                deals: worth.deals,
                value: self.money(worth.value),
                evidence: self.deals(&narrowed),
            }
        };
        let mut reasons: Vec<EndedFor> = counted.into_iter().map(one).collect();
        reasons.sort_by(|a, b| b.deals.cmp(&a.deals).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }

    fn unconverted(&self, selection: &Selection, endings: &Endings) -> Vec<UnconvertedView> {
        let figure = match self.outcome {
            Outcome::Won => DealFigure::Unconverted,
            Outcome::Lost => DealFigure::LostUnconverted,
        };
        let one = |&(currency, amount, deals): &(Currency, i64, i64)| UnconvertedView {
            amount: Money { amount, currency },
            deals,
            evidence: address(selection, figure) + &format!("&currency={currency}"),
        };
        endings.unconverted.values().map(one).collect()
    }
}

fn address(selection: &Selection, figure: DealFigure) -> String {
    selection.evidence("deals", &[("figure", figure.name())])
}

fn table(view: &EndingsView) -> Table {
    let figures = [
        "deals",
        "valued",
        "value",
        "currency",
        "share",
        "share_of",
        "share_low",
        "share_high",
        "share_insufficient",
        "deals_before",
        "value_before",
        "change",
        "ended_for",
    ];
    let mut table = Table::new(&view.by, &figures);
    for row in &view.rows {
        table.row(row.key.as_deref(), row.second_key.as_ref(), line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}

fn line(figures: &EndingFigures) -> Vec<String> {
    let reason = |one: &EndedFor| format!("{}={}", one.reason.as_deref().unwrap_or_default(), one.deals);
    let reasons: Vec<String> = figures.reasons.iter().map(reason).collect();
    let mut line = vec![
        figures.deals.to_string(),
        figures.valued.to_string(),
        figures.value.amount.to_string(),
        figures.value.currency.to_string(),
    ];
    line.extend(rate_cells(Some(&figures.share)));
    line.extend([
        whole(figures.deals_before),
        whole(figures.value_before.as_ref().map(|money| money.amount)),
        whole(figures.change),
        cell(Some(&reasons.join("; "))),
    ]);
    line
}
