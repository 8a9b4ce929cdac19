//! Tracking: what visitors do, whose it becomes, and the touches that come of it, whatever the order of arrival.

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_tests::{Answer, START, TestApp, User, hours, minutes, on_both, on_postgres};

const ORIGIN: &str = "https://www.example.com";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const LANDING: &str =
    "https://www.example.com/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0KCQ";

/// A tracking key's text.
async fn given_site(app: &TestApp) -> String {
    let body = json!({"name": "Website", "allowed_origins": [ORIGIN]});
    let key = app
        .post("/v1/tracking-keys")
        .by(app.admin().await)
        .json(body)
        .await
        .expect(201);
    key["key"].as_str().unwrap().to_owned()
}

async fn given_form(app: &TestApp) -> String {
    let body = json!({"name": "Contact", "allowed_origins": [ORIGIN], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
    ]});
    let form = app
        .post("/v1/forms")
        .by(app.admin().await)
        .json(body)
        .await
        .expect(201);
    form["key"].as_str().unwrap().to_owned()
}

fn at(millis: i64) -> Value {
    json!(Timestamp::from_millis(START.millis() + millis))
}

fn view(millis: i64, url: &str, referrer: Option<&str>) -> Value {
    json!({"type": "page_view", "occurred_at": at(millis), "url": url, "referrer": referrer})
}

/// What a page's beacon sends.
async fn collect(app: &TestApp, site: &str, visitor: &str, events: Value) -> Answer {
    let body = json!({"visitor_id": visitor, "events": events});
    app.post(&format!("/v1/collect?key={site}"))
        .header("origin", ORIGIN)
        .header("user-agent", CHROME)
        .body("text/plain;charset=UTF-8", body.to_string())
        .await
}

async fn send(app: &TestApp, form: &str, visitor: Option<&str>, email: &str, context: Value) -> Answer {
    let mut body = json!({"fields": {"email": email}, "context": context});
    if let Some(visitor) = visitor {
        body["visitor_id"] = json!(visitor);
    }
    let request = app.post(&format!("/v1/capture/{form}")).header("origin", ORIGIN);
    request.header("user-agent", CHROME).json(body).await.expect(201)
}

/// Somebody who reads, whatever the clock says: a session ends sooner.
async fn reader(app: &TestApp) -> User {
    app.login("admin@example.com").await
}

async fn lead(app: &TestApp, email: &str) -> Answer {
    lead_by(app, &reader(app).await.token, email).await
}

async fn lead_by(app: &TestApp, by: &str, email: &str) -> Answer {
    let path = format!("/v1/leads?q={email}");
    let found = app.get(&path).by(by).await.expect(200);
    let id = found["data"][0]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("no lead {email}"));
    app.get(&format!("/v1/leads/{id}")).by(by).await.expect(200)
}

async fn of_lead(app: &TestApp, email: &str, what: &str) -> Vec<Value> {
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

fn channels(touches: &[Value]) -> Vec<&str> {
    touches
        .iter()
        .map(|touch| touch["channel"].as_str().unwrap())
        .collect()
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
        members
            .values_mut()
            .for_each(|value| *value = without_ids(value.take()));
    }
    row
}

on_both! {
    async fn a_landing_a_week_a_direct_visit_and_a_form_make_two_touches(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        let week = 7 * hours(24);
        collect(app, &site, "visitor-1", json!([view(0, LANDING, Some("https://www.google.com/"))])).await.expect(204);
        let pricing = view(minutes(1), "https://www.example.com/pricing", Some("https://www.example.com/"));
        collect(app, &site, "visitor-1", json!([pricing])).await.expect(204);
        app.clock.advance(week);
        collect(app, &site, "visitor-1", json!([view(week, "https://www.example.com/", None)])).await.expect(204);
        app.clock.advance(minutes(1));
        let context = json!({"page_url": "https://www.example.com/contact", "landing_url": LANDING});
        send(app, &form, Some("visitor-1"), "ada@example.com", context).await;

        let lead = lead(app, "ada@example.com").await;
        assert_eq!((&lead["first_touch"]["channel"], &lead["first_touch"]["click_ids"]["gclid"]), (&json!("paid_search"), &json!("Cj0KCQ")));
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

    async fn a_timeline_shows_events_and_touches_among_the_journal_page_by_page(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        collect(app, &site, "visitor-1", json!([view(-minutes(60), LANDING, None), view(-minutes(59), "https://www.example.com/a", None)])).await.expect(204);
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({"page_url": "https://www.example.com/contact"})).await;
        let path = format!("/v1/leads/{}/timeline", lead(app, "ada@example.com").await.id());
        let whole = app.get(&path).by(app.admin().await).await.expect(200);
        let types = whole.each("type");
        assert!(types.starts_with(&["event.recorded".into()]) || types.contains(&"lead.captured".into()), "{types:?}");
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
        let only = app.get(&format!("{path}?types=touch.made,lead.captured")).by(app.admin().await).await.expect(200);
        let mut only = only.each("type");
        only.sort();
        assert_eq!(only, ["lead.captured", "touch.made", "touch.made"]);
    }

    async fn two_people_on_one_browser_stay_two(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        collect(app, &site, "visitor-1", json!([view(0, LANDING, None)])).await.expect(204);
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({"page_url": "https://www.example.com/contact"})).await;
        app.clock.advance(minutes(5));
        let context = json!({"page_url": "https://www.example.com/contact", "landing_url": "https://www.example.com/?utm_source=news&utm_medium=email"});
        send(app, &form, Some("visitor-1"), "bob@example.com", context).await;
        collect(app, &site, "visitor-1", json!([view(minutes(6), "https://www.example.com/thanks", Some("https://www.example.com/"))])).await.expect(204);
        // What comes late belongs to whoever used the browser then.
        collect(app, &site, "visitor-1", json!([view(minutes(2), "https://www.example.com/late", Some("https://www.example.com/"))])).await.expect(204);

        assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 3);
        assert_eq!(of_lead(app, "bob@example.com", "events").await.len(), 2);
        assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["paid_search"]);
        assert_eq!(channels(&of_lead(app, "bob@example.com", "touches").await), ["email"]);
    }

    async fn whose_a_browser_is_stands_in_the_journal_and_no_replay_takes_it_away(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        let path = format!("/v1/capture/{form}");
        let bot = app.post(&path).header("origin", ORIGIN).header("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1)");
        let bot = bot.json(json!({"fields": {"email": "bob@example.com"}, "visitor_id": "visitor-1"})).await.expect(201);
        app.clock.advance(minutes(10));
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({"page_url": "https://www.example.com/contact"})).await;
        let replay = format!("/v1/submissions/{}/replay", bot["submission_id"].as_str().unwrap());
        assert_eq!(app.post(&replay).by(app.admin().await).await.expect(200)["status"], "accepted");
        collect(app, &site, "visitor-1", json!([view(minutes(10), "https://www.example.com/later", None)])).await.expect(204);

        let told = app.get("/v1/journal?type=visitor.identified").by(app.admin().await).await.expect(200);
        let ada = lead(app, "ada@example.com").await;
        let entries = told["data"].as_array().unwrap();
        assert_eq!(entries.iter().map(|entry| &entry["lead_id"]).collect::<Vec<_>>(), [&ada["id"]]);
        assert_eq!(entries[0]["actor"]["type"], "form");
        assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 2);
        assert_eq!(of_lead(app, "bob@example.com", "events").await.len(), 1);
    }

    async fn one_person_on_two_browsers_is_one_with_both_histories(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        collect(app, &site, "laptop-01", json!([view(-minutes(100), LANDING, None)])).await.expect(204);
        collect(app, &site, "phone-001", json!([view(-minutes(50), "https://www.example.com/?utm_source=news&utm_medium=email", None)])).await.expect(204);
        app.clock.advance(hours(2));
        for visitor in ["laptop-01", "phone-001"] {
            send(app, &form, Some(visitor), "ada@example.com", json!({"page_url": "https://www.example.com/contact"})).await;
            app.clock.advance(hours(2));
        }
        let touches = of_lead(app, "ada@example.com", "touches").await;
        assert_eq!(touches.len(), 4);
        assert_eq!(channels(&touches[2..]), ["email", "paid_search"]);
        let found = app.get("/v1/leads").by(&reader(app).await).await.expect(200);
        assert_eq!(found.each("id").len(), 1);
    }

    async fn a_form_without_a_tracker_makes_its_touch_and_never_two(app) {
        let form = given_form(app).await;
        let context = json!({"page_url": LANDING});
        send(app, &form, None, "ada@example.com", context.clone()).await;
        app.clock.advance(minutes(2));
        send(app, &form, None, "ada@example.com", context).await;
        assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["paid_search"]);
        assert_eq!(lead(app, "ada@example.com").await["first_touch"]["campaign"], "spring");
        app.clock.advance(hours(3));
        send(app, &form, None, "ada@example.com", json!({"landing_url": "https://www.example.com/?utm_source=news&utm_medium=email"})).await;
        assert_eq!(channels(&of_lead(app, "ada@example.com", "touches").await), ["email", "paid_search"]);
        assert_eq!(lead(app, "ada@example.com").await["last_touch"]["channel"], "email");
        send(app, &form, None, "silent@example.com", json!({})).await;
        assert!(of_lead(app, "silent@example.com", "touches").await.is_empty());
    }

    async fn five_hundred_events_in_any_order_end_in_the_same_rows(app) {
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
                    let sent = json!({"fields": {"email": email}, "visitor_id": visitor, "submitted_at": at(-minutes(5)),
                        "context": {"page_url": format!("{ORIGIN}/contact")}});
                    app.post(&format!("/v1/capture/{form}")).header("user-agent", CHROME).json(sent).await.expect(201);
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
            assert!(derived.len() > 100, "{}", derived.len());
            let expected = expected.get_or_insert_with(|| derived.clone());
            let differ = |some: &[String], others: &[String]| -> Vec<String> {
                some.iter().filter(|row| !others.contains(row)).cloned().collect()
            };
            let (more, less) = (differ(&derived, expected), differ(expected, &derived));
            assert!(derived == *expected, "round {round}: {more:#?} instead of {less:#?}");
        }
    }

    async fn an_event_counts_once_for_good_and_bad_ones_refuse_no_other(app) {
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
        let rejected: Vec<(i64, &str)> = answer["rejected"].as_array().unwrap().iter()
            .map(|one| (one["index"].as_i64().unwrap(), one["code"].as_str().unwrap())).collect();
        assert_eq!(rejected, [
            (3, "not_found"), (4, "not_allowed"), (5, "out_of_range"), (6, "invalid_variant"),
            (7, "unknown_field"), (8, "invalid_variant"), (9, "invalid_type"),
        ]);

        let again = json!({"events": [events[0]], "create_lead": true});
        let answer = app.post("/v1/events").by(&key).json(again.clone()).await.expect(200);
        assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(0), &json!(1)));
        let answer = app.post("/v1/events").by(&other).json(again).await.expect(200);
        assert_eq!(answer["accepted"], 1, "another key's ids are its own");

        // What was refused was not noted: told again, it counts.
        let made = app.post("/v1/events").by(&key).json(json!({"events": [events[3]], "create_lead": true})).await.expect(200);
        assert_eq!(made["accepted"], 1);
        assert_eq!(of_lead(app, "nobody@example.com", "events").await.len(), 1);
        let path = format!("/v1/leads/{}/events", lead(app, "ada@example.com").await.id());
        let own = app.get(&format!("{path}?types=custom.trial_started,chat")).by(app.admin().await).await.expect(200);
        assert_eq!((own.each("type"), &own["data"][0]["properties"]["plan"]), (vec!["custom.trial_started".to_owned()], &json!("team")));
        app.get(&format!("{path}?types=nonsense")).by(app.admin().await).await.refused(400, "invalid_parameter");
    }

    async fn what_mails_fairs_and_people_tell_are_touches_too(app) {
        let key = app.key(&["events:write"]).await;
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
        assert_eq!((&lead["first_touch"]["source"], &lead["last_touch"]["source"]), (&json!("agency"), &json!("expo")));
        assert_eq!(lead["lead_touch"]["channel"], "event");
        let ahead = json!({"lead": name, "channel": "event", "occurred_at": at(hours(1))});
        app.post("/v1/touches").by(&key).json(ahead).await.refused(422, "validation_failed");
        app.post("/v1/touches").by(&key).json(json!({"lead": {"email": "x@example.com"}, "channel": "event"})).await.refused(404, "not_found");
    }

    async fn whoever_unsubscribes_or_bounces_may_not_be_contacted_by_mail(app) {
        let (key, site) = (app.key(&["events:write"]).await, given_site(app).await);
        let granted = json!({"purpose": "marketing_email", "granted": true, "stated_at": at(-hours(9))});
        for email in ["ada@example.com", "bob@example.com", "eve@example.com"] {
            let id = app.given_lead(email).await.id();
            app.post(&format!("/v1/leads/{id}/consents")).by(app.admin().await).json(granted.clone()).await.expect(201);
        }
        let why = async |email: &str, purpose: &str| lead(app, email).await["may_contact"][purpose]["why"].clone();
        let told = json!({"events": [
            {"type": "email_unsubscribe", "lead": {"email": "ada@example.com"}, "event_id": "u1"},
            {"type": "email_bounce", "lead": {"email": "bob@example.com"}},
            {"type": "email_bounce", "lead": {"email": "eve@example.com"}, "properties": {"bounce_type": "soft"}},
            {"type": "email_unsubscribe", "lead": {"email": "fay@example.com"}, "properties": {"purpose": "newsletter"}},
        ], "create_lead": true});
        let answer = app.post("/v1/events").by(&key).json(told.clone()).await.expect(200);
        assert_eq!(answer["accepted"], 4, "{}", answer.text);
        assert_eq!(why("ada@example.com", "marketing_email").await, "unsubscribed");
        assert_eq!(why("bob@example.com", "marketing_email").await, "bounced");
        assert_eq!(why("eve@example.com", "marketing_email").await, "granted");
        assert_eq!(why("fay@example.com", "newsletter").await, "unsubscribed");

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

    async fn a_server_says_who_a_visitor_is(app) {
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

    async fn a_site_is_told_nothing_and_only_its_pages_may_tell(app) {
        let site = given_site(app).await;
        let body = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}, {"type": "nonsense"}]}).to_string();
        let post = |key: &str| app.post(&format!("/v1/collect?key={key}"));
        let taken = post(&site).header("origin", ORIGIN).body("application/json", body.clone()).await.expect(204);
        assert_eq!((taken.header("access-control-allow-origin"), taken.text.as_str()), (Some(ORIGIN), ""));
        post(&site).body("text/plain", body.clone()).await.expect(204);
        post(&site).header("origin", "https://evil.example").body("text/plain", body.clone()).await.refused(403, "origin_not_allowed");
        post("tdm_pk_x").body("text/plain", body.clone()).await.refused(404, "not_found");
        app.post("/v1/collect").body("text/plain", body.clone()).await.refused(400, "invalid_parameter");
        post(&site).body("text/plain", "{").await.refused(400, "malformed_json");
        post(&site).body("application/xml", body.clone()).await.refused(415, "unsupported_media_type");
        let events: Vec<Value> = (0..101).map(|_| json!({"type": "page_view"})).collect();
        post(&site).json(json!({"visitor_id": "visitor-1", "events": events})).await.refused(422, "validation_failed");
        post(&site).json(json!({"visitor_id": "<script>", "events": [{"type": "page_view"}]})).await.refused(422, "validation_failed");
        let asked = app.request("OPTIONS", &format!("/v1/collect?key={site}")).header("origin", ORIGIN);
        let asked = asked.header("access-control-request-method", "POST").await.expect(204);
        assert_eq!(asked.header("access-control-allow-origin"), Some(ORIGIN));
    }

    async fn an_event_that_cannot_be_read_refuses_no_other(app) {
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
            let events = format!(r#"{{"events": [{good}, {{"type": "chat", {lead}, "properties": {properties}}}, {good}]}}"#);
            let told = app.post("/v1/events").by(&key).body("application/json", events).await.expect(200);
            assert_eq!(told["accepted"], 2, "{code}");
            assert_eq!((&told["rejected"][0]["index"], told["rejected"][0]["code"].as_str()), (&json!(1), Some(code)));

            let visitor = format!("visitor-{index}");
            let events = format!(r#"[{{"type": "page_view", "properties": {properties}}}, {{"type": "download"}}]"#);
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

    async fn what_a_site_sends_is_text_in_utf_8(app) {
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

    async fn what_is_told_badly_does_no_harm(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        let long = format!("{LANDING}&x={}", "y".repeat(100_000));
        let markup = "https://www.example.com/?utm_source=%3Cscript%3Ealert(1)%3C/script%3E&utm_medium=cpc";
        collect(app, &site, "visitor-1", json!([
            view(0, &long, Some("https://ada:secret@news.example/a?token=abc")),
            view(minutes(1), markup, None),
            view(hours(24 * 365 * 7000), LANDING, None),
        ])).await.expect(204);
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

    async fn a_browser_whose_clock_is_ahead_is_heard(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        let body = json!({"visitor_id": "visitor-1", "sent_at": at(hours(3)), "events": [view(hours(3) - minutes(2), LANDING, None)]});
        app.post(&format!("/v1/collect?key={site}")).header("user-agent", CHROME).body("text/plain", body.to_string()).await.expect(204);
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
        let events = of_lead(app, "ada@example.com", "events").await;
        let seen: Timestamp = events[1]["occurred_at"].as_str().unwrap().parse().unwrap();
        assert!((seen.millis() - START.millis() + minutes(2)).abs() < minutes(1), "{seen}");
        for sent_at in ["0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
            let body = json!({"visitor_id": "visitor-1", "sent_at": sent_at, "events": [view(0, LANDING, None)]});
            app.post(&format!("/v1/collect?key={site}")).header("user-agent", CHROME).body("text/plain", body.to_string()).await.expect(204);
        }
        let years: Vec<String> = of_lead(app, "ada@example.com", "events").await.iter()
            .map(|event| event["occurred_at"].as_str().unwrap()[..4].to_owned()).collect();
        assert_eq!(years, ["2026"; 4], "a clock that nobody can believe moves nothing");
        let odd = json!({"visitor_id": "visitor-1", "sent_at": "yesterday", "events": [{"type": "page_view"}]});
        app.post(&format!("/v1/collect?key={site}")).body("text/plain", odd.to_string()).await.refused(422, "validation_failed");
    }

    async fn bots_count_nowhere(app) {
        let (site, form) = (given_site(app).await, given_form(app).await);
        let body = json!({"visitor_id": "visitor-1", "events": [view(0, LANDING, None)]}).to_string();
        let bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        app.post(&format!("/v1/collect?key={site}")).header("user-agent", bot).body("text/plain", body).await.expect(204);
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
        let events = of_lead(app, "ada@example.com", "events").await;
        assert_eq!(events.iter().filter(|event| event["bot"] == true).count(), 1);
        assert!(of_lead(app, "ada@example.com", "touches").await.is_empty());
    }

    async fn a_tracking_key_is_changed_rotated_and_revoked(app) {
        let ada = app.admin().await;
        let site = given_site(app).await;
        let listed = app.get("/v1/tracking-keys").by(ada).await.expect(200);
        let id = listed.each("id").remove(0);
        let path = format!("/v1/tracking-keys/{id}");
        let known = app.get(&path).by(ada).await.expect(200);
        let changed = app.patch(&path).by(ada).header("if-match", known.etag()).json(json!({"allowed_origins": ["https://shop.example.com"]})).await.expect(200);
        assert_eq!(changed["allowed_origins"], json!(["https://shop.example.com"]));
        app.clock.advance(2000);
        let tell = async |key: &str, origin: &str| {
            let body = json!({"visitor_id": "visitor-1", "events": [{"type": "page_view"}]});
            app.post(&format!("/v1/collect?key={key}")).header("origin", origin).json(body).await
        };
        tell(&site, ORIGIN).await.refused(403, "origin_not_allowed");
        let rotated = app.post(&format!("{path}/rotate")).by(ada).json(json!({"grace_seconds": 60})).await.expect(200);
        let fresh = rotated["key"].as_str().unwrap().to_owned();
        app.clock.advance(2000);
        for key in [&site, &fresh] {
            tell(key, "https://shop.example.com").await.expect(204);
        }
        app.clock.advance(minutes(2));
        tell(&site, "https://shop.example.com").await.refused(404, "not_found");
        app.delete(&path).by(ada).await.expect(204);
        app.clock.advance(2000);
        tell(&fresh, "https://shop.example.com").await.refused(404, "not_found");
        app.post(&format!("{path}/rotate")).by(ada).json(json!({})).await.refused(409, "conflict");
        app.post("/v1/tracking-keys").by(app.user("sales").await).json(json!({"name": "x", "allowed_origins": [ORIGIN]})).await.refused(403, "insufficient_scope");
    }

    async fn the_same_event_twice_at_once_counts_once(app) {
        let key = app.key(&["events:write"]).await;
        app.given_lead("ada@example.com").await;
        let event = json!({"events": [{"type": "chat", "lead": {"email": "ada@example.com"}, "event_id": "once"}]});
        let told: Vec<_> = (0..8).map(|_| app.post("/v1/events").by(&key).json(event.clone())).collect();
        let answers = futures::future::join_all(told.into_iter().map(std::future::IntoFuture::into_future)).await;
        let accepted: i64 = answers.into_iter().map(|answer| answer.expect(200)["accepted"].as_i64().unwrap()).sum();
        assert_eq!(accepted, 1);
        assert_eq!(of_lead(app, "ada@example.com", "events").await.len(), 1);
    }

    async fn a_request_repeated_with_its_key_is_answered_the_same(app) {
        let key = app.key(&["events:write"]).await;
        let body = json!({"events": [{"type": "chat", "visitor_id": "visitor-1"}]});
        let first = app.post("/v1/events").by(&key).once("k").json(body.clone()).await.expect(200);
        let again = app.post("/v1/events").by(&key).once("k").json(body).await.expect(200);
        assert_eq!((again.header("idempotent-replayed").is_some(), &again.body), (true, &first.body));
        let other = json!({"events": [{"type": "chat", "visitor_id": "visitor-2"}]});
        app.post("/v1/events").by(&key).once("k").json(other).await.refused(422, "idempotency_key_reused");
    }
}

on_postgres! {
    async fn two_replicas_tell_one_visitors_events(app) {
        let second = app.second_server().await;
        let (key, form) = (app.key(&["events:write"]).await, given_form(app).await);
        let body = |n: i64| json!({"events": [{"type": "page_view", "visitor_id": "visitor-1",
            "occurred_at": at(-minutes(n)), "url": "https://www.example.com/"}]});
        for n in 0..20 {
            let (one, two) = (app.post("/v1/events").by(&key).json(body(2 * n)), second.post("/v1/events").by(&key).json(body(2 * n + 1)));
            let (one, two) = futures::future::join(one.into_future(), two.into_future()).await;
            assert_eq!((&one.expect(200)["accepted"], &two.expect(200)["accepted"]), (&json!(1), &json!(1)));
        }
        send(app, &form, Some("visitor-1"), "ada@example.com", json!({})).await;
        let sessions = of_lead(app, "ada@example.com", "sessions").await;
        assert_eq!(sessions.iter().map(|one| one["events"].as_i64().unwrap()).collect::<Vec<_>>(), [41]);
        second.stop().await;
    }
}
