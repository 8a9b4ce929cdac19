//! Why deals were lost and won: figures by hand, each with the deals behind it.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use crate::deals::{given_sql, post};

async fn closed(app: &TestApp, by: &User, lead: String, outcome: &str, reason: &str, amount: Option<i64>) {
    let money = amount.map(|amount| json!({"amount": amount, "currency": "EUR"}));
    let body = json!({"name": "A deal", "lead_ids": [lead], "amount": money});
    let deal = post(app, by, "/v1/deals", body).await.expect(201).id();
    let body = json!({"outcome": outcome, "reason": reason});
    post(app, by, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
}

/// The number of deals that a link of a report opens.
async fn opens(app: &TestApp, link: &Value) -> Value {
    let path = link.as_str().unwrap();
    let admin = app.login(&app.admin().await.email).await;
    app.get(path).by(&admin).await.expect(200)["total_count"].clone()
}

#[tandem_tests::test]
async fn losses_and_wins_show_reasons_worth_and_change(app: &TestApp) {
    let sam = app.user("sales").await;
    let today = || app.clock.now().to_string()[..10].to_owned();
    let first = today();
    let mut leads = vec![];
    for _ in 0..5 {
        leads.push(given_sql(app).await);
    }
    let mut lead = || leads.pop().unwrap();
    closed(app, &sam, lead(), "lost", "price", Some(1_000)).await;
    app.clock.advance(hours(24));
    let (second, sam) = (today(), app.login(&sam.email).await);
    closed(app, &sam, lead(), "lost", "price", Some(2_000)).await;
    closed(app, &sam, lead(), "lost", "price", None).await;
    closed(app, &sam, lead(), "lost", "timing", Some(4_000)).await;
    closed(app, &sam, lead(), "won", "price", Some(9_000)).await;
    app.clock.advance(hours(24));
    let admin = app.login(&app.admin().await.email).await;
    let read = async |path: &str| app.get(path).by(&admin).await.expect(200);

    let days = format!("from={second}&to={}", today());
    let losses = read(&format!("/v1/reports/losses?{days}")).await;
    let totals = &losses["totals"];
    assert_eq!((&totals["deals"], &totals["valued"]), (&json!(3), &json!(2)), "{first} {losses:#?}");
    assert_eq!(totals["value"], json!({"amount": 6_000, "currency": "EUR"}));
    assert_eq!((&totals["deals_before"], &totals["change"]), (&json!(1), &json!(2)));
    assert_eq!(totals["value_before"]["amount"], 1_000);
    assert_eq!(totals["unconverted"], json!([]), "no deal is closed without a rate");
    for (figure, count) in [("deals", 3), ("value", 2), ("deals_before", 1), ("value_before", 1)] {
        assert_eq!(opens(app, &totals["evidence"][figure]).await, count, "{figure}");
    }
    let rows = losses["rows"].as_array().unwrap();
    let shown: Vec<_> = rows.iter().map(|row| (&row["key"], &row["figures"]["deals"])).collect();
    assert_eq!(shown, [(&json!("price"), &json!(2)), (&json!("timing"), &json!(1))]);
    for row in rows {
        let figures = &row["figures"];
        assert_eq!(opens(app, &figures["evidence"]["deals"]).await, figures["deals"]);
        assert_eq!(opens(app, &figures["evidence"]["value"]).await, figures["valued"]);
        assert_eq!(opens(app, &figures["share"]["evidence"]["denominator"]).await, 3);
        assert_eq!(opens(app, &figures["reasons"][0]["evidence"]).await, figures["deals"]);
        assert_eq!(figures["share"]["insufficient"], true);
    }

    let by_campaign = read(&format!("/v1/reports/losses?by=campaign,month&{days}")).await;
    assert_eq!(by_campaign["totals"]["deals_before"], 1);
    assert_eq!(by_campaign["rows"][0]["key"], Value::Null);
    let figures = &by_campaign["rows"][0]["figures"];
    assert_eq!((&figures["deals"], &figures["change"]), (&json!(3), &Value::Null));
    assert_eq!(opens(app, &figures["evidence"]["deals"]).await, 3);

    let wins = read("/v1/reports/wins?basis=cohort").await;
    assert_eq!(wins["totals"]["value"]["amount"], 9_000);
    assert_eq!(wins["totals"]["deals_before"], Value::Null, "an open period has none before it");
    assert_eq!(opens(app, &wins["totals"]["evidence"]["value"]).await, 1);
}

/// Every link of a report opens as many records as its figure says.
async fn every_link_opens(app: &TestApp, report: &Value) {
    let rows = report["rows"].as_array().unwrap().iter().map(|row| &row["figures"]);
    for figures in rows.chain([&report["totals"]]) {
        for (name, link) in figures["evidence"].as_object().unwrap() {
            if link.is_string() {
                assert_eq!(opens(app, link).await, figures[name], "{name} {figures:#}");
            }
        }
        for side in ["numerator", "denominator"] {
            assert_eq!(
                opens(app, &figures["win_rate"]["evidence"][side]).await,
                figures["win_rate"][side],
                "{side} {figures:#}"
            );
        }
    }
}

#[tandem_tests::test]
async fn objections_show_how_often_they_came_and_what_became_of_deals(app: &TestApp) {
    let sam = app.user("sales").await;
    let today = || app.clock.now().to_string()[..10].to_owned();
    let mut leads = vec![];
    for _ in 0..4 {
        leads.push(given_sql(app).await);
    }
    let call = async |by: &User, lead: &str, objections: Value| {
        let body = json!({"type": "call", "direction": "outbound", "outcome": "connected", "lead_id": lead, "objections": objections});
        post(app, by, "/v1/activities", body).await.expect(201);
    };
    call(&sam, &leads[0], json!([{"code": "price"}])).await;
    let key = app.key(&["reports:read", "deals:read"]).await;
    app.clock.advance(hours(24));
    let (second, sam) = (today(), app.login(&sam.email).await);
    call(&sam, &leads[1], json!([{"code": "price"}, {"text": "Wants to host it itself"}])).await;
    call(&sam, &leads[2], json!([{"code": "timing"}])).await;
    let close = async |lead: &str, outcome: &str, amount: i64, objections: Value| {
        let body =
            json!({"name": "A deal", "lead_ids": [lead], "amount": {"amount": amount, "currency": "EUR"}});
        let deal = post(app, &sam, "/v1/deals", body).await.expect(201).id();
        let body = json!({"outcome": outcome, "reason": "price", "objections": objections});
        post(app, &sam, &format!("/v1/deals/{deal}/close"), body).await.expect(200);
    };
    close(&leads[0], "won", 9_000, json!([])).await;
    close(&leads[1], "lost", 2_000, json!([{"code": "price"}])).await;
    close(&leads[2], "lost", 500, json!([])).await;
    close(&leads[3], "won", 700, json!([])).await;
    app.clock.advance(hours(24));
    let admin = app.login(&app.admin().await.email).await;
    let read = async |path: &str| app.get(path).by(&admin).await.expect(200).body;

    let report = read(&format!("/v1/reports/objections?from={second}&to={}", today())).await;
    let rows = report["rows"].as_array().unwrap();
    let shown = |row: &Value| {
        let figures = &row["figures"];
        (
            row["key"].as_str().map(str::to_owned),
            figures["raised"].as_i64().unwrap(),
            figures["change"].as_i64().unwrap(),
            figures["win_rate"]["numerator"].as_i64().unwrap(),
            figures["win_rate"]["denominator"].as_i64().unwrap(),
            figures["lost_value"]["amount"].as_i64().unwrap(),
        )
    };
    let shown: Vec<_> = rows.iter().map(shown).collect();
    // Raised in a call and again at the closing; of the deals with it one was won and one lost.
    let expected = [
        (Some("price".to_owned()), 2, 1, 1, 2, 2_000),
        (Some("timing".to_owned()), 1, 1, 0, 1, 500),
        (None, 1, 1, 0, 1, 2_000),
    ];
    assert_eq!(shown, expected, "{report:#}");
    let totals = &report["totals"];
    assert_eq!((&totals["raised"], &totals["raised_before"]), (&json!(4), &json!(1)));
    assert_eq!(totals["win_rate"]["denominator"], 3, "each deal counts once");
    every_link_opens(app, &report).await;
    let by_owner = read("/v1/reports/objections?by=owner&reason=price").await;
    assert_eq!(by_owner["totals"]["raised"], 3);
    every_link_opens(app, &by_owner).await;
    app.get("/v1/reports/objections").by(&key).await.refused(403, "insufficient_scope");
    let table = app.get("/v1/reports/objections").by(&admin).header("accept", "text/csv").await.expect(200);
    assert_eq!(table.text.split_terminator('\n').count(), 5, "{}", table.text);
}
