//! What history does to leads: moves at their own dates, in any order, legal or not; nothing follows of them by rule.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::ACTOR;
use crate::access::ActorKind;
use crate::act::Act;
use crate::change::Change;
use crate::id::{LeadId, UserId};
use crate::instant::Timestamp;
use crate::journal::Facts;
use crate::leads::change::LeadChange;
use crate::lifecycle::{self, Cycle, Stage, Transition};
use crate::world::World;

/// A move that a row tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastMove {
    /// Where to.
    pub to: Stage,
    /// When.
    pub at: Timestamp,
    /// Where from, if the row says so.
    pub from: Option<Stage>,
    /// The code of a reason.
    pub reason: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
}

/// All stage changes of a lead, by date, and all its cycles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// The stage changes, in the order of their dates.
    pub transitions: Vec<Transition>,
    /// The cycles.
    pub cycles: Vec<Cycle>,
}

/// The pasts of the leads of a batch.
pub type Pasts = HashMap<LeadId, Past>;

/// What is odd about a row that was taken all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The table has no such move.
    #[error("the agreed table has no such move; it is imported all the same")]
    IllegalMove,
    /// The lead was not known yet.
    #[error("is dated before the lead became known; it is imported all the same")]
    BeforeFirstContact,
    /// The agreement has no such reason.
    #[error("the agreement has no such reason; it is imported all the same")]
    UnknownReason,
    /// The amount has no value in the base currency.
    #[error(
        "no exchange rate to the base currency is known for this day; the deal is kept without a value in it"
    )]
    MissingRate,
}

impl Warning {
    /// The warning as a word.
    pub const fn code(self) -> &'static str {
        match self {
            Warning::IllegalMove => "illegal_move",
            Warning::BeforeFirstContact => "before_first_contact",
            Warning::UnknownReason => "unknown_reason",
            Warning::MissingRate => "missing_exchange_rate",
        }
    }
}

/// Whether a stage change was told by history; all others were made here.
fn is_told(transition: &Transition) -> bool {
    transition.actor_kind == ActorKind::System && transition.actor_id == ACTOR
}

/// Add a move to the history of a lead; `None` where it is there already.
///
/// The lead itself moves where nothing later is known of it. What is dated before that, or before its latest move that was
/// made here, only adds history: the stages that its cycle has reached, and when. Skipped stages are not invented.
pub fn recall(
    world: &mut World,
    past: &mut Past,
    lead_id: LeadId,
    told: &PastMove,
    act: &Act,
) -> Option<(Change, Vec<Warning>)> {
    let is_known = |one: &Transition| (one.to, one.at) == (told.to, told.at);
    if past.transitions.iter().any(is_known) {
        return None;
    }
    let lead = world.leads.get(&lead_id)?;
    let place = past.transitions.partition_point(|one| one.at <= told.at);
    let before = place.checked_sub(1).and_then(|place| past.transitions.get(place));
    let stood = before.map(|one| one.to);
    let from = told.from.or(stood);
    let is_latest = place == past.transitions.len();
    let came_from = before.and_then(|one| one.from);
    let is_legal = from.is_some_and(|from| lifecycle::is_move(from, told.to, came_from)) && from == stood;
    let mut warnings = vec![];
    if told.at < lead.created_at {
        warnings.push(Warning::BeforeFirstContact);
    } else if !is_legal {
        warnings.push(Warning::IllegalMove);
    }
    if told
        .reason
        .as_ref()
        .is_some_and(|code| !world.rules.agreement.agreement.knows_reason(code))
    {
        warnings.push(Warning::UnknownReason);
    }

    let number = before.map_or(1, |one| one.cycle);
    let current = past.cycles.iter().find(|cycle| cycle.number == number);
    let is_over = current.is_some_and(Cycle::is_over);
    let reopens = told.to == Stage::Opportunity && from != Some(Stage::Churned) && came_from == Some(told.to);
    let restarts = matches!(told.to, Stage::Lead | Stage::Mql | Stage::Opportunity) && !reopens;
    let number = number + i64::from(is_latest && is_over && restarts);
    let known = past.cycles.iter().find(|cycle| cycle.number == number).cloned();
    let mut cycle = match known {
        Some(cycle) => cycle,
        None => past
            .cycles
            .iter()
            .max_by_key(|cycle| cycle.number)?
            .next(told.at, &act.ids),
    };
    let (earlier, later) = past.transitions.split_at(place);
    let in_cycle = |one: &&Transition| one.cycle == number;
    let known = |one: &Transition| (one.to, one.at);
    let moves: Vec<_> = earlier
        .iter()
        .filter(in_cycle)
        .map(known)
        .chain([(told.to, told.at)])
        .chain(later.iter().filter(in_cycle).map(known))
        .collect();
    cycle.replay(&moves, cycle.number >= lead.cycle);
    if told.reason.is_some() && is_latest {
        cycle.last_reason = told.reason.clone();
    }

    let mut moved = lead.clone();
    moved.version += 1;
    moved.updated_at = act.now.max(lead.updated_at);
    let from_owner = moved.owner_id;
    if is_latest {
        moved.came_from = from;
        moved.stage = told.to;
        moved.stage_since = told.at;
        moved.cycle = cycle.number;
        moved.nurture_until = None;
        if told.to.clears_owner() {
            moved.previous_owner_id = moved.owner_id.take().or(moved.previous_owner_id);
        }
        cycle.describe(&moved);
    }
    let transition = Transition {
        id: act.ids.next(),
        lead_id,
        cycle: cycle.number,
        from,
        to: told.to,
        at: told.at,
        actor_kind: act.by.kind(),
        actor_id: act.by.id(),
        on_behalf_of: None,
        reason: told.reason.clone(),
        note: told.note.clone(),
        until: None,
        agreement_version: world.rules.agreement.number,
        score: None,
        by_rule: None,
    };
    past.transitions.insert(place, transition.clone());
    past.cycles.retain(|one| one.number != cycle.number);
    past.cycles.push(cycle.clone());
    world.leads.insert(lead_id, moved.clone());
    if cycle.number == moved.cycle {
        world.cycles.insert(lead_id, cycle.clone());
    }
    let change = Change::Lead(LeadChange::Moved {
        lead: Box::new(moved),
        transition,
        cycle,
        from_owner,
    });
    Some((change, warnings))
}

/// The latest stage change that was made here, not told by history.
pub fn latest_live(past: &Past) -> Option<Timestamp> {
    past.transitions
        .iter()
        .filter(|one| !is_told(one))
        .map(|one| one.at)
        .max()
}

/// A lead that nobody owns belongs to whom history names; nothing where it has an owner.
pub fn own(world: &mut World, lead_id: LeadId, owner: UserId, now: Timestamp) -> Option<Change> {
    let lead = world.leads.get_mut(&lead_id)?;
    let is_free = lead.owner_id.is_none() && lead.previous_owner_id != Some(owner);
    if !is_free {
        return None;
    }
    lead.owner_id = Some(owner);
    lead.version += 1;
    lead.updated_at = now.max(lead.updated_at);
    let cycle = world.cycles.get_mut(&lead_id).map(|cycle| {
        cycle.describe(lead);
        cycle.clone()
    });
    let one = |value: Value| Facts::from_iter([("owner_id".to_owned(), value)]);
    Some(Change::Lead(LeadChange::Edited {
        lead: Box::new(lead.clone()),
        cycle,
        before: one(Value::Null),
        after: one(json!(owner)),
        has_other_words: false,
        has_other_company: false,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Actor;
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
        let Change::Lead(LeadChange::Created {
            cycle, transition, ..
        }) = &saved.changes[0]
        else {
            panic!("the lead was not made")
        };
        let past = Past {
            transitions: vec![transition.clone()],
            cycles: vec![cycle.clone()],
        };
        Given {
            lead: saved.lead_id,
            world,
            past,
            ids,
        }
    }

    impl Given {
        fn told(&mut self, to: Stage, at: i64) -> Option<Vec<Warning>> {
            let told = PastMove {
                to,
                at: day(at),
                from: None,
                reason: None,
                note: None,
            };
            recall(
                &mut self.world,
                &mut self.past,
                self.lead,
                &told,
                &Act::test(&Actor::System(ACTOR), NOW, &self.ids),
            )
            .map(|(_, warnings)| warnings)
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
            assert_eq!(given.told(to, 20 + at as i64), Some(vec![]), "{to:?}");
        }
        assert_eq!(
            (given.stage(), given.entered(Stage::Customer)),
            (Stage::Customer, Some(day(24)))
        );
        assert_eq!(given.told(Stage::Sal, 21), None, "the same move again is known");
    }

    #[test]
    fn a_skipped_stage_is_kept_with_a_warning_and_not_invented() {
        let mut given = given();
        assert_eq!(given.told(Stage::Customer, 30), Some(vec![Warning::IllegalMove]));
        assert_eq!(
            (given.stage(), given.entered(Stage::Sql)),
            (Stage::Customer, None)
        );
    }

    #[test]
    fn what_comes_late_adds_history_and_moves_nobody() {
        let mut given = given();
        given.told(Stage::Customer, 30);
        given.told(Stage::Mql, 20);
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
    fn what_is_dated_before_the_first_contact_is_kept_and_told() {
        let mut given = given();
        assert_eq!(
            given.told(Stage::Customer, 9),
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
                given.told(stage, at);
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
        given.told(Stage::Nurture, 20);
        assert_eq!(given.world.cycles[&given.lead].ended_at, None);
        given.told(Stage::Mql, 15);
        let cycle = &given.world.cycles[&given.lead];
        assert_eq!((cycle.ended_at, cycle.left[1]), (Some(day(20)), Some(day(20))));
        assert_eq!(given.stage(), Stage::Nurture);
    }

    #[test]
    fn a_customer_who_left_and_buys_again_starts_the_next_cycle() {
        let mut given = given();
        given.told(Stage::Customer, 20);
        given.told(Stage::Churned, 25);
        given.told(Stage::Opportunity, 30);
        let cycle = &given.world.cycles[&given.lead];
        assert_eq!(
            (cycle.number, cycle.started_at, cycle.ended_at),
            (2, day(30), None)
        );
    }

    #[test]
    fn who_comes_back_after_a_hand_over_starts_the_next_cycle() {
        let mut given = given();
        given.told(Stage::Mql, 15);
        given.told(Stage::Nurture, 20);
        assert_eq!(given.told(Stage::Mql, 30), Some(vec![]));
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
        assert!(own(&mut given.world, given.lead, rep, NOW).is_some());
        assert!(own(&mut given.world, given.lead, other, NOW).is_none());
        assert_eq!(given.world.cycles[&given.lead].dimensions.owner_id, Some(rep));
    }

    proptest! {
        /// Whatever the order of the file: the latest row is where the lead stands, and every row is kept once.
        #[test]
        fn the_order_of_the_file_does_not_matter(moves in prop::collection::vec((0usize..9, 0i64..40), 1..12)) {
            let mut given = given();
            for (stage, at) in &moves {
                given.told(Stage::ALL[*stage], *at);
                given.told(Stage::ALL[*stage], *at);
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
}
