//! Qualifying, held against a slow reading of everything that was stated.

use proptest::prelude::*;

use super::*;
use crate::access::{Actor, Denied, Person, Role};
use crate::agreement::BantItem;
use crate::id::{Ids, UserId};
use crate::instant::Timestamp;
use crate::leads::save::{self, OnConflict, Statement};

/// A lead with an owner, and those who speak about it: the owner, another rep, a manager, marketing, an admin, a key.
struct Story {
    world: World,
    ids: Ids,
    lead: LeadId,
    owner: UserId,
    actors: Vec<Actor>,
    now: Timestamp,
}

const OWNER: usize = 0;
const REP: usize = 1;
const MANAGER: usize = 2;
const MARKETING: usize = 3;
const KEY: usize = 5;

impl Story {
    fn begin() -> Self {
        let now = Timestamp::from_millis(1_772_442_000_000);
        let ids = Ids::new(now, 0);
        let mut world = World::provisional();
        let user = |role| {
            Actor::User(Person {
                id: ids.next(),
                role,
                admin: false,
                teams: vec![],
            })
        };
        let roles = [
            Role::Sales,
            Role::Sales,
            Role::SalesManager,
            Role::Marketing,
            Role::Admin,
        ];
        let mut actors: Vec<Actor> = roles.into_iter().map(user).collect();
        actors.push(Actor::Key {
            id: ids.next(),
            on_behalf_of: None,
        });
        let said = Statement {
            external_ids: vec![("crm".into(), "1".into())],
            ..Statement::default()
        };
        let act = Act::test(&actors[4], now, &ids);
        let saved = save::upsert(&mut world, &said, OnConflict::Refuse, &act).unwrap();
        let owner = actors[OWNER].person().unwrap().id;
        world.leads.get_mut(&saved.lead_id).unwrap().owner_id = Some(owner);
        Self {
            world,
            ids,
            lead: saved.lead_id,
            owner,
            actors,
            now,
        }
    }

    fn stands(&mut self, stage: Stage, cycle: i64) {
        let lead = self.world.leads.get_mut(&self.lead).unwrap();
        (lead.stage, lead.cycle, lead.owner_id) = (stage, cycle, Some(self.owner));
        self.world.cycles.get_mut(&self.lead).unwrap().number = cycle;
    }

    fn say(&mut self, who: usize, said: &Qualify) -> Result<Vec<Change>, HandoffError> {
        self.now = self.now.plus_millis(1000);
        let act = Act::test(&self.actors[who], self.now, &self.ids);
        qualify(&mut self.world, self.lead, said, &act)
    }

    fn stage(&self) -> Stage {
        self.world.leads[&self.lead].stage
    }
}

fn saying(items: &[BantItem], value: Option<&str>, confirmed: Option<bool>) -> Qualify {
    let said = SayItem {
        value: value.map(|value| Some(value.to_owned())),
        note: None,
        confirmed,
    };
    items.iter().map(|item| (*item, said.clone())).collect()
}

#[test]
fn those_who_only_propose_leave_what_is_confirmed_alone() {
    let mut story = Story::begin();
    story.stands(Stage::Sal, 1);
    let need = [BantItem::Need];
    story
        .say(MARKETING, &saying(&need, Some("10 bikes"), None))
        .unwrap();
    assert_eq!(
        story.say(REP, &saying(&need, Some("20 bikes"), None)),
        Err(Denied::NotOwner.into())
    );
    story.say(OWNER, &saying(&need, None, Some(true))).unwrap();
    for (who, why) in [(MARKETING, Denied::WrongRole), (KEY, Denied::NeedsPerson)] {
        let refused = story.say(who, &saying(&need, Some("30 bikes"), None));
        assert_eq!(refused, Err(why.into()));
    }
    let known = &story.world.sales.qualifications[&story.lead][&BantItem::Need];
    assert_eq!(known.value.as_deref(), Some("10 bikes"));
    story
        .say(MANAGER, &saying(&need, Some("40 bikes"), None))
        .unwrap();
    let known = &story.world.sales.qualifications[&story.lead][&BantItem::Need];
    let by = known.confirmed.map(|confirmed| confirmed.by);
    assert_eq!(
        by,
        story.actors[MANAGER].person().map(|person| person.id),
        "who changes it confirms it"
    );
}

#[test]
fn the_same_again_changes_nothing() {
    let mut story = Story::begin();
    story.stands(Stage::Mql, 1);
    let said = saying(BantItem::ALL, Some("known"), Some(true));
    assert_eq!(story.say(OWNER, &said).unwrap().len(), 1);
    let before = story.world.sales.qualifications.clone();
    assert_eq!(story.say(MANAGER, &said), Ok(vec![]));
    assert_eq!(
        story.say(OWNER, &saying(&[BantItem::Budget], None, None)),
        Ok(vec![])
    );
    assert_eq!(story.world.sales.qualifications, before);
}

/// One accepted statement about one item.
struct Said {
    item: BantItem,
    cycle: i64,
    value: Option<String>,
    confirmed: Option<bool>,
}

/// Whether an item is confirmed in a cycle, read from everything that was ever stated.
fn is_confirmed(log: &[Said], item: BantItem, cycle: i64) -> bool {
    let mut is_confirmed = false;
    for said in log.iter().filter(|said| said.item == item && said.cycle == cycle) {
        is_confirmed = said.confirmed.unwrap_or(is_confirmed);
    }
    is_confirmed
}

fn value_of(log: &[Said], item: BantItem) -> Option<String> {
    let of_item = log.iter().filter(|said| said.item == item);
    of_item.filter_map(|said| said.value.clone()).next_back()
}

proptest! {
    /// For every person, statement and stage: who may confirm does, the others propose, the last item that an SAL
    /// lacks makes it an SQL and nothing else moves it, and a new cycle takes the confirmations back.
    #[test]
    fn what_is_known_follows_what_was_stated(
        steps in prop::collection::vec((0usize..6, 1u8..16, prop::option::of("[a-c]"), prop::option::of(any::<bool>()), 0usize..12), 0..40),
    ) {
        let mut story = Story::begin();
        let (mut log, mut cycle): (Vec<Said>, i64) = (vec![], 1);
        for (who, chosen, value, confirmed, stage) in steps {
            let before = match stage {
                9.. => story.stage(),
                stage => Stage::ALL[stage],
            };
            cycle += i64::from(stage == 0);
            story.stands(before, cycle);
            let items: Vec<BantItem> =
                BantItem::ALL.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1).map(|(_, item)| *item).collect();
            let confirms = confirmed.is_some() || items.iter().any(|item| is_confirmed(&log, *item, cycle));
            let in_time = matches!(before, Stage::Mql | Stage::Sal | Stage::Sql | Stage::Opportunity);
            let may = match who {
                REP => false,
                MARKETING | KEY => !confirms,
                _ => in_time || !confirms,
            };
            let done = story.say(who, &saying(&items, value.as_deref(), confirmed));
            prop_assert_eq!(done.is_ok(), may, "{:?} {:?}", before, done);
            if may {
                log.extend(items.iter().map(|item| Said { item: *item, cycle, value: value.clone(), confirmed }));
            }
            for item in BantItem::ALL {
                prop_assert_eq!(story.world.is_confirmed(story.lead, *item), is_confirmed(&log, *item, cycle));
                let known = story.world.sales.qualifications.get(&story.lead).and_then(|known| known.get(item));
                prop_assert_eq!(known.and_then(|known| known.value.clone()), value_of(&log, *item));
            }
            let is_full = BantItem::ALL.iter().all(|item| is_confirmed(&log, *item, cycle));
            let after = if before == Stage::Sal && may && is_full { Stage::Sql } else { before };
            prop_assert_eq!(story.stage(), after);
        }
    }
}
