//! History of a lead: its moves and owners in any order, late, twice and corrected.

use super::*;
use crate::access::Actor;
use crate::act::Act;
use crate::id::Ids;
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use proptest::prelude::*;

const fn day(n: i64) -> Timestamp {
    Timestamp::from_millis(n * 86_400_000)
}

const NOW: Timestamp = day(1000);

struct Given {
    world: World,
    past: Past,
    lead: LeadId,
    import: ImportId,
    ids: Ids,
}

/// A lead that history says became known on day 10.
fn given() -> Given {
    let mut world = World::provisional();
    let ids = Ids::new(NOW, 0);
    let said = Statement {
        emails: vec![Email::parse("ada@example.com").unwrap()],
        created_at: Some(day(10)),
        ..Statement::default()
    };
    let actor = Actor::System(ACTOR);
    let saved = upsert(
        &mut world,
        &said,
        OnConflict::Refuse,
        &Act::test(&actor, NOW, &ids),
    )
    .unwrap();
    let mut past = past_of_new(&saved.changes);
    let import = ids.next();
    let lead = &world.leads[&saved.lead_id];
    state_beginning(&mut past, lead, Some(lead.created_at), None, import);
    Given {
        lead: saved.lead_id,
        world,
        past,
        import,
        ids,
    }
}

impl Given {
    fn state(&mut self, to: Stage, at: i64) -> Option<Vec<Warning>> {
        let stated = PastMove::plain(to, day(at));
        let (_, is_new) = state_move(&mut self.past, self.lead, &stated, self.import);
        self.derive();
        is_new.then(|| warnings(&self.world, &self.past, self.lead, &[stated]).concat())
    }

    fn derive(&mut self) -> Vec<Change> {
        let act = Act::test(&Actor::System(ACTOR), NOW, &self.ids);
        derive(&mut self.world, &mut self.past, self.lead, &act)
    }

    fn stage(&self) -> Stage {
        self.world.leads[&self.lead].stage
    }

    fn entered(&self, stage: Stage) -> Option<Timestamp> {
        self.world.cycles[&self.lead].entered_at(stage)
    }
}

#[test]
fn a_lead_of_history_became_known_then() {
    let given = given();
    let lead = &given.world.leads[&given.lead];
    assert_eq!(
        (lead.created_at, lead.stage_since, lead.updated_at),
        (day(10), day(10), NOW)
    );
    assert_eq!(given.world.cycles[&given.lead].started_at, day(10));
}

#[test]
fn moves_in_their_order_are_legal_and_move_the_lead() {
    let mut given = given();
    for (at, to) in [
        Stage::Mql,
        Stage::Sal,
        Stage::Sql,
        Stage::Opportunity,
        Stage::Customer,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(given.state(to, 20 + at as i64), Some(vec![]), "{to:?}");
    }
    assert_eq!(
        (given.stage(), given.entered(Stage::Customer)),
        (Stage::Customer, Some(day(24)))
    );
    assert_eq!(given.state(Stage::Sal, 21), None, "the same move again is known");
}

#[test]
fn a_skipped_stage_is_kept_with_a_warning_and_not_invented() {
    let mut given = given();
    assert_eq!(given.state(Stage::Customer, 30), Some(vec![Warning::IllegalMove]));
    assert_eq!(
        (given.stage(), given.entered(Stage::Sql)),
        (Stage::Customer, None)
    );
}

#[test]
fn what_comes_late_adds_history_and_moves_nobody() {
    let mut given = given();
    given.state(Stage::Customer, 30);
    given.state(Stage::Mql, 20);
    assert_eq!(
        (given.stage(), given.entered(Stage::Mql)),
        (Stage::Customer, Some(day(20)))
    );
    let left = given.world.cycles[&given.lead].left;
    assert_eq!(
        (left[Stage::Lead as usize], left[Stage::Mql as usize]),
        (Some(day(20)), Some(day(30)))
    );
    assert_eq!(left[Stage::Customer as usize], None);
    let dates: Vec<_> = given.past.transitions.iter().map(|one| one.at).collect();
    assert_eq!(dates, [day(10), day(20), day(30)]);
}

#[test]
fn history_that_comes_late_divides_the_stays() {
    let mut given = given();
    for (to, at) in [(Stage::Opportunity, 20), (Stage::Mql, 14), (Stage::Sql, 17)] {
        given.state(to, at);
    }
    let left = given.world.cycles[&given.lead].left;
    assert_eq!(
        left,
        [Some(day(14)), Some(day(17)), None, Some(day(20)), None, None]
    );
}

#[test]
fn a_wrong_date_on_which_a_lead_became_known_is_corrected_by_importing_again() {
    let mut given = given();
    given.state(Stage::Mql, 15);
    let lead = given.world.leads[&given.lead].clone();
    given.import = given.ids.next();
    let (_, is_new) = state_beginning(&mut given.past, &lead, Some(day(12)), None, given.import);
    let changes = given.derive();
    assert!(is_new);
    let after = &given.world.leads[&given.lead];
    assert_eq!((after.created_at, after.version), (day(12), lead.version + 2));
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!((cycle.started_at, cycle.left[0]), (day(12), Some(day(15))));
    assert!(changes.iter().any(|change| matches!(
        change,
        Change::Lead(LeadChange::Edited { after, .. }) if after.contains_key("created_at")
    )));
    assert_eq!(given.past.transitions.len(), 2, "it is the same beginning");
}

#[test]
fn the_issue_s_smallest_input_has_two_cycles_in_either_order() {
    for moves in [
        [(Stage::Lead, 12), (Stage::Disqualified, 11)],
        [(Stage::Disqualified, 11), (Stage::Lead, 12)],
    ] {
        let mut given = given();
        for (to, at) in moves {
            given.state(to, at);
        }
        let cycles = &given.past.cycles;
        assert_eq!(cycles.len(), 2);
        assert_eq!(cycles[0].ended_at, Some(day(11)));
        assert_eq!(
            (given.stage(), given.world.leads[&given.lead].cycle),
            (Stage::Lead, 2)
        );
    }
}

#[test]
fn what_is_dated_before_the_first_contact_is_imported_with_a_warning() {
    let mut given = given();
    assert_eq!(
        given.state(Stage::Customer, 9),
        Some(vec![Warning::BeforeFirstContact])
    );
    assert_eq!(given.entered(Stage::Customer), Some(day(9)));
    assert_eq!(given.world.cycles[&given.lead].started_at, day(10));
    assert_eq!(given.stage(), Stage::Lead, "what came later counts");
}

#[test]
fn a_lead_that_was_nurtured_first_goes_on_in_its_cycle_in_whatever_order_the_file_is() {
    for moves in [
        [(Stage::Nurture, 20), (Stage::Mql, 30)],
        [(Stage::Mql, 30), (Stage::Nurture, 20)],
    ] {
        let mut given = given();
        for (stage, at) in moves {
            given.state(stage, at);
        }
        assert_eq!(given.past.cycles.len(), 1);
        let cycle = &given.world.cycles[&given.lead];
        assert_eq!((cycle.number, cycle.ended_at), (1, None));
        assert_eq!(cycle.left[..2], [Some(day(30)), None]);
    }
}

#[test]
fn a_hand_over_that_becomes_known_late_ends_the_cycle_of_a_nurtured_lead() {
    let mut given = given();
    given.state(Stage::Nurture, 20);
    assert_eq!(given.world.cycles[&given.lead].ended_at, None);
    given.state(Stage::Mql, 15);
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!((cycle.ended_at, cycle.left[1]), (Some(day(20)), Some(day(20))));
    assert_eq!(given.stage(), Stage::Nurture);
}

#[test]
fn a_customer_who_left_and_buys_again_starts_the_next_cycle() {
    let mut given = given();
    given.state(Stage::Customer, 20);
    given.state(Stage::Churned, 25);
    given.state(Stage::Opportunity, 30);
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(
        (cycle.number, cycle.started_at, cycle.ended_at),
        (2, day(30), None)
    );
}

#[test]
fn who_comes_back_after_a_hand_over_starts_the_next_cycle() {
    let mut given = given();
    given.state(Stage::Mql, 15);
    given.state(Stage::Nurture, 20);
    assert_eq!(given.state(Stage::Mql, 30), Some(vec![]));
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(
        (cycle.number, cycle.started_at, cycle.ended_at),
        (2, day(30), None)
    );
    assert_eq!(
        given
            .past
            .cycles
            .iter()
            .find(|one| one.number == 1)
            .unwrap()
            .ended_at,
        Some(day(20))
    );
}

#[test]
fn an_owner_of_history_is_taken_where_there_is_none() {
    let mut given = given();
    let (rep, other) = (given.ids.next(), given.ids.next());
    for owner in [rep, other] {
        let lead = given.world.leads[&given.lead].clone();
        state_beginning(&mut given.past, &lead, None, Some(owner), given.import);
        given.derive();
    }
    assert_eq!(given.world.leads[&given.lead].owner_id, Some(rep.max(other)));
    assert_eq!(
        given.world.cycles[&given.lead].dimensions.owner_id,
        Some(rep.max(other))
    );
}

proptest! {
    /// Whatever the order of the file: the latest row is where the lead stands, and every row is stored once.
    #[test]
    fn the_order_of_the_file_does_not_matter(moves in prop::collection::vec((0usize..9, 0i64..40), 1..12)) {
        let mut given = given();
        for (stage, at) in &moves {
            given.state(Stage::ALL[*stage], *at);
            given.state(Stage::ALL[*stage], *at);
        }
        let mut distinct = moves.clone();
        distinct.sort_unstable();
        distinct.dedup();
        distinct.retain(|(stage, at)| (*stage, *at) != (0, 10));
        prop_assert_eq!(given.past.transitions.len(), 1 + distinct.len());
        prop_assert!(given.past.transitions.is_sorted_by_key(|one| one.at));
        prop_assert_eq!(given.stage(), given.past.transitions.last().unwrap().to);
        for one in &given.past.transitions {
            let cycle = given.past.cycles.iter().find(|cycle| cycle.number == one.cycle).unwrap();
            prop_assert!(cycle.entered_at(one.to).is_some_and(|first| first <= one.at));
        }
    }
}
