//! Disputes: marketing disputes a rejection, somebody neutral rules, and figures, clocks and stages follow.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours};

use super::{accept, given_mql, handoff_of, id, lead_of, reject};

async fn dispute(app: &TestApp, by: &User, handoff: &str) -> Answer {
    let body = json!({"argument": "The form names a budget"});
    app.post(&format!("/v1/handoffs/{handoff}/dispute")).by(by).json(body).await
}

async fn rule(app: &TestApp, by: &User, handoff: &str, decision: &str) -> Answer {
    let body = json!({"decision": decision, "note": "It does"});
    app.post(&format!("/v1/handoffs/{handoff}/ruling")).by(by).json(body).await
}

async fn kinds_of_notices(app: &TestApp, by: &User) -> Vec<String> {
    app.get("/v1/me/notices").by(by).await.expect(200).each("kind")
}

/// A lead whose hand-off sales rejected, and the hand-off.
async fn given_rejected(app: &TestApp, marketing: &User, sales: &User) -> (String, String) {
    let lead = given_mql(app, marketing).await;
    let handoff = id(&handoff_of(app, sales, &lead).await).to_owned();
    reject(app, sales, &handoff, json!({"reason": "no_budget"})).await.expect(200);
    (lead, handoff)
}

fn clocks(handoff: &Value, kind: &str) -> Vec<String> {
    let all = handoff["clocks"].as_array().unwrap().iter();
    let own = all.filter(|clock| clock["kind"] == kind);
    own.map(|clock| clock["state"].as_str().unwrap().to_owned()).collect()
}

#[tandem_tests::test]
async fn an_overturned_rejection_goes_on_as_if_sales_had_accepted_it(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let (rae, chief, head) =
        (app.user("revops").await, app.user("sales_manager").await, app.user("marketing_manager").await);
    let (lead, handoff) = given_rejected(app, &mia, &sam).await;
    let read = handoff_of(app, &sam, &lead).await;
    assert_eq!((&read["dispute"], &read["ruling"]), (&Value::Null, &Value::Null));
    assert_eq!(clocks(&read, "feedback"), ["running"]);

    dispute(app, &sam, &handoff).await.refused(403, "wrong_role");
    rule(app, &rae, &handoff, "upheld").await.refused(409, "illegal_transition");
    let disputed = dispute(app, &mia, &handoff).await.expect(200);
    assert_eq!((&disputed["state"], &disputed["dispute"]["by"]), (&json!("disputed"), &json!(mia.id)));
    assert_eq!(clocks(&disputed.body, "feedback"), ["met"]);
    assert_eq!(dispute(app, &mia, &handoff).await.expect(200).body, disputed.body);
    let late = dispute(app, &head, &handoff).await.refused(409, "already_decided");
    assert_eq!((&late["decided_by"], &late["current"]), (&json!(mia.id), &json!("disputed")));
    assert!(kinds_of_notices(app, &rae).await.contains(&"handoff_disputed".to_owned()));
    let work = app.get("/v1/me/work").by(&rae).await.expect(200);
    assert_eq!((work.each("kind"), work.each("id")), (vec!["dispute".to_owned()], vec![handoff.clone()]));
    let moves = app.get(&format!("/v1/leads/{lead}/moves")).by(&rae).await.expect(200);
    assert_eq!(moves["data"][0]["act"]["operation_id"], "rule_on_handoff");
    let by_hand = json!({"to": "sal", "note": "x"});
    let path = format!("/v1/leads/{lead}/transitions");
    app.post(&path).by(&rae).json(by_hand).await.refused(409, "illegal_transition");

    for (by, code) in [(&mia, "wrong_role"), (&sam, "wrong_role"), (app.admin().await, "wrong_role")] {
        rule(app, by, &handoff, "overturned").await.refused(403, code);
    }
    let ruled = rule(app, &rae, &handoff, "overturned").await.expect(200);
    assert_eq!((&ruled["state"], &ruled["reason"]), (&json!("overturned"), &json!("no_budget")));
    assert_eq!(
        (&ruled["ruling"]["decision"], &ruled["ruling"]["by"], &ruled["queue"]),
        (&json!("overturned"), &json!(rae.id), &json!("general"))
    );
    assert_eq!(clocks(&ruled.body, "first_contact"), ["void", "running"]);
    assert_eq!(
        (clocks(&ruled.body, "attempts"), clocks(&ruled.body, "review").len()),
        (vec!["running".to_owned()], 1)
    );
    let read = lead_of(app, &sam, &lead).await;
    assert_eq!((&read["stage"], &read["owner_id"], &read["cycle"]), (&json!("sal"), &Value::Null, &json!(1)));
    assert_eq!(rule(app, &rae, &handoff, "overturned").await.expect(200).body, ruled.body);
    rule(app, &rae, &handoff, "upheld").await.refused(409, "already_decided");
    for by in [&chief, &head] {
        assert!(kinds_of_notices(app, by).await.contains(&"handoff_ruled".to_owned()));
    }

    // A seller of the queue takes it; a contact before the ruling does not meet the new promise, one since does.
    let eve = app.user("sales").await;
    let queued = app.get("/v1/me/work").by(&eve).await.expect(200);
    assert_eq!(queued["data"][0]["act"]["operation_id"], "assign_lead");
    let assign = format!("/v1/leads/{lead}/assign");
    app.post(&assign).by(&eve).json(json!({"owner_id": eve.id})).await.expect(200);
    let before = json!({"lead_id": lead, "type": "call", "direction": "outbound",
        "occurred_at": disputed["dispute"]["at"]});
    app.post("/v1/activities").by(&eve).json(before).await.expect(201);
    let read = handoff_of(app, &eve, &lead).await;
    assert_eq!(
        (&read["owner_id"], clocks(&read, "first_contact")),
        (&json!(eve.id), vec!["void".into(), "running".into()])
    );
    let call = json!({"lead_id": lead, "type": "call", "direction": "outbound"});
    app.post("/v1/activities").by(&eve).json(call).await.expect(201);
    assert_eq!(clocks(&handoff_of(app, &eve, &lead).await, "first_contact"), ["void", "met"]);

    let month = json!(ruled["made_at"]);
    let sla = app
        .get(&format!("/v1/reports/sla?month={}", &month.as_str().unwrap()[..7]))
        .by(&rae)
        .await
        .expect(200);
    let numbers = sla["numbers"].as_array().unwrap();
    let acceptance = numbers.iter().find(|one| one["commitment"] == "min_acceptance_rate").unwrap();
    assert_eq!(acceptance["so_far"], json!(1.0), "counted as accepted in the month of the hand-off");
    let listed = app.get("/v1/handoffs?state=overturned,upheld").by(&mia).await.expect(200);
    assert_eq!(listed.each("id"), [handoff]);
}

#[tandem_tests::test]
async fn a_dispute_holds_the_lead_back_until_it_is_ruled_on(app: &TestApp) {
    let (mia, sam, rae) = (app.user("marketing").await, app.user("sales").await, app.user("revops").await);
    let (lead, handoff) = given_rejected(app, &mia, &sam).await;
    let (_, second) = given_rejected(app, &mia, &sam).await;
    dispute(app, &mia, &second).await.expect(200);
    app.clock.advance(8 * 24 * hours(1));
    let mia = app.login(&mia.email).await;
    dispute(app, &mia, &handoff).await.refused(409, "conflict");

    app.clock.advance(6 * 24 * hours(1) + 1);
    app.run_jobs().await;
    app.run_jobs().await;
    let rae = app.login(&rae.email).await;
    let due: Vec<String> = kinds_of_notices(app, &rae).await;
    assert_eq!(due.iter().filter(|kind| *kind == "ruling_due").count(), 1, "{due:?}");
    let upheld = rule(app, &rae, &second, "upheld").await.expect(200);
    assert_eq!((&upheld["state"], clocks(&upheld.body, "attempts").len()), (&json!("upheld"), 0));
    let sam = app.login(&sam.email).await;
    assert_eq!(lead_of(app, &sam, &lead).await["stage"], "nurture");
    accept(app, &sam, &second).await.refused(409, "already_decided");
}

#[tandem_tests::test]
async fn a_form_starts_no_new_cycle_while_the_rejection_is_disputed(app: &TestApp) {
    let (mia, sam, rae) = (app.user("marketing").await, app.user("sales").await, app.user("revops").await);
    let form = json!({"name": "Demo", "service_requested": "demo", "allowed_origins": [], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
    ]});
    let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
    let path = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    let sends = async |email: &str| {
        app.post(&path).json(json!({"fields": {"email": email}})).await.expect(201);
        let found = app.get(&format!("/v1/leads?q={email}")).by(&sam).await.expect(200);
        found["data"][0].clone()
    };
    let mut leads = vec![];
    for email in ["ada@one.example", "bob@two.example"] {
        let lead = sends(email).await;
        assert_eq!((&lead["stage"], &lead["cycle"]), (&json!("mql"), &json!(1)));
        let handoff = id(&handoff_of(app, &sam, lead["id"].as_str().unwrap()).await).to_owned();
        reject(app, &sam, &handoff, json!({"reason": "no_budget"})).await.expect(200);
        leads.push((lead["id"].as_str().unwrap().to_owned(), handoff));
    }
    let [(ada, disputed), _] = &leads[..] else { panic!("two leads") };
    dispute(app, &mia, disputed).await.expect(200);
    app.clock.advance(60_000);
    assert_eq!(
        sends("bob@two.example").await["stage"],
        "mql",
        "a form that asks for a service ends the wait"
    );
    let held = sends("ada@one.example").await;
    assert_eq!(
        (&held["stage"], &held["cycle"]),
        (&json!("nurture"), &json!(1)),
        "but not of a disputed rejection"
    );
    app.run_jobs().await;
    assert_eq!(lead_of(app, &sam, ada).await["stage"], "nurture");

    // What happened meanwhile counts as soon as it is ruled on.
    rule(app, &rae, disputed, "upheld").await.expect(200);
    let read = lead_of(app, &sam, ada).await;
    assert_eq!((&read["stage"], &read["cycle"]), (&json!("mql"), &json!(2)));
}

#[tandem_tests::test]
async fn marketing_answers_rejections_and_losses(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let (lead, handoff) = given_rejected(app, &mia, &sam).await;
    let acknowledge =
        async |by: &User, body: Value| app.post("/v1/feedback/acknowledge").by(by).json(body).await;
    let body = json!({"handoff_ids": [handoff], "note": "The form asks for it now"});
    acknowledge(&sam, body.clone()).await.refused(403, "wrong_role");
    let done = acknowledge(&mia, body.clone()).await.expect(200);
    assert_eq!((&done["data"][0]["kind"], &done["data"][0]["state"]), (&json!("feedback"), &json!("met")));
    let again = acknowledge(&mia, body).await.expect(200);
    assert_eq!(again.body, done.body);
    let open = given_mql(app, &mia).await;
    let pending = id(&handoff_of(app, &sam, &open).await).to_owned();
    let refused = acknowledge(&mia, json!({"handoff_ids": [handoff, pending]})).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/handoff_ids/1", "not_found")]);
    app.post(&format!("/v1/leads/{lead}/archive")).by(app.admin().await).await.expect(200);

    // A rejection that nobody answers concerns the marketing managers; it does not keep the lead out of the archive.
    let head = app.user("marketing_manager").await;
    let (silent, _) = given_rejected(app, &mia, &sam).await;
    app.clock.advance(15 * 24 * hours(1));
    app.run_jobs().await;
    let head = app.login(&head.email).await;
    assert!(kinds_of_notices(app, &head).await.contains(&"feedback_due".to_owned()));
    let admin = app.login(&app.admin().await.email).await;
    app.post(&format!("/v1/leads/{silent}/archive")).by(&admin).await.expect(200);
}
