//! Disputes and rulings as pure decisions.

use super::*;

const DAY: i64 = 24 * HOUR;
/// Another one of revops.
const NEUTRAL: usize = 7;

/// A hand-off that its owner rejected.
fn rejected() -> Story {
    let mut story = Story::owned();
    let neutral = Person {
        id: story.ids.next(),
        role: Role::Revops,
        admin: false,
        teams: vec![],
    };
    story.actors.push(Actor::User(neutral));
    story.reject(OWNER, "no_budget").unwrap();
    story
}

impl Story {
    fn dispute(&mut self, who: usize) -> Result<Vec<Change>, HandoffError> {
        let act = self.act(who);
        dispute(&mut self.world, self.id, "It has one", &act)
    }

    fn rule(&mut self, who: usize, decision: Verdict) -> Result<Vec<Change>, HandoffError> {
        let asked = RuleOn {
            decision,
            note: "The form says so".into(),
        };
        let act = self.act(who);
        rule_on(&mut self.world, self.id, &asked, &[true], &act)
    }
}

#[test]
fn marketing_disputes_a_rejection_once_and_within_seven_days() {
    let mut story = rejected();
    for who in [OWNER, MANAGER, REVOPS, KEY] {
        assert!(matches!(story.dispute(who), Err(HandoffError::Move(_))), "{who}");
    }
    let changes = story.dispute(MARKETING).unwrap();
    assert_eq!(
        times(&changes, |one| matches!(one, HandoffChange::Disputed(_))),
        1
    );
    assert_eq!(story.handoff().state, HandoffState::Disputed);
    assert_eq!(story.clocks(ClockKind::Feedback), [ClockState::Met]);
    assert!(is_disputed(&story.world, story.lead));
    assert_eq!(story.dispute(MARKETING).unwrap(), [], "the same again");

    let mut story = rejected();
    story.now = story.now.plus_millis(7 * DAY);
    assert!(matches!(
        story.dispute(MARKETING),
        Err(HandoffError::TooLate { .. })
    ));
    let mut story = Story::owned();
    assert!(matches!(
        story.dispute(MARKETING),
        Err(HandoffError::NotRejected(_))
    ));
}

#[test]
fn who_rules_has_neither_rejected_nor_disputed() {
    let mut story = rejected();
    assert!(matches!(
        story.rule(REVOPS, Verdict::Upheld),
        Err(HandoffError::NotDisputed(_))
    ));
    story.dispute(MARKETING).unwrap();
    for who in [OWNER, MANAGER, MARKETING, KEY] {
        assert!(
            matches!(story.rule(who, Verdict::Upheld), Err(HandoffError::Move(_))),
            "{who}"
        );
    }
    let revops = story.user(REVOPS);
    for stake in [true, false] {
        let mut story = Story {
            world: story.world.clone(),
            actors: story.actors.clone(),
            ids: story.ids.clone(),
            ..story
        };
        let handoff = story.world.sales.handoffs.get_mut(&story.id).unwrap();
        match stake {
            true => handoff.decided_by = Some(revops),
            false => handoff.dispute.as_mut().unwrap().by = revops,
        }
        assert_eq!(story.rule(REVOPS, Verdict::Upheld), Err(HandoffError::NotNeutral));
        story.rule(NEUTRAL, Verdict::Upheld).unwrap();
    }
}

#[test]
fn an_admin_rules_where_nobody_of_revops_may() {
    let mut story = rejected();
    story.dispute(MARKETING).unwrap();
    let admin = Person {
        id: story.ids.next(),
        role: Role::Admin,
        admin: true,
        teams: vec![],
    };
    let staff = story.world.sales.staff.clone().unwrap();
    let handoff = story.handoff();
    assert!(handoff.may_rule(&admin, &staff).is_err(), "revops is there");
    assert_eq!(handoff.may_rule(&admin, &Staff::default()), Ok(()));
}

#[test]
fn upheld_leaves_the_lead_where_it_is() {
    let mut story = rejected();
    story.dispute(MARKETING).unwrap();
    let changes = story.rule(REVOPS, Verdict::Upheld).unwrap();
    assert_eq!(times(&changes, |one| matches!(one, HandoffChange::Ruled(_))), 1);
    assert_eq!(
        (story.handoff().state, story.stage()),
        (HandoffState::Upheld, Stage::Nurture)
    );
    assert_eq!(story.rule(REVOPS, Verdict::Upheld).unwrap(), [], "the same again");
    assert!(matches!(
        story.rule(REVOPS, Verdict::Overturned),
        Err(HandoffError::Ruled(_))
    ));
    assert!(matches!(story.dispute(OWNER), Err(HandoffError::Move(_))));
}

#[test]
fn overturned_takes_the_lead_on_in_the_same_cycle_with_new_promises() {
    for reason in ["no_budget", "not_a_fit"] {
        let mut story = Story::owned();
        story.reject(OWNER, reason).unwrap();
        story.dispute(MARKETING).unwrap();
        let cycle = story.world.leads[&story.lead].cycle;
        story.rule(REVOPS, Verdict::Overturned).unwrap();
        let handoff = story.handoff();
        assert_eq!(
            (handoff.state, handoff.counts_from()),
            (HandoffState::Overturned, story.now)
        );
        assert_eq!((handoff.owner_id, handoff.queue), (None, Some(Queue::General)));
        assert_eq!(
            (handoff.reason.as_deref(), handoff.taken_from),
            (Some(reason), Some(story.user(OWNER)))
        );
        assert_eq!(
            (story.stage(), story.world.leads[&story.lead].cycle),
            (Stage::Sal, cycle)
        );
        assert_eq!(story.clocks(ClockKind::Review), [ClockState::Met]);
        // The rule about contacts has not judged the first one here.
        assert_eq!(
            story.clocks(ClockKind::FirstContact).last(),
            Some(&ClockState::Running)
        );
        assert_eq!(story.clocks(ClockKind::Attempts), [ClockState::Running]);

        // Its owner is who takes it from the queue.
        story.assign(COLLEAGUE, Some(COLLEAGUE), Clocks::Keep).unwrap();
        let handoff = story.handoff();
        assert_eq!(
            (handoff.owner_id, handoff.queue),
            (Some(story.user(COLLEAGUE)), None)
        );
    }
}

#[test]
fn overturned_after_the_lead_went_on_changes_the_figures_alone() {
    let mut story = rejected();
    story.dispute(MARKETING).unwrap();
    let mql = MoveLead {
        to: Some(Stage::Mql),
        note: Some("asked again".into()),
        ..MoveLead::default()
    };
    let act = story.act(MARKETING);
    move_lead(&mut story.world, story.lead, &mql, &act).unwrap();
    story.rule(REVOPS, Verdict::Overturned).unwrap();
    assert_eq!(
        (story.handoff().state, story.stage()),
        (HandoffState::Overturned, Stage::Mql)
    );
    assert_eq!(story.clocks(ClockKind::Attempts), []);
}

#[test]
fn the_turn_of_an_overturned_rejection_counts_again() {
    let mut story = rejected();
    story.dispute(MARKETING).unwrap();
    let (owner, colleague) = (story.user(OWNER), story.user(COLLEAGUE));
    let mut turns = Turns::default();
    let turn: Turn = turns.take([(owner, 1), (colleague, 1)].into()).unwrap();
    let (who, team) = (turn.user, story.team);
    turns.give_back(&turn);
    let desk = &mut story.world.sales.desk;
    desk.turns.insert(team, turns);
    desk.taken.insert(story.id, (team, turn));
    story.rule(REVOPS, Verdict::Overturned).unwrap();
    assert_eq!(story.world.sales.desk.turns[&team].arrears(who), -0.5);
}

#[test]
fn those_who_can_rule_are_reminded_once_after_14_days() {
    let mut story = rejected();
    story.dispute(MARKETING).unwrap();
    let staff = story.world.sales.staff.clone().unwrap();
    assert_eq!(story.handoff().remind_at(), Some(story.now.plus_millis(14 * DAY)));
    let early = story.act(MARKETING);
    assert_eq!(remind_to_rule(story.handoff().clone(), &staff, &early), []);
    story.now = story.now.plus_millis(14 * DAY);
    let act = story.act(MARKETING);
    let changes = remind_to_rule(story.handoff().clone(), &staff, &act);
    let Some(Change::Handoff(HandoffChange::Adjusted(handoff))) = changes.last() else {
        panic!("{changes:?}");
    };
    assert_eq!((changes.len(), handoff.remind_at()), (2, None));
}
