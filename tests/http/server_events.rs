//! What servers tell of events: it is done once, in the name of whoever told it, and within bounds.

use std::future::IntoFuture;

use futures::future::join_all;
use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{START, TestApp, hours, minutes, seconds};

use crate::tracked::{ORIGIN, at, channels, collect, given_form, given_site, lead, of_lead, reader, send};

async fn why(app: &TestApp, lead: &str) -> Value {
    let lead = app.get(&format!("/v1/leads/{lead}")).by(app.admin().await).await.expect(200);
    lead["may_contact"]["marketing_email"]["why"].clone()
}

#[tandem_tests::test]
async fn what_is_refused_or_was_told_before_makes_no_lead(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    let body = |email: &str, own: &str| {
        json!({"create_lead": true,
        "events": [{"type": "chat", "lead": {"email": email}, "event_id": own}]})
    };
    let tell = |body: Value| app.post("/v1/events").by(&key).json(body);
    let first = tell(body("ada@example.com", "e1")).once("k").await.expect(200);
    tell(body("bob@example.com", "e2")).once("k").await.refused(422, "idempotency_key_reused");
    let leads = app.get("/v1/leads").by(app.admin().await).await.expect(200);
    assert_eq!(leads.each("email"), ["ada@example.com"]);

    let path = format!("/v1/leads/{}", leads.each("id")[0]);
    app.patch(&path)
        .by(app.admin().await)
        .json(json!({"emails": ["countess@example.com"]}))
        .await
        .expect(200);
    assert_eq!(tell(body("ada@example.com", "e1")).once("k").await.expect(200).body, first.body);
    let again = tell(body("ada@example.com", "e1")).await.expect(200);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)));
    let twice = json!({"create_lead": true, "events": [
        {"type": "chat", "visitor_id": "visitor-1", "event_id": "e3"},
        {"type": "chat", "lead": {"email": "eve@example.com"}, "event_id": "e3"},
    ]});
    let twice = tell(twice).await.expect(200);
    assert_eq!((&twice["accepted"], &twice["duplicates"]), (&json!(1), &json!(1)));
    let leads = app.get("/v1/leads").by(app.admin().await).await.expect(200);
    assert_eq!(leads.each("email"), ["countess@example.com"]);
    let fresh = tell(body("bob@example.com", "e2")).await.expect(200);
    assert_eq!(fresh["accepted"], 1, "what was refused was not noted");
}

#[tandem_tests::test]
async fn two_bodies_under_one_key_at_once_are_one_and_the_other_can_be_told_again(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    let body = |n: usize| json!({"events": [{"type": "chat", "visitor_id": "visitor-1", "event_id": format!("e{n}")}]});
    let tell = |n: usize| app.post("/v1/events").by(&key).json(body(n));
    let answers = join_all((0..24).map(|n| tell(n).once(format!("k{}", n / 2)).into_future())).await;
    let refused: Vec<usize> = (0..24).filter(|n| answers[*n].status == 422).collect();
    assert_eq!(refused.len(), 12);
    for n in refused {
        assert_eq!(tell(n).await.expect(200)["accepted"], 1, "its event was not noted");
    }
}

#[tandem_tests::test]
async fn consent_that_an_event_ends_bears_the_request_that_told_it(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    let (mia, moe) = (app.user("marketing").await, app.user("marketing").await);
    for n in 0..8 {
        app.given_lead(&format!("p{n}@example.com")).await;
    }
    let posts = (0..16).map(|n| {
        let (by, event) = match n % 2 {
            0 => (
                &mia,
                json!({"type": "email_unsubscribe", "lead": {"email": format!("p{}@example.com", n / 2)}}),
            ),
            _ => (&moe, json!({"type": "chat", "visitor_id": "visitor-1"})),
        };
        app.post("/v1/events")
            .by(&key)
            .header("x-on-behalf-of", &by.id)
            .json(json!({"events": [event]}))
            .into_future()
    });
    for answer in join_all(posts).await {
        answer.expect(200);
    }
    let journal =
        app.get("/v1/journal?type=consent.withdrawn&limit=200").by(app.admin().await).await.expect(200);
    let entries = journal["data"].as_array().unwrap();
    assert_eq!(entries.len(), 8);
    assert!(entries.iter().all(|entry| entry["actor"]["on_behalf_of"] == json!(mia.id)), "{}", journal.text);
    let mut requests = journal.each("request_id");
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), 8);
}

#[tandem_tests::test]
async fn who_may_not_write_a_lead_ends_no_consent_of_it(app: &TestApp) {
    let (sam, sue) = (app.user("sales").await, app.user("sales").await);
    let lead = app.post("/v1/leads").by(&sam).json(json!({"email": "ada@example.com"})).await.expect(201);
    assert_eq!(lead["owner_id"], json!(sam.id));
    let (id, path) = (lead.id(), format!("/v1/leads/{}/consents", lead.id()));
    let said = |granted: bool| json!({"purpose": "marketing_email", "granted": granted});
    app.post(&path).by(app.admin().await).json(said(true)).await.expect(201);
    app.post(&path).by(&sue).json(said(false)).await.refused(403, "not_owner");

    let told = json!({"events": [{"type": "email_unsubscribe", "lead": {"id": id}}]});
    let answer = app.post("/v1/events").by(&sue).json(told.clone()).await.expect(200);
    assert_eq!((&answer["accepted"], why(app, &id).await), (&json!(1), json!("granted")));
    app.post("/v1/events").by(&sam).json(told).await.expect(200);
    assert_eq!(why(app, &id).await, "unsubscribed");
}

#[tandem_tests::test]
async fn no_more_is_kept_of_a_visitor_than_can_be_read_again(app: &TestApp) {
    let (ada, key) = (app.admin().await, app.key(&["events:write"]).await);
    let site = json!({"name": "Website", "allowed_origins": ["https://www.example.com"]});
    let site = app.post("/v1/tracking-keys").by(ada).json(site).await.expect(201);
    let form = json!({"name": "Contact", "fields": [{"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]});
    let form = app.post("/v1/forms").by(ada).json(form).await.expect(201);
    let view = |n: i64| {
        json!({"type": "page_view", "visitor_id": "visitor-1", "event_id": format!("e{n}"),
        "occurred_at": Timestamp::from_millis(START.millis() - hours(5) + seconds(n)), "url": "https://www.example.com/"})
    };
    let tell = |events: Vec<Value>| app.post("/v1/events").by(&key).json(json!({"events": events}));
    let collect = async || {
        let event = json!({"type": "page_view", "url": "https://www.example.com/"});
        let path = format!("/v1/collect?key={}", site["key"].as_str().unwrap());
        let browser = app
            .post(&path)
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36");
        browser.json(json!({"visitor_id": "visitor-1", "events": [event]})).await.expect(204);
    };
    for thousand in 0..10 {
        let told = tell((0..1000).map(|n| view(1000 * thousand + n)).collect()).await.expect(200);
        assert_eq!(told["accepted"], 1000);
    }
    let full = tell(vec![view(7), view(10_000)]).await.expect(200);
    assert_eq!((&full["accepted"], &full["duplicates"]), (&json!(0), &json!(1)));
    assert_eq!(
        (&full["rejected"][0]["index"], &full["rejected"][0]["code"]),
        (&json!(1), &json!("too_many_events"))
    );
    collect().await;

    let sent = json!({"fields": {"email": "ada@example.com"}, "visitor_id": "visitor-1", "context": {"page_url": "https://www.example.com/"}});
    app.post(&format!("/v1/capture/{}", form["key"].as_str().unwrap())).json(sent).await.expect(201);
    // Of a lead's visitor servers tell more, and what was rejected was not noted; sites are heard no more.
    assert_eq!(tell(vec![view(10_000), view(-1)]).await.expect(200)["accepted"], 2);
    collect().await;
    let lead = app.get("/v1/leads").by(ada).await.expect(200).each("id").remove(0);
    let sessions = app.get(&format!("/v1/leads/{lead}/sessions")).by(ada).await.expect(200);
    let events: Vec<i64> =
        sessions["data"].as_array().unwrap().iter().map(|one| one["events"].as_i64().unwrap()).collect();
    assert_eq!(events, [1, 10_002]);
}

#[tandem_tests::test]
async fn an_event_counts_once_for_good_and_bad_ones_refuse_no_other(app: &TestApp) {
    let (key, other) = (app.key(&["events:write"]).await, app.key(&["events:write"]).await);
    app.given_lead("ada@example.com").await;
    let events = json!([
        {"type": "email_open", "lead": {"email": "Ada@Example.com"}, "event_id": "e1"},
        {"type": "email_open", "lead": {"email": "ada@example.com"}, "event_id": "e1"},
        {"type": "custom.trial_started", "lead": {"email": "ada@example.com"}, "properties": {"plan": "team"}},
        {"type": "email_open", "lead": {"email": "nobody@example.com"}, "event_id": "e2"},
        {"type": "page_viewed", "visitor_id": "visitor-1"},
        {"type": "page_view", "visitor_id": "visitor-1", "occurred_at": "9999-12-01T00:00:00Z"},
        {"type": "page_view", "visitor_id": "visitor-1", "lead": {"email": "ada@example.com"}},
        {"type": "page_view", "visitor_id": "visitor-1", "colour": "red"},
        {"type": "page_view"},
        {"type": "page_view", "visitor_id": 7},
    ]);
    let answer = app.post("/v1/events").by(&key).json(json!({"events": events})).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(1)));
    let rejected: Vec<(i64, &str)> = answer["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["index"].as_i64().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rejected,
        [
            (3, "not_found"),
            (4, "not_allowed"),
            (5, "out_of_range"),
            (6, "invalid_variant"),
            (7, "unknown_field"),
            (8, "invalid_variant"),
            (9, "invalid_type"),
        ]
    );

    let again = json!({"events": [events[0]], "create_lead": true});
    let answer = app.post("/v1/events").by(&key).json(again.clone()).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(0), &json!(1)));
    let answer = app.post("/v1/events").by(&other).json(again).await.expect(200);
    assert_eq!(answer["accepted"], 1, "another key's ids are its own");

    // What was refused was not noted: told again, it counts.
    let made = app
        .post("/v1/events")
        .by(&key)
        .json(json!({"events": [events[3]], "create_lead": true}))
        .await
        .expect(200);
    assert_eq!(made["accepted"], 1);
    assert_eq!(of_lead(app, "nobody@example.com", "events").await.len(), 1);
    let path = format!("/v1/leads/{}/events", lead(app, "ada@example.com").await.id());
    let own =
        app.get(&format!("{path}?types=custom.trial_started,chat")).by(app.admin().await).await.expect(200);
    assert_eq!(
        (own.each("type"), &own["data"][0]["properties"]["plan"]),
        (vec!["custom.trial_started".to_owned()], &json!("team"))
    );
    app.get(&format!("{path}?types=nonsense")).by(app.admin().await).await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn an_event_that_cannot_be_read_refuses_no_other(app: &TestApp) {
    let (site, key) = (given_site(app).await, app.key(&["events:write"]).await);
    app.given_lead("ada@example.com").await;
    let deep = format!("{}{}", "[".repeat(64), "]".repeat(64));
    let bad = [
        (r#"{"a": "\u0000"}"#, "forbidden_character"),
        (r#"{"title": "half of a smile \ud83d"}"#, "malformed_json"),
        (r#"{"a": 1e400}"#, "malformed_json"),
        (r#"{"a": 1, "a": 2}"#, "duplicate_key"),
        (&format!(r#"{{"a": {deep}}}"#), "too_deep"),
    ];
    for (index, (properties, code)) in bad.into_iter().enumerate() {
        let lead = r#""lead": {"email": "ada@example.com"}"#;
        let good = format!(r#"{{"type": "chat", {lead}}}"#);
        let events = format!(
            r#"{{"events": [{good}, {{"type": "chat", {lead}, "properties": {properties}}}, {good}]}}"#
        );
        let told = app.post("/v1/events").by(&key).body("application/json", events).await.expect(200);
        assert_eq!(told["accepted"], 2, "{code}");
        assert_eq!(
            (&told["rejected"][0]["index"], told["rejected"][0]["code"].as_str()),
            (&json!(1), Some(code))
        );

        let visitor = format!("visitor-{index}");
        let events =
            format!(r#"[{{"type": "page_view", "properties": {properties}}}, {{"type": "download"}}]"#);
        let body = format!(r#"{{"visitor_id": "{visitor}", "events": {events}}}"#);
        let post = app.post(&format!("/v1/collect?key={site}")).header("origin", ORIGIN);
        post.body("text/plain;charset=UTF-8", body).await.expect(204);
        let body = json!({"visitor_id": visitor, "lead": {"email": "ada@example.com"}});
        app.post("/v1/identify").by(&key).json(body).await.expect(200);
    }
    let events = of_lead(app, "ada@example.com", "events").await;
    let count = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    assert_eq!((count("chat"), count("download"), count("page_view")), (10, 5, 0));
    let broken = r#"{"visitor_id": "visitor-1", "events": [{"type": "page_view"}], "x": "\u0000"}"#;
    let post = || app.post(&format!("/v1/collect?key={site}")).header("origin", ORIGIN);
    post().body("text/plain", broken).await.refused(400, "forbidden_character");
}

#[tandem_tests::test]
async fn the_same_event_twice_at_once_counts_once(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    app.given_lead("ada@example.com").await;
    let event =
        json!({"events": [{"type": "chat", "lead": {"email": "ada@example.com"}, "event_id": "once"}]});
    let told: Vec<_> = (0..8).map(|_| app.post("/v1/events").by(&key).json(event.clone())).collect();
    let answers = futures::future::join_all(told.into_iter().map(std::future::IntoFuture::into_future)).await;
    let accepted: i64 =
        answers.into_iter().map(|answer| answer.expect(200)["accepted"].as_i64().unwrap()).sum();
    assert_eq!(accepted, 1);
    assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 1);
}

#[tandem_tests::test]
async fn a_request_repeated_with_its_key_is_answered_the_same(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    let body = json!({"events": [{"type": "chat", "visitor_id": "visitor-1"}]});
    let first = app.post("/v1/events").by(&key).once("k").json(body.clone()).await.expect(200);
    let again = app.post("/v1/events").by(&key).once("k").json(body).await.expect(200);
    assert_eq!((again.header("idempotent-replayed").is_some(), &again.body), (true, &first.body));
    let other = json!({"events": [{"type": "chat", "visitor_id": "visitor-2"}]});
    app.post("/v1/events").by(&key).once("k").json(other).await.refused(422, "idempotency_key_reused");
}

#[tandem_tests::test]
async fn what_mails_fairs_and_people_tell_are_touches_too(app: &TestApp) {
    let key = app.key(&["events:write", "leads:read"]).await;
    app.given_lead("ada@example.com").await;
    let name = json!({"email": "ada@example.com"});
    let events = json!([
        {"type": "email_click", "lead": name, "occurred_at": at(-hours(3)), "properties": {"campaign": "may-news"}},
        {"type": "event_attendance", "lead": name, "occurred_at": at(-hours(2)), "properties": {"source": "expo"}},
        {"type": "email_open", "lead": name, "occurred_at": at(-hours(1))},
    ]);
    app.post("/v1/events").by(&key).json(json!({"events": events})).await.expect(200);
    let told = json!({"lead": name, "channel": "partner", "source": "agency", "occurred_at": at(-hours(5))});
    let touch = app.post("/v1/touches").by(&key).json(told).await.expect(201);
    assert_eq!((&touch["kind"], &touch["channel"]), (&json!("given"), &json!("partner")));
    assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["event", "email", "partner"]);
    let lead = lead(app, "ada@example.com").await;
    assert_eq!(
        (&lead["first_touch"]["source"], &lead["last_touch"]["source"]),
        (&json!("agency"), &json!("expo"))
    );
    assert_eq!(lead["lead_touch"]["channel"], "event");
    let ahead = json!({"lead": name, "channel": "event", "occurred_at": at(hours(1))});
    app.post("/v1/touches").by(&key).json(ahead).await.refused(422, "validation_failed");
    app.post("/v1/touches")
        .by(&key)
        .json(json!({"lead": {"email": "x@example.com"}, "channel": "event"}))
        .await
        .refused(404, "not_found");
}

#[tandem_tests::test]
async fn whoever_unsubscribes_or_bounces_may_not_be_contacted_by_mail(app: &TestApp) {
    let (key, site) = (app.key(&["events:write"]).await, given_site(app).await);
    let granted = json!({"purpose": "marketing_email", "granted": true, "stated_at": at(-hours(9))});
    for email in ["ada@example.com", "bob@example.com", "eve@example.com"] {
        let id = app.given_lead(email).await.id();
        app.post(&format!("/v1/leads/{id}/consents"))
            .by(app.admin().await)
            .json(granted.clone())
            .await
            .expect(201);
    }
    let why =
        async |email: &str, purpose: &str| lead(app, email).await["may_contact"][purpose]["why"].clone();
    let told = json!({"events": [
        {"type": "email_unsubscribe", "lead": {"email": "ada@example.com"}, "event_id": "u1"},
        {"type": "email_bounce", "lead": {"email": "bob@example.com"}, "properties": {"bounce_type": "Permanent"}},
        {"type": "email_bounce", "lead": {"email": "eve@example.com"}, "properties": {"bounce_type": "Soft Bounce"}},
        {"type": "email_unsubscribe", "lead": {"email": "fay@example.com"}, "properties": {"purpose": "newsletter"}},
    ], "create_lead": true});
    let answer = app.post("/v1/events").by(&key).json(told.clone()).await.expect(200);
    assert_eq!(answer["accepted"], 4, "{}", answer.text);
    assert_eq!(why("ada@example.com", "marketing_email").await, "unsubscribed");
    assert_eq!(why("bob@example.com", "marketing_email").await, "bounced");
    assert_eq!(why("eve@example.com", "marketing_email").await, "granted");
    assert_eq!(
        why("fay@example.com", "marketing_email").await,
        "unsubscribed",
        "what nobody declared ends all of mail"
    );

    // What happened before somebody agreed again, and comes late, ends nothing.
    let again = json!({"purpose": "marketing_email", "granted": true});
    let ada = lead(app, "ada@example.com").await.id();
    app.post(&format!("/v1/leads/{ada}/consents")).by(&reader(app).await).json(again).await.expect(201);
    let late = json!({"events": [{"type": "email_unsubscribe", "lead": {"id": ada}, "occurred_at": at(-hours(1))}, told["events"][0]]});
    let answer = app.post("/v1/events").by(&key).json(late).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(why("ada@example.com", "marketing_email").await, "granted");

    // Anybody can say what a page says.
    let said = json!({"visitor_id": "visitor-1", "lead": {"id": ada}});
    app.post("/v1/identify").by(&key).json(said).await.expect(200);
    collect(app, &site, "visitor-1", json!([{"type": "email_unsubscribe"}])).await.expect(204);
    assert_eq!(why("ada@example.com", "marketing_email").await, "granted");
}

#[tandem_tests::test(postgres)]
async fn two_replicas_tell_one_visitors_events(app: &TestApp) {
    let second = app.second_server().await;
    let (key, form) = (app.key(&["events:write"]).await, given_form(app).await);
    let body = |n: i64| {
        json!({"events": [{"type": "page_view", "visitor_id": "visitor-1",
        "occurred_at": at(-minutes(n)), "url": "https://www.example.com/"}]})
    };
    for n in 0..20 {
        let (one, two) = (
            app.post("/v1/events").by(&key).json(body(2 * n)),
            second.post("/v1/events").by(&key).json(body(2 * n + 1)),
        );
        let (one, two) = futures::future::join(one.into_future(), two.into_future()).await;
        assert_eq!((&one.expect(200)["accepted"], &two.expect(200)["accepted"]), (&json!(1), &json!(1)));
    }
    send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
    let sessions = of_lead(app, "ada@example.com", "sessions").await;
    assert_eq!(sessions.iter().map(|one| one["events"].as_i64().unwrap()).collect::<Vec<_>>(), [41]);
    second.stop().await;
}
