//! A rule that counts its own firings, in rows that survive whatever happens to the process.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::judge::{Cause, Needs, Rule, Rulebook};
use tandem_domain::leads::change::LeadChange;
use tandem_domain::leads::fields::{About, FieldValue, Source};
use tandem_domain::world::World;

use crate::Database;

/// The field under which a firing is stored: a row each, in the transaction of its cause.
const FIRED: &str = "custom.fired";

/// Counts its firings where they survive whatever happens to the process.
#[derive(Debug)]
pub struct Counting;

impl Rule for Counting {
    fn needs(&self, _: &World, _: &Cause, _: &Rulebook<'_>) -> Needs {
        Needs::default()
    }

    fn decide(&self, _: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let fired = FieldValue {
            id: act.ids.next(),
            about: About::Lead(cause.lead_id),
            field: FIRED.into(),
            value: json!(true),
            source: Source::Import,
            observed_at: act.now,
            recorded_at: act.now,
            by: "counting".into(),
        };
        vec![LeadChange::FieldStated(fired).into()]
    }
}

/// How often the rule has fired on a database.
pub async fn fired(database: &Database) -> i64 {
    count(database, &format!("field_values WHERE field = '{FIRED}'")).await
}

/// How many rows there are of `rows`: a table with its condition.
pub async fn count(database: &Database, rows: &str) -> i64 {
    let raw = database.raw().await;
    let query =
        Statement::from_string(raw.get_database_backend(), format!("SELECT count(*) AS n FROM {rows}"));
    let row = raw.query_one_raw(query).await.unwrap().unwrap();
    raw.close().await.unwrap();
    row.try_get("", "n").unwrap()
}
