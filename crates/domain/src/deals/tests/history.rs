//! Deals that an import writes down: at their own dates, from whatever stage.

use super::*;
use crate::leads::change::LeadChange;

#[test]
fn history_is_imported_at_its_own_dates_from_whatever_stage() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Lead);
    let (known, importer) = (story.now, Actor::System("import"));
    let later = story.now.plus_millis(400 * DAY);
    let import = |story: &mut Story, opened: i64, won: i64| {
        let asked = OpenDeal {
            name: "x".into(),
            lead_ids: vec![lead],
            amount: Some(Money {
                amount: 7,
                currency: "BRL".parse().unwrap(),
            }),
            ..OpenDeal::default()
        };
        let act = Act::test(&importer, later, &story.ids)
            .dated(known.plus_millis(opened))
            .from_origin(Origin::Import);
        let (deal, mut changes) = open(&mut story.world, &asked, &act).unwrap();
        let asked = CloseDeal {
            outcome: Outcome::Won,
            reason: None,
            competitor: None,
            note: None,
            closed_at: None,
            until: None,
        };
        let act = Act::test(&importer, later, &story.ids)
            .dated(known.plus_millis(won))
            .from_origin(Origin::Import);
        changes.extend(close(&mut story.world, deal, &asked, &act).unwrap());
        changes
    };
    let steps = |changes: &[Change]| -> Vec<(Option<Stage>, Stage, i64)> {
        let step = |change: &Change| match change {
            Change::Lead(LeadChange::Moved { transition, .. }) => Some((
                transition.from,
                transition.to,
                (transition.at.millis() - known.millis()) / DAY,
            )),
            _ => None,
        };
        changes.iter().filter_map(step).collect()
    };

    let changes = import(&mut story, 10 * DAY, 20 * DAY);

    assert_eq!(
        steps(&changes),
        [
            (Some(Stage::Lead), Stage::Opportunity, 10),
            (Some(Stage::Opportunity), Stage::Customer, 20)
        ],
        "what was skipped is not invented"
    );
    let cycle = &story.world.cycles[&lead];
    assert_eq!(
        (cycle.entered_at(Stage::Mql), cycle.entered_at(Stage::Customer)),
        (None, Some(known.plus_millis(20 * DAY)))
    );
    let deal = story.world.sales.deals.values().next().unwrap();
    assert_eq!(
        deal.closing.as_ref().unwrap().value,
        None,
        "no rate is invented either"
    );

    let earlier = import(&mut story, 2 * DAY, 5 * DAY);
    assert_eq!(
        steps(&earlier),
        [
            (Some(Stage::Lead), Stage::Opportunity, 2),
            (Some(Stage::Opportunity), Stage::Customer, 5)
        ]
    );
    let (lead, cycle) = (&story.world.leads[&lead], &story.world.cycles[&lead]);
    assert_eq!(
        (lead.stage, lead.stage_since),
        (Stage::Customer, known.plus_millis(20 * DAY))
    );
    assert_eq!(
        cycle.entered_at(Stage::Customer),
        Some(known.plus_millis(5 * DAY))
    );
}

#[test]
fn a_deal_won_before_its_lead_was_known_is_kept() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Lead);
    let importer = Actor::System("import");
    let before = story.now.plus_millis(-102_065_000);
    let asked = OpenDeal {
        name: "x".into(),
        lead_ids: vec![lead],
        ..OpenDeal::default()
    };
    let act = Act::test(&importer, story.now, &story.ids)
        .dated(before)
        .from_origin(Origin::Import);
    let (deal, _) = open(&mut story.world, &asked, &act).unwrap();
    let asked = CloseDeal {
        outcome: Outcome::Won,
        reason: None,
        competitor: None,
        note: None,
        closed_at: None,
        until: None,
    };
    close(&mut story.world, deal, &asked, &act).unwrap();
    let lead = &story.world.leads[&lead];
    assert_eq!((lead.stage, lead.stage_since), (Stage::Customer, before));
}
