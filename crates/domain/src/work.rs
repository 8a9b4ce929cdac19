//! A user's day: what waits for it, from all rooms, in one order.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::ToSchema;

use crate::id::{DealId, LeadId};
use crate::instant::Timestamp;
use crate::money::Money;
use crate::notices::NextAct;
use crate::words::words;

/// The most items of a day.
pub const MOST: usize = 200;

words! {
    /// The kind of an item of open work.
    WorkKind {
        /// A hand-off that waits for a decision: the user's own, or in a queue that it may take from.
        Handoff = "handoff",
        /// A dispute about a hand-off that the user may rule on.
        Dispute = "dispute",
        /// A running or broken promise.
        Clock = "clock",
        /// A task that is not done: the user's own, or in a queue that it may take from.
        Task = "task",
        /// A lead of the user's that was out, or a customer, and sent a form again.
        ReturnedLead = "returned_lead",
        /// An open deal of the user's on which nothing happened for longer than the agreement's `stale_after`.
        StaleDeal = "stale_deal",
    }
}

/// One item of work for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkItem {
    /// The kind of work.
    pub kind: WorkKind,
    /// The id of the hand-off, clock, task, lead or deal.
    #[schema(max_length = 40, example = "handoff_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// The deal.
    pub deal_id: Option<DealId>,
    /// Why it is listed, as a sentence for people.
    #[schema(max_length = 300, example = "Accept or reject the hand-off")]
    pub why: String,
    /// When it is due; items without a date come last.
    pub due_at: Option<Timestamp>,
    /// The band of the lead's score, such as `A1`.
    #[schema(max_length = 8, example = "A1")]
    pub band: Option<String>,
    /// The amount of the item's deal if that is open and has one, else of the lead's largest open deal.
    pub amount: Option<Money>,
    /// The operation that completes it.
    pub act: NextAct,
}

/// The first items in the order of their due dates, then of bands (`A1` before `B2`), then of amounts, the largest first;
/// what lacks one comes last. Whether there are more. A returned lead whose task is listed is not listed again.
pub fn ordered(mut items: Vec<WorkItem>, most: usize) -> (Vec<WorkItem>, bool) {
    let tasks = items.iter().filter(|item| item.kind == WorkKind::Task);
    let with_task: BTreeSet<LeadId> = tasks.filter_map(|task| task.lead_id).collect();
    let is_listed = |lead: Option<LeadId>| lead.is_some_and(|lead| with_task.contains(&lead));
    items.retain(|item| item.kind != WorkKind::ReturnedLead || !is_listed(item.lead_id));
    items.sort_by(|one, other| key(one).cmp(&key(other)));
    let has_more = items.len() > most;
    items.truncate(most);
    (items, has_more)
}

type Key<'a> = (
    bool,
    Option<Timestamp>,
    bool,
    Option<&'a str>,
    Reverse<Option<i64>>,
    &'a str,
);

fn key(item: &WorkItem) -> Key<'_> {
    (
        item.due_at.is_none(),
        item.due_at,
        item.band.is_none(),
        item.band.as_deref(),
        Reverse(item.amount.map(|money| money.amount)),
        &item.id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn item(id: &str, due: Option<i64>, band: Option<&str>, amount: Option<i64>) -> WorkItem {
        WorkItem {
            kind: WorkKind::Task,
            id: id.to_owned(),
            lead_id: None,
            deal_id: None,
            why: String::new(),
            due_at: due.map(Timestamp::from_millis),
            band: band.map(str::to_owned),
            amount: amount.map(|amount| Money {
                amount,
                currency: Currency::EUR,
            }),
            act: NextAct::new("get_activity", "GET", "/"),
        }
    }

    #[test]
    fn the_due_date_counts_then_the_band_then_the_amount() {
        let items = vec![
            item("no date", None, Some("A1"), Some(9)),
            item("late", Some(2), Some("A1"), Some(9)),
            item("no band", Some(1), None, Some(9)),
            item("no amount", Some(1), Some("A1"), None),
            item("small", Some(1), Some("A1"), Some(1)),
            item("large", Some(1), Some("A1"), Some(5)),
            item("b", Some(1), Some("B1"), Some(9)),
        ];
        let (first, has_more) = ordered(items, 6);
        let ids: Vec<&str> = first.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, ["large", "small", "no amount", "b", "no band", "late"]);
        assert!(has_more);
    }
}
