//! Clocks fire by themselves, once, at their true times.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_api::program::jobs::{self, Loop};
use tandem_tests::{Backend, Given, LiveApp, TestApp, hours, minutes, seconds};

async fn types(app: &TestApp, kinds: &str) -> Vec<String> {
    let path = format!("/v1/journal?type={kinds}&limit=200");
    app.get(&path).by(app.admin().await).await.expect(200).each("type")
}

#[tandem_tests::test]
async fn an_unanswered_promise_warns_once_and_breaches_once(app: &TestApp) {
    let (rep, chief) = (app.user("sales").await, app.user("sales_manager").await);
    let lead = app.given_lead("ada@example.com").await.id();
    let promise = app.given_promise(&lead, Some(&rep.id), minutes(10)).await;
    let kinds = "clock.warned,clock.breached";

    app.clock.advance(minutes(8) - seconds(1));
    app.run_jobs().await;
    assert_eq!(types(app, kinds).await, [""; 0]);
    app.clock.advance(seconds(1));
    app.run_jobs().await;
    app.run_jobs().await;
    assert_eq!(types(app, kinds).await, ["clock.warned"]);
    app.clock.advance(minutes(5));
    app.run_jobs().await;
    app.run_jobs().await;
    assert_eq!(types(app, kinds).await, ["clock.breached", "clock.warned"]);

    let breached = app.get(&format!("/v1/clocks/{}", promise.clock)).by(&rep).await.expect(200);
    assert_eq!(breached["state"], "breached");
    assert_eq!(breached["breached_at"], json!(promise.due_at.plus_millis(1)));
    let notices = async |who: &str| {
        let notices = app.get("/v1/me/notices").by(who).await.expect(200);
        (notices.each("kind"), notices)
    };
    let (kinds, own) = notices(&rep.token).await;
    assert_eq!(kinds, ["clock_breached", "clock_warned"]);
    assert_eq!(own["data"][0]["subject"], json!({"type": "clock", "id": promise.clock}));
    assert_eq!(own["data"][0]["act"]["operation_id"], "log_activity");
    assert_eq!(notices(&chief.token).await.0, ["clock_breached"], "a manager hears of breaches");
    assert_eq!(notices(&app.user("sales").await.token).await.0, [""; 0]);
}

#[tandem_tests::test]
async fn at_the_due_instant_a_promise_is_not_broken_yet(app: &TestApp) {
    let lead = app.given_lead("ada@example.com").await.id();
    let promise = app.given_promise(&lead, None, minutes(10)).await;
    let now = app.running.core.ambient.now();
    app.clock.advance(promise.due_at.millis() - now.millis());
    app.run_jobs().await;
    assert_eq!(types(app, "clock.warned,clock.breached").await, ["clock.warned"]);
}

#[tandem_tests::test]
async fn lists_filter_by_kind_state_owner_queue_and_due_time(app: &TestApp) {
    let rep = app.user("sales").await;
    let [ada, bob] =
        [app.given_lead("ada@example.com").await.id(), app.given_lead("bob@example.com").await.id()];
    let owned = app.given_promise(&ada, Some(&rep.id), hours(2)).await;
    let queued = app.given_promise(&bob, None, hours(1)).await;
    let list =
        async |query: &str| app.get(&format!("/v1/clocks?{query}")).by(&rep).await.expect(200).each("id");

    let (owned_id, queued_id) = (owned.clock.to_string(), queued.clock.to_string());
    assert_eq!(list("sort=due_at").await, [queued_id.as_str(), &owned_id]);
    assert_eq!(list("owner_id=me").await, [owned_id.as_str()]);
    assert_eq!(list("owner_id=none").await, [queued_id.as_str()]);
    assert_eq!(list("queue=general").await, [queued_id.as_str()]);
    assert_eq!(list(&format!("lead_id={ada}&kind=first_contact&side=sales")).await, [owned_id.as_str()]);
    assert_eq!(list(&format!("handoff_id={}", queued.handoff)).await, [queued_id.as_str()]);
    let due = serde_json::from_value::<String>(json!(owned.due_at)).unwrap();
    assert_eq!(list(&format!("state=running&due_before={due}")).await, [queued_id.as_str()]);
    assert_eq!(list(&format!("due_at_gte={due}")).await, [owned_id.as_str()]);
    assert_eq!(list("state=breached").await, [""; 0]);
    app.get("/v1/clocks").by(app.key(&["leads:read"]).await).await.refused(403, "insufficient_scope");
}

/// A clock that nobody looks at while the service is down fires at its next start, with its true times.
#[actix_web::test]
async fn what_came_due_while_the_service_was_down_fires_at_the_next_start() {
    let app = TestApp::start(Backend::Sqlite).await.unwrap();
    let lead = app.given_lead("ada@example.com").await.id();
    let promise = app.given_promise(&lead, None, hours(1)).await;
    app.clock.advance(hours(14 * 24));
    let admin = app.login("admin@example.com").await;

    let started = Loop::start(
        app.running.core.clone(),
        jobs::all(&app.running.core).filter(|job| job.name == "clocks"),
    );
    let breached = async || {
        let clock = app.get(&format!("/v1/clocks/{}", promise.clock)).by(&admin).await.expect(200);
        (clock["state"] == "breached").then(|| clock["breached_at"].clone())
    };
    let mut at: Option<Value> = None;
    for _ in 0..200 {
        at = breached().await;
        if at.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(at, Some(json!(promise.due_at.plus_millis(1))));
    started.stop().await;
    app.stop().await;
}

/// Two replicas run the job at once: each clock warns and breaches once, none before its time.
#[actix_web::test]
async fn two_replicas_fire_each_clock_once() {
    let Some(app) = TestApp::start(Backend::Postgres).await else { return };
    let second = app.second_server().await;
    let leads = app.unknown_leads(1200);
    let promises = app.given_promises(&leads, None, minutes(1)).await;
    let due_at = promises[0].due_at;
    app.clock.advance(minutes(2));
    let (one, other) = (&app.running.core, &second.running.core);
    for _ in 0..5 {
        futures::join!(jobs::run_due(one), jobs::run_due(other));
        // A replica that finds the lease taken leaves the work to the other.
        app.clock.advance(seconds(60));
    }
    let admin = app.admin().await;
    for kind in ["clock.warned", "clock.breached"] {
        let mut seen = std::collections::BTreeSet::new();
        let mut after = String::new();
        while seen.len() < promises.len() {
            // An entry shows once no older transaction of the whole PostgreSQL server runs, other tests' included.
            let path = format!("/v1/changes?types={kind}&limit=200&wait=5s{after}");
            let page = app.get(&path).by(admin).await.expect(200);
            for entry in page["data"].as_array().unwrap() {
                assert!(seen.insert(entry["subject"]["id"].to_string()), "{entry} comes twice");
                if kind == "clock.breached" {
                    assert_eq!(entry["data"]["breached_at"], json!(due_at.plus_millis(1)));
                }
            }
            after = format!("&after={}", page["next_cursor"].as_str().unwrap());
        }
        let rest = format!("/v1/changes?types={kind}&limit=200{after}");
        assert_eq!(app.get(&rest).by(admin).await.expect(200)["data"], json!([]), "{kind}");
    }
    second.stop().await;
    app.stop().await;
}

/// How long it takes is measured on a release build; here all of them fire, each once, in one run.
#[tandem_tests::test]
async fn ten_thousand_clocks_that_are_due_at_once_fire_in_one_run(app: &LiveApp) {
    let leads = app.unknown_leads(10_000);
    for leads in leads.chunks(2000) {
        app.given_promises(leads, None, -minutes(1)).await;
    }
    app.run_jobs().await;
    let by = app.admin().await;
    let left = app.get("/v1/clocks?state=running,warned&limit=1").by(by).await.expect(200);
    assert_eq!(left["data"], json!([]));
    let breached =
        app.get("/v1/clocks?state=breached&limit=1").by(by).header("prefer", "return=total-count").await;
    assert_eq!(breached["total_count"], 10_000);
}
