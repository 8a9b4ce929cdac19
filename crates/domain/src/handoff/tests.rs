//! Accept, reject, assign and void as pure decisions.

mod any_order;
mod disputes;
mod owners_hours;

use super::change::HandoffChange;
use super::*;
use crate::access::account::User;
use crate::access::{Actor, Colleague, Staff};
use crate::act::Act;
use crate::activities::{Activity, ActivityType};
use crate::agreement::Requires;
use crate::change::Change;
use crate::clocks::{ClockKind, ClockState, VoidReason};
use crate::id::{Ids, TeamId};
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::lifecycle::{self, MoveLead};
use crate::routing::decision::RoutingChange;
use crate::routing::{Turn, Turns};
use crate::stage::Stage;
use crate::world::World;

/// Monday 2 March 2026, 9:00 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_772_442_000_000);
const HOUR: i64 = 3_600_000;

/// Who acts: the owner, a colleague of its team, a rep of another team, a sales manager, marketing, revops, a key alone.
const OWNER: usize = 0;
const COLLEAGUE: usize = 1;
const STRANGER: usize = 2;
const MANAGER: usize = 3;
const MARKETING: usize = 4;
const REVOPS: usize = 5;
const KEY: usize = 6;

/// A lead that was handed over, and those who may want to decide.
struct Story {
    world: World,
    ids: Ids,
    now: Timestamp,
    lead: LeadId,
    id: HandoffId,
    actors: Vec<Actor>,
    team: TeamId,
}

impl Story {
    /// A hand-off that its owner has.
    fn owned() -> Self {
        Self::begin(true)
    }

    /// A hand-off that waits in a queue.
    fn queued(queue: impl FnOnce(TeamId) -> Queue) -> Self {
        let mut story = Self::begin(false);
        let queue = queue(story.team);
        let handoff = story.world.sales.handoffs.get_mut(&story.id).unwrap();
        handoff.queue = Some(queue);
        for record in story.world.sales.clocks.values_mut() {
            record.queue = Some(queue);
        }
        story
    }

    fn begin(is_owned: bool) -> Self {
        let ids = Ids::new(NOW, 0);
        let mut world = World::provisional();
        let (team, other): (TeamId, TeamId) = (ids.next(), ids.next());
        let people = [
            (Role::Sales, vec![team]),
            (Role::Sales, vec![team]),
            (Role::Sales, vec![other]),
            (Role::SalesManager, vec![team]),
            (Role::Marketing, vec![]),
            (Role::Revops, vec![]),
        ];
        let person = |(role, teams)| Person {
            id: ids.next(),
            role,
            admin: false,
            teams,
        };
        let people: Vec<Person> = people.into_iter().map(person).collect();
        let colleague = |person: &Person| {
            let teams = person.teams.iter().copied().collect();
            (
                person.id,
                Colleague {
                    role: person.role,
                    teams,
                    admin: false,
                },
            )
        };
        world.sales.staff = Some(Staff::from_iter(people.iter().map(colleague)));
        let stated = Statement {
            external_ids: vec![("crm".into(), "1".into())],
            ..Statement::default()
        };
        let mut actors: Vec<Actor> = people.into_iter().map(Actor::User).collect();
        actors.push(Actor::Key {
            id: ids.next(),
            on_behalf_of: None,
        });
        let act = Act::test(&actors[MARKETING], NOW, &ids);
        let lead = upsert(&mut world, &stated, OnConflict::Refuse, &act)
            .unwrap()
            .lead_id;
        if is_owned {
            world.leads.get_mut(&lead).unwrap().owner_id = actors[OWNER].person().map(|owner| owner.id);
        }
        let mql = MoveLead {
            to: Some(Stage::Mql),
            note: Some("asked for a demo".into()),
            ..MoveLead::default()
        };
        lifecycle::move_lead(&mut world, lead, &mql, &act).unwrap();
        let made = hand_over(&mut world, lead, MadeBy::Rule, &[], &act);
        assert!(!made.is_empty());
        let id = world.pending_of(lead).unwrap().id;
        Self {
            world,
            ids,
            now: NOW,
            lead,
            id,
            actors,
            team,
        }
    }

    fn user(&self, who: usize) -> UserId {
        self.actors[who].person().unwrap().id
    }

    fn act(&mut self, who: usize) -> Act {
        self.now = self.now.plus_millis(60_000);
        Act::test(&self.actors[who], self.now, &self.ids)
    }

    fn accept(&mut self, who: usize) -> Result<Vec<Change>, HandoffError> {
        let act = self.act(who);
        accept(&mut self.world, self.id, &Default::default(), &act)
    }

    fn reject(&mut self, who: usize, reason: &str) -> Result<Vec<Change>, HandoffError> {
        let act = self.act(who);
        reject(&mut self.world, self.id, &because(reason), &act)
    }

    fn assign(&mut self, who: usize, to: Option<usize>, running: Clocks) -> Result<Vec<Change>, NotAssigned> {
        let to = to.map(|to| account(self.actors[to].person().unwrap()));
        let act = self.act(who);
        assign(&mut self.world, self.lead, to.as_ref(), running, &act)
    }

    fn handoff(&self) -> &Handoff {
        &self.world.sales.handoffs[&self.id]
    }

    fn stage(&self) -> Stage {
        self.world.leads[&self.lead].stage
    }

    /// The states of the clocks of a kind, in the order in which they were started.
    fn clocks(&self, kind: ClockKind) -> Vec<ClockState> {
        let mut found: Vec<_> = self
            .world
            .sales
            .clocks
            .values()
            .filter(|record| record.clock.kind == kind)
            .collect();
        found.sort_unstable_by_key(|record| record.id);
        found.iter().map(|record| record.clock.state()).collect()
    }
}

fn because(reason: &str) -> RejectHandoff {
    RejectHandoff {
        reason: reason.into(),
        ..RejectHandoff::default()
    }
}

fn account(person: &Person) -> User {
    User {
        id: person.id,
        version: 1,
        email: "somebody@example.com".into(),
        name: "Somebody".into(),
        role: person.role,
        admin: person.admin,
        disabled_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// How often something happened to the hand-off.
fn times(changes: &[Change], what: impl Fn(&HandoffChange) -> bool) -> usize {
    let happened = changes
        .iter()
        .filter(|change| matches!(change, Change::Handoff(one) if what(one)));
    happened.count()
}

#[test]
fn an_acceptance_moves_the_lead_and_keeps_the_promise_of_a_review() {
    let mut story = Story::owned();
    assert_eq!(story.clocks(ClockKind::Review), [ClockState::Running]);
    let changes = story.accept(OWNER).unwrap();
    assert_eq!(
        times(&changes, |one| matches!(one, HandoffChange::Accepted(_))),
        1
    );
    let handoff = story.handoff();
    assert_eq!(
        (handoff.state, handoff.decided_by, handoff.decided_at),
        (HandoffState::Accepted, Some(story.user(OWNER)), Some(story.now))
    );
    assert_eq!((handoff.version, handoff.reason.as_deref()), (2, None));
    assert_eq!(story.stage(), Stage::Sal);
    assert_eq!(story.clocks(ClockKind::Review), [ClockState::Met]);
    assert_eq!(story.clocks(ClockKind::FirstContact), [ClockState::Running]);
}

#[test]
fn who_accepts_from_a_queue_owns_the_lead_its_hand_off_and_its_clocks() {
    for (queue, takers, others) in [
        (None, vec![OWNER, COLLEAGUE, STRANGER, MANAGER], vec![]),
        (
            Some(()),
            vec![OWNER, COLLEAGUE, MANAGER],
            vec![(STRANGER, Denied::NotOwner)],
        ),
    ] {
        let place = |team| queue.map_or(Queue::General, |()| Queue::Team(team));
        for taker in takers {
            let mut story = Story::queued(place);
            story.accept(taker).unwrap();
            let owner = Some(story.user(taker));
            let handoff = story.handoff();
            assert_eq!(
                (handoff.owner_id, handoff.queue, handoff.assigned_at),
                (owner, None, Some(story.now))
            );
            assert_eq!(story.world.leads[&story.lead].owner_id, owner);
            let clocks = story.world.sales.clocks.values();
            let owners: Vec<_> = clocks.map(|record| (record.owner_id, record.queue)).collect();
            assert_eq!(owners, [(owner, None); 3]);
        }
        for (other, denied) in others {
            let mut story = Story::queued(place);
            assert_eq!(story.accept(other), Err(denied.into()));
            assert!(story.handoff().is_pending() && story.stage() == Stage::Mql);
        }
    }
}

#[test]
fn those_who_may_not_decide_are_denied_and_change_nothing() {
    for (who, denied) in [
        (COLLEAGUE, Denied::NotOwner),
        (STRANGER, Denied::NotOwner),
        (MARKETING, Denied::WrongRole),
        (REVOPS, Denied::WrongRole),
        (KEY, Denied::NeedsPerson),
    ] {
        let mut story = Story::owned();
        let before = story.handoff().clone();
        assert_eq!(story.accept(who), Err(denied.into()));
        assert_eq!(story.reject(who, "no_budget"), Err(denied.into()));
        assert_eq!((story.handoff(), story.stage()), (&before, Stage::Mql));
    }
}

#[test]
fn the_reason_of_a_rejection_leads_the_lead_and_says_how_long_it_waits() {
    for (reason, stage, days) in [
        ("no_budget", Stage::Nurture, Some(90)),
        ("not_ready", Stage::Nurture, Some(30)),
        ("not_a_fit", Stage::Disqualified, None),
    ] {
        let mut story = Story::owned();
        let changes = story.reject(OWNER, reason).unwrap();
        assert_eq!(
            times(&changes, |one| matches!(one, HandoffChange::Rejected(_))),
            1
        );
        let until = days.map(|days| story.now.plus_millis(days * 24 * HOUR));
        let (handoff, lead) = (story.handoff(), &story.world.leads[&story.lead]);
        assert_eq!(
            (handoff.state, handoff.reason.as_deref()),
            (HandoffState::Rejected, Some(reason))
        );
        assert_eq!(
            handoff.owner_id,
            Some(story.user(OWNER)),
            "the hand-off still names who decided"
        );
        assert_eq!(
            (lead.stage, lead.nurture_until, lead.owner_id),
            (stage, until, None)
        );
        assert_eq!(lead.previous_owner_id, Some(story.user(OWNER)));
        assert_eq!(
            story.clocks(ClockKind::Review),
            [ClockState::Met],
            "rejecting is reviewing"
        );
    }
}

#[test]
fn a_reason_gets_what_it_requires_or_is_refused() {
    let mut story = Story::owned();
    let before = story.handoff().clone();
    let place = |refused: Result<Vec<Change>, HandoffError>| match refused {
        Err(HandoffError::Move(lifecycle::MoveError::Invalid(faults))) => faults[0].pointer.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(place(story.reject(OWNER, "other")), "/note");
    assert!(matches!(
        story.reject(OWNER, "spam"),
        Err(HandoffError::Move(lifecycle::MoveError::NoSuchReason { .. }))
    ));
    let past = RejectHandoff {
        until: Some(NOW),
        ..because("no_budget")
    };
    let act = story.act(OWNER);
    let (id, refused) = (story.id, |story: &mut Story, asked: &RejectHandoff| {
        reject(&mut story.world, story.id, asked, &act)
    });
    assert_eq!(place(refused(&mut story, &past)), "/until");

    let version = std::sync::Arc::make_mut(&mut story.world.rules.agreement);
    let reasons = version.agreement.reasons.rejection.iter_mut();
    for reason in reasons.filter(|reason| reason.code == "no_budget") {
        reason.requires.push(Requires::EvidenceActivity);
    }
    assert_eq!(
        place(refused(&mut story, &because("no_budget"))),
        "/evidence_activity_id"
    );
    assert_eq!(story.world.sales.handoffs[&id], before);
    let shown = RejectHandoff {
        evidence_activity_id: Some(story.ids.next()),
        ..because("no_budget")
    };
    assert_eq!(
        place(refused(&mut story, &shown)),
        "/evidence_activity_id",
        "nobody knows it"
    );
    let mut call = Activity::blank(shown.evidence_activity_id.unwrap(), ActivityType::Call, NOW);
    story.world.sales.activities.insert(call.id, call.clone());
    assert_eq!(
        place(refused(&mut story, &shown)),
        "/evidence_activity_id",
        "it is about nobody"
    );
    call.lead_id = Some(story.lead);
    story.world.sales.activities.insert(call.id, call);
    refused(&mut story, &shown).unwrap();
    assert_eq!(story.handoff().evidence_activity_id, shown.evidence_activity_id);
}

#[test]
fn the_second_of_two_decisions_is_refused_with_who_was_first_and_when() {
    let mut story = Story::owned();
    story.accept(MANAGER).unwrap();
    let decided = Box::new(story.handoff().clone());
    assert_eq!(decided.decided_by, Some(story.user(MANAGER)));
    assert_eq!(story.accept(OWNER), Err(HandoffError::Decided(decided.clone())));
    assert_eq!(
        story.reject(OWNER, "no_budget"),
        Err(HandoffError::Decided(decided.clone()))
    );
    assert_eq!(
        story.reject(MANAGER, "no_budget"),
        Err(HandoffError::Decided(decided.clone()))
    );
    assert_eq!(
        story.accept(MANAGER),
        Ok(vec![]),
        "the same decision again changes nothing"
    );
    assert_eq!(story.handoff(), &*decided);

    let mut story = Story::owned();
    story.reject(OWNER, "no_budget").unwrap();
    let decided = Box::new(story.handoff().clone());
    assert_eq!(story.reject(OWNER, "no_budget"), Ok(vec![]));
    assert_eq!(
        story.reject(OWNER, "not_ready"),
        Err(HandoffError::Decided(decided.clone()))
    );
    assert_eq!(
        story.reject(MANAGER, "no_budget"),
        Err(HandoffError::Decided(decided.clone()))
    );
    assert_eq!(story.accept(OWNER), Err(HandoffError::Decided(decided)));
}

#[test]
fn the_second_of_two_who_take_from_a_queue_is_refused_with_the_first() {
    let mut story = Story::queued(|_| Queue::General);
    story.assign(COLLEAGUE, Some(COLLEAGUE), Clocks::Keep).unwrap();
    let taken = story.handoff().clone();
    assert_eq!((taken.owner_id, taken.queue), (Some(story.user(COLLEAGUE)), None));
    assert!(taken.is_pending(), "taking is not accepting");
    assert_eq!(
        story.assign(STRANGER, Some(STRANGER), Clocks::Keep),
        Err(NotAssigned::Taken(Box::new(taken.clone())))
    );
    assert_eq!(story.assign(COLLEAGUE, Some(COLLEAGUE), Clocks::Keep), Ok(vec![]));
    assert_eq!(story.handoff(), &taken);
    story.assign(MANAGER, Some(STRANGER), Clocks::Keep).unwrap();
    assert_eq!(
        story.handoff().owner_id,
        Some(story.user(STRANGER)),
        "a manager gives it on"
    );
}

#[test]
fn another_owner_keeps_the_clocks_or_gets_new_ones() {
    let mut story = Story::owned();
    let due = story.handoff().due_at;
    story.assign(MANAGER, Some(COLLEAGUE), Clocks::Keep).unwrap();
    let clocks = story.world.sales.clocks.values();
    assert!(
        clocks
            .clone()
            .all(|record| record.owner_id == Some(story.user(COLLEAGUE)))
    );
    assert!(
        clocks
            .clone()
            .any(|record| Some(record.clock.deadline.due_at) == due)
    );
    story.assign(MANAGER, Some(STRANGER), Clocks::Restart).unwrap();
    for kind in [ClockKind::Review, ClockKind::FirstContact] {
        assert_eq!(story.clocks(kind), [ClockState::Void, ClockState::Running]);
    }
    let clocks = story.world.sales.clocks.values();
    let ended = clocks.filter_map(|record| record.clock.void_reason());
    assert_eq!(ended.collect::<Vec<_>>(), [VoidReason::Restarted; 2]);
    story.assign(MANAGER, None, Clocks::Keep).unwrap();
    assert_eq!(
        (story.handoff().owner_id, story.handoff().queue),
        (None, Some(Queue::General)),
        "nobody's work waits for everybody"
    );
}

#[test]
fn a_rejected_turn_is_given_back_and_an_accepted_one_is_not() {
    for is_rejected in [false, true] {
        let mut story = Story::owned();
        let (owner, colleague) = (story.user(OWNER), story.user(COLLEAGUE));
        let mut turns = Turns::default();
        let turn: Turn = turns.take([(owner, 1), (colleague, 1)].into()).unwrap();
        let (who, team) = (turn.user, story.team);
        let desk = &mut story.world.sales.desk;
        desk.turns.insert(team, turns);
        desk.taken.insert(story.id, (team, turn));
        let changes = match is_rejected {
            true => story.reject(OWNER, "no_budget").unwrap(),
            false => story.accept(OWNER).unwrap(),
        };
        let is_turned = |change: &&Change| matches!(change, Change::Routing(RoutingChange::Turned { team_id, .. }) if *team_id == team);
        assert_eq!(changes.iter().filter(is_turned).count(), usize::from(is_rejected));
        let arrears = story.world.sales.desk.turns[&team].arrears(who);
        assert_eq!(
            arrears,
            if is_rejected { 0.0 } else { -0.5 },
            "half a turn ahead, or none"
        );
    }
}

#[test]
fn a_lead_that_leaves_voids_what_is_pending_and_what_runs() {
    // Nobody decided: the hand-off counts nowhere.
    let mut story = Story::queued(|_| Queue::General);
    let act = story.act(MARKETING);
    let changes = leave(&mut story.world, story.lead, &act);
    assert_eq!(times(&changes, |one| matches!(one, HandoffChange::Voided(_))), 1);
    let handoff = story.handoff();
    assert_eq!(
        (handoff.state, handoff.queue, handoff.void_reason.as_deref()),
        (HandoffState::Void, None, Some("left_stage"))
    );
    for kind in [ClockKind::Review, ClockKind::FirstContact] {
        assert_eq!(story.clocks(kind), [ClockState::Void]);
    }
    let again = story.act(MARKETING);
    assert_eq!(leave(&mut story.world, story.lead, &again), []);

    // Decided before: it stays, and only what still runs is void.
    let mut story = Story::owned();
    story.accept(OWNER).unwrap();
    let accepted = story.handoff().clone();
    let act = story.act(OWNER);
    leave(&mut story.world, story.lead, &act);
    assert_eq!(story.handoff(), &accepted);
    assert_eq!(story.clocks(ClockKind::Review), [ClockState::Met]);
    assert_eq!(story.clocks(ClockKind::FirstContact), [ClockState::Void]);

    // After the promise was broken: a breach stays a breach.
    let mut story = Story::owned();
    let late = story.handoff().due_at.unwrap().plus_millis(1);
    for record in story.world.sales.clocks.values_mut() {
        assert!(!record.change(|clock| clock.look(late)).is_empty());
    }
    story.now = late;
    story.reject(OWNER, "no_budget").unwrap();
    let act = story.act(OWNER);
    leave(&mut story.world, story.lead, &act);
    assert_eq!(story.clocks(ClockKind::Review), [ClockState::MetLate]);
    assert_eq!(story.clocks(ClockKind::FirstContact), [ClockState::Breached]);
}

#[test]
fn a_packet_is_opened_once() {
    let mut story = Story::owned();
    let (first, second) = (story.user(OWNER), story.user(MANAGER));
    let act = story.act(OWNER);
    assert!(open(&mut story.world, story.id, first, &act).is_some());
    let opened = story.handoff().clone();
    assert_eq!(
        (opened.opened_by, opened.opened_at),
        (Some(first), Some(story.now))
    );
    let act = story.act(MANAGER);
    assert_eq!(open(&mut story.world, story.id, second, &act), None);
    assert_eq!(story.handoff(), &opened);
}
