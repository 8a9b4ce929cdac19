//! Capture: what strangers send to forms, what becomes of it, and from where it may come.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

const ORIGIN: &str = "https://www.example.com";

fn fields() -> Value {
    json!([
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
        {"name": "firm", "label": "Company", "type": "text", "maps_to": "company.name"},
        {"name": "colour", "label": "Colour", "type": "text"},
    ])
}

/// A form: its id and its key.
async fn given_form(app: &TestApp) -> (String, String) {
    let body = json!({"name": "Contact", "fields": fields(), "allowed_origins": [ORIGIN]});
    let form = app.post("/v1/forms").by(app.admin().await).json(body).await.expect(201);
    let key = form["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("fk_"));
    (form.id(), key)
}

/// `{"fields": {"email": "ada@example.com"}}`, packed by gzip.
const PACKED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJ\xcbL\xcdI)V\xb2R\xa8VJ\xcdM\xcc\xcc\x01\xb2\x94\x12S\
    \x12\x1dR+\x12s\x0brR\xf5\x92\xf3s\x95jk\x01#\xe5O\x17(\x00\x00\x00";

/// The same with a `colour` of 66,000 letters.
fn packed_huge() -> Vec<u8> {
    let begin = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc9\xc1\x09\x840\x14@\xc1V\xe4\x9f\x17\x0b\xf0\xb4\xad\x04\xcd\x82\x90\x10\
        Q\x04A\xec}\xb5\x0d\x999=xg\xfc\xe6\x5c\xa6-\x86\xee\x8c\x5c\xd3\x5c\xee\x8a4\xa5o>R]J\xee\xc7V\xe3\xd3\xc5\xd8J\xdb\xd7g\x1e";
    let end = b"\xc0\xeb\xc4u\xfd\x01\x92\xa0\x0b\x93\x06\x02\x01\x00";
    [&begin[..], &[0; 63], &end[..]].concat()
}

async fn submit(app: &TestApp, key: &str, body: Value) -> Answer {
    app.post(&format!("/v1/capture/{key}")).json(body).await
}

async fn submissions(app: &TestApp, query: &str) -> Answer {
    app.get(&format!("/v1/submissions?{query}")).by(app.admin().await).await.expect(200)
}

#[tandem_tests::test]
async fn a_submission_makes_a_lead(app: &TestApp) {
    let (form, key) = given_form(app).await;
    let body = json!({
        "fields": {"email": "Ada@Example.com", "name": "Ada", "firm": "Example Ltd", "colour": "red", "unknown": [1]},
        "context": {"page_url": "https://www.example.com/offer?utm_source=google&utm_medium=cpc#x", "language": "en-GB"},
        "whatever": {"a": 1},
    });
    let accepted = submit(app, &key, body.clone()).await.expect(201);
    assert_eq!(accepted["status"], "accepted");
    assert!(!accepted.text.contains("lead_"), "a stranger is told nothing");

    let lead = &app.get("/v1/leads?include=touches").by(app.admin().await).await.expect(200)["data"][0];
    assert_eq!(
        (&lead["email"], &lead["first_name"], &lead["language"]),
        (&json!("ada@example.com"), &json!("Ada"), &json!("en-GB"))
    );
    assert_eq!(
        (&lead["company"]["name"], &lead["first_touch"]["source"]),
        (&json!("Example Ltd"), &json!("google"))
    );
    assert_eq!(lead["first_touch"]["landing_url"], "https://www.example.com/offer");

    let id = accepted["submission_id"].as_str().unwrap();
    let kept = app.get(&format!("/v1/submissions/{id}")).by(app.admin().await).await.expect(200);
    assert_eq!(
        (&kept["form_id"], &kept["status"], &kept["lead_id"]),
        (&json!(form), &json!("accepted"), &lead["id"])
    );
    assert!(kept.text.contains("whatever") && kept.text.contains("colour"), "kept whole");
    let path = format!("/v1/leads/{}/timeline", lead["id"].as_str().unwrap());
    let told = app.get(&path).by(app.admin().await).await.expect(200).each("type");
    assert!(
        told.contains(&"lead.captured".into()) && told.contains(&"submission.accepted".into()),
        "{told:?}"
    );
}

#[tandem_tests::test]
async fn a_known_person_is_answered_like_a_stranger(app: &TestApp) {
    let (_, key) = given_form(app).await;
    app.given_lead("known@example.com").await;
    let known =
        submit(app, &key, json!({"fields": {"email": "known@example.com", "name": "K"}})).await.expect(201);
    let unknown =
        submit(app, &key, json!({"fields": {"email": "new@example.com", "name": "N"}})).await.expect(201);
    let members = |answer: &Answer| answer.body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((members(&known), &known["status"]), (members(&unknown), &unknown["status"]));
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").len(), 2);
}

#[tandem_tests::test]
async fn a_submission_that_does_not_fit_is_kept_with_its_faults(app: &TestApp) {
    let (_, key) = given_form(app).await;
    let refused = submit(app, &key, json!({"fields": {"email": "nonsense", "name": "Ada"}})).await;
    assert_eq!(
        refused.refused(422, "validation_failed").violations(),
        [("#/fields/email", "invalid_format")]
    );
    let refused = submit(app, &key, json!({"fields": {"name": "Ada"}})).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/fields/email", "required")]);
    assert_eq!(submissions(app, "status=rejected").await.each("status"), ["rejected", "rejected"]);
    assert_eq!(submissions(app, "status=accepted").await.each("status").len(), 0);
    let id = submissions(app, "limit=1").await["data"][0]["id"].as_str().unwrap().to_owned();
    let kept = app.get(&format!("/v1/submissions/{id}")).by(app.admin().await).await.expect(200);
    assert!(kept.text.contains("#/fields/email"), "{}", kept.text);
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").len(), 0);
}

#[tandem_tests::test]
async fn a_submission_sent_twice_with_its_key_counts_once(app: &TestApp) {
    let (_, key) = given_form(app).await;
    let send = |name: &str| {
        let body = json!({"fields": {"email": "ada@example.com", "name": name}});
        app.post(&format!("/v1/capture/{key}")).once("s1").json(body)
    };
    let first = send("Ada").await.expect(201);
    let again = send("Ada").await.expect(201);
    assert_eq!(
        (again.body, again.headers.iter().any(|(name, _)| name == "idempotent-replayed")),
        (first.body, true)
    );
    send("Eve").await.refused(422, "idempotency_key_reused");
    assert_eq!(submissions(app, "").await.each("id").len(), 1);
}

#[tandem_tests::test]
async fn an_unknown_key_names_nothing(app: &TestApp) {
    let (form, key) = given_form(app).await;
    let body = || json!({"fields": {"email": "ada@example.com"}});
    for wrong in ["fk_0000000000000000000000", "fk_", "x", &form] {
        submit(app, wrong, body()).await.refused(404, "not_found");
    }
    let path = format!("/v1/forms/{form}");
    app.patch(&path).by(app.admin().await).json(json!({"archived": true})).await.expect(200);
    app.clock.advance(1000);
    submit(app, &key, body()).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn only_listed_origins_may_send(app: &TestApp) {
    let (_, key) = given_form(app).await;
    let path = format!("/v1/capture/{key}");
    let send = |origin: &str| {
        app.post(&path).header("origin", origin).json(json!({"fields": {"email": "ada@example.com"}}))
    };
    let accepted = send(ORIGIN).await.expect(201);
    assert_eq!(accepted.header("access-control-allow-origin"), Some(ORIGIN));
    assert!(accepted.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")));
    for foreign in ["https://evil.example", "http://www.example.com", "https://www.example.com.evil.example"]
    {
        let refused = send(foreign).await.refused(403, "origin_not_allowed");
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    let refused = app
        .post(&path)
        .header("origin", ORIGIN)
        .json(json!({"fields": {}}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.header("access-control-allow-origin"), Some(ORIGIN), "a page may read what was wrong");

    let preflight = |origin: &str| {
        let request = app.request("OPTIONS", &path).header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
    };
    let allowed = preflight(ORIGIN).await.expect(204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), None);
    let elsewhere = app
        .request("OPTIONS", "/v1/leads")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST");
    assert_eq!(elsewhere.await.header("access-control-allow-origin"), None);
}

#[tandem_tests::test]
async fn a_body_that_cannot_be_read_is_refused(app: &TestApp) {
    let (_, key) = given_form(app).await;
    let path = format!("/v1/capture/{key}");
    for (kind, body, status, code) in [
        ("application/json", "{", 400, "malformed_json"),
        ("application/json", "{\"fields\": {\"email\": \"a\", \"email\": \"b\"}}", 400, "duplicate_key"),
        ("application/json", "{\"fields\": {\"email\": \"a\\u0000\"}}", 422, "validation_failed"),
        ("text/xml", "<lead/>", 415, "unsupported_media_type"),
    ] {
        app.post(&path).body(kind, body).await.refused(status, code);
    }
    app.post(&path)
        .body("application/json", b"{\"fields\": \"\xff\0\"}")
        .await
        .refused(400, "malformed_json");
    assert_eq!(submissions(app, "status=rejected").await.each("status").len(), 5, "what can be kept is kept");
    let huge = json!({"fields": {"email": "ada@example.com", "colour": "x".repeat(65 * 1024)}});
    submit(app, &key, huge).await.refused(413, "body_too_large");
    let long = json!({"fields": {"email": "ada@example.com", "colour": "x".repeat(9000)}});
    submit(app, &key, long).await.refused(422, "validation_failed");
    for body in
        [json!([]), json!(5), json!({}), json!({"fields": []}), json!({"fields": {"email": {"a": 1}}})]
    {
        let answer = submit(app, &key, body).await;
        assert!([400, 422].contains(&answer.status), "{}", answer.text);
    }
}

#[tandem_tests::test]
async fn a_packed_body_counts_as_what_it_unpacks_to(app: &TestApp) {
    let (_, key) = given_form(app).await;
    let packed = || app.post(&format!("/v1/capture/{key}")).header("content-encoding", "gzip");
    packed().body("application/json", packed_huge()).await.refused(413, "body_too_large");
    assert!(submissions(app, "limit=1").await.each("status").is_empty());
    packed().body("application/json", PACKED).await.expect(201);
}

#[tandem_tests::test]
async fn a_form_is_changed_on_the_version_that_was_read(app: &TestApp) {
    let (form, key) = given_form(app).await;
    let path = format!("/v1/forms/{form}");
    let by = app.user("marketing").await;
    let read = app.get(&path).by(&by).await.expect(200);
    let mut fields = fields();
    fields[1]["required"] = json!(true);
    let change = |body: Value| app.patch(&path).by(&by).header("if-match", read.etag()).json(body);
    change(json!({"fields": fields})).await.expect(200);
    change(json!({"name": "x"})).await.refused(412, "stale");
    let refused = submit(app, &key, json!({"fields": {"email": "ada@example.com"}}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/fields/name", "required")]);
    app.patch(&path)
        .by(&app.user("sales").await)
        .json(json!({"name": "x"}))
        .await
        .refused(403, "insufficient_scope");
    assert_eq!(app.get("/v1/forms").by(&by).await.expect(200).each("id"), [form]);
}

#[tandem_tests::test]
async fn a_form_that_makes_no_sense_is_refused(app: &TestApp) {
    let by = app.admin().await;
    let post = |fields: Value, origin: &str| {
        app.post("/v1/forms").by(by).json(json!({"name": "x", "fields": fields, "allowed_origins": [origin]}))
    };
    let email = json!({"name": "email", "label": "E", "type": "email", "maps_to": "email"});
    for origin in
        ["*", "www.example.com", "https://www.example.com/path", "ftp://example.com", "https://*.example.com"]
    {
        post(json!([email]), origin).await.refused(422, "validation_failed");
    }
    for fields in [
        json!([]),
        json!([{"name": "colour", "label": "C", "type": "text"}]),
        json!([email, email]),
        json!([email, {"name": "x", "label": "X", "type": "text", "maps_to": "stage"}]),
        json!([email, {"name": "x", "label": "X", "type": "text", "maps_to": "custom.nothing"}]),
    ] {
        post(fields, ORIGIN).await.refused(422, "validation_failed");
    }
}
