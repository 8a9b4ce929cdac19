//! Revenue after the win: recorded once, corrected, summed up beside what was booked.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User};

use crate::deals::{close, given_sql, open, post};
use crate::imports::{counts, taken_in};

async fn figure(app: &TestApp, by: &User, name: &str, query: &str) -> Value {
    let report = app.get(&format!("/v1/reports/kpis?{query}")).by(by).await.expect(200);
    let figures = report["figures"].as_array().unwrap();
    figures.iter().find(|one| one["figure"] == name).unwrap().clone()
}

async fn entry(app: &TestApp, by: impl AsRef<str>, id: &str, more: Value) -> Answer {
    let mut body = json!({"on": "2026-03-02", "amount": {"amount": 1000, "currency": "EUR"}, "kind": "invoice",
        "external_id": {"system": "erp", "id": id}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/v1/revenue").by(by).json(body).await
}

#[tandem_tests::test]
async fn an_entry_is_recorded_once_and_corrected_by_its_external_id(app: &TestApp) {
    let erp = app.key(&["deals:read", "deals:write"]).await;
    let lead = given_sql(app).await;
    let admin = app.admin().await;
    let company = app.get(&format!("/v1/leads/{lead}")).by(admin).await.expect(200)["company"]["id"].clone();
    let made = entry(app, &erp, "1", json!({"company_id": company})).await.expect(201);
    assert_eq!(made.header("location"), Some(format!("/v1/revenue/{}", made.id()).as_str()));
    let again = entry(app, &erp, "1", json!({"company_id": company})).await.expect(200);
    assert_eq!((again.body.clone(), again.etag()), (made.body.clone(), made.etag()), "nothing changes");
    let amount = json!({"amount": 1200, "currency": "EUR"});
    let corrected = entry(app, &erp, "1", json!({"company_id": company, "amount": amount})).await.expect(200);
    assert_eq!((&corrected["id"], &corrected["amount"]), (&made["id"], &amount));
    assert_eq!(
        app.get(&format!("/v1/revenue/{}", made.id())).by(&erp).await.expect(200).body,
        corrected.body
    );
    let refund = json!({"lead_id": lead, "kind": "refund", "on": "2026-03-05"});
    let refund = entry(app, &erp, "2", refund).await.expect(201);
    for (more, place, code) in [
        (json!({}), "#/company_id", "required"),
        (json!({"company_id": company, "lead_id": lead}), "#/lead_id", "not_allowed"),
        (json!({"lead_id": "lead_01h455vb4pex5vsknk084sn02q"}), "#/lead_id", "not_found"),
        (json!({"company_id": "company_01h455vb4pex5vsknk084sn02q"}), "#/company_id", "not_found"),
    ] {
        let refused = entry(app, &erp, "3", more).await.refused(422, "validation_failed");
        assert_eq!(refused.violations(), [(place, code)]);
    }
    for (query, expected) in [
        ("".to_owned(), vec![made.id(), refund.id()]),
        (format!("lead_id={lead}"), vec![refund.id()]),
        (format!("company_id={}", company.as_str().unwrap()), vec![made.id()]),
        ("kind=refund,renewal".to_owned(), vec![refund.id()]),
        ("on_gte=2026-03-05".to_owned(), vec![refund.id()]),
        ("on_lt=2026-03-05".to_owned(), vec![made.id()]),
    ] {
        let listed = app.get(&format!("/v1/revenue?{query}")).by(&erp).await.expect(200);
        assert_eq!(listed.each("id"), expected, "{query}");
    }
}

#[tandem_tests::test]
async fn booked_and_collected_stand_side_by_side(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_sql(app).await;
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let quote =
        json!({"number": "Q-1", "amount": {"amount": 1, "currency": "EUR"}, "sent_at": app.clock.now()});
    let quote = post(app, &sam, &format!("/v1/deals/{deal}/quotes"), quote).await.expect(201).id();
    let draft = json!({"number": "Q-2", "amount": {"amount": 1, "currency": "EUR"}});
    post(app, &sam, &format!("/v1/deals/{deal}/quotes"), draft).await.expect(201);
    close(app, &sam, &deal, "won").await.expect(200);
    let march = "from=2026-03-01&to=2026-04-01";
    let manager = app.user("sales_manager").await;
    let booked = figure(app, &manager, "booked", march).await;
    assert_eq!(
        (&booked["value"], &booked["cases"], &booked["unit"]),
        (&json!(5_000_000.0), &json!(1), &json!("money"))
    );
    let collected = figure(app, &manager, "collected", march).await;
    assert_eq!((&collected["value"], &collected["cases"]), (&json!(0.0), &json!(0)));
    let sent = figure(app, &manager, "quotes_sent", march).await;
    assert_eq!((&sent["value"], &sent["unit"]), (&json!(1.0), &json!("count")));
    let evidence = app.get(sent["evidence"].as_str().unwrap()).by(&manager).await.expect(200);
    assert_eq!((evidence.each("id"), &evidence["total_count"]), (vec![quote], &json!(1)));

    entry(app, &sam, "1", json!({"lead_id": lead, "amount": {"amount": 700, "currency": "EUR"}}))
        .await
        .expect(201);
    let renewal = json!({"lead_id": lead, "kind": "renewal", "amount": {"amount": 500, "currency": "EUR"}});
    entry(app, &sam, "2", renewal).await.expect(201);
    let refund = json!({"lead_id": lead, "kind": "refund", "amount": {"amount": 300, "currency": "EUR"}});
    entry(app, &sam, "3", refund).await.expect(201);
    entry(app, &sam, "4", json!({"lead_id": lead, "on": "2026-04-01"})).await.expect(201);
    let collected = figure(app, &manager, "collected", march).await;
    assert_eq!((&collected["value"], &collected["cases"]), (&json!(900.0), &json!(3)));
    let evidence = app.get(collected["evidence"].as_str().unwrap()).by(&manager).await.expect(200);
    assert_eq!(evidence["data"].as_array().unwrap().len(), 3);
    let filtered = figure(app, &manager, "collected", &format!("{march}&channel=email")).await;
    assert_eq!(filtered["value"], Value::Null, "no filter divides it");
    let customers = format!("/v1/reports/customers/evidence?{march}");
    let customers = app.get(&customers).by(&manager).await.expect(200);
    assert_eq!(customers["data"][0]["revenue"]["amount"], 900, "what was collected, not what was booked");

    let foreign = json!({"lead_id": lead, "amount": {"amount": 500, "currency": "NOK"}});
    entry(app, &sam, "5", foreign).await.expect(201);
    let unknown = figure(app, &manager, "collected", march).await;
    assert_eq!((&unknown["value"], &unknown["cases"]), (&Value::Null, &json!(4)), "no rate converts it");
}

#[tandem_tests::test]
async fn revenue_is_imported_once(app: &TestApp) {
    let lead = given_sql(app).await;
    let admin = app.admin().await;
    app.post("/v1/companies").by(admin).json(json!({"domain": "firm.example"})).await.expect(201);
    let mapping = json!({"fields": {
        "external_id": {"column": "no", "system": "erp"}, "lead.id": {"column": "lead"},
        "company.domain": {"column": "domain"}, "on": {"column": "day"}, "amount": {"column": "amount"},
        "kind": {"column": "kind"},
    }});
    let file = format!(
        "no,lead,domain,day,amount,kind\n1,{lead},,2026-03-02,10.00,\n2,,firm.example,2026-03-03,5.00,refund\n\
         3,,other.example,2026-03-03,5.00,invoice\n4,{lead},,2026-03-03,5.00,gift\n5,{lead},,,5.00,invoice\n\
         1,{lead},,2026-03-02,12.00,\n"
    );
    let import = taken_in(app, "kind=revenue", Some(mapping.clone()), file.clone()).await;
    assert_eq!(counts(&import), [2, 1, 0, 3, 0]);
    let listed = app.get("/v1/revenue").by(admin).await.expect(200);
    let amounts: Vec<&Value> =
        listed["data"].as_array().unwrap().iter().map(|one| &one["amount"]["amount"]).collect();
    assert_eq!(
        (listed.each("kind"), amounts),
        (vec!["invoice".into(), "refund".into()], vec![&json!(1200), &json!(500)])
    );
    let again = taken_in(
        app,
        "kind=revenue",
        Some(mapping),
        file.replace("12.00", "10.00").replacen("10.00", "12.00", 1),
    )
    .await;
    assert_eq!(counts(&again)[0], 0, "nothing is doubled");
    assert_eq!(app.get("/v1/revenue").by(admin).await.expect(200)["total_count"], 2);
}
