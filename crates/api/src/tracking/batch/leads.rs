//! The leads that events name, and those that an unknown e-mail makes.

use std::collections::{BTreeSet, HashMap};

use futures::FutureExt;
use futures::future::BoxFuture;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::identity::Key;
use tandem_domain::leads::save::{self, OnConflict, Statement};
use tandem_domain::settle::Unsettled;
use tandem_domain::world::World;
use tandem_store as store;
use tandem_store::{StoreError, Tx};
use uuid::Uuid;

use super::{Item, all_of};
use crate::tracking::body::Who;

/// The leads that events name.
pub(super) struct Leads {
    by_key: HashMap<Key, LeadId>,
    by_id: BTreeSet<LeadId>,
}

/// The leads that unknown e-mails create.
pub(super) struct Created {
    /// The facts that they were decided on, with what was decided.
    pub(super) world: World,
    /// What each item did so far.
    pub(super) done: Vec<Unsettled>,
    /// The hashes of events that asked for a lead, but were reported before.
    pub(super) told: BTreeSet<Uuid>,
}

/// A lead that is to be created of an e-mail.
struct Wanted<'a> {
    /// The place of the item that asks for it.
    place: usize,
    act: &'a Act,
    key: Key,
    said: Statement,
    /// The hash of the event that asks for it.
    hash: Option<Uuid>,
}

impl Leads {
    /// Those that there are.
    pub(super) async fn named_by(tx: &Tx, items: &[&Item]) -> Result<Self, StoreError> {
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

    /// The lead that is named so.
    pub(super) fn find(&self, who: &Who) -> Option<LeadId> {
        match who {
            Who::Lead(id) => self.by_id.get(id).copied(),
            who => self.by_key.get(&who.key()?).copied(),
        }
    }

    /// Whether there is somebody whose the events are: a visitor always is.
    pub(super) fn knows(&self, who: &Who) -> bool {
        matches!(who, Who::Visitor(_)) || self.find(who).is_some()
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = LeadId> {
        self.by_key.values().chain(&self.by_id).copied()
    }

    /// Create leads of the e-mails that nobody has, if the caller asks for it and the event is new. `acts` are the
    /// items'.
    pub(super) async fn create(
        &mut self,
        tx: &Tx,
        items: &[&Item],
        acts: &[Act],
    ) -> Result<Created, StoreError> {
        let mut wanted = self.wanted(items, acts);
        let hashes: BTreeSet<Uuid> = wanted.iter().filter_map(|one| one.hash).collect();
        let told = store::tracking::told_before(tx, &hashes).await?;
        wanted.retain(|one| one.hash.is_none_or(|hash| !told.contains(&hash)));
        let mut named = BTreeSet::new();
        wanted.retain(|one| named.insert(one.key.clone()));
        let mut created = Created {
            world: store::leads::empty_world(tx),
            done: items.iter().map(|_| Unsettled::default()).collect(),
            told,
        };
        if wanted.is_empty() {
            return Ok(created);
        }
        let said: Vec<&Statement> = wanted.iter().map(|one| &one.said).collect();
        created.world = facts(tx, &said).await?;
        for Wanted {
            place,
            act,
            key,
            said,
            ..
        } in &wanted
        {
            let saved = save::upsert(&mut created.world, said, OnConflict::FollowEmail, act);
            // Who may not create leads reports events of an unknown one.
            let Ok(saved) = saved else { continue };
            self.by_key.insert(key.clone(), saved.lead_id);
            created.done[*place].extend(saved.changes);
        }
        Ok(created)
    }

    /// The leads that the events of this batch ask for; an event that comes twice asks once.
    fn wanted<'a>(&self, items: &[&Item], acts: &'a [Act]) -> Vec<Wanted<'a>> {
        let (mut wanted, mut seen) = (vec![], BTreeSet::new());
        if !items.iter().any(|item| item.makes_leads) {
            return wanted;
        }
        for (place, (item, act)) in items.iter().zip(acts).enumerate() {
            for arrival in &item.events {
                let is_known = self.knows(&arrival.who);
                let email = match &arrival.who {
                    Who::Email(email) if item.makes_leads && !is_known => Some(email),
                    _ => None,
                };
                let is_taken = is_known || email.is_some();
                if !is_taken || arrival.hash.is_some_and(|hash| !seen.insert(hash)) {
                    continue;
                }
                if let (Some(email), Some(key)) = (email, arrival.who.key()) {
                    let said = Statement {
                        emails: vec![email.clone()],
                        ..Statement::default()
                    };
                    wanted.push(Wanted {
                        place,
                        act,
                        key,
                        said,
                        hash: arrival.hash,
                    });
                }
            }
        }
        wanted
    }
}

/// Boxed, since the compiler cannot otherwise see that the writer's task may hold it.
fn facts<'a>(tx: &'a Tx, said: &'a [&'a Statement]) -> BoxFuture<'a, Result<World, StoreError>> {
    store::leads::world(tx, said.iter().copied()).boxed()
}
