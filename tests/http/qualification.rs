//! Budget, authority, need and timeline: proposed by those who may edit a lead, confirmed by sales, asked by rules.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User};

use crate::agreement::agree;

async fn say(app: &TestApp, by: &User, lead: &str, said: Value) -> Answer {
    app.patch(&format!("/v1/leads/{lead}/qualification")).by(by).json(said).await
}

async fn read(app: &TestApp, lead: &str) -> Answer {
    app.get(&format!("/v1/leads/{lead}")).by(app.admin().await).await.expect(200)
}

/// A lead that a sales user accepted and owns.
async fn given_sal(app: &TestApp, by: &User) -> String {
    let lead = app.given_lead(&format!("lead{}@example.com", app.next())).await.id();
    app.moved(&lead, "mql", None).await;
    let to_sal = json!({"to": "sal"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(by).json(to_sal).await.expect(201);
    lead
}

async fn moves_to(app: &TestApp, by: &User, lead: &str, to: &str) -> Option<Value> {
    let listed = app.get(&format!("/v1/leads/{lead}/moves")).by(by).await.expect(200);
    listed["data"].as_array().unwrap().iter().find(|one| one["to"] == to).cloned()
}

#[tandem_tests::test]
async fn those_who_only_propose_leave_what_is_confirmed_alone(app: &TestApp) {
    let (mia, sam, max) =
        (app.user("marketing").await, app.user("sales").await, app.user("sales_manager").await);
    let lead = given_sal(app, &sam).await;
    let key = app.key(&["leads:read", "leads:write"]).await;
    let path = format!("/v1/leads/{lead}/qualification");
    let by_key = app.patch(&path).by(&key).json(json!({"need": {"value": "10 bikes"}})).await.expect(200);
    let need = &by_key["qualification"]["need"];
    assert_eq!((&need["state"], &need["source"]), (&json!("proposed"), &json!("api")));
    app.patch(&path).by(&key).json(json!({"need": {"confirmed": true}})).await.refused(403, "wrong_role");

    let confirmed = say(app, &sam, &lead, json!({"need": {"confirmed": true}})).await.expect(200);
    let need = &confirmed["qualification"]["need"];
    assert_eq!(
        (&need["state"], &need["value"], &need["confirmed_by"]),
        (&json!("confirmed"), &json!("10 bikes"), &json!(sam.id))
    );
    say(app, &mia, &lead, json!({"need": {"value": "99 bikes"}})).await.refused(403, "wrong_role");
    say(app, &mia, &lead, json!({"budget": {"value": "a lot"}})).await.expect(200);
    let changed = say(app, &max, &lead, json!({"need": {"value": "40 bikes"}})).await.expect(200);
    let need = &changed["qualification"]["need"];
    assert_eq!((&need["value"], &need["confirmed_by"]), (&json!("40 bikes"), &json!(max.id)));
    assert_eq!(read(app, &lead).await["qualification"], changed["qualification"]);

    let told = app.get(&format!("/v1/leads/{lead}/timeline")).by(&sam).await.expect(200);
    let told = told["data"].as_array().unwrap().iter();
    assert_eq!(
        told.filter(|entry| entry["type"] == "qualification.updated").count(),
        4,
        "what changed something"
    );
}

#[tandem_tests::test]
async fn what_an_sql_needs_is_what_the_agreement_in_force_asks_for(app: &TestApp) {
    let sam = app.user("sales").await;
    let (one, two, old) =
        (given_sal(app, &sam).await, given_sal(app, &sam).await, given_sal(app, &sam).await);
    app.qualified(&old).await;
    say(app, &sam, &one, json!({"need": {"confirmed": true}})).await.expect(200);
    let listed = moves_to(app, &sam, &one, "sql").await.unwrap();
    assert_eq!(
        (&listed["act"]["operation_id"], &listed["act"]["method"], &listed["requires"]),
        (&json!("update_qualification"), &json!("PATCH"), &json!(["confirmation"]))
    );

    agree(app, |document| document["stages"]["sql"]["bant"] = json!(["need"])).await;
    assert_eq!(read(app, &one).await["stage"], "sal", "an agreement moves nobody");
    let listed = moves_to(app, &sam, &one, "sql").await.unwrap();
    assert_eq!(
        (&listed["act"]["operation_id"], &listed["requires"]),
        (&json!("create_transition"), &json!([]))
    );
    let by_hand = json!({"to": "sql"});
    app.post(&format!("/v1/leads/{one}/transitions")).by(&sam).json(by_hand).await.expect(201);

    agree(app, |document| document["stages"]["sql"]["bant"] = json!([])).await;
    let accepted = given_sal(app, &sam).await;
    assert_eq!(read(app, &accepted).await["stage"], "sql", "where nothing is asked for, acceptance is SQL");

    let all = json!(["budget", "authority", "need", "timeline"]);
    agree(app, |document| document["stages"]["sql"]["bant"] = all).await;
    for lead in [&one, &old, &accepted] {
        assert_eq!(read(app, lead).await["stage"], "sql", "more items move no SQL back");
    }
    let deal = json!({"name": "A deal", "lead_ids": [two], "qualification": {"need": {"confirmed": true}}});
    let refused = app.post("/v1/deals").by(&sam).json(deal).await.refused(409, "lead_not_sql");
    assert_eq!(refused["current"], "sal");
    assert_eq!(
        read(app, &two).await["qualification"]["need"],
        Value::Null,
        "a refused deal confirms nothing"
    );
    let company =
        app.post("/v1/companies").by(&sam).json(json!({"domain": "example.org"})).await.expect(201).id();
    let deal = json!({"name": "B", "company_id": company, "qualification": {"need": {"confirmed": true}}});
    let refused = app.post("/v1/deals").by(&sam).json(deal).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/qualification", "not_allowed")]);
}

#[tandem_tests::test]
async fn a_condition_asks_whether_an_item_is_confirmed(app: &TestApp) {
    let sam = app.user("sales").await;
    let asks = json!({"field": "qualification.budget.confirmed", "op": "eq", "value": true});
    agree(app, |document| document["icp"] = asks).await;
    let lead = given_sal(app, &sam).await;
    let nurture = || json!({"to": "nurture", "reason": "no_budget"});
    let path = format!("/v1/leads/{lead}/transitions");
    app.post(&path).by(&sam).json(nurture()).await.expect(201);
    let blocked = json!("icp:qualification.budget.confirmed");
    let is_blocked = async || read(app, &lead).await["mql_blocked_by"].as_array().unwrap().contains(&blocked);
    assert!(is_blocked().await);

    app.moved(&lead, "mql", None).await;
    app.post(&path).by(&sam).json(json!({"to": "sal"})).await.expect(201);
    say(app, &sam, &lead, json!({"budget": {"value": "50,000 EUR", "confirmed": true}})).await.expect(200);
    app.post(&path).by(&sam).json(nurture()).await.expect(201);
    assert!(!is_blocked().await, "confirmed in this cycle");
}

#[tandem_tests::test]
async fn forms_imports_and_keys_propose_and_what_users_said_stays(app: &TestApp) {
    let sam = app.user("sales").await;
    let fields = json!([
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "budget", "label": "Budget", "type": "text", "maps_to": "budget"},
        {"name": "when", "label": "When", "type": "text", "maps_to": "timeline_days"},
        {"name": "need", "label": "Need", "type": "text", "maps_to": "need"},
    ]);
    let form = json!({"name": "Offer", "fields": fields});
    let form = app.post("/v1/forms").by(app.admin().await).json(form).await.expect(201);
    let capture = format!("/v1/capture/{}", form["key"].as_str().unwrap());
    let submit = |answers: Value| app.post(&capture).json(json!({"fields": answers}));
    let proposed = |item: &Value| {
        (item["value"].clone(), item["state"].clone(), item["source"].clone(), item["confirmed_by"].clone())
    };
    let of = |value: &str, source: &str| (json!(value), json!("proposed"), json!(source), Value::Null);

    submit(json!({"email": "ada@example.com", "budget": "1.200,50 €", "when": "60", "need": "40 bikes"}))
        .await
        .expect(201);
    let lead = crate::tracked::lead(app, "ada@example.com").await;
    let known = &lead["qualification"];
    assert_eq!(proposed(&known["budget"]), of("1200.50 EUR", "form"));
    assert_eq!(proposed(&known["timeline"]), of("60 days", "form"));
    assert_eq!(proposed(&known["need"]), of("40 bikes", "form"));
    assert_eq!(proposed(&known["authority"]).0, Value::Null);

    let lead = lead.id();
    app.moved(&lead, "mql", None).await;
    let to_sal = json!({"to": "sal"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(&sam).json(to_sal).await.expect(201);
    say(app, &sam, &lead, json!({"need": {"confirmed": true}, "authority": {"value": "The boss"}}))
        .await
        .expect(200);
    say(app, &sam, &lead, json!({"timeline": {"value": "in summer"}})).await.expect(200);
    app.clock.advance(tandem_tests::minutes(2));
    submit(json!({"email": "ada@example.com", "budget": "9000 EUR", "when": "5", "need": "nothing"}))
        .await
        .expect(201);
    let lead = crate::tracked::lead(app, "ada@example.com").await;
    let known = &lead["qualification"];
    assert_eq!(proposed(&known["budget"]), of("9000.00 EUR", "form"));
    assert_eq!(proposed(&known["timeline"]), of("in summer", "hand"));
    let need = &known["need"];
    assert_eq!(
        (&need["value"], &need["state"], &need["confirmed_by"]),
        (&json!("40 bikes"), &json!("confirmed"), &json!(sam.id))
    );

    let file = "email,budget,timeline_days\nbob@example.com,20000 CHF,45\n";
    crate::imports::taken_in(app, "kind=leads", None, file).await;
    let key = app.key(&["leads:read", "leads:write"]).await;
    let need = json!({"email": "bob@example.com", "need": "A crane"});
    let bob = app.post("/v1/leads").by(&key).json(need).await.expect(200);
    assert_eq!(proposed(&bob["qualification"]["budget"]), of("20000.00 CHF", "import"));
    assert_eq!(proposed(&bob["qualification"]["timeline"]), of("45 days", "import"));
    assert_eq!(proposed(&bob["qualification"]["need"]), of("A crane", "api"));
    assert_eq!(bob["stage"], "lead");
}
