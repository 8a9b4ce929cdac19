//! Segments: leads enter and leave them in the transaction that causes it, or when a window ends.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours, seconds};

use crate::agreement::agree;
use crate::tracked::reader;

const DAY: i64 = 24 * hours(1);

async fn given_segment(app: &TestApp, by: &User, when: Value) -> String {
    let body = json!({"name": "Segment", "when": when});
    let made = app.post("/v1/segments").by(by).json(body).await.expect(201);
    app.run_jobs().await;
    made.id()
}

async fn members(app: &TestApp, segment: &str) -> Vec<String> {
    let by = reader(app).await;
    let page = app.get(&format!("/v1/leads?segment={segment}&sort=id")).by(&by).await.expect(200);
    let read = app.get(&format!("/v1/segments/{segment}")).by(&by).await.expect(200);
    let emails = page.each("email");
    assert_eq!((&read["members"], &read["rejudging"]), (&json!(emails.len()), &Value::Null));
    emails
}

#[tandem_tests::test]
async fn leads_enter_and_leave_a_segment_when_something_happens_and_when_time_passes(app: &TestApp) {
    let by = app.admin().await;
    app.given_lead("ada@factory.example").await;
    let bob = app.given_lead("bob@factory.example").await.id();
    let when = json!({"all": [
        {"field": "country", "op": "eq", "value": "IT"},
        {"event": "download", "within": "10d"},
    ]});
    let segment = given_segment(app, by, when).await;
    assert_eq!(members(app, &segment).await, Vec::<String>::new());

    let path = format!("/v1/leads/{bob}");
    app.patch(&path).by(by).json(json!({"country": "IT"})).await.expect(200);
    let event = json!({"events": [{"type": "download", "lead": {"id": bob}}]});
    app.post("/v1/events").by(by).json(event).await.expect(200);
    assert_eq!(members(app, &segment).await, ["bob@factory.example"], "at once");

    app.clock.advance(10 * DAY + seconds(1));
    app.run_jobs().await;
    assert_eq!(members(app, &segment).await, Vec::<String>::new(), "the window has ended");
    let admin = reader(app).await;
    let entries = app.get("/v1/journal?type=lead.segments_changed").by(&admin).await.expect(200);
    let data: Vec<&Value> = entries["data"].as_array().unwrap().iter().map(|entry| &entry["data"]).collect();
    assert_eq!(
        data,
        [&json!({"entered": [], "left": [segment]}), &json!({"entered": [segment], "left": []}),]
    );
}

#[tandem_tests::test]
async fn another_condition_and_the_archive_judge_everybody_again(app: &TestApp) {
    let by = app.admin().await;
    for email in ["ada@factory.example", "bob@gmail.com"] {
        app.given_lead(email).await;
    }
    let free = |is_free: bool| json!({"field": "email.is_free", "op": "eq", "value": is_free});
    let segment = given_segment(app, by, free(true)).await;
    assert_eq!(members(app, &segment).await, ["bob@gmail.com"]);
    let path = format!("/v1/segments/{segment}");
    let patched = app.patch(&path).by(by).json(json!({"when": null})).await;
    assert_eq!(patched.status, 422, "{}", patched.text);
    let changed = app.patch(&path).by(by).json(json!({"name": "Firms", "when": {"value": false}})).await;
    assert_eq!(changed.expect(200)["rejudging"], json!({"total": 2, "done": 0}));
    app.run_jobs().await;
    assert_eq!(members(app, &segment).await, ["ada@factory.example"]);
    app.patch(&path).by(by).json(json!({"archived": true})).await.expect(200);
    app.run_jobs().await;
    assert_eq!(members(app, &segment).await, Vec::<String>::new());
    app.patch(&path).by(by).json(json!({"archived": false})).await.expect(200);
    app.run_jobs().await;
    assert_eq!(members(app, &segment).await, ["ada@factory.example"]);
}

#[tandem_tests::test]
async fn the_agreement_may_name_segments_and_they_may_name_the_stage_and_the_score(app: &TestApp) {
    let by = app.admin().await;
    let firms = json!({"all": [
        {"score": "fit", "op": "gte", "value": 15},
        {"event": "product_signup", "within": "30d"},
    ]});
    let firms = given_segment(app, by, firms).await;
    let handed_over = given_segment(app, by, json!({"in_stage": "mql"})).await;
    agree(app, |document| document["stages"]["mql"]["when"] = json!({"segment": firms})).await;
    let lead = app.given_lead("ada@factory.example").await.id();
    app.run_jobs().await;
    let event = json!({"events": [{"type": "product_signup", "lead": {"id": lead}}]});
    app.post("/v1/events").by(&reader(app).await).json(event).await.expect(200);
    let moved = app.get(&format!("/v1/leads/{lead}")).by(&reader(app).await).await.expect(200);
    assert_eq!(moved["stage"], "mql");
    assert_eq!(members(app, &firms).await, ["ada@factory.example"]);
    assert_eq!(members(app, &handed_over).await, ["ada@factory.example"], "in the same transaction");
    let path = format!("/v1/leads/{lead}/transitions");
    let moves = app.get(&path).by(&reader(app).await).await.expect(200);
    let evidence = &moves["data"].as_array().unwrap().last().unwrap()["evidence"];
    assert_eq!(*evidence, json!([{"kind": "segment", "segment_id": firms, "is_member": true}]));

    let archive = json!({"archived": true});
    let path = format!("/v1/segments/{firms}");
    app.patch(&path).by(&reader(app).await).json(archive).await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn what_a_segment_may_not_say_is_refused(app: &TestApp) {
    let by = app.admin().await;
    let segment = given_segment(app, by, json!({"field": "phone", "op": "exists"})).await;
    for (when, at, code) in [
        (json!({"segment": segment}), "#/when/segment", "not_allowed"),
        (json!({"consent": "undeclared"}), "#/when/consent", "unknown_reference"),
        (json!({"field": "shoe_size", "op": "exists"}), "#/when/field", "not_allowed"),
    ] {
        let body = json!({"name": "Segment", "when": when});
        let refused = app.post("/v1/segments").by(by).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(at, code)]);
    }
    // A purpose that a segment names must stay declared.
    given_segment(app, by, json!({"consent": "marketing_email"})).await;
    let none = json!({"purposes": []});
    let refused = app.put("/v1/settings/consent-purposes").by(by).json(none).await;
    assert_eq!(refused.violations(), [("#/purposes", "not_allowed")], "{}", refused.text);
    let body = json!({"name": "Segment", "when": {"all": []}});
    app.post("/v1/segments").by(&app.user("sales").await).json(body).await.refused(403, "insufficient_scope");
}
