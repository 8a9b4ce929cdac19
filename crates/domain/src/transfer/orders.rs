//! Imported history in any order: every order of rows, batches and files ends the same, and as a slow evaluation says that
//! reads the rows by date and shares no code with what is tested.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::ACTOR;
use super::deals::{PastDeal, state_deal};
use super::history::{PastMove, Pasts, derive, past_of_new, state_beginning, state_move};
use crate::access::Actor;
use crate::act::{Act, Origin};
use crate::change::Change;
use crate::deals::pipelines::Pipeline;
use crate::deals::{CloseDeal, OpenDeal, Outcome};
use crate::id::{Id, Ids, ImportId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::change::LeadChange;
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::lifecycle::{Stage, Step, take};
use crate::world::World;

const DAY: i64 = 86_400_000;
const NOW: Timestamp = Timestamp::from_millis(10_000 * DAY);
/// The day on which the lead became known.
const KNOWN: i64 = 10;

const fn at(day: i64) -> Timestamp {
    Timestamp::from_millis(day * DAY)
}

/// A row of some file.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    Move {
        to: Stage,
        day: i64,
        reason: Option<&'static str>,
        owner: Option<u128>,
    },
    Deal {
        name: usize,
        opened: Option<i64>,
        closed: Option<(i64, Outcome)>,
        owner: Option<u128>,
    },
    Known {
        day: i64,
    },
}

struct Installation {
    world: World,
    lead: LeadId,
    pasts: Pasts,
    ids: Ids,
    import: ImportId,
}

impl Installation {
    fn new(is_live: bool) -> Self {
        let mut world = World::provisional();
        let ids = Ids::new(NOW, 0);
        let pipeline = Pipeline::first(at(0));
        world.sales.pipelines.insert(pipeline.id, pipeline);
        let said = Statement {
            emails: vec![Email::parse("ada@example.com").unwrap()],
            created_at: Some(at(KNOWN)),
            ..Statement::default()
        };
        let by = Actor::System(if is_live { "live_import" } else { ACTOR });
        let saved = upsert(&mut world, &said, OnConflict::Refuse, &Act::test(&by, NOW, &ids)).unwrap();
        let (lead, import) = (saved.lead_id, ids.next());
        let mut past = past_of_new(&saved.changes);
        state_beginning(&mut past, &world.leads[&lead], Some(at(KNOWN)), None, import);
        Self {
            world,
            lead,
            pasts: [(lead, past)].into(),
            ids,
            import,
        }
    }

    fn act(&self) -> Act {
        Act::test(&Actor::System(ACTOR), NOW, &self.ids).from_origin(Origin::Import)
    }

    fn state(&mut self, row: &Row) {
        let (lead, act) = (self.lead, self.act());
        let user = |owner: &Option<u128>| -> Option<UserId> {
            owner.map(|number| Id::from_uuid(uuid::Uuid::from_u128(number)))
        };
        let past = self.pasts.get_mut(&lead).unwrap();
        match row {
            Row::Move {
                to,
                day,
                reason,
                owner,
            } => {
                let stated = PastMove {
                    reason: reason.map(str::to_owned),
                    owner_id: user(owner),
                    ..PastMove::plain(*to, at(*day))
                };
                state_move(past, lead, &stated, self.import);
            }
            Row::Known { day } => {
                let known = self.world.leads[&lead].clone();
                state_beginning(past, &known, Some(at(*day)), None, self.import);
            }
            Row::Deal {
                name,
                opened,
                closed,
                owner,
            } => {
                let row = PastDeal {
                    opening: OpenDeal {
                        name: format!("d-{name}"),
                        external_id: Some(("crm".into(), format!("d-{name}"))),
                        lead_ids: vec![lead],
                        owner_id: user(owner),
                        ..OpenDeal::default()
                    },
                    opened_at: opened.map(at),
                    closing: closed.map(|(day, outcome)| CloseDeal {
                        outcome,
                        reason: None,
                        competitor: None,
                        note: None,
                        closed_at: Some(at(day)),
                        objections: vec![],
                        until: None,
                    }),
                };
                // What is refused is refused in every order: its dates contradict each other.
                let _ = state_deal(&mut self.world, &mut self.pasts, &row, self.import, &act);
            }
        }
    }

    fn derive(&mut self) -> Vec<Change> {
        let act = self.act();
        let past = self.pasts.get_mut(&self.lead).unwrap();
        derive(&mut self.world, past, self.lead, &act)
    }

    /// What lists, timelines and reports show, without ids and versions.
    fn shown(&self) -> Shown {
        let (lead, past) = (&self.world.leads[&self.lead], &self.pasts[&self.lead]);
        let day = |at: Timestamp| at.millis() / DAY;
        let moves = past.transitions.iter();
        let cycles = past.cycles.iter();
        let deals = self.world.sales.deals.values();
        Shown {
            lead: format!(
                "{:?} since {} from {:?} in {}, known {}, of {:?} before {:?}, waits {:?}",
                lead.stage,
                day(lead.stage_since),
                lead.came_from,
                lead.cycle,
                day(lead.created_at),
                lead.owner_id,
                lead.previous_owner_id,
                lead.nurture_until.map(day),
            ),
            moves: moves
                .map(|one| {
                    format!(
                        "{:?} {} {:?} {} {:?}",
                        one.to,
                        day(one.at),
                        one.from,
                        one.cycle,
                        one.reason
                    )
                })
                .collect(),
            cycles: cycles
                .map(|one| {
                    let entered = one.entered.map(|at| at.map(day));
                    let left = one.left.map(|at| at.map(day));
                    let (ended, owner) = (one.ended_at.map(day), one.dimensions.owner_id);
                    format!(
                        "{} {} {ended:?} {entered:?} {left:?} {:?} {owner:?}",
                        one.number,
                        day(one.started_at),
                        one.last_reason
                    )
                })
                .collect(),
            deals: deals
                .map(|one| {
                    let name = one.name.clone();
                    (
                        name,
                        format!("{:?} {} {:?}", one.cycle, one.moved_lead, one.owner_id),
                    )
                })
                .collect(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct Shown {
    lead: String,
    moves: Vec<String>,
    cycles: Vec<String>,
    deals: BTreeMap<String, String>,
}

/// All rows in one order, in batches of the given size, each of which is derived of what was stored by then.
fn imported(rows: &[Row], batch: usize, is_live: bool) -> Installation {
    let mut given = Installation::new(is_live);
    for rows in rows.chunks(batch) {
        rows.iter().for_each(|row| given.state(row));
        given.derive();
    }
    given
}

fn stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(Stage::ALL.to_vec())
}

fn a_move(days: std::ops::Range<i64>) -> impl Strategy<Value = Row> {
    let reason = prop::option::of(prop::sample::select(vec!["no_budget", "not_ready"]));
    (stage(), days, reason, prop::option::of(1u128..4)).prop_map(|(to, day, reason, owner)| Row::Move {
        to,
        day,
        reason,
        owner,
    })
}

/// One deal, in one row or in two.
fn a_deal(name: usize, days: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Row>> {
    let outcome = prop::sample::select(vec![Outcome::Won, Outcome::Lost]);
    let closed = prop::option::of((0i64..20, outcome));
    let owner = prop::option::of(1u128..4);
    (days, closed, any::<bool>(), any::<bool>(), owner).prop_map(
        move |(day, closed, is_dated, is_split, owner)| {
            let closed = closed.map(|(after, outcome)| (day + after, outcome));
            let opened = (is_dated || closed.is_none()).then_some(day);
            let row = |closed| Row::Deal {
                name,
                opened,
                closed,
                owner,
            };
            match closed {
                Some(_) if is_split && opened.is_some() => vec![row(None), row(closed)],
                _ => vec![row(closed)],
            }
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let moves = prop::collection::vec(a_move(0..40), 0..10);
    let deals = (a_deal(0, 0..40), a_deal(1, 0..40), a_deal(2, 0..40), 0usize..4);
    let known = prop::collection::vec((5i64..15).prop_map(|day| Row::Known { day }), 0..2);
    (moves, deals, known).prop_map(|(moves, (a, b, c, n), known)| {
        let deals = [a, b, c].into_iter().take(n).flatten();
        moves.into_iter().chain(deals).chain(known).collect()
    })
}

fn shuffled() -> impl Strategy<Value = (Vec<Row>, Vec<Row>)> {
    rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_order_ends_the_same((rows, other) in shuffled(), batches in (1usize..6, 1usize..6), is_live in any::<bool>()) {
        let one = imported(&rows, batches.0, is_live);
        let two = imported(&other, batches.1, is_live);
        prop_assert_eq!(one.shown(), two.shown());
    }

    #[test]
    fn everything_again_changes_nothing((rows, other) in shuffled(), is_live in any::<bool>()) {
        let mut given = imported(&rows, 3, is_live);
        let before = given.shown();
        let version = given.world.leads[&given.lead].version;
        for row in &other {
            given.state(row);
            given.derive();
        }
        prop_assert_eq!(given.shown(), before);
        prop_assert_eq!(given.world.leads[&given.lead].version, version);
    }

    /// What was done here stands, wherever history comes in beside it.
    #[test]
    fn what_was_done_here_stands((rows, other) in shuffled(), reached in 1usize..4, is_later in any::<bool>()) {
        let day = if is_later { 5_000 } else { 20 };
        let install = |rows: &[Row], batch| {
            let mut given = Installation::new(true);
            let act = Act::test(&Actor::System("test"), at(day), &given.ids);
            for to in [Stage::Mql, Stage::Disqualified, Stage::Lead].into_iter().take(reached) {
                let step = Step::plain(to, at(day), at(day));
                let made = take(&mut given.world, given.lead, step, &act);
                let Some(Change::Lead(LeadChange::Moved { transition, cycle, .. })) = made else {
                    panic!("no step")
                };
                let past = given.pasts.get_mut(&given.lead).unwrap();
                past.transitions.push(transition);
                past.cycles.retain(|one| one.number != cycle.number);
                past.cycles.push(cycle);
            }
            let stood = given.world.leads[&given.lead].clone();
            for rows in rows.chunks(batch) {
                rows.iter().for_each(|row| given.state(row));
                given.derive();
            }
            (given, stood)
        };
        let ((one, stood), (two, _)) = (install(&rows, 1), install(&other, 4));
        prop_assert_eq!(one.shown(), two.shown());
        if is_later {
            let lead = &one.world.leads[&one.lead];
            prop_assert_eq!(
                (lead.stage, lead.stage_since, lead.cycle),
                (stood.stage, stood.stage_since, stood.cycle)
            );
        }
    }

    /// Rows of different days, by a slow evaluation that goes through them by date.
    #[test]
    fn the_end_is_that_of_going_through_the_rows_by_date(
        moves in prop::collection::btree_map(KNOWN + 1..40, stage(), 0..12),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut rows: Vec<Row> = moves
            .iter()
            .map(|(day, to)| Row::Move { to: *to, day: *day, reason: None, owner: None })
            .collect();
        if !rows.is_empty() {
            let middle = shuffle.index(rows.len());
            rows.rotate_left(middle);
            rows.reverse();
        }
        let given = imported(&rows, 2, false);

        // Each cycle is the list of its moves; a cycle is over where its last move says so.
        let mut cycles: Vec<Vec<(Stage, i64)>> = vec![vec![(Stage::Lead, KNOWN)]];
        for (day, to) in &moves {
            let current = cycles.last().unwrap();
            let (stood, came_from) = (current.last().unwrap().0, current.iter().rev().nth(1).map(|one| one.0));
            let early = [Stage::Lead, Stage::Nurture, Stage::Disqualified];
            let was_handed_over = current.iter().any(|(stage, _)| !early.contains(stage));
            let is_over = stood == Stage::Disqualified
                || stood == Stage::Churned
                || stood == Stage::Nurture && was_handed_over;
            let goes_back = *to == Stage::Opportunity
                && stood != Stage::Churned
                && came_from == Some(Stage::Opportunity);
            let begins = [Stage::Lead, Stage::Mql, Stage::Opportunity].contains(to) && !goes_back;
            match is_over && begins {
                true => cycles.push(vec![(*to, *day)]),
                false => cycles.last_mut().unwrap().push((*to, *day)),
            }
        }
        let found = &given.pasts[&given.lead].cycles;
        prop_assert_eq!(found.len(), cycles.len());
        for (cycle, moves) in found.iter().zip(&cycles) {
            prop_assert_eq!(cycle.started_at, at(moves[0].1));
            for stage in Stage::ALL {
                let first = moves.iter().find(|one| one.0 == *stage).map(|one| at(one.1));
                let counts = (*stage == Stage::Lead).then(|| at(moves[0].1));
                prop_assert_eq!(cycle.entered_at(*stage), counts.or(first));
            }
        }
        let last = cycles.last().unwrap().last().unwrap();
        let lead = &given.world.leads[&given.lead];
        prop_assert_eq!((lead.stage, lead.stage_since), (last.0, at(last.1)));
    }
}

/// The two deals of one file: an open one of March beside one that was won in February.
#[test]
fn an_open_deal_before_or_behind_one_that_was_won_leaves_a_customer() {
    let open = Row::Deal {
        name: 0,
        opened: Some(60),
        closed: None,
        owner: None,
    };
    let won = Row::Deal {
        name: 1,
        opened: Some(20),
        closed: Some((40, Outcome::Won)),
        owner: None,
    };
    for rows in [[open.clone(), won.clone()], [won, open]] {
        for batch in [1, 2] {
            let given = imported(&rows, batch, false);
            assert_eq!(given.world.leads[&given.lead].stage, Stage::Customer);
            let moves = &given.pasts[&given.lead].transitions;
            assert_eq!(moves.len(), 3, "known, opportunity, customer");
        }
    }
}
