//! What is known of a lead beside names: budget and timeline, what its job title says; and who owns a company.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

use crate::imports::{counts, taken_in};

async fn lead(app: &TestApp, id: &str) -> Answer {
    app.get(&format!("/v1/leads/{id}")).by(app.admin().await).await.expect(200)
}

#[tandem_tests::test]
async fn a_budget_is_money_and_a_timeline_is_days(app: &TestApp) {
    let by = app.admin().await;
    let budget = json!({"amount": 2_500_000, "currency": "EUR"});
    let body = json!({"email": "ada@example.com", "budget": budget, "timeline_days": 90});
    let made = app.post("/v1/leads").by(by).json(body).await.expect(201);
    assert_eq!((&made["budget"], &made["timeline_days"]), (&budget, &json!(90)));
    let path = format!("/v1/leads/{}", made.id());
    let changed =
        app.patch(&path).by(by).json(json!({"budget": null, "timeline_days": 30})).await.expect(200);
    assert_eq!((&changed["budget"], &changed["timeline_days"]), (&Value::Null, &json!(30)));
    assert_eq!(lead(app, &made.id()).await.body, changed.body);
    let statements = app.get(&format!("{path}/fields")).by(by).await.expect(200);
    let statements = statements["data"].as_array().unwrap();
    assert!(statements.iter().any(|one| one["field"] == "budget" && one["value"] == budget));
    let journal = app.get(&format!("{path}/timeline")).by(by).await.expect(200);
    assert_eq!(journal["data"][0]["after"]["timeline_days"], 30);
    for (body, place) in [
        (json!({"budget": "20 to 30 thousand"}), "#/budget"),
        (json!({"budget": {"amount": -1, "currency": "EUR"}}), "#/budget/amount"),
        (json!({"budget": {"amount": 1}}), "#/budget/currency"),
        (json!({"timeline_days": 4000}), "#/timeline_days"),
        (json!({"timeline": "this quarter"}), "#/timeline"),
    ] {
        let refused = app.patch(&path).by(by).json(body).await.refused(422, "validation_failed");
        assert_eq!(refused.violations()[0].0, place);
    }
}

#[tandem_tests::test]
async fn a_key_does_not_replace_the_budget_that_was_typed_by_hand(app: &TestApp) {
    let made = app.given_lead("ada@example.com").await;
    let path = format!("/v1/leads/{}", made.id());
    let by_hand = json!({"amount": 100, "currency": "GBP"});
    app.patch(&path).by(app.admin().await).json(json!({"budget": by_hand})).await.expect(200);
    let key = app.key(&["leads:read", "leads:write"]).await;
    let by_key = json!({"email": "ada@example.com", "budget": {"amount": 900, "currency": "GBP"}});
    app.post("/v1/leads").by(&key).json(by_key).await.expect(200);
    assert_eq!(lead(app, &made.id()).await["budget"], by_hand);
}

#[tandem_tests::test]
async fn a_form_fills_budget_and_timeline_where_they_can_be_read(app: &TestApp) {
    let fields = json!([
        {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
        {"name": "budget", "label": "Budget", "type": "text", "maps_to": "budget"},
        {"name": "when", "label": "When", "type": "text", "maps_to": "timeline_days"},
    ]);
    let by = app.admin().await;
    let form =
        app.post("/v1/forms").by(by).json(json!({"name": "Offer", "fields": fields})).await.expect(201);
    let key = form["key"].as_str().unwrap();
    let submit = |email: &str, budget: &str, when: &str| {
        let answers = json!({"email": email, "budget": budget, "when": when});
        app.post(&format!("/v1/capture/{key}")).json(json!({"fields": answers}))
    };
    submit("a@example.com", "1.200,50 €", "60").await.expect(201);
    submit("b@example.com", "20 to 30 thousand", "this quarter").await.expect(201);
    let leads = app.get("/v1/leads").by(by).await.expect(200);
    let known: Vec<_> = leads["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lead| (&lead["email"], &lead["budget"], &lead["timeline_days"]))
        .collect();
    assert_eq!(
        known,
        [
            (&json!("a@example.com"), &json!({"amount": 120_050, "currency": "EUR"}), &json!(60)),
            (&json!("b@example.com"), &Value::Null, &Value::Null),
        ]
    );
    let kept = app.get("/v1/submissions").by(by).await.expect(200);
    assert!(kept.text.contains("accepted") && !kept.text.contains("rejected"));
    let unknown = json!({"name": "Old", "fields": [
        {"name": "email", "label": "E-mail", "type": "email", "maps_to": "email"},
        {"name": "when", "label": "When", "type": "text", "maps_to": "timeline"}]});
    app.post("/v1/forms").by(by).json(unknown).await.refused(422, "validation_failed");
}

#[tandem_tests::test]
async fn an_import_reads_budgets_and_owners_of_companies(app: &TestApp) {
    let by = app.admin().await;
    let sam = app.user("sales").await;
    let file = "email,budget,timeline_days\n\
        a@example.com,1200.50 CHF,45\n\
        b@example.com,20000,\n\
        c@example.com,much,7\n\
        d@example.com,1,soon\n";
    let done = taken_in(app, "kind=leads", None, file).await;
    assert_eq!(counts(&done), [4, 0, 0, 0, 2], "what cannot be read is omitted");
    let leads = app.get("/v1/leads").by(by).await.expect(200);
    let first = &leads["data"][0];
    assert_eq!(first["budget"], json!({"amount": 120_050, "currency": "CHF"}));
    assert_eq!(first["timeline_days"], 45);
    assert_eq!(leads["data"][1]["budget"], json!({"amount": 2_000_000, "currency": "EUR"}));

    let file = format!("domain,owner\none.example,{}\ntwo.example,nobody@example.com\n", sam.email);
    let done = taken_in(app, "kind=companies", None, file).await;
    assert_eq!(counts(&done)[..4], [1, 0, 0, 1]);
    let owned = app.get("/v1/companies?owner_id=me").by(&sam).await.expect(200);
    assert_eq!(owned["data"][0]["domain"], "one.example");
}

#[tandem_tests::test]
async fn a_job_title_says_function_and_seniority_by_the_words_in_force(app: &TestApp) {
    let by = app.admin().await;
    let body = json!({"email": "ada@example.com", "job_title": "Vertriebsleiterin"});
    let made = app.post("/v1/leads").by(by).json(body).await.expect(201);
    assert_eq!((&made["job_function"], &made["seniority"]), (&json!("sales"), &json!("head")));
    let path = format!("/v1/leads/{}", made.id());
    let refused = app.patch(&path).by(by).json(json!({"seniority": "head"})).await;
    assert_eq!(refused.refused(422, "validation_failed").violations(), [("#/seniority", "read_only_field")]);

    let usual = app.get("/v1/settings/job-words").by(by).await.expect(200);
    assert!(usual["functions"].as_array().unwrap().len() > 10);
    let words = json!({"functions": [{"name": "outside", "words": ["VERTRIEB*"]}], "seniorities": []});
    app.put("/v1/settings/job-words").by(by).json(words).await.expect(200);
    let read = lead(app, &made.id()).await;
    assert_eq!((&read["job_function"], &read["seniority"]), (&json!("outside"), &Value::Null));
    assert_ne!(read.etag(), made.etag(), "what is shown has changed");
    let listed = app.get("/v1/leads").by(by).await.expect(200);
    assert_eq!(listed["data"][0]["job_function"], "outside");
    let twice =
        json!({"functions": [{"name": "a", "words": ["*"]}, {"name": "a", "words": []}], "seniorities": []});
    let refused =
        app.put("/v1/settings/job-words").by(by).json(twice).await.refused(422, "validation_failed");
    let places: Vec<&str> = refused.violations().iter().map(|(place, _)| *place).collect();
    assert_eq!(places, ["#/functions/0/words/0", "#/functions/1/name"]);
    let sam = app.user("sales").await;
    app.put("/v1/settings/job-words")
        .by(&sam)
        .json(json!({"functions": [], "seniorities": []}))
        .await
        .refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_company_is_given_away_by_its_owner_a_sales_manager_or_revops(app: &TestApp) {
    let (sam, other, boss, rev, mia) = (
        app.user("sales").await,
        app.user("sales").await,
        app.user("sales_manager").await,
        app.user("revops").await,
        app.user("marketing").await,
    );
    let made =
        app.post("/v1/companies").by(&boss).json(json!({"domain": "example.com", "owner_id": sam.id})).await;
    let path = format!("/v1/companies/{}", made.expect(201).id());
    let give = |by: &tandem_tests::User, to: Value| app.patch(&path).by(by).json(json!({"owner_id": to}));
    give(&other, json!(other.id)).await.refused(403, "not_owner");
    give(&mia, json!(other.id)).await.refused(403, "wrong_role");
    give(&sam, json!(mia.id)).await.refused(422, "validation_failed");
    assert_eq!(give(&sam, json!(other.id)).await.expect(200)["owner_id"], other.id);
    assert_eq!(give(&rev, Value::Null).await.expect(200)["owner_id"], Value::Null);
    assert_eq!(give(&other, json!(other.id)).await.expect(200)["owner_id"], other.id);
    app.patch(&path)
        .by(&rev)
        .json(json!({"owner_id": sam.id, "industry": "books"}))
        .await
        .refused(403, "wrong_role");
    let owned =
        |by: &tandem_tests::User, owner: &str| app.get(&format!("/v1/companies?owner_id={owner}")).by(by);
    assert_eq!(owned(&other, "me").await.expect(200).each("domain"), ["example.com"]);
    assert_eq!(owned(&sam, "me").await.expect(200).each("domain"), Vec::<String>::new());
    assert_eq!(owned(&boss, "none").await.expect(200).each("domain"), Vec::<String>::new());
    let of_lead =
        json!({"email": "ada@example.com", "company": {"domain": "example.com", "owner_id": sam.id}});
    let refused = app.post("/v1/leads").by(&boss).json(of_lead).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/company/owner_id", "read_only_field")]);
}
