//! Writing: what happened becomes rows and journal entries, once.

use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::fields::LeadField;
use tandem_domain::leads::save::{self, Edit, Statement};
use tandem_store::idempotency::{self, Record};
use tandem_store::{Db, journal};
use tandem_tests::{Database, START};

use crate::feed::settled;
use crate::{act, given_lead, statement, upsert};

async fn kinds(db: &Db, lead: LeadId) -> Vec<String> {
    let page = journal::timeline(db, lead, &[], "notice.created", None, 50).await.unwrap();
    page.data.into_iter().rev().map(|entry| entry.kind).collect()
}

#[tandem_tests::test]
async fn what_is_known_already_changes_nothing(database: &Database) {
    let db = database.connect().await;
    let said = Statement {
        text: [(LeadField::FirstName, Some("Zoë 👩‍💻 \u{202e}x".to_owned()))].into(),
        ..statement("ada@example.com")
    };
    let tx = db.begin(act(1)).await.unwrap();
    let saved = upsert(&tx, &said, START).await.unwrap();
    tx.commit().await.unwrap();
    let known = tandem_store::leads::get(&db, saved.lead_id).await.unwrap().lead;
    assert_eq!(known.profile.get(LeadField::FirstName), Some("Zoë 👩‍💻 \u{202e}x"));

    let tx = db.begin(act(2)).await.unwrap();
    let again = upsert(&tx, &said, START.plus_millis(1000)).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!((again.lead_id, again.created, again.changes), (saved.lead_id, false, vec![]));
    assert_eq!(tandem_store::leads::get(&db, saved.lead_id).await.unwrap().lead, known);
    assert_eq!(kinds(&db, saved.lead_id).await, ["lead.created"]);
    db.close().await;
}

#[tandem_tests::test]
async fn the_last_state_of_a_row_wins_within_one_write(database: &Database) {
    let db = database.connect().await;
    let lead = given_lead(&db, "ada@example.com", 1).await;
    let mut later = act(2);
    later.now = START.plus_millis(1);
    let tx = db.begin(later).await.unwrap();
    let mut world = tandem_store::leads::world_for_edit(&tx, lead, &Statement::default()).await.unwrap();
    let mut changes = vec![];
    for name in ["Ada", "Augusta"] {
        let edit = Edit { text: [(LeadField::FirstName, Some(name.to_owned()))].into(), ..Edit::default() };
        changes.extend(save::edit(&mut world, lead, &edit, &Act { now: START, ..tx.act().clone() }).unwrap());
    }
    tandem_store::settle(&tx, &mut world, tx.act(), changes).await.unwrap();
    tx.commit().await.unwrap();

    let now = tandem_store::leads::get(&db, lead).await.unwrap().lead;
    assert_eq!((now.version, now.profile.get(LeadField::FirstName)), (3, Some("Augusta")));
    assert_eq!(kinds(&db, lead).await, ["lead.created", "lead.updated", "lead.updated"]);
    assert_eq!(tandem_store::leads::statements(&db, lead).await.unwrap().len(), 2);
    db.close().await;
}

#[tandem_tests::test]
async fn five_hundred_leads_are_one_write(database: &Database) {
    let db = database.connect().await;
    let said: Vec<Statement> = (0..500).map(|n| statement(&format!("lead{n}@example.com"))).collect();
    let tx = db.begin(act(1)).await.unwrap();
    let mut world = tandem_store::leads::world(&tx, &said).await.unwrap();
    let changes: Vec<_> = said
        .iter()
        .flat_map(|one| {
            save::upsert(&mut world, one, save::OnConflict::Refuse, &Act { now: START, ..tx.act().clone() })
                .unwrap()
                .changes
        })
        .collect();
    tandem_store::settle(&tx, &mut world, tx.act(), changes).await.unwrap();
    tx.commit().await.unwrap();

    let entries = settled(&db, journal::Place::default(), &[], 500).await;
    assert_eq!(entries.len(), 500);
    assert!(entries.is_sorted_by_key(|entry| entry.place));
    db.close().await;
}

#[tandem_tests::test]
async fn an_answer_is_kept_for_three_days(database: &Database) {
    let db = database.connect().await;
    let record = Record {
        body_hash: "b".into(),
        status: 201,
        headers: vec![("location".into(), "/v1/leads/x".into())],
        body: "{\"a\":\"ü\"}".into(),
        lead_ids: vec![],
    };
    let tx = db.begin(act(1)).await.unwrap();
    assert_eq!(idempotency::find(&tx, "k").await.unwrap(), None);
    idempotency::keep(&tx, "k", &record).await.unwrap();
    tx.commit().await.unwrap();

    let mut later = act(2);
    later.now = START.plus_millis(idempotency::KEPT_FOR - 1);
    let tx = db.begin(later).await.unwrap();
    assert_eq!(idempotency::find(&tx, "k").await.unwrap(), Some(record));
    assert_eq!(idempotency::forget_expired(&tx, START, 100).await.unwrap(), 0);
    tx.rollback().await.unwrap();

    let mut too_late = act(3);
    too_late.now = START.plus_millis(idempotency::KEPT_FOR);
    let tx = db.begin(too_late.clone()).await.unwrap();
    assert_eq!(idempotency::find(&tx, "k").await.unwrap(), None);
    assert_eq!(idempotency::forget_expired(&tx, too_late.now, 100).await.unwrap(), 1);
    tx.commit().await.unwrap();
    db.close().await;
}

#[tandem_tests::test]
async fn a_setting_keeps_any_json(database: &Database) {
    let db = database.connect().await;
    let value = json!({"n": 9_007_199_254_740_991_i64, "t": "emoji 🦀 \u{7f}", "x": [null, 1.5, true]});
    let tx = db.begin(act(1)).await.unwrap();
    tandem_store::settings::put(&tx, "probe", &value, 3).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(tandem_store::settings::get(&db, "probe").await.unwrap().value, value);
    db.close().await;
}
