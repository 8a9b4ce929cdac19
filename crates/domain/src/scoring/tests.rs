//! The engine against the oracle, on random rules, histories and instants.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::draw::{Draw, FORM, KINDS, NOW};
use super::oracle::{self, Raw, RawEvent, RawFacts};
use super::*;
use crate::agreement::conditions::{Condition, Event, Field, History, Known, Touches, Usage, Value};
use crate::agreement::reader::Reader;
use crate::leads::Touch;
use crate::leads::custom::{CustomField, CustomType};
use crate::money::{Currency, Money};
use crate::stage::Stage;
use crate::tracking::events::EventKind;

fn custom() -> Vec<CustomField> {
    let field = |name: &str, kind| CustomField {
        name: name.into(),
        label: name.into(),
        kind,
        options: vec![],
    };
    vec![
        field("word", CustomType::Text),
        field("number", CustomType::Number),
        field("flag", CustomType::Boolean),
        field("day", CustomType::Date),
    ]
}

fn with_known<T>(run: impl FnOnce(&Known<'_>) -> T) -> T {
    let zone = TimeZone::get("Europe/Rome").unwrap();
    run(&Known {
        custom: &custom(),
        forms: &BTreeSet::from([FORM.parse().unwrap()]),
        segments: &BTreeSet::new(),
        purposes: &BTreeSet::from([
            "news".to_owned(),
            "calls".to_owned(),
            "marketing_email".to_owned(),
        ]),
        zone: &zone,
        currency: Currency::EUR,
    })
}

fn scoring_of(document: &Json) -> Scoring {
    let mut reader = Reader::new();
    let scoring = with_known(|known| Scoring::read(document, "", known, &mut reader));
    assert_eq!(reader.into_faults(), [], "{document}");
    scoring.unwrap()
}

fn condition_of(document: &Json) -> Condition {
    let mut reader = Reader::new();
    let condition = with_known(|known| Condition::read(document, "", Usage::Decision, known, &mut reader));
    assert_eq!(reader.into_faults(), [], "{document}");
    condition.unwrap()
}

fn facts_of(raw: &RawFacts) -> Facts {
    let fields = raw.fields.iter().filter_map(|(name, raw)| {
        let value = match raw {
            Raw::Text(text) if text.is_empty() => return None,
            Raw::Text(text) => Value::Text(text.clone()),
            Raw::Number(number) => Value::Number(*number),
            Raw::Boolean(is) => Value::Boolean(*is),
            Raw::Millis(at) => Value::Instant(Timestamp::from_millis(*at)),
            Raw::Euros(amount) => Value::Money(Money {
                amount: *amount,
                currency: Currency::EUR,
            }),
        };
        Some((Field::named(name, &custom()).unwrap(), value))
    });
    let mut by_kind: BTreeMap<EventKind, Vec<Event>> = BTreeMap::new();
    for event in &raw.events {
        by_kind.entry(kind_of(event.kind)).or_default().push(Event {
            id: EventId::from_uuid(Uuid::from_u128(event.id)),
            at: Timestamp::from_millis(event.at),
            url: event.url.clone(),
            referrer: None,
            properties: event.properties.clone(),
        });
    }
    Facts {
        fields: fields.collect(),
        histories: by_kind
            .into_iter()
            .map(|(kind, events)| (kind, History::new(events)))
            .collect(),
        score: Some(Standing {
            fit: raw.score[0],
            engagement: raw.score[1],
            total: raw.score[2],
            band: Some(raw.band.to_owned()).filter(|band| !band.is_empty()),
            valid_until: None,
        }),
        stage: Stage::named(raw.stage.0).map(|stage| (stage, Timestamp::from_millis(raw.stage.1))),
        touches: touches_of(raw),
        consents: raw.consents.iter().map(|purpose| (*purpose).to_owned()).collect(),
        segments: Default::default(),
    }
}

fn touches_of(raw: &RawFacts) -> Touches {
    let touch = |(channel, at): &(&str, i64)| Touch {
        channel: Some((*channel).to_owned()),
        occurred_at: Some(Timestamp::from_millis(*at)),
        ..Touch::default()
    };
    let by_time = |touch: &&Touch| touch.occurred_at;
    let all: Vec<Touch> = raw.touches.iter().map(touch).collect();
    Touches {
        first: all.iter().min_by_key(by_time).cloned(),
        last: all.iter().max_by_key(by_time).cloned(),
        all,
    }
}

fn kind_of(name: &str) -> EventKind {
    let activity = name.strip_prefix("activity.").map(EventKind::activity);
    activity.or_else(|| EventKind::named(name)).unwrap()
}

/// The lines of a score as the oracle writes them; those of fit rules without events, of which any may decide.
fn lines(score: &Score) -> Vec<oracle::Line> {
    let line = |one: &Contribution| {
        let side = if one.side == SideName::Fit {
            "fit"
        } else {
            "engagement"
        };
        let name = match one.kind {
            ContributionKind::Rule => one.rule.clone().unwrap(),
            ContributionKind::GroupMax => format!("group {}", one.label),
            ContributionKind::SideMax => "side".into(),
            ContributionKind::Floor => "floor".into(),
        };
        let ids = match one.side {
            SideName::Fit => vec![],
            SideName::Engagement => {
                let activities = one.activity_ids.iter().map(|id| id.uuid());
                let ids = one.event_ids.iter().map(|id| id.uuid()).chain(activities);
                ids.map(|id| id.as_u128()).collect()
            }
        };
        (side, name, one.points.0, one.count, ids)
    };
    score.contributions.iter().map(line).collect()
}

/// Both sides and the total in whole points, of thousandths.
fn whole(fit: i64, engagement: i64) -> [i64; 3] {
    [fit, engagement, fit + engagement].map(|value| value.div_euclid(1000))
}

/// When the whole points next change, by looking at every instant at which anything could.
fn oracle_change(document: &Json, raw: &RawFacts, at: i64) -> Option<i64> {
    let now = oracle::score(document, raw, at);
    oracle::edges(document, raw, at).into_iter().find(|edge| {
        let later = oracle::score(document, raw, *edge);
        whole(later.0, later.1) != whole(now.0, now.1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn decaying_and_negative_points_are_what_a_slow_reading_of_the_rules_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let has_negative = draw.one_in(2);
        let document = draw.scoring(has_negative, true);
        let events = draw.below(12);
        let raw = draw.facts(events);
        let (scoring, facts) = (scoring_of(&document), facts_of(&raw));
        let at = if draw.one_in(2) { NOW } else { draw.instant() };

        let score = score(&facts, &scoring, Timestamp::from_millis(at));

        let (fit, engagement, expected, truncated) = oracle::score(&document, &raw, at);
        prop_assert_eq!((score.exact.fit.0, score.exact.engagement.0), (fit, engagement), "{}", document);
        let sorted = |mut lines: Vec<oracle::Line>| { lines.sort(); lines };
        prop_assert_eq!(sorted(lines(&score)), sorted(expected));
        prop_assert_eq!(score.truncated, truncated);
        for (side, exact) in [(SideName::Fit, fit), (SideName::Engagement, engagement)] {
            let of_side = score.contributions.iter().filter(|one| one.side == side);
            prop_assert_eq!(of_side.map(|one| one.points.0).sum::<i64>(), exact);
        }
        let change = oracle_change(&document, &raw, at);
        let valid_until = score.valid_until.map(Timestamp::millis);
        if has_negative {
            prop_assert!(change.is_none_or(|change| valid_until.is_some_and(|until| until <= change)),
                "{valid_until:?} {change:?} {document}");
            prop_assert!(valid_until.is_none_or(|until| until > at));
        } else {
            prop_assert_eq!(valid_until, change, "{}", document);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn scores_are_what_a_slow_reading_of_the_rules_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let document = draw.scoring(false, false);
        let events = draw.below(40);
        let raw = draw.facts(events);
        let (scoring, facts) = (scoring_of(&document), facts_of(&raw));
        let at = if draw.one_in(2) { NOW } else { draw.instant() };

        let score = score(&facts, &scoring, Timestamp::from_millis(at));

        let (fit, engagement, expected, truncated) = oracle::score(&document, &raw, at);
        prop_assert_eq!((score.exact.fit.0, score.exact.engagement.0), (fit, engagement), "{}", document);
        prop_assert_eq!(score.total, (fit + engagement).div_euclid(1000));
        let sorted = |mut lines: Vec<oracle::Line>| { lines.sort(); lines };
        prop_assert_eq!(sorted(lines(&score)), sorted(expected));
        prop_assert_eq!(score.truncated, truncated);
        for (side, exact) in [(SideName::Fit, fit), (SideName::Engagement, engagement)] {
            let of_side = score.contributions.iter().filter(|one| one.side == side);
            prop_assert_eq!(of_side.map(|one| one.points.0).sum::<i64>(), exact);
        }
        let change = oracle_change(&document, &raw, at);
        prop_assert_eq!(score.valid_until.map(Timestamp::millis), change, "{}", document);
    }

    #[test]
    fn conditions_are_what_a_slow_reading_of_them_says(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let document = draw.condition(1, false);
        let events = draw.below(30);
        let raw = draw.facts(events);
        let (condition, facts) = (condition_of(&document), facts_of(&raw));
        let at = if draw.one_in(2) { NOW } else { draw.instant() };

        let verdict = condition.judge(&facts, Timestamp::from_millis(at));

        let held = oracle::holds(&document, &raw, at, &mut false);
        prop_assert_eq!(verdict.holds, held, "{}", document);
        let change = oracle::edges(&document, &raw, at)
            .into_iter()
            .find(|edge| oracle::holds(&document, &raw, *edge, &mut false) != held);
        prop_assert_eq!(verdict.valid_until.map(Timestamp::millis), change, "{}", document);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn only_the_newest_1000_events_of_a_type_are_seen(seed in any::<u64>()) {
        let mut draw = Draw(seed);
        let document = draw.scoring(false, false);
        let events = 1_400 + draw.below(300);
        let mut raw = draw.facts(events);
        raw.events.iter_mut().for_each(|event| event.kind = KINDS[usize::from(draw.one_in(9))]);
        let (scoring, facts) = (scoring_of(&document), facts_of(&raw));
        let at = if draw.one_in(2) { NOW + 300_000 } else { draw.instant() };

        let score = score(&facts, &scoring, Timestamp::from_millis(at));

        let (fit, engagement, expected, truncated) = oracle::score(&document, &raw, at);
        prop_assert_eq!((score.exact.fit.0, score.exact.engagement.0), (fit, engagement), "{}", document);
        let sorted = |mut lines: Vec<oracle::Line>| { lines.sort(); lines };
        prop_assert_eq!(sorted(lines(&score)), sorted(expected));
        prop_assert_eq!(score.truncated, truncated);
        let mut edges = oracle::edges(&document, &raw, at).into_iter().take(40);
        let change = edges.find(|edge| {
            let later = oracle::score(&document, &raw, *edge);
            whole(later.0, later.1) != whole(fit, engagement)
        });
        if let Some(change) = change {
            let valid_until = score.valid_until.map_or(i64::MAX, Timestamp::millis);
            prop_assert!(valid_until <= change, "{valid_until} {change} {document}");
        }
    }
}

#[test]
fn the_1001st_event_is_not_seen_and_the_score_is_truncated() {
    let document = json!({
        "fit": {"max": 100, "rules": []},
        "engagement": {"max": 100, "rules": [{
            "id": "e", "label": "E", "event": "page_view", "points": 1, "within": "1d",
            "where": [{"property": "n", "op": "eq", "value": 1}],
        }]},
    });
    let scoring = scoring_of(&document);
    // The oldest event is the only one that matches.
    let facts = |past: i64, ahead: i64| {
        let events = (-ahead..past).map(|age| RawEvent {
            kind: "page_view",
            id: u128::try_from(5_000 - age).unwrap(),
            at: NOW - age * 1_000,
            url: None,
            properties: (age == past - 1)
                .then(|| ("n".to_owned(), json!(1)))
                .into_iter()
                .collect(),
        });
        facts_of(&RawFacts {
            events: events.collect(),
            ..RawFacts::default()
        })
    };
    let of = |facts: &Facts, at: i64| {
        let score = score(facts, &scoring, Timestamp::from_millis(at));
        (
            score.engagement,
            score.truncated,
            score.valid_until.map(|until| until.millis() - NOW),
        )
    };
    let leaves = 86_400_000 - 999_000 + 1;
    assert_eq!(of(&facts(1_000, 0), NOW), (1, false, Some(leaves)));
    assert_eq!(of(&facts(1_001, 0), NOW), (0, true, None));
    // One that lies ahead will be the newest, and then the oldest is no longer seen.
    assert_eq!(of(&facts(1_000, 1), NOW), (1, false, Some(1_000)));
    assert_eq!(of(&facts(1_000, 1), NOW + 1_000), (0, true, None));
}
