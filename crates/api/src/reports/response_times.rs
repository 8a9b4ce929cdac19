//! Response times: how soon leads are contacted, and whose delay it is.

use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::{By, Dimension};
use tandem_domain::reports::handoffs::{Delay, HandoffFigure, ResponseTimes, Spread};
use tandem_domain::reports::row::{Key, arrange};
use tandem_store as store;
use tandem_store::reports::{Records, Since, TimedHandoff};
use utoipa::{IntoParams, ToSchema};

use super::answer::{RateView, Report, Table, number, rate_cells, report_view};
use super::handoffs::address;
use super::request::{Chosen, Defaults, Divided, Question, Selection, working_hours};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

report_view!(
    /// The time until leads are contacted.
    ResponseTimesView: ResponseTimesRow,
    /// The totals of all rows.
    ResponseFigures
);

/// One row of the response times.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseTimesRow {
    /// The value of the first dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "user_01h455vb4pex5vsknk084sn02q")]
    pub key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "2026-05")]
    pub second_key: Option<Option<String>>,
    /// The times of its hand-offs.
    pub figures: ResponseFigures,
}

/// How soon the leads of hand-offs were contacted. Self-sourced, void and imported hand-offs have no times.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseFigures {
    /// The number of hand-offs.
    #[schema(minimum = 0, example = 113)]
    pub handoffs: i64,
    /// Hand-offs without a contact that no longer owe one: they were rejected, or the lead left sales, before the
    /// contact was due.
    #[schema(minimum = 0, example = 9)]
    pub excused: i64,
    /// From the hand-off, or the submission before it, to the first contact.
    pub response_time: DelayView,
    /// From the hand-off to its first owner.
    pub system_delay: DelayView,
    /// From the first owner to the first contact.
    pub human_delay: DelayView,
    /// The share of the promised contacts, made or due, that were made in time.
    pub inside_promise: RateView,
    /// Links to the counted hand-offs.
    pub evidence: ResponseEvidence,
}

/// Durations. Percentiles are interpolated linearly; one that depends on a duration that still runs is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct DelayView {
    /// How many durations have ended.
    #[schema(minimum = 0, example = 98)]
    pub finished: i64,
    /// How many durations are still open.
    #[schema(minimum = 0, example = 6)]
    pub open: i64,
    /// In elapsed time, day and night.
    pub elapsed: SpreadView,
    /// In the working hours of the agreement's calendar.
    pub business: SpreadView,
    /// Whether there are fewer than `min_sample`, too few for a meaningful figure.
    pub insufficient: bool,
    /// The hand-offs whose duration has ended.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=contacted"
    )]
    pub evidence: String,
    /// The hand-offs whose duration is still open.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=uncontacted"
    )]
    pub open_evidence: String,
}

/// Percentiles in seconds, by linear interpolation.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpreadView {
    /// The median.
    #[schema(example = 3600.0)]
    pub p50_seconds: Option<f64>,
    /// The 90th percentile.
    #[schema(example = 86400.0)]
    pub p90_seconds: Option<f64>,
    /// The 95th percentile.
    #[schema(example = 90000.5)]
    pub p95_seconds: Option<f64>,
}

/// Links to the counted hand-offs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseEvidence {
    /// All of them.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=timed"
    )]
    pub handoffs: String,
    /// The hand-offs that owe no contact.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=excused"
    )]
    pub excused: String,
}

/// When a response time begins.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Start {
    /// With the hand-off.
    #[default]
    Handoff,
    /// With the newest submission of the lead before it; without one with the hand-off.
    Capture,
}

/// From when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ResponseTimesQuery {
    /// When a response time begins; default with the hand-off.
    #[param(inline)]
    since: Option<Start>,
}

/// Report response times.
///
/// The time from a hand-off (with `since=capture` from the newest submission before it) to the first contact, in
/// elapsed and in business time; the system's part (until there is an owner) and the owner's part; and the share of the
/// promised contacts that was made in time. Leads that wait for contact are `open`: they count as longer than any
/// contacted lead, and as broken promises once they are due. By one or two dimensions (default `owner`). `Accept:
/// text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, Divided, ResponseTimesQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The response times",
        content((ResponseTimesView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/response-times")]
pub(super) async fn get_response_times(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Both<Chosen, Divided>, ResponseTimesQuery>>,
) -> Reply<Report<ResponseTimesView>> {
    let Both(Both(chosen, divided), own) = query.0;
    let since = match own.since.unwrap_or_default() {
        Start::Handoff => Since::Handoff,
        Start::Capture => Since::Capture,
    };
    let snapshot = ctx.report().await?;
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(Dimension::Owner),
        records: Records::Handoffs,
    };
    let question = Question::ask(&snapshot, chosen, divided, defaults).await?;
    let (cuts, now) = (&question.cuts, snapshot.as_of(ctx.now()));
    let timed = store::reports::handoff_times(&snapshot, &question.selection.scope(), cuts, since).await?;
    let calendar = working_hours(&question.rules)?;
    let versions: BTreeSet<i64> = timed.iter().map(|one| one.agreement_version).collect();
    let measure = |timed: &[TimedHandoff]| {
        let timings: Vec<_> = timed.iter().map(|one| (one.timing, &calendar)).collect();
        ResponseTimes::of(&timings, now)
    };
    let totals = measure(&timed);
    let mut by_row: HashMap<Vec<Key>, Vec<TimedHandoff>> = HashMap::new();
    for one in timed {
        by_row.entry(one.keys.clone()).or_default().push(one);
    }
    let rows = by_row
        .into_iter()
        .map(|(keys, timed)| (keys, measure(&timed)))
        .collect();
    let (rows, omitted) = arrange(rows, cuts, ResponseTimes::default, |times| times.handoffs);
    let view = |(keys, times): (Vec<Key>, ResponseTimes)| {
        let (key, second_key) = question.names(&keys);
        ResponseTimesRow {
            key,
            second_key,
            figures: ResponseFigures::of(&question.selection.row(cuts, &keys), times, question.min_sample),
        }
    };
    let rows = rows.into_iter().map(view).collect();
    let totals = ResponseFigures::of(&question.selection, totals, question.min_sample);
    let view = ResponseTimesView::of(question.head(now, versions), rows, omitted, totals);
    Report::preferred(ctx.request(), "response-times", view, table)
}

impl ResponseFigures {
    fn of(selection: &Selection, times: ResponseTimes, min_sample: i64) -> Self {
        use HandoffFigure::*;
        let list = |figure: HandoffFigure| address(figure, selection);
        let delay = |delay: Delay, finished, open| DelayView {
            finished: delay.finished,
            open: delay.open,
            elapsed: delay.elapsed.into(),
            business: delay.business.into(),
            insufficient: delay.finished + delay.open < min_sample,
            evidence: list(finished),
            open_evidence: list(open),
        };
        let promised = [list(InsidePromise), list(Promised)];
        Self {
            handoffs: times.handoffs,
            excused: times.excused,
            response_time: delay(times.response, Contacted, Uncontacted),
            system_delay: delay(times.system_delay, Assigned, Unassigned),
            human_delay: delay(times.human_delay, Handled, Unhandled),
            inside_promise: RateView::of(times.inside_promise, min_sample, promised),
            evidence: ResponseEvidence {
                handoffs: list(Timed),
                excused: list(Excused),
            },
        }
    }
}

impl From<Spread> for SpreadView {
    fn from(spread: Spread) -> Self {
        let seconds = |millis: Option<f64>| millis.map(|millis| millis / 1000.0);
        Self {
            p50_seconds: seconds(spread.p50),
            p90_seconds: seconds(spread.p90),
            p95_seconds: seconds(spread.p95),
        }
    }
}

fn table(view: &ResponseTimesView) -> Table {
    let delays = ["response_time", "system_delay", "human_delay"];
    let of_each = [
        "finished",
        "open",
        "elapsed_p50_seconds",
        "elapsed_p90_seconds",
        "elapsed_p95_seconds",
        "business_p50_seconds",
        "business_p90_seconds",
        "business_p95_seconds",
    ];
    let mut names = vec!["handoffs".to_owned(), "excused".to_owned()];
    for delay in delays {
        names.extend(of_each.map(|figure| format!("{delay}_{figure}")));
    }
    let of_rate = ["", "_of", "_low", "_high", "_insufficient"];
    names.extend(of_rate.map(|part| format!("inside_promise{part}")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(&view.by, &names);
    for row in &view.rows {
        table.row(row.key.as_deref(), row.second_key.as_ref(), line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}

fn line(figures: &ResponseFigures) -> Vec<String> {
    let mut line = vec![figures.handoffs.to_string(), figures.excused.to_string()];
    for delay in [
        &figures.response_time,
        &figures.system_delay,
        &figures.human_delay,
    ] {
        line.extend([delay.finished.to_string(), delay.open.to_string()]);
        for spread in [&delay.elapsed, &delay.business] {
            let cells = [spread.p50_seconds, spread.p90_seconds, spread.p95_seconds];
            line.extend(cells.map(number));
        }
    }
    line.extend(rate_cells(Some(&figures.inside_promise)));
    line
}
