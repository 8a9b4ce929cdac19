//! What nobody works: each leak appears and goes with what is done.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, hours, minutes};

async fn leaks(app: &TestApp, query: &str) -> BTreeMap<String, i64> {
    let admin = app.login(&app.admin().await.email).await;
    let report = app.get(&format!("/v1/reports/leakage?{query}")).by(&admin).await.expect(200);
    let mut found = BTreeMap::new();
    for leak in report["totals"].as_array().unwrap() {
        let list = app.get(leak["evidence"].as_str().unwrap()).by(&admin).await.expect(200);
        assert_eq!(list["total_count"], leak["count"], "{leak:#}");
        assert_eq!(json!(list["data"].as_array().unwrap().len()), leak["count"], "{leak:#}");
        let rows = report["rows"].as_array().unwrap().iter().flat_map(|row| row["leaks"].as_array().unwrap());
        let in_rows: i64 =
            rows.filter(|own| own["leak"] == leak["leak"]).map(|own| own["count"].as_i64().unwrap()).sum();
        assert_eq!(leak["count"], in_rows, "{leak:#}");
        if leak["count"] != 0 {
            found.insert(leak["leak"].as_str().unwrap().to_owned(), leak["count"].as_i64().unwrap());
        }
    }
    found
}

#[tandem_tests::test]
async fn leaks_appear_when_nobody_works_and_are_gone_when_somebody_does(app: &TestApp) {
    let of = |all: &[(&str, i64)]| BTreeMap::from_iter(all.iter().map(|(name, n)| ((*name).to_owned(), *n)));
    assert_eq!(leaks(app, "").await, of(&[]));
    let idle = app.given_lead("idle@example.com").await.id();
    let company = app.post("/v1/companies").by(app.admin().await).json(json!({"domain": "firm.example"}));
    let company = company.await.expect(201).id();
    let deal = json!({
        "name": "A deal", "company_id": company, "expected_close_on": "2026-03-04",
        "amount": {"amount": 100, "currency": "EUR"},
    });
    let deal = app.post("/v1/deals").by(app.admin().await).json(deal).await.expect(201).id();
    app.clock.advance(hours(48));
    assert_eq!(leaks(app, "").await, of(&[]), "the day itself has not passed");
    app.clock.advance(hours(24));
    assert_eq!(leaks(app, "").await, of(&[("close_date_passed", 1)]));
    app.clock.advance(hours(24 * 27) + 1);
    assert_eq!(leaks(app, "").await, of(&[("close_date_passed", 1), ("idle", 1)]));
    assert_eq!(leaks(app, "idle_days=31").await, of(&[("close_date_passed", 1)]));
    assert_eq!(leaks(app, "country=IT").await, of(&[]));
    app.clock.advance(hours(24 * 30));
    assert_eq!(
        leaks(app, "by=channel").await,
        of(&[("close_date_passed", 1), ("deal_stale", 1), ("idle", 1)])
    );
    let admin = app.login(&app.admin().await.email).await;
    app.post(&format!("/v1/leads/{idle}/archive")).by(&admin).await.expect(200);
    let close = json!({"outcome": "lost", "reason": "price"});
    app.post(&format!("/v1/deals/{deal}/close")).by(&admin).json(close).await.expect(200);
    assert_eq!(leaks(app, "").await, of(&[]));
}

/// A request of the admin, who has logged in again.
async fn by_admin(app: &TestApp, path: &str, body: Value) -> Answer {
    let admin = app.login(&app.admin().await.email).await;
    app.post(path).by(&admin).json(body).await
}

#[tandem_tests::test]
async fn leads_leak_without_a_next_step_and_while_their_owner_is_away(app: &TestApp) {
    let none = BTreeMap::new();
    let one = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
    let rep = app.user("sales").await;
    let lead = app.given_lead("ada@example.com").await.id();
    for stage in ["mql", "sal"] {
        app.moved(&lead, stage, None).await;
    }
    by_admin(app, &format!("/v1/leads/{lead}/assign"), json!({"owner_id": rep.id})).await.expect(200);
    assert_eq!(leaks(app, "").await, one("no_next_step"));
    let task = |due: &str| json!({"lead_id": lead, "type": "task", "due_at": due});
    app.post("/v1/activities").by(&rep).json(task("2026-03-02T11:00:00Z")).await.expect(201);
    assert_eq!(leaks(app, "").await, none);
    app.clock.advance(hours(2) - minutes(1));
    assert_eq!(leaks(app, "").await, none, "a task is ahead until it is due");
    app.clock.advance(minutes(1));
    assert_eq!(leaks(app, "").await, one("no_next_step"));
    by_admin(app, "/v1/activities", task("2026-03-20T11:00:00Z")).await.expect(201);
    assert_eq!(leaks(app, "").await, none);

    let availability = format!("/v1/users/{}/availability", rep.id);
    let away = json!({"absences": [{"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T13:00:00Z"}]});
    app.put(&availability).by(app.login(&rep.email).await).json(away).await.expect(200);
    assert_eq!(leaks(app, "").await, none);
    app.clock.advance(hours(1));
    assert_eq!(leaks(app, &format!("owner_id={}", rep.id)).await, one("owner_away"));
    let admin = app.login(&app.admin().await.email).await;
    let list = app.get("/v1/reports/leakage/evidence?leak=owner_away").by(&admin).await.expect(200);
    let leak = &list["data"][0];
    assert_eq!((&leak["lead_id"], &leak["owner_id"]), (&json!(lead), &json!(rep.id)));
    assert_eq!(leak["since"], "2026-03-02T12:00:00.000Z");
    app.clock.advance(hours(1));
    assert_eq!(leaks(app, "").await, none, "an absence is half-open");
    let admin = app.login(&app.admin().await.email).await;
    app.patch(&format!("/v1/users/{}", rep.id)).by(&admin).json(json!({"disabled": true})).await.expect(200);
    assert_eq!(leaks(app, "").await, one("owner_away"));
    let out = json!({"reason": "no_budget", "note": "not now"});
    by_admin(app, &format!("/v1/leads/{lead}/transitions"), out).await.expect(201);
    assert_eq!(leaks(app, "").await, none, "nobody works it any more");
}

#[tandem_tests::test]
async fn a_deal_is_stale_once_nobody_has_moved_or_worked_on_it(app: &TestApp) {
    const DAY: i64 = 24 * hours(1);
    let lead = crate::deals::given_sql(app).await;
    let deal = crate::deals::open(app, app.admin().await, &lead).await.expect(201).id();
    let stale = async || leaks(app, "").await.get("deal_stale").copied();
    let call = |about: &str, id: &str, automatic: bool| json!({about: id, "type": "call", "direction": "outbound", "automatic": automatic, "outcome": "voicemail"});
    app.clock.advance(59 * DAY);
    by_admin(app, "/v1/activities", call("lead_id", &lead, true)).await.expect(201);
    app.clock.advance(DAY - minutes(1));
    assert_eq!(stale().await, None, "not yet sixty days");
    app.clock.advance(minutes(1));
    assert_eq!(stale().await, Some(1), "what a machine sends is no work");
    by_admin(app, "/v1/activities", call("deal_id", &deal, false)).await.expect(201);
    assert_eq!(stale().await, None);
    app.clock.advance(30 * DAY);
    let call = by_admin(app, "/v1/activities", call("lead_id", &lead, false)).await.expect(201);
    let task = json!({"lead_id": lead, "type": "task", "due_at": "2027-01-01T00:00:00Z"});
    app.clock.advance(DAY);
    by_admin(app, "/v1/activities", task).await.expect(201);
    app.clock.advance(59 * DAY - minutes(1));
    assert_eq!(stale().await, None);
    app.clock.advance(minutes(1));
    assert_eq!(stale().await, Some(1), "a task is not yet work");
    let admin = app.login(&app.admin().await.email).await;
    let list = app.get("/v1/reports/leakage/evidence?leak=deal_stale").by(&admin).await.expect(200);
    assert_eq!(list["data"][0]["since"], call["occurred_at"], "since the last call");
}

#[tandem_tests::test]
async fn a_lead_that_returned_leaks_until_its_task_is_done(app: &TestApp) {
    let [sam, ada] = [app.user("sales").await, app.user("sales").await];
    let chief = app.user("sales_manager").await;
    let form = crate::tracked::given_form(app).await;
    let lead = app.given_lead("bob@example.com").await.id();
    app.moved(&lead, "disqualified", Some("not_a_fit")).await;
    app.clock.advance(minutes(2));
    crate::tracked::send(app, &form, None, "bob@example.com", json!({})).await;

    assert_eq!(leaks(app, "").await, BTreeMap::from([("returned_unanswered".to_owned(), 1)]));
    let work = app.get("/v1/me/work").by(&sam).await.expect(200);
    assert_eq!((&work["data"][0]["kind"], &work["data"][0]["lead_id"]), (&json!("task"), &json!(lead)));
    assert_eq!(app.get("/v1/me/work").by(&ada).await.expect(200).each("id"), work.each("id"));
    assert_eq!(app.get("/v1/me/notices").by(&chief).await.expect(200).each("kind"), ["lead_returned"]);
    let path = format!("/v1/activities/{}", work["data"][0]["id"].as_str().unwrap());
    let task = app.get(&path).by(&sam).await.expect(200);
    assert_eq!((&task["owner_id"], &task["queue"]), (&Value::Null, &json!("general")));
    let mia = app.user("marketing").await;
    app.patch(&path).by(&mia).json(json!({"subject": "x"})).await.refused(403, "not_owner");
    let taken = app.patch(&path).by(&sam).json(json!({"owner_id": sam.id})).await.expect(200);
    assert_eq!((&taken["owner_id"], &taken["queue"]), (&json!(sam.id), &Value::Null));
    app.patch(&path).by(&ada).json(json!({"owner_id": ada.id})).await.refused(403, "not_owner");
    assert_eq!(app.get("/v1/me/work").by(&ada).await.expect(200)["data"], json!([]));

    app.clock.advance(minutes(2));
    crate::tracked::send(app, &form, None, "bob@example.com", json!({})).await;
    assert_eq!(
        leaks(app, "").await,
        BTreeMap::from([("returned_unanswered".to_owned(), 1)]),
        "one at a time"
    );
    let notices = app.get("/v1/me/notices").by(&sam).await.expect(200);
    assert_eq!(notices.each("kind"), ["lead_returned"], "the owner of the task is notified");
    let done = json!({"done_at": "2026-03-02T09:01:00Z"});
    app.patch(&path).by(&sam).json(done).await.expect(200);
    assert_eq!(leaks(app, "").await, BTreeMap::new());
    let read = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!((&read["owner_id"], &read["stage"]), (&Value::Null, &json!("disqualified")));
}

#[tandem_tests::test]
async fn routing_names_who_gets_the_task_of_a_lead_that_returned(app: &TestApp) {
    let [sam, ada] = [app.user("sales").await, app.user("sales").await];
    let team = json!({"name": "North", "members": [sam.id, ada.id]});
    let team = app.post("/v1/teams").by(app.admin().await).json(team).await.expect(201).id();
    let away = json!({"absences": [{"from": "2026-03-02T08:00:00Z", "to": "2026-03-03T08:00:00Z"}]});
    app.put(&format!("/v1/users/{}/availability", ada.id)).by(&ada).json(away.clone()).await.expect(200);
    let rules = json!({"rules": [{"name": "All", "to": {"team_id": team}}]});
    app.put("/v1/routing").by(app.admin().await).json(rules).await.expect(200);
    let form = crate::tracked::given_form(app).await;
    for name in ["bob", "eve"] {
        let lead = app.given_lead(&format!("{name}@example.com")).await.id();
        app.moved(&lead, "disqualified", Some("not_a_fit")).await;
    }
    app.clock.advance(minutes(2));
    crate::tracked::send(app, &form, None, "bob@example.com", json!({})).await;
    let tasks = app.get("/v1/activities?type=task").by(&sam).await.expect(200);
    assert_eq!((&tasks["data"][0]["owner_id"], &tasks["data"][0]["queue"]), (&json!(sam.id), &Value::Null));
    assert_eq!(app.get("/v1/me/notices").by(&sam).await.expect(200).each("kind"), ["lead_returned"]);
    assert_eq!(app.get("/v1/me/notices").by(&ada).await.expect(200)["data"], json!([]));

    app.put(&format!("/v1/users/{}/availability", sam.id)).by(&sam).json(away).await.expect(200);
    crate::tracked::send(app, &form, None, "eve@example.com", json!({})).await;
    let tasks = app.get("/v1/activities?type=task&sort=-id").by(&sam).await.expect(200);
    let waiting = &tasks["data"][0];
    assert_eq!((&waiting["owner_id"], &waiting["queue"]), (&Value::Null, &json!(team)));
    for user in [&sam, &ada] {
        let notices = app.get("/v1/me/notices?limit=1").by(user).await.expect(200);
        assert_eq!(
            notices["data"][0]["subject"]["id"], waiting["lead_id"],
            "the team is notified of its queue"
        );
        let work = app.get("/v1/me/work").by(user).await.expect(200);
        assert!(work.each("id").contains(&waiting["id"].as_str().unwrap().to_owned()));
    }
}

#[tandem_tests::test]
async fn a_deal_leaks_without_a_required_role_and_with_an_unanswered_quote(app: &TestApp) {
    const DAY: i64 = 24 * hours(1);
    let admin = app.admin().await;
    crate::agreement::agree(app, |document| {
        document["stages"]["opportunity"]["required_roles"] = json!(["decision_maker", "champion"]);
    })
    .await;
    let lead = crate::deals::given_sql(app).await;
    let friend = app.given_lead("friend@example.com").await.id();
    let body = json!({"name": "A deal", "lead_ids": [lead, friend],
        "roles": [{"lead_id": lead, "role": "decision_maker"}]});
    let deal = app.post("/v1/deals").by(admin).json(body).await.expect(201).id();
    let found = async |leak: &str| leaks(app, "").await.get(leak).copied();
    assert_eq!(found("role_missing").await, Some(1), "nobody is its champion");
    let path = format!("/v1/deals/{deal}");
    let roles = json!({"roles": [{"lead_id": lead, "role": "decision_maker"}, {"lead_id": friend, "role": "champion"}]});
    app.patch(&path).by(admin).json(roles).await.expect(200);
    assert_eq!(found("role_missing").await, None);

    let sent =
        json!({"number": "Q-1", "amount": {"amount": 1, "currency": "EUR"}, "sent_at": app.clock.now()});
    let quote = by_admin(app, &format!("{path}/quotes"), sent.clone()).await.expect(201);
    app.clock.advance(14 * DAY - minutes(1));
    assert_eq!(found("quote_unanswered").await, None, "fourteen days have not passed");
    app.clock.advance(minutes(1) + 1);
    assert_eq!(found("quote_unanswered").await, Some(1));
    let admin = app.login(&app.admin().await.email).await;
    let list = app.get("/v1/reports/leakage/evidence?leak=quote_unanswered").by(&admin).await.expect(200);
    assert_eq!((&list["data"][0]["deal_id"], &list["data"][0]["since"]), (&json!(deal), &quote["sent_at"]));
    app.post(&format!("/v1/quotes/{}/decline", quote.id())).by(&admin).await.expect(200);
    assert_eq!(found("quote_unanswered").await, None);
}
