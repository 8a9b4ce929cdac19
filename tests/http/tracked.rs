//! Tracking: what visitors do, whose it becomes, and the touches that come of it, whatever the order of arrival.

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, START, TestApp, User, hours, minutes};

pub const ORIGIN: &str = "https://www.example.com";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
pub const LANDING: &str =
    "https://www.example.com/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0KCQ";

/// A tracking key's text.
pub async fn given_site(app: &TestApp) -> String {
    let body = json!({"name": "Website", "allowed_origins": [ORIGIN]});
    let key = app.post("/v1/tracking-keys").by(app.admin().await).json(body).await.expect(201);
    key["key"].as_str().unwrap().to_owned()
}

pub async fn given_form(app: &TestApp) -> String {
    let body = json!({"name": "Contact", "allowed_origins": [ORIGIN], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
    ]});
    let form = app.post("/v1/forms").by(app.admin().await).json(body).await.expect(201);
    form["key"].as_str().unwrap().to_owned()
}

pub fn at(millis: i64) -> Value {
    json!(Timestamp::from_millis(START.millis() + millis))
}

pub fn view(millis: i64, url: &str, referrer: Option<&str>) -> Value {
    json!({"type": "page_view", "occurred_at": at(millis), "url": url, "referrer": referrer})
}

/// What a page's beacon sends.
pub async fn collect(app: &TestApp, site: &str, visitor: &str, events: Value) -> Answer {
    let body = json!({"visitor_id": visitor, "events": events});
    app.post(&format!("/v1/collect?key={site}"))
        .header("origin", ORIGIN)
        .header("user-agent", CHROME)
        .body("text/plain;charset=UTF-8", body.to_string())
        .await
}

pub async fn send(app: &TestApp, form: &str, visitor: Option<&str>, email: &str, context: Value) -> Answer {
    let mut body = json!({"fields": {"email": email}, "context": context});
    if let Some(visitor) = visitor {
        body["visitor_id"] = json!(visitor);
    }
    let request = app.post(&format!("/v1/capture/{form}")).header("origin", ORIGIN);
    request.header("user-agent", CHROME).json(body).await.expect(201)
}

/// Somebody who reads, whatever the clock says: a session ends sooner.
pub async fn reader(app: &TestApp) -> User {
    app.login("admin@example.com").await
}

pub async fn lead(app: &TestApp, email: &str) -> Answer {
    lead_by(app, &reader(app).await.token, email).await
}

async fn lead_by(app: &TestApp, by: &str, email: &str) -> Answer {
    let path = format!("/v1/leads?q={email}");
    let found = app.get(&path).by(by).await.expect(200);
    let id = found["data"][0]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("no lead {email}"));
    app.get(&format!("/v1/leads/{id}")).by(by).await.expect(200)
}

pub async fn of_lead(app: &TestApp, email: &str, what: &str) -> Vec<Value> {
    let by = reader(app).await.token;
    let id = lead_by(app, &by, email).await.id();
    list(app, &by, &format!("/v1/leads/{id}/{what}")).await
}

/// All of a list, page by page.
async fn list(app: &TestApp, by: &str, path: &str) -> Vec<Value> {
    let (mut all, mut next) = (vec![], format!("{path}?limit=200"));
    loop {
        let page = app.get(&next).by(by).await.expect(200);
        all.extend_from_slice(page["data"].as_array().unwrap());
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit=200&cursor={cursor}"),
            None => return all,
        }
    }
}

pub fn channels(touches: &[Value]) -> Vec<&str> {
    touches.iter().map(|touch| touch["channel"].as_str().unwrap()).collect()
}

/// What is derived of a lead's events: visits, touches and what the lead shows of them, but for ids.
async fn derived_rows(app: &TestApp, by: &str, email: &str) -> Vec<String> {
    let lead = lead_by(app, by, email).await;
    let path = format!("/v1/leads/{}", lead.id());
    let mut rows = list(app, by, &format!("{path}/sessions")).await;
    rows.extend(list(app, by, &format!("{path}/touches")).await);
    for name in ["first_touch", "last_touch", "last_non_direct_touch", "lead_touch"] {
        rows.push(json!({name: lead[name]}));
    }
    let mut texts: Vec<String> = rows.into_iter().map(|row| without_ids(row).to_string()).collect();
    texts.sort();
    texts
}

fn without_ids(mut row: Value) -> Value {
    if let Some(members) = row.as_object_mut() {
        members.retain(|name, _| !["id", "visitor_id"].contains(&name.as_str()));
        members.values_mut().for_each(|value| *value = without_ids(value.take()));
    }
    row
}

#[tandem_tests::test]
async fn a_landing_a_week_a_direct_visit_and_a_form_make_two_touches(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let week = 7 * hours(24);
    collect(app, &site, "visitor-1", json!([view(0, LANDING, Some("https://www.google.com/"))]))
        .await
        .expect(204);
    let pricing = view(minutes(1), "https://www.example.com/pricing", Some("https://www.example.com/"));
    collect(app, &site, "visitor-1", json!([pricing])).await.expect(204);
    app.clock.advance(week);
    collect(app, &site, "visitor-1", json!([view(week, "https://www.example.com/", None)])).await.expect(204);
    app.clock.advance(minutes(1));
    let context = json!({"page_url": "https://www.example.com/contact", "landing_url": LANDING});
    send(app, &form, Some("visitor-1"), "ada@example.com", context).await;

    let lead = lead(app, "ada@example.com").await;
    assert_eq!(
        (&lead["first_touch"]["channel"], &lead["first_touch"]["click_ids"]["gclid"]),
        (&json!("paid_search"), &json!("Cj0KCQ"))
    );
    assert_eq!(lead["first_touch"]["occurred_at"], at(0));
    assert_eq!(lead["last_touch"]["channel"], "direct");
    assert_eq!(lead["last_non_direct_touch"], lead["first_touch"]);
    assert_eq!(lead["lead_touch"], lead["last_touch"]);

    let touches = of_lead(app, "ada@example.com", "touches").await;
    assert_eq!(channels(&touches), ["direct", "paid_search"]);
    let sessions = of_lead(app, "ada@example.com", "sessions").await;
    assert_eq!(sessions.iter().map(|one| one["events"].as_i64().unwrap()).collect::<Vec<_>>(), [2, 2]);
    let events = of_lead(app, "ada@example.com", "events").await;
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["form_submit", "page_view", "page_view", "page_view"]);
    assert_eq!(events[3]["visitor_id"], "visitor-1");

    let report = app.get("/v1/reports/funnel?by=channel").by(&reader(app).await).await.expect(200);
    assert!(report.text.contains("paid_search"), "the cycle begins with the first touch: {}", report.text);
}

#[tandem_tests::test]
async fn a_timeline_shows_events_and_touches_among_the_journal_page_by_page(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    collect(
        app,
        &site,
        "visitor-1",
        json!([view(-minutes(60), LANDING, None), view(-minutes(59), "https://www.example.com/a", None)]),
    )
    .await
    .expect(204);
    send(
        app,
        &form,
        Some("visitor-1"),
        "ada@example.com",
        json!({"page_url": "https://www.example.com/contact"}),
    )
    .await;
    let path = format!("/v1/leads/{}/timeline", lead(app, "ada@example.com").await.id());
    let whole = app.get(&path).by(app.admin().await).await.expect(200);
    let types = whole.each("type");
    assert!(
        types.starts_with(&["event.recorded".into()]) || types.contains(&"lead.captured".into()),
        "{types:?}"
    );
    assert_eq!(types.iter().filter(|kind| *kind == "event.recorded").count(), 3);
    assert_eq!(types.iter().filter(|kind| *kind == "touch.made").count(), 2, "{types:?}");

    let (mut crawled, mut next) = (vec![], format!("{path}?limit=2"));
    loop {
        let page = app.get(&next).by(app.admin().await).await.expect(200);
        crawled.extend(page.each("id"));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{path}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(crawled, whole.each("id"));
    let only =
        app.get(&format!("{path}?types=touch.made,lead.captured")).by(app.admin().await).await.expect(200);
    let mut only = only.each("type");
    only.sort();
    assert_eq!(only, ["lead.captured", "touch.made", "touch.made"]);
}

#[tandem_tests::test]
async fn two_people_on_one_browser_stay_two(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    collect(app, &site, "visitor-1", json!([view(0, LANDING, None)])).await.expect(204);
    send(
        app,
        &form,
        Some("visitor-1"),
        "ada@example.com",
        json!({"page_url": "https://www.example.com/contact"}),
    )
    .await;
    app.clock.advance(minutes(5));
    let context = json!({"page_url": "https://www.example.com/contact", "landing_url": "https://www.example.com/?utm_source=news&utm_medium=email"});
    send(app, &form, Some("visitor-1"), "bob@example.com", context).await;
    collect(
        app,
        &site,
        "visitor-1",
        json!([view(minutes(6), "https://www.example.com/thanks", Some("https://www.example.com/"))]),
    )
    .await
    .expect(204);
    // What comes late belongs to whoever used the browser then.
    collect(
        app,
        &site,
        "visitor-1",
        json!([view(minutes(2), "https://www.example.com/late", Some("https://www.example.com/"))]),
    )
    .await
    .expect(204);

    assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 3);
    assert_eq!(of_lead(app, "bob@example.com", "events").await.len(), 2);
    assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["paid_search"]);
    assert_eq!(channels(&of_lead(app, "bob@example.com", "touches").await), ["email"]);
}

#[tandem_tests::test]
async fn whose_a_browser_is_stands_in_the_journal_and_no_replay_takes_it_away(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let path = format!("/v1/capture/{form}");
    let bot = app
        .post(&path)
        .header("origin", ORIGIN)
        .header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
    let bot = bot
        .json(json!({"fields": {"email": "bob@example.com"}, "visitor_id": "visitor-1"}))
        .await
        .expect(201);
    app.clock.advance(minutes(10));
    send(
        app,
        &form,
        Some("visitor-1"),
        "ada@example.com",
        json!({"page_url": "https://www.example.com/contact"}),
    )
    .await;
    let replay = format!("/v1/submissions/{}/replay", bot["submission_id"].as_str().unwrap());
    assert_eq!(app.post(&replay).by(app.admin().await).await.expect(200)["status"], "accepted");
    collect(app, &site, "visitor-1", json!([view(minutes(10), "https://www.example.com/later", None)]))
        .await
        .expect(204);

    let told = app.get("/v1/journal?type=visitor.identified").by(app.admin().await).await.expect(200);
    let ada = lead(app, "ada@example.com").await;
    let entries = told["data"].as_array().unwrap();
    assert_eq!(entries.iter().map(|entry| &entry["lead_id"]).collect::<Vec<_>>(), [&ada["id"]]);
    assert_eq!(entries[0]["actor"]["type"], "form");
    assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 2);
    assert_eq!(of_lead(app, "bob@example.com", "events").await.len(), 1);
}

#[tandem_tests::test]
async fn one_person_on_two_browsers_is_one_with_both_histories(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    collect(app, &site, "laptop-01", json!([view(-minutes(100), LANDING, None)])).await.expect(204);
    collect(
        app,
        &site,
        "phone-001",
        json!([view(-minutes(50), "https://www.example.com/?utm_source=news&utm_medium=email", None)]),
    )
    .await
    .expect(204);
    app.clock.advance(hours(2));
    for visitor in ["laptop-01", "phone-001"] {
        send(
            app,
            &form,
            Some(visitor),
            "ada@example.com",
            json!({"page_url": "https://www.example.com/contact"}),
        )
        .await;
        app.clock.advance(hours(2));
    }
    let touches = of_lead(app, "ada@example.com", "touches").await;
    assert_eq!(touches.len(), 4);
    assert_eq!(channels(&touches[2..]), ["email", "paid_search"]);
    let found = app.get("/v1/leads").by(&reader(app).await).await.expect(200);
    assert_eq!(found.each("id").len(), 1);
}

#[tandem_tests::test]
async fn a_form_without_a_tracker_makes_its_touch_and_never_two(app: &TestApp) {
    let form = given_form(app).await;
    let context = json!({"page_url": LANDING});
    send(app, &form, None, "ada@example.com", context.clone()).await;
    app.clock.advance(minutes(2));
    send(app, &form, None, "ada@example.com", context).await;
    assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["paid_search"]);
    assert_eq!(lead(app, "ada@example.com").await["first_touch"]["campaign"], "spring");
    app.clock.advance(hours(3));
    send(
        app,
        &form,
        None,
        "ada@example.com",
        json!({"landing_url": "https://www.example.com/?utm_source=news&utm_medium=email"}),
    )
    .await;
    assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["email", "paid_search"]);
    assert_eq!(lead(app, "ada@example.com").await["last_touch"]["channel"], "email");
    send(app, &form, None, "silent@example.com", json!({})).await;
    assert!(of_lead(app, "silent@example.com", "touches").await.is_empty());
}

#[tandem_tests::test]
async fn five_hundred_events_in_any_order_end_in_the_same_rows(app: &TestApp) {
    let (key, form) = (app.key(&["events:write", "leads:read"]).await, given_form(app).await);
    let urls = ["/a", "/b", "/?utm_source=news&utm_medium=email&utm_campaign=may", "/?gclid=Cj0", "/c"];
    let told = |visitor: &str| -> Vec<Value> {
        (0..500i64).map(|n| {
            let minute = (n * n * 7) % 4999;
            let referrer = if n % 7 == 0 { "https://www.bing.com/" } else { "https://www.example.com/" };
            let kind = if n % 31 == 0 { "email_click" } else { "page_view" };
            json!({"type": kind, "visitor_id": visitor, "event_id": format!("{visitor}-{n}"),
                "occurred_at": at(-minutes(minute + 10) + n), "url": format!("{ORIGIN}{}", urls[n as usize % 5]), "referrer": referrer})
        }).collect()
    };
    let chance = |round: u64, n: usize| tandem_domain::id::splitmix64(round << 32 ^ n as u64) as usize;
    let mut expected = None;
    for round in 0..20u64 {
        let (visitor, email) = (format!("visitor-{round}"), format!("ada{round}@example.com"));
        let mut events = told(&visitor);
        if round > 0 {
            (1..events.len()).rev().for_each(|n| events.swap(n, chance(round, n) % (n + 1)));
        }
        // The form is sent before, between and after what is told of the days before it.
        let (mut rest, mut requests, when) = (events.as_slice(), 0, chance(round, 2_000) % 6);
        loop {
            if requests == when || rest.is_empty() && requests < when {
                let sent = json!({"fields": {"email": email}, "visitor_id": visitor, "submitted_at": at(-minutes(5)), "sent_at": at(0),
                    "context": {"page_url": format!("{ORIGIN}/contact")}});
                app.post(&format!("/v1/capture/{form}"))
                    .header("user-agent", CHROME)
                    .json(sent)
                    .await
                    .expect(201);
            }
            if rest.is_empty() {
                break;
            }
            let (batch, later) = rest.split_at(rest.len().min(1 + chance(round, 1_000 + requests) % 200));
            let answer = app.post("/v1/events").by(&key).json(json!({"events": batch})).await.expect(200);
            assert_eq!(answer["accepted"], batch.len());
            (rest, requests) = (later, requests + 1);
        }
        let derived = derived_rows(app, &key, &email).await;
        let mut derived: Vec<String> = derived.iter().map(|row| at_full_second(row)).collect();
        derived.sort();
        assert!(derived.len() > 100, "{}", derived.len());
        let expected = expected.get_or_insert_with(|| derived.clone());
        let differ = |some: &[String], others: &[String]| -> Vec<String> {
            some.iter().filter(|row| !others.contains(row)).cloned().collect()
        };
        let (more, less) = (differ(&derived, expected), differ(expected, &derived));
        assert!(derived == *expected, "round {round}: {more:#?} instead of {less:#?}");
    }
}

#[tandem_tests::test]
async fn a_server_says_who_a_visitor_is(app: &TestApp) {
    let (key, site) = (app.key(&["events:write"]).await, given_site(app).await);
    let ada = app.given_lead("ada@example.com").await.id();
    collect(app, &site, "visitor-1", json!([view(0, LANDING, None)])).await.expect(204);
    let said = json!({"visitor_id": "visitor-1", "lead": {"id": ada}});
    let answer = app.post("/v1/identify").by(&key).json(said.clone()).await.expect(200);
    assert_eq!(answer["lead_id"], ada);
    let again = app.post("/v1/identify").by(&key).json(said).await.expect(200);
    assert_eq!(again["linked_at"], answer["linked_at"]);
    let journal = app.get("/v1/journal?type=visitor.identified").by(app.admin().await).await.expect(200);
    assert_eq!(journal.each("lead_id"), vec![ada.clone()], "what changes nothing is no entry");
    assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["paid_search"]);
    let nobody = json!({"visitor_id": "visitor-1", "lead": {"external_id": {"system": "crm", "id": "1"}}});
    app.post("/v1/identify").by(&key).json(nobody).await.refused(404, "not_found");
    let both = json!({"visitor_id": "visitor-1", "lead": {"id": ada, "email": "ada@example.com"}});
    app.post("/v1/identify").by(&key).json(both).await.refused(422, "validation_failed");
}

/// The form counts from when it comes in, a few milliseconds after the second at which it was sent.
fn at_full_second(row: &str) -> String {
    const SENT: &str = "T08:55:00.";
    let mut parts = row.split(SENT);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |row, part| format!("{row}{SENT}000{}", &part[3..]))
}

#[tandem_tests::test]
async fn what_is_told_badly_does_no_harm(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let long = format!("{LANDING}&x={}", "y".repeat(100_000));
    let markup = "https://www.example.com/?utm_source=%3Cscript%3Ealert(1)%3C/script%3E&utm_medium=cpc";
    collect(
        app,
        &site,
        "visitor-1",
        json!([
            view(0, &long, Some("https://ada:secret@news.example/a?token=abc")),
            view(minutes(1), markup, None),
            view(hours(24 * 365 * 7000), LANDING, None),
        ]),
    )
    .await
    .expect(204);
    app.clock.advance(hours(3));
    send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
    let events = of_lead(app, "ada@example.com", "events").await;
    let told = json!(events).to_string();
    assert!(!told.contains("secret") && !told.contains("token"), "{told}");
    assert!(events.iter().all(|event| event["url"].as_str().is_none_or(|url| url.len() <= 2048)));
    assert_eq!(events.len(), 3, "the year 9000 is refused: {events:#?}");
    let touches = of_lead(app, "ada@example.com", "touches").await;
    assert_eq!((touches.len(), &touches[1]["campaign"]), (2, &json!("spring")));
    assert_eq!(touches[0]["source"], "<script>alert(1)</script>");
}

#[tandem_tests::test]
async fn a_browser_whose_clock_is_ahead_is_heard(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let body = json!({"visitor_id": "visitor-1", "sent_at": at(hours(3)), "events": [view(hours(3) - minutes(2), LANDING, None)]});
    app.post(&format!("/v1/collect?key={site}"))
        .header("user-agent", CHROME)
        .body("text/plain", body.to_string())
        .await
        .expect(204);
    send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
    let events = of_lead(app, "ada@example.com", "events").await;
    let seen: Timestamp = events[1]["occurred_at"].as_str().unwrap().parse().unwrap();
    assert!((seen.millis() - START.millis() + minutes(2)).abs() < minutes(1), "{seen}");
    for sent_at in ["0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
        let body = json!({"visitor_id": "visitor-1", "sent_at": sent_at, "events": [view(0, LANDING, None)]});
        app.post(&format!("/v1/collect?key={site}"))
            .header("user-agent", CHROME)
            .body("text/plain", body.to_string())
            .await
            .expect(204);
    }
    let years: Vec<String> = of_lead(app, "ada@example.com", "events")
        .await
        .iter()
        .map(|event| event["occurred_at"].as_str().unwrap()[..4].to_owned())
        .collect();
    assert_eq!(years, ["2026"; 4], "a clock that nobody can believe moves nothing");
    let odd = json!({"visitor_id": "visitor-1", "sent_at": "yesterday", "events": [{"type": "page_view"}]});
    app.post(&format!("/v1/collect?key={site}"))
        .body("text/plain", odd.to_string())
        .await
        .refused(422, "validation_failed");
}
