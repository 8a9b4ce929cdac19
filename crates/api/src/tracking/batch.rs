//! Recording events, any number of requests in one transaction: visitors, leads, one write, derived rows.

use std::collections::{BTreeSet, HashMap};

use actix_web::web;
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::id::{EventId, LeadId};
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::change::TrackingChange;
use tandem_domain::tracking::events::{Event, Read};
use tandem_domain::tracking::visitor::Teller;
use tandem_domain::tracking::visitors::Visitors;
use tandem_domain::world::World;
use tandem_store as store;
use tandem_store::idempotency::{self, Record};
use tandem_store::{StoreError, Tx};
use uuid::Uuid;

use super::body::{EventsAnswer, RejectedEvent, Who};
use crate::edge::core::Core;
use crate::edge::ctx::Once;
use crate::edge::http::json::Json;
use crate::edge::http::problem::StoredAnswer;
use crate::edge::http::reply::Answer;
use crate::edge::writer::BatchWork;

mod leads;
mod withdraw;

use leads::{Created, Leads};

/// The work of the writer of events.
pub struct Tracks(pub web::Data<Core>);

/// The events of one request.
pub struct Item {
    /// Who sent them, in which request, when.
    pub act: Act,
    /// The id of the sender.
    pub told_by: String,
    /// The events that can be read.
    pub events: Vec<Arrival>,
    /// Those that cannot.
    pub rejected: Vec<RejectedEvent>,
    /// Whether an unknown e-mail creates a lead.
    pub makes_leads: bool,
    /// The `Idempotency-Key`, if the caller gave one.
    pub once: Option<Once>,
}

/// An event on its way. Its id is drawn before the first attempt.
pub struct Arrival {
    /// Its id.
    pub id: EventId,
    /// Its place in the request.
    pub index: usize,
    /// Who acted.
    pub who: Who,
    /// The hash of its sender and its own id.
    pub hash: Option<Uuid>,
    /// What was read of it.
    pub read: Read,
    /// Whether a known bot did it.
    pub is_bot: bool,
    /// Whether a mail scanner or a prefetcher did it.
    pub is_machine: bool,
}

/// The result of a request with events.
#[derive(Debug)]
pub enum Outcome {
    /// It was taken, but for what was rejected of it.
    Taken(StoredAnswer),
    /// It was taken before; the same answer again.
    Repeated(StoredAnswer),
    /// Its key was used with another body.
    KeyReused,
}

impl BatchWork for Tracks {
    type Item = Item;
    type Done = Outcome;

    const MOST_WEIGHT: usize = 2000;

    fn weight(item: &Item) -> usize {
        item.events.len()
    }

    async fn attempt(&self, items: &[&Item], again: bool) -> Result<Vec<Outcome>, StoreError> {
        let core = &self.0;
        let tx = core.db.begin(core.ambient.act("tracking")).await?;
        let mut kept = idempotency::find_all(&tx, &keys_of(items)).await?;
        // What is refused or answered already does nothing: neither are leads made of it nor events noted.
        let open = open(items, &kept);
        let acts: Vec<Act> = open.iter().map(|item| tx.act_of(&item.act)).collect();
        let visitors = store::tracking::visitors(&tx, &visitor_keys(&open)).await?;
        let mut leads = Leads::named_by(&tx, &open).await?;
        let Created {
            mut world,
            mut done,
            told,
        } = leads.create(&tx, &open, &acts).await?;
        world.tracking.visitors = visitors;
        let touched: BTreeSet<LeadId> = leads.all().chain(world.tracking.visitors.leads()).collect();
        store::tracking::lock_leads(&tx, &touched).await?;
        let known = match again {
            true => store::tracking::known_events(&tx, &event_ids(&open)).await?,
            false => BTreeSet::new(),
        };
        let crowded = crowded(&tx, &open, &mut world.tracking.visitors, &known).await?;
        let news = store::tracking::news(&tx, &hashes(&open, &leads, &crowded)).await?;
        let mut batch = Batch {
            leads,
            news,
            told,
            done: known,
            crowded,
        };

        let (mut outcomes, mut records) = (vec![], vec![]);
        let mut undecided = acts.iter().zip(&mut done);
        for item in items.iter().copied() {
            if let Some((once, record)) = item.known(&kept) {
                outcomes.push(match record.body_hash == once.body_hash {
                    true => Outcome::Repeated(StoredAnswer::of(record)),
                    false => Outcome::KeyReused,
                });
                continue;
            }
            let mut spare = Unsettled::default();
            let (act, done) = undecided.next().unwrap_or((tx.act(), &mut spare));
            let answer = batch.take(item, act, &mut world, done);
            let answer = Json(answer).render();
            if let Some(once) = &item.once {
                let record = once.record(&answer);
                kept.insert(once.key_hash.clone(), record.clone());
                records.push((once.key_hash.as_str(), record));
            }
            outcomes.push(Outcome::Taken(answer));
        }
        let mut done: Vec<(&Act, Unsettled)> = acts.iter().zip(done).collect();
        if done.iter().all(|(_, done)| done.is_empty()) && records.is_empty() {
            tx.rollback().await?;
            return Ok(outcomes);
        }
        withdraw::withdraw(&tx, &mut world, &open, &mut done).await?;
        store::settle_all(&tx, &mut world, done).await?;
        idempotency::keep_all(&tx, &records).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Events that cannot be recorded are not stored: the caller has them, and is asked to retry.
    async fn keep(&self, _: &Item) -> Result<Outcome, StoreError> {
        Err(StoreError::Internal("a batch of events failed even alone".into()))
    }
}

fn keys_of<'a>(items: &[&'a Item]) -> Vec<&'a str> {
    let once = items.iter().filter_map(|item| item.once.as_ref());
    once.map(|once| once.key_hash.as_str()).collect()
}

fn all_of<'a>(items: &[&'a Item]) -> impl Iterator<Item = &'a Arrival> {
    items.iter().flat_map(|item| &item.events)
}

fn visitor_keys(items: &[&Item]) -> BTreeSet<String> {
    let visitors = all_of(items).filter_map(|arrival| match &arrival.who {
        Who::Visitor(key) => Some(key.clone()),
        _ => None,
    });
    visitors.collect()
}

fn event_ids(items: &[&Item]) -> Vec<EventId> {
    all_of(items).map(|arrival| arrival.id).collect()
}

/// The items that are decided now: those whose key has no answer yet, the first of each key.
fn open<'a>(items: &[&'a Item], kept: &HashMap<String, Record>) -> Vec<&'a Item> {
    let (mut open, mut keys) = (vec![], BTreeSet::new());
    for item in items.iter().copied() {
        let is_first = match &item.once {
            Some(once) => !kept.contains_key(&once.key_hash) && keys.insert(once.key_hash.as_str()),
            None => true,
        };
        if is_first {
            open.push(item);
        }
    }
    open
}

/// The events of visitors at their limit, except those that were recorded before.
async fn crowded(
    tx: &Tx,
    open: &[&Item],
    visitors: &mut Visitors,
    done: &BTreeSet<EventId>,
) -> Result<BTreeSet<EventId>, StoreError> {
    let mut crowded: Vec<(EventId, Option<Uuid>)> = vec![];
    for item in open {
        let teller = item.teller();
        for arrival in item.events.iter().filter(|arrival| !done.contains(&arrival.id)) {
            if let Who::Visitor(key) = &arrival.who
                && !visitors.admit(key, teller)
            {
                crowded.push((arrival.id, arrival.hash));
            }
        }
    }
    let hashes: BTreeSet<Uuid> = crowded.iter().filter_map(|(_, hash)| *hash).collect();
    let told = store::tracking::told_before(tx, &hashes).await?;
    crowded.retain(|(_, hash)| hash.is_none_or(|hash| !told.contains(&hash)));
    Ok(crowded.into_iter().map(|(id, _)| id).collect())
}

/// The hashes of the events to record, unless they were recorded before.
fn hashes(open: &[&Item], leads: &Leads, crowded: &BTreeSet<EventId>) -> BTreeSet<Uuid> {
    let taken = all_of(open).filter(|arrival| leads.knows(&arrival.who) && !crowded.contains(&arrival.id));
    taken.filter_map(|arrival| arrival.hash).collect()
}

impl Item {
    fn teller(&self) -> Teller {
        match self.act.by {
            Actor::System(_) => Teller::Site,
            Actor::User(_) | Actor::Key { .. } | Actor::Form(_) => Teller::Service,
        }
    }

    /// The answer that its key has already.
    fn known<'a>(&'a self, kept: &'a HashMap<String, Record>) -> Option<(&'a Once, &'a Record)> {
        let once = self.once.as_ref()?;
        Some((once, kept.get(&once.key_hash)?))
    }
}

/// What events are decided on, beside the world.
struct Batch {
    leads: Leads,
    /// The hashes of events that were not reported before.
    news: BTreeSet<Uuid>,
    /// The hashes of events that were reported, as far as they are known.
    told: BTreeSet<Uuid>,
    /// The events that an earlier attempt stored.
    done: BTreeSet<EventId>,
    /// The events of visitors of whom no more are stored.
    crowded: BTreeSet<EventId>,
}

impl Batch {
    /// What becomes of the events of one request.
    fn take(&mut self, item: &Item, act: &Act, world: &mut World, done: &mut Unsettled) -> EventsAnswer {
        let mut answer = EventsAnswer {
            accepted: 0,
            duplicates: 0,
            rejected: item.rejected.clone(),
        };
        for arrival in &item.events {
            if self.done.contains(&arrival.id) {
                answer.accepted += 1;
                continue;
            }
            if !self.leads.knows(&arrival.who) {
                if arrival.hash.is_some_and(|hash| self.told.contains(&hash)) {
                    answer.duplicates += 1;
                    continue;
                }
                let detail = "there is no such lead";
                let rejected = RejectedEvent::new(arrival.index, "not_found", detail);
                answer.rejected.push(rejected);
                continue;
            }
            if self.crowded.contains(&arrival.id) {
                let detail = "the limit of stored events of this visitor is reached";
                let rejected = RejectedEvent::new(arrival.index, "too_many_events", detail);
                answer.rejected.push(rejected);
                continue;
            }
            if arrival.hash.is_some_and(|hash| !self.news.remove(&hash)) {
                answer.duplicates += 1;
                continue;
            }
            self.told.extend(arrival.hash);
            answer.accepted += 1;
            let lead_id = self.leads.find(&arrival.who);
            let recorded = match &arrival.who {
                Who::Visitor(key) => world
                    .tracking
                    .visitors
                    .record(key, item.event(arrival, lead_id), act),
                _ => vec![TrackingChange::EventRecorded(Box::new(
                    item.event(arrival, lead_id),
                ))],
            };
            done.extend(recorded);
        }
        answer.rejected.sort_by_key(|rejected| rejected.index);
        answer
    }
}

impl Item {
    /// An event as it is stored; whose visitor's it is, is not said yet.
    fn event(&self, arrival: &Arrival, lead_id: Option<LeadId>) -> Event {
        Event {
            id: arrival.id,
            kind: arrival.read.kind.clone(),
            told_by: self.told_by.clone(),
            visitor_id: None,
            lead_id,
            occurred_at: arrival.read.occurred_at,
            received_at: self.act.now,
            pages: arrival.read.pages.clone(),
            properties: arrival.read.properties.clone(),
            content_id: None,
            is_bot: arrival.is_bot,
            is_machine: arrival.is_machine,
        }
    }
}
