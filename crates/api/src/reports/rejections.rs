//! Rejections: what sales rejected, why, where it came from, and how that compares with the period before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::get;
use serde::Serialize;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::handoffs::{HandoffFigure, HandoffTally, Verdicts};
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_domain::reports::{Basis, Rate};
use tandem_store as store;
use tandem_store::reports::{Records, Scope, TalliedHandoffs};
use tandem_store::{Snapshot, StoreError};
use utoipa::ToSchema;

use super::answer::{RateView, Report, Table, cell, rate_cells, report_view, whole};
use super::handoffs::address;
use super::request::{Chosen, Defaults, Divided, Question, Selection};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

report_view!(
    /// Hand-offs that sales rejected, by reason.
    RejectionsView: RejectionsRow,
    /// The totals of all rows.
    RejectionFigures
);

/// One row of the rejections.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionsRow {
    /// The value of the first dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "no_budget")]
    pub key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "2026-05")]
    pub second_key: Option<Option<String>>,
    /// Its hand-offs by their result.
    pub figures: RejectionFigures,
}

/// The hand-offs of the period by their result, without self-sourced and void ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionFigures {
    /// All of them.
    #[schema(minimum = 0, example = 120)]
    pub handoffs: i64,
    /// The undecided hand-offs.
    #[schema(minimum = 0, example = 7)]
    pub pending: i64,
    /// How many hand-offs sales accepted or rejected.
    #[schema(minimum = 0, example = 113)]
    pub decided: i64,
    /// How many hand-offs sales rejected. An open dispute counts as rejected, an overturned rejection as accepted.
    #[schema(minimum = 0, example = 31)]
    pub rejected: i64,
    /// The share of the decided hand-offs that was accepted.
    pub acceptance: RateView,
    /// This row's share of all rejections.
    pub share: RateView,
    /// The reasons, the most frequent first.
    #[schema(max_items = 1000)]
    pub reasons: Vec<RejectedFor>,
    /// How many were rejected in the previous period; `null` if the period is open, and in rows by time.
    #[schema(minimum = 0, example = 24)]
    pub rejected_before: Option<i64>,
    /// `rejected` minus `rejected_before`.
    #[schema(example = 7)]
    pub change: Option<i64>,
    /// Links to the counted hand-offs.
    pub evidence: RejectionEvidence,
}

/// Hand-offs rejected for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedFor {
    /// The code of the reason; `null` if unknown.
    #[schema(max_length = 64, example = "no_budget")]
    pub reason: Option<String>,
    /// The number of hand-offs.
    #[schema(minimum = 0, example = 12)]
    pub handoffs: i64,
    /// The hand-offs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=rejected&reason=no_budget"
    )]
    pub evidence: String,
}

/// Links to the counted hand-offs.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectionEvidence {
    /// All of them.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=handoffs"
    )]
    pub handoffs: String,
    /// The undecided hand-offs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=pending"
    )]
    pub pending: String,
    /// The decided hand-offs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=decided"
    )]
    pub decided: String,
    /// The rejected hand-offs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=rejected"
    )]
    pub rejected: String,
    /// The rejected hand-offs of the previous period.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=rejected"
    )]
    pub rejected_before: Option<String>,
}

/// Report rejections.
///
/// How many hand-offs of the period sales decided, accepted and rejected, and for which reasons, by one or two
/// dimensions (default `reason`), with the previous period's number. With the basis `activity` these are the hand-offs
/// created in the period, with `cohort` those of cycles that started in it. Self-sourced and void hand-offs are
/// excluded. Every figure links to its hand-offs. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, Divided), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The rejections",
        content((RejectionsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/rejections")]
pub(super) async fn get_rejections(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Chosen, Divided>>,
) -> Reply<Report<RejectionsView>> {
    let Both(chosen, divided) = query.0;
    let snapshot = ctx.report().await?;
    let view = report(&snapshot, snapshot.as_of(ctx.now()), chosen, divided).await?;
    Report::preferred(ctx.request(), "rejections", view, table)
}

/// The rejections of what is asked for.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    divided: Divided,
) -> Result<RejectionsView, Problem> {
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(Dimension::Reason),
        records: Records::Handoffs,
    };
    let question = Question::ask(snapshot, chosen, divided, defaults).await?;
    let cuts = &question.cuts;
    let tallied = store::reports::handoff_tally(snapshot, &question.selection.scope(), cuts).await?;
    let versions: BTreeSet<i64> = tallied.iter().map(|row| row.agreement_version).collect();
    let totals = Verdicts::count(tallied.iter().map(|row| &row.tally));
    let before = question.selection.before(&question.zone);
    let rejected_before = match &before {
        Some(before) => Some(Before::load(snapshot, &before.scope(), cuts).await?),
        None => None,
    };
    let (mut rows, mut of_row) = (HashMap::new(), by_row(tallied));
    // Divisions of time have no counterpart in the period before.
    let known_before = rejected_before.as_ref().filter(|_| !question.is_over_time());
    for keys in known_before.iter().flat_map(|before| before.by_row.keys()) {
        of_row.entry(keys.clone()).or_default();
    }
    for (keys, tallies) in of_row {
        rows.insert(keys, Verdicts::count(&tallies));
    }
    let volume = |verdicts: &Verdicts| (verdicts.rejected, verdicts.handoffs);
    let (rows, omitted) = arrange(rows, cuts, Verdicts::default, volume);
    let whole = (totals.rejected, &question.selection);
    let view = |(keys, verdicts): (Vec<Key>, Verdicts)| {
        let selection = question.selection.row(cuts, &keys);
        let known = known_before.zip(before.as_ref()).map(|(known, before)| {
            let count = known.by_row.get(&keys).copied().unwrap_or_default();
            (count, before.row(cuts, &keys))
        });
        let (key, second_key) = question.names(&keys);
        RejectionsRow {
            key,
            second_key,
            figures: RejectionFigures::of(&selection, verdicts, known, whole, question.min_sample),
        }
    };
    let rows = rows.into_iter().map(view).collect();
    let known = rejected_before.as_ref().zip(before);
    let known = known.map(|(known, before)| (known.by_row.values().sum(), before));
    let totals = RejectionFigures::of(&question.selection, totals, known, whole, question.min_sample);
    let head = question.head(now, versions);
    Ok(RejectionsView::of(head, rows, omitted, totals))
}

/// How many hand-offs of the period before were rejected, by row.
struct Before {
    by_row: HashMap<Vec<Key>, i64>,
}

impl Before {
    async fn load(snapshot: &Snapshot, scope: &Scope, cuts: &[Cut]) -> Result<Self, StoreError> {
        // There is one row of all instead of divisions of time.
        let cuts = match cuts.iter().any(|cut| matches!(cut, Cut::Over(_))) {
            true => &[],
            false => cuts,
        };
        let tallied = store::reports::handoff_tally(snapshot, scope, cuts).await?;
        let rows = by_row(tallied).into_iter();
        let by_row = rows
            .map(|(keys, tallies)| (keys, Verdicts::count(&tallies).rejected))
            .filter(|(_, rejected)| *rejected > 0)
            .collect();
        Ok(Self { by_row })
    }
}

fn by_row(tallied: Vec<TalliedHandoffs>) -> HashMap<Vec<Key>, Vec<HandoffTally>> {
    let mut rows: HashMap<Vec<Key>, Vec<HandoffTally>> = HashMap::new();
    for row in tallied {
        rows.entry(row.keys).or_default().push(row.tally);
    }
    rows
}

impl RejectionFigures {
    fn of(
        selection: &Selection,
        verdicts: Verdicts,
        before: Option<(i64, Selection)>,
        (all_rejected, all): (i64, &Selection),
        min_sample: i64,
    ) -> Self {
        let list = |selection: &Selection, figure| address(figure, selection);
        let own = |figure| list(selection, figure);
        let acceptance = [own(HandoffFigure::Accepted), own(HandoffFigure::Decided)];
        let share = Rate {
            part: verdicts.rejected,
            whole: all_rejected,
        };
        let of_all = [own(HandoffFigure::Rejected), list(all, HandoffFigure::Rejected)];
        Self {
            handoffs: verdicts.handoffs,
            pending: verdicts.pending,
            decided: verdicts.decided(),
            rejected: verdicts.rejected,
            acceptance: RateView::of(verdicts.acceptance(), min_sample, acceptance),
            share: RateView::of(share, min_sample, of_all),
            rejected_before: before.as_ref().map(|(count, _)| *count),
            change: before.as_ref().map(|(count, _)| verdicts.rejected - count),
            evidence: RejectionEvidence {
                handoffs: own(HandoffFigure::Handoffs),
                pending: own(HandoffFigure::Pending),
                decided: own(HandoffFigure::Decided),
                rejected: own(HandoffFigure::Rejected),
                rejected_before: before.map(|(_, before)| list(&before, HandoffFigure::Rejected)),
            },
            reasons: reasons(selection, verdicts.reasons),
        }
    }
}

fn reasons(selection: &Selection, counted: BTreeMap<Option<String>, i64>) -> Vec<RejectedFor> {
    let one = |(reason, handoffs): (Option<String>, i64)| {
        let narrowed = selection.with(Dimension::Reason, reason.clone().map(Value::Text));
        RejectedFor {
            reason,
            handoffs,
            evidence: address(HandoffFigure::Rejected, &narrowed),
        }
    };
    let mut reasons: Vec<RejectedFor> = counted.into_iter().map(one).collect();
    reasons.sort_by(|a, b| b.handoffs.cmp(&a.handoffs).then_with(|| a.reason.cmp(&b.reason)));
    reasons
}

fn table(view: &RejectionsView) -> Table {
    let figures = [
        "handoffs",
        "pending",
        "decided",
        "rejected",
        "acceptance",
        "acceptance_of",
        "acceptance_low",
        "acceptance_high",
        "acceptance_insufficient",
        "share",
        "share_of",
        "share_low",
        "share_high",
        "share_insufficient",
        "rejected_before",
        "change",
        "rejected_for",
    ];
    let mut table = Table::new(&view.by, &figures);
    for row in &view.rows {
        table.row(row.key.as_deref(), row.second_key.as_ref(), line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}

fn line(figures: &RejectionFigures) -> Vec<String> {
    let counts = [
        figures.handoffs,
        figures.pending,
        figures.decided,
        figures.rejected,
    ];
    let reason =
        |one: &RejectedFor| format!("{}={}", one.reason.as_deref().unwrap_or_default(), one.handoffs);
    let reasons: Vec<String> = figures.reasons.iter().map(reason).collect();
    let mut line: Vec<String> = counts.map(|count| count.to_string()).into();
    line.extend(rate_cells(Some(&figures.acceptance)));
    line.extend(rate_cells(Some(&figures.share)));
    line.extend([
        whole(figures.rejected_before),
        whole(figures.change),
        cell(Some(&reasons.join("; "))),
    ]);
    line
}
