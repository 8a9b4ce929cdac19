//! Routing: rules, turns, capacity, absence, decisions with their reasons, and what is released from queues.

use serde_json::{Value, json};
use tandem_tests::{Answer, TestApp, User, hours, minutes};

use crate::tracked::{ORIGIN, collect, given_form, given_site, lead, send, view};

struct Team {
    id: String,
    members: Vec<User>,
}

async fn given_team(app: &TestApp, size: usize) -> Team {
    let mut members = vec![];
    for _ in 0..size {
        members.push(app.user("sales").await);
    }
    let ids: Vec<&String> = members.iter().map(|user| &user.id).collect();
    let body = json!({"name": format!("Team {}", app.next()), "members": ids});
    let id = app.post("/v1/teams").by(app.admin().await).json(body).await.expect(201).id();
    Team { id, members }
}

async fn put_rules(app: &TestApp, rules: Value) -> Answer {
    app.put("/v1/routing").by(app.admin().await).json(json!({"rules": rules, "join_company": false})).await
}

async fn put_availability(app: &TestApp, by: &User, of: &User, body: Value) -> Answer {
    app.put(&format!("/v1/users/{}/availability", of.id)).by(by).json(body).await
}

/// A lead that marketing made an MQL, with more that is known of it; its hand-off.
async fn routed(app: &TestApp, more: Value) -> Value {
    let mut body = json!({"email": format!("lead{}@example.com", app.next())});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let by = app.login("admin@example.com").await;
    let lead = app.post("/v1/leads").by(&by).json(body).await.expect(201).id();
    let mql = json!({"to": "mql", "note": "x"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(&by).json(mql).await.expect(201);
    handoff_of(app, &lead).await
}

async fn handoff_of(app: &TestApp, lead: &str) -> Value {
    let by = app.login("admin@example.com").await;
    let list = app.get(&format!("/v1/handoffs?lead_id={lead}&sort=-made_at")).by(&by).await.expect(200);
    list["data"][0].clone()
}

async fn decision_of(app: &TestApp, handoff: &Value) -> Answer {
    let by = app.login("admin@example.com").await;
    let path = format!("/v1/routing/decisions/{}", handoff["routing_decision_id"].as_str().unwrap());
    app.get(&path).by(&by).await.expect(200)
}

#[tandem_tests::test]
async fn a_new_installation_has_one_rule(app: &TestApp) {
    let rules = app.get("/v1/routing").by(app.admin().await).await.expect(200);
    assert_eq!(rules["rules"][0]["to"], json!({"queue": "general"}));
    let handoff = routed(app, json!({})).await;
    let decision = decision_of(app, &handoff).await;
    assert_eq!((&decision["owner_id"], &decision["queue"]), (&Value::Null, &json!("general")));
    assert_eq!(decision["rules"][0]["outcome"], "queued");
}

#[tandem_tests::test]
async fn the_first_rule_that_matches_decides_and_a_team_takes_turns(app: &TestApp) {
    let (team, boss) = (given_team(app, 3).await, app.user("sales").await);
    let rules = json!([
        {"name": "Italy", "when": {"field": "country", "op": "eq", "value": "IT"}, "to": {"user_id": boss.id}},
        {"name": "All", "to": {"team_id": team.id}},
    ]);
    put_rules(app, rules).await.expect(200);
    let italian = routed(app, json!({"country": "IT"})).await;
    assert_eq!((&italian["owner_id"], &italian["queue"]), (&json!(boss.id), &Value::Null));
    let mut owners = vec![];
    for _ in 0..6 {
        let handoff = routed(app, json!({"country": "FR"})).await;
        let decision = decision_of(app, &handoff).await;
        assert_eq!(
            decision["rules"][0],
            json!({"name": "Italy", "outcome": "not_matched", "passed_over": []})
        );
        let over = decision["rules"][1]["passed_over"].as_array().unwrap();
        assert!(
            over.len() == 2 && over.iter().all(|one| one["reason"] == "not_their_turn"),
            "{}",
            decision.text
        );
        owners.push(handoff["owner_id"].as_str().unwrap().to_owned());
    }
    for member in &team.members {
        assert_eq!(owners.iter().filter(|owner| **owner == member.id).count(), 2, "{owners:?}");
    }
    let by = app.login(&boss.email).await;
    let lead =
        app.get(&format!("/v1/leads/{}", italian["lead_id"].as_str().unwrap())).by(&by).await.expect(200);
    assert_eq!(lead["owner_id"], json!(boss.id));
}

#[tandem_tests::test]
async fn capacity_and_absence_are_kept_and_what_waits_is_released(app: &TestApp) {
    let team = given_team(app, 2).await;
    put_rules(app, json!([{"name": "All", "to": {"team_id": team.id}}])).await.expect(200);
    let admin = app.admin().await.clone();
    let [one, other] = [&team.members[0], &team.members[1]];
    put_availability(app, &admin, one, json!({"capacity": 1})).await.expect(200);
    let away = json!({"absences": [{"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T12:00:00Z"}]});
    put_availability(app, &admin, other, away).await.expect(200);

    let first = routed(app, json!({})).await;
    assert_eq!(first["owner_id"], json!(one.id));
    let second = routed(app, json!({})).await;
    assert_eq!((&second["owner_id"], &second["queue"]), (&Value::Null, &json!(team.id)));
    let decision = decision_of(app, &second).await;
    let over = decision["rules"][0]["passed_over"].as_array().unwrap();
    let why =
        |user: &User| over.iter().find(|one| one["user_id"] == json!(user.id)).unwrap()["reason"].clone();
    assert_eq!((why(one), why(other)), (json!("at_capacity"), json!("absent")));
    let third = routed(app, json!({})).await;

    // Room returns: the oldest that waits is released.
    let sam = app.login(&one.email).await;
    let reject = json!({"reason": "no_budget"});
    let path = format!("/v1/handoffs/{}/reject", first["id"].as_str().unwrap());
    app.post(&path).by(&sam).json(reject).await.expect(200);
    app.run_jobs().await;
    let lead = |handoff: &Value| handoff["lead_id"].as_str().unwrap().to_owned();
    assert_eq!(handoff_of(app, &lead(&second)).await["owner_id"], json!(one.id));
    assert_eq!(handoff_of(app, &lead(&third)).await["owner_id"], Value::Null);

    // The absence ends.
    app.clock.advance(hours(4));
    app.run_jobs().await;
    assert_eq!(handoff_of(app, &lead(&third)).await["owner_id"], json!(other.id));

    // Another absence begins: what is pending goes back to routing, what was accepted stays.
    app.clock.advance(minutes(1));
    let boss = app.login("admin@example.com").await;
    put_availability(app, &boss, one, json!({"capacity": 5})).await.expect(200);
    let away = json!({"absences": [{"from": "2026-03-02T14:00:00Z", "to": "2026-03-03T12:00:00Z"}]});
    put_availability(app, &boss, other, away).await.expect(200);
    app.clock.advance(hours(2));
    app.run_jobs().await;
    assert_eq!(handoff_of(app, &lead(&third)).await["owner_id"], json!(one.id));
}

#[tandem_tests::test]
async fn what_cannot_be_released_holds_up_nobody_behind_it(app: &TestApp) {
    let (blocked, free) = (given_team(app, 1).await, given_team(app, 1).await);
    let rules = json!([
        {"name": "Italy", "when": {"field": "country", "op": "eq", "value": "IT"}, "to": {"team_id": blocked.id}},
        {"name": "All", "to": {"team_id": free.id}},
    ]);
    put_rules(app, rules).await.expect(200);
    let by = app.admin().await.clone();
    for team in [&blocked, &free] {
        put_availability(app, &by, &team.members[0], json!({"capacity": 0})).await.expect(200);
    }
    for _ in 0..3 {
        routed(app, json!({"country": "IT"})).await;
    }
    let last = routed(app, json!({"country": "FR"})).await;
    app.run_jobs().await;
    put_availability(app, &by, &free.members[0], json!({"capacity": 5})).await.expect(200);

    let core = &app.running.core;
    let mut looks = 0;
    loop {
        looks += 1;
        let tx = core.db.begin(core.ambient.act("queues")).await.unwrap();
        let is_left = tandem_store::routing::release(&tx, 2).await.unwrap();
        tx.commit().await.unwrap();
        if !is_left {
            break;
        }
    }
    assert_eq!(looks, 2, "two hand-offs a look");
    let lead = last["lead_id"].as_str().unwrap();
    assert_eq!(handoff_of(app, lead).await["owner_id"], json!(free.members[0].id));
}

#[tandem_tests::test]
async fn a_rejected_lead_does_not_come_back_to_who_rejected_it(app: &TestApp) {
    let team = given_team(app, 2).await;
    put_rules(app, json!([{"name": "All", "to": {"team_id": team.id}}])).await.expect(200);
    let first = routed(app, json!({})).await;
    let owner = team.members.iter().find(|user| first["owner_id"] == json!(user.id)).unwrap();
    let path = format!("/v1/handoffs/{}/reject", first["id"].as_str().unwrap());
    app.post(&path).by(owner).json(json!({"reason": "no_budget"})).await.expect(200);
    let lead = first["lead_id"].as_str().unwrap();
    let mql = json!({"to": "mql", "note": "calls again"});
    app.post(&format!("/v1/leads/{lead}/transitions")).by(app.admin().await).json(mql).await.expect(201);
    let second = handoff_of(app, lead).await;
    assert_eq!(second["cycle"], 2);
    assert_ne!(second["owner_id"], first["owner_id"]);
    let decision = decision_of(app, &second).await;
    let over = json!([{"user_id": owner.id, "reason": "rejected_before"}]);
    assert_eq!(decision["rules"][0]["passed_over"], over);
}

#[tandem_tests::test]
async fn what_cannot_be_routed_by_is_refused_at_its_place(app: &TestApp) {
    let team = given_team(app, 1).await;
    let refused = |rules: Value| async move { put_rules(app, rules).await.refused(422, "validation_failed") };
    let gone = "user_01h455vb4pex5vsknk084sn02q";
    let answer = refused(json!([{"name": "x", "to": {"user_id": gone}}])).await;
    assert_eq!(answer.violations(), [("#/rules/0/to/user_id", "not_found")]);
    let segment = json!({"segment": "seg_01h455vb4pex5vsknk084sn02q"});
    let answer = refused(json!([{"name": "x", "when": segment, "to": {"team_id": team.id}}])).await;
    assert_eq!(answer.violations(), [("#/rules/0/when/segment", "unknown_reference")]);
    let answer = refused(json!([{"name": "x", "to": {}}])).await;
    assert_eq!(answer.violations(), [("#/rules/0/to", "not_allowed")]);
    app.put("/v1/routing")
        .by(&team.members[0])
        .json(json!({"rules": []}))
        .await
        .refused(403, "insufficient_scope");
}

#[tandem_tests::test]
async fn a_user_enters_its_own_absences_and_a_manager_those_of_its_team(app: &TestApp) {
    let (sam, boss) = (app.user("sales").await, app.user("sales_manager").await);
    let stranger = app.user("sales_manager").await;
    let body = json!({"name": "North", "members": [sam.id, boss.id]});
    app.post("/v1/teams").by(app.admin().await).json(body).await.expect(201);
    let boss = app.login(&boss.email).await;
    let away = json!({"absences": [{"from": "2026-08-03T00:00:00Z", "to": "2026-08-17T00:00:00Z"}]});
    let said = put_availability(app, &sam, &sam, away.clone()).await.expect(200);
    assert_eq!((&said["weight"], &said["capacity"]), (&json!(1), &Value::Null));
    put_availability(app, &sam, &sam, json!({"capacity": 3})).await.refused(403, "insufficient_scope");
    put_availability(app, &stranger, &sam, json!({"capacity": 3})).await.refused(403, "wrong_role");
    let path = format!("/v1/users/{}/availability", sam.id);
    let by_key = async |scopes: &[&str], of: Option<&User>| {
        let key = app.key(scopes).await;
        let request = app.put(&path).by(&key);
        let request = match of {
            Some(user) => request.header("x-on-behalf-of", &user.id),
            None => request,
        };
        request.json(json!({"capacity": 7})).await
    };
    let refused = by_key(&["users:manage", "routing:manage"], None).await.refused(403, "insufficient_scope");
    assert_eq!(refused["scope"], "account");
    let own = ["availability:write", "users:read"];
    assert_eq!(by_key(&own, None).await.expect(200)["capacity"], 7);
    by_key(&own, Some(&stranger)).await.refused(403, "wrong_role");
    by_key(&own, Some(&boss)).await.expect(200);
    put_availability(app, &boss, &sam, json!({"capacity": 3, "weight": 2})).await.expect(200);
    let read = app.get(&format!("/v1/users/{}/availability", sam.id)).by(&stranger).await.expect(200);
    assert_eq!((&read["capacity"], &read["absences"]), (&json!(3), &json!([])));
    let wrong = json!({"absences": [{"from": "2026-08-17T00:00:00Z", "to": "2026-08-03T00:00:00Z"}]});
    let refused = put_availability(app, &boss, &sam, wrong).await.refused(422, "validation_failed");
    assert_eq!(refused.violations(), [("#/absences/0/to", "out_of_range")]);
}

#[tandem_tests::test]
async fn rules_look_at_forms_events_and_where_the_company_stands(app: &TestApp) {
    let mut users = vec![];
    for _ in 0..5 {
        users.push(app.user("sales").await.id);
    }
    let site = given_site(app).await;
    let fields =
        json!([{"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"}]);
    let body = json!({"name": "Prices", "allowed_origins": [ORIGIN], "fields": fields});
    let prices = app.post("/v1/forms").by(app.admin().await).json(body).await.expect(201);
    let (other, key) = (given_form(app).await, prices["key"].as_str().unwrap().to_owned());
    let pricing = json!([{"property": "path", "op": "eq", "value": "/pricing"}]);
    let whens = [
        json!({"form": prices.id(), "within": "7d"}),
        json!({"event": "page_view", "where": pricing, "count": {"gte": 2}, "within": "1d"}),
        json!({"field": "company.stage", "op": "eq", "value": "customer"}),
        json!({"field": "qualification.budget.confirmed", "op": "eq", "value": true}),
    ];
    let rule = |(when, user): (&Value, &String)| json!({"name": "x", "when": when, "to": {"user_id": user}});
    let mut rules: Vec<Value> = whens.iter().zip(&users).map(rule).collect();
    rules.push(json!({"name": "Rest", "to": {"user_id": users[4]}}));
    put_rules(app, json!(rules)).await.expect(200);

    let handed_over = async |email: &str| {
        let id = lead(app, email).await.id();
        app.moved(&id, "mql", None).await;
        handoff_of(app, &id).await
    };
    let viewed = async |visitor: &str, ages: &[i64]| {
        let page = |age: &i64| view(-*age, "https://www.example.com/pricing", None);
        collect(app, &site, visitor, json!(ages.iter().map(page).collect::<Vec<_>>())).await.expect(204);
    };
    send(app, &key, None, "ada@example.com", json!({})).await;
    assert_eq!(handed_over("ada@example.com").await["owner_id"], json!(users[0]));
    viewed("visitor-1", &[hours(1), hours(23)]).await;
    send(app, &other, Some("visitor-1"), "bob@example.com", json!({})).await;
    assert_eq!(handed_over("bob@example.com").await["owner_id"], json!(users[1]));
    app.given_lead("boss@firm.example").await;
    let boss = lead(app, "boss@firm.example").await.id();
    for stage in ["mql", "sal", "sql", "opportunity", "customer"] {
        app.moved(&boss, stage, None).await;
    }
    app.given_lead("carl@firm.example").await;
    assert_eq!(handed_over("carl@firm.example").await["owner_id"], json!(users[2]));
    viewed("visitor-2", &[hours(1)]).await;
    send(app, &other, Some("visitor-2"), "dora@example.com", json!({})).await;
    // The second view lies before the window. A page's report would be dated at its arrival, a server's is believed.
    let mut earlier = view(-hours(25), "https://www.example.com/pricing", None);
    earlier["lead"] = json!({"email": "dora@example.com"});
    let server = app.key(&["events:write"]).await;
    app.post("/v1/events").by(&server).json(json!({"events": [earlier]})).await.expect(200);
    let dora = handed_over("dora@example.com").await;
    assert_eq!(dora["owner_id"], json!(users[4]));
    let decision = decision_of(app, &dora).await;
    let outcomes: Vec<&Value> =
        decision["rules"].as_array().unwrap().iter().map(|rule| &rule["outcome"]).collect();
    assert_eq!(outcomes, ["not_matched", "not_matched", "not_matched", "not_matched", "assigned"]);

    // What waits is routed by the same facts when room returns.
    let admin = app.admin().await.clone();
    let room = async |capacity: Value| {
        let path = format!("/v1/users/{}/availability", users[1]);
        app.put(&path).by(&admin).json(json!({"capacity": capacity})).await.expect(200);
    };
    room(json!(1)).await;
    viewed("visitor-3", &[hours(1), hours(2)]).await;
    send(app, &other, Some("visitor-3"), "eve@example.com", json!({})).await;
    let eve = handed_over("eve@example.com").await;
    assert_eq!((&eve["owner_id"], &eve["queue"]), (&Value::Null, &json!("general")));
    room(json!(2)).await;
    app.run_jobs().await;
    assert_eq!(handoff_of(app, eve["lead_id"].as_str().unwrap()).await["owner_id"], json!(users[1]));
}

#[tandem_tests::test]
async fn an_mql_joins_the_work_on_its_company(app: &TestApp) {
    let (team, boss) = (given_team(app, 2).await, app.user("sales").await);
    let rules = json!({"rules": [{"name": "All", "to": {"team_id": team.id}}]});
    let put = app.put("/v1/routing").by(app.admin().await).json(rules).await.expect(200);
    assert_eq!(put["join_company"], true, "unless it is turned off");
    let at = |email: &str| json!({"email": email});
    let first = routed(app, at("ada@acme.example")).await;
    assert_eq!(first["joins"], Value::Null);
    let second = routed(app, at("bob@acme.example")).await;
    assert_eq!(
        (&second["owner_id"], &second["joins"]),
        (&first["owner_id"], &json!({"deal_id": null, "lead_id": first["lead_id"]}))
    );
    assert_eq!(second["routing_decision_id"], Value::Null, "it takes no turn");
    let other = routed(app, at("carl@other.example")).await;
    assert!(other["owner_id"] != first["owner_id"] && other["joins"].is_null());

    // Not where the owner is away: then it is routed.
    let owner = team.members.iter().find(|one| json!(one.id) == first["owner_id"]).unwrap();
    let away = json!({"absences": [{"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}]});
    put_availability(app, app.admin().await, owner, away).await.expect(200);
    let third = routed(app, at("dora@acme.example")).await;
    assert!(third["owner_id"] != first["owner_id"] && third["owner_id"] != json!(boss.id), "{third:#}");
}

#[tandem_tests::test]
async fn what_waits_joins_the_work_on_its_company_once_it_is_released(app: &TestApp) {
    let team = given_team(app, 1).await;
    let rules = json!({"rules": [{"name": "All", "to": {"team_id": team.id}}]});
    let boss = app.admin().await.clone();
    app.put("/v1/routing").by(&boss).json(rules).await.expect(200);
    let member = &team.members[0];
    put_availability(app, &boss, member, json!({"capacity": 0})).await.expect(200);
    let mut waiting = vec![];
    for email in ["ada@acme.example", "bob@acme.example", "carl@other.example"] {
        let handoff = routed(app, json!({"email": email})).await;
        assert_eq!((&handoff["queue"], &handoff["joins"]), (&json!(team.id), &Value::Null));
        waiting.push(handoff["lead_id"].as_str().unwrap().to_owned());
        app.clock.advance(1000);
    }
    put_availability(app, &boss, member, json!({"capacity": 1})).await.expect(200);
    app.run_jobs().await;
    let [ada, bob, carl] = [
        handoff_of(app, &waiting[0]).await,
        handoff_of(app, &waiting[1]).await,
        handoff_of(app, &waiting[2]).await,
    ];
    assert_eq!((&ada["owner_id"], &ada["joins"]), (&json!(member.id), &Value::Null), "its turn");
    assert_eq!(
        (&bob["owner_id"], &bob["joins"]["lead_id"], &bob["queue"]),
        (&json!(member.id), &ada["lead_id"], &Value::Null),
        "with its colleague, whatever the capacity"
    );
    assert_eq!((&carl["owner_id"], &carl["queue"]), (&Value::Null, &json!(team.id)));

    let report = app.get("/v1/reports/kpis").by(&boss).await.expect(200);
    let figures = report["figures"].as_array().unwrap();
    for (name, count) in [("mqls_handed_over", 3.0), ("mqls_joined", 1.0)] {
        let figure = figures.iter().find(|one| one["figure"] == name).unwrap();
        assert_eq!(figure["value"], count, "{name}");
        let list = app.get(figure["evidence"].as_str().unwrap()).by(&boss).await.expect(200);
        assert_eq!(list["total_count"].as_f64(), Some(count), "{name}");
    }
}

#[tandem_tests::test]
async fn simulated_routing_says_why_and_writes_nothing(app: &TestApp) {
    let team = given_team(app, 2).await;
    put_rules(app, json!([
        {"name": "Italy", "when": {"field": "country", "op": "eq", "value": "IT"}, "to": {"queue": "general"}},
        {"name": "All", "to": {"team_id": team.id}},
    ]))
    .await
    .expect(200);
    let simulate =
        async |body: Value| app.post("/v1/routing/simulate").by(app.admin().await).json(body).await;
    let lead = app.given_lead("ada@example.com").await.id();
    let known = simulate(json!({"lead_id": lead})).await.expect(200);
    assert_eq!(
        (known["rules"][0]["outcome"].as_str(), known["team_id"].as_str()),
        (Some("not_matched"), Some(&*team.id))
    );
    assert_eq!(simulate(json!({"lead_id": lead})).await.expect(200).body, known.body, "no turn was taken");
    assert_eq!(known["rules"][1]["passed_over"][0]["reason"], "not_their_turn");
    let italian = json!({"lead": {"email": "eve@example.org", "country": "IT"}});
    let italian = simulate(italian).await.expect(200);
    assert_eq!((&italian["owner_id"], &italian["queue"]), (&Value::Null, &json!("general")));
    let leads = app.get("/v1/leads").by(app.admin().await).await.expect(200);
    assert_eq!(leads["data"].as_array().unwrap().len(), 1);
    simulate(json!({})).await.refused(422, "validation_failed");
    let real = routed(app, json!({"country": "FR"})).await;
    assert_eq!(real["owner_id"], known["owner_id"], "as it was simulated");
}

#[tandem_tests::test]
async fn the_leads_of_who_leaves_go_to_the_team_in_turn(app: &TestApp) {
    let team = given_team(app, 3).await;
    put_rules(app, json!([{"name": "All", "to": {"user_id": team.members[0].id}}])).await.expect(200);
    let mut leads = vec![];
    for _ in 0..4 {
        leads.push(routed(app, json!({})).await["lead_id"].clone());
    }
    let path = format!("/v1/users/{}/reassign", team.members[0].id);
    let body = json!({"to": team.id});
    app.post(&path).by(&team.members[1]).json(body.clone()).await.refused(403, "wrong_role");
    let moved = app.post(&path).by(app.admin().await).json(body.clone()).await.expect(200);
    assert_eq!(
        (&moved["moved"], &moved["left"], &moved["has_more"]),
        (&json!(leads), &json!([]), &json!(false))
    );
    let mut owners = vec![];
    for lead in &leads {
        owners.push(handoff_of(app, lead.as_str().unwrap()).await["owner_id"].clone());
    }
    for member in &team.members[1..] {
        assert_eq!(owners.iter().filter(|owner| **owner == json!(member.id)).count(), 2);
    }
    let again = app.post(&path).by(app.admin().await).json(body).await.expect(200);
    assert_eq!(again["moved"], json!([]));
    let nobody = json!({"to": "team_01h455vb4pex5vsknk084sn02q"});
    app.post(&path).by(app.admin().await).json(nobody).await.refused(422, "validation_failed");
}
