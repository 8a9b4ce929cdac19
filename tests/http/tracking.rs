//! Tracking: what sites may send by their keys, the channels of what forms bring, the company's own rules.

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{START, TestApp, minutes};

use crate::tracked::{LANDING, ORIGIN, given_form, given_site, of_lead, send, view};

/// The first touch of a new lead whose submission has this context.
async fn touch_of(app: &TestApp, key: &str, context: Value) -> Value {
    let email = format!("lead{}@example.com", app.next());
    let body = json!({"fields": {"email": email}, "context": context});
    app.post(&format!("/v1/capture/{key}")).json(body).await.expect(201);
    let found =
        app.get(&format!("/v1/leads?q={email}&include=touches")).by(app.admin().await).await.expect(200);
    found["data"][0]["first_touch"].clone()
}

#[tandem_tests::test]
async fn a_form_tells_the_channel_its_lead_came_by(app: &TestApp) {
    let key = given_form(app).await;
    let landing = |query: &str| format!("https://u:p@www.example.com/offer{query}");
    let paid = touch_of(app, &key, json!({
        "page_url": "https://www.example.com/contact", "referrer": "https://www.example.com/",
        "landing_url": landing("?utm_source=google&utm_medium=cpc&utm_campaign=%3Cb%3E&gclid=G1&email=a%40b.ch"),
        "landing_referrer": "https://ada:secret@intra.example.org/wiki?token=t",
    })).await;
    let members = ["channel", "source", "medium", "campaign", "landing_url", "referrer"]
        .map(|name| paid[name].as_str().unwrap());
    assert_eq!(
        members,
        [
            "paid_search",
            "google",
            "cpc",
            "<b>",
            "https://www.example.com/offer",
            "https://intra.example.org/wiki"
        ]
    );
    assert_eq!(paid["click_ids"], json!({"gclid": "G1"}));

    let searched = touch_of(
        app,
        &key,
        json!({"landing_url": landing(""), "landing_referrer": "https://www.google.it/"}),
    )
    .await;
    assert_eq!((&searched["channel"], &searched["source"]), (&json!("organic_search"), &json!("google")));
    let direct = touch_of(app, &key, json!({"landing_url": landing("")})).await;
    assert_eq!((&direct["channel"], direct.get("source")), (&json!("direct"), None));
    let inside = touch_of(app, &key, json!({"page_url": landing(""), "referrer": landing("s")})).await;
    assert_eq!(
        (inside.get("channel"), &inside["landing_url"]),
        (None, &json!("https://www.example.com/offer"))
    );
    assert_eq!(touch_of(app, &key, json!({"page_url": "javascript:alert(1)"})).await, Value::Null);

    let by_channel = app.get("/v1/leads").by(app.admin().await).await.expect(200);
    assert!(!by_channel.text.contains("secret") && !by_channel.text.contains("token"), "{}", by_channel.text);
}

#[tandem_tests::test]
async fn the_companys_own_rules_come_first(app: &TestApp) {
    let (ada, key) = (app.admin().await, given_form(app).await);
    let path = "/v1/settings/channel-rules";
    let before = app.get(path).by(&app.user("viewer").await).await.expect(200);
    assert_eq!(before.body, json!({"rules": []}));
    let context =
        || json!({"landing_url": "https://www.example.com/", "landing_referrer": "https://chatgpt.com/c/1"});
    assert_eq!(touch_of(app, &key, context()).await["channel"], "ai_assistant");

    let rules = json!({"rules": [
        {"when": {"referrer_host": {"contains": "partner"}, "source": {"prefix": "x"}}, "channel": "partner"},
        {"when": {"medium": {"exact": "AI-assistant"}}, "channel": "assistants"},
    ]});
    let put = |tag: &str, rules: &Value| app.put(path).by(ada).header("if-match", tag).json(rules.clone());
    let changed = put(before.etag(), &rules).await.expect(200);
    assert_eq!(changed.body, rules);
    put(before.etag(), &json!({"rules": []})).await.refused(412, "stale");
    assert_eq!(put(changed.etag(), &rules).await.expect(200).etag(), changed.etag());
    assert_eq!(touch_of(app, &key, context()).await["channel"], "assistants");
    let told = app.get("/v1/journal?type=setting.changed").by(ada).await.expect(200);
    assert_eq!(told["data"][0]["subject"]["id"], "channel_rules");
    app.put(path).by(&app.user("marketing").await).json(rules).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn rules_change_no_visit_that_was_known_before_them(app: &TestApp) {
    let (ada, key) = (app.admin().await, app.key(&["events:write"]).await);
    let lead = format!("/v1/leads/{}", app.given_lead("ada@example.com").await.id());
    let said = json!({"visitor_id": "visitor-1", "lead": {"email": "ada@example.com"}});
    app.post("/v1/identify").by(&key).json(said).await.expect(200);
    let tell = async |minute: i64| {
        let at = Timestamp::from_millis(START.millis() - minutes(minute));
        let event = json!({"type": "page_view", "visitor_id": "visitor-1", "occurred_at": at,
            "url": "https://www.example.com/", "referrer": "https://chatgpt.com/c/1"});
        app.post("/v1/events").by(&key).json(json!({"events": [event]})).await.expect(200);
    };
    tell(600).await;
    tell(580).await;
    let path = "/v1/settings/channel-rules";
    let tag = app.get(path).by(ada).await.expect(200).etag().to_owned();
    let rules = json!({"rules": [{"when": {"medium": {"exact": "ai-assistant"}}, "channel": "assistants"}]});
    app.put(path).by(ada).header("if-match", tag).json(rules).await.expect(200);
    tell(100).await;
    tell(590).await;

    let touches = app.get(&format!("{lead}/touches")).by(ada).await.expect(200);
    assert_eq!(touches.each("channel"), ["assistants", "ai_assistant"]);
    let sessions = app.get(&format!("{lead}/sessions")).by(ada).await.expect(200);
    assert_eq!((&sessions["data"][0]["events"], &sessions["data"][1]["events"]), (&json!(1), &json!(3)));
    let shown = app.get(&lead).by(ada).await.expect(200);
    assert_eq!(shown["first_touch"]["channel"], "ai_assistant");
}

#[tandem_tests::test]
async fn a_channel_rule_that_says_nothing_is_refused(app: &TestApp) {
    let put = async |rules: Value| {
        app.put("/v1/settings/channel-rules").by(app.admin().await).json(json!({"rules": rules})).await
    };
    let when = |when: Value| json!([{"when": when, "channel": "partner"}]);
    for (rules, faults) in [
        (when(json!({})), vec![("#/rules/0/when", "required")]),
        (when(json!({"source": {}})), vec![("#/rules/0/when/source", "invalid_value")]),
        (
            when(json!({"source": {"exact": "a", "contains": "b"}})),
            vec![("#/rules/0/when/source", "invalid_value")],
        ),
        (when(json!({"source": {"exact": " "}})), vec![("#/rules/0/when/source/exact", "invalid_format")]),
        (when(json!({"page": {"exact": "a"}})), vec![("#/rules/0/when/page", "unknown_field")]),
        (
            json!([{"when": {"source": {"exact": "a"}}, "channel": "Our Partner"}]),
            vec![("#/rules/0/channel", "invalid_format")],
        ),
    ] {
        let refused = put(rules).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), faults);
    }
    put(json!(vec![when(json!({"source": {"exact": "a"}}))[0].clone(); 201]))
        .await
        .refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn a_tracking_key_is_changed_rotated_and_revoked(app: &TestApp) {
    let ada = app.admin().await;
    let site = given_site(app).await;
    let listed = app.get("/v1/tracking-keys").by(ada).await.expect(200);
    let id = listed.each("id").remove(0);
    let path = format!("/v1/tracking-keys/{id}");
    let known = app.get(&path).by(ada).await.expect(200);
    let changed = app
        .patch(&path)
        .by(ada)
        .header("if-match", known.etag())
        .json(json!({"allowed_origins": ["https://shop.example.com"]}))
        .await
        .expect(200);
    assert_eq!(changed["allowed_origins"], json!(["https://shop.example.com"]));
    app.clock.advance(2000);
    let tell = async |key: &str, origin: &str| {
        let body = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}]});
        app.post(&format!("/v1/collect?key={key}")).header("origin", origin).json(body).await
    };
    tell(&site, ORIGIN).await.refused(403, "origin_not_allowed");
    let rotated =
        app.post(&format!("{path}/rotate")).by(ada).json(json!({"grace_seconds": 60})).await.expect(200);
    let fresh = rotated["key"].as_str().unwrap().to_owned();
    app.clock.advance(2000);
    for key in [&site, &fresh] {
        tell(key, "https://shop.example.com").await.expect(204);
    }
    app.clock.advance(minutes(2));
    tell(&site, "https://shop.example.com").await.refused(404, "not_found");
    app.delete(&path).by(ada).header("if-match", changed.etag()).await.refused(412, "stale");
    app.delete(&path).by(ada).header("if-match", rotated.etag()).await.expect(204);
    app.clock.advance(2000);
    tell(&fresh, "https://shop.example.com").await.refused(404, "not_found");
    app.post(&format!("{path}/rotate")).by(ada).json(json!({})).await.refused(409, "conflict");
    app.post("/v1/tracking-keys")
        .by(app.user("sales").await)
        .json(json!({"name": "x", "allowed_origins": [ORIGIN]}))
        .await
        .refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_site_is_told_nothing_and_only_its_pages_may_tell(app: &TestApp) {
    let site = given_site(app).await;
    let body = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}, {"type": "nonsense"}]})
        .to_string();
    let post = |key: &str| app.post(&format!("/v1/collect?key={key}"));
    let taken = post(&site).header("origin", ORIGIN).body("application/json", body.clone()).await.expect(204);
    assert_eq!((taken.header("access-control-allow-origin"), taken.text.as_str()), (Some(ORIGIN), ""));
    post(&site).body("text/plain", body.clone()).await.expect(204);
    post(&site)
        .header("origin", "https://evil.example")
        .body("text/plain", body.clone())
        .await
        .refused(403, "origin_not_allowed");
    post("tdm_pk_x").body("text/plain", body.clone()).await.refused(404, "not_found");
    app.post("/v1/collect").body("text/plain", body.clone()).await.refused(400, "invalid_parameter");
    post(&site).body("text/plain", "{").await.refused(400, "malformed_json");
    post(&site).body("application/xml", body.clone()).await.refused(415, "unsupported_media_type");
    let events: Vec<Value> = (0..101).map(|_| json!({"type": "page_view"})).collect();
    post(&site)
        .json(json!({"visitor_id": "visitor-1", "events": events}))
        .await
        .refused(422, "validation_failed");
    post(&site)
        .json(json!({"visitor_id": "<script>", "events": [{"type": "page_view"}]}))
        .await
        .refused(422, "validation_failed");
    let asked = app.request("OPTIONS", &format!("/v1/collect?key={site}")).header("origin", ORIGIN);
    let asked = asked.header("access-control-request-method", "POST").await.expect(204);
    assert_eq!(asked.header("access-control-allow-origin"), Some(ORIGIN));
}

#[tandem_tests::test]
async fn what_a_site_sends_is_text_in_utf_8(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let body = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}]}).to_string();
    let post = |path: &str| app.post(path).header("origin", ORIGIN);
    let collect = format!("/v1/collect?key={site}");
    for charset in ["utf-16", "iso-8859-1"] {
        let kind = format!("text/plain; charset={charset}");
        post(&collect).body(&kind, body.clone()).await.refused(415, "unsupported_media_type");
    }
    post(&collect).body("text/plain; charset=\"utf-8\"", body.clone()).await.expect(204);
    for path in [collect, format!("/v1/capture/{form}")] {
        let corrupt = post(&path).header("content-encoding", "gzip");
        corrupt.body("application/json", body.clone()).await.refused(400, "bad_request");
    }
}

#[tandem_tests::test]
async fn bots_count_nowhere(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let body = json!({"visitor_id": "visitor-1", "events": [view(0, LANDING, None)]}).to_string();
    let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    app.post(&format!("/v1/collect?key={site}"))
        .header("user-agent", bot)
        .body("text/plain", body)
        .await
        .expect(204);
    send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
    let events = of_lead(app, "ada@example.com", "events").await;
    assert_eq!(events.iter().filter(|event| event["bot"] == true).count(), 1);
    assert!(of_lead(app, "ada@example.com", "touches").await.is_empty());
}

#[tandem_tests::test]
async fn nobody_comes_from_where_people_pay_nor_from_the_companys_own_sites(app: &TestApp) {
    let (ada, key) = (app.admin().await, app.key(&["events:write"]).await);
    let site = json!({"name": "Shop", "allowed_origins": ["https://shop.example.org"]});
    app.post("/v1/tracking-keys").by(ada).json(site).await.expect(201);
    let lead = format!("/v1/leads/{}", app.given_lead("ada@example.com").await.id());
    let said = json!({"visitor_id": "visitor-1", "lead": {"email": "ada@example.com"}});
    app.post("/v1/identify").by(&key).json(said).await.expect(200);
    let view = async |minute: i64, referrer: &str| {
        let at = Timestamp::from_millis(START.millis() - minutes(minute));
        let event = json!({"type": "page_view", "visitor_id": "visitor-1", "occurred_at": at,
            "url": "https://www.example.com/", "referrer": referrer});
        app.post("/v1/events").by(&key).json(json!({"events": [event]})).await.expect(200);
    };
    view(400, "https://www.google.com/").await;
    view(390, "https://www.paypal.com/").await;
    view(380, "https://www.example.org/").await;
    let path = "/v1/settings/ignored-referrers";
    let known = app.get(path).by(ada).await.expect(200);
    assert!(known["maintained"].as_array().unwrap().contains(&json!("paypal.com")), "{}", known.text);
    let put = |hosts: Value| {
        app.put(path)
            .by(ada)
            .header("if-match", known.etag())
            .json(json!({"hosts": hosts, "except": ["PayPal.com"]}))
    };
    put(json!(["https://pay.example"])).await.refused(422, "validation_failed");
    let changed = put(json!(["Pay.example"])).await.expect(200);
    assert_eq!((&changed["hosts"], &changed["except"]), (&json!(["pay.example"]), &json!(["paypal.com"])));
    view(300, "https://checkout.stripe.com/").await;
    view(200, "https://secure.pay.example/").await;
    view(100, "https://www.paypal.com/").await;

    let touches = app.get(&format!("{lead}/touches")).by(ada).await.expect(200);
    assert_eq!(touches.each("channel"), ["referral", "direct", "direct", "organic_search"]);
}

#[tandem_tests::test]
async fn machines_open_mail_and_nobody_was_there(app: &TestApp) {
    let (ada, key) = (app.admin().await, app.key(&["events:write"]).await);
    let lead = format!("/v1/leads/{}", app.given_lead("ada@example.com").await.id());
    let click = |more: Value| {
        let mut event = json!({"type": "email_click", "lead": {"email": "ada@example.com"},
            "url": "https://www.example.com/?utm_campaign=news"});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let events = json!([
        click(json!({"machine": true})),
        click(json!({"user_agent": "Mozilla/5.0"})),
        click(json!({"type": "email_open", "user_agent": "Mimecast/1.0"})),
        {"type": "page_view", "visitor_id": "visitor-1", "machine": true, "url": "https://www.example.com/"},
        {"type": "email_bounce", "lead": {"email": "ada@example.com"}, "user_agent": "curl/8.9.1"},
    ]);
    let taken = app.post("/v1/events").by(&key).json(json!({"events": events})).await.expect(200);
    assert_eq!(taken["accepted"], 5, "{}", taken.text);
    let said = json!({"visitor_id": "visitor-1", "lead": {"email": "ada@example.com"}});
    app.post("/v1/identify").by(&key).json(said).await.expect(200);
    for what in ["touches", "sessions"] {
        let list = app.get(&format!("{lead}/{what}")).by(ada).await.expect(200);
        assert_eq!(list["data"], json!([]), "{what}");
    }
    let list = app.get(&format!("{lead}/events")).by(ada).await.expect(200);
    let machines = list["data"].as_array().unwrap().iter().filter(|event| event["machine"] == true);
    assert_eq!(machines.count(), 4, "{}", list.text);

    let person = json!([click(json!({"user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}))]);
    app.post("/v1/events").by(&key).json(json!({"events": person})).await.expect(200);
    let touches = app.get(&format!("{lead}/touches")).by(ada).await.expect(200);
    assert_eq!(touches.each("campaign"), ["news"]);
}
