//! The clocks of a hand-off: whose breach an overdue one is, and in whose working hours it runs.

use serde_json::{Value, json};
use tandem_tests::{TestApp, User, hours};

use super::{accept, given_mql, go, handoff_of, id};

#[tandem_tests::test]
async fn a_promise_that_ran_out_before_the_job_looked_is_the_queues_breach(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let chief = app.user("sales_manager").await;
    let lead = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sam, &lead).await;
    app.clock.advance(7 * 24 * hours(1));
    let sam = app.login(&sam.email).await;
    let accepted = accept(app, &sam, id(&handoff)).await.expect(200);
    let [review, contact] = [&accepted["clocks"][0], &accepted["clocks"][1]];
    assert_eq!((&review["state"], &contact["state"]), (&json!("met_late"), &json!("breached")));
    for clock in [review, contact] {
        assert_eq!((&clock["owner_id"], &clock["queue"]), (&Value::Null, &json!("general")), "{clock:#}");
    }
    app.run_jobs().await;
    let chief = app.login(&chief.email).await;
    let notices = app.get("/v1/me/notices").by(&chief).await.expect(200).each("kind");
    assert_eq!(notices.iter().filter(|kind| *kind == "clock_breached").count(), 2, "{notices:?}");
    let entries =
        app.get("/v1/journal?type=clock.warned,clock.breached,clock.met").by(&sam).await.expect(200);
    let mut types = entries.each("type");
    types.sort();
    assert_eq!(types, ["clock.breached", "clock.breached", "clock.met", "clock.warned", "clock.warned"]);
}

/// A user of sales who works at weekends.
async fn given_weekender(app: &TestApp) -> User {
    let user = app.user("sales").await;
    let week = json!({"sat": [["09:00", "18:00"]], "sun": [["09:00", "18:00"]]});
    let hours = json!({"calendar": {"timezone": "UTC", "week": week, "holidays": []}});
    app.put(&format!("/v1/users/{}/availability", user.id)).by(&user).json(hours).await.expect(200);
    user
}

#[tandem_tests::test]
async fn the_working_hours_of_the_first_owner_replace_the_agreed_ones(app: &TestApp) {
    let (mia, sun) = (app.user("marketing").await, given_weekender(app).await);
    let other = app.user("sales").await;
    let contact = async |lead: &str| {
        let handoff = handoff_of(app, app.admin().await, lead).await;
        let clocks = handoff["clocks"].as_array().unwrap();
        let clock = clocks.iter().find(|clock| clock["kind"] == "first_contact").unwrap().clone();
        assert_eq!(clock["started_at"], handoff["made_at"]);
        // Each request takes a moment: to the minute.
        clock["due_at"].as_str().unwrap()[..16].to_owned()
    };
    // A working day from Monday 09:00 has run on Tuesday 09:00, or on Saturday where only weekends are worked.
    let agreed = {
        let lead = given_mql(app, &mia).await;
        contact(&lead).await
    };
    let assigned = given_mql(app, &mia).await;
    let assign = async |lead: &str, to: &User| {
        let path = format!("/v1/leads/{lead}/assign");
        app.post(&path).by(app.admin().await).json(json!({"owner_id": to.id})).await.expect(200);
    };
    assign(&assigned, &sun).await;
    let own = contact(&assigned).await;
    assert_ne!(own, agreed);
    assign(&assigned, &other).await;
    assert_eq!(contact(&assigned).await, own, "a later owner keeps the due time");

    let taken = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sun, &taken).await;
    accept(app, &sun, id(&handoff)).await.expect(200);
    assert_eq!(contact(&taken).await, own, "from the same start");

    let owned = app.given_lead("owned@example.com").await.id();
    assign(&owned, &sun).await;
    go(app, &mia, &owned, json!({"to": "mql", "note": "x"})).await.expect(201);
    assert_eq!(contact(&owned).await, own, "a lead that stays with its owner");
}
