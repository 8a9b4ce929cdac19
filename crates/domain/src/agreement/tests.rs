//! The whole document: the provisional one is sound, and every fault of another one is found.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::commitments::Commitments;
use super::conditions::{Event, Facts, Field, History, Known, Standing, Value};
use super::document::{Rules, faults_of_draft};
use super::points::Points;
use super::{AgreementVersion, PROVISIONAL};
use crate::fault::Fault;
use crate::id::Ids;
use crate::instant::Timestamp;
use crate::money::Currency;
use crate::scoring::score;
use crate::tracking::events::EventKind;

const NOW: Timestamp = Timestamp::from_millis(1_781_524_800_000); // 2026-06-15T12:00:00Z

fn with_known<T>(run: impl FnOnce(&Known<'_>) -> T) -> T {
    run(&Known {
        custom: &[],
        forms: &BTreeSet::new(),
        segments: &BTreeSet::new(),
        purposes: &BTreeSet::from([
            "news".to_owned(),
            "calls".to_owned(),
            "marketing_email".to_owned(),
        ]),
        zone: &TimeZone::UTC,
        currency: Currency::EUR,
    })
}

fn provisional() -> Json {
    serde_json::from_str(PROVISIONAL).unwrap()
}

fn read(document: &Json) -> Result<Rules, Vec<Fault>> {
    with_known(|known| Rules::read(document, None, known))
}

/// The provisional document with other values at some pointers; `null` removes a member.
fn altered(changes: &[(&str, Json)]) -> Json {
    let mut document = provisional();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap();
        match parent.as_object_mut() {
            Some(map) if value.is_null() => drop(map.remove(name)),
            Some(map) => drop(map.insert(name.into(), value.clone())),
            None => parent[name.parse::<usize>().unwrap()] = value.clone(),
        }
    }
    document
}

fn faults(changes: &[(&str, Json)]) -> Vec<(String, &'static str)> {
    let faults = read(&altered(changes)).err().unwrap_or_default();
    faults
        .into_iter()
        .map(|fault| (fault.pointer, fault.code))
        .collect()
}

/// Facts of a person with these fields and events, each with a property.
fn person(fields: &[(&str, Value)], events: &[(&str, &str, &str)]) -> Facts {
    let ids = Ids::new(NOW, 0);
    let mut facts = Facts::default();
    for (name, value) in fields {
        facts
            .fields
            .insert(Field::named(name, &[]).unwrap(), value.clone());
    }
    for kind in events.iter().map(|(kind, ..)| *kind).collect::<BTreeSet<_>>() {
        let of_kind = events.iter().filter(|(other, ..)| *other == kind);
        let events = of_kind.map(|(_, property, value)| Event {
            id: ids.next(),
            at: NOW,
            url: None,
            referrer: None,
            properties: json!({ *property: *value }).as_object().cloned().unwrap(),
        });
        let history = History::new(events.collect::<Vec<_>>());
        facts.histories.insert(EventKind::named(kind).unwrap(), history);
    }
    facts
}

fn becomes_mql(mut facts: Facts) -> bool {
    let rules = read(&provisional()).unwrap();
    facts.score = Some(score(&facts, &rules.scoring, NOW).standing());
    rules.icp.judge(&facts, NOW).holds && rules.mql.judge(&facts, NOW).holds
}

#[test]
fn the_provisional_document_is_sound() {
    let rules = read(&provisional()).unwrap();
    assert_eq!(
        rules.scoring.fit.rules.len() + rules.scoring.engagement.rules.len(),
        10
    );
    let needs = &rules.needs;
    assert!(needs.score && needs.events.len() == 4);
}

#[test]
fn by_the_provisional_rules_interest_and_fit_make_an_mql() {
    let is = Value::Boolean(true);
    let contact = [
        ("email", is.clone()),
        ("phone", is.clone()),
        ("email.is_free", Value::Boolean(false)),
    ];
    let pricing = ("page_view", "path", "/pricing");
    let form = ("form_submit", "form_id", "form_1");
    let story = [pricing, pricing, pricing, form];
    assert!(becomes_mql(person(&contact, &story)));
    assert!(
        !becomes_mql(person(&contact, &story[..3])),
        "36 points of engagement"
    );
    assert!(!becomes_mql(person(&contact[..2], &story)), "10 points of fit");

    let asked = ("form_submit", "service_requested", "Consulting");
    assert!(becomes_mql(person(&contact[..1], &[asked])));
    assert!(becomes_mql(person(&contact[1..2], &[asked])));
    assert!(!becomes_mql(person(&[], &[asked])), "neither e-mail nor phone");
}

#[test]
fn a_score_says_what_its_maxima_took_away() {
    let rules = read(&provisional()).unwrap();
    let views = [("page_view", "path", "/pricing"); 6];
    let facts = person(&[], &views);
    let score = score(&facts, &rules.scoring, NOW);
    assert_eq!((score.fit, score.engagement, score.total), (0, 40, 40));
    assert_eq!(score.band.as_deref(), Some("C2"));
    let lines: Vec<_> = score
        .contributions
        .iter()
        .map(|one| (one.label.as_str(), one.points, one.count))
        .collect();
    assert_eq!(
        lines,
        [
            ("Looked at the prices", Points(30_000), 3),
            ("Looked at a page", Points(10_000), 5)
        ]
    );
    let window = 14 * 86_400_000;
    assert_eq!(score.valid_until, Some(NOW.plus_millis(window + 1)));

    let mut tight = provisional();
    tight["scoring"]["groups"]["web"]["max"] = json!(33);
    let score = crate::scoring::score(&facts, &read(&tight).unwrap().scoring, NOW);
    assert_eq!(score.engagement, 33);
    assert_eq!(score.contributions[2].points, Points(-7_000));
    assert_eq!(
        serde_json::to_value(&score.contributions[2]).unwrap(),
        json!({"side": "engagement", "kind": "group_max", "label": "web", "points": -7, "count": 1, "event_ids": []})
    );
}

#[test]
fn points_have_three_decimals() {
    let at = "/scoring/fit/rules/0/points";
    for (points, code) in [
        (json!(0.001), None),
        (json!(9999.999), None),
        (json!(1.0005), Some("invalid_format")),
        (json!(1e-9), Some("invalid_format")),
        (json!(10_001), Some("out_of_range")),
        (json!(-1), None),
        (json!(-9999.999), None),
        (json!(-10_001), Some("out_of_range")),
        (json!("1"), Some("invalid_type")),
    ] {
        let expected: Vec<_> = code.map(|code| (at.to_owned(), code)).into_iter().collect();
        assert_eq!(faults(&[(at, points.clone())]), expected, "{points}");
    }
    assert_eq!(
        serde_json::to_string(&[Points(1_001), Points(-2_000), Points(0)]).unwrap(),
        "[1.001,-2,0]"
    );
    assert_eq!((Points(-1).floor(), Points(1_999).floor()), (-1, 1));
}

#[test]
fn every_fault_of_the_scoring_section_is_found() {
    let rule = json!({"id": "x", "label": "X", "event": "page_view", "points": 1});
    let with = |name: &str, value: Json| {
        let mut rule = rule.clone();
        rule[name] = value;
        rule
    };
    let rules = json!([
        with("half_life", json!("0d")),
        with("id", json!("budget")),
        with("max_times", json!(1001)),
        with("within", json!("401d")),
        with("when", json!({"all": []})),
        with("group", json!("company")),
        with("id", json!("No Name")),
        {"id": "y"},
    ]);
    let faults = faults(&[
        ("/scoring/engagement/rules", rules),
        ("/scoring/fit/max", json!(0.5)),
        (
            "/scoring/fit/rules/0/when",
            json!({"field": "owner", "op": "exists"}),
        ),
        ("/scoring/groups/web", json!({"max": -1})),
        ("/scoring/bands/fit", json!({"A": 60, "B": 60, "2": 0})),
        ("/scoring/bands/engagement", json!({"1": 60})),
        ("/scoring/extra", json!(1)),
    ]);
    let expected = [
        ("/scoring/extra", "unknown_field"),
        ("/scoring/groups/web/max", "out_of_range"),
        ("/scoring/bands/fit/2", "invalid_format"),
        ("/scoring/bands/fit/B", "duplicate_items"),
        ("/scoring/bands/engagement", "required"),
        ("/scoring/fit/max", "invalid_type"),
        ("/scoring/fit/rules/0/when/field", "not_allowed"),
        ("/scoring/engagement/rules/0/half_life", "out_of_range"),
        ("/scoring/engagement/rules/1/id", "duplicate_items"),
        ("/scoring/engagement/rules/2/id", "duplicate_items"),
        ("/scoring/engagement/rules/2/max_times", "out_of_range"),
        ("/scoring/engagement/rules/3/id", "duplicate_items"),
        ("/scoring/engagement/rules/4/id", "duplicate_items"),
        ("/scoring/engagement/rules/5/id", "duplicate_items"),
        ("/scoring/engagement/rules/3/within", "invalid_format"),
        ("/scoring/engagement/rules/4/when", "unknown_field"),
        ("/scoring/engagement/rules/6/id", "invalid_format"),
        ("/scoring/engagement/rules/7/label", "required"),
        ("/scoring/engagement/rules/7/points", "required"),
        ("/scoring/engagement/rules/7/event", "required"),
    ];
    let found: BTreeSet<_> = faults.iter().map(|(at, code)| (at.as_str(), *code)).collect();
    let expected: BTreeSet<_> = expected.into_iter().collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {found:?}");
    let beyond: Vec<_> = found
        .difference(&expected)
        .filter(|(_, code)| *code != "duplicate_items")
        .collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[test]
fn a_group_belongs_to_one_side() {
    let found = faults(&[("/scoring/engagement/rules/0/group", json!("company"))]);
    assert_eq!(found, [("/scoring".to_owned(), "not_allowed")]);
}

#[test]
fn every_fault_of_the_plain_sections_is_found() {
    let faults = faults(&[
        ("/icp", Json::Null),
        ("/extra", json!(1)),
        (
            "/stages/mql/required_fields",
            json!(["email", "shoe_size", "email", "owner"]),
        ),
        ("/stages/sql/bant", json!(["budget", "money"])),
        ("/stages/opportunity/stale_after", json!("60")),
        ("/stages/nurture/cooldown", Json::Null),
        ("/commitments/marketing/min_acceptance_rate", json!(40)),
        ("/commitments/marketing/mqls_per_month", json!(0)),
        ("/commitments/sales/review_within", json!("1w")),
        ("/commitments/sales/first_contact_from", json!("hand-off")),
        ("/commitments/sales/attempts/count", json!(1001)),
        (
            "/commitments/shared",
            json!({"revenue": {"amount": 1, "currency": "USD", "per": "week"}}),
        ),
        ("/reasons/rejection/1/code", json!("not_ready")),
        ("/reasons/rejection/2", json!({"code": "x", "label": "X"})),
        (
            "/reasons/win/0",
            json!({"code": "x", "label": "X", "then": "nurture"}),
        ),
        ("/reasons/loss/0/requires", json!(["note", "note", "luck"])),
        ("/calendar/timezone", json!(5)),
        ("/calendar/week/mon", json!([["09:00"]])),
        ("/calendar/week/day", json!([])),
        ("/review/every", json!("1 week")),
    ]);
    let expected = [
        ("/extra", "unknown_field"),
        ("/icp", "required"),
        ("/stages/mql/required_fields/1", "not_allowed"),
        ("/stages/mql/required_fields/3", "not_allowed"),
        ("/stages/mql/required_fields/2", "duplicate_items"),
        ("/stages/sql/bant/1", "not_allowed"),
        ("/stages/opportunity/stale_after", "invalid_format"),
        ("/stages/nurture/cooldown", "required"),
        ("/reasons/rejection/2/then", "required"),
        ("/reasons/rejection/1", "duplicate_items"),
        ("/reasons/loss/0/requires/1", "duplicate_items"),
        ("/reasons/loss/0/requires/2", "not_allowed"),
        ("/reasons/win/0/then", "unknown_field"),
        ("/commitments/marketing/min_acceptance_rate", "out_of_range"),
        ("/commitments/marketing/mqls_per_month", "out_of_range"),
        ("/commitments/shared/revenue/currency", "not_allowed"),
        ("/commitments/shared/revenue/per", "not_allowed"),
        ("/commitments/sales/first_contact_from", "not_allowed"),
        ("/commitments/sales/review_within", "not_allowed"),
        ("/commitments/sales/attempts/count", "out_of_range"),
        ("/calendar/timezone", "invalid_type"),
        ("/calendar/week/day", "unknown_field"),
        ("/calendar/week/mon/0", "invalid_type"),
        ("/review/every", "invalid_format"),
    ];
    let found: BTreeSet<_> = faults.iter().map(|(at, code)| (at.as_str(), *code)).collect();
    let expected: BTreeSet<_> = expected.into_iter().collect();
    assert_eq!(found, expected);
}

#[test]
fn a_draft_may_be_incomplete_but_not_wrong() {
    let of_draft = |document: &Json| with_known(|known| faults_of_draft(document, None, known));
    assert_eq!(of_draft(&json!({})), []);
    assert_eq!(
        of_draft(&json!({"scoring": {"fit": {"rules": [{"id": "x"}]}}})),
        []
    );
    let faults = of_draft(&json!({"icp": {"any": []}, "scoring": {"fit": {"max": -1}}}));
    let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/icp/any", "/scoring/fit/max"]);
    assert!(read(&json!({})).is_err());
}

#[test]
fn working_hours_must_make_sense() {
    let found = faults(&[
        ("/calendar/timezone", json!("Europe/Atlantis")),
        (
            "/calendar/week/mon",
            json!([["09:00", "13:00"], ["12:00", "18:00"]]),
        ),
        ("/calendar/holidays", json!(["2026-02-30"])),
        ("/commitments/marketing/feedback_within", json!("1w")),
    ]);
    let pointers: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
    let expected = [
        "/calendar/timezone",
        "/calendar/week/mon/1",
        "/calendar/holidays/0",
        "/commitments/marketing/feedback_within",
    ];
    assert_eq!(pointers, expected);
    let never_open = faults(&[("/calendar/week", json!({}))]);
    assert_eq!(never_open[0].0, "/calendar/week");
}

#[test]
fn hours_beyond_a_working_day_get_a_warning() {
    let at = "/commitments/sales/review_within";
    let warnings = |within: &str, time: &str| {
        let document = altered(&[(at, json!(within)), ("/commitments/sales/time", json!(time))]);
        let warnings = read(&document).unwrap().warnings.into_iter();
        warnings
            .map(|warning| (warning.pointer, warning.detail))
            .collect::<Vec<_>>()
    };
    let detail = "is open time: 24h are 2.7 working days".to_owned();
    assert_eq!(warnings("24h", "business"), [(at.to_owned(), detail)]);
    for (within, time) in [("9h", "business"), ("3d", "business"), ("24h", "elapsed")] {
        assert_eq!(warnings(within, time), [], "{within} {time}");
    }
}

#[test]
fn business_time_needs_a_calendar() {
    assert_eq!(
        faults(&[("/calendar", Json::Null)]),
        [("/calendar".into(), "required")]
    );
    let elapsed = [
        ("/calendar", Json::Null),
        ("/commitments/sales/time", json!("elapsed")),
    ];
    assert_eq!(faults(&elapsed), []);
    assert_eq!(
        faults(&[("/commitments", Json::Null), ("/calendar", Json::Null)]),
        []
    );
}

#[test]
fn a_reason_is_retired_and_never_removed() {
    let before = altered(&[("/reasons/win/1", json!({"code": "gone", "label": "Gone"}))]);
    let read = |document: &Json| with_known(|known| Rules::read(document, Some(&before), known));
    let faults = read(&provisional()).unwrap_err();
    assert_eq!(
        (faults[0].pointer.as_str(), faults[0].code),
        ("/reasons/win", "required")
    );
    let retired = json!({"code": "gone", "label": "Gone", "retired": true});
    assert!(read(&altered(&[("/reasons/win/1", retired)])).is_ok());
}

#[test]
fn a_score_is_compared_in_whole_points() {
    let rules = read(&altered(&[("/scoring/fit/rules/1/points", json!(19.999))])).unwrap();
    let facts = person(&[("phone", Value::Boolean(true))], &[]);
    let score = score(&facts, &rules.scoring, NOW);
    let standing = Standing {
        fit: 19,
        engagement: 0,
        total: 19,
        band: score.band.clone(),
        valid_until: None,
    };
    assert_eq!((score.standing(), score.exact.fit), (standing, Points(19_999)));
}

#[test]
fn the_typed_document_holds_all_of_the_provisional_one() {
    let mut typed = serde_json::to_value(super::Agreement::provisional()).unwrap();
    // What the JSON leaves out is written as it is understood.
    typed["commitments"].as_object_mut().unwrap().remove("shared");
    assert_eq!(typed, provisional());
}

#[test]
fn a_review_is_due_after_its_months_and_a_version_grows_stale() {
    let version = AgreementVersion::first("2026-01-31T12:00:00Z".parse().unwrap());
    let is_due = |at: &str| version.is_review_due(None, at.parse().unwrap(), &TimeZone::UTC);
    let is_stale = |at: &str| version.is_stale(at.parse().unwrap(), &TimeZone::UTC);
    assert!(!is_due("2026-02-28T11:59:59.999Z") && is_due("2026-02-28T12:00:00Z"));
    assert!(!is_stale("2027-07-31T11:59:59.999Z") && is_stale("2027-07-31T12:00:00Z"));
}

#[test]
fn a_review_is_due_after_its_months_since_the_last_one_was_held() {
    let version = AgreementVersion::first("2026-01-31T12:00:00Z".parse().unwrap());
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let held = at("2026-03-10T09:00:00Z");
    let is_due = |now: &str| version.is_review_due(Some(held), at(now), &TimeZone::UTC);
    assert!(!is_due("2026-04-10T08:59:59.999Z") && is_due("2026-04-10T09:00:00Z"));
    // One of before the version came into force does not bring it forward.
    let early = Some(at("2026-01-01T00:00:00Z"));
    assert!(!version.is_review_due(early, at("2026-02-20T00:00:00Z"), &TimeZone::UTC));
    let draft = AgreementVersion {
        in_force_from: None,
        ..version.clone()
    };
    assert!(!draft.is_review_due(Some(held), at("2026-06-01T00:00:00Z"), &TimeZone::UTC));
    assert_eq!(
        version.next_review(held, &TimeZone::UTC),
        Some(at("2026-04-10T09:00:00Z"))
    );
    let is_recent = |now: &str| version.is_recent(held, at(now), &TimeZone::UTC);
    assert!(is_recent("2026-04-25T09:00:00Z") && !is_recent("2026-04-25T09:00:00.001Z"));
}

#[test]
fn promises_without_a_time_are_read_as_they_run() {
    let sales = |sales: Json| altered(&[("/commitments/sales", sales)]);
    let faults = read(&sales(json!({"review_within": "2w"}))).err().unwrap();
    assert_eq!(faults[0].pointer, "/commitments/sales/review_within");
    let sound = sales(json!({"review_within": "1d", "attempts": {"count": 3, "within": "5d"}}));
    assert!(read(&sound).is_ok());
    let typed: Commitments = serde_json::from_value(sound["commitments"].clone()).unwrap();
    let on_days = typed.sales.attempts.map(|attempts| attempts.on_days);
    assert_eq!(on_days, Some(1));
}
