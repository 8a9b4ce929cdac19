//! What operators measure, for Prometheus. Labels are routes, statuses and names of the program's own parts: never an id, never a value of a person.

use std::time::Duration;

use actix_web::http::Method;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::edge::core::Core;
use crate::edge::room::Room;

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
    refused_connections: IntCounter,
    job_runs: IntCounterVec,
    job_seconds: HistogramVec,
    connections: IntGaugeVec,
    gauges: Vec<IntGauge>,
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
    pub fn new(rooms: &[Room]) -> Result<Self, prometheus::Error> {
        let gauges = rooms.iter().flat_map(|room| room.gauges);
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("tandem_http_requests_total", "Answered requests."),
                &["method", "route", "status"],
            )?,
            request_seconds: HistogramVec::new(
                histogram(
                    "tandem_http_request_seconds",
                    "Time from a request's head to its answer.",
                ),
                &["method", "route"],
            )?,
            refused_connections: IntCounter::new(
                "tandem_http_connections_refused_total",
                "Connections closed at once because their address had too many.",
            )?,
            job_runs: IntCounterVec::new(
                Opts::new("tandem_job_runs_total", "Runs of background jobs by outcome."),
                &["job", "outcome"],
            )?,
            job_seconds: HistogramVec::new(
                histogram("tandem_job_seconds", "Duration of background jobs."),
                &["job"],
            )?,
            connections: IntGaugeVec::new(
                Opts::new("tandem_database_connections", "Connections to the database."),
                &["pool", "state"],
            )?,
            gauges: gauges
                .map(|gauge| IntGauge::new(gauge.name, gauge.help))
                .collect::<Result<_, _>>()?,
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
        registry.register(Box::new(metrics.refused_connections.clone()))?;
        registry.register(Box::new(metrics.job_runs.clone()))?;
        registry.register(Box::new(metrics.job_seconds.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        for gauge in &metrics.gauges {
            registry.register(Box::new(gauge.clone()))?;
        }
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

    /// A connection was closed at once, because its address had too many.
    pub fn refused_connection(&self) {
        self.refused_connections.inc();
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
    pub fn text(&self, core: &Core) -> Result<String, prometheus::Error> {
        for pool in core.db.pools() {
            let set = |state: &str, connections: u32| {
                let gauge = self.connections.with_label_values(&[pool.name, state]);
                gauge.set(i64::from(connections));
            };
            set("busy", pool.open.saturating_sub(pool.idle));
            set("idle", pool.idle);
        }
        let rooms = core.rooms.iter();
        for (gauge, known) in rooms.clone().flat_map(|room| room.gauges).zip(&self.gauges) {
            known.set((gauge.read)(core) as i64);
        }
        for queue in rooms.flat_map(|room| room.queues) {
            self.queues
                .with_label_values(&[queue.name])
                .set((queue.weight)(core) as i64);
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
