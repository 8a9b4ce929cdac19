//! Statements of systems that repeat what they know.

use super::*;

#[test]
fn the_same_upsert_twice_leaves_one_statement() {
    let ids = Ids::new(NOW, 0);
    let (mut world, _, actor) = given(&ids);
    let dated = StateConsent {
        stated_at: Some(later(-DAY)),
        ..says("calls", true)
    };
    let said = about("ada@example.com", vec![dated, says("news", true)]);
    let mut put = |said: &Statement, at| {
        let saved = upsert(&mut world, said, OnConflict::Refuse, &Act::test(&actor, at, &ids)).unwrap();
        saved.changes.len()
    };
    assert_eq!(put(&said, later(1)), 2);
    assert_eq!(put(&said, later(2)), 0);
    let other = about("ada@example.com", vec![says("news", false)]);
    assert_eq!((put(&other, later(3)), put(&other, later(4))), (1, 0));
}

#[test]
fn a_system_that_repeats_itself_does_not_grant_what_was_withdrawn() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let put = |world: &mut World, said: &Statement, at| {
        let saved = upsert(world, said, OnConflict::Refuse, &Act::test(&actor, at, &ids)).unwrap();
        let kinds = saved.changes.iter().map(|change| change.entry().unwrap().kind);
        kinds.collect::<Vec<_>>()
    };
    let nightly = about("ada@example.com", vec![says("calls", true)]);
    let observed = |at| Statement {
        observed_at: Some(at),
        ..nightly.clone()
    };
    let ended = about("ada@example.com", vec![says("calls", false)]);
    let dated = |granted, at| {
        let one = StateConsent {
            stated_at: Some(at),
            ..says("calls", granted)
        };
        about("ada@example.com", vec![one])
    };

    assert_eq!(put(&mut world, &nightly, later(1)), ["consent.granted"]);
    assert_eq!(
        put(&mut world, &dated(false, later(2)), later(2)),
        ["consent.withdrawn"]
    );
    assert_eq!(put(&mut world, &nightly, later(3)), ["consent.disregarded"]);
    assert_eq!(
        stands(&world, lead, "calls"),
        why(false, ContactReason::Withdrawn, later(2))
    );
    assert!(put(&mut world, &nightly, later(4)).is_empty(), "kept once");
    assert!(
        put(&mut world, &observed(later(5)), later(6)).is_empty(),
        "nor does the lead's own instant date it"
    );
    assert_eq!(
        stands(&world, lead, "calls"),
        why(false, ContactReason::Withdrawn, later(2))
    );

    assert_eq!(
        put(&mut world, &dated(true, later(7)), later(8)),
        ["consent.granted"]
    );
    assert_eq!(
        stands(&world, lead, "calls"),
        why(true, ContactReason::Granted, later(7))
    );
    assert!(
        put(&mut world, &nightly, later(9)).is_empty(),
        "what stands granted is no news"
    );
    assert_eq!(
        put(&mut world, &ended, later(10)),
        ["consent.withdrawn"],
        "without an instant it ends all the same"
    );
    assert_eq!(put(&mut world, &nightly, later(11)), ["consent.disregarded"]);
    assert!(
        put(&mut world, &dated(true, later(7)), later(12)).is_empty(),
        "the old grant is known"
    );
    assert_eq!(
        stands(&world, lead, "calls"),
        why(false, ContactReason::Withdrawn, later(10))
    );
    assert_eq!(
        issue(
            &world,
            lead,
            "calls",
            &Act::test(&Actor::System("test"), later(13), &Ids::new(later(13), 9))
        )
        .unwrap_err(),
        ConsentError::NotGranted
    );
}
