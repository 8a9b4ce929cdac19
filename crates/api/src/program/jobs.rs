//! Background jobs: one task for each, done by every process or by the replica that holds the lease.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web;
use tandem_store::{StoreError, leases};
use tokio::sync::watch;

use super::upkeep;
use crate::ambient::Stopwatch;
use crate::edge::core::Core;
use crate::edge::job::{Due, Job, JobRun, Remaining, lease_name};
use crate::edge::metrics::JobOutcome;

/// How long a job that failed waits.
const RETRY: Duration = Duration::from_secs(1);

/// All jobs of a service.
pub fn all(core: &Core) -> impl Iterator<Item = &'static Job> + use<> {
    let of_rooms = core.rooms.iter().flat_map(|room| room.jobs);
    upkeep::JOBS.iter().chain(of_rooms)
}

/// The tasks that do what is due: one for each job, so that none waits for another.
pub struct Loop {
    core: web::Data<Core>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Loop {
    /// Start some jobs.
    pub fn start(core: web::Data<Core>, jobs: impl Iterator<Item = &'static Job>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tasks = jobs.map(|job| tokio::spawn(keep(core.clone(), job, stopped.clone())));
        Self {
            tasks: tasks.collect(),
            core,
            stop,
        }
    }

    /// Let the jobs that run come to their end, and start none; a long one ends after its next step.
    pub async fn stop(self) {
        self.core.is_stopping.store(true, Ordering::SeqCst);
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Do everything that is due now, once: for tests, which turn the clock by hand.
pub async fn run_due(core: &Core) {
    for job in all(core) {
        turn(core, job).await;
    }
}

async fn keep(core: web::Data<Core>, job: &'static Job, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let pause = turn(&core, job).await;
        let _ = tokio::time::timeout(pause, stopped.changed()).await;
    }
}

/// Run a job if it is due; how long until the next look at it.
async fn turn(core: &Core, job: &Job) -> Duration {
    match wait(core, job).await {
        Ok(Duration::ZERO) => run(core, job).await,
        Ok(wait) => wait,
        Err(error) => failed(job, &error),
    }
}

/// How long until the job is due, its next look at the latest.
async fn wait(core: &Core, job: &Job) -> Result<Duration, StoreError> {
    let Due::At { look, next } = job.due else {
        return Ok(Duration::ZERO);
    };
    let snapshot = core.db.snapshot().await?;
    let due = next(&snapshot).await?;
    let wait = due.map(|due| due.millis() - core.ambient.now().millis());
    Ok(wait.map_or(look, |millis| {
        look.min(Duration::from_millis(millis.max(0) as u64))
    }))
}

async fn run(core: &Core, job: &Job) -> Duration {
    let watch = Stopwatch::start();
    let ended = under_lease(core, job).await;
    let outcome = match &ended {
        Ok(Some(_)) => JobOutcome::Done,
        Ok(None) => JobOutcome::Elsewhere,
        Err(_) => JobOutcome::Failed,
    };
    core.metrics.ran(job.name, outcome, watch.elapsed());
    match ended {
        Ok(Some(Remaining::More)) => Duration::ZERO,
        Ok(_) => job.interval(),
        Err(error) => failed(job, &error),
    }
}

/// What this replica left of the job; `None` where another holds its lease.
async fn under_lease(core: &Core, job: &Job) -> Result<Option<Remaining>, StoreError> {
    let now = core.ambient.now();
    let mut lease = None;
    if job.by_one {
        let until = now.plus_millis((job.interval() + job.lease).as_millis() as i64);
        lease = leases::take(&core.db, &lease_name(job.name), &core.replica, now, until).await?;
        if lease.is_none() {
            return Ok(None);
        }
    }
    let turn = JobRun::new(job.name, now, lease);
    let work = (job.run)(core, &turn);
    let left = match job.most {
        Some(most) => tokio::time::timeout(most, work)
            .await
            .map_err(|_| StoreError::Unavailable("the job took too long".into()))?,
        None => work.await,
    };
    left.map(Some)
}

fn failed(job: &Job, error: &StoreError) -> Duration {
    tracing::warn!(job = job.name, %error, "job failed; it will be retried");
    RETRY
}
