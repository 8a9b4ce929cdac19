//! The copy of the embedded database: sound beside a writer, never over a file, and a service can go on with it.

use std::os::unix::fs::PermissionsExt;

use tandem_store::Db;
use tandem_store::backup::BackupError;
use tandem_store::db::DatabaseLocation;
use tandem_tests::{Backend, Database, START};

use crate::{act, given_lead, statement, upsert};

#[tandem_tests::test]
async fn a_copy_is_made_beside_a_writer_and_opens(database: &Database) {
    let db = database.connect().await;
    let target = database.dir.join("copy.db");
    if database.backend == Backend::Postgres {
        assert!(matches!(db.copy_to(&target).await, Err(BackupError::OnServer)));
        assert!(!target.exists());
        return db.close().await;
    }
    let lead = given_lead(&db, "ada@example.com", 1).await;
    // A process that was killed in the middle has left what it had.
    std::fs::write(database.dir.join("copy.db.partial"), "half of it").unwrap();
    // Another process makes the copy while the service is in the middle of a transaction.
    let tx = db.begin(act(2)).await.unwrap();
    let unfinished = upsert(&tx, &statement("bob@example.com"), START).await.unwrap().lead_id;
    let beside = database.connect().await;
    beside.copy_to(&target).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!database.dir.join("copy.db.partial").exists());
    let copy = Db::connect(&DatabaseLocation::Sqlite(target.clone()), 2).await.unwrap();
    assert!(copy.is_migrated().await.unwrap());
    tandem_store::leads::get(&copy, lead).await.unwrap();
    assert!(tandem_store::leads::get(&copy, unfinished).await.is_err(), "it was not committed yet");
    given_lead(&copy, "carol@example.com", 3).await;
    copy.close().await;

    let before = std::fs::read(&target).unwrap();
    assert!(matches!(beside.copy_to(&target).await, Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&target).unwrap(), before);
    let nowhere = database.dir.join("nowhere/copy.db");
    assert!(matches!(beside.copy_to(&nowhere).await, Err(BackupError::File(..))));
    beside.close().await;
    db.close().await;
}
