//! The visitors of a batch: what becomes of them with each event.

use std::collections::{BTreeSet, HashMap};

use super::change::TrackingChange;
use super::events::Event;
use super::visitor::{Identified, Teller, Visitor};
use crate::act::Act;
use crate::change::Change;
use crate::id::{LeadId, VisitorId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;

/// Visitors by the ids that their sites gave them, as far as a batch concerns them.
#[derive(Debug, Clone, Default)]
pub struct Visitors {
    by_key: HashMap<String, Visitor>,
    made: BTreeSet<VisitorId>,
    /// How many events are stored of each.
    kept: HashMap<VisitorId, u64>,
}

impl Visitors {
    /// Those that are there, each with how many events are stored of it.
    pub fn known(visitors: impl IntoIterator<Item = (Visitor, u64)>) -> Self {
        let mut known = Self::default();
        for (visitor, kept) in visitors {
            known.kept.insert(visitor.id, kept);
            known.by_key.insert(visitor.key.clone(), visitor);
        }
        known
    }

    /// The visitor with this id, and the change that it is new where it was not known.
    pub fn visit(&mut self, key: &str, act: &Act) -> (VisitorId, Option<TrackingChange>) {
        if let Some(visitor) = self.by_key.get(key) {
            return (visitor.id, None);
        }
        let visitor = Visitor {
            id: act.ids.next(),
            key: key.to_owned(),
            created_at: act.now,
            links: vec![],
        };
        let id = visitor.id;
        self.made.insert(id);
        self.by_key.insert(key.to_owned(), visitor.clone());
        (id, Some(TrackingChange::VisitorSeen(visitor)))
    }

    /// An event of the visitor with this id was recorded: its lead is that of the event, else that of the visitor's links.
    pub fn record(&mut self, key: &str, event: Event, act: &Act) -> Vec<TrackingChange> {
        let (id, seen) = self.visit(key, act);
        let owner = || self.by_key.get(key)?.owner_at(event.occurred_at);
        let event = Event {
            visitor_id: Some(id),
            lead_id: event.lead_id.or_else(owner),
            ..event
        };
        let recorded = TrackingChange::EventRecorded(Box::new(event));
        seen.into_iter().chain([recorded]).collect()
    }

    /// A lead identified itself with the visitor that has this id: what changed. Where that was said at `said_at` and not
    /// now, a lead that identified itself since then keeps the visitor.
    pub fn identify(
        &mut self,
        key: &str,
        lead_id: LeadId,
        said_at: Option<Timestamp>,
        told_by: &str,
        act: &Act,
    ) -> Vec<Change> {
        let (id, seen) = self.visit(key, act);
        let mut changes: Vec<Change> = seen.map(Change::from).into_iter().collect();
        let is_old = !self.made.contains(&id);
        let Some(visitor) = self.by_key.get_mut(key) else {
            return changes;
        };
        let adopts = is_old && visitor.links.is_empty();
        let link = match said_at {
            Some(said_at) => visitor.identify_as_of(said_at, lead_id, act.now, &act.ids),
            None => visitor.identify(lead_id, act.now, &act.ids),
        };
        if let Some(link) = link {
            let identified = Identified {
                link,
                told_by: told_by.to_owned(),
                adopts,
            };
            changes.push(LeadChange::VisitorIdentified(identified).into());
        }
        changes
    }

    /// The visitor with this id, if it is known.
    pub fn get(&self, key: &str) -> Option<&Visitor> {
        self.by_key.get(key)
    }

    /// Whether one more event is stored of the visitor with this id, where so somebody reports it; it is counted then.
    pub fn admit(&mut self, key: &str, teller: Teller) -> bool {
        // One that is made with this event has no others.
        let Some(visitor) = self.by_key.get(key) else {
            return true;
        };
        let kept = self.kept.entry(visitor.id).or_default();
        let is_admitted = *kept < visitor.most_events(teller);
        *kept += u64::from(is_admitted);
        is_admitted
    }

    /// Whether the visitor was seen for the first time by this batch.
    pub fn is_new(&self, id: VisitorId) -> bool {
        self.made.contains(&id)
    }

    /// How many events are stored of a visitor, with those that were admitted.
    pub fn kept(&self, id: VisitorId) -> u64 {
        self.kept.get(&id).copied().unwrap_or_default()
    }

    /// Every lead that any of them was linked to.
    pub fn leads(&self) -> impl Iterator<Item = LeadId> {
        let links = self.by_key.values().flat_map(|visitor| &visitor.links);
        links.map(|link| link.lead_id)
    }
}
