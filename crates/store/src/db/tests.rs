//! What a full disk does to SQLite: it is reported as such, and the writer continues once there is room again.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr, RuntimeErr};
use serde_json::json;
use sqlx::error::{DatabaseError, ErrorKind};
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::instant::Timestamp;

use super::{Conn, DatabaseLocation, Db, unanswered};
use crate::error::StoreError;
use crate::settings;

const NOW: Timestamp = Timestamp::from_millis(1_772_442_000_000);

/// An error of a database, of which nothing is known but its code.
#[derive(Debug, thiserror::Error)]
#[error("code {0}")]
struct Told(&'static str);

impl DatabaseError for Told {
    fn message(&self) -> &str {
        self.0
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.0))
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

fn at_commit(code: &'static str) -> StoreError {
    let told = sqlx::Error::Database(Box::new(Told(code)));
    unanswered(DbErr::Query(RuntimeErr::SqlxError(Arc::new(told))))
}

#[test]
fn a_full_disk_is_an_answer_to_a_commit() {
    assert!(matches!(at_commit("13"), StoreError::Unavailable(_)));
    // IOERR, one of its extensions, and what PostgreSQL says when it is stopped.
    for code in ["10", "1034", "57P01"] {
        assert!(matches!(at_commit(code), StoreError::Unknown(_)), "{code}");
    }
}

#[tokio::test]
async fn a_writer_that_met_a_full_disk_writes_on() {
    let dir = std::env::temp_dir().join(format!("tandem_full_{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let db = Db::connect(&DatabaseLocation::Sqlite(dir.join("tandem.db")), 1)
        .await
        .unwrap();
    let act = |seed| Act::new(Actor::System("test"), "test", NOW, seed);
    crate::prepare(&db, act(0)).await.unwrap();
    // The database may not grow; the limit is that of this connection alone.
    for sql in ["CREATE TABLE probe (x BLOB)", "PRAGMA max_page_count = 1"] {
        db.writer().execute_unprepared(sql).await.unwrap();
    }

    let tx = db.begin(act(1)).await.unwrap();
    let huge = "INSERT INTO probe VALUES (zeroblob(10000000))";
    let refused = StoreError::from(tx.conn().execute_unprepared(huge).await.unwrap_err());
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    drop(tx);

    let dropped = db.begin(act(2)).await.unwrap();
    settings::put(&dropped, "probe", &json!(1), 1).await.unwrap();
    drop(dropped);
    let tx = db.begin(act(3)).await.unwrap();
    settings::put(&tx, "probe", &json!(2), 2).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(
        settings::get(&db, "probe").await.unwrap().version,
        2,
        "another connection sees it"
    );
    db.close().await;
    std::fs::remove_dir_all(&dir).unwrap();
}
