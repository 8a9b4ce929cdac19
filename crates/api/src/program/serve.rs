//! Starting and stopping the service.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use tandem_domain::id::{Ids, RequestId};
use tandem_domain::judge::Rule;
use tandem_domain::leads::identity::Phone;
use tandem_store::db::Place;
use tandem_store::{Clock, Db, StoreError, agreement, deals, journal, leases};

use crate::access::Gate;
use crate::access::limits::Limits;
use crate::ambient::Ambient;
use crate::capture::take::Captures;
use crate::capture::writer::{Queue, Writer};
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::shape::{ShapeError, Shapes};
use crate::edge::http::walls::Walls;
use crate::edge::openapi;
use crate::journal::Tail;
use crate::program::app::{self, App, Routes};
use crate::program::config::{Config, Database};
use crate::program::jobs;
use crate::program::metrics::{self, Metrics};
use crate::tracking::take::Tracks;

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
    #[error(
        "TANDEM_MASTER_KEY (or master.key in the data directory) is not the one that this database was made with"
    )]
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
    pub app: web::Data<App>,
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
pub fn place(config: &Config) -> Place {
    match &config.database {
        Database::Sqlite { path } => Place::Sqlite(path.clone()),
        Database::Postgres { url } => Place::Postgres {
            url: url.as_str().to_owned(),
            replica: config
                .read_database_url
                .as_ref()
                .map(|url| url.as_str().to_owned()),
        },
    }
}

/// Connect, and bring schema, agreement, journal and partitions up to date: what every command needs.
pub async fn prepare(config: &Config, ambient: &Ambient) -> Result<Db, StoreError> {
    let db = Db::connect(&place(config), config.readers).await?;
    db.migrate().await?;
    agreement::adopt_provisional(&db, ambient.now()).await?;
    deals::pipelines::adopt_first(&db, ambient.now()).await?;
    journal::open_epoch(&db, ambient.act("start")).await?;
    jobs::make_partitions(&db, ambient.now()).await?;
    Ok(db)
}

/// [`prepare`] for a process that writes beside others: its transactions are stamped by the server's clock on PostgreSQL,
/// by its own on SQLite and where that is turned by hand.
pub async fn prepare_to_write(config: &Config, ambient: &Ambient) -> Result<Db, StoreError> {
    let db = prepare(config, ambient).await?;
    let clock = match ambient.is_system() && !db.is_sqlite() {
        true => Clock::Server,
        false => Clock::Own(Arc::new({
            let ambient = ambient.clone();
            move || ambient.now()
        })),
    };
    Ok(db.timed_by(clock))
}

/// What handlers share, over a prepared database.
pub fn assemble(
    config: Config,
    ambient: Ambient,
    master: MasterKey,
    passwords: Passwords,
    db: Db,
) -> Result<App, prometheus::Error> {
    let document = openapi::document();
    let replica: RequestId = Ids::new(ambient.now(), ambient.seed()).next();
    Ok(App {
        db,
        gate: Gate::new(),
        limits: Limits::new(&config.rates),
        captures: Queue::new(config.capture_queue),
        tracks: Queue::new(config.capture_queue),
        tail: Tail::new(),
        metrics: Metrics::new()?,
        routes: Routes::of(&document),
        walls: Walls::of(&document),
        document: Arc::new(document),
        replica: replica.to_string(),
        is_stopping: AtomicBool::new(false),
        serves: true,
        config,
        ambient,
        master,
        passwords,
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
        run_jobs,
        rules,
    } = options;
    // The numbering plans take a while to unpack: beside the start, so that no first caller waits for them.
    drop(tokio::task::spawn_blocking(Phone::prepare));
    let db = prepare_to_write(&config, &ambient).await?.judging_by(rules);
    let app = web::Data::new(assemble(config, ambient, master, passwords, db)?);
    crate::access::ensure_signing_key(&app)
        .await
        .map_err(|error| match error {
            StoreError::Corrupt("signing_keys") => StartError::ForeignMasterKey,
            error => error.into(),
        })?;
    let shapes = web::Data::new(Shapes::compile(&app.document)?);
    let address = listener.local_addr()?;
    let captures = Writer::start(&app.captures, Captures(app.clone()));
    let tracks = Writer::start(&app.tracks, Tracks(app.clone()));
    let server = app::server(app.clone(), shapes, listener)?;
    let handle = server.handle();
    let metrics_address = metrics.as_ref().map(TcpListener::local_addr).transpose()?;
    let metrics = metrics
        .map(|listener| metrics::server(app.clone(), listener))
        .transpose()?;
    let metrics = metrics.map(|server| {
        let handle = server.handle();
        tokio::spawn(server);
        handle
    });
    let jobs = run_jobs.then(|| jobs::Loop::start(app.clone()));
    let db = app.db.clone();
    let log = tokio::spawn(async move { db.keep_log_short().await });
    Ok(Running {
        app,
        address,
        metrics_address,
        handle,
        metrics,
        server: tokio::spawn(server),
        writers: captures.into_iter().chain(tracks).collect(),
        jobs,
        log,
    })
}

impl Running {
    /// Stop: not ready any more, finish what runs, give leases back, close the database.
    pub async fn stop(self) {
        self.app.is_stopping.store(true, Ordering::SeqCst);
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
        let _ = leases::release_all(&self.app.db, &self.app.replica).await;
        self.app.db.clone().close().await;
    }
}
