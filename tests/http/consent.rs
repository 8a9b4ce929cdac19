//! Consent: what people say, where it stands, what follows from it, and the links that confirm it.

use serde_json::{Value, json};
use tandem_tests::{Answer, Request, TestApp, hours, minutes};

const PURPOSES: &str = "/v1/settings/consent-purposes";
const CONFIRM: &str = "/v1/consents/confirm";
const FORM: &str = "application/x-www-form-urlencoded";
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// `news` asks for double opt-in, `calls` does not.
pub async fn given_purposes(app: &TestApp) {
    let purposes = json!([
        {"name": "news", "label": "News & <more>", "double_opt_in": true, "legal_basis_default": "consent", "token_days": 2},
        {"name": "calls", "label": "Calls", "channel": "phone"},
    ]);
    let body = json!({"purposes": purposes});
    app.put(PURPOSES).by(app.admin().await).json(body).await.expect(200);
}

async fn say(app: &TestApp, lead: &str, body: Value) -> Answer {
    app.post(&format!("/v1/leads/{lead}/consents")).by(app.admin().await).json(body).await
}

/// Why the lead may be contacted for a purpose, or may not: the same in the lead, in a list and with its history.
async fn why(app: &TestApp, lead: &str, purpose: &str) -> (bool, String) {
    let by = app.admin().await;
    let read = app.get(&format!("/v1/leads/{lead}")).by(by).await.expect(200);
    let own = app.get(&format!("/v1/leads/{lead}/consents")).by(by).await.expect(200);
    let list = app.get("/v1/leads?limit=200").by(by).await.expect(200);
    let listed = list["data"].as_array().unwrap().iter().find(|one| one["id"] == lead).unwrap();
    assert_eq!((&read["may_contact"], &listed["may_contact"]), (&own["may_contact"], &own["may_contact"]));
    let contact = &read["may_contact"][purpose];
    (contact["allowed"].as_bool().unwrap(), contact["why"].as_str().unwrap().to_owned())
}

fn is(allowed: bool, why: &str) -> (bool, String) {
    (allowed, why.to_owned())
}

async fn link(app: &TestApp, lead: &str, purpose: &str) -> Answer {
    let path = format!("/v1/leads/{lead}/consents/{purpose}/confirmation");
    app.post(&path).by(app.admin().await).await
}

/// A lead that granted `news`, and a link to confirm it.
async fn given_link(app: &TestApp) -> (String, String) {
    given_purposes(app).await;
    let lead = app.given_lead("ada@example.com").await.id();
    say(app, &lead, json!({"purpose": "news", "granted": true, "wording": "Send me <b>news</b>."}))
        .await
        .expect(201);
    let made = link(app, &lead, "news").await.expect(201);
    (lead, made["token"].as_str().unwrap().to_owned())
}

fn confirm(app: &TestApp, token: &str) -> Request {
    app.post(CONFIRM).json(json!({"token": token}))
}

#[tandem_tests::test]
async fn the_newest_statement_counts_and_all_are_kept(app: &TestApp) {
    given_purposes(app).await;
    let lead = app.given_lead("ada@example.com").await;
    let first = lead.etag().to_owned();
    let lead = lead.id();
    let granted = say(app, &lead, json!({"purpose": "calls", "granted": true, "wording": "Call me.", "legal_basis": "consent", "source": "hand"})).await.expect(201);
    assert_eq!(granted.header("location"), Some(format!("/v1/leads/{lead}/consents").as_str()));
    assert_eq!(why(app, &lead, "calls").await, is(true, "granted"));
    say(app, &lead, json!({"purpose": "calls", "granted": false, "stated_at": "2020-01-01T00:00:00Z"}))
        .await
        .expect(201);
    assert_eq!(why(app, &lead, "calls").await, is(true, "granted"), "what was said long ago comes before");
    say(app, &lead, json!({"purpose": "calls", "granted": false})).await.expect(201);
    assert_eq!(why(app, &lead, "calls").await, is(false, "withdrawn"));
    say(app, &lead, json!({"purpose": "calls", "granted": false, "reason": "bounced"})).await.expect(201);
    assert_eq!(why(app, &lead, "calls").await, is(false, "bounced"));

    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(&app.user("viewer").await).await.expect(200);
    assert_eq!(all.each("state"), ["withdrawn", "withdrawn", "granted", "withdrawn"]);
    let granted = &all["data"][2];
    assert_eq!(
        (&granted["wording"], &granted["legal_basis"], &granted["source"]),
        (&json!("Call me."), &json!("consent"), &json!("hand"))
    );
    assert!(granted["by"].as_str().unwrap().starts_with("user_"));
    let path = format!("/v1/leads/{lead}");
    let now = app.get(&path).by(app.admin().await).header("if-none-match", &first).await.expect(200);
    assert_ne!(now.etag(), first);
    let told = app.get(&format!("{path}/timeline")).by(app.admin().await).await.expect(200);
    assert_eq!(told.each("type").iter().filter(|kind| kind.starts_with("consent.")).count(), 4);
    assert!(!told.text.contains("Call me."), "the journal knows no wording");
}

#[tandem_tests::test]
async fn what_is_declared_shows_before_anything_was_said(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await;
    assert_eq!(
        lead["may_contact"]["marketing_email"]["why"], "never_asked",
        "every installation declares it"
    );
    let (tag, lead) = (lead.etag().to_owned(), lead.id());
    given_purposes(app).await;
    assert_eq!(why(app, &lead, "news").await, is(false, "never_asked"));
    let (path, by) = (format!("/v1/leads/{lead}"), app.admin().await);
    let read = app.get(&path).by(by).header("if-none-match", &tag).await.expect(200);
    let stale =
        app.patch(&path).by(by).header("if-match", "\"9.0\"").json(json!({})).await.refused(412, "stale");
    assert_eq!(stale["current"], read.etag());

    let kept = app.get(PURPOSES).by(&app.user("viewer").await).await.expect(200);
    assert_eq!(
        (&kept["purposes"][0]["token_days"], &kept["purposes"][1]["token_days"]),
        (&json!(2), &json!(7))
    );
    let stale = app.put(PURPOSES).by(by).header("if-match", "\"0.0\"").json(json!({"purposes": []}));
    stale.await.refused(412, "stale");
    app.put(PURPOSES)
        .by(&app.user("marketing").await)
        .json(json!({"purposes": []}))
        .await
        .refused(403, "insufficient_scope");
    let twice = json!({"purposes": [{"name": "a", "label": "A"}, {"name": "a", "label": "B"}]});
    let refused = app.put(PURPOSES).by(by).json(twice).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/purposes/1/name", "not_allowed")]);
    for wrong in [
        json!({"name": "A b"}),
        json!({"name": ""}),
        json!({"label": " "}),
        json!({"token_days": 0}),
        json!({"token_days": 91}),
        json!({"legal_basis_default": "because"}),
    ] {
        let mut purpose = json!({"name": "a", "label": "A"});
        purpose.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        app.put(PURPOSES).by(by).json(json!({"purposes": [purpose]})).await.refused(422, "validation_failed");
    }
}

#[tandem_tests::test]
async fn a_form_states_consent_in_its_own_transaction(app: &TestApp) {
    given_purposes(app).await;
    let consent = json!([{"purpose": "news", "wording": "News?", "legal_basis": "consent"},
        {"purpose": "calls", "wording": "Call?", "legal_basis": "contract", "unticked": "withdraws"}]);
    let fields =
        json!([{"name": "email", "label": "E", "type": "email", "required": true, "maps_to": "email"}]);
    let form = app
        .post("/v1/forms")
        .by(app.admin().await)
        .json(json!({"name": "F", "fields": fields, "consent": consent}))
        .await
        .expect(201);
    let path = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    let send = |consent: Value, test: bool| {
        app.post(&path)
            .json(json!({"fields": {"email": "ada@example.com"}, "consent": consent, "test": test}))
    };
    send(json!([{"purpose": "calls", "granted": true}]), true).await.expect(201);
    let sent = send(json!([{"purpose": "calls", "granted": true}, {"purpose": "news", "granted": true}, {"purpose": "other", "granted": true}]), false).await.expect(201);
    let lead = app.get("/v1/leads").by(app.admin().await).await.expect(200).each("id").remove(0);
    assert_eq!(why(app, &lead, "calls").await, is(true, "granted"));
    assert_eq!(why(app, &lead, "news").await, is(false, "not_confirmed"));
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(app.admin().await).await.expect(200);
    assert_eq!(
        all["data"].as_array().unwrap().len(),
        2,
        "a test leaves nothing, and what nobody asked is not kept"
    );
    for one in all["data"].as_array().unwrap() {
        assert_eq!(
            (&one["source"], &one["submission_id"], &one["by"]),
            (&json!("form"), &sent["submission_id"], &json!(form.id()))
        );
    }
    send(json!([{"purpose": "calls", "granted": false}]), false).await.expect(201);
    assert_eq!(why(app, &lead, "calls").await, is(false, "withdrawn"));
    app.post(&path).body(FORM, "email=ada%40example.com&_consent_calls=on").await.expect(200);
    assert_eq!(why(app, &lead, "calls").await, is(true, "granted"));
    app.clock.advance(hours(1) / 20);
    let behind = "email=ada%40example.com&_consent_calls=no&_submitted_at=2020-01-01T00%3A00%3A00Z&_sent_at=2020-01-01T00%3A00%3A05Z";
    app.post(&path).body(FORM, behind).await.expect(200);
    assert_eq!(why(app, &lead, "calls").await, is(false, "withdrawn"), "whatever the browser's clock says");
}

#[tandem_tests::test]
async fn an_upsert_states_consent_once(app: &TestApp) {
    given_purposes(app).await;
    let key = app.key(&["leads:write", "leads:read"]).await;
    let put = |consents: Value| {
        app.post("/v1/leads").by(&key).json(json!({"email": "ada@example.com", "consents": consents}))
    };
    let old = json!([{"purpose": "calls", "granted": true, "stated_at": "2024-05-01T00:00:00Z", "source": "import"}]);
    let made = put(old.clone()).await.expect(201);
    assert_eq!(
        made["may_contact"]["calls"],
        json!({"allowed": true, "why": "granted", "since": "2024-05-01T00:00:00.000Z"})
    );
    assert_eq!(put(old).await.expect(200).etag(), made.etag(), "the same again is no news");
    put(json!([{"purpose": "calls", "granted": false}])).await.expect(200);
    put(json!([{"purpose": "calls", "granted": false}])).await.expect(200);
    let lead = made.id();
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(&key).await.expect(200);
    assert_eq!(all.each("source"), ["api", "import"]);
    assert_eq!(all.each("state"), ["withdrawn", "granted"]);

    let nightly = json!([{"purpose": "calls", "granted": true}]);
    let told = put(nightly.clone()).await.expect(200);
    assert_eq!(
        told["may_contact"]["calls"]["why"], "withdrawn",
        "a system that repeats itself grants nothing"
    );
    assert_eq!(put(nightly).await.expect(200).etag(), told.etag());
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(&key).await.expect(200);
    assert_eq!(all.each("state"), ["disregarded", "withdrawn", "granted"]);
    app.clock.advance(hours(1) / 60);
    put(json!([{"purpose": "calls", "granted": true, "stated_at": app.clock.now()}])).await.expect(200);
    assert_eq!(why(app, &lead, "calls").await, is(true, "granted"), "but one that says when it was given");

    let batch = json!({"leads": [
        {"email": "b@example.com", "consents": [{"purpose": "calls", "granted": true}]},
        {"email": "b@example.com", "consents": [{"purpose": "calls", "granted": true}, {"purpose": "news", "granted": false, "reason": "unsubscribed"}]},
        {"email": "c@example.com", "consents": [{"purpose": "calls", "granted": true, "reason": "bounced"}]},
    ]});
    let done = app.post("/v1/leads/batch").by(&key).json(batch).await.expect(207);
    let statuses: Vec<_> =
        done["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [201, 200, 422]);
    assert_eq!(done["items"][2]["problem"]["errors"][0]["pointer"], "#/consents/0/reason");
    let b = done["items"][0]["id"].as_str().unwrap();
    assert_eq!(
        app.get(&format!("/v1/leads/{b}/consents")).by(&key).await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        (why(app, b, "calls").await, why(app, b, "news").await),
        (is(true, "granted"), is(false, "unsubscribed"))
    );
    let patch = json!({"may_contact": {}});
    let refused =
        app.patch(&format!("/v1/leads/{b}")).by(&key).json(patch).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/may_contact", "read_only_field")]);
}

#[tandem_tests::test]
async fn a_link_confirms_once(app: &TestApp) {
    let (lead, token) = given_link(app).await;
    assert_eq!(why(app, &lead, "news").await, is(false, "not_confirmed"));
    let first = confirm(app, &token).await.expect(200);
    assert_eq!((&first["purpose"], &first["status"]), (&json!("news"), &json!("confirmed")));
    assert!(
        !first.text.contains("lead_") && !first.text.contains("ada@"),
        "who has the link is told nothing else"
    );
    assert_eq!(why(app, &lead, "news").await, is(true, "granted"));
    assert_eq!(confirm(app, &token).await.expect(200).body, first.body);
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(app.admin().await).await.expect(200);
    assert_eq!(all.each("state"), ["confirmed", "granted"]);
    assert_eq!(
        (&all["data"][0]["confirms"], &all["data"][0]["source"]),
        (&all["data"][1]["id"], &json!("event"))
    );
    assert_eq!(all["data"][1]["legal_basis"], "consent", "as the purpose is declared");
    let told = app.get(&format!("/v1/leads/{lead}/timeline")).by(app.admin().await).await.expect(200);
    for kind in ["consent.granted", "consent.link_issued", "consent.confirmed"] {
        assert!(told.each("type").contains(&kind.to_owned()), "{kind}");
    }
    assert!(!told.text.contains(&token));
    assert_eq!(link(app, &lead, "news").await.refused(409, "conflict")["current"], "confirmed");

    say(app, &lead, json!({"purpose": "news", "granted": false, "reason": "unsubscribed"})).await.expect(201);
    confirm(app, &token).await.refused(404, "not_found");
    assert_eq!(link(app, &lead, "news").await.refused(409, "conflict")["current"], "not_granted");
    say(app, &lead, json!({"purpose": "news", "granted": true})).await.expect(201);
    assert_eq!(
        why(app, &lead, "news").await,
        is(false, "not_confirmed"),
        "a withdrawal ends what was confirmed"
    );
    confirm(app, &token).await.refused(404, "not_found");
}

#[tandem_tests::test]
async fn opening_a_link_confirms_nothing(app: &TestApp) {
    let (lead, token) = given_link(app).await;
    let path = format!("{CONFIRM}?token={token}");
    let page = app.get(&path).header("accept", BROWSER).await.expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().contains("form-action 'self'"));
    assert!(
        page.text.contains("News &amp; &lt;more&gt;")
            && page.text.contains("Send me &lt;b&gt;news&lt;/b&gt;."),
        "{}",
        page.text
    );
    assert!(
        page.text.contains(&format!("value=\"{token}\"")) && page.text.contains("<button>Confirm</button>")
    );
    assert!(!page.text.contains("ada@"), "{}", page.text);
    app.request("HEAD", &path).await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(false, "not_confirmed"));

    let pressed =
        |token: &str| app.post(CONFIRM).header("accept", BROWSER).body(FORM, format!("token={token}"));
    let thanks = pressed(&token).await.expect(200);
    assert!(thanks.text.contains("<h1>Thank you</h1>"), "{}", thanks.text);
    assert_eq!(why(app, &lead, "news").await, is(true, "granted"));
    assert_eq!(pressed(&token).await.expect(200).text, thanks.text);
    assert_eq!(app.get(&path).header("accept", BROWSER).await.expect(200).text, thanks.text);

    let unknown = format!("tdm_ct_{}", "a".repeat(43));
    for wrong in ["", "x", "tdm_ct_", unknown.as_str()] {
        let page = app.get(&format!("{CONFIRM}?token={wrong}")).header("accept", BROWSER).await.expect(404);
        assert!(page.text.contains("no longer valid"), "{}", page.text);
        app.get(&format!("{CONFIRM}?token={wrong}")).await.refused(404, "not_found");
        let page = app.post(CONFIRM).body(FORM, format!("token={wrong}")).await.expect(404);
        assert!(page.text.contains("no longer valid"), "{}", page.text);
    }
    confirm(app, &unknown).await.refused(404, "not_found");
    for wrong in [
        json!({}),
        json!({"token": 7}),
        json!({"token": ""}),
        json!({"token": "x".repeat(129)}),
        json!({"token": "x", "more": 1}),
    ] {
        app.post(CONFIRM).json(wrong).await.refused(422, "validation_failed");
    }
    let page = app.get(&format!("{CONFIRM}?nonsense=1")).header("accept", BROWSER).await.expect(404);
    assert!(page.text.contains("no longer valid"), "what mail senders append is ignored: {}", page.text);
}

#[tandem_tests::test]
async fn a_link_ends(app: &TestApp) {
    let (lead, token) = given_link(app).await;
    let key = app.key(&["leads:read"]).await;
    let second = link(app, &lead, "news").await.expect(201);
    app.clock.advance(hours(48) - 1000);
    confirm(app, second["token"].as_str().unwrap()).await.expect(200);
    app.clock.advance(2000);
    confirm(app, &token).await.refused(404, "not_found");
    confirm(app, second["token"].as_str().unwrap()).await.expect(200);
    app.run_jobs().await;
    confirm(app, second["token"].as_str().unwrap()).await.refused(404, "not_found");
    let read = app.get(&format!("/v1/leads/{lead}")).by(&key).await.expect(200);
    assert_eq!(read["may_contact"]["news"]["why"], "granted", "what was confirmed outlives the link");
}

#[tandem_tests::test]
async fn a_link_is_shown_once(app: &TestApp) {
    let (lead, _) = given_link(app).await;
    let path = format!("/v1/leads/{lead}/consents/news/confirmation");
    let by = app.admin().await;
    let made = app.post(&path).by(by).once("k").await.expect(201);
    let url = made["confirm_url"].as_str().unwrap();
    assert!(url.ends_with(&format!("{CONFIRM}?token={}", made["token"].as_str().unwrap())), "{url}");
    let again = app.post(&path).by(by).once("k").await.expect(201);
    assert_eq!(
        (&again["token"], &again["confirm_url"], &again["expires_at"]),
        (&Value::Null, &Value::Null, &made["expires_at"])
    );
    app.post(&format!("/v1/leads/{lead}/consents/Bad/confirmation")).by(by).await.refused(404, "not_found");
    app.post(&path).by(&app.user("revops").await).await.refused(403, "wrong_role");
    app.post(&path).by(&app.user("viewer").await).await.refused(403, "insufficient_scope");
    let never = format!("/v1/leads/{lead}/consents/never_said/confirmation");
    assert_eq!(app.post(&never).by(by).await.refused(409, "conflict")["current"], "not_granted");
    app.get(&format!("/v1/leads?token={}", made["token"].as_str().unwrap()))
        .by(by)
        .await
        .refused(400, "credential_in_url");
}

#[tandem_tests::test]
async fn bad_statements_are_refused(app: &TestApp) {
    given_purposes(app).await;
    let lead = app.given_lead("ada@example.com").await.id();
    let path = format!("/v1/leads/{lead}/consents");
    let by = app.admin().await;
    for (more, place) in [
        (json!({"purpose": "nobody_declared_it"}), "#/purpose"),
        (json!({"address": "nonsense"}), "#/address"),
        (json!({"purpose": "Bad Name"}), "#/purpose"),
        (json!({"purpose": "a".repeat(65)}), "#/purpose"),
        (json!({"granted": "yes"}), "#/granted"),
        (json!({"granted": null}), "#/granted"),
        (json!({"wording": " "}), "#/wording"),
        (json!({"wording": "x".repeat(4001)}), "#/wording"),
        (json!({"legal_basis": "none"}), "#/legal_basis"),
        (json!({"source": "rumour"}), "#/source"),
        (json!({"stated_at": "yesterday"}), "#/stated_at"),
        (json!({"reason": "bounced"}), "#/reason"),
        (json!({"confirmed": true}), "#/confirmed"),
        (json!({"by": "x"}), "#/by"),
    ] {
        let mut body = json!({"purpose": "news", "granted": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = app.post(&path).by(by).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations()[0].0, place);
    }
    let none = "/v1/leads/lead_01h455vb4pex5vsknk084sn02q/consents";
    app.post(none).by(by).json(json!({"purpose": "news", "granted": true})).await.refused(404, "not_found");
    app.get(none).by(by).await.refused(404, "not_found");
    let rep = app.user("revops").await;
    app.post(&path)
        .by(&rep)
        .json(json!({"purpose": "news", "granted": true}))
        .await
        .refused(403, "wrong_role");
    let ahead =
        say(app, &lead, json!({"purpose": "news", "granted": true, "stated_at": "9999-01-01T00:00:00Z"}))
            .await
            .expect(201);
    assert!(ahead["data"][0]["stated_at"].as_str().unwrap().starts_with("2026-"), "{}", ahead.text);
    let once =
        |granted: bool| app.post(&path).by(by).once("k").json(json!({"purpose": "news", "granted": granted}));
    let first = once(true).await.expect(201);
    assert_eq!(once(true).await.expect(201).body, first.body);
    once(false).await.refused(422, "idempotency_key_reused");
    assert_eq!(app.get(&path).by(by).await.expect(200)["data"].as_array().unwrap().len(), 2);
}

#[tandem_tests::test(postgres)]
async fn a_link_that_two_replicas_take_at_once_confirms_once(app: &TestApp) {
    let (lead, token) = given_link(app).await;
    let second = app.second_server().await;
    let clicks = (0..8).map(|n| {
        let server: &tandem_tests::Server = if n % 2 == 0 { app } else { &second };
        server.post(CONFIRM).json(json!({"token": token})).into_future()
    });
    let answers = futures::future::join_all(clicks).await;
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 503), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.status == 200));
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(app.admin().await).await.expect(200);
    assert_eq!(all.each("state"), ["confirmed", "granted"]);
    second.stop().await;
}

#[tandem_tests::test]
async fn consent_belongs_to_the_address(app: &TestApp) {
    let (lead, token) = given_link(app).await;
    confirm(app, &token).await.expect(200);
    let pending = link(app, &lead, "news").await;
    assert_eq!(pending.refused(409, "conflict")["current"], "confirmed");
    let by = app.admin().await;
    let edit = |body: Value| app.patch(&format!("/v1/leads/{lead}")).by(by).json(body);
    edit(json!({"emails": ["ada@work.example"]})).await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(false, "never_asked"), "nothing is carried over");
    say(app, &lead, json!({"purpose": "news", "granted": true})).await.expect(201);
    assert_eq!(why(app, &lead, "news").await, is(false, "not_confirmed"));
    confirm(app, &token).await.expect(200);
    assert_eq!(
        why(app, &lead, "news").await,
        is(false, "not_confirmed"),
        "the old link confirmed the old address"
    );
    let made = link(app, &lead, "news").await.expect(201);
    confirm(app, made["token"].as_str().unwrap()).await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(true, "granted"));

    // The old address bounces: the new one takes mail still, and once it bounces, it takes none at all.
    let key = app.key(&["events:write"]).await;
    let bounce = |lead: Value| {
        let event = json!({"type": "email_bounce", "lead": lead, "properties": {"bounce_type": "hard", "email": "ada@example.com"}});
        app.post("/v1/events").by(&key).json(json!({"events": [event]}))
    };
    app.clock.advance(minutes(1));
    bounce(json!({"id": lead})).await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(true, "granted"));
    bounce(json!({"email": "ada@work.example"})).await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(false, "bounced"));
    let all = app.get(&format!("/v1/leads/{lead}/consents")).by(by).await.expect(200);
    let addresses: std::collections::BTreeSet<String> = all.each("address").into_iter().collect();
    assert_eq!(addresses.into_iter().collect::<Vec<_>>(), ["ada@example.com", "ada@work.example"]);
}

#[tandem_tests::test]
async fn an_unsubscription_ends_all_of_mail_and_a_complaint_stays(app: &TestApp) {
    let by = app.admin().await;
    let purposes = json!({"purposes": [{"name": "news", "label": "News"}, {"name": "offers", "label": "Offers"}, {"name": "calls", "label": "Calls", "channel": "phone"}]});
    app.put(PURPOSES).by(by).json(purposes).await.expect(200);
    let lead = app.given_lead("ada@example.com").await.id();
    for purpose in ["news", "offers", "calls"] {
        say(app, &lead, json!({"purpose": purpose, "granted": true})).await.expect(201);
    }
    let key = app.key(&["events:write"]).await;
    let unsubscribe = |properties: Value| {
        let event = json!({"type": "email_unsubscribe", "lead": {"email": "ada@example.com"}, "properties": properties});
        app.post("/v1/events").by(&key).json(json!({"events": [event]}))
    };
    app.clock.advance(minutes(1));
    unsubscribe(json!({})).await.expect(200);
    for (purpose, expected) in [
        ("news", is(false, "unsubscribed")),
        ("offers", is(false, "unsubscribed")),
        ("calls", is(true, "granted")),
    ] {
        assert_eq!(why(app, &lead, purpose).await, expected, "{purpose}");
    }

    app.clock.advance(minutes(1));
    unsubscribe(json!({"reason": "complained", "purpose": "news"})).await.expect(200);
    let consent = json!([{"purpose": "news", "wording": "News?", "legal_basis": "consent"}]);
    let fields =
        json!([{"name": "email", "label": "E", "type": "email", "required": true, "maps_to": "email"}]);
    let body = json!({"name": "F", "fields": fields, "consent": consent});
    let form = app.post("/v1/forms").by(by).json(body.clone()).await.expect(201);
    let path = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    app.clock.advance(minutes(1));
    app.post(&path).body(FORM, "email=ada%40example.com&_consent_news=on").await.expect(200);
    assert_eq!(why(app, &lead, "news").await, is(false, "complained"), "anybody can send a form");
    app.clock.advance(minutes(1));
    say(app, &lead, json!({"purpose": "news", "granted": true})).await.expect(201);
    assert_eq!(why(app, &lead, "news").await, is(true, "granted"));

    for reason in ["spam_complaint", "Abuse", "marked as spam"] {
        app.clock.advance(minutes(1));
        unsubscribe(json!({"reason": reason, "purpose": "news"})).await.expect(200);
        assert_eq!(why(app, &lead, "news").await, is(false, "complained"), "{reason}");
        app.clock.advance(minutes(1));
        say(app, &lead, json!({"purpose": "news", "granted": true})).await.expect(201);
    }

    let undeclared = json!({"name": "F", "fields": body["fields"], "consent": [{"purpose": "typo", "wording": "x", "legal_basis": "consent"}]});
    let refused = app.post("/v1/forms").by(by).json(undeclared).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/consent/0/purpose", "not_allowed")]);
    let lead = json!({"email": "bob@example.com", "consents": [{"purpose": "typo", "granted": true}]});
    let refused = app.post("/v1/leads").by(by).json(lead).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/consents/0/purpose", "not_allowed")]);
}
