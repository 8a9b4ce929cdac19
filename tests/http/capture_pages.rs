//! Forms of browsers without JavaScript: what they send, the pages that answer them, and the keys that name them.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

const ORIGIN: &str = "https://www.example.com";
const THANKS: &str = "https://www.example.com/thanks";
const FORM: &str = "application/x-www-form-urlencoded";

fn form(more: Value) -> Value {
    let mut form = json!({"name": "Contact", "allowed_origins": [ORIGIN], "fields": [
        {"name": "email", "label": "Your <e-mail>", "type": "email", "required": true, "maps_to": "email"},
        {"name": "name", "label": "Name", "type": "text", "maps_to": "first_name"},
        {"name": "colour", "label": "Colours", "type": "select"},
    ]});
    form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    form
}

async fn given(app: &TestApp, more: Value) -> Answer {
    let purposes = json!({"purposes": [{"name": "news", "label": "News"}, {"name": "terms", "label": "Terms", "channel": "other"}]});
    app.put("/v1/settings/consent-purposes").by(app.admin().await).json(purposes).await.expect(200);
    app.post("/v1/forms").by(app.admin().await).json(form(more)).await.expect(201)
}

fn path(form: &Answer) -> String {
    format!("/v1/capture/{}", form["key"].as_str().unwrap())
}

async fn kept(app: &TestApp) -> Answer {
    let list = app.get("/v1/submissions?limit=1").by(app.admin().await).await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    app.get(&format!("/v1/submissions/{id}")).by(app.admin().await).await.expect(200)
}

fn parts(text: &[(&str, &str)], file: Option<&str>) -> (String, String) {
    let mut body: String = text
        .iter()
        .map(|(name, value)| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .collect();
    if let Some(name) = file {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"cv\"; filename=\"{name}\"\r\n");
        body += &format!(
            "{head}Content-Type: application/pdf\r\n\r\n{}\r\n",
            if name.is_empty() { "" } else { "%PDF" }
        );
    }
    ("multipart/form-data; boundary=b".into(), body + "--b--\r\n")
}

#[tandem_tests::test]
async fn a_form_without_javascript_goes_to_the_forms_own_address(app: &TestApp) {
    let form = given(app, json!({"redirect_url": THANKS})).await;
    let body = "email=Ada%40Example.com&name=Ada+L&colour=red&colour=blue&_page_url=https%3A%2F%2Fwww.example.com%2F%3Futm_source%3Dnews\
        &_consent_news=on&redirect_url=https%3A%2F%2Fevil.example&_redirect=https%3A%2F%2Fevil.example";
    let sent = app.post(&path(&form)).header("origin", ORIGIN).body(FORM, body).await.expect(303);
    assert_eq!((sent.header("location"), sent.text.as_str()), (Some(THANKS), ""));
    assert_eq!(sent.header("access-control-allow-origin"), Some(ORIGIN));
    let lead = &app.get("/v1/leads?include=touches").by(app.admin().await).await.expect(200)["data"][0];
    assert_eq!((&lead["email"], &lead["first_name"]), (&json!("ada@example.com"), &json!("Ada L")));
    assert_eq!(
        (&lead["first_touch"]["source"], &lead["company"]["domain"]),
        (&json!("news"), &json!("example.com"))
    );
    let kept = kept(app).await;
    assert_eq!(
        (&kept["raw"], &kept["media_type"], &kept["status"]),
        (&json!(body), &json!(FORM), &json!("accepted"))
    );
}

#[tandem_tests::test]
async fn without_an_address_there_is_a_page(app: &TestApp) {
    let form = given(app, json!({})).await;
    let (kind, body) = parts(&[("email", "ada@example.com"), ("name", "Ada"), ("_test", "0")], Some(""));
    let sent = app.post(&path(&form)).body(&kind, body).await.expect(200);
    assert!(sent.text.contains("<h1>Thank you</h1>"), "{}", sent.text);
    assert_eq!(sent.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = sent.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(kept(app).await["status"], "accepted");
    let json =
        app.post(&path(&form)).header("accept", "application/json").body(FORM, "email=b%40example.com");
    assert_eq!(json.await.expect(201)["status"], "accepted");
}

#[tandem_tests::test]
async fn a_person_reads_what_is_wrong_and_nothing_is_echoed(app: &TestApp) {
    let form = given(app, json!({"consent": [{"purpose": "terms", "wording": "I agree.", "legal_basis": "contract", "required": true}]})).await;
    let sent = app
        .post(&path(&form))
        .header("origin", ORIGIN)
        .body(FORM, "email=%3Cscript%3E&name=x")
        .await
        .expect(422);
    assert_eq!(sent.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        sent.text.contains("<b>Your &lt;e-mail&gt;</b>") && sent.text.contains("`terms`"),
        "{}",
        sent.text
    );
    assert!(!sent.text.contains("script"), "{}", sent.text);
    assert_eq!(sent.header("access-control-allow-origin"), Some(ORIGIN));
    let reasons: Vec<_> =
        kept(app).await["reasons"].as_array().unwrap().iter().map(|r| r["pointer"].clone()).collect();
    assert_eq!(reasons, ["#/fields/email", "#/consent"]);

    let (kind, body) = parts(&[("email", "ada@example.com"), ("_consent_terms", "1")], Some("cv.pdf"));
    let sent = app.post(&path(&form)).body(&kind, body).await.expect(422);
    assert!(sent.text.contains("files are not accepted") && !sent.text.contains("cv.pdf"), "{}", sent.text);
    let file = kept(app).await;
    assert_eq!(
        (&file["status"], &file["reasons"][0]["code"]),
        (&json!("rejected"), &json!("file_not_allowed"))
    );
    assert!(file["raw"].as_str().unwrap().contains("%PDF"), "kept whole");

    for (kind, body) in [("multipart/form-data", "x"), ("multipart/form-data; boundary=b", "--b\r\nnonsense")]
    {
        let sent = app.post(&path(&form)).body(kind, body).await.expect(400);
        assert!(sent.text.contains("<h1>Bad request</h1>"), "{}", sent.text);
    }
    assert_eq!(app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").len(), 0);
}

#[tandem_tests::test]
async fn every_refusal_of_a_form_is_a_page_that_its_site_may_read(app: &TestApp) {
    let form = given(app, json!({})).await;
    let send =
        |path: &str, origin: &str, body: String| app.post(path).header("origin", origin).body(FORM, body);
    let unknown = send("/v1/capture/fk_0000000000000000000000", ORIGIN, "email=a".into()).await.expect(404);
    assert!(unknown.text.contains("<h1>Not found</h1>"));
    let foreign = send(&path(&form), "https://evil.example", "email=a".into()).await.expect(403);
    assert!(foreign.text.contains("<h1>Origin not allowed</h1>"));
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let large = send(&path(&form), ORIGIN, format!("email={}", "x".repeat(65 * 1024))).await.expect(413);
    assert!(large.text.contains("<h1>Body too large</h1>"));
    assert_eq!(large.header("access-control-allow-origin"), Some(ORIGIN), "the guard's answer too");
    let many: String = (0..101).map(|n| format!("f{n}=1&")).collect();
    let many = send(&path(&form), ORIGIN, many + "email=ada%40example.com").await.expect(422);
    assert!(many.text.contains("at most 100 fields"), "{}", many.text);
    let allowed = app.get(&path(&form)).await.refused(405, "method_not_allowed");
    assert_eq!(allowed.header("allow"), Some("POST"));
}

#[tandem_tests::test]
async fn consent_is_kept_in_the_words_of_its_time(app: &TestApp) {
    let asks = |wording: &str| json!([{"purpose": "news", "wording": wording, "legal_basis": "consent"}]);
    let form = given(app, json!({"consent": asks("News?")})).await;
    app.post(&path(&form))
        .body(FORM, "email=ada%40example.com&_consent_news=on&_consent_other=on")
        .await
        .expect(200);
    let of_form = format!("/v1/forms/{}", form.id());
    app.patch(&of_form).by(app.admin().await).json(json!({"consent": asks("Mail?")})).await.expect(200);
    let given = json!([{"purpose": "news", "granted": true, "wording": "News?", "legal_basis": "consent"}]);
    assert_eq!(kept(app).await["consent"], given);
    let body =
        json!({"fields": {"email": "ada@example.com"}, "consent": [{"purpose": "news", "granted": false}]});
    app.post(&path(&form)).json(body).await.expect(201);
    assert_eq!(
        (&kept(app).await["consent"][0]["granted"], &kept(app).await["consent"][0]["wording"]),
        (&json!(false), &json!("Mail?"))
    );
}

#[tandem_tests::test]
async fn a_form_is_set_and_unset(app: &TestApp) {
    let settings = json!({"redirect_url": THANKS, "honeypot_field": "website", "min_fill_seconds": 3, "service_requested": "Advice"});
    let form = given(app, settings.clone()).await;
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(form[name], *value);
    }
    let html = form["snippet_html"].as_str().unwrap();
    assert!(
        html.contains(&path(&form))
            && html.contains("name=\"website\"")
            && html.contains("Your &lt;e-mail&gt;"),
        "{html}"
    );
    assert!(form["snippet_js"].as_str().unwrap().contains(&path(&form)));
    let by = app.admin().await;
    let of_form = format!("/v1/forms/{}", form.id());
    let nothing = json!({"redirect_url": null, "honeypot_field": null, "min_fill_seconds": null, "service_requested": null});
    let changed = app.patch(&of_form).by(by).json(nothing.clone()).await.expect(200);
    for name in nothing.as_object().unwrap().keys() {
        assert_eq!(changed[name], Value::Null);
    }
    for wrong in [
        json!({"redirect_url": "javascript:alert(1)"}),
        json!({"redirect_url": "/thanks"}),
        json!({"honeypot_field": "email"}),
        json!({"min_fill_seconds": 0}),
        json!({"fields": [{"name": "_test", "label": "x", "type": "email", "maps_to": "email"}]}),
        json!({"consent": [{"purpose": "Bad Name", "wording": "x", "legal_basis": "consent"}]}),
    ] {
        app.patch(&of_form).by(by).json(wrong).await.refused(422, "validation_failed");
    }
}

#[tandem_tests::test]
async fn a_rotated_key_keeps_working_for_its_grace_time(app: &TestApp) {
    let form = given(app, json!({})).await;
    let rotate = format!("/v1/forms/{}/rotate-key", form.id());
    let by = app.user("marketing").await;
    let first = app.post(&rotate).by(&by).json(json!({"grace_seconds": 60})).await.expect(200);
    assert_ne!((&first["key"], &first["version"]), (&form["key"], &form["version"]));
    assert_eq!(first["older_keys"][0]["key"], form["key"]);
    let send = |form: &Answer, n: u32| {
        app.post(&path(form)).json(json!({"fields": {"email": format!("a{n}@example.com")}}))
    };
    send(&form, 1).await.expect(201);
    send(&first, 2).await.expect(201);
    app.clock.advance(60_000);
    send(&form, 3).await.refused(404, "not_found");
    send(&first, 4).await.expect(201);
    let second = app.post(&rotate).by(&by).json(json!({})).await.expect(200);
    let read = app.get(&format!("/v1/forms/{}", form.id())).by(&app.user("viewer").await).await.expect(200);
    assert_eq!((&read["key"], &read["older_keys"][0]["key"]), (&second["key"], &first["key"]));
    assert_eq!(read["older_keys"].as_array().unwrap().len(), 1, "what has ended is not shown");
    app.post(&rotate).by(&app.user("sales").await).json(json!({})).await.refused(403, "insufficient_scope");
    app.post(&rotate).by(&by).json(json!({"grace_seconds": -1})).await.refused(422, "validation_failed");
    app.clock.advance(30 * 86_400_000 - 5_000);
    send(&first, 5).await.expect(201);
    app.clock.advance(10_000);
    send(&first, 6).await.refused(404, "not_found");
    send(&second, 7).await.expect(201);
}
