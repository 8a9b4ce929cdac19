//! Scores and MQLs by rule: in the transaction that causes them, until a window ends, with what holds a lead back.

use serde_json::{Value, json};
use tandem_tests::{TestApp, hours, minutes, seconds};

use crate::agreement::agree;
use crate::imports::taken_in;
use crate::tracked::{ORIGIN, at, collect, given_form, given_site, lead, of_lead, send, view};

const DAY: i64 = 24 * hours(1);

fn pricing(millis: i64) -> Value {
    view(millis, "https://www.example.com/pricing?utm_source=newsletter", None)
}

/// A form that asks about a service.
async fn given_request_form(app: &TestApp) -> String {
    let body = json!({"name": "Request", "allowed_origins": [ORIGIN], "service_requested": "Consulting", "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "country", "label": "Country", "type": "text", "maps_to": "country"},
    ]});
    let form = app.post("/v1/forms").by(&crate::tracked::reader(app).await).json(body).await.expect(201);
    form["key"].as_str().unwrap().to_owned()
}

/// The score of a lead, itemised, whose contributions add up.
async fn score(app: &TestApp, email: &str) -> Value {
    let id = lead(app, email).await.id();
    let by = crate::tracked::reader(app).await;
    let score = app.get(&format!("/v1/leads/{id}/score")).by(&by).await.expect(200).body;
    for side in ["fit", "engagement"] {
        let all = score["contributions"].as_array().unwrap().iter();
        let of_side = all.filter(|one| one["side"] == side);
        let thousandths: f64 = of_side.map(|one| one["points"].as_f64().unwrap() * 1000.0).sum();
        assert_eq!(thousandths / 1000.0, score["exact"][side].as_f64().unwrap(), "{score}");
        assert_eq!(thousandths as i64 / 1000, score[side].as_i64().unwrap());
    }
    score
}

async fn stage(app: &TestApp, email: &str) -> String {
    lead(app, email).await["stage"].as_str().unwrap().to_owned()
}

#[tandem_tests::test]
async fn the_pricing_page_three_times_and_a_form_make_an_mql_in_that_request(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    let views = json!([pricing(-hours(20)), pricing(-hours(10)), pricing(-minutes(10))]);
    collect(app, &site, "visitor-1", views).await.expect(204);
    let body = json!({"email": "ada@factory.example", "company": {"name": "Factory", "employees": 80}});
    app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201);
    assert_eq!(stage(app, "ada@factory.example").await, "lead");

    send(app, &form, Some("visitor-1"), "ada@factory.example", json!({})).await;

    let mql = lead(app, "ada@factory.example").await;
    assert_eq!(mql["stage"], "mql");
    let (fit, engagement) = (15 + 25, 30 + 6 + 20);
    assert_eq!(
        (&mql["score"]["fit"], &mql["score"]["engagement"], &mql["score"]["total"], &mql["score"]["band"]),
        (&json!(fit), &json!(engagement), &json!(fit + engagement), &json!("B2"))
    );
    for touch in ["first_touch", "last_touch", "last_non_direct_touch"] {
        assert_eq!(
            mql[touch]["source"], "newsletter",
            "what was derived before the move stands: {}",
            mql.text
        );
    }
    let by = crate::tracked::reader(app).await;
    let report = app.get("/v1/reports/funnel?by=source").by(&by).await.expect(200);
    let keys: Vec<&Value> = report["rows"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, ["newsletter"], "and so does where the cycle came from");
    let moves = of_transitions(app, "ada@factory.example").await;
    let by_rule = moves.last().unwrap();
    assert_eq!((&by_rule["to"], &by_rule["rule"]), (&json!("mql"), &json!("stages.mql")));
    assert_eq!((&by_rule["actor_type"], &by_rule["actor_id"]), (&json!("system"), &json!("agreement")));
    assert_eq!(
        by_rule["score"],
        json!({"fit": fit, "engagement": engagement, "total": fit + engagement, "band": "B2"})
    );
    let evidence = by_rule["evidence"].as_array().unwrap();
    assert!(
        evidence.contains(&json!({"kind": "score", "part": "engagement", "points": engagement})),
        "{by_rule}"
    );
    let events = of_lead(app, "ada@factory.example", "events").await;
    let submit = events.iter().find(|event| event["type"] == "form_submit").unwrap();
    assert_eq!(by_rule["caused_by"]["event_id"], submit["id"]);
    assert_eq!(moves[0]["score"], Value::Null, "nobody had judged it then");

    let score = score(app, "ada@factory.example").await;
    let rules: Vec<(&Value, &Value, &Value)> = score["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["rule"], &one["points"], &one["count"]))
        .collect();
    let expected = [
        ("business_email", 15, 1),
        ("company_size", 25, 1),
        ("pricing_page", 30, 3),
        ("page_views", 6, 3),
        ("form", 20, 1),
    ];
    let expected: Vec<_> =
        expected.map(|(rule, points, count)| (json!(rule), json!(points), json!(count))).into();
    assert_eq!(rules, expected.iter().map(|(a, b, c)| (a, b, c)).collect::<Vec<_>>());
    assert_eq!(score["valid_until"], mql["score"]["valid_until"]);
    assert_eq!(score["valid_until"], at(-hours(20) + 14 * DAY + 1));
}

async fn of_transitions(app: &TestApp, email: &str) -> Vec<Value> {
    let id = lead(app, email).await.id();
    let by = crate::tracked::reader(app).await;
    let answer = app.get(&format!("/v1/leads/{id}/transitions")).by(&by).await.expect(200);
    answer["data"].as_array().unwrap().clone()
}

#[tandem_tests::test]
async fn a_form_that_asks_for_a_service_makes_an_mql_of_a_stranger(app: &TestApp) {
    app.admin().await;
    let form = given_request_form(app).await;
    send(app, &form, None, "eve@gmail.com", json!({})).await;
    assert_eq!(stage(app, "eve@gmail.com").await, "mql");
    let events = of_lead(app, "eve@gmail.com", "events").await;
    assert_eq!(events[0]["properties"]["service_requested"], "Consulting");
}

#[tandem_tests::test]
async fn events_alone_make_an_mql_and_bots_and_machines_do_not(app: &TestApp) {
    let by = app.admin().await;
    let body = json!({"email": "ada@factory.example", "phone": "+390212345678"});
    app.post("/v1/leads").by(by).json(body).await.expect(201);
    assert_eq!(lead(app, "ada@factory.example").await["score"]["fit"], 25);
    let sent = async |kind: &str, n: i64, is_machine: bool| {
        let event = |n: i64| {
            json!({"type": kind, "lead": {"email": "ada@factory.example"}, "occurred_at": at(-minutes(n)),
                "machine": is_machine, "url": "https://www.example.com/pricing"})
        };
        let events: Vec<Value> = (0..n).map(event).collect();
        app.post("/v1/events").by(by).json(json!({"events": events})).await.expect(200);
    };
    sent("download", 3, true).await;
    sent("page_view", 9, true).await;
    assert_eq!(
        lead(app, "ada@factory.example").await["score"]["engagement"],
        0,
        "of machines nothing counts"
    );
    sent("download", 2, false).await;
    let known = lead(app, "ada@factory.example").await;
    assert_eq!((&known["stage"], &known["score"]["engagement"]), (&json!("lead"), &json!(20)));
    sent("page_view", 2, false).await;
    let mql = lead(app, "ada@factory.example").await;
    assert_eq!((&mql["stage"], &mql["score"]["engagement"]), (&json!("mql"), &json!(44)));
    assert_ne!(mql.etag(), known.etag());
}

#[tandem_tests::test]
async fn one_instant_after_a_window_ends_the_score_has_fallen_without_a_request(app: &TestApp) {
    let (site, form) = (given_site(app).await, given_form(app).await);
    send(app, &form, Some("visitor-1"), "ada@gmail.com", json!({})).await;
    collect(app, &site, "visitor-1", json!([pricing(0)])).await.expect(204);
    let fresh = lead(app, "ada@gmail.com").await;
    assert_eq!(
        (&fresh["score"]["engagement"], &fresh["score"]["valid_until"]),
        (&json!(32), &at(14 * DAY + 1))
    );

    app.clock.advance(14 * DAY - seconds(1));
    app.run_jobs().await;
    let still = lead(app, "ada@gmail.com").await;
    assert_eq!(still["score"]["engagement"], 32);
    app.clock.advance(seconds(1));
    app.run_jobs().await;
    let by = app.login("admin@example.com").await;
    let list = app.get("/v1/leads?engagement_gte=20&score_lt=21").by(&by).await.expect(200);
    assert_eq!(list["data"][0]["score"]["engagement"], 20);
    assert_ne!(lead(app, "ada@gmail.com").await.etag(), still.etag());
    assert_eq!(lead(app, "ada@gmail.com").await["version"], still["version"]);
}

#[tandem_tests::test]
async fn what_holds_a_lead_back_is_shown_and_listed(app: &TestApp) {
    app.admin().await;
    agree(app, |document| {
        document["stages"]["mql"]["required_fields"] = json!(["country"]);
        document["icp"] = json!({"field": "company.employees", "op": "gte", "value": 50});
    })
    .await;
    let form = given_request_form(app).await;
    send(app, &form, None, "ada@factory.example", json!({})).await;
    let held = lead(app, "ada@factory.example").await;
    assert_eq!(
        (&held["stage"], &held["mql_blocked_by"]),
        (&json!("lead"), &json!(["country", "icp:company.employees"]))
    );
    let by = app.login("admin@example.com").await;
    let listed = async |filter: &str| {
        let page = app.get(&format!("/v1/leads?mql_blocked_by={filter}")).by(&by).await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    assert_eq!((listed("country").await, listed("icp:company.employees,phone").await), (1, 1));
    assert_eq!((listed("contactable").await, listed("icp:company_employees").await), (0, 0));

    let path = format!("/v1/leads/{}", held.id());
    let patched = app.patch(&path).by(&by).json(json!({"country": "IT"})).await.expect(200);
    assert_eq!(
        patched["mql_blocked_by"],
        json!(["icp:company.employees"]),
        "the answer is of the request itself"
    );
    let company = held["company"]["id"].as_str().unwrap();
    app.patch(&format!("/v1/companies/{company}")).by(&by).json(json!({"employees": 60})).await.expect(200);
    assert_eq!(stage(app, "ada@factory.example").await, "lead");
    app.run_jobs().await;
    let mql = lead(app, "ada@factory.example").await;
    assert_eq!((&mql["stage"], &mql["mql_blocked_by"]), (&json!("mql"), &json!([])));
}

#[tandem_tests::test]
async fn nobody_is_handed_over_whose_only_address_takes_no_mail(app: &TestApp) {
    let by = app.admin().await;
    let body = json!({"email": "ada@factory.example", "consents": [{"purpose": "marketing_email", "granted": true}]});
    app.post("/v1/leads").by(by).json(body).await.expect(201);
    let bounce = json!({"events": [{"type": "email_bounce", "lead": {"email": "ada@factory.example"},
        "properties": {"kind": "hard"}}]});
    app.post("/v1/events").by(by).json(bounce).await.expect(200);
    let held = lead(app, "ada@factory.example").await;
    assert_eq!(held["mql_blocked_by"], json!(["contactable"]), "{}", held.text);
    let form = given_request_form(app).await;
    send(app, &form, None, "ada@factory.example", json!({})).await;
    assert_eq!(stage(app, "ada@factory.example").await, "lead");
    let path = format!("/v1/leads/{}", held.id());
    let with_phone = app.patch(&path).by(by).json(json!({"phone": "+390212345678"})).await.expect(200);
    assert_eq!(with_phone["stage"], "mql");
}

#[tandem_tests::test]
async fn a_rejected_lead_comes_back_by_rule_after_its_wait_with_something_new(app: &TestApp) {
    let form = given_form(app).await;
    let request = given_request_form(app).await;
    agree(app, |document| {
        document["stages"]["mql"]["when"] = json!({"event": "form_submit", "within": "90d"});
    })
    .await;
    for email in ["ada@gmail.com", "bob@gmail.com"] {
        send(app, &form, None, email, json!({})).await;
        let id = lead(app, email).await.id();
        app.moved(&id, "nurture", Some("not_ready")).await;
    }
    app.clock.advance(DAY);
    send(app, &form, None, "ada@gmail.com", json!({"page_url": "https://www.example.com/again"})).await;
    assert_eq!(stage(app, "ada@gmail.com").await, "nurture", "it waits");
    app.clock.advance(29 * DAY + seconds(1));
    app.run_jobs().await;
    let back = lead(app, "ada@gmail.com").await;
    assert_eq!(
        (&back["stage"], &back["cycle"]),
        (&json!("mql"), &json!(2)),
        "what it did in the wait counts"
    );
    assert_eq!(stage(app, "bob@gmail.com").await, "nurture", "of its own nothing has happened since");

    send(app, &request, None, "bob@gmail.com", json!({})).await;
    assert_eq!(stage(app, "bob@gmail.com").await, "mql");

    let id = lead(app, "bob@gmail.com").await.id();
    let reject = json!({"to": "nurture", "reason": "not_ready"});
    let by = app.login("admin@example.com").await;
    app.post(&format!("/v1/leads/{id}/transitions")).by(&by).json(reject).await.expect(201);
    app.clock.advance(DAY);
    send(app, &request, None, "bob@gmail.com", json!({"page_url": "https://www.example.com/again"})).await;
    assert_eq!(stage(app, "bob@gmail.com").await, "mql", "`unless` ends the wait at once");
}

#[tandem_tests::test]
async fn archived_leads_keep_their_score_and_are_moved_by_no_rule(app: &TestApp) {
    let by = app.admin().await;
    let id = app
        .post("/v1/leads")
        .by(by)
        .json(json!({"email": "ada@factory.example", "phone": "+390212345678"}))
        .await
        .expect(201)
        .id();
    app.post(&format!("/v1/leads/{id}/archive")).by(by).await.expect(200);
    let events: Vec<Value> = (0..4)
        .map(|n| json!({"type": "download", "lead": {"id": id}, "occurred_at": at(-hours(n))}))
        .chain(
            (0..5).map(|n| json!({"type": "email_click", "lead": {"id": id}, "occurred_at": at(-hours(n))})),
        )
        .collect();
    app.post("/v1/events").by(by).json(json!({"events": events})).await.expect(200);
    let archived = app.get(&format!("/v1/leads/{id}")).by(by).await.expect(200);
    assert_eq!((&archived["stage"], &archived["score"]["engagement"]), (&json!("lead"), &json!(40)));
    let restored = app.post(&format!("/v1/leads/{id}/restore")).by(by).await.expect(200);
    assert_eq!(restored["stage"], "mql", "back at work it is judged");
}

#[tandem_tests::test]
async fn scores_do_not_depend_on_the_order_of_arrival(app: &TestApp) {
    let site = given_site(app).await;
    let by = app.admin().await;
    let mut scores = vec![];
    let orders: [&[i64]; 3] = [&[1, 2, 3, 4, 400], &[400, 4, 3, 2, 1], &[3, 400, 1, 4, 2]];
    for (n, order) in orders.iter().enumerate() {
        let (visitor, email) = (format!("visitor-{n}"), format!("p{n}@factory.example"));
        let named = json!({"visitor_id": visitor, "lead": {"email": email}});
        app.post("/v1/leads").by(by).json(json!({"email": email})).await.expect(201);
        let (before, after) = order.split_at(n);
        for hour in before {
            collect(app, &site, &visitor, json!([pricing(-hours(*hour) / 24)])).await.expect(204);
        }
        app.post("/v1/identify").by(by).json(named).await.expect(200);
        for hour in after {
            let event = json!({"type": "page_view", "visitor_id": visitor, "occurred_at": at(-hours(*hour) / 24),
                "url": "https://www.example.com/pricing"});
            app.post("/v1/events").by(by).json(json!({"events": [event]})).await.expect(200);
        }
        let known = lead(app, &email).await;
        let mut score = known["score"].clone();
        // When the past last changed is the one thing that depends on the arrival.
        score.as_object_mut().unwrap().remove("history_changed_at");
        scores.push((score, known["stage"].clone()));
    }
    assert_eq!(scores[0].0["engagement"], 40);
    assert!(scores.iter().all(|one| *one == scores[0]), "{scores:?}");
}

#[tandem_tests::test]
async fn a_rule_sees_the_newest_thousand_events_and_says_when_there_are_more(app: &TestApp) {
    let by = app.admin().await;
    let id = app.post("/v1/leads").by(by).json(json!({"email": "ada@gmail.com"})).await.expect(201).id();
    let views = async |from: i64, to: i64| {
        let view = |n| json!({"type": "page_view", "lead": {"id": id}, "occurred_at": at(-seconds(n))});
        let events: Vec<Value> = (from..to).map(view).collect();
        app.post("/v1/events").by(by).json(json!({"events": events})).await.expect(200);
    };
    views(0, 500).await;
    views(500, 1_000).await;
    let all = lead(app, "ada@gmail.com").await;
    assert_eq!((&all["score"]["engagement"], &all["score"]["truncated"]), (&json!(10), &json!(false)));
    views(1_000, 1_001).await;
    let more = lead(app, "ada@gmail.com").await;
    assert_eq!((&more["score"]["engagement"], &more["score"]["truncated"]), (&json!(10), &json!(true)));
    assert_eq!(score(app, "ada@gmail.com").await["truncated"], true);
}

#[tandem_tests::test]
async fn a_live_import_is_judged_and_history_is_not(app: &TestApp) {
    let by = app.admin().await;
    agree(app, |document| {
        document["stages"]["mql"]["when"] = json!({"field": "phone", "op": "exists"});
    })
    .await;
    let mapping = json!({"timezone": "UTC", "key": "external_id", "fields": {
        "external_id": {"column": "Id", "system": "crm"}, "email": "Mail", "phone": "Phone"}});
    let file = "Id,Mail,Phone\n1,ada@firm.example,+390212345678\n";
    taken_in(app, "kind=leads", Some(mapping.clone()), file).await;
    let file = "Id,Mail,Phone\n2,bob@firm.example,+390212345679\n";
    taken_in(app, "kind=leads&mode=history", Some(mapping), file).await;
    assert_eq!(stage(app, "ada@firm.example").await, "mql");
    let bob = lead(app, "bob@firm.example").await;
    assert_eq!((&bob["stage"], &bob["score"]["total"]), (&json!("lead"), &json!(0)));
    app.run_jobs().await;
    assert_eq!(stage(app, "bob@firm.example").await, "lead", "of history nothing follows");
    let all = app.get("/v1/leads?sort=-score").by(by).await.expect(200);
    assert_eq!(all.each("id").len(), 2, "everybody stands in the list");

    agree(app, |document| document["stages"]["mql"]["required_fields"] = json!(["email"])).await;
    let current = app.get("/v1/agreements/current").by(by).await.expect(200);
    assert_eq!(current["rejudging"], json!({"total": 2, "done": 0}));
    app.run_jobs().await;
    assert_eq!(stage(app, "bob@firm.example").await, "mql", "another agreement judges everybody");
    let current = app.get("/v1/agreements/current").by(by).await.expect(200);
    assert_eq!(current["rejudging"], Value::Null);
}

#[tandem_tests::test]
async fn leads_are_listed_by_score_and_band_and_a_change_of_band_is_journalled(app: &TestApp) {
    let by = app.admin().await;
    for n in 0..5 {
        let mut body = json!({"email": format!("p{n}@factory{n}.example")});
        if n % 2 == 0 {
            body["budget"] = json!({"amount": 100, "currency": "EUR"});
        }
        if n == 4 {
            body["timeline_days"] = json!(30);
        }
        app.post("/v1/leads").by(by).json(body).await.expect(201);
    }
    let mut found = vec![];
    let mut path = "/v1/leads?sort=-score&limit=2".to_owned();
    loop {
        let page = app.get(&path).by(by).await.expect(200);
        found.extend(
            page["data"].as_array().unwrap().iter().map(|one| one["score"]["total"].as_i64().unwrap()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/leads?sort=-score&limit=2&cursor={cursor}");
    }
    assert_eq!(found, [55, 35, 35, 15, 15]);
    let listed =
        async |query: &str| app.get(&format!("/v1/leads?{query}")).by(by).await.expect(200).each("email");
    assert_eq!(listed("score_gte=35&score_lt=55").await, ["p0@factory0.example", "p2@factory2.example"]);
    assert_eq!(listed("fit_gte=36").await, ["p4@factory4.example"]);
    assert_eq!(listed("band=B3,A1&sort=-score&stage=lead").await.len(), 3);
    assert_eq!(listed("band=A1").await, Vec::<String>::new());

    let id = lead(app, "p4@factory4.example").await.id();
    let path = format!("/v1/leads/{id}");
    app.patch(&path).by(by).json(json!({"phone": "+390212345678"})).await.expect(200);
    app.patch(&path).by(by).json(json!({"company": {"employees": 500}})).await.expect(200);
    app.run_jobs().await;
    let journal = app.get("/v1/journal?type=score.band_changed").by(by).await.expect(200);
    let entry = &journal["data"][0]["data"];
    assert_eq!((&entry["from"], &entry["to"]), (&json!("B3"), &json!("A3")), "{}", journal.text);
    assert_eq!(journal["data"].as_array().unwrap().len(), 1);
}

#[tandem_tests::test]
async fn who_returns_as_a_disqualified_lead_is_seen_and_not_moved(app: &TestApp) {
    let form = given_form(app).await;
    send(app, &form, None, "ada@gmail.com", json!({})).await;
    let id = lead(app, "ada@gmail.com").await.id();
    assert_eq!(lead(app, "ada@gmail.com").await["returned_at"], Value::Null);
    app.moved(&id, "disqualified", Some("not_a_fit")).await;
    app.clock.advance(DAY);
    send(app, &form, None, "ada@gmail.com", json!({"page_url": "https://www.example.com/again"})).await;
    let back = lead(app, "ada@gmail.com").await;
    assert_eq!(back["stage"], "disqualified");
    assert!(back["returned_at"].as_str() >= at(DAY).as_str(), "{}", back.text);
}

#[tandem_tests::test]
async fn forms_name_their_campaign(app: &TestApp) {
    let by = app.admin().await;
    let campaign = json!({"name": "Spring", "channel": "email", "starts_on": "2026-03-01"});
    let campaign = app.post("/v1/campaigns").by(by).json(campaign).await.expect(201).id();
    let form = |campaign: &str| {
        json!({"name": "Guide", "allowed_origins": [ORIGIN], "campaign_id": campaign, "fields": [
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        ]})
    };
    let unknown = form("campaign_01h455vb4pex5vsknk084sn02q");
    let refused = app.post("/v1/forms").by(by).json(unknown).await;
    assert_eq!(refused.violations(), [("#/campaign_id", "not_allowed")], "{}", refused.text);
    let made = app.post("/v1/forms").by(by).json(form(&campaign)).await.expect(201);
    assert_eq!(made["campaign_id"], campaign);
    send(app, made["key"].as_str().unwrap(), None, "ada@gmail.com", json!({})).await;
    let events = of_lead(app, "ada@gmail.com", "events").await;
    assert_eq!(events[0]["properties"]["campaign_id"], campaign);
}
