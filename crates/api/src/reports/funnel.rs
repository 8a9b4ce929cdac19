//! Reporting the funnel: facts from the store, counted by domain, put into rows.

mod csv;
mod evidence;
mod view;

use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::{By, Dimension};
use tandem_domain::reports::funnel::{self, Figures, Tally};
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::Records;

pub(super) use evidence::{ids, list_funnel_evidence};
pub(super) use view::FunnelView;
use view::{FunnelRowView, stages};

use super::answer::Report;
use super::chart;
use super::request::{Chosen, Defaults, Divided, Question, Selection};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Report the funnel.
///
/// For each stage, by one or two dimensions: how many cycles and people reached it, their share of the previous stage
/// and of all started cycles, how long they stayed, and where and why they ended. With the basis `cohort` these are the
/// cycles that started in the period, with `activity` what happened in it. Every figure links to its records. A stage
/// counts at its first entry in a cycle, with its first stay. Without records figures are zero and rates `null`.
/// `Accept: text/csv` returns a table,
/// `image/svg+xml` a chart.
#[utoipa::path(tag = "reports", params(Chosen, Divided), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The funnel",
        content((FunnelView = "application/json"), (String = "text/csv"), (String = "image/svg+xml")))))]
#[get("/v1/reports/funnel")]
pub(super) async fn get_funnel(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Chosen, Divided>>,
) -> Reply<Report<FunnelView>> {
    let Both(chosen, divided) = query.0;
    let snapshot = ctx.report().await?;
    let view = report(&snapshot, snapshot.as_of(ctx.now()), chosen, divided).await?;
    Report::preferred_or_drawn(ctx.request(), "funnel", view, csv::table, chart::funnel)
}

/// The funnel of what is asked for.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    divided: Divided,
) -> Result<FunnelView, Problem> {
    let defaults = Defaults {
        basis: Basis::Cohort,
        by: By::Dimension(Dimension::Source),
        records: Records::Cycles,
    };
    let question = Question::ask(snapshot, chosen, divided, defaults).await?;
    let (selection, cuts) = (&question.selection, &question.cuts);
    let counted = count(snapshot, selection, cuts).await?;
    let nothing = || funnel::count(Basis::Cohort, &[]);
    let (rows, omitted) = arrange(counted.rows, cuts, nothing, volume);
    let row = |(keys, figures): (Vec<Key>, Figures)| {
        let (key, second_key) = question.names(&keys);
        FunnelRowView {
            key,
            second_key,
            stages: stages(&selection.row(cuts, &keys), &figures, question.min_sample),
        }
    };
    let rows = rows.into_iter().map(row).collect();
    let totals = stages(selection, &counted.totals, question.min_sample);
    let head = question.head(now, counted.agreement_versions);
    Ok(FunnelView::of(head, rows, omitted, totals))
}

/// The cycles that started, then those of all stages.
fn volume(figures: &Figures) -> (i64, i64) {
    (figures[0].cycles, figures.iter().map(|stage| stage.cycles).sum())
}

/// The figures of every row, and of all together.
struct Counted {
    rows: HashMap<Vec<Key>, Figures>,
    totals: Figures,
    agreement_versions: BTreeSet<i64>,
}

async fn count(snapshot: &Snapshot, selection: &Selection, cuts: &[Cut]) -> Result<Counted, Problem> {
    let scope = selection.scope();
    let tallied = store::reports::tally(snapshot, &scope, cuts).await?;
    let again = store::reports::again(snapshot, &scope, cuts).await?;
    let mut lengths = store::reports::lengths(snapshot, &scope, cuts).await?;

    let mut by_row: HashMap<Vec<Key>, Vec<Tally>> = HashMap::new();
    for row in &tallied {
        by_row
            .entry(row.keys.clone())
            .or_default()
            .push(row.tally.clone());
    }
    for keys in lengths.keys() {
        by_row.entry(keys.clone()).or_default();
    }
    let mut rows: HashMap<Vec<Key>, Figures> = by_row
        .into_iter()
        .map(|(keys, tallies)| (keys, people(funnel::count(scope.basis, &tallies))))
        .collect();
    let versions: BTreeSet<i64> = tallied.iter().map(|row| row.agreement_version).collect();
    let all: Vec<Tally> = tallied.into_iter().map(|row| row.tally).collect();
    let mut totals = people(funnel::count(scope.basis, &all));
    for further in again {
        let figures = match &further.keys {
            Some(keys) => rows.get_mut(keys),
            None => Some(&mut totals),
        };
        if let Some(figures) = figures {
            figures[further.stage].people -= further.cycles;
        }
    }
    let mut together: [Vec<i64>; 6] = Default::default();
    for (keys, stays) in &mut lengths {
        if let Some(figures) = rows.get_mut(keys) {
            for ((figures, stays), together) in figures.iter_mut().zip(stays).zip(&mut together) {
                figures.time(stays);
                together.append(stays);
            }
        }
    }
    for (figures, stays) in totals.iter_mut().zip(&mut together) {
        figures.time(stays);
    }
    Ok(Counted {
        rows,
        totals,
        agreement_versions: versions,
    })
}

/// Everybody once, until those with several cycles are taken off.
fn people(mut figures: Figures) -> Figures {
    for stage in &mut figures {
        stage.people = stage.cycles;
    }
    figures
}
