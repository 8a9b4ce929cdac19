//! What ends consent: unsubscriptions, bounces and complaints.

use super::*;

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
