//! Activities and tasks: logged, listed, changed, deleted; who may, and what they mean for a hand-off.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

fn call(lead: &str) -> Value {
    json!({"lead_id": lead, "type": "call", "direction": "outbound"})
}

async fn clock(app: &TestApp, by: &User, id: impl ToString) -> Answer {
    app.get(&format!("/v1/clocks/{}", id.to_string())).by(by).await.expect(200)
}

#[tandem_tests::test]
async fn a_call_is_logged_read_changed_and_deleted_with_a_trace(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let body = json!({"lead_id": lead, "type": "call", "direction": "outbound", "outcome": "connected", "duration_s": 300,
        "subject": "First call", "body": "Likes it", "objections": [{"text": "Too dear", "quote": "Twice the price"}],
        "promises": [{"text": "Send the case study", "due_on": "2026-03-05"}]});

    let logged = app.post("/v1/activities").by(&rep).json(body).await.expect(201);
    let path = format!("/v1/activities/{}", logged.id());
    assert_eq!(logged.header("location"), Some(path.as_str()));
    assert_eq!((logged["user_id"].as_str(), &logged["owner_id"]), (Some(rep.id.as_str()), &Value::Null));
    let read = app.get(&path).by(&rep).await.expect(200);
    assert_eq!(read.body, logged.body);

    let patch = json!({"outcome": "voicemail", "body": null, "objections": []});
    let changed =
        app.patch(&path).by(&rep).header("if-match", read.etag()).json(patch.clone()).await.expect(200);
    assert_eq!(changed["outcome"], "voicemail");
    assert_eq!((&changed["body"], &changed["objections"]), (&Value::Null, &json!([])));
    app.patch(&path).by(&rep).header("if-match", read.etag()).json(patch).await.refused(412, "stale");
    let fixed = app.patch(&path).by(&rep).json(json!({"type": "email", "automatic": true})).await;
    assert_eq!(fixed.expect(422).violations(), [("#/automatic", "not_allowed"), ("#/type", "not_allowed")]);

    app.delete(&path).by(app.user("sales").await).await.refused(403, "not_owner");
    app.delete(&path).by(&rep).await.expect(204);
    app.get(&path).by(&rep).await.refused(404, "not_found");
    assert_eq!(app.get("/v1/activities").by(&rep).await.expect(200)["data"], json!([]));
    let timeline =
        format!("/v1/leads/{lead}/timeline?types=activity.logged,activity.updated,activity.deleted");
    let timeline = app.get(&timeline).by(&rep).await.expect(200);
    assert_eq!(timeline.each("type"), ["activity.deleted", "activity.updated", "activity.logged"]);
    assert_eq!(timeline["data"][0]["before"]["outcome"], "voicemail");
    assert_eq!(timeline["data"][1]["before"]["body"], "Likes it");
}

#[tandem_tests::test]
async fn an_activity_is_about_one_thing_and_says_what_its_type_demands(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let refused = async |body: Value| app.post("/v1/activities").by(&rep).json(body).await.expect(422);

    let nothing = refused(json!({"type": "note"})).await;
    assert_eq!(nothing.violations(), [("#/lead_id", "required")]);
    let several = json!({"lead_id": lead, "company_id": "company_01h455vb4pex5vsknk084sn02q", "type": "call",
        "due_at": "2026-03-05T09:00:00Z", "occurred_at": "2026-03-02T10:00:00Z"});
    assert_eq!(
        refused(several).await.violations(),
        [
            ("#/company_id", "not_allowed"),
            ("#/company_id", "not_found"),
            ("#/direction", "required"),
            ("#/due_at", "not_allowed"),
            ("#/occurred_at", "out_of_range"),
        ]
    );
    let task = refused(json!({"lead_id": lead, "type": "task", "direction": "outbound"})).await;
    assert_eq!(task.violations(), [("#/direction", "not_allowed"), ("#/due_at", "required")]);
    let unknown = refused(json!({"lead_id": "lead_01h455vb4pex5vsknk084sn02q", "type": "note"})).await;
    assert_eq!(unknown.violations(), [("#/lead_id", "not_found")]);
    let objection =
        refused(json!({"lead_id": lead, "type": "note", "objections": [{"code": "nonsense"}]})).await;
    assert_eq!(objection.violations(), [("#/objections/0/code", "not_allowed")]);
    let strange = refused(json!({"lead_id": lead, "type": "fax", "mood": "good"})).await;
    assert_eq!(strange.violations(), [("#/mood", "unknown_field"), ("#/type", "not_allowed")]);

    app.post("/v1/activities")
        .by(app.user("viewer").await)
        .json(call(&lead))
        .await
        .refused(403, "insufficient_scope");
    let key = app.key(&["activities:write", "activities:read"]).await;
    app.post("/v1/activities").by(&key).json(call(&lead)).await.refused(403, "wrong_role");
    let logged = app
        .post("/v1/activities")
        .by(&key)
        .header("x-on-behalf-of", &rep.id)
        .json(call(&lead))
        .await
        .expect(201);
    assert_eq!(logged["user_id"], rep.id);
    let other =
        json!({"lead_id": lead, "type": "call", "direction": "outbound", "user_id": app.admin().await.id});
    assert_eq!(refused(other).await.violations(), [("#/user_id", "not_allowed")]);
}

#[tandem_tests::test]
async fn a_sales_manager_logs_and_gives_tasks_within_its_teams(app: &TestApp) {
    let (rep, loner, chief) =
        (app.user("sales").await, app.user("sales").await, app.user("sales_manager").await);
    let team = json!({"name": "North", "members": [rep.id, chief.id]});
    app.post("/v1/teams").by(app.admin().await).json(team).await.expect(201);
    let chief = app.login(&chief.email).await;
    let lead = app.given_lead("ada@example.com").await.id();
    let log = async |user: &str| {
        let mut body = call(&lead);
        body["user_id"] = json!(user);
        app.post("/v1/activities").by(&chief).json(body).await.status
    };
    assert_eq!((log(&rep.id).await, log(&loner.id).await), (201, 422));

    let task = json!({"lead_id": lead, "type": "task", "owner_id": rep.id, "due_at": "2026-03-05T09:00:00Z"});
    let task = app.post("/v1/activities").by(&chief).json(task).await.expect(201);
    assert_eq!((task["user_id"].as_str(), task["owner_id"].as_str()), (Some(&*chief.id), Some(&*rep.id)));
    let done = json!({"done_at": "2026-03-02T09:00:00Z"});
    let path = format!("/v1/activities/{}", task.id());
    app.patch(&path).by(&loner).json(done.clone()).await.refused(403, "not_owner");
    app.patch(&path).by(&rep).json(done).await.expect(200);
    let marketer = app.user("marketing").await;
    let foreign =
        json!({"lead_id": lead, "type": "task", "owner_id": rep.id, "due_at": "2026-03-05T09:00:00Z"});
    let foreign = app.post("/v1/activities").by(&marketer).json(foreign).await.expect(422);
    assert_eq!(foreign.violations(), [("#/owner_id", "not_allowed")]);
}

#[tandem_tests::test]
async fn a_batch_takes_each_by_itself_and_knows_what_another_system_sent_before(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let mail = |id: &str, outcome: Option<&str>| {
        let mut mail = json!({"lead_id": lead, "type": "email", "direction": "outbound",
            "external_id": {"system": "mail", "id": id}});
        if let Some(outcome) = outcome {
            mail["outcome"] = json!(outcome);
        }
        mail
    };
    let body = json!({"activities": [mail("1", None), {"lead_id": lead, "type": "call"}, mail("2", None),
        mail("1", Some("replied")), {"lead_id": lead, "type": "nap"}]});
    let answer = app.post("/v1/activities/batch").by(&rep).json(body.clone()).await.expect(207);
    let statuses: Vec<i64> =
        answer["items"].as_array().unwrap().iter().map(|item| item["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [201, 422, 201, 200, 422]);
    assert_eq!(answer["items"][0]["id"], answer["items"][3]["id"]);
    assert_eq!(answer["items"][1]["problem"]["errors"][0]["pointer"], "#/direction");

    let again = app.post("/v1/activities/batch").by(&rep).json(body).await.expect(207);
    assert_eq!(again["items"][2]["status"], 200);
    let list = app.get("/v1/activities?type=email&outcome=replied").by(&rep).await.expect(200);
    assert_eq!(list.each("id").len(), 1);
    let elsewhere = app.given_lead("bob@example.com").await.id();
    let mut moved = mail("2", None);
    moved["lead_id"] = json!(elsewhere);
    let moved = app.post("/v1/activities").by(&rep).json(moved).await.expect(422);
    assert_eq!(moved.violations(), [("#/lead_id", "not_allowed")]);
}

#[tandem_tests::test]
async fn lists_filter_by_what_who_and_when(app: &TestApp) {
    let (rep, other) = (app.user("sales").await, app.user("sales").await);
    let lead = app.given_lead("ada@example.com").await.id();
    let company =
        app.post("/v1/companies").by(app.admin().await).json(json!({"domain": "example.com"})).await.id();
    let log =
        async |user: &str, body: Value| app.post("/v1/activities").by(user).json(body).await.expect(201).id();
    let early = json!({"lead_id": lead, "type": "meeting", "direction": "outbound", "outcome": "held",
        "occurred_at": "2026-03-01T09:00:00Z"});
    let meeting = log(&rep.token, early).await;
    let note = log(&other.token, json!({"company_id": company, "type": "note", "body": "Merging"})).await;
    let late = json!({"lead_id": lead, "type": "task", "due_at": "2026-03-09T09:00:00Z", "subject": "Offer"});
    let late = log(&rep.token, late).await;
    let soon = json!({"lead_id": lead, "type": "task", "due_at": "2026-03-03T09:00:00Z", "subject": "Call"});
    let soon = log(&rep.token, soon).await;
    let list =
        async |query: &str| app.get(&format!("/v1/activities?{query}")).by(&rep).await.expect(200).each("id");

    assert_eq!(list(&format!("lead_id={lead}")).await, [meeting.as_str(), &late, &soon]);
    assert_eq!(list(&format!("company_id={company}")).await, [note.as_str()]);
    assert_eq!(list("user_id=me&type=meeting,note").await, [meeting.as_str()]);
    assert_eq!(list("owner_id=me&open=true&sort=due_at").await, [soon.as_str(), &late]);
    assert_eq!(list("sort=due_at&limit=2").await, [soon.as_str(), &late], "what is not due comes last");
    assert_eq!(list("due_at_gte=2026-03-04T00:00:00Z").await, [late.as_str()]);
    assert_eq!(list("occurred_at_lt=2026-03-02").await, [meeting.as_str()]);
    assert_eq!(list("sort=-occurred_at&limit=1").await.len(), 1);
    let nobody = app.get("/v1/activities?owner_id=ada").by(&rep).await.expect(400);
    assert_eq!(nobody.violations(), [("owner_id", "invalid_format")]);

    let first = app.get("/v1/activities?sort=due_at&limit=3").by(&rep).await.expect(200);
    let next = first["next_cursor"].as_str().unwrap();
    let rest =
        app.get(&format!("/v1/activities?sort=due_at&limit=3&cursor={next}")).by(&rep).await.expect(200);
    assert_eq!((first.each("id").len(), rest.each("id").len(), &rest["has_more"]), (3, 1, &json!(false)));
}

#[tandem_tests::test]
async fn an_activity_of_a_deal_counts_for_its_primary_lead(app: &TestApp) {
    let chief = app.user("sales_manager").await;
    let lead = app.given_lead("ada@example.com").await.id();
    for stage in ["mql", "sal", "sql"] {
        app.moved(&lead, stage, None).await;
    }
    let deal = json!({"name": "Shops", "lead_ids": [lead]});
    let deal = app.post("/v1/deals").by(&chief).json(deal).await.expect(201).id();
    let body = json!({"deal_id": deal, "type": "meeting", "direction": "outbound", "outcome": "held"});
    let held = app.post("/v1/activities").by(&chief).json(body).await.expect(201);
    assert_eq!((held["lead_id"].as_str(), held["deal_id"].as_str()), (Some(&*lead), Some(&*deal)));
    let of_lead = app.get(&format!("/v1/activities?lead_id={lead}")).by(&chief).await.expect(200);
    assert_eq!(of_lead.each("id"), [held.id()]);
    let same = json!({"lead_id": lead, "deal_id": deal, "subject": "Demo"});
    app.patch(&format!("/v1/activities/{}", held.id())).by(&chief).json(same).await.expect(200);
}

#[tandem_tests::test]
async fn a_call_meets_the_first_contact_and_a_note_or_a_machine_does_not(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let promise = app.given_promise(&lead, Some(&rep.id), hours(1)).await;
    let log = async |body: Value| app.post("/v1/activities").by(&rep).json(body).await.expect(201).id();

    app.clock.advance(minutes(1));
    log(json!({"lead_id": lead, "type": "note", "body": "Will call"})).await;
    log(json!({"lead_id": lead, "type": "email", "direction": "outbound", "automatic": true})).await;
    log(json!({"lead_id": lead, "type": "call", "direction": "outbound", "occurred_at": "2026-03-01T09:00:00Z"})).await;
    assert_eq!(clock(app, &rep, promise.clock).await["state"], "running");

    let made = log(call(&lead)).await;
    let met = clock(app, &rep, promise.clock).await;
    let at = app.get(&format!("/v1/activities/{made}")).by(&rep).await["occurred_at"].clone();
    assert_eq!((met["state"].as_str(), &met["met_at"]), (Some("met"), &at));
    let timeline = format!("/v1/leads/{lead}/timeline?types=clock.met,clock.corrected");
    assert_eq!(app.get(&timeline).by(&rep).await.each("type"), ["clock.met"]);

    app.delete(&format!("/v1/activities/{made}")).by(&rep).await.expect(204);
    assert_eq!(clock(app, &rep, promise.clock).await["state"], "running");
    assert_eq!(app.get(&timeline).by(&rep).await.each("type"), ["clock.corrected", "clock.met"]);
}

#[tandem_tests::test]
async fn a_late_log_counts_by_when_it_happened(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let promise = app.given_promise(&lead, Some(&rep.id), hours(1)).await;
    app.clock.advance(hours(8));
    app.run_jobs().await;
    let rep = app.login(&rep.email).await;
    let breached = clock(app, &rep, promise.clock).await;
    assert_eq!(breached["state"], "breached");
    assert_eq!(breached["breached_at"], json!(promise.due_at.plus_millis(1)));

    let mut late = call(&lead);
    late["occurred_at"] = json!(promise.due_at);
    let late = app.post("/v1/activities").by(&rep).json(late).await.expect(201).id();
    let met = clock(app, &rep, promise.clock).await;
    assert_eq!((met["state"].as_str(), &met["met_by_late_log"]), (Some("met"), &json!(true)));
    assert_eq!((&met["met_at"], &met["breached_at"]), (&json!(promise.due_at), &Value::Null));

    let path = format!("/v1/activities/{late}");
    let too_late = json!({"occurred_at": promise.due_at.plus_millis(1)});
    app.patch(&path).by(&rep).json(too_late).await.expect(200);
    let met = clock(app, &rep, promise.clock).await;
    assert_eq!((met["state"].as_str(), &met["met_by_late_log"]), (Some("met_late"), &json!(false)));
    app.delete(&path).by(&rep).await.expect(204);
    assert_eq!(clock(app, &rep, promise.clock).await["state"], "breached");
    let timeline =
        format!("/v1/leads/{lead}/timeline?types=clock.warned,clock.breached,clock.met,clock.corrected");
    assert_eq!(
        app.get(&timeline).by(&rep).await.each("type"),
        ["clock.corrected", "clock.corrected", "clock.corrected", "clock.breached", "clock.warned"]
    );
}

#[tandem_tests::test]
async fn a_key_sees_activities_only_with_their_scope(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    app.post("/v1/activities").by(&rep).json(call(&lead)).await.expect(201);
    let key = app.key(&["leads:read"]).await;
    app.get("/v1/activities").by(&key).await.refused(403, "insufficient_scope");
    let timeline = format!("/v1/leads/{lead}/timeline?types=activity.logged");
    let entry = app.get(&timeline).by(&key).await.expect(200)["data"][0].clone();
    assert!(entry.get("data").is_none() && entry.get("after").is_none(), "{entry}");
    let writer = app.key(&["activities:write"]).await;
    let mut body = call(&lead);
    body["body"] = json!("Hello");
    let receipt =
        app.post("/v1/activities").by(&writer).header("x-on-behalf-of", &rep.id).json(body).await.expect(201);
    assert!(receipt.body.get("created_at").is_none() && receipt["body"] == "Hello", "{}", receipt.text);
}
