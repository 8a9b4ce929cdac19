//! The history of scores: a record of each change with another cause than time, and of each change of band. What decayed in
//! between is computed from the past, for any instant.

use super::Exact;
use crate::id::{LeadId, ScoreRecordId};
use crate::instant::Timestamp;
use crate::words::words;

words! {
    /// Why a score changed.
    ScoreCause {
        /// The lead was created.
        Created = "created",
        /// It sent a form.
        Submission = "submission",
        /// It did something, or what a visitor did became its own.
        Event = "event",
        /// An activity with it was recorded.
        Activity = "activity",
        /// Its own record changed: a field, an identifier, consent, the stage.
        Record = "record",
        /// Its company changed.
        Company = "company",
        /// The agreement, or a setting on which it relies, changed.
        Agreement = "agreement",
        /// Time passed: a window ended or points decayed, and the band is another one.
        Time = "time",
    }
}

/// A change of a lead's score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRecord {
    /// Its id.
    pub id: ScoreRecordId,
    /// The lead.
    pub lead_id: LeadId,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: ScoreCause,
    /// The exact values since then.
    pub exact: Exact,
    /// The bands since then, if the agreement has bands.
    pub band: Option<String>,
    /// The version of the agreement.
    pub agreement_version: i64,
}
