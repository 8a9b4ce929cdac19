//! Starting and stopping the service.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use tandem_domain::id::{Ids, RequestId};
use tandem_domain::judge::Rule;
use tandem_domain::leads::identity::Phone;
use tandem_store::db::DatabaseLocation;
use tandem_store::{Clock, Db, StoreError, leases};

use crate::access::Gate;
use crate::ambient::Ambient;
use crate::capture::batch::Captures;
use crate::edge::core::{Core, Parts};
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::connection::Connections;
use crate::edge::http::limits::Limits;
use crate::edge::http::routes::Routes;
use crate::edge::http::shape::ShapeError;
use crate::edge::http::walls::Walls;
use crate::edge::metrics::Metrics;
use crate::edge::writer::{Queue, Writer};
use crate::journal::Tail;
use crate::operation::Probe;
use crate::program::app::{self, ROOMS};
use crate::program::config::{Config, Database};
use crate::program::{jobs, metrics};
use crate::tracking::batch::Tracks;

/// What a service is started with.
pub struct Options {
    /// What the operator configured.
    pub config: Config,
    /// The clock and the chance.
    pub ambient: Ambient,
    /// Signs cursors and seals what must be kept readable.
    pub master: MasterKey,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Where requests come in.
    pub listener: TcpListener,
    /// Where the metrics are asked for, if anywhere.
    pub metrics: Option<TcpListener>,
    /// How many connections may be open at a time.
    pub connections: usize,
    /// Whether this process does background jobs.
    pub run_jobs: bool,
    /// The rules that leads are judged by: those of the service, unless a test has others.
    pub rules: Vec<Arc<dyn Rule>>,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not do what it was asked.
    #[error("the database: {0}")]
    Store(#[from] StoreError),
    /// The signing keys in the database were sealed with another master key.
    #[error("TANDEM_MASTER_KEY (or master.key in the data directory) is not the key of this database")]
    ForeignMasterKey,
    /// The published document cannot be used as a validator.
    #[error("the published document: {0}")]
    Shapes(#[from] ShapeError),
    /// The metrics have names that do not fit together.
    #[error("the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The socket or the data directory.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A service that runs.
pub struct Running {
    /// What handlers share.
    pub core: web::Data<Core>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its metrics are asked for.
    pub metrics_address: Option<SocketAddr>,
    handle: actix_web::dev::ServerHandle,
    metrics: Option<actix_web::dev::ServerHandle>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    writers: Vec<Writer>,
    jobs: Option<jobs::Loop>,
    log: tokio::task::JoinHandle<()>,
}

/// Where the configured database is.
pub fn place(config: &Config) -> DatabaseLocation {
    match &config.database {
        Database::Sqlite { path } => DatabaseLocation::Sqlite(path.clone()),
        Database::Postgres { url } => DatabaseLocation::Postgres {
            url: url.as_str().to_owned(),
            replica: config
                .read_database_url
                .as_ref()
                .map(|url| url.as_str().to_owned()),
        },
    }
}

/// Connect, and bring the database up to date: what every command needs.
pub async fn prepare(config: &Config, ambient: &Ambient) -> Result<Db, StoreError> {
    let db = Db::connect(&place(config), config.readers).await?;
    tandem_store::prepare(&db, ambient.act("start")).await?;
    Ok(db)
}

/// A database for a process that writes beside others: its transactions are stamped by the server's clock on PostgreSQL, by its
/// own on SQLite and where that is turned by hand.
pub fn timed(db: Db, ambient: &Ambient) -> Db {
    let clock = match ambient.is_system() && !db.is_sqlite() {
        true => Clock::Server,
        false => Clock::Own(Arc::new({
            let ambient = ambient.clone();
            move || ambient.now()
        })),
    };
    db.timed_by(clock)
}

/// What handlers and jobs share, over a prepared database.
pub fn assemble(
    config: &Config,
    ambient: Ambient,
    master: MasterKey,
    passwords: Passwords,
    db: Db,
) -> Result<Core, prometheus::Error> {
    let document = app::document();
    let replica: RequestId = Ids::new(ambient.now(), ambient.seed()).next();
    let parts = Parts::default()
        .with(Gate::new(config.issuer().to_owned()))
        .with(passwords)
        .with(Queue::<Captures>::new(config.capture_queue))
        .with(Queue::<Tracks>::new(config.capture_queue))
        .with(Tail::new())
        .with(Probe::default());
    Ok(Core {
        db,
        ambient,
        master,
        settings: config.edge(),
        limits: Limits::new(&config.rates),
        connections: Connections::new(
            config.connections_per_address,
            Duration::from_millis(config.timeouts.body_ms),
        ),
        metrics: Metrics::new(ROOMS)?,
        routes: Routes::of(&document),
        walls: Walls::of(&document),
        document: &app::PUBLISHED,
        replica: replica.to_string(),
        serves: true,
        is_draining: AtomicBool::new(false),
        is_stopping: AtomicBool::new(false),
        rooms: ROOMS,
        parts,
    })
}

/// Start: prepare the database, serve, do jobs.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let Options {
        config,
        ambient,
        master,
        passwords,
        listener,
        metrics,
        connections,
        run_jobs,
        rules,
    } = options;
    // The numbering plans take a while to unpack: beside the start, so that no first caller waits for them.
    drop(tokio::task::spawn_blocking(Phone::prepare));
    let db = timed(prepare(&config, &ambient).await?, &ambient).judging_by(rules);
    let core = web::Data::new(assemble(&config, ambient, master, passwords, db)?);
    crate::access::ensure_signing_key(&core)
        .await
        .map_err(|error| match error {
            StoreError::Corrupt("signing_keys") => StartError::ForeignMasterKey,
            error => error.into(),
        })?;
    let shapes = app::shapes()?;
    let address = listener.local_addr()?;
    let writers = core
        .rooms
        .iter()
        .flat_map(|room| (room.start_writer)(&core))
        .collect();
    let server = app::server(core.clone(), shapes, &config, listener, connections)?;
    let handle = server.handle();
    let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
    let metrics = metrics
        .map(|listener| metrics::server(core.clone(), listener))
        .transpose()?;
    let metrics = metrics.map(|server| {
        let handle = server.handle();
        tokio::spawn(server);
        handle
    });
    let jobs = run_jobs.then(|| jobs::Loop::start(core.clone(), jobs::all(&core)));
    let db = core.db.clone();
    let log = tokio::spawn(async move { db.keep_log_short().await });
    Ok(Running {
        core,
        address,
        metrics_address,
        handle,
        metrics,
        server: tokio::spawn(server),
        writers,
        jobs,
        log,
    })
}

impl Running {
    /// Drain the service: it reports that it is not ready, still answers requests, and closes each connection after its
    /// answer, so that load balancers and clients have the time to move to another replica.
    pub async fn drain(&self, time: Duration) {
        self.core.is_draining.store(true, Ordering::SeqCst);
        tokio::time::sleep(time).await;
    }

    /// Stop: report not ready, finish running requests, release leases, close the database. After a drain, connections that
    /// were just opened get a second for their request.
    pub async fn stop(self) {
        let was_drained = self.core.is_draining.swap(true, Ordering::SeqCst);
        self.core.is_stopping.store(true, Ordering::SeqCst);
        self.core.connections.close(was_drained);
        self.handle.stop(true).await;
        for writer in self.writers {
            let _ = tokio::time::timeout(Duration::from_secs(3), writer.stop()).await;
        }
        if let Some(jobs) = self.jobs {
            let _ = tokio::time::timeout(Duration::from_secs(3), jobs.stop()).await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(30), self.server).await;
        if let Some(metrics) = self.metrics {
            metrics.stop(true).await;
        }
        self.log.abort();
        let _ = leases::release_all(&self.core.db, &self.core.replica).await;
        self.core.db.clone().close().await;
    }
}
