//! Why a key figure moved: its change against the previous period, split among the values of a dimension.

use std::collections::HashMap;

use actix_web::get;
use serde::{Deserialize, Deserializer, Serialize, de};
use tandem_domain::access::Scope;
use tandem_domain::deals::Outcome;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Currency;
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::{Lookback, PathOutcome};
use tandem_domain::reports::decomposition::{DECOMPOSED, Effect, Part, decompose};
use tandem_domain::reports::dimension::{By, Dimension};
use tandem_domain::reports::endings::Endings;
use tandem_domain::reports::handoffs::Verdicts;
use tandem_domain::reports::kpis::{Kpi, KpiFacts, Measure, Unit, measure};
use tandem_domain::reports::row::{Cut, Key, MOST_ROWS};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::Books;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::{evidence, selected};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::{Location, Problem, Violation};
use crate::edge::http::query::{Both, Path, Query};
use crate::edge::http::reply::Reply;
use crate::reports::answer::{Period, RateView, Report, Table, number, rate_cells};
use crate::reports::request::{Chosen, Divided, Selection};

/// Which figure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ChangePath {
    /// The key figure: a conversion rate, a count, or an amount of revenue.
    #[param(inline, example = "mql_to_sql")]
    figure: Decomposed,
}

/// A key figure whose change is split.
#[derive(Debug, Clone, Copy)]
struct Decomposed(Kpi);

impl<'de> Deserialize<'de> for Decomposed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kpi = Kpi::deserialize(deserializer)?;
        match DECOMPOSED.contains(&kpi) {
            true => Ok(Self(kpi)),
            false => Err(de::Error::custom("not a rate, a count or revenue")),
        }
    }
}

impl ToSchema for Decomposed {}

impl PartialSchema for Decomposed {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(DECOMPOSED.iter().map(|kpi| kpi.name())))
            .into()
    }
}

/// The change of a key figure, and the parts that it consists of.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangeView {
    /// The instant of the figures.
    as_of: Timestamp,
    /// The period covered; default the present month.
    period: Period,
    /// The previous period.
    before: Period,
    /// Which records count.
    #[schema(inline)]
    basis: Basis,
    /// The dimensions of the parts.
    #[schema(inline, max_items = 2, example = json!(["campaign"]))]
    by: Vec<By>,
    /// The key figure.
    figure: Kpi,
    /// Its unit; that of every change too.
    unit: Unit,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    min_sample: i64,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    provisional: bool,
    /// The currency of amounts.
    currency: Currency,
    /// The change of the whole figure: `null` for a rate without cases in one of the periods.
    total: Option<EffectView>,
    /// The parts, the largest change first; they sum to the total. Empty without a total.
    #[schema(max_items = 1000)]
    parts: Vec<ChangePart>,
    /// The number and the sum of smaller parts after the 1,000 largest.
    omitted: OmittedParts,
}

impl ChangeView {
    /// Leave out all but the largest parts; their sum stays.
    pub fn shorten(&mut self, most: usize) {
        let rest = self.parts.split_off(self.parts.len().min(most));
        let of_rest = Effect::total(rest.iter().map(|part| Effect {
            mix: part.effect.mix,
            rate: part.effect.rate,
        }));
        let known = &self.omitted.effect;
        self.omitted = OmittedParts {
            parts: self.omitted.parts + rest.len() as i64,
            effect: EffectView::from(Effect {
                mix: known.mix + of_rest.mix,
                rate: known.rate + of_rest.rate,
            }),
        };
    }
}

/// A change, in the unit of the figure.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct EffectView {
    /// The change: `mix` plus `rate`.
    #[schema(example = 0.05)]
    change: f64,
    /// The part of the change because shares of the cases moved (of a rate), or their number (of a count or an amount).
    #[schema(example = -0.02)]
    mix: f64,
    /// The part of the change because the values' own rates moved, or the mean amount of their cases.
    #[schema(example = 0.07)]
    rate: f64,
}

/// What one value of the dimension added to the change.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangePart {
    /// The value of the first dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "spring_launch")]
    key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "google")]
    second_key: Option<Option<String>>,
    /// The change that it added.
    effect: EffectView,
    /// Its own figure in the period.
    now: PartFigure,
    /// Its own figure in the previous period.
    before: PartFigure,
}

/// A value's own figure in one period.
#[derive(Debug, Serialize, ToSchema)]
pub struct PartFigure {
    /// The figure; `null` for a rate without cases.
    #[schema(example = 0.31)]
    value: Option<f64>,
    /// The number of records on which it is based.
    #[schema(minimum = 0, example = 42)]
    cases: i64,
    /// The rate with its interval, if the figure is a share.
    rate: Option<RateView>,
    /// A link to the records.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=activity&stage=mql&figure=cycles&from=2026-05-01&to=2026-06-01&campaign=spring_launch"
    )]
    evidence: String,
}

/// Parts that are not listed.
#[derive(Debug, Serialize, ToSchema)]
pub struct OmittedParts {
    /// Their number.
    #[schema(minimum = 0, example = 0)]
    parts: i64,
    /// What they added to the change.
    effect: EffectView,
}

/// Explain the change of a key figure.
///
/// Splits the difference to the previous period among the values of one or two dimensions (default `campaign`): `mix` is
/// what a value added because its share of the cases moved, `rate` because its own rate did (symmetric decomposition,
/// Kitagawa 1955): `mix = (w1 - w0) (r1 + r0) / 2`, `rate = (r1 - r0) (w1 + w0) / 2`, where `w` is the value's share of all
/// `cases` and `r` its rate, in the period (1) and the previous one (0). A value without cases in one period counts there
/// with its rate of the other. For counts and amounts, `w` is the number of records and `r` their mean amount; of a count
/// everything is `mix`. The parts sum to the change of the figure in `GET /v1/reports/kpis`. Divisions of time are no dimension
/// here. Amounts need `deals:read` too. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(ChangePath, Chosen, Divided), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The change and its parts",
        content((ChangeView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/kpis/{figure}/change")]
pub(in crate::reports) async fn get_kpi_change(
    ctx: Ctx<ReportsRead>,
    path: Path<ChangePath>,
    query: Query<Both<Chosen, Divided>>,
) -> Reply<Report<ChangeView>> {
    let Decomposed(kpi) = path.0.figure;
    if kpi.unit() == Unit::Money {
        ctx.demand(Scope::DealsRead)?;
    }
    let Both(chosen, divided) = query.0;
    let snapshot = ctx.report().await?;
    let views = report(&snapshot, snapshot.as_of(ctx.now()), chosen, divided, &[kpi]).await?;
    let view = views
        .into_iter()
        .next()
        .ok_or_else(|| refused("from", "required", NO_PERIOD))?;
    Report::preferred(ctx.request(), "change", view, table)
}

const NO_PERIOD: &str = "a change needs a period with a beginning and an end";

fn refused(parameter: &str, code: &'static str, detail: &str) -> Problem {
    Problem::invalid_parameters(vec![Violation::new(Location::parameter(parameter), code, detail)])
}

/// The changes of some key figures, in their order; none if the period has no beginning or no end.
pub(in crate::reports) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    divided: Divided,
    kpis: &[Kpi],
) -> Result<Vec<ChangeView>, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let (by, min_sample) = divided.read(By::Dimension(Dimension::Campaign), rules.reports.min_sample)?;
    if by.iter().any(|by| matches!(by, By::Time(_))) {
        let detail = "a change is between two periods: divisions of time are no dimension here";
        return Err(refused("by", "not_allowed", detail));
    }
    let zone = rules.company.zone();
    let selection = selected(chosen, now, &zone)?;
    let Some(earlier) = selection.before(&zone) else {
        return Ok(vec![]);
    };
    let cuts = selection.cuts(&by, None, &zone)?;
    let base = rules.money.base;
    let books = Books { now, base };
    let facts_now = facts(snapshot, &selection, &cuts, kpis, books).await?;
    let facts_before = facts(snapshot, &earlier, &cuts, kpis, books).await?;
    let of_figure = |kpi: Kpi| {
        let one = Question {
            kpi,
            cuts: &cuts,
            min_sample,
            now: &selection,
            before: &earlier,
        };
        let basis = selection.basis;
        let split = decompose(
            kpi,
            &measures(basis, kpi, &facts_now),
            &measures(basis, kpi, &facts_before),
        );
        let total = split.as_ref().map(|parts| total(parts));
        let (parts, omitted) = one.parts(split.unwrap_or_default());
        ChangeView {
            as_of: now,
            period: Period::of(&selection.days, &rules.company.timezone),
            before: Period::of(&earlier.days, &rules.company.timezone),
            basis,
            by: by.clone(),
            figure: kpi,
            unit: kpi.unit(),
            min_sample,
            agreement_version: rules.agreement.number,
            provisional: rules.agreement.provisional,
            currency: base,
            total: total.map(EffectView::from),
            parts,
            omitted,
        }
    };
    Ok(kpis.iter().map(|kpi| of_figure(*kpi)).collect())
}

pub(in crate::reports) type FactsByKey = HashMap<Vec<Key>, KpiFacts>;

/// What some key figures are made of, by value: one statement for each kind of record that they count.
pub(in crate::reports) async fn facts(
    snapshot: &Snapshot,
    selection: &Selection,
    cuts: &[Cut],
    kpis: &[Kpi],
    books: Books,
) -> Result<FactsByKey, Problem> {
    let scope = selection.scope();
    let needs = |of: &[Kpi]| kpis.iter().any(|kpi| of.contains(kpi));
    let mut facts = FactsByKey::new();
    if kpis.iter().any(|kpi| kpi.conversion().is_some()) || needs(&[Kpi::Leads, Kpi::Mqls]) {
        for row in store::reports::tally(snapshot, &scope, cuts).await? {
            facts.entry(row.keys).or_default().cycles.push(row.tally);
        }
    }
    if needs(&[Kpi::MqlsHandedOver, Kpi::Acceptance]) {
        let mut tallies: HashMap<Vec<Key>, Vec<_>> = HashMap::new();
        for row in store::reports::handoff_tally(snapshot, &scope, cuts).await? {
            tallies.entry(row.keys).or_default().push(row.tally);
        }
        for (keys, tallies) in tallies {
            facts.entry(keys).or_default().verdicts = Verdicts::count(&tallies);
        }
    }
    if needs(&[Kpi::DealsWon, Kpi::Booked, Kpi::WinRate]) {
        for outcome in [Outcome::Won, Outcome::Lost] {
            for row in store::reports::deal_endings(snapshot, &scope, cuts, outcome, books).await? {
                let worth = Endings::count([&row.tally]).all;
                let deals = &mut facts.entry(row.keys).or_default().deals;
                match outcome {
                    Outcome::Won => {
                        deals.won += worth.deals;
                        deals.valued += worth.valued;
                        deals.value += worth.value;
                    }
                    Outcome::Lost => deals.lost += worth.deals,
                }
            }
        }
    }
    if needs(&[
        Kpi::RevenueAttributed,
        Kpi::RevenueInfluenced,
        Kpi::RevenueSourced,
    ]) {
        let won = PathOutcome::Customer;
        for row in store::reports::outcome_paths(snapshot, &scope, won, cuts, books.base).await? {
            if let Some(value) = row.value {
                let path = row.path.within(Lookback::default());
                facts.entry(row.keys).or_default().revenue.add(value, &path);
            }
        }
    }
    Ok(facts)
}

/// A figure of each value.
fn measures(basis: Basis, kpi: Kpi, facts: &FactsByKey) -> HashMap<Vec<Key>, Measure> {
    let one = |(keys, facts): (&Vec<Key>, &KpiFacts)| {
        let mut all = measure(basis, facts).into_iter();
        let (_, measured) = all.find(|(known, _)| *known == kpi)?;
        (measured.cases() != 0).then(|| (keys.clone(), measured))
    };
    facts.iter().filter_map(one).collect()
}

fn total<K>(parts: &[Part<K>]) -> Effect {
    Effect::total(parts.iter().map(|part| part.effect))
}

/// What is asked about one figure.
struct Question<'q> {
    kpi: Kpi,
    cuts: &'q [Cut],
    min_sample: i64,
    now: &'q Selection,
    before: &'q Selection,
}

impl Question<'_> {
    /// The largest parts, and the sum of the rest.
    fn parts(&self, mut parts: Vec<Part<Vec<Key>>>) -> (Vec<ChangePart>, OmittedParts) {
        let size = |part: &Part<Vec<Key>>| part.effect.mix.abs().max(part.effect.rate.abs());
        parts.sort_by(|one, other| size(other).total_cmp(&size(one)));
        let rest = parts.split_off(parts.len().min(MOST_ROWS));
        let omitted = OmittedParts {
            parts: rest.len() as i64,
            effect: total(&rest).into(),
        };
        (parts.into_iter().map(|part| self.part(part)).collect(), omitted)
    }

    fn part(&self, part: Part<Vec<Key>>) -> ChangePart {
        let mut names = self.cuts.iter().zip(&part.key).map(|(cut, key)| cut.shown(key));
        ChangePart {
            key: names.next().flatten(),
            second_key: names.next(),
            effect: part.effect.into(),
            now: self.figure(self.now, &part.key, part.now),
            before: self.figure(self.before, &part.key, part.before),
        }
    }

    fn figure(&self, selection: &Selection, keys: &[Key], measured: Option<Measure>) -> PartFigure {
        let row = selection.row(self.cuts, keys);
        let [numerator, evidence] = evidence::links(self.kpi, &row, &row, &row);
        let nothing = match self.kpi.unit() {
            Unit::Rate => None,
            Unit::Count | Unit::Money | Unit::Seconds => Some(0.0),
        };
        let rate = match measured {
            Some(Measure::Share(rate)) => Some(rate),
            None if self.kpi.unit() == Unit::Rate => Some(Default::default()),
            _ => None,
        };
        PartFigure {
            value: measured.map_or(nothing, Measure::value),
            cases: measured.map_or(0, Measure::cases),
            rate: rate.map(|rate| RateView::of(rate, self.min_sample, [numerator, evidence.clone()])),
            evidence,
        }
    }
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> Self {
        Self {
            change: effect.sum(),
            mix: effect.mix,
            rate: effect.rate,
        }
    }
}

fn table(view: &ChangeView) -> Table {
    let mut names = vec!["figure", "unit", "change", "mix", "rate"];
    names.extend([
        "value",
        "cases",
        "value_of",
        "value_low",
        "value_high",
        "value_insufficient",
    ]);
    names.extend(["before", "before_cases"]);
    let mut table = Table::new(&view.by, &names);
    let effect = |effect: &EffectView| [effect.change, effect.mix, effect.rate].map(|part| part.to_string());
    let line = |of: [String; 3]| {
        let mut line = vec![view.figure.name().to_owned(), view.unit.name().to_owned()];
        line.extend(of);
        line
    };
    for part in &view.parts {
        let mut cells = line(effect(&part.effect));
        cells.extend([number(part.now.value), part.now.cases.to_string()]);
        cells.extend(rate_cells(part.now.rate.as_ref()).into_iter().skip(1));
        cells.extend([number(part.before.value), part.before.cases.to_string()]);
        table.row(part.key.as_deref(), part.second_key.as_ref(), cells);
    }
    let mut cells = line(view.total.as_ref().map(effect).unwrap_or_default());
    cells.resize(names.len(), String::new());
    table.total(cells);
    table
}
