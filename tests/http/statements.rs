//! How many statements an operation takes: each is a round trip, or a change of threads. Counted, not timed.

use serde_json::json;
use tandem_tests::{Request, TestApp};

/// The statements that a request sends; it must succeed. What it is let in by is known already.
async fn sent(app: &TestApp, request: Request) -> Vec<String> {
    let statements = app.running.core.db.statements();
    statements.record();
    let answer = request.await;
    let mut sent = statements.recorded();
    // The log of SQLite is looked at in the background.
    sent.retain(|statement| !statement.starts_with("PRAGMA wal_checkpoint"));
    assert!(answer.status < 300, "{}: {}", answer.of, answer.text);
    sent
}

/// A lead with everything that a lead shows, known to another system too.
async fn given_full_lead(app: &TestApp) -> String {
    let body = json!({
        "email": "ada@harbour.example", "phone": "+390212345678", "first_name": "Ada", "last_name": "Lovelace",
        "external_id": {"system": "crm", "id": "4711"}, "company": {"name": "Harbour", "domain": "harbour.example"},
        "first_touch": {"source": "google", "channel": "paid_search"},
    });
    let lead = app.post("/v1/leads").by(app.admin().await).json(body).await.expect(201).id();
    app.post(&format!("/v1/leads/{lead}/consents"))
        .by(app.admin().await)
        .json(json!({"purpose": "marketing_email", "granted": true, "wording": "Yes, write to me."}))
        .await
        .expect(201);
    app.moved(&lead, "mql", None).await;
    lead
}

#[tandem_tests::test]
async fn a_read_and_a_page_are_one_statement_each_and_no_transaction(app: &TestApp) {
    let lead = given_full_lead(app).await;
    let admin = app.admin().await;
    let body = json!({"type": "call", "lead_id": lead, "direction": "outbound", "outcome": "connected"});
    let activity = app.post("/v1/activities").by(admin).json(body).await.expect(201).id();
    let body = json!({"provider": "callsense", "external_id": "1", "lead": {"id": lead}, "summary": "They spoke",
        "occurred_at": "2026-03-02T08:00:00Z", "intent": "high", "next_steps": [{"text": "Call again"}]});
    let conversation = app.post("/v1/conversations").by(admin).json(body).await.expect(201).id();
    let handoff = app.get("/v1/handoffs").by(admin).await.expect(200).each("id").remove(0);
    let clock = app.get("/v1/clocks").by(admin).await.expect(200).each("id").remove(0);
    let company = app.get("/v1/companies").by(admin).await.expect(200).each("id").remove(0);
    let reads = [
        format!("/v1/leads/{lead}"),
        "/v1/leads/by-external-id/crm/4711".to_owned(),
        "/v1/leads".to_owned(),
        "/v1/leads?fields=email,stage,score&include=touches".to_owned(),
        "/v1/leads?stage=mql".to_owned(),
        "/v1/leads?sort=-score".to_owned(),
        "/v1/leads?email=ada@harbour.example".to_owned(),
        format!("/v1/leads?id={lead}"),
        "/v1/companies".to_owned(),
        format!("/v1/companies/{company}"),
        "/v1/activities".to_owned(),
        format!("/v1/activities?lead_id={lead}"),
        format!("/v1/activities/{activity}"),
        "/v1/conversations".to_owned(),
        format!("/v1/conversations/{conversation}"),
        "/v1/handoffs?state=pending".to_owned(),
        format!("/v1/handoffs/{handoff}"),
        format!("/v1/handoffs/{handoff}/packet"),
        "/v1/clocks".to_owned(),
        format!("/v1/clocks/{clock}"),
        "/v1/deals".to_owned(),
        "/v1/me/notices".to_owned(),
    ];
    for path in reads {
        let statements = sent(app, app.get(&path).by(admin)).await;
        assert_eq!(statements.len(), 1, "{path}: {statements:#?}");
    }
}

#[tandem_tests::test]
async fn a_page_reads_only_what_it_shows(app: &TestApp) {
    given_full_lead(app).await;
    let admin = app.admin().await;
    let reads_of = async |path: &str| {
        let statements = sent(app, app.get(path).by(admin)).await.join("\n");
        let tables = ["identifiers", "consents", "qualifications", "scores", "companies"];
        tables.into_iter().filter(|table| statements.contains(&format!("{table} "))).collect::<Vec<_>>()
    };
    assert!(reads_of("/v1/leads?fields=stage,created_at").await.is_empty());
    assert_eq!(reads_of("/v1/leads?fields=email").await, ["identifiers"]);
    assert_eq!(reads_of("/v1/leads?fields=may_contact").await, ["identifiers", "consents"]);
    assert_eq!(reads_of("/v1/leads?fields=mql_blocked_by,company").await, ["scores", "companies"]);
}

#[tandem_tests::test]
async fn another_setting_shows_at_once_and_is_loaded_once(app: &TestApp) {
    let lead = given_full_lead(app).await;
    let admin = app.admin().await;
    let path = format!("/v1/leads/{lead}");
    let before = app.get(&path).by(admin).await.expect(200);
    let body = json!({"purposes": [{"name": "events", "channel": "email", "label": "Events"}]});
    app.put("/v1/settings/consent-purposes").by(admin).json(body).await.expect(200);
    let after = app.get(&path).by(admin).await.expect(200);
    assert_ne!(before["may_contact"], after["may_contact"]);
    assert_ne!(before.etag(), after.etag());
    assert_eq!(sent(app, app.get(&path).by(admin)).await.len(), 1);
}

#[tandem_tests::test]
async fn a_lone_lead_takes_few_statements(app: &TestApp) {
    given_full_lead(app).await;
    let admin = app.admin().await;
    let body = json!({"email": "grace@elsewhere.example", "first_name": "Grace", "country": "GB"});
    let statements = sent(app, app.post("/v1/leads").by(admin).json(body)).await;
    assert!(statements.len() <= 20, "{}: {statements:#?}", statements.len());
}

#[tandem_tests::test]
async fn a_lone_capture_takes_few_statements_also_where_it_hands_over(app: &TestApp) {
    given_full_lead(app).await;
    let admin = app.admin().await;
    let form = json!({"name": "Ask for a demo", "service_requested": "demo", "allowed_origins": [], "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]});
    let key = app.post("/v1/forms").by(admin).json(form).await.expect(201)["key"].clone();
    let path = format!("/v1/capture/{}", key.as_str().unwrap());
    let asks = |email: &str| app.post(&path).json(json!({"fields": {"email": email}}));
    // The first one loads the form.
    asks("first@elsewhere.example").await.expect(201);
    let statements = sent(app, asks("second@another.example")).await;
    assert!(statements.iter().any(|statement| statement.contains("handoffs")), "{statements:#?}");
    assert!(statements.len() <= 24, "{}: {statements:#?}", statements.len());
}
