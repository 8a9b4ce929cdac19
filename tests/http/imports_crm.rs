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
