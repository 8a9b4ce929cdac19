//! Conditions as the specification states them. The random tests against the oracle stand in `scoring`.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::*;
use crate::agreement::reader::Reader;
use crate::fault::Fault;
use crate::id::{EventId, Ids};
use crate::instant::Timestamp;
use crate::leads::custom::{CustomField, CustomType};
use crate::money::{Currency, Money};

const NOW: Timestamp = Timestamp::from_millis(1_781_524_800_000); // 2026-06-15T12:00:00Z
const DAY: i64 = 86_400_000;
const FORM: &str = "form_01h455vb4pex5vsknk084sn02q";

fn read_in(document: &Json, place: Usage) -> Result<Condition, Vec<Fault>> {
    let custom = [
        ("note", CustomType::Text, vec![]),
        (
            "segment",
            CustomType::Choice,
            vec!["small".into(), "large".into()],
        ),
        ("renewal", CustomType::Date, vec![]),
    ];
    let custom = custom.map(|(name, kind, options)| CustomField {
        name: name.into(),
        label: name.into(),
        kind,
        options,
    });
    let mut reader = Reader::new();
    let known = Known {
        custom: &custom,
        forms: &BTreeSet::from([FORM.parse().unwrap()]),
        segments: &BTreeSet::new(),
        purposes: &BTreeSet::from([
            "news".to_owned(),
            "calls".to_owned(),
            "marketing_email".to_owned(),
        ]),
        zone: &TimeZone::get("Europe/Rome").unwrap(),
        currency: Currency::EUR,
    };
    let condition = Condition::read(document, "/when", place, &known, &mut reader);
    let faults = reader.into_faults();
    assert_eq!(condition.is_none(), !faults.is_empty(), "{document} {faults:?}");
    condition.ok_or(faults)
}

fn condition(document: Json) -> Condition {
    read_in(&document, Usage::Decision).unwrap()
}

fn faults(document: &Json, place: Usage) -> Vec<(String, &'static str)> {
    let faults = read_in(document, place).err().unwrap_or_default();
    faults
        .into_iter()
        .map(|fault| (fault.pointer, fault.code))
        .collect()
}

fn with_field(name: &str, value: Value) -> Facts {
    let known = CustomField {
        name: "renewal".into(),
        label: String::new(),
        kind: CustomType::Date,
        options: vec![],
    };
    let field = Field::named(name, &[known]).unwrap();
    Facts {
        fields: [(field, value)].into(),
        ..Facts::default()
    }
}

/// Facts with events of one type, so many milliseconds old.
fn with_events(kind: &str, ages: &[i64]) -> (Facts, Vec<EventId>) {
    let ids = Ids::new(NOW, 0);
    let events: Vec<Event> = ages
        .iter()
        .map(|age| Event {
            id: ids.next(),
            at: NOW.plus_millis(-age),
            url: Some("https://www.example.com/pricing?x=1".into()),
            referrer: Some("https://news.example/".into()),
            properties: json!({"form_id": FORM, "plan": "Pro"})
                .as_object()
                .cloned()
                .unwrap(),
        })
        .collect();
    let event_ids = events.iter().map(|event| event.id).collect();
    let facts = Facts {
        histories: [(EventKind::named(kind).unwrap(), History::new(events))].into(),
        ..Facts::default()
    };
    (facts, event_ids)
}

fn holds(document: Json, facts: &Facts) -> bool {
    condition(document).judge(facts, NOW).holds
}

#[test]
fn an_event_counts_up_to_the_very_end_of_its_window() {
    let document = json!({"event": "page_view", "within": "14d"});
    for (age, counts) in [(0, true), (14 * DAY, true), (14 * DAY + 1, false), (-1, false)] {
        let (facts, _) = with_events("page_view", &[age]);
        assert_eq!(holds(document.clone(), &facts), counts, "{age}");
    }
    let (facts, _) = with_events("page_view", &[13 * DAY]);
    let verdict = condition(document).judge(&facts, NOW);
    assert_eq!(verdict.valid_until, Some(NOW.plus_millis(DAY + 1)));
}

#[test]
fn every_bound_of_a_count_holds() {
    let (facts, ids) = with_events("download", &[1, 2, 3, 4]);
    for (count, expected) in [
        (json!({"gte": 4}), true),
        (json!({"gte": 5}), false),
        (json!({"eq": 4}), true),
        (json!({"gte": 2, "lt": 4}), false),
        (json!({"gt": 3, "lte": 4}), true),
        (json!({"neq": 4}), false),
    ] {
        assert_eq!(
            holds(json!({"event": "download", "count": count}), &facts),
            expected,
            "{count}"
        );
    }
    assert!(holds(
        json!({"event": "email_open", "count": {"eq": 0}, "within": "90d"}),
        &facts
    ));

    let verdict = condition(json!({"event": "download", "count": {"gte": 2}})).judge(&facts, NOW);
    let Evidence::Events { event_ids, .. } = &verdict.evidence[0] else {
        panic!()
    };
    assert_eq!(event_ids[..2], ids[..2], "newest first");
}

#[test]
fn the_page_is_read_from_the_address_unless_given_as_property() {
    let (mut facts, _) = with_events("page_view", &[1]);
    let asks = |property: &str, value: &str| json!({"event": "page_view", "where": [{"property": property, "op": "eq", "value": value}]});
    for (property, value, expected) in [
        ("path", "/Pricing", true),
        ("host", "www.example.com", true),
        ("url", "https://www.example.com/pricing?x=1", true),
        ("referrer", "https://news.example/", true),
        ("plan", "pro", true),
        ("plan", "pro ", false),
    ] {
        assert_eq!(
            holds(asks(property, value), &facts),
            expected,
            "{property} {value}"
        );
    }
    let kind = EventKind::named("page_view").unwrap();
    let mut event = facts.histories[&kind].events()[0].clone();
    event.properties.insert("path".into(), json!("/given"));
    facts.histories.insert(kind, History::new([event]));
    assert!(holds(asks("path", "/given"), &facts) && !holds(asks("path", "/pricing"), &facts));
}

#[test]
fn a_form_counts_by_its_id() {
    let (facts, _) = with_events("form_submit", &[30 * DAY]);
    assert!(holds(json!({"form": FORM, "within": "30d"}), &facts));
    assert!(!holds(json!({"form": FORM, "within": "29d"}), &facts));
    let (other, _) = with_events("page_view", &[1]);
    assert!(!holds(json!({"form": FORM}), &other));
}

#[test]
fn events_of_bots_and_machines_never_count() {
    use crate::tracking::events::{Event as Tracked, Pages};
    let ids = Ids::new(NOW, 0);
    let tracked = [(true, false), (false, true), (false, false)].map(|(is_bot, is_machine)| Tracked {
        id: ids.next(),
        kind: EventKind::named("page_view").unwrap(),
        told_by: String::new(),
        visitor_id: None,
        lead_id: None,
        occurred_at: NOW,
        received_at: NOW,
        pages: Pages::default(),
        properties: serde_json::Map::new(),
        content_id: None,
        is_bot,
        is_machine,
    });
    let facts = Facts {
        histories: History::by_type(tracked),
        ..Facts::default()
    };
    assert!(holds(json!({"event": "page_view", "count": {"eq": 1}}), &facts));
}

#[test]
fn a_missing_value_fails_every_comparison_but_the_negative_ones() {
    for (op, value, expected) in [
        ("eq", json!("x"), false),
        ("neq", json!("x"), true),
        ("in", json!(["x"]), false),
        ("not_in", json!(["x"]), true),
        ("contains", json!("x"), false),
    ] {
        let document = json!({"field": "job_title", "op": op, "value": value});
        assert_eq!(holds(document.clone(), &Facts::default()), expected, "{op}");
        assert!(
            !expected || !holds(json!({"not": document.clone()}), &Facts::default()),
            "{op}"
        );
        let mut passing = document;
        passing["unknown"] = json!("pass");
        assert!(holds(passing, &Facts::default()), "{op}");
    }
    assert!(holds(
        json!({"field": "email", "op": "missing"}),
        &Facts::default()
    ));
    assert!(!holds(
        json!({"field": "email", "op": "exists", "unknown": "pass"}),
        &Facts::default()
    ));
}

#[test]
fn empty_text_and_null_are_missing() {
    let zone = TimeZone::UTC;
    for json in [Json::Null, json!("")] {
        assert_eq!(Value::read(FieldType::Text, &json, &zone), None);
        assert_eq!(Property::read(&json), None);
    }
}

#[test]
fn text_is_compared_in_lower_case_of_all_scripts_and_untrimmed() {
    let of = |text: &str| with_field("company.industry", Value::Text(text.into()));
    let asks = |op: &str, value: &str| json!({"field": "company.industry", "op": op, "value": value});
    assert!(holds(asks("eq", "ÄRZTE"), &of("Ärzte")));
    assert!(holds(asks("contains", "ЗАВОД"), &of("Большой завод")));
    assert!(holds(asks("eq", "kelvin"), &of("\u{212a}elvin")));
    assert!(holds(asks("starts_with", "soft"), &of("SOFTWARE")));
    assert!(!holds(asks("eq", "software"), &of("Software ")));
    assert!(!holds(asks("ends_with", "a very long operand"), &of("short")));
}

#[test]
fn money_of_another_currency_is_missing() {
    let asks =
        |op: &str| json!({"field": "budget", "op": op, "value": {"amount": 500_000, "currency": "EUR"}});
    let of = |code: &str| {
        let currency = code.parse::<Currency>().unwrap();
        with_field(
            "budget",
            Value::Money(Money {
                amount: 500_000,
                currency,
            }),
        )
    };
    assert!(holds(asks("gte"), &of("EUR")));
    assert!(!holds(asks("gte"), &of("USD")));
    assert!(holds(asks("neq"), &of("USD")));
}

#[test]
fn a_day_counts_from_midnight_in_the_zone_of_the_company() {
    let zone = TimeZone::get("Europe/Rome").unwrap();
    let value = Value::read(FieldType::Date, &json!("2026-06-01"), &zone).unwrap();
    let midnight: Timestamp = "2026-05-31T22:00:00Z".parse().unwrap();
    assert_eq!(value, Value::Instant(midnight));
    let facts = with_field("custom.renewal", value);
    assert!(holds(
        json!({"field": "custom.renewal", "op": "gte", "value": "2026-06-01"}),
        &facts
    ));
    let age = json!({"field": "custom.renewal", "op": "within", "value": "30d"});
    let verdict = condition(age).judge(&facts, midnight.plus_millis(30 * DAY));
    assert!(verdict.holds);
    assert_eq!(verdict.valid_until, Some(midnight.plus_millis(30 * DAY + 1)));
    let old = condition(json!({"field": "custom.renewal", "op": "older_than", "value": "30d"}));
    assert!(!old.judge(&facts, midnight.plus_millis(30 * DAY)).holds);
    assert!(old.judge(&facts, midnight.plus_millis(30 * DAY + 1)).holds);
    assert!(!holds(
        json!({"field": "custom.renewal", "op": "within", "value": "1d"}),
        &with_field("custom.renewal", Value::Instant(NOW.plus_millis(1)),)
    ));
}

#[test]
fn a_score_holds_until_the_score_changes() {
    let facts = Facts {
        score: Some(Standing {
            fit: 20,
            engagement: 40,
            total: 61,
            band: None,
            valid_until: Some(NOW.plus_millis(500)),
        }),
        ..Facts::default()
    };
    let document = json!({"all": [
        {"score": "engagement", "op": "gte", "value": 40},
        {"score": "fit", "op": "between", "value": [20, 30]},
        {"score": "total", "op": "gt", "value": 60},
    ]});
    let verdict = condition(document).judge(&facts, NOW);
    assert!(verdict.holds);
    assert_eq!(verdict.valid_until, Some(NOW.plus_millis(500)));
    assert_eq!(
        verdict.evidence[0],
        Evidence::Score {
            part: ScorePart::Engagement,
            points: 40
        }
    );
    assert!(!holds(
        json!({"score": "total", "op": "gte", "value": 1}),
        &Facts::default()
    ));
}

#[test]
fn the_evidence_of_a_failure_is_what_failed() {
    let document = json!({"all": [
        {"field": "company.employees", "op": "gte", "value": 50},
        {"field": "country", "op": "in", "value": ["IT", "DE"]},
        {"not": {"field": "job_title", "op": "exists"}},
    ]});
    let facts = with_field("company.employees", Value::Number(20.0));
    let verdict = condition(document).judge(&facts, NOW);
    assert!(!verdict.holds);
    assert_eq!(
        serde_json::to_value(&verdict.evidence).unwrap(),
        json!([
            {"kind": "field", "field": "company.employees", "value": 20},
            {"kind": "field", "field": "country"},
        ])
    );
}

#[test]
fn an_open_icp_is_an_empty_all() {
    assert!(holds(json!({"all": []}), &Facts::default()));
    assert_eq!(
        faults(&json!({"any": []}), Usage::Decision),
        [("/when/any".into(), "too_few_items")]
    );
}

#[test]
fn all_faults_are_found_at_once_each_with_its_place() {
    let document = json!({"all": [
        {"field": "shoe_size", "op": "eq", "value": 1},
        {"field": "company.employees", "op": "contains", "value": "x"},
        {"field": "company.employees", "op": "gte", "value": "50"},
        {"field": "country", "op": "in", "value": ["IT", 7, "Italy"]},
        {"field": "email", "op": "eq", "value": "ada@example.com"},
        {"field": "created_at", "op": "within", "value": "401d"},
        {"field": "need", "op": "exists", "value": "x"},
        {"field": "need", "op": "matches", "value": "("},
        {"field": "need", "op": "eq", "value": "", "unknwon": "pass"},
        {"field": "custom.segment", "op": "eq", "value": "medium"},
        {"field": "company.stage", "op": "eq", "value": "king"},
        {"field": "budget", "op": "gte", "value": {"amount": 1, "currency": "USD"}},
        {"field": "cycle", "op": "between", "value": [3, 2]},
        {"event": "page_veiw"},
        {"event": "page_view", "within": "401d", "count": {"gte": 1001}},
        {"event": "page_view", "count": {"gt": 2, "lt": 3}, "where": [{"property": "a", "op": "gt", "value": "x"}]},
        {"event": "activity.call", "where": [{"property": "note", "op": "exists"}]},
        {"form": "form_01h455vb4pex5vsknk084sn02r"},
        {"score": "fit", "op": "gte", "value": 1.5},
        {"event": "activity.fax"}, {"in_stage": "warm"}, {"touch": "any", "where": [{"property": "at", "op": "eq", "value": "x"}]},
        {"consent": "Marketing"}, {"segment": "seg_1"},
        {}, {"all": [], "any": []}, 5,
        {"a/b~": 1, "not": {"all": []}},
    ]});
    let at = |place: &str| format!("/when/all/{place}");
    let expected = [
        ("0/field", "not_allowed"),
        ("1/op", "not_allowed"),
        ("2/value", "invalid_type"),
        ("3/value/1", "invalid_type"),
        ("3/value/2", "not_allowed"),
        ("4/op", "not_allowed"),
        ("5/value", "invalid_format"),
        ("6/value", "not_allowed"),
        ("7/value", "invalid_format"),
        ("8/unknwon", "unknown_field"),
        ("8/value", "too_short"),
        ("9/value", "not_allowed"),
        ("10/value", "not_allowed"),
        ("11/value/currency", "not_allowed"),
        ("12/value", "out_of_range"),
        ("13/event", "not_allowed"),
        ("14/within", "invalid_format"),
        ("14/count/gte", "out_of_range"),
        ("15/where/0/value", "invalid_type"),
        ("15/count", "out_of_range"),
        ("16/where/0/property", "not_allowed"),
        ("17/form", "unknown_reference"),
        ("18/value", "invalid_type"),
        ("19/event", "not_allowed"),
        ("20/in_stage", "not_allowed"),
        ("21/where/0/value", "invalid_format"),
        ("22/consent", "invalid_format"),
        ("23/segment", "unknown_reference"),
        ("24", "invalid_variant"),
        ("25", "invalid_variant"),
        ("26", "invalid_type"),
        ("27/a~1b~0", "unknown_field"),
    ];
    let expected: Vec<_> = expected.iter().map(|(place, code)| (at(place), *code)).collect();
    assert_eq!(faults(&document, Usage::Decision), expected);
}

#[test]
fn scoring_refuses_what_is_not_kept_with_its_time() {
    for document in [
        json!({"score": "fit", "op": "gte", "value": 1}),
        json!({"band": "A1"}),
        json!({"in_stage": "nurture"}),
        json!({"segment": "seg_1"}),
        json!({"consent": "marketing_email"}),
    ] {
        assert_eq!(
            faults(&document, Usage::Scoring)[0].1,
            "not_allowed",
            "{document}"
        );
    }
    for field in Standard::ALL {
        let entry = field.entry();
        let faults = faults(&json!({"field": entry.name, "op": "exists"}), Usage::Scoring);
        let refused = [
            "owner",
            "cycle",
            "voice",
            "company.owner",
            "company.stage",
            "qualification.budget.confirmed",
            "qualification.authority.confirmed",
            "qualification.need.confirmed",
            "qualification.timeline.confirmed",
        ];
        assert_eq!(
            !faults.is_empty(),
            refused.contains(&entry.name),
            "{}",
            entry.name
        );
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| (1..depth).fold(json!({"all": []}), |inner, _| json!({"not": inner}));
    assert_eq!(faults(&nested(MAX_DEPTH), Usage::Decision), []);
    assert_eq!(faults(&nested(MAX_DEPTH + 1), Usage::Decision)[0].1, "too_deep");
    let wide = |parts: usize| json!({"any": vec![json!({"field": "email", "op": "exists"}); parts]});
    assert_eq!(faults(&wide(MAX_NODES - 1), Usage::Decision), []);
    let two_levels = json!({"all": [wide(MAX_NODES - 2)]});
    assert_eq!(faults(&two_levels, Usage::Decision), []);
    let more = json!({"all": [wide(MAX_NODES - 1)]});
    assert_eq!(
        faults(&more, Usage::Decision),
        [("/when".into(), "too_many_items")]
    );
}

#[test]
fn what_must_be_loaded_is_known_beforehand() {
    let document = json!({"all": [
        {"event": "page_view", "within": "7d", "where": [{"property": "path", "op": "exists"}]},
        {"not": {"event": "page_view", "within": "2w"}},
        {"event": "download"},
        {"event": "download", "within": "1d"},
        {"form": FORM, "within": "30d"},
        {"field": "country", "op": "exists"},
        {"score": "fit", "op": "gte", "value": 1},
    ]});
    let mut needs = Needs::default();
    condition(document).needs(&mut needs);
    let of = |name: &str| &needs.events[&EventKind::named(name).unwrap()];
    assert_eq!(of("page_view").within, Some("2w".parse().unwrap()));
    assert_eq!(of("page_view").properties, BTreeSet::from(["path".to_owned()]));
    assert_eq!(of("download").within, None);
    assert_eq!(of("form_submit").within, Some("30d".parse().unwrap()));
    assert_eq!(needs.forms, BTreeSet::from([FORM.parse().unwrap()]));
    assert_eq!(needs.fields, BTreeSet::from([Field::Standard(Standard::Country)]));
    assert!(needs.score);
}

#[test]
fn names_in_the_registry_are_unique() {
    let names: BTreeSet<&str> = Standard::ALL.iter().map(|field| field.entry().name).collect();
    assert_eq!(names.len(), Standard::ALL.len());
    for name in names {
        assert_eq!(Field::named(name, &[]).unwrap().name(), name);
    }
}
