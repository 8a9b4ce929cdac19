//! The one answer to anything that happens to a lead: the rules, asked in their order. Nothing else moves a lead by rule.

mod by_agreement;
mod conversing;
mod escalating;
mod facts;
mod feedback;
mod hand_over;
pub mod past;
pub mod preview;
mod proposing;
mod returning;

pub use by_agreement::{Assessment, assess};
pub use hand_over::routes;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use crate::act::Act;
use crate::activities::change::ActivityChange;
use crate::activities::{attempted, first_contacts};
use crate::agreement::{BantItem, Version};
use crate::capture::CaptureChange;
use crate::change::{Change, Record};
use crate::clocks::ClockEvent;
use crate::clocks::record::{ClockChange, ClockRecord};
use crate::deals::State;
use crate::deals::change::DealChange;
use crate::handoff::change::HandoffChange;
use crate::id::{ClockId, ConversationId, DealId, LeadId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::stage::Stage;
use crate::tracking::change::TrackingChange;
use crate::tracking::events::EventKind;
use crate::world::World;

/// Why a lead is judged: what one item (a request, a submission, a row) did to it, and what the rules before decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The lead.
    pub lead_id: LeadId,
    /// Whether the item created it.
    pub is_new: bool,
    /// The newest of its own events and submissions in the item; what bots did is left out.
    pub active_at: Option<Timestamp>,
    /// Whether the earlier history of a visitor became the lead's.
    pub adopts: bool,
    /// Whether it sent a form.
    pub sends_form: bool,
    /// Whether it returned: a customer, churned or disqualified lead that sent a form.
    pub returns: bool,
    /// Whether its activities changed.
    pub contacts: bool,
    /// The stage that it moved to last, by the item or by a rule before.
    pub moved_to: Option<Stage>,
    /// The types of its own events in the item; what bots and machines did is left out.
    pub events: BTreeSet<EventKind>,
    /// Whether it has another touch.
    pub touches: bool,
    /// Whether it is judged again because what was derived of it was no longer true.
    pub is_refreshed: bool,
    /// Whether something became known of an instant before.
    pub changes_past: bool,
    /// Whether anything but events and touches happened: a field was stated, a form came in, its time was over.
    pub is_stated: bool,
    /// Whether a rule made that move.
    pub moved_by_rule: bool,
    /// The promises about it that warned or were broken.
    pub overdue: Vec<(ClockId, ClockEvent)>,
    /// Deals of which it is the primary lead that were lost.
    pub lost: Vec<DealId>,
    /// Deals of which it is the primary lead that were lost and are open again.
    pub reopened: Vec<DealId>,
    /// What others than users stated of its qualification.
    pub proposes: BTreeSet<BantItem>,
    /// Whether it has another identifier.
    pub is_identified: bool,
    /// Conversations with it that were reported, corrected or linked.
    pub conversations: BTreeSet<ConversationId>,
}

impl Cause {
    /// Nothing has happened to the lead yet.
    pub const fn of(lead_id: LeadId) -> Self {
        Self {
            lead_id,
            is_new: false,
            active_at: None,
            adopts: false,
            sends_form: false,
            returns: false,
            contacts: false,
            moved_to: None,
            events: BTreeSet::new(),
            touches: false,
            is_refreshed: false,
            changes_past: false,
            is_stated: false,
            moved_by_rule: false,
            overdue: vec![],
            lost: vec![],
            reopened: vec![],
            proposes: BTreeSet::new(),
            is_identified: false,
            conversations: BTreeSet::new(),
        }
    }

    /// Take into account what happened, or what a rule decided.
    pub fn follow(&mut self, change: &Change) {
        self.is_refreshed |= matches!(change, Change::Lead(LeadChange::Refreshed { .. }));
        self.changes_past |= is_late(change);
        match change {
            Change::Tracking(TrackingChange::EventRecorded(event)) if event.counts() => {
                self.events.insert(event.kind.clone());
            }
            Change::Lead(LeadChange::TouchAdded(_) | LeadChange::TouchStated { .. }) => self.touches = true,
            Change::Lead(LeadChange::Active { .. }) => {}
            // A dispute held the lead back: what happened meanwhile counts from the ruling on.
            Change::Lead(_) | Change::Capture(_) | Change::Handoff(HandoffChange::Ruled(_)) => {
                self.is_stated = true
            }
            _ => {}
        }
        match change {
            Change::Capture(CaptureChange::Received(_) | CaptureChange::Replayed(_)) => {
                self.sends_form = true
            }
            Change::Lead(LeadChange::Returned(_)) => self.returns = true,
            Change::Deal(DealChange::Closed { deal, .. }) if deal.state() == State::Lost => {
                self.lost.push(deal.id);
            }
            Change::Deal(DealChange::Reopened { deal, .. }) => self.reopened.push(deal.id),
            Change::Lead(LeadChange::IdentifierAdded(..) | LeadChange::IdentifierMoved(..)) => {
                self.is_identified = true;
            }
            Change::Record(_, Record::Conversation(conversation)) => {
                self.conversations.insert(conversation.id);
            }
            Change::Activity(change) => self.contacts |= change.activity().conversation.is_some(),
            Change::Clock(ClockChange::Happened(record, event)) if record.lead_id == Some(self.lead_id) => {
                self.overdue.push((record.id, *event));
            }
            _ => {}
        }
        if let Change::Lead(LeadChange::FieldStated(statement)) = change {
            self.proposes.extend(proposing::proposed_by(statement));
        }
        if let Change::Lead(LeadChange::Moved { lead, transition, .. }) = change
            && lead.id == self.lead_id
        {
            self.moved_to = Some(lead.stage);
            self.moved_by_rule = transition.by_rule.is_some();
        }
    }
}

/// Whether a change says something of an instant before it became known.
fn is_late(change: &Change) -> bool {
    match change {
        Change::Tracking(TrackingChange::EventRecorded(event)) => {
            event.counts() && event.occurred_at < event.received_at
        }
        Change::Lead(LeadChange::FieldStated(value)) => value.observed_at < value.recorded_at,
        Change::Lead(LeadChange::ConsentStated { statement, .. }) => {
            statement.stated_at < statement.recorded_at
        }
        Change::Lead(LeadChange::VisitorIdentified(identified)) => identified.adopts,
        Change::Activity(ActivityChange::Logged(activity)) => activity.occurred_at < activity.id.drawn_at(),
        Change::Activity(ActivityChange::Updated { .. } | ActivityChange::Deleted(_)) => true,
        _ => false,
    }
}

/// Facts that rules lack, as sets: what a whole batch lacks is loaded in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Leads of which the newest own event must be known.
    pub newest_event: BTreeSet<LeadId>,
    /// Leads of which the hand-offs and clocks must be known.
    pub sales: BTreeSet<LeadId>,
    /// Leads of which everything must be known that the agreement's conditions and scoring look at.
    pub judging: BTreeSet<LeadId>,
    /// Leads of which all must be known that a packet shows.
    pub packets: BTreeSet<LeadId>,
    /// Leads that are routed: who is free, and whose turn it is, must be known.
    pub routing: BTreeSet<LeadId>,
    /// Leads of which all contacts since the first hand-off must be known.
    pub contacts: BTreeSet<LeadId>,
    /// Leads of which the open tasks that a rule created must be known.
    pub rule_tasks: BTreeSet<LeadId>,
    /// Whether the enabled users must be known.
    pub staff: bool,
}

impl Needs {
    /// Whether nothing is lacking.
    pub fn is_empty(&self) -> bool {
        self.newest_event.is_empty()
            && self.sales.is_empty()
            && self.judging.is_empty()
            && self.packets.is_empty()
            && self.routing.is_empty()
            && self.contacts.is_empty()
            && self.rule_tasks.is_empty()
            && !self.staff
    }

    /// The leads of which anything is lacking.
    pub fn leads(&self) -> impl Iterator<Item = LeadId> + '_ {
        let sets = [
            &self.newest_event,
            &self.sales,
            &self.judging,
            &self.packets,
            &self.routing,
            &self.contacts,
            &self.rule_tasks,
        ];
        sets.into_iter().flatten().copied()
    }

    /// Lack these as well.
    pub fn extend(&mut self, other: Self) {
        self.newest_event.extend(other.newest_event);
        self.sales.extend(other.sales);
        self.judging.extend(other.judging);
        self.packets.extend(other.packets);
        self.routing.extend(other.routing);
        self.contacts.extend(other.contacts);
        self.rule_tasks.extend(other.rule_tasks);
        self.staff |= other.staff;
    }

    /// Whether any of it is among `loaded`.
    pub fn overlaps(&self, loaded: &Self) -> bool {
        !self.newest_event.is_disjoint(&loaded.newest_event)
            || !self.sales.is_disjoint(&loaded.sales)
            || !self.judging.is_disjoint(&loaded.judging)
            || !self.packets.is_disjoint(&loaded.packets)
            || !self.routing.is_disjoint(&loaded.routing)
            || !self.contacts.is_disjoint(&loaded.contacts)
            || !self.rule_tasks.is_disjoint(&loaded.rule_tasks)
            || self.staff && loaded.staff
    }
}

/// A rule about leads.
pub trait Rule: Debug + Send + Sync {
    /// The facts that it lacks to decide; nothing once they are loaded.
    fn needs(&self, world: &World, cause: &Cause, rulebook: &Rulebook<'_>) -> Needs;

    /// What follows. It is applied to the world, so that the next rule stands on it.
    fn decide(&self, world: &mut World, cause: &Cause, rulebook: &Rulebook<'_>, act: &Act) -> Vec<Change>;
}

/// The rules of the service, in the order in which they are asked.
pub fn rules() -> Vec<Arc<dyn Rule>> {
    vec![
        Arc::new(conversing::Conversing),
        Arc::new(LastActivity),
        Arc::new(by_agreement::ByAgreement),
        Arc::new(hand_over::HandOver),
        Arc::new(Contacts),
        Arc::new(feedback::Feedback),
        Arc::new(escalating::Escalating),
        Arc::new(returning::Returning),
        Arc::new(proposing::Proposing),
        Arc::new(by_agreement::Segments),
    ]
}

/// What leads are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Rulebook<'a> {
    /// The agreement in force.
    pub agreement: &'a Version,
    /// The rules.
    pub rules: &'a [Arc<dyn Rule>],
}

/// `last_activity_at`: the newest of the lead's own events and submissions, in whatever order they arrive. What bots and
/// machines did is left out; what a visitor did before it was identified counts.
#[derive(Debug)]
struct LastActivity;

impl Rule for LastActivity {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        if cause.adopts && !world.tracking.newest_event.contains_key(&cause.lead_id) {
            needs.newest_event.insert(cause.lead_id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, _: &Act) -> Vec<Change> {
        let adopted = world.tracking.newest_event.get(&cause.lead_id).copied().flatten();
        let Some(at) = cause.active_at.max(adopted) else {
            return vec![];
        };
        if let Some(lead) = world.leads.get_mut(&cause.lead_id) {
            if lead.last_activity_at >= Some(at) {
                return vec![];
            }
            lead.last_activity_at = Some(at);
            lead.derived += i64::from(!cause.is_new);
        }
        let lead_id = cause.lead_id;
        vec![LeadChange::Active { lead_id, at }.into()]
    }
}

/// The first contact after each hand-off, the attempts and the outcome, recomputed when an activity of the lead is logged, changed
/// or deleted, when a task is due, and when the lead moves on from MQL.
#[derive(Debug)]
struct Contacts;

impl Rule for Contacts {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        if !asks_contacts(cause) {
            return needs;
        }
        let lead_id = cause.lead_id;
        if !world.sales.loaded.contains(&lead_id) {
            needs.sales.insert(lead_id);
        }
        if !world.sales.contacts.contains_key(&lead_id) {
            needs.contacts.insert(lead_id);
        }
        // A clock that is closed now may have been due before.
        let can_fire =
            |record: &ClockRecord| record.lead_id == Some(lead_id) && record.clock.next_look().is_some();
        needs.staff = world.sales.staff.is_none() && world.sales.clocks.values().any(can_fire);
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        if !asks_contacts(cause) {
            return vec![];
        }
        let mut changes = first_contacts(world, cause.lead_id, act);
        changes.extend(attempted(world, cause.lead_id, act));
        changes
    }
}

fn asks_contacts(cause: &Cause) -> bool {
    let moves_on = |stage: Stage| matches!(stage, Stage::Sal | Stage::Sql | Stage::Opportunity);
    cause.contacts || cause.moved_to.is_some_and(moves_on)
}
