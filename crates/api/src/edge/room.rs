//! What a room brings to the service. The program lists the rooms; the edge knows none of them by name.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::LocalBoxFuture;
use tandem_domain::instant::Timestamp;

use super::caller::{Identity, NotAuthenticated};
use super::core::Core;
use super::http::services::Services;
use super::job::Job;
use super::writer::Writer;

/// The most bytes of a body, unless a room says otherwise of its path.
pub const MAX_BODY: usize = 1024 * 1024;

/// A room, as the service sees it.
#[derive(Clone, Copy)]
pub struct Room {
    /// Puts its operations in.
    pub operations: fn(&mut Services<'_>),
    /// How requests are received where it differs from the rest; the first entry that fits counts.
    pub paths: &'static [PathRule],
    /// Finds out who calls. One room does.
    pub identify: Option<Identify>,
    /// Changes the answers to its requests, also to those that were refused early.
    pub dress: Option<Dress>,
    /// Starts what writes its items in batches, if anything does.
    pub start_writer: fn(&web::Data<Core>) -> Option<Writer>,
    /// What waits for this writer.
    pub queues: &'static [QueueGauge],
    /// What else operators measure of it.
    pub gauges: &'static [Gauge],
    /// Its background jobs.
    pub jobs: &'static [Job],
}

impl Room {
    /// A room with operations and nothing else: `Room { jobs: JOBS, ..Room::of(configure) }`.
    pub const fn of(operations: fn(&mut Services<'_>)) -> Self {
        Self {
            operations,
            paths: &[],
            identify: None,
            dress: None,
            start_writer: |_| None,
            queues: &[],
            gauges: &[],
            jobs: &[],
        }
    }
}

/// Finds out from the headers of a request who calls at an instant.
pub type Identify =
    for<'a> fn(&'a Core, &'a HeaderMap, Timestamp) -> LocalBoxFuture<'a, Result<Identity, NotAuthenticated>>;

/// Looks at a request before it is worked on, and says what is to become of its answer, if anything.
pub type Dress = fn(&HttpRequest) -> Option<Dressing>;

/// What becomes of an answer.
pub type Dressing = Box<dyn for<'a> FnOnce(&'a Core, &'a mut HttpResponse) -> LocalBoxFuture<'a, ()>>;

/// A queue of items that wait for a writer.
#[derive(Clone, Copy)]
pub struct QueueGauge {
    /// What waits in it: the label of the metric `tandem_queue_items`.
    pub name: &'static str,
    /// How much waits or is being written.
    pub weight: fn(&Core) -> usize,
}

/// A metric whose value is read when the metrics are requested.
#[derive(Clone, Copy)]
pub struct Gauge {
    /// The name of the metric.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// How much it is.
    pub read: fn(&Core) -> usize,
}

/// How requests to some paths are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRule {
    /// A path; where it ends with a slash, all paths below it.
    pub path: &'static str,
    /// How the body comes in.
    pub body: Body,
    /// How long the handler may take.
    pub time: Time,
    /// Whether pages of other origins are a matter of the room, not of the operator's list.
    pub has_own_cors: bool,
    /// Whether a link with a token leads here: it opens nothing but this page.
    pub has_token: bool,
    /// Whether browsers, CMS and mail senders call it: they add query parameters of their own, so that unknown ones are
    /// ignored.
    pub ignores_unknown: bool,
}

/// How a body comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// It is read before the handler begins: so many bytes at most, also once it is unpacked.
    AtMost(usize),
    /// The handler reads it, piece by piece.
    Streamed,
}

/// How long a handler may take once the body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// 5 seconds, or the configured limit where that is shorter.
    Usual,
    /// The configured limit.
    Configured,
    /// So long.
    Own(Duration),
}

impl PathRule {
    /// The usual rule.
    pub const fn of(path: &'static str) -> Self {
        Self {
            path,
            body: Body::AtMost(MAX_BODY),
            time: Time::Usual,
            has_own_cors: false,
            has_token: false,
            ignores_unknown: false,
        }
    }

    /// The rule for a path, or for a path's pattern.
    pub fn find(rooms: &[Room], path: &str) -> Self {
        let rules = rooms.iter().flat_map(|room| room.paths);
        rules
            .copied()
            .find(|rule| rule.covers(path))
            .unwrap_or(Self::of(""))
    }

    /// The rule for the path of a request.
    pub fn of_request(request: &HttpRequest) -> Self {
        let core = request.app_data::<web::Data<Core>>();
        core.map_or(Self::of(""), |core| Self::find(core.rooms, request.path()))
    }

    fn covers(&self, path: &str) -> bool {
        path == self.path || (self.path.ends_with('/') && path.starts_with(self.path))
    }

    /// The most bytes of a body that is read before the handler begins.
    pub fn most_bytes(&self) -> usize {
        match self.body {
            Body::AtMost(most) => most,
            Body::Streamed => MAX_BODY,
        }
    }
}
