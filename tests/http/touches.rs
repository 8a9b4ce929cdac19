//! Touches are made by one function at every door: the channel follows, addresses lose what lets somebody in, and what a
//! lead and its cycles show of them is the same whatever came first.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tandem_api::edge::openapi::pass::operations;
use tandem_domain::id::splitmix64;
use tandem_tests::{Answer, TestApp, contract, hours, minutes};

use crate::deals;
use crate::imports::taken_in;
use crate::tracked::{
    LANDING, ORIGIN, at, collect, given_form, given_site, lead, of_lead, reader, send, view,
};

const MARKER: &str = "s3cr3t-marker";
/// An address with the marker at every place where browsers and sites put secrets.
const ADDRESS: &str = "https://s3cr3t-marker:s3cr3t-marker@www.example.com/a;jsessionid=s3cr3t-marker?utm_source=google\
    &utm_medium=cpc&token=s3cr3t-marker&password=s3cr3t-marker&next=https%3A%2F%2Fu%3As3cr3t-marker%40e.com%2F\
    #access_token=s3cr3t-marker";

/// A text that is an address, where the caller names something.
const NAME: &str = "https://u:s3cr3t-marker@e.com/";

/// Every member of a request that holds an address, as the document publishes them, and nothing else.
const DOORS: &[&str] = &[
    "PATCH /v1/forms/{form_id} redirect_url",
    "PATCH /v1/quotes/{quote_id} url",
    "POST /v1/capture/{form_key} context.landing_referrer",
    "POST /v1/capture/{form_key} context.landing_url",
    "POST /v1/capture/{form_key} context.page_url",
    "POST /v1/capture/{form_key} context.referrer",
    "POST /v1/collect events.referrer",
    "POST /v1/collect events.url",
    "POST /v1/conversations recording_url",
    "POST /v1/deals/{deal_id}/quotes url",
    "POST /v1/events events.referrer",
    "POST /v1/events events.url",
    "POST /v1/forms redirect_url",
    "POST /v1/leads first_touch.landing_url",
    "POST /v1/leads first_touch.referrer",
    "POST /v1/leads/batch leads.first_touch.landing_url",
    "POST /v1/leads/batch leads.first_touch.referrer",
    "POST /v1/routing/simulate lead.first_touch.landing_url",
    "POST /v1/routing/simulate lead.first_touch.referrer",
    "POST /v1/touches landing_url",
    "POST /v1/touches referrer",
];

/// The members of a request's body whose names say that they are addresses.
fn addresses(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let document = &contract().document;
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#')).unwrap();
        return addresses(target, path, found);
    }
    for of in ["oneOf", "anyOf", "allOf"] {
        schema[of].as_array().into_iter().flatten().for_each(|one| addresses(one, path, found));
    }
    if schema["items"].is_object() {
        addresses(&schema["items"], path, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        if name.ends_with("url") || name.ends_with("referrer") {
            if member["readOnly"] != true {
                found.insert(path);
            }
        } else if member["readOnly"] != true {
            addresses(member, &format!("{path}."), found);
        }
    }
}

fn doors() -> Vec<String> {
    let mut doors = vec![];
    for (path, method, operation) in operations(&contract().document) {
        let mut found = BTreeSet::new();
        for (_, body) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            addresses(&body["schema"], "", &mut found);
        }
        doors.extend(found.into_iter().map(|member| format!("{} {path} {member}", method.to_uppercase())));
    }
    doors.sort();
    doors
}

/// Everything that the database holds, a text for each row.
async fn rows(app: &TestApp) -> Vec<String> {
    let raw = app.database.raw().await;
    let backend = raw.get_database_backend();
    let ask = |sql: String| Statement::from_string(backend, sql);
    let tables = match backend {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
    };
    let mut rows = vec![];
    for table in raw.query_all_raw(ask(tables.into())).await.unwrap() {
        let table: String = table.try_get("", "name").unwrap();
        let sql = match backend {
            DbBackend::Sqlite => {
                let columns =
                    raw.query_all_raw(ask(format!("SELECT name FROM pragma_table_info('{table}')"))).await;
                let columns =
                    columns.unwrap().into_iter().map(|row| row.try_get::<String>("", "name").unwrap());
                let columns: Vec<String> = columns.map(|name| format!("quote(\"{name}\")")).collect();
                format!("SELECT {} AS row FROM \"{table}\"", columns.join(" || ' ' || "))
            }
            _ => format!("SELECT t::text AS row FROM \"{table}\" AS t"),
        };
        for row in raw.query_all_raw(ask(sql)).await.unwrap() {
            rows.push(format!("{table}: {}", row.try_get::<String>("", "row").unwrap()));
        }
    }
    raw.close().await.unwrap();
    rows
}

/// The marker in a text, or in bytes that are shown as hexadecimal digits.
fn has_marker(text: &str) -> bool {
    let digits: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    text.contains(MARKER) || text.to_lowercase().contains(&digits)
}

#[tandem_tests::test]
async fn a_credential_in_an_address_is_stored_at_no_door(app: &TestApp) {
    assert_eq!(doors(), DOORS, "a new member that holds an address belongs to this test");
    let (site, form) = (given_site(app).await, given_form(app).await);
    let (admin, key) = (app.admin().await, app.key(&["events:write", "leads:write", "leads:read"]).await);
    let lead_with = |email: &str| {
        let touch = json!({"landing_url": ADDRESS, "referrer": ADDRESS, "source": NAME});
        json!({"email": email, "first_touch": touch})
    };
    let mut answers: Vec<Answer> = vec![];
    let once = |n: u32| format!("marked-{n}");
    for _ in 0..2 {
        answers.push(app.post("/v1/leads").by(admin).once(once(1)).json(lead_with("a@example.com")).await);
        let batch = json!({"leads": [lead_with("b@example.com")]});
        answers.push(app.post("/v1/leads/batch").by(admin).once(once(2)).json(batch).await);
    }
    let simulated = json!({"lead": lead_with("a@example.com")});
    answers.push(app.post("/v1/routing/simulate").by(admin).json(simulated).await.expect(200));
    let (a, touched) =
        (answers[0].id(), json!({"landing_url": ADDRESS, "referrer": ADDRESS, "campaign": NAME}));
    let touch = |lead: Value| {
        let mut touch = touched.clone();
        touch["lead"] = lead;
        touch
    };
    answers.push(app.post("/v1/touches").by(&key).json(touch(json!({"id": a}))).await.expect(201));
    let event = json!({"type": "page_view", "url": ADDRESS, "referrer": ADDRESS, "properties": {"a": [{"b": ADDRESS}]}});
    let mut click = event.clone();
    click["type"] = json!("email_click");
    let mut of_lead = click.clone();
    of_lead["lead"] = json!({"email": "c@example.com"});
    let mut of_visitor = event.clone();
    of_visitor["visitor_id"] = json!("visitor-1");
    let events = json!({"create_lead": true, "events": [of_lead, of_visitor]});
    answers.push(app.post("/v1/events").by(&key).json(events).await.expect(200));
    answers.push(collect(app, &site, "visitor-1", json!([event])).await.expect(204));
    let identify = json!({"visitor_id": "visitor-1", "lead": {"email": "c@example.com"}});
    answers.push(app.post("/v1/identify").by(&key).json(identify).await.expect(200));

    let context = json!({"page_url": ADDRESS, "referrer": ADDRESS, "landing_url": ADDRESS, "landing_referrer": ADDRESS});
    answers.push(send(app, &form, Some("visitor-2"), "d@example.com", context.clone()).await);
    let capture = |media_type: &str, body: String| {
        app.post(&format!("/v1/capture/{form}")).header("accept", "application/json").body(media_type, body)
    };
    let unfit =
        json!({"fields": {"email": "none", "page": ADDRESS}, "context": context, "further": {"a": ADDRESS}});
    answers.push(capture("application/json", unfit.to_string()).await.expect(422));
    answers.push(capture("application/json", unfit.to_string() + "{").await);
    let members = ["email", "page", "_page_url", "_referrer", "_landing_url", "_landing_referrer"];
    let value = |name: &str, email: &str| if name == "email" { email.to_owned() } else { ADDRESS.to_owned() };
    let escape = |text: String| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || byte == b'-' {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let flat: Vec<String> =
        members.iter().map(|name| format!("{name}={}", escape(value(name, "e@example.com")))).collect();
    answers.push(capture("application/x-www-form-urlencoded", flat.join("&")).await.expect(201));
    let parts: Vec<String> = members
        .iter()
        .map(|name| {
            format!(
                "--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n",
                value(name, "g@example.com")
            )
        })
        .collect();
    answers.push(capture("multipart/form-data; boundary=x", parts.concat() + "--x--\r\n").await.expect(201));
    for (method, path) in [("POST", "/v1/forms".to_owned()), ("PATCH", form_path(app).await)] {
        let body = json!({"name": "F", "redirect_url": ADDRESS, "allowed_origins": [ORIGIN], "fields": [
            {"name": "email", "label": "E-mail", "type": "email", "maps_to": "email"}]});
        answers.push(app.request(method, &path).by(admin).json(body).await.expect(422));
    }
    let manager = app.user("sales_manager").await;
    let deal = deals::open(app, &manager, &deals::given_sql(app).await).await.expect(201).id();
    let quote = json!({"number": "Q-1", "amount": {"amount": 1, "currency": "EUR"}, "url": ADDRESS});
    let quoted = app.post(&format!("/v1/deals/{deal}/quotes")).by(&manager).json(quote).await.expect(201);
    let changed = app.patch(&format!("/v1/quotes/{}", quoted.id())).by(&manager);
    answers.push(changed.json(json!({"url": format!("{ADDRESS}&again=1")})).await.expect(200));
    answers.push(quoted);
    let call = json!({"provider": "callwise", "external_id": "1", "lead": {"email": "nobody@elsewhere.example"},
        "occurred_at": "2026-03-02T08:00:00Z", "recording_url": ADDRESS, "intent": "low", "summary": "A first call"});
    answers.push(app.post("/v1/conversations").by(&manager).json(call).await.expect(202));
    let file = format!(
        "email,page,first_touch.landing_url,first_touch.referrer\nf@example.com,{ADDRESS},{ADDRESS},{ADDRESS}\n\
         none,{ADDRESS},{ADDRESS},{ADDRESS}\n"
    );
    for mode in ["live", "history"] {
        let import = taken_in(app, &format!("kind=leads&mode={mode}"), None, file.clone()).await;
        assert_eq!(import["progress"]["rejected"], 1, "{}", import.text);
        answers.push(app.get(&format!("/v1/imports/{}/rejects", import.id())).by(admin).await.expect(200));
        answers.push(import);
    }
    let file = format!("domain,name\n{ADDRESS},Example\n");
    answers.push(taken_in(app, "kind=companies", None, file).await);

    for path in ["/v1/leads", "/v1/changes", "/v1/submissions", "/v1/forms", "/v1/companies"] {
        let list = app.get(&format!("{path}?limit=200")).by(admin).await.expect(200);
        for id in list.each("id") {
            let details: &[&str] = match path {
                "/v1/leads" => &["", "/touches", "/events", "/sessions", "/timeline", "/fields"],
                "/v1/submissions" => &[""],
                _ => &[],
            };
            for detail in details {
                answers.push(app.get(&format!("{path}/{id}{detail}")).by(admin).await.expect(200));
            }
        }
        answers.push(list);
    }
    let shown: Vec<&str> =
        answers.iter().filter(|answer| has_marker(&answer.text)).map(|answer| answer.of.as_str()).collect();
    assert_eq!(shown, [""; 0], "answers");
    let stored: Vec<String> = rows(app).await.into_iter().filter(|row| has_marker(row)).collect();
    assert_eq!(stored, [""; 0], "rows");

    for email in ["a", "b", "c", "d", "e", "f", "g"] {
        let lead = lead(app, &format!("{email}@example.com")).await;
        let landing = lead["first_touch"]["landing_url"].as_str().unwrap_or_default();
        assert_eq!(landing, "https://www.example.com/a", "{email}: nothing else is lost");
    }
}

async fn form_path(app: &TestApp) -> String {
    let forms = app.get("/v1/forms").by(app.admin().await).await.expect(200);
    format!("/v1/forms/{}", forms.each("id")[0])
}

#[tandem_tests::test]
async fn a_given_touch_has_its_channel_at_every_door(app: &TestApp) {
    let admin = app.admin().await;
    let rules = json!({"rules": [{"when": {"source": {"exact": "portal"}}, "channel": "alliance"}]});
    app.put("/v1/settings/channel-rules").by(admin).json(rules).await.expect(200);
    let google = json!({"source": "google", "medium": "cpc", "campaign": "spring"});
    let body = |email: &str, touch: &Value| json!({"email": email, "first_touch": touch});
    let made = app.post("/v1/leads").by(admin).json(body("a@example.com", &google)).await.expect(201);
    assert_eq!(made["first_touch"]["channel"], "paid_search");
    let batch = json!({"leads": [body("b@example.com", &google), body("c@example.com", &json!({"source": "portal"}))]});
    app.post("/v1/leads/batch").by(admin).json(batch).await.expect(207);
    let file = "email,first_touch.source,first_touch.medium,first_touch.channel,first_touch.referrer\n\
        d@example.com,google,cpc,,\ne@example.com,fair,,Event,\nf@example.com,google,cpc,Web,javascript:alert(1)\n";
    let import = taken_in(app, "kind=leads", None, file).await;
    assert_eq!((&import["progress"]["created"], &import["progress"]["warnings"]), (&json!(3), &json!(1)));
    let expected = [
        ("a", "paid_search"),
        ("b", "paid_search"),
        ("c", "alliance"),
        ("d", "paid_search"),
        ("e", "event"),
        ("f", "paid_search"),
    ];
    for (email, channel) in expected {
        assert_eq!(
            lead(app, &format!("{email}@example.com")).await["first_touch"]["channel"],
            channel,
            "{email}"
        );
    }
    let touch = json!({"lead": {"email": "a@example.com"}, "source": "portal", "landing_url": "https://e.com/?utm_campaign=x"});
    let touch = app.post("/v1/touches").by(admin).json(touch).await.expect(201);
    assert_eq!((&touch["channel"], &touch["campaign"]), (&json!("alliance"), &json!("x")));

    let unknown = json!({"channel": "web", "landing_url": "javascript:alert(1)"});
    let refused = app.post("/v1/leads").by(admin).json(body("z@example.com", &unknown)).await;
    let refused = refused.refused(422, "validation_failed");
    let places = [("#/first_touch/channel", "not_allowed"), ("#/first_touch/landing_url", "invalid_format")];
    assert_eq!(refused.violations(), places);
    assert!(refused.text.contains("paid_search") && refused.text.contains("alliance"), "{}", refused.text);
    let touch = |touch: Value| app.post("/v1/touches").by(admin).json(touch);
    let refused = touch(json!({"lead": {"email": "a@example.com"}, "channel": "web"}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/channel", "not_allowed")]);
    let refused = touch(json!({"lead": {"email": "a@example.com"}, "term": " "}))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/channel", "required")]);
}

/// How many cycles the funnel counts under each value of a dimension.
async fn funnel(app: &TestApp, by: &str) -> BTreeMap<String, i64> {
    let report = app.get(&format!("/v1/reports/funnel?by={by}")).by(&reader(app).await).await.expect(200);
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        (row["key"].as_str().unwrap_or("unknown").to_owned(), row["stages"][0]["cycles"].as_i64().unwrap())
    })
    .collect()
}

#[tandem_tests::test]
async fn visits_before_a_server_made_the_lead_are_where_it_came_from(app: &TestApp) {
    let (site, key) = (given_site(app).await, app.key(&["events:write", "leads:write"]).await);
    let identify = |visitor: &str, email: &str| {
        let body = json!({"visitor_id": visitor, "lead": {"email": email}});
        app.post("/v1/identify").by(&key).json(body)
    };
    collect(app, &site, "visitor-1", json!([view(0, LANDING, None)])).await.expect(204);
    app.clock.advance(hours(1));
    for email in ["ada@example.com", "bob@example.com"] {
        app.post("/v1/leads").by(&key).json(json!({"email": email})).await.expect(201);
    }
    app.clock.advance(hours(1));
    let late = view(hours(2), "https://www.example.com/?utm_source=late&utm_campaign=late", None);
    collect(app, &site, "visitor-2", json!([late])).await.expect(204);
    app.clock.advance(minutes(1));
    assert_eq!(funnel(app, "source").await, BTreeMap::from([("unknown".into(), 2)]));
    identify("visitor-1", "ada@example.com").await.expect(200);
    identify("visitor-2", "bob@example.com").await.expect(200);

    let ada = lead(app, "ada@example.com").await;
    assert_eq!((&ada["lead_touch"]["source"], &ada["lead_touch"]["occurred_at"]), (&json!("google"), &at(0)));
    let bob = lead(app, "bob@example.com").await;
    assert_eq!((&bob["first_touch"]["source"], &bob["lead_touch"]), (&json!("late"), &json!(null)));
    for (by, value) in [("source", "google"), ("campaign", "spring"), ("channel", "paid_search")] {
        let expected = BTreeMap::from([(value.to_owned(), 1), ("unknown".to_owned(), 1)]);
        assert_eq!(funnel(app, by).await, expected, "{by}");
    }
    assert_eq!(of_lead(app, "ada@example.com", "touches").await.len(), 1);
}

/// A touch of a story: the day on which it happened and the phase in which it becomes known.
struct Told {
    day: i64,
    phase: u64,
    source: String,
    is_visit: bool,
}

const DAY: i64 = 24;
/// When the lead is disqualified, when it comes back, and when the story ends; it becomes known on the first day.
const DAYS: [i64; 4] = [10, 20, 30, 40];

#[tandem_tests::test]
async fn whatever_becomes_known_first_a_lead_came_from_the_same(app: &TestApp) {
    let key = app.key(&["events:write"]).await;
    let admin = || reader(app);
    let stories: Vec<Vec<Told>> = (0..24u64).map(drawn).collect();
    let mut ids = vec![];
    for phase in 0..DAYS.len() as u64 {
        app.clock.advance(hours(DAY * 10));
        let by = admin().await;
        for (n, story) in stories.iter().enumerate() {
            match phase {
                0 => {
                    let body = json!({"email": format!("lead-{n}@example.com")});
                    ids.push(app.post("/v1/leads").by(&by).json(body).await.expect(201).id());
                }
                1 | 2 => {
                    let body = match phase {
                        1 => json!({"to": "disqualified", "reason": "not_a_fit", "note": "n"}),
                        _ => json!({"to": "lead", "note": "n"}),
                    };
                    app.post(&format!("/v1/leads/{}/transitions", ids[n]))
                        .by(&by)
                        .json(body)
                        .await
                        .expect(201);
                }
                _ => {}
            }
            for told in story.iter().filter(|told| told.phase == phase) {
                tell(app, &key, &ids[n], told).await;
            }
        }
    }

    let raw = app.database.raw().await;
    let backend = raw.get_database_backend();
    let sql = "SELECT i.value, c.number, c.source FROM cycles c JOIN identifiers i ON i.lead_id = c.lead_id";
    let mut cycles = BTreeMap::new();
    for row in raw.query_all_raw(Statement::from_string(backend, sql)).await.unwrap() {
        let place: (String, i64) = (row.try_get("", "value").unwrap(), row.try_get("", "number").unwrap());
        cycles.insert(place, row.try_get::<Option<String>>("", "source").unwrap());
    }
    raw.close().await.unwrap();
    let by = admin().await;
    for (n, story) in stories.iter().enumerate() {
        let source = |told: Option<&Told>| told.map(|told| told.source.clone());
        let first = |from: i64, to: i64| {
            let within = story.iter().filter(|told| from < told.day && told.day <= to);
            source(within.min_by_key(|told| told.day))
        };
        let last = |to: i64| source(story.iter().filter(|told| told.day <= to).max_by_key(|told| told.day));
        let email = format!("lead-{n}@example.com");
        let of_cycle = |number| cycles[&(email.clone(), number)].clone();
        assert_eq!(of_cycle(1), first(i64::MIN, DAYS[0]), "{email}");
        assert_eq!(of_cycle(2), first(DAYS[1], DAYS[2]).or(first(i64::MIN, DAYS[2])), "{email}");
        let lead = app.get(&format!("/v1/leads/{}", ids[n])).by(&by).await.expect(200);
        let shown = |name: &str| lead[name]["source"].as_str().map(str::to_owned);
        assert_eq!(shown("first_touch"), first(i64::MIN, i64::MAX), "{email}");
        assert_eq!(shown("last_touch"), last(i64::MAX), "{email}");
        assert_eq!(shown("lead_touch"), last(DAYS[0]), "{email}");
    }
}

/// Up to five touches of different days, each of which becomes known some time after it happened.
fn drawn(n: u64) -> Vec<Told> {
    let mut state = n + 1;
    let mut draw = |most: u64| {
        state = splitmix64(state);
        state % most
    };
    let mut days: Vec<i64> = (0..draw(6)).map(|_| draw(39) as i64 + 1).collect();
    days.sort_unstable();
    days.dedup();
    let mut story: Vec<Told> = days
        .into_iter()
        .filter(|day| !DAYS.contains(day))
        .map(|day| {
            let earliest = DAYS.iter().filter(|phase| **phase < day).count() as u64;
            Told {
                day,
                phase: earliest + draw(4 - earliest),
                source: format!("s{n}-{day}"),
                is_visit: draw(2) == 0,
            }
        })
        .collect();
    for place in (1..story.len()).rev() {
        story.swap(place, draw(place as u64 + 1) as usize);
    }
    story
}

async fn tell(app: &TestApp, key: &str, lead: &str, told: &Told) {
    let (source, occurred_at) = (&told.source, at(hours(DAY * told.day)));
    if !told.is_visit {
        let touch =
            json!({"lead": {"id": lead}, "source": source, "channel": "partner", "occurred_at": occurred_at});
        app.post("/v1/touches").by(key).json(touch).await.expect(201);
        return;
    }
    let visitor = format!("visitor-{source}");
    let url = format!("https://www.example.com/?utm_source={source}&utm_medium=email");
    let event = json!({"type": "page_view", "visitor_id": visitor, "occurred_at": occurred_at, "url": url});
    app.post("/v1/events").by(key).json(json!({"events": [event]})).await.expect(200);
    let identify = json!({"visitor_id": visitor, "lead": {"id": lead}});
    app.post("/v1/identify").by(key).json(identify).await.expect(200);
}
