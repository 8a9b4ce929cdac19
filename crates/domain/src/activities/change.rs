//! What happens to activities, and what the journal says of it.

use serde_json::json;

use super::Activity;
use crate::journal::{Entry, Facts, Subject};

/// The types of entry about activities, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("activity.logged", "An activity or task was logged."),
    ("activity.updated", "An activity or task changed."),
    ("activity.deleted", "An activity or task was deleted."),
];

/// What happened to an activity.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivityChange {
    /// It was logged.
    Logged(Box<Activity>),
    /// It changed.
    Updated {
        /// The activity after the change.
        activity: Box<Activity>,
        /// The changed values before.
        before: Facts,
        /// The changed values after.
        after: Facts,
    },
    /// It was deleted: the journal alone still shows it.
    Deleted(Box<Activity>),
    /// Its owner was notified that it is due; the notice's entry says so.
    Reminded(Box<Activity>),
}

impl ActivityChange {
    /// The activity as it is now, or as it last was.
    pub fn activity(&self) -> &Activity {
        match self {
            Self::Logged(activity) | Self::Deleted(activity) | Self::Reminded(activity) => activity,
            Self::Updated { activity, .. } => activity,
        }
    }

    pub(crate) fn entry(&self) -> Option<Entry> {
        let activity = self.activity();
        let entry = |kind: &'static str, version| {
            let subject = Subject::new("activity", activity.id, version);
            Entry::plain(kind, subject, activity.lead_id, json!({"type": activity.kind}))
        };
        Some(match self {
            Self::Logged(_) => entry("activity.logged", activity.version).created(&activity.facts()),
            Self::Updated { before, after, .. } => {
                entry("activity.updated", activity.version).edited(before, after)
            }
            Self::Deleted(_) => Entry {
                before: Some(activity.facts()),
                ..entry("activity.deleted", activity.version + 1)
            },
            Self::Reminded(_) => return None,
        })
    }
}
