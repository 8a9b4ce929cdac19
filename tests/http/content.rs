//! The content library: what is known by which pages, who is notified, what sales asks for, and what a lead reads next.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User};

use crate::tracked::{ORIGIN, collect, given_site, lead, of_lead, send, view};

fn guide(patterns: &[&str]) -> Value {
    json!({"title": " Costs ", "kind": "guide", "url_patterns": patterns, "stage": "decision",
        "answers_objections": ["price"]})
}

async fn made(app: &TestApp, by: &User, body: Value) -> Answer {
    app.post("/v1/content").by(by).json(body).await.expect(201)
}

async fn contents(app: &TestApp, email: &str) -> Vec<Value> {
    let events = of_lead(app, email, "events").await;
    events.into_iter().map(|event| event["content_id"].clone()).collect()
}

/// Let the job match all events: it first waits for what may still know the old patterns.
async fn matched(app: &TestApp) {
    app.run_jobs().await;
    app.clock.advance(1000);
    app.run_jobs().await;
}

async fn to_sql(app: &TestApp, lead: &str) {
    for stage in ["mql", "sal", "sql"] {
        app.moved(lead, stage, None).await;
    }
}

async fn notices(app: &TestApp, of: &User) -> Vec<Value> {
    let page = app.get("/v1/me/notices").by(of).await.expect(200);
    let all = page["data"].as_array().unwrap().iter();
    all.filter(|one| one["kind"] == "content_published").cloned().collect()
}

#[tandem_tests::test]
async fn content_is_created_published_and_archived(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let first = made(app, &mia, guide(&["www.example.com/costs"])).await;
    assert_eq!((&first["title"], &first["state"]), (&json!("Costs"), &json!("draft")));
    let path = format!("/v1/content/{}", first.id());
    assert_eq!(app.get(&path).by(&sam).await.expect(200).body, first.body);
    assert_eq!(notices(app, &sam).await, Vec::<Value>::new());

    let patch = |body: Value| app.patch(&path).by(&mia).json(body).into_future();
    let published = patch(json!({"state": "published"})).await.expect(200);
    patch(json!({"title": "What it costs"})).await.expect(200);
    let told = notices(app, &sam).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["subject"], json!({"type": "content", "id": first.id()}));
    assert_eq!(told[0]["act"]["path"], json!(path));
    assert_eq!(notices(app, &mia).await, Vec::<Value>::new());
    app.patch(&path)
        .by(&mia)
        .header("if-match", first.etag())
        .json(json!({"title": "x"}))
        .await
        .refused(412, "stale");
    assert_ne!(published.etag(), first.etag());

    let refused = patch(json!({"state": "draft"})).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/state", "not_allowed")]);
    patch(json!({"archived": true})).await.expect(200);
    let journal = app.get("/v1/journal").by(app.admin().await).await.expect(200);
    let kinds = journal.each("type").into_iter().filter(|kind| kind.starts_with("content."));
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        ["content.updated", "content.updated", "content.published", "content.updated", "content.created"]
    );
    app.post("/v1/content").by(&sam).json(guide(&[])).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn what_is_no_content_is_refused_with_all_its_faults(app: &TestApp) {
    let mia = app.user("marketing").await;
    let wrong = json!({"title": "x", "kind": "guide", "stage": "decision", "campaign_id": format!("campaign_{}", "0".repeat(26)),
        "url_patterns": ["example.com/a", "EXAMPLE.com/a/", "example.com/*", "example.com/a?b=1"],
        "answers_objections": ["price", "looks"]});
    let refused = app.post("/v1/content").by(&mia).json(wrong).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [
            ("#/answers_objections/1", "not_allowed"),
            ("#/campaign_id", "not_found"),
            ("#/url_patterns/1", "not_allowed"),
            ("#/url_patterns/2", "not_allowed"),
            ("#/url_patterns/3", "not_allowed"),
        ]
    );
}

#[tandem_tests::test]
async fn content_is_listed_by_its_kind_stage_state_and_campaign(app: &TestApp) {
    let mia = app.user("marketing").await;
    let campaign = json!({"name": "Spring", "channel": "email", "starts_on": "2026-03-01"});
    let campaign = app.post("/v1/campaigns").by(&mia).json(campaign).await.expect(201).id();
    let mut of_campaign = guide(&[]);
    of_campaign["campaign_id"] = json!(campaign);
    of_campaign["state"] = json!("published");
    let one = made(app, &mia, of_campaign).await.id();
    let other = json!({"title": "News", "kind": "article", "stage": "awareness"});
    let other = made(app, &mia, other).await.id();
    let listed =
        async |query: &str| app.get(&format!("/v1/content?{query}")).by(&mia).await.expect(200).each("id");
    for query in ["kind=guide", "stage=decision", "state=published", &format!("campaign_id={campaign}")] {
        assert_eq!(listed(query).await, std::slice::from_ref(&one), "{query}");
    }
    assert_eq!(listed("state=draft").await, std::slice::from_ref(&other));
    let page = app.get("/v1/content?limit=1").by(&mia).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(
        (page.each("id"), listed(&format!("limit=1&cursor={cursor}")).await),
        (vec![one], vec![other])
    );
}

#[tandem_tests::test]
async fn events_are_matched_when_they_arrive_and_again_when_a_pattern_changes(app: &TestApp) {
    let mia = app.user("marketing").await;
    let site = given_site(app).await;
    let form = crate::tracked::given_form(app).await;
    let visitor = "visitor-one";
    let costs = made(app, &mia, guide(&["www.example.com/costs"])).await.id();
    let views = json!([
        view(-3000, "https://www.example.com/costs/?utm_source=news", None),
        view(-2000, "https://www.example.com/guides/a", None),
        view(-1000, "https://www.example.com/other", None),
        {"type": "download", "occurred_at": crate::tracked::at(-500), "url": "https://www.example.com/",
            "properties": {"file": "https://www.example.com/files/Costs.pdf"}},
    ]);
    collect(app, &site, visitor, views).await.expect(204);
    send(app, &form, Some(visitor), "ada@example.com", json!({"page_url": "https://www.example.com/costs"}))
        .await;
    let none = Value::Null;
    // The newest first: the form, the download, the pages.
    assert_eq!(
        contents(app, "ada@example.com").await,
        [none.clone(), none.clone(), none.clone(), none.clone(), json!(costs)]
    );

    let guides = made(app, &mia, guide(&["example.com/guides/*", "example.com/files/*.pdf"])).await.id();
    matched(app).await;
    assert_eq!(
        contents(app, "ada@example.com").await,
        [none.clone(), json!(guides), none.clone(), json!(guides), json!(costs)]
    );

    app.patch(&format!("/v1/content/{costs}"))
        .by(&mia)
        .json(json!({"url_patterns": ["example.com/other"]}))
        .await
        .expect(200);
    matched(app).await;
    assert_eq!(
        contents(app, "ada@example.com").await,
        [none.clone(), json!(guides), json!(costs), json!(guides), none]
    );
}

#[tandem_tests::test]
async fn a_submission_of_a_form_with_content_is_a_download_of_it(app: &TestApp) {
    let mia = app.user("marketing").await;
    let costs = made(app, &mia, guide(&[])).await.id();
    let nothing = format!("content_{}", "0".repeat(26));
    let body = |content: &str| {
        json!({"name": "Guide", "allowed_origins": [ORIGIN], "content_id": content, "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]})
    };
    let refused = app.post("/v1/forms").by(&mia).json(body(&nothing)).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/content_id", "not_found")]);
    let form = app.post("/v1/forms").by(&mia).json(body(&costs)).await.expect(201);
    assert_eq!(form["content_id"], json!(costs));
    send(app, form["key"].as_str().unwrap(), None, "ada@example.com", json!({})).await;
    assert_eq!(contents(app, "ada@example.com").await, [json!(costs)]);

    made(app, &mia, guide(&["example.com/else"])).await;
    matched(app).await;
    assert_eq!(contents(app, "ada@example.com").await, [json!(costs)], "no page changes it");
}

#[tandem_tests::test]
async fn requests_with_the_most_open_pipeline_come_first(app: &TestApp) {
    let (sam, mia) = (app.user("sales_manager").await, app.user("marketing").await);
    let opened = async |email: &str, amount: i64| {
        let lead = app.given_lead(email).await.id();
        to_sql(app, &lead).await;
        let deal =
            json!({"name": email, "lead_ids": [lead], "amount": {"amount": amount, "currency": "EUR"}});
        (lead, app.post("/v1/deals").by(app.admin().await).json(deal).await.expect(201).id())
    };
    let (ada, of_ada) = opened("ada@example.com", 5000).await;
    let (_, of_bob) = opened("bob@example.com", 9000).await;
    let asked = async |title: &str, leads: &[&str], deals: &[&str]| {
        let body = json!({"title": title, "why": "They asked", "objection": "price", "lead_ids": leads, "deal_ids": deals});
        app.post("/v1/content-requests").by(&sam).json(body).await.expect(201)
    };
    let small = asked("Small", &[&ada], &[&of_ada]).await;
    let none = asked("None", &[], &[]).await;
    let large = asked("Large", &[], &[&of_bob]).await;
    assert_eq!(
        small["pipeline"],
        json!({"deals": 1, "value": {"amount": 5000, "currency": "EUR"}, "unvalued": 0})
    );
    assert_eq!(small["requested_by"], json!(sam.id));

    let path = "/v1/content-requests";
    let listed = async |query: &str| app.get(&format!("{path}?{query}")).by(&mia).await.expect(200);
    assert_eq!(listed("").await.each("id"), [large.id(), small.id(), none.id()]);
    let page = listed("limit=2").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(page.each("id"), [large.id(), small.id()]);
    assert_eq!(listed(&format!("limit=2&cursor={cursor}")).await.each("id"), [none.id()]);
    // Neither the order nor the cursor tells what deals are worth.
    let key = app.key(&["content:read"]).await;
    let blind = async |query: &str| app.get(&format!("{path}?{query}")).by(&key).await.expect(200);
    let page = blind("limit=2").await;
    assert_eq!(page.each("id"), [large.id(), none.id()], "the newest first");
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(blind(&format!("limit=2&cursor={cursor}")).await.each("id"), [small.id()]);

    let answer = |id: &str, body: Value| app.patch(&format!("{path}/{id}")).by(&mia).json(body).into_future();
    answer(&small.id(), json!({"state": "planned"})).await.expect(200);
    let refused = answer(&small.id(), json!({"state": "published"})).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/content_id", "required")]);
    let mut ready = guide(&[]);
    ready["state"] = json!("published");
    let content = made(app, &mia, ready).await.id();
    let done = answer(&small.id(), json!({"state": "published", "content_id": content})).await.expect(200);
    assert!(done["answered_at"].is_string());
    answer(&small.id(), json!({"state": "open"})).await.refused(422, "validation_failed");
    answer(&large.id(), json!({"state": "declined", "answer": "Not now"})).await.expect(200);
    assert_eq!(listed("").await.each("id"), [none.id()]);
    assert_eq!(listed("state=declined").await.each("id"), [large.id()]);

    app.patch(&format!("{path}/{}", none.id()))
        .by(&sam)
        .json(json!({"state": "planned"}))
        .await
        .refused(403, "insufficient_scope");
    let wrong = json!({"title": "x", "why": "y", "objection": "looks", "lead_ids": [ada, ada],
        "deal_ids": [format!("deal_{}", "0".repeat(26))]});
    let refused = app.post(path).by(&sam).json(wrong).await.refused(422, "validation_failed");
    assert_eq!(
        refused.violations(),
        [("#/deal_ids/0", "not_found"), ("#/lead_ids/1", "not_allowed"), ("#/objection", "not_allowed")]
    );
    app.post(path)
        .by(&app.user("viewer").await)
        .json(json!({"title": "x", "why": "y"}))
        .await
        .refused(403, "insufficient_scope");
}

/// Views of two leads, one deal won and one lost of a reader, one won without one.
async fn given_ends(app: &TestApp) -> (String, [String; 3]) {
    let (admin, mia) = (app.admin().await, app.user("marketing").await);
    let site = given_site(app).await;
    let form = crate::tracked::given_form(app).await;
    let mut piece = guide(&["example.com/costs"]);
    piece["state"] = json!("published");
    let costs = made(app, &mia, piece).await.id();
    made(app, &mia, json!({"title": "Unread", "kind": "page", "stage": "awareness"})).await;
    let page = |visits: i64| {
        let one = |n| view(-1000 - n, "https://www.example.com/costs", None);
        json!((0..visits).map(one).collect::<Vec<_>>())
    };
    for (visitor, visits) in [("visitor-ada", 2), ("visitor-bob", 1), ("visitor-none", 3)] {
        collect(app, &site, visitor, page(visits)).await.expect(204);
    }
    app.given_lead("cyd@example.com").await;
    let download = json!({"events": [{"type": "download", "lead": {"email": "cyd@example.com"},
        "url": "https://www.example.com/costs", "machine": true}]});
    app.post("/v1/events").by(admin).json(download).await.expect(200);
    send(app, &form, Some("visitor-ada"), "ada@example.com", json!({})).await;
    send(app, &form, Some("visitor-bob"), "bob@example.com", json!({})).await;
    let mut ids = vec![];
    for email in ["ada@example.com", "bob@example.com", "cyd@example.com"] {
        ids.push(lead(app, email).await.id());
    }
    let note =
        json!({"lead_id": ids[0], "type": "note", "body": "Too dear", "objections": [{"code": "price"}]});
    app.post("/v1/activities").by(admin).json(note).await.expect(201);
    let note =
        json!({"lead_id": ids[2], "type": "note", "body": "Too dear", "objections": [{"code": "price"}]});
    app.post("/v1/activities").by(admin).json(note).await.expect(201);
    let ends = [("won", "product_fit"), ("lost", "price"), ("won", "product_fit")];
    let mut deals = vec![];
    for (lead, (outcome, reason)) in ids.iter().zip(ends) {
        to_sql(app, lead).await;
        let deal = json!({"name": lead, "lead_ids": [lead], "amount": {"amount": 100, "currency": "EUR"}});
        let deal = app.post("/v1/deals").by(admin).json(deal).await.expect(201).id();
        let close = json!({"outcome": outcome, "reason": reason});
        app.post(&format!("/v1/deals/{deal}/close")).by(admin).json(close).await.expect(200);
        deals.push(deal);
    }
    (costs, deals.try_into().unwrap())
}

#[tandem_tests::test]
async fn a_report_shows_what_content_did_with_its_records(app: &TestApp) {
    let (costs, [won, lost, _]) = given_ends(app).await;
    let by = app.admin().await;
    let report = app.get("/v1/reports/content?min_sample=2").by(by).await.expect(200);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[1]["title"], &rows[1]["views"]), (2, &json!("Unread"), &json!(0)));
    let row = &rows[0];
    assert_eq!(row["content_id"], json!(costs));
    let counted = ["views", "downloads", "leads"].map(|name| row[name].as_i64().unwrap());
    assert_eq!(counted, [6, 0, 2]);
    let part = |name: &str| (row[name]["numerator"].clone(), row[name]["denominator"].clone());
    assert_eq!(part("won"), (json!(1), json!(2)));
    assert_eq!(part("lost"), (json!(1), json!(1)));
    assert_eq!(part("win_rate"), (json!(1), json!(2)));
    assert_eq!((&row["lift"]["value"], &row["lift"]["insufficient"]), (&json!(0.5), &json!(true)));
    assert_eq!(row["objections"], json!([{"code": "price", "raised": 2, "readers": 1}]));

    let list = async |address: &Value| app.get(address.as_str().unwrap()).by(by).await.expect(200);
    let of_won = list(&row["won"]["evidence"]["numerator"]).await;
    assert_eq!((of_won.each("id"), &of_won["total_count"]), (vec![won.clone()], &json!(1)));
    assert_eq!(list(&row["won"]["evidence"]["denominator"]).await["total_count"], json!(2));
    assert_eq!(list(&row["lost"]["evidence"]["numerator"]).await.each("id"), std::slice::from_ref(&lost));
    assert_eq!(list(&row["win_rate"]["evidence"]["denominator"]).await.each("id"), [won, lost]);
    let readers = list(&row["leads_evidence"]).await;
    assert_eq!(readers["total_count"], json!(2));
    let views: Vec<&Value> = readers["data"].as_array().unwrap().iter().map(|one| &one["views"]).collect();
    assert_eq!(views, [&json!(2), &json!(1)]);
    let first = list(&json!(format!("{}&limit=1", row["leads_evidence"].as_str().unwrap()))).await;
    assert_eq!((first.each("lead_id").len(), &first["total_count"]), (1, &json!(2)));

    let earlier = app.get("/v1/reports/content?to=2020-01-01").by(by).await.expect(200);
    assert_eq!(earlier["rows"][0]["views"], json!(0));
    let table = app.get("/v1/reports/content").by(by).header("accept", "text/csv").await.expect(200);
    assert_eq!(table.text.lines().count(), 3);
    let key = app.key(&["reports:read"]).await;
    app.get("/v1/reports/content").by(&key).await.refused(403, "insufficient_scope");
    app.get("/v1/reports/content?from=2026-02-01&to=2026-01-01")
        .by(by)
        .await
        .refused(400, "invalid_parameter");
}

#[tandem_tests::test]
async fn a_lead_is_recommended_what_it_has_not_seen(app: &TestApp) {
    let (admin, mia) = (app.admin().await, app.user("marketing").await);
    let site = given_site(app).await;
    let form = crate::tracked::given_form(app).await;
    let piece = async |title: &str, stage: &str, codes: &[&str]| {
        let body = json!({"title": title, "kind": "article", "stage": stage, "state": "published",
            "url_patterns": [format!("example.com/{title}")], "answers_objections": codes});
        made(app, &mia, body).await.id()
    };
    let answers = piece("answers", "decision", &["price"]).await;
    let fits = piece("fits", "awareness", &[]).await;
    let proven = piece("proven", "awareness", &[]).await;
    piece("seen", "awareness", &["price"]).await;
    piece("unfit", "decision", &["timing"]).await;
    let page = |title: &str| json!([view(-1000, &format!("https://www.example.com/{title}"), None)]);
    collect(app, &site, "visitor-ada", page("seen")).await.expect(204);
    collect(app, &site, "visitor-bob", page("proven")).await.expect(204);
    send(app, &form, Some("visitor-ada"), "ada@example.com", json!({})).await;
    send(app, &form, Some("visitor-bob"), "bob@example.com", json!({})).await;
    let (ada, bob) = (lead(app, "ada@example.com").await.id(), lead(app, "bob@example.com").await.id());
    to_sql(app, &bob).await;
    for (name, outcome, reason) in [("One", "won", "product_fit"), ("Two", "lost", "price")] {
        let deal = json!({"name": name, "lead_ids": [bob], "amount": {"amount": 100, "currency": "EUR"}});
        let deal = app.post("/v1/deals").by(admin).json(deal).await.expect(201).id();
        let close = json!({"outcome": outcome, "reason": reason});
        app.post(&format!("/v1/deals/{deal}/close")).by(admin).json(close).await.expect(200);
    }
    let note = json!({"lead_id": ada, "type": "note", "body": "Too dear", "objections": [{"code": "price"}]});
    app.post("/v1/activities").by(admin).json(note).await.expect(201);

    let reader = crate::tracked::reader(app).await;
    let path = format!("/v1/leads/{ada}/content");
    let found = app.get(&path).by(&reader).await.expect(200);
    let all = found["data"].as_array().unwrap();
    let ids: Vec<&Value> = all.iter().map(|one| &one["content"]["id"]).collect();
    assert_eq!(ids, [&json!(answers), &json!(proven), &json!(fits)]);
    assert_eq!((&all[0]["answers"], &all[0]["fits_stage"]), (&json!(["price"]), &json!(false)));
    assert_eq!((&all[1]["answers"], &all[1]["fits_stage"]), (&json!([]), &json!(true)));
    let share = |n: usize| (&all[n]["won_deals"]["numerator"], &all[n]["won_deals"]["denominator"]);
    assert_eq!((share(0), share(1)), ((&json!(0), &json!(1)), (&json!(1), &json!(1))));
    assert_eq!(all[1]["won_deals"]["insufficient"], json!(true));

    let email = |content: &str| json!({"lead_id": ada, "type": "email", "direction": "outbound", "content_ids": [content]});
    let sent = app.post("/v1/activities").by(&reader).json(email(&fits)).await.expect(201);
    assert_eq!(sent["content_ids"], json!([fits]));
    let nothing = format!("content_{}", "0".repeat(26));
    let refused = app.post("/v1/activities").by(&reader).json(email(&nothing)).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/content_ids/0", "not_found")]);
    let found = app.get(&path).by(&reader).await.expect(200);
    let all = found["data"].as_array().unwrap();
    let ids: Vec<&Value> = all.iter().map(|one| &one["content"]["id"]).collect();
    assert_eq!(ids, [&json!(answers), &json!(proven)]);
    let key = app.key(&["leads:read", "content:read"]).await;
    app.get(&path).by(&key).await.refused(403, "insufficient_scope");
    let nobody = format!("/v1/leads/lead_{}/content", "0".repeat(26));
    app.get(&nobody).by(&reader).await.refused(404, "not_found");
}
