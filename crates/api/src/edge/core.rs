//! What every room stands on: the database, the clock, the keys; and, by type, what the rooms keep in a process.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use tandem_store::Db;

use super::crypto::seal::MasterKey;
use super::http::asset::Asset;
use super::http::connection::Connections;
use super::http::limits::Limits;
use super::http::routes::Routes;
use super::http::walls::Walls;
use super::metrics::Metrics;
use super::room::Room;
use super::settings::Settings;
use crate::ambient::Ambient;

/// What handlers and jobs share.
pub struct Core {
    /// The database.
    pub db: Db,
    /// The clock and the chance.
    pub ambient: Ambient,
    /// Signs cursors and seals what must be kept readable.
    pub master: MasterKey,
    /// What the operator configured, as far as it concerns requests.
    pub settings: Settings,
    /// How often who may call.
    pub limits: Limits,
    /// The connections of this process.
    pub connections: Arc<Connections>,
    /// What operators measure.
    pub metrics: Metrics,
    /// The published document.
    pub document: &'static LazyLock<Asset>,
    /// Which paths there are, for 405.
    pub routes: Routes,
    /// What keys may not read is taken out of answers.
    pub walls: Walls,
    /// The name of this process among its replicas.
    pub replica: String,
    /// Whether it answers requests, and so has its share of the rate limits.
    pub serves: bool,
    /// Whether the service is being drained: it reports that it is not ready, and closes each connection after its answer.
    pub is_draining: AtomicBool,
    /// Whether the service stops: requests that wait are answered at once.
    pub is_stopping: AtomicBool,
    /// The rooms of the service.
    pub rooms: &'static [Room],
    /// What the rooms keep in this process.
    pub parts: Parts,
}

impl Core {
    /// What a room keeps in this process.
    ///
    /// Panics where the program started without it: a fault of its list of parts, which any test shows.
    pub fn part<T: Any + Send + Sync>(&self) -> &T {
        let part = self
            .parts
            .0
            .get(&TypeId::of::<T>())
            .and_then(|part| part.downcast_ref());
        part.unwrap_or_else(|| panic!("the program started without {}", type_name::<T>()))
    }

    /// How much waits for the writers of all rooms or is being written, in items.
    pub fn backlog(&self) -> usize {
        let queues = self.rooms.iter().flat_map(|room| room.queues);
        queues.map(|queue| (queue.weight)(self)).sum()
    }
}

/// Values by their type, one of each.
#[derive(Default)]
pub struct Parts(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Parts {
    /// With one more.
    pub fn with<T: Any + Send + Sync>(mut self, part: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Box::new(part));
        self
    }
}
