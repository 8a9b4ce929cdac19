//! Hand-offs: an MQL goes to sales with its packet, waits in a queue or has an owner, and is accepted or rejected.

mod attempts;
mod clocks;
mod disputes;
mod packet;
mod qualification;
mod whole_story;

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

async fn go(app: &TestApp, by: &User, lead: &str, body: Value) -> Answer {
    app.post(&format!("/v1/leads/{lead}/transitions")).by(by).json(body).await
}

/// A lead that marketing made an MQL by hand, of a company of its own: it joins nobody's work.
async fn given_mql(app: &TestApp, by: &User) -> String {
    let lead = app.given_lead(&format!("lead@firm{}.example", app.next())).await.id();
    go(app, by, &lead, json!({"to": "mql", "note": "asked for a demo"})).await.expect(201);
    lead
}

/// The one hand-off of a lead.
async fn handoff_of(app: &TestApp, by: &User, lead: &str) -> Value {
    let list = app.get(&format!("/v1/handoffs?lead_id={lead}")).by(by).await.expect(200);
    let data = list["data"].as_array().unwrap();
    assert_eq!(data.len(), 1, "{}", list.text);
    data[0].clone()
}

fn id(handoff: &Value) -> &str {
    handoff["id"].as_str().unwrap()
}

async fn accept(app: &TestApp, by: &User, handoff: &str) -> Answer {
    app.post(&format!("/v1/handoffs/{handoff}/accept")).by(by).json(json!({})).await
}

async fn reject(app: &TestApp, by: &User, handoff: &str, body: Value) -> Answer {
    app.post(&format!("/v1/handoffs/{handoff}/reject")).by(by).json(body).await
}

async fn lead_of(app: &TestApp, by: &User, lead: &str) -> Answer {
    app.get(&format!("/v1/leads/{lead}")).by(by).await.expect(200)
}

#[tandem_tests::test]
async fn an_mql_waits_in_the_general_queue_until_sales_accepts_it(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_mql(app, &mia).await;

    let handoff = handoff_of(app, &sam, &lead).await;
    assert_eq!(
        (&handoff["state"], &handoff["queue"], &handoff["owner_id"], &handoff["made_by"]),
        (&json!("pending"), &json!("general"), &Value::Null, &json!("user"))
    );
    assert_eq!((&handoff["made_by_user_id"], &handoff["self_sourced"]), (&json!(mia.id), &json!(false)));
    let kinds: Vec<&Value> =
        handoff["clocks"].as_array().unwrap().iter().map(|clock| &clock["kind"]).collect();
    assert_eq!(kinds, ["review", "first_contact"]);
    assert_eq!(handoff["due_at"], handoff["clocks"][0]["due_at"]);

    app.clock.advance(minutes(5));
    let accepted = accept(app, &sam, id(&handoff)).await.expect(200);
    assert_eq!(
        (&accepted["state"], &accepted["owner_id"], &accepted["queue"], &accepted["decided_by"]),
        (&json!("accepted"), &json!(sam.id), &Value::Null, &json!(sam.id))
    );
    let clocks = &accepted["clocks"];
    assert_eq!((&clocks[0]["state"], &clocks[1]["state"]), (&json!("met"), &json!("running")));
    assert_eq!((&clocks[0]["met_at"], &clocks[1]["owner_id"]), (&accepted["decided_at"], &json!(sam.id)));
    let read = lead_of(app, &sam, &lead).await;
    assert_eq!((&read["stage"], &read["owner_id"]), (&json!("sal"), &json!(sam.id)));

    let again = accept(app, &sam, id(&handoff)).await.expect(200);
    assert_eq!(again.body, accepted.body, "the same decision again is answered alike");
    let eve = app.user("sales").await;
    let late = accept(app, &eve, id(&handoff)).await.refused(409, "already_decided");
    assert_eq!((&late["decided_by"], &late["decided_at"]), (&json!(sam.id), &accepted["decided_at"]));
    let late = reject(app, &eve, id(&handoff), json!({"reason": "no_budget"})).await;
    assert_eq!(late.refused(409, "already_decided")["current"], "accepted");

    let timeline = app.get(&format!("/v1/leads/{lead}/timeline?limit=200")).by(&sam).await.expect(200);
    let types: Vec<String> = timeline.each("type").into_iter().rev().collect();
    assert_eq!(
        types[1..],
        [
            "lead.stage_changed",
            "handoff.created",
            "handoff.queued",
            "clock.started",
            "clock.started",
            "lead.stage_changed",
            "handoff.accepted",
            "clock.met",
            "clock.started"
        ]
    );
}

#[tandem_tests::test]
async fn a_rejection_sends_the_lead_where_its_reason_leads(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    for (reason, stage, body) in [
        ("no_budget", "nurture", json!({})),
        ("not_a_fit", "disqualified", json!({})),
        ("other", "nurture", json!({"note": "moves to another city"})),
        ("not_ready", "nurture", json!({"until": "2026-09-01T00:00:00Z"})),
    ] {
        let lead = given_mql(app, &mia).await;
        let handoff = handoff_of(app, &sam, &lead).await;
        let mut body = body;
        body["reason"] = json!(reason);
        let rejected = reject(app, &sam, id(&handoff), body.clone()).await.expect(200);
        assert_eq!(
            (&rejected["state"], &rejected["reason"], &rejected["decided_by"], &rejected["queue"]),
            (&json!("rejected"), &json!(reason), &json!(sam.id), &Value::Null)
        );
        assert_eq!(rejected["note"], body["note"]);
        let clocks = &rejected["clocks"];
        assert_eq!((&clocks[0]["state"], &clocks[1]["state"]), (&json!("met"), &json!("void")));
        assert_eq!(clocks[1]["void_reason"], "left_stage");
        let read = lead_of(app, &sam, &lead).await;
        assert_eq!((&read["stage"], &read["owner_id"]), (&json!(stage), &Value::Null));
        if let Some(until) = body.get("until") {
            assert_eq!(read["nurture_until"].as_str().unwrap()[..10], until.as_str().unwrap()[..10]);
        }
        let again = reject(app, &sam, id(&handoff), body).await.expect(200);
        assert_eq!(again.body, rejected.body);
    }
}

#[tandem_tests::test]
async fn what_a_reason_requires_must_come_with_it(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sam, &lead).await;
    let refused = reject(app, &sam, id(&handoff), json!({"reason": "other"})).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/note", "required")]);
    let refused = reject(app, &sam, id(&handoff), json!({"reason": "spam"})).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/reason", "not_allowed")]);
    let until = json!({"reason": "not_a_fit", "until": "2026-09-01T00:00:00Z"});
    let refused = reject(app, &sam, id(&handoff), until).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/until", "not_allowed")]);
    let past = json!({"reason": "no_budget", "until": "2020-01-01T00:00:00Z"});
    let refused = reject(app, &sam, id(&handoff), past).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/until", "out_of_range")]);
    assert_eq!(handoff_of(app, &sam, &lead).await, handoff, "nothing was done");
}

#[tandem_tests::test]
async fn the_owner_the_queue_and_sales_managers_decide(app: &TestApp) {
    let (mia, sam, eve) = (app.user("marketing").await, app.user("sales").await, app.user("sales").await);
    let boss = app.user("sales_manager").await;
    let lead = app.given_lead("ada@example.com").await.id();
    app.post(&format!("/v1/leads/{lead}/assign"))
        .by(app.admin().await)
        .json(json!({"owner_id": sam.id}))
        .await
        .expect(200);
    go(app, &mia, &lead, json!({"to": "mql", "note": "x"})).await.expect(201);
    let handoff = handoff_of(app, &sam, &lead).await;
    assert_eq!(
        (&handoff["owner_id"], &handoff["queue"]),
        (&json!(sam.id), &Value::Null),
        "an owner keeps it"
    );

    accept(app, &eve, id(&handoff)).await.refused(403, "not_owner");
    go(app, &eve, &lead, json!({"to": "sal"})).await.refused(403, "not_owner");
    accept(app, &mia, id(&handoff)).await.refused(403, "wrong_role");
    let revops = app.user("revops").await;
    accept(app, &revops, id(&handoff)).await.refused(403, "wrong_role");
    accept(app, &app.user("viewer").await, id(&handoff)).await.refused(403, "insufficient_scope");
    let key = app.key(&["handoffs:read", "handoffs:write"]).await;
    let path = format!("/v1/handoffs/{}/accept", id(&handoff));
    app.post(&path).by(&key).json(json!({})).await.refused(403, "wrong_role");
    let moves = |by: User| {
        let path = format!("/v1/leads/{lead}/moves");
        async move { app.get(&path).by(&by).await.expect(200) }
    };
    assert_eq!(moves(eve.clone()).await["data"], json!([]));
    let listed = moves(sam.clone()).await;
    assert_eq!(listed.each("to"), ["sal", "nurture", "disqualified"]);
    assert_eq!(listed["data"][0]["act"]["operation_id"], "accept_handoff");
    assert_eq!(listed["data"][1]["act"]["path"], format!("/v1/handoffs/{}/reject", id(&handoff)));

    let accepted =
        app.post(&path).by(&key).header("x-on-behalf-of", &sam.id).json(json!({})).await.expect(200);
    assert_eq!(accepted["decided_by"], json!(sam.id));
    let queued = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sam, &queued).await;
    let taken = accept(app, &boss, id(&handoff)).await.expect(200);
    assert_eq!(taken["owner_id"], json!(boss.id), "a sales manager becomes the owner where there is none");
}

#[tandem_tests::test]
async fn a_transition_by_hand_decides_on_the_pending_hand_off(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_mql(app, &mia).await;
    go(app, &sam, &lead, json!({"to": "sal"})).await.expect(201);
    let accepted = handoff_of(app, &sam, &lead).await;
    assert_eq!((&accepted["state"], &accepted["decided_by"]), (&json!("accepted"), &json!(sam.id)));
    assert_eq!(accepted["clocks"][0]["state"], "met");

    app.post(&format!("/v1/leads/{lead}/archive")).by(&sam).await.refused(409, "still_in_work");
    go(app, &sam, &lead, json!({"to": "nurture", "reason": "no_budget"})).await.expect(201);
    let left = handoff_of(app, &sam, &lead).await;
    assert_eq!((&left["state"], &left["clocks"][1]["state"]), (&json!("accepted"), &json!("void")));
    app.post(&format!("/v1/leads/{lead}/archive")).by(&mia).await.expect(200);

    let other = given_mql(app, &mia).await;
    go(app, &sam, &other, json!({"to": "nurture"})).await.refused(422, "validation_failed");
    go(app, &sam, &other, json!({"reason": "no_budget"})).await.expect(201);
    let rejected = handoff_of(app, &sam, &other).await;
    assert_eq!((&rejected["state"], &rejected["reason"]), (&json!("rejected"), &json!("no_budget")));
}

#[tandem_tests::test]
async fn a_lead_that_sales_found_is_accepted_by_the_same_request(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = app.given_lead("found@example.com").await.id();
    go(app, &sam, &lead, json!({"to": "mql", "note": "met at a fair"})).await.expect(201);
    let handoff = handoff_of(app, &sam, &lead).await;
    assert_eq!(
        (&handoff["state"], &handoff["self_sourced"], &handoff["owner_id"]),
        (&json!("accepted"), &json!(true), &json!(sam.id))
    );
    let clocks: Vec<_> = handoff["clocks"].as_array().unwrap().iter().map(|clock| &clock["kind"]).collect();
    assert_eq!(clocks, ["attempts"], "nothing else was promised");
    let read = lead_of(app, &sam, &lead).await;
    assert_eq!((&read["stage"], &read["owner_id"]), (&json!("sal"), &json!(sam.id)));
    app.get(&format!("/v1/handoffs/{}/packet", id(&handoff))).by(&sam).await.expect(200);
    let history = app.get(&format!("/v1/leads/{lead}/transitions")).by(&sam).await.expect(200);
    assert_eq!(history.each("to"), ["lead", "mql", "sal"]);
    assert_eq!(history["data"][1]["at"], history["data"][2]["at"], "two stage changes, one instant");
}

#[tandem_tests::test]
async fn a_queued_hand_off_is_taken_and_given_by_assigning_its_lead(app: &TestApp) {
    let (mia, sam, eve) = (app.user("marketing").await, app.user("sales").await, app.user("sales").await);
    let boss = app.user("sales_manager").await;
    let lead = given_mql(app, &mia).await;
    let assign = |by: User, body: Value| {
        let path = format!("/v1/leads/{lead}/assign");
        async move { app.post(&path).by(&by).json(body).await }
    };
    app.clock.advance(hours(2));
    let [sam, eve, boss] =
        [app.login(&sam.email).await, app.login(&eve.email).await, app.login(&boss.email).await];
    assign(sam.clone(), json!({"owner_id": sam.id})).await.expect(200);
    let handoff = handoff_of(app, &sam, &lead).await;
    assert_eq!(
        (&handoff["state"], &handoff["owner_id"], &handoff["queue"]),
        (&json!("pending"), &json!(sam.id), &Value::Null)
    );
    assert_eq!(handoff["clocks"][0]["owner_id"], json!(sam.id));
    assign(sam.clone(), json!({"owner_id": sam.id})).await.expect(200);
    let late = assign(eve.clone(), json!({"owner_id": eve.id})).await.refused(409, "already_decided");
    assert_eq!((&late["decided_by"], &late["decided_at"]), (&json!(sam.id), &handoff["assigned_at"]));
    accept(app, &eve, id(&handoff)).await.refused(403, "not_owner");

    let due = handoff["clocks"][0]["due_at"].clone();
    assign(boss.clone(), json!({"owner_id": eve.id})).await.expect(200);
    let kept = handoff_of(app, &eve, &lead).await;
    assert_eq!((&kept["owner_id"], &kept["clocks"][0]["due_at"]), (&json!(eve.id), &due));
    assign(boss.clone(), json!({"owner_id": sam.id, "clocks": "restart"})).await.expect(200);
    let restarted = handoff_of(app, &sam, &lead).await;
    let states: Vec<&Value> =
        restarted["clocks"].as_array().unwrap().iter().map(|clock| &clock["state"]).collect();
    assert_eq!(states, ["void", "void", "running", "running"]);
    assert_eq!(restarted["clocks"][0]["void_reason"], "restarted");
    assign(boss, json!({"owner_id": null})).await.expect(200);
    let queued = handoff_of(app, &sam, &lead).await;
    assert_eq!((&queued["owner_id"], &queued["queue"]), (&Value::Null, &json!("general")));
}

#[tandem_tests::test]
async fn hand_offs_are_filtered_and_sorted(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let first = given_mql(app, &mia).await;
    app.clock.advance(minutes(10));
    let [mia, sam] = [app.login(&mia.email).await, app.login(&sam.email).await];
    let second = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sam, &first).await;
    accept(app, &sam, id(&handoff)).await.expect(200);
    let leads = |query: &str| {
        let path = format!("/v1/handoffs?{query}");
        let sam = sam.clone();
        async move { app.get(&path).by(&sam).await.expect(200).each("lead_id") }
    };
    assert_eq!(leads("sort=made_at").await, [&*first, &*second]);
    assert_eq!(leads("sort=-due_at").await, [&*second, &*first]);
    assert_eq!(leads("state=pending").await, [&*second]);
    assert_eq!(leads("owner_id=me").await, [&*first]);
    assert_eq!(leads("queue=general").await, [&*second]);
    assert_eq!(leads("self_sourced=true").await, Vec::<String>::new());
    let since = handoff["made_at"].as_str().unwrap();
    assert_eq!(leads(&format!("made_at_lt={since}")).await, Vec::<String>::new());
    assert_eq!(leads(&format!("made_at_gte={since}&limit=1")).await, [&*first]);
    app.get("/v1/handoffs?queue=nowhere").by(&sam).await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn of_two_who_decide_at_once_one_wins(app: &TestApp) {
    let (mia, sam, eve) = (app.user("marketing").await, app.user("sales").await, app.user("sales").await);
    for _ in 0..5 {
        let lead = given_mql(app, &mia).await;
        let handoff = handoff_of(app, &sam, &lead).await;
        let (one, other) = futures::join!(accept(app, &sam, id(&handoff)), accept(app, &eve, id(&handoff)));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        assert_eq!((&lost["decided_by"], lost.code()), (&won["decided_by"], "already_decided"));
        let lead = lead_of(app, &sam, &lead).await;
        assert_eq!(lead["owner_id"], won["owner_id"]);
    }
}

#[tandem_tests::test]
async fn the_activity_that_shows_a_reason_is_about_the_lead(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let logged = async |about: &str, id: &str| {
        let call = json!({about: id, "type": "call", "direction": "outbound", "outcome": "connected"});
        app.post("/v1/activities").by(&sam).json(call).await.expect(201).id()
    };
    let lead = async || {
        let body = json!({"email": format!("lead{}@firm.example", app.next())});
        let lead = app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201);
        (lead.id(), lead["company"]["id"].as_str().unwrap().to_owned())
    };
    let stranger = app.given_lead("eve@other.example").await.id();
    for about in ["lead_id", "company_id", "deal_id"] {
        let (lead, company) = lead().await;
        go(app, &mia, &lead, json!({"to": "mql", "note": "asked for a demo"})).await.expect(201);
        let handoff = handoff_of(app, &sam, &lead).await;
        let shown = match about {
            "lead_id" => lead.clone(),
            "company_id" => company,
            _ => {
                let primary = crate::deals::given_sql(app).await;
                let body = json!({"name": "A deal", "lead_ids": [primary, lead]});
                app.post("/v1/deals").by(app.admin().await).json(body).await.expect(201).id()
            }
        };
        let evidence = logged(about, &shown).await;
        let deleted = logged("lead_id", &lead).await;
        app.delete(&format!("/v1/activities/{deleted}")).by(&sam).await.expect(204);
        for wrong in [logged("lead_id", &stranger).await, deleted] {
            let body = json!({"reason": "no_budget", "evidence_activity_id": wrong});
            let refused = reject(app, &sam, id(&handoff), body).await.refused(422, "validation_failed");
            assert_eq!(refused.violations(), [("#/evidence_activity_id", "not_found")]);
        }
        let body = json!({"reason": "no_budget", "evidence_activity_id": evidence});
        let rejected = reject(app, &sam, id(&handoff), body.clone()).await.expect(200);
        assert_eq!(rejected["evidence_activity_id"], json!(evidence));
        reject(app, &sam, id(&handoff), body).await.expect(200);
    }
}
