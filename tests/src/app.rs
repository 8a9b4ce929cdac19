//! `TestApp`: a service on a database of its own, under a clock that is turned by hand.

use std::net::TcpListener;
use std::ops::Deref;
use std::sync::Arc;

use tandem_api::ambient::Ambient;
use tandem_api::edge::crypto::password::{Cost, Passwords};
use tandem_api::program::config::Config;
use tandem_api::program::serve::{self, Options};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::{self, Rule};
use tokio::sync::OnceCell;

use crate::Given;
use crate::client::Server;
use crate::database::{Backend, Database};
use crate::people::User;

/// When every test begins: 2026-03-02T09:00:00Z, a Monday.
pub const START: Timestamp = Timestamp::from_millis(1_772_442_000_000);

/// Milliseconds.
pub const fn seconds(n: i64) -> i64 {
    n * 1000
}

/// Milliseconds.
pub const fn minutes(n: i64) -> i64 {
    seconds(60 * n)
}

/// Milliseconds.
pub const fn hours(n: i64) -> i64 {
    minutes(60 * n)
}

/// A service with its database and clock.
pub struct TestApp {
    /// The clock: `app.clock.advance(hours(25))`.
    pub clock: Ambient,
    /// The database.
    pub database: Database,
    pub(crate) admin: OnceCell<User>,
    pub(crate) counter: std::cell::Cell<u32>,
    server: Server,
}

impl Deref for TestApp {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl TestApp {
    /// A service on a fresh database with a configuration that was changed; its caller stops it.
    pub async fn start_with(on: Backend, change: impl FnOnce(&mut Config)) -> Option<Self> {
        Self::start_by(on, Ambient::manual(START, 0), change).await
    }

    async fn start_by(on: Backend, clock: Ambient, change: impl FnOnce(&mut Config)) -> Option<Self> {
        let database = Database::start(on).await?;
        let mut config = database.config();
        change(&mut config);
        let server = serve(config, clock.clone(), judge::rules()).await;
        Some(Self { clock, database, admin: OnceCell::new(), counter: Default::default(), server })
    }

    /// A service that judges leads also by these rules; its caller stops it.
    pub async fn start_judging(on: Backend, more: Vec<Arc<dyn Rule>>) -> Option<Self> {
        let database = Database::start(on).await?;
        let clock = Ambient::manual(START, 0);
        let rules = judge::rules().into_iter().chain(more).collect();
        let server = serve(database.config(), clock.clone(), rules).await;
        Some(Self { clock, database, admin: OnceCell::new(), counter: Default::default(), server })
    }

    /// A second replica on the same database, under the same clock: on PostgreSQL alone.
    pub async fn second_server(&self) -> Server {
        assert_eq!(self.database.backend, Backend::Postgres, "a file belongs to one service");
        serve(self.database.config(), self.clock.with_seed(1 << 40), judge::rules()).await
    }

    /// Do all background work that is due now.
    pub async fn run_jobs(&self) {
        tandem_api::program::jobs::run_due(&self.running.core).await;
    }
}

impl Given for TestApp {
    async fn start(on: Backend) -> Option<Self> {
        Self::start_with(on, |_| {}).await
    }

    async fn stop(self) {
        self.server.stop().await;
        self.database.stop().await;
    }
}

/// A service that runs by the system's clock, for what takes its time.
pub struct LiveApp(TestApp);

impl Deref for LiveApp {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

impl Given for LiveApp {
    async fn start(on: Backend) -> Option<Self> {
        TestApp::start_by(on, Ambient::system(), |_| {}).await.map(Self)
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}

async fn serve(config: Config, ambient: Ambient, rules: Vec<Arc<dyn Rule>>) -> Server {
    let options = Options {
        rules,
        master: config.master_key.clone().unwrap(),
        config,
        ambient: ambient.clone(),
        passwords: Passwords::with_cost(2, Cost::Cheap),
        listener: TcpListener::bind(("127.0.0.1", 0)).unwrap(),
        metrics: Some(TcpListener::bind(("127.0.0.1", 0)).unwrap()),
        connections: 1000,
        run_jobs: false,
    };
    match serve::start(options).await {
        Ok(running) => Server::new(running, ambient),
        Err(error) => panic!("the service does not start: {error}"),
    }
}
