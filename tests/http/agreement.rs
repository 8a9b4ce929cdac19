//! The agreement over HTTP: putting a document in force, its versions, and what must stay for it.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User};

/// The document in force.
pub async fn document(app: &TestApp) -> Value {
    let by = app.login("admin@example.com").await;
    app.get("/v1/agreements/current").by(&by).await.expect(200)["document"].clone()
}

/// Put a changed document in force.
pub async fn agree(app: &TestApp, change: impl FnOnce(&mut Value)) -> Answer {
    app.admin().await;
    let mut document = document(app).await;
    change(&mut document);
    let by = app.login("admin@example.com").await;
    put(app, &by, document).await.expect(200)
}

async fn put(app: &TestApp, by: &User, document: Value) -> Answer {
    app.put("/v1/agreements/current").by(by).json(json!({"document": document})).await
}

#[tandem_tests::test]
async fn a_document_is_put_in_force_by_revops_as_the_next_version(app: &TestApp) {
    let revops = app.user("revops").await;
    let first = app.get("/v1/agreements/current").by(&revops).await.expect(200);
    assert_eq!((&first["version"], &first["state"]), (&json!(1), &json!("provisional")));
    assert_eq!((&first["created_by"], &first["rejudging"]), (&Value::Null, &Value::Null));

    let mut document = first["document"].clone();
    document["stages"]["mql"]["required_fields"] = json!(["country"]);
    document["commitments"]["sales"]["review_within"] = json!("24h");
    let put_in_force = put(app, &revops, document.clone()).await.expect(200);
    let second = &put_in_force["agreement"];
    assert_eq!((&second["version"], &second["state"]), (&json!(2), &json!("provisional")));
    assert_eq!((&second["based_on"], &second["created_by"]), (&json!(1), &json!(revops.id)));
    assert_eq!(second["document"], document);
    let warning = &put_in_force["warnings"][0];
    assert_eq!(warning["pointer"], "#/document/commitments/sales/review_within");
    assert_eq!(put_in_force["warnings"].as_array().unwrap().len(), 1, "{}", put_in_force.text);

    let current = app.get("/v1/agreements/current").by(&revops).await.expect(200);
    assert_eq!(current["version"], 2);
    let known = app.get("/v1/agreements/1").by(&revops).await.expect(200);
    assert_eq!((&known["state"], &known["superseded_at"]), (&json!("superseded"), &second["in_force_from"]));
    assert_eq!(known["document"], first["document"]);
    app.get("/v1/agreements/3").by(&revops).await.refused(404, "not_found");

    let again = put(app, &revops, document).await.expect(200);
    assert_eq!(again["agreement"]["version"], 2, "the document in force again is no new version");
    let page = app.get("/v1/agreements?limit=1").by(&revops).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = app.get(&format!("/v1/agreements?limit=1&cursor={cursor}")).by(&revops).await.expect(200);
    assert_eq!((&page["data"][0]["version"], &rest["data"][0]["version"]), (&json!(2), &json!(1)));
    assert_eq!(rest["has_more"], false);

    let changes =
        app.get("/v1/journal?type=agreement.came_into_force").by(app.admin().await).await.expect(200);
    assert_eq!(changes["data"].as_array().unwrap().len(), 1);
    assert_eq!(changes["data"][0]["data"]["version"], 2);
}

#[tandem_tests::test]
async fn only_revops_and_admins_put_a_document_in_force(app: &TestApp) {
    app.admin().await;
    let document = document(app).await;
    for role in ["marketing_manager", "sales_manager"] {
        put(app, &app.user(role).await, document.clone()).await.refused(403, "wrong_role");
    }
    put(app, &app.user("sales").await, document.clone()).await.refused(403, "insufficient_scope");
    let key = app.key(&["agreements:read", "agreements:write"]).await;
    let body = json!({"document": document});
    let by_key = async |person: Option<&User>| {
        let mut request = app.put("/v1/agreements/current").by(&key);
        if let Some(person) = person {
            request = request.header("x-on-behalf-of", &person.id);
        }
        request.json(body.clone()).await
    };
    by_key(None).await.refused(403, "wrong_role");
    by_key(Some(&app.user("revops").await)).await.expect(200);
}

#[tandem_tests::test]
async fn every_fault_of_a_document_is_refused_at_once(app: &TestApp) {
    let revops = app.user("revops").await;
    let mut document = document(app).await;
    document["icp"] = json!({"field": "shoe_size", "op": "gte", "value": 40});
    document["stages"]["mql"]["when"] = json!({"all": [
        {"segment": "seg_1"},
        {"form": "form_01h455vb4pex5vsknk084sn02q"},
        {"event": "page_view", "within": "500d"},
    ]});
    document["scoring"]["engagement"]["rules"][0]["half_life"] = json!("401d");
    document["scoring"]["fit"]["rules"][0]["points"] = json!(-20_000);
    document["reasons"]["rejection"].as_array_mut().unwrap().remove(0);
    document["calendar"]["timezone"] = json!("Europe/Atlantis");
    document["color"] = json!("red");
    let refused = put(app, &revops, document).await.refused(422, "validation_failed");
    let mut errors: Vec<(String, String)> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            (text("pointer"), text("code"))
        })
        .collect();
    errors.sort();
    let expected = [
        ("#/document/calendar/timezone", "invalid_format"),
        ("#/document/color", "unknown_field"),
        ("#/document/icp/field", "not_allowed"),
        ("#/document/reasons/rejection", "required"),
        ("#/document/scoring/engagement/rules/0/half_life", "invalid_format"),
        ("#/document/scoring/fit/rules/0/points", "out_of_range"),
        ("#/document/stages/mql/when/all/0/segment", "unknown_reference"),
        ("#/document/stages/mql/when/all/1/form", "unknown_reference"),
        ("#/document/stages/mql/when/all/2/within", "invalid_format"),
    ];
    let expected: Vec<_> = expected.map(|(at, code)| (at.to_owned(), code.to_owned())).into();
    assert_eq!(errors, expected);
    put(app, &revops, json!("nothing")).await.refused(422, "validation_failed");
    put(app, &revops, json!({})).await.refused(422, "validation_failed");
    assert_eq!(app.get("/v1/agreements/current").by(&revops).await.expect(200)["version"], 1);
}

#[tandem_tests::test]
async fn settings_that_the_agreement_relies_on_stay(app: &TestApp) {
    let admin = app.admin().await;
    let fields = json!({"fields": [{"name": "fleet", "label": "Fleet", "type": "integer"}]});
    app.put("/v1/settings/custom-fields").by(admin).json(fields).await.expect(200);
    agree(app, |document| {
        document["icp"] = json!({"all": [
            {"field": "custom.fleet", "op": "gte", "value": 5},
            {"field": "budget", "op": "gte", "value": {"amount": 100, "currency": "EUR"}},
        ]});
    })
    .await;
    let none = json!({"fields": []});
    app.put("/v1/settings/custom-fields").by(admin).json(none).await.refused(422, "validation_failed");
    let dollars = json!({"currency": "USD"});
    app.put("/v1/settings/currency").by(admin).json(dollars).await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn the_first_working_hours_follow_the_company_until_somebody_writes_others(app: &TestApp) {
    let admin = app.admin().await;
    let zone = async || document(app).await["calendar"]["timezone"].clone();
    assert_eq!(zone().await, "UTC");
    let rome = json!({"name": "Example", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(admin).json(rome).await.expect(200);
    assert_eq!(zone().await, "Europe/Rome");
    agree(app, |document| document["calendar"]["timezone"] = json!("Europe/Paris")).await;
    let london = json!({"name": "Example", "timezone": "Europe/London"});
    app.put("/v1/settings/company").by(admin).json(london).await.expect(200);
    assert_eq!(zone().await, "Europe/Paris");
}
