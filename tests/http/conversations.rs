//! Conversations: reported twice, before their lead, with unknown objections, corrected later and beside what users did.

use std::future::IntoFuture;

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, minutes};

use crate::agreement::agree;

/// A call with a lead, as a partner reports it.
fn call(id: &str, lead: Value) -> Value {
    json!({"provider": "callsense", "external_id": id, "lead": lead, "occurred_at": "2026-03-02T08:30:00.000Z",
        "duration_s": 1260, "summary": "Wants it before summer \u{1f389}", "intent": "medium"})
}

fn with(mut body: Value, more: Value) -> Value {
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

async fn partner(app: &TestApp) -> String {
    app.key(&["activities:read", "activities:write"]).await
}

async fn report(app: &TestApp, key: &str, body: &Value) -> Answer {
    app.post("/v1/conversations").by(key).json(body.clone()).await
}

async fn activity(app: &TestApp, by: &User, id: &Value) -> Answer {
    app.get(&format!("/v1/activities/{}", id.as_str().unwrap())).by(by).await.expect(200)
}

async fn tasks(app: &TestApp, by: &User, lead: &str) -> Vec<Value> {
    let listed = app.get(&format!("/v1/activities?lead_id={lead}&type=task")).by(by).await.expect(200);
    listed["data"].as_array().unwrap().clone()
}

async fn unmapped(app: &TestApp, by: &User) -> Vec<(String, i64)> {
    let listed = app.get("/v1/objections/unmapped").by(by).await.expect(200);
    let items = listed["data"].as_array().unwrap().iter();
    items.map(|one| (one["text"].as_str().unwrap().to_owned(), one["count"].as_i64().unwrap())).collect()
}

#[tandem_tests::test]
async fn a_call_becomes_an_activity_tasks_promises_and_proposals(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let assign = json!({"owner_id": sam.id});
    app.post(&format!("/v1/leads/{lead}/assign")).by(app.admin().await).json(assign).await.expect(200);
    let more = json!({"intent": "high", "participants": [{"name": "Ada", "email": "ada@example.com"}],
        "objections": [{"text": "Wants to host it itself", "quote": "In the house"}, {"code": "price"}],
        "needs": ["Single sign-on", "An audit trail"], "budget": "50,000 euros", "timeline": "Before summer",
        "next_steps": [{"text": "Send the paper", "due_on": "2026-03-05"}, {"text": "Call again"}],
        "promises": [{"text": "A trial", "due_on": "2026-03-09"}], "recording_url": "https://calls.example.com/1"});
    let body = with(call("1", json!({"email": "Ada@Example.com"})), more);

    let reported = report(app, &key, &body).await.expect(201);
    assert_eq!(reported.header("location"), Some(format!("/v1/conversations/{}", reported.id()).as_str()));
    assert_eq!((&reported["lead_id"], &reported["owner_id"]), (&json!(lead), &json!(sam.id)));
    assert_eq!((&reported["unmatched"], &reported["summary"]), (&Value::Null, &body["summary"]));
    let logged = activity(app, &sam, &reported["activity_id"]).await;
    assert_eq!(
        (&logged["type"], &logged["direction"], &logged["outcome"], &logged["intent"]),
        (&json!("call"), &json!("outbound"), &json!("connected"), &json!("high"))
    );
    assert_eq!((&logged["occurred_at"], &logged["user_id"]), (&body["occurred_at"], &json!(sam.id)));
    assert_eq!((&logged["objections"], &logged["body"]), (&body["objections"], &body["summary"]));
    assert_eq!(logged["conversation_id"], reported["id"]);

    let made = tasks(app, &sam, &lead).await;
    let made: Vec<_> = made.iter().map(|one| (one["subject"].clone(), one["owner_id"].clone())).collect();
    assert_eq!(made, [(json!("Send the paper"), json!(sam.id)), (json!("Call again"), json!(sam.id))]);
    assert_eq!(reported["task_ids"].as_array().unwrap().len(), 2);
    let promised = app.get(&format!("/v1/promises?lead_id={lead}")).by(&sam).await.expect(200);
    assert_eq!(promised.each("text"), ["A trial"]);
    let shown = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    for (item, value) in [
        ("budget", "50,000 euros"),
        ("need", "Single sign-on; An audit trail"),
        ("timeline", "Before summer"),
    ] {
        let one = &shown["qualification"][item];
        assert_eq!(
            (&one["state"], &one["value"], &one["source"]),
            (&json!("proposed"), &json!(value), &json!("partner"))
        );
    }
    let read = app.get(&format!("/v1/conversations/{}", reported.id())).by(&sam).await.expect(200);
    assert_eq!(read.body, reported.body);
    let timeline = app.get(&format!("/v1/leads/{lead}/timeline")).by(&sam).await.expect(200);
    assert!(timeline.each("type").contains(&"conversation.created".to_owned()));
}

#[tandem_tests::test]
async fn the_same_call_again_doubles_nothing(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let more = json!({"next_steps": [{"text": "Call again"}], "promises": [{"text": "A trial"}],
        "objections": [{"text": "Too dear"}], "budget": "Little"});
    let body = with(call("1", json!({"id": lead})), more);

    let answers = join_all((0..8).map(|_| {
        let request = app.post("/v1/conversations").by(&key).json(body.clone());
        request.into_future()
    }));
    let answers = answers.await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let again = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((made, again), (1, 7), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let other = with(body.clone(), json!({"provider": "another"}));
    assert_ne!(report(app, &key, &other).await.expect(201).id(), answers[0].id());

    let listed = app.get(&format!("/v1/activities?lead_id={lead}&type=call")).by(&sam).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "one of each provider");
    assert_eq!(tasks(app, &sam, &lead).await.len(), 2);
    let timeline = format!("/v1/leads/{lead}/timeline?types=conversation.created,conversation.updated");
    let timeline = app.get(&timeline).by(&sam).await.expect(200);
    assert_eq!(timeline.each("type"), ["conversation.created", "conversation.created"]);
}

#[tandem_tests::test]
async fn a_call_before_its_lead_waits_and_links_itself(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let more = json!({"next_steps": [{"text": "Call again"}], "budget": "Little", "intent": "high"});
    let waiting = [
        ("1", json!({"email": "ada@example.com", "phone": "+390212345678"})),
        ("2", json!({"phone": "+390287654321"})),
        ("3", json!({"external_id": {"system": "crm", "id": "4711"}})),
    ];
    let mut ids = vec![];
    for (id, lead) in waiting {
        let reported = report(app, &key, &with(call(id, lead.clone()), more.clone())).await.expect(202);
        assert_eq!((&reported["lead_id"], &reported["activity_id"]), (&Value::Null, &Value::Null));
        assert_eq!(reported["unmatched"]["waits_for"], lead);
        let again = report(app, &key, &with(call(id, lead), more.clone())).await.expect(202);
        assert_eq!(again.body, reported.body, "the same again waits still");
        ids.push(reported.id());
    }
    let listed = async |filter: &str| {
        app.get(&format!("/v1/conversations?{filter}")).by(&sam).await.expect(200).each("id")
    };
    assert_eq!((listed("matched=false").await, listed("matched=true").await.len()), (ids.clone(), 0));

    let stranger = app.given_lead("stranger@example.com").await.id();
    let beside = json!({"email": "beside@example.com", "phone": "+390212345678"});
    app.post("/v1/leads").by(app.admin().await).json(beside).await.expect(201);
    assert_eq!(listed("matched=false").await, ids, "a phone beside an e-mail finds nobody");
    let by_form = app.given_lead("ada@example.com").await.id();
    let by_phone = json!({"email": "bob@example.com", "phone": "+390287654321"});
    let by_phone = app.post("/v1/leads").by(app.admin().await).json(by_phone).await.expect(201).id();
    let known = json!({"external_id": {"system": "crm", "id": "4711"}, "email": "stranger@example.com"});
    app.post("/v1/leads").by(app.admin().await).json(known).await.expect(200);
    assert_eq!(listed("matched=false").await, [""; 0]);
    for (lead, id) in [&by_form, &by_phone, &stranger].into_iter().zip(&ids) {
        assert_eq!(listed(&format!("lead_id={lead}&intent=high")).await, std::slice::from_ref(id));
        let read = app.get(&format!("/v1/conversations/{id}")).by(&sam).await.expect(200);
        let logged = activity(app, &sam, &read["activity_id"]).await;
        assert_eq!((&logged["lead_id"], &logged["occurred_at"]), (&json!(lead), &read["occurred_at"]));
        let task = &tasks(app, &sam, lead).await[0];
        assert_eq!((&task["owner_id"], &task["queue"]), (&Value::Null, &json!("general")));
        let shown = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
        assert_eq!(shown["qualification"]["budget"]["value"], "Little");
    }
}

#[tandem_tests::test]
async fn a_form_brings_the_lead_that_a_call_waits_for(app: &TestApp) {
    let (by, key) = (app.admin().await, partner(app).await);
    agree(app, |document| {
        document["stages"]["mql"]["when"] =
            json!({"event": "conversation", "where": [{"property": "intent", "op": "eq", "value": "high"}]});
    })
    .await;
    let form = json!({"name": "Demo", "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]});
    let form = app.post("/v1/forms").by(by).json(form).await.expect(201);
    let capture = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    for (intent, email, stage) in [("high", "ada@example.com", "mql"), ("low", "bob@example.com", "lead")] {
        let body = with(call(intent, json!({"email": email})), json!({"intent": intent}));
        let reported = report(app, &key, &body).await.expect(202);
        app.post(&capture).json(json!({"fields": {"email": email}})).await.expect(201);
        let reported = app.get(&format!("/v1/conversations/{}", reported.id())).by(by).await.expect(200);
        let lead = reported["lead_id"].as_str().expect("the form made the lead");
        let shown = app.get(&format!("/v1/leads/{lead}")).by(by).await.expect(200);
        assert_eq!((&shown["stage"], &shown["email"]), (&json!(stage), &json!(email)));
    }
    // One that is known already becomes an MQL by the call itself.
    let known = app.given_lead("eve@example.com").await.id();
    let body = with(call("eve", json!({"id": known})), json!({"intent": "high"}));
    report(app, &key, &body).await.expect(201);
    let shown = app.get(&format!("/v1/leads/{known}")).by(by).await.expect(200);
    assert_eq!(shown["stage"], "mql");
    let silly =
        json!({"event": "conversation", "where": [{"property": "mood", "op": "eq", "value": "good"}]});
    let segment = app.post("/v1/segments").by(by).json(json!({"name": "Good", "when": silly})).await;
    assert_eq!(segment.expect(422).violations(), [("#/when/where/0/property", "not_allowed")]);
}

#[tandem_tests::test]
async fn a_call_meets_the_promise_of_a_first_contact_at_its_own_time(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let promised = app.given_promise(&lead, Some(&sam.id), minutes(4)).await;
    app.clock.advance(minutes(2));
    let at = app.clock.now().to_string();
    app.clock.advance(minutes(6));
    app.run_jobs().await;
    let clock = format!("/v1/clocks/{}", promised.clock);
    assert_eq!(app.get(&clock).by(&sam).await.expect(200)["state"], "breached");
    let body = with(
        call("1", json!({"phone": "+390212345678"})),
        json!({"occurred_at": at, "direction": "inbound"}),
    );
    let reported = report(app, &key, &body).await.expect(202).id();
    let link = format!("/v1/conversations/{reported}/link");
    app.post(&link).by(&sam).json(json!({"lead_id": lead})).await.expect(200);
    let met = app.get(&clock).by(&sam).await.expect(200);
    assert_eq!(
        (&met["state"], &met["met_at"], &met["met_by_late_log"]),
        (&json!("met"), &json!(at), &json!(true))
    );

    let linked = app.post(&link).by(&sam).json(json!({"lead_id": lead})).await.expect(200);
    assert_eq!(linked["lead_id"], json!(lead), "the same link again");
    let other = app.given_lead("bob@example.com").await.id();
    app.post(&link).by(&sam).json(json!({"lead_id": other})).await.refused(409, "conflict");
    let nobody = json!({"lead_id": "lead_01h455vb4pex5vsknk084sn02q"});
    let refused = app.post(&link).by(&sam).json(nobody).await.expect(422);
    assert_eq!(refused.violations(), [("#/lead_id", "not_found")]);
    let nothing = "/v1/conversations/conversation_01h455vb4pex5vsknk084sn02q/link";
    app.post(nothing).by(&sam).json(json!({"lead_id": lead})).await.refused(404, "not_found");
    let calls = app.get(&format!("/v1/activities?lead_id={lead}&type=call")).by(&sam).await.expect(200);
    assert_eq!(calls["data"].as_array().unwrap().len(), 1);
}

#[tandem_tests::test]
async fn a_correction_replaces_what_nobody_touched(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let more = json!({"participants": [{"email": sam.email}],
        "objections": [{"text": "Too dear"}, {"code": "timing"}], "promises": [{"text": "A trial"}],
        "next_steps": [{"text": "Call again", "due_on": "2026-03-05"}, {"text": "Send the paper"}]});
    let reported = report(app, &key, &with(call("1", json!({"id": lead})), more)).await.expect(201);
    let before = tasks(app, &sam, &lead).await;

    let more = json!({"summary": "Something else", "occurred_at": "2026-03-02T07:00:00.000Z", "intent": "none",
        "participants": [{"email": sam.email}], "objections": [{"text": "Too late"}], "promises": [{"text": "A visit"}],
        "next_steps": [{"text": "Call again", "due_on": "2026-03-06"}, {"text": "Write to them"}]});
    let corrected = report(app, &key, &with(call("1", json!({"id": lead})), more)).await.expect(200);
    assert_eq!((corrected.id(), &corrected["activity_id"]), (reported.id(), &reported["activity_id"]));
    let logged = activity(app, &sam, &reported["activity_id"]).await;
    assert_eq!(logged["objections"], json!([{"text": "Too late"}]));
    assert_eq!(
        (&logged["body"], &logged["occurred_at"], &logged["intent"]),
        (&json!("Something else"), &json!("2026-03-02T07:00:00.000Z"), &json!("none"))
    );
    let after = tasks(app, &sam, &lead).await;
    let subjects: Vec<_> = after.iter().map(|task| task["subject"].clone()).collect();
    assert_eq!(subjects, ["Call again", "Write to them"]);
    assert_eq!(
        (&after[0]["id"], &after[0]["due_at"]),
        (&before[0]["id"], &json!("2026-03-07T00:00:00.000Z"))
    );
    let promised = app.get(&format!("/v1/promises?lead_id={lead}")).by(&sam).await.expect(200);
    assert_eq!(promised.each("text"), ["A visit"]);
    let timeline = format!("/v1/leads/{lead}/timeline?types=conversation.updated,activity.deleted");
    let timeline = app.get(&timeline).by(&sam).await.expect(200);
    assert_eq!(timeline["data"].as_array().unwrap().len(), 2, "{}", timeline.body);
}

#[tandem_tests::test]
async fn a_correction_only_adds_to_what_somebody_touched(app: &TestApp) {
    let (sam, key) = (app.user("sales").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let steps = |texts: &[&str]| texts.iter().map(|text| json!({"text": text})).collect::<Vec<_>>();
    let more = json!({"participants": [{"email": sam.email}], "objections": [{"text": "Too dear"}, {"text": "Too late"}],
        "next_steps": steps(&["Done", "Moved", "Deleted", "Alone"])});
    let reported = report(app, &key, &with(call("1", json!({"id": lead})), more)).await.expect(201);
    let made = tasks(app, &sam, &lead).await;
    let path = |place: usize| format!("/v1/activities/{}", made[place]["id"].as_str().unwrap());
    app.patch(&path(0)).by(&sam).json(json!({"done_at": app.clock.now().to_string()})).await.expect(200);
    app.patch(&path(1)).by(&sam).json(json!({"due_at": "2026-05-01T08:00:00.000Z"})).await.expect(200);
    app.delete(&path(2)).by(&sam).await.expect(204);
    let own = format!("/v1/activities/{}", reported["activity_id"].as_str().unwrap());
    let noted = json!({"objections": [{"text": "Too dear"}, {"code": "authority"}], "body": "My own words"});
    app.patch(&own).by(&sam).json(noted).await.expect(200);

    let more = json!({"participants": [{"email": sam.email}],
        "objections": [{"text": "Too late"}, {"code": "trust"}], "summary": "Corrected",
        "next_steps": steps(&["Moved", "Deleted", "New"])});
    report(app, &key, &with(call("1", json!({"id": lead})), more)).await.expect(200);
    let logged = activity(app, &sam, &reported["activity_id"]).await;
    // One was removed by the user and does not come back, one was the partner's and goes, one is the user's and stays.
    assert_eq!(logged["objections"], json!([{"code": "trust"}, {"code": "authority"}]));
    assert_eq!(logged["body"], "My own words");
    let after = tasks(app, &sam, &lead).await;
    let shown: Vec<_> = after.iter().map(|task| (task["subject"].as_str().unwrap(), &task["id"])).collect();
    assert_eq!(shown[..2], [("Done", &made[0]["id"]), ("Moved", &made[1]["id"])]);
    assert_eq!((after.len(), shown[2].0), (3, "New"));
    assert_eq!(after[1]["due_at"], "2026-05-01T08:00:00.000Z");

    app.delete(&own).by(&sam).await.expect(204);
    let last = with(call("1", json!({"id": lead})), json!({"summary": "Once more"}));
    let last = report(app, &key, &last).await.expect(200);
    assert_eq!(last["activity_id"], Value::Null, "somebody deleted the activity");
    assert_eq!(last["task_ids"].as_array().unwrap().len(), 2, "done and moved");
}

#[tandem_tests::test]
async fn objections_in_words_are_mapped_once(app: &TestApp) {
    let (sam, mia, key) = (app.user("sales").await, app.user("marketing").await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    let objections = |texts: &[&str]| {
        let texts: Vec<_> = texts.iter().map(|text| json!({"text": text})).collect();
        json!({"objections": texts})
    };
    let said = objections(&["Too dear!", "Zu sp\u{e4}t"]);
    let reported = report(app, &key, &with(call("1", json!({"id": lead})), said)).await.expect(201);
    let noted = with(json!({"lead_id": lead, "type": "note"}), objections(&["TOO  DEAR"]));
    let noted = app.post("/v1/activities").by(&sam).json(noted).await.expect(201).id();
    let listed = unmapped(app, &mia).await;
    assert_eq!(listed.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(listed[1].0, "Zu sp\u{e4}t");
    let first = app.get("/v1/objections/unmapped?limit=1").by(&mia).await.expect(200);
    let next = format!("/v1/objections/unmapped?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&next).by(&mia).await.expect(200).each("text"), ["Zu sp\u{e4}t"]);

    let map = json!({"text": "too dear", "code": "price"});
    app.post("/v1/objections/map").by(&sam).json(map.clone()).await.refused(403, "wrong_role");
    app.post("/v1/objections/map").by(&key).json(map.clone()).await.refused(403, "wrong_role");
    let silly = json!({"text": "too dear", "code": "nonsense"});
    let silly = app.post("/v1/objections/map").by(&mia).json(silly).await.expect(422);
    assert_eq!(silly.violations(), [("#/code", "not_allowed")]);
    let mapped = app.post("/v1/objections/map").by(&mia).json(map.clone()).await.expect(200);
    assert_eq!((&mapped["code"], &mapped["count"]), (&json!("price"), &json!(2)));
    let again = app.post("/v1/objections/map").by(&mia).json(map).await.expect(200);
    assert_eq!(again["count"], 0);
    assert_eq!(unmapped(app, &mia).await, [("Zu sp\u{e4}t".to_owned(), 1)]);

    let logged = activity(app, &sam, &reported["activity_id"]).await;
    assert_eq!(
        logged["objections"],
        json!([{"code": "price", "text": "Too dear!"}, {"text": "Zu sp\u{e4}t"}])
    );
    let noted = format!("/v1/activities/{noted}");
    let edited = app.patch(&noted).by(&sam).json(json!({"subject": "A note"})).await.expect(200);
    assert_eq!(edited["objections"], json!([{"code": "price", "text": "TOO  DEAR"}]));
    // Those that come have their code at once, in conversations, activities and closings.
    let later =
        report(app, &key, &with(call("2", json!({"id": lead})), objections(&["too dear"]))).await.expect(201);
    let later = activity(app, &sam, &later["activity_id"]).await;
    assert_eq!(later["objections"], json!([{"code": "price", "text": "too dear"}]));
    // A correction of the words is no touch of the code that they were given.
    let corrected = objections(&["Zu sp\u{e4}t"]);
    report(app, &key, &with(call("1", json!({"id": lead})), corrected)).await.expect(200);
    let logged = activity(app, &sam, &reported["activity_id"]).await;
    assert_eq!(logged["objections"], json!([{"text": "Zu sp\u{e4}t"}]));
    let map = json!({"text": "TOO DEAR", "code": "timing"});
    let moved = app.post("/v1/objections/map").by(app.admin().await).json(map).await.expect(200);
    assert_eq!((&moved["code"], &moved["count"]), (&json!("timing"), &json!(2)));
    let journal =
        app.get("/v1/journal?subject_type=objection_mapping").by(app.admin().await).await.expect(200);
    let mut types = journal.each("type");
    types.sort_unstable();
    assert_eq!(types, ["objection_mapping.created", "objection_mapping.updated"]);
}

#[tandem_tests::test]
async fn closed_deals_state_their_objections_in_the_same_words(app: &TestApp) {
    let (sam, mia) = (app.user("sales").await, app.user("marketing").await);
    let lead = crate::deals::given_sql(app).await;
    let deal = crate::deals::open(app, &sam, &lead).await.expect(201).id();
    let close =
        json!({"outcome": "lost", "reason": "price", "objections": [{"text": "Wants to host it itself"}]});
    app.post(&format!("/v1/deals/{deal}/close")).by(&sam).json(close).await.expect(200);
    assert_eq!(unmapped(app, &mia).await, [("Wants to host it itself".to_owned(), 1)]);
    let map = json!({"text": "wants to host it itself", "code": "missing_feature"});
    let mapped = app.post("/v1/objections/map").by(&mia).json(map).await.expect(200);
    assert_eq!(mapped["count"], 1);
    let shown = app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200);
    assert_eq!(shown["objections"], json!([{"code": "missing_feature", "text": "Wants to host it itself"}]));
}

#[tandem_tests::test]
async fn what_a_report_cannot_be_is_refused_whole(app: &TestApp) {
    let (key, reader) = (partner(app).await, app.key(&["activities:read"]).await);
    let refused = async |more: Value| {
        let body = with(call("1", json!({"email": "ada@example.com"})), more);
        report(app, &key, &body).await.expect(422)
    };
    assert_eq!(refused(json!({"lead": {}})).await.violations(), [("#/lead", "required")]);
    let unreadable = refused(json!({"lead": {"email": "nonsense", "phone": "123"}})).await;
    assert_eq!(
        unreadable.violations(),
        [("#/lead/email", "invalid_format"), ("#/lead/phone", "invalid_format")]
    );
    let unknown = json!({"lead": {"id": "lead_01h455vb4pex5vsknk084sn02q"}, "occurred_at": "2026-03-02T10:00:00.000Z",
        "objections": [{"code": "nonsense"}], "needs": [" "]});
    assert_eq!(
        refused(unknown).await.violations(),
        [
            ("#/lead/id", "not_found"),
            ("#/needs/0", "invalid_length"),
            ("#/objections/0/code", "not_allowed"),
            ("#/occurred_at", "out_of_range")
        ]
    );
    let long = refused(json!({"summary": "x".repeat(20_001), "intent": "huge"})).await;
    assert_eq!(long.violations().len(), 2);
    let nul = with(call("1", json!({"email": "ada@example.com"})), json!({"summary": "a\u{0}b"}));
    report(app, &key, &nul).await.refused(400, "forbidden_character");
    let body = call("1", json!({"email": "ada@example.com"}));
    report(app, &reader, &body).await.refused(403, "insufficient_scope");
    // The longest summary, of letters of four bytes.
    let whole = with(body, json!({"summary": "\u{1f389}".repeat(20_000)}));
    app.given_lead("ada@example.com").await;
    let reported = report(app, &key, &whole).await.expect(201);
    assert_eq!(reported["summary"], whole["summary"]);
}

#[tandem_tests::test]
async fn a_call_and_its_lead_at_once_find_each_other(app: &TestApp) {
    let (by, key) = (app.admin().await, partner(app).await);
    for round in 0..10 {
        let email = format!("lead{round}@example.com");
        let body = call(&round.to_string(), json!({"email": email}));
        let reporting =
            (0..3).map(|_| app.post("/v1/conversations").by(&key).json(body.clone()).into_future());
        let created = app.post("/v1/leads").by(by).json(json!({"email": email})).into_future();
        let (reported, created) = join(join_all(reporting), created).await;
        let lead = created.expect(201).id();
        assert!(reported.iter().all(|answer| [200, 201, 202].contains(&answer.status)), "{reported:?}");
        assert!(reported.iter().all(|answer| answer.id() == reported[0].id()));
        let read = app.get(&format!("/v1/conversations/{}", reported[0].id())).by(by).await.expect(200);
        assert_eq!(read["lead_id"], json!(lead));
        let calls = app.get(&format!("/v1/activities?lead_id={lead}")).by(by).await.expect(200);
        assert_eq!(calls.each("conversation_id"), [reported[0].id()]);
    }
}

#[tandem_tests::test]
async fn a_packet_shows_the_call_that_the_lead_was_last_in(app: &TestApp) {
    let (by, key) = (app.admin().await, partner(app).await);
    let lead = app.given_lead("ada@example.com").await.id();
    report(app, &key, &call("1", json!({"id": lead}))).await.expect(201);
    app.moved(&lead, "mql", None).await;
    let handoff = app.get("/v1/handoffs").by(by).await.expect(200).each("id").remove(0);
    let packet = app.get(&format!("/v1/handoffs/{handoff}/packet")).by(by).await.expect(200);
    let last = &packet["last_message"];
    assert_eq!(
        (&last["at"], &last["text"]),
        (&json!("2026-03-02T08:30:00.000Z"), &json!("Wants it before summer \u{1f389}"))
    );
}
