//! Deals that an import writes down: at their own dates, from whatever stage, without moving anybody.

use super::*;

#[test]
fn history_is_recorded_at_its_own_dates_from_whatever_stage() {
    let mut story = Story::begin();
    let lead = story.lead(Stage::Lead);
    let (known, importer) = (story.now, Actor::System("import"));
    let later = story.now.plus_millis(400 * DAY);
    let before = story.world.leads[&lead].clone();
    for (opened, won) in [(10, 20), (2, 5), (-2, -1)] {
        let at = |day: i64| {
            Act::test(&importer, later, &story.ids)
                .dated(known.plus_millis(day * DAY))
                .from_origin(Origin::Import)
        };
        let asked = OpenDeal {
            name: "x".into(),
            lead_ids: vec![lead],
            amount: Some(Money {
                amount: 7,
                currency: "BRL".parse().unwrap(),
            }),
            ..OpenDeal::default()
        };
        let (deal, _) = open_without_move(&mut story.world, &asked, &at(opened)).unwrap();
        let asked = CloseDeal {
            outcome: Outcome::Won,
            reason: None,
            competitor: None,
            note: None,
            closed_at: None,
            objections: vec![],
            until: None,
        };
        let changes = close(&mut story.world, deal, &asked, &at(won)).unwrap();
        assert!(matches!(&changes[..], [Change::Deal(DealChange::Closed { .. })]));
        let deal = &story.world.sales.deals[&deal];
        let closing = deal.closing.as_ref().unwrap();
        assert_eq!((deal.opened_at, closing.at), (at(opened).at, at(won).at));
        assert_eq!(closing.value, None, "no rate is invented");
    }
    assert_eq!(story.world.leads[&lead], before);
}
