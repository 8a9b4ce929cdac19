//! The figures about hand-offs, promises and deals against an evaluator that is slow and plain. And the list behind each
//! figure holds just the records that the evaluator counted.

mod plain;
mod rows;

use std::collections::BTreeMap;

use plain::Rows;
use rows::{some_deals, some_handoffs};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::json;
use tandem_store::rows::{clocks, cycles, deals, handoffs, team_members};
use tandem_tests::{START, TestApp, hours};
use uuid::Uuid;

use crate::funnel::cycles::some_cycles;
use crate::trace::chance::Chance;

/// What reads reports and the records behind them.
const READS: [&str; 4] = ["reports:read", "leads:read", "handoffs:read", "deals:read"];

async fn insert<M, E>(on: &impl ConnectionTrait, rows: &[M])
where
    E: EntityTrait<Model = M>,
    M: Clone + IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    for chunk in rows.chunks(40) {
        let rows: Vec<E::ActiveModel> = chunk.iter().map(|row| row.clone().into_active_model()).collect();
        E::insert_many(rows).exec(on).await.unwrap();
    }
}

/// Rows by chance, in the database.
async fn given(app: &TestApp) -> Rows {
    let zone = json!({"name": "Example Ltd", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    let chance = &mut Chance(20_261_130);
    let cycles = some_cycles(chance);
    let (handoffs, clocks) = some_handoffs(chance, &cycles);
    let deals = some_deals(chance, &cycles);
    let id = Uuid::from_u128;
    let teams = BTreeMap::from([(id(1), vec![id(91), id(92)]), (id(2), vec![id(92)]), (id(3), vec![id(91)])]);
    let raw = app.database.raw().await;
    insert::<_, cycles::Entity>(&raw, &cycles).await;
    insert::<_, handoffs::Entity>(&raw, &handoffs).await;
    insert::<_, clocks::Entity>(&raw, &clocks).await;
    insert::<_, deals::Entity>(&raw, &deals).await;
    let of = |(user_id, teams): (&Uuid, &Vec<Uuid>)| {
        let user_id = *user_id;
        let member = |team_id: &Uuid| team_members::Model { team_id: *team_id, user_id };
        teams.iter().map(member).collect::<Vec<_>>()
    };
    let members: Vec<_> = teams.iter().flat_map(of).collect();
    insert::<_, team_members::Entity>(&raw, &members).await;
    raw.close().await.unwrap();
    let reader = app.key(&READS).await;
    Rows { reader, now: START.millis(), cycles, handoffs, clocks, deals, office: plain::rome(), teams }
}

#[tandem_tests::test]
async fn rejections_equal_a_plain_evaluation_and_open_to_their_records(app: &TestApp) {
    let rows = given(app).await;
    let periods = [
        (None, None),
        (Some(("2026-02-01", "2026-03-01")), Some(("2026-01-01", "2026-02-01"))),
        (Some(("2026-01-10", "2026-03-30")), Some(("2025-10-23", "2026-01-10"))),
    ];
    plain::rejections(app, &rows, &periods).await;
}

#[tandem_tests::test]
async fn response_times_equal_a_plain_evaluation_and_open_to_their_records(app: &TestApp) {
    let rows = given(app).await;
    plain::response_times(app, &rows, &[None, Some(("2025-12-10", "2026-03-30"))]).await;
}

#[tandem_tests::test]
async fn commitments_equal_a_plain_evaluation_and_open_to_their_records(app: &TestApp) {
    let rows = given(app).await;
    plain::commitments(app, &rows, &["2025-12", "2026-01", "2026-02", "2026-03"]).await;
}

#[tandem_tests::test]
async fn key_figures_equal_a_plain_evaluation_and_open_to_their_records(app: &TestApp) {
    let rows = given(app).await;
    let periods = [
        (None, None, ("2026-01", "2026-02")),
        (Some(("2026-01-01", "2026-03-01")), None, ("2026-01", "2026-02")),
        (Some(("2025-12-15", "2026-02-10")), Some("google"), ("2025-12", "2026-01")),
    ];
    plain::key_figures(app, &rows, &("2026-03-01", "2026-04-01"), &periods).await;
    let month = async |days: &str| {
        let report = app.get(&format!("/v1/reports/kpis?{days}")).by(&rows.reader).await.expect(200);
        report["figures"].as_array().unwrap().clone()
    };
    let february = month("from=2026-02-01&to=2026-03-01").await;
    let january = month("from=2026-01-01&to=2026-02-01").await;
    for (now, then) in february.iter().zip(&january) {
        assert_eq!(now["before"], then["value"], "{now:#}");
    }
}

#[tandem_tests::test]
async fn reports_of_sales_are_zero_without_a_handoff_and_come_as_tables(app: &TestApp) {
    for (report, lines) in
        [("rejections", 2), ("response-times", 2), ("sla", 7), ("leakage", 2), ("kpis", 19)]
    {
        let path = format!("/v1/reports/{report}");
        let empty = app.get(&path).by(app.admin().await).await.expect(200);
        assert!(!empty.text.contains("NaN"), "{}", empty.text);
        let table = app.get(&path).by(app.admin().await).header("accept", "text/csv").await.expect(200);
        let all: Vec<&str> = table.text.split_terminator('\n').collect();
        assert_eq!(all.len(), lines, "{}", table.text);
        let cells = all[0].split(',').count();
        assert!(all.iter().all(|line| line.split(',').count() == cells), "{}", table.text);
    }
    let key = app.key(&["reports:read"]).await;
    let evidence = "/v1/reports/handoffs/evidence?figure=rejected";
    app.get(evidence).by(&key).await.refused(403, "insufficient_scope");
    app.get("/v1/reports/sla/evidence?commitment=review").by(&key).await.refused(403, "insufficient_scope");
    app.get("/v1/reports/sla?month=2026-13").by(&key).await.refused(400, "invalid_parameter");
}

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
