//! Duplicates: what speaks for one person, and what does not.

use super::*;
use crate::leads::Profile;
use crate::leads::duplicates::DuplicateChange;
use crate::leads::identity::{Identifier, Kind};
use crate::lifecycle::Stage;
use crate::world::World;
use proptest::prelude::*;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn lead(ids: &Ids, name: &str, company: Option<CompanyId>, emails: &[&str], phones: &[&str]) -> Lead {
    let identifier = |ids: &Ids, kind, value: &str, position| Identifier {
        id: ids.next(),
        kind,
        system: String::new(),
        value: value.to_owned(),
        source: crate::leads::fields::Source::Api,
        position,
        created_at: NOW,
    };
    let mut identifiers = vec![];
    for (kind, values) in [(Kind::Email, emails), (Kind::Phone, phones)] {
        for (position, value) in values.iter().enumerate() {
            identifiers.push(identifier(ids, kind, value, position as i64));
        }
    }
    let names = [LeadField::FirstName, LeadField::LastName]
        .into_iter()
        .zip(name.split(' '));
    let text = names
        .filter(|(_, name)| !name.is_empty())
        .map(|(field, name)| (field, name.to_owned()));
    Lead {
        id: ids.next(),
        version: 1,
        derived: 0,
        stage: Stage::Lead,
        stage_since: NOW,
        came_from: None,
        cycle: 1,
        owner_id: None,
        previous_owner_id: None,
        nurture_until: None,
        identifiers,
        profile: Profile {
            text: text.collect(),
            ..Profile::default()
        },
        company_id: company,
        first_touch: None,
        last_touch: None,
        last_non_direct_touch: None,
        lead_touch: None,
        last_activity_at: None,
        returned_at: None,
        archived_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn found(leads: &[Lead]) -> Found {
    find(
        &leads.iter().map(|lead| lead.id).collect(),
        leads,
        &BTreeSet::new(),
    )
}

fn reasons(one: Lead, other: Lead) -> Vec<Reason> {
    let found = found(&[one, other]);
    found.into_values().flatten().collect()
}

#[test]
fn what_two_leads_share_speaks_for_one_person() {
    let ids = &Ids::new(NOW, 0);
    let (acme, other) = (Some(ids.next()), Some(ids.next()));
    use Reason::*;
    for (one, two, expected) in [
        (
            lead(ids, "", None, &["a@x.ch"], &["+3902123456"]),
            lead(ids, "", None, &["b@y.ch"], &["+3902123456"]),
            vec![SamePhone],
        ),
        (
            lead(ids, "Ada Lovelace", acme, &["a@x.ch"], &[]),
            lead(ids, "ADA Lovelacé", acme, &["b@y.ch"], &[]),
            vec![SameNameAndCompany],
        ),
        (
            lead(ids, "Ada Lovelace", acme, &[], &["+3902123456"]),
            lead(ids, "Ada Lovelace", other, &[], &["+3902123456"]),
            vec![SamePhone, SameName],
        ),
        (
            lead(ids, "Ada Lovelace", acme, &[], &["+3902123456"]),
            lead(ids, "Ada Lovelace", acme, &[], &["+3902123456"]),
            vec![SamePhone, SameNameAndCompany],
        ),
        // The same name alone, and half a name, are nothing.
        (
            lead(ids, "Ada Lovelace", acme, &["a@x.ch"], &[]),
            lead(ids, "Ada Lovelace", other, &["b@y.ch"], &[]),
            vec![],
        ),
        (
            lead(ids, "Ada Lovelace", None, &["a@x.ch"], &[]),
            lead(ids, "Ada Lovelace", None, &["b@y.ch"], &[]),
            vec![],
        ),
        (
            lead(ids, "Ada", acme, &["a@x.ch"], &[]),
            lead(ids, "Ada", acme, &["b@y.ch"], &[]),
            vec![],
        ),
        (
            lead(ids, "", acme, &["a@x.ch"], &[]),
            lead(ids, "", acme, &["b@y.ch"], &[]),
            vec![],
        ),
        // One slip in the domain.
        (
            lead(ids, "", None, &["ada@gmail.com"], &[]),
            lead(ids, "", None, &["ada@gmial.com"], &[]),
            vec![EmailTypo],
        ),
        (
            lead(ids, "", None, &["ada@gmail.com"], &[]),
            lead(ids, "", None, &["x@y.ch", "ada@gmail.con"], &[]),
            vec![EmailTypo],
        ),
        (
            lead(ids, "", None, &["ada@hotmail.com"], &[]),
            lead(ids, "", None, &["ada@hotmal.com"], &[]),
            vec![EmailTypo],
        ),
        (
            lead(ids, "", None, &["ada@example.com"], &[]),
            lead(ids, "", None, &["ada@examplee.com"], &[]),
            vec![EmailTypo],
        ),
        // Another person, two providers, an office, short names, two slips.
        (
            lead(ids, "", None, &["ada@gmail.com"], &[]),
            lead(ids, "", None, &["bob@gmial.com"], &[]),
            vec![],
        ),
        (
            lead(ids, "", None, &["ada@yahoo.de"], &[]),
            lead(ids, "", None, &["ada@yahoo.es"], &[]),
            vec![],
        ),
        (
            lead(ids, "", None, &["info@example.com"], &[]),
            lead(ids, "", None, &["info@exanple.com"], &[]),
            vec![],
        ),
        (
            lead(ids, "", None, &["ada@abc.ch"], &[]),
            lead(ids, "", None, &["ada@abd.ch"], &[]),
            vec![],
        ),
        (
            lead(ids, "", None, &["ada@gmail.com"], &[]),
            lead(ids, "", None, &["ada@gnial.com"], &[]),
            vec![],
        ),
    ] {
        let names = format!("{one:?} {two:?}");
        assert_eq!(reasons(one, two), expected, "{names}");
    }
}

#[test]
fn a_switchboard_makes_nobody_one_person() {
    let ids = &Ids::new(NOW, 0);
    let leads: Vec<Lead> = (0..6)
        .map(|_| lead(ids, "", None, &[], &["+3902123456"]))
        .collect();

    assert_eq!(found(&leads), Found::new());
    assert_eq!(found(&leads[1..]).len(), 10);
    // Of the holders only some are among the leads that are compared.
    let switchboards = BTreeSet::from(["+3902123456".to_owned()]);
    let changed = leads.iter().map(|lead| lead.id).collect();
    assert_eq!(find(&changed, &leads[..2], &switchboards), Found::new());
}

#[test]
fn a_name_that_fills_a_company_makes_nobody_one_person() {
    let ids = &Ids::new(NOW, 0);
    let firm = Some(ids.next());
    let leads: Vec<Lead> = (0..=MOST_NAMESAKES)
        .map(|_| lead(ids, "Test Test", firm, &[], &[]))
        .collect();

    assert_eq!(found(&leads), Found::new());
    assert_eq!(found(&leads[1..]).len(), 190);
}

#[test]
fn a_name_before_the_at_that_very_many_share_makes_nobody_one_person() {
    let ids = &Ids::new(NOW, 0);
    let mut leads: Vec<Lead> = (2..MOST_ALIKE)
        .map(|n| lead(ids, "", None, &[&format!("john@firm-of-{n}-people.example")], &[]))
        .collect();
    leads.push(lead(ids, "", None, &["john@gmail.com"], &[]));
    leads.push(lead(ids, "", None, &["john@gmial.com"], &[]));
    let changed = |lead: &Lead| BTreeSet::from([lead.id]);
    let of = |changed: BTreeSet<LeadId>, leads: &[Lead]| find(&changed, leads, &BTreeSet::new());

    let pair = (leads[leads.len() - 2].id, leads[leads.len() - 1].id);
    let typo = BTreeSet::from([Reason::EmailTypo]);
    let found = of(changed(&leads[leads.len() - 1]), &leads);
    assert_eq!(found.get(&pair), Some(&typo));
    assert!(found.keys().all(|(one, other)| [*one, *other].contains(&pair.1)));
    leads.push(lead(ids, "", None, &["john@one.more.example"], &[]));
    assert_eq!(of(changed(&leads[leads.len() - 2]), &leads), Found::new());
}

#[test]
fn more_reasons_make_it_more_likely_and_never_certain() {
    let of = |reasons: &[Reason]| confidence(&reasons.iter().copied().collect());
    use Reason::*;

    assert_eq!(of(&[SamePhone]), 50);
    assert_eq!(of(&[SamePhone, SameName]), 80);
    assert_eq!(of(&[SamePhone, SameNameAndCompany, EmailTypo]), 97);
    assert!(of(&[SamePhone, SameNameAndCompany, EmailTypo, SameName]) <= 99);
}

#[test]
fn a_suggestion_follows_the_leads_until_somebody_dismisses_it() {
    let ids = &Ids::new(NOW, 0);
    let leads = (ids.next(), ids.next());
    let because = |reason| Found::from([(leads, BTreeSet::from([reason]))]);
    let only = |changes: Vec<DuplicateChange>| match <[DuplicateChange; 1]>::try_from(changes) {
        Ok(
            [
                DuplicateChange::Suggested(one)
                | DuplicateChange::Withdrawn(one)
                | DuplicateChange::Dismissed(one),
            ],
        ) => one,
        other => panic!("{other:?}"),
    };

    let first = only(settle(
        vec![],
        because(Reason::SamePhone),
        &BTreeSet::new(),
        NOW,
        ids,
    ));
    assert_eq!(
        settle(
            vec![first.clone()],
            because(Reason::SamePhone),
            &BTreeSet::new(),
            NOW,
            ids
        ),
        []
    );
    let other = only(settle(
        vec![first.clone()],
        because(Reason::EmailTypo),
        &BTreeSet::new(),
        NOW,
        ids,
    ));
    assert_eq!(
        (other.id, other.version, other.state),
        (first.id, 2, DuplicateState::Open)
    );
    let gone = only(settle(vec![other], Found::new(), &BTreeSet::new(), NOW, ids));
    assert_eq!((gone.state, gone.reasons.len()), (DuplicateState::Withdrawn, 1));
    let back = only(settle(
        vec![gone],
        because(Reason::EmailTypo),
        &BTreeSet::new(),
        NOW,
        ids,
    ));
    assert_eq!((back.state, back.version), (DuplicateState::Open, 4));

    let dismissed = only(
        dismiss(&back, &Actor::System("test"), NOW)
            .unwrap()
            .into_iter()
            .collect(),
    );
    assert_eq!(dismiss(&dismissed, &Actor::System("test"), NOW), Ok(None));
    assert_eq!(
        settle(
            vec![dismissed],
            because(Reason::SamePhone),
            &BTreeSet::new(),
            NOW,
            ids
        ),
        []
    );
    assert_eq!(json!(Reason::SameNameAndCompany), "same_name_and_company");
}

#[test]
fn leads_that_a_refused_statement_names_stay_suggested() {
    let ids = &Ids::new(NOW, 0);
    let mut world = World::provisional();
    let leads: Vec<LeadId> = (0..4)
        .map(|n| {
            let mut one = lead(ids, "", None, &[], &[]);
            one.archived_at = (n == 3).then_some(NOW);
            world.add_lead(one.clone(), None);
            one.id
        })
        .collect();
    let (a, b, c) = (leads[0], leads[1], leads[2]);
    let told = named_as_one(&world, &[vec![b, c, a], vec![a, leads[3]], vec![]]);
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), [(a, b), (a, c)]);

    let first = suggest(vec![], Found::from_iter(told.into_iter().take(1)), NOW, ids);
    let [DuplicateChange::Suggested(first)] = &first[..] else {
        panic!("{first:?}");
    };
    let conflict = BTreeSet::from([Reason::IdentifiersConflict]);
    assert_eq!(
        (&first.reasons, first.state, confidence(&first.reasons)),
        (&conflict, DuplicateState::Open, 90)
    );
    let again = || Found::from([((a, b), conflict.clone())]);
    assert_eq!(
        suggest(vec![first.clone()], again(), NOW, ids),
        [],
        "twice is once"
    );

    let nobody = BTreeSet::new();
    let compared = |known: &Duplicate, away: &BTreeSet<LeadId>, found| {
        settle(vec![known.clone()], found, away, NOW, &Ids::new(NOW, 1))
    };
    assert_eq!(
        compared(first, &nobody, Found::new()),
        [],
        "no comparison finds it"
    );
    let phone = Found::from([((a, b), BTreeSet::from([Reason::SamePhone]))]);
    let both = compared(first, &nobody, phone);
    let [DuplicateChange::Suggested(both)] = &both[..] else {
        panic!("{both:?}");
    };
    assert_eq!(
        both.reasons,
        BTreeSet::from([Reason::SamePhone, Reason::IdentifiersConflict])
    );
    let gone = compared(both, &BTreeSet::from([b]), Found::new());
    let [DuplicateChange::Withdrawn(gone)] = &gone[..] else {
        panic!("{gone:?}");
    };
    let back = compared(gone, &nobody, Found::new());
    let [DuplicateChange::Suggested(back)] = &back[..] else {
        panic!("{back:?}");
    };
    assert_eq!((&back.reasons, back.version), (&conflict, 4));
    let told_again = suggest(vec![gone.clone()], again(), NOW, ids);
    let [DuplicateChange::Suggested(told_again)] = &told_again[..] else {
        panic!("{told_again:?}");
    };
    assert_eq!(told_again.reasons, conflict);

    let Ok(Some(DuplicateChange::Dismissed(two))) = dismiss(back, &Actor::System("test"), NOW) else {
        panic!("not dismissed");
    };
    assert_eq!(suggest(vec![two], again(), NOW, ids), [], "they are two");
}

/// Optimal string alignment, written down from its definition.
fn distance(one: &[u8], other: &[u8]) -> usize {
    match (one, other) {
        ([], rest) | (rest, []) => rest.len(),
        ([a, one_rest @ ..], [b, other_rest @ ..]) => {
            let mut best = distance(one_rest, other_rest) + usize::from(a != b);
            best = best
                .min(distance(one_rest, other) + 1)
                .min(distance(one, other_rest) + 1);
            if let ([a, b, one_rest @ ..], [c, d, other_rest @ ..]) = (one, other)
                && (a, b) == (d, c)
            {
                best = best.min(distance(one_rest, other_rest) + 1);
            }
            best
        }
    }
}

proptest! {
    #[test]
    fn one_slip_is_a_distance_of_one(one in "[ab.]{0,5}", other in "[ab.]{0,5}") {
        let slow = distance(one.as_bytes(), other.as_bytes());
        if one != other {
            prop_assert_eq!(is_one_slip(&one, &other), slow == 1, "{} {}", one, other);
        }
    }
}
