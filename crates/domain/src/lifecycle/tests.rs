//! The table of stages, held against a slow reading of it, and the stories of cycles.

use proptest::prelude::*;

use super::*;
use crate::access::Actor;
use crate::id::Ids;
use crate::leads::Touch;
use crate::leads::save::{self, OnConflict, Statement};

const DAY: i64 = 86_400_000;

fn at(day: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + day * DAY)
}

fn person(role: Role, ids: &Ids) -> Actor {
    Actor::User(Person {
        id: ids.next(),
        role,
        admin: false,
        teams: vec![],
    })
}

struct Story {
    world: World,
    ids: Ids,
    lead: LeadId,
    day: i64,
}

impl Story {
    fn begin() -> Self {
        let ids = Ids::new(at(0), 0);
        let mut world = World::provisional();
        let said = Statement {
            external_ids: vec![("crm".into(), "1".into())],
            ..Statement::default()
        };
        let admin = person(Role::Admin, &ids);
        let saved = save::upsert(
            &mut world,
            &said,
            OnConflict::Refuse,
            &Act::test(&admin, at(0), &ids),
        )
        .unwrap();
        Self {
            world,
            ids,
            lead: saved.lead_id,
            day: 0,
        }
    }

    fn ask(&mut self, actor: &Actor, asked: MoveLead) -> Result<Vec<Change>, MoveError> {
        self.day += 1;
        self.world.confirm_all(self.lead, self.ids.next());
        move_lead(
            &mut self.world,
            self.lead,
            &asked,
            &Act::test(actor, at(self.day), &self.ids),
        )
    }

    fn go(&mut self, role: Role, to: Stage, reason: Option<&str>) {
        let actor = person(role, &self.ids);
        let asked = MoveLead {
            to: Some(to),
            reason: reason.map(str::to_owned),
            note: Some("n".into()),
            until: None,
        };
        self.ask(&actor, asked).unwrap();
    }

    fn lead(&self) -> &Lead {
        &self.world.leads[&self.lead]
    }

    fn cycle(&self) -> &Cycle {
        &self.world.cycles[&self.lead]
    }
}

/// The specification's table, read row by row: from, to, and whether the lead must have come from a stage.
fn oracle(from: Stage, came_from: Option<Stage>) -> Vec<Stage> {
    use Stage::*;
    let mut to = match from {
        Lead => vec![Mql, Nurture, Disqualified],
        Nurture => vec![Mql, Disqualified],
        Mql => vec![Sal, Nurture, Disqualified],
        Sal => vec![Sql, Nurture, Disqualified],
        Sql => vec![Nurture, Disqualified, Opportunity],
        Opportunity => vec![Customer, Nurture, Disqualified],
        Customer => vec![Opportunity, Churned],
        Disqualified => vec![Lead],
        Churned => vec![Lead],
    };
    if matches!(from, Nurture | Disqualified) && came_from == Some(Opportunity) {
        to.push(Opportunity);
    }
    to.sort_unstable();
    to
}

#[test]
fn the_whole_way_leaves_every_entry_in_one_cycle() {
    let mut story = Story::begin();
    for stage in [
        Stage::Mql,
        Stage::Sal,
        Stage::Sql,
        Stage::Opportunity,
        Stage::Customer,
    ] {
        story.go(Role::SalesManager, stage, None);
    }
    assert_eq!(story.lead().stage, Stage::Customer);
    assert_eq!((story.lead().cycle, story.lead().version), (1, 6));
    for (day, stage) in FUNNEL_STAGES.iter().enumerate() {
        assert_eq!(story.cycle().entered_at(*stage), Some(at(day as i64)));
    }
    assert_eq!(story.cycle().ended_at, None);
    let left: Vec<_> = (1..=5).map(|day| Some(at(day))).chain([None]).collect();
    assert_eq!(story.cycle().left.to_vec(), left);
    assert_eq!(story.cycle().path(), 0b11_1111);
}

const FUNNEL_STAGES: [Stage; 6] = [
    Stage::Lead,
    Stage::Mql,
    Stage::Sal,
    Stage::Sql,
    Stage::Opportunity,
    Stage::Customer,
];

#[test]
fn an_illegal_move_says_where_the_lead_stands_and_where_it_could_go() {
    let mut story = Story::begin();
    let admin = person(Role::Admin, &story.ids);
    let refused = story.ask(
        &admin,
        MoveLead {
            to: Some(Stage::Customer),
            ..MoveLead::default()
        },
    );
    let allowed = vec![Stage::Mql, Stage::Nurture, Stage::Disqualified];
    assert_eq!(
        refused,
        Err(MoveError::NoSuchMove {
            current: Stage::Lead,
            allowed
        })
    );
}

#[test]
fn the_reason_decides_where_a_rejected_lead_goes() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Mql, None);
    let manager = person(Role::SalesManager, &story.ids);
    let asked = |to, reason: &str| MoveLead {
        to,
        reason: Some(reason.into()),
        ..MoveLead::default()
    };
    let fitting = || {
        ["wrong_industry", "not_a_fit", "bad_data", "duplicate"]
            .map(str::to_owned)
            .to_vec()
    };
    let mismatch = story.ask(&manager, asked(Some(Stage::Disqualified), "no_budget"));
    assert_eq!(
        mismatch,
        Err(MoveError::ReasonMismatch {
            leads_to: Stage::Nurture,
            allowed: fitting(),
        })
    );
    let foreign = story.ask(&manager, asked(Some(Stage::Disqualified), "out_of_business"));
    assert_eq!(foreign, Err(MoveError::NoSuchReason { allowed: fitting() }));
    let foreign = story.ask(&manager, asked(None, "out_of_business"));
    assert!(matches!(foreign, Err(MoveError::NoSuchReason { allowed }) if allowed.len() == 10));
    let needless = story.ask(&manager, asked(Some(Stage::Sal), "no_budget"));
    assert_eq!(needless, Err(MoveError::NoSuchReason { allowed: vec![] }));
    story.ask(&manager, asked(None, "no_budget")).unwrap();
    assert_eq!(story.lead().stage, Stage::Nurture);
    assert_eq!(story.lead().nurture_until, Some(at(story.day + 90)));
}

#[test]
fn a_date_given_comes_before_the_cooldown_of_the_reason() {
    let mut story = Story::begin();
    let marketing = person(Role::Marketing, &story.ids);
    let asked = |until| MoveLead {
        reason: Some("not_ready".into()),
        until: Some(until),
        ..MoveLead::default()
    };
    assert!(matches!(
        story.ask(&marketing, asked(at(1))),
        Err(MoveError::Invalid(_))
    ));
    story.ask(&marketing, asked(at(200))).unwrap();
    assert_eq!(story.lead().nurture_until, Some(at(200)));
}

#[test]
fn a_lead_that_was_nurtured_before_it_was_handed_over_goes_on_in_its_cycle() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Nurture, Some("not_ready"));
    assert_eq!((story.cycle().ended_at, story.cycle().left), (None, [None; 6]));
    story.go(Role::Marketing, Stage::Mql, None);
    assert_eq!((story.lead().cycle, story.cycle().number), (1, 1));
    assert_eq!(story.cycle().entered_at(Stage::Mql), Some(at(2)));
    assert_eq!(
        story.cycle().left[..2],
        [Some(at(2)), None],
        "nurture was time before MQL"
    );
    assert_eq!(story.lead().nurture_until, None);
}

#[test]
fn a_lead_that_was_nurtured_and_never_handed_over_ends_its_cycle_by_being_disqualified() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Nurture, Some("not_ready"));
    story.go(Role::Marketing, Stage::Disqualified, Some("spam"));
    assert_eq!(
        (story.cycle().ended_at, story.cycle().left[0]),
        (Some(at(2)), Some(at(2)))
    );
    story.go(Role::MarketingManager, Stage::Lead, None);
    assert_eq!((story.lead().cycle, story.cycle().started_at), (2, at(3)));
}

#[test]
fn coming_back_from_nurture_after_a_hand_over_starts_the_next_cycle() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Mql, None);
    story.go(Role::SalesManager, Stage::Nurture, Some("not_ready"));
    assert_eq!(story.cycle().ended_at, Some(at(2)));
    story.go(Role::Marketing, Stage::Mql, None);
    assert_eq!((story.lead().cycle, story.cycle().number), (2, 2));
    assert_eq!(story.cycle().started_at, at(3));
    assert_eq!(story.cycle().entered_at(Stage::Lead), Some(at(3)));
    assert_eq!(story.cycle().entered_at(Stage::Nurture), None);
    assert_eq!(
        (story.cycle().path(), story.cycle().left),
        (0b11, [None; 6]),
        "it counts as a lead, and never was one"
    );
    assert_eq!(story.lead().nurture_until, None);
}

#[test]
fn a_sales_user_takes_an_unowned_lead_by_accepting_it_and_loses_it_with_the_rejection() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Mql, None);
    let rep = person(Role::Sales, &story.ids);
    story
        .ask(
            &rep,
            MoveLead {
                to: Some(Stage::Sal),
                ..MoveLead::default()
            },
        )
        .unwrap();
    let owner = rep.person().map(|person| person.id);
    assert_eq!(story.lead().owner_id, owner);
    let other = person(Role::Sales, &story.ids);
    let refused = story.ask(
        &other,
        MoveLead {
            to: Some(Stage::Sql),
            ..MoveLead::default()
        },
    );
    assert_eq!(refused, Err(MoveError::Denied(Denied::NotOwner)));
    story
        .ask(
            &rep,
            MoveLead {
                reason: Some("no_budget".into()),
                ..MoveLead::default()
            },
        )
        .unwrap();
    assert_eq!(
        (story.lead().owner_id, story.lead().previous_owner_id),
        (None, owner)
    );
}

#[test]
fn what_a_move_needs_is_asked_for_all_at_once() {
    let mut story = Story::begin();
    let marketing = person(Role::Marketing, &story.ids);
    let asked = MoveLead {
        to: Some(Stage::Nurture),
        until: Some(at(-1)),
        ..MoveLead::default()
    };
    let Err(MoveError::Invalid(faults)) = story.ask(&marketing, asked) else {
        panic!()
    };
    let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/reason", "/until"]);
}

#[test]
fn a_key_without_a_person_moves_nobody() {
    let mut story = Story::begin();
    let key = Actor::Key {
        id: story.ids.next(),
        on_behalf_of: None,
    };
    let asked = MoveLead {
        to: Some(Stage::Mql),
        note: Some("n".into()),
        ..MoveLead::default()
    };
    assert_eq!(
        story.ask(&key, asked),
        Err(MoveError::Denied(Denied::NeedsPerson))
    );
}

fn is_of_sales(stage: Stage) -> bool {
    !matches!(stage, Stage::Lead | Stage::Nurture | Stage::Disqualified)
}

/// The end of the first stay in each stage of the funnel, and that of the cycle, of all its moves.
fn stays_and_end(moves: &[(Stage, Timestamp)]) -> ([Option<Timestamp>; 6], Option<Timestamp>) {
    let handed_over = moves.iter().position(|(stage, _)| is_of_sales(*stage));
    let is_time_before_mql = |place: usize| handed_over.is_none_or(|first| place < first);
    let mut left = [None; 6];
    for stage in FUNNEL_STAGES {
        let Some(first) = moves.iter().position(|(entered, _)| *entered == stage) else {
            continue;
        };
        for (place, (next, at)) in moves.iter().enumerate().skip(first + 1) {
            let stays = stage == Stage::Lead && *next == Stage::Nurture && is_time_before_mql(place);
            if !stays {
                left[stage as usize] = Some(*at);
                break;
            }
        }
    }
    let (stage, at) = moves[moves.len() - 1];
    let is_over = match stage {
        Stage::Nurture => handed_over.is_some(),
        stage => matches!(stage, Stage::Disqualified | Stage::Churned),
    };
    (left, is_over.then_some(at))
}

proptest! {
    /// Whatever is asked in whatever order: a move is made exactly where the table has it, versions count the moves,
    /// cycles count the new starts, and the current cycle has the first entry of each stage, the end of the first stay in
    /// it, and its own end, as a plain reading of its moves has them.
    #[test]
    fn moves_follow_the_table(asked in prop::collection::vec((0usize..9, 0usize..3), 0..60)) {
        let mut story = Story::begin();
        let admin = person(Role::Admin, &story.ids);
        let mut cycles = 1;
        let mut moves = vec![(Stage::Lead, at(0))];
        for (to, reason) in asked {
            let to = Stage::ALL[to];
            let reason = [None, Some("not_a_fit"), Some("price")][reason];
            let before = story.lead().clone();
            let mut legal = moves::allowed(&story.world, &before, &admin);
            legal.sort_unstable();
            prop_assert_eq!(&legal, &oracle(before.stage, before.came_from));
            let move_lead = MoveLead { to: Some(to), reason: reason.map(str::to_owned), note: Some("n".into()), until: None };
            match story.ask(&admin, move_lead) {
                Ok(_) => {
                    prop_assert!(legal.contains(&to));
                    let was_handed_over = moves.iter().any(|(stage, _)| is_of_sales(*stage));
                    let restarts = (before.stage == Stage::Nurture && to == Stage::Mql && was_handed_over)
                        || (matches!(before.stage, Stage::Disqualified | Stage::Churned) && to == Stage::Lead);
                    if restarts {
                        cycles += 1;
                        moves.clear();
                    }
                    moves.push((to, at(story.day)));
                    prop_assert_eq!((story.cycle().left, story.cycle().ended_at), stays_and_end(&moves), "{:?}", moves);
                    prop_assert_eq!(story.lead().stage, to);
                    prop_assert_eq!(story.lead().version, before.version + 1);
                    prop_assert!(story.cycle().entered_at(to).is_some());
                }
                Err(MoveError::NoSuchMove { current, .. }) => {
                    prop_assert!(!legal.contains(&to));
                    prop_assert_eq!(current, before.stage);
                    prop_assert_eq!(story.lead(), &before);
                }
                Err(_) => prop_assert_eq!(story.lead(), &before),
            }
            prop_assert_eq!(story.lead().cycle, cycles);
        }
    }
}

#[test]
fn a_cycle_begins_with_the_touch_that_led_back_else_with_the_first() {
    let mut story = Story::begin();
    story.go(Role::Marketing, Stage::Disqualified, Some("not_a_fit"));
    let mut cycle = story.cycle().clone().next(at(10), &story.ids);
    let touch = |day, source: &str| Touch {
        source: Some(source.into()),
        occurred_at: Some(at(day)),
        ..Touch::default()
    };
    let (first, back, late) = (touch(0, "first"), touch(10, "back"), touch(11, "late"));
    for (first, returned, source) in [
        (None, None, None),
        (Some(&first), None, Some("first")),
        (Some(&first), Some(&back), Some("back")),
        (Some(&first), Some(&late), Some("first")),
        (Some(&late), None, None),
    ] {
        cycle.begin_with(first, returned);
        assert_eq!(cycle.dimensions.source.as_deref(), source);
    }
}
