//! Qualifying a lead with the acceptance and after it, up to SQL.

use serde_json::json;
use tandem_tests::TestApp;

use super::{accept, given_mql, go, handoff_of, id, lead_of};

#[tandem_tests::test]
async fn accepting_with_the_qualification_goes_on_to_sql(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_mql(app, &mia).await;
    let path = format!("/v1/leads/{lead}/qualification");
    let budget = json!({"budget": {"value": "50,000 EUR"}});
    let proposed = app.patch(&path).by(&mia).json(budget).await.expect(200);
    let item = &proposed["qualification"]["budget"];
    assert_eq!(
        (&item["state"], &item["value"], &item["stated_by"]),
        (&json!("proposed"), &json!("50,000 EUR"), &json!(mia.id))
    );
    let confirm = json!({"budget": {"confirmed": true}});
    app.patch(&path).by(&mia).json(confirm.clone()).await.refused(403, "wrong_role");
    app.patch(&path).by(&sam).json(confirm).await.refused(403, "not_owner");

    let handoff = handoff_of(app, &sam, &lead).await;
    let yes = json!({"confirmed": true});
    let body = json!({"qualification": {"budget": yes, "authority": yes, "need": yes, "timeline": yes}});
    let accepted =
        app.post(&format!("/v1/handoffs/{}/accept", id(&handoff))).by(&sam).json(body).await.expect(200);
    assert_eq!(accepted["state"], "accepted");
    let read = lead_of(app, &sam, &lead).await;
    assert_eq!(read["stage"], "sql");
    let item = &read["qualification"]["budget"];
    assert_eq!(
        (&item["state"], &item["value"], &item["confirmed_by"]),
        (&json!("confirmed"), &json!("50,000 EUR"), &json!(sam.id))
    );
    let history = app.get(&format!("/v1/leads/{lead}/transitions")).by(&sam).await.expect(200);
    assert_eq!(history.each("to"), ["lead", "mql", "sal", "sql"]);
    assert_eq!(history["data"][2]["at"], history["data"][3]["at"], "two stage changes, one instant");

    let back = json!({"need": {"confirmed": false}});
    let back = app.patch(&path).by(&sam).json(back).await.expect(200);
    assert_eq!(
        (&back["stage"], &back["qualification"]["need"]["state"]),
        (&json!("sql"), &json!("proposed"))
    );
}

#[tandem_tests::test]
async fn the_last_confirmation_makes_an_sql_and_a_new_cycle_takes_them_back(app: &TestApp) {
    let (mia, sam) = (app.user("marketing").await, app.user("sales").await);
    let lead = given_mql(app, &mia).await;
    let handoff = handoff_of(app, &sam, &lead).await;
    accept(app, &sam, id(&handoff)).await.expect(200);
    let path = format!("/v1/leads/{lead}/qualification");
    for item in ["budget", "authority", "need"] {
        let mut body = json!({});
        body[item] = json!({"confirmed": true});
        assert_eq!(app.patch(&path).by(&sam).json(body).await.expect(200)["stage"], "sal");
    }
    let refused = go(app, &sam, &lead, json!({"to": "sql"})).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/to", "not_confirmed")]);
    let deal =
        json!({"name": "A deal", "lead_ids": [lead], "qualification": {"timeline": {"confirmed": true}}});
    app.post("/v1/deals").by(&sam).json(deal).await.expect(201);
    let history = app.get(&format!("/v1/leads/{lead}/transitions")).by(&sam).await.expect(200);
    assert_eq!(history.each("to"), ["lead", "mql", "sal", "sql", "opportunity"]);

    let other = given_mql(app, &mia).await;
    go(app, &sam, &other, json!({"to": "sal"})).await.expect(201);
    app.qualified(&other).await;
    go(app, &sam, &other, json!({"to": "nurture", "reason": "no_budget"})).await.expect(201);
    let wrong = app.patch(&format!("/v1/leads/{other}/qualification")).by(app.admin().await);
    wrong.json(json!({"need": {"confirmed": true}})).await.refused(409, "illegal_transition");
    go(app, &mia, &other, json!({"to": "mql", "note": "x"})).await.expect(201);
    let read = lead_of(app, &sam, &other).await;
    assert_eq!((&read["cycle"], &read["qualification"]["budget"]["state"]), (&json!(2), &json!("proposed")));
}
