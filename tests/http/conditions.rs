//! The language of conditions over HTTP: what makes an MQL beside fields and events, and points that decay.

use serde_json::{Value, json};
use tandem_tests::{TestApp, hours};

use crate::agreement::agree;
use crate::consent::given_purposes;
use crate::tracked::{lead, reader};

const DAY: i64 = 24 * hours(1);

/// Agree on what makes an MQL; everybody is a fit and nothing more is required.
async fn given_rule(app: &TestApp, when: Value) {
    agree(app, |document| {
        document["icp"] = json!({"all": []});
        document["stages"]["mql"] = json!({"when": when});
    })
    .await;
}

async fn stage(app: &TestApp, email: &str) -> String {
    lead(app, email).await["stage"].as_str().unwrap().to_owned()
}

#[tandem_tests::test]
async fn activities_touches_and_consent_make_mqls_at_once(app: &TestApp) {
    let connected = json!([{"property": "outcome", "op": "eq", "value": "connected"}]);
    given_purposes(app).await;
    given_rule(
        app,
        json!({"any": [
            {"event": "activity.call", "where": connected, "within": "7d"},
            {"touch": "any", "where": [{"property": "source", "op": "matches", "value": "^part(ner|ie)"}]},
            {"consent": "calls"},
        ]}),
    )
    .await;
    let id = app.given_lead("a@example.com").await.id();
    let rep = app.user("sales").await;
    for (outcome, expected) in [("no_answer", "lead"), ("connected", "mql")] {
        let call = json!({"lead_id": id, "type": "call", "direction": "outbound", "outcome": outcome});
        app.post("/v1/activities").by(&rep).json(call).await.expect(201);
        assert_eq!(stage(app, "a@example.com").await, expected);
    }
    let moves = app.get(&format!("/v1/leads/{id}/transitions")).by(&rep).await.expect(200);
    let mql = moves["data"].as_array().unwrap().iter().find(|one| one["to"] == "mql").unwrap();
    assert_eq!(mql["evidence"][0]["kind"], "activities", "{mql}");
    assert_eq!(mql["evidence"][0]["activity_ids"].as_array().unwrap().len(), 1, "{mql}");

    app.given_lead("b@example.com").await;
    for (source, expected) in [("portal", "lead"), ("Partner-Web", "mql")] {
        let touch = json!({"lead": {"email": "b@example.com"}, "source": source, "channel": "referral"});
        app.post("/v1/touches").by(&reader(app).await).json(touch).await.expect(201);
        assert_eq!(stage(app, "b@example.com").await, expected);
    }
    // The first request of all may decide already.
    let body = json!({"email": "c@example.com", "consents": [{"purpose": "calls", "granted": true}]});
    let created = app.post("/v1/leads").by(&reader(app).await).json(body).await.expect(201);
    assert_eq!(created["stage"], "mql");
}

#[tandem_tests::test]
async fn a_lead_that_stays_in_a_stage_becomes_an_mql_in_time(app: &TestApp) {
    given_rule(app, json!({"in_stage": "lead", "for": "2d"})).await;
    app.given_lead("a@example.com").await;
    app.clock.advance(2 * DAY - 1);
    app.run_jobs().await;
    assert_eq!(stage(app, "a@example.com").await, "lead");
    app.clock.advance(1);
    app.run_jobs().await;
    assert_eq!(stage(app, "a@example.com").await, "mql");
}

#[tandem_tests::test]
async fn points_decay_by_the_hour_and_a_side_is_never_below_0(app: &TestApp) {
    agree(app, |document| {
        document["scoring"]["engagement"]["rules"] = json!([
            {"id": "used", "label": "Used", "event": "product_usage", "points": 10, "half_life": "1d", "within": "30d"},
            {"id": "left", "label": "Left", "event": "email_unsubscribe", "points": -20, "within": "7d"},
        ]);
    })
    .await;
    app.given_lead("a@example.com").await;
    let send = async |kind: &str| {
        let event = json!({"type": kind, "lead": {"email": "a@example.com"}});
        let events = json!({"events": [event]});
        app.post("/v1/events").by(&reader(app).await).json(events).await.expect(200);
    };
    send("product_usage").await;
    assert_eq!(lead(app, "a@example.com").await["score"]["engagement"], 10);
    for (days, points) in [(1, 5), (2, 2), (3, 1), (4, 0)] {
        app.clock.advance(DAY);
        app.run_jobs().await;
        assert_eq!(lead(app, "a@example.com").await["score"]["engagement"], points, "after {days} days");
    }
    send("email_unsubscribe").await;
    let id = lead(app, "a@example.com").await.id();
    let score = app.get(&format!("/v1/leads/{id}/score")).by(&reader(app).await).await.expect(200);
    assert_eq!(score["exact"]["engagement"], 0);
    let floor = score["contributions"].as_array().unwrap().iter().find(|one| one["kind"] == "floor");
    assert_eq!(floor.unwrap()["points"], 19.375);
}
