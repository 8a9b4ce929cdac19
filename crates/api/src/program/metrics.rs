//! What operators measure, for Prometheus, on a port of its own. Labels are routes, statuses and names of the program's
//! own parts: never an id, never a value of a person.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{App as Actix, HttpResponse, HttpServer, web};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::program::app::App;

/// Bounds of the histograms, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    job_runs: IntCounterVec,
    job_seconds: HistogramVec,
    connections: IntGaugeVec,
    feed_waiters: IntGauge,
    queues: IntGaugeVec,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// It did what was due.
    Done,
    /// Another replica does it.
    Elsewhere,
    /// It failed, and is tried again.
    Failed,
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("tandem_http_requests_total", "Requests that were answered."),
                &["method", "route", "status"],
            )?,
            request_seconds: HistogramVec::new(
                histogram(
                    "tandem_http_request_seconds",
                    "From a request's head to its answer.",
                ),
                &["method", "route"],
            )?,
            job_runs: IntCounterVec::new(
                Opts::new(
                    "tandem_job_runs_total",
                    "Runs of background jobs by how they ended.",
                ),
                &["job", "outcome"],
            )?,
            job_seconds: HistogramVec::new(
                histogram("tandem_job_seconds", "How long a background job took."),
                &["job"],
            )?,
            connections: IntGaugeVec::new(
                Opts::new("tandem_database_connections", "Connections to the database."),
                &["pool", "state"],
            )?,
            feed_waiters: IntGauge::new("tandem_feed_waiters", "Callers who wait for the change feed.")?,
            queues: IntGaugeVec::new(
                Opts::new(
                    "tandem_queue_items",
                    "Submissions and events that wait for a writer or are being written.",
                ),
                &["queue"],
            )?,
        };
        let build = IntGaugeVec::new(
            Opts::new("tandem_build_info", "The running version."),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let registry = &metrics.registry;
        registry.register(Box::new(build))?;
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.request_seconds.clone()))?;
        registry.register(Box::new(metrics.job_runs.clone()))?;
        registry.register(Box::new(metrics.job_seconds.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.feed_waiters.clone()))?;
        registry.register(Box::new(metrics.queues.clone()))?;
        Ok(metrics)
    }

    /// A request of a route, by its pattern, was answered.
    pub fn answered(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let method = named(method);
        self.requests
            .with_label_values(&[method, route, &status.to_string()])
            .inc();
        self.request_seconds
            .with_label_values(&[method, route])
            .observe(took.as_secs_f64());
    }

    /// A job of this process ended.
    pub fn ran(&self, job: &str, outcome: JobOutcome, took: Duration) {
        let name = match outcome {
            JobOutcome::Done => "done",
            JobOutcome::Elsewhere => "elsewhere",
            JobOutcome::Failed => "failed",
        };
        self.job_runs.with_label_values(&[job, name]).inc();
        self.job_seconds
            .with_label_values(&[job])
            .observe(took.as_secs_f64());
    }

    /// Everything as text, with the states of this moment.
    fn text(&self, app: &App) -> Result<String, prometheus::Error> {
        for pool in app.db.pools() {
            let set = |state: &str, connections: u32| {
                let gauge = self.connections.with_label_values(&[pool.name, state]);
                gauge.set(i64::from(connections));
            };
            set("busy", pool.open.saturating_sub(pool.idle));
            set("idle", pool.idle);
        }
        self.feed_waiters.set(app.tail.waiting() as i64);
        for (queue, items) in [
            ("captures", app.captures.weight()),
            ("events", app.tracks.weight()),
        ] {
            self.queues.with_label_values(&[queue]).set(items as i64);
        }
        let mut text = vec![];
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn histogram(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(SECONDS.to_vec())
}

/// A method as a label: what callers invent counts as one.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Answer `GET /metrics` on a socket until the handle is stopped. It asks the database nothing.
pub fn server(app: web::Data<App>, listener: TcpListener) -> std::io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(app.clone())
            .service(web::resource("/metrics").get(get_metrics))
    });
    let server = server
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn get_metrics(app: web::Data<App>) -> HttpResponse {
    match app.metrics.text(&app) {
        Ok(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
