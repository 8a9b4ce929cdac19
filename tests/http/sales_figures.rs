//! The figures about hand-offs, promises and deals against an evaluator that is slow and plain. And the list behind each
//! figure holds just the records that the evaluator counted.

mod changes;
mod customers;
mod leakage;
mod plain;
mod rows;
mod year;

use std::collections::BTreeMap;

use plain::{Costs, Rows};
use rows::{some_deals, some_handoffs, some_tasks};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};
use tandem_store::rows::{activities, clocks, cycles, deals, handoffs, team_members};
use tandem_tests::{START, TestApp};
use uuid::Uuid;

use crate::funnel::cycles::some_cycles;
use crate::trace::chance::Chance;

/// What reads reports and the records behind them.
const READS: [&str; 5] = ["reports:read", "leads:read", "handoffs:read", "deals:read", "activities:read"];

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
pub(crate) async fn given(app: &TestApp) -> Rows {
    let zone = json!({"name": "Example Ltd", "timezone": "Europe/Rome"});
    app.put("/v1/settings/company").by(app.admin().await).json(zone).await.expect(200);
    let chance = &mut Chance(20_261_130);
    let mut cycles = some_cycles(chance);
    // A customer that was lost has churned.
    let lost = cycles.iter_mut().filter(|cycle| cycle.customer_at.is_some());
    lost.for_each(|cycle| cycle.churned_at = cycle.ended_at);
    let (handoffs, clocks) = some_handoffs(chance, &cycles);
    let deals = some_deals(chance, &cycles);
    let tasks = some_tasks(chance, &cycles);
    let id = Uuid::from_u128;
    let teams = BTreeMap::from([(id(1), vec![id(91), id(92)]), (id(2), vec![id(92)]), (id(3), vec![id(91)])]);
    let raw = app.database.raw().await;
    insert::<_, cycles::Entity>(&raw, &cycles).await;
    insert::<_, handoffs::Entity>(&raw, &handoffs).await;
    insert::<_, clocks::Entity>(&raw, &clocks).await;
    insert::<_, deals::Entity>(&raw, &deals).await;
    insert::<_, activities::Entity>(&raw, &tasks).await;
    let of = |(user_id, teams): (&Uuid, &Vec<Uuid>)| {
        let user_id = *user_id;
        let member = |team_id: &Uuid| team_members::Model { team_id: *team_id, user_id };
        teams.iter().map(member).collect::<Vec<_>>()
    };
    let members: Vec<_> = teams.iter().flat_map(of).collect();
    insert::<_, team_members::Entity>(&raw, &members).await;
    raw.close().await.unwrap();
    let reader = app.key(&READS).await;
    let costs = given_costs(app).await;
    let now = START.millis();
    Rows { reader, now, cycles, handoffs, clocks, deals, tasks, costs, office: plain::rome(), teams }
}

/// What a campaign costs, what months cost beside it, and the margin.
async fn given_costs(app: &TestApp) -> Costs {
    let admin = app.admin().await;
    let campaign = json!({"name": "Spring", "channel": "email", "starts_on": "2026-01-01"});
    let campaign = app.post("/v1/campaigns").by(admin).json(campaign).await.expect(201).id();
    let eur = |amount: i64| json!({"amount": amount, "currency": "EUR"});
    let spent = vec![("2026-01-05", 100_000), ("2026-02-28", 50_000), ("2026-03-31", 70_001)];
    let days: Vec<Value> =
        spent.iter().map(|(day, amount)| json!({"on": day, "amount": eur(*amount)})).collect();
    app.put(&format!("/v1/campaigns/{campaign}/costs")).by(admin).json(json!(days)).await.expect(200);
    let months = vec![("2026-01", 310_000, 620_000), ("2026-02", 280_000, 1), ("2026-03", 5, 7)];
    for (month, marketing, sales) in &months {
        let costs = json!({"month": month, "marketing": eur(*marketing), "sales": eur(*sales)});
        app.put("/v1/settings/costs").by(admin).json(costs).await.expect(200);
    }
    app.put("/v1/settings/reports").by(admin).json(json!({"margin": 0.25})).await.expect(200);
    Costs { spent, months, margin: 0.25 }
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
    for (report, lines) in [
        ("rejections", 2),
        ("losses", 2),
        ("wins", 2),
        ("response-times", 2),
        ("sla", 8),
        ("leakage", 2),
        ("kpis", 31),
    ] {
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
