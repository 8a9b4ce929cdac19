//! A review as one self-contained page to print: its frozen figures and charts, and its action items.

use std::fmt::Write;

use serde_json::Value;

use crate::capture::page::{document, escaped};
use crate::edge::http::problem::{Problem, StoredAnswer};
use crate::reports::chart;

/// The page of a review, as `GET /v1/reviews/{review_id}` answers it in JSON.
pub(super) fn of(review: &Value) -> Result<StoredAnswer, Problem> {
    let pack = &review["pack"];
    let mut page = String::new();
    let held = match review["held_at"].as_str() {
        Some(at) => format!("Held {}", day_of(at)),
        None => "Not held yet".to_owned(),
    };
    let created = review["created_at"].as_str().unwrap_or_default();
    let _ = writeln!(
        page,
        "<p>{}. Figures as of {}.</p>",
        escaped(&held),
        escaped(&day_of(created))
    );
    scorecard(&mut page, &pack["scorecard"]);
    commitments(&mut page, items(&pack["commitments"]));
    funnel(&mut page, &pack["funnel"])?;
    key_figures(&mut page, &pack["kpis"])?;
    rejections(&mut page, &pack["rejections"]);
    let leaks = items(&pack["leakage"]["totals"]).iter();
    let leaks = leaks.map(|one| vec![words(&one["leak"]), number(&one["count"]), text(&one["oldest"])]);
    table(&mut page, "Leaks", &["Leak", "Number", "Oldest"], leaks.collect());
    let disputes =
        ["disputed", "upheld", "overturned"].map(|name| number(&pack["disputes"][name]["handoffs"]));
    table(
        &mut page,
        "Disputes",
        &["Disputed", "Upheld", "Overturned"],
        vec![disputes.to_vec()],
    );
    let campaigns = items(&pack["campaigns_ahead"]).iter();
    let campaigns = campaigns.map(|one| vec![text(&one["id"]), text(&one["starts_on"])]);
    table(
        &mut page,
        "Campaigns that start next",
        &["Campaign", "First day"],
        campaigns.collect(),
    );
    actions(&mut page, "Action items still open then", &pack["action_items"]);
    actions(
        &mut page,
        "Action items of this review, as they stand now",
        &review["action_items"],
    );
    let title = format!(
        "Review of {} to before {}",
        text(&review["from"]),
        text(&review["to"])
    );
    Ok(document(&escaped(&title), &page))
}

fn scorecard(page: &mut String, view: &Value) {
    let answers = items(&view["answers"]).iter().map(|answer| {
        let figures = items(&answer["figures"]).iter();
        let figures = figures.map(|one| format!("{} {}", words(&one["figure"]), figure(one)));
        vec![
            words(&answer["question"]),
            words(&answer["grade"]),
            figures.collect::<Vec<_>>().join("; "),
            text(&answer["next"]),
        ]
    });
    let heads = ["Question", "Grade", "Figures", "What to do next"];
    table(page, "Scorecard", &heads, answers.collect());
}

/// A rate as a percentage with its cases, another value as it is.
fn figure(one: &Value) -> String {
    match one["rate"].is_object() {
        true => rate(&one["rate"]),
        false => number(&one["value"]),
    }
}

fn rate(rate: &Value) -> String {
    if rate.is_null() {
        return "–".to_owned();
    }
    match rate["value"].as_f64() {
        Some(value) => {
            format!(
                "{} % ({} of {})",
                tenths(value * 100.0),
                number(&rate["numerator"]),
                number(&rate["denominator"])
            )
        }
        None => "no cases".to_owned(),
    }
}

fn commitments(page: &mut String, months: &[Value]) {
    let mut rows = vec![];
    for month in months {
        let numbers = items(&month["numbers"]).iter();
        rows.extend(numbers.map(|one| {
            let reached = format!("{} of {}", number(&one["so_far"]), number(&one["target"]));
            vec![
                text(&month["month"]),
                words(&one["commitment"]),
                reached,
                words(&one["state"]),
            ]
        }));
        let promises = items(&month["promises"]).iter();
        rows.extend(promises.map(|one| {
            let kept = format!("{} of {} met", number(&one["kept"]), number(&one["promised"]));
            vec![
                text(&month["month"]),
                words(&one["commitment"]),
                kept,
                rate(&one["rate"]),
            ]
        }));
    }
    table(
        page,
        "Commitments",
        &["Month", "Commitment", "Reached", "State"],
        rows,
    );
}

fn funnel(page: &mut String, view: &Value) -> Result<(), Problem> {
    let stages = items(&view["totals"]).iter().map(|stage| {
        vec![
            words(&stage["stage"]),
            number(&stage["cycles"]),
            number(&stage["people"]),
            rate(&stage["from_previous"]),
        ]
    });
    let heads = ["Stage", "Cycles", "People", "From the previous stage"];
    table(page, "Funnel", &heads, stages.collect());
    picture(page, &chart::funnel(view))
}

fn key_figures(page: &mut String, view: &Value) -> Result<(), Problem> {
    let currency = text(&view["currency"]);
    let figures = items(&view["figures"]).iter().map(|one| {
        let value = |member: &str| measured(&one[member], one["unit"].as_str(), &currency);
        let few = if one["insufficient"] == true {
            "few cases"
        } else {
            ""
        };
        vec![
            words(&one["figure"]),
            value("value"),
            value("before"),
            value("change"),
            few.to_owned(),
        ]
    });
    let heads = ["Figure", "This period", "Period before", "Change", ""];
    table(page, "Key figures", &heads, figures.collect());
    picture(page, &chart::kpis(view))
}

/// A value in its unit: seconds as hours, rates as percentages, money in minor units with its currency.
fn measured(value: &Value, unit: Option<&str>, currency: &str) -> String {
    let Some(value) = value.as_f64() else {
        return "–".to_owned();
    };
    match unit {
        Some("rate") => format!("{} %", tenths(value * 100.0)),
        Some("seconds") => format!("{} h", tenths(value / 3600.0)),
        Some("money") => {
            let digits = currency
                .parse()
                .map_or(2, |currency: tandem_domain::money::Currency| currency.digits());
            format!(
                "{:.*} {currency}",
                digits as usize,
                value / 10_f64.powi(digits as i32)
            )
        }
        _ => tenths(value),
    }
}

fn rejections(page: &mut String, view: &Value) {
    let rows = items(&view["rows"]).iter().map(|row| {
        let reason = row["key"]
            .as_str()
            .map_or_else(|| "no reason".to_owned(), |key| key.replace('_', " "));
        let figures = &row["figures"];
        vec![
            reason,
            number(&figures["rejected"]),
            number(&figures["rejected_before"]),
        ]
    });
    let heads = ["Reason", "This period", "Period before"];
    table(page, "Rejected hand-offs", &heads, rows.collect());
}

fn actions(page: &mut String, title: &str, list: &Value) {
    let rows = items(list).iter().map(|item| {
        vec![
            text(&item["text"]),
            text(&item["due_on"]),
            words(&item["state"]),
            text(&item["note"]),
        ]
    });
    table(page, title, &["What", "Due", "State", "Note"], rows.collect());
}

fn picture(page: &mut String, chart: &chart::Chart) -> Result<(), Problem> {
    let _ = writeln!(page, "<figure>{}</figure>", chart.svg()?);
    Ok(())
}

/// A section with a table; one sentence where there are no rows.
fn table(page: &mut String, title: &str, heads: &[&str], rows: Vec<Vec<String>>) {
    let _ = writeln!(page, "<section><h2>{}</h2>", escaped(title));
    if rows.is_empty() {
        page.push_str("<p>None.</p></section>\n");
        return;
    }
    page.push_str("<div><table><thead><tr>");
    for head in heads {
        let _ = write!(page, "<th>{}</th>", escaped(head));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for cell in row {
            let _ = write!(page, "<td>{}</td>", escaped(&cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></section>\n");
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> String {
    text(value).replace('_', " ")
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "–".to_owned(), tenths)
}

fn tenths(value: f64) -> String {
    format!("{}", (value * 10.0).round() / 10.0 + 0.0)
}

/// The day of an instant in text.
fn day_of(at: &str) -> String {
    at.split('T').next().unwrap_or(at).to_owned()
}
