//! Submissions: what becomes of them, and what is kept.

use super::*;
use crate::capture::FieldType;
use crate::journal;
use serde_json::json;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn form(ids: &mut Ids) -> Form {
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

fn send(world: &mut World, form: &Form, posted: &Posted, ids: &mut Ids) -> (Submission, Vec<String>) {
    let said = statement(form, posted, &[], NOW);
    let id = ids.next();
    let Captured {
        submission, changes, ..
    } = capture(world, form, posted, said, id, NOW, ids);
    let entries = changes.iter().filter_map(journal::entry);
    (submission, entries.map(|entry| entry.kind.to_owned()).collect())
}

#[test]
fn a_stranger_becomes_a_lead_and_the_same_person_comes_back_to_it() {
    let mut ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&mut ids));
    let mut first = posted(json!({"email": " Ada@Example.com ", "name": "Ada", "message": "Hello"}));
    first.context.landing_url = Some("https://x.example/?utm_source=news+letter#a".into());

    let (submission, entries) = send(&mut world, &form, &first, &mut ids);
    assert_eq!(submission.status, SubmissionStatus::Accepted);
    assert_eq!(entries, ["submission.accepted", "lead.captured"]);
    let lead = &world.leads[&submission.lead_id.unwrap()];
    let touch = lead.first_touch.clone().unwrap();
    assert_eq!(touch.source.as_deref(), Some("news letter"));
    assert_eq!(touch.landing_url.as_deref(), Some("https://x.example/"));

    let again = posted(json!({"email": "ada@example.com", "tel": "+41446681800"}));
    let (twin, entries) = send(&mut world, &form, &again, &mut ids);
    assert_eq!(twin.lead_id, submission.lead_id);
    assert_eq!(entries, ["submission.accepted", "lead.updated"]);
}

#[test]
fn what_does_not_fit_is_kept_with_every_fault() {
    let mut ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&mut ids));
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let body = json!({"country": "Atlantis", "message": long, "tel": "?"});

    let (submission, entries) = send(&mut world, &form, &posted(body), &mut ids);

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
    let mut ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&mut ids));
    let trial = Posted {
        is_test: true,
        ..posted(json!({"email": "ada@example.com"}))
    };

    let (submission, entries) = send(&mut world, &form, &trial, &mut ids);

    assert_eq!(
        (submission.status, submission.lead_id),
        (SubmissionStatus::Test, None)
    );
    assert_eq!(entries, ["submission.tested"]);
    assert!(world.leads.is_empty() && world.holders.is_empty());
}

#[test]
fn a_lead_with_all_its_phones_is_not_given_away() {
    let mut ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&mut ids));
    let number = |n: usize| posted(json!({"email": "ada@example.com", "tel": format!("+4144668{n:04}")}));
    for n in 0..MAX_IDENTIFIERS {
        send(&mut world, &form, &number(n), &mut ids);
    }

    let (submission, _) = send(&mut world, &form, &number(MAX_IDENTIFIERS), &mut ids);

    assert_eq!(submission.status, SubmissionStatus::Accepted);
    let lead = &world.leads[&submission.lead_id.unwrap()];
    assert_eq!(lead.of_kind(Kind::Phone).count(), MAX_IDENTIFIERS);
}

#[test]
fn an_archived_lead_that_writes_is_taken_up_again() {
    let mut ids = Ids::new(NOW, 0);
    let (mut world, form) = (World::provisional(), form(&mut ids));
    let body = posted(json!({"email": "ada@example.com"}));
    let lead_id = send(&mut world, &form, &body, &mut ids).0.lead_id.unwrap();
    world.leads.get_mut(&lead_id).unwrap().archived_at = Some(NOW);

    let (_, entries) = send(&mut world, &form, &body, &mut ids);

    assert_eq!(entries, ["submission.accepted", "lead.restored"]);
    assert_eq!(world.leads[&lead_id].archived_at, None);
}
