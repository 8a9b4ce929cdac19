//! Reading conditions from JSON: typed and compiled, or every fault with its JSON pointer.

use serde_json::{Map, Value as Json};

use super::compare::{Comparison, Op, Operand};
use super::known::Known;
use super::operand::{Subject, comparison};
use super::registry::Field;
use super::{Condition, Count, Query, ScorePart, TouchProperty, Touched};
use crate::agreement::reader::{Reader, below};
use crate::duration::Duration;
use crate::id::{FormId, SegmentId};
use crate::stage::Stage;
use crate::tracking::events::EventKind;

/// How deep conditions may be nested.
pub const MAX_DEPTH: usize = 8;
/// How many parts a condition may have, itself included.
pub const MAX_NODES: usize = 200;
const MAX_FILTERS: usize = 20;

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// It decides about now: stages, routing, segments.
    Decision,
    /// It defines a segment: no segment stands inside another.
    Segment,
    /// Part of the scoring, which can be asked for a past instant: only what is kept with its time may be used.
    Scoring,
}

/// The kinds of conditions, by the member that names them, with all members of each.
const KINDS: [(&str, &[&str]); 12] = [
    ("all", &["all"]),
    ("any", &["any"]),
    ("not", &["not"]),
    ("field", &["field", "op", "value", "unknown"]),
    ("event", &["event", "where", "count", "within"]),
    ("score", &["score", "op", "value"]),
    ("form", &["form", "within"]),
    ("band", &["band"]),
    ("in_stage", &["in_stage", "for"]),
    ("touch", &["touch", "where"]),
    ("consent", &["consent"]),
    ("segment", &["segment"]),
];
/// The types of activities, which conditions look at like events.
pub const ACTIVITIES: [&str; 6] = ["call", "email", "meeting", "message", "note", "task"];
/// What conditions may ask of an activity.
const OF_ACTIVITIES: &[&str] = &["outcome", "direction", "automatic"];
/// What conditions may ask of a conversation.
const OF_CONVERSATIONS: &[&str] = &["intent", "direction"];
const NOT_IN_SCORING: [&str; 5] = ["score", "band", "in_stage", "segment", "consent"];

impl Condition {
    /// Read a condition at a pointer of a document. `None` where it has faults, which the reader keeps.
    pub fn read(
        json: &Json,
        at: &str,
        place: Usage,
        known: &Known<'_>,
        reader: &mut Reader,
    ) -> Option<Condition> {
        let mut reading = Reading {
            known,
            place,
            reader,
            nodes: 0,
        };
        let condition = reading.condition(json, at, 1);
        if reading.nodes > MAX_NODES {
            let detail = format!("must have at most {MAX_NODES} parts");
            reader.fault(at, "too_many_items", detail);
            return None;
        }
        condition
    }
}

/// Read which events count: the members `event`, `where` and `within` of a condition or scoring rule.
pub fn read_query(
    map: &Map<String, Json>,
    at: &str,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<Query> {
    let event = reader.required(map, at, "event");
    let event = event.and_then(|json| kind_of_event(json, &below(at, "event"), reader));
    let properties = match event.as_ref().and_then(|event| event.as_activity()) {
        Some(EventKind::CONVERSATION) => Some(OF_CONVERSATIONS),
        Some(_) => Some(OF_ACTIVITIES),
        None => None,
    };
    let filters = map.get("where");
    let filters = filters.map_or(Some(vec![]), |json| {
        filters_of(json, &below(at, "where"), properties, known, reader)
    });
    let within = window(map, at, reader)?;
    Some(Query {
        event: event?,
        filters: filters?,
        within,
    })
}

fn kind_of_event(json: &Json, at: &str, reader: &mut Reader) -> Option<EventKind> {
    let name = reader.text(json, at, 80)?;
    let activity = name.strip_prefix("activity.");
    let activity = activity.filter(|activity| ACTIVITIES.contains(activity));
    let kind = activity
        .map(EventKind::activity)
        .or_else(|| (name == EventKind::CONVERSATION).then(EventKind::conversation))
        .or_else(|| EventKind::named(name));
    if kind.is_none() {
        let detail = "must be a type of event, such as page_view, one of your own, such as custom.trial_started, a type \
                      of activity, such as activity.call, or conversation";
        reader.fault(at, "not_allowed", detail);
    }
    kind
}

fn filters_of(
    json: &Json,
    at: &str,
    properties: Option<&[&'static str]>,
    known: &Known<'_>,
    reader: &mut Reader,
) -> Option<Vec<(String, Comparison)>> {
    let items = reader.list(json, at, MAX_FILTERS)?;
    let filters = items.iter().enumerate().map(|(place, json)| {
        let at = below(at, place);
        let map = reader.object(json, &at, &["property", "op", "value", "unknown"])?;
        let name = reader.required(map, &at, "property");
        let name_at = below(&at, "property");
        let name = name.and_then(|json| match properties {
            Some(properties) => reader.word(json, &name_at, properties),
            None => reader.text(json, &name_at, 100),
        });
        let comparison = comparison(map, &at, Subject::Property, known, reader);
        Some((name?.to_owned(), comparison?))
    });
    // Every item is read, so that all faults are found.
    filters.collect::<Vec<_>>().into_iter().collect()
}

/// The window, if there is one; `None` where it is unfit.
fn window(map: &Map<String, Json>, at: &str, reader: &mut Reader) -> Option<Option<Duration>> {
    match map.get("within") {
        None => Some(None),
        Some(json) => reader.duration(json, &below(at, "within")).map(Some),
    }
}

struct Reading<'a, 'r> {
    known: &'a Known<'a>,
    place: Usage,
    reader: &'r mut Reader,
    nodes: usize,
}

impl Reading<'_, '_> {
    fn condition(&mut self, json: &Json, at: &str, depth: usize) -> Option<Condition> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        if depth > MAX_DEPTH {
            let detail = format!("is nested more than {MAX_DEPTH} deep");
            self.reader.fault(at, "too_deep", detail);
            return None;
        }
        let map = self.reader.map(json, at)?;
        let mut kinds = KINDS.iter().filter(|(kind, _)| map.contains_key(*kind));
        let (Some((kind, members)), None) = (kinds.next(), kinds.next()) else {
            let names: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let detail = format!("must have exactly one of the members {}", names.join(", "));
            self.reader.fault(at, "invalid_variant", detail);
            return None;
        };
        self.reader.only(map, at, members);
        let kind_at = below(at, kind);
        if self.place == Usage::Scoring && NOT_IN_SCORING.contains(kind) {
            let detail = "must not stand in scoring: what it was at a past instant is not kept";
            self.reader.fault(kind_at, "not_allowed", detail);
            return None;
        }
        let json = map.get(*kind)?;
        match *kind {
            "all" => self.conditions(json, &kind_at, depth).map(Condition::All),
            "any" => {
                let parts = self.conditions(json, &kind_at, depth)?;
                if parts.is_empty() {
                    self.reader
                        .fault(kind_at, "too_few_items", "must have at least 1 items");
                    return None;
                }
                Some(Condition::Any(parts))
            }
            "not" => {
                let part = self.condition(json, &kind_at, depth + 1)?;
                Some(Condition::Not(Box::new(part)))
            }
            "field" => self.field(map, json, at),
            "event" => {
                let query = read_query(map, at, self.known, self.reader);
                let count = map.get("count");
                let count = count.map_or(Some(Count::at_least(1)), |json| {
                    self.count(json, &below(at, "count"))
                });
                Some(Condition::Events(query?, count?))
            }
            "form" => self.form(map, json, at),
            "band" => self.band(json, &kind_at),
            "in_stage" => self.in_stage(map, json, at),
            "touch" => self.touch(map, json, at),
            "consent" => {
                let purpose = self.reader.name(json, &kind_at)?;
                if !self.known.purposes.contains(purpose) {
                    let detail = "must be a declared purpose of consent";
                    self.reader.fault(kind_at, "unknown_reference", detail);
                    return None;
                }
                Some(Condition::Consent(purpose.to_owned()))
            }
            "segment" => self.segment(json, kind_at),
            _ => {
                let part = self.reader.word(json, &kind_at, ScorePart::NAMES);
                let comparison = comparison(map, at, Subject::Score, self.known, self.reader);
                Some(Condition::Score(ScorePart::named(part?)?, comparison?))
            }
        }
    }

    fn conditions(&mut self, json: &Json, at: &str, depth: usize) -> Option<Vec<Condition>> {
        let items = self.reader.list(json, at, MAX_NODES)?;
        let parts = items.iter().enumerate();
        let parts: Vec<_> = parts
            .map(|(place, json)| self.condition(json, &below(at, place), depth + 1))
            .collect();
        parts.into_iter().collect()
    }

    fn field(&mut self, map: &Map<String, Json>, json: &Json, at: &str) -> Option<Condition> {
        let field_at = below(at, "field");
        let name = self.reader.text(json, &field_at, 80)?;
        let Some(field) = Field::named(name, self.known.custom) else {
            self.reader.fault(field_at, "not_allowed", "is no known field");
            return None;
        };
        if self.place == Usage::Scoring && !field.may_score() {
            let detail = "must not stand in scoring: what it was at a past instant is not kept";
            self.reader.fault(field_at, "not_allowed", detail);
            return None;
        }
        let comparison = comparison(map, at, Subject::Field(&field), self.known, self.reader)?;
        Some(Condition::Field(field, comparison))
    }

    fn band(&mut self, json: &Json, at: &str) -> Option<Condition> {
        let band = self.reader.text(json, at, 16)?;
        if self.reader.is_unknown_band(band) {
            let detail = "must be a band for fit and one for engagement of this agreement, such as A1";
            self.reader.fault(at, "unknown_reference", detail);
            return None;
        }
        Some(Condition::Band(band.to_owned()))
    }

    fn in_stage(&mut self, map: &Map<String, Json>, json: &Json, at: &str) -> Option<Condition> {
        let stage_at = below(at, "in_stage");
        let span = map.get("for").map_or(Some(None), |json| {
            self.reader.duration(json, &below(at, "for")).map(Some)
        });
        let stage = Stage::named(self.reader.text(json, &stage_at, 40)?);
        if stage.is_none() {
            self.reader.fault(stage_at, "not_allowed", "must be a stage");
        }
        Some(Condition::InStage(stage?, span?))
    }

    fn touch(&mut self, map: &Map<String, Json>, json: &Json, at: &str) -> Option<Condition> {
        let touched = self.reader.word(json, &below(at, "touch"), Touched::NAMES);
        let where_at = below(at, "where");
        let items = map.get("where").map_or(Some(&[][..]), |json| {
            self.reader.list(json, &where_at, MAX_FILTERS)
        })?;
        let filters = items.iter().enumerate().map(|(place, json)| {
            let at = below(&where_at, place);
            let map = self
                .reader
                .object(json, &at, &["property", "op", "value", "unknown"])?;
            let name = self.reader.required(map, &at, "property");
            let name = name.and_then(|json| {
                self.reader
                    .word(json, &below(&at, "property"), TouchProperty::NAMES)
            });
            let property = TouchProperty::named(name?)?;
            let subject = Subject::OfTouch(property);
            let comparison = comparison(map, &at, subject, self.known, self.reader)?;
            Some((property, comparison))
        });
        let filters: Vec<_> = filters.collect();
        let filters = filters.into_iter().collect::<Option<_>>()?;
        Some(Condition::Touch(Touched::named(touched?)?, filters))
    }

    fn form(&mut self, map: &Map<String, Json>, json: &Json, at: &str) -> Option<Condition> {
        let form_at = below(at, "form");
        let within = window(map, at, self.reader);
        let text = self.reader.text(json, &form_at, 80)?;
        let Some(form) = text
            .parse::<FormId>()
            .ok()
            .filter(|form| self.known.forms.contains(form))
        else {
            self.reader
                .fault(form_at, "unknown_reference", "must be the id of a form");
            return None;
        };
        let is_it = Comparison {
            op: Op::Eq,
            operand: Operand::Texts(vec![form.to_string()]),
            passes_unknown: false,
        };
        let query = Query {
            event: EventKind::form_submit(),
            filters: vec![("form_id".into(), is_it)],
            within: within?,
        };
        Some(Condition::Events(query, Count::at_least(1)))
    }

    fn segment(&mut self, json: &Json, at: String) -> Option<Condition> {
        if self.place == Usage::Segment {
            let detail = "must not stand inside a segment";
            self.reader.fault(at, "not_allowed", detail);
            return None;
        }
        let id = self.reader.text(json, &at, 80)?.parse::<SegmentId>().ok();
        let known = id.filter(|id| self.known.segments.contains(id));
        if known.is_none() {
            let detail = "must be the id of a segment that is not archived";
            self.reader.fault(at, "unknown_reference", detail);
        }
        known.map(Condition::Segment)
    }

    fn count(&mut self, json: &Json, at: &str) -> Option<Count> {
        const OPS: [&str; 6] = ["eq", "neq", "gt", "gte", "lt", "lte"];
        let map = self.reader.object(json, at, &OPS)?;
        if map.is_empty() {
            self.reader
                .fault(at, "too_few_items", "must have at least 1 members");
            return None;
        }
        let bounds = map.iter().filter(|(name, _)| OPS.contains(&name.as_str()));
        let bounds = bounds.map(|(name, json)| {
            let bound = self.reader.whole(json, &below(at, name), 0..=Count::MAX)?;
            Some((Op::named(name)?, bound))
        });
        let bounds: Vec<_> = bounds.collect();
        let count = Count(bounds.into_iter().collect::<Option<_>>()?);
        if !(0..=Count::MAX).any(|number| count.allows(number)) {
            self.reader.fault(
                at,
                "out_of_range",
                "must allow at least one number from 0 to 1000",
            );
            return None;
        }
        Some(count)
    }
}
