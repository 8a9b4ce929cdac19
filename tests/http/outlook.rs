//! Looking ahead: what open deals let expect, and how well scores tell which deals are won.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use crate::deals::{given_sql, post};

async fn opened(app: &TestApp, by: &User, lead: String, amount: Value, expected_on: Option<&str>) -> String {
    let body =
        json!({"name": "A deal", "lead_ids": [lead], "amount": amount, "expected_close_on": expected_on});
    post(app, by, "/v1/deals", body).await.expect(201).id()
}

async fn close(app: &TestApp, by: &User, deal: &str, outcome: &str) {
    let body = json!({"outcome": outcome, "reason": "price"});
    post(app, by, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
}

async fn opens(app: &TestApp, by: &User, link: &Value) -> Value {
    app.get(link.as_str().unwrap()).by(by).await.expect(200)["total_count"].clone()
}

fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

#[tandem_tests::test]
async fn open_deals_are_weighted_by_stage_and_by_what_became_of_earlier_ones(app: &TestApp) {
    let sam = app.user("sales").await;
    let pipelines = app.get("/v1/pipelines").by(app.admin().await).await.expect(200);
    let stages = pipelines["data"][0]["stages"].as_array().unwrap();
    let share = stages[0]["probability"].as_f64().unwrap();
    let mut leads = vec![];
    for _ in 0..9 {
        leads.push(given_sql(app).await);
    }
    let mut lead = || leads.pop().unwrap();
    let key = app.key(&["reports:read"]).await;
    for outcome in ["won", "lost", "lost", "lost"] {
        let deal = opened(app, &sam, lead(), eur(1_000), None).await;
        close(app, &sam, &deal, outcome).await;
    }
    app.clock.advance(hours(24));
    let sam = app.login(&sam.email).await;
    let admin = app.login(&app.admin().await.email).await;
    let nothing = app.get("/v1/reports/forecast").by(&admin).await.expect(200);
    assert_eq!((&nothing["totals"]["deals"], &nothing["rows"]), (&json!(0), &json!([])));
    opened(app, &sam, lead(), eur(100_000), Some("2026-05-31")).await;
    opened(app, &sam, lead(), eur(50_000), Some("2026-05-01")).await;
    opened(app, &sam, lead(), json!({"amount": 777, "currency": "NOK"}), Some("2026-05-02")).await;
    opened(app, &sam, lead(), eur(10_000), Some("2026-06-01")).await;
    opened(app, &sam, lead(), Value::Null, None).await;

    let forecast = app.get("/v1/reports/forecast").by(&admin).await.expect(200);
    let rows = forecast["rows"].as_array().unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (&row["key"], &row["figures"]["deals"])).collect();
    assert_eq!(
        shown,
        [(&json!("2026-05"), &json!(3)), (&json!("2026-06"), &json!(1)), (&Value::Null, &json!(1))]
    );
    let may = &rows[0]["figures"];
    assert_eq!((&may["valued"], &may["amount"]["amount"]), (&json!(2), &json!(150_000)));
    assert_eq!(may["weighted"]["amount"], json!((150_000.0 * share).round() as i64));
    // One of four that were in this stage was won; Wilson's interval of 1/4 is 0.0456 to 0.6994.
    let expected = &may["expected"];
    let amounts = ["value", "low", "high"].map(|name| expected[name]["amount"].as_i64().unwrap());
    assert_eq!((amounts[0], amounts[1] / 100, amounts[2] / 100), (37_500, 68, 1_049));
    assert_eq!(expected["unmeasured"], 0);
    assert_eq!(may["unconverted"][0]["amount"], json!({"amount": 777, "currency": "NOK"}));
    assert_eq!(opens(app, &admin, &may["unconverted"][0]["evidence"]).await, 1);
    assert_eq!(
        (&forecast["totals"]["deals"], &forecast["totals"]["amount"]["amount"]),
        (&json!(5), &json!(160_000))
    );
    for figures in rows.iter().map(|row| &row["figures"]).chain([&forecast["totals"]]) {
        assert_eq!(opens(app, &admin, &figures["evidence"]).await, figures["deals"], "{figures:#}");
    }
    let mine = app.get("/v1/reports/forecast?without=campaign").by(&admin).await.expect(200);
    assert_eq!(mine["totals"]["deals"], 5);
    let wrong = "/v1/reports/deals/evidence?figure=open&expected_in=2026-13";
    app.get(wrong).by(&admin).await.refused(400, "invalid_parameter");
    app.get("/v1/reports/forecast").by(&key).await.refused(403, "insufficient_scope");
    let table = app.get("/v1/reports/forecast").by(&admin).header("accept", "text/csv").await.expect(200);
    assert_eq!(table.text.split_terminator('\n').count(), 5, "{}", table.text);
}

#[tandem_tests::test]
async fn bands_show_what_became_of_their_leads_and_how_well_they_tell(app: &TestApp) {
    let sam = app.user("sales").await;
    let (mut leads, mut deals) = (vec![], vec![]);
    // Two in the period before, the last four in it: of band, total and outcome.
    let cases = [
        ("A1", 80, "won"),
        ("A1", 75, "lost"),
        ("A1", 70, "won"),
        ("B2", 50, "lost"),
        ("B2", 50, "won"),
        ("B2", 40, "lost"),
    ];
    for _ in cases {
        let lead = given_sql(app).await;
        let body = json!({"name": "A deal", "lead_ids": [lead], "amount": eur(1_000)});
        deals.push(post(app, &sam, "/v1/deals", body).await.expect(201).id());
        leads.push(lead);
    }
    // What scores were at that moment is stored with the stage change; the provisional agreement has no bands.
    let raw = app.database.raw().await;
    for (lead, (band, total, _)) in leads.iter().zip(cases) {
        let id = tandem_domain::id::LeadId::uuid(lead.parse().unwrap()).as_simple().to_string();
        let id = match raw.get_database_backend() {
            sea_orm::DbBackend::Postgres => format!("'{id}'::uuid"),
            _ => format!("x'{id}'"),
        };
        raw.execute_unprepared(&format!(
            "UPDATE transitions SET band = '{band}', total = {total} WHERE to_stage = 'mql' AND lead_id = {id}"
        ))
        .await
        .unwrap();
    }
    raw.close().await.unwrap();
    for (deal, (.., outcome)) in deals.iter().zip(cases).take(2) {
        close(app, &sam, deal, outcome).await;
    }
    app.clock.advance(hours(24));
    let (sam, from) = (app.login(&sam.email).await, app.clock.now().to_string()[..10].to_owned());
    for (deal, (.., outcome)) in deals.iter().zip(cases).skip(2) {
        close(app, &sam, deal, outcome).await;
    }
    let admin = app.login(&app.admin().await.email).await;
    let read = async |path: String| app.get(&path).by(&admin).await.expect(200).body;

    let all = read("/v1/reports/score-calibration".to_owned()).await;
    let rows = all["rows"].as_array().unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (&row["key"], &row["figures"]["mqls"])).collect();
    assert_eq!(shown, [(&json!("A1"), &json!(3)), (&json!("B2"), &json!(3))]);
    for (row, (won, closed)) in rows.iter().zip([(2, 3), (1, 3)]) {
        let figures = &row["figures"];
        assert_eq!(
            (&figures["win_rate"]["numerator"], &figures["win_rate"]["denominator"]),
            (&json!(won), &json!(closed))
        );
        assert_eq!(figures["mql_to_sql"]["value"], 1.0);
        assert_eq!(opens(app, &admin, &figures["evidence"]).await, figures["mqls"]);
        for rate in ["acceptance", "mql_to_sql", "win_rate"] {
            let evidence = &figures[rate]["evidence"];
            assert_eq!(
                opens(app, &admin, &evidence["numerator"]).await,
                figures[rate]["numerator"],
                "{rate}"
            );
            assert_eq!(
                opens(app, &admin, &evidence["denominator"]).await,
                figures[rate]["denominator"],
                "{rate}"
            );
        }
    }
    // Won 80, 70, 50 against lost 75, 50, 40: 80 beats three, 70 two, 50 one and ties with one, of nine pairs.
    let area = all["auc"]["value"].as_f64().unwrap();
    assert!((area - 6.5 / 9.0).abs() < 1e-12, "{area}");
    assert_eq!((&all["auc"]["deals"], &all["auc"]["insufficient"]), (&json!(6), &json!(true)));
    assert_eq!(opens(app, &admin, &all["auc"]["evidence"]).await, 6);
    assert_eq!((&all["brier"]["value"], &all["brier"]["without_rate"]), (&Value::Null, &json!(6)));

    // Before, one of two in A1 was won; of B2 nothing was known.
    let later = read(format!("/v1/reports/score-calibration?from={from}")).await;
    assert_eq!(later["brier"]["value"], 0.25);
    assert_eq!((&later["brier"]["deals"], &later["brier"]["without_rate"]), (&json!(1), &json!(3)));
    assert_eq!(opens(app, &admin, &later["brier"]["evidence"]).await, 4);
    let funnel = read("/v1/reports/funnel?by=band".to_owned()).await;
    assert_eq!(funnel["rows"].as_array().unwrap().len(), 2);
    let table =
        app.get("/v1/reports/score-calibration").by(&admin).header("accept", "text/csv").await.expect(200);
    assert_eq!(table.text.split_terminator('\n').count(), 4, "{}", table.text);
}
