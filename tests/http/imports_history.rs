//! Imports of history: it bears its own dates, in any order, and the same file again changes nothing.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp};

use crate::imports::{LEADS, counts, leads_mapping, taken_in};

async fn rows(app: &TestApp, import: &Answer, which: &str) -> Vec<String> {
    let path = format!("/v1/imports/{}/{which}", import.id());
    let answer = app.get(&path).by(app.admin().await).await.expect(200);
    answer.text.lines().map(str::to_owned).collect()
}

async fn by_external_id(app: &TestApp, id: &str) -> Answer {
    app.get(&format!("/v1/leads/by-external-id/crm/{id}")).by(app.admin().await).await.expect(200)
}

async fn history_of(app: &TestApp, lead: &str) -> Vec<(String, String)> {
    let path = format!("/v1/leads/{lead}/transitions");
    let told = app.get(&path).by(app.admin().await).await.expect(200);
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    told["data"].as_array().unwrap().iter().map(|one| (text(one, "to"), text(one, "at"))).collect()
}

#[tandem_tests::test]
async fn history_bears_its_own_dates(app: &TestApp) {
    let import = taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    assert_eq!((&import["state"], counts(&import)), (&json!("done"), [2, 0, 0, 2, 0]), "{}", import.text);
    assert_eq!(import["progress"]["rows"], 4);
    assert_eq!(import["unused_columns"], json!([]));

    let ada = by_external_id(app, "a-1").await;
    assert_eq!(ada["created_at"], "2025-02-28T23:00:00.000Z", "midnight in Rome");
    assert_eq!((&ada["first_name"], &ada["last_name"]), (&json!("Ada"), &json!("Lovelace")));
    assert_eq!(ada["first_touch"]["source"], "paid_search");
    let charles = by_external_id(app, "a-2").await;
    assert_eq!(
        (&charles["first_name"], &charles["first_touch"]["source"]),
        (&json!("Charles"), &json!("unknown"))
    );
    assert_eq!(charles["created_at"], "2025-03-02T09:30:00.000Z");

    let rejects = rows(app, &import, "rejects").await;
    assert_eq!(rejects[0], "row,line,code,detail,Id,Contact,Mail,Origin,First contact");
    assert!(
        rejects[1].starts_with("3,4,invalid_format,email: not an e-mail address,a-3,Eve,"),
        "{}",
        rejects[1]
    );
    assert!(rejects[2].starts_with("4,5,invalid_format,\"created_at: is not a date"), "{}", rejects[2]);
    assert_eq!(rejects.len(), 3);

    let journal = app.get("/v1/journal?type=lead.created").by(app.admin().await).await.expect(200);
    assert!(
        journal["data"].as_array().unwrap().iter().all(|entry| entry["imported"] == true),
        "{}",
        journal.text
    );
}

#[tandem_tests::test]
async fn the_same_file_again_changes_nothing(app: &TestApp) {
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    let before = by_external_id(app, "a-1").await;
    let again = taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    assert_eq!(counts(&again), [0, 0, 2, 2, 0]);
    assert_eq!(by_external_id(app, "a-1").await.body, before.body);
}

#[tandem_tests::test]
async fn the_same_file_again_changes_nothing_also_under_newer_statements(app: &TestApp) {
    let file = "email,country,created_at\nada@example.com,IT,2020-01-01\n";
    taken_in(app, "kind=leads&mode=history", None, file).await;
    let key = app.key(&["leads:write"]).await;
    let newer = json!({"email": "ada@example.com", "country": "FR"});
    let lead = app.post("/v1/leads").by(&key).json(newer).await.expect(200);
    let path = format!("/v1/leads/{}/fields", lead.id());
    let before = app.get(&path).by(app.admin().await).await.expect(200);
    for _ in 0..2 {
        let again = taken_in(app, "kind=leads&mode=history", None, file).await;
        assert_eq!(counts(&again), [0, 0, 1, 0, 0]);
    }
    assert_eq!(app.get(&path).by(app.admin().await).await.expect(200).body, before.body);
    assert_eq!(app.get("/v1/leads?q=ada").by(app.admin().await).await.expect(200).each("country"), ["FR"]);
}

#[tandem_tests::test]
async fn a_mended_reject_is_taken(app: &TestApp) {
    let import = taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    let mended = rows(app, &import, "rejects").await.join("\n").replace("not an address", "eve@example.com");
    let again = taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), mended).await;
    assert_eq!(counts(&again), [1, 0, 0, 1, 0]);
    assert_eq!(by_external_id(app, "a-3").await["email"], "eve@example.com");
}

#[tandem_tests::test]
async fn moves_of_the_past_are_kept_in_any_order(app: &TestApp) {
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    let mapping = json!({"fields": {"lead.external_id": {"column": "lead", "system": "crm"}, "to": "stage", "at": "when", "reason": "why"}});
    let file = "lead,stage,when,why\n\
        a-1,sal,2025-03-11T10:00:00Z,\na-1,mql,2025-03-10T10:00:00Z,\na-2,customer,2025-04-01T00:00:00Z,\n\
        a-2,mql,2025-02-01T00:00:00Z,\na-9,mql,2025-02-01T00:00:00Z,\na-1,winner,2025-03-12T00:00:00Z,\n";
    let import = taken_in(app, "kind=stage_changes&mode=history", Some(mapping.clone()), file).await;
    assert_eq!(counts(&import), [4, 0, 0, 2, 2], "{}", import.text);
    let ada = by_external_id(app, "a-1").await;
    assert_eq!(ada["stage"], "sal");
    let told = history_of(app, &ada.id()).await;
    let stages: Vec<&str> = told.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(stages, ["lead", "mql", "sal"]);
    assert_eq!(by_external_id(app, "a-2").await["stage"], "customer");
    let warnings = rows(app, &import, "warnings").await.join("\n");
    assert!(warnings.contains("illegal_move") && warnings.contains("before_first_contact"), "{warnings}");
    let rejects = rows(app, &import, "rejects").await.join("\n");
    assert!(rejects.contains("no_such_lead") && rejects.contains("not_allowed"), "{rejects}");
    let again = taken_in(app, "kind=stage_changes&mode=history", Some(mapping), file).await;
    assert_eq!(counts(&again), [0, 0, 4, 2, 0]);
}

#[tandem_tests::test]
async fn what_is_older_than_a_move_that_was_made_here_moves_nobody(app: &TestApp) {
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    let ada = by_external_id(app, "a-1").await.id();
    app.moved(&ada, "mql", None).await;
    let mapping = json!({"fields": {"lead.external_id": {"column": "lead", "system": "crm"}, "to": "stage", "at": "when"}});
    let file = "lead,stage,when\na-1,disqualified,2025-06-01\n";
    taken_in(app, "kind=stage_changes&mode=history", Some(mapping), file).await;
    assert_eq!(by_external_id(app, "a-1").await["stage"], "mql");
    let told = history_of(app, &ada).await;
    assert_eq!(told.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(), ["lead", "disqualified", "mql"]);
}

#[tandem_tests::test]
async fn deals_of_the_past_make_customers_on_their_dates(app: &TestApp) {
    taken_in(app, "kind=leads&mode=history", Some(leads_mapping()), LEADS).await;
    let users = "email,name,role,disabled\nrep@example.com,Rita Rep,sales,true\nrep@example.com,Rita,sales,true\nboss@example.com,B,admin,\n";
    let users = taken_in(app, "kind=users", None, users).await;
    assert_eq!(counts(&users), [1, 0, 1, 1, 0], "nobody becomes an admin by a file");
    let mapping = json!({"fields": {"external_id": {"column": "deal", "system": "crm"},
        "lead.external_id": {"column": "lead", "system": "crm"}, "name": {"template": "Deal {deal}"}, "outcome": {"value": "won"},
        "closed_at": "won", "amount": "amount", "currency": {"value": "EUR"}, "owner": "rep"}});
    let file = "deal,lead,won,amount,rep\nd-1,a-1,2025-05-01T12:00:00Z,1200.50,rep@example.com\n\
        d-2,a-2,2025-01-01T00:00:00Z,0,\nd-3,a-1,2025-05-02T00:00:00Z,1.234,\nd-4,a-1,2025-05-02,5,nobody@example.com\n";
    let import = taken_in(app, "kind=deals&mode=history", Some(mapping.clone()), file).await;
    assert_eq!(counts(&import), [2, 0, 0, 2, 1], "{}", import.text);
    let ada = by_external_id(app, "a-1").await;
    assert_eq!(
        (&ada["stage"], &ada["stage_since"]),
        (&json!("customer"), &json!("2025-05-01T12:00:00.000Z"))
    );
    let told = history_of(app, &ada.id()).await;
    assert_eq!(
        told.iter().map(|(to, _)| to.as_str()).collect::<Vec<_>>(),
        ["lead", "customer"],
        "nothing is invented"
    );
    assert!(rows(app, &import, "warnings").await[1].contains("before_first_contact"));
    let again = taken_in(app, "kind=deals&mode=history", Some(mapping.clone()), file).await;
    assert_eq!(counts(&again), [0, 0, 2, 2, 0]);

    // A deal that is opened again here is live: what another import brings of its lead leaves its revenue taken back.
    let revenue = async || {
        let report = app.get("/v1/reports/attribution").by(app.admin().await).await.expect(200);
        (report["all"]["value"]["amount"].as_i64().unwrap(), report["all"]["entries"].as_i64().unwrap())
    };
    let boss = app.user("sales_manager").await;
    let deal = app.get("/v1/deals/by-external-id/crm/d-1").by(&boss).await.expect(200).id();
    assert_eq!(revenue().await, (120_050, 2));
    let reopen = app.post(&format!("/v1/deals/{deal}/reopen")).by(&boss);
    reopen.json(json!({"note": "They cancelled"})).await.expect(200);
    assert_eq!(revenue().await, (0, 3));
    let more = "deal,lead,won,amount,rep\nd-5,a-1,2025-06-01T12:00:00Z,10.00,rep@example.com\n";
    taken_in(app, "kind=deals&mode=history", Some(mapping), more).await;
    assert_eq!(revenue().await, (1_000, 4));
}
