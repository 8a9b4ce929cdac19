//! Deals of the past: opened and closed at their own dates; what the file does not say is not invented. What follows for
//! their leads is derived of all that imports say of them.

use std::cmp::Ordering;

use serde_json::json;

use super::change::HistoryChange;
use super::history::{Pasts, Warning, state};
use super::past::{PastStatement, What};
use crate::act::{Act, Origin};
use crate::agreement::ReasonList;
use crate::change::Change;
use crate::deals::change::DealChange;
use crate::deals::{
    CloseDeal, Deal, DealMove, OpenDeal, Outcome, Refused, after_loss, close, open_without_move,
};
use crate::id::{DealId, ImportId};
use crate::instant::Timestamp;
use crate::journal::Facts;
use crate::world::World;

/// A deal that a row states.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDeal {
    /// How it was opened; its external id is how it is known again.
    pub opening: OpenDeal,
    /// When it was opened, if the row says so.
    pub opened_at: Option<Timestamp>,
    /// How it ended, with its date, if it has.
    pub closing: Option<CloseDeal>,
}

/// What became of a deal that a row states.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// Whether the deal was created by it.
    pub created: bool,
    /// Whether it says something new.
    pub is_news: bool,
    /// What changed.
    pub changes: Vec<Change>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

impl PastDeal {
    fn closed_at(&self) -> Option<Timestamp> {
        self.closing.as_ref().and_then(|closing| closing.closed_at)
    }

    /// Which of two rows of one file about one deal says how it stands: one that closes it, then the later end, then the
    /// rest, so that the order of the rows does not matter.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |one: &Self| {
            let closing = one.closing.as_ref();
            let amount = one
                .opening
                .amount
                .map(|money| (money.amount, money.currency.to_string()));
            (
                one.closed_at(),
                closing.map(|closing| closing.outcome == Outcome::Won),
                one.opened_at,
                amount,
                one.opening.name.clone(),
                closing.map(|closing| {
                    (
                        closing.reason.clone(),
                        closing.competitor.clone(),
                        closing.note.clone(),
                    )
                }),
            )
        };
        rest(self).cmp(&rest(other))
    }

    /// This row, completed by what another one says beside it. An opening after the end is no opening: of a deal that is
    /// open it may have been assumed.
    fn completed_by(self, other: &Self) -> Self {
        let closing = self.closing.or_else(|| other.closing.clone());
        let closed_at = closing.as_ref().and_then(|closing| closing.closed_at);
        let earlier = other
            .opened_at
            .filter(|at| closed_at.is_none_or(|closed| *at <= closed));
        let (opening, known) = (self.opening, &other.opening);
        Self {
            opened_at: self.opened_at.or(earlier),
            closing,
            opening: OpenDeal {
                amount: opening.amount.or(known.amount),
                expected_close_on: opening.expected_close_on.or(known.expected_close_on),
                owner_id: opening.owner_id.or(known.owner_id),
                pipeline_id: opening.pipeline_id.or(known.pipeline_id),
                stage: opening.stage.or(known.stage.clone()),
                company_id: opening.company_id.or(known.company_id),
                recurring: opening.recurring.or(known.recurring),
                ..opening
            },
        }
    }

    /// A deal as rows state deals.
    fn of(deal: &Deal, opened: &PastStatement, closed: Option<&PastStatement>) -> Self {
        let closing = deal.closing.as_ref().map(|closing| CloseDeal {
            outcome: closing.outcome,
            reason: closing.reason.clone(),
            competitor: closing.competitor.clone(),
            note: closed.and_then(|closed| closed.note.clone()),
            closed_at: Some(closing.at),
            until: None,
        });
        let stage = deal.closing.as_ref().map(|closing| closing.from_stage.clone());
        Self {
            opened_at: matches!(opened.what, What::Opened(_)).then_some(deal.opened_at),
            closing,
            opening: OpenDeal {
                name: deal.name.clone(),
                external_id: deal.external_id.clone(),
                pipeline_id: Some(deal.pipeline_id),
                stage: Some(stage.unwrap_or_else(|| deal.stage.clone())),
                lead_ids: deal.members.iter().map(|member| member.lead_id).collect(),
                roles: vec![],
                primary_lead_id: None,
                company_id: deal.company_id,
                owner_id: opened.owner_id,
                amount: deal.amount,
                recurring: deal.recurring,
                expected_close_on: deal.expected_close_on,
            },
        }
    }
}

/// Record a deal of the past. One that an import stated before, and that nothing else has changed since, is corrected; one
/// that is open may be closed.
///
/// What follows for its lead is derived by [`super::history::derive`], after all rows of a batch.
pub fn state_deal(
    world: &mut World,
    pasts: &mut Pasts,
    row: &PastDeal,
    import_id: ImportId,
    act: &Act,
) -> Result<Stated, Refused> {
    let key = row.opening.external_id.as_ref();
    let known = key.and_then(|key| world.sales.deals_by_key.get(key)).copied();
    let Some(known) = known.and_then(|id| world.sales.deals.get(&id)).cloned() else {
        let (id, changes) = record(world, row, act)?;
        let stated = Stated {
            created: true,
            is_news: true,
            changes,
            warnings: vec![],
        };
        return Ok(noted(world, pasts, id, row, import_id, stated));
    };
    let past = known.primary_lead_id.and_then(|lead_id| pasts.get(&lead_id));
    let find = |key: String| past.and_then(|past| past.find(&key));
    let opened = find(PastStatement::opening_key(known.id));
    let opened = opened.filter(|opened| opened.deal_version == Some(known.version));
    if let Some(opened) = opened {
        let before = PastDeal::of(&known, opened, find(PastStatement::closing_key(known.id)));
        let is_same_import = opened.import_id == import_id;
        let row = match is_same_import && row.order(&before) == Ordering::Less {
            true => before.clone().completed_by(row),
            false => row.clone().completed_by(&before),
        };
        let stated = match row == before {
            true => Stated::default(),
            false => correct(world, &known, &row, act)?,
        };
        return Ok(noted(world, pasts, known.id, &row, import_id, stated));
    }
    let Some(closing) = row.closing.as_ref().filter(|_| known.closing.is_none()) else {
        return Ok(Stated::default());
    };
    let at = closing.closed_at.unwrap_or(act.now);
    let changes = close(
        world,
        known.id,
        closing,
        &act.dated(at).from_origin(Origin::Import),
    )?;
    let mut stated = Stated {
        is_news: true,
        changes,
        ..Stated::default()
    };
    state_closing(world, pasts, known.id, row, import_id, &mut stated);
    stated.warnings = warnings(world, known.id);
    Ok(stated)
}

/// Open a deal, and close it where the row does; a refused deal leaves nothing behind.
fn record(world: &mut World, row: &PastDeal, act: &Act) -> Result<(DealId, Vec<Change>), Refused> {
    let act = act.clone().from_origin(Origin::Import);
    let at = row.opened_at.or(row.closed_at()).unwrap_or(act.now);
    let (id, opened) = open_without_move(world, &row.opening, &act.dated(at))?;
    let mut changes = vec![opened];
    let Some(closing) = &row.closing else {
        return Ok((id, changes));
    };
    let at = closing.closed_at.unwrap_or(act.now);
    match close(world, id, closing, &act.dated(at)) {
        Ok(closed) => {
            changes.extend(closed);
            Ok((id, changes))
        }
        Err(refused) => {
            forget(world, id);
            Err(refused)
        }
    }
}

fn forget(world: &mut World, id: DealId) {
    world.sales.deals.remove(&id);
    world.sales.deals_by_key.retain(|_, known| *known != id);
}

/// Let a known deal be what a row says, as if it had been recorded so at first.
fn correct(world: &mut World, known: &Deal, row: &PastDeal, act: &Act) -> Result<Stated, Refused> {
    forget(world, known.id);
    let recorded = record(world, row, act);
    let made = recorded.and_then(|(id, changes)| {
        let deal = world.sales.deals.get(&id).cloned().ok_or(Refused::NoSuchDeal)?;
        forget(world, id);
        Ok((deal, changes))
    });
    let (deal, changes) = match made {
        Ok(made) => made,
        Err(refused) => {
            world.add_deal(known.clone());
            return Err(refused);
        }
    };
    let moves = changes.into_iter().filter_map(|change| match change {
        Change::Deal(DealChange::Opened { made, .. } | DealChange::Closed { made, .. }) => Some(DealMove {
            deal_id: known.id,
            ..made
        }),
        _ => None,
    });
    let moves: Vec<DealMove> = moves.collect();
    let deal = Deal {
        id: known.id,
        version: known.version + 1,
        created_at: known.created_at,
        cycle: known.cycle,
        moved_lead: known.moved_lead,
        ..deal
    };
    let (before, after) = differences(known, &deal);
    world.add_deal(deal.clone());
    Ok(Stated {
        is_news: true,
        changes: vec![Change::History(HistoryChange::DealCorrected {
            deal: Box::new(deal),
            moves,
            before,
            after,
        })],
        ..Stated::default()
    })
}

fn differences(known: &Deal, deal: &Deal) -> (Facts, Facts) {
    let facts = |deal: &Deal| {
        let closing = deal.closing.as_ref();
        [
            ("name", json!(deal.name)),
            ("stage", json!(deal.stage)),
            ("amount", json!(deal.amount)),
            ("expected_close_on", json!(deal.expected_close_on)),
            ("owner_id", json!(deal.owner_id)),
            ("opened_at", json!(deal.opened_at)),
            ("closed_at", json!(closing.map(|closing| closing.at))),
            (
                "reason",
                json!(closing.and_then(|closing| closing.reason.clone())),
            ),
            (
                "competitor",
                json!(closing.and_then(|closing| closing.competitor.clone())),
            ),
        ]
    };
    let (mut before, mut after) = (Facts::new(), Facts::new());
    for ((name, was), (_, is)) in facts(known).into_iter().zip(facts(deal)) {
        if was != is {
            before.insert(name.to_owned(), was);
            after.insert(name.to_owned(), is);
        }
    }
    (before, after)
}

/// Note what a row says about the opening and the closing of a deal in the past of its lead.
fn noted(
    world: &World,
    pasts: &mut Pasts,
    id: DealId,
    row: &PastDeal,
    import_id: ImportId,
    mut stated: Stated,
) -> Stated {
    let Some(deal) = world.sales.deals.get(&id) else {
        return stated;
    };
    if let Some(lead_id) = deal.primary_lead_id {
        let is_dated = row.opened_at.is_some() || deal.closing.is_none();
        let what = if is_dated {
            What::Opened(id)
        } else {
            What::OpenedSometime(id)
        };
        let opened = PastStatement {
            owner_id: row.opening.owner_id,
            deal_version: Some(deal.version),
            ..PastStatement::plain(lead_id, what, deal.opened_at, import_id)
        };
        let (change, is_new) = state(pasts.entry(lead_id).or_default(), opened);
        stated.changes.extend(change);
        stated.is_news |= is_new;
        state_closing(world, pasts, id, row, import_id, &mut stated);
    }
    if stated.is_news {
        stated.warnings = warnings(world, id);
    }
    stated
}

fn state_closing(
    world: &World,
    pasts: &mut Pasts,
    id: DealId,
    row: &PastDeal,
    import_id: ImportId,
    stated: &mut Stated,
) {
    let Some(deal) = world.sales.deals.get(&id) else {
        return;
    };
    let (Some(lead_id), Some(closing)) = (deal.primary_lead_id, &deal.closing) else {
        return;
    };
    let what = match closing.outcome {
        Outcome::Won => What::Won(id),
        Outcome::Lost => {
            let list = world.rules.agreement.agreement.reasons(ReasonList::Loss);
            let code = closing.reason.as_deref();
            What::Lost(
                id,
                after_loss(code.and_then(|code| list.iter().find(|one| one.code == code))),
            )
        }
    };
    let closed = PastStatement {
        reason: closing.reason.clone(),
        note: row.closing.as_ref().and_then(|closing| closing.note.clone()),
        owner_id: row.opening.owner_id,
        ..PastStatement::plain(lead_id, what, closing.at, import_id)
    };
    let (change, is_new) = state(pasts.entry(lead_id).or_default(), closed);
    stated.changes.extend(change);
    stated.is_news |= is_new;
}

fn warnings(world: &World, deal_id: DealId) -> Vec<Warning> {
    let mut warnings = vec![];
    let Some(deal) = world.sales.deals.get(&deal_id) else {
        return warnings;
    };
    let lead = deal.primary_lead_id.and_then(|id| world.leads.get(&id));
    if lead.is_some_and(|lead| lead.archived_at.is_some()) {
        warnings.push(Warning::ArchivedLead);
    }
    let Some(closing) = &deal.closing else {
        return warnings;
    };
    if lead.is_some_and(|lead| closing.at < lead.created_at) {
        warnings.push(Warning::BeforeFirstContact);
    }
    let is_worth_something = deal.amount.is_some_and(|amount| amount.amount > 0);
    if is_worth_something && closing.value.is_none() {
        warnings.push(Warning::MissingRate);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Actor;
    use crate::deals::State;
    use crate::deals::pipelines::Pipeline;
    use crate::id::{Ids, LeadId};
    use crate::leads::change::LeadChange;
    use crate::leads::identity::Email;
    use crate::leads::save::{OnConflict, Statement, upsert};
    use crate::lifecycle::Stage;
    use crate::money::Money;
    use crate::transfer::ACTOR;
    use crate::transfer::history::{PastMove, derive, state_beginning, state_move};
    use crate::transfer::past::Past;

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
        let Change::Lead(LeadChange::Created {
            cycle, transition, ..
        }) = &saved.changes[0]
        else {
            panic!("the lead was not created")
        };
        let (lead, import) = (saved.lead_id, ids.next());
        let mut past = Past::loaded(vec![transition.clone()], vec![cycle.clone()], vec![]);
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

        fn tell(&mut self, row: &PastDeal) -> Result<Stated, Refused> {
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
            let told = PastMove {
                to,
                at: day(at),
                from: None,
                reason: None,
                note: None,
                owner_id: None,
            };
            state_move(
                self.pasts.get_mut(&self.lead).unwrap(),
                self.lead,
                &told,
                self.import,
            );
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
                until: None,
            }),
        }
    }

    #[test]
    fn a_deal_without_a_date_of_opening_makes_a_customer_and_invents_nothing() {
        let mut given = given();
        let told = given.tell(&won(given.lead, None, 20)).unwrap();
        assert!(told.created);
        assert_eq!(told.warnings, [Warning::MissingRate]);
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
        given.tell(&won(given.lead, Some(15), 20)).unwrap();
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
            given.tell(&won(given.lead, opened_at, 40)).unwrap();
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
        assert!(given.tell(&open).unwrap().created);
        let closed = given.tell(&won(given.lead, Some(15), 20)).unwrap();
        assert!(!closed.created && closed.is_news && !closed.changes.is_empty());
        let again = given.tell(&won(given.lead, Some(15), 20)).unwrap();
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
        assert!(given.tell(&won(given.lead, Some(30), 20)).is_err());
        assert!(given.world.sales.deals.is_empty() && given.world.sales.deals_by_key.is_empty());
        assert_eq!(given.world.leads[&given.lead], before);
    }

    #[test]
    fn what_was_won_before_the_first_contact_is_kept_and_told() {
        let mut given = given();
        let told = given.tell(&won(given.lead, None, 9)).unwrap();
        assert_eq!(told.warnings, [Warning::BeforeFirstContact, Warning::MissingRate]);
        let cycle = &given.world.cycles[&given.lead];
        assert_eq!(cycle.entered_at(Stage::Customer), Some(day(9)));
    }

    #[test]
    fn a_wrong_date_is_corrected_by_importing_again() {
        let mut given = given();
        given.tell(&won(given.lead, Some(15), 200)).unwrap();
        given.import = given.ids.next();
        let corrected = given.tell(&won(given.lead, Some(16), 20)).unwrap();
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
        given.tell(&won(given.lead, Some(15), 20)).unwrap();
        let id = given.deal().id;
        given.world.sales.deals.get_mut(&id).unwrap().version += 1;
        given.import = given.ids.next();
        let again = given.tell(&won(given.lead, Some(16), 30)).unwrap();
        assert_eq!(again, Stated::default());
        assert_eq!(given.deal().opened_at, day(15));
    }
}
