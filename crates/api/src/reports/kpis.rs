//! Key figures: this period, the one before, the change; each with the records behind it.

pub(super) mod change;
pub(super) mod evidence;

use std::sync::Arc;

use actix_web::get;
use jiff::tz::TimeZone;
use serde::Serialize;
use tandem_domain::access::Scope;
use tandem_domain::clocks::Calendar;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::report::Revenue;
use tandem_domain::reports::attribution::{Lookback, PathOutcome};
use tandem_domain::reports::collected::{Collected, CollectedFacts};
use tandem_domain::reports::costs::{CostSettings, Costs, costs};
use tandem_domain::reports::customers::{Customer, CustomerFacts};
use tandem_domain::reports::funnel::Event;
use tandem_domain::reports::handoffs::{HandoffFigure, ResponseTimes, Verdicts};
use tandem_domain::reports::kpis::{DealFigure, Kpi, KpiFacts, Measure, Unit, measure};
use tandem_domain::reports::period::{Bucket, Days};
use tandem_domain::reports::row::{Cut, Key};
use tandem_domain::settings::name;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{Books, Since};
use tandem_store::rules::Rules;
use utoipa::ToSchema;

use super::answer::{Period, RateView, Report, Table, number, whole};
use super::chart;
use super::request::{Chosen, MinSample, Selection, working_hours};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// The key figures of a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct KpisView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The period covered; default the present month.
    pub period: Period,
    /// The previous period; `null` if the period is open.
    pub before: Option<Period>,
    /// Which records count.
    #[schema(inline)]
    pub basis: Basis,
    /// The fewest cases for a meaningful figure; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    pub min_sample: i64,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    pub agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    pub provisional: bool,
    /// The currency of amounts.
    pub currency: Currency,
    /// The figures.
    #[schema(max_items = 40)]
    pub figures: Vec<KpiView>,
    /// Won deals in currencies without an exchange rate; they count in no amount.
    #[schema(max_items = 300)]
    pub unconverted: Vec<UnconvertedView>,
}

/// A key figure: its value in the period, and in the previous one.
#[derive(Debug, Serialize, ToSchema)]
pub struct KpiView {
    /// The key figure.
    pub figure: Kpi,
    /// The unit.
    pub unit: Unit,
    /// The figure; `null` if the denominator is zero, and for a median whose upper rank is still open.
    #[schema(example = 42.0)]
    pub value: Option<f64>,
    /// The number of records on which it is based.
    #[schema(minimum = 0, example = 42)]
    pub cases: i64,
    /// For a median: how many durations are still open.
    #[schema(minimum = 0, example = 3)]
    pub open: Option<i64>,
    /// For the sales cycle: how many begin with the acceptance, because no contact is known.
    #[schema(minimum = 0, example = 1)]
    pub estimated: Option<i64>,
    /// The rate with its interval, if the figure is a share.
    pub rate: Option<RateView>,
    /// For `cac`: its costs.
    pub costs: Option<CostsView>,
    /// Whether it is a rate, median or mean of fewer cases than `min_sample`, too few for a meaningful figure.
    pub insufficient: bool,
    /// The figure of the previous period.
    #[schema(example = 36.0)]
    pub before: Option<f64>,
    /// `value` minus `before`.
    #[schema(example = 6.0)]
    pub change: Option<f64>,
    /// Links to the records on which the figure is based.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=activity&stage=mql&figure=cycles&from=2026-05-01&to=2026-06-01"
    )]
    pub evidence: String,
}

/// The costs of a period, in minor units of the base currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostsView {
    /// The costs of campaigns.
    #[schema(minimum = 0, example = 500_000)]
    pub campaigns: i64,
    /// Marketing's further costs, from `/v1/settings/costs`.
    #[schema(minimum = 0, example = 900_000)]
    pub marketing: i64,
    /// Sales' costs, from `/v1/settings/costs`.
    #[schema(minimum = 0, example = 1_200_000)]
    pub sales: i64,
    /// Whether there is no figure because something is missing (a month without costs, an amount without an exchange
    /// rate), or because a filter is given, by which costs are unknown.
    pub incomplete: bool,
}

impl From<Costs> for CostsView {
    fn from(costs: Costs) -> Self {
        Self {
            campaigns: costs.campaigns,
            marketing: costs.marketing,
            sales: costs.sales,
            incomplete: costs.is_incomplete,
        }
    }
}

/// Won deals in a currency without an exchange rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnconvertedView {
    /// Their total amount.
    pub amount: Money,
    /// The number of deals.
    #[schema(minimum = 1, example = 2)]
    pub deals: i64,
    /// A link to the deals.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=unconverted&currency=NOK"
    )]
    pub evidence: String,
}

/// Report key figures.
///
/// Volumes, conversions, speed and deals of a period (default the present month), of the previous period, and the
/// change. Conversions and volumes count cycles; `deals_*`, `average_deal` and `win_rate` count deals. `booked` is the
/// amount of the won deals, `collected` that of the invoices and renewals without refunds, which no filter divides. The figures
/// equal those of the funnel and the other reports. `cac`, `ltv` and `churn` are about customers: companies, or leads
/// without one, from their first won deal until every lead that was primary in one has churned. Amounts need
/// `deals:read` too; without it they are omitted. Every figure links to its records. `Accept: text/csv` returns a
/// table, `image/svg+xml` a chart of the changes.
#[utoipa::path(tag = "reports", params(Chosen, MinSample), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The key figures",
        content((KpisView = "application/json"), (String = "text/csv"), (String = "image/svg+xml")))))]
#[get("/v1/reports/kpis")]
pub(super) async fn get_kpis(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Chosen, MinSample>>,
) -> Reply<Report<KpisView>> {
    let Both(chosen, own) = query.0;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    // What deals are worth is read by the scope of deals: with few of them, a mean gives an amount away.
    let shows_money = ctx.grants(Scope::DealsRead);
    let view = report(&snapshot, now, chosen, own.min_sample, shows_money).await?;
    Report::preferred_or_drawn(ctx.request(), "kpis", view, table, chart::kpis)
}

/// The key figures of what is asked for.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    min_sample: Option<i64>,
    shows_money: bool,
) -> Result<KpisView, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let min_sample = min_sample.unwrap_or(rules.reports.min_sample);
    let zone = rules.company.zone();
    let selection = selected(chosen, now, &zone)?;
    let base = rules.money.base;
    let books = Books { now, base };
    let collected = store::reports::collected(snapshot, &rules.money).await?;
    let company = Company {
        books,
        calendar: working_hours(&rules)?,
        zone: zone.clone(),
        customers: store::reports::customers(snapshot, &selection.only, base, &collected).await?,
        collected,
        costs: stated_costs(snapshot).await?,
        rules: rules.clone(),
    };
    let measured = Measured::load(snapshot, selection, &company).await?;
    let before = match measured.selection.before(&zone) {
        Some(before) => Some(Measured::load(snapshot, before, &company).await?),
        None => None,
    };
    let selection = &measured.selection;
    let view = |(place, (kpi, measure)): (usize, &(Kpi, Measure))| {
        let earlier = before.as_ref().and_then(|before| before.figures.get(place));
        KpiView::of(
            *kpi,
            *measure,
            earlier.map(|(_, measure)| *measure),
            &measured,
            min_sample,
        )
    };
    let unconverted = match shows_money {
        true => store::reports::unconverted(snapshot, &selection.scope(), books).await?,
        false => vec![],
    };
    let timezone = &rules.company.timezone;
    Ok(KpisView {
        as_of: now,
        period: Period::of(&selection.days, timezone),
        before: before
            .as_ref()
            .map(|before| Period::of(&before.selection.days, timezone)),
        basis: selection.basis,
        min_sample,
        agreement_version: rules.agreement.number,
        provisional: rules.agreement.provisional,
        currency: base,
        figures: measured
            .figures
            .iter()
            .enumerate()
            .filter(|(_, (kpi, _))| shows_money || kpi.unit() != Unit::Money)
            .map(view)
            .collect(),
        unconverted: unconverted
            .into_iter()
            .map(|one| UnconvertedView {
                amount: Money {
                    amount: one.amount,
                    currency: one.currency,
                },
                deals: one.deals,
                evidence: evidence::deals(selection, DealFigure::Unconverted)
                    + &format!("&currency={}", one.currency),
            })
            .collect(),
    })
}

/// What is asked for; without a period, the present month.
fn selected(chosen: Chosen, now: Timestamp, zone: &TimeZone) -> Result<Selection, Problem> {
    let mut selection = chosen.select(Basis::Activity, zone)?;
    if (selection.days.first, selection.days.next) == (None, None)
        && let Some(month) = Days::month_of(now.date_in(zone), zone)
    {
        selection.days = month;
    }
    Ok(selection)
}

/// What the figures of every period are measured by.
struct Company {
    books: Books,
    calendar: Calendar,
    zone: TimeZone,
    customers: Vec<Customer>,
    collected: Collected,
    costs: CostSettings,
    rules: Arc<Rules>,
}

/// What the company states of its costs.
async fn stated_costs(snapshot: &Snapshot) -> Result<CostSettings, Problem> {
    let stored = store::settings::get(snapshot, name::COSTS).await?;
    Ok(serde_json::from_value(stored.value).unwrap_or_default())
}

impl Company {
    /// What a period cost. Costs are not known by the values of a filter: with one they are incomplete.
    async fn costs(&self, snapshot: &Snapshot, selection: &Selection) -> Result<Costs, Problem> {
        if !selection.only.is_empty() {
            return Ok(Costs {
                is_incomplete: true,
                ..Costs::default()
            });
        }
        let campaigns = store::reports::campaign_costs(snapshot, &selection.days).await?;
        let money = (self.books.base, self.rules.money.rates.as_ref());
        Ok(costs(&selection.days, &campaigns, &self.costs, money))
    }

    /// What a period collected. Entries are not known by the values of a filter: with one they are incomplete.
    fn collected(&self, selection: &Selection) -> CollectedFacts {
        let facts = self.collected.during(&selection.days);
        CollectedFacts {
            is_incomplete: facts.is_incomplete || !selection.only.is_empty(),
            ..facts
        }
    }

    /// The twelve months before the end of a period, or before tomorrow.
    fn year(&self, selection: &Selection) -> Vec<Days> {
        let today = self.books.now.date_in(&self.zone);
        let next = selection.days.next.or(today.tomorrow().ok());
        next.map(|next| Days::months_before(next, 12, &self.zone))
            .unwrap_or_default()
    }
}

/// The key figures of one period.
struct Measured {
    selection: Selection,
    /// The two last complete months before its end, or now.
    months: Option<Selection>,
    /// The twelve months before its end.
    year: Option<Selection>,
    costs: Costs,
    figures: Vec<(Kpi, Measure)>,
}

impl Measured {
    async fn load(snapshot: &Snapshot, selection: Selection, company: &Company) -> Result<Self, Problem> {
        let (scope, books) = (selection.scope(), company.books);
        let tallied = store::reports::tally(snapshot, &scope, &[]).await?;
        let handoffs = store::reports::handoff_tally(snapshot, &scope, &[]).await?;
        let joined = HandoffFigure::Joined;
        let joined = store::reports::handoff_evidence_count(snapshot, &scope, joined, books.now).await?;
        let timed = store::reports::handoff_times(snapshot, &scope, &[], Since::Handoff).await?;
        let timings: Vec<_> = timed.iter().map(|one| (one.timing, &company.calendar)).collect();
        let (sales_cycles, estimated) = store::reports::sales_cycles(snapshot, &scope).await?;
        let months = complete_months(&selection, books.now, &company.zone);
        let mqls_by_month = match &months {
            Some((months, cut)) => mqls(snapshot, months, cut).await?,
            None => [0, 0],
        };
        let year = company.year(&selection);
        let costs = company.costs(snapshot, &selection).await?;
        let facts = KpiFacts {
            follow_ups: store::reports::follow_up_count(snapshot, &scope).await?,
            quotes_sent: store::reports::sent_quote_count(snapshot, &scope).await?,
            collected: company.collected(&selection),
            customers: CustomerFacts::of(&company.customers, &selection.days, &year),
            costs,
            margin: company.rules.reports.margin,
            cycles: tallied.into_iter().map(|row| row.tally).collect(),
            verdicts: Verdicts::count(handoffs.iter().map(|row| &row.tally)),
            joined: joined as i64,
            response: ResponseTimes::of(&timings, books.now).response,
            deals: store::reports::deal_facts(snapshot, &scope, books).await?,
            revenue: revenue(snapshot, &scope, books).await?,
            sales_cycles,
            estimated,
            mqls_by_month,
        };
        Ok(Self {
            figures: measure(selection.basis, &facts),
            months: months.map(|(months, _)| months),
            year: span_of(&year, &company.zone).map(|days| Selection {
                days,
                ..selection.clone()
            }),
            costs,
            selection,
        })
    }

    fn links(&self, kpi: Kpi) -> [String; 2] {
        let selection = &self.selection;
        evidence::links(
            kpi,
            selection,
            self.months.as_ref().unwrap_or(selection),
            self.year.as_ref().unwrap_or(selection),
        )
    }
}

/// All days of some months.
fn span_of(months: &[Days], zone: &TimeZone) -> Option<Days> {
    Days::between(months.first()?.first, months.last()?.next, zone)
}

/// The two last complete months before the end of a period, or now: all of their days, and each.
fn complete_months(selection: &Selection, now: Timestamp, zone: &TimeZone) -> Option<(Selection, Vec<Cut>)> {
    let end = selection.days.to.min(now);
    let last = Days::month_of(end.date_in(zone), zone)?.before(zone)?;
    let before = last.before(zone)?;
    let months = Selection {
        basis: Basis::Activity,
        days: Days::between(before.first, last.next, zone)?,
        only: selection.only.clone(),
    };
    let bucket = |days| Bucket {
        name: String::new(),
        days,
    };
    Some((months, vec![Cut::Over(vec![bucket(before), bucket(last)])]))
}

/// Cycles that entered mql in the last month and in the one before.
async fn mqls(snapshot: &Snapshot, months: &Selection, cut: &[Cut]) -> Result<[i64; 2], Problem> {
    let mut counts = [0, 0];
    for row in store::reports::tally(snapshot, &months.scope(), cut).await? {
        let is_last = row.keys == [Key::Bucket(1)];
        if row.tally.event == Event::Entered(1) {
            counts[usize::from(!is_last)] += row.tally.cycles;
        }
    }
    Ok(counts)
}

/// The revenue of the period, by what touches had to do with it.
async fn revenue(
    snapshot: &Snapshot,
    scope: &store::reports::Scope,
    books: Books,
) -> Result<Revenue, Problem> {
    let won = store::reports::outcome_paths(snapshot, scope, PathOutcome::Customer, &[], books.base).await?;
    let mut revenue = Revenue::default();
    for one in won {
        if let Some(value) = one.value {
            revenue.add(value, &one.path.within(Lookback::default()));
        }
    }
    Ok(revenue)
}

impl KpiView {
    fn of(kpi: Kpi, measured: Measure, before: Option<Measure>, of: &Measured, min_sample: i64) -> Self {
        let [numerator, evidence] = of.links(kpi);
        let (open, estimated) = match measured {
            Measure::Median { open, estimated, .. } => (Some(open), Some(estimated)),
            _ => (None, None),
        };
        let rate = match measured {
            Measure::Share(rate) => Some(RateView::of(rate, min_sample, [numerator, evidence.clone()])),
            _ => None,
        };
        let value = measured.value();
        let before = before.and_then(Measure::value);
        Self {
            figure: kpi,
            unit: kpi.unit(),
            value,
            cases: measured.cases(),
            open,
            estimated: estimated.filter(|_| kpi == Kpi::SalesCycle),
            rate,
            costs: (kpi == Kpi::Cac).then_some(of.costs.into()),
            insufficient: !kpi.is_total() && measured.cases() < min_sample,
            before,
            change: value.zip(before).map(|(value, before)| value - before),
            evidence,
        }
    }
}

fn table(view: &KpisView) -> Table {
    let figures = [
        "figure",
        "unit",
        "value",
        "cases",
        "open",
        "estimated",
        "low",
        "high",
        "insufficient",
        "before",
        "change",
    ];
    let mut table = Table::new(&[], &figures);
    for kpi in &view.figures {
        let bounds = kpi.rate.as_ref().map(|rate| (rate.low, rate.high));
        let (low, high) = bounds.unwrap_or_default();
        table.row(
            None,
            None,
            vec![
                kpi.figure.name().to_owned(),
                kpi.unit.name().to_owned(),
                number(kpi.value),
                kpi.cases.to_string(),
                whole(kpi.open),
                whole(kpi.estimated),
                number(low),
                number(high),
                kpi.insufficient.to_string(),
                number(kpi.before),
                number(kpi.change),
            ],
        );
    }
    table
}
