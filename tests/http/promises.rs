//! Promises to customers: made with deals and in activities, and done after the win.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User};

use crate::deals::{close, entries_since_deal, given_sql, open, post};

async fn texts(app: &TestApp, by: &User, query: &str) -> Vec<String> {
    app.get(&format!("/v1/promises?{query}")).by(by).await.expect(200).each("text")
}

#[tandem_tests::test]
async fn a_promise_of_a_deal_is_recorded_and_done_after_the_win(app: &TestApp) {
    let [sam, other, mia] = [app.user("sales").await, app.user("sales").await, app.user("sales").await];
    let lead = given_sql(app).await;
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let path = format!("/v1/deals/{deal}/promises");
    let body = json!({"text": " Train the team ", "due_on": "2026-07-03"});
    post(app, &other, &path, body.clone()).await.refused(403, "not_owner");
    let blank = post(app, &sam, &path, json!({"text": "  "})).await.refused(422, "validation_failed");
    assert_eq!(blank["errors"][0]["pointer"], "#/text");
    let early = json!({"text": "x", "done_at": "2030-01-01T00:00:00Z"});
    let early = post(app, &sam, &path, early).await.refused(422, "validation_failed");
    assert_eq!(early.violations(), [("#/done_at", "out_of_range")]);
    let made = post(app, &sam, &path, body).await.expect(201);
    assert_eq!(made.header("location"), Some(format!("/v1/promises/{}", made.id()).as_str()));
    assert_eq!(
        (&made["text"], &made["due_on"], &made["done_at"], &made["source"]),
        (&json!("Train the team"), &json!("2026-07-03"), &Value::Null, &json!("deal"))
    );
    assert_eq!((&made["deal_id"], &made["lead_id"]), (&json!(deal), &json!(lead)));
    close(app, &sam, &deal, "won").await.expect(200);
    post(app, &sam, &path, json!({"text": "Send a cake"})).await.expect(201);
    assert_eq!(texts(app, &mia, &format!("deal_id={deal}")).await, ["Train the team", "Send a cake"]);

    let one = format!("/v1/promises/{}", made.id());
    app.patch(&one)
        .by(app.user("revops").await)
        .json(json!({"due_on": null}))
        .await
        .refused(403, "wrong_role");
    let done = app.patch(&one).by(&mia).json(json!({"done_at": app.clock.now()})).await.expect(200);
    assert!(done["done_at"].is_string());
    assert_eq!(app.get(&one).by(&mia).await.expect(200).body, done.body);
    assert_eq!(texts(app, &mia, &format!("lead_id={lead}&done=true")).await, ["Train the team"]);
    assert_eq!(texts(app, &mia, &format!("lead_id={lead}&done=false")).await, ["Send a cake"]);
    let gone = app.patch(&one).by(&mia).json(json!({"archived": true})).await.expect(200);
    assert!(gone["archived_at"].is_string());
    assert_eq!(texts(app, &mia, &format!("deal_id={deal}")).await, ["Send a cake"]);
    let entries = entries_since_deal(app, &lead).await;
    let entries: Vec<&str> =
        entries.iter().map(String::as_str).filter(|kind| kind.starts_with("promise.")).collect();
    assert_eq!(entries, ["promise.created", "promise.created", "promise.updated", "promise.updated"]);
}

#[tandem_tests::test]
async fn what_an_activity_promises_is_recorded_and_follows_it(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_sql(app).await;
    let call = json!({
        "lead_id": lead, "type": "call", "direction": "outbound", "external_id": {"system": "dialer", "id": "1"},
        "promises": [{"text": "Send the case study"}, {"text": "Call again", "due_on": "2026-03-09"}],
    });
    let call_id = post(app, &sam, "/v1/activities", call.clone()).await.expect(201).id();
    let list = format!("/v1/promises?lead_id={lead}");
    let found = app.get(&list).by(&sam).await.expect(200);
    assert_eq!(found.each("text"), ["Send the case study", "Call again"]);
    assert_eq!(found.each("activity_id"), [call_id.as_str(), call_id.as_str()]);
    assert_eq!(
        (&found["data"][0]["source"], &found["data"][1]["due_on"]),
        (&json!("activity"), &json!("2026-03-09"))
    );
    let first = format!("/v1/promises/{}", found.each("id").remove(0));
    let refused = app.patch(&first).by(&sam).json(json!({"text": "Send nothing", "archived": true})).await;
    let refused = refused.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/archived", "not_allowed"), ("#/text", "not_allowed")]);
    app.patch(&first).by(&sam).json(json!({"done_at": app.clock.now()})).await.expect(200);

    let again = post(app, &sam, "/v1/activities", call).await.expect(200);
    assert_eq!(again.id(), call_id);
    assert_eq!(app.get(&list).by(&sam).await.expect(200).each("id"), found.each("id"), "nothing is doubled");
    let path = format!("/v1/activities/{call_id}");
    let patch = json!({"promises": [{"text": "Send the case study"}, {"text": "Send a price"}]});
    app.patch(&path).by(&sam).json(patch).await.expect(200);
    let left = app.get(&list).by(&sam).await.expect(200);
    assert_eq!(left.each("text"), ["Send the case study", "Send a price"]);
    assert!(left["data"][0]["done_at"].is_string(), "what was done stays done");
    app.delete(&path).by(&sam).await.expect(204);
    assert_eq!(app.get(&list).by(&sam).await.expect(200)["data"], json!([]));
}
