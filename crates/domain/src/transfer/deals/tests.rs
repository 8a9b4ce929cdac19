//! Deals of the past: dated, corrected, refused, and what they make of their leads.

use super::*;
use crate::access::Actor;
use crate::deals::State;
use crate::deals::pipelines::Pipeline;
use crate::id::{Ids, LeadId};
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::lifecycle::Stage;
use crate::money::Money;
use crate::transfer::ACTOR;
use crate::transfer::history::{PastMove, derive, past_of_new, state_beginning, state_move};

const fn day(n: i64) -> Timestamp {
    Timestamp::from_millis(n * 86_400_000)
}

const NOW: Timestamp = day(1000);
const IMPORT: Actor = Actor::System(ACTOR);

/// A lead that became known on day 10, in a world with the first pipeline, and what imports say of it.
struct Given {
    world: World,
    lead: LeadId,
    pasts: Pasts,
    ids: Ids,
    import: ImportId,
}

fn given() -> Given {
    let mut world = World::provisional();
    let ids = Ids::new(NOW, 0);
    let pipeline = Pipeline::first(day(0));
    world.sales.pipelines.insert(pipeline.id, pipeline);
    let said = Statement {
        emails: vec![Email::parse("ada@example.com").unwrap()],
        created_at: Some(day(10)),
        ..Statement::default()
    };
    let act = Act::test(&IMPORT, NOW, &ids);
    let saved = upsert(&mut world, &said, OnConflict::Refuse, &act).unwrap();
    let (lead, import) = (saved.lead_id, ids.next());
    let mut past = past_of_new(&saved.changes);
    state_beginning(&mut past, &world.leads[&lead], Some(day(10)), None, import);
    Given {
        world,
        lead,
        pasts: [(lead, past)].into(),
        ids,
        import,
    }
}

impl Given {
    fn act(&self) -> Act {
        Act::test(&IMPORT, NOW, &self.ids).from_origin(Origin::Import)
    }

    fn state(&mut self, row: &PastDeal) -> Result<Stated, DealError> {
        let act = self.act();
        let mut stated = state_deal(&mut self.world, &mut self.pasts, row, self.import, &act)?;
        stated.changes.extend(self.derive());
        Ok(stated)
    }

    fn derive(&mut self) -> Vec<Change> {
        let act = self.act();
        let past = self.pasts.get_mut(&self.lead).unwrap();
        derive(&mut self.world, past, self.lead, &act)
    }

    fn moved(&mut self, to: Stage, at: i64) {
        let past = self.pasts.get_mut(&self.lead).unwrap();
        state_move(past, self.lead, &PastMove::plain(to, day(at)), self.import);
        self.derive();
    }

    fn deal(&self) -> &Deal {
        self.world.sales.deals.values().next().unwrap()
    }
}

fn won(lead: LeadId, opened_at: Option<i64>, closed_at: i64) -> PastDeal {
    PastDeal {
        opening: OpenDeal {
            name: "First order".into(),
            external_id: Some(("crm".into(), "d-1".into())),
            lead_ids: vec![lead],
            amount: Some(Money {
                amount: 5,
                currency: "BRL".parse().unwrap(),
            }),
            ..OpenDeal::default()
        },
        opened_at: opened_at.map(day),
        closing: Some(CloseDeal {
            outcome: Outcome::Won,
            reason: None,
            competitor: None,
            note: None,
            closed_at: Some(day(closed_at)),
            objections: vec![],
            until: None,
        }),
    }
}

#[test]
fn a_deal_without_a_date_of_opening_makes_a_customer_and_invents_nothing() {
    let mut given = given();
    let stated = given.state(&won(given.lead, None, 20)).unwrap();
    assert!(stated.created);
    assert_eq!(stated.warnings, [Warning::MissingRate]);
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(given.world.leads[&given.lead].stage, Stage::Customer);
    assert_eq!(cycle.entered_at(Stage::Customer), Some(day(20)));
    assert_eq!(
        (cycle.entered_at(Stage::Opportunity), cycle.entered_at(Stage::Sql)),
        (None, None)
    );
}

#[test]
fn a_deal_with_both_dates_makes_an_opportunity_first() {
    let mut given = given();
    given.state(&won(given.lead, Some(15), 20)).unwrap();
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(cycle.entered_at(Stage::Opportunity), Some(day(15)));
    assert_eq!(cycle.entered_at(Stage::Customer), Some(day(20)));
}

#[test]
fn a_deal_that_was_made_after_the_cycle_ended_belongs_to_the_next_one() {
    for opened_at in [Some(30), None] {
        let mut given = given();
        given.moved(Stage::Customer, 15);
        given.moved(Stage::Churned, 20);
        given.state(&won(given.lead, opened_at, 40)).unwrap();
        let lead = &given.world.leads[&given.lead];
        assert_eq!((lead.stage, lead.cycle), (Stage::Customer, 2));
        assert_eq!(given.deal().cycle, Some(2));
        assert_eq!(
            given.world.cycles[&given.lead].started_at,
            day(opened_at.unwrap_or(40))
        );
    }
}

#[test]
fn the_same_deal_again_changes_nothing_and_an_open_one_may_be_closed() {
    let mut given = given();
    let open = PastDeal {
        closing: None,
        ..won(given.lead, Some(15), 20)
    };
    assert!(given.state(&open).unwrap().created);
    let closed = given.state(&won(given.lead, Some(15), 20)).unwrap();
    assert!(!closed.created && closed.is_news && !closed.changes.is_empty());
    let again = given.state(&won(given.lead, Some(15), 20)).unwrap();
    assert_eq!(again, Stated::default());
    assert!(
        given
            .world
            .sales
            .deals
            .values()
            .all(|deal| deal.state() == State::Won)
    );
}

#[test]
fn a_refused_deal_leaves_nothing_behind() {
    let mut given = given();
    let before = given.world.leads[&given.lead].clone();
    assert!(given.state(&won(given.lead, Some(30), 20)).is_err());
    assert!(given.world.sales.deals.is_empty() && given.world.sales.deals_by_key.is_empty());
    assert_eq!(given.world.leads[&given.lead], before);
}

#[test]
fn what_was_won_before_the_first_contact_is_imported_with_a_warning() {
    let mut given = given();
    let stated = given.state(&won(given.lead, None, 9)).unwrap();
    assert_eq!(
        stated.warnings,
        [Warning::BeforeFirstContact, Warning::MissingRate]
    );
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(cycle.entered_at(Stage::Customer), Some(day(9)));
}

#[test]
fn a_wrong_date_is_corrected_by_importing_again() {
    let mut given = given();
    given.state(&won(given.lead, Some(15), 200)).unwrap();
    given.import = given.ids.next();
    let corrected = given.state(&won(given.lead, Some(16), 20)).unwrap();
    assert!(corrected.is_news && !corrected.created);
    let deal = given.deal();
    assert_eq!(
        (
            deal.opened_at,
            deal.closing.as_ref().map(|closing| closing.at),
            deal.version
        ),
        (day(16), Some(day(20)), 3)
    );
    let cycle = &given.world.cycles[&given.lead];
    assert_eq!(cycle.entered_at(Stage::Opportunity), Some(day(16)));
    assert_eq!(cycle.entered_at(Stage::Customer), Some(day(20)));
    assert_eq!(given.pasts[&given.lead].transitions.len(), 3);
}

#[test]
fn what_was_changed_here_is_not_corrected_by_a_file() {
    let mut given = given();
    given.state(&won(given.lead, Some(15), 20)).unwrap();
    let id = given.deal().id;
    given.world.sales.deals.get_mut(&id).unwrap().version += 1;
    given.import = given.ids.next();
    let again = given.state(&won(given.lead, Some(16), 30)).unwrap();
    assert_eq!(again, Stated::default());
    assert_eq!(given.deal().opened_at, day(15));
}
