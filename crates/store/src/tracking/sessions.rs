//! The sessions that new events make, go on with, or make anew: set-wise, and only those around the events.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::{Value, json};
use tandem_domain::id::{Id, LeadId, TouchId, VisitorId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Touch;
use tandem_domain::tracking::events::{Event, EventKind, Pages};
use tandem_domain::tracking::record::TouchRecord;
use tandem_domain::tracking::sessions::{Point, Session, Way, sessions, span, way, window};
use uuid::Uuid;

use super::Visitors;
use crate::db::{Conn, Tx};
use crate::dialect::{self, OnConflict, Stream};
use crate::error::StoreError;
use crate::rows::{to_json, touches};
use crate::write;

/// Whose events make sessions with each other.
type Whose = (Option<VisitorId>, Option<LeadId>);

/// A session with the row that keeps it.
type Kept = (TouchId, Session);

/// How many events the visitors have at most whose sessions are looked at in one go: a late event may have all of them
/// read again.
const MOST_AT_ONCE: u64 = 100_000;

/// Let sessions follow from new events; answers the leads whose touches changed.
pub(super) async fn follow(
    tx: &Tx,
    arrived: &[Event],
    known: &Visitors,
    fresh: &BTreeSet<LeadId>,
) -> Result<BTreeSet<LeadId>, StoreError> {
    let mut streams: BTreeMap<Whose, Vec<Point>> = BTreeMap::new();
    for event in arrived.iter().filter(|event| !event.is_bot) {
        let whose = (event.visitor_id, event.lead_id);
        if makes_sessions(&whose, &event.kind, &event.pages) {
            let point = point(&event.kind, event.occurred_at, event.pages.clone());
            streams.entry(whose).or_default().push(point);
        }
    }
    let mut changed = BTreeSet::new();
    // Mostly one: what a batch may bring into memory is bounded, not what it may do.
    for portion in portions(streams, known) {
        changed.extend(join(tx, portion, known, fresh).await?);
    }
    Ok(changed)
}

fn portions(streams: BTreeMap<Whose, Vec<Point>>, known: &Visitors) -> Vec<BTreeMap<Whose, Vec<Point>>> {
    let (mut portions, mut portion, mut weight) = (vec![], BTreeMap::new(), 0);
    for (whose, points) in streams {
        let kept = whose.0.map_or(0, |visitor| known.kept(visitor));
        if weight > 0 && weight + kept > MOST_AT_ONCE {
            portions.push(std::mem::take(&mut portion));
            weight = 0;
        }
        weight += kept;
        portion.insert(whose, points);
    }
    portions.push(portion);
    portions
}

/// Let new events join the sessions of their streams; answers the leads whose touches changed.
async fn join(
    tx: &Tx,
    streams: BTreeMap<Whose, Vec<Point>>,
    known: &Visitors,
    fresh: &BTreeSet<LeadId>,
) -> Result<BTreeSet<LeadId>, StoreError> {
    let is_new = |whose: &Whose| match whose {
        (Some(visitor), _) => known.made.contains(visitor),
        (None, Some(lead)) => fresh.contains(lead),
        (None, None) => true,
    };
    let old: Vec<(&Whose, &Vec<Point>)> = streams.iter().filter(|(whose, _)| !is_new(whose)).collect();
    let around = around(tx, &old).await?;

    let (mut plan, mut late) = (vec![], vec![]);
    for (whose, points) in &streams {
        let near = around.get(whose).map(Vec::as_slice).unwrap_or_default();
        let near = within(near, points);
        let bare: Vec<Session> = near.iter().map(|(_, session)| session.clone()).collect();
        match way(&bare, points) {
            Way::Append(open) => {
                let open = open.map(|open| *open);
                let is_open = |kept: &&Kept| Some(&kept.1) == open.as_ref();
                let old: Vec<Kept> = near.iter().filter(is_open).take(1).cloned().collect();
                let made = sessions(open, points.clone(), &tx.rules().channel_rules);
                plan.push((*whose, old, made));
            }
            Way::Redo => late.push((*whose, bare, points.as_slice())),
        }
    }
    plan.extend(redo(tx, late).await?);
    save(tx, plan, fresh).await
}

/// Events of a visitor's visits, and forms that were sent without a visitor.
fn makes_sessions(whose: &Whose, kind: &EventKind, pages: &Pages) -> bool {
    match whose {
        (Some(_), _) => kind.is_of_a_visit(),
        (None, Some(_)) => kind.name() == EventKind::FORM_SUBMIT && *pages != Pages::default(),
        (None, None) => false,
    }
}

fn point(kind: &EventKind, at: Timestamp, pages: Pages) -> Point {
    Point {
        at,
        is_submission: kind.name() == EventKind::FORM_SUBMIT,
        pages,
    }
}

/// What sessions look at of an event.
#[derive(FromQueryResult)]
struct Told {
    id: Uuid,
    kind: String,
    visitor_id: Option<Uuid>,
    lead_id: Option<Uuid>,
    occurred_at: i64,
    url: Option<String>,
    referrer: Option<String>,
    landing_url: Option<String>,
    landing_referrer: Option<String>,
}

impl Told {
    /// The point, if the event makes sessions, with whose it is.
    fn into_point(self) -> Result<Option<(Whose, Point)>, StoreError> {
        let kind = EventKind::named(&self.kind).ok_or(StoreError::Corrupt("events"))?;
        let whose: Whose = (
            self.visitor_id.map(Id::from_uuid),
            self.lead_id.map(Id::from_uuid),
        );
        let pages = Pages {
            url: self.url,
            referrer: self.referrer,
            landing_url: self.landing_url,
            landing_referrer: self.landing_referrer,
        };
        let at = Timestamp::from_millis(self.occurred_at);
        let is_one = makes_sessions(&whose, &kind, &pages);
        Ok(is_one.then(|| (whose, point(&kind, at, pages))))
    }
}

fn within(kept: &[Kept], points: &[Point]) -> Vec<Kept> {
    let Some((low, high)) = window(points) else {
        return vec![];
    };
    let is_near = |(_, session): &&Kept| session.ended_at >= low && session.started_at <= high;
    kept.iter().filter(is_near).cloned().collect()
}

/// Whom a stream is looked for by.
fn by(whose: &Whose) -> Option<(Stream, Uuid)> {
    match whose {
        (Some(visitor), _) => Some((Stream::Visitor, visitor.uuid())),
        (None, Some(lead)) => Some((Stream::Lead, lead.uuid())),
        (None, None) => None,
    }
}

/// Parameters by the kind of stream, one object each.
fn parameters<T>(
    streams: &[T],
    whose: impl Fn(&T) -> &Whose,
    value: impl Fn(&T) -> Vec<Value>,
) -> [(Stream, Vec<Value>); 2] {
    let mut of = [(Stream::Visitor, vec![]), (Stream::Lead, vec![])];
    for stream in streams {
        let Some((kind, id)) = by(whose(stream)) else {
            continue;
        };
        let all = value(stream).into_iter().map(|mut one| {
            one["id"] = json!(id);
            one
        });
        of[usize::from(kind == Stream::Lead)].1.extend(all);
    }
    of
}

/// The sessions near new events, by their stream.
async fn around(tx: &Tx, streams: &[(&Whose, &Vec<Point>)]) -> Result<HashMap<Whose, Vec<Kept>>, StoreError> {
    let asked = parameters(
        streams,
        |(whose, _)| whose,
        |(_, points)| {
            let window = window(points);
            window
                .map(|(low, high)| json!({"low": low.millis(), "high": high.millis()}))
                .into_iter()
                .collect()
        },
    );
    kept(tx, asked, dialect::sessions_around).await
}

async fn kept(
    tx: &Tx,
    asked: [(Stream, Vec<Value>); 2],
    statement: fn(sea_orm::DbBackend, Stream, String) -> Statement,
) -> Result<HashMap<Whose, Vec<Kept>>, StoreError> {
    let mut found: HashMap<Whose, Vec<Kept>> = HashMap::new();
    let mut seen = BTreeSet::new();
    for (stream, asked) in asked {
        if asked.is_empty() {
            continue;
        }
        let statement = statement(tx.conn().get_database_backend(), stream, to_json(&asked));
        for row in tx.conn().query_all_raw(statement).await? {
            let record = touches::Model::from_query_result(&row, "")?.into_domain()?;
            let session = record.session.ok_or(StoreError::Corrupt("touches"))?;
            // Streams of one visitor are asked for by the same id.
            if seen.insert(record.id) {
                let whose = (record.visitor_id, record.lead_id);
                found.entry(whose).or_default().push((record.id, session));
            }
        }
    }
    Ok(found)
}

type Planned = (Whose, Vec<Kept>, Vec<Session>);

/// Whole runs around late events, made anew from their events.
async fn redo(tx: &Tx, late: Vec<(Whose, Vec<Session>, &[Point])>) -> Result<Vec<Planned>, StoreError> {
    if late.is_empty() {
        return Ok(vec![]);
    }
    let runs = parameters(
        &late,
        |(whose, ..)| whose,
        |(_, near, _)| {
            let runs: BTreeSet<i64> = near.iter().map(|session| session.run_at.millis()).collect();
            runs.into_iter().map(|run_at| json!({"run_at": run_at})).collect()
        },
    );
    let mut of_runs = kept(tx, runs, dialect::sessions_of_runs).await?;
    let late: Vec<(Whose, Vec<Kept>, (Timestamp, Timestamp))> = late
        .into_iter()
        .map(|(whose, near, points)| {
            let runs: BTreeSet<Timestamp> = near.iter().map(|session| session.run_at).collect();
            let mut old = of_runs.remove(&whose).unwrap_or_default();
            old.retain(|(_, session)| runs.contains(&session.run_at));
            let bare: Vec<Session> = old.iter().map(|(_, session)| session.clone()).collect();
            let span = span(&bare, points);
            (whose, old, span)
        })
        .collect();
    let spans = parameters(
        &late,
        |(whose, ..)| whose,
        |(_, _, (low, high))| vec![json!({"low": low.millis(), "high": high.millis()})],
    );
    let mut told: HashMap<Whose, BTreeMap<Uuid, Point>> = HashMap::new();
    for (stream, spans) in spans {
        if spans.is_empty() {
            continue;
        }
        let statement = dialect::events_within(tx.conn().get_database_backend(), stream, to_json(&spans));
        for row in tx.conn().query_all_raw(statement).await? {
            let event = Told::from_query_result(&row, "")?;
            let id = event.id;
            if let Some((whose, point)) = event.into_point()? {
                told.entry(whose).or_default().insert(id, point);
            }
        }
    }
    let rules = &tx.rules().channel_rules;
    let made = late.into_iter().map(|(whose, old, (low, high))| {
        let points = told.remove(&whose).unwrap_or_default().into_values();
        let points = points.filter(|point| low <= point.at && point.at <= high);
        (whose, old, sessions(None, points.collect(), rules))
    });
    Ok(made.collect())
}

fn touches_of<'a>(all: impl Iterator<Item = &'a Session>) -> Vec<&'a Touch> {
    all.filter_map(|session| session.touch.as_ref()).collect()
}

/// Write what differs; answers the leads whose touches changed.
async fn save(tx: &Tx, plan: Vec<Planned>, fresh: &BTreeSet<LeadId>) -> Result<BTreeSet<LeadId>, StoreError> {
    let (mut rows, mut gone, mut changed) = (vec![], BTreeSet::new(), BTreeSet::new());
    for ((visitor_id, lead_id), old, made) in plan {
        // Visits that begin at one instant are told apart by nothing else.
        let mut rest: BTreeMap<Timestamp, VecDeque<&Kept>> = BTreeMap::new();
        for kept in &old {
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
        gone.extend(rest.into_values().flatten().map(|(id, _)| id.uuid()));
        let made = as_kept.iter().map(|(_, session)| session);
        if touches_of(old.iter().map(|(_, session)| session)) != touches_of(made.clone()) {
            // A lead that is made by one form alone shows its touch already.
            let is_shown =
                visitor_id.is_none() && made.len() == 1 && lead_id.is_some_and(|id| fresh.contains(&id));
            changed.extend(lead_id.filter(|_| !is_shown));
        }
        for (known, session) in as_kept {
            let id = match known {
                Some((_, known)) if *known == session => continue,
                Some((id, _)) => *id,
                None => tx.act().ids.next(),
            };
            let record = TouchRecord::of_session(id, lead_id, visitor_id, session);
            rows.push(touches::Model::of(&record));
        }
    }
    write::delete(tx, "touches", "id", gone.into_iter()).await?;
    write::insert::<touches::Entity>(tx, rows.iter(), OnConflict::Replace).await?;
    Ok(changed)
}
