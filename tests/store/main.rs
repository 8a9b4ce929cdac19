//! The store on both databases, below HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod backup;
mod doors;
mod feed;
mod lists;
mod plans;
mod schema;
mod wal;
mod write;

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Email;
use tandem_domain::leads::save::{self, CompanyStatement, OnConflict, Saved, Statement};
use tandem_store::{Db, StoreError, Tx};
use tandem_tests::START;

/// What a test does, with ids of their own.
fn act(seed: u64) -> Act {
    Act::new(Actor::System("test"), format!("test-{seed}"), START, seed << 32)
}

/// What is said about a person with an e-mail.
/// About the person alone: nothing is said of a company.
fn statement(email: &str) -> Statement {
    Statement {
        emails: vec![Email::parse(email).unwrap()],
        company: Some(CompanyStatement::default()),
        ..Statement::default()
    }
}

/// Find or make the lead of a statement, as the service does: load, decide, save.
async fn upsert(tx: &Tx, said: &Statement, now: Timestamp) -> Result<Saved, StoreError> {
    let mut world = tandem_store::leads::world(tx, [said]).await?;
    let saved = save::upsert(&mut world, said, OnConflict::Refuse, &Act { now, ..tx.act().clone() }).unwrap();
    tandem_store::settle(tx, &mut world, tx.act(), saved.changes.clone()).await?;
    Ok(saved)
}

/// A committed lead.
async fn given_lead(db: &Db, email: &str, seed: u64) -> LeadId {
    let tx = db.begin(act(seed)).await.unwrap();
    let saved = upsert(&tx, &statement(email), START).await.unwrap();
    tx.commit().await.unwrap();
    saved.lead_id
}
