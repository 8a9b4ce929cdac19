//! What a background job is: a reconciler without input. It looks at what is to be done, does it in small transactions,
//! and may run twice without harm.

use std::time::Duration;

use futures::future::BoxFuture;
use tandem_domain::act::Origin;
use tandem_domain::instant::Timestamp;
use tandem_store::leases::{self, Lease};
use tandem_store::{Snapshot, StoreError, Tx};

use super::core::Core;

/// How long a lease lasts beyond the job's own interval. A run renews it with each of its transactions.
const LEASE: Duration = Duration::from_secs(30);
/// The same for a job whose work must not wait for long when its replica is killed.
const SHORT_LEASE: Duration = Duration::from_secs(3);
/// How long a run may take, unless the job looks by itself whether the service stops.
const RUN: Duration = Duration::from_secs(20);

/// How long a replica counts as alive after its last heartbeat, in milliseconds.
const ALIVE: i64 = 15_000;

/// A background job: what it does, how often, and whether in one process or in each.
#[derive(Clone, Copy)]
pub struct Job {
    /// What it is called: in the log, the metrics, and its lease.
    pub name: &'static str,
    /// When it is due.
    pub due: Due,
    /// Whether one replica at a time does it, or every process.
    pub by_one: bool,
    /// How long its lease lasts beyond its interval, and so how long the others wait for a replica that was killed.
    pub lease: Duration,
    /// How long a run may take; `None` where it looks by itself whether the service stops.
    pub most: Option<Duration>,
    /// What it does.
    pub run: RunJob,
}

/// When a job is due. Waits go by a monotonic timer, so that no clock that is set back stops a job.
#[derive(Clone, Copy)]
pub enum Due {
    /// So long after its last run.
    Every(Duration),
    /// At an instant that the database knows.
    At {
        /// The longest wait between two looks at the database.
        look: Duration,
        /// The instant, perhaps in the past; `None` while there is nothing to do.
        next: NextDue,
    },
}

/// Reads when a job is due next.
pub type NextDue = for<'a> fn(&'a Snapshot) -> BoxFuture<'a, Result<Option<Timestamp>, StoreError>>;

/// Does what is due.
pub type RunJob = for<'a> fn(&'a Core, &'a JobRun) -> BoxFuture<'a, Result<Remaining, StoreError>>;

/// Whether a run of a job left a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// Nothing, or what can wait until it is due again.
    Nothing,
    /// A backlog: the run ended on its limit, and the job is due again at once.
    More,
}

impl Job {
    /// A job of every process that is due so long after its last run.
    pub const fn every(name: &'static str, interval: Duration, run: RunJob) -> Self {
        Self {
            name,
            due: Due::Every(interval),
            by_one: false,
            lease: LEASE,
            most: Some(RUN),
            run,
        }
    }

    /// A job of every process that is due when the database says so, which is asked at least this often.
    pub const fn when(name: &'static str, look: Duration, next: NextDue, run: RunJob) -> Self {
        Self {
            name,
            due: Due::At { look, next },
            by_one: false,
            lease: LEASE,
            most: Some(RUN),
            run,
        }
    }

    /// The same for one replica at a time.
    pub const fn by_one(self) -> Self {
        Self { by_one: true, ..self }
    }

    /// The same for one replica at a time; another one takes over within seconds from a replica that was killed. Its runs
    /// begin a transaction every second at least.
    pub const fn by_one_promptly(self) -> Self {
        Self {
            by_one: true,
            lease: SHORT_LEASE,
            ..self
        }
    }

    /// The same with runs that may take long and look by themselves whether the service stops.
    pub const fn long(self) -> Self {
        Self { most: None, ..self }
    }

    /// The wait after a run that left nothing.
    pub const fn interval(&self) -> Duration {
        match self.due {
            Due::Every(interval) => interval,
            Due::At { look, .. } => look,
        }
    }
}

/// Record the heartbeat of this replica.
pub async fn beat(core: &Core, now: Timestamp) -> Result<(), StoreError> {
    leases::beat(&core.db, &core.replica, now, now.plus_millis(ALIVE)).await
}

/// The name of the lease of a job.
pub fn lease_name(job: &str) -> String {
    format!("job/{job}")
}

/// One run of a job, with its limits.
#[derive(Debug, Clone, Copy)]
pub struct JobRun {
    /// When it began.
    pub now: Timestamp,
    /// The most rows of one transaction.
    pub limit: u64,
    /// The most transactions of the run: what is left after them is left to the next one.
    pub rounds: usize,
    name: &'static str,
    lease: Option<Lease>,
}

impl JobRun {
    /// A run of a job under its lease, if it has one.
    pub const fn new(name: &'static str, now: Timestamp, lease: Option<Lease>) -> Self {
        Self {
            now,
            limit: 500,
            rounds: 20,
            name,
            lease,
        }
    }

    /// Begin a transaction of this run. Another replica that has taken the lease over meanwhile ends the run with
    /// `StoreError::Contended`: a late writer writes nothing.
    pub async fn begin(&self, core: &Core) -> Result<Tx, StoreError> {
        let tx = core
            .db
            .begin(core.ambient.act(self.name).from_origin(Origin::Job))
            .await?;
        if let Some(lease) = self.lease {
            leases::hold(&tx, &lease_name(self.name), lease).await?;
        }
        Ok(tx)
    }
}
