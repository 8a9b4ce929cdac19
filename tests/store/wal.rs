//! SQLite's log: it comes home beside a writer, and nothing of it is lost.

use tandem_tests::{Backend, Database, START};

use crate::{act, given_lead, statement, upsert};

#[tandem_tests::test]
async fn the_log_comes_home_beside_a_writer(database: &Database) {
    let db = database.connect().await;
    let mut leads = vec![];
    for n in 0..100 {
        leads.push(given_lead(&db, &format!("p{n}@example.com"), n + 1).await);
    }
    let tx = db.begin(act(200)).await.unwrap();
    let unfinished = upsert(&tx, &statement("last@example.com"), START).await.unwrap().lead_id;
    assert_eq!(db.bring_log_home().await.unwrap(), 0, "all of the log is home, though somebody writes");
    tx.commit().await.unwrap();

    let is_sqlite = database.backend == Backend::Sqlite;
    assert_eq!(db.bring_log_home().await.unwrap() > 0, is_sqlite, "a short log stays where it is");
    for lead in leads.into_iter().chain([unfinished]) {
        tandem_store::leads::get(&db, lead).await.unwrap();
    }
    db.close().await;
}
