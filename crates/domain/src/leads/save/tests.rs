//! Statements about leads: who is found, what is stored, what is shown.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::access::{Actor, Person};
use crate::id::Ids;
use crate::leads::change::LeadChange;
use crate::leads::custom::{CustomField, CustomType};
use crate::leads::fields::{About, winner};
use crate::leads::identity::Kind;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000 + millis)
}

fn key(ids: &Ids) -> Actor {
    Actor::Key {
        id: ids.next(),
        on_behalf_of: None,
    }
}

fn user(ids: &Ids) -> Actor {
    Actor::User(Person {
        id: ids.next(),
        role: Role::Marketing,
        admin: false,
        teams: vec![],
    })
}

fn about(email: &str) -> Statement {
    Statement {
        emails: vec![Email::parse(email).unwrap()],
        ..Statement::default()
    }
}

fn named(email: &str, first: &str) -> Statement {
    Statement {
        text: BTreeMap::from([(LeadField::FirstName, Some(first.to_owned()))]),
        ..about(email)
    }
}

fn put(world: &mut World, said: &Statement, actor: &Actor, now: i64, ids: &Ids) -> Result<Saved, SaveError> {
    upsert(world, said, OnConflict::Refuse, &Act::test(actor, at(now), ids))
}

#[test]
fn the_same_statement_twice_changes_nothing() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let said = Statement {
        external_ids: vec![("crm".into(), "7".into())],
        ..named("ada@example.com", "Ada")
    };
    let first = put(&mut world, &said, &partner, 0, &ids).unwrap();
    let second = put(&mut world, &said, &partner, 5, &ids).unwrap();
    assert!(first.created && !second.created);
    assert_eq!((first.lead_id, second.changes), (second.lead_id, vec![]));
    assert_eq!(world.leads[&first.lead_id].version, 1);
}

#[test]
fn what_was_said_of_a_day_is_known_also_under_what_came_later() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let dated = |first: &str, day: i64| Statement {
        observed_at: Some(at(day)),
        ..named("ada@example.com", first)
    };
    let mut changed = |said: &Statement, now| {
        let saved = put(&mut world, said, &partner, now, &ids).unwrap();
        let shown = world.leads[&saved.lead_id].profile.get(LeadField::FirstName);
        (saved.changes.len(), shown.map(str::to_owned))
    };
    let shown = |name: &str| Some(name.to_owned());
    changed(&dated("Ada", 1), 10);
    changed(&named("ada@example.com", "Countess"), 11);
    assert_eq!(changed(&dated("Ada", 1), 12), (0, shown("Countess")));
    assert_eq!(changed(&dated("Adah", 2), 13), (1, shown("Countess")));
    assert_eq!(changed(&dated("Adah", 2), 14), (0, shown("Countess")));
    assert_eq!(changed(&dated("Ada", 1), 15), (0, shown("Countess")));
    // A value that is stated now replaces the shown one, even if it was stated before.
    assert_eq!(changed(&named("ada@example.com", "Ada"), 16).1, shown("Ada"));
    assert_eq!(
        changed(&named("ada@example.com", "Countess"), 16).1,
        shown("Countess")
    );
    assert_eq!(changed(&named("ada@example.com", "Ada"), 16).1, shown("Ada"));
}

#[test]
fn an_email_speaks_of_a_company_where_nobody_else_does() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let (partner, person) = (key(&ids), user(&ids));
    let mut saved = |said: &Statement, actor: &Actor, now| {
        let saved = put(&mut world, said, actor, now, &ids).unwrap();
        let company = world.leads[&saved.lead_id].company_id;
        let domain = company.map(|id| world.companies[&id].domain.clone());
        (domain, world.companies.len())
    };
    let firm = |domain: &str| Some(Some(domain.to_owned()));
    assert_eq!(saved(&about("ada@gmail.com"), &partner, 0), (None, 0));
    assert_eq!(
        saved(&about("ada@mail.firm.example"), &partner, 0),
        (firm("firm.example"), 1)
    );
    assert_eq!(
        saved(&about("bob@firm.example"), &person, 1),
        (firm("firm.example"), 1)
    );
    let nothing_said = Statement {
        company: Some(CompanyStatement::default()),
        ..about("eve@other.example")
    };
    assert_eq!(saved(&nothing_said, &person, 2), (None, 1));
    assert_eq!(
        saved(&about("eve@other.example"), &partner, 3),
        (firm("other.example"), 2)
    );
    // Who has a company keeps it, whatever else the person uses.
    let more = Statement {
        external_ids: vec![("crm".into(), "7".into())],
        ..about("ada@mail.firm.example")
    };
    saved(&more, &partner, 4);
    let elsewhere = Statement {
        external_ids: vec![("crm".into(), "7".into())],
        ..about("ada@third.example")
    };
    assert_eq!(saved(&elsewhere, &partner, 5), (firm("firm.example"), 2));
}

#[test]
fn who_was_taken_out_of_a_company_by_hand_stays_out() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let person = user(&ids);
    let said = about("ada@firm.example");
    let lead_id = put(&mut world, &said, &person, 0, &ids).unwrap().lead_id;
    let stated = &world.statements[&(About::Lead(lead_id), "company_id".to_owned())];
    assert!(stated.by_hand.is_none(), "nobody typed it");
    let out = Edit {
        company: Some(None),
        ..Edit::default()
    };
    edit(&mut world, lead_id, &out, &Act::test(&person, at(1), &ids)).unwrap();
    assert_eq!(world.leads[&lead_id].company_id, None);
    for actor in [key(&ids), person] {
        let again = put(&mut world, &said, &actor, 2, &ids).unwrap();
        assert_eq!((again.changes, world.leads[&lead_id].company_id), (vec![], None));
    }
}

#[test]
fn an_external_id_finds_the_lead_and_a_new_email_is_added() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let external = |email| Statement {
        external_ids: vec![("crm".into(), "7".into())],
        ..about(email)
    };
    let first = put(&mut world, &external("ada@example.com"), &partner, 0, &ids).unwrap();
    let second = put(&mut world, &external("ada@example.org"), &partner, 1, &ids).unwrap();
    assert_eq!(first.lead_id, second.lead_id);
    let lead = &world.leads[&first.lead_id];
    let emails: Vec<&str> = lead.of_kind(Kind::Email).map(|one| one.value.as_str()).collect();
    assert_eq!(
        (emails, lead.version),
        (vec!["ada@example.com", "ada@example.org"], 2)
    );
}

#[test]
fn identifiers_of_two_leads_are_a_conflict_that_names_both() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let a = put(&mut world, &about("a@example.com"), &partner, 0, &ids)
        .unwrap()
        .lead_id;
    let b = put(&mut world, &about("b@example.com"), &partner, 0, &ids)
        .unwrap()
        .lead_id;
    let both = Statement {
        id: Some(a),
        ..about("b@example.com")
    };
    let mut named = vec![a, b];
    named.sort_unstable();
    assert_eq!(
        put(&mut world, &both, &partner, 1, &ids),
        Err(SaveError::IdentifiersConflict(named))
    );
}

#[test]
fn a_phone_finds_a_lead_only_alone_and_only_if_nobody_shares_it() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let phone = Phone::parse("+39 02 1234567").unwrap();
    let call = Statement {
        phones: vec![phone.clone()],
        ..Statement::default()
    };
    let a = put(&mut world, &call, &partner, 0, &ids).unwrap();
    assert!(!put(&mut world, &call, &partner, 1, &ids).unwrap().created);
    let colleague = Statement {
        phones: vec![phone],
        ..about("b@example.com")
    };
    let b = put(&mut world, &colleague, &partner, 2, &ids).unwrap();
    assert!(a.created && b.created && a.lead_id != b.lead_id);
    assert!(put(&mut world, &call, &partner, 3, &ids).unwrap().created);
}

#[test]
fn what_a_user_typed_wins_over_what_a_partner_says_later() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let (partner, person) = (key(&ids), user(&ids));
    let id = put(&mut world, &named("ada@example.com", "Ada"), &person, 0, &ids)
        .unwrap()
        .lead_id;
    let later = put(&mut world, &named("ada@example.com", "Adele"), &partner, 9, &ids).unwrap();
    assert_eq!(world.leads[&id].profile.get(LeadField::FirstName), Some("Ada"));
    assert!(
        matches!(later.changes[..], [Change::Lead(LeadChange::FieldStated(_))]),
        "the statement is kept all the same"
    );
    let blank = Statement {
        text: BTreeMap::from([(LeadField::FirstName, None)]),
        ..about("ada@example.com")
    };
    put(&mut world, &blank, &partner, 10, &ids).unwrap();
    assert_eq!(world.leads[&id].profile.get(LeadField::FirstName), Some("Ada"));
    put(&mut world, &blank, &person, 11, &ids).unwrap();
    assert_eq!(world.leads[&id].profile.get(LeadField::FirstName), None);
}

#[test]
fn custom_fields_must_be_declared_and_fit() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let declared = CustomField {
        name: "seats".into(),
        label: "Seats".into(),
        kind: CustomType::Integer,
        options: vec![],
    };
    world.rules.custom_fields = vec![declared];
    let custom = |name: &str, value| Statement {
        custom: BTreeMap::from([(name.into(), value)]),
        ..about("a@example.com")
    };
    for (said, code) in [
        (custom("nix", json!(1)), "unknown_field"),
        (custom("seats", json!("1")), "invalid_value"),
    ] {
        let Err(SaveError::Invalid(faults)) = put(&mut world, &said, &partner, 0, &ids) else {
            panic!()
        };
        assert_eq!(faults[0].code, code);
    }
    assert!(world.leads.is_empty());
    let id = put(&mut world, &custom("seats", json!(3)), &partner, 0, &ids)
        .unwrap()
        .lead_id;
    assert_eq!(world.leads[&id].profile.custom["seats"], json!(3));
}

#[test]
fn a_company_is_found_by_its_domain_and_shared() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let at_company = |email, name: &str| {
        let text = BTreeMap::from([(CompanyField::Name, Some(name.to_owned()))]);
        let company = CompanyStatement {
            domain: Domain::parse("example.com").ok(),
            text,
            employees: Some(Some(12)),
            ..CompanyStatement::default()
        };
        Statement {
            company: Some(company),
            ..about(email)
        }
    };
    let a = put(
        &mut world,
        &at_company("a@example.com", "Example"),
        &partner,
        0,
        &ids,
    )
    .unwrap()
    .lead_id;
    let b = put(
        &mut world,
        &at_company("b@example.com", "Example Ltd"),
        &partner,
        1,
        &ids,
    )
    .unwrap()
    .lead_id;
    let company = world.leads[&a].company_id.unwrap();
    assert_eq!(
        (world.leads[&b].company_id, world.companies.len()),
        (Some(company), 1)
    );
    let company = &world.companies[&company];
    assert_eq!(
        (company.name(), company.employees, company.version),
        (Some("Example Ltd"), Some(12), 2)
    );
}

#[test]
fn a_patch_sets_the_primary_email_and_may_not_take_another_leads() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let person = user(&ids);
    let a = put(&mut world, &about("a@example.com"), &person, 0, &ids)
        .unwrap()
        .lead_id;
    let b = put(&mut world, &about("b@example.com"), &person, 0, &ids)
        .unwrap()
        .lead_id;
    let primary = |email: &str| Edit {
        email: Email::parse(email).ok(),
        ..Edit::default()
    };
    let taken = edit(
        &mut world,
        a,
        &primary("b@example.com"),
        &Act::test(&person, at(1), &ids),
    );
    let mut both = vec![a, b];
    both.sort_unstable();
    assert_eq!(taken, Err(SaveError::IdentifiersConflict(both)));
    edit(
        &mut world,
        a,
        &primary("c@example.com"),
        &Act::test(&person, at(2), &ids),
    )
    .unwrap();
    let lead = &world.leads[&a];
    assert_eq!(
        (lead.email(), lead.of_kind(Kind::Email).count(), lead.version),
        (Some("c@example.com"), 2, 2)
    );
    let nobody = Edit {
        emails: Some(vec![]),
        ..Edit::default()
    };
    assert_eq!(
        edit(&mut world, a, &nobody, &Act::test(&person, at(3), &ids)),
        Err(SaveError::NoIdentifier)
    );
}

#[test]
fn a_lead_has_at_most_fifty_identifiers_of_a_kind_from_the_beginning() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let many = |n: usize| Statement {
        emails: (0..n)
            .map(|i| Email::parse(&format!("a{i}@example.com")).unwrap())
            .collect(),
        ..Statement::default()
    };
    let refused = put(&mut world, &many(51), &partner, 0, &ids);
    assert!(matches!(refused, Err(SaveError::Invalid(_))), "{refused:?}");
    assert!(world.leads.is_empty());
    put(&mut world, &many(50), &partner, 0, &ids).unwrap();
    let twice = Statement {
        emails: vec![many(1).emails[0].clone(); 2],
        ..Statement::default()
    };
    put(&mut world, &twice, &partner, 1, &ids).unwrap();
}

#[test]
fn what_is_said_now_comes_after_what_was_said_by_a_clock_ahead() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let person = user(&ids);
    let id = put(
        &mut world,
        &named("ada@example.com", "Ahead"),
        &person,
        5_000,
        &ids,
    )
    .unwrap()
    .lead_id;
    put(&mut world, &named("ada@example.com", "Now"), &person, 0, &ids).unwrap();
    let lead = &world.leads[&id];
    assert_eq!(lead.profile.get(LeadField::FirstName), Some("Now"));
    assert_eq!(lead.updated_at, at(5_000), "a lead's time does not run backwards");
}

#[test]
fn a_field_that_is_no_longer_declared_can_be_emptied() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let person = user(&ids);
    let declared = CustomField {
        name: "seats".into(),
        label: "Seats".into(),
        kind: CustomType::Integer,
        options: vec![],
    };
    world.rules.custom_fields = vec![declared];
    let said = Statement {
        custom: BTreeMap::from([("seats".into(), json!(3))]),
        ..about("a@example.com")
    };
    let id = put(&mut world, &said, &person, 0, &ids).unwrap().lead_id;
    world.rules.custom_fields.clear();
    let empty = Edit {
        custom: BTreeMap::from([("seats".into(), Value::Null)]),
        ..Edit::default()
    };
    edit(&mut world, id, &empty, &Act::test(&person, at(1), &ids)).unwrap();
    assert!(world.leads[&id].profile.custom.is_empty());
}

#[test]
fn an_empty_first_touch_takes_nobodys_place() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    let touched = |touch| Statement {
        first_touch: Some(Touch::into(touch)),
        ..about("a@example.com")
    };
    let id = put(&mut world, &touched(Touch::default()), &partner, 0, &ids)
        .unwrap()
        .lead_id;
    assert_eq!(world.leads[&id].first_touch, None);
    let google = Touch {
        source: Some("google".into()),
        ..Touch::default()
    };
    put(&mut world, &touched(google.clone()), &partner, 1, &ids).unwrap();
    let first = Touch {
        channel: Some("organic_search".into()),
        occurred_at: Some(at(1)),
        ..google
    };
    assert_eq!(world.leads[&id].first_touch, Some(first));
    assert_eq!(world.leads[&id].lead_touch, None, "it was known before");
    assert_eq!(world.cycles[&id].dimensions.source, None);
}

#[test]
fn a_lead_becomes_known_at_the_touch_that_lies_before() {
    let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
    let partner = key(&ids);
    for (email, happened, source) in [("a@example.com", 4, Some("google")), ("b@example.com", 5, None)] {
        let touch = Touch {
            source: Some("google".into()),
            occurred_at: Some(at(happened)),
            ..Touch::default()
        };
        let said = Statement {
            first_touch: Some(touch.into()),
            created_at: Some(at(4)),
            ..about(email)
        };
        let id = put(&mut world, &said, &partner, 9, &ids).unwrap().lead_id;
        assert!(world.leads[&id].first_touch.is_some());
        let lead_touch = world.leads[&id].lead_touch.as_ref();
        assert_eq!(lead_touch.and_then(|touch| touch.source.as_deref()), source);
        assert_eq!(world.cycles[&id].dimensions.source.as_deref(), source);
    }
}

proptest! {
    /// However statements about one field arrive, the lead shows the winner among all of them.
    #[test]
    fn the_lead_shows_the_winner_of_all_statements(
        said in prop::collection::vec((0usize..3, 0i64..6, prop::option::of(0u8..3)), 1..20)
    ) {
        let (mut world, ids) = (World::provisional(), Ids::new(at(0), 0));
        let actors = [key(&ids), user(&ids), Actor::Form(ids.next())];
        let person = user(&ids);
        let id = put(&mut world, &about("ada@example.com"), &person, 0, &ids).unwrap().lead_id;
        let mut kept = vec![];
        for (by, observed, value) in said {
            let actor = &actors[by];
            let text = BTreeMap::from([(LeadField::JobTitle, value.map(|n| n.to_string()))]);
            let statement = Statement { text, observed_at: Some(at(observed)), ..about("ada@example.com") };
            let saved = put(&mut world, &statement, actor, 100, &ids).unwrap();
            kept.extend(saved.changes.into_iter().filter_map(|change| match change {
                Change::Lead(LeadChange::FieldStated(statement)) => Some(statement),
                _ => None,
            }));
            let shown = world.leads[&id].profile.get(LeadField::JobTitle).map(str::to_owned);
            let wins = winner(&kept).and_then(|statement| statement.value.as_str().map(str::to_owned));
            prop_assert_eq!(shown, wins);
        }
    }
}
