//! The scoring section of the agreement: points rules, groups, maxima and bands, read and compiled.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::conditions::{Condition, History, Known, Needs, Query, Usage, read_query};
use super::decay::Decay;
use super::points::Points;
use super::reader::{Reader, below};

const MAX_RULES: usize = 200;
const MAX_GROUPS: usize = 50;
const MAX_BANDS: usize = 20;
/// The greatest number of points of one rule.
const MAX_POINTS: f64 = 10_000.0;
/// The greatest maximum of a group or side, and the greatest bound of a band, in points.
const MAX_MAXIMUM: i64 = 1_000_000;
const RULE: [&str; 5] = ["id", "label", "when", "points", "group"];
const EVENT_RULE: [&str; 9] = [
    "id",
    "label",
    "event",
    "where",
    "points",
    "within",
    "half_life",
    "max_times",
    "group",
];

/// The scoring rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// The rules of fit: for who the lead is.
    pub fit: Side<Condition>,
    /// The rules of engagement: for what the lead did.
    pub engagement: Side<Repeated>,
}

/// One side of the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Side<W> {
    /// The greatest score of the side, in points.
    pub max: i64,
    /// The rules, in the document's order.
    pub rules: Vec<Rule<W>>,
    /// The groups of its rules.
    pub groups: Vec<Group>,
    /// The bands with their least whole points, the greatest first; empty where the agreement has none.
    pub bands: Vec<(String, i64)>,
}

/// A rule that gives points.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule<W> {
    /// The name by which contributions refer to it.
    pub id: String,
    /// The label that people see.
    pub label: String,
    /// What it gives: once, or for each event.
    pub points: Points,
    /// The place of its group among those of the side.
    pub group: Option<usize>,
    /// When it gives them.
    pub when: W,
}

/// Events that give points each.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeated {
    /// Which events.
    pub query: Query,
    /// How many of them at most, the newest.
    pub max_times: usize,
    /// How their points decay with their age, if they do.
    pub decay: Option<Decay>,
}

/// Rules whose sum has a maximum.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The greatest sum, in points, if there is one.
    pub max: Option<i64>,
}

impl<W> Side<W> {
    /// The band of a whole score: the greatest bound that it reaches.
    pub fn band(&self, points: i64) -> Option<&str> {
        let reached = self.bands.iter().find(|(_, bound)| *bound <= points);
        reached.map(|(name, _)| name.as_str())
    }
}

impl Scoring {
    /// What has to be loaded to score a lead.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        self.fit.rules.iter().for_each(|rule| rule.when.needs(&mut needs));
        let queries = self.engagement.rules.iter().map(|rule| &rule.when.query);
        queries.for_each(|query| needs.add_query(query));
        needs
    }

    /// Read the section at a pointer of the document. `None` where it has faults, which the reader keeps.
    pub fn read(json: &Json, at: &str, known: &Known<'_>, reader: &mut Reader) -> Option<Self> {
        let map = reader.object(json, at, &["fit", "engagement", "groups", "bands"])?;
        let maxima = map.get("groups").map_or_else(
            || Some(BTreeMap::new()),
            |json| groups(json, &below(at, "groups"), reader),
        );
        let bands = map.get("bands");
        let bands = bands.map_or(Some((vec![], vec![])), |json| {
            bands_of(json, &below(at, "bands"), reader)
        });
        let mut ids = BTreeSet::new();
        let fit = reader.required(map, at, "fit");
        let fit = fit.and_then(|json| {
            side(
                json,
                &below(at, "fit"),
                &RULE,
                &mut ids,
                reader,
                |map, at, reader| {
                    let when = reader.required(map, at, "when")?;
                    Condition::read(when, &below(at, "when"), Usage::Scoring, known, reader)
                },
            )
        });
        let engagement = reader.required(map, at, "engagement");
        let engagement = engagement.and_then(|json| {
            let at = below(at, "engagement");
            side(json, &at, &EVENT_RULE, &mut ids, reader, |map, at, reader| {
                repeated(map, at, known, reader)
            })
        });
        let (mut fit, mut engagement, maxima) = (fit?, engagement?, maxima?);
        (fit.bands, engagement.bands) = bands?;
        let shared = engagement
            .groups
            .iter()
            .filter(|one| fit.groups.iter().any(|other| other.name == one.name));
        for group in shared {
            let detail = format!(
                "the group {} has rules of both sides, but belongs to one",
                group.name
            );
            reader.fault(at, "not_allowed", detail);
        }
        for group in fit.groups.iter_mut().chain(&mut engagement.groups) {
            group.max = maxima.get(&group.name).copied();
        }
        Some(Self { fit, engagement })
    }
}

fn side<W>(
    json: &Json,
    at: &str,
    members: &[&str],
    ids: &mut BTreeSet<String>,
    reader: &mut Reader,
    read: impl Fn(&Map<String, Json>, &str, &mut Reader) -> Option<W>,
) -> Option<Side<W>> {
    let map = reader.object(json, at, &["max", "rules"])?;
    let max = reader.required(map, at, "max");
    let max = max.and_then(|json| reader.whole(json, &below(at, "max"), 0..=MAX_MAXIMUM));
    let at = below(at, "rules");
    let items = map
        .get("rules")
        .map_or(Some(&[][..]), |json| reader.list(json, &at, MAX_RULES))?;
    let mut groups: Vec<Group> = vec![];
    let rules = items.iter().enumerate().map(|(place, json)| {
        let at = below(&at, place);
        let map = reader.object(json, &at, members)?;
        let id = reader.required(map, &at, "id");
        let id = id.and_then(|json| reader.name(json, &below(&at, "id")));
        if id.is_some_and(|id| !ids.insert(id.to_owned())) {
            reader.fault(below(&at, "id"), "duplicate_items", "is the id of another rule");
        }
        let label = reader.required(map, &at, "label");
        let label = label.and_then(|json| reader.text(json, &below(&at, "label"), 200));
        let points = reader.required(map, &at, "points");
        let points = points.and_then(|json| points_of(json, &below(&at, "points"), reader));
        let group = map
            .get("group")
            .map(|json| reader.name(json, &below(&at, "group")));
        let when = read(map, &at, reader);
        let group = group.map_or(Some(None), |name| {
            name.map(|name| Some(place_of(&mut groups, name)))
        })?;
        Some(Rule {
            id: id?.to_owned(),
            label: label?.to_owned(),
            points: points?,
            group,
            when: when?,
        })
    });
    // Every rule is read, so that all faults are found.
    let rules: Vec<Option<Rule<W>>> = rules.collect();
    Some(Side {
        max: max?,
        rules: rules.into_iter().collect::<Option<_>>()?,
        groups,
        bands: vec![],
    })
}

fn place_of(groups: &mut Vec<Group>, name: &str) -> usize {
    let known = groups.iter().position(|group| group.name == name);
    known.unwrap_or_else(|| {
        groups.push(Group {
            name: name.to_owned(),
            max: None,
        });
        groups.len() - 1
    })
}

fn points_of(json: &Json, at: &str, reader: &mut Reader) -> Option<Points> {
    let number = reader.number(json, at, -MAX_POINTS..=MAX_POINTS)?;
    let points = Points::of(number);
    if points.is_none() {
        reader.fault(at, "invalid_format", "must have at most three decimals");
    }
    points
}

fn repeated(map: &Map<String, Json>, at: &str, known: &Known<'_>, reader: &mut Reader) -> Option<Repeated> {
    let query = read_query(map, at, known, reader);
    let max_times = map.get("max_times");
    let max_times = max_times.map_or(Some(History::SEEN as i64), |json| {
        reader.whole(json, &below(at, "max_times"), 1..=History::SEEN as i64)
    });
    let half_life = map.get("half_life").map_or(Some(None), |json| {
        reader.duration(json, &below(at, "half_life")).map(Some)
    })?;
    Some(Repeated {
        query: query?,
        max_times: usize::try_from(max_times?).ok()?,
        decay: half_life.map(Decay::of),
    })
}

fn groups(json: &Json, at: &str, reader: &mut Reader) -> Option<BTreeMap<String, i64>> {
    let map = reader.map(json, at)?;
    if map.len() > MAX_GROUPS {
        reader.fault(
            at,
            "too_many_items",
            format!("must have at most {MAX_GROUPS} members"),
        );
        return None;
    }
    let maxima = map.iter().map(|(name, json)| {
        let at = below(at, name);
        let group = reader.object(json, &at, &["max"])?;
        let max = reader.required(group, &at, "max")?;
        let max = reader.whole(max, &below(&at, "max"), 0..=MAX_MAXIMUM)?;
        Some((name.clone(), max))
    });
    maxima.collect::<Vec<_>>().into_iter().collect()
}

type Bounds = Vec<(String, i64)>;

fn bands_of(json: &Json, at: &str, reader: &mut Reader) -> Option<(Bounds, Bounds)> {
    let map = reader.object(json, at, &["fit", "engagement"])?;
    // Letters and digits, so that it is plain where the one ends and the other begins.
    let fit = reader.required(map, at, "fit");
    let fit = fit.and_then(|json| {
        bounds(
            json,
            &below(at, "fit"),
            "1 to 8 letters",
            char::is_alphabetic,
            reader,
        )
    });
    let engagement = reader.required(map, at, "engagement");
    let engagement = engagement.and_then(|json| {
        bounds(
            json,
            &below(at, "engagement"),
            "1 to 8 digits",
            char::is_numeric,
            reader,
        )
    });
    Some((fit?, engagement?))
}

fn bounds(
    json: &Json,
    at: &str,
    names: &str,
    is_fit: impl Fn(char) -> bool,
    reader: &mut Reader,
) -> Option<Bounds> {
    let map = reader.map(json, at)?;
    if map.len() > MAX_BANDS {
        reader.fault(
            at,
            "too_many_items",
            format!("must have at most {MAX_BANDS} members"),
        );
        return None;
    }
    let mut bands: Bounds = vec![];
    let mut is_whole = true;
    for (name, json) in map {
        let at = below(at, name);
        if !name.chars().all(|c| c.is_ascii() && is_fit(c)) || !(1..=8).contains(&name.len()) {
            reader.fault(&at, "invalid_format", format!("must have a name of {names}"));
            is_whole = false;
        }
        match reader.whole(json, &at, 0..=MAX_MAXIMUM) {
            Some(bound) if bands.iter().any(|(_, other)| *other == bound) => {
                reader.fault(&at, "duplicate_items", "is the bound of another band");
                is_whole = false;
            }
            Some(bound) => bands.push((name.clone(), bound)),
            None => is_whole = false,
        }
    }
    if is_whole && !bands.iter().any(|(_, bound)| *bound == 0) {
        reader.fault(at, "required", "must have a band with the bound 0");
        is_whole = false;
    }
    bands.sort_unstable_by_key(|(_, bound)| std::cmp::Reverse(*bound));
    is_whole.then_some(bands)
}
