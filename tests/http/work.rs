//! A user's day: what waits for it, from all sides, in one order.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

fn kinds(day: &Answer) -> Vec<String> {
    day.each("kind")
}

#[tandem_tests::test]
async fn a_reps_day_is_one_list_by_what_is_due_first(app: &TestApp) {
    let (rep, other) = (app.user("sales").await, app.user("sales").await);
    let [ada, bob, eve] = [
        app.given_lead("ada@example.com").await.id(),
        app.given_lead("bob@example.com").await.id(),
        app.given_lead("eve@example.com").await.id(),
    ];
    app.given_promise(&ada, Some(&rep.id), hours(3)).await;
    app.given_promise(&bob, None, hours(1)).await;
    app.given_promise(&eve, Some(&other.id), hours(1)).await;
    let task =
        |lead: &str, due: &str| json!({"lead_id": lead, "type": "task", "due_at": due, "subject": "Offer"});
    for (by, due) in
        [(&rep, "2026-03-02T10:00:00Z"), (&rep, "2026-03-05T10:00:00Z"), (&other, "2026-03-02T10:00:00Z")]
    {
        app.post("/v1/activities").by(by).json(task(&ada, due)).await.expect(201);
    }

    let day = app.get("/v1/me/work").by(&rep).await.expect(200);
    assert_eq!(kinds(&day), ["task", "clock", "task", "handoff", "handoff"], "what has no date comes last");
    assert_eq!(day["has_more"], false);
    let first = &day["data"][0];
    assert_eq!((first["why"].as_str(), first["lead_id"].as_str()), (Some("Offer"), Some(&*ada)));
    assert_eq!(
        day["data"][1]["act"],
        json!({"operation_id": "log_activity", "method": "POST", "path": "/v1/activities"})
    );
    let leads: Vec<&Value> = day["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["kind"] == "handoff")
        .map(|item| &item["lead_id"])
        .collect();
    assert!(
        leads.contains(&&json!(ada)) && leads.contains(&&json!(bob)),
        "own ones and the general queue: {leads:?}"
    );

    assert_eq!(kinds(&app.get("/v1/me/work").by(app.user("marketing").await).await.expect(200)), [""; 0]);
    app.get("/v1/me/work").by(app.key(&["leads:read"]).await).await.refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_manager_sees_the_day_of_its_team_and_nobody_else_does(app: &TestApp) {
    let (rep, chief) = (app.user("sales").await, app.user("sales_manager").await);
    let (other, elsewhere) = (app.user("sales").await, app.user("sales_manager").await);
    for members in [json!([rep.id, chief.id]), json!([elsewhere.id])] {
        let team = json!({"name": format!("Team {}", app.next()), "members": members});
        app.post("/v1/teams").by(app.admin().await).json(team).await.expect(201);
    }
    app.clock.advance(minutes(1));
    let lead = app.given_lead("ada@example.com").await.id();
    let task = json!({"lead_id": lead, "type": "task", "due_at": "2026-03-02T10:00:00Z"});
    app.post("/v1/activities").by(&rep).json(task).await.expect(201);
    let path = format!("/v1/me/work?user_id={}", rep.id);
    assert_eq!(kinds(&app.get(&path).by(&chief).await.expect(200)), ["task"]);
    assert_eq!(kinds(&app.get(&path).by(&rep).await.expect(200)), ["task"]);
    app.get(&path).by(&other).await.refused(403, "wrong_role");
    app.get(&path).by(&elsewhere).await.refused(403, "wrong_role");
}

#[tandem_tests::test]
async fn a_deal_that_nobody_works_on_is_work_of_its_owner(app: &TestApp) {
    let (rep, other) = (app.user("sales").await, app.user("sales").await);
    let company = json!({"domain": "firm.example"});
    let company = app.post("/v1/companies").by(app.admin().await).json(company).await.expect(201).id();
    let deal = json!({"name": "Stores", "company_id": company, "owner_id": rep.id,
        "amount": {"amount": 700, "currency": "EUR"}});
    let deal = app.post("/v1/deals").by(app.admin().await).json(deal).await.expect(201);
    let since = deal["stage_since"].as_str().unwrap().parse::<tandem_domain::instant::Timestamp>().unwrap();
    app.clock.advance(60 * 24 * hours(1) - minutes(1));
    let day = async |user: &User| app.get("/v1/me/work").by(app.login(&user.email).await).await.expect(200);
    assert_eq!(kinds(&day(&rep).await), [""; 0], "not for as long as the agreement says");
    app.clock.advance(minutes(2));
    let stale = day(&rep).await;
    assert_eq!(kinds(&stale), ["stale_deal"]);
    let item = &stale["data"][0];
    assert_eq!((&item["deal_id"], &item["amount"]["amount"]), (&json!(deal.id()), &json!(700)));
    assert_eq!(item["act"]["path"], format!("/v1/deals/{}", deal.id()));
    assert_eq!(item["due_at"], since.plus_millis(60 * 24 * hours(1)).to_string());
    assert_eq!(kinds(&day(&other).await), [""; 0]);

    let admin = app.login(&app.admin().await.email).await;
    let call = json!({"deal_id": deal.id(), "type": "call", "direction": "outbound", "outcome": "no_answer"});
    app.post("/v1/activities").by(&admin).json(call).await.expect(201);
    assert_eq!(kinds(&day(&rep).await), [""; 0]);
}

#[tandem_tests::test]
async fn work_is_bounded_and_says_that_there_is_more(app: &TestApp) {
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    let task = |n: usize| json!({"lead_id": lead, "type": "task", "subject": n.to_string(), "due_at": format!("2026-03-{:02}T10:00:00Z", 10 + n % 15)});
    let tasks: Vec<Value> = (0..205).map(task).collect();
    app.post("/v1/activities/batch").by(&rep).json(json!({"activities": tasks})).await.expect(207);
    let day = app.get("/v1/me/work").by(&rep).await.expect(200);
    assert_eq!((day.each("id").len(), &day["has_more"]), (200, &json!(true)));
    let due = day.each("due_at");
    assert!(due.is_sorted(), "{due:?}");
}
