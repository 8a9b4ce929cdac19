//! Conditions against facts: resolved once, they answer for any instant from then on as long as nothing new happens.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::compare::{Comparison, Holds, Value};
use super::facts::{Facts, History, Standing, parts};
use super::{Condition, Count, Query, ScorePart, TouchProperty, Touched};
use crate::duration::Duration;
use crate::id::{ActivityId, EventId, SegmentId};
use crate::instant::Timestamp;
use crate::leads::Touch;
use crate::stage::Stage;
use crate::tracking::events::EventKind;

/// How many instants at which an answer might change are looked at before one is given that may be too early.
pub(crate) const MOST_LOOKS: usize = 64;

/// What a condition says of a lead at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// The earliest instant at which that could change if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
    /// Whether a part saw 1,000 events and there were more.
    pub truncated: bool,
    /// The parts that decided: those that hold where it holds, those that fail where it fails.
    pub evidence: Vec<Evidence>,
}

/// A part of a condition that decided its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// A field with its value.
    Field {
        /// The field's name.
        #[schema(max_length = 80, example = "company.employees")]
        field: String,
        /// The value; absent if the field is empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Value>)]
        value: Option<Json>,
    },
    /// The events of one type that matched the condition.
    Events {
        /// The type's name.
        #[schema(max_length = 80, example = "page_view")]
        event: String,
        /// The matching events that decided, newest first.
        #[schema(max_items = 1001)]
        event_ids: Vec<EventId>,
    },
    /// The activities of one type that matched the condition.
    Activities {
        /// The type's name in conditions.
        #[schema(max_length = 80, example = "activity.call")]
        activity: String,
        /// The matching events that decided, newest first.
        #[schema(max_items = 1001)]
        activity_ids: Vec<ActivityId>,
    },
    /// The lead's bands of fit and engagement, when the condition was evaluated.
    Band {
        /// Both bands in one, such as `A1`; absent if the agreement defines no bands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(max_length = 16, example = "A1")]
        band: Option<String>,
    },
    /// The stage.
    Stage {
        /// The stage.
        stage: Stage,
        /// Since when the lead is in it.
        since: Timestamp,
    },
    /// Touches.
    Touches {
        /// Which touches were evaluated.
        touch: Touched,
        /// When the matching ones happened.
        #[schema(max_items = 100000)]
        at: Vec<Timestamp>,
    },
    /// Whether the lead may be contacted for a purpose.
    Consent {
        /// The purpose.
        #[schema(max_length = 63, example = "marketing_email")]
        purpose: String,
        /// Whether it may be contacted.
        allowed: bool,
    },
    /// Whether the lead is in a segment.
    Segment {
        /// The segment.
        segment_id: SegmentId,
        /// Whether it is in it.
        is_member: bool,
    },
    /// A part of the score.
    Score {
        /// The part of the score.
        part: ScorePart,
        /// Its points, rounded down.
        points: i64,
    },
}

/// A condition with the facts of one lead.
#[derive(Debug)]
pub struct Resolved<'a> {
    node: Node<'a>,
    /// The instant up to which it may be asked: the score is not known beyond it.
    horizon: i64,
}

#[derive(Debug)]
enum Node<'a> {
    All(Vec<Node<'a>>),
    Any(Vec<Node<'a>>),
    Not(Box<Node<'a>>),
    Field(&'a super::Field, Option<&'a Value>, Holds),
    Events(&'a EventKind, MatchedEvents<'a>, &'a Count),
    Score(ScorePart, i64, bool, i64),
    Band(Option<&'a str>, bool, i64),
    Stage(Option<(Stage, Timestamp)>, Holds),
    Touch(Touched, Vec<Span>),
    Consent(&'a str, bool),
    Segment(SegmentId, bool, i64),
}

/// A touch that matches within a span of time: when it happened, and from when to when it matches, in milliseconds.
#[derive(Debug)]
struct Span {
    at: i64,
    from: i64,
    until: i64,
}

impl Condition {
    /// What it says of a lead at an instant.
    pub fn judge(&self, facts: &Facts, at: Timestamp) -> Verdict {
        let resolved = self.resolve(facts, at);
        let mut evidence = vec![];
        resolved.evidence(at, &mut evidence);
        Verdict {
            holds: resolved.holds(at),
            valid_until: resolved.next_change(at),
            truncated: resolved.is_truncated(at),
            evidence,
        }
    }

    /// The condition with the facts of a lead, for this instant and later ones.
    pub fn resolve<'a>(&'a self, facts: &'a Facts, at: Timestamp) -> Resolved<'a> {
        let mut horizon = i64::MAX;
        let node = self.node(facts, at.millis(), &mut horizon);
        Resolved { node, horizon }
    }

    fn node<'a>(&'a self, facts: &'a Facts, at: i64, horizon: &mut i64) -> Node<'a> {
        match self {
            Condition::All(parts) => {
                Node::All(parts.iter().map(|part| part.node(facts, at, horizon)).collect())
            }
            Condition::Any(parts) => {
                Node::Any(parts.iter().map(|part| part.node(facts, at, horizon)).collect())
            }
            Condition::Not(part) => Node::Not(Box::new(part.node(facts, at, horizon))),
            Condition::Field(field, comparison) => {
                let value = facts.fields.get(field);
                Node::Field(field, value, comparison.of(value))
            }
            Condition::Events(query, count) => {
                Node::Events(&query.event, query.see(facts, count.enough(), at), count)
            }
            Condition::Score(part, comparison) => score(*part, comparison, facts, horizon),
            Condition::Band(wanted) => {
                let standing = facts.score.as_ref();
                let until = until(standing, horizon);
                let band = standing.and_then(|standing| standing.band.as_deref());
                Node::Band(band, band == Some(wanted), until)
            }
            Condition::InStage(wanted, span) => {
                let since = facts.stage.filter(|(stage, _)| stage == wanted);
                let holds = since.map_or(Holds::Always(false), |(_, since)| {
                    let span = span.map_or(0, Duration::millis);
                    Holds::Between(since.millis().saturating_add(span), i64::MAX)
                });
                Node::Stage(facts.stage, holds)
            }
            Condition::Touch(touched, filters) => Node::Touch(*touched, spans(*touched, filters, facts)),
            Condition::Consent(purpose) => Node::Consent(purpose, facts.consents.contains(purpose)),
            Condition::Segment(id) => {
                let until = facts.segments.valid_until.map_or(i64::MAX, Timestamp::millis);
                *horizon = until.min(*horizon);
                Node::Segment(*id, facts.segments.ids.contains(id), until)
            }
        }
    }
}

/// Until when a score is known; nothing may be asked of it beyond.
fn until(standing: Option<&Standing>, horizon: &mut i64) -> i64 {
    let until = standing.and_then(|standing| standing.valid_until);
    let until = until.map_or(i64::MAX, Timestamp::millis);
    *horizon = until.min(*horizon);
    until
}

/// When which touches match. One that lies ahead does once it happens.
fn spans(touched: Touched, filters: &[(TouchProperty, Comparison)], facts: &Facts) -> Vec<Span> {
    let touches = &facts.touches;
    let span = |touch: &Touch| {
        let at = touch.occurred_at?.millis();
        let (mut from, mut until) = (at, i64::MAX);
        for (property, comparison) in filters {
            match comparison.of(of_touch(touch, *property).as_ref()) {
                Holds::Always(true) => {}
                Holds::Always(false) => return None,
                Holds::Between(later, end) => (from, until) = (from.max(later), until.min(end)),
            }
        }
        (from < until).then_some(Span { at, from, until })
    };
    match touched {
        Touched::First => touches.first.iter().filter_map(span).collect(),
        Touched::Last => touches.last.iter().filter_map(span).collect(),
        Touched::Any => touches.all.iter().filter_map(span).collect(),
    }
}

fn of_touch(touch: &Touch, property: TouchProperty) -> Option<Value> {
    let text = match property {
        TouchProperty::Channel => touch.channel.as_deref(),
        TouchProperty::Source => touch.source.as_deref(),
        TouchProperty::Medium => touch.medium.as_deref(),
        TouchProperty::Campaign => touch.campaign.as_deref(),
        TouchProperty::Content => touch.content.as_deref(),
        TouchProperty::LandingPath => touch.landing_url.as_deref().map(|url| parts(url).1),
        TouchProperty::At => return touch.occurred_at.map(Value::Instant),
    };
    text.filter(|text| !text.is_empty())
        .map(|text| Value::Text(text.to_owned()))
}

fn score<'a>(part: ScorePart, comparison: &Comparison, facts: &Facts, horizon: &mut i64) -> Node<'a> {
    let until = until(facts.score.as_ref(), horizon);
    let standing = facts.score.clone().unwrap_or_default();
    let points = match part {
        ScorePart::Fit => standing.fit,
        ScorePart::Engagement => standing.engagement,
        ScorePart::Total => standing.total,
    };
    let holds = comparison.of(Some(&Value::Number(points as f64))) == Holds::Always(true);
    Node::Score(part, points, holds, until)
}

impl Resolved<'_> {
    /// Whether it holds at an instant, not before the one it was resolved for.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.node.holds(at.millis())
    }

    /// The earliest instant after this one at which the answer could change; never too late. `None`: never.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let now = self.node.holds(at.millis());
        let mut look = at.millis();
        for _ in 0..MOST_LOOKS {
            look = self.node.next(look)?;
            if look >= self.horizon || self.node.holds(look) != now {
                break;
            }
        }
        Some(Timestamp::from_millis(look))
    }

    /// Whether a part saw 1,000 events and there were more.
    pub fn is_truncated(&self, at: Timestamp) -> bool {
        self.node.is_truncated(at.millis())
    }

    /// Append to `found` the parts that decide the result at an instant.
    pub fn evidence(&self, at: Timestamp, found: &mut Vec<Evidence>) {
        self.node.evidence(at.millis(), found);
    }

    /// The matching events and activities among the parts that decide at an instant.
    pub fn ids(&self, at: Timestamp) -> (Vec<EventId>, Vec<ActivityId>) {
        let mut found = vec![];
        self.evidence(at, &mut found);
        let (mut events, mut activities) = (BTreeSet::new(), BTreeSet::new());
        for evidence in found {
            match evidence {
                Evidence::Events { event_ids, .. } => events.extend(event_ids),
                Evidence::Activities { activity_ids, .. } => activities.extend(activity_ids),
                _ => {}
            }
        }
        (
            events.into_iter().rev().collect(),
            activities.into_iter().rev().collect(),
        )
    }
}

impl Node<'_> {
    fn holds(&self, at: i64) -> bool {
        match self {
            Node::All(parts) => parts.iter().all(|part| part.holds(at)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(at)),
            Node::Not(part) => !part.holds(at),
            Node::Field(_, _, holds) | Node::Stage(_, holds) => holds.at(at),
            Node::Events(_, seen, count) => count.allows(seen.count(at)),
            Node::Score(_, _, holds, _) | Node::Band(_, holds, _) => *holds,
            Node::Consent(_, holds) | Node::Segment(_, holds, _) => *holds,
            Node::Touch(_, spans) => spans.iter().any(|span| span.contains(at)),
        }
    }

    /// An instant after this one before which the answer is the same; `None` where it never changes.
    fn next(&self, at: i64) -> Option<i64> {
        match self {
            Node::All(parts) | Node::Any(parts) => {
                let holds = self.holds(at);
                next_of(parts, at, holds, holds == matches!(self, Node::All(_)))
            }
            Node::Not(part) => part.next(at),
            Node::Field(_, _, holds) | Node::Stage(_, holds) => holds.next(at),
            Node::Events(_, seen, count) => seen.next(at, |left| count.allows(left)),
            Node::Consent(..) => None,
            Node::Touch(_, spans) => {
                let edges = spans
                    .iter()
                    .filter_map(|span| Holds::Between(span.from, span.until).next(at));
                edges.min()
            }
            Node::Score(_, _, _, until) | Node::Band(_, _, until) | Node::Segment(_, _, until) => {
                Some(*until).filter(|until| *until > at && *until < i64::MAX)
            }
        }
    }

    fn is_truncated(&self, at: i64) -> bool {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().any(|part| part.is_truncated(at)),
            Node::Not(part) => part.is_truncated(at),
            Node::Events(_, seen, _) => seen.is_truncated(at),
            Node::Field(..) | Node::Score(..) | Node::Band(..) => false,
            Node::Stage(..) | Node::Touch(..) | Node::Consent(..) | Node::Segment(..) => false,
        }
    }

    fn evidence(&self, at: i64, found: &mut Vec<Evidence>) {
        match self {
            Node::All(parts) | Node::Any(parts) => {
                let holds = self.holds(at);
                let deciding = parts.iter().filter(|part| part.holds(at) == holds);
                deciding.for_each(|part| part.evidence(at, found));
            }
            Node::Not(part) => part.evidence(at, found),
            Node::Field(field, value, _) => found.push(Evidence::Field {
                field: field.name(),
                value: value.map(Value::to_json),
            }),
            Node::Events(kind, seen, _) if kind.as_activity().is_some() => found.push(Evidence::Activities {
                activity: kind.name().to_owned(),
                activity_ids: seen.ids(at).map(activity).collect(),
            }),
            Node::Events(kind, seen, _) => found.push(Evidence::Events {
                event: kind.name().to_owned(),
                event_ids: seen.ids(at).collect(),
            }),
            Node::Band(band, ..) => found.push(Evidence::Band {
                band: band.map(str::to_owned),
            }),
            Node::Stage(stage, _) => {
                found.extend(stage.map(|(stage, since)| Evidence::Stage { stage, since }))
            }
            Node::Touch(touch, spans) => {
                let matching = spans.iter().filter(|span| span.contains(at));
                found.push(Evidence::Touches {
                    touch: *touch,
                    at: matching.map(|span| Timestamp::from_millis(span.at)).collect(),
                });
            }
            Node::Consent(purpose, allowed) => found.push(Evidence::Consent {
                purpose: (*purpose).to_owned(),
                allowed: *allowed,
            }),
            Node::Segment(segment_id, is_member, _) => found.push(Evidence::Segment {
                segment_id: *segment_id,
                is_member: *is_member,
            }),
            Node::Score(part, points, ..) => found.push(Evidence::Score {
                part: *part,
                points: *points,
            }),
        }
    }
}

/// The activity that a condition looked at like an event.
pub(crate) const fn activity(id: EventId) -> ActivityId {
    ActivityId::from_uuid(id.uuid())
}

impl Holds {
    fn at(self, at: i64) -> bool {
        match self {
            Holds::Always(holds) => holds,
            Holds::Between(from, until) => (from..until).contains(&at),
        }
    }

    /// When the answer next changes.
    fn next(self, at: i64) -> Option<i64> {
        let Holds::Between(from, until) = self else {
            return None;
        };
        [from, until]
            .into_iter()
            .find(|edge| *edge > at && *edge < i64::MAX)
    }
}

impl Span {
    fn contains(&self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// The next instant of a list of parts. Where every part decides, the first that may change may change the whole; where
/// one of several suffices, the whole stays as long as one of these stays.
fn next_of(parts: &[Node<'_>], at: i64, holds: bool, every_one_decides: bool) -> Option<i64> {
    if every_one_decides {
        return parts.iter().filter_map(|part| part.next(at)).min();
    }
    let deciding = parts.iter().filter(|part| part.holds(at) == holds);
    let mut latest = i64::MIN;
    for part in deciding {
        latest = latest.max(part.next(at)?);
    }
    Some(latest)
}

/// The events of a lead that match a query, as far as they can matter.
#[derive(Debug)]
pub struct MatchedEvents<'a> {
    history: &'a History,
    /// Places in the history, newest first.
    places: Vec<usize>,
    window: i64,
}

impl Query {
    /// The matching events: the newest `enough` that have happened, and those ahead.
    pub fn see<'a>(&self, facts: &'a Facts, enough: usize, at: i64) -> MatchedEvents<'a> {
        static NOTHING: History = History::EMPTY;
        let history = facts.histories.get(&self.event).unwrap_or(&NOTHING);
        let window = self.within.map_or(i64::MAX, |within| within.millis());
        let ahead = history.ahead_of(at);
        let events = history.events();
        let matches = |place: &usize| {
            let mut filters = self.filters.iter();
            filters.all(|(name, comparison)| comparison.of_property(events[*place].property(name)))
        };
        let mut places: Vec<usize> = (0..ahead).filter(matches).collect();
        let until = events.len().min(ahead + History::SEEN);
        let seen = (ahead..until).take_while(|place| at - events[*place].at.millis() <= window);
        places.extend(seen.filter(matches).take(enough));
        MatchedEvents {
            history,
            places,
            window,
        }
    }
}

impl<'a> MatchedEvents<'a> {
    /// The events that count at an instant, newest first.
    fn visible(&self, at: i64) -> &[usize] {
        let ahead = self.history.ahead_of(at);
        let first = self.places.partition_point(|place| *place < ahead);
        let counts = |place: &usize| *place < ahead + History::SEEN && at - self.at(*place) <= self.window;
        let after = first + self.places[first..].partition_point(counts);
        &self.places[first..after]
    }

    /// How many events count at an instant; more than enough are not counted.
    pub fn count(&self, at: i64) -> i64 {
        self.visible(at).len() as i64
    }

    /// The ids of the events that count at an instant, newest first.
    pub fn ids(&self, at: i64) -> impl Iterator<Item = EventId> + '_ {
        let events = self.history.events();
        self.visible(at).iter().map(|place| events[*place].id)
    }

    /// The instants of the events that count at an instant, in milliseconds, newest first.
    pub fn instants(&self, at: i64) -> impl Iterator<Item = i64> + '_ {
        self.visible(at).iter().map(|place| self.at(*place))
    }

    /// How old an event may be, in milliseconds.
    pub const fn window(&self) -> i64 {
        self.window
    }

    /// Whether 1,000 events of the type are seen at an instant and there are more in the window.
    pub fn is_truncated(&self, at: i64) -> bool {
        let next = self.history.ahead_of(at) + History::SEEN;
        let event = self.history.events().get(next);
        event.is_some_and(|event| at - event.at.millis() <= self.window)
    }

    /// The next instant at which the number of events changes such that the answer is another one.
    fn next(&self, at: i64, allows: impl Fn(i64) -> bool) -> Option<i64> {
        let now = allows(self.count(at));
        let change = self.departures(at).find(|(_, left)| allows(*left) != now);
        [self.arrival(at), change.map(|(at, _)| at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The instants at which events leave the window, with the number that is left.
    fn departures(&self, at: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
        let visible = self.visible(at);
        let leaves = |place: usize| self.at(place).saturating_add(self.window).saturating_add(1);
        let left = (0..visible.len()).rev().filter(move |left| {
            // Of those that leave together the last one says how many are left.
            *left == 0 || leaves(visible[*left - 1]) != leaves(visible[*left])
        });
        left.map(move |left| (leaves(visible[left]), left as i64))
            .take_while(|(at, _)| *at < i64::MAX)
    }

    /// The next instant at which an event that lies ahead happens.
    pub fn arrival(&self, at: i64) -> Option<i64> {
        let ahead = self.history.ahead_of(at);
        let next = ahead.checked_sub(1)?;
        Some(self.at(next))
    }

    fn at(&self, place: usize) -> i64 {
        self.history.events()[place].at.millis()
    }
}
