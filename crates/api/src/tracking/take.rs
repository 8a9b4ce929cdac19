//! Taking in events, any number of requests in one transaction: visitors, leads, one write, what follows.

use std::collections::{BTreeSet, HashMap};

use actix_web::web;
use futures::FutureExt;
use futures::future::BoxFuture;
use tandem_domain::access::Actor;
use tandem_domain::change::Change;
use tandem_domain::id::{EventId, LeadId};
use tandem_domain::judge::{Rulebook, judge};
use tandem_domain::leads::consent::{self, StateConsent};
use tandem_domain::leads::identity::Key;
use tandem_domain::leads::save::{self, OnConflict, Statement};
use tandem_domain::tracking::events::{Event, Read};
use tandem_domain::world::World;
use tandem_store as store;
use tandem_store::idempotency::{self, Record};
use tandem_store::tracking::Visitors;
use tandem_store::{Stamp, StoreError, Tx};
use uuid::Uuid;

use super::body::{EventsAnswer, RejectedEvent, Who};
use crate::app::App;
use crate::capture::writer::Work;
use crate::ctx::Once;
use crate::http::json::Json;
use crate::http::problem::Kept;
use crate::http::reply::Answer;
use crate::serve;

/// The work of the writer of events.
pub struct Tracks(pub web::Data<App>);

/// The events of one request.
pub struct Item {
    /// Who told them, in which request, when.
    pub stamp: Stamp,
    /// Who told them, by id.
    pub told_by: String,
    /// The events that can be read.
    pub events: Vec<Arrival>,
    /// Those that cannot.
    pub rejected: Vec<RejectedEvent>,
    /// Whether an unknown e-mail makes a lead.
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
    /// Who did it.
    pub who: Who,
    /// The hash of who told it and of its own id.
    pub hash: Option<Uuid>,
    /// What was read of it.
    pub read: Read,
    /// Whether a known bot did it.
    pub is_bot: bool,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was taken, but for what was rejected of it.
    Taken(Kept),
    /// It was taken before; the same answer again.
    Repeated(Kept),
    /// Its key was used with another body.
    KeyReused,
}

impl Work for Tracks {
    type Item = Item;
    type Done = Outcome;

    const MOST_WEIGHT: usize = 2000;

    fn weight(item: &Item) -> usize {
        item.events.len()
    }

    async fn attempt(&self, items: &[&Item], again: bool) -> Result<Vec<Outcome>, StoreError> {
        let app = &self.0;
        let tx = app.db.begin(serve::stamp(&app.ambient, "tracking")).await?;
        let keys = keys_of(items);
        let mut kept = idempotency::find_all(&tx, &keys).await?;
        let mut visitors = store::tracking::visitors(&tx, &visitor_keys(items)).await?;
        let mut leads = Leads::named_by(&tx, items).await?;
        let made = leads.make(&tx, items).await?;
        let touched: BTreeSet<LeadId> = leads.all().chain(visitors.leads()).collect();
        store::tracking::lock_leads(&tx, &touched).await?;
        let done = match again {
            true => store::tracking::known_events(&tx, &event_ids(items)).await?,
            false => BTreeSet::new(),
        };
        let told = hashes(items, &leads, &kept);
        let mut news = store::tracking::news(&tx, &told).await?;

        let (mut arrived, mut outcomes, mut records) = (vec![], vec![], vec![]);
        for item in items {
            if let Some((once, record)) = item.known(&kept) {
                outcomes.push(match record.body_hash == once.body_hash {
                    true => Outcome::Repeated(Kept::of(record)),
                    false => Outcome::KeyReused,
                });
                continue;
            }
            let answer = take(item, &mut visitors, &leads, &mut news, &done, &mut arrived);
            let answer = Json(answer).render();
            if let Some(once) = &item.once {
                let record = once.record(&answer);
                kept.insert(once.key_hash.clone(), record.clone());
                records.push((once.key_hash.as_str(), record));
            }
            outcomes.push(Outcome::Taken(answer));
        }
        if arrived.is_empty() && made.changes.is_empty() && records.is_empty() {
            tx.rollback().await?;
            return Ok(outcomes);
        }
        let parts: Vec<(&Stamp, &[Change])> = made
            .changes
            .iter()
            .map(|(stamp, all)| (*stamp, all.as_slice()))
            .collect();
        store::write_all(&tx, &parts).await?;
        withdraw(&tx, items, &arrived, &visitors).await?;
        store::tracking::record(&tx, &visitors, &[], arrived, &made.fresh).await?;
        idempotency::keep_all(&tx, &records).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Nothing is kept of events that cannot be taken: the caller has them, and is told to repeat.
    async fn keep(&self, _: &Item) -> Result<Outcome, StoreError> {
        Err(StoreError::Internal(
            "events cannot be taken, not even alone".into(),
        ))
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

/// The hashes of the events that will be taken, unless they were told before.
fn hashes(items: &[&Item], leads: &Leads, kept: &HashMap<String, Record>) -> BTreeSet<Uuid> {
    let open = items.iter().filter(|item| item.known(kept).is_none());
    let theirs = open.flat_map(|item| &item.events);
    let taken =
        theirs.filter(|arrival| matches!(arrival.who, Who::Visitor(_)) || leads.find(&arrival.who).is_some());
    taken.filter_map(|arrival| arrival.hash).collect()
}

impl Item {
    /// The answer that its key has already.
    fn known<'a>(&'a self, kept: &'a HashMap<String, Record>) -> Option<(&'a Once, &'a Record)> {
        let once = self.once.as_ref()?;
        Some((once, kept.get(&once.key_hash)?))
    }
}

/// The leads that events name.
struct Leads {
    by_key: HashMap<Key, LeadId>,
    by_id: BTreeSet<LeadId>,
}

/// The leads that an unknown e-mail made.
#[derive(Default)]
struct Made<'a> {
    fresh: BTreeSet<LeadId>,
    changes: Vec<(&'a Stamp, Vec<Change>)>,
}

impl Leads {
    async fn named_by(tx: &Tx, items: &[&Item]) -> Result<Self, StoreError> {
        let keys: BTreeSet<Key> = all_of(items).filter_map(|arrival| arrival.who.key()).collect();
        let ids = all_of(items).filter_map(|arrival| match &arrival.who {
            Who::Lead(id) => Some(*id),
            _ => None,
        });
        Ok(Self {
            by_key: store::tracking::leads_named(tx, &keys).await?,
            by_id: store::tracking::leads_there(tx, &ids.collect()).await?,
        })
    }

    fn find(&self, who: &Who) -> Option<LeadId> {
        match who {
            Who::Lead(id) => self.by_id.get(id).copied(),
            who => self.by_key.get(&who.key()?).copied(),
        }
    }

    fn all(&self) -> impl Iterator<Item = LeadId> {
        self.by_key.values().chain(&self.by_id).copied()
    }

    /// Make leads of the e-mails that nobody has, where the caller asks for it.
    async fn make<'a>(&mut self, tx: &Tx, items: &[&'a Item]) -> Result<Made<'a>, StoreError> {
        let mut asked: Vec<(&Stamp, Key, Statement)> = vec![];
        for item in items.iter().filter(|item| item.makes_leads) {
            for arrival in &item.events {
                let (Who::Email(email), Some(key)) = (&arrival.who, arrival.who.key()) else {
                    continue;
                };
                if self.by_key.contains_key(&key) || asked.iter().any(|(_, other, _)| *other == key) {
                    continue;
                }
                let said = Statement {
                    emails: vec![email.clone()],
                    ..Statement::default()
                };
                asked.push((&item.stamp, key, said));
            }
        }
        let mut made = Made::default();
        if asked.is_empty() {
            return Ok(made);
        }
        let said: Vec<&Statement> = asked.iter().map(|(_, _, said)| said).collect();
        let mut world = facts(tx, &said).await?;
        let rulebook = Rulebook {
            agreement: &tx.rules().agreement,
        };
        for (stamp, key, said) in &asked {
            let saved = save::upsert(
                &mut world,
                said,
                OnConflict::FollowEmail,
                &stamp.actor,
                stamp.now,
                &mut stamp.ids(),
            );
            // Who may not make leads tells of an unknown one.
            let Ok(saved) = saved else { continue };
            let mut changes = saved.changes;
            changes.extend(judge(
                &mut world,
                saved.lead_id,
                &rulebook,
                stamp.now,
                &mut stamp.ids(),
            ));
            if saved.created {
                made.fresh.insert(saved.lead_id);
            }
            self.by_key.insert(key.clone(), saved.lead_id);
            made.changes.push((stamp, changes));
        }
        Ok(made)
    }
}

/// Boxed, since the compiler cannot otherwise see that the writer's task may hold it.
fn facts<'a>(tx: &'a Tx, said: &'a [&'a Statement]) -> BoxFuture<'a, Result<World, StoreError>> {
    store::leads::world(tx, said.iter().copied()).boxed()
}

/// What becomes of the events of one request.
fn take(
    item: &Item,
    visitors: &mut Visitors,
    leads: &Leads,
    news: &mut BTreeSet<Uuid>,
    done: &BTreeSet<EventId>,
    arrived: &mut Vec<Event>,
) -> EventsAnswer {
    let mut answer = EventsAnswer {
        accepted: 0,
        duplicates: 0,
        rejected: item.rejected.clone(),
    };
    for arrival in &item.events {
        if done.contains(&arrival.id) {
            answer.accepted += 1;
            continue;
        }
        let lead_id = leads.find(&arrival.who);
        let is_unknown = lead_id.is_none() && !matches!(arrival.who, Who::Visitor(_));
        if is_unknown {
            answer.rejected.push(RejectedEvent::new(
                arrival.index,
                "not_found",
                "there is no such lead",
            ));
            continue;
        }
        if arrival.hash.is_some_and(|hash| !news.remove(&hash)) {
            answer.duplicates += 1;
            continue;
        }
        let now = item.stamp.now;
        let visitor = match &arrival.who {
            Who::Visitor(key) => Some(visitors.visit(key, now, &mut item.stamp.ids()).id),
            _ => None,
        };
        answer.accepted += 1;
        arrived.push(Event {
            id: arrival.id,
            kind: arrival.read.kind.clone(),
            told_by: item.told_by.clone(),
            visitor_id: visitor,
            lead_id,
            occurred_at: arrival.read.occurred_at,
            received_at: now,
            pages: arrival.read.pages.clone(),
            properties: arrival.read.properties.clone(),
            is_bot: arrival.is_bot,
        });
    }
    answer.rejected.sort_by_key(|rejected| rejected.index);
    answer
}

/// Whoever unsubscribed, or whose address takes no mail, agrees no more. Only servers are believed: what a page tells,
/// anybody can.
async fn withdraw(
    tx: &Tx,
    items: &[&Item],
    arrived: &[Event],
    visitors: &Visitors,
) -> Result<(), StoreError> {
    let stamps: HashMap<&str, &Stamp> = items
        .iter()
        .filter(|item| !matches!(item.stamp.actor, Actor::System(_)))
        .map(|item| (item.told_by.as_str(), &item.stamp))
        .collect();
    let said: Vec<(&Stamp, LeadId, StateConsent)> = arrived
        .iter()
        .filter_map(|event| {
            let stamp = stamps.get(event.told_by.as_str())?;
            let said = StateConsent::of_event(event.kind.name(), &event.properties, event.occurred_at)?;
            Some((*stamp, visitors.owner(event)?, said))
        })
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    let mut world = store::leads::world_for_consent(tx, said.iter().map(|(_, lead_id, _)| *lead_id)).await?;
    let mut changes = vec![];
    for (stamp, lead_id, said) in said {
        let mut ids = stamp.ids();
        let made = consent::record(
            &mut world,
            lead_id,
            [said],
            None,
            &stamp.actor,
            stamp.now,
            &mut ids,
        );
        changes.push((stamp, made));
    }
    let parts: Vec<(&Stamp, &[Change])> = changes
        .iter()
        .map(|(stamp, all)| (*stamp, all.as_slice()))
        .collect();
    store::write_all(tx, &parts).await
}
