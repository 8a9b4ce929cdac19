//! The feed: every entry once, in the true order of each lead, whatever writers do at the same moment.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::fields::LeadField;
use tandem_domain::leads::save::{self, Edit, Statement};
use tandem_store::journal::{self, Entry, FeedPosition};
use tandem_store::{Db, StoreError};
use tandem_tests::{Database, START};

use crate::{act, given_lead};

const WRITERS: u64 = 8;
const WRITES: u64 = 25;

/// One edit of a lead; every fifth is decided, written and then given up.
async fn edit(db: &Db, lead: LeadId, writer: u64, n: u64) -> Result<bool, StoreError> {
    let tx = db.begin(act(1000 + writer * 1000 + n)).await?;
    let mut world = tandem_store::leads::world_for_edit(&tx, lead, &Statement::default()).await?;
    let edit =
        Edit { text: [(LeadField::LastName, Some(format!("{writer}/{n}")))].into(), ..Edit::default() };
    let now = START.plus_millis(world.leads[&lead].version);
    let changes = save::edit(&mut world, lead, &edit, &Act { now, ..tx.act().clone() }).unwrap();
    tandem_store::settle(&tx, &mut world, tx.act(), changes).await?;
    tokio::task::yield_now().await;
    if n % 5 == 4 {
        return Ok(false);
    }
    tx.commit().await.map(|()| true)
}

/// The entries behind a place, once there are this many. On PostgreSQL an entry shows once no elder transaction of the
/// whole server runs any more, so that those of other tests are waited for.
pub async fn settled(db: &Db, after: FeedPosition, types: &[String], count: usize) -> Vec<Entry> {
    loop {
        let page = journal::changes(db, after, types, &[], 1000).await.unwrap();
        if page.data.len() >= count {
            return page.data;
        }
        tokio::task::yield_now().await;
    }
}

/// Follow the feed until the writers are done and all that they committed has come.
async fn follow(db: &Db, writing: &AtomicUsize, committed: &AtomicUsize) -> Vec<Entry> {
    let (mut seen, mut place) = (vec![], FeedPosition::default());
    loop {
        let is_last = writing.load(Ordering::SeqCst) == 0;
        let page = journal::changes(db, place, &[], &[], 20).await.unwrap();
        match page.data.last() {
            Some(last) => place = last.place,
            None if is_last && seen.len() >= 3 + committed.load(Ordering::SeqCst) => return seen,
            None => tokio::task::yield_now().await,
        }
        seen.extend(page.data);
    }
}

#[tandem_tests::test]
async fn a_follower_sees_every_change_once_and_in_order(database: &Database) {
    let db = database.connect().await;
    let other = database.connect().await;
    let mut leads = vec![];
    for n in 0..3 {
        leads.push(given_lead(&db, &format!("lead{n}@example.com"), n + 1).await);
    }
    let writing = Arc::new(AtomicUsize::new(WRITERS as usize));
    let committed = AtomicUsize::new(0);
    let writer = async |writer: u64| {
        for n in 0..WRITES {
            let lead = leads[((writer + n) % 3) as usize];
            match edit(&db, lead, writer, n).await {
                Ok(true) => drop(committed.fetch_add(1, Ordering::SeqCst)),
                Ok(false) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::Contended | StoreError::Unavailable(_)), "{error}")
                }
            }
        }
        writing.fetch_sub(1, Ordering::SeqCst);
    };
    let writers = join_all((0..WRITERS).map(&writer));
    let (_, seen) = futures::join!(writers, follow(&other, &writing, &committed));

    let unique: BTreeSet<_> = seen.iter().map(|entry| entry.id).collect();
    assert_eq!(unique.len(), seen.len(), "an entry came twice");
    assert_eq!(seen.len(), 3 + committed.load(Ordering::SeqCst), "an entry was skipped");
    assert!(committed.load(Ordering::SeqCst) > (WRITERS * WRITES / 2) as usize);
    let mut versions: HashMap<&str, i64> = HashMap::new();
    for entry in &seen {
        let before = versions.insert(&entry.subject_id, entry.subject_version).unwrap_or(0);
        assert_eq!(entry.subject_version, before + 1, "{}", entry.subject_id);
    }
    db.close().await;
    other.close().await;
}

#[tandem_tests::test]
async fn the_feed_goes_on_where_it_was_left(database: &Database) {
    let db = database.connect().await;
    let first = given_lead(&db, "ada@example.com", 1).await;
    let known = settled(&db, FeedPosition::default(), &[], 1).await;
    let place = journal::last(&db).await.unwrap().place;
    assert_eq!((known[0].lead_id, known[0].place), (Some(first), place));
    let second = given_lead(&db, "bob@example.com", 2).await;
    let news = settled(&db, place, &[], 1).await;
    assert_eq!(news.iter().map(|entry| entry.lead_id).collect::<Vec<_>>(), [Some(second)]);
    let all = settled(&db, FeedPosition::default(), &["lead.created".into()], 2).await;
    assert_eq!(all.iter().map(|entry| entry.lead_id).collect::<Vec<_>>(), [Some(first), Some(second)]);
    let none =
        journal::changes(&db, FeedPosition::default(), &["lead.archived".into()], &[], 10).await.unwrap();
    assert_eq!(none.data.len(), 0);
    db.close().await;
}
