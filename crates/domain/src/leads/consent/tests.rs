//! Consent: what follows from statements, in whatever order they come.

use proptest::prelude::*;
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
fn double_opt_in_counts_once_confirmed() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    assert_eq!(
        issue(&world, lead, "news", &Act::test(&actor, NOW, &Ids::new(NOW, 9))).unwrap_err(),
        Refused::NotGranted
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
        Refused::IsConfirmed
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

/// What an event about `ada@example.com` ends, as the purposes with why they ended.
fn ended(kind: &str, properties: serde_json::Value) -> Vec<(String, ContactReason)> {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let mut mail = purpose("offers", false);
    mail.channel = ConsentChannel::Email;
    let mut calls = purpose("calls", false);
    calls.channel = ConsentChannel::Phone;
    world.rules.consent_purposes = std::sync::Arc::new(vec![purpose("news", true), mail, calls]);
    let Some(ended) = Ended::of_event(kind, properties.as_object().unwrap(), None, NOW) else {
        return vec![];
    };
    let said = ended.statements(&world.rules.consent_purposes, world.consent_of(lead));
    assert!(said.iter().all(|one| one.source == Some(ConsentSource::Event)));
    let purposes: Vec<String> = said.iter().map(|one| one.purpose.clone()).collect();
    record(&mut world, lead, said, None, &Act::test(&actor, later(1), &ids));
    let ended = purposes.into_iter().map(|purpose| {
        let stands = stands(&world, lead, &purpose);
        assert_eq!((stands.allowed, stands.since), (false, Some(NOW)));
        (purpose, stands.why)
    });
    ended.collect()
}

#[test]
fn an_event_ends_the_purpose_that_it_names_else_all_of_mail() {
    use ContactReason::{Bounced, Complained, Unsubscribed};
    let all = |why| vec![("news".to_owned(), why), ("offers".to_owned(), why)];
    for (kind, properties, expected) in [
        ("email_unsubscribe", json!({}), all(Unsubscribed)),
        (
            "email_unsubscribe",
            json!({"purpose": "nobody_declared_it"}),
            all(Unsubscribed),
        ),
        ("email_unsubscribe", json!({"purpose": "<b>"}), all(Unsubscribed)),
        (
            "email_unsubscribe",
            json!({"purpose": 7, "reason": 7}),
            all(Unsubscribed),
        ),
        (
            "email_unsubscribe",
            json!({"purpose": "news"}),
            vec![("news".into(), Unsubscribed)],
        ),
        (
            "email_unsubscribe",
            json!({"purpose": "calls"}),
            vec![("calls".into(), Unsubscribed)],
        ),
        (
            "email_unsubscribe",
            json!({"reason": "Complained"}),
            all(Complained),
        ),
        ("email_bounce", json!({"bounce_type": "hard"}), all(Bounced)),
        (
            "email_bounce",
            json!({"purpose": "news", "bounce_type": "Permanent"}),
            vec![("news".into(), Bounced)],
        ),
        ("email_bounce", json!({"bounce_type": "Soft"}), vec![]),
        ("email_bounce", json!({"bounce_type": "whatever"}), vec![]),
        ("email_bounce", json!({}), vec![]),
        ("email_open", json!({"purpose": "news"}), vec![]),
        ("custom.email_unsubscribe", json!({}), vec![]),
    ] {
        assert_eq!(ended(kind, properties.clone()), expected, "{kind} {properties}");
    }
}

/// Why `ada` may be contacted at an address, by all that was said.
fn at(world: &World, lead: LeadId, purpose: &str, address: &str) -> ContactReason {
    let contacts = world
        .consent_of(lead)
        .may_contact(&world.rules.consent_purposes, Some(address));
    contacts[purpose].why
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
fn a_form_undoes_a_bounce_and_no_complaint() {
    let ids = Ids::new(NOW, 0);
    for (reason, by_form, by_partner) in [
        (
            WithdrawalReason::Bounced,
            ContactReason::Granted,
            ContactReason::Granted,
        ),
        (
            WithdrawalReason::Unsubscribed,
            ContactReason::Granted,
            ContactReason::Granted,
        ),
        (
            WithdrawalReason::Complained,
            ContactReason::Complained,
            ContactReason::Granted,
        ),
    ] {
        let (mut world, lead, actor) = given(&ids);
        let form = Actor::Form(ids.next());
        let ended = StateConsent {
            reason: Some(reason),
            ..says("calls", false)
        };
        state(&mut world, lead, ended, &Act::test(&actor, later(1), &ids)).unwrap();
        record(
            &mut world,
            lead,
            [says("calls", true)],
            None,
            &Act::test(&form, later(2), &ids),
        );
        assert_eq!(
            at(&world, lead, "calls", "ada@example.com"),
            by_form,
            "{reason:?}"
        );
        state(
            &mut world,
            lead,
            says("calls", true),
            &Act::test(&actor, later(3), &ids),
        )
        .unwrap();
        assert_eq!(
            at(&world, lead, "calls", "ada@example.com"),
            by_partner,
            "{reason:?}"
        );
    }
}

#[test]
fn nobody_grants_what_is_not_declared() {
    let ids = Ids::new(NOW, 0);
    let (mut world, lead, actor) = given(&ids);
    let act = Act::test(&actor, later(1), &ids);
    assert_eq!(
        state(&mut world, lead, says("typo", true), &act),
        Err(Refused::Undeclared)
    );
    assert_eq!(
        state(&mut world, lead, says("typo", false), &act),
        Err(Refused::Undeclared)
    );
    let refused = upsert(
        &mut world,
        &about("ada@example.com", vec![says("news", true), says("typo", true)]),
        OnConflict::Refuse,
        &act,
    );
    let Err(crate::leads::save::Refused::Invalid(faults)) = refused else {
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
        Err(Refused::Undeclared)
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
        Refused::NotGranted
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
    assert_eq!(refused, Err(Refused::Denied(Denied::NotOwner)));
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
        Refused::Denied(Denied::NotOwner)
    );
    let nobody = ids.next();
    assert_eq!(
        state(
            &mut world,
            nobody,
            says("news", true),
            &Act::test(&marketing, NOW, &ids)
        ),
        Err(Refused::NoSuchLead)
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

/// The slow and obvious way: all that was said, from the first to the last, as one who listens would remember it.
fn listened(mut facts: Vec<ConsentFact>, double_opt_in: bool) -> MayContact {
    facts.sort_by_key(|fact| (fact.stated_at, fact.state == ConsentState::Withdrawn, fact.id));
    let mut heard = MayContact {
        allowed: false,
        why: ContactReason::NeverAsked,
        since: None,
    };
    let (mut confirmed, mut complained) = (None, false);
    for fact in facts {
        if complained && fact.state == ConsentState::Granted && fact.is_by_form {
            continue;
        }
        complained = match fact.state {
            ConsentState::Withdrawn => complained || fact.reason == Some(WithdrawalReason::Complained),
            ConsentState::Disregarded => complained,
            ConsentState::Granted | ConsentState::Confirmed => false,
        };
        match fact.state {
            ConsentState::Withdrawn => {
                confirmed = None;
                let reason = match fact.reason {
                    Some(WithdrawalReason::Unsubscribed) => ContactReason::Unsubscribed,
                    Some(WithdrawalReason::Bounced) => ContactReason::Bounced,
                    Some(WithdrawalReason::Complained) => ContactReason::Complained,
                    None => ContactReason::Withdrawn,
                };
                heard = why(false, reason, fact.stated_at);
                continue;
            }
            ConsentState::Disregarded => continue,
            ConsentState::Confirmed => confirmed = Some(fact.stated_at),
            ConsentState::Granted => {}
        }
        heard = match (double_opt_in, confirmed) {
            (false, _) => why(true, ContactReason::Granted, fact.stated_at),
            (true, Some(at)) => why(true, ContactReason::Granted, at),
            (true, None) => why(false, ContactReason::NotConfirmed, fact.stated_at),
        };
    }
    heard
}

fn facts() -> impl Strategy<Value = Vec<ConsentFact>> {
    let state = prop_oneof![
        Just((ConsentState::Granted, None)),
        Just((ConsentState::Confirmed, None)),
        Just((ConsentState::Disregarded, None)),
        Just((ConsentState::Withdrawn, None)),
        Just((ConsentState::Withdrawn, Some(WithdrawalReason::Unsubscribed))),
        Just((ConsentState::Withdrawn, Some(WithdrawalReason::Complained))),
    ];
    // Few instants, so that several statements share one.
    proptest::collection::vec((state, 0..12_i64, proptest::bool::ANY), 0..24).prop_map(|drawn| {
        let ids = Ids::new(NOW, 0);
        let fact = |((state, reason), at, is_by_form)| ConsentFact {
            id: ids.next(),
            state,
            reason,
            address: None,
            is_by_form,
            stated_at: later(at),
        };
        drawn.into_iter().map(fact).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter((sent, arrived) in facts().prop_flat_map(|f| (Just(f.clone()), Just(f).prop_shuffle()))) {
        for double_opt_in in [false, true] {
            let heard = listened(sent.clone(), double_opt_in);
            prop_assert_eq!(Standing::of(sent.iter().cloned()).may_contact(double_opt_in), heard);
            prop_assert_eq!(Standing::of(arrived.iter().cloned()).may_contact(double_opt_in), heard);
        }
    }

    #[test]
    fn what_is_kept_in_another_order_stands_the_same(order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(), times in proptest::collection::vec(0..4_i64, 6)) {
        let told = |order: &[usize]| {
            let ids = Ids::new(NOW, 0);
            let (mut world, lead, actor) = given(&ids);
            for n in order {
                let said = StateConsent { stated_at: Some(later(times[*n])), ..says("calls", n % 2 == 0) };
                state(&mut world, lead, said, &Act::test(&actor, later(100), &ids)).unwrap();
            }
            stands(&world, lead, "calls")
        };
        prop_assert_eq!(told(&order), told(&[0, 1, 2, 3, 4, 5]), "ids are drawn on arrival, and decide nothing");
    }
}
