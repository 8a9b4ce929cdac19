//! A rule that counts its own firings, in rows that survive whatever happens to the process.

use serde_json::json;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::judge::{Cause, Needs, Rule, Rulebook};
use tandem_domain::leads::change::LeadChange;
use tandem_domain::leads::fields::{About, FieldValue, Source};
use tandem_domain::world::World;

/// The field under which a firing is kept: a row each, in the transaction of its cause.
pub const FIRED: &str = "custom.fired";

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
