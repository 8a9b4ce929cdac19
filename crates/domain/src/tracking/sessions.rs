//! Sessions: runs of a visitor's events, each of which makes at most one touch. A pure function of the events.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::events::Pages;
use super::rules::TouchRules;
use super::touch::{Visit, touch};
use crate::instant::Timestamp;
use crate::leads::{ClickIds, Touch};

/// From this gap between two events on, the second one begins another session, in milliseconds: half an hour.
pub const GAP: i64 = 30 * 60_000;

/// An event as far as sessions look at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// When it happened.
    pub at: Timestamp,
    /// Whether a form was sent: it reports the visit's beginning, and is none.
    pub is_submission: bool,
    /// The page, its referrer and the landing.
    pub pages: Pages,
}

/// What distinguishes visits, of the first event of a session that has a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// UTM source, medium and campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utm: Option<[Option<String>; 3]>,
    /// The ids of an ad's click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_ids: Option<ClickIds>,
    /// The host of the other site that led here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
}

/// A run of events of one visitor and one lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// When the run of events without a gap began, of which it is a part.
    pub run_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last event happened.
    pub ended_at: Timestamp,
    /// The number of its events.
    pub events: i64,
    /// What distinguishes its visit; none while no event of it has a page.
    pub signals: Option<Signals>,
    /// The touch that it makes.
    pub touch: Option<Touch>,
}

impl Pages {
    pub(super) fn visit(&self, is_submission: bool) -> Visit<'_> {
        if !is_submission {
            return Visit {
                landing: self.url.as_deref(),
                began_there: true,
                referrer: self.referrer.as_deref(),
            };
        }
        Visit::of_form(
            self.url.as_deref(),
            self.referrer.as_deref(),
            self.landing_url.as_deref(),
            self.landing_referrer.as_deref(),
        )
    }
}

impl Signals {
    fn of(visit: Visit<'_>, rules: &TouchRules) -> Self {
        let landing = visit.landing.and_then(Address::read);
        let referrer = visit.referrer.and_then(Address::read);
        let utm = landing.as_ref().and_then(|landing| {
            let said = ["utm_source", "utm_medium", "utm_campaign"].map(|name| landing.parameter(name));
            said.iter().any(Option::is_some).then_some(said)
        });
        let outer = referrer.filter(|referrer| rules.leads(referrer, landing.as_ref()));
        Self {
            utm,
            click_ids: landing.as_ref().and_then(ClickIds::of),
            referrer: outer.and_then(|referrer| referrer.name().map(str::to_owned)),
        }
    }

    /// Whether an event with these signals begins another visit than the one that has `self`.
    fn are_left_by(&self, next: &Self) -> bool {
        let utm = next.utm.is_some() && next.utm != self.utm;
        let click = next.click_ids.is_some() && next.click_ids != self.click_ids;
        let referrer = next.referrer.is_some() && next.referrer != self.referrer;
        utm || click || referrer
    }
}

impl Session {
    fn begin(point: &Point, run_at: Timestamp) -> Self {
        Self {
            run_at,
            started_at: point.at,
            ended_at: point.at,
            events: 0,
            signals: None,
            touch: None,
        }
    }

    /// Whether an event begins another visit, though it comes without a gap.
    fn is_over_at(&self, point: &Point, signals: &Signals) -> bool {
        let known = self.signals.as_ref();
        !point.is_submission && known.is_some_and(|known| known.are_left_by(signals))
    }

    /// Keep the channel that the visit had when it was made before, where it still is the same visit: rules count for what
    /// comes in from when they hold, whatever comes late.
    pub fn keep_channel_of(&mut self, known: &Session) {
        let (Some(touch), Some(before)) = (&mut self.touch, &known.touch) else {
            return;
        };
        let by_rules_of_today = std::mem::replace(&mut touch.channel, before.channel.clone());
        if *touch != *before {
            touch.channel = by_rules_of_today;
        }
    }

    fn take(&mut self, point: &Point, signals: Signals, rules: &TouchRules) {
        self.ended_at = point.at;
        self.events += 1;
        if self.signals.is_none() {
            self.touch = touch(
                point.pages.visit(point.is_submission),
                &Touch::default(),
                rules,
                self.started_at,
            );
            self.signals = self.touch.is_some().then_some(signals);
        }
    }
}

/// The sessions that a visitor's events make. `open` is the last session before them, where it may go on.
///
/// The order in which the events are given is of no importance: they are taken in the order in which they happened,
/// and those of one instant by what they say.
pub fn sessions(open: Option<Session>, mut points: Vec<Point>, rules: &TouchRules) -> Vec<Session> {
    points.sort();
    let mut made: Vec<Session> = open.into_iter().collect();
    for point in &points {
        let signals = Signals::of(point.pages.visit(point.is_submission), rules);
        match made.last_mut() {
            Some(last) if point.at.millis() - last.ended_at.millis() < GAP => {
                if last.is_over_at(point, &signals) {
                    let run_at = last.run_at;
                    made.push(Session::begin(point, run_at));
                }
            }
            _ => made.push(Session::begin(point, point.at)),
        }
        if let Some(last) = made.last_mut() {
            last.take(point, signals, rules);
        }
    }
    made
}

/// How far around new events sessions are looked at: whatever an event may go on with, or keep from ending.
pub fn window(points: &[Point]) -> Option<(Timestamp, Timestamp)> {
    let first = points.iter().map(|point| point.at).min()?;
    let last = points.iter().map(|point| point.at).max()?;
    Some((first.plus_millis(-GAP), last.plus_millis(GAP)))
}

/// How new events join the sessions that are there.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionUpdate {
    /// They come behind everything around them: the last session may go on, the others stay.
    Append(Option<Box<Session>>),
    /// They are late: the runs around them are derived again from their events.
    Redo,
}

/// How new events join the sessions that touch their [`window`].
pub fn way(around: &[Session], points: &[Point]) -> SessionUpdate {
    let first = points.iter().map(|point| point.at).min();
    if around
        .iter()
        .any(|known| first.is_none_or(|first| known.ended_at >= first))
    {
        return SessionUpdate::Redo;
    }
    let place = |known: &Session| (known.ended_at, known.started_at);
    let last = around.iter().max_by_key(|known| place(known));
    // Of two visits of one instant the order is unknown.
    let is_last = |known: &&Session| last.is_some_and(|last| place(last) == place(known));
    if around.iter().filter(is_last).count() > 1 {
        return SessionUpdate::Redo;
    }
    SessionUpdate::Append(last.cloned().map(Box::new))
}

/// From when to when events have to be read, where whole runs of sessions are derived again with new events.
pub fn span(of_runs: &[Session], points: &[Point]) -> (Timestamp, Timestamp) {
    let starts = of_runs.iter().map(|session| session.run_at);
    let ends = of_runs.iter().map(|session| session.ended_at);
    let at = || points.iter().map(|point| point.at);
    let low = starts.chain(at()).min().unwrap_or_default();
    let high = ends.chain(at()).max().unwrap_or_default();
    (low, high)
}

/// The touch that an event makes by itself: a link of an e-mail that was followed, an event that was attended.
pub fn event_touch(
    kind: &super::events::EventKind,
    pages: &Pages,
    properties: &serde_json::Map<String, serde_json::Value>,
    at: Timestamp,
    rules: &TouchRules,
) -> Option<Touch> {
    if !kind.is_a_touch() {
        return None;
    }
    let said = |name: &str| {
        let text = properties.get(name)?.as_str()?;
        let clean = super::address::clean(text, super::address::MOST_OF_A_PARAMETER);
        Some(clean).filter(|text| !text.is_empty())
    };
    let visit = Visit {
        landing: pages.url.as_deref(),
        began_there: true,
        referrer: None,
    };
    let landed = touch(visit, &Touch::default(), rules, at).unwrap_or_default();
    let way = if kind.name() == "email_click" {
        "email"
    } else {
        "event"
    };
    let told = Touch {
        source: landed.source.or_else(|| said("source")),
        medium: landed.medium.or_else(|| Some(way.to_owned())),
        campaign: landed.campaign.or_else(|| said("campaign")),
        occurred_at: Some(at),
        ..landed
    };
    let facts = super::channels::Facts {
        source: told.source.as_deref(),
        medium: told.medium.as_deref(),
        campaign: told.campaign.as_deref(),
        referrer_host: None,
    };
    let channel = rules.channels.channel(facts).unwrap_or(way).to_owned();
    Some(Touch {
        channel: Some(channel),
        ..told
    })
}

#[cfg(test)]
mod tests;
