//! Both sides' commitments in a month: promised, kept, broken; and the promises behind each figure.

mod evidence;
mod shared;

use actix_web::get;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::{AgreementVersion, Commitments, MarketingCommitments, VersionState};
use tandem_domain::clocks::{ClockKind, Side};
use tandem_domain::id::UserId;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::handoffs::{HandoffFigure, Verdicts};
use tandem_domain::reports::period::Days;
use tandem_domain::reports::promises::{ClockTally, CommitmentState, Month, Term, kept};
use tandem_domain::reports::{Basis, Rate};
use tandem_store::reports::Due;
use tandem_store::{self as store, Snapshot, StoreError};
use utoipa::{IntoParams, ToSchema};

pub(super) use evidence::{ids, list_sla_evidence};

use super::answer::{Period, RateView, Report, Table, number, rate_cells};
use super::handoffs::address;
use super::request::Selection;
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::{Location, Problem, Violation};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SlaQuery {
    /// The calendar month in the company's time zone; default the present one.
    #[param(pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", max_length = 7, example = "2026-05")]
    month: Option<String>,
    /// The fewest cases for a meaningful rate; default that of the setting.
    #[param(minimum = 1, maximum = 1_000_000)]
    min_sample: Option<i64>,
}

/// The commitments of both teams in a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The month.
    #[schema(max_length = 7, example = "2026-05")]
    pub month: String,
    /// Its days.
    pub period: Period,
    /// The version of the agreement against which it is measured.
    #[schema(minimum = 1, example = 1)]
    pub agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    pub provisional: bool,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    pub min_sample: i64,
    /// Promises about single hand-offs, leads and deals that were due in the month so far.
    #[schema(max_items = 5)]
    pub promises: Vec<DuePromisesView>,
    /// Commitments with a number.
    #[schema(max_items = 5)]
    pub numbers: Vec<NumberView>,
}

/// The due promises of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct DuePromisesView {
    /// The kind of promise.
    pub commitment: ClockKind,
    /// The side that made the promise: marketing or sales.
    pub side: Side,
    /// How many were due.
    #[schema(minimum = 0, example = 40)]
    pub promised: i64,
    /// How many were met in time.
    #[schema(minimum = 0, example = 36)]
    pub kept: i64,
    /// How many were broken.
    #[schema(minimum = 0, example = 4)]
    pub broken: i64,
    /// The share of the due promises that was kept.
    pub rate: RateView,
    /// By the owner at the due instant; promises without an owner waited in a queue.
    #[schema(max_items = 10_000)]
    pub owners: Vec<OwnerPromises>,
    /// Links to the promises.
    pub evidence: PromiseEvidence,
}

/// How many promises of one owner were due, met in time and broken.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnerPromises {
    /// The owner; `null` for a queue.
    pub owner_id: Option<UserId>,
    /// How many were due.
    #[schema(minimum = 0, example = 10)]
    pub promised: i64,
    /// How many were met in time.
    #[schema(minimum = 0, example = 9)]
    pub kept: i64,
    /// How many were broken.
    #[schema(minimum = 0, example = 1)]
    pub broken: i64,
    /// Links to the promises.
    pub evidence: PromiseEvidence,
}

/// Links to promises.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromiseEvidence {
    /// All of them.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/sla/evidence?month=2026-05&commitment=review"
    )]
    pub promised: String,
    /// How many were met in time.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/sla/evidence?month=2026-05&commitment=review&figure=kept"
    )]
    pub kept: String,
    /// How many were broken.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/sla/evidence?month=2026-05&commitment=review&figure=broken"
    )]
    pub broken: String,
}

/// A commitment with a number.
#[derive(Debug, Serialize, ToSchema)]
pub struct NumberView {
    /// The commitment: `mqls_per_month`, `min_acceptance_rate`, `max_bad_contact_rate`, `revenue` or
    /// `mql_to_customer`.
    #[schema(max_length = 40, example = "mqls_per_month")]
    pub commitment: &'static str,
    /// The side that made the commitment: marketing or sales; `null` is that of both.
    pub side: Option<Side>,
    /// The period in which it is measured: the month; for the commitments of both teams the period of `revenue`, such as a
    /// quarter.
    pub period: Period,
    /// The target: a fraction, or a count: that of each version that was in force, pro rata for its days.
    #[schema(example = 150.0)]
    pub target: f64,
    /// The value so far; `null` if there is nothing to measure.
    #[schema(example = 80.0)]
    pub so_far: Option<f64>,
    /// For a count: its projection to the end of the month, by elapsed time; for a rate: the rate so far.
    #[schema(example = 160.0)]
    pub pace: Option<f64>,
    /// The rate, if the commitment is a rate.
    pub rate: Option<RateView>,
    /// `open` until the month ends, then `kept` or `broken`; `null` if there is nothing to measure.
    pub state: Option<CommitmentState>,
    /// Links to the counted hand-offs; for `revenue` to the deals, for `mql_to_customer` to the cycles.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=handoffs&from=2026-05-01&to=2026-06-01"
    )]
    pub evidence: String,
}

/// Report the commitments of a month.
///
/// A promise counts in the month in which it was due, once it is due. Void promises do not count, and a promise met
/// late is broken. A month is measured against the version of the agreement in force on its last day, or now; a count
/// that versions promised differently in turn is measured against each one's part. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(SlaQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The commitments",
        content((SlaView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/sla")]
pub(super) async fn get_sla(ctx: Ctx<ReportsRead>, query: Query<SlaQuery>) -> Reply<Report<SlaView>> {
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let view = report(&snapshot, now, query.0.month.as_deref(), query.0.min_sample).await?;
    Report::preferred(ctx.request(), "sla", view, table)
}

/// The commitments of a month, by default the present one.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    asked: Option<&str>,
    min_sample: Option<i64>,
) -> Result<SlaView, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let min_sample = min_sample.unwrap_or(rules.reports.min_sample);
    let zone = rules.company.zone();
    let (month, days) = month(asked, now, &zone)?;
    let last = days.to.plus_millis(-1).min(now);
    let version = store::agreement::in_force_at(snapshot, last).await?;
    let tallies = store::reports::clock_tally(snapshot, due(&days, now)).await?;
    let selection = Selection {
        basis: Basis::Activity,
        days: days.clone(),
        only: vec![],
    };
    let made = store::reports::handoff_tally(snapshot, &selection.scope(), &[]).await?;
    let verdicts = Verdicts::count(made.iter().map(|row| &row.tally));
    let measured = Month { days: &days, now };
    let agreement = version
        .agreement()
        .map_err(|_| StoreError::Corrupt("agreements"))?;
    let commitments = &agreement.commitments;
    let bad_contacts = match commitments.marketing.max_bad_contact_rate {
        None => 0,
        Some(_) => {
            let figure = HandoffFigure::BadContact;
            store::reports::handoff_evidence_count(snapshot, &selection.scope(), figure, now).await?
        }
    };
    let terms = terms(snapshot, &days, |promised| promised.marketing.mqls_per_month).await?;
    let mut numbers = numbers(
        &commitments.marketing,
        (measured, &terms),
        &verdicts,
        bad_contacts as i64,
        (&selection, rules.company.timezone.as_str()),
        min_sample,
    );
    let shared = &commitments.shared;
    numbers.extend(shared::numbers(snapshot, &rules, shared, measured, min_sample).await?);
    Ok(SlaView {
        as_of: now,
        period: Period::of(&days, &rules.company.timezone),
        agreement_version: version.number,
        provisional: version.state == VersionState::Provisional,
        min_sample,
        promises: promises(&month, &tallies, min_sample),
        numbers,
        month,
    })
}

/// What the versions of the agreement promise that were in force in a period.
async fn terms(
    on: &Snapshot,
    days: &Days,
    promised: impl Fn(&Commitments) -> Option<i64>,
) -> Result<Vec<Term>, Problem> {
    let versions = store::agreement::in_force_during(on, days.from, days.to).await?;
    let term = |version: AgreementVersion| {
        let agreement = version
            .agreement()
            .map_err(|_| StoreError::Corrupt("agreements"))?;
        Ok(Term {
            from: version.in_force_from.unwrap_or(days.from),
            promised: promised(&agreement.commitments).unwrap_or(0),
        })
    };
    versions.into_iter().map(term).collect()
}

/// The month's name and days.
fn month(asked: Option<&str>, now: Timestamp, zone: &jiff::tz::TimeZone) -> Result<(String, Days), Problem> {
    let day = match asked {
        Some(month) => format!("{month}-01").parse::<Date>().ok(),
        None => Some(now.date_in(zone)),
    };
    let days = day.and_then(|day| Days::month_of(day, zone));
    let name = day.map(|day| format!("{:04}-{:02}", day.year(), day.month()));
    name.zip(days).ok_or_else(|| {
        let detail = "must be a month of the years 0001 to 9999, such as 2026-05";
        Problem::invalid_parameters(vec![Violation::new(
            Location::parameter("month"),
            "invalid_format",
            detail,
        )])
    })
}

/// What was due in these days by now: met at the very instant is in time, so that it counts from the next one on.
fn due(days: &Days, now: Timestamp) -> Due {
    Due {
        from: days.from,
        to: days.to.min(now),
    }
}

fn promises(month: &str, tallies: &[ClockTally], min_sample: i64) -> Vec<DuePromisesView> {
    let of_kind = |kind: &ClockKind| {
        let of_kind: Vec<&ClockTally> = tallies.iter().filter(|tally| tally.kind == *kind).collect();
        let mut owners: Vec<Option<UserId>> = of_kind.iter().map(|tally| tally.owner_id).collect();
        owners.sort_unstable_by_key(|owner| (owner.is_none(), *owner));
        owners.dedup();
        let of_owner = |owner_id: Option<UserId>| {
            let own = of_kind.iter().copied().filter(|tally| tally.owner_id == owner_id);
            let rate = kept(own);
            OwnerPromises {
                owner_id,
                promised: rate.whole,
                kept: rate.part,
                broken: rate.whole - rate.part,
                evidence: PromiseEvidence::of(month, *kind, Some(owner_id)),
            }
        };
        let rate = kept(of_kind.iter().copied());
        let evidence = PromiseEvidence::of(month, *kind, None);
        DuePromisesView {
            commitment: *kind,
            side: kind.side(),
            promised: rate.whole,
            kept: rate.part,
            broken: rate.whole - rate.part,
            rate: RateView::of(
                rate,
                min_sample,
                [evidence.kept.clone(), evidence.promised.clone()],
            ),
            owners: owners.into_iter().map(of_owner).collect(),
            evidence,
        }
    };
    ClockKind::ALL.iter().map(of_kind).collect()
}

fn numbers(
    promised: &MarketingCommitments,
    (month, terms): (Month<'_>, &[Term]),
    verdicts: &Verdicts,
    bad_contacts: i64,
    (selection, timezone): (&Selection, &str),
    min_sample: i64,
) -> Vec<NumberView> {
    let list = |figure: HandoffFigure| address(figure, selection);
    let count = promised.mqls_per_month.map(|_| {
        let target = month.target(terms);
        NumberView {
            commitment: "mqls_per_month",
            side: Some(Side::Marketing),
            period: Period::of(month.days, timezone),
            target: target as f64,
            so_far: Some(verdicts.handoffs as f64),
            pace: month.pace(verdicts.handoffs),
            rate: None,
            state: month.count(verdicts.handoffs, target),
            evidence: list(HandoffFigure::Handoffs),
        }
    });
    let rate = promised.min_acceptance_rate.map(|least| {
        let rate: Rate = verdicts.acceptance();
        let evidence = [list(HandoffFigure::Accepted), list(HandoffFigure::Decided)];
        NumberView {
            commitment: "min_acceptance_rate",
            side: Some(Side::Marketing),
            period: Period::of(month.days, timezone),
            target: least,
            so_far: rate.value(),
            pace: rate.value(),
            state: month.rate(rate, least),
            rate: Some(RateView::of(rate, min_sample, evidence)),
            evidence: list(HandoffFigure::Decided),
        }
    });
    let bad = promised.max_bad_contact_rate.map(|most| {
        let rate = Rate {
            part: bad_contacts,
            whole: verdicts.handoffs,
        };
        let evidence = [list(HandoffFigure::BadContact), list(HandoffFigure::Handoffs)];
        NumberView {
            commitment: "max_bad_contact_rate",
            side: Some(Side::Marketing),
            period: Period::of(month.days, timezone),
            target: most,
            so_far: rate.value(),
            pace: rate.value(),
            state: month.at_most(rate, most),
            rate: Some(RateView::of(rate, min_sample, evidence)),
            evidence: list(HandoffFigure::Handoffs),
        }
    });
    [count, rate, bad].into_iter().flatten().collect()
}

impl PromiseEvidence {
    fn of(month: &str, kind: ClockKind, owner_id: Option<Option<UserId>>) -> Self {
        let owner = match owner_id {
            None => String::new(),
            Some(None) => "&owner=queue".to_owned(),
            Some(Some(id)) => format!("&owner={id}"),
        };
        let list = |figure: &str| {
            let kind = kind.name();
            format!("/v1/reports/sla/evidence?month={month}&commitment={kind}&figure={figure}{owner}")
        };
        Self {
            promised: list("promised"),
            kept: list("kept"),
            broken: list("broken"),
        }
    }
}

fn table(view: &SlaView) -> Table {
    let figures = [
        "commitment",
        "side",
        "owner_id",
        "promised",
        "kept",
        "broken",
        "rate",
        "rate_of",
        "rate_low",
        "rate_high",
        "rate_insufficient",
        "target",
        "so_far",
        "pace",
        "state",
    ];
    let mut table = Table::new(&[], &figures);
    let blank = |n: usize| vec![String::new(); n];
    for promise in &view.promises {
        for owner in &promise.owners {
            let owner_id = owner.owner_id.map_or("queue".to_owned(), |id| id.to_string());
            let names = [
                promise.commitment.name().to_owned(),
                promise.side.name().to_owned(),
                owner_id,
            ];
            let counts = [owner.promised, owner.kept, owner.broken].map(|count| count.to_string());
            let line = names.into_iter().chain(counts).chain(blank(9));
            table.row(None, None, line.collect());
        }
        let names = [promise.commitment.name(), promise.side.name(), ""].map(str::to_owned);
        let counts = [promise.promised, promise.kept, promise.broken].map(|count| count.to_string());
        let line = names
            .into_iter()
            .chain(counts)
            .chain(rate_cells(Some(&promise.rate)));
        table.total(line.chain(blank(4)).collect());
    }
    for commitment in &view.numbers {
        let side = commitment.side.map_or("", Side::name);
        let names = [commitment.commitment, side, "", "", "", ""].map(str::to_owned);
        let state = commitment.state.map_or("", CommitmentState::name).to_owned();
        let line = names.into_iter().chain(rate_cells(commitment.rate.as_ref()));
        let numbers = [
            number(Some(commitment.target)),
            number(commitment.so_far),
            number(commitment.pace),
            state,
        ];
        table.total(line.chain(numbers).collect());
    }
    table
}
