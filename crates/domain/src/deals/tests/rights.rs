//! Who may do what with deals and pipelines, and which stages stay.

use std::collections::BTreeMap;

use super::*;
use crate::deals::pipelines::{self, EditPipeline, PipelineStage};

#[test]
fn who_may_is_the_owner_or_a_sales_manager() {
    let mut story = Story::begin();
    let (rep, other) = (someone(Role::Sales, &story.ids), someone(Role::Sales, &story.ids));
    let lead = story.lead(Stage::Sql);
    let asked = OpenDeal {
        name: "x".into(),
        lead_ids: vec![lead],
        ..OpenDeal::default()
    };
    let try_open = |actor: &Actor| {
        let mut world = story.world.clone();
        open(&mut world, &asked, &Act::test(actor, story.now, &story.ids)).map(|(id, _)| (world, id))
    };
    for (role, denied) in [
        (Role::Marketing, Denied::WrongRole),
        (Role::Revops, Denied::WrongRole),
        (Role::Viewer, Denied::WrongRole),
    ] {
        let ids = Ids::new(Timestamp::from_millis(1), 9);
        assert_eq!(
            try_open(&someone(role, &ids)).err(),
            Some(DealError::Denied(denied))
        );
    }
    let (mut world, deal) = try_open(&rep).unwrap();
    assert_eq!(
        world.sales.deals[&deal].owner_id,
        rep.person().map(|person| person.id),
        "who opens it takes it"
    );
    assert_eq!(world.leads[&lead].owner_id, rep.person().map(|person| person.id));
    let asked = MoveDeal {
        stage: "proposal".into(),
        note: None,
    };
    let ids = Ids::new(Timestamp::from_millis(2), 9);
    let refused = move_to(&mut world, deal, &asked, &Act::test(&other, story.now, &ids));
    assert_eq!(refused, Err(DealError::Denied(Denied::NotOwner)));
    move_to(&mut world, deal, &asked, &Act::test(&rep, story.now, &ids)).unwrap();
    let reopening = close(
        &mut world,
        deal,
        &CloseDeal {
            outcome: Outcome::Won,
            reason: Some("price".into()),
            competitor: None,
            note: None,
            closed_at: None,
            objections: vec![],
            until: None,
        },
        &Act::test(&rep, story.now, &ids),
    );
    reopening.unwrap();
    let refused = reopen(&mut world, deal, "x", &Act::test(&rep, story.now, &ids));
    assert_eq!(refused, Err(DealError::Denied(Denied::WrongRole)));
}

#[test]
fn a_stage_that_deals_hold_on_to_cannot_go() {
    let story = Story::begin();
    let pipeline = Pipeline::first(story.now);
    let stage = |key: &str, probability| PipelineStage {
        key: key.into(),
        name: key.into(),
        probability,
    };
    let same = || EditPipeline {
        name: pipeline.name.clone(),
        stages: pipeline.stages.clone(),
        is_default: pipeline.is_default,
        archived: None,
    };
    let stages = |stages: Vec<PipelineStage>| EditPipeline { stages, ..same() };
    let used = BTreeMap::from([("proposal".to_owned(), 3), ("discovery".to_owned(), 0)]);
    let edited = |asked| {
        pipelines::edit(
            &pipeline,
            asked,
            &used,
            2,
            Some(&pipeline),
            &Act::new(story.manager.clone(), "req", story.now, 0),
        )
    };

    let refused = edited(stages(vec![stage("talks", 1000)])).unwrap_err();
    assert_eq!(
        refused,
        pipelines::PipelineError::InUse(BTreeMap::from([("proposal".to_owned(), 3)]))
    );
    let (after, changes) = edited(stages(vec![stage("proposal", 1000), stage("won", 10_000)])).unwrap();
    let keys: Vec<&str> = after.stages.iter().map(|stage| stage.key.as_str()).collect();
    assert_eq!((keys, changes.len()), (vec!["proposal", "won", "lost"], 1));
    for wrong in [
        vec![],
        vec![stage("won", 10_000)],
        vec![stage("a", 0), stage("a", 0)],
        vec![stage("proposal", 1), stage("won", 5000)],
        (0..31).map(|n| stage(&format!("s{n}"), 1)).collect(),
    ] {
        assert!(matches!(
            edited(stages(wrong)),
            Err(pipelines::PipelineError::Invalid(_))
        ));
    }
    let away = EditPipeline {
        archived: Some(true),
        ..same()
    };
    assert!(
        matches!(edited(away), Err(pipelines::PipelineError::Invalid(_))),
        "the default one stays"
    );
}
