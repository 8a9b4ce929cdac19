//! Deals of the past: opened and closed at their own dates; what the file does not tell is not invented.

use super::history::{Warning, own};
use crate::act::{Act, Origin};
use crate::change::Change;
use crate::deals::{CloseDeal, OpenDeal, Refused, close, open, open_without_move};
use crate::id::DealId;
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::lifecycle::Cycle;
use crate::world::World;

/// A deal that a row tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDeal {
    /// How it was opened; its external id is how it is known again.
    pub opening: OpenDeal,
    /// When it was opened, if the row says so.
    pub opened_at: Option<Timestamp>,
    /// How it ended, with its date, if it has.
    pub closing: Option<CloseDeal>,
}

/// What became of a deal that a row tells of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Whether the deal was made by it.
    pub created: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

/// Write down a deal of the past; one that is known and open may be closed by it.
///
/// A closed deal whose opening is not dated moves its lead once, at its closing: that the lead was an opportunity before
/// is not told by anybody. A lead that nobody owns belongs to whom the deal belongs.
pub fn tell(world: &mut World, told: &PastDeal, act: &Act) -> Result<Told, Refused> {
    let before = primary_of(world, told);
    let known = told
        .opening
        .external_id
        .as_ref()
        .and_then(|key| world.sales.deals_by_key.get(key))
        .copied();
    let mut become_of = Told::default();
    let deal_id = match known {
        Some(id) => id,
        None => {
            let (id, changes) = begin(world, told, act)?;
            become_of.created = true;
            become_of.changes = changes;
            id
        }
    };
    let Some(closing) = told.closing.as_ref().filter(|_| is_open(world, deal_id)) else {
        return Ok(become_of);
    };
    let at = closing.closed_at.unwrap_or(act.now);
    match close(
        world,
        deal_id,
        closing,
        &act.dated(at).from_origin(Origin::Import),
    ) {
        Ok(changes) => become_of.changes.extend(changes),
        Err(refused) => {
            // A refused deal leaves nothing behind in what the next one stands on.
            if become_of.created {
                world.sales.deals.remove(&deal_id);
                world.sales.deals_by_key.retain(|_, id| *id != deal_id);
                put_back(world, before);
            }
            return Err(refused);
        }
    }
    become_of.warnings = warnings(world, deal_id, at);
    Ok(become_of)
}

fn begin(world: &mut World, told: &PastDeal, act: &Act) -> Result<(DealId, Vec<Change>), Refused> {
    let closed_at = told.closing.as_ref().and_then(|closing| closing.closed_at);
    let at = told.opened_at.or(closed_at).unwrap_or(act.now);
    let primary = told
        .opening
        .primary_lead_id
        .or(told.opening.lead_ids.first().copied());
    let act = act.dated(at).from_origin(Origin::Import);
    let (deal_id, mut changes) = if told.opened_at.is_none() && closed_at.is_some() {
        let (id, opened) = open_without_move(world, &told.opening, &act)?;
        (id, vec![opened])
    } else {
        open(world, &told.opening, &act)?
    };
    if let (Some(lead_id), Some(owner)) = (primary, told.opening.owner_id) {
        changes.extend(own(world, lead_id, owner, act.now));
    }
    Ok((deal_id, changes))
}

/// The primary lead with its cycle, as they are.
fn primary_of(world: &World, told: &PastDeal) -> Option<(Lead, Cycle)> {
    let opening = &told.opening;
    let id = opening.primary_lead_id.or(opening.lead_ids.first().copied())?;
    Some((world.leads.get(&id)?.clone(), world.cycles.get(&id)?.clone()))
}

fn put_back(world: &mut World, before: Option<(Lead, Cycle)>) {
    if let Some((lead, cycle)) = before {
        world.cycles.insert(lead.id, cycle);
        world.leads.insert(lead.id, lead);
    }
}

fn is_open(world: &World, deal_id: DealId) -> bool {
    world
        .sales
        .deals
        .get(&deal_id)
        .is_some_and(|deal| deal.closing.is_none())
}

fn warnings(world: &World, deal_id: DealId, at: Timestamp) -> Vec<Warning> {
    let mut warnings = vec![];
    let Some(deal) = world.sales.deals.get(&deal_id) else {
        return warnings;
    };
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    if lead.is_some_and(|lead| at < lead.created_at) {
        warnings.push(Warning::BeforeFirstContact);
    }
    let is_worth_something = deal.amount.is_some_and(|amount| amount.amount > 0);
    let is_valued = deal
        .closing
        .as_ref()
        .is_some_and(|closing| closing.value.is_some());
    if is_worth_something && !is_valued {
        warnings.push(Warning::MissingRate);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Actor;
    use crate::deals::pipelines::Pipeline;
    use crate::deals::{Outcome, State};
    use crate::id::{Ids, LeadId};
    use crate::leads::change::LeadChange;
    use crate::leads::identity::Email;
    use crate::leads::save::{OnConflict, Statement, upsert};
    use crate::lifecycle::{self, Stage};
    use crate::money::Money;
    use crate::transfer::ACTOR;

    const fn day(n: i64) -> Timestamp {
        Timestamp::from_millis(n * 86_400_000)
    }

    const NOW: Timestamp = day(1000);
    const IMPORT: Actor = Actor::System(ACTOR);

    /// A lead that became known on day 10, in a world with the first pipeline.
    fn given() -> (World, LeadId, Ids) {
        let mut world = World::provisional();
        let ids = Ids::new(NOW, 0);
        let pipeline = Pipeline::first(day(0));
        world.sales.pipelines.insert(pipeline.id, pipeline);
        let said = Statement {
            emails: vec![Email::parse("ada@example.com").unwrap()],
            created_at: Some(day(10)),
            ..Statement::default()
        };
        let saved = upsert(
            &mut world,
            &said,
            OnConflict::Refuse,
            &Act::test(&IMPORT, NOW, &ids),
        )
        .unwrap();
        (world, saved.lead_id, ids)
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
                until: None,
            }),
        }
    }

    #[test]
    fn a_deal_without_a_date_of_opening_makes_a_customer_and_invents_nothing() {
        let (mut world, lead, ids) = given();
        let told = tell(&mut world, &won(lead, None, 20), &Act::test(&IMPORT, NOW, &ids)).unwrap();
        assert!(told.created);
        assert_eq!(told.warnings, [Warning::MissingRate]);
        let cycle = &world.cycles[&lead];
        assert_eq!(world.leads[&lead].stage, Stage::Customer);
        assert_eq!(cycle.entered_at(Stage::Customer), Some(day(20)));
        assert_eq!(
            (cycle.entered_at(Stage::Opportunity), cycle.entered_at(Stage::Sql)),
            (None, None)
        );
    }

    #[test]
    fn a_deal_with_both_dates_makes_an_opportunity_first() {
        let (mut world, lead, ids) = given();
        tell(
            &mut world,
            &won(lead, Some(15), 20),
            &Act::test(&IMPORT, NOW, &ids),
        )
        .unwrap();
        let cycle = &world.cycles[&lead];
        assert_eq!(cycle.entered_at(Stage::Opportunity), Some(day(15)));
        assert_eq!(cycle.entered_at(Stage::Customer), Some(day(20)));
    }

    #[test]
    fn a_deal_that_was_made_after_the_cycle_ended_belongs_to_the_next_one() {
        for opened_at in [Some(30), None] {
            let (mut world, lead, ids) = given();
            for (to, at) in [(Stage::Customer, 15), (Stage::Churned, 20)] {
                let step = lifecycle::Step::plain(to, day(at), NOW);
                lifecycle::take(&mut world, lead, step, &Act::test(&IMPORT, NOW, &ids)).unwrap();
            }
            let told = tell(
                &mut world,
                &won(lead, opened_at, 40),
                &Act::test(&IMPORT, NOW, &ids),
            )
            .unwrap();
            let deal = world.sales.deals.values().next().unwrap();
            assert_eq!(
                (world.leads[&lead].stage, world.leads[&lead].cycle),
                (Stage::Customer, 2)
            );
            assert_eq!(deal.cycle, Some(2));
            assert_eq!(world.cycles[&lead].started_at, day(opened_at.unwrap_or(40)));
            assert!(
                matches!(told.changes.last(), Some(Change::Lead(LeadChange::Moved { cycle, .. })) if cycle.number == 2)
            );
        }
    }

    #[test]
    fn the_same_deal_again_changes_nothing_and_an_open_one_may_be_closed() {
        let (mut world, lead, ids) = given();
        let open = PastDeal {
            closing: None,
            ..won(lead, Some(15), 20)
        };
        assert!(
            tell(&mut world, &open, &Act::test(&IMPORT, NOW, &ids))
                .unwrap()
                .created
        );
        let closed = tell(
            &mut world,
            &won(lead, Some(15), 20),
            &Act::test(&IMPORT, NOW, &ids),
        )
        .unwrap();
        assert!(!closed.created && !closed.changes.is_empty());
        let again = tell(
            &mut world,
            &won(lead, Some(15), 20),
            &Act::test(&IMPORT, NOW, &ids),
        )
        .unwrap();
        assert_eq!(again, Told::default());
        assert!(world.sales.deals.values().all(|deal| deal.state() == State::Won));
    }

    #[test]
    fn a_refused_deal_leaves_nothing_behind() {
        let (mut world, lead, ids) = given();
        let before = world.leads[&lead].clone();
        assert!(
            tell(
                &mut world,
                &won(lead, Some(30), 20),
                &Act::test(&IMPORT, NOW, &ids)
            )
            .is_err()
        );
        assert!(world.sales.deals.is_empty() && world.sales.deals_by_key.is_empty());
        assert_eq!(world.leads[&lead], before);
    }

    #[test]
    fn what_was_won_before_the_first_contact_is_kept_and_told() {
        let (mut world, lead, ids) = given();
        let told = tell(&mut world, &won(lead, None, 9), &Act::test(&IMPORT, NOW, &ids)).unwrap();
        assert_eq!(told.warnings, [Warning::BeforeFirstContact, Warning::MissingRate]);
        assert_eq!(world.cycles[&lead].entered_at(Stage::Customer), Some(day(9)));
    }
}
