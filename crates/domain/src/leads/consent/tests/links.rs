//! Links that confirm a grant: double opt-in.

use super::*;

#[test]
fn double_opt_in_counts_once_confirmed() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    assert_eq!(
        issue(&world, lead, "news", &Act::test(&actor, NOW, &Ids::new(NOW, 9))).unwrap_err(),
        ConsentError::NotGranted
    );
    state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&actor, later(1), &ids),
    )
    .unwrap();
    assert_eq!(
        stands(&world, lead, "news"),
        why(false, ContactReason::NotConfirmed, later(1))
    );

    let (mut link, change) = issue(
        &world,
        lead,
        "news",
        &Act::test(&actor, later(2), &Ids::new(later(2), 9)),
    )
    .unwrap();
    assert_eq!(link.expires_at, later(2 + 7 * DAY));
    assert_eq!(change.entry().unwrap().kind, "consent.link_issued");
    let changes = confirm(&mut world, &link, &Act::test(&actor, later(3), &ids)).unwrap();
    assert_eq!(changes[0].entry().unwrap().kind, "consent.confirmed");
    assert_eq!(
        stands(&world, lead, "news"),
        why(true, ContactReason::Granted, later(3))
    );
    link.used_at = Some(later(3));
    assert_eq!(
        confirm(&mut world, &link, &Act::test(&actor, later(30 * DAY), &ids)),
        Ok(vec![]),
        "the same link again"
    );
    assert_eq!(
        issue(
            &world,
            lead,
            "news",
            &Act::test(&actor, later(4), &Ids::new(later(4), 9))
        )
        .unwrap_err(),
        ConsentError::IsConfirmed
    );

    state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&actor, later(5), &ids),
    )
    .unwrap();
    assert!(
        stands(&world, lead, "news").allowed,
        "who is confirmed is not asked again"
    );
    state(
        &mut world,
        lead,
        says("news", false),
        &Act::test(&actor, later(6), &ids),
    )
    .unwrap();
    state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&actor, later(7), &ids),
    )
    .unwrap();
    assert_eq!(
        stands(&world, lead, "news").why,
        ContactReason::NotConfirmed,
        "but after a withdrawal"
    );
    assert_eq!(
        confirm(&mut world, &link, &Act::test(&actor, later(8), &ids)),
        Err(NotConfirmed),
        "by a new link"
    );
}

#[test]
fn a_link_is_good_until_its_end() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&actor, NOW, &ids),
    )
    .unwrap();
    let (link, _) = issue(&world, lead, "news", &Act::test(&actor, NOW, &Ids::new(NOW, 9))).unwrap();
    assert_eq!(
        confirm(&mut world, &link, &Act::test(&actor, link.expires_at, &ids)),
        Err(NotConfirmed)
    );
    let just = link.expires_at.plus_millis(-1);
    assert_eq!(
        confirm(&mut world, &link, &Act::test(&actor, just, &ids))
            .unwrap()
            .len(),
        1
    );
}
