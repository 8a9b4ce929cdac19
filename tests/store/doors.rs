//! The doors: a dropped transaction leaves nothing, a busy database says so in time, a snapshot stands still.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;
use tandem_domain::settings::SettingChange;
use tandem_store::{StoreError, settings};
use tandem_tests::{Backend, Database};

use crate::{act, given_lead, statement, upsert};

/// Run something that must end within the promised time.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_millis(2500), work).await.expect("longer than 2.5 s")
}

#[tandem_tests::test]
async fn a_dropped_transaction_leaves_nothing(database: &Database) {
    let db = database.connect().await;
    for seed in 1..=3 {
        let tx = db.begin(act(seed)).await.unwrap();
        upsert(&tx, &statement("ada@example.com"), tandem_tests::START).await.unwrap();
        settings::put(&tx, "probe", &json!(1), 1).await.unwrap();
        drop(tx);
    }
    assert_eq!(settings::get(&db, "probe").await.unwrap().version, 0);
    let key = tandem_domain::leads::identity::email_key(&statement("ada@example.com").emails[0]);
    let found = tandem_store::leads::get_by_key(&db, &key).await;
    assert!(matches!(found, Err(StoreError::NotFound)), "{found:?}");
    given_lead(&db, "ada@example.com", 4).await;
    db.close().await;
}

#[tandem_tests::test]
async fn an_error_in_a_transaction_undoes_all_of_it(database: &Database) {
    let db = database.connect().await;
    let tx = db.begin(act(1)).await.unwrap();
    settings::put(&tx, "probe", &json!(1), 1).await.unwrap();
    let saved = upsert(&tx, &statement("ada@example.com"), tandem_tests::START).await.unwrap();
    let mut world = tandem_store::leads::empty_world(&tx);
    let again = tandem_store::settle(&tx, &mut world, tx.act(), saved.changes).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    drop(tx);
    assert_eq!(settings::get(&db, "probe").await.unwrap().version, 0);
    db.close().await;
}

#[tandem_tests::test]
async fn a_snapshot_stands_still(database: &Database) {
    let db = database.connect().await;
    let snapshot = db.snapshot().await.unwrap();
    assert_eq!(settings::get(&snapshot, "probe").await.unwrap().version, 0);

    let tx = db.begin(act(1)).await.unwrap();
    settings::put(&tx, "probe", &json!("now"), 7).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(settings::get(&snapshot, "probe").await.unwrap().version, 0);
    drop(snapshot);
    assert_eq!(settings::get(&db.snapshot().await.unwrap(), "probe").await.unwrap().version, 7);
    db.close().await;
}

#[tandem_tests::test]
async fn who_waits_for_a_lock_is_told_in_time(database: &Database) {
    let db = database.connect().await;
    let first = db.begin(act(1)).await.unwrap();
    settings::get_for_update(&first, "probe").await.unwrap();
    let second = in_time(async {
        let tx = db.begin(act(2)).await?;
        settings::get_for_update(&tx, "probe").await
    });
    let refused = second.await.unwrap_err();
    match database.backend {
        Backend::Sqlite => assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}"),
        Backend::Postgres => assert!(matches!(refused, StoreError::Locked), "{refused:?}"),
    }
    first.rollback().await.unwrap();
    let tx = db.begin(act(3)).await.unwrap();
    settings::get_for_update(&tx, "probe").await.unwrap();
    tx.rollback().await.unwrap();
    db.close().await;
}

#[tandem_tests::test]
async fn a_database_that_another_process_holds_is_unavailable_in_time(database: &Database) {
    let db = database.connect().await;
    let raw = database.raw().await;
    match database.backend {
        Backend::Sqlite => {
            raw.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
            let refused = in_time(db.begin(act(1))).await.unwrap_err();
            assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
            db.ping().await.unwrap();
            raw.execute_unprepared("ROLLBACK").await.unwrap();
        }
        Backend::Postgres => {
            raw.execute_unprepared("BEGIN; LOCK TABLE settings IN ACCESS EXCLUSIVE MODE").await.unwrap();
            let refused = in_time(settings::get(&db, "probe")).await.unwrap_err();
            assert!(matches!(refused, StoreError::Locked), "{refused:?}");
            raw.execute_unprepared("ROLLBACK").await.unwrap();
        }
    }
    let tx = db.begin(act(2)).await.unwrap();
    settings::put(&tx, "probe", &json!(1), 1).await.unwrap();
    tx.commit().await.unwrap();
    raw.close().await.unwrap();
    db.close().await;
}

#[tandem_tests::test]
async fn a_statement_that_takes_too_long_is_told_from_a_server_that_is_away(database: &Database) {
    if database.backend == Backend::Postgres {
        let raw = database.raw().await;
        let slow = "SET statement_timeout = '50ms'; SELECT pg_sleep(5)";
        let refused = StoreError::from(raw.execute_unprepared(slow).await.unwrap_err());
        assert!(matches!(refused, StoreError::TooSlow(_)), "{refused:?}");
        raw.close().await.unwrap();
    }
}

#[tandem_tests::test]
async fn a_decision_uses_the_rules_in_force(database: &Database) {
    let (here, there) = (database.connect().await, database.connect().await);
    let tx = here.begin(act(1)).await.unwrap();
    assert_eq!(tx.rules().company.timezone, "UTC");
    tx.rollback().await.unwrap();

    let tx = there.begin(act(2)).await.unwrap();
    let after = json!({"name": "Example Ltd", "timezone": "Europe/Rome"});
    let change = SettingChange::Changed {
        name: tandem_domain::settings::name::COMPANY,
        version: 1,
        before: json!(null),
        after,
    };
    tandem_store::write_records(&tx, [change]).await.unwrap();
    tx.commit().await.unwrap();

    let tx = here.begin(act(3)).await.unwrap();
    assert_eq!(tx.rules().company.timezone, "Europe/Rome");
    tx.rollback().await.unwrap();
    here.close().await;
    there.close().await;
}

/// A batch of many leads holds the locks of their names, which fall into slots, as long as it takes: what exists once is
/// locked beside them. The job that looks for duplicates once waited so for captures that waited for it.
#[tandem_tests::test(postgres)]
async fn a_setting_is_not_locked_by_the_names_of_many_leads(database: &Database) {
    let db = database.connect().await;
    let batch = db.begin(act(1)).await.unwrap();
    let said: Vec<_> = (0..5000).map(|n| statement(&format!("lead{n}@example.com"))).collect();
    tandem_store::leads::world(&batch, &said).await.unwrap();
    let beside = db.begin(act(2)).await.unwrap();
    settings::get_for_update(&beside, "probe").await.unwrap();
    beside.commit().await.unwrap();
    batch.rollback().await.unwrap();
    db.close().await;
}
