//! The one door for rules: what commands did becomes writable once every lead that it touched has been judged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use crate::act::Act;
use crate::agreement::conditions::History;
use crate::capture::CaptureChange;
use crate::change::{Change, Record};
use crate::clocks::ClockEvent;
use crate::clocks::record::ClockChange;
use crate::deals::change::DealChange;
use crate::handoff::change::HandoffChange;
use crate::id::LeadId;
use crate::instant::Timestamp;
use crate::judge::{Cause, Needs, Rulebook};
use crate::leads::change::LeadChange;
use crate::leads::fields::About;
use crate::tracking::change::TrackingChange;
use crate::tracking::events::Event;
use crate::world::World;

/// What one item did, before the leads that it touched were judged.
///
/// It reads as a list of changes, and cannot be written: settling makes it writable.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use]
pub struct Unsettled(Vec<Change>);

impl Unsettled {
    /// The leads that it touched, each once, with what it did to them: in the order in which they were touched first.
    pub fn causes(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = vec![];
        let mut places: BTreeMap<LeadId, usize> = BTreeMap::new();
        let mut received: Vec<(LeadId, Timestamp)> = vec![];
        for change in &self.0 {
            let Some(lead_id) = touched(change) else {
                continue;
            };
            let place = *places.entry(lead_id).or_insert_with(|| {
                causes.push(Cause::of(lead_id));
                causes.len() - 1
            });
            let cause = &mut causes[place];
            cause.follow(change);
            match change {
                Change::Lead(LeadChange::Created { .. }) => cause.is_new = true,
                Change::Activity(_) => cause.contacts = true,
                Change::Lead(LeadChange::VisitorIdentified(identified)) => cause.adopts |= identified.adopts,
                Change::Tracking(TrackingChange::EventRecorded(event)) if event.counts() => {
                    cause.active_at = cause.active_at.max(Some(event.occurred_at));
                }
                Change::Capture(CaptureChange::Received(kept) | CaptureChange::Replayed(kept)) => {
                    received.push((lead_id, kept.received_at))
                }
                _ => {}
            }
        }
        // A submission is an event, unless as many are kept of its visitor as may be.
        for (lead_id, at) in received {
            if let Some(place) = places.get(&lead_id) {
                let cause = &mut causes[*place];
                cause.active_at = cause.active_at.or(Some(at));
            }
        }
        causes
    }
}

/// The lead of which rules look at what changed, if there is one.
fn touched(change: &Change) -> Option<LeadId> {
    match change {
        Change::Lead(change) => match change {
            LeadChange::Created { lead, .. }
            | LeadChange::Edited { lead, .. }
            | LeadChange::Moved { lead, .. }
            | LeadChange::Assigned { lead, .. }
            | LeadChange::Archived(lead)
            | LeadChange::Restored(lead)
            | LeadChange::Returned(lead)
            | LeadChange::Qualified { lead, .. }
            | LeadChange::ConsentStated { lead, .. } => Some(lead.id),
            LeadChange::IdentifierAdded(lead_id, _)
            | LeadChange::IdentifierMoved(lead_id, _)
            | LeadChange::IdentifierRemoved(lead_id, _)
            | LeadChange::TouchStated { lead_id, .. }
            | LeadChange::Active { lead_id, .. }
            | LeadChange::Scored { lead_id, .. }
            | LeadChange::Segmented { lead_id, .. }
            | LeadChange::Refreshed { lead_id } => Some(*lead_id),
            LeadChange::FieldStated(statement) => match statement.about {
                About::Lead(lead_id) => Some(lead_id),
                About::Company(_) => None,
            },
            LeadChange::TouchAdded(touch) => touch.lead_id,
            LeadChange::VisitorIdentified(identified) => Some(identified.link.lead_id),
            LeadChange::ConfirmationIssued(_) => None,
        },
        Change::Deal(
            DealChange::Opened { deal, .. }
            | DealChange::Moved { deal, .. }
            | DealChange::Closed { deal, .. }
            | DealChange::Reopened { deal, .. }
            | DealChange::Edited { deal, .. }
            | DealChange::Acknowledged(deal, _),
        ) => deal.primary_lead_id,
        Change::Handoff(HandoffChange::Ruled(handoff)) => Some(handoff.lead_id),
        Change::Activity(change) => change.activity().lead_id,
        Change::Clock(ClockChange::Happened(record, ClockEvent::Warned | ClockEvent::Breached)) => {
            record.lead_id
        }
        Change::Capture(CaptureChange::Received(kept) | CaptureChange::Replayed(kept)) => kept.lead_id,
        Change::Tracking(TrackingChange::EventRecorded(event)) => event.lead_id,
        Change::Record(_, Record::Conversation(conversation)) => conversation.lead_id,
        _ => None,
    }
}

impl Deref for Unsettled {
    type Target = [Change];

    fn deref(&self) -> &[Change] {
        &self.0
    }
}

impl<C: Into<Change>> FromIterator<C> for Unsettled {
    fn from_iter<I: IntoIterator<Item = C>>(changes: I) -> Self {
        Self(changes.into_iter().map(Into::into).collect())
    }
}

impl<C: Into<Change>> Extend<C> for Unsettled {
    fn extend<I: IntoIterator<Item = C>>(&mut self, changes: I) {
        self.0.extend(changes.into_iter().map(Into::into));
    }
}

impl From<Vec<Change>> for Unsettled {
    fn from(changes: Vec<Change>) -> Self {
        Self(changes)
    }
}

impl From<Option<Change>> for Unsettled {
    fn from(change: Option<Change>) -> Self {
        Self(Vec::from_iter(change))
    }
}

impl IntoIterator for Unsettled {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What may be written: by whom it was done, and what. Made by judging, or of history, of which nothing follows.
#[derive(Debug, Clone)]
pub struct Settled<'a>(Vec<(&'a Act, Vec<Change>)>);

impl<'a> Settled<'a> {
    /// What an import writes down of the past: no rule follows of it. Nothing where the act is not that of an import of
    /// history.
    pub fn history(act: &'a Act, told: Unsettled) -> Option<Self> {
        act.is_history().then(|| Self(vec![(act, told.0)]))
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, changes)| changes.is_empty())
    }

    /// The changes, each part with its act.
    pub fn parts(&self) -> &[(&'a Act, Vec<Change>)] {
        &self.0
    }
}

/// A rule asked again for what was loaded for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rule asks again for facts that were loaded")]
pub struct Insatiable;

/// What the rules say to the causes that are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// All causes are judged.
    Done,
    /// These facts must be loaded, and the rules asked again.
    Needs(Needs),
}

/// Judging what the items of one transaction did: rule after rule, each for all items in their order, so that what a rule
/// lacks is loaded once for the whole transaction and each rule stands on what the rules before it decided.
#[derive(Debug)]
pub struct Settling<'a> {
    /// What is decided of each item and was not taken yet.
    items: Vec<(&'a Act, Vec<Change>)>,
    /// Why leads are judged, each with the place of its item.
    causes: Vec<(usize, Cause)>,
    /// The place of the rule that is asked.
    rule: usize,
    /// The place of the cause that it is asked about next.
    cause: usize,
    /// Whatever was asked for so far.
    asked: Needs,
    /// What the leads did that this transaction creates, and of which no history was adopted: all that they ever did.
    fresh: BTreeMap<LeadId, Vec<Event>>,
    /// The leads that this transaction creates.
    created: Vec<LeadId>,
}

impl<'a> Settling<'a> {
    /// Nothing is judged yet.
    pub fn of(items: impl IntoIterator<Item = (&'a Act, Unsettled)>) -> Self {
        let mut settling = Self {
            items: vec![],
            causes: vec![],
            rule: 0,
            cause: 0,
            asked: Needs::default(),
            fresh: BTreeMap::new(),
            created: vec![],
        };
        for (place, (act, done)) in items.into_iter().enumerate() {
            let causes = done.causes().into_iter();
            settling.causes.extend(causes.map(|cause| (place, cause)));
            settling.items.push((act, done.0));
        }
        let created = settling.causes.iter().filter(|(_, cause)| cause.is_new);
        settling.created = created.map(|(_, cause)| cause.lead_id).collect();
        settling.fresh = settling.fresh();
        settling
    }

    /// The leads that have another identifier: conversations may wait for it.
    pub fn identified(&self) -> BTreeSet<LeadId> {
        let causes = self.causes.iter().map(|(_, cause)| cause);
        causes
            .filter(|cause| cause.is_identified)
            .map(|cause| cause.lead_id)
            .collect()
    }

    fn fresh(&self) -> BTreeMap<LeadId, Vec<Event>> {
        let causes = || self.causes.iter().map(|(_, cause)| cause);
        let mut fresh: BTreeMap<LeadId, Vec<Event>> = self.created.iter().map(|id| (*id, vec![])).collect();
        let adopting = causes().filter(|cause| cause.adopts);
        adopting.for_each(|cause| drop(fresh.remove(&cause.lead_id)));
        for change in self.items.iter().flat_map(|(_, changes)| changes) {
            if let Change::Tracking(TrackingChange::EventRecorded(event)) = change
                && let Some(events) = event.lead_id.and_then(|id| fresh.get_mut(&id))
            {
                events.push((**event).clone());
            }
        }
        fresh
    }

    /// Judge as far as the loaded facts allow; what a rule lacks is answered for all causes that remain to it.
    pub fn ask(&mut self, world: &mut World, rulebook: &Rulebook<'_>) -> Result<Answer, Insatiable> {
        for lead_id in std::mem::take(&mut self.created) {
            world.judging.created.insert(lead_id);
            // Nobody else can have handed it over.
            world.sales.loaded.insert(lead_id);
        }
        for (lead_id, events) in std::mem::take(&mut self.fresh) {
            let histories = History::by_type(events);
            world.judging.histories.insert(lead_id, histories);
        }
        while let Some(rule) = rulebook.rules.get(self.rule) {
            while let Some((place, cause)) = self.causes.get_mut(self.cause) {
                let mut lacking = rule.needs(world, cause, rulebook);
                if !lacking.is_empty() {
                    if lacking.overlaps(&self.asked) {
                        return Err(Insatiable);
                    }
                    for (_, later) in &self.causes[self.cause + 1..] {
                        lacking.extend(rule.needs(world, later, rulebook));
                    }
                    self.asked.extend(lacking.clone());
                    return Ok(Answer::Needs(lacking));
                }
                let (act, decided) = &mut self.items[*place];
                let follows = rule.decide(world, cause, rulebook, act);
                follows.iter().for_each(|change| cause.follow(change));
                decided.extend(follows);
                self.cause += 1;
            }
            self.rule += 1;
            self.cause = 0;
        }
        Ok(Answer::Done)
    }

    /// What was decided since the last time, to be written: facts that are loaded afterwards stand on it.
    pub fn take(&mut self) -> Settled<'a> {
        let items = self.items.iter_mut();
        Settled(
            items
                .map(|(act, changes)| (*act, std::mem::take(changes)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::access::Actor;
    use crate::agreement::Version;
    use crate::id::Ids;
    use crate::judge::Rule;
    use crate::leads::identity::Email;
    use crate::leads::save::{OnConflict, Statement, upsert};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// Records for which lead it fires; if it is curious, asks for the newest event of each lead first.
    #[derive(Debug, Default)]
    struct Noting {
        is_curious: bool,
        is_insatiable: bool,
        fired: Mutex<Vec<LeadId>>,
    }

    impl Rule for Noting {
        fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
            let is_known = world.tracking.newest_event.contains_key(&cause.lead_id);
            let asks = self.is_insatiable || self.is_curious && !is_known;
            Needs {
                newest_event: asks.then_some(cause.lead_id).into_iter().collect(),
                ..Needs::default()
            }
        }

        fn decide(&self, _: &mut World, cause: &Cause, _: &Rulebook<'_>, _: &Act) -> Vec<Change> {
            self.fired.lock().unwrap().push(cause.lead_id);
            vec![
                LeadChange::Refreshed {
                    lead_id: cause.lead_id,
                }
                .into(),
            ]
        }
    }

    fn saved(world: &mut World, email: &str, act: &Act) -> (LeadId, Unsettled) {
        let said = Statement {
            emails: vec![Email::parse(email).unwrap()],
            ..Statement::default()
        };
        let saved = upsert(world, &said, OnConflict::Refuse, act).unwrap();
        (saved.lead_id, saved.changes.into())
    }

    fn given() -> (World, Arc<Version>, Act) {
        let world = World::provisional();
        let agreement = world.rules.agreement.clone();
        let act = Act::test(&Actor::System("test"), NOW, &Ids::new(NOW, 0));
        (world, agreement, act)
    }

    #[test]
    fn each_item_is_judged_once_for_each_lead_and_keeps_its_place() {
        let (mut world, agreement, act) = given();
        let (ada, first) = saved(&mut world, "ada@example.com", &act);
        let (bob, second) = saved(&mut world, "bob@example.com", &act);
        let noting = Arc::new(Noting::default());
        let rules: [Arc<dyn Rule>; 1] = [noting.clone()];
        let rulebook = Rulebook {
            agreement: &agreement,
            rules: &rules,
        };
        let again = Unsettled::from_iter([LeadChange::Refreshed { lead_id: ada }]);
        let mut settling = Settling::of([
            (&act, first),
            (&act, second),
            (&act, again),
            (&act, Unsettled::default()),
        ]);

        assert_eq!(settling.ask(&mut world, &rulebook), Ok(Answer::Done));

        assert_eq!(*noting.fired.lock().unwrap(), [ada, bob, ada]);
        let settled = settling.take();
        let last: Vec<Option<&Change>> = settled
            .parts()
            .iter()
            .map(|(_, changes)| changes.last())
            .collect();
        let of = |lead_id| Some(Change::from(LeadChange::Refreshed { lead_id }));
        assert_eq!(last, [of(ada).as_ref(), of(bob).as_ref(), of(ada).as_ref(), None]);
        assert!(
            settling
                .take()
                .parts()
                .iter()
                .all(|(_, changes)| changes.is_empty())
        );
    }

    #[test]
    fn what_the_whole_batch_lacks_is_asked_for_at_once() {
        let (mut world, agreement, act) = given();
        let (ada, first) = saved(&mut world, "ada@example.com", &act);
        let (bob, second) = saved(&mut world, "bob@example.com", &act);
        let noting = Arc::new(Noting {
            is_curious: true,
            ..Noting::default()
        });
        let rules: [Arc<dyn Rule>; 1] = [noting.clone()];
        let rulebook = Rulebook {
            agreement: &agreement,
            rules: &rules,
        };
        let mut settling = Settling::of([(&act, first), (&act, second)]);

        let lacking = Needs {
            newest_event: [ada, bob].into(),
            ..Needs::default()
        };
        assert_eq!(settling.ask(&mut world, &rulebook), Ok(Answer::Needs(lacking)));
        assert!(
            noting.fired.lock().unwrap().is_empty(),
            "nothing is decided before"
        );
        let recorded = settling.take();
        assert!(
            recorded.parts().iter().all(|(_, changes)| !changes.is_empty()),
            "it is recorded first"
        );
        world
            .tracking
            .newest_event
            .extend([(ada, None), (bob, Some(NOW))]);
        assert_eq!(settling.ask(&mut world, &rulebook), Ok(Answer::Done));
        assert_eq!(*noting.fired.lock().unwrap(), [ada, bob]);
    }

    #[test]
    fn a_rule_that_is_never_content_is_an_error_and_no_loop() {
        let (mut world, agreement, act) = given();
        let (_, done) = saved(&mut world, "ada@example.com", &act);
        let rules: [Arc<dyn Rule>; 1] = [Arc::new(Noting {
            is_insatiable: true,
            ..Noting::default()
        })];
        let rulebook = Rulebook {
            agreement: &agreement,
            rules: &rules,
        };
        let mut settling = Settling::of([(&act, done)]);
        assert!(matches!(
            settling.ask(&mut world, &rulebook),
            Ok(Answer::Needs(_))
        ));
        assert_eq!(settling.ask(&mut world, &rulebook), Err(Insatiable));
    }

    #[test]
    fn only_an_import_of_history_is_written_unjudged() {
        let (mut world, _, act) = given();
        let (_, done) = saved(&mut world, "ada@example.com", &act);
        assert!(Settled::history(&act, done.clone()).is_none());
        let import = act.from_origin(crate::act::Origin::Import);
        assert!(Settled::history(&import, done).is_some());
    }
}
