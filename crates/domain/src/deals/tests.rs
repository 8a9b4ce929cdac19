//! Deals: the rules of opening, moving, closing and reopening.

mod history;
mod moves;
mod rights;

use std::sync::Arc;

use super::pipelines::Pipeline;
use super::*;
use crate::access::{Actor, Denied, Person, Role};
use crate::act::{Act, Origin};
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::id::{CycleId, Ids};
use crate::leads::change::LeadChange;
use crate::leads::{Lead, Profile};
use crate::lifecycle::{Cycle, Stage};
use crate::money::{DatedRate, NotConverted, Rates};

const DAY: i64 = 86_400_000;

struct Story {
    world: World,
    ids: Ids,
    now: Timestamp,
    manager: Actor,
}

fn someone(role: Role, ids: &Ids) -> Actor {
    Actor::User(Person {
        id: ids.next(),
        role,
        admin: false,
        teams: vec![],
    })
}

impl Story {
    fn begin() -> Self {
        let now = Timestamp::from_millis(1_772_442_000_000);
        let ids = Ids::new(now, 0);
        let mut world = World::provisional();
        let pipeline = Pipeline::first(now);
        world.sales.pipelines.insert(pipeline.id, pipeline);
        let manager = someone(Role::SalesManager, &ids);
        Self {
            world,
            ids,
            now,
            manager,
        }
    }

    fn lead(&mut self, stage: Stage) -> LeadId {
        let lead = Lead {
            id: self.ids.next(),
            version: 1,
            derived: 0,
            stage,
            stage_since: self.now,
            came_from: None,
            cycle: 1,
            owner_id: None,
            previous_owner_id: None,
            nurture_until: None,
            identifiers: vec![],
            profile: Profile::default(),
            company_id: None,
            first_touch: None,
            last_touch: None,
            last_non_direct_touch: None,
            lead_touch: None,
            last_activity_at: None,
            returned_at: None,
            archived_at: None,
            created_at: self.now,
            updated_at: self.now,
        };
        let id = lead.id;
        let cycle: Cycle = Cycle::first(&lead, None, 1, &self.ids);
        assert_ne!(cycle.id, CycleId::from_uuid(uuid::Uuid::nil()));
        self.world.add_lead(lead, Some(cycle));
        id
    }

    fn open(&mut self, lead: LeadId) -> Result<DealId, DealError> {
        self.open_worth(lead, None)
    }

    fn open_worth(&mut self, lead: LeadId, amount: Option<Money>) -> Result<DealId, DealError> {
        self.now = self.now.plus_millis(1000);
        let asked = OpenDeal {
            name: "A deal".into(),
            lead_ids: vec![lead],
            amount,
            ..OpenDeal::default()
        };
        let act = Act::test(&self.manager, self.now, &self.ids);
        open(&mut self.world, &asked, &act).map(|(id, _)| id)
    }

    fn close(&mut self, deal: DealId, outcome: Outcome) -> Result<Vec<Change>, DealError> {
        self.now = self.now.plus_millis(1000);
        let asked = CloseDeal {
            outcome,
            reason: Some("price".into()),
            competitor: None,
            note: None,
            closed_at: None,
            objections: vec![],
            until: None,
        };
        close(
            &mut self.world,
            deal,
            &asked,
            &Act::test(&self.manager, self.now, &self.ids),
        )
    }

    fn reopen(&mut self, deal: DealId) -> Vec<Change> {
        self.now = self.now.plus_millis(1000);
        let act = Act::test(&self.manager, self.now, &self.ids);
        reopen(&mut self.world, deal, "was wrong", &act).unwrap()
    }

    fn stage(&self, lead: LeadId) -> Stage {
        self.world.leads[&lead].stage
    }
}

fn eur(amount: i64) -> Money {
    Money {
        amount,
        currency: Currency::EUR,
    }
}

#[test]
fn a_deal_takes_its_lead_to_customer() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let deal = story.open(lead).unwrap();
    assert_eq!(story.stage(lead), Stage::Opportunity);
    assert_eq!(story.world.sales.deals[&deal].stage, "discovery");

    let changes = story.close(deal, Outcome::Won).unwrap();

    assert_eq!(story.stage(lead), Stage::Customer);
    assert!(
        matches!(&changes[..], [Change::Deal(DealChange::Closed { .. }), Change::Lead(LeadChange::Moved { transition, .. })]
        if transition.reason.as_deref() == Some("price") && transition.from == Some(Stage::Opportunity))
    );
    let again = story.open(lead).unwrap();
    assert_eq!(
        story.stage(lead),
        Stage::Customer,
        "further business leaves a customer where it is"
    );
    story.close(again, Outcome::Lost).unwrap();
    assert_eq!(story.stage(lead), Stage::Customer);
}

#[test]
fn only_leads_that_are_far_enough_get_deals() {
    let mut story = Story::begin();
    for stage in Stage::ALL {
        let lead = story.lead(*stage);
        match story.open(lead) {
            Ok(_) => assert!(READY.contains(stage), "{stage:?}"),
            Err(refused) => assert_eq!(refused, DealError::LeadNotSql { current: *stage }),
        }
    }
}

#[test]
fn the_last_lost_deal_takes_the_lead_out() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let (first, second) = (story.open(lead).unwrap(), story.open(lead).unwrap());
    story.close(first, Outcome::Lost).unwrap();
    assert_eq!(story.stage(lead), Stage::Opportunity, "one is open still");
    story.close(second, Outcome::Lost).unwrap();
    let lost = &story.world.leads[&lead];
    assert_eq!(lost.stage, Stage::Nurture);
    assert_eq!(
        lost.nurture_until,
        Some(lost.stage_since.plus_millis(90 * DAY)),
        "as the reason says"
    );

    story.reopen(first);
    assert_eq!(
        story.stage(lead),
        Stage::Nurture,
        "its closing did not move the lead"
    );
    story.reopen(second);
    assert_eq!(story.stage(lead), Stage::Opportunity);
}

#[test]
fn one_won_deal_keeps_a_customer_whatever_is_lost() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let (won, lost) = (story.open(lead).unwrap(), story.open(lead).unwrap());
    story.close(won, Outcome::Won).unwrap();
    assert_eq!(story.stage(lead), Stage::Customer, "whatever else is open");
    story.close(lost, Outcome::Lost).unwrap();
    assert_eq!(story.stage(lead), Stage::Customer);
}

#[test]
fn a_customer_stays_one_until_the_last_won_deal_is_reopened() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let (first, second) = (story.open(lead).unwrap(), story.open(lead).unwrap());
    story.close(first, Outcome::Won).unwrap();
    story.close(second, Outcome::Won).unwrap();
    story.reopen(first);
    assert_eq!(story.stage(lead), Stage::Customer);
    story.reopen(second);
    assert_eq!(story.stage(lead), Stage::Opportunity);
}

#[test]
fn a_reopening_in_another_cycle_moves_nobody() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let deal = story.open(lead).unwrap();
    story.close(deal, Outcome::Lost).unwrap();
    story.world.leads.get_mut(&lead).unwrap().cycle = 2;
    story.reopen(deal);
    assert_eq!(story.stage(lead), Stage::Nurture);
}

#[test]
fn revenue_is_taken_back_by_the_date_of_the_reopening() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let deal = story.open_worth(lead, Some(eur(5000))).unwrap();
    let won = story.close(deal, Outcome::Won).unwrap();
    story.now = story.now.plus_millis(40 * DAY);
    let reopened = story.reopen(deal);
    let revenue = |changes: &[Change]| match &changes[0] {
        Change::Deal(DealChange::Closed { made, .. } | DealChange::Reopened { made, .. }) => (
            made.at,
            made.revenue.unwrap().amount,
            made.revenue.unwrap().base.unwrap().0,
        ),
        other => panic!("{other:?}"),
    };
    let (won, back) = (revenue(&won), revenue(&reopened));
    assert_eq!((won.1, won.2, back.1, back.2), (5000, 5000, -5000, -5000));
    assert!(back.0 > won.0.plus_millis(39 * DAY));
    let lost = story.close(deal, Outcome::Lost).unwrap();
    assert!(matches!(&lost[0], Change::Deal(DealChange::Closed { made, .. }) if made.revenue.is_none()));
}

#[test]
fn an_amount_is_converted_at_the_rate_of_the_day_or_named_missing() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let usd: Currency = "USD".parse().unwrap();
    let deal = story
        .open_worth(
            lead,
            Some(Money {
                amount: 1001,
                currency: usd,
            }),
        )
        .unwrap();
    let missing = story.close(deal, Outcome::Won).unwrap_err();
    assert!(
        matches!(missing, DealError::NotConverted(NotConverted::MissingRate { from, to, .. }) if from == usd && to == Currency::EUR)
    );
    let rate = |on: &str, rate: &str| DatedRate {
        from: usd,
        to: Currency::EUR,
        on: on.parse().unwrap(),
        rate: rate.parse().unwrap(),
    };
    let rates = [rate("2026-01-01", "0.5"), rate("2026-03-03", "2")];
    story.world.rules.money.rates = Arc::new(Rates::from_iter(rates));
    story.close(deal, Outcome::Won).unwrap();
    let value = story.world.sales.deals[&deal]
        .closing
        .as_ref()
        .unwrap()
        .value
        .unwrap();
    assert_eq!(
        (value.money, value.rate.to_string().as_str()),
        (eur(500), "0.5"),
        "500.5 goes to the even one"
    );
}

#[test]
fn a_closing_is_asked_for_everything_at_once() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let deal = story.open(lead).unwrap();
    let places = |story: &mut Story, asked: CloseDeal| {
        let act = Act::test(&story.manager, story.now, &story.ids);
        match close(&mut story.world, deal, &asked, &act) {
            Err(DealError::Invalid(faults)) => {
                faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let asked = |outcome, reason: Option<&str>| CloseDeal {
        outcome,
        reason: reason.map(str::to_owned),
        competitor: None,
        note: None,
        closed_at: None,
        objections: vec![],
        until: None,
    };
    assert_eq!(places(&mut story, asked(Outcome::Won, None)), ["/reason"]);
    assert_eq!(
        places(&mut story, asked(Outcome::Won, Some("timing"))),
        ["/reason"],
        "a reason of lost deals"
    );
    assert_eq!(places(&mut story, asked(Outcome::Won, Some("other"))), ["/note"]);
    assert_eq!(
        places(&mut story, asked(Outcome::Lost, Some("lost_to_competitor"))),
        ["/competitor"]
    );
    let now = story.now;
    let wrong = CloseDeal {
        closed_at: Some(now.plus_millis(-DAY)),
        objections: vec![],
        until: Some(now),
        ..asked(Outcome::Lost, Some("price"))
    };
    assert_eq!(places(&mut story, wrong), ["/closed_at", "/until"]);
    let future = CloseDeal {
        closed_at: Some(now.plus_millis(DAY)),
        objections: vec![],
        until: Some(now),
        ..asked(Outcome::Won, Some("price"))
    };
    assert_eq!(places(&mut story, future), ["/closed_at", "/until"]);
}

#[test]
fn what_a_closed_deal_is_worth_stays() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Sql);
    let deal = story.open_worth(lead, Some(eur(1))).unwrap();
    let act = |story: &Story| (story.manager.clone(), story.now);
    let (manager, now) = act(&story);
    let worth = |amount| EditDeal {
        amount: Some(Some(eur(amount))),
        ..EditDeal::default()
    };
    assert!(
        edit(
            &mut story.world,
            deal,
            worth(2),
            &Act::test(&manager, now, &Ids::new(now, 9))
        )
        .unwrap()
        .is_some()
    );
    assert_eq!(
        edit(
            &mut story.world,
            deal,
            worth(2),
            &Act::test(&manager, now, &Ids::new(now, 9))
        ),
        Ok(None)
    );
    story.close(deal, Outcome::Won).unwrap();
    assert_eq!(
        edit(
            &mut story.world,
            deal,
            worth(3),
            &Act::test(&manager, now, &Ids::new(now, 9))
        ),
        Err(DealError::Closed)
    );
    let other = story.lead(Stage::Lead);
    let group = |leads: Vec<LeadId>| EditDeal {
        lead_ids: Some(leads),
        ..EditDeal::default()
    };
    assert!(
        edit(
            &mut story.world,
            deal,
            group(vec![other, lead]),
            &Act::test(&manager, now, &Ids::new(now, 9))
        )
        .is_ok()
    );
    assert!(matches!(
        edit(
            &mut story.world,
            deal,
            group(vec![other]),
            &Act::test(&manager, now, &Ids::new(now, 9))
        ),
        Err(DealError::Invalid(_))
    ));
}
