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
    changes(&mut page, pack);
    campaigns(&mut page, &pack["campaigns"]);
    rejections(&mut page, &pack["rejections"]);
    losses(&mut page, &pack["losses"]);
    objections(&mut page, &pack["objections"]);
    let leaks = items(&pack["leakage"]["totals"]).iter();
    let leaks = leaks.map(|one| {
        vec![
            words(&one["leak"]),
            number(&one["count"]),
            day_of(&text(&one["oldest"])),
        ]
    });
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
    let campaigns = campaigns.map(|one| vec![text(&one["name"]), text(&one["starts_on"])]);
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
            text(&answer["next"]).replace('`', ""),
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
        let unit = one["unit"].as_str();
        let value = |member: &str| measured(&one[member], unit, &currency);
        let few = if one["insufficient"] == true {
            "few cases"
        } else {
            ""
        };
        vec![
            words(&one["figure"]),
            value("value"),
            value("before"),
            difference(&one["change"], unit, &currency),
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
            let amount = format!("{:.*}", digits as usize, value / 10_f64.powi(digits as i32));
            format!("{} {currency}", grouped(&amount))
        }
        _ => tenths(value),
    }
}

/// A difference in its unit: of rates, percentage points.
fn difference(value: &Value, unit: Option<&str>, currency: &str) -> String {
    match (unit, value.as_f64()) {
        (Some("rate"), Some(value)) => format!("{} points", tenths(value * 100.0)),
        _ => measured(value, unit, currency),
    }
}

/// A decimal number with a narrow space between thousands.
fn grouped(number: &str) -> String {
    let (whole, decimals) = number
        .split_once('.')
        .map_or((number, None), |(a, b)| (a, Some(b)));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    decimals
        .into_iter()
        .for_each(|decimals| text.extend([".", decimals]));
    text
}

/// What moved the key figures, by campaign.
fn changes(page: &mut String, pack: &Value) {
    let campaigns = items(&pack["campaigns"]["rows"]);
    let name = |key: &Value| {
        let known = campaigns.iter().find(|row| row["campaign_id"] == *key);
        match (key.as_str(), known) {
            (None, _) => "no campaign".to_owned(),
            (Some(_), Some(row)) if row["name"].is_string() => text(&row["name"]),
            (Some(id), _) => id.to_owned(),
        }
    };
    let mut rows = vec![];
    for view in items(&pack["changes"]) {
        let (unit, currency) = (view["unit"].as_str(), text(&view["currency"]));
        let cells =
            |effect: &Value| ["change", "mix", "rate"].map(|part| difference(&effect[part], unit, &currency));
        let mut row = |who: String, effect: &Value| {
            let [change, mix, rate] = cells(effect);
            rows.push(vec![words(&view["figure"]), who, change, mix, rate]);
        };
        row("all".to_owned(), &view["total"]);
        items(&view["parts"])
            .iter()
            .for_each(|part| row(name(&part["key"]), &part["effect"]));
        if view["omitted"]["parts"].as_i64().is_some_and(|parts| parts > 0) {
            row("others".to_owned(), &view["omitted"]["effect"]);
        }
    }
    let heads = [
        "Figure",
        "Campaign",
        "Change",
        "By its share or number",
        "By its own rate or size",
    ];
    table(page, "What moved the figures", &heads, rows);
}

fn campaigns(page: &mut String, view: &Value) {
    let line = |name: String, figures: &Value| {
        let amount = |value: &Value| money(value);
        let percent = |value: &Value| {
            value
                .as_f64()
                .map_or_else(|| "–".to_owned(), |share| format!("{} %", tenths(share * 100.0)))
        };
        vec![
            name,
            amount(&figures["cost"]["value"]),
            number(&figures["leads"]["count"]),
            number(&figures["mqls"]["count"]),
            number(&figures["deals_won"]["count"]),
            amount(&figures["revenue"]["value"]),
            percent(&figures["roi"]),
            amount(&figures["wasted"]["value"]),
        ]
    };
    let name = |row: &Value| row["name"].as_str().unwrap_or("no campaign").to_owned();
    let mut rows: Vec<Vec<String>> = items(&view["rows"])
        .iter()
        .map(|row| line(name(row), &row["figures"]))
        .collect();
    if view["totals"].is_object() {
        rows.push(line("all".to_owned(), &view["totals"]));
    }
    let heads = [
        "Campaign", "Cost", "Leads", "MQLs", "Won", "Revenue", "ROI", "Wasted",
    ];
    table(page, "Campaigns", &heads, rows);
}

/// An amount of money with its currency.
fn money(value: &Value) -> String {
    measured(&value["amount"], Some("money"), &text(&value["currency"]))
}

fn losses(page: &mut String, view: &Value) {
    let rows = items(&view["rows"]).iter().map(|row| {
        let figures = &row["figures"];
        vec![
            reason(&row["key"]),
            number(&figures["deals"]),
            number(&figures["deals_before"]),
            money(&figures["value"]),
        ]
    });
    let heads = ["Reason", "This period", "Period before", "Amount"];
    table(page, "Lost deals", &heads, rows.collect());
}

fn objections(page: &mut String, view: &Value) {
    let rows = items(&view["rows"]).iter().map(|row| {
        let figures = &row["figures"];
        let code = row["key"]
            .as_str()
            .map_or_else(|| "in other words".to_owned(), |key| key.replace('_', " "));
        vec![
            code,
            number(&figures["raised"]),
            number(&figures["raised_before"]),
            rate(&figures["win_rate"]),
        ]
    });
    let heads = [
        "Objection",
        "This period",
        "Period before",
        "Deals won in spite of it",
    ];
    table(page, "Objections", &heads, rows.collect());
}

fn reason(key: &Value) -> String {
    key.as_str()
        .map_or_else(|| "no reason".to_owned(), |key| key.replace('_', " "))
}

fn rejections(page: &mut String, view: &Value) {
    let rows = items(&view["rows"]).iter().map(|row| {
        let figures = &row["figures"];
        vec![
            reason(&row["key"]),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_have_their_thousands_apart_and_rates_change_by_points() {
        for (amount, currency, shown) in [
            (123_456_789, "EUR", "1\u{202f}234\u{202f}567.89 EUR"),
            (-12_345, "EUR", "-123.45 EUR"),
            (1_000, "JPY", "1\u{202f}000 JPY"),
            (0, "EUR", "0.00 EUR"),
        ] {
            assert_eq!(money(&json!({"amount": amount, "currency": currency})), shown);
        }
        assert_eq!(money(&Value::Null), "–");
        assert_eq!(difference(&json!(-0.051), Some("rate"), "EUR"), "-5.1 points");
        assert_eq!(difference(&json!(3), Some("count"), "EUR"), "3");
        assert_eq!(difference(&json!(3600), Some("seconds"), "EUR"), "1 h");
    }
}
