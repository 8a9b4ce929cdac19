//! Who may log what, and which activities are a first contact, against the words of the specification.

mod attempts;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::change::ActivityChange;
use super::*;
use crate::access::{Actor, Colleague, Denied, Person, Role, Staff};
use crate::act::Act;
use crate::change::Change;
use crate::clocks::record::ClockRecord;
use crate::clocks::{Clock, ClockKind, ClockState, Deadline};
use crate::handoff::{Handoff, MadeBy};
use crate::id::{Ids, TeamId};
use crate::leads::ExternalId;
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::world::World;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: i64 = 60_000;

fn person(role: Role, ids: &Ids, teams: Vec<TeamId>) -> Person {
    Person {
        id: ids.next(),
        role,
        admin: false,
        teams,
    }
}

struct Story {
    world: World,
    ids: Ids,
    lead: LeadId,
    rep: Person,
}

impl Story {
    fn begin() -> Self {
        let ids = Ids::new(NOW, 0);
        let mut world = World::provisional();
        let said = Statement {
            emails: vec![Email::parse("ada@example.com").unwrap()],
            ..Statement::default()
        };
        let act = Act::test(&Actor::System("test"), NOW, &ids);
        let lead = upsert(&mut world, &said, OnConflict::Refuse, &act)
            .unwrap()
            .lead_id;
        let rep = person(Role::Sales, &ids, vec![]);
        Self {
            world,
            ids,
            lead,
            rep,
        }
    }

    fn act(&self, person: &Person) -> Act {
        Act::test(&Actor::User(person.clone()), NOW, &self.ids)
    }

    fn draft(&self, kind: ActivityType) -> ActivityDraft {
        ActivityDraft {
            lead_id: Some(self.lead),
            deal_id: None,
            company_id: None,
            user_id: None,
            owner_id: None,
            kind,
            direction: kind.is_contact().then_some(Direction::Outbound),
            occurred_at: None,
            duration_s: None,
            outcome: None,
            subject: None,
            body: None,
            due_at: (kind == ActivityType::Task).then_some(NOW.plus_millis(60 * MINUTE)),
            done_at: None,
            automatic: None,
            objections: None,
            promises: None,
            content_ids: None,
            external_id: None,
        }
    }

    fn faults(&mut self, draft: ActivityDraft) -> Vec<(String, &'static str)> {
        let act = self.act(&self.rep.clone());
        match log(&mut self.world, draft, &act) {
            Err(ActivityError::Invalid(faults)) => faults
                .into_iter()
                .map(|fault| (fault.pointer, fault.code))
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// A hand-off with its clock, which is due an hour after.
    fn handoff(&mut self, cycle: i64, made_at: Timestamp) -> Handoff {
        let handoff = Handoff {
            owner_id: Some(self.rep.id),
            assigned_at: Some(made_at),
            ..Handoff::pending(self.ids.next(), self.lead, cycle, MadeBy::Rule, made_at)
        };
        let deadline = Deadline {
            warn_at: made_at.plus_millis(48 * MINUTE),
            due_at: made_at.plus_millis(60 * MINUTE),
        };
        let record = ClockRecord {
            id: self.ids.next(),
            version: 1,
            clock: Clock::start(ClockKind::FirstContact, made_at, deadline, 1),
            lead_id: Some(self.lead),
            handoff_id: Some(handoff.id),
            deal_id: None,
            owner_id: Some(self.rep.id),
            queue: None,
            quota: None,
        };
        self.world.sales.clocks.insert(record.id, record);
        self.world.sales.handoffs.insert(handoff.id, handoff.clone());
        handoff
    }
}

#[test]
fn a_call_is_logged_in_ones_own_name_now() {
    let mut story = Story::begin();
    let act = story.act(&story.rep.clone());
    let draft = story.draft(ActivityType::Call);
    let (call, is_new, change) = log(&mut story.world, draft, &act).unwrap();
    assert!(is_new);
    assert_eq!((call.user_id, call.occurred_at), (Some(story.rep.id), NOW));
    assert_eq!(change, Some(ActivityChange::Logged(Box::new(call)).into()));
}

#[test]
fn every_fault_is_found_at_its_place() {
    let mut story = Story::begin();
    let owed = |pointer: &str, code: &'static str| (pointer.to_owned(), code);
    let nothing = ActivityDraft {
        lead_id: None,
        direction: None,
        occurred_at: Some(NOW.plus_millis(5 * MINUTE + 1)),
        due_at: Some(NOW),
        objections: Some(vec![
            Objection {
                code: None,
                text: None,
                quote: Some("No".into()),
            },
            Objection {
                code: Some("never_heard_of".into()),
                text: None,
                quote: None,
            },
        ]),
        ..story.draft(ActivityType::Call)
    };
    assert_eq!(
        story.faults(nothing),
        [
            owed("/lead_id", "required"),
            owed("/due_at", "not_allowed"),
            owed("/direction", "required"),
            owed("/occurred_at", "out_of_range"),
            owed("/objections/0", "required"),
            owed("/objections/1/code", "not_allowed"),
        ]
    );
    let both = ActivityDraft {
        company_id: Some(story.ids.next()),
        direction: Some(Direction::Inbound),
        outcome: Some(ActivityOutcome::Held),
        ..story.draft(ActivityType::Note)
    };
    assert_eq!(
        story.faults(both),
        [
            owed("/company_id", "not_allowed"),
            owed("/company_id", "not_found"),
            owed("/direction", "not_allowed"),
            owed("/outcome", "not_allowed"),
        ]
    );
    let task = ActivityDraft {
        due_at: None,
        ..story.draft(ActivityType::Task)
    };
    assert_eq!(story.faults(task), [owed("/due_at", "required")]);
    let future = ActivityDraft {
        occurred_at: Some(NOW.plus_millis(5 * MINUTE)),
        ..story.draft(ActivityType::Call)
    };
    let act = story.act(&story.rep.clone());
    assert!(
        log(&mut story.world, future, &act).is_ok(),
        "five minutes are let pass"
    );
}

#[test]
fn a_manager_logs_for_its_team_and_nobody_else_for_others() {
    let mut story = Story::begin();
    let team = story.ids.next();
    let manager = person(Role::SalesManager, &story.ids, vec![team]);
    let (member, stranger) = (story.ids.next(), story.ids.next());
    let colleague = |role, teams: &[TeamId]| Colleague {
        role,
        teams: teams.iter().copied().collect(),
        admin: false,
    };
    story.world.sales.staff = Some(Staff::from_iter([
        (manager.id, colleague(Role::SalesManager, &[team])),
        (member, colleague(Role::Sales, &[team])),
        (stranger, colleague(Role::Sales, &[])),
        (story.rep.id, colleague(Role::Sales, &[team])),
    ]));
    let rep = story.rep.clone();
    let mut by = |who: &Person, user| {
        let act = story.act(who);
        let draft = ActivityDraft {
            user_id: Some(user),
            ..story.draft(ActivityType::Call)
        };
        log(&mut story.world, draft, &act).is_ok()
    };
    assert!(by(&manager, member) && !by(&manager, stranger));
    assert!(by(&rep, rep.id) && !by(&rep, member));
}

#[test]
fn tasks_are_given_within_sales_by_its_manager_and_within_marketing() {
    let mut story = Story::begin();
    let [chief, marketer] =
        [Role::SalesManager, Role::Marketing].map(|role| person(role, &story.ids, vec![]));
    let other: UserId = story.ids.next();
    let colleague = |role| Colleague {
        role,
        teams: Default::default(),
        admin: false,
    };
    story.world.sales.staff = Some(Staff::from_iter([
        (story.rep.id, colleague(Role::Sales)),
        (chief.id, colleague(Role::SalesManager)),
        (marketer.id, colleague(Role::Marketing)),
        (other, colleague(Role::MarketingManager)),
    ]));
    let rep = story.rep.clone();
    let mut gives = |who: &Person, owner| {
        let act = story.act(who);
        let draft = ActivityDraft {
            owner_id: Some(owner),
            ..story.draft(ActivityType::Task)
        };
        log(&mut story.world, draft, &act).is_ok()
    };
    assert!(gives(&chief, rep.id) && !gives(&chief, marketer.id));
    assert!(gives(&marketer, other) && !gives(&marketer, rep.id));
    assert!(gives(&rep, rep.id) && !gives(&rep, chief.id));
}

#[test]
fn the_same_external_id_updates_and_what_is_fixed_stays() {
    let mut story = Story::begin();
    let act = story.act(&story.rep.clone());
    let key = Some(ExternalId {
        system: "dialler".into(),
        id: "1".into(),
    });
    let call = ActivityDraft {
        external_id: key.clone(),
        ..story.draft(ActivityType::Call)
    };
    let (first, ..) = log(&mut story.world, call.clone(), &act).unwrap();

    let again = ActivityDraft {
        outcome: Some(ActivityOutcome::NoAnswer),
        ..call.clone()
    };
    let (second, is_new, change) = log(&mut story.world, again, &act).unwrap();
    assert_eq!((second.id, second.version, is_new), (first.id, 2, false));
    assert_eq!(second.outcome, Some(ActivityOutcome::NoAnswer));
    assert!(matches!(
        change,
        Some(Change::Activity(ActivityChange::Updated { .. }))
    ));

    let same = log(&mut story.world, call.clone(), &act).unwrap();
    assert_eq!(
        (same.0.outcome, same.2),
        (Some(ActivityOutcome::NoAnswer), None),
        "left out stays"
    );

    let other = ActivityDraft {
        kind: ActivityType::Email,
        automatic: Some(true),
        ..call
    };
    let faults = story.faults(other);
    assert_eq!(
        faults,
        [
            ("/type".into(), "not_allowed"),
            ("/automatic".into(), "not_allowed")
        ]
    );
}

#[test]
fn only_the_author_the_owner_of_a_task_and_a_sales_manager_delete() {
    let mut story = Story::begin();
    let rep = story.rep.clone();
    let act = story.act(&rep);
    let draft = story.draft(ActivityType::Call);
    let (call, ..) = log(&mut story.world, draft, &act).unwrap();
    let other = person(Role::Sales, &story.ids, vec![]);
    let chief = person(Role::SalesManager, &story.ids, vec![]);
    let by = |story: &mut Story, who: &Person| {
        let act = story.act(who);
        delete(&mut story.world.clone(), &call, &act).map(drop)
    };
    assert_eq!(by(&mut story, &other), Err(Denied::NotOwner));
    assert_eq!(by(&mut story, &chief), Ok(()));
    assert_eq!(by(&mut story, &rep), Ok(()));
}

#[test]
fn a_late_log_meets_a_breached_clock_and_its_deletion_breaches_it_again() {
    let mut story = Story::begin();
    let made_at = NOW.plus_millis(-120 * MINUTE);
    let handoff = story.handoff(1, made_at);
    let act = story.act(&story.rep.clone());
    let state = |story: &Story| {
        let record = story.world.sales.clocks.values().next().unwrap();
        (record.clock.state(), record.clock.was_met_by_late_log())
    };
    for record in story.world.sales.clocks.values_mut() {
        assert_eq!(record.clock.look(NOW).len(), 2);
    }
    let lead = story.lead;
    let call = Contact {
        kind: ActivityType::Call,
        direction: Some(Direction::Outbound),
        outcome: None,
        automatic: false,
        at: made_at.plus_millis(60 * MINUTE),
    };

    story.world.sales.contacts.insert(lead, vec![call]);
    let changes = first_contacts(&mut story.world, lead, &act);
    assert_eq!(
        changes.len(),
        2,
        "the clock is corrected, the hand-off knows: {changes:?}"
    );
    assert_eq!(state(&story), (ClockState::Met, true));
    assert_eq!(
        story.world.sales.handoffs[&handoff.id].first_contact_at,
        Some(call.at)
    );
    assert_eq!(
        first_contacts(&mut story.world, lead, &act),
        [],
        "nothing changes twice"
    );

    story.world.sales.contacts.insert(lead, vec![]);
    assert_eq!(first_contacts(&mut story.world, lead, &act).len(), 2);
    assert_eq!(state(&story), (ClockState::Breached, false));
    assert_eq!(story.world.sales.handoffs[&handoff.id].first_contact_at, None);
}

/// The words of the specification, one after the other: "the first outbound call, e-mail, meeting or message of a user,
/// whatever its outcome, or the first two-way exchange (an outcome `connected`, `replied` or `held`, also of an automatic
/// activity; or an inbound activity that is not automatic)".
fn is_a_contact(kind: &str, direction: Option<&str>, outcome: Option<&str>, automatic: bool) -> bool {
    if !["call", "email", "meeting", "message"].contains(&kind) {
        return false;
    }
    let outbound_by_a_user = direction == Some("outbound") && !automatic;
    let exchange = outcome == Some("connected") || outcome == Some("replied") || outcome == Some("held");
    let inbound = direction == Some("inbound") && !automatic;
    outbound_by_a_user || exchange || inbound
}

fn contacts() -> impl Strategy<Value = Vec<Contact>> {
    let contact = (
        select(ActivityType::ALL),
        select(Direction::ALL),
        option::of(select(ActivityOutcome::ALL)),
        any::<bool>(),
        -400i64..5,
    );
    let contact = contact.prop_map(|(kind, direction, outcome, automatic, minute)| Contact {
        kind,
        direction: kind.is_contact().then_some(direction),
        outcome: outcome.filter(|_| kind.is_contact()),
        automatic,
        at: NOW.plus_millis(minute * MINUTE),
    });
    vec(contact, 0..12)
}

proptest! {
    #[test]
    fn the_first_contact_is_what_a_slow_look_finds_in_whatever_order_it_was_logged(
        all in contacts(), handoffs in vec(-400i64..0, 1..4), looks in vec(any::<bool>(), 12),
    ) {
        let mut story = Story::begin();
        let act = story.act(&story.rep.clone());
        let mut made: Vec<Timestamp> = handoffs.iter().map(|minute| NOW.plus_millis(minute * MINUTE)).collect();
        made.sort_unstable();
        made.dedup();
        let handoffs: Vec<Handoff> =
            made.iter().enumerate().map(|(cycle, at)| story.handoff(cycle as i64 + 1, *at)).collect();
        let lead = story.lead;

        // One log after the other; the job looks in between, or does not.
        let mut logged = vec![];
        for (contact, looks) in all.iter().zip(looks) {
            if looks {
                story.world.sales.clocks.values_mut().for_each(|record| drop(record.clock.look(NOW)));
            }
            logged.push(*contact);
            story.world.sales.contacts.insert(lead, logged.clone());
            first_contacts(&mut story.world, lead, &act);
        }
        story.world.sales.clocks.values_mut().for_each(|record| drop(record.clock.look(NOW)));

        for handoff in handoffs {
            let mut first: Option<Timestamp> = None;
            for contact in &all {
                let direction = contact.direction.map(Direction::name);
                let outcome = contact.outcome.map(ActivityOutcome::name);
                let counts = is_a_contact(contact.kind.name(), direction, outcome, contact.automatic);
                let newest_before = made.iter().filter(|made| **made <= contact.at).max();
                if counts && newest_before == Some(&handoff.made_at) {
                    first = Some(first.map_or(contact.at, |first| first.min(contact.at)));
                }
            }
            let due_at = handoff.made_at.plus_millis(60 * MINUTE);
            let expected = match first {
                Some(at) if at <= due_at => ClockState::Met,
                Some(_) => ClockState::MetLate,
                None if NOW > due_at => ClockState::Breached,
                None if NOW >= handoff.made_at.plus_millis(48 * MINUTE) => ClockState::Warned,
                None => ClockState::Running,
            };
            let mut clocks = story.world.sales.clocks.values();
            let clock = clocks.find(|record| record.handoff_id == Some(handoff.id)).unwrap();
            prop_assert_eq!(clock.clock.state(), expected);
            prop_assert_eq!(clock.clock.met_at(), first);
            prop_assert_eq!(story.world.sales.handoffs[&handoff.id].first_contact_at, first);
        }
    }
}
