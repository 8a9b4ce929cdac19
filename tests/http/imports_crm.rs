//! Files as CRMs and spreadsheets write them, without a mapping.

use serde_json::{Value, json};
use tandem_tests::TestApp;

use crate::imports::{counts, taken_in};

async fn lead(app: &TestApp, email: &str) -> Value {
    let found = app.get(&format!("/v1/leads?email={email}")).by(app.admin().await).await.expect(200);
    found["data"][0].clone()
}

#[tandem_tests::test]
async fn an_export_is_taken_in_as_it_comes(app: &TestApp) {
    let by = app.admin().await;
    let file = "sep=;\r\n\
        Lead ID;First Name;Last Name;Company / Account;Email;Phone;Website;Country;;\r\n\
        00Q1;Ada;Lovelace;Acme;ada@one.example;ask the assistant;https://www.acme.example/about;GB;;\r\n\
        ;;;;;;;;;\r\n\
        00Q2;Bob;Byron;Acme;bob@two.example;+44 20 7946 0000;acme.example;United Kingdom\r\n\
        1.23457E+11;Eve;Adams;;eve@three.example;;;IT;;\r\n\
        00Q4;;;;not an address;;;;;\r\n";
    let import = taken_in(app, "kind=leads", None, file).await;
    assert_eq!(counts(&import), [3, 0, 0, 1, 2], "{}", import.text);
    let [ada, bob] = [lead(app, "ada@one.example").await, lead(app, "bob@two.example").await];
    assert_eq!(ada["external_ids"][0], json!({"system": "import", "id": "00Q1"}));
    assert_eq!((&ada["phones"], &ada["company"]["domain"]), (&json!([]), &json!("acme.example")));
    assert_eq!((&bob["company"]["id"], &bob["first_name"]), (&ada["company"]["id"], &json!("Bob")));
    assert_eq!(bob["country"], "GB");
    let rows = async |which: &str| {
        let path = format!("/v1/imports/{}/{which}", import.id());
        app.get(&path).by(by).await.expect(200).text
    };
    let warnings = rows("warnings").await;
    assert!(warnings.contains("\n1,3,unreadable_phone,"), "{warnings}");
    assert!(warnings.contains("ask the assistant"), "the row stands there as it came: {warnings}");
    assert!(warnings.contains("\n3,6,rounded_number,"), "{warnings}");
    assert!(rows("rejects").await.contains("\n4,7,invalid_format,"), "{}", rows("rejects").await);
    // Our own ids in such a column are known.
    let id = ada["id"].as_str().unwrap();
    let again = taken_in(app, "kind=leads", None, format!("Record ID,Job Title\n{id},CEO\n")).await;
    assert_eq!(counts(&again), [0, 1, 0, 0, 0], "{}", again.text);
    assert_eq!(lead(app, "ada@one.example").await["job_title"], "CEO");
}

#[tandem_tests::test]
async fn a_deal_may_be_a_company_s_alone(app: &TestApp) {
    let by = app.admin().await;
    let file = "Record ID,Deal Name,Associated Company,Close Date,Amount,outcome\n\
        1,Big,Acme,2025-05-01,1200.50,won\n2,Small,Acme,2025-06-01,10,won\n3,Nobody's,,2025-06-01,10,won\n";
    let import = taken_in(app, "kind=deals&mode=history", None, file).await;
    assert_eq!(counts(&import)[..4], [2, 0, 0, 1], "{}", import.text);
    let deals = app.get("/v1/deals").by(by).await.expect(200);
    let companies = deals.each("company_id");
    assert_eq!(companies.len(), 2);
    assert!(companies[0] == companies[1] && !companies[0].is_empty(), "{}", deals.text);
    let again = taken_in(app, "kind=deals&mode=history", None, file).await;
    assert_eq!(counts(&again)[..4], [0, 0, 2, 1]);
}

#[tandem_tests::test]
async fn a_company_of_a_rejected_deal_is_created_by_the_next_deal(app: &TestApp) {
    let file = "Record ID,Deal Name,Associated Company,Create Date,Close Date,Amount,outcome\n\
        1,Early,Acme,2025-06-01,2025-05-01,10,won\n2,Small,Acme,2025-05-01,2025-06-01,10,won\n";
    let import = taken_in(app, "kind=deals&mode=history", None, file).await;
    assert_eq!(counts(&import)[..4], [1, 0, 0, 1], "{}", import.text);
    let deals = app.get("/v1/deals").by(app.admin().await).await.expect(200);
    let id = deals["data"][0]["company_id"].as_str().unwrap();
    let company = app.get(&format!("/v1/companies/{id}")).by(app.admin().await).await.expect(200);
    assert_eq!(company["name"], "Acme");
}

#[tandem_tests::test]
async fn rows_about_archived_leads_are_warned_of(app: &TestApp) {
    let by = app.admin().await;
    let id = app.given_lead("ada@one.example").await.id();
    app.post(&format!("/v1/leads/{id}/archive")).by(by).await.expect(200);
    let import = taken_in(app, "kind=leads", None, "email,job_title\nada@one.example,CEO\n").await;
    assert_eq!(counts(&import), [0, 1, 0, 0, 1], "{}", import.text);
    let path = format!("/v1/imports/{}/warnings", import.id());
    assert!(app.get(&path).by(by).await.expect(200).text.contains(",archived,"));
}

#[tandem_tests::test]
async fn one_unfit_value_does_not_cost_the_row(app: &TestApp) {
    let by = app.admin().await;
    let fields = json!({"fields": [
        {"name": "seats", "label": "Seats", "type": "integer"}, {"name": "since", "label": "Since", "type": "date"}]});
    app.put("/v1/settings/custom-fields").by(by).json(fields).await.expect(200);
    let file = "email,country,company.name,company.domain,company.employees,company.country,budget,timeline_days,job_title,custom.seats,custom.since\n\
        a@one.example,Deutschland,One,n/a,11-50,Atlantis,about 20k,soon,CEO,many,0024-03-02\n\
        b@two.example,Atlantis,Two,two.example,\"1,001-5,000\",España,\"1.200,50 €\",30.0,CEO,\"1,500\",2024-03-02\n\
        c@three.example,Italia,Three,,51+,Österreich,,,CEO,12.0,9999-12-31\n\
        d@four.example,IT,Four,,\"1,200\",,1.500,,CEO,,\n";
    let import = taken_in(app, "kind=leads", None, file).await;
    assert_eq!(counts(&import), [3, 0, 0, 1, 3], "{}", import.text);
    let path = |which: &str| format!("/v1/imports/{}/{which}", import.id());
    let warnings = app.get(&path("warnings")).by(by).await.expect(200).text;
    for field in
        ["11-50", "company.domain:", "budget:", "timeline_days:", "company.country:", "custom.seats:"]
    {
        assert!(warnings.contains(field), "{field} {warnings}");
    }
    let rejects = app.get(&path("rejects")).by(by).await.expect(200).text;
    assert!(rejects.contains("\n4,5,ambiguous,"), "{rejects}");
    let a = lead(app, "a@one.example").await;
    assert_eq!((&a["country"], &a["company"]["name"]), (&json!("DE"), &json!("One")), "{a}");
    assert_eq!((&a["budget"], &a["job_title"]), (&Value::Null, &json!("CEO")));
    let b = lead(app, "b@two.example").await;
    assert_eq!((&b["country"], &b["timeline_days"]), (&Value::Null, &json!(30)), "{b}");
    assert_eq!(b["budget"], json!({"amount": 120_050, "currency": "EUR"}));
    assert_eq!((&b["custom"]["seats"], &b["custom"]["since"]), (&json!(1500), &json!("2024-03-02")));
    let c = lead(app, "c@three.example").await;
    assert_eq!((&c["country"], &c["custom"]["seats"]), (&json!("IT"), &json!(12)), "{c}");
    let mapping = json!({"fields": {"email": "email", "budget": {"column": "budget", "decimal": ","}}});
    let again = taken_in(app, "kind=leads", Some(mapping), file).await;
    assert_eq!(counts(&again)[3], 0, "{}", again.text);
    assert_eq!(lead(app, "d@four.example").await["budget"]["amount"], 150_000);
    let file = "name,domain,country,employees\nAcme,n/a,Deutschland,11-50\n,n/a,,\n";
    let companies = taken_in(app, "kind=companies", None, file).await;
    assert_eq!(counts(&companies), [1, 0, 0, 1, 1], "{}", companies.text);
}

#[tandem_tests::test]
async fn deals_are_taken_in_as_crms_export_them(app: &TestApp) {
    let by = app.admin().await;
    let hubspot = "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Associated Company\n\
        1,Bikes,closedwon,2025-05-01 10:00,Ada Lovelace,\"$1,200.00\",Acme\n\
        2,Locks,closedlost,2025-06-01 10:00,Ada Lovelace,300,Acme\n\
        3,Bells,,2027-06-01 10:00,,300,Acme\n\
        4,Chains,appointmentscheduled,2027-06-01 10:00,,300,Acme\n";
    let import = taken_in(app, "kind=deals", None, hubspot).await;
    assert_eq!((counts(&import)[0], counts(&import)[3]), (3, 1), "{}", import.text);
    let rejects = app.get(&format!("/v1/imports/{}/rejects", import.id())).by(by).await.expect(200).text;
    assert!(rejects.contains("by `map`"), "{rejects}");
    let pipedrive = "Deal - ID,Deal - Title,Deal - Organization,Deal - Value,Deal - Currency,Deal - Stage,Deal - Status,Deal - Deal created,Deal - Deal closed on,Deal - Expected close date,Deal - Pipeline\n\
        11,Fleet,Globex,1200,EUR,Proposal made,Won,2025-01-01 09:00:00,2025-02-01 09:00:00,,Pipeline\n\
        12,Repair,Globex,90,EUR,,Open,2025-01-01 09:00:00,,2026-12-31,Pipeline\n";
    let import = taken_in(app, "kind=deals", None, pipedrive).await;
    assert_eq!(counts(&import)[..4], [2, 0, 0, 0], "{}", import.text);
    let salesforce = "Opportunity Owner,Account Name,Opportunity Name,Stage,Amount,Close Date,Created Date,Opportunity ID\n\
        Sam,Initech,Printers,Closed Won,\"USD 5,000.00\",2025-03-01,2025-01-01,006A\n\
        Sam,Initech,Toner,Closed Lost,10.00,2025-03-01,2025-01-01,006B\n";
    let import = taken_in(app, "kind=deals", None, salesforce).await;
    assert_eq!(counts(&import)[..4], [2, 0, 0, 0], "{}", import.text);
    let deals = app.get("/v1/deals?limit=200").by(by).await.expect(200);
    let mut found: Vec<_> = deals["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deal| format!("{} {} {}", deal["name"], deal["state"], deal["amount"]["amount"]))
        .collect();
    found.sort();
    let expected = [
        r#""Bells" "open" 30000"#,
        r#""Bikes" "won" 120000"#,
        r#""Fleet" "won" 120000"#,
        r#""Locks" "lost" 30000"#,
        r#""Printers" "won" 500000"#,
        r#""Repair" "open" 9000"#,
        r#""Toner" "lost" 1000"#,
    ];
    assert_eq!(found, expected, "{}", deals.text);
    let of = |name: &str| deals["data"].as_array().unwrap().iter().find(|deal| deal["name"] == name).unwrap();
    assert_eq!(of("Bells")["expected_close_on"], "2027-06-01");
}

#[tandem_tests::test]
async fn a_wrong_date_of_a_company_is_corrected_by_importing_again(app: &TestApp) {
    let by = app.admin().await;
    let live = app
        .post("/v1/companies")
        .by(by)
        .json(json!({"name": "Live", "domain": "live.example"}))
        .await
        .expect(201);
    let dated = async |domain: &str, on: &str| {
        let file = format!("domain,name,created_at\n{domain},Acme,{on}\n");
        let import = taken_in(app, "kind=companies&mode=history", None, file).await;
        assert_eq!(counts(&import)[3], 0, "{}", import.text);
        let found = app.get(&format!("/v1/companies?domain={domain}")).by(by).await.expect(200);
        found["data"][0]["created_at"].as_str().unwrap().to_owned()
    };
    assert!(dated("acme.example", "2002-03-04").await.starts_with("2002-03-0"));
    assert!(dated("acme.example", "2024-03-04").await.starts_with("2024-03-0"));
    assert!(dated("acme.example", "2023-03-04").await.starts_with("2023-03-0"));
    let created_at = live["created_at"].as_str().unwrap();
    app.clock.advance(tandem_tests::minutes(5));
    assert_eq!(dated("live.example", "2035-01-02").await, created_at, "it was created here before");
    assert!(dated("live.example", "2020-03-04").await.starts_with("2020-03-0"), "it was known before");
}

#[tandem_tests::test]
async fn a_date_of_long_ago_takes_no_report_down(app: &TestApp) {
    let by = app.admin().await;
    let file = "email,created_at\nold@one.example,1970-05-01\nnew@two.example,2025-12-01\n";
    let import = taken_in(app, "kind=leads&mode=history", None, file).await;
    assert_eq!(counts(&import)[..4], [2, 0, 0, 0], "{}", import.text);
    for (by_what, begins) in [("month", "1976-"), ("week", "2014-"), ("quarter", "null")] {
        let path = format!("/v1/reports/funnel?by={by_what}");
        let report = app.get(&path).by(by).await.expect(200);
        let from = report["period"]["from"].as_str().unwrap_or("null");
        assert!(from.starts_with(begins), "{by_what} begins {from}");
        let rows = report["rows"].as_array().unwrap();
        assert!(rows.len() <= 600, "{by_what} {}", rows.len());
        let activity = app.get(&format!("{path}&basis=activity")).by(by).await.expect(200);
        assert!(!activity["rows"].as_array().unwrap().is_empty());
    }
    app.get("/v1/reports/funnel?by=week&from=1970-01-01").by(by).await.refused(400, "invalid_parameter");
    let all = app.get("/v1/reports/funnel?by=source").by(by).await.expect(200);
    assert_eq!(all["period"]["from"], Value::Null);
}

#[tandem_tests::test]
async fn moves_of_one_instant_are_listed_as_the_lead_went(app: &TestApp) {
    let by = app.admin().await;
    for (email, order) in
        [("a@one.example", [0, 1, 2]), ("b@two.example", [2, 0, 1]), ("c@three.example", [1, 2, 0])]
    {
        let known = format!("email,created_at\n{email},2025-01-01\n");
        taken_in(app, "kind=leads&mode=history", None, known).await;
        for to in order.map(|at| ["mql", "sal", "sql"][at]) {
            let moved = format!("lead.email,to,at\n{email},{to},2025-02-01\n");
            let import = taken_in(app, "kind=stage_changes", None, moved).await;
            assert_eq!(counts(&import)[3], 0, "{}", import.text);
        }
        let id = lead(app, email).await["id"].as_str().unwrap().to_owned();
        let made = app.get(&format!("/v1/leads/{id}/transitions")).by(by).await.expect(200);
        assert_eq!(made.each("to"), ["lead", "mql", "sal", "sql"], "{email} {}", made.text);
    }
}
