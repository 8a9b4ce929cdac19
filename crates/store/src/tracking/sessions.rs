//! The sessions that new events create, continue, or derive again: set-wise, and only those around the events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::{Value, json};
use tandem_domain::change::Change;
use tandem_domain::id::{Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::events::{Event, EventKind, Pages};
use tandem_domain::tracking::sessions::{Point, Session, sessions, span, window};
use tandem_domain::tracking::streams::{Joined, StoredSession, Whose, join, point, portions, revise};
use tandem_domain::tracking::visitors::Visitors;
use uuid::Uuid;

use crate::db::{Conn, Tx};
use crate::dialect::{self, Stream};
use crate::error::StoreError;
use crate::rows::{to_json, touches};

/// Let sessions follow from events that were recorded; answers what is to be written, and the leads whose touches changed.
///
/// `fresh` are the leads that were created in this transaction.
pub(crate) async fn follow(
    tx: &Tx,
    arrived: &[&Event],
    visitors: &Visitors,
    fresh: &BTreeSet<LeadId>,
) -> Result<(Vec<Change>, BTreeSet<LeadId>), StoreError> {
    let (mut changes, mut seen) = (vec![], BTreeSet::new());
    // Mostly one: what a batch may bring into memory is bounded, not what it may do.
    for portion in portions(arrived.iter().copied(), |visitor| visitors.kept(visitor)) {
        for (whose, old, made) in join_all(tx, portion, visitors, fresh).await? {
            let revision = revise(&whose, &old, made, &tx.act().ids);
            // A lead that is created by one form alone shows its touch already.
            let is_shown = whose.0.is_none()
                && old.is_empty()
                && revision.changes.len() == 1
                && whose.1.is_some_and(|id| fresh.contains(&id));
            seen.extend(whose.1.filter(|_| revision.is_seen && !is_shown));
            changes.extend(revision.changes.into_iter().map(Change::from));
        }
    }
    Ok((changes, seen))
}

/// The sessions of each stream, those that were there and those that come in their place.
async fn join_all(
    tx: &Tx,
    streams: BTreeMap<Whose, Vec<Point>>,
    visitors: &Visitors,
    fresh: &BTreeSet<LeadId>,
) -> Result<Vec<Planned>, StoreError> {
    let is_new = |whose: &Whose| match whose {
        (Some(visitor), _) => visitors.is_new(*visitor),
        (None, Some(lead)) => fresh.contains(lead),
        (None, None) => true,
    };
    let old: Vec<(&Whose, &Vec<Point>)> = streams.iter().filter(|(whose, _)| !is_new(whose)).collect();
    let around = around(tx, &old).await?;
    let (mut plan, mut late) = (vec![], vec![]);
    for (whose, points) in &streams {
        let around = around.get(whose).map(Vec::as_slice).unwrap_or_default();
        match join(around, points, &tx.rules().touch_rules) {
            Joined::Made { old, made } => plan.push((*whose, old, made)),
            Joined::Late(near) => late.push((*whose, near, points.as_slice())),
        }
    }
    plan.extend(redo(tx, late).await?);
    Ok(plan)
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
        Ok(point(&whose, &kind, pages, at).map(|point| (whose, point)))
    }
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
async fn around(
    tx: &Tx,
    streams: &[(&Whose, &Vec<Point>)],
) -> Result<HashMap<Whose, Vec<StoredSession>>, StoreError> {
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
) -> Result<HashMap<Whose, Vec<StoredSession>>, StoreError> {
    let mut found: HashMap<Whose, Vec<StoredSession>> = HashMap::new();
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

/// The sessions of a stream that were there, and those that come in their place.
type Planned = (Whose, Vec<StoredSession>, Vec<Session>);

/// Whole runs around late events, derived again from their events.
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
    let late: Vec<(Whose, Vec<StoredSession>, (Timestamp, Timestamp))> = late
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
    let rules = &tx.rules().touch_rules;
    let made = late.into_iter().map(|(whose, old, (low, high))| {
        let points = told.remove(&whose).unwrap_or_default().into_values();
        let points = points.filter(|point| low <= point.at && point.at <= high);
        (whose, old, sessions(None, points.collect(), rules))
    });
    Ok(made.collect())
}
