//! Consent: what follows from statements.

mod events;
mod links;
mod order;
mod upserts;

use serde_json::json;

use super::*;
use crate::access::{Person, Role};
use crate::id::Ids;
use crate::leads::change::LeadChange;
use crate::leads::identity::Email;
use crate::leads::save::{OnConflict, Statement, upsert};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: i64 = 24 * 3_600_000;

fn later(millis: i64) -> Timestamp {
    NOW.plus_millis(millis)
}

fn partner(ids: &Ids) -> Actor {
    Actor::Key {
        id: ids.next(),
        on_behalf_of: None,
    }
}

fn says(purpose: &str, granted: bool) -> StateConsent {
    StateConsent {
        purpose: purpose.into(),
        address: None,
        granted,
        reason: None,
        wording: Some("News?".into()),
        legal_basis: None,
        source: None,
        stated_at: None,
    }
}

fn purpose(name: &str, double_opt_in: bool) -> ConsentPurpose {
    ConsentPurpose {
        double_opt_in,
        ..ConsentPurpose::plain(name)
    }
}

fn about(email: &str, consents: Vec<StateConsent>) -> Statement {
    Statement {
        emails: vec![Email::parse(email).unwrap()],
        consents,
        ..Statement::default()
    }
}

/// A world with one lead.
fn given(ids: &Ids) -> (World, LeadId, Actor) {
    let (mut world, actor) = (World::provisional(), partner(ids));
    world.rules.consent_purposes = std::sync::Arc::new(vec![purpose("news", true), purpose("calls", false)]);
    let said = about("ada@example.com", vec![]);
    let saved = upsert(
        &mut world,
        &said,
        OnConflict::Refuse,
        &Act::test(&actor, NOW, ids),
    )
    .unwrap();
    (world, saved.lead_id, actor)
}

fn stands(world: &World, lead_id: LeadId, purpose: &str) -> MayContact {
    let address = world.leads[&lead_id].email();
    let contacts = world
        .consent_of(lead_id)
        .may_contact(&world.rules.consent_purposes, address);
    contacts.get(purpose).copied().unwrap_or(MayContact {
        allowed: false,
        why: ContactReason::NeverAsked,
        since: None,
    })
}

fn why(allowed: bool, why: ContactReason, since: Timestamp) -> MayContact {
    MayContact {
        allowed,
        why,
        since: Some(since),
    }
}

/// Why `ada` may be contacted at an address, by all statements.
fn at(world: &World, lead: LeadId, purpose: &str, address: &str) -> ContactReason {
    let contacts = world
        .consent_of(lead)
        .may_contact(&world.rules.consent_purposes, Some(address));
    contacts[purpose].why
}

#[test]
fn the_newest_statement_of_a_purpose_counts() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    assert_eq!(stands(&world, lead, "calls").why, ContactReason::NeverAsked);

    let granted = state(
        &mut world,
        lead,
        says("calls", true),
        &Act::test(&actor, later(5), &ids),
    )
    .unwrap();
    assert_eq!(
        stands(&world, lead, "calls"),
        why(true, ContactReason::Granted, later(5))
    );
    assert_eq!(stands(&world, lead, "news").why, ContactReason::NeverAsked);

    let late = StateConsent {
        stated_at: Some(later(2)),
        ..says("calls", false)
    };
    state(&mut world, lead, late, &Act::test(&actor, later(9), &ids)).unwrap();
    assert!(
        stands(&world, lead, "calls").allowed,
        "what was said before comes before"
    );
    state(
        &mut world,
        lead,
        says("calls", false),
        &Act::test(&actor, later(9), &ids),
    )
    .unwrap();
    assert_eq!(
        stands(&world, lead, "calls"),
        why(false, ContactReason::Withdrawn, later(9))
    );

    let [Change::Lead(LeadChange::ConsentStated { lead: row, statement })] = &granted[..] else {
        panic!("{granted:?}")
    };
    assert_eq!((row.version, row.updated_at), (2, later(5)));
    assert_eq!(
        (statement.source, statement.by.as_str()),
        (ConsentSource::Api, actor.id().as_str())
    );
    let entry = granted[0].entry().unwrap();
    assert_eq!((&*entry.kind, entry.lead_id), ("consent.granted", Some(lead)));
    assert!(
        !json!(entry.data).to_string().contains("News?"),
        "the journal knows no wording"
    );
}

#[test]
fn what_is_said_now_comes_after_what_another_clock_said() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    state(
        &mut world,
        lead,
        says("calls", true),
        &Act::test(&actor, later(2000), &ids),
    )
    .unwrap();
    state(
        &mut world,
        lead,
        says("calls", false),
        &Act::test(&actor, later(5), &ids),
    )
    .unwrap();
    assert_eq!(
        stands(&world, lead, "calls"),
        why(false, ContactReason::Withdrawn, later(2001))
    );
}

#[test]
fn a_future_instant_counts_as_now() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let ahead = StateConsent {
        stated_at: Some(later(DAY)),
        ..says("calls", true)
    };
    state(&mut world, lead, ahead, &Act::test(&actor, later(5), &ids)).unwrap();
    assert_eq!(stands(&world, lead, "calls").since, Some(later(5)));
}

#[test]
fn consent_belongs_to_the_address() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let (old, new) = ("ada@example.com", "ada@work.example");
    let say = |world: &mut World, said, at| {
        state(world, lead, said, &Act::test(&actor, later(at), &ids)).unwrap();
    };
    say(&mut world, says("news", true), 1);
    say(&mut world, says("calls", true), 1);
    let act = Act::test(&Actor::System("test"), later(2), &Ids::new(later(2), 9));
    let (link, _) = issue(&world, lead, "news", &act).unwrap();
    assert_eq!(link.address.as_deref(), Some(old));
    confirm(&mut world, &link, &act).unwrap();
    assert_eq!(at(&world, lead, "news", old), ContactReason::Granted);
    assert_eq!(
        at(&world, lead, "news", new),
        ContactReason::NeverAsked,
        "nothing is carried over"
    );

    let granted = StateConsent {
        address: Email::parse(new).ok(),
        ..says("news", true)
    };
    say(&mut world, granted, 3);
    assert_eq!(at(&world, lead, "news", new), ContactReason::NotConfirmed);
    let bounced = StateConsent {
        reason: Some(WithdrawalReason::Bounced),
        ..says("calls", false)
    };
    say(&mut world, bounced, 4);
    assert_eq!(
        at(&world, lead, "news", old),
        ContactReason::Bounced,
        "it takes no mail whatever for"
    );
    assert_eq!(
        at(&world, lead, "news", new),
        ContactReason::NotConfirmed,
        "another address does"
    );
    let said = world.consent_of(lead);
    let bars = |address| said.bars_mail(&world.rules.consent_purposes, Some(address));
    assert_eq!((bars(old), bars(new)), (true, false));

    // A purpose of another channel is about the person.
    let mut calls = purpose("calls", false);
    calls.channel = ConsentChannel::Phone;
    world.rules.consent_purposes = std::sync::Arc::new(vec![purpose("news", true), calls]);
    say(&mut world, says("calls", true), 5);
    assert_eq!(at(&world, lead, "calls", new), ContactReason::Granted);
    assert_eq!(
        at(&world, lead, "news", old),
        ContactReason::Granted,
        "a call bars no mail"
    );
}

#[test]
fn nobody_grants_what_is_not_declared() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let act = Act::test(&actor, later(1), &ids);
    assert_eq!(
        state(&mut world, lead, says("typo", true), &act),
        Err(ConsentError::Undeclared)
    );
    assert_eq!(
        state(&mut world, lead, says("typo", false), &act),
        Err(ConsentError::Undeclared)
    );
    let refused = upsert(
        &mut world,
        &about("ada@example.com", vec![says("news", true), says("typo", true)]),
        OnConflict::Refuse,
        &act,
    );
    let Err(crate::leads::save::SaveError::Invalid(faults)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (faults.len(), faults[0].pointer.as_str()),
        (1, "/consents/1/purpose")
    );
    // What was declared once can still be withdrawn.
    state(&mut world, lead, says("calls", true), &act).unwrap();
    world.rules.consent_purposes = std::sync::Arc::new(vec![]);
    assert_eq!(
        state(&mut world, lead, says("calls", true), &act),
        Err(ConsentError::Undeclared)
    );
    state(
        &mut world,
        lead,
        says("calls", false),
        &Act::test(&actor, later(2), &ids),
    )
    .unwrap();
    assert_eq!(
        at(&world, lead, "calls", "ada@example.com"),
        ContactReason::Withdrawn
    );
}

#[test]
fn only_who_may_write_the_lead_states_its_consent() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, _) = given(&ids);
    let person = |role, ids: &Ids| {
        Actor::User(Person {
            id: ids.next(),
            role,
            admin: false,
            teams: vec![],
        })
    };
    let owner: crate::id::UserId = ids.next();
    world.leads.get_mut(&lead).unwrap().owner_id = Some(owner);
    let sales = person(Role::Sales, &ids);
    let refused = state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&sales, NOW, &ids),
    );
    assert_eq!(refused, Err(ConsentError::Denied(Denied::NotOwner)));
    let marketing = person(Role::Marketing, &ids);
    state(
        &mut world,
        lead,
        says("news", true),
        &Act::test(&marketing, NOW, &ids),
    )
    .unwrap();
    assert_eq!(
        issue(&world, lead, "news", &Act::test(&sales, NOW, &Ids::new(NOW, 9))).unwrap_err(),
        ConsentError::Denied(Denied::NotOwner)
    );
    let nobody = ids.next();
    assert_eq!(
        state(
            &mut world,
            nobody,
            says("news", true),
            &Act::test(&marketing, NOW, &ids)
        ),
        Err(ConsentError::NoSuchLead)
    );
}

#[test]
fn a_purpose_lends_its_legal_basis() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let mut calls = purpose("calls", false);
    calls.legal_basis_default = Some(LegalBasis::LegitimateInterests);
    world.rules.consent_purposes = std::sync::Arc::new(vec![calls, purpose("other", false)]);
    let mut basis = |said| match &state(&mut world, lead, said, &Act::test(&actor, NOW, &ids)).unwrap()[..] {
        [Change::Lead(LeadChange::ConsentStated { statement, .. })] => statement.legal_basis,
        other => panic!("{other:?}"),
    };
    assert_eq!(basis(says("calls", true)), Some(LegalBasis::LegitimateInterests));
    assert_eq!(basis(says("other", true)), None);
    let own = StateConsent {
        legal_basis: Some(LegalBasis::Contract),
        ..says("calls", true)
    };
    assert_eq!(basis(own), Some(LegalBasis::Contract));
}

#[test]
fn a_name_declared_twice_is_found() {
    let purposes = [purpose("a", true), purpose("b", false), purpose("a", false)];
    assert_eq!(purpose_faults(&purposes), [2]);
    for (text, is_one) in [
        ("news", true),
        ("a1_b", true),
        ("", false),
        ("1a", false),
        ("A", false),
        ("a b", false),
    ] {
        assert_eq!(is_purpose(text), is_one, "{text}");
    }
    assert!(!is_purpose(&"a".repeat(65)));
}
