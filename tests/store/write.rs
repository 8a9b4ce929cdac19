//! Writing: what happened becomes rows and journal entries, once.

use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::fields::LeadField;
use tandem_domain::leads::save::{self, Edit, Statement};
use tandem_store::idempotency::{self, Record};
use tandem_store::{Db, StoreError, journal};
use tandem_tests::{Backend, Database, START};

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

    let entries = settled(&db, journal::FeedPosition::default(), &[], 500).await;
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

/// The lead of an e-mail and of the company that its domain names.
fn of_company(email: &str) -> Statement {
    Statement { company: None, ..statement(email) }
}

#[tandem_tests::test]
async fn new_leads_of_a_known_company_do_not_wait_for_each_other(database: &Database) {
    // SQLite has one writer.
    if database.backend == Backend::Sqlite {
        return;
    }
    let db = database.connect().await;
    let tx = db.begin(act(1)).await.unwrap();
    upsert(&tx, &of_company("ada@harbour.example"), START).await.unwrap();
    tx.commit().await.unwrap();

    let first = db.begin(act(2)).await.unwrap();
    let one = upsert(&first, &of_company("bob@harbour.example"), START).await.unwrap().lead_id;
    let second = db.begin(act(3)).await.unwrap();
    let other = upsert(&second, &of_company("eve@harbour.example"), START).await.unwrap().lead_id;
    second.commit().await.unwrap();
    first.commit().await.unwrap();

    let found = tandem_store::leads::by_ids(&db, [one, other]).await.unwrap();
    let companies: Vec<_> = found.iter().map(|lead| lead.company.as_ref().unwrap().id).collect();
    assert!(companies.len() == 2 && companies[0] == companies[1], "{companies:?}");
    db.close().await;
}

#[tandem_tests::test]
async fn only_the_same_names_wait_for_each_other(database: &Database) {
    if database.backend == Backend::Sqlite {
        return;
    }
    let db = database.connect().await;
    let first = db.begin(act(1)).await.unwrap();
    let many: Vec<Statement> = (0..600).map(|n| of_company(&format!("p{n}@firm{n}.example"))).collect();
    drop(tandem_store::leads::world(&first, &many).await.unwrap());

    let second = db.begin(act(2)).await.unwrap();
    upsert(&second, &of_company("q0@other0.example"), START).await.unwrap();
    second.commit().await.unwrap();
    // The same company must not be made twice: who names it waits for the first, two seconds at most.
    let third = db.begin(act(3)).await.unwrap();
    let same = upsert(&third, &of_company("q7@firm7.example"), START).await.map(|saved| saved.lead_id);
    assert!(matches!(same, Err(StoreError::Locked)), "{same:?}");
    drop(third);
    first.rollback().await.unwrap();
    db.close().await;
}
