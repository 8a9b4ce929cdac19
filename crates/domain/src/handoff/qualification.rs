//! What is known of a lead's budget, authority, need and timeline, and whether somebody confirmed it.

use std::collections::BTreeMap;

use crate::agreement::BantItem;
use crate::id::UserId;
use crate::instant::Timestamp;
use crate::leads::fields::Source;

/// The qualification of a lead, item by item; an item without statement is absent.
pub type Qualification = BTreeMap<BantItem, Qualified>;

/// One item: proposed, or confirmed in a cycle. A new cycle sets it back to proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qualified {
    /// What is known, in words: an amount, a name, a date.
    pub value: Option<String>,
    /// More about it.
    pub note: Option<String>,
    /// The source of the last statement.
    pub source: Source,
    /// Who stated it: the id of a user or key.
    pub stated_by: String,
    /// When it was stated.
    pub stated_at: Timestamp,
    /// The confirmation, if it was confirmed.
    pub confirmed: Option<Confirmed>,
}

/// The confirmation of an item by a user, which counts in one cycle of the lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The lead's cycle in which it counts.
    pub cycle: i64,
    /// The user who confirmed it.
    pub by: UserId,
    /// When it was confirmed.
    pub at: Timestamp,
}

impl Qualified {
    /// Whether it is confirmed in this cycle.
    pub fn is_confirmed_in(&self, cycle: i64) -> bool {
        self.confirmed.is_some_and(|confirmed| confirmed.cycle == cycle)
    }
}

/// What is stated about items; `None` leaves a member as it is.
pub type Qualify = BTreeMap<BantItem, SayItem>;

/// What is stated about one item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SayItem {
    /// What is known; `Some(None)` empties it.
    pub value: Option<Option<String>>,
    /// More about it; `Some(None)` empties it.
    pub note: Option<Option<String>>,
    /// Whether it is confirmed.
    pub confirmed: Option<bool>,
}

/// What confirms every item as it is known.
pub fn all_confirmed() -> Qualify {
    let confirmed = SayItem {
        confirmed: Some(true),
        ..SayItem::default()
    };
    let items = BantItem::ALL.iter();
    items.map(|item| (*item, confirmed.clone())).collect()
}
