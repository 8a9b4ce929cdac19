//! Why key figures moved: parts against the formula over public rows, and the list behind each.

use std::collections::BTreeSet;

use serde_json::Value;
use tandem_tests::TestApp;

use super::given;

/// The figures whose changes are split, and whether they are rates.
const FIGURES: [(&str, bool); 14] = [
    ("leads", false),
    ("mqls", false),
    ("mqls_handed_over", false),
    ("acceptance", true),
    ("mql_to_sal", true),
    ("mql_to_sql", true),
    ("sql_to_opportunity", true),
    ("lead_to_opportunity", true),
    ("opportunity_to_customer", true),
    ("lead_to_customer", true),
    ("mql_to_customer", true),
    ("deals_won", false),
    ("booked", false),
    ("win_rate", true),
];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

/// Cases, and the mean of what they amount to.
fn terms(figure: &Value, is_rate: bool) -> (f64, Option<f64>) {
    let cases = number(&figure["cases"]);
    let value = figure["value"].as_f64();
    (cases, if is_rate { value } else { value.filter(|_| cases > 0.0).map(|value| value / cases) })
}

fn check_parts(view: &Value, is_rate: bool) {
    let parts = view["parts"].as_array().unwrap();
    let all = |side: &str| parts.iter().map(|part| number(&part[side]["cases"])).sum::<f64>();
    let (all_now, all_before) = if is_rate { (all("now"), all("before")) } else { (1.0, 1.0) };
    let (mut mix_sum, mut rate_sum) = (0.0, 0.0);
    for part in parts {
        let ((cases, mean), (cases_before, mean_before)) =
            (terms(&part["now"], is_rate), terms(&part["before"], is_rate));
        let (mean, mean_before) = (mean.or(mean_before).unwrap(), mean_before.or(mean).unwrap());
        let (share, share_before) = (cases / all_now, cases_before / all_before);
        let mix = (share - share_before) * (mean + mean_before) / 2.0;
        let mix = if is_rate { mix } else { mix.round() };
        let rate = if is_rate {
            (mean - mean_before) * (share + share_before) / 2.0
        } else {
            number(&part["now"]["value"]) - number(&part["before"]["value"]) - mix
        };
        let effect = &part["effect"];
        assert!(near(number(&effect["mix"]), mix) && near(number(&effect["rate"]), rate), "{part:#}");
        assert!(near(number(&effect["change"]), mix + rate), "{part:#}");
        (mix_sum, rate_sum) = (mix_sum + mix, rate_sum + rate);
    }
    let total = &view["total"];
    assert!(near(number(&total["mix"]), mix_sum) && near(number(&total["rate"]), rate_sum), "{total}");
}

async fn check_evidence(app: &TestApp, reader: &str, part: &Value, is_rate: bool) {
    for side in ["now", "before"] {
        let figure = &part[side];
        let opens = async |link: &Value| {
            app.get(link.as_str().unwrap()).by(reader).await.expect(200)["total_count"].clone()
        };
        assert_eq!(opens(&figure["evidence"]).await, figure["cases"], "{figure:#}");
        if is_rate {
            let rate = &figure["rate"];
            assert_eq!(opens(&rate["evidence"]["numerator"]).await, rate["numerator"], "{figure:#}");
            assert_eq!(rate["denominator"], figure["cases"]);
        }
    }
}

#[tandem_tests::test]
async fn changes_split_into_parts_that_sum_and_open_to_their_records(app: &TestApp) {
    let rows = given(app).await;
    let read = async |path: String| app.get(&path).by(&rows.reader).await.expect(200);
    let february = "from=2026-02-01&to=2026-03-01";
    for (question, by) in [
        (february.to_owned(), "campaign"),
        ("from=2026-01-20&to=2026-03-01&country=IT".to_owned(), "source"),
        (format!("{february}&basis=cohort"), "owner,channel"),
    ] {
        let kpis = read(format!("/v1/reports/kpis?{question}")).await;
        let mut opened = BTreeSet::new();
        for (figure, is_rate) in FIGURES {
            let view = read(format!("/v1/reports/kpis/{figure}/change?{question}&by={by}")).await;
            let all = kpis["figures"].as_array().unwrap();
            let kpi = all.iter().find(|kpi| kpi["figure"] == figure).unwrap();
            assert_eq!((&view["before"], &view["unit"]), (&kpis["before"], &kpi["unit"]));
            let Some(change) = kpi["change"].as_f64() else {
                assert_eq!((&view["total"], view["parts"].as_array().unwrap().len()), (&Value::Null, 0));
                continue;
            };
            assert!(near(number(&view["total"]["change"]), change), "{figure}: {} {change}", view["total"]);
            check_parts(&view.body, is_rate);
            let parts = view["parts"].as_array().unwrap();
            let size = |part: &Value| {
                let effect = &part["effect"];
                number(&effect["mix"]).abs().max(number(&effect["rate"]).abs())
            };
            assert!(parts.is_sorted_by(|one, other| size(one) >= size(other)), "{figure}");
            for part in parts.iter().take(3) {
                check_evidence(app, &rows.reader, part, is_rate).await;
                opened.insert(figure);
            }
        }
        assert!(opened.len() > 10, "{opened:?}");
    }
}

#[tandem_tests::test]
async fn a_change_needs_a_figure_a_period_and_dimensions(app: &TestApp) {
    let key = app.key(&["reports:read"]).await;
    let path = "/v1/reports/kpis";
    let this_month = app.get(&format!("{path}/leads/change")).by(&key).await.expect(200);
    assert_eq!((&this_month["total"]["change"], &this_month["omitted"]["parts"]), (&0.0.into(), &0.into()));
    let rate = app.get(&format!("{path}/win_rate/change")).by(&key).await.expect(200);
    assert_eq!(rate["total"], Value::Null, "no case, no rate");
    app.get(&format!("{path}/response_time/change")).by(&key).await.refused(404, "not_found");
    app.get(&format!("{path}/leads/change?from=2026-01-01")).by(&key).await.refused(400, "invalid_parameter");
    app.get(&format!("{path}/leads/change?by=month")).by(&key).await.refused(400, "invalid_parameter");
    app.get(&format!("{path}/booked/change")).by(&key).await.refused(403, "insufficient_scope");
    let table =
        app.get(&format!("{path}/leads/change")).by(&key).header("accept", "text/csv").await.expect(200);
    assert!(table.text.starts_with("line,campaign,figure,unit,change,mix,rate,"), "{}", table.text);
}

#[tandem_tests::test]
async fn churns_are_those_of_the_key_figure_and_open_to_their_customers(app: &TestApp) {
    let rows = given(app).await;
    let read = async |path: String| app.get(&path).by(&rows.reader).await.expect(200);
    let mut most = 0;
    for (question, by) in [
        ("from=2026-02-01&to=2026-03-01", "reason"),
        ("from=2026-01-01&to=2026-04-01", "campaign"),
        ("from=2026-01-01&to=2026-04-01&source=google", "country"),
    ] {
        let kpis = read(format!("/v1/reports/kpis?{question}")).await;
        let all = kpis["figures"].as_array().unwrap();
        let churn = &all.iter().find(|kpi| kpi["figure"] == "churn").unwrap()["rate"];
        let report = read(format!("/v1/reports/churns?{question}&by={by}")).await;
        let totals = &report["totals"];
        assert_eq!(totals["customers"], churn["numerator"], "{question}");
        let of_rows = report["rows"].as_array().unwrap();
        let sum =
            |member: &str| of_rows.iter().map(|row| row["figures"][member].as_i64().unwrap()).sum::<i64>();
        assert_eq!(
            (sum("customers"), sum("customers_before")),
            (number(&totals["customers"]) as i64, number(&totals["customers_before"]) as i64)
        );
        let reasons = |figures: &Value| {
            let reasons = figures["reasons"].as_array().unwrap().clone();
            reasons
                .into_iter()
                .map(|one| (one["count"].as_i64().unwrap(), one["evidence"].clone()))
                .collect::<Vec<_>>()
        };
        for figures in of_rows.iter().map(|row| &row["figures"]).chain([totals]) {
            let mut links = reasons(figures);
            assert_eq!(
                links.iter().map(|(count, _)| count).sum::<i64>(),
                number(&figures["customers"]) as i64
            );
            for side in ["customers", "customers_before"] {
                links.push((number(&figures[side]) as i64, figures["evidence"][side].clone()));
            }
            for (count, link) in links {
                let list = app.get(link.as_str().unwrap()).by(&rows.reader).await.expect(200);
                assert_eq!(list["total_count"], count, "{link} {figures:#}");
            }
        }
        most = most.max(sum("customers"));
    }
    assert!(most > 0, "nobody churned");
    let none =
        read("/v1/reports/churns?reason=no_such_reason&from=2026-01-01&to=2026-04-01".to_owned()).await;
    assert_eq!(none["totals"]["customers"], 0);
}
