//! The funnel as a table: one line a row and stage.

use super::view::{DroppedFor, FunnelStage, FunnelView};
use crate::reports::answer::{Table, cell, number, rate_cells};

const FIGURES: &[&str] = &[
    "stage",
    "cycles",
    "people",
    "from_previous",
    "from_previous_of",
    "from_previous_low",
    "from_previous_high",
    "from_previous_insufficient",
    "from_start",
    "from_start_of",
    "from_start_low",
    "from_start_high",
    "from_start_insufficient",
    "stays",
    "median_seconds",
    "p90_seconds",
    "dropped",
    "dropped_for",
];

/// The funnel as lines, the totals last.
pub(super) fn table(view: &FunnelView) -> Table {
    let mut table = Table::new(&view.by, FIGURES);
    for row in &view.rows {
        for stage in &row.stages {
            table.row(row.key.as_deref(), row.second_key.as_ref(), line(stage));
        }
    }
    for stage in &view.totals {
        table.total(line(stage));
    }
    table
}

fn line(stage: &FunnelStage) -> Vec<String> {
    let time = &stage.time_in_stage;
    let mut line = vec![
        stage.stage.name().to_owned(),
        stage.cycles.to_string(),
        stage.people.to_string(),
    ];
    line.extend(rate_cells(stage.from_previous.as_ref()));
    line.extend(rate_cells(stage.from_start.as_ref()));
    line.extend([
        time.stays.to_string(),
        number(time.median_seconds),
        number(time.p90_seconds),
    ]);
    line.push(stage.dropped.cycles.to_string());
    let reasons: Vec<String> = stage.dropped.reasons.iter().map(reason).collect();
    line.push(cell(Some(&reasons.join("; "))));
    line
}

fn reason(dropped: &DroppedFor) -> String {
    format!(
        "{}={}",
        dropped.reason.as_deref().unwrap_or_default(),
        dropped.cycles
    )
}
