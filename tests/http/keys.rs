//! Secret keys: scopes, checksum, expiry, rotation, and acting on behalf of somebody.

use serde_json::{Value, json};
use tandem_tests::{TestApp, hours, seconds};

#[tandem_tests::test]
async fn a_key_may_what_its_scope_says(app: &TestApp) {
    app.given_lead("ada@example.com").await;
    let reader = app.key(&["leads:read"]).await;
    assert_eq!(app.get("/v1/leads").by(&reader).await.expect(200).each("email"), ["ada@example.com"]);
    let refused = app.post("/v1/leads").by(&reader).json(json!({"email": "b@example.com"})).await;
    let refused = refused.refused(403, "insufficient_scope");
    assert_eq!(refused["scope"], "leads:write");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("leads:write"), "{challenge}");

    let writer = app.key(&["leads:write"]).await;
    app.post("/v1/leads").by(&writer).json(json!({"email": "b@example.com"})).await.expect(201);
    app.get("/v1/leads").by(&writer).await.refused(403, "insufficient_scope");
    app.get("/v1/me").by(&writer).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_key_with_a_wrong_sum_is_none(app: &TestApp) {
    let key = app.key(&["leads:read"]).await;
    let mut letters: Vec<char> = key.chars().collect();
    letters.swap(10, 11);
    let swapped: String = letters.into_iter().collect();
    for wrong in [swapped.as_str(), &key[..key.len() - 1], "tdm_sk_", "tdm_sk_short"] {
        if wrong != key {
            app.get("/v1/leads").by(wrong).await.refused(401, "invalid_token");
        }
    }
}

#[tandem_tests::test]
async fn a_secret_is_shown_once(app: &TestApp) {
    let ada = app.admin().await;
    let body = json!({"name": "crm", "scopes": ["leads:read", "leads:write"]});
    let made = app.post("/v1/api-keys").by(ada).once("k1").json(body.clone()).await.expect(201);
    assert!(made["secret"].as_str().unwrap().starts_with("tdm_sk_"));
    let again = app.post("/v1/api-keys").by(ada).once("k1").json(body).await.expect(201);
    assert_eq!((again.id(), again.header("idempotent-replayed")), (made.id(), Some("true")));
    assert_eq!(again["secret"], Value::Null);
    let read = app.get(&format!("/v1/api-keys/{}", made.id())).by(ada).await.expect(200);
    assert!(read.body.get("secret").is_none_or(Value::is_null));
    assert!(!read.text.contains(made["secret"].as_str().unwrap()));
}

#[tandem_tests::test]
async fn unknown_scopes_and_those_of_persons_are_refused(app: &TestApp) {
    let ada = app.admin().await;
    for scopes in [json!(["leads:fly"]), json!(["account"])] {
        let body = json!({"name": "crm", "scopes": scopes});
        app.post("/v1/api-keys").by(ada).json(body).await.refused(422, "validation_failed");
    }
    let manager = app.user("sales_manager").await;
    let body = json!({"name": "crm", "scopes": ["leads:read"]});
    app.post("/v1/api-keys").by(&manager).json(body).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_rotated_key_has_two_secrets_until_the_overlap_ends(app: &TestApp) {
    let ada = app.admin().await;
    let made = app
        .post("/v1/api-keys")
        .by(ada)
        .json(json!({"name": "crm", "scopes": ["leads:read"]}))
        .await
        .expect(201);
    let old = made["secret"].as_str().unwrap().to_owned();
    let path = format!("/v1/api-keys/{}/rotate", made.id());
    let rotated = app.post(&path).by(ada).json(json!({"overlap_seconds": 600})).await;
    assert!(rotated.status < 300, "{}", rotated.text);
    let new = rotated["secret"].as_str().unwrap();
    app.get("/v1/leads").by(&old).await.expect(200);
    app.get("/v1/leads").by(new).await.expect(200);
    app.clock.advance(seconds(601));
    app.get("/v1/leads").by(&old).await.refused(401, "invalid_token");
    app.get("/v1/leads").by(new).await.expect(200);
}

#[tandem_tests::test]
async fn a_revoked_key_is_dead_at_once(app: &TestApp) {
    let ada = app.admin().await;
    let made = app
        .post("/v1/api-keys")
        .by(ada)
        .json(json!({"name": "crm", "scopes": ["leads:read"]}))
        .await
        .expect(201);
    let secret = made["secret"].as_str().unwrap();
    app.get("/v1/leads").by(secret).await.expect(200);
    app.delete(&format!("/v1/api-keys/{}", made.id())).by(ada).await.expect(204);
    app.get("/v1/leads").by(secret).await.refused(401, "invalid_token");
}

#[tandem_tests::test]
async fn a_key_is_rotated_and_revoked_on_the_version_that_was_read(app: &TestApp) {
    let ada = app.admin().await;
    let made = app
        .post("/v1/api-keys")
        .by(ada)
        .json(json!({"name": "crm", "scopes": ["leads:read"]}))
        .await
        .expect(201);
    let path = format!("/v1/api-keys/{}", made.id());
    let rotate =
        |tag: &str| app.post(&format!("{path}/rotate")).by(ada).header("if-match", tag).json(json!({}));
    let rotated = rotate(made.etag()).await.expect(201);
    rotate(made.etag()).await.refused(412, "stale");
    app.delete(&path).by(ada).header("if-match", made.etag()).await.refused(412, "stale");
    app.get("/v1/leads").by(rotated["secret"].as_str().unwrap()).await.expect(200);
    app.delete(&path).by(ada).header("if-match", rotated.etag()).await.expect(204);
}

#[tandem_tests::test]
async fn a_key_expires(app: &TestApp) {
    let ada = app.admin().await;
    let end = tandem_tests::START.plus_millis(hours(2)).to_string();
    let body = json!({"name": "crm", "scopes": ["leads:read"], "expires_at": end});
    let made = app.post("/v1/api-keys").by(ada).json(body).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    app.get("/v1/leads").by(secret).await.expect(200);
    app.clock.advance(hours(2));
    app.get("/v1/leads").by(secret).await.refused(401, "invalid_token");
}

#[tandem_tests::test]
async fn a_key_that_expires_makes_none_that_outlives_it(app: &TestApp) {
    let ada = app.admin().await;
    let end = |after: i64| tandem_tests::START.plus_millis(hours(after)).to_string();
    let body = |end: Option<String>| json!({"name": "crm", "scopes": ["keys:manage"], "expires_at": end});
    let create = |by: &str, end: Option<String>| app.post("/v1/api-keys").by(by).json(body(end));
    let forever = app.post("/v1/api-keys").by(ada).json(body(None)).await.expect(201).id();
    let key = app.post("/v1/api-keys").by(ada).json(body(Some(end(2)))).await.expect(201);
    let secret = key["secret"].as_str().unwrap();
    for later in [None, Some(end(3))] {
        let refused = create(secret, later).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [("#/expires_at", "out_of_range")]);
    }
    create(secret, Some(end(2))).await.expect(201);
    let rotate = |id: &str| app.post(&format!("/v1/api-keys/{id}/rotate")).by(secret).json(json!({}));
    rotate(&forever).await.refused(403, "wrong_role");
    rotate(&key.id()).await.expect(201);
}

#[tandem_tests::test]
async fn the_last_use_of_a_key_is_known_to_the_minute(app: &TestApp) {
    let ada = app.admin().await;
    let made = app
        .post("/v1/api-keys")
        .by(ada)
        .json(json!({"name": "crm", "scopes": ["leads:read"]}))
        .await
        .expect(201);
    app.get("/v1/leads").by(made["secret"].as_str().unwrap()).await.expect(200);
    app.run_jobs().await;
    app.run_jobs().await;
    let read = app.get(&format!("/v1/api-keys/{}", made.id())).by(ada).await.expect(200);
    assert_eq!(read["last_used_at"], "2026-03-02T09:00:00.000Z");
}

#[tandem_tests::test]
async fn a_key_acts_on_behalf_of_a_person_with_that_persons_rights(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = app.given_lead("ada@example.com").await.id();
    let key = app.key(&["leads:write", "leads:read", "journal:read"]).await;
    let path = format!("/v1/leads/{lead}/transitions");
    let to_mql = || app.post(&path).by(&key).json(json!({"to": "mql", "note": "asked for a demo"}));
    to_mql().await.refused(403, "wrong_role");
    to_mql().header("x-on-behalf-of", app.user("viewer").await.id).await.refused(403, "wrong_role");
    let moved = to_mql().header("x-on-behalf-of", &mia.id).await.expect(201);
    assert_eq!((&moved["actor_type"], &moved["on_behalf_of"]), (&json!("key"), &json!(mia.id)));
    app.post(&path).by(&key).header("x-on-behalf-of", &sam.id).json(json!({"to": "sal"})).await.expect(201);
    let entry = &app.get("/v1/journal?limit=1").by(&key).await.expect(200)["data"][0];
    assert_eq!((&entry["actor"]["type"], &entry["actor"]["on_behalf_of"]), (&json!("key"), &json!(sam.id)));
}

#[tandem_tests::test]
async fn nobody_can_be_stood_for_who_is_not_there(app: &TestApp) {
    let sam = app.user("sales").await;
    let key = app.key(&["leads:read"]).await;
    let on_behalf = |user: &str| app.get("/v1/leads").by(&key).header("x-on-behalf-of", user);
    assert!([400, 403].contains(&on_behalf("user_01h455vb4pex5vsknk084sn02q").await.status));
    assert!([400, 403].contains(&on_behalf("sam").await.status));
    app.patch(&format!("/v1/users/{}", sam.id))
        .by(app.admin().await)
        .json(json!({"disabled": true}))
        .await
        .expect(200);
    assert!([400, 403].contains(&on_behalf(&sam.id).await.status));
}

#[tandem_tests::test(postgres)]
async fn a_revoked_key_is_dead_on_every_replica_within_a_second(app: &TestApp) {
    let other = app.second_server().await;
    let ada = app.admin().await;
    let made = app
        .post("/v1/api-keys")
        .by(ada)
        .json(json!({"name": "crm", "scopes": ["leads:read"]}))
        .await
        .expect(201);
    let secret = made["secret"].as_str().unwrap();
    other.get("/v1/leads").by(secret).await.expect(200);
    app.delete(&format!("/v1/api-keys/{}", made.id())).by(ada).await.expect(204);
    app.clock.advance(seconds(1));
    other.get("/v1/leads").by(secret).await.refused(401, "invalid_token");
    other.stop().await;
}
