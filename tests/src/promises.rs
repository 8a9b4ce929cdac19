//! Hand-offs with running clocks, written as facts: for tests of what happens to promises, whoever makes them.

use tandem_domain::access::Queue;
use tandem_domain::change::Change;
use tandem_domain::clocks::record::{ClockChange, ClockRecord};
use tandem_domain::clocks::{Clock, ClockKind, Deadline};
use tandem_domain::handoff::change::HandoffChange;
use tandem_domain::handoff::{Handoff, MadeBy};
use tandem_domain::id::{ClockId, HandoffId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store as store;

use crate::app::TestApp;

/// A hand-off with a clock `first_contact`.
#[derive(Debug, Clone, Copy)]
pub struct Promised {
    /// The hand-off.
    pub handoff: HandoffId,
    /// Its clock.
    pub clock: ClockId,
    /// When both began.
    pub started_at: Timestamp,
    /// When the contact is due.
    pub due_at: Timestamp,
}

impl TestApp {
    /// A hand-off of each lead, whose first contact is due after some milliseconds; owned by a user, else in the general
    /// queue.
    pub async fn given_promises(
        &self,
        leads: &[LeadId],
        owner: Option<UserId>,
        within: i64,
    ) -> Vec<Promised> {
        let core = &self.running.core;
        let tx = core.db.begin(core.ambient.act("test")).await.unwrap();
        let act = tx.act();
        let (now, due_at) = (act.now, act.now.plus_millis(within));
        let deadline = Deadline { warn_at: now.plus_millis(within * 4 / 5), due_at };
        let queue = owner.is_none().then_some(Queue::General);
        let mut changes: Vec<Change> = vec![];
        let promised = leads.iter().map(|lead| {
            let handoff = Handoff {
                owner_id: owner,
                queue,
                assigned_at: owner.map(|_| now),
                ..Handoff::pending(act.ids.next(), *lead, 1, MadeBy::Rule, now)
            };
            let record = ClockRecord {
                id: act.ids.next(),
                version: 1,
                clock: Clock::start(ClockKind::FirstContact, now, deadline, 1),
                lead_id: Some(*lead),
                handoff_id: Some(handoff.id),
                deal_id: None,
                owner_id: owner,
                queue,
                quota: None,
            };
            let promised = Promised { handoff: handoff.id, clock: record.id, started_at: now, due_at };
            changes.push(HandoffChange::Made(Box::new(handoff), None).into());
            changes.push(ClockChange::Started(Box::new(record)).into());
            promised
        });
        let promised: Vec<Promised> = promised.collect();
        let mut world = store::leads::empty_world(&tx);
        store::settle(&tx, &mut world, act, changes).await.unwrap();
        tx.commit().await.unwrap();
        promised
    }

    /// The same of one lead, by its id.
    pub async fn given_promise(&self, lead: &str, owner: Option<&str>, within: i64) -> Promised {
        let owner = owner.map(|owner| owner.parse().unwrap());
        let [promised] = self.given_promises(&[lead.parse().unwrap()], owner, within).await[..] else {
            panic!("one lead has one promise");
        };
        promised
    }

    /// The ids of leads that nobody knows: they are named by rows of other tables alone.
    pub fn unknown_leads(&self, count: usize) -> Vec<LeadId> {
        let ids = &self.running.core.ambient.act("test").ids;
        (0..count).map(|_| Id::from_uuid(ids.next::<tandem_domain::id::LeadTag>().uuid())).collect()
    }
}
