//! Random rules, histories and instants, for the engine to be compared with the oracle.

use serde_json::{Map, Value as Json, json};

use super::oracle::{self, DAYS, Raw, RawEvent, RawFacts};

pub const NOW: i64 = 1_781_524_800_000; // 2026-06-15T12:00:00Z
pub const SPANS: [&str; 6] = ["90s", "30m", "2h", "1d", "14d", "2w"];
pub const KINDS: [&str; 5] = [
    "page_view",
    "download",
    "custom.trial",
    "form_submit",
    "activity.call",
];
pub const CHANNELS: [&str; 3] = ["paid_search", "email", "direct"];
pub const FORM: &str = "form_01h455vb4pex5vsknk084sn02q";
pub const WORDS: [&str; 8] = [
    "Italy",
    "ITALY",
    "straße",
    "STRASSE",
    "Ärzte",
    "\u{212a}elvin",
    "kelvin",
    "it",
];

/// Draws what a case consists of.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// An instant on an edge of a window, or anywhere in the last 20 days; now and then ahead.
    pub fn instant(&mut self) -> i64 {
        match self.below(12) {
            0 => NOW + self.below(200_000) as i64,
            1 => NOW + self.below(3) as i64 - 1,
            2..=7 => NOW - oracle::millis(self.of(&SPANS)) + self.below(3) as i64 - 1,
            _ => NOW - self.below(20 * 86_400_000) as i64,
        }
    }

    pub fn operator(&mut self, ops: &[&'static str], value: &mut dyn FnMut(&mut Draw) -> Json) -> Json {
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

    pub fn field(&mut self) -> Json {
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

    pub fn query(&mut self) -> Json {
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

    pub fn filter(&mut self) -> Json {
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
    pub fn rare(&mut self, is_scoring: bool) -> Json {
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

    pub fn touch(&mut self) -> Json {
        let filters: Vec<Json> = (0..self.below(3))
            .map(|_| match self.below(3) {
                0 => json!({"property": "at", "op": self.of(&["within", "older_than"]), "value": self.of(&SPANS)}),
                1 => json!({"property": "campaign", "op": self.of(&["eq", "neq"]), "value": "spring"}),
                _ => json!({"property": "channel", "op": self.of(&["eq", "neq", "contains"]), "value": self.of(&CHANNELS)}),
            })
            .collect();
        json!({"touch": self.of(&["first", "last", "any"]), "where": filters})
    }

    pub fn condition(&mut self, depth: usize, is_scoring: bool) -> Json {
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

    pub fn points(&mut self, has_negative: bool) -> Json {
        let points = self.of(&[5.0, 10.0, 0.125, 2.5, 0.333]);
        json!(if has_negative && self.one_in(3) {
            -points
        } else {
            points
        })
    }

    /// A scoring section; with points below 0 or half-lives if asked for.
    pub fn scoring(&mut self, has_negative: bool, decays: bool) -> Json {
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

    pub fn facts(&mut self, events: u64) -> RawFacts {
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
