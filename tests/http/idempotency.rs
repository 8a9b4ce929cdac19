//! Idempotent requests: one effect and one answer, however often they come.

use std::future::IntoFuture;

use futures::future::join_all;
use serde_json::{Value, json};
use tandem_tests::TestApp;

#[tandem_tests::test]
async fn the_first_answer_is_repeated(app: &TestApp) {
    let by = app.admin().await;
    let post = |email: &str| app.post("/v1/leads").by(by).once("k-1").json(json!({"email": email}));
    let first = post("ada@example.com").await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);
    app.patch(&format!("/v1/leads/{}", first.id()))
        .by(by)
        .json(json!({"first_name": "Ada"}))
        .await
        .expect(200);
    let again = post("ada@example.com").await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        (&again.body, again.etag(), again.header("location")),
        (&first.body, first.etag(), first.header("location"))
    );
    post("eve@example.com").await.refused(422, "idempotency_key_reused");
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200).each("id"), [first.id()]);
}

#[tandem_tests::test]
async fn a_key_belongs_to_its_caller_and_address(app: &TestApp) {
    let (by, sam) = (app.admin().await, app.user("sales").await);
    let body = || json!({"email": "ada@example.com"});
    let lead = app.post("/v1/leads").by(by).once("k").json(body()).await.expect(201).id();
    app.post("/v1/leads").by(&sam).once("k").json(body()).await.expect(200);
    app.post(&format!("/v1/leads/{lead}/archive")).by(by).once("k").await.expect(200);
    app.post(&format!("/v1/leads/{lead}/restore")).by(by).once("k").await.expect(200);
    let replay = app.post(&format!("/v1/leads/{lead}/archive")).by(by).once("k").await.expect(200);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(app.get(&format!("/v1/leads/{lead}")).by(by).await.expect(200)["archived_at"], Value::Null);
}

#[tandem_tests::test]
async fn a_refusal_is_not_kept(app: &TestApp) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await.id();
    let path = format!("/v1/leads/{lead}/transitions");
    let accept = || app.post(&path).by(by).once("k").json(json!({"to": "sal"}));
    accept().await.refused(409, "illegal_transition");
    app.moved(&lead, "mql", None).await;
    let made = accept().await.expect(201);
    assert_eq!(accept().await.expect(201).body, made.body);
}

#[tandem_tests::test]
async fn a_lost_right_counts_more_than_a_kept_answer(app: &TestApp) {
    let mia = app.user("marketing").await;
    let post = || app.post("/v1/leads").by(&mia).once("k").json(json!({"email": "ada@example.com"}));
    post().await.expect(201);
    app.patch(&format!("/v1/users/{}", mia.id))
        .by(app.admin().await)
        .json(json!({"role": "viewer"}))
        .await
        .expect(200);
    post().await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn fifty_identical_requests_at_once_are_one(app: &TestApp) {
    let by = app.admin().await;
    let body = json!({"email": "ada@example.com", "first_name": "Ada"});
    let posts = (0..50).map(|_| app.post("/v1/leads").by(by).once("k").json(body.clone()).into_future());
    let answers = join_all(posts).await;
    let first = answers
        .iter()
        .find(|answer| answer.header("idempotent-replayed").is_none())
        .unwrap()
        .clone()
        .expect(201);
    let originals = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count();
    assert_eq!(originals, 1);
    for answer in answers {
        assert_eq!(answer.expect(201).body, first.body);
    }
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200).each("id"), [first.id()]);
    let path = format!("/v1/leads/{}/timeline", first.id());
    assert_eq!(app.get(&path).by(by).await.expect(200).each("type"), ["lead.created"]);
}
