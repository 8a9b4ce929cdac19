//! Submissions: what becomes of them, and what is stored.

use super::*;
use crate::capture::{Consent, Context, FieldType, FormConsent, FormField, FormSettings, LegalBasis};
use crate::capture::{MAX_VALUE_BYTES, statement};
use crate::id::Ids;
use crate::leads::consent::ConsentPurpose;
use crate::leads::fields::{About, CompanyField, LeadField};
use crate::leads::identity::{Domain, Kind, Phone};
use crate::leads::save::{CompanyStatement, MAX_IDENTIFIERS, MOST_OF_FORMS, Statement};
use crate::money::Currency;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn form(ids: &Ids) -> Form {
    let field = |name: &str, maps_to: Option<&str>, required| FormField {
        name: name.into(),
        label: name.into(),
        kind: FieldType::Text,
        required,
        maps_to: maps_to.map(Into::into),
    };
    Form {
        id: ids.next(),
        version: 1,
        name: "Contact".into(),
        fields: vec![
            field("email", Some("email"), true),
            field("tel", Some("phone"), false),
            field("name", Some("first_name"), false),
            field("firm", Some("company.name"), false),
            field("country", Some("country"), false),
            field("message", None, false),
        ],
        allowed_origins: vec![],
        settings: FormSettings::default(),
        archived_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn posted(fields: Value) -> Posted {
    let Value::Object(fields) = fields else {
        panic!("not an object")
    };
    Posted {
        fields,
        raw: "{}".into(),
        ..Posted::default()
    }
}

/// What became of a submission: as it is stored, and its journal entries.
fn send(world: &mut World, form: &Form, posted: &Posted, ids: &Ids) -> (Submission, Vec<String>) {
    let incoming = Incoming {
        id: ids.next(),
        form,
        posted,
        sameness: None,
        again: None,
    };
    run(world, &mut Twins::default(), incoming, NOW, ids).unwrap()
}

/// The same for any submission; `None` if it was a twin.
fn run(
    world: &mut World,
    twins: &mut Twins,
    incoming: Incoming<'_>,
    now: Timestamp,
    ids: &Ids,
) -> Option<(Submission, Vec<String>)> {
    let said = statement(incoming.form, incoming.posted, &[], Currency::EUR, now);
    let act = Act::test(&Actor::System("test"), now, ids);
    let Captured { done, submission, .. } = capture(world, twins, incoming, said, &act);
    let entries = done.iter().filter_map(Change::entry);
    let entries = entries.map(|entry| entry.kind.to_string()).collect();
    Some((submission?, entries))
}

#[test]
fn a_stranger_becomes_a_lead_and_the_same_person_comes_back_to_it() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let mut first = posted(json!({"email": " Ada@Example.com ", "name": "Ada", "message": "Hello"}));
    first.context.landing_url = Some("https://x.example/?utm_source=news+letter#a".into());

    let (submission, entries) = send(&mut world, &form, &first, &ids);
    assert_eq!(submission.status, SubmissionStatus::Accepted);
    assert_eq!(
        entries,
        ["submission.accepted", "lead.captured", "company.created"]
    );
    let lead = &world.leads[&submission.lead_id.unwrap()];
    let touch = lead.first_touch.clone().unwrap();
    assert_eq!(touch.source.as_deref(), Some("news letter"));
    assert_eq!(touch.landing_url.as_deref(), Some("https://x.example/"));

    let again = posted(json!({"email": "ada@example.com", "tel": "+41446681800"}));
    let (twin, entries) = send(&mut world, &form, &again, &ids);
    assert_eq!(twin.lead_id, submission.lead_id);
    assert_eq!(entries, ["submission.accepted", "lead.updated"]);
}

#[test]
fn a_website_names_the_company_that_registered_its_domain() {
    let ids = Ids::new(NOW, 0);
    for (website, domain) in [
        ("https://www.example.co.uk/about", Some("example.co.uk")),
        ("shop.example.com", Some("example.com")),
        // Nobody's company: the e-mail speaks then.
        ("https://mail.gmail.com/", Some("firm.example")),
        ("co.uk", Some("firm.example")),
    ] {
        let (mut world, mut form) = (World::provisional(), form(&ids));
        form.fields[3].maps_to = Some("company.domain".into());
        let answers = posted(json!({"email": "ada@mail.firm.example", "firm": website}));
        let (submission, _) = send(&mut world, &form, &answers, &ids);
        assert_eq!(submission.status, SubmissionStatus::Accepted, "{website}");
        let companies: Vec<_> = world
            .companies
            .values()
            .map(|company| company.domain.as_deref())
            .collect();
        assert_eq!(companies, [domain], "{website}");
    }
}

#[test]
fn what_does_not_fit_is_kept_with_every_fault() {
    let ids = Ids::new(NOW, 0);
    let (mut world, mut form) = (World::provisional(), form(&ids));
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    form.fields[4].required = true;
    let body = json!({"country": "Atlantis", "message": long, "tel": "?"});

    let (submission, entries) = send(&mut world, &form, &posted(body), &ids);

    assert_eq!(submission.status, SubmissionStatus::Rejected);
    assert_eq!((submission.lead_id, submission.raw.as_str()), (None, "{}"));
    let places: Vec<_> = submission
        .faults
        .iter()
        .map(|f| (f.pointer.as_str(), f.code.as_str()))
        .collect();
    let expected = [
        ("#/fields/message", "too_long"),
        ("#/fields/email", "required"),
        ("#/fields/country", "invalid_format"),
    ];
    assert_eq!(places, expected);
    assert_eq!(entries, ["submission.rejected"]);
    assert!(world.leads.is_empty());
}

#[test]
fn a_test_runs_through_and_leaves_nothing_but_itself() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let trial = Posted {
        is_test: true,
        ..posted(json!({"email": "ada@example.com"}))
    };

    let (submission, entries) = send(&mut world, &form, &trial, &ids);

    assert_eq!(
        (submission.status, submission.lead_id),
        (SubmissionStatus::Test, None)
    );
    assert_eq!(entries, ["submission.tested"]);
    assert!(world.leads.is_empty() && world.holders.is_empty());
}

#[test]
fn a_lead_with_all_its_phones_is_not_given_away() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let number = |n: usize| posted(json!({"email": "ada@example.com", "tel": format!("+4144668{n:04}")}));
    for n in 0..MOST_OF_FORMS {
        send(&mut world, &form, &number(n), &ids);
    }

    let (submission, _) = send(&mut world, &form, &number(MOST_OF_FORMS), &ids);

    assert_eq!(submission.status, SubmissionStatus::Accepted);
    let lead_id = submission.lead_id.unwrap();
    assert_eq!(world.leads[&lead_id].of_kind(Kind::Phone).count(), MOST_OF_FORMS);
    // Who is known still adds some, and then nothing more goes in.
    let partner = Actor::Key {
        id: ids.next(),
        on_behalf_of: None,
    };
    let phone = |n: usize| Phone::parse(&format!("+3902{n:08}")).unwrap();
    let said = Statement {
        id: Some(lead_id),
        phones: (MOST_OF_FORMS..MAX_IDENTIFIERS).map(phone).collect(),
        ..Statement::default()
    };
    save::upsert(
        &mut world,
        &said,
        OnConflict::Refuse,
        &Act::test(&partner, NOW, &ids),
    )
    .unwrap();
    let (submission, _) = send(&mut world, &form, &number(MAX_IDENTIFIERS), &ids);
    assert_eq!(submission.status, SubmissionStatus::Accepted);
    assert_eq!(
        world.leads[&lead_id].of_kind(Kind::Phone).count(),
        MAX_IDENTIFIERS
    );
}

#[test]
fn an_archived_lead_that_writes_is_taken_up_again() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let body = posted(json!({"email": "ada@example.com"}));
    let lead_id = send(&mut world, &form, &body, &ids).0.lead_id.unwrap();
    world.leads.get_mut(&lead_id).unwrap().archived_at = Some(NOW);

    let (_, entries) = send(&mut world, &form, &body, &ids);

    assert_eq!(entries, ["submission.accepted", "lead.restored"]);
    assert_eq!(world.leads[&lead_id].archived_at, None);
}

#[test]
fn spam_is_kept_as_spam_and_says_why() {
    let ids = Ids::new(NOW, 0);
    let (mut world, mut form) = (World::provisional(), form(&ids));
    form.settings.honeypot_field = Some("website".into());
    form.settings.min_fill_seconds = Some(3);
    let shown = |before: i64| Context {
        rendered_at: Some(NOW.plus_millis(-before)),
        ..Context::default()
    };
    let person = posted(json!({"email": "ada@example.com", "website": " "}));
    let filled = posted(json!({"email": "nonsense", "website": "x"}));
    let bot = Posted {
        by_bot: true,
        ..person.clone()
    };
    let fast = Posted {
        context: shown(2_999),
        ..person.clone()
    };
    for (posted, code) in [
        (&filled, "honeypot_filled"),
        (&bot, "known_bot"),
        (&fast, "filled_too_fast"),
    ] {
        let (submission, entries) = send(&mut world, &form, posted, &ids);
        assert_eq!(submission.status, SubmissionStatus::Spam);
        assert_eq!(
            submission
                .faults
                .iter()
                .map(|fault| fault.code.as_str())
                .collect::<Vec<_>>(),
            [code]
        );
        assert_eq!(entries, ["submission.flagged"]);
    }
    assert!(world.leads.is_empty());
    // Slow enough; by the page's own clock; a clock ahead of ours; no word of it.
    let by_own_clock = Posted {
        submitted_at: Some(NOW.plus_millis(3_000_000)),
        context: shown(-2_990_000),
        ..person.clone()
    };
    let slow = Posted {
        context: shown(3_000),
        ..person.clone()
    };
    let ahead = Posted {
        context: shown(-1_000),
        ..person.clone()
    };
    for posted in [&slow, &by_own_clock, &ahead, &person] {
        assert_eq!(
            send(&mut world, &form, posted, &ids).0.status,
            SubmissionStatus::Accepted
        );
    }
}

#[test]
fn consent_is_kept_with_the_words_it_was_asked_by() {
    let ids = Ids::new(NOW, 0);
    let (mut world, mut form) = (World::provisional(), form(&ids));
    let asks = |purpose: &str, required| FormConsent {
        purpose: purpose.into(),
        wording: format!("May we {purpose}?"),
        legal_basis: LegalBasis::Consent,
        required,
        granting_values: vec![],
        unticked: Unticked::Nothing,
    };
    form.settings.consent = vec![asks("terms", true), asks("news", false)];
    world.rules.consent_purposes = Arc::new(vec![ConsentPurpose::plain("terms")]);
    let says = |consent: &[(&str, bool)]| Posted {
        consent: consent
            .iter()
            .map(|(purpose, granted)| ((*purpose).into(), granted.to_string()))
            .collect(),
        ..posted(json!({"email": "ada@example.com"}))
    };
    for refused in [
        says(&[]),
        says(&[("terms", false)]),
        says(&[("terms", true), ("terms", false)]),
    ] {
        let (submission, _) = send(&mut world, &form, &refused, &ids);
        assert_eq!(submission.status, SubmissionStatus::Rejected);
        assert_eq!(submission.faults[0].pointer, "#/consent");
    }
    let (submission, _) = send(
        &mut world,
        &form,
        &says(&[("terms", true), ("other", true)]),
        &ids,
    );
    let expected = Consent {
        purpose: "terms".into(),
        granted: true,
        wording: "May we terms?".into(),
        legal_basis: LegalBasis::Consent,
    };
    assert_eq!(submission.consent, [expected]);
}

#[test]
fn a_twin_within_a_minute_is_the_same_submission() {
    let ids = Ids::new(NOW, 0);
    let (mut world, mut twins, form) = (World::provisional(), Twins::default(), form(&ids));
    let good = posted(json!({"email": "ada@example.com"}));
    let bad = posted(json!({"email": "nonsense"}));
    let mut at = |posted, hash, millis: i64| {
        let incoming = Incoming {
            id: ids.next(),
            form: &form,
            posted,
            sameness: Some(Sameness::of_hash(&[hash; 32])),
            again: None,
        };
        run(&mut world, &mut twins, incoming, NOW.plus_millis(millis), &ids).is_some()
    };
    assert_eq!(
        [at(&good, 1, 0), at(&good, 1, 59_999), at(&good, 2, 59_999)],
        [true, false, true]
    );
    assert!(at(&good, 1, 60_000), "a minute later it is another one");
    assert_eq!([at(&bad, 3, 0), at(&bad, 3, 1)], [true, false]);
    assert!(
        at(&good, 3, 2),
        "what was rejected may be taken once the form is mended"
    );
}

#[test]
fn what_is_run_again_is_nobodys_twin_and_no_spam() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let spam = Posted {
        by_bot: true,
        ..posted(json!({"email": "ada@example.com", "name": "Ada"}))
    };
    let (kept, _) = send(&mut world, &form, &spam, &ids);
    let incoming = Incoming {
        id: kept.id,
        form: &form,
        posted: &spam,
        sameness: None,
        again: Some(&kept),
    };

    let later = NOW.plus_millis(86_400_000);
    let (submission, entries) = run(&mut world, &mut Twins::default(), incoming, later, &ids).unwrap();

    assert_eq!(
        (submission.status, submission.version),
        (SubmissionStatus::Accepted, 2)
    );
    assert_eq!((submission.id, submission.received_at), (kept.id, NOW));
    assert_eq!(entries[..2], ["submission.accepted", "lead.captured"]);
    let said = world
        .statements
        .values()
        .find_map(|statements| statements.winner());
    assert_eq!(said.map(|said| said.observed_at), Some(NOW), "it was said then");
}

#[test]
fn an_email_makes_a_company_for_a_lead_that_has_none() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let first = posted(json!({"email": "ada@example.com", "firm": "Example Ltd"}));
    send(&mut world, &form, &first, &ids);
    send(
        &mut world,
        &form,
        &posted(json!({"email": "bob@example.com"})),
        &ids,
    );
    send(
        &mut world,
        &form,
        &posted(json!({"email": "eve@gmail.com"})),
        &ids,
    );
    assert_eq!(world.companies.len(), 1);
    let company = world.companies.values().next().unwrap();
    assert_eq!(
        (company.domain.as_deref(), company.name()),
        (Some("example.com"), Some("Example Ltd"))
    );
    let mut with_company = |email: &str| {
        let lead = world
            .leads
            .values()
            .find(|lead| lead.identifiers[0].value == email);
        lead.unwrap().company_id.is_some()
    };
    assert_eq!(
        ["ada@example.com", "bob@example.com", "eve@gmail.com"].map(&mut with_company),
        [true, true, false]
    );

    let ada = world
        .leads
        .values()
        .find(|lead| lead.identifiers[0].value == "ada@example.com")
        .unwrap()
        .id;
    let other = ids.next();
    world.leads.get_mut(&ada).unwrap().company_id = Some(other);
    send(
        &mut world,
        &form,
        &posted(json!({"email": "ada@example.com"})),
        &ids,
    );
    assert_eq!(world.leads[&ada].company_id, Some(other), "what is known stays");
}

#[test]
fn a_field_takes_what_its_type_says() {
    let ids = Ids::new(NOW, 0);
    let mut form = form(&ids);
    let typed = |name: &str, kind| FormField {
        name: name.into(),
        label: name.into(),
        kind,
        required: false,
        maps_to: None,
    };
    form.fields.extend([
        typed("seats", FieldType::Number),
        typed("day", FieldType::Date),
        typed("yes", FieldType::Checkbox),
        typed("colours", FieldType::Select),
    ]);
    let shown = |faults: &[Fault]| {
        let shown = faults
            .iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.code));
        shown.collect::<Vec<_>>()
    };
    let read = |form: &Form, fields: Value| match statement(form, &posted(fields), &[], Currency::EUR, NOW) {
        Ok(answers) => (vec![], shown(&answers.remarks)),
        Err(faults) => (shown(&faults), vec![]),
    };
    let sound = json!({"email": ["ada@example.com"], "seats": "1e3", "day": "2026-02-28", "yes": "on", "colours": ["red", "blue"]});
    assert_eq!(read(&form, sound), (vec![], vec![]));
    let unsound = json!({"email": "ada@example.com", "seats": "many", "day": "2026-02-30", "yes": "perhaps", "colours": [["red"]], "name": {}});
    let places = ["seats", "day", "yes"].map(|name| format!("/fields/{name} invalid_format"));
    let (name, colours) = ("/fields/name invalid_type", "/fields/colours invalid_type");
    let remarks = [&[name.to_owned()], &places[..], &[colours.to_owned()]].concat();
    assert_eq!(read(&form, unsound), (vec![], remarks));
    let (faults, _) = read(&form, json!({"email": {"value": "ada@example.com"}}));
    assert_eq!(faults, ["/fields/email invalid_type"], "by it the lead is found");
    let unfit = json!({"email": "ada@example.com", "seats": "many", "day": "2026-02-30", "yes": "perhaps"});
    assert_eq!(
        read(&form, unfit.clone()),
        (vec![], places.to_vec()),
        "they stay answers"
    );
    form.fields.iter_mut().for_each(|field| field.required = true);
    let (faults, _) = read(&form, unfit);
    assert!(places.iter().all(|place| faults.contains(place)), "{faults:?}");
}

#[test]
fn a_form_fills_what_is_empty_and_changes_nothing_that_others_said() {
    let ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&ids));
    let partner = Actor::Key {
        id: ids.next(),
        on_behalf_of: None,
    };
    let said = Statement {
        emails: vec![crate::leads::identity::Email::parse("ada@acme.example").unwrap()],
        text: [(LeadField::FirstName, Some("Ada".to_owned()))].into(),
        company: Some(CompanyStatement {
            domain: Domain::parse("acme.example").ok(),
            text: [(CompanyField::Name, Some("Acme".to_owned()))].into(),
            ..CompanyStatement::default()
        }),
        ..Statement::default()
    };
    let act = Act::test(&partner, NOW.plus_millis(-1000), &ids);
    let lead_id = save::upsert(&mut world, &said, OnConflict::Refuse, &act)
        .unwrap()
        .lead_id;
    let company_id = world.leads[&lead_id].company_id;

    let answers = json!({"email": "ada@acme.example", "name": "Eve", "firm": "Evil Ltd", "country": "IT"});
    send(&mut world, &form, &posted(answers), &ids);

    let lead = &world.leads[&lead_id];
    let known = (
        lead.profile.get(LeadField::FirstName),
        lead.profile.get(LeadField::Country),
    );
    assert_eq!(known, (Some("Ada"), Some("IT")));
    assert_eq!(lead.company_id, company_id);
    assert_eq!(world.companies[&company_id.unwrap()].name(), Some("Acme"));
    let beside = &world.statements[&(About::Lead(lead_id), "first_name".to_owned())];
    let word = beside.of_forms.as_ref().map(|said| said.value.clone());
    assert_eq!(word, Some(json!("Eve")), "its word stands beside it");
}
