//! The language of conditions: what stages, scoring, routing and segments ask of a lead.
//!
//! A condition is read from JSON once ([`Condition::read`]), says what has to be loaded ([`Condition::needs`]), is
//! resolved against the facts of a lead ([`Condition::resolve`]) and then answers for any instant. Time passes without
//! new facts, so a resolved condition also knows until when its answer holds.

mod compare;
mod facts;
mod known;
mod operand;
mod read;
mod registry;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::duration::Duration;
use crate::id::{FormId, SegmentId};
use crate::stage::Stage;
use crate::tracking::events::EventKind;
use crate::words::words;

pub use compare::{Comparison, Holds, Op, Operand, Property, Value};
pub use facts::{Event, Facts, History, Memberships, Standing, Touches};
pub use known::Known;
pub use read::{ACTIVITIES, MAX_DEPTH, MAX_NODES, Usage, read_query};
pub use registry::{Entry, Field, FieldType, Origin, Standard};
pub(crate) use resolve::activity;
pub use resolve::{Evidence, MatchedEvents, Resolved, Verdict};

/// A condition, read and typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every one holds; an empty list holds too.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A field compares so.
    Field(Field, Comparison),
    /// So many matching events happened.
    Events(Query, Count),
    /// The score compares so.
    Score(ScorePart, Comparison),
    /// The lead's bands of fit and engagement are among these.
    Band(String),
    /// It is in this stage, for so long at least.
    InStage(Stage, Option<Duration>),
    /// One of these touches is like this, in all of it.
    Touch(Touched, Vec<(TouchProperty, Comparison)>),
    /// It may be contacted for this purpose.
    Consent(String),
    /// It is in this segment.
    Segment(SegmentId),
}

/// Which events count.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Their type.
    pub event: EventKind,
    /// What their properties must be, all of it.
    pub filters: Vec<(String, Comparison)>,
    /// How old they may be: one that is exactly so old counts. Without it every kept event counts.
    pub within: Option<Duration>,
}

/// How many events there must be: every bound that is given holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Count(Vec<(Op, i64)>);

impl Count {
    /// The greatest bound: no more than 1,000 events are seen.
    pub const MAX: i64 = History::SEEN as i64;

    /// At least so many.
    pub fn at_least(count: i64) -> Self {
        Self(vec![(Op::Gte, count)])
    }

    /// Whether this number of events satisfies every bound.
    pub fn allows(&self, count: i64) -> bool {
        self.0.iter().all(|(op, bound)| match op {
            Op::Eq => count == *bound,
            Op::Neq => count != *bound,
            Op::Gt => count > *bound,
            Op::Gte => count >= *bound,
            Op::Lt => count < *bound,
            Op::Lte => count <= *bound,
            _ => false,
        })
    }

    /// The number of events beyond which more change nothing.
    fn enough(&self) -> usize {
        let greatest = self.0.iter().map(|(_, bound)| *bound).max().unwrap_or(0);
        usize::try_from(greatest).unwrap_or(0) + 1
    }
}

words! {
    /// Which touches of a lead a condition evaluates.
    Touched {
        /// The first one.
        First = "first",
        /// The last one.
        Last = "last",
        /// Every one.
        Any = "any",
    }

    /// The properties of a touch that a condition may use.
    TouchProperty {
        /// The channel.
        Channel = "channel",
        /// The source.
        Source = "source",
        /// The medium.
        Medium = "medium",
        /// The campaign, as named by `utm_campaign`.
        Campaign = "campaign",
        /// The content, as named by `utm_content`.
        Content = "content",
        /// The path of the page on which the visit began.
        LandingPath = "landing_path",
        /// When it happened.
        At = "at",
    }
}

/// A part of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScorePart {
    /// Who the lead is.
    Fit,
    /// What it did.
    Engagement,
    /// Both.
    Total,
}

impl ScorePart {
    /// The names of the parts.
    pub const NAMES: &'static [&'static str] = &["fit", "engagement", "total"];

    /// The part with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "fit" => Some(ScorePart::Fit),
            "engagement" => Some(ScorePart::Engagement),
            "total" => Some(ScorePart::Total),
            _ => None,
        }
    }
}

/// What has to be loaded before conditions can be judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// The values of these fields.
    pub fields: BTreeSet<Field>,
    /// The newest [`History::LOADED`] events of these types.
    pub events: BTreeMap<EventKind, EventNeeds>,
    /// The submissions of these forms, among the events `form_submit`.
    pub forms: BTreeSet<FormId>,
    /// The score.
    pub score: bool,
    /// The touches.
    pub touches: bool,
    /// For which purposes it may be contacted.
    pub consents: bool,
}

/// What has to be loaded of the events of one type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventNeeds {
    /// How far back; all of them where it is `None`.
    pub within: Option<Duration>,
    /// Which of their properties are looked at; without any, their instants suffice.
    pub properties: BTreeSet<String>,
}

impl Needs {
    /// Add what others need.
    pub fn extend(&mut self, other: &Self) {
        self.fields.extend(other.fields.iter().cloned());
        self.forms.extend(&other.forms);
        self.score |= other.score;
        self.touches |= other.touches;
        self.consents |= other.consents;
        for (kind, needs) in &other.events {
            self.add_events(kind, needs.within, needs.properties.iter());
        }
    }

    fn add_events<'n>(
        &mut self,
        kind: &EventKind,
        within: Option<Duration>,
        properties: impl Iterator<Item = &'n String>,
    ) {
        let is_new = !self.events.contains_key(kind);
        let needs = self.events.entry(kind.clone()).or_default();
        needs.within = match (needs.within, within) {
            (_, within) if is_new => within,
            (Some(one), Some(other)) => Some(if one.millis() >= other.millis() {
                one
            } else {
                other
            }),
            _ => None,
        };
        needs.properties.extend(properties.cloned());
    }

    /// Add what a query needs.
    pub fn add_query(&mut self, query: &Query) {
        let names = query.filters.iter().map(|(name, _)| name);
        self.add_events(&query.event, query.within, names);
        for (name, comparison) in &query.filters {
            if let ("form_id", Operand::Texts(ids)) = (name.as_str(), &comparison.operand) {
                self.forms
                    .extend(ids.iter().filter_map(|id| id.parse::<FormId>().ok()));
            }
        }
    }
}

impl Condition {
    /// What has to be loaded to judge by it, added to what others need.
    pub fn needs(&self, needs: &mut Needs) {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.needs(needs)),
            Condition::Not(part) => part.needs(needs),
            Condition::Field(field, _) => drop(needs.fields.insert(field.clone())),
            Condition::Events(query, _) => needs.add_query(query),
            Condition::Score(..) | Condition::Band(_) => needs.score = true,
            // What segments look at is loaded for all of them.
            Condition::InStage(..) | Condition::Segment(_) => {}
            Condition::Touch(..) => needs.touches = true,
            Condition::Consent(_) => needs.consents = true,
        }
    }
}
