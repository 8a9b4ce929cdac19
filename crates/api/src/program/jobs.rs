//! Background jobs: reconcilers without input, one line each in `JOBS`, done by whichever replica holds the lease.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web;
use jiff::ToSpan;
use tandem_domain::act::Origin;
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::period::{Bucket, months};
use tandem_store::{Db, StoreError, idempotency, journal, leases};
use tokio::sync::watch;

use crate::ambient::Stopwatch;
use crate::program::app::App;
use crate::program::metrics::JobOutcome;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// The longest sleep between two looks at what is due.
const NAP: Duration = Duration::from_millis(250);
/// How long a lease lasts beyond the job's own interval.
const LEASE: i64 = 30 * SECOND;
/// The most transactions that a job makes before it lets others on.
const ROUNDS: usize = 20;
/// How long a job may take.
const JOB: Duration = Duration::from_secs(20);
/// The most rows that one transaction of a job takes.
const BATCH: u64 = 500;

type Work = for<'a> fn(&'a App) -> Pin<Box<dyn Future<Output = Result<Left, StoreError>> + Send + 'a>>;

/// What a job leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Nothing, or what can wait until it is due again.
    Nothing,
    /// A backlog: it ended on its limit, and is due again as soon as others have had their turn.
    More,
}

/// A job: what it is called, how often it is due, whether every replica does it or one of them, whether it may take long,
/// and what it does.
struct Job {
    name: &'static str,
    every: i64,
    by_all: bool,
    lane: Lane,
    run: Work,
}

/// Jobs of one lane wait for each other, so that a long one holds up no heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// At most [`JOB`].
    Short,
    /// As long as it takes; it looks by itself whether the service stops, and keeps its own lease.
    Long,
}

const JOBS: &[Job] = &[
    Job {
        name: "heartbeat",
        every: 5 * SECOND,
        by_all: true,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(heartbeat(app))),
    },
    Job {
        name: "key_use",
        every: 15 * SECOND,
        by_all: true,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(crate::access::flush_key_use(app))),
    },
    Job {
        name: "tidy",
        every: MINUTE,
        by_all: true,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(tidy(app))),
    },
    Job {
        name: "company_words",
        every: SECOND,
        by_all: false,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(company_words(app))),
    },
    Job {
        name: "refresh",
        every: SECOND,
        by_all: false,
        lane: Lane::Short,
        run: |app| Box::pin(refresh(app)),
    },
    Job {
        name: "duplicates",
        every: SECOND,
        by_all: false,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(duplicates(app))),
    },
    Job {
        name: "expired",
        every: 10 * MINUTE,
        by_all: false,
        lane: Lane::Short,
        run: |app| Box::pin(forget_expired(app)),
    },
    Job {
        name: "partitions",
        every: 60 * MINUTE,
        by_all: false,
        lane: Lane::Short,
        run: |app| Box::pin(all_of(partitions(app))),
    },
    Job {
        name: "imports",
        every: SECOND / 2,
        by_all: true,
        lane: Lane::Long,
        run: |app| Box::pin(all_of(crate::transfer::run_imports(app))),
    },
];

/// The loops that do what is due: one for each lane.
pub struct Loop {
    app: web::Data<App>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Loop {
    /// Start them.
    pub fn start(app: web::Data<App>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tasks = [Lane::Short, Lane::Long].map(|lane| {
            let (app, mut stopped) = (app.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut due = vec![Timestamp::from_millis(0); JOBS.len()];
                while !*stopped.borrow() {
                    run_round(&app, &mut due, Some(lane)).await;
                    let _ = tokio::time::timeout(NAP, stopped.changed()).await;
                }
            })
        });
        Self {
            app,
            stop,
            tasks: tasks.into(),
        }
    }

    /// Let the jobs that run come to their end, and start none; a long one ends after its next step.
    pub async fn stop(self) {
        self.app.is_stopping.store(true, Ordering::SeqCst);
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Do everything that is due now, once: for tests, which turn the clock by hand.
pub async fn run_due(app: &App) {
    run_round(app, &mut vec![Timestamp::from_millis(0); JOBS.len()], None).await;
}

async fn run_round(app: &App, due: &mut [Timestamp], lane: Option<Lane>) {
    let jobs = JOBS.iter().zip(due);
    for (job, due) in jobs.filter(|(job, _)| lane.is_none_or(|lane| job.lane == lane)) {
        let now = app.ambient.now();
        if *due > now {
            continue;
        }
        *due = now.plus_millis(job.every);
        let watch = Stopwatch::start();
        let ended = run(app, job, now).await;
        let outcome = match &ended {
            Ok(Some(_)) => JobOutcome::Done,
            Ok(None) => JobOutcome::Elsewhere,
            Err(_) => JobOutcome::Failed,
        };
        app.metrics.ran(job.name, outcome, watch.elapsed());
        match ended {
            Ok(Some(Left::More)) => *due = now,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(job = job.name, %error, "job failed; it will be tried again");
                *due = now.plus_millis(SECOND);
            }
        }
    }
}

/// What this replica left of it; `None` where another holds its lease.
async fn run(app: &App, job: &Job, now: Timestamp) -> Result<Option<Left>, StoreError> {
    if !job.by_all {
        let name = format!("job/{}", job.name);
        let until = now.plus_millis(job.every + LEASE);
        if leases::take(&app.db, &name, &app.replica, now, until)
            .await?
            .is_none()
        {
            return Ok(None);
        }
    }
    if job.lane == Lane::Long {
        return (job.run)(app).await.map(Some);
    }
    let late = |_| StoreError::Unavailable("the job took too long".into());
    let left = tokio::time::timeout(JOB, (job.run)(app)).await.map_err(late)??;
    Ok(Some(left))
}

/// Work that leaves no backlog, or is due again within a moment anyway.
async fn all_of(work: impl Future<Output = Result<(), StoreError>>) -> Result<Left, StoreError> {
    work.await.map(|()| Left::Nothing)
}

async fn heartbeat(app: &App) -> Result<(), StoreError> {
    let now = app.ambient.now();
    if app.serves {
        leases::beat(&app.db, &app.replica, now, now.plus_millis(15 * SECOND)).await?;
    }
    let replicas = leases::replicas(&app.db, now).await?;
    app.limits.set_replicas(replicas);
    Ok(())
}

async fn tidy(app: &App) -> Result<(), StoreError> {
    app.limits.tidy();
    leases::forget_gone(&app.db, app.ambient.now().plus_millis(-60 * MINUTE)).await
}

async fn forget_expired(app: &App) -> Result<Left, StoreError> {
    let now = app.ambient.now();
    let mut left = Left::More;
    // What is left after these rounds is left to the next run: a stop or a heartbeat waits for nobody's backlog.
    for _ in 0..ROUNDS {
        let tx = app.db.begin(app.ambient.act("expired")).await?;
        let answers = idempotency::forget_expired(&tx, now, BATCH).await?;
        let access = tandem_store::access::forget_expired(&tx, now, BATCH).await?;
        let links = tandem_store::leads::consent::forget_expired(&tx, now, BATCH).await?;
        tx.commit().await?;
        if answers < BATCH && access < BATCH && links < BATCH {
            left = Left::Nothing;
            break;
        }
    }
    let has_remarks = crate::transfer::run::tidy(&app.db, &app.ambient, ROUNDS).await?;
    Ok(if has_remarks { Left::More } else { left })
}

async fn company_words(app: &App) -> Result<(), StoreError> {
    if !tandem_store::leads::has_renames(&app.db).await? {
        return Ok(());
    }
    for _ in 0..ROUNDS {
        let tx = app.db.begin(app.ambient.act("company_words")).await?;
        let is_left = tandem_store::leads::follow_renames(&tx, BATCH).await?;
        tx.commit().await?;
        if !is_left {
            break;
        }
    }
    Ok(())
}

/// Judge leads again of which what was derived is no longer true.
async fn refresh(app: &App) -> Result<Left, StoreError> {
    if !tandem_store::scoring::has_stale(&app.db, app.ambient.now()).await? {
        return Ok(Left::Nothing);
    }
    for _ in 0..ROUNDS {
        let act = app.ambient.act("refresh").from_origin(Origin::Job);
        let tx = app.db.begin(act).await?;
        let is_left = tandem_store::scoring::refresh(&tx, BATCH).await?;
        tx.commit().await?;
        if !is_left {
            return Ok(Left::Nothing);
        }
    }
    Ok(Left::More)
}

/// Nobody waits for a suggestion: while submissions or events come in, few leads are looked at, and the rest afterwards.
async fn duplicates(app: &App) -> Result<(), StoreError> {
    for round in 0..ROUNDS {
        let is_busy = app.captures.weight() + app.tracks.weight() > 0;
        if is_busy && round > 0 {
            break;
        }
        let entries = if is_busy { BATCH / 5 } else { BATCH };
        if !crate::duplicates::follow(app, entries).await? {
            break;
        }
    }
    Ok(())
}

async fn partitions(app: &App) -> Result<(), StoreError> {
    make_partitions(&app.db, app.ambient.now()).await
}

/// Make the partitions of this month and the three after it, where they are missing.
pub async fn make_partitions(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    if db.is_sqlite() {
        return Ok(());
    }
    let utc = jiff::tz::TimeZone::UTC;
    let first = now.date_in(&utc).first_of_month();
    let last = first
        .checked_add(3.months())
        .ok()
        .and_then(|date| Timestamp::start_of_day(date, &utc))
        .unwrap_or(now);
    let months: Vec<_> = months(now, last, &utc, 4)
        .into_iter()
        .map(|Bucket { name, days }| (format!("y{}", name.replace('-', "m")), days.from, days.to))
        .collect();
    journal::add_partitions(db, &months).await
}
