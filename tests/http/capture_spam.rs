//! What is kept of submissions that were not taken: spam, tests, what failed; and how it is run again.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

async fn given(app: &TestApp) -> (String, String) {
    let form = json!({"name": "Contact", "honeypot_field": "website", "min_fill_seconds": 3, "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
    ]});
    let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
    (format!("/v1/forms/{}", form.id()), format!("/v1/capture/{}", form["key"].as_str().unwrap()))
}

async fn of_status(app: &TestApp, status: &str) -> Answer {
    let path = format!("/v1/submissions?status={status}");
    app.get(&path).by(app.admin().await).await.expect(200)
}

async fn replay(app: &TestApp, id: &str) -> Answer {
    app.post(&format!("/v1/submissions/{id}/replay")).by(&app.user("marketing").await).await
}

async fn leads(app: &TestApp) -> Vec<String> {
    app.get("/v1/leads").by(app.admin().await).await.expect(200).each("email")
}

#[tandem_tests::test]
async fn spam_is_answered_as_if_accepted(app: &TestApp) {
    let (_, path) = given(app).await;
    let good = app.post(&path).json(json!({"fields": {"email": "ada@example.com"}})).await.expect(201);
    let honey = json!({"fields": {"email": "bob@example.com", "website": "x"}});
    let fast = json!({"fields": {"email": "eve@example.com"},
        "context": {"rendered_at": "2026-01-01T00:00:00Z"}, "submitted_at": "2026-01-01T00:00:02.9Z"});
    let bot = json!({"fields": {"email": "nonsense"}});
    let names =
        |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    let members = |answer: &Answer| answer.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (body, agent) in [(honey, "x"), (fast, "x"), (bot, BOT)] {
        let spam = app.post(&path).header("user-agent", agent).json(body.clone()).await.expect(201);
        assert_eq!(
            (members(&spam), names(&spam), &spam["status"]),
            (members(&good), names(&good), &good["status"])
        );
        let twin = app.post(&path).header("user-agent", agent).json(body).await.expect(201);
        assert_eq!(
            (members(&twin), names(&twin)),
            (members(&good), names(&good)),
            "also when it comes twice"
        );
    }
    let spam = of_status(app, "spam").await;
    let codes: Vec<&Value> =
        spam["data"].as_array().unwrap().iter().map(|one| &one["reasons"][0]["code"]).collect();
    assert_eq!(codes, ["known_bot", "filled_too_fast", "honeypot_filled"]);
    assert_eq!(leads(app).await, ["ada@example.com"]);

    // A person looked at it: it was none.
    let id = spam["data"][2]["id"].as_str().unwrap();
    let replayed = replay(app, id).await.expect(200);
    assert_eq!((&replayed["status"], &replayed["reasons"]), (&json!("accepted"), &json!([])));
    assert_eq!(leads(app).await.len(), 2);
    replay(app, id).await.refused(409, "conflict");
    app.post(&format!("/v1/submissions/{id}/replay"))
        .by(&app.user("sales").await)
        .await
        .refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn what_two_people_run_again_at_once_is_run_once(app: &TestApp) {
    let (_, path) = given(app).await;
    let sent = app
        .post(&path)
        .header("user-agent", BOT)
        .json(json!({"fields": {"email": "ada@example.com"}}))
        .await
        .expect(201);
    let id = sent["submission_id"].as_str().unwrap();
    let both = futures::future::join(replay(app, id), replay(app, id)).await;
    let mut answers = [both.0, both.1];
    answers.sort_by_key(|answer| answer.status);
    let [first, second] = answers;
    assert_eq!(first.expect(200)["status"], "accepted");
    second.refused(409, "conflict");
    assert_eq!(leads(app).await.len(), 1);
}

#[tandem_tests::test]
async fn a_phone_without_a_country_tells_nobody_who_is_known(app: &TestApp) {
    let (form, path) = given(app).await;
    let by = app.admin().await;
    app.post("/v1/leads")
        .by(by)
        .json(json!({"email": "known@example.com", "country": "CH"}))
        .await
        .expect(201);
    for (number, required, status) in [(0, false, 201), (1, true, 422)] {
        let fields = json!([
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
            {"name": "phone", "label": "Phone", "type": "phone", "required": required, "maps_to": "phone"},
        ]);
        app.patch(&form).by(by).json(json!({"fields": fields, "min_fill_seconds": null})).await.expect(200);
        for email in ["known@example.com", "new@example.com"] {
            let fields = json!({"email": email, "phone": format!("044 668 18 0{number}")});
            app.post(&path).json(json!({"fields": fields})).await.expect(status);
        }
    }
    let phones = |email| app.get(&format!("/v1/leads?q={email}")).by(by);
    assert_eq!(phones("known@example.com").await.expect(200)["data"][0]["phones"], json!(["+41446681800"]));
    assert_eq!(phones("new@example.com").await.expect(200)["data"][0]["phones"], json!([]));
}

#[tandem_tests::test]
async fn a_mended_form_takes_what_it_had_rejected(app: &TestApp) {
    let (form, path) = given(app).await;
    let by = app.admin().await;
    let body = "email=ada%40example.com&_submitted_at=2026-02-01T10%3A00%3A00Z&firm=Example";
    let require = |required: bool| {
        let fields = json!([
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
            {"name": "phone", "label": "Phone", "type": "phone", "required": required, "maps_to": "phone"},
            {"name": "firm", "label": "Company", "type": "text", "maps_to": "company.name"},
        ]);
        app.patch(&form).by(by).json(json!({"fields": fields}))
    };
    require(true).await.expect(200);
    let send = || {
        app.post(&path).header("accept", "application/json").body("application/x-www-form-urlencoded", body)
    };
    send().await.refused(422, "validation_failed");
    send().await.refused(422, "validation_failed");
    let rejected = of_status(app, "rejected").await.each("id");
    assert_eq!(rejected.len(), 1, "the same within a minute is one submission");
    let again = replay(app, &rejected[0]).await.expect(200);
    assert_eq!(
        (&again["status"], &again["reasons"][0]["pointer"]),
        (&json!("rejected"), &json!("#/fields/phone"))
    );
    assert_eq!(leads(app).await.len(), 0);

    require(false).await.expect(200);
    let once = || app.post(&format!("/v1/submissions/{}/replay", rejected[0])).by(by).once("r1");
    let taken = once().await.expect(200);
    assert_eq!((&taken["status"], &taken["id"]), (&json!("accepted"), &json!(rejected[0])));
    assert_eq!(once().await.expect(200).header("idempotent-replayed"), Some("true"));
    let lead = &app.get("/v1/leads").by(by).await.expect(200)["data"][0];
    assert_eq!((&lead["id"], &lead["company"]["name"]), (&taken["lead_id"], &json!("Example")));
    let told = app.get("/v1/journal?limit=200").by(by).await.expect(200);
    let entries =
        told["data"].as_array().unwrap().iter().filter(|entry| entry["subject"]["id"] == json!(rejected[0]));
    let told: Vec<_> = entries
        .map(|entry| (entry["type"].as_str().unwrap(), entry["actor"]["type"].as_str().unwrap()))
        .collect();
    assert!(
        told.contains(&("submission.accepted", "user")) && told.contains(&("submission.rejected", "form")),
        "{told:?}"
    );
}

#[tandem_tests::test]
async fn a_test_leaves_nothing_but_itself(app: &TestApp) {
    let (_, path) = given(app).await;
    let body = json!({"fields": {"email": "ada@example.com"}, "test": true});
    assert_eq!(app.post(&path).json(body).await.expect(201)["status"], "accepted");
    app.post(&path).json(json!({"fields": {}, "test": true})).await.refused(422, "validation_failed");
    let flat =
        app.post(&path).body("application/x-www-form-urlencoded", "email=b%40example.com&_test=1").await;
    flat.expect(200);
    let tests = of_status(app, "test").await.each("id");
    assert_eq!((tests.len(), leads(app).await.len()), (2, 0));
    replay(app, &tests[0]).await.refused(409, "conflict");
}

#[tandem_tests::test]
async fn what_cannot_be_worked_on_is_kept_and_replayed(app: &TestApp) {
    let (_, path) = given(app).await;
    let send =
        |email: &str, name: &str| app.post(&path).json(json!({"fields": {"email": email, "name": name}}));
    send("ada@example.com", "Ada").await.expect(201);
    let raw = app.database.raw().await;
    raw.execute_unprepared("UPDATE field_values SET value = '{' WHERE field = 'first_name'").await.unwrap();

    let both = futures::future::join(
        std::future::IntoFuture::into_future(send("ada@example.com", "Lovelace")),
        std::future::IntoFuture::into_future(send("bob@example.org", "Bob")),
    );
    let (failed, fine) = both.await;

    assert_eq!(failed.expect(202).body, json!({"status": "kept"}));
    fine.expect(201);
    let flat = app
        .post(&path)
        .body("application/x-www-form-urlencoded", "email=ada%40example.com&name=Countess")
        .await;
    assert!(flat.expect(200).text.contains("Thank you"), "a person sees no difference");
    let failed = of_status(app, "failed").await.each("id");
    assert_eq!(failed.len(), 2);
    raw.execute_unprepared("UPDATE field_values SET value = '\"Ada\"' WHERE value = '{'").await.unwrap();
    raw.close().await.unwrap();
    for id in failed.iter().rev() {
        assert_eq!(replay(app, id).await.expect(200)["status"], "accepted");
    }
    let list = app.get("/v1/leads?q=ada").by(app.admin().await).await.expect(200);
    assert_eq!(
        (list.each("email"), list.each("first_name")),
        (vec!["ada@example.com".into()], vec!["Countess".into()])
    );
    assert_eq!(of_status(app, "failed").await.each("id").len(), 0);
}
