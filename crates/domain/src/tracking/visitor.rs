//! A visitor: a browser that a site distinguishes, and the leads to which it was linked.

use crate::id::{Ids, LeadId, LinkId, VisitorId};
use crate::instant::Timestamp;

/// The fewest and the most characters of a visitor's id.
pub const KEY_CHARS: std::ops::RangeInclusive<usize> = 8..=100;

/// The most events that are stored of a visitor who is nobody's, and up to which sites are heard about anybody. Strangers
/// can send no more, so that reading all of them again for a late one, or moving them to a lead, stays cheap.
pub const MOST_OF_A_STRANGER: u64 = 10_000;
/// The most events that are stored of a visitor who is a lead's.
pub const MOST_OF_A_LEADS: u64 = 100_000;

/// The sender of a visitor's events.
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

/// A browser that a site distinguishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Its id.
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
    /// Its id.
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

    /// The most stored events of it, by this kind of sender.
    pub fn most_events(&self, teller: Teller) -> u64 {
        match teller {
            Teller::Service if !self.links.is_empty() => MOST_OF_A_LEADS,
            Teller::Service | Teller::Site => MOST_OF_A_STRANGER,
        }
    }

    /// A lead identified itself with it: the link, if that is new.
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
