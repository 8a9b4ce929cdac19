//! The packet of a hand-off: equal to the public endpoints at that instant, byte-equal after later changes, and within
//! its measure.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

const EMAIL: &str = "ada@lovelace.example";

async fn get(app: &TestApp, path: &str) -> Answer {
    app.get(path).by(app.admin().await).await.expect(200)
}

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.post(path).by(app.admin().await).json(body).await
}

async fn events(app: &TestApp, events: Vec<Value>) {
    post(app, "/v1/events", json!({"events": events})).await.expect(200);
}

async fn given_form(app: &TestApp, form: Value) -> String {
    let form = post(app, "/v1/forms", form).await.expect(201);
    form["key"].as_str().unwrap().to_owned()
}

/// The hand-off that a move of marketing makes.
async fn handed_over(app: &TestApp, lead: &str) -> Value {
    let mql = json!({"to": "mql", "note": "asked for a demo"});
    post(app, &format!("/v1/leads/{lead}/transitions"), mql).await.expect(201);
    get(app, &format!("/v1/handoffs?lead_id={lead}&sort=-made_at")).await["data"][0].clone()
}

async fn packet_of(app: &TestApp, handoff: &Value) -> Answer {
    get(app, &format!("/v1/handoffs/{}/packet", handoff["id"].as_str().unwrap())).await
}

/// A lead with a past: an ad of a campaign, two forms, e-mails, pages, machines that are no people, colleagues, and a cycle
/// that ended in a rejection.
async fn given_past(app: &TestApp) -> String {
    let brief = json!({"audience": "Shops", "message": "Stock that counts itself", "offer": null, "promise": "A call"});
    let campaign = json!({"name": "Spring 2026", "channel": "paid_search", "utm_campaign_aliases": ["spring", "Spring-26"],
        "starts_on": "2026-03-01", "brief": brief});
    let campaign = post(app, "/v1/campaigns", campaign).await.expect(201).id();
    let contact = json!({"name": "Contact", "allowed_origins": [], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "subject", "label": "About", "type": "text"},
    ]});
    let contact = given_form(app, contact).await;
    let demo = json!({"name": "Ask for a demo", "service_requested": "demo", "campaign_id": campaign, "allowed_origins": [],
    "fields": [
        {"name": "need", "label": "What do you need?", "type": "textarea", "maps_to": "need"},
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "shops", "label": "How many shops?", "type": "text"},
    ]});
    let demo = given_form(app, demo).await;
    let ada = json!({"email": EMAIL, "phone": "+390212345678", "first_name": "Ada", "last_name": "Lovelace",
        "job_title": "Head of Operations", "country": "IT", "language": "it",
        "company": {"name": "Lovelace Ltd", "domain": "lovelace.example", "industry": "retail", "employees": 80, "country": "IT"},
        "first_touch": {"source": "bing", "channel": "organic_search"}});
    let ada = post(app, "/v1/leads", ada).await.expect(201).id();
    for (n, more) in
        [json!({"first_name": "Bob", "job_title": "Buyer"}), json!({}), json!({"last_name": "Eve"})]
            .iter()
            .enumerate()
    {
        let mut other =
            json!({"email": format!("other{n}@lovelace.example"), "company": {"domain": "lovelace.example"}});
        other.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(app, "/v1/leads", other).await.expect(201);
    }
    let purposes = json!({"purposes": [{"name": "marketing_email", "label": "News"}]});
    app.put("/v1/settings/consent-purposes").by(app.admin().await).json(purposes).await.expect(200);
    let granted = json!({"purpose": "marketing_email", "granted": true, "wording": "Write to me."});
    post(app, &format!("/v1/leads/{ada}/consents"), granted).await.expect(201);
    app.post(&format!("/v1/capture/{contact}"))
        .json(json!({"fields": {"email": EMAIL, "subject": "Prices"}}))
        .await
        .expect(201);

    // The first cycle ends in a rejection.
    app.clock.advance(minutes(1));
    let first = handed_over(app, &ada).await;
    let reject = json!({"reason": "other", "note": "Moves to another city"});
    post(app, &format!("/v1/handoffs/{}/reject", first["id"].as_str().unwrap()), reject).await.expect(200);

    app.clock.advance(minutes(1));
    let mut recorded: Vec<Value> = (0..9)
        .map(|n| json!({"type": "page_view", "lead": {"email": EMAIL}, "url": format!("https://www.example.com/{n}"),
            "properties": {"title": format!("Page {n}")}}))
        .collect();
    recorded.push(json!({"type": "email_delivered", "lead": {"email": EMAIL}, "properties": {"subject": "Our spring offer"}}));
    recorded.push(json!({"type": "email_open", "lead": {"email": EMAIL}, "machine": true}));
    recorded.push(json!({"type": "download", "lead": {"email": EMAIL}, "properties": {"file": "guide.pdf"}}));
    for (title, pattern) in
        [("Three", "www.example.com/3"), ("Guide", "/guide.pdf"), ("Unread", "www.example.com/unread")]
    {
        let content =
            json!({"title": title, "kind": "guide", "stage": "decision", "url_patterns": [pattern]});
        post(app, "/v1/content", content).await.expect(201);
    }
    events(app, recorded).await;
    app.clock.advance(minutes(1));
    let landing = "https://www.example.com/?utm_source=google&utm_medium=cpc&utm_campaign=SPRING";
    let fields =
        json!({"email": EMAIL, "shops": "40", "need": "Analytics for 40 shops", "colour": "blue", "any": ""});
    let context = json!({"page_url": "https://www.example.com/demo", "landing_url": landing});
    let sent = app.post(&format!("/v1/capture/{demo}")).json(json!({"fields": fields, "context": context}));
    sent.await.expect(201);
    ada
}

fn members(of: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), of[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// The packet as a front end would put it together, call by call. What no endpoint returns yet is copied from the packet.
async fn assembled(app: &TestApp, handoff: &Value, packet: &Value) -> Value {
    let path = format!("/v1/leads/{}", handoff["lead_id"].as_str().unwrap());
    let lead = get(app, &path).await;
    let consents = get(app, &format!("{path}/consents")).await;
    let events = get(app, &format!("{path}/events?limit=200")).await;
    let score = get(app, &format!("{path}/score")).await;
    let moves = get(app, &format!("{path}/transitions")).await;
    let handoffs = get(app, &format!("/v1/handoffs?lead_id={}", handoff["lead_id"].as_str().unwrap())).await;

    let mut who = members(
        &lead.body,
        &["first_name", "last_name", "job_title", "emails", "phones", "country", "language"],
    );
    who["company"] = members(&lead["company"], &["id", "name", "domain", "industry", "country", "employees"]);
    let mut purposes = consents.each("purpose");
    purposes.sort();
    purposes.dedup();
    let consent = |purpose: &String| {
        let contact = &lead["may_contact"][purpose];
        json!({"purpose": purpose, "may_contact": contact["allowed"], "since": contact["since"]})
    };
    who["consents"] = purposes.iter().map(consent).collect();

    let campaigns = get(app, "/v1/campaigns").await;
    let named = lead["last_touch"]["campaign"].as_str().unwrap_or_default().to_lowercase();
    let is_named = |campaign: &&Value| {
        let aliases = campaign["utm_campaign_aliases"].as_array().unwrap();
        aliases.iter().any(|alias| alias.as_str().unwrap().to_lowercase() == named)
    };
    let campaign = campaigns["data"].as_array().unwrap().iter().find(is_named);
    let campaign = campaign.map(|campaign| members(campaign, &["id", "name", "channel", "brief"]));

    let submissions = get(app, "/v1/submissions?limit=200").await;
    let own = submissions["data"].as_array().unwrap().iter().filter(|one| one["lead_id"] == lead["id"]);
    let newest = own.max_by_key(|one| one["received_at"].as_str().unwrap().to_owned()).unwrap();
    let newest = get(app, &format!("/v1/submissions/{}", newest["id"].as_str().unwrap())).await;
    let form = get(app, &format!("/v1/forms/{}", newest["form_id"].as_str().unwrap())).await;
    let raw: Value = serde_json::from_str(newest["raw"].as_str().unwrap()).unwrap();
    let sent = raw["fields"].as_object().unwrap();
    let fields =
        form["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned());
    let mut names: Vec<String> = fields.collect();
    names.extend(
        sent.keys().filter(|name| !names.contains(name)).cloned().collect::<std::collections::BTreeSet<_>>(),
    );
    let answers: Vec<Value> = names
        .iter()
        .filter(|name| sent.get(*name).is_some_and(|value| value != ""))
        .map(|name| json!({"field": name, "value": sent[name]}))
        .collect();
    let request = json!({
        "form_id": form["id"], "form_name": form["name"], "campaign_id": form["campaign_id"],
        "service_requested": form["service_requested"], "sent_at": newest["received_at"], "need": lead["need"],
        "answers": answers, "answers_left_out": 0,
    });

    let people: Vec<&Value> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["bot"] == false && one["machine"] == false)
        .collect();
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for event in &people {
        *counts.entry(event["type"].as_str().unwrap()).or_default() += 1;
    }
    let mut newest_first = people.clone();
    newest_first
        .sort_by_key(|one| std::cmp::Reverse((one["occurred_at"].to_string(), one["id"].to_string())));
    let about = |event: &Value| {
        let names = ["title", "subject", "name", "file", "content", "form_id"];
        names.into_iter().find_map(|name| event["properties"].get(name).cloned()).unwrap_or_default()
    };
    let last: Vec<Value> = newest_first
        .iter()
        .take(10)
        .map(|one| json!({"id": one["id"], "type": one["type"], "at": one["occurred_at"], "url": one["url"], "about": about(one)}))
        .collect();
    let library = get(app, "/v1/content").await;
    let title_of = |event: &&Value| {
        let all = library["data"].as_array().unwrap().iter();
        all.clone().find(|one| one["id"] == event["content_id"]).map(|one| one["title"].clone())
    };
    let mut by_content = newest_first.clone();
    by_content.sort_by_key(|one| {
        (std::cmp::Reverse(one["occurred_at"].to_string()), one["content_id"].to_string())
    });
    let mut read: Vec<Value> = by_content.iter().filter_map(title_of).collect();
    read.dedup();
    let behaviour = json!({
        "counts": counts.iter().map(|(kind, count)| json!({"type": kind, "count": count})).collect::<Vec<_>>(),
        "events_left_out": people.len() - last.len(), "last_events": last, "content": read,
    });

    let mut shown = members(&score.body, &["fit", "engagement", "total", "band"]);
    let contributions = score["contributions"].as_array().unwrap().iter();
    shown["contributions"] =
        contributions.map(|one| members(one, &["side", "label", "points", "count"])).collect();
    shown["contributions_left_out"] = json!(0);
    shown["trend_7d"] = packet["score"]["trend_7d"].clone();

    let delivered = newest_first.iter().find(|one| one["type"] == "email_delivered");
    let email = delivered
        .map(|one| json!({"kind": "email", "at": one["occurred_at"], "text": one["properties"]["subject"]}));
    let brief =
        campaign.as_ref().map(|campaign| campaign["brief"]["message"].clone()).filter(Value::is_string);
    let brief =
        brief.map(|text| json!({"kind": "campaign", "at": lead["last_touch"]["occurred_at"], "text": text}));
    let last_message = email.into_iter().chain(brief).max_by_key(|one| one["at"].to_string());

    let company = lead["company"]["id"].as_str().unwrap();
    let others = get(app, &format!("/v1/leads?company_id={company}&sort=-created_at")).await;
    let others = others["data"].as_array().unwrap().iter().filter(|one| one["id"] != lead["id"]);
    let contact = |one: &Value| {
        let names: Vec<&str> =
            ["first_name", "last_name"].iter().filter_map(|name| one[*name].as_str()).collect();
        let name = if names.is_empty() { one["email"].clone() } else { json!(names.join(" ")) };
        json!({"lead_id": one["id"], "name": name, "job_title": one["job_title"], "stage": one["stage"]})
    };

    let before: Vec<&Value> =
        moves["data"].as_array().unwrap().iter().filter(|one| one["cycle"] == 1).collect();
    let ended = before.last().unwrap();
    let rejected = handoffs["data"].as_array().unwrap().iter().find(|one| one["cycle"] == 1).unwrap();
    let earlier = json!([{"cycle": 1, "started_at": lead["created_at"], "ended_at": ended["at"], "reached": "mql",
        "reason": ended["reason"], "note": rejected["note"], "objections": []}]);
    json!({
        "packet_version": 1, "handoff_id": handoff["id"], "lead_id": lead["id"], "cycle": handoff["cycle"],
        "made_at": handoff["made_at"], "agreement_version": handoff["agreement_version"], "who": who,
        "origin": {"first": lead["first_touch"], "lead": lead["lead_touch"], "last": lead["last_touch"], "campaign": campaign},
        "request": request, "behaviour": behaviour, "score": shown, "last_message": last_message,
        "company_contacts": others.map(contact).collect::<Vec<_>>(), "company_contacts_left_out": 0,
        "earlier_cycles": earlier, "earlier_cycles_left_out": 0,
    })
}

/// What a packet and its second assembly do not share.
fn differences(one: &Value, other: &Value, at: &str) -> Vec<String> {
    match (one, other) {
        (Value::Object(own), Value::Object(others)) => {
            let names: std::collections::BTreeSet<&String> = own.keys().chain(others.keys()).collect();
            let of = |name: &String| differences(&one[name], &other[name], &format!("{at}/{name}"));
            names.into_iter().flat_map(of).collect()
        }
        (Value::Array(own), Value::Array(others)) if own.len() == others.len() => {
            let pairs = own.iter().zip(others).enumerate();
            pairs.flat_map(|(n, (own, other))| differences(own, other, &format!("{at}/{n}"))).collect()
        }
        _ if one == other => vec![],
        _ => vec![format!("{at}: {one} and {other}")],
    }
}

#[tandem_tests::test]
async fn a_packet_equals_a_second_assembly_and_stays_as_it_was(app: &TestApp) {
    let lead = given_past(app).await;
    // The form asked for a service: it made the MQL.
    let handoff = get(app, &format!("/v1/handoffs?lead_id={lead}&sort=-made_at")).await["data"][0].clone();
    assert_eq!((&handoff["cycle"], &handoff["made_by"]), (&json!(2), &json!("rule")));
    let packet = packet_of(app, &handoff).await;
    let expected = assembled(app, &handoff, &packet.body).await;
    let found = differences(&packet.body, &expected, "");
    assert_eq!(found, [""; 0], "the packet on the left, the second assembly on the right");
    let page = app.get(&format!("/v1/handoffs/{}/packet", handoff["id"].as_str().unwrap()));
    let page = page.by(app.admin().await).header("accept", "text/html").await.expect(200);

    let admin = app.admin().await.clone();
    edited(app, &admin, &lead, &packet.body).await;

    let later = packet_of(app, &handoff).await;
    assert_eq!(later.text, packet.text, "byte for byte");
    let again = app.get(&format!("/v1/handoffs/{}/packet", handoff["id"].as_str().unwrap()));
    let again = again.by(app.admin().await).header("accept", "text/html").await.expect(200);
    assert_eq!(again.text, page.text, "and so is the page");
    let live = assembled(app, &handoff, &packet.body).await;
    assert!(differences(&packet.body, &live, "").len() > 10, "meanwhile nearly everything is different");
}

/// A hundred edits of what the packet shows.
async fn edited(app: &TestApp, by: &User, lead: &str, packet: &Value) {
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    let company = id(&packet["who"]["company"]["id"]);
    let campaign = id(&packet["origin"]["campaign"]["id"]);
    for n in 0..20 {
        let edit =
            json!({"first_name": format!("Ada {n}"), "need": format!("Something else {n}"), "country": "DE"});
        app.patch(&format!("/v1/leads/{lead}")).by(by).json(edit).await.expect(200);
        let edit = json!({"name": format!("Lovelace {n} Ltd"), "employees": 100 + n});
        app.patch(&format!("/v1/companies/{company}")).by(by).json(edit).await.expect(200);
        let edit =
            json!({"name": format!("Spring, edition {n}"), "brief": {"message": format!("Message {n}")}});
        app.patch(&format!("/v1/campaigns/{campaign}")).by(by).json(edit).await.expect(200);
        let event = json!({"type": "email_delivered", "lead": {"email": EMAIL}, "properties": {"subject": format!("Offer {n}")}});
        events(app, vec![event]).await;
        let call = json!({"lead_id": lead, "type": "call", "direction": "outbound", "outcome": "connected", "subject": format!("Call {n}")});
        post(app, "/v1/activities", call).await.expect(201);
    }
}

#[tandem_tests::test]
async fn a_packet_keeps_its_measure(app: &TestApp) {
    let form = json!({"name": "Contact", "fields": [{"name": "email", "label": "E-mail", "type": "email",
        "required": true, "maps_to": "email"}]});
    let key = given_form(app, form).await;
    // Three submissions of 100 answers each.
    for sent in 0..3 {
        let mut fields = json!({"email": EMAIL});
        for n in 0..99 {
            fields[format!("question_{n:03}")] = json!(format!("{sent} {}", "ü\"".repeat(150)));
        }
        app.post(&format!("/v1/capture/{key}")).json(json!({"fields": fields})).await.expect(201);
        app.clock.advance(hours(1));
    }
    let admin = app.login("admin@example.com").await;
    for batch in 0..10 {
        let view = |n: usize| {
            let url = format!("https://example.com/{batch}/{n}/{}", "x".repeat(400));
            json!({"type": "page_view", "lead": {"email": EMAIL}, "url": url})
        };
        let events: Vec<Value> = (0..500).map(view).collect();
        app.post("/v1/events").by(&admin).json(json!({"events": events})).await.expect(200);
    }
    let lead = app.get("/v1/leads?q=ada").by(&admin).await.expect(200).each("id").remove(0);
    let mql = json!({"to": "mql", "note": "x"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(&admin).json(mql).await.expect(201);
    let handoff =
        app.get(&format!("/v1/handoffs?lead_id={lead}")).by(&admin).await.expect(200)["data"][0].clone();
    let path = format!("/v1/handoffs/{}/packet", handoff["id"].as_str().unwrap());
    let packet = app.get(&path).by(&admin).await.expect(200);
    assert!(packet.text.len() <= 65_536, "{}", packet.text.len());
    let request = &packet["request"];
    let answers = request["answers"].as_array().unwrap();
    assert!(
        !answers.is_empty() && answers[1]["value"].as_str().unwrap().starts_with("2 "),
        "the newest form"
    );
    assert_eq!(answers.len() as i64 + request["answers_left_out"].as_i64().unwrap(), 100);
    let behaviour = &packet["behaviour"];
    let counts = json!([{"type": "form_submit", "count": 3}, {"type": "page_view", "count": 5000}]);
    assert_eq!(behaviour["counts"], counts);
    let shown = behaviour["last_events"].as_array().unwrap().len() as i64;
    assert!(shown > 0);
    assert_eq!(shown + behaviour["events_left_out"].as_i64().unwrap(), 5003);
}
