//! Visitors: browsers that a site tells apart, and the leads that they were linked to.

use std::collections::{BTreeSet, HashMap};

use super::change::TrackingChange;
use super::events::Event;
use crate::act::Act;
use crate::change::Change;
use crate::id::{Ids, LeadId, LinkId, VisitorId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;

/// The fewest and the most characters of a visitor's id.
pub const KEY_CHARS: std::ops::RangeInclusive<usize> = 8..=100;

/// The most events that are kept of a visitor who is nobody's, and up to which sites are heard about anybody. Strangers
/// can tell no more, so that it stays little work to read all of them again for a late one, or to give them to a lead.
pub const MOST_OF_A_STRANGER: u64 = 10_000;
/// The most events that are kept of a visitor who is a lead's.
pub const MOST_OF_A_LEADS: u64 = 100_000;

/// Who tells what a visitor did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// A page of a site: anybody can say what a page says.
    Site,
    /// A server with its key, or a form that was sent.
    Service,
}

/// The id that a site gave a visitor, if it may be one: letters, digits and `._:-`.
pub fn visitor_key(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_sound = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    let is_key = KEY_CHARS.contains(&text.len()) && text.bytes().all(is_sound);
    (is_key && text != "undefined").then_some(text)
}

/// A browser that a site tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Which.
    pub id: VisitorId,
    /// The id that the site gave it.
    pub key: String,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// The leads that it was linked to, in the order in which it was: the last one uses it now.
    pub links: Vec<Link>,
}

/// A lead uses a visitor from an instant on: the one at which it identified itself to the service.
///
/// It is decided then, and never moved: what the visitor did before its first link is that lead's too, what it did
/// between two links is the former lead's (a shared device).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// Who is linked.
    pub visitor_id: VisitorId,
    /// To whom.
    pub lead_id: LeadId,
    /// From when on.
    pub at: Timestamp,
}

impl Visitor {
    /// The lead who used it at an instant.
    pub fn owner_at(&self, at: Timestamp) -> Option<LeadId> {
        let later = self.links.partition_point(|link| link.at <= at);
        let link = self.links.get(later.saturating_sub(1));
        link.map(|link| link.lead_id)
    }

    /// The most events that are kept of it, where so somebody tells them.
    pub fn most_events(&self, teller: Teller) -> u64 {
        match teller {
            Teller::Service if !self.links.is_empty() => MOST_OF_A_LEADS,
            Teller::Service | Teller::Site => MOST_OF_A_STRANGER,
        }
    }

    /// A lead identified itself with it: the link, if that is news.
    pub fn identify(&mut self, lead_id: LeadId, now: Timestamp, ids: &Ids) -> Option<Link> {
        let last = self.links.last();
        if last.is_some_and(|link| link.lead_id == lead_id) {
            return None;
        }
        let at = last.map_or(now, |link| link.at.max(now));
        let link = Link {
            id: ids.next(),
            visitor_id: self.id,
            lead_id,
            at,
        };
        self.links.push(link);
        Some(link)
    }

    /// [`Visitor::identify`] by what was said at an instant and may only now be taken, as a submission that is run
    /// again: who identified itself after it has the browser still.
    pub fn identify_as_of(
        &mut self,
        said_at: Timestamp,
        lead_id: LeadId,
        now: Timestamp,
        ids: &Ids,
    ) -> Option<Link> {
        let is_overtaken = self.links.last().is_some_and(|link| link.at > said_at);
        if is_overtaken {
            return None;
        }
        self.identify(lead_id, now, ids)
    }
}

/// A lead identified itself with a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The link.
    pub link: Link,
    /// Who reported it, by id.
    pub told_by: String,
    /// Whether it is the first link of a visitor who was there before: the visitor's history becomes the lead's.
    pub adopts: bool,
}

/// Visitors by the ids that their sites gave them, as far as a batch concerns them.
#[derive(Debug, Clone, Default)]
pub struct Visitors {
    by_key: HashMap<String, Visitor>,
    made: BTreeSet<VisitorId>,
    /// How many events are kept of each.
    kept: HashMap<VisitorId, u64>,
}

impl Visitors {
    /// Those that are there, each with how many events are kept of it.
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

    /// An event of the visitor with this id was recorded: whose it is, is said by the event, else by the visitor's links.
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

    /// Whether one more event is kept of the visitor with this id, where so somebody reports it; it is counted then.
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

    /// How many events are kept of a visitor, with those that were admitted.
    pub fn kept(&self, id: VisitorId) -> u64 {
        self.kept.get(&id).copied().unwrap_or_default()
    }

    /// Every lead that any of them was linked to.
    pub fn leads(&self) -> impl Iterator<Item = LeadId> {
        let links = self.by_key.values().flat_map(|visitor| &visitor.links);
        links.map(|link| link.lead_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(ids: &Ids) -> Visitor {
        Visitor {
            id: ids.next(),
            key: "v".into(),
            created_at: Timestamp::from_millis(0),
            links: vec![],
        }
    }

    #[test]
    fn a_shared_device_keeps_the_history_of_each() {
        let at = Timestamp::from_millis;
        let ids = Ids::new(at(0), 0);
        let (ada, bob) = (ids.next(), ids.next());
        let mut visitor = stranger(&ids);
        assert_eq!(visitor.owner_at(at(5)), None);
        let most =
            |visitor: &Visitor| [Teller::Site, Teller::Service].map(|teller| visitor.most_events(teller));
        assert_eq!(most(&visitor), [MOST_OF_A_STRANGER, MOST_OF_A_STRANGER]);

        assert!(visitor.identify(ada, at(10), &ids).is_some());
        assert!(visitor.identify(ada, at(11), &ids).is_none());
        assert!(visitor.identify(bob, at(20), &ids).is_some());
        assert_eq!(most(&visitor), [MOST_OF_A_STRANGER, MOST_OF_A_LEADS]);

        let owners: Vec<_> = [5, 10, 19, 20, 99].map(|t| visitor.owner_at(at(t))).into();
        assert_eq!(owners, [Some(ada), Some(ada), Some(ada), Some(bob), Some(bob)]);
    }

    #[test]
    fn who_identified_itself_since_has_the_browser_still() {
        let at = Timestamp::from_millis;
        let ids = Ids::new(at(0), 0);
        let (ada, bob) = (ids.next(), ids.next());
        let mut visitor = stranger(&ids);
        assert!(visitor.identify(bob, at(20), &ids).is_some());

        assert!(visitor.identify_as_of(at(19), ada, at(30), &ids).is_none());
        assert_eq!(visitor.owner_at(at(30)), Some(bob));

        assert!(visitor.identify_as_of(at(20), ada, at(30), &ids).is_some());
        assert_eq!(visitor.owner_at(at(29)), Some(bob));
        assert_eq!(visitor.owner_at(at(30)), Some(ada));
    }
}
