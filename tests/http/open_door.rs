//! Public endpoints are lenient: what browsers, CMS and mail senders add costs no submission, and every guess leaves a
//! remark.

mod values;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, TestApp, hours, minutes};

use crate::tracked::given_site;

const ORIGIN: &str = "https://www.example.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// A form with answers of every kind; `news` withdraws where it is not ticked, `calls` does not.
async fn given(app: &TestApp) -> String {
    let by = app.admin().await;
    let purposes = json!({"purposes": [{"name": "marketing_email", "label": "News"}, {"name": "news", "label": "News"}, {"name": "calls", "label": "Calls", "channel": "phone"}]});
    app.put("/v1/settings/consent-purposes").by(by).json(purposes).await.expect(200);
    let field = |name: &str, kind: &str, maps_to: Value| json!({"name": name, "label": name, "type": kind, "required": name == "email", "maps_to": maps_to});
    let asked = |purpose: &str, more: Value| {
        let mut asked = json!({"purpose": purpose, "wording": purpose, "legal_basis": "consent"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let body = json!({"name": "Contact", "allowed_origins": [ORIGIN, "capacitor://localhost"], "fields": [
        field("email", "email", json!("email")),
        field("name", "text", json!("first_name")),
        field("phone", "phone", json!("phone")),
        field("country", "text", json!("country")),
        field("website", "text", json!("company.domain")),
        field("employees", "text", json!("company.employees")),
        field("visit", "date", Value::Null),
    ], "consent": [asked("calls", json!({"granting_values": ["accepted"]})), asked("news", json!({"unticked": "withdraws"}))]});
    let form = app.post("/v1/forms").by(by).json(body).await.expect(201);
    format!("/v1/capture/{}", form["key"].as_str().unwrap())
}

/// The newest submission, whole.
async fn newest(app: &TestApp) -> Answer {
    let list = app.get("/v1/submissions?limit=1").by(app.admin().await).await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    app.get(&format!("/v1/submissions/{id}")).by(app.admin().await).await.expect(200)
}

fn codes(submission: &Answer) -> Vec<(String, String)> {
    let remarks = submission["remarks"].as_array().unwrap();
    let text = |remark: &Value, name: &str| remark[name].as_str().unwrap().to_owned();
    remarks.iter().map(|remark| (text(remark, "pointer"), text(remark, "code"))).collect()
}

async fn lead(app: &TestApp, email: &str) -> Answer {
    let list = app.get(&format!("/v1/leads?q={email}")).by(app.admin().await).await.expect(200);
    let id = list["data"][0]["id"].as_str().unwrap_or_else(|| panic!("no lead {email}")).to_owned();
    app.get(&format!("/v1/leads/{id}")).by(app.admin().await).await.expect(200)
}

/// Whether an instant is that one, but for the moments that a test takes.
fn is_at(value: &Value, at: Timestamp) -> bool {
    let found: Timestamp = serde_json::from_value(value.clone()).unwrap();
    (0..1000).contains(&(found.millis() - at.millis()))
}

fn answers(email: &str) -> Value {
    json!({"fields": {"email": email}})
}

#[tandem_tests::test]
async fn parameters_that_others_append_are_ignored(app: &TestApp) {
    let (path, site) = (given(app).await, given_site(app).await);
    for (n, query) in [
        "_gl=1*abc*_ga*x",
        "ver=6.5",
        "utm_source=mail&utm_source=again",
        "fbclid=%FF&%00=1",
        "token=abc&password=x",
        "id_token=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "=&&=x&a",
    ]
    .iter()
    .enumerate()
    {
        let email = format!("ada{n}@example.com");
        app.post(&format!("{path}?{query}")).json(answers(&email)).await.expect(201);
        let preflight = app.request("OPTIONS", &format!("{path}?{query}")).header("origin", ORIGIN);
        preflight.header("access-control-request-method", "POST").await.expect(204);
        let event = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}]});
        app.post(&format!("/v1/collect?{query}&key={site}&key=other")).json(event).await.expect(204);
        app.get(&format!("/tandem.js?{query}")).await.expect(200);
    }
    // A repetition with another parameter is the same request.
    let once = |query: &str| app.post(&format!("{path}?{query}")).once("k").json(answers("bob@example.com"));
    let first = once("_gl=1").await.expect(201);
    assert_eq!(once("_gl=2").await.expect(201).body, first.body);

    // Secrets of this service belong in no address, and elsewhere unknown parameters stay mistakes.
    app.post(&format!("{path}?key=tdm_sk_abc"))
        .json(answers("eve@example.com"))
        .await
        .refused(400, "credential_in_url");
    app.post("/v1/collect").json(json!({})).await.refused(400, "invalid_parameter");
    app.get("/v1/leads?_gl=1").by(app.admin().await).await.refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn a_confirmation_link_works_whatever_a_mail_sender_appends(app: &TestApp) {
    let by = app.admin().await;
    let purposes = json!({"purposes": [{"name": "marketing_email", "label": "News", "double_opt_in": true}]});
    app.put("/v1/settings/consent-purposes").by(by).json(purposes).await.expect(200);
    let id = app.given_lead("ada@example.com").await.id();
    let said = json!({"purpose": "marketing_email", "granted": true});
    app.post(&format!("/v1/leads/{id}/consents")).by(by).json(said).await.expect(201);
    let link =
        app.post(&format!("/v1/leads/{id}/consents/marketing_email/confirmation")).by(by).await.expect(201);
    let token = link["token"].as_str().unwrap();
    let page = format!("/v1/consents/confirm?utm_source=mail&token={token}&mc_eid=1");
    app.get(&page).header("accept", "text/html").await.expect(200);
    let pressed = app.post("/v1/consents/confirm?utm_source=mail").body(FORM, format!("token={token}"));
    pressed.await.expect(200);
    let lead = lead(app, "ada@example.com").await;
    assert_eq!(lead["may_contact"]["marketing_email"]["why"], "granted");
}

#[tandem_tests::test]
async fn a_hidden_origin_is_taken_like_none_and_apps_can_be_listed(app: &TestApp) {
    let (path, site) = (given(app).await, given_site(app).await);
    let send = |origin: &str, email: &str| app.post(&path).header("origin", origin).json(answers(email));
    let hidden = send("null", "ada@example.com").await.expect(201);
    assert_eq!(hidden.header("access-control-allow-origin"), Some("null"));
    assert_eq!(hidden.header("access-control-allow-credentials"), None);
    assert_eq!(codes(&newest(app).await), [("#".to_owned(), "hidden_origin".to_owned())]);
    send("capacitor://localhost", "app@example.com").await.expect(201);
    assert!(codes(&newest(app).await).is_empty());
    let form = "email=plain%40example.com";
    app.post(&path).header("origin", "null").body(FORM, form).await.expect(200);
    let event = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}]}).to_string();
    let beacon = app.post(&format!("/v1/collect?key={site}")).header("origin", "null");
    beacon.body("text/plain", event).await.expect(204);
    let preflight = app.request("OPTIONS", &path).header("origin", "null");
    preflight.header("access-control-request-method", "POST").await.expect(204);
}

#[tandem_tests::test]
async fn what_is_refused_for_its_origin_is_kept(app: &TestApp) {
    let path = given(app).await;
    let send = |email: &str| {
        app.post(&path).header("origin", "https://shop.example.com").once("k").json(answers(email))
    };
    let refused = send("ada@example.com").await.refused(403, "origin_not_allowed");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let kept = newest(app).await;
    assert_eq!(
        (&kept["status"], &kept["reasons"][0]["code"]),
        (&json!("rejected"), &json!("origin_not_allowed"))
    );
    assert!(kept["raw"].as_str().unwrap().contains("ada@example.com"));
    // Also what looks like spam, and what cannot be read.
    let bot =
        app.post(&path).header("origin", "https://shop.example.com").header("user-agent", "Googlebot/2.1");
    bot.json(answers("bot@example.com")).await.refused(403, "origin_not_allowed");
    let broken = app.post(&path).header("origin", "https://shop.example.com");
    broken.body("application/json", "{").await.refused(403, "origin_not_allowed");
    let list = app.get("/v1/submissions").by(app.admin().await).await.expect(200);
    assert_eq!(list.each("status"), ["rejected"; 3]);
    // Its key answers nobody else, and once the origin is listed it is replayed.
    app.post(&path).once("k").json(answers("bob@example.com")).await.expect(201);
    let replay = format!("/v1/submissions/{}/replay", kept.id());
    let replayed = app.post(&replay).by(&app.user("marketing").await).await.expect(200);
    assert_eq!(replayed["status"], "accepted");
    lead(app, "ada@example.com").await;
}

#[tandem_tests::test]
async fn only_a_clear_yes_is_consent(app: &TestApp) {
    let path = given(app).await;
    let why =
        async |email: &str, purpose: &str| lead(app, email).await["may_contact"][purpose]["why"].clone();
    for (n, (value, expected)) in [
        ("on", "granted"),
        ("YES", "granted"),
        ("accepted", "granted"),
        ("nein", "never_asked"),
        ("ja", "never_asked"),
        ("0", "never_asked"),
        ("", "never_asked"),
        ("undefined", "never_asked"),
    ]
    .iter()
    .enumerate()
    {
        let email = format!("ada{n}@example.com");
        app.post(&path).body(FORM, format!("email={email}&_consent_calls={value}")).await.expect(200);
        assert_eq!(why(&email, "calls").await, *expected, "{value}");
        let is_unclear = ["nein", "ja", "undefined"].contains(value);
        let said =
            codes(&newest(app).await).contains(&("#/consent".to_owned(), "consent_not_given".to_owned()));
        assert_eq!(said, is_unclear, "{value}");
        let email = format!("bob{n}@example.com");
        let body = json!({"fields": {"email": email}, "consent": [{"purpose": "calls", "granted": value}]});
        app.post(&path).json(body).await.expect(201);
        assert_eq!(why(&email, "calls").await, *expected, "{value}");
    }
}

#[tandem_tests::test]
async fn an_unticked_box_withdraws_only_where_the_form_says_so(app: &TestApp) {
    let path = given(app).await;
    let why = async |purpose: &str| lead(app, "ada@example.com").await["may_contact"][purpose]["why"].clone();
    let send = |more: &str| app.post(&path).body(FORM, format!("email=ada%40example.com&{more}"));
    send("_consent_calls=1&_consent_news=1").await.expect(200);
    assert_eq!((why("calls").await, why("news").await), (json!("granted"), json!("granted")));
    app.clock.advance(minutes(1));
    send("name=Ada").await.expect(200);
    assert_eq!((why("calls").await, why("news").await), (json!("granted"), json!("withdrawn")));
    app.clock.advance(minutes(1));
    send("_consent_calls=0&_consent_news=1").await.expect(200);
    assert_eq!((why("calls").await, why("news").await), (json!("granted"), json!("granted")));
    app.clock.advance(minutes(1));
    let body = json!({"fields": {"email": "ada@example.com"}, "consent": [{"purpose": "calls", "granted": false}, {"purpose": "news", "granted": false}]});
    app.post(&path).json(body).await.expect(201);
    assert_eq!((why("calls").await, why("news").await), (json!("granted"), json!("withdrawn")));
    app.clock.advance(minutes(1));
    send("_consent_news=1").await.expect(200);
    app.clock.advance(minutes(1));
    send("_consent_news=ja").await.expect(200);
    assert_eq!(why("news").await, "granted", "an unclear value is no withdrawal");
}

#[tandem_tests::test]
async fn purposes_that_nobody_declares_or_asks_for_are_not_granted(app: &TestApp) {
    let path = given(app).await;
    let admin = app.admin().await;
    let remarks = async || newest(app).await["remarks"].as_array().unwrap().len();
    app.post(&path).body(FORM, "email=ada%40example.com&_consent_typo=1").await.expect(200);
    assert_eq!(remarks().await, 1, "the form does not ask for it");
    let known = app.get("/v1/settings/consent-purposes").by(admin).await.expect(200);
    let mut purposes = known["purposes"].clone();
    purposes.as_array_mut().unwrap().retain(|purpose| purpose["name"] != "calls");
    let body = json!({"purposes": purposes});
    app.put("/v1/settings/consent-purposes").by(admin).json(body).await.expect(200);
    app.post(&path).body(FORM, "email=bob%40example.com&_consent_calls=1").await.expect(200);
    assert_eq!(remarks().await, 1, "it is no longer declared");
    assert_eq!(lead(app, "bob@example.com").await["may_contact"].get("calls"), None);
}

#[tandem_tests::test]
async fn a_form_counts_from_when_it_came_in_but_for_an_offline_queue(app: &TestApp) {
    let path = given(app).await;
    let now = app.clock.now();
    let hour = hours(1);
    for (n, (submitted, sent, ago)) in [
        (Some(-3 * hour), None, 0),
        (Some(-3 * hour), Some(-hour), 2 * hour),
        // A clock that goes wrong is put right by its own difference.
        (Some(-400_000 * hour), Some(-399_998 * hour), 2 * hour),
        (Some(900 * hour), Some(901 * hour), hour),
        (Some(-3000 * hour), Some(0), 7 * 24 * hour),
        (Some(hour), Some(-hour), 0),
        (None, Some(-hour), 0),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("ada{n}@example.com");
        let at = |millis: Option<i64>| millis.map(|millis| now.plus_millis(millis));
        let body = json!({"fields": {"email": email, "name": "Ada"}, "submitted_at": at(submitted), "sent_at": at(sent)});
        app.post(&path).json(body).await.expect(201);
        let id = lead(app, &email).await.id();
        let events = app.get(&format!("/v1/leads/{id}/events")).by(app.admin().await).await.expect(200);
        assert!(is_at(&events["data"][0]["occurred_at"], now.plus_millis(-ago)), "{n}: {}", events.text);
        let fields = app.get(&format!("/v1/leads/{id}/fields")).by(app.admin().await).await.expect(200);
        let said =
            fields["data"].as_array().unwrap().iter().find(|one| one["field"] == "first_name").unwrap();
        assert!(is_at(&said["observed_at"], now.plus_millis(-ago)), "{n}: {said}");
    }
}

#[tandem_tests::test]
async fn a_pages_old_event_is_dated_at_its_arrival(app: &TestApp) {
    let (path, site) = (given(app).await, given_site(app).await);
    let now = app.clock.now();
    let at = |millis: i64| json!(now.plus_millis(millis));
    let day = hours(24);
    let events = json!([
        {"type": "page_view", "occurred_at": "1970-01-01T00:00:00Z", "url": "https://www.example.com/1"},
        {"type": "page_view", "occurred_at": "2001-01-01T00:00:00Z", "url": "https://www.example.com/2"},
        {"type": "page_view", "occurred_at": at(-day - 1), "url": "https://www.example.com/3"},
        {"type": "page_view", "occurred_at": at(-day + 60_000), "url": "https://www.example.com/4"},
        {"type": "page_view", "occurred_at": at(-hours(1)), "url": "https://www.example.com/5"},
    ]);
    let collect =
        |body: Value| app.post(&format!("/v1/collect?key={site}")).header("origin", ORIGIN).json(body);
    collect(json!({"visitor_id": "visitor-1", "events": events})).await.expect(204);
    // A clock that stands in 1970 says by how much.
    let behind = json!([{"type": "page_view", "occurred_at": "1970-01-01T00:00:10Z", "url": "https://www.example.com/6"}]);
    collect(json!({"visitor_id": "visitor-1", "sent_at": "1970-01-01T00:00:15Z", "events": behind}))
        .await
        .expect(204);
    let body = json!({"fields": {"email": "ada@example.com"}, "visitor_id": "visitor-1"});
    app.post(&path).json(body).await.expect(201);
    let id = lead(app, "ada@example.com").await.id();
    let events =
        app.get(&format!("/v1/leads/{id}/events?types=page_view")).by(app.admin().await).await.expect(200);
    let seen = events["data"].as_array().unwrap();
    for (page, ago) in [(1, 0), (2, 0), (3, 0), (4, day - 60_000), (5, hours(1)), (6, 5000)] {
        let url = format!("https://www.example.com/{page}");
        let event = seen.iter().find(|event| event["url"] == json!(url)).unwrap();
        assert!(is_at(&event["occurred_at"], now.plus_millis(-ago)), "{event}");
    }
}

#[tandem_tests::test]
async fn who_repeats_somebodys_form_learns_nothing_of_it(app: &TestApp) {
    let path = given(app).await;
    let body = |visitor: &str| json!({"fields": {"email": "ada@example.com"}, "visitor_id": visitor});
    let first = app.post(&path).json(body("visitor-1")).await.expect(201);
    let second = app.post(&path).json(body("visitor-2")).await.expect(201);
    assert_ne!(first["submission_id"], second["submission_id"]);
    let names = |answer: &Answer| {
        answer.headers.iter().map(|(name, _)| name.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&first), names(&second));
    assert_eq!(second.header("idempotent-replayed"), None);
    let list = app.get("/v1/submissions").by(app.admin().await).await.expect(200);
    assert_eq!(list.each("id"), [first["submission_id"].as_str().unwrap()], "it counts once");
    // The company finds it by either id, and both browsers are hers.
    let location = second.header("location").unwrap();
    let found = app.get(location).by(app.admin().await).await.expect(200);
    assert_eq!(found["id"], first["submission_id"]);
    let id = lead(app, "ada@example.com").await.id();
    let events = json!({"events": [
        {"type": "page_view", "visitor_id": "visitor-1", "url": "https://www.example.com/1"},
        {"type": "page_view", "visitor_id": "visitor-2", "url": "https://www.example.com/2"},
    ]});
    app.post("/v1/events").by(&app.key(&["events:write"]).await).json(events).await.expect(200);
    let seen = app.get(&format!("/v1/leads/{id}/events")).by(app.admin().await).await.expect(200);
    assert_eq!(seen.each("type").iter().filter(|kind| *kind == "page_view").count(), 2, "{}", seen.text);
    assert_eq!(seen.each("type").iter().filter(|kind| *kind == "form_submit").count(), 1, "{}", seen.text);
}

#[tandem_tests::test]
async fn a_strangers_word_ranks_below_known_sources(app: &TestApp) {
    let path = given(app).await;
    let key = app.key(&["leads:read", "leads:write"]).await;
    let known = json!({"email": "ada@acme.example", "first_name": "Ada", "company": {"domain": "acme.example", "name": "Acme", "employees": 12}});
    let id = app.post("/v1/leads").by(&key).json(known).await.expect(201).id();
    app.clock.advance(minutes(1));
    for n in 0..7 {
        let body = json!({"fields": {"email": "ada@acme.example", "name": "Eve", "phone": format!("+39021234567{n}"),
            "website": "https://www.evil.example", "employees": 99, "country": "Italy"}});
        app.post(&path).json(body).await.expect(201);
    }
    let lead = app.get(&format!("/v1/leads/{id}")).by(&key).await.expect(200);
    assert_eq!((&lead["first_name"], &lead["country"]), (&json!("Ada"), &json!("IT")));
    assert_eq!(
        (&lead["company"]["domain"], &lead["company"]["name"]),
        (&json!("acme.example"), &json!("Acme"))
    );
    assert_eq!(lead["phones"].as_array().unwrap().len(), 5, "{}", lead.text);
    let fields = app.get(&format!("/v1/leads/{id}/fields")).by(&key).await.expect(200);
    let names: Vec<&Value> =
        fields["data"].as_array().unwrap().iter().filter(|one| one["field"] == "first_name").collect();
    let mut said: Vec<(&str, &str)> =
        names.iter().map(|one| (one["source"].as_str().unwrap(), one["value"].as_str().unwrap())).collect();
    said.sort();
    assert_eq!(said, [("api", "Ada"), ("form", "Eve")], "the form's word stands beside it");
    // Among forms the newest counts, and a key's word still comes over it.
    for name in ["Bob", "Robert"] {
        app.post(&path)
            .json(json!({"fields": {"email": "bob@other.example", "name": name}}))
            .await
            .expect(201);
        app.clock.advance(minutes(1));
    }
    assert_eq!(lead_named(app, "bob@other.example").await, "Robert");
    app.post("/v1/leads").by(&key).json(json!({"email": "bob@other.example", "first_name": "Bobby", "observed_at": "2020-01-01T00:00:00Z"})).await.expect(200);
    assert_eq!(lead_named(app, "bob@other.example").await, "Bobby");
}

async fn lead_named(app: &TestApp, email: &str) -> String {
    lead(app, email).await["first_name"].as_str().unwrap().to_owned()
}

#[tandem_tests::test]
async fn a_form_cannot_put_a_visit_before_the_first_touch_that_is_known(app: &TestApp) {
    let (path, site) = (given(app).await, given_site(app).await);
    let key = app.key(&["leads:read", "leads:write", "events:write"]).await;
    let visit = |visitor: &str, source: &str| {
        let url = format!("https://www.example.com/?utm_source={source}&utm_medium=cpc");
        let body = json!({"visitor_id": visitor, "events": [{"type": "page_view", "url": url}]});
        app.post(&format!("/v1/collect?key={site}")).header("origin", ORIGIN).json(body)
    };
    visit("visitor-1", "evil").await.expect(204);
    visit("visitor-2", "google").await.expect(204);
    app.clock.advance(2 * hours(24));
    let known = json!({"email": "ada@example.com", "first_touch": {"source": "fair", "channel": "event", "occurred_at": app.clock.now()}});
    app.post("/v1/leads").by(&key).json(known).await.expect(201);
    app.clock.advance(hours(24));
    let by = app.login("admin@example.com").await;
    let first = async |email: &str| {
        let list = app.get(&format!("/v1/leads?q={email}&include=touches")).by(&by).await.expect(200);
        list["data"][0]["first_touch"]["source"].clone()
    };
    let send = |email: &str, visitor: &str, more: Value| {
        let mut body = json!({"fields": {"email": email}, "visitor_id": visitor});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.post(&path).json(body)
    };
    send("ada@example.com", "visitor-1", json!({})).await.expect(201);
    assert_eq!(first("ada@example.com").await, "fair");
    // Nor does a form that says that it waited for a week.
    let ago = |hour: i64| json!(app.clock.now().plus_millis(-hours(hour)));
    let context = json!({"page_url": "https://www.example.com/?utm_source=old"});
    let body = json!({"fields": {"email": "ada@example.com", "name": "Ada"}, "submitted_at": ago(150), "sent_at": ago(0), "context": context});
    app.post(&path).json(body).await.expect(201);
    assert_eq!(first("ada@example.com").await, "fair");
    // Where the landing was there first, what is recorded later changes nothing.
    send("bob@example.com", "visitor-2", json!({})).await.expect(201);
    let later = json!({"lead": {"email": "bob@example.com"}, "channel": "event", "source": "fair", "occurred_at": ago(1)});
    app.post("/v1/touches").by(&key).json(later).await.expect(201);
    assert_eq!(first("bob@example.com").await, "google");
}

#[tandem_tests::test]
async fn what_pages_report_is_bounded_and_forgotten(app: &TestApp) {
    let (path, site) = (given(app).await, given_site(app).await);
    let collect = |visitor: &str, properties: Value| {
        let events =
            json!([{"type": "custom.pressed", "url": "https://www.example.com/", "properties": properties}]);
        app.post(&format!("/v1/collect?key={site}"))
            .header("origin", ORIGIN)
            .json(json!({"visitor_id": visitor, "events": events}))
    };
    collect("visitor-1", json!({"text": "x".repeat(2000)})).await.expect(204);
    collect("visitor-1", json!({"text": "x".repeat(3000)})).await.expect(204);
    collect("visitor-2", json!({})).await.expect(204);
    collect("visitor-3", json!({"text": "x".repeat(140_000)})).await.refused(413, "body_too_large");
    app.post(&path)
        .json(json!({"fields": {"email": "ada@example.com"}, "visitor_id": "visitor-1"}))
        .await
        .expect(201);
    let id = lead(app, "ada@example.com").await.id();
    let own = app
        .get(&format!("/v1/leads/{id}/events?types=custom.pressed"))
        .by(app.admin().await)
        .await
        .expect(200);
    let mut sizes: Vec<usize> =
        own["data"].as_array().unwrap().iter().map(|one| one["properties"].to_string().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 2011], "properties that are too large for a page are left out");

    let settings = "/v1/settings/retention";
    let by = app.admin().await;
    assert_eq!(app.get(settings).by(by).await.expect(200)["anonymous_events"], "90d");
    app.put(settings)
        .by(by)
        .json(json!({"anonymous_events": "soon"}))
        .await
        .refused(422, "validation_failed");
    app.put(settings).by(by).json(json!({"anonymous_events": "30d"})).await.expect(200);
    let raw = app.database.raw().await;
    let count = async |table: &str| -> i64 {
        let statement =
            Statement::from_string(raw.get_database_backend(), format!("SELECT count(*) AS n FROM {table}"));
        raw.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
    };
    let events = count("events").await;
    app.clock.advance(29 * hours(24));
    app.run_jobs().await;
    assert_eq!((count("events").await, count("visitors").await), (events, 2));
    app.clock.advance(2 * hours(24));
    app.run_jobs().await;
    assert_eq!(
        (count("events").await, count("visitors").await),
        (events - 1, 1),
        "what is nobody's is forgotten"
    );
    assert_eq!(count("touches WHERE lead_id IS NULL").await, 0);
    raw.close().await.unwrap();
    let stays = app.login("admin@example.com").await;
    let own = app.get(&format!("/v1/leads/{id}/events?types=custom.pressed")).by(&stays).await.expect(200);
    assert_eq!(own["data"].as_array().unwrap().len(), 2);
}
