//! The attempts that are promised after an acceptance, and the outcome after them.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use super::{accept, given_mql, go, handoff_of, id};

/// The clocks of a kind of a lead's hand-off, in their order.
async fn clocks(app: &TestApp, by: &User, lead: &str, kind: &str) -> Vec<Value> {
    let handoff = handoff_of(app, by, lead).await;
    let all = handoff["clocks"].as_array().unwrap().iter();
    all.filter(|clock| clock["kind"] == kind).cloned().collect()
}

async fn states(app: &TestApp, by: &User, lead: &str, kind: &str) -> Vec<String> {
    let all = clocks(app, by, lead, kind).await;
    all.iter().map(|clock| clock["state"].as_str().unwrap().to_owned()).collect()
}

async fn given_sal(app: &TestApp, marketing: &User, sales: &User) -> String {
    let lead = given_mql(app, marketing).await;
    accept(app, sales, id(&handoff_of(app, sales, &lead).await)).await.expect(200);
    lead
}

async fn call(app: &TestApp, by: &User, lead: &str, body: Value) -> String {
    let mut call = json!({"lead_id": lead, "type": "call", "direction": "outbound", "outcome": "no_answer"});
    for (name, value) in body.as_object().unwrap() {
        call[name] = value.clone();
    }
    app.post("/v1/activities").by(by).json(call).await.expect(201).id()
}

#[tandem_tests::test]
async fn five_calls_on_three_days_meet_the_promised_attempts(app: &TestApp) {
    let mia = app.user("marketing").await;
    let sam = app.user("sales").await;
    let lead = given_sal(app, &mia, &sam).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["running"]);
    for _ in 0..4 {
        call(app, &sam, &lead, json!({})).await;
    }
    app.clock.advance(24 * hours(1));
    let sam = app.login(&sam.email).await;
    let fifth = call(app, &sam, &lead, json!({})).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["running"], "on two days");
    app.clock.advance(24 * hours(1));
    let sam = app.login(&sam.email).await;
    call(app, &sam, &lead, json!({"automatic": true})).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["running"], "a machine's does not count");
    let last = call(app, &sam, &lead, json!({})).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["met"]);
    let outcome = clocks(app, &sam, &lead, "outcome").await;
    let met = clocks(app, &sam, &lead, "attempts").await;
    assert_eq!((&outcome[0]["state"], &outcome[0]["started_at"]), (&json!("running"), &met[0]["met_at"]));

    // Deleting the call takes the answer back; logging another one gives it again.
    app.delete(&format!("/v1/activities/{last}")).by(&sam).await.expect(204);
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["running"]);
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["void"]);
    app.delete(&format!("/v1/activities/{fifth}")).by(&sam).await.expect(204);
    call(app, &sam, &lead, json!({})).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["running"], "again on two days");
    call(app, &sam, &lead, json!({"direction": "inbound", "outcome": "connected"})).await;
    assert_eq!(states(app, &sam, &lead, "attempts").await, ["met"], "the lead called back");
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["void", "running"]);
    go(app, &sam, &lead, json!({"to": "nurture", "reason": "not_ready"})).await.expect(201);
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["void", "met"]);
}

#[tandem_tests::test]
async fn a_task_dated_ahead_is_an_outcome_until_its_date_passes(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_sal(app, &mia, &sam).await;
    call(app, &sam, &lead, json!({"outcome": "connected"})).await;
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["running"]);
    let due = app.clock.now().plus_millis(3 * hours(1)).to_string();
    let task = json!({"lead_id": lead, "type": "task", "subject": "Call again", "due_at": due});
    let task = app.post("/v1/activities").by(&sam).json(task).await.expect(201);
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["met"]);
    app.clock.advance(4 * hours(1));
    app.run_jobs().await;
    let sam = app.login(&sam.email).await;
    let outcomes = clocks(app, &sam, &lead, "outcome").await;
    assert_eq!((&outcomes[1]["state"], &outcomes[1]["started_at"]), (&json!("running"), &task["due_at"]));
    let later = app.clock.now().plus_millis(hours(1)).to_string();
    app.patch(&format!("/v1/activities/{}", task.id()))
        .by(&sam)
        .json(json!({"due_at": later}))
        .await
        .expect(200);
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["met", "met"]);
    let done = app.clock.now().to_string();
    app.patch(&format!("/v1/activities/{}", task.id()))
        .by(&sam)
        .json(json!({"done_at": done}))
        .await
        .expect(200);
    assert_eq!(states(app, &sam, &lead, "outcome").await, ["met", "met", "running"]);
}

#[tandem_tests::test]
async fn an_sql_meets_the_attempts_and_a_lead_given_up_too_early_breaks_them(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let qualified = given_sal(app, &mia, &sam).await;
    app.qualified(&qualified).await;
    assert_eq!(states(app, &sam, &qualified, "attempts").await, ["met"]);
    assert!(clocks(app, &sam, &qualified, "outcome").await.is_empty());
    for (reason, state) in [("no_response", "breached"), ("not_ready", "void")] {
        let lead = given_sal(app, &mia, &sam).await;
        go(app, &sam, &lead, json!({"to": "nurture", "reason": reason})).await.expect(201);
        assert_eq!(states(app, &sam, &lead, "attempts").await, [state], "{reason}");
    }
}

#[tandem_tests::test]
async fn a_broken_promise_passes_the_lead_on(app: &TestApp) {
    let mia = app.user("marketing").await;
    let (sam, eve) = (app.user("sales").await, app.user("sales").await);
    let team = json!({"name": "North", "members": [sam.id, eve.id]});
    let team = app.post("/v1/teams").by(app.admin().await).json(team).await.expect(201).id();
    let mut routing = json!({"rules": [{"name": "All", "to": {"team_id": team}}],
        "escalations": [{"clock": "review", "on": "breached", "reassign": true}]});
    let put = async |body: Value| app.put("/v1/routing").by(app.admin().await).json(body).await;
    put(routing.clone()).await.expect(200);
    routing["escalations"] = json!([{"clock": "feedback", "on": "warned", "reassign": false}]);
    let refused = put(routing).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [("#/escalations/0/clock", "not_allowed"), ("#/escalations/0/reassign", "not_allowed")]
    );

    let lead = given_mql(app, &mia).await;
    let first = handoff_of(app, &mia, &lead).await["owner_id"].clone();
    app.clock.advance(5 * 24 * hours(1));
    app.run_jobs().await;
    app.run_jobs().await;
    let admin = app.login(&app.admin().await.email).await;
    let passed = handoff_of(app, &admin, &lead).await;
    let second = passed["owner_id"].clone();
    assert!(second.is_string() && second != first, "{passed:#}");
    let review = clocks(app, &admin, &lead, "review").await;
    assert_eq!(
        (&review[0]["state"], &review[0]["owner_id"]),
        (&json!("breached"), &first),
        "whose breach it is"
    );
}
