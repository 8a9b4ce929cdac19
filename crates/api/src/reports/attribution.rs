//! Attribution: revenue, pipeline and counts credited to touches, and the outcomes behind each figure.

mod evidence;
pub(super) mod question;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::get;
use serde::Serialize;
use tandem_domain::access::Scope;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, MoneySum};
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::report::AttributionFigure;
use tandem_domain::reports::attribution::{ModelName, PathOutcome};
use tandem_domain::reports::dimension::{By, Dimension};
use tandem_domain::reports::row::{Key, arrange};
use tandem_store::reports::Records;
use utoipa::ToSchema;

pub(in crate::reports) use self::evidence::{ids, list_attribution_evidence};
use self::question::{Asked, Found, ModelQuery, OutcomeQuery, Touches};
use super::answer::{Period, Report, Table};
use super::chart;
use super::request::{Chosen, Defaults, Divided, Question, Selection};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Credit of touches for outcomes.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributionView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The period covered.
    pub period: Period,
    /// Which records count.
    #[schema(inline)]
    pub basis: Basis,
    /// The dimensions of the rows.
    #[schema(inline, max_items = 2, example = json!(["channel"]))]
    pub by: Vec<By>,
    /// What is credited.
    pub outcome: PathOutcome,
    /// How it is divided.
    pub model: ModelName,
    /// Whether credits change with the filters and the period: by `markov` the weights follow from all journeys of the
    /// report. By every other model the credit of an outcome never changes.
    pub depends_on_filters: bool,
    /// The versions of the agreement of the counted records.
    #[schema(max_items = 1000, example = json!([1]))]
    pub agreement_versions: Vec<i64>,
    /// Whether the agreement in force is provisional: nobody has signed it.
    pub provisional: bool,
    /// The rows, the largest credit first.
    #[schema(max_items = 1000)]
    pub rows: Vec<AttributionRow>,
    /// How many smaller rows are omitted after the 1,000 largest; the totals include them.
    #[schema(minimum = 0, example = 0)]
    pub omitted_rows: i64,
    /// The totals of all rows.
    pub totals: CreditView,
    /// All outcomes, whatever their touches.
    pub all: CreditView,
    /// Outcomes of which no touch earns anything.
    pub unattributed: CreditView,
    /// Outcomes whose amount has no exchange rate; they count in the number of outcomes and in no value.
    #[schema(max_items = 300)]
    pub unconverted: Vec<UnconvertedOutcomes>,
}

/// One row of the attribution.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributionRow {
    /// The value of the first dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "paid_search")]
    pub key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "2026-05")]
    pub second_key: Option<Option<String>>,
    /// Its credit.
    pub figures: CreditView,
}

/// Credit for outcomes.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreditView {
    /// The number of entries of which something is credited here: outcomes, and reopenings that take one back.
    #[schema(minimum = 0, example = 12)]
    pub entries: i64,
    /// The credited part of outcomes, in thousandths of an outcome; reopenings count negative.
    #[schema(example = 4_333)]
    pub thousandths: i64,
    /// The credited amount in the base currency; `null` for `mql` and `sql`, and without `deals:read`.
    pub value: Option<MoneySum>,
    /// A link to the entries.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/attribution/evidence?basis=activity&outcome=customer&model=linear&figure=credited&channel=email"
    )]
    pub evidence: String,
}

/// Outcomes in a currency without an exchange rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnconvertedOutcomes {
    /// Their total amount.
    pub amount: MoneySum,
    /// The number of entries.
    #[schema(minimum = 1, example = 2)]
    pub entries: i64,
    /// A link to the entries.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/attribution/evidence?basis=activity&outcome=customer&model=linear&figure=unconverted&currency=NOK"
    )]
    pub evidence: String,
}

/// A sum of credits.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    entries: i64,
    thousandths: i64,
    value: i64,
}

impl Sum {
    fn add(&mut self, thousandths: i64, value: i64) {
        self.thousandths += thousandths;
        self.value += value;
    }

    fn add_whole(&mut self, entry: &Found) {
        self.entries += 1;
        self.add(entry.whole(), entry.value.unwrap_or_default());
    }
}

/// Report attribution.
///
/// Revenue (`outcome=customer`, the default), pipeline (`opportunity`) and the numbers of MQLs, SQLs and customers,
/// credited to touches by a model (default `linear`), by one or two dimensions (default `channel`). The path of an
/// outcome is frozen when it happens: touches that become known later change nothing. Credits are minor units, and
/// thousandths of an outcome; they sum exactly. A reopened deal takes its credit back at its own date, along the same
/// path. Amounts are in the base currency: revenue at the rate of the day of closing, pipeline at today's. In this
/// report `channel`, `source`, `campaign` and `utm_content`, as dimensions and as filters, are those of the credited
/// touches; the others are those of the cycle or the deal. `model=markov` divides by channel alone, and its weights
/// change with the filters. Amounts need `deals:read` too. `Accept: text/csv` returns a table,
/// `image/svg+xml` a chart.
#[utoipa::path(tag = "reports", params(Chosen, Divided, OutcomeQuery, ModelQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The credits",
        content((AttributionView = "application/json"), (String = "text/csv"), (String = "image/svg+xml")))))]
#[get("/v1/reports/attribution")]
pub(super) async fn get_attribution(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Both<Chosen, Divided>, Both<OutcomeQuery, ModelQuery>>>,
) -> Reply<Report<AttributionView>> {
    let Both(Both(chosen, divided), Both(of, model)) = query.0;
    let snapshot = ctx.report().await?;
    let asked = Asked::read(of.outcome.unwrap_or_default(), model)?;
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(Dimension::Channel),
        records: Records::Outcomes(asked.outcome),
    };
    let (chosen, of_touches) = question::split(chosen);
    let question = Question::ask(&snapshot, chosen, divided, defaults).await?;
    asked.demand_channels(&question.by, &of_touches)?;
    let of_touches = Touches::read(&snapshot, of_touches).await?;
    let now = snapshot.as_of(ctx.now());
    let report = asked.find(&snapshot, &question, &of_touches, now).await?;
    let counted = Counted::of(&report, &question, &of_touches);
    let money = ctx.grants(Scope::DealsRead) && asked.outcome.is_of_deals();
    let base = question.rules.money.base;
    let view = |selection: &Selection, figure: AttributionFigure, sum: Sum| CreditView {
        entries: sum.entries,
        thousandths: sum.thousandths,
        value: money.then_some(MoneySum {
            amount: sum.value,
            currency: base,
        }),
        evidence: selection.evidence("attribution", &asked.address(figure)),
    };
    let whole = &question.selection;
    let credited = of_touches
        .only()
        .iter()
        .fold(whole.clone(), |selection, (dimension, value)| {
            selection.with(*dimension, value.clone())
        });
    let volume = |sum: &Sum| (sum.value.abs(), sum.thousandths.abs());
    let (rows, omitted) = arrange(counted.rows, &question.cuts, Sum::default, volume);
    let row = |(keys, sum): (Vec<Key>, Sum)| {
        let (key, second_key) = question.names(&keys);
        let selection = credited.row(&question.cuts, &keys);
        AttributionRow {
            key,
            second_key,
            figures: view(&selection, AttributionFigure::Credited, sum),
        }
    };
    let head = question.head(now, counted.versions);
    let unconverted = counted.unconverted.into_iter().filter(|_| money);
    let view = AttributionView {
        as_of: head.as_of,
        period: head.period,
        basis: head.basis,
        by: head.by,
        outcome: asked.outcome,
        model: asked.model,
        depends_on_filters: asked.model == ModelName::Markov,
        agreement_versions: head.agreement_versions,
        provisional: head.provisional,
        rows: rows.into_iter().map(row).collect(),
        omitted_rows: omitted,
        totals: view(&credited, AttributionFigure::Credited, counted.credited),
        all: view(whole, AttributionFigure::All, counted.all),
        unattributed: view(whole, AttributionFigure::Unattributed, counted.unattributed),
        unconverted: unconverted
            .map(|(currency, (entries, amount))| UnconvertedOutcomes {
                amount: MoneySum { amount, currency },
                entries,
                evidence: whole.evidence("attribution", &asked.address(AttributionFigure::Unconverted))
                    + &format!("&currency={currency}"),
            })
            .collect(),
    };
    Report::preferred_or_drawn(ctx.request(), "attribution", view, table, chart::attribution)
}

/// The figures of the report.
#[derive(Default)]
struct Counted {
    rows: HashMap<Vec<Key>, Sum>,
    credited: Sum,
    all: Sum,
    unattributed: Sum,
    unconverted: BTreeMap<Currency, (i64, i64)>,
    versions: BTreeSet<i64>,
}

impl Counted {
    fn of(report: &question::Credited, question: &Question, of_touches: &Touches) -> Self {
        let mut counted = Self::default();
        for entry in &report.entries {
            counted.versions.extend(entry.row.agreement_version);
            counted.all.add_whole(entry);
            if let Some(amount) = entry.row.amount.filter(|_| entry.value.is_none()) {
                let one = counted.unconverted.entry(amount.currency).or_default();
                *one = (one.0 + 1, one.1 + amount.amount);
            }
            let credits = report.credits(entry);
            if credits.is_empty() {
                counted.unattributed.add_whole(entry);
                continue;
            }
            let (mut here, mut is_credited) = (BTreeSet::new(), false);
            for credit in credits.iter().filter(|credit| of_touches.has(&credit.earner)) {
                let keys = entry.keys(&question.cuts, &credit.earner);
                let row = counted.rows.entry(keys.clone()).or_default();
                row.entries += i64::from(here.insert(keys));
                row.add(credit.thousandths, credit.value);
                counted.credited.add(credit.thousandths, credit.value);
                is_credited = true;
            }
            counted.credited.entries += i64::from(is_credited);
        }
        counted
    }
}

fn table(view: &AttributionView) -> Table {
    let mut table = Table::new(&view.by, &["entries", "thousandths", "value", "currency"]);
    for row in &view.rows {
        table.row(row.key.as_deref(), row.second_key.as_ref(), line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}

fn line(figures: &CreditView) -> Vec<String> {
    let value = figures.value.as_ref();
    vec![
        figures.entries.to_string(),
        figures.thousandths.to_string(),
        value.map(|value| value.amount.to_string()).unwrap_or_default(),
        value.map(|value| value.currency.to_string()).unwrap_or_default(),
    ]
}
