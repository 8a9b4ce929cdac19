//! Forms: origins, faults, rights and edits.

use super::*;
use crate::access::{Person, Role};
use crate::capture::FieldType;
use crate::id::Ids;
use crate::record::Happened;

fn field(name: &str, maps_to: Option<&str>) -> FormField {
    FormField {
        name: name.into(),
        label: name.into(),
        kind: FieldType::Text,
        required: false,
        maps_to: maps_to.map(Into::into),
    }
}

fn asked() -> MakeForm {
    MakeForm {
        name: "Contact".into(),
        fields: vec![field("email", Some("email"))],
        allowed_origins: vec!["https://www.example.com".into()],
        settings: FormSettings::default(),
    }
}

fn by(actor: &Actor, now: i64) -> Act {
    Act::new(actor.clone(), "req", Timestamp::from_millis(now), 0)
}

fn person(role: Role, ids: &Ids) -> Actor {
    Actor::User(Person {
        id: ids.next(),
        role,
        admin: false,
        teams: vec![],
    })
}

#[test]
fn an_origin_is_kept_as_browsers_send_it() {
    for (text, expected) in [
        ("https://www.example.com", Some("https://www.example.com")),
        ("HTTPS://WWW.Example.com:443", Some("https://www.example.com")),
        ("http://localhost:3000", Some("http://localhost:3000")),
        ("https://bücher.example", Some("https://xn--bcher-kva.example")),
        ("http://[::1]:8080", Some("http://[::1]:8080")),
        ("http://127.0.0.1", Some("http://127.0.0.1")),
        ("capacitor://localhost", Some("capacitor://localhost")),
        ("Ionic://localhost:8100", Some("ionic://localhost:8100")),
        (
            "chrome-extension://abcdefghijklmnop",
            Some("chrome-extension://abcdefghijklmnop"),
        ),
        ("1app://localhost", None),
        ("file://localhost", None),
        ("javascript:alert(1)", None),
        ("https://www.example.com/", None),
        ("https://*.example.com", None),
        ("https://user@example.com", None),
        ("https://example.com:0", None),
        ("https://example.com:", None),
        ("https://example.com:99999", None),
        ("https://", None),
        ("ftp://example.com", None),
        ("example.com", None),
        ("null", None),
        ("*", None),
    ] {
        assert_eq!(origin(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn all_that_is_wrong_with_a_form_comes_at_once() {
    let ids = Ids::new(Timestamp::from_millis(0), 0);
    let actor = person(Role::Marketing, &ids);
    let asked = MakeForm {
        fields: vec![
            field("a", Some("salary")),
            field("a", Some("custom.size")),
            field("b", Some("custom.none")),
        ],
        allowed_origins: vec!["https://a.example".into(), "https://a.example/x".into()],
        ..asked()
    };

    let beside = Beside {
        custom_names: &["size"],
        purposes: &[],
        campaign: None,
        content: None,
    };
    let refused = make_form(asked, "fk_1".into(), &beside, &by(&actor, 0));

    let Err(FormError::Invalid(faults)) = refused else {
        panic!("{refused:?}")
    };
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (fault.pointer.as_str(), fault.code))
        .collect();
    let expected = [
        ("/fields/0/maps_to", "not_allowed"),
        ("/fields/1/name", "duplicate_items"),
        ("/fields/2/maps_to", "not_allowed"),
        ("/fields", "required"),
        ("/allowed_origins/1", "invalid_format"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn forms_are_marketings() {
    let ids = Ids::new(Timestamp::from_millis(0), 0);
    for (role, may) in [
        (Role::Admin, true),
        (Role::Marketing, true),
        (Role::MarketingManager, true),
        (Role::Sales, false),
        (Role::Revops, false),
    ] {
        let actor = person(role, &ids);
        let made = make_form(asked(), "fk_1".into(), &Beside::default(), &by(&actor, 0));
        assert_eq!(made.is_ok(), may, "{role:?}");
    }
}

#[test]
fn an_edit_that_says_what_is_known_changes_nothing() {
    let ids = Ids::new(Timestamp::from_millis(0), 0);
    let actor = person(Role::Marketing, &ids);
    let later = Timestamp::from_millis(5);
    let (form, _) = make_form(asked(), "fk_1".into(), &Beside::default(), &by(&actor, 0)).unwrap();

    let edited = |archived| {
        edit_form(
            &form,
            asked(),
            archived,
            &Beside::default(),
            &by(&actor, later.millis()),
        )
    };
    assert_eq!(edited(Some(false)), Ok((form.clone(), None)));

    let Ok((form, Some(change))) = edited(Some(true)) else {
        panic!("the form was not changed")
    };
    let Happened::Edited { before, after } = change.happened else {
        panic!("the form was not edited")
    };
    assert_eq!((form.version, form.archived_at), (2, Some(later)));
    assert_eq!(
        (&before["archived"], &after["archived"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(after.len(), 1);
}

#[test]
fn settings_that_make_no_sense_are_faults() {
    let ids = Ids::new(Timestamp::from_millis(0), 0);
    let marketing = person(Role::Marketing, &ids);
    let consent = FormConsent {
        purpose: "news".into(),
        wording: "May we?".into(),
        legal_basis: crate::capture::LegalBasis::Consent,
        required: false,
        granting_values: vec![],
        unticked: crate::capture::Unticked::Nothing,
    };
    let make = |settings: FormSettings, fields: Vec<FormField>| {
        let asked = MakeForm {
            settings,
            fields,
            ..asked()
        };
        let purposes = [ConsentPurpose::plain("news")];
        let beside = Beside {
            purposes: &purposes,
            ..Beside::default()
        };
        match make_form(asked, "fk_x".into(), &beside, &by(&marketing, 0)) {
            Err(FormError::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => {
                assert!(other.is_ok(), "{other:?}");
                vec![]
            }
        }
    };
    let email = || vec![field("email", Some("email"))];
    let settings = FormSettings {
        redirect_url: Some("https://www.example.com/thanks?a=b#c".into()),
        honeypot_field: Some("website".into()),
        consent: vec![consent.clone()],
        ..FormSettings::default()
    };
    assert_eq!(make(settings, email()), [""; 0]);
    for url in [
        "/thanks",
        "javascript://x",
        "https://a@b.example/",
        "https://a.example/?token=t",
        "https://a.example/\n",
        "https://a.example\\@b.example",
    ] {
        let settings = FormSettings {
            redirect_url: Some(url.into()),
            ..FormSettings::default()
        };
        assert_eq!(make(settings, email()), ["/redirect_url"], "{url}");
    }
    let settings = FormSettings {
        honeypot_field: Some("email".into()),
        consent: vec![consent.clone(), consent.clone()],
        ..FormSettings::default()
    };
    assert_eq!(make(settings, email()), ["/honeypot_field", "/consent/1/purpose"]);
    let settings = FormSettings {
        consent: vec![FormConsent {
            granting_values: vec!["accepted".into(), "No".into()],
            ..consent
        }],
        ..FormSettings::default()
    };
    assert_eq!(make(settings, email()), ["/consent/0/granting_values/1"]);
    let reserved = vec![
        field("email", Some("email")),
        field("_test", None),
        field("_consent_x", None),
    ];
    assert_eq!(
        make(FormSettings::default(), reserved),
        ["/fields/1/name", "/fields/2/name"]
    );
}

#[test]
fn a_rotated_key_keeps_working_until_its_end() {
    let ids = Ids::new(Timestamp::from_millis(0), 0);
    let marketing = person(Role::Marketing, &ids);
    let (now, until) = (Timestamp::from_millis(5), Timestamp::from_millis(1000));
    let (form, first) = make_form(asked(), "fk_a".into(), &Beside::default(), &by(&marketing, 0)).unwrap();
    let soon = FormKey {
        expires_at: Some(Timestamp::from_millis(100)),
        ..first.clone()
    };

    let rotated = rotate_key(
        &form,
        &[first, soon],
        "fk_b".into(),
        until,
        &by(&marketing, now.millis()),
    )
    .unwrap();

    let (form, keys) = rotated;
    assert_eq!(
        (form.record.version, keys[0].key.as_str(), keys[0].expires_at),
        (2, "fk_b", None)
    );
    let ends: Vec<_> = keys[1..]
        .iter()
        .map(|key| key.expires_at.unwrap().millis())
        .collect();
    assert_eq!(ends, [1000, 100]);
    let sales = person(Role::Sales, &ids);
    assert!(rotate_key(&form.record, &[], "fk_c".into(), until, &by(&sales, 0)).is_err());
}
