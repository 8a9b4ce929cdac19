//! The funnel as CSV (RFC 4180): one line a row and stage, the totals last.

use csv::Writer;

use super::select::By;
use super::view::{DroppedFor, FunnelStage, FunnelView, RateView};
use crate::edge::http::problem::{Code, Problem};

/// The funnel as text, the names of the columns first.
pub(super) fn funnel(view: &FunnelView) -> Result<String, Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::new(Code::InternalError).because(error);
    let mut writer = Writer::from_writer(vec![]);
    let mut write = |record: Vec<String>| writer.write_record(record).map_err(|error| failed(&error));
    write(columns(&view.by))?;
    for row in &view.rows {
        let keys = [Some(&row.key), row.second_key.as_ref()];
        let keys: Vec<String> = keys
            .into_iter()
            .flatten()
            .map(|key| cell(key.as_deref()))
            .collect();
        for stage in &row.stages {
            write(line("row", keys.clone(), stage))?;
        }
    }
    for stage in &view.totals {
        write(line("total", vec![String::new(); view.by.len()], stage))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

const FIGURES: [&str; 18] = [
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

fn columns(by: &[By]) -> Vec<String> {
    let name = |by: &By| {
        serde_json::to_value(by)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
    };
    let keys = by.iter().filter_map(name);
    let figures = FIGURES.iter().map(|&name| name.to_owned());
    std::iter::once("line".to_owned())
        .chain(keys)
        .chain(figures)
        .collect()
}

fn line(kind: &str, keys: Vec<String>, stage: &FunnelStage) -> Vec<String> {
    let time = &stage.time_in_stage;
    let mut line = vec![kind.to_owned()];
    line.extend(keys);
    line.extend([
        stage.stage.name().to_owned(),
        stage.cycles.to_string(),
        stage.people.to_string(),
    ]);
    line.extend(rate(stage.from_previous.as_ref()));
    line.extend(rate(stage.from_start.as_ref()));
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

fn rate(rate: Option<&RateView>) -> [String; 5] {
    let Some(rate) = rate else {
        return Default::default();
    };
    [
        number(rate.value),
        rate.denominator.to_string(),
        number(rate.low),
        number(rate.high),
        rate.insufficient.to_string(),
    ]
}

fn reason(dropped: &DroppedFor) -> String {
    format!(
        "{}={}",
        dropped.reason.as_deref().unwrap_or_default(),
        dropped.cycles
    )
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Text as a cell: one that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
fn cell(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_formula_is_made_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(Some(text)), format!("'{text}"));
        }
        for text in ["", "google", "a=b", "1-2"] {
            assert_eq!(cell(Some(text)), text);
        }
        assert_eq!(cell(None), "");
    }
}
