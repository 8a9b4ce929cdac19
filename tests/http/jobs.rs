//! Background jobs: a task for each, by a timer that no clock stops; and leases that keep late writers out.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use tandem_api::edge::job::{Job, JobRun, Remaining, lease_name};
use tandem_api::program::jobs::Loop;
use tandem_domain::instant::Timestamp;
use tandem_store::{StoreError, leases};
use tandem_tests::{Backend, Given, START, TestApp, hours, seconds};

const SOON: Duration = Duration::from_millis(10);

/// Wait until a counter has come so far; a test that waits for nothing fails.
async fn until(counter: &AtomicUsize, least: usize) {
    let waited = async {
        while counter.load(Ordering::SeqCst) < least {
            tokio::time::sleep(SOON).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.expect("the job does not run");
}

#[actix_web::test]
async fn a_long_job_delays_no_other_and_a_clock_that_is_set_back_stops_none() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static JOBS: &[Job] = &[
        Job::every("long", SOON, |core, _| {
            Box::pin(async move {
                while !core.is_stopping.load(Ordering::SeqCst) {
                    tokio::time::sleep(SOON).await;
                }
                Ok(Remaining::Nothing)
            })
        })
        .long(),
        Job::every("short", SOON, |_, _| {
            Box::pin(async move {
                RUNS.fetch_add(1, Ordering::SeqCst);
                Ok(Remaining::Nothing)
            })
        })
        .by_one(),
    ];
    let app = TestApp::start(Backend::Sqlite).await.unwrap();

    let jobs = Loop::start(app.running.core.clone(), JOBS.iter());
    until(&RUNS, 3).await;
    app.clock.advance(-hours(24));
    until(&RUNS, RUNS.load(Ordering::SeqCst) + 3).await;

    jobs.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_job_runs_when_the_database_says_so() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static DUE: AtomicI64 = AtomicI64::new(i64::MAX);
    static JOBS: &[Job] = &[Job::when(
        "alarm",
        SOON,
        |_| Box::pin(async { Ok(Some(Timestamp::from_millis(DUE.load(Ordering::SeqCst)))) }),
        |_, turn| {
            Box::pin(async move {
                assert!(turn.now.millis() >= DUE.swap(i64::MAX, Ordering::SeqCst));
                RUNS.fetch_add(1, Ordering::SeqCst);
                Ok(Remaining::Nothing)
            })
        },
    )];
    let app = TestApp::start(Backend::Sqlite).await.unwrap();
    DUE.store(START.millis() + hours(1), Ordering::SeqCst);

    let jobs = Loop::start(app.running.core.clone(), JOBS.iter());
    tokio::time::sleep(SOON * 20).await;
    assert_eq!(RUNS.load(Ordering::SeqCst), 0);
    app.clock.advance(hours(1));
    until(&RUNS, 1).await;
    tokio::time::sleep(SOON * 20).await;
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);

    jobs.stop().await;
    app.stop().await;
}

#[tandem_tests::test]
async fn a_run_whose_lease_was_taken_over_writes_nothing(app: &TestApp) {
    let core = &app.running.core;
    let take = async |holder: &str| {
        let now = app.clock.now();
        leases::take(&core.db, &lease_name("probe"), holder, now, now.plus_millis(seconds(30))).await.unwrap()
    };
    let first = take("first").await;
    let turn = JobRun::new("probe", app.clock.now(), first);
    turn.begin(core).await.unwrap().rollback().await.unwrap();
    assert_eq!((take("second").await, take("first").await), (None, first));

    app.clock.advance(seconds(31));
    assert!(take("second").await.is_some());
    let late = turn.begin(core).await.map(drop);
    assert!(matches!(late, Err(StoreError::Contended)), "{late:?}");
}

#[tandem_tests::test]
async fn a_lease_from_before_the_clock_was_set_back_holds_nobody_up(app: &TestApp) {
    let db = &app.running.core.db;
    let take = async |holder: &str| {
        let now = app.clock.now();
        leases::take(db, "probe", holder, now, now.plus_millis(seconds(30))).await.unwrap().is_some()
    };
    assert!(take("first").await);
    app.clock.advance(-seconds(30));
    assert!(!take("second").await, "replicas' clocks may differ by a minute");
    app.clock.advance(-seconds(31));
    assert!(take("second").await);
}
