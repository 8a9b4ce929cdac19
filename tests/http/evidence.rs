//! No figure without evidence: every link of every report opens a list that counts as many records as the figure says.

use std::collections::BTreeSet;

use serde_json::Value;
use tandem_tests::TestApp;

use crate::sales_figures::given;

/// What a link in `evidence` counts, by the names beside it: the first that is there.
const COUNTED: [&str; 10] =
    ["finished", "cases", "count", "entries", "days", "deals", "cycles", "stays", "mqls", "handoffs"];

/// The number that a link in `evidence` opens: of a rate its denominator, else a number beside it.
fn counted(value: &Value) -> Option<i64> {
    let of_rate = value["rate"]["denominator"].as_i64();
    let beside = || COUNTED.iter().find_map(|name| value[*name].as_i64());
    // The scorecard's counts, and those of commitments.
    let whole = || ["value", "so_far"].iter().find_map(|name| Some(value[*name].as_f64()? as i64));
    of_rate.or_else(beside).or_else(whole)
}

/// One link, where it stands, and the number that it must open.
struct Link {
    at: String,
    link: String,
    figure: Option<i64>,
}

fn links(value: &Value, at: &str, found: &mut Vec<Link>) {
    match value {
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(n, one)| links(one, &format!("{at}/{n}"), found));
        }
        Value::Object(members) => {
            for (name, member) in members {
                let here = format!("{at}/{name}");
                match (name.as_str(), member) {
                    ("evidence", Value::String(link)) => {
                        // What is promised as an amount counts no records.
                        if value["commitment"] == "revenue" {
                            continue;
                        }
                        let figure = counted(value);
                        found.push(Link { at: here, link: link.clone(), figure });
                    }
                    ("open_evidence", Value::String(link)) => {
                        found.push(Link { at: here, link: link.clone(), figure: value["open"].as_i64() });
                    }
                    ("evidence", Value::Object(of)) => {
                        for (name, link) in of.iter().filter_map(|(name, link)| Some((name, link.as_str()?)))
                        {
                            // Amounts are the sums of valued records.
                            let figure = match name.as_str() {
                                "value" => &value["valued"],
                                "value_before" => &value["valued_before"],
                                name => &value[name],
                            };
                            let figure = figure.as_i64();
                            found.push(Link { at: format!("{here}/{name}"), link: link.to_owned(), figure });
                        }
                    }
                    _ => links(member, &here, found),
                }
            }
        }
        _ => {}
    }
}

#[tandem_tests::test]
async fn every_link_of_every_report_opens_as_many_records_as_its_figure_says(app: &TestApp) {
    given(app).await;
    let admin = app.login(&app.admin().await.email).await;
    let paths = tandem_tests::contract().document["paths"].as_object().unwrap();
    let reports =
        paths.keys().filter(|path| path.starts_with("/v1/reports/") && !path.ends_with("/evidence"));
    let (mut faults, mut opened) = (vec![], BTreeSet::new());
    for path in reports {
        let path = path.replace("{figure}", "mql_to_sql");
        for question in ["", "?from=2026-01-01&to=2026-03-01"] {
            let asked = app.get(&format!("{path}{question}")).by(&admin).await;
            if asked.status == 400 {
                continue; // A report that is asked otherwise.
            }
            let report = asked.expect(200);
            let mut found = vec![];
            links(&report.body, "", &mut found);
            for Link { at, link, figure } in found {
                if !opened.insert((link.clone(), figure)) {
                    continue;
                }
                let list = app.get(&link).by(&admin).await;
                let Some(data) = list.body["data"].as_array() else {
                    continue; // One record.
                };
                let total = list.body["total_count"].as_i64().or(Some(data.len() as i64));
                if list.status != 200 || total != figure {
                    faults.push(format!(
                        "{path}{question} {at}: {figure:?}, {total:?} ({}) {link}",
                        list.status
                    ));
                }
            }
        }
    }
    assert!(opened.len() > 300, "{} links", opened.len());
    assert_eq!(faults, Vec::<String>::new());
}
