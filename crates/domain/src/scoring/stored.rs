//! Scores as they are stored and shown: the figures without the contributions.

use std::collections::BTreeMap;

use super::{Exact, Score};
use crate::id::SegmentId;
use crate::instant::Timestamp;

/// A lead's score as it was judged last, with what holds the lead back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredScore {
    /// Counts the changes of what is shown of it, from 0.
    pub derived: i64,
    /// Who the lead is, in whole points.
    pub fit: i64,
    /// What it did, in whole points.
    pub engagement: i64,
    /// Both, in whole points: the floor of the exact sum.
    pub total: i64,
    /// The exact values.
    pub exact: Exact,
    /// The bands of fit and engagement, such as `A1`, if the agreement has bands.
    pub band: Option<String>,
    /// Whether a rule or condition saw 1,000 events and there were more.
    pub truncated: bool,
    /// What keeps a lead in lead or nurture from becoming an MQL, whatever it does.
    pub blocked_by: Vec<String>,
    /// When the score or the stage could change if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
    /// The segments that it is in, each since when.
    pub segments: BTreeMap<SegmentId, Timestamp>,
    /// When the past on which it stands last changed: something became known of an earlier instant.
    pub history_changed_at: Option<Timestamp>,
    /// Whether another record made it untrue.
    pub is_expired: bool,
    /// The version of the agreement by which it was judged.
    pub agreement_version: i64,
    /// The revision of what leads are judged by, at which it was judged.
    pub revision: i64,
}

impl StoredScore {
    /// A score as it is stored.
    pub fn of(score: &Score, agreement_version: i64, revision: i64) -> Self {
        Self {
            derived: 0,
            fit: score.fit,
            engagement: score.engagement,
            total: score.total,
            exact: score.exact,
            band: score.band.clone(),
            truncated: score.truncated,
            blocked_by: vec![],
            valid_until: score.valid_until,
            segments: BTreeMap::new(),
            history_changed_at: None,
            is_expired: false,
            agreement_version,
            revision,
        }
    }

    /// Whether callers see a difference; the revision is not shown.
    pub fn shows_the_same_as(&self, other: &Self) -> bool {
        let shown = |one: &Self| Self {
            derived: 0,
            revision: 0,
            is_expired: false,
            segments: BTreeMap::new(),
            ..one.clone()
        };
        shown(self) == shown(other)
    }
}
