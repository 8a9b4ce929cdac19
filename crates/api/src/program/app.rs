//! The running service: what handlers share, and how the routes are put together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::dev::ResourceDef;
use actix_web::middleware::from_fn;
use actix_web::{App as Actix, web};
use serde_json::Value;
use tandem_store::Db;

use crate::access::Gate;
use crate::access::limits::Limits;
use crate::ambient::Ambient;
use crate::capture::take::Captures;
use crate::capture::writer::Queue;
use crate::edge::crypto::password::Passwords;
use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::request::{self, MAX_BODY};
use crate::edge::http::services::Services;
use crate::edge::http::shape::Shapes;
use crate::edge::http::walls::Walls;
use crate::edge::openapi;
use crate::journal::Tail;
use crate::program::config::Config;
use crate::program::metrics::Metrics;
use crate::tracking::take::Tracks;
use crate::{
    access, agreement, campaigns, capture, deals, duplicates, journal, leads, lifecycle, operation, reports,
    settings, tracking, transfer,
};

/// What handlers share.
pub struct App {
    /// The database.
    pub db: Db,
    /// The clock and the chance.
    pub ambient: Ambient,
    /// What the operator configured.
    pub config: Config,
    /// Signs cursors and seals what must be kept readable.
    pub master: MasterKey,
    /// Hashes passwords, a few at a time.
    pub passwords: Passwords,
    /// Who may come in: tokens, keys and rights, at most a second old.
    pub gate: Gate,
    /// How often who may call.
    pub limits: Limits,
    /// Submissions on their way to the batching writer.
    pub captures: Queue<Captures>,
    /// Events on their way to the batching writer.
    pub tracks: Queue<Tracks>,
    /// The end of the change feed, watched for all who wait for it.
    pub tail: Tail,
    /// What operators measure.
    pub metrics: Metrics,
    /// The published document.
    pub document: Arc<Value>,
    /// Which paths there are, for 405.
    pub routes: Routes,
    /// What keys may not read is taken out of answers.
    pub walls: Walls,
    /// The name of this process among its replicas.
    pub replica: String,
    /// Whether it answers requests, and so has its share of the rate limits.
    pub serves: bool,
    /// Whether the service is about to stop: not ready any more.
    pub is_stopping: AtomicBool,
}

/// The paths of the document with their methods.
#[derive(Debug)]
pub struct Routes(Vec<(ResourceDef, String)>);

impl Routes {
    /// The routes that a document describes.
    pub fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        Self(
            paths
                .map(|(path, item)| {
                    let methods = item
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(method, _)| method.to_uppercase());
                    let mut methods: Vec<String> = methods.filter(|method| method != "PARAMETERS").collect();
                    if methods.iter().any(|method| method == "GET") {
                        methods.push("HEAD".into());
                    }
                    methods.sort();
                    (ResourceDef::new(path.as_str()), methods.join(", "))
                })
                .collect(),
        )
    }

    /// The methods of a path, if there is such a path.
    pub fn allowed(&self, path: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(pattern, _)| pattern.is_match(path))
            .map(|(_, methods)| methods.as_str())
    }
}

/// Every operation of the interface, room by room.
pub fn operations(config: &mut Services<'_>) {
    operation::configure(config);
    access::configure(config);
    leads::configure(config);
    lifecycle::configure(config);
    agreement::configure(config);
    deals::configure(config);
    duplicates::configure(config);
    campaigns::configure(config);
    capture::configure(config);
    journal::configure(config);
    reports::configure(config);
    settings::configure(config);
    tracking::configure(config);
    transfer::configure(config);
}

/// Serve on a socket until the handle is stopped. The shapes are compiled once, for all workers.
pub fn server(
    app: web::Data<App>,
    shapes: web::Data<Shapes>,
    listener: std::net::TcpListener,
) -> std::io::Result<actix_web::dev::Server> {
    let workers = app.config.workers;
    let grace = app.config.timeouts.shutdown_ms / 1000;
    let server = actix_web::HttpServer::new(move || {
        Actix::new()
            .configure(|config| operations(&mut Services::to_serve(config)))
            .app_data(app.clone())
            .app_data(shapes.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .configure(openapi::pages)
            .default_service(web::to(request::nothing_here))
            .wrap(from_fn(request::guard))
    });
    let server = server
        .workers(workers)
        .max_connections(10_000)
        .client_request_timeout(std::time::Duration::from_secs(5))
        .keep_alive(std::time::Duration::from_secs(75))
        .shutdown_timeout(grace)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
