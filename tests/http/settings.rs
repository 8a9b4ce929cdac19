//! Settings: the company and the custom fields it declares.

use serde_json::{Value, json};
use tandem_tests::TestApp;

fn field(name: &str, kind: &str) -> Value {
    json!({"name": name, "label": name, "type": kind})
}

#[tandem_tests::test]
async fn the_company_is_changed_on_the_version_that_was_read(app: &TestApp) {
    let ada = app.admin().await;
    let path = "/v1/settings/company";
    let before = app.get(path).by(&app.user("viewer").await).await.expect(200);
    assert_eq!(before["timezone"], "UTC");
    let put = |tag: &str, zone: &str| {
        app.put(path).by(ada).header("if-match", tag).json(json!({"name": "Example Ltd", "timezone": zone}))
    };
    let changed = put(before.etag(), "Europe/Rome").await.expect(200);
    put(before.etag(), "Asia/Tokyo").await.refused(412, "stale");
    assert_eq!(put(changed.etag(), "Europe/Rome").await.expect(200).etag(), changed.etag());
    let refused = put("*", "Rome").await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/timezone", "invalid_format")]);
    app.get(path).by(ada).header("if-none-match", changed.etag()).await.expect(304);
    let by = app.user("revops").await;
    app.put(path)
        .by(&by)
        .json(json!({"name": "x", "timezone": "UTC"}))
        .await
        .refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn custom_fields_are_declared_before_they_are_filled(app: &TestApp) {
    let ada = app.admin().await;
    let lead = |custom: Value| {
        app.post("/v1/leads").by(ada).json(json!({"email": "ada@example.com", "custom": custom}))
    };
    assert_eq!(
        lead(json!({"segment": "x"})).await.refused(422, "validation_failed").violations(),
        [("#/custom/segment", "unknown_field")]
    );

    let mut choice = field("segment", "choice");
    choice["options"] = json!(["home", "garden"]);
    let fields = json!([
        choice,
        field("size", "integer"),
        field("ratio", "number"),
        field("vip", "boolean"),
        field("since", "date"),
        field("memo", "text")
    ]);
    app.put("/v1/settings/custom-fields").by(ada).json(json!({"fields": fields})).await.expect(200);
    let full = json!({"segment": "home", "size": 9_007_199_254_740_991_i64, "ratio": 0.5, "vip": true, "since": "2026-02-28", "memo": "ü"});
    assert_eq!(lead(full.clone()).await.expect(201)["custom"], full);
    let wrong =
        json!({"segment": "moon", "size": 1.5, "ratio": "x", "vip": "yes", "since": "2026-02-30", "memo": 1});
    let refused = lead(wrong).await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().into_iter().map(|(place, _)| place).collect();
    assert_eq!(
        places,
        [
            "#/custom/memo",
            "#/custom/ratio",
            "#/custom/segment",
            "#/custom/since",
            "#/custom/size",
            "#/custom/vip"
        ]
    );
    assert_eq!(lead(json!({"vip": null})).await.expect(200)["custom"].get("vip"), None);
}

#[tandem_tests::test]
async fn the_type_of_a_custom_field_stays(app: &TestApp) {
    let ada = app.admin().await;
    let declare =
        |fields: Value| app.put("/v1/settings/custom-fields").by(ada).json(json!({"fields": fields}));
    declare(json!([field("size", "integer")])).await.expect(200);
    let refused = declare(json!([field("size", "text")])).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/fields/0", "not_allowed")]);
    declare(json!([field("a", "text"), field("a", "text")])).await.refused(422, "validation_failed");
    declare(json!([field("a", "choice")])).await.refused(422, "validation_failed");
    declare(json!([field("A b", "text")])).await.refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn costs_are_stated_by_month_and_by_managers(app: &TestApp) {
    let (chief, rep) = (app.user("sales_manager").await, app.user("sales").await);
    let path = "/v1/settings/costs";
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let costs = |month: &str, marketing: Value, sales: Value| json!({"month": month, "marketing": marketing, "sales": sales});
    let first = app.put(path).by(&chief).json(costs("2026-02", eur(5), eur(7))).await.expect(200);
    assert_eq!(first["months"], json!([costs("2026-02", eur(5), eur(7))]));
    let key = app.key(&["costs:write", "settings:read"]).await;
    app.put(path).by(&key).json(costs("2026-01", eur(1), Value::Null)).await.expect(200);
    let tag = first.header("etag").unwrap();
    let stale = costs("2026-02", eur(9), eur(9));
    app.put(path).by(&chief).header("if-match", tag).json(stale).await.refused(412, "stale");
    app.put(path).by(&rep).json(costs("2026-02", eur(9), eur(9))).await.refused(403, "insufficient_scope");
    let known = app.get(path).by(&rep).await.expect(200);
    assert_eq!(
        known["months"],
        json!([costs("2026-01", eur(1), Value::Null), costs("2026-02", eur(5), eur(7))])
    );
    let gone = app.put(path).by(&chief).json(costs("2026-01", Value::Null, Value::Null)).await.expect(200);
    assert_eq!(gone["months"].as_array().unwrap().len(), 1);
    for (wrong, at) in [
        (costs("2026-13", eur(1), eur(1)), "#/month"),
        (costs("0000-01", eur(1), eur(1)), "#/month"),
        (costs("2026-02", eur(-1), eur(1)), "#/marketing/amount"),
        (json!({"month": "2026-02", "marketing": eur(1)}), "#/sales"),
    ] {
        let refused = app.put(path).by(&chief).json(wrong).await.refused(422, "validation_failed");
        assert_eq!(refused.violations()[0].0, at);
    }
}

#[tandem_tests::test]
async fn reports_take_their_smallest_sample_from_the_setting(app: &TestApp) {
    let path = "/v1/settings/reports";
    let fresh = app.get(path).by(app.admin().await).await.expect(200);
    assert_eq!(fresh.body, json!({"margin": 1.0, "min_sample": 30}));
    let chief = app.user("marketing_manager").await;
    app.put(path).by(&chief).json(json!({"margin": 0.5, "min_sample": 2})).await.expect(200);
    for report in ["funnel", "kpis", "rejections", "response-times", "sla"] {
        let shown = app.get(&format!("/v1/reports/{report}")).by(&chief).await.expect(200);
        assert_eq!(shown["min_sample"], 2, "{report}");
        let shown = app.get(&format!("/v1/reports/{report}?min_sample=3")).by(&chief).await.expect(200);
        assert_eq!(shown["min_sample"], 3, "{report}");
    }
    let refused =
        app.put(path).by(&chief).json(json!({"margin": 1.5})).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/margin", "out_of_range")]);
}
