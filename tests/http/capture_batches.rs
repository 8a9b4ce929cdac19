//! Captures under load: batches in which everybody is treated as if alone, twins, and strangers who are told nothing.

use std::collections::BTreeSet;
use std::future::IntoFuture;

use futures::future::join_all;
use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

async fn given(app: &TestApp) -> String {
    let form = json!({"name": "Contact", "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
        {"name": "phone", "label": "Phone", "type": "phone", "maps_to": "phone"},
        {"name": "firm", "label": "Company", "type": "text", "maps_to": "company.name"},
    ]});
    let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
    format!("/v1/capture/{}", form["key"].as_str().unwrap())
}

fn body(fields: Value) -> Value {
    json!({"fields": fields})
}

async fn listed(app: &TestApp, what: &str) -> Answer {
    app.get(&format!("/v1/{what}?limit=200")).by(app.admin().await).await.expect(200)
}

#[tandem_tests::test]
async fn a_crowd_is_taken_as_if_each_had_come_alone(app: &TestApp) {
    let path = given(app).await;
    // 25 people, each four times with other answers, of five companies; every tenth does not fit.
    let posts = (0..100).map(|n| {
        let person = n % 25;
        let email = if n % 10 == 9 { "nonsense".to_owned() } else { format!("p{person}@c{}.example", person % 5) };
        let fields = json!({"email": email, "name": format!("N{n}"), "firm": format!("Firm {}", person % 5), "phone": format!("+41446681{:03}", n % 50)});
        app.post(&path).json(body(fields)).into_future()
    });
    let answers = join_all(posts).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, if n % 10 == 9 { 422 } else { 201 }, "{}", answer.text);
    }
    let ids: BTreeSet<&str> = answers.iter().filter_map(|answer| answer["submission_id"].as_str()).collect();
    assert_eq!(ids.len(), 90);
    assert_eq!(listed(app, "submissions").await.each("id").len(), 100);
    let people: BTreeSet<String> =
        (0..100).filter(|n| n % 10 != 9).map(|n| format!("p{}@c{}.example", n % 25, n % 25 % 5)).collect();
    let leads = listed(app, "leads").await;
    assert_eq!(leads.each("email").into_iter().collect::<BTreeSet<_>>(), people);
    assert_eq!(leads.each("email").len(), people.len(), "nobody twice");
    let companies = listed(app, "companies").await.each("domain");
    assert_eq!(companies.len(), 5);
    // Each request has its own entries, under its own id.
    let journal = listed(app, "journal").await;
    let entries = journal["data"].as_array().unwrap();
    let requests: BTreeSet<&str> = entries
        .iter()
        .filter(|e| e["type"] == "submission.accepted")
        .map(|e| e["request_id"].as_str().unwrap())
        .collect();
    let accepted = entries.iter().filter(|e| e["type"] == "submission.accepted").count();
    assert_eq!(requests.len(), accepted);
    for lead in leads["data"].as_array().unwrap() {
        let told = app
            .get(&format!("/v1/leads/{}/timeline", lead["id"].as_str().unwrap()))
            .by(app.admin().await)
            .await
            .expect(200)
            .each("type");
        assert_eq!(told.iter().filter(|kind| *kind == "lead.captured").count(), 1);
    }
}

#[tandem_tests::test]
async fn fifty_identical_posts_with_a_key_are_one_and_get_one_answer(app: &TestApp) {
    let path = given(app).await;
    let fields = json!({"email": "ada@example.com", "name": "Ada"});
    let posts = (0..50).map(|_| app.post(&path).once("k").json(body(fields.clone())).into_future());
    let answers = join_all(posts).await;
    let originals = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
    assert_eq!(originals, 1);
    let first = answers[0].body.clone();
    for answer in answers {
        let answer = answer.expect(201);
        assert_eq!((&answer.body, answer.header("location").is_some()), (&first, true));
    }
    assert_eq!(listed(app, "submissions").await.each("id").len(), 1);
    app.post(&path)
        .once("k")
        .json(body(json!({"email": "eve@example.com"})))
        .await
        .refused(422, "idempotency_key_reused");
    // A refusal is not kept: mended, the same key is taken.
    app.post(&path).once("k2").json(body(json!({"email": "x"}))).await.refused(422, "validation_failed");
    app.post(&path).once("k2").json(body(json!({"email": "x@example.com"}))).await.expect(201);
    app.clock.advance(61_000);
    let later = app.post(&path).once("k").json(body(fields)).await.expect(201);
    assert_eq!(later.body, first, "for 72 hours");
}

#[tandem_tests::test]
async fn the_same_answers_within_a_minute_are_one_submission(app: &TestApp) {
    let path = given(app).await;
    let send = |email: &str, name: &str| {
        app.post(&path).json(body(json!({"name": name, "email": email}))).into_future()
    };
    let together = join_all((0..20).map(|_| send("ada@example.com", "Ada"))).await;
    assert!(together.iter().all(|answer| answer.status == 201));
    let ids: BTreeSet<String> = together.iter().map(|answer| answer["submission_id"].to_string()).collect();
    assert_eq!(ids.len(), 20, "nobody sees that somebody was there before");
    send(" ADA@example.com", "Ada").await.expect(201);
    assert_eq!(listed(app, "submissions").await.each("id").len(), 1);
    send("ada@example.com", "Augusta").await.expect(201);
    app.clock.advance(61_000);
    send("ada@example.com", "Ada").await.expect(201);
    assert_eq!(listed(app, "submissions").await.each("id").len(), 3);
    assert_eq!(listed(app, "leads").await.each("id").len(), 1);
}

#[tandem_tests::test]
async fn known_and_unknown_people_cannot_be_told_apart(app: &TestApp) {
    let path = given(app).await;
    let by = app.admin().await;
    let known = json!({"email": "known@example.com", "first_name": "By Hand", "phones": ["+41446681800"]});
    app.post("/v1/leads").by(by).json(known).await.expect(201);
    let archived = app.given_lead("archived@example.com").await.id();
    app.post(&format!("/v1/leads/{archived}/archive")).by(by).await.expect(200);
    let shown = |answer: &Answer| {
        let told = |name: &String| !["x-request-id", "location", "date"].contains(&name.as_str());
        let headers: BTreeSet<_> = answer.headers.iter().filter(|(name, _)| told(name)).cloned().collect();
        let mut body = answer.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("submission_id");
            body.remove("request_id");
            body.remove("instance");
        }
        (answer.status, headers, body)
    };
    for more in [
        json!({}),
        json!({"name": "X", "phone": "+41446681800"}),
        json!({"firm": "F"}),
        json!({"phone": [[]]}),
    ] {
        let mut seen = vec![];
        for email in [
            "known@example.com",
            "archived@example.com",
            &format!("new{}@example.com", more.to_string().len()),
        ] {
            let mut fields = more.clone();
            fields["email"] = json!(email);
            seen.push(shown(&app.post(&path).json(body(fields)).await));
        }
        assert_eq!(seen[0], seen[2]);
        assert_eq!(seen[1], seen[2]);
    }
    let lead = app.get("/v1/leads?q=known").by(by).await.expect(200)["data"][0].clone();
    assert_eq!(lead["first_name"], "By Hand", "what was typed by hand wins");
}

#[tandem_tests::test]
async fn a_form_fills_what_is_empty_or_older_and_never_blanks(app: &TestApp) {
    let path = given(app).await;
    let send = |fields: Value, at: &str| {
        app.post(&path).json(json!({"fields": fields, "submitted_at": at, "sent_at": "2026-02-03T00:00:00Z"}))
    };
    send(json!({"email": "ada@example.com", "name": "New", "phone": "+41446681800"}), "2026-02-02T00:00:00Z")
        .await
        .expect(201);
    send(json!({"email": "ada@example.com", "name": "Old", "firm": "Example"}), "2026-02-01T00:00:00Z")
        .await
        .expect(201);
    send(json!({"email": "ada@example.com", "name": " ", "phone": "+41446681801"}), "2026-02-03T00:00:00Z")
        .await
        .expect(201);
    let list = listed(app, "leads").await;
    let lead = &list["data"][0];
    assert_eq!((&lead["first_name"], &lead["company"]["name"]), (&json!("New"), &json!("Example")));
    assert_eq!(lead["phones"], json!(["+41446681800", "+41446681801"]));
}

#[tandem_tests::test(postgres)]
async fn two_replicas_take_one_person_once(app: &TestApp) {
    let path = given(app).await;
    let other = app.second_server().await;
    let posts = (0..60).map(|n| {
        let server = if n % 2 == 0 { app } else { &other };
        let fields = json!({"email": format!("p{}@c{}.example", n % 6, n % 3), "name": format!("N{n}"), "firm": "Same"});
        server.post(&path).json(body(fields)).into_future()
    });
    for answer in join_all(posts).await {
        answer.expect(201);
    }
    let twins = (0..40).map(|n| {
        let server = if n % 2 == 0 { app } else { &other };
        server.post(&path).once("k").json(body(json!({"email": "one@example.com"}))).into_future()
    });
    let answers = join_all(twins).await;
    assert!(answers.iter().all(|answer| (answer.status, &answer.body) == (201, &answers[0].body)));
    let same = (0..40).map(|n| {
        let server = if n % 2 == 0 { app } else { &other };
        server.post(&path).json(body(json!({"email": "two@example.com"}))).into_future()
    });
    let answers = join_all(same).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(listed(app, "leads").await.each("id").len(), 8);
    assert_eq!(listed(app, "submissions").await.each("id").len(), 62);
    assert_eq!(listed(app, "companies").await.each("id").len(), 4);
    other.stop().await;
}
