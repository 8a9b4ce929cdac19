//! Streams: whose events make sessions with each other, and what becomes of the sessions when events arrive.

use std::collections::{BTreeMap, VecDeque};

use super::change::TrackingChange;
use super::events::{Event, EventKind, Pages};
use super::record::TouchRecord;
use super::rules::TouchRules;
use super::sessions::{Point, Session, SessionUpdate, sessions, way, window};
use crate::id::{Ids, LeadId, TouchId, VisitorId};
use crate::instant::Timestamp;
use crate::leads::Touch;

/// Whose events make sessions with each other: a visitor's while it is one lead's, or a lead's without a visitor.
pub type Whose = (Option<VisitorId>, Option<LeadId>);

/// A session with the id of the touch that keeps it.
pub type StoredSession = (TouchId, Session);

/// The most events of the visitors whose sessions are looked at in one go: a late event may have all of them read again.
const MOST_AT_ONCE: u64 = 100_000;

/// What sessions look at of an event, if it makes any: events of a visitor's visits, and forms that were sent without a
/// visitor.
pub fn point(whose: &Whose, kind: &EventKind, pages: Pages, at: Timestamp) -> Option<Point> {
    let is_submission = kind.name() == EventKind::FORM_SUBMIT;
    let makes_sessions = match whose {
        (Some(_), _) => kind.is_of_a_visit(),
        (None, Some(_)) => is_submission && pages != Pages::default(),
        (None, None) => false,
    };
    makes_sessions.then_some(Point {
        at,
        is_submission,
        pages,
    })
}

/// The streams that events belong to, in portions that bound how much of the past is read for them at once. `kept` is how
/// many events are stored of a visitor. Bots and machines make no sessions.
pub fn portions<'e>(
    events: impl IntoIterator<Item = &'e Event>,
    kept: impl Fn(VisitorId) -> u64,
) -> Vec<BTreeMap<Whose, Vec<Point>>> {
    let mut streams: BTreeMap<Whose, Vec<Point>> = BTreeMap::new();
    for event in events.into_iter().filter(|event| event.counts()) {
        let whose = (event.visitor_id, event.lead_id);
        if let Some(point) = point(&whose, &event.kind, event.pages.clone(), event.occurred_at) {
            streams.entry(whose).or_default().push(point);
        }
    }
    let (mut portions, mut portion, mut weight) = (vec![], BTreeMap::new(), 0);
    for (whose, points) in streams {
        let weighs = whose.0.map_or(0, &kept);
        if weight > 0 && weight + weighs > MOST_AT_ONCE {
            portions.push(std::mem::take(&mut portion));
            weight = 0;
        }
        weight += weighs;
        portion.insert(whose, points);
    }
    if !portion.is_empty() {
        portions.push(portion);
    }
    portions
}

/// How new events join the sessions of their stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Joined {
    /// These sessions come in the place of the old ones.
    Made {
        /// Those that go on.
        old: Vec<StoredSession>,
        /// As they are now, with the new ones.
        made: Vec<Session>,
    },
    /// The events are late: whole runs around these sessions are made again from all their events.
    Late(Vec<Session>),
}

/// Let new events join the sessions of their stream, as far as these lie near them.
pub fn join(around: &[StoredSession], points: &[Point], rules: &TouchRules) -> Joined {
    let near: Vec<&StoredSession> = match window(points) {
        Some((low, high)) => around
            .iter()
            .filter(|(_, session)| session.ended_at >= low && session.started_at <= high)
            .collect(),
        None => vec![],
    };
    let bare: Vec<Session> = near.iter().map(|(_, session)| session.clone()).collect();
    match way(&bare, points) {
        SessionUpdate::Append(open) => {
            let open = open.map(|open| *open);
            let is_open = |kept: &&&StoredSession| Some(&kept.1) == open.as_ref();
            Joined::Made {
                old: near
                    .iter()
                    .filter(is_open)
                    .take(1)
                    .map(|kept| (*kept).clone())
                    .collect(),
                made: sessions(open, points.to_vec(), rules),
            }
        }
        SessionUpdate::Redo => Joined::Late(bare),
    }
}

/// What differs between the sessions of a stream as they were and as they are now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Revision {
    /// What is to be written: those that stay the same keep their ids and their channels.
    pub changes: Vec<TrackingChange>,
    /// Whether their touches differ.
    pub is_seen: bool,
}

/// Let sessions come in the place of those that were there.
pub fn revise(whose: &Whose, old: &[StoredSession], made: Vec<Session>, ids: &Ids) -> Revision {
    // Nothing else distinguishes visits that begin at one instant.
    let mut rest: BTreeMap<Timestamp, VecDeque<&StoredSession>> = BTreeMap::new();
    for kept in old {
        rest.entry(kept.1.started_at).or_default().push_back(kept);
    }
    let mut as_kept = vec![];
    for mut session in made {
        let known = rest.get_mut(&session.started_at).and_then(VecDeque::pop_front);
        if let Some((_, known)) = known {
            session.keep_channel_of(known);
        }
        as_kept.push((known, session));
    }
    let gone = rest.into_values().flatten();
    let mut changes: Vec<TrackingChange> = gone.map(|(id, _)| TrackingChange::TouchGone(*id)).collect();
    let is_seen = touches_of(old.iter().map(|(_, session)| session))
        != touches_of(as_kept.iter().map(|(_, session)| session));
    for (known, session) in as_kept {
        let id = match known {
            Some((_, known)) if *known == session => continue,
            Some((id, _)) => *id,
            None => ids.next(),
        };
        let record = TouchRecord::of_session(id, whose.1, whose.0, session);
        changes.push(TrackingChange::TouchKept(Box::new(record)));
    }
    Revision { changes, is_seen }
}

fn touches_of<'a>(all: impl Iterator<Item = &'a Session>) -> Vec<&'a Touch> {
    all.filter_map(|session| session.touch.as_ref()).collect()
}
