//! Who becomes an MQL by rule, who waits, and what is stored.

use serde_json::json;

use super::*;
use crate::agreement::conditions::History;
use crate::id::Ids;
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};
use crate::tracking::events::{Event, EventKind, Pages};

const NOW: Timestamp = Timestamp::from_millis(1_781_524_800_000); // 2026-06-15T12:00:00Z
const DAY: i64 = 86_400_000;

struct Story {
    world: World,
    act: Act,
    lead: LeadId,
    events: Vec<Event>,
}

impl Story {
    /// A lead that became known 100 days ago.
    fn begin() -> Self {
        let began = NOW.plus_millis(-100 * DAY);
        let act = Act::test(&Actor::System("test"), began, &Ids::new(began, 0));
        let mut world = World::provisional();
        let said = Statement {
            emails: vec![Email::parse("ada@gmail.com").unwrap()],
            ..Statement::default()
        };
        let lead = upsert(&mut world, &said, OnConflict::Refuse, &act)
            .unwrap()
            .lead_id;
        Self {
            world,
            act,
            lead,
            events: vec![],
        }
    }

    /// Moves the lead to a stage, `days` ago; nurture lasts 30 days.
    fn goes(&mut self, to: Stage, days: i64) {
        let at = NOW.plus_millis(-days * DAY);
        let step = Step {
            until: (to == Stage::Nurture).then(|| at.plus_millis(30 * DAY)),
            ..Step::plain(to, at, at)
        };
        take(&mut self.world, self.lead, step, &self.act).unwrap();
    }

    /// Records a service request of the lead, `days` ago.
    fn asks(&mut self, days: i64) {
        let at = NOW.plus_millis(-days * DAY);
        let properties = json!({"service_requested": "Consulting"});
        self.events.push(Event {
            id: self.act.ids.next(),
            kind: EventKind::form_submit(),
            told_by: "form".into(),
            visitor_id: None,
            lead_id: Some(self.lead),
            occurred_at: at,
            received_at: at,
            pages: Pages::default(),
            properties: properties.as_object().unwrap().clone(),
            content_id: None,
            is_bot: false,
            is_machine: false,
        });
        let lead = self.world.leads.get_mut(&self.lead).unwrap();
        lead.last_activity_at = lead.last_activity_at.max(Some(at));
    }

    fn assess(&mut self) -> Assessment {
        let histories = History::by_type(self.events.clone());
        self.world.judging.histories.insert(self.lead, histories);
        assess(&mut self.world, self.lead, NOW).unwrap()
    }

    fn becomes_mql(&mut self) -> bool {
        self.assess().becomes_mql.is_some()
    }
}

#[test]
fn who_asks_for_a_service_becomes_an_mql_and_the_event_is_named() {
    let mut story = Story::begin();
    assert!(!story.becomes_mql());
    story.asks(3);
    story.asks(1);
    let Assessment {
        becomes_mql, stored, ..
    } = story.assess();
    let newest = story.events[1].id;
    assert_eq!(becomes_mql.unwrap().caused_by.unwrap().event_id, newest);
    assert_eq!((stored.engagement, stored.blocked_by), (40, vec![]));
}

#[test]
fn who_was_nurtured_before_a_hand_off_waits_unless_it_asks_again() {
    for (asked, waits) in [(40, true), (11, true), (9, false)] {
        let mut story = Story::begin();
        story.asks(asked);
        story.goes(Stage::Nurture, 10);
        assert_eq!(story.becomes_mql(), !waits, "asked {asked} days ago");
        if waits {
            let until = story.assess().stored.valid_until;
            assert!(until.is_some_and(|until| until <= NOW.plus_millis(20 * DAY)));
        }
    }
    let mut story = Story::begin();
    story.asks(29);
    story.goes(Stage::Nurture, 30);
    assert!(story.becomes_mql(), "the wait ends at its last instant");
}

#[test]
fn after_a_hand_off_something_of_its_own_must_have_happened_since() {
    for (asked, comes_back) in [(33, false), (29, true)] {
        let mut story = Story::begin();
        story.goes(Stage::Mql, 40);
        story.goes(Stage::Nurture, 32);
        story.asks(asked);
        // The window of the provisional condition is 30 days: the form of 33 days ago has another reason to count.
        let is_news = story.world.leads[&story.lead].last_activity_at > Some(NOW.plus_millis(-32 * DAY));
        assert_eq!((story.becomes_mql(), is_news), (comes_back, comes_back));
    }
    let mut story = Story::begin();
    story.asks(2);
    story.goes(Stage::Mql, 40);
    story.goes(Stage::Nurture, 1);
    assert!(!story.becomes_mql(), "what it did before is nothing new");
}

#[test]
fn archived_leads_and_those_beyond_marketing_are_moved_by_no_rule() {
    let mut story = Story::begin();
    story.asks(1);
    story.world.leads.get_mut(&story.lead).unwrap().archived_at = Some(NOW);
    assert!(!story.becomes_mql());
    for path in [
        &[Stage::Mql][..],
        &[Stage::Mql, Stage::Sal],
        &[Stage::Disqualified],
        &[Stage::Customer],
    ] {
        let mut story = Story::begin();
        story.asks(1);
        path.iter().for_each(|to| story.goes(*to, 2));
        assert!(!story.becomes_mql(), "{path:?}");
    }
}

#[test]
fn what_holds_a_lead_back_is_of_leads_that_marketing_works_on() {
    let mut story = Story::begin();
    story.world.judging.barred.insert(story.lead);
    assert_eq!(story.assess().stored.blocked_by, ["contactable"]);
    story.goes(Stage::Mql, 2);
    assert_eq!(story.assess().stored.blocked_by, Vec::<String>::new());
}
