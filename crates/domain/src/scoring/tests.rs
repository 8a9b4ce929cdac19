//! The engine against the oracle, on random rules, histories and instants.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::oracle::{self, DAYS, Raw, RawEvent, RawFacts};
use super::*;
use crate::agreement::conditions::{Condition, Event, Field, History, Known, Place, Touches, Value};
use crate::agreement::reader::Reader;
use crate::leads::Touch;
use crate::leads::custom::{CustomField, CustomType};
use crate::money::{Currency, Money};
use crate::stage::Stage;
use crate::tracking::events::EventKind;

const NOW: i64 = 1_781_524_800_000; // 2026-06-15T12:00:00Z
const SPANS: [&str; 6] = ["90s", "30m", "2h", "1d", "14d", "2w"];
const KINDS: [&str; 5] = [
    "page_view",
    "download",
    "custom.trial",
    "form_submit",
    "activity.call",
];
const CHANNELS: [&str; 3] = ["paid_search", "email", "direct"];
const FORM: &str = "form_01h455vb4pex5vsknk084sn02q";
const WORDS: [&str; 8] = [
    "Italy",
    "ITALY",
    "straße",
    "STRASSE",
    "Ärzte",
    "\u{212a}elvin",
    "kelvin",
    "it",
];

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
    let condition = with_known(|known| Condition::read(document, "", Place::Decision, known, &mut reader));
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

/// Draws what a case consists of.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// An instant on an edge of a window, or anywhere in the last 20 days; now and then ahead.
    fn instant(&mut self) -> i64 {
        match self.below(12) {
            0 => NOW + self.below(200_000) as i64,
            1 => NOW + self.below(3) as i64 - 1,
            2..=7 => NOW - oracle::millis(self.of(&SPANS)) + self.below(3) as i64 - 1,
            _ => NOW - self.below(20 * 86_400_000) as i64,
        }
    }

    fn operator(&mut self, ops: &[&'static str], value: &mut dyn FnMut(&mut Draw) -> Json) -> Json {
        let op = self.of(ops);
        let mut comparison = json!({ "op": op });
        let operand = match op {
            "exists" | "missing" => None,
            "in" | "not_in" => Some(json!([value(self), value(self)])),
            "between" => {
                let (one, other) = (value(self), value(self));
                let is_first = |json: &Json| {
                    json.as_f64()
                        .or_else(|| json["amount"].as_f64())
                        .or_else(|| DAYS.iter().find(|(day, _)| json == day).map(|(_, at)| *at as f64))
                };
                Some(if is_first(&one) <= is_first(&other) {
                    json!([one, other])
                } else {
                    json!([other, one])
                })
            }
            "within" | "older_than" => Some(json!(self.of(&SPANS))),
            "matches" => Some(json!(self.of(&["^it", "AL", "[kK].*n$"]))),
            _ => Some(value(self)),
        };
        if let Some(operand) = operand {
            comparison["value"] = operand;
        }
        if self.one_in(4) {
            comparison["unknown"] = json!("pass");
        }
        comparison
    }

    fn field(&mut self) -> Json {
        const TEXT: [&str; 10] = [
            "matches",
            "eq",
            "neq",
            "in",
            "not_in",
            "contains",
            "starts_with",
            "ends_with",
            "exists",
            "missing",
        ];
        const ORDER: [&str; 11] = [
            "eq", "neq", "in", "not_in", "gt", "gte", "lt", "lte", "between", "exists", "missing",
        ];
        let (name, mut condition) = match self.below(7) {
            0 => (
                "custom.word",
                self.operator(&TEXT, &mut |draw| json!(draw.of(&WORDS))),
            ),
            1 => (
                "company.employees",
                self.operator(&ORDER, &mut |draw| json!(draw.below(4))),
            ),
            2 => (
                "custom.number",
                self.operator(&ORDER, &mut |draw| json!(draw.below(4) as f64 / 2.0)),
            ),
            3 => (
                "budget",
                self.operator(
                    &ORDER,
                    &mut |draw| json!({"amount": draw.below(4), "currency": "EUR"}),
                ),
            ),
            4 => (
                "custom.flag",
                self.operator(&["eq", "neq", "exists", "missing"], &mut |draw| {
                    json!(draw.one_in(2))
                }),
            ),
            5 => (
                "custom.day",
                self.operator(&ORDER, &mut |draw| json!(draw.of(&DAYS).0)),
            ),
            _ => (
                "created_at",
                self.operator(&["within", "older_than"], &mut |_| Json::Null),
            ),
        };
        condition["field"] = json!(name);
        condition
    }

    fn query(&mut self) -> Json {
        let mut query = json!({"event": self.of(&KINDS)});
        if !self.one_in(5) {
            query["within"] = json!(self.of(&SPANS));
        }
        let is_activity = query["event"] == "activity.call";
        let filters: Vec<Json> = (0..self.below(3))
            .map(|_| match is_activity {
                true => json!({"property": "outcome", "op": self.of(&["eq", "neq"]), "value": "connected"}),
                false => self.filter(),
            })
            .collect();
        if !filters.is_empty() {
            query["where"] = json!(filters);
        }
        query
    }

    fn filter(&mut self) -> Json {
        let (name, mut filter) = match self.below(4) {
            0 => {
                let ops = [
                    "eq",
                    "neq",
                    "contains",
                    "starts_with",
                    "ends_with",
                    "in",
                    "not_in",
                    "exists",
                ];
                (
                    "path",
                    self.operator(&ops, &mut |draw| {
                        json!(draw.of(&["/pricing", "/PRICING", "/", "ing"]))
                    }),
                )
            }
            1 => (
                "host",
                self.operator(&["eq", "neq"], &mut |_| json!("Example.com")),
            ),
            2 => {
                let ops = [
                    "eq", "neq", "gt", "gte", "lt", "lte", "between", "in", "not_in", "missing",
                ];
                ("n", self.operator(&ops, &mut |draw| json!(draw.below(3))))
            }
            _ => (
                "n",
                self.operator(&["eq", "neq"], &mut |draw| json!(draw.one_in(2))),
            ),
        };
        filter["property"] = json!(name);
        filter
    }

    /// A condition of a kind that scoring refuses, or that only names a form.
    fn rare(&mut self, is_scoring: bool) -> Json {
        if is_scoring || self.one_in(2) {
            return json!({"form": FORM, "within": self.of(&SPANS)});
        }
        match self.below(6) {
            0 => return json!({"band": self.of(&["A1", "B2"])}),
            1 => return json!({"in_stage": self.of(&["lead", "nurture"]), "for": self.of(&SPANS)}),
            2 => return json!({"in_stage": self.of(&["lead", "nurture"])}),
            3 => return json!({"consent": self.of(&["news", "calls"])}),
            4 => return self.touch(),
            _ => {}
        }
        const OPS: [&str; 9] = ["eq", "neq", "in", "not_in", "gt", "gte", "lt", "lte", "between"];
        let mut condition = self.operator(&OPS, &mut |draw| json!(draw.below(4)));
        condition.as_object_mut().unwrap().remove("unknown");
        condition["score"] = json!(self.of(&["fit", "engagement", "total"]));
        condition
    }

    fn touch(&mut self) -> Json {
        let filters: Vec<Json> = (0..self.below(3))
            .map(|_| match self.below(3) {
                0 => json!({"property": "at", "op": self.of(&["within", "older_than"]), "value": self.of(&SPANS)}),
                1 => json!({"property": "campaign", "op": self.of(&["eq", "neq"]), "value": "spring"}),
                _ => json!({"property": "channel", "op": self.of(&["eq", "neq", "contains"]), "value": self.of(&CHANNELS)}),
            })
            .collect();
        json!({"touch": self.of(&["first", "last", "any"]), "where": filters})
    }

    fn condition(&mut self, depth: usize, is_scoring: bool) -> Json {
        if self.one_in(8) {
            return self.rare(is_scoring);
        }
        match self.below(if depth > 3 { 2 } else { 5 }) {
            0 => self.field(),
            1 => {
                let mut query = self.query();
                if !self.one_in(3) {
                    let mut count = Map::new();
                    for _ in 0..=self.below(2) {
                        let op = self.of(&["gte", "lte", "neq", "gt", "eq", "lt"]);
                        let bound = if op == "lt" {
                            1 + self.below(4)
                        } else {
                            self.below(4)
                        };
                        count.insert(op.into(), json!(bound));
                    }
                    // A count that allows nothing is refused; this one is sure to allow something.
                    let allows = |number: f64| {
                        count.iter().all(|(op, bound)| {
                            let bound = bound.as_f64().unwrap();
                            match op.as_str() {
                                "gte" => number >= bound,
                                "lte" => number <= bound,
                                "gt" => number > bound,
                                "lt" => number < bound,
                                "eq" => number == bound,
                                _ => number != bound,
                            }
                        })
                    };
                    if (0..10).any(|number| allows(f64::from(number))) {
                        query["count"] = Json::Object(count);
                    }
                }
                query
            }
            2 => json!({"not": self.condition(depth + 1, is_scoring)}),
            kind => {
                let least = kind - 3;
                let parts: Vec<Json> = (0..least.max(self.below(4)))
                    .map(|_| self.condition(depth + 1, is_scoring))
                    .collect();
                if kind == 3 {
                    json!({ "all": parts })
                } else {
                    json!({ "any": parts })
                }
            }
        }
    }

    fn points(&mut self, has_negative: bool) -> Json {
        let points = self.of(&[5.0, 10.0, 0.125, 2.5, 0.333]);
        json!(if has_negative && self.one_in(3) {
            -points
        } else {
            points
        })
    }

    /// A scoring section; with points below 0 or half-lives if asked for.
    fn scoring(&mut self, has_negative: bool, decays: bool) -> Json {
        let group = |draw: &mut Draw, rule: &mut Json, names: &[&'static str]| {
            if draw.one_in(2) {
                rule["group"] = json!(draw.of(names));
            }
        };
        let fit: Vec<Json> = (0..self.below(4))
            .map(|place| {
                let mut rule =
                    json!({"id": format!("f{place}"), "label": "F", "when": self.condition(1, true)});
                rule["points"] = self.points(has_negative);
                group(self, &mut rule, &["firm", "person"]);
                rule
            })
            .collect();
        let engagement: Vec<Json> = (0..1 + self.below(5))
            .map(|place| {
                let mut rule = self.query();
                rule["id"] = json!(format!("e{place}"));
                rule["label"] = json!("E");
                rule["points"] = self.points(has_negative);
                if decays && !self.one_in(4) {
                    rule["half_life"] = json!(self.of(&["30m", "2h", "90m", "1d"]));
                }
                if !self.one_in(3) {
                    rule["max_times"] = json!(1 + self.below(4));
                }
                group(self, &mut rule, &["web", "mail"]);
                rule
            })
            .collect();
        json!({
            "fit": {"max": self.of(&[8, 100]), "rules": fit},
            "engagement": {"max": self.of(&[12, 30, 100]), "rules": engagement},
            "groups": {"web": {"max": self.of(&[3, 11, 25])}, "firm": {"max": 6}},
        })
    }

    fn facts(&mut self, events: u64) -> RawFacts {
        let mut facts = RawFacts {
            score: [0; 3].map(|_: i64| self.below(4) as i64),
            band: self.of(&["A1", "B2", ""]),
            stage: (self.of(&["lead", "nurture"]), self.instant()),
            touches: (0..self.below(4))
                .map(|place| (self.of(&CHANNELS), self.instant() + place as i64 * 7))
                .collect(),
            consents: ["news", "calls"].into_iter().filter(|_| self.one_in(2)).collect(),
            ..RawFacts::default()
        };
        for name in [
            "custom.word",
            "company.employees",
            "custom.number",
            "budget",
            "custom.flag",
            "custom.day",
            "created_at",
        ] {
            if self.one_in(4) {
                continue;
            }
            let raw = match name {
                "custom.word" if self.one_in(8) => Raw::Text(String::new()),
                "custom.word" => Raw::Text(self.of(&WORDS).into()),
                "custom.number" => Raw::Number(self.below(4) as f64 / 2.0),
                "company.employees" => Raw::Number(self.below(4) as f64),
                "budget" => Raw::Euros(self.below(4) as i64),
                "custom.flag" => Raw::Boolean(self.one_in(2)),
                "custom.day" => Raw::Millis(self.of(&DAYS).1),
                _ => Raw::Millis(self.instant()),
            };
            facts.fields.push((name, raw));
        }
        for place in 0..events {
            let mut properties = Map::new();
            if self.one_in(2) {
                properties.insert("form_id".into(), json!(FORM));
            }
            match self.below(6) {
                0 => drop(properties.insert("n".into(), json!(self.below(3)))),
                1 => drop(properties.insert("n".into(), json!(self.one_in(2)))),
                2 => drop(properties.insert("n".into(), json!([1]))),
                3 => drop(properties.insert("path".into(), json!(self.of(&["/pricing", ""])))),
                _ => {}
            }
            let url = [
                "https://example.com/pricing?a=/b",
                "https://www.example.com",
                "https://EXAMPLE.com/Pricing",
            ];
            if self.one_in(3) {
                properties.insert("outcome".into(), json!("connected"));
            }
            facts.events.push(RawEvent {
                kind: self.of(&KINDS),
                id: u128::from(place * 7919 % 1_000_003) + (u128::from(self.below(1 << 40)) << 64),
                at: self.instant(),
                url: (!self.one_in(4)).then(|| self.of(&url[..2]).to_owned()),
                properties,
            });
        }
        facts
    }
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
