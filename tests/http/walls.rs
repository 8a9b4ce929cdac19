//! Scopes are walls: no answer shows a kind of object whose read scope a key lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tandem_api::edge::openapi::pass::operations;
use tandem_domain::access::Scope;
use tandem_tests::{Answer, TestApp, contract, hours};

/// A word that stands in records of one kind alone, and the scope that reads them.
const MARKS: [(&str, &str); 16] = [
    ("leadmark", "leads:read"),
    ("companymark", "leads:read"),
    ("dealmark", "deals:read"),
    ("notemark", "deals:read"),
    ("987654321", "deals:read"),
    ("pipelinemark", "deals:read"),
    ("activitymark", "activities:read"),
    ("campaignmark", "campaigns:read"),
    ("contentmark", "content:read"),
    ("formmark", "forms:read"),
    ("sitemark", "forms:read"),
    ("usermark", "users:read"),
    ("teammark", "users:read"),
    ("reviewmark", "reports:read"),
    ("settingmark", "settings:read"),
    ("keymark", "keys:manage"),
];

/// One record of each kind, full of marks: their ids by the parameter that names them in paths.
async fn given_marks(app: &TestApp) -> BTreeMap<&'static str, String> {
    let by = app.admin().await;
    let make = async |path: &str, body: Value| app.post(path).by(by).json(body).await.expect(201).id();
    let mut ids = BTreeMap::from([
        ("purpose", "marketing_email".to_owned()),
        ("system", "crm".to_owned()),
        ("id", "1".to_owned()),
        ("list", "gained".to_owned()),
        ("figure", "leads".to_owned()),
    ]);
    let setting = json!({"name": "Settingmark", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(by).json(setting).await.expect(200);
    let purposes = json!({"purposes": [{"name": "marketing_email", "label": "News"}]});
    app.put("/v1/settings/consent-purposes").by(by).json(purposes).await.expect(200);
    let user = json!({"email": "usermark@example.com", "name": "Usermark", "role": "sales"});
    ids.insert("user_id", make("/v1/users", user).await);
    ids.insert("team_id", make("/v1/teams", json!({"name": "Teammark"})).await);
    ids.insert("key_id", make("/v1/api-keys", json!({"name": "Keymark", "scopes": ["leads:read"]})).await);
    let site = json!({"name": "Sitemark", "allowed_origins": ["https://www.example.com"]});
    ids.insert("tracking_key_id", make("/v1/tracking-keys", site).await);
    let campaign = json!({"name": "Campaignmark", "channel": "paid_social", "starts_on": "2026-03-01"});
    let segment = json!({"name": "Leadmark", "when": {"field": "phone", "op": "exists"}});
    let content = json!({"title": "Contentmark", "kind": "guide", "stage": "decision", "state": "published"});
    ids.insert("content_id", make("/v1/content", content).await);
    let request = json!({"title": "Contentmark", "why": "Contentmark"});
    ids.insert("content_request_id", make("/v1/content-requests", request).await);
    ids.insert("segment_id", make("/v1/segments", segment).await);
    ids.insert("campaign_id", make("/v1/campaigns", campaign).await);
    let stages = json!([{"key": "talks", "name": "Pipelinemark", "probability": 0.2}]);
    ids.insert("pipeline_id", make("/v1/pipelines", json!({"name": "Pipelinemark", "stages": stages})).await);

    let lead = json!({
        "email": "ada@example.com", "emails": ["ada@example.com", "leadmark@example.com"], "phone": "+390212345678",
        "first_name": "Leadmark", "last_name": "Leadmark", "need": "leadmark", "country": "GB",
        "external_id": {"system": "crm", "id": "1"},
        "company": {"domain": "companymark.example", "name": "Companymark"},
        "first_touch": {"source": "fair", "content": "leadmark"},
    });
    let lead = app.post("/v1/leads").by(by).json(lead).await.expect(201);
    ids.insert("company_id", lead["company"]["id"].as_str().unwrap().to_owned());
    ids.insert("lead_id", lead.id());
    ids.insert("version", "1".into());
    let twin = json!({"email": "twin@example.com", "phone": "+390212345678", "last_name": "Leadmark"});
    let twin = app.post("/v1/leads").by(by).json(twin).await.expect(201).id();
    ids.insert("clock_id", app.given_promise(&twin, None, hours(1)).await.clock.to_string());
    let note = json!({"lead_id": lead.id(), "type": "note", "body": "Activitymark",
        "objections": [{"text": "Activitymark", "quote": "Activitymark"}]});
    ids.insert("activity_id", make("/v1/activities", note).await);
    let talk = json!({"provider": "callsense", "external_id": "1", "lead": {"id": lead.id()}, "summary": "Activitymark",
        "occurred_at": "2026-03-02T08:00:00Z", "intent": "low", "needs": ["One list"]});
    ids.insert("conversation_id", make("/v1/conversations", talk).await);
    for to in ["mql", "sal", "sql"] {
        app.moved(&lead.id(), to, None).await;
    }
    let handoffs = app.get("/v1/handoffs").by(by).await.expect(200);
    ids.insert("handoff_id", handoffs.each("id").remove(0));
    ids.insert("decision_id", handoffs.each("routing_decision_id").remove(0));
    let deal = |name: &str, external: &str| {
        json!({"name": name, "lead_ids": [lead.id()], "amount": {"amount": 987654321, "currency": "EUR"},
            "external_id": {"system": "crm", "id": external}})
    };
    let won = make("/v1/deals", deal("Dealmark one", "1")).await;
    let open = make("/v1/deals", deal("Dealmark two", "2")).await;
    let quote = json!({"number": "Dealmark", "amount": {"amount": 987654321, "currency": "EUR"}});
    ids.insert("quote_id", make(&format!("/v1/deals/{open}/quotes"), quote).await);
    let promise = json!({"text": "Dealmark"});
    ids.insert("promise_id", make(&format!("/v1/deals/{open}/promises"), promise).await);
    ids.insert("deal_id", open);
    ids.insert("customer_id", lead.id());
    let revenue = json!({"lead_id": lead.id(), "on": "2026-03-02", "kind": "invoice",
        "amount": {"amount": 987654321, "currency": "EUR"}, "external_id": {"system": "erp", "id": "Dealmark"}});
    ids.insert("revenue_entry_id", make("/v1/revenue", revenue).await);
    let close = json!({"outcome": "won", "reason": "product_fit", "note": "Notemark"});
    app.post(&format!("/v1/deals/{won}/close")).by(by).json(close).await.expect(200);

    let review = make("/v1/reviews", json!({"from": "2026-03-01", "to": "2026-04-01"})).await;
    let action = json!({"text": "Reviewmark", "owner_id": ids["user_id"], "due_on": "2026-04-01"});
    let action = make(&format!("/v1/reviews/{review}/actions"), action).await;
    ids.extend([("review_id", review), ("action_item_id", action)]);

    let form = json!({"name": "Formmark", "fields": [
        {"name": "email", "label": "Formmark", "type": "email", "required": true, "maps_to": "email"}]});
    let form = app.post("/v1/forms").by(by).json(form).await.expect(201);
    ids.insert("form_id", form.id());
    let capture = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    let unfit = json!({"fields": {"email": "leadmark", "message": "leadmark"}});
    app.post(&capture).json(unfit).await.refused(422, "validation_failed");
    let kept = app.get("/v1/submissions").by(by).await.expect(200);
    ids.insert("submission_id", kept.each("id").remove(0));

    let file = "email,first_name\nleadmark,Leadmark\n";
    let import = app.post("/v1/imports?kind=leads").by(by).body("text/csv", file).await.expect(202).id();
    ids.insert("import_id", import);
    let preview = app.post("/v1/agreements/1/preview").by(by).json(json!({})).await.expect(202).id();
    ids.insert("preview_id", preview);
    app.run_jobs().await;
    let duplicates = app.get("/v1/duplicates").by(by).await.expect(200);
    ids.insert("duplicate_id", duplicates.each("id").remove(0));
    ids
}

/// The operation's path with ids of what is there.
fn filled(path: &str, ids: &BTreeMap<&str, String>) -> String {
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => ids.get(name).unwrap_or_else(|| panic!("say in walls.rs what {name} is")).clone(),
        None => segment.to_owned(),
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// A query that the operation needs.
fn query(path: &str) -> &'static str {
    match path {
        "/v1/reports/funnel/evidence" => "?stage=lead",
        "/v1/reviews/{review_id}/evidence" => "?list=0",
        "/v1/changes" | "/v1/journal" => "?limit=200",
        "/v1/imports" => "?kind=leads",
        _ => "",
    }
}

async fn called(app: &TestApp, key: &str, method: &str, path: &str, ids: &BTreeMap<&str, String>) -> Answer {
    let full = format!("{}{}", filled(path, ids), query(path));
    let request = app.request(&method.to_uppercase(), &full).by(key);
    let request = request.header("x-on-behalf-of", &app.admin().await.id);
    let (_, operation) = contract().operation(method, path).unwrap();
    match &operation["requestBody"]["content"]["application/json"]["example"] {
        Value::Null if path == "/v1/imports" && method == "post" => {
            request.body("text/csv", "email\na@example.com\n").await
        }
        Value::Null => request.await,
        body => {
            let mut body = body.clone();
            if let Some(lead_ids) = body.get_mut("lead_ids") {
                *lead_ids = json!([ids["lead_id"]]);
            }
            request.json(body).await
        }
    }
}

/// The marks in an answer that these scopes do not read.
fn leaks(answer: &Answer, scopes: &[&str]) -> Vec<&'static str> {
    let text = answer.text.to_lowercase();
    let leaked = MARKS.iter().filter(|(mark, scope)| text.contains(mark) && !scopes.contains(scope));
    leaked.map(|(mark, _)| *mark).collect()
}

#[tandem_tests::test]
async fn no_answer_shows_what_the_key_may_not_read(app: &TestApp) {
    let ids = given_marks(app).await;
    let mut keys: BTreeMap<Vec<&str>, String> = BTreeMap::new();
    let (mut faults, mut answered, mut shown) = (vec![], 0, BTreeSet::new());
    let reading: BTreeSet<&str> = MARKS.iter().map(|(_, scope)| *scope).collect();
    for (path, method, operation) in operations(&contract().document) {
        let scopes: Vec<&str> = operation["x-required-scopes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        // No key acts on one's own account, nor signs.
        if scopes.is_empty() || scopes.contains(&"account") || scopes.contains(&"agreements:sign") {
            continue;
        }
        // What only reads is asked with each further scope, too: it may show that kind and no other.
        let mut asked = vec![scopes.clone()];
        if method == "get" {
            let others = reading.iter().filter(|scope| !scopes.contains(scope));
            asked.extend(others.map(|scope| scopes.iter().copied().chain([*scope]).collect()));
        }
        for scopes in asked {
            if !keys.contains_key(&scopes) {
                keys.insert(scopes.clone(), app.key(&scopes).await);
            }
            let answer = called(app, &keys[&scopes], method, path, &ids).await;
            answered += usize::from(answer.status < 300);
            let leaked = leaks(&answer, &scopes);
            if !leaked.is_empty() {
                faults.push(format!("{} with {scopes:?} shows {leaked:?}: {}", answer.of, answer.text));
            }
            let text = answer.text.to_lowercase();
            shown.extend(MARKS.iter().filter(|(mark, _)| text.contains(mark)).map(|(mark, _)| *mark));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(shown.len(), MARKS.len(), "a mark that nobody sees proves nothing: {shown:?}");
    assert!(answered > 250, "{answered} answers are too few to say anything");
}

#[tandem_tests::test]
async fn a_write_without_reading_answers_what_was_sent(app: &TestApp) {
    let ids = given_marks(app).await;
    let writer = app.key(&["leads:write"]).await;
    let sent =
        json!({"email": "ada@example.com", "first_name": "Eve", "company": {"domain": "other.example"}});
    let answer = app.post("/v1/leads").by(&writer).once("k").json(sent.clone()).await.expect(200);
    let receipt = json!({"id": ids["lead_id"], "email": "ada@example.com", "first_name": "Eve"});
    assert_eq!(answer.body, receipt);
    let again = app.post("/v1/leads").by(&writer).once("k").json(sent).await.expect(200);
    assert_eq!((&again.body, again.header("idempotent-replayed")), (&receipt, Some("true")));

    // The entity tag binds the next write all the same.
    let path = format!("/v1/leads/{}", ids["lead_id"]);
    let tag = answer.header("etag").unwrap().to_owned();
    let patched = app
        .patch(&path)
        .by(&writer)
        .header("if-match", &tag)
        .json(json!({"job_title": "CTO"}))
        .await
        .expect(200);
    assert_eq!(patched.body, json!({"id": ids["lead_id"], "job_title": "CTO"}));
    let stale = app.patch(&path).by(&writer).header("if-match", &tag).json(json!({"job_title": "CEO"})).await;
    let stale = stale.refused(412, "stale");
    assert_eq!(stale["current"].as_str(), patched.header("etag"));
    let nothing = app.patch(&path).by(&writer).json(json!({})).await.expect(200);
    assert_eq!(nothing.body, json!({"id": ids["lead_id"]}));

    let both = app.key(&["leads:write", "leads:read"]).await;
    let whole = app.patch(&path).by(&both).json(json!({})).await.expect(200);
    assert_eq!(whole["emails"], json!(["ada@example.com", "leadmark@example.com"]));

    // Which leads several identifiers name is read like these leads, and where a lead stands too.
    let conflict = json!({"emails": ["ada@example.com", "twin@example.com"]});
    let refused =
        app.post("/v1/leads").by(&writer).json(conflict.clone()).await.refused(409, "identifiers_conflict");
    assert_eq!(refused["lead_ids"], Value::Null);
    let refused = app.post("/v1/leads").by(&both).json(conflict).await.refused(409, "identifiers_conflict");
    assert_eq!(refused["lead_ids"].as_array().unwrap().len(), 2);
    let batch =
        json!({"leads": [{"email": "ada@example.com"}, {"emails": ["ada@example.com", "twin@example.com"]}]});
    let batch = app.post("/v1/leads/batch").by(&writer).json(batch).await.expect(207);
    let items = (&batch["items"][0], &batch["items"][1]["problem"]["lead_ids"]);
    assert_eq!(items, (&json!({"index": 0, "status": 200, "id": ids["lead_id"]}), &Value::Null));
    let back =
        app.post(&format!("{path}/transitions")).by(&writer).header("x-on-behalf-of", &app.admin().await.id);
    let refused = back.json(json!({"to": "sal", "note": "x"})).await.refused(409, "illegal_transition");
    assert_eq!((&refused["current"], &refused["allowed"]), (&Value::Null, &Value::Null));

    // What the write itself makes is shown: nothing else would ever show it.
    let forms = app.key(&["forms:write"]).await;
    let form = json!({"name": "New", "fields": [{"name": "email", "label": "E", "type": "email", "maps_to": "email"}]});
    let form = app.post("/v1/forms").by(&forms).json(form).await.expect(201);
    assert!(form["key"].is_string() && form["snippet_html"].is_null(), "{}", form.text);
}

/// Waits for the newest entry: it shows once no older transaction of the whole PostgreSQL server runs, those of other
/// tests included.
async fn the_feed_shows_all(app: &TestApp) {
    let admin = app.admin().await;
    let newest = app.get("/v1/journal?limit=1").by(admin).await.expect(200)["data"][0]["id"].clone();
    let mut after = String::new();
    loop {
        let page = app.get(&format!("/v1/changes?limit=200&wait=1s{after}")).by(admin).await.expect(200);
        if page["data"].as_array().unwrap().iter().any(|entry| entry["id"] == newest) {
            return;
        }
        after = format!("&after={}", page["next_cursor"].as_str().unwrap());
    }
}

#[tandem_tests::test]
async fn entries_of_a_kind_that_is_not_read_come_without_values(app: &TestApp) {
    let ids = given_marks(app).await;
    let timeline = format!("/v1/leads/{}/timeline?limit=200", ids["lead_id"]);
    for (scopes, path) in [
        (vec!["leads:read"], timeline.as_str()),
        (vec!["changes:read", "leads:read"], "/v1/changes?limit=200"),
        (vec!["journal:read", "leads:read"], "/v1/journal?limit=200"),
    ] {
        let with_deals: Vec<&str> = scopes.iter().copied().chain(["deals:read"]).collect();
        let keys = (app.key(&scopes).await, app.key(&with_deals).await);
        if path.starts_with("/v1/changes") {
            the_feed_shows_all(app).await;
        }
        let without = app.get(path).by(&keys.0).await.expect(200);
        let with = app.get(path).by(&keys.1).await.expect(200);
        let (mut deals, mut leads) = (0, 0);
        for (entry, whole) in without["data"].as_array().unwrap().iter().zip(with["data"].as_array().unwrap())
        {
            assert_eq!((&entry["id"], &entry["fields"]), (&whole["id"], &whole["fields"]));
            let kind = entry["type"].as_str().unwrap();
            if kind.starts_with("deal.") {
                deals += 1;
                let values = ["data", "before", "after"].map(|name| entry.get(name));
                assert_eq!(values, [None, None, None], "{kind}");
                assert!(whole["data"].is_object(), "{kind}");
            } else if kind.starts_with("lead.") {
                leads += 1;
                assert_eq!(entry, whole);
            }
        }
        assert!(deals >= 3 && leads >= 4, "{path}: {deals} {leads}");
    }
}

#[tandem_tests::test]
async fn lists_of_others_need_the_scope_of_what_they_list(app: &TestApp) {
    let ids = given_marks(app).await;
    let evidence = "/v1/reports/funnel/evidence?stage=lead";
    let refused =
        app.get(evidence).by(app.key(&["reports:read"]).await).await.refused(403, "insufficient_scope");
    assert_eq!(refused["scope"], "leads:read");
    app.get(evidence).by(app.key(&["reports:read", "leads:read"]).await).await.expect(200);

    let importer = app.key(&["imports:write", "leads:write"]).await;
    for list in ["rejects", "warnings"] {
        let path = format!("/v1/imports/{}/{list}", ids["import_id"]);
        let refused = app.get(&path).by(&importer).await.refused(403, "insufficient_scope");
        assert_eq!(refused["scope"], "leads:read");
        app.get(&path).by(app.key(&["imports:write", "leads:read"]).await).await.expect(200);
    }
    for (kind, scope) in [
        ("leads", "leads:write"),
        ("companies", "leads:write"),
        ("deals&mode=history", "deals:write"),
        ("stage_changes&mode=history", "leads:write"),
    ] {
        let key = app.key(&["imports:write"]).await;
        let import =
            app.post(&format!("/v1/imports?kind={kind}")).by(&key).body("text/csv", "email\na@example.com\n");
        assert_eq!(import.await.refused(403, "insufficient_scope")["scope"], scope, "{kind}");
    }
    // Deals bring their companies, and move their leads.
    let key = app.key(&["imports:write", "deals:write"]).await;
    let import = app.post("/v1/imports?kind=deals&mode=history").by(&key).body("text/csv", "name\nFair\n");
    assert_eq!(import.await.refused(403, "insufficient_scope")["scope"], "leads:write");

    let submission = format!("/v1/submissions/{}", ids["submission_id"]);
    let shown = app.get(&submission).by(app.key(&["forms:read"]).await).await.expect(200);
    assert_eq!(
        (&shown["raw"], &shown["consent"], &shown["status"]),
        (&Value::Null, &Value::Null, &json!("rejected"))
    );
    let whole = app.get(&submission).by(app.key(&["forms:read", "leads:read"]).await).await.expect(200);
    assert!(whole["raw"].as_str().unwrap().contains("leadmark"));
}

#[tandem_tests::test]
async fn every_path_demands_a_scope_of_its_noun(_app: &TestApp) {
    /// Paths whose first noun is no scope's, and the nouns of the scopes that they demand.
    const OTHERS: [(&str, &[&str]); 28] = [
        // Action items of reviews.
        ("actions", &["reviews", "reports"]),
        // Reviews are read with the reports.
        ("reviews", &["reviews", "reports"]),
        ("agreements", &["agreements"]),
        ("api-keys", &["keys"]),
        ("auth", &["account"]),
        ("clocks", &["handoffs"]),
        ("companies", &["leads"]),
        ("conversations", &["activities"]),
        ("objections", &["activities"]),
        // Sales asks for content by the scope of activities.
        ("content-requests", &["content", "activities"]),
        // Those who take over see what belongs to the customer.
        ("customers", &["leads", "deals", "activities"]),
        ("duplicates", &["leads"]),
        ("identify", &["events"]),
        ("me", &["account"]),
        ("pipelines", &["deals"]),
        ("promises", &["deals"]),
        ("quotes", &["deals"]),
        ("revenue", &["deals"]),
        // Why a hand-off went where it went.
        ("routing", &["routing", "handoffs"]),
        // What marketing answers to rejections.
        ("feedback", &["handoffs"]),
        // Costs are stated by managers.
        ("settings", &["settings", "costs"]),
        // Who is in a segment is read with the leads.
        ("segments", &["segments", "leads"]),
        ("signing-keys", &["users"]),
        ("stream", &["changes"]),
        ("submissions", &["forms"]),
        ("teams", &["users"]),
        ("touches", &["events"]),
        // One's own absences; the leads of a user who is away.
        ("users", &["users", "account", "leads"]),
    ];
    let open: BTreeSet<&str> = ["capture", "collect", "consents", "setup"].into();
    let nouns: BTreeSet<&str> =
        Scope::ALL.iter().map(|scope| scope.name().split(':').next().unwrap()).collect();
    for (path, method, operation) in operations(&contract().document) {
        let Some(noun) = path.strip_prefix("/v1/").and_then(|rest| rest.split('/').next()) else { continue };
        let scopes: Vec<&str> = operation["x-required-scopes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let of = scopes.iter().map(|scope| scope.split(':').next().unwrap());
        let demanded = OTHERS.iter().find(|(known, _)| *known == noun).map(|(_, nouns)| nouns.to_vec());
        let demanded = demanded.unwrap_or_else(|| vec![if noun == "tracking-keys" { "forms" } else { noun }]);
        let is_open = open.contains(noun)
            || ["accept", "login", "refresh"].iter().any(|last| path == format!("/v1/auth/{last}"));
        assert_eq!(is_open, scopes.is_empty(), "{method} {path} demands {scopes:?}");
        assert!(
            is_open || of.clone().any(|one| demanded.contains(&one)),
            "{method} {path} demands {scopes:?}"
        );
        assert!(is_open || demanded.iter().all(|noun| nouns.contains(noun)), "{method} {path}");
    }
}
