//! What deals stand on: pipelines with their stages, the base currency, exchange rates.

use futures::future::join;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tandem_tests::{TestApp, hours};

use crate::deals::{close, given_sql, open, post};

#[tandem_tests::test]
async fn money_is_converted_at_the_rate_of_the_day(app: &TestApp) {
    let (ada, sam) = (app.admin().await, app.user("sales").await);
    let path = "/v1/settings/exchange-rates";
    let usd = async |amount: i64| {
        let body = json!({"name": "x", "lead_ids": [given_sql(app).await], "amount": {"amount": amount, "currency": "USD"}});
        post(app, &sam, "/v1/deals", body).await.expect(201).id()
    };
    let deal = usd(1001).await;
    let missing = close(app, &sam, &deal, "won").await.refused(409, "missing_exchange_rate");
    assert_eq!(missing["missing_rate"], json!({"from": "USD", "to": "EUR", "on": "2026-03-02"}));
    assert_eq!(missing["detail"], "There is no exchange rate from USD to EUR in force on 2026-03-02");
    assert_eq!(app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200)["state"], "open");

    let rate = |on: &str, rate: &str| json!({"from": "USD", "to": "EUR", "on": on, "rate": rate});
    let put = |rates: Value| app.put(path).by(ada).json(json!({"rates": rates}));
    let first = put(json!([rate("2026-03-03", "2"), rate("2026-01-01", "0.50")])).await.expect(200);
    assert_eq!(first["rates"], json!([rate("2026-01-01", "0.5"), rate("2026-03-03", "2")]));
    let won = close(app, &sam, &deal, "won").await.expect(200);
    assert_eq!(
        (&won["base_amount"], &won["exchange_rate"]),
        (&json!({"amount": 500, "currency": "EUR"}), &json!("0.5"))
    );
    let second = put(json!([rate("2026-03-03", "3")])).await.expect(200);
    assert_eq!(put(json!([rate("2026-03-03", "3.0")])).await.expect(200).etag(), second.etag());
    assert_eq!(app.get(path).by(&sam).await.expect(200).body, second.body);
    app.put(path)
        .by(ada)
        .header("if-match", first.etag())
        .json(json!({"rates": []}))
        .await
        .refused(412, "stale");
    let kept = app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200);
    assert_eq!(kept["base_amount"]["amount"], 500, "what was converted stays");
    let wrong = json!([rate("2026-02-30", "1"), rate("2026-01-01", "0"), {"from": "USD", "to": "USD", "on": "2026-01-01", "rate": "1"},
        rate("2026-01-02", "1"), rate("2026-01-02", "2")]);
    let refused = put(wrong).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/rates/0/on", "invalid_format")]);
    let wrong = json!([rate("2026-01-01", "0"), {"from": "USD", "to": "USD", "on": "2026-01-01", "rate": "1"}, rate("2026-01-02", "1"), rate("2026-01-02", "2")]);
    let refused = put(wrong).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [
            ("#/rates/0/rate", "invalid_format"),
            ("#/rates/1/to", "not_allowed"),
            ("#/rates/3/on", "not_allowed")
        ]
    );
    put(json!([rate("2026-01-01", "-1")])).await.refused(422, "validation_failed");
    app.put(path).by(&sam).json(json!({"rates": []})).await.refused(403, "insufficient_scope");

    let huge = usd(9_007_199_254_740_991).await;
    app.clock.advance(hours(24));
    let sam = app.login(&sam.email).await;
    close(app, &sam, &huge, "won").await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn the_base_currency_stays_once_deals_were_closed_in_it(app: &TestApp) {
    let (ada, sam) = (app.admin().await, app.user("sales").await);
    let path = "/v1/settings/currency";
    assert_eq!(app.get(path).by(&sam).await.expect(200)["currency"], "EUR");
    let put = |code: &str| app.put(path).by(ada).json(json!({"currency": code}));
    assert_eq!(put("GBP").await.expect(200)["currency"], "GBP");
    put("XAU").await.refused(422, "validation_failed");
    put("EUR").await.expect(200);
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    put("GBP").await.expect(200);
    put("EUR").await.expect(200);
    close(app, &sam, &deal, "won").await.expect(200);
    put("GBP").await.refused(409, "conflict");
    let reopen = format!("/v1/deals/{deal}/reopen");
    post(app, &app.user("sales_manager").await, &reopen, json!({"note": "not paid"})).await.expect(200);
    put("GBP").await.refused(409, "conflict");
    assert_eq!(app.get(path).by(&sam).await.expect(200)["currency"], "EUR");
}

#[tandem_tests::test]
async fn pipelines_are_set_up_and_keep_the_stages_that_deals_stand_in(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let listed = app.get("/v1/pipelines").by(&app.user("viewer").await).await.expect(200);
    assert_eq!(
        (listed.each("name"), listed["data"][0]["is_default"].as_bool()),
        (vec!["Sales".to_owned()], Some(true))
    );
    let stage = |key: &str, probability: f64| json!({"key": key, "name": key, "probability": probability});
    let body = json!({"name": "Partners", "stages": [stage("talks", 0.25), stage("paper", 0.8)]});
    post(app, &sam, "/v1/pipelines", body.clone()).await.refused(403, "wrong_role");
    let made = post(app, &boss, "/v1/pipelines", body.clone()).await.expect(201);
    let keys: Vec<(&str, f64)> = made["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["probability"].as_f64().unwrap()))
        .collect();
    assert_eq!(keys, [("talks", 0.25), ("paper", 0.8), ("won", 1.0), ("lost", 0.0)]);
    post(app, &boss, "/v1/pipelines", body).await.refused(409, "already_exists");

    let path = format!("/v1/pipelines/{}", made.id());
    let deal =
        json!({"name": "x", "lead_ids": [given_sql(app).await], "pipeline_id": made.id(), "stage": "paper"});
    let deal = post(app, &sam, "/v1/deals", deal).await.expect(201).id();
    let patch = |body: Value| app.patch(&path).by(&boss).json(body);
    let refused = patch(json!({"stages": [stage("talks", 0.5)]})).await.refused(409, "stage_in_use");
    assert_eq!(refused["in_use"], json!([{"stage": "paper", "deals": 1}]));
    patch(json!({"archived": true})).await.refused(409, "stage_in_use");
    close(app, &sam, &deal, "lost").await.expect(200);
    patch(json!({"stages": [stage("talks", 0.5)]})).await.refused(409, "stage_in_use");
    let changed = patch(json!({"stages": [stage("paper", 0.9), stage("talks", 0.5), stage("won", 1.0)]}))
        .await
        .expect(200);
    assert_eq!(patch(json!({"stages": changed["stages"]})).await.expect(200).etag(), changed.etag());
    let default = patch(json!({"is_default": true})).await.expect(200);
    assert_eq!(default["is_default"], true);
    let listed = app.get("/v1/pipelines").by(&sam).await.expect(200);
    assert_eq!(listed["data"][0]["is_default"], false, "there is one default");
    for (body, place) in [
        (json!({"is_default": false}), "#/is_default"),
        (json!({"archived": true}), "#/archived"),
        (json!({"stages": [stage("a", 0.5), stage("a", 0.5)]}), "#/stages/1/key"),
        (json!({"stages": [stage("a", 0.5), stage("won", 0.5)]}), "#/stages/1/probability"),
        (json!({"stages": [stage("a", 0.12345)]}), "#/stages/0/probability"),
        (json!({"stages": [stage("a", 1.5)]}), "#/stages/0/probability"),
        (json!({"stages": [stage("A b", 0.5)]}), "#/stages/0/key"),
        (json!({"stages": []}), "#/stages"),
    ] {
        let refused = patch(body.clone()).await.refused(422, "validation_failed");
        assert_eq!(refused.violations().first().map(|(place, _)| *place), Some(place), "{body}");
    }
    let first = listed["data"][0]["id"].as_str().unwrap();
    app.patch(&format!("/v1/pipelines/{first}")).by(&boss).json(json!({"archived": true})).await.expect(200);
    let away = json!({"name": "x", "lead_ids": [given_sql(app).await], "pipeline_id": first});
    let refused = post(app, &boss, "/v1/deals", away).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/pipeline_id", "not_allowed")]);
}

#[tandem_tests::test(postgres)]
async fn no_deal_is_closed_in_a_currency_that_has_changed_meanwhile(app: &TestApp) {
    let (ada, sam) = (app.admin().await, app.user("sales").await);
    let deal = open(app, &sam, &given_sql(app).await).await.expect(201).id();
    let (raw, watch) = (app.database.raw().await, app.database.raw().await);
    // The closing has begun, with EUR, and waits for its lead.
    raw.execute_unprepared("BEGIN; SELECT id FROM leads FOR UPDATE").await.unwrap();
    let waiting =
        "SELECT 1 AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let change = async {
        let waiting = || Statement::from_string(DbBackend::Postgres, waiting);
        while watch.query_one_raw(waiting()).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        app.put("/v1/settings/currency").by(ada).json(json!({"currency": "GBP"})).await.expect(200);
        raw.execute_unprepared("ROLLBACK").await.unwrap();
    };
    let (closed, ()) = join(close(app, &sam, &deal, "won"), change).await;
    closed.refused(503, "unavailable");
    raw.close().await.unwrap();
    watch.close().await.unwrap();
    let missing = close(app, &sam, &deal, "won").await.refused(409, "missing_exchange_rate");
    assert_eq!(missing["missing_rate"]["to"], "GBP");
}
