//! The demo: a year by the real rules, the same one for the same seed.

use std::sync::Arc;

use actix_web::web;
use serde_json::json;
use tandem_api::edge::crypto::password::{Cost, Passwords};
use tandem_api::program::serve;
use tandem_demo::{Demo, NoDemo};
use tandem_domain::judge;
use tandem_tests::counting::{self, Counting};
use tandem_tests::{Backend, Given, START, TestApp};

/// As `tandem demo` does it, with a rule that counts its firings: by transactions that bear the dates of the year, not those of a running service's clock.
async fn fill(app: &TestApp, seed: u64) -> Result<Demo, NoDemo> {
    let config = app.database.config();
    let mut rules = judge::rules();
    rules.push(Arc::new(Counting));
    let db = serve::prepare(&config, &app.clock).await.unwrap().judging_by(rules);
    let master = config.master_key.clone().unwrap();
    let passwords = Passwords::with_cost(2, Cost::Cheap);
    let core = serve::assemble(&config, app.clock.clone(), master, passwords, db).unwrap();
    tandem_demo::fill(web::Data::new(core), seed, START).await
}

#[tandem_tests::test]
async fn a_year_is_made_by_the_rules_and_can_be_looked_at(app: &TestApp) {
    let made = fill(app, 7).await.unwrap();
    let login = json!({"email": made.email, "password": made.password});
    let token =
        app.post("/v1/auth/login").json(login).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let told = made.told("http://127.0.0.1:8080", "TANDEM_DATA_DIR=./demo tandem serve");
    for said in [
        made.email,
        &made.password,
        "Stop the server on http://127.0.0.1:8080,",
        "TANDEM_DATA_DIR=./demo tandem serve",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }

    let funnel = format!(
        "/v1/reports/funnel?by=source&from={}&to={}",
        &made.from.to_string()[..10],
        &made.to.to_string()[..10]
    );
    let funnel = app.get(&funnel).by(&token).await.expect(200);
    let reached = |stage: &str| {
        let stages = funnel["totals"].as_array().unwrap();
        stages.iter().find(|one| one["stage"] == stage).unwrap()["cycles"].as_u64().unwrap()
    };
    let steps = ["lead", "mql", "sal", "sql", "opportunity", "customer"].map(reached);
    assert!(steps.is_sorted_by(|a, b| a > b) && steps[0] > 2_000 && steps[5] > 50, "{steps:?}");

    let campaigns = app.get("/v1/reports/campaigns").by(&token).await.expect(200);
    let names: Vec<_> =
        campaigns["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str()).collect();
    assert_eq!((names.len(), names[8]), (9, None), "eight campaigns, and what belongs to none: {names:?}");
    let totals = &campaigns["totals"];
    assert!(totals["cac"]["value"].as_f64().unwrap() > 0.0, "{totals:#}");
    // Each company has a domain of its own: nearly every won deal brings a customer.
    assert!(totals["new_customers"]["count"].as_u64().unwrap() > 50, "{totals:#}");

    let count = async |path: &str| {
        let page = app.get(path).by(&token).header("prefer", "return=total-count").await.expect(200);
        page["total_count"].as_u64().unwrap()
    };
    assert_eq!(count("/v1/deals?state=won").await, made.tally.of("won"));
    assert_eq!(count("/v1/deals").await, made.tally.of("deals"));
    let rejected = app.get("/v1/submissions?status=rejected").by(&token).await.expect(200);
    assert!(!rejected.each("id").is_empty());

    let rows = async |rows: &str| counting::count(&app.database, rows).await;
    let causes = rows("submissions WHERE status = 'accepted' AND lead_id IS NOT NULL").await
        + rows("journal WHERE type = 'lead.created' OR type LIKE 'deal.%'").await
        + i64::try_from(made.tally.of("moves")).unwrap();
    assert_eq!(counting::fired(&app.database).await, causes, "whatever touches a lead is judged, once");

    let again = fill(app, 7).await.unwrap_err();
    assert!(again.to_string().contains("not empty"), "{again}");
}

#[actix_web::test]
async fn the_same_seed_makes_the_same_year() {
    let mut tallies = vec![];
    for seed in [3, 3] {
        let app = TestApp::start(Backend::Sqlite).await.unwrap();
        tallies.push(fill(&app, seed).await.unwrap().tally);
        app.stop().await;
    }
    assert_eq!(tallies[0], tallies[1]);
}
