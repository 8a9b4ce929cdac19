//! Races: many callers at the same moment, on one server and on two.

use std::future::IntoFuture;

use futures::future::{join, join_all};
use serde_json::{Value, json};
use tandem_tests::{Answer, Request, Server, TestApp, User};

use crate::deals::{entries_since_deal, given_sql, open};

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Send it, and again where the service was too busy to do it.
async fn answered(request: impl Fn() -> Request) -> Answer {
    loop {
        let answer = request().await;
        if answer.status != 503 {
            return answer;
        }
    }
}

async fn same_email(app: &TestApp, servers: &[&Server]) {
    let by = app.admin().await;
    let posts = (0..32).map(|n| {
        let body = json!({"email": "ada@example.com", "external_id": {"system": "crm", "id": "1"}, "need": format!("{n}")});
        answered(move || servers[n % servers.len()].post("/v1/leads").by(by).json(body.clone()))
    });
    let answers = join_all(posts).await;
    assert_eq!((count(&answers, 201), count(&answers, 200)), (1, 31));
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    assert_eq!(app.get("/v1/leads").by(by).await.expect(200).each("id").len(), 1);
    let timeline = app
        .get(&format!("/v1/leads/{}/timeline?types=lead.created", answers[0].id()))
        .by(by)
        .await
        .expect(200);
    assert_eq!(timeline.each("type"), ["lead.created"]);
}

async fn same_etag(app: &TestApp, servers: &[&Server]) {
    let mut users: Vec<User> = vec![];
    for _ in 0..20 {
        users.push(app.user("marketing").await);
    }
    let lead = app.given_lead("ada@example.com").await;
    let path = format!("/v1/leads/{}", lead.id());
    let patches = users.iter().enumerate().map(|(n, user)| {
        let request = servers[n % servers.len()].patch(&path).by(user).header("if-match", lead.etag());
        request.json(json!({"first_name": format!("by {}", user.id)})).into_future()
    });
    let answers = join_all(patches).await;
    assert_eq!((count(&answers, 200), count(&answers, 412)), (1, 19));
    let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
    let read = app.get(&path).by(&users[0]).await.expect(200);
    assert_eq!((&read.body, read.etag()), (&winner.body, winner.etag()));
}

async fn same_move(app: &TestApp, servers: &[&Server]) {
    let by = app.admin().await;
    let lead = app.given_lead("ada@example.com").await.id();
    let path = format!("/v1/leads/{lead}/transitions");
    let moves = (0..16).map(|n| {
        let body = json!({"to": "mql", "note": "now"});
        let path = &path;
        answered(move || servers[n % servers.len()].post(path).by(by).json(body.clone()))
    });
    let answers = join_all(moves).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 15));
    let history = app.get(&path).by(by).await.expect(200);
    assert_eq!(history.each("to"), ["lead", "mql"]);
}

async fn same_company(app: &TestApp, servers: &[&Server]) {
    let by = app.admin().await;
    let posts = (0..16).map(|n| {
        let company = if n % 2 == 0 {
            json!({"domain": "example.com", "name": "Example"})
        } else {
            json!({"name": "No domain"})
        };
        let body = json!({"email": format!("lead{n}@example.com"), "company": company});
        answered(move || servers[(n / 2) % servers.len()].post("/v1/leads").by(by).json(body.clone()))
    });
    let answers = join_all(posts).await;
    assert_eq!(count(&answers, 201), 16);
    assert_eq!(app.get("/v1/companies").by(by).await.expect(200).each("id").len(), 2);
}

/// Sixteen at once, each of them several times: nobody's turn is lost and nobody has another's.
async fn no_turn_is_lost(app: &TestApp, servers: &[&Server]) {
    let by = app.admin().await;
    let weights = [5, 3, 1];
    let mut users: Vec<User> = vec![];
    for weight in weights {
        let user = app.user("sales").await;
        let path = format!("/v1/users/{}/availability", user.id);
        app.put(&path).by(by).json(json!({"weight": weight})).await.expect(200);
        users.push(user);
    }
    let ids: Vec<&String> = users.iter().map(|user| &user.id).collect();
    let team =
        app.post("/v1/teams").by(by).json(json!({"name": "North", "members": ids})).await.expect(201).id();
    let rule = json!({"name": "All", "to": {"team_id": team}, "strategy": "weighted"});
    let rules = json!({"rules": [rule], "join_company": false});
    app.put("/v1/routing").by(by).json(rules).await.expect(200);
    let leads: Vec<Value> = (0..54).map(|n| json!({"email": format!("lead{n}@example.com")})).collect();
    let made = app.post("/v1/leads/batch").by(by).json(json!({"leads": leads})).await.expect(207);
    let leads: Vec<String> = made["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    for round in leads.chunks(16) {
        let moves = round.iter().enumerate().map(|(n, lead)| {
            let path = format!("/v1/leads/{lead}/transitions");
            let body = json!({"to": "mql", "note": "now"});
            answered(move || servers[n % servers.len()].post(&path).by(by).json(body.clone()))
        });
        assert_eq!(count(&join_all(moves).await, 201), round.len());
    }
    let list = app.get("/v1/handoffs?limit=200").by(by).await.expect(200);
    let owners = list.each("owner_id");
    assert_eq!(owners.len(), 54);
    // 54 turns are six rounds of nine: every share is whole.
    for (user, weight) in users.iter().zip(weights) {
        assert_eq!(owners.iter().filter(|owner| **owner == user.id).count(), 6 * weight as usize, "{weight}");
    }
}

async fn one_close_of_two(app: &TestApp, other: &Server) {
    let sam = app.user("sales").await;
    let lead = given_sql(app).await;
    let deal = open(app, &sam, &lead).await.expect(201).id();
    let path = format!("/v1/deals/{deal}/close");
    let won = app.post(&path).by(&sam).json(json!({"outcome": "won", "reason": "price"}));
    let lost = other.post(&path).by(&sam).json(json!({"outcome": "lost", "reason": "price"}));
    let (won, lost) = join(won.into_future(), lost.into_future()).await;
    let mut statuses = [won.status, lost.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", won.text, lost.text);
    let moves = app.get(&format!("/v1/deals/{deal}/moves")).by(&sam).await.expect(200);
    assert_eq!(moves.each("to").len(), 2);
    let (state, stage) = if won.status == 200 { ("won", "customer") } else { ("lost", "nurture") };
    let deal = app.get(&format!("/v1/deals/{deal}")).by(&sam).await.expect(200);
    let read = app.get(&format!("/v1/leads/{lead}")).by(&sam).await.expect(200);
    assert_eq!((&deal["state"], &read["stage"]), (&json!(state), &json!(stage)));
    let entries = entries_since_deal(app, &lead).await;
    let closings = entries.iter().filter(|kind| ["deal.won", "deal.lost"].contains(&kind.as_str()));
    assert_eq!(closings.collect::<Vec<_>>(), [&format!("deal.{state}")]);
}

#[tandem_tests::test]
async fn one_email_at_once_is_one_lead(app: &TestApp) {
    same_email(app, &[app]).await;
}

#[tandem_tests::test]
async fn of_twenty_edits_of_one_version_one_is_made(app: &TestApp) {
    same_etag(app, &[app]).await;
}

#[tandem_tests::test]
async fn of_sixteen_moves_one_is_made(app: &TestApp) {
    same_move(app, &[app]).await;
}

#[tandem_tests::test]
async fn one_company_at_once_is_one_company(app: &TestApp) {
    same_company(app, &[app]).await;
}

#[tandem_tests::test]
async fn one_address_goes_to_one_of_two_leads(app: &TestApp) {
    let by = app.admin().await;
    for n in 0..5 {
        let one = app.given_lead(&format!("one{n}@example.com")).await.id();
        let two = app.given_lead(&format!("two{n}@example.com")).await.id();
        let take = |lead: &str| {
            app.patch(&format!("/v1/leads/{lead}"))
                .by(by)
                .json(json!({"email": format!("wanted{n}@example.com")}))
        };
        let (first, second) = join(take(&one).into_future(), take(&two).into_future()).await;
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[tandem_tests::test]
async fn two_admins_cannot_remove_each_other(app: &TestApp) {
    let ada = app.admin().await;
    let eve = app.user("admin").await;
    let disable = |by: &User, whom: &User| {
        app.patch(&format!("/v1/users/{}", whom.id)).by(by).json(json!({"disabled": true}))
    };
    let (first, second) = join(disable(ada, &eve).into_future(), disable(&eve, ada).into_future()).await;
    let done = [&first, &second].into_iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{} {}", first.text, second.text);
}

#[tandem_tests::test]
async fn batches_that_overlap_leave_each_lead_once(app: &TestApp) {
    let by = app.admin().await;
    let batch = |shift: usize| {
        let lead = |n: usize| json!({"email": format!("lead{}@example.com", (n * 7 + shift) % 40), "company": {"domain": "example.com"}});
        json!({"leads": (0..40).map(lead).collect::<Vec<_>>()})
    };
    let posts = (0..6).map(|shift| app.post("/v1/leads/batch").by(by).json(batch(shift)).into_future());
    for answer in join_all(posts).await {
        let answer = answer.expect(207);
        let items = answer["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["status"] == 200 || item["status"] == 201), "{}", answer.text);
    }
    let listed = app.get("/v1/leads?limit=200").by(by).await.expect(200);
    assert_eq!(listed.each("id").len(), 40);
    assert_eq!(listed["data"][0]["company"]["domain"], Value::from("example.com"));
}

#[tandem_tests::test]
async fn sixteen_at_once_lose_no_turn(app: &TestApp) {
    no_turn_is_lost(app, &[app]).await;
}

#[tandem_tests::test(postgres)]
async fn sixteen_at_once_on_two_servers_lose_no_turn(app: &TestApp) {
    let other = app.second_server().await;
    no_turn_is_lost(app, &[app, &other]).await;
    other.stop().await;
}

#[tandem_tests::test]
async fn of_two_closings_at_once_one_is_made(app: &TestApp) {
    one_close_of_two(app, app).await;
}

#[tandem_tests::test]
async fn of_two_first_deals_at_once_one_moves_the_lead(app: &TestApp) {
    let sam = app.user("sales").await;
    let lead = given_sql(app).await;
    let body = json!({"name": "x", "lead_ids": [lead], "external_id": {"system": "crm", "id": "1"}});
    let post = || app.post("/v1/deals").by(&sam).json(body.clone()).into_future();
    let (first, second) = join(post(), post()).await;
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    assert_eq!(entries_since_deal(app, &lead).await, ["deal.opened", "lead.stage_changed"]);
}

#[tandem_tests::test(postgres)]
async fn one_email_at_once_on_two_servers_is_one_lead(app: &TestApp) {
    let other = app.second_server().await;
    same_email(app, &[app, &other]).await;
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn of_twenty_edits_of_one_version_on_two_servers_one_is_made(app: &TestApp) {
    let other = app.second_server().await;
    same_etag(app, &[app, &other]).await;
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn of_sixteen_moves_on_two_servers_one_is_made(app: &TestApp) {
    let other = app.second_server().await;
    same_move(app, &[app, &other]).await;
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn one_company_at_once_on_two_servers_is_one_company(app: &TestApp) {
    let other = app.second_server().await;
    same_company(app, &[app, &other]).await;
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn one_request_sent_to_two_servers_at_once_is_one(app: &TestApp) {
    let other = app.second_server().await;
    let by = app.admin().await;
    let servers: [&Server; 2] = [app, &other];
    let posts = (0..20).map(|n| {
        servers[n % 2]
            .post("/v1/leads")
            .by(by)
            .once("k")
            .json(json!({"email": "ada@example.com"}))
            .into_future()
    });
    let answers = join_all(posts).await;
    assert_eq!(count(&answers, 201), 20);
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).count(), 1);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    other.stop().await;
}

#[tandem_tests::test(postgres)]
async fn of_two_closings_on_two_servers_one_is_made(app: &TestApp) {
    let other = app.second_server().await;
    one_close_of_two(app, &other).await;
    other.stop().await;
}
