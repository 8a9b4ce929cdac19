//! Telling the owner of a task that it is due.

use super::Activity;
use super::change::ActivityChange;
use crate::access::Staff;
use crate::act::Act;
use crate::change::Change;
use crate::notices::{About, NextAct, NoticeKind, for_each};

/// Notify the owner of a task that it is due, once; nobody where the owner is disabled.
pub fn remind(mut task: Activity, staff: &Staff, act: &Act) -> Vec<Change> {
    let owner = task.owner_id.filter(|owner| staff.get(*owner).is_some());
    let subject = About::new("activity", task.id);
    let next = NextAct::new("update_activity", "PATCH", format!("/v1/activities/{}", task.id));
    let notices = for_each(
        owner,
        (NoticeKind::TaskDue, subject, task.lead_id),
        Some(next),
        act,
    );
    task.is_reminded = true;
    let reminded = ActivityChange::Reminded(Box::new(task)).into();
    notices.into_iter().map(Change::from).chain([reminded]).collect()
}
