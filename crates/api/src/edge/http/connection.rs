//! Connections: how many one address may have, and for how long each may stay idle.
//!
//! The framework limits the time of a connection's first head, and of the quiet between two requests. It does not limit what
//! a client sends after its answer (the rest of a chunked body, a second head), nor how slowly it reads. A [`TimedStream`] does:
//! it closes a connection whose client keeps sending without a request under way, or does not read its answer.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

use super::address;
use crate::ambient::Stopwatch;

/// How long a client may send bytes that belong to no request: the head of the next one, or the rest of a body that nobody
/// reads. A shorter limit for bodies applies here too.
const UNCLAIMED_TIME: Duration = Duration::from_secs(5);
/// How many of these bytes it may send.
const UNCLAIMED_BYTES: usize = 8 << 20;
/// How long a client may read no byte of its answer.
const STALL: Duration = Duration::from_secs(20);
/// How long it may take to read what is written at a time: the whole answer, or a piece of a stream.
const PIECE: Duration = Duration::from_secs(60);
/// How long a connection that was just opened or answered stays open when the service closes those without a request.
const GRACE: Duration = Duration::from_secs(1);

/// The connections of this process.
#[derive(Debug)]
pub struct Connections {
    per_address: usize,
    unclaimed_time: Duration,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    is_closing: AtomicBool,
    has_grace: AtomicBool,
    closing: Arc<Notify>,
}

/// One place among those of an address. Dropping it frees the place.
#[derive(Debug)]
pub struct Slot {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// At most `per_address` connections of each address; 0 is no limit. `body_time` is the limit for a request's body.
    pub fn new(per_address: usize, body_time: Duration) -> Arc<Self> {
        Arc::new(Self {
            per_address,
            unclaimed_time: UNCLAIMED_TIME.min(body_time),
            by_address: Mutex::default(),
            is_closing: AtomicBool::new(false),
            has_grace: AtomicBool::new(false),
            closing: Arc::default(),
        })
    }

    /// A place for a connection or a request of this address; `None` where the address has reached its limit. Connections
    /// from this machine are not counted: most are a proxy's.
    pub fn place(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        if self.per_address == 0 || address.is_loopback() {
            return Some(self.uncounted());
        }
        let address = address::counted(address);
        let mut places = self.places();
        let taken = places.entry(address).or_default();
        if *taken >= self.per_address {
            return None;
        }
        *taken += 1;
        Some(Slot {
            connections: self.clone(),
            address: Some(address),
        })
    }

    /// A place for a connection of a proxy, whose requests are counted by the addresses that it names.
    pub fn uncounted(self: &Arc<Self>) -> Slot {
        Slot {
            connections: self.clone(),
            address: None,
        }
    }

    /// Close connections as soon as they have no request under way. With grace, those that were just opened or answered
    /// stay open for a second.
    pub fn close(&self, with_grace: bool) {
        self.has_grace.store(with_grace, Ordering::SeqCst);
        self.is_closing.store(true, Ordering::SeqCst);
        self.closing.notify_waiters();
    }

    fn places(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut places = self.connections.places();
        if let Some(taken) = places.get_mut(&address) {
            *taken -= 1;
            if *taken == 0 {
                places.remove(&address);
            }
        }
    }
}

/// The state of a connection's requests.
#[derive(Debug)]
pub struct Requests {
    under_way: Cell<usize>,
    /// Counts requests that began and answers that ended.
    turns: Cell<u64>,
    /// Measures from the last of these, or from the opening of the connection.
    since: Cell<Stopwatch>,
}

impl Requests {
    fn turn(&self, under_way: usize) {
        self.under_way.set(under_way);
        self.turns.set(self.turns.get() + 1);
        self.since.set(Stopwatch::start());
    }
}

/// A request that is under way until its answer is sent. Dropping it ends the request.
#[derive(Debug)]
pub struct UnderWay {
    requests: Option<Rc<Requests>>,
    _place: Option<Slot>,
}

impl UnderWay {
    /// Count the request on its connection; `place` is that of its client, where a proxy forwarded it.
    pub fn begin(request: &HttpRequest, place: Option<Slot>) -> Self {
        let requests = request.conn_data::<Rc<Requests>>().cloned();
        if let Some(requests) = &requests {
            requests.turn(requests.under_way.get() + 1);
        }
        Self {
            requests,
            _place: place,
        }
    }

    /// The body of the answer; the request ends when the body is dropped.
    pub fn until_sent(self, body: BoxBody) -> BoxBody {
        BoxBody::new(Answering { body, _until: self })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(requests) = &self.requests {
            requests.turn(requests.under_way.get().saturating_sub(1));
        }
    }
}

struct Answering {
    body: BoxBody,
    _until: UnderWay,
}

impl MessageBody for Answering {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A connection with time limits.
#[derive(Debug)]
pub struct TimedStream {
    io: TcpStream,
    requests: Rc<Requests>,
    /// The turn of the requests that `unclaimed` and `late` belong to.
    turn: u64,
    unclaimed: usize,
    late: Option<Pin<Box<Sleep>>>,
    stalled: Option<Stalled>,
    leaving: Option<Pin<Box<Sleep>>>,
    closing: Pin<Box<OwnedNotified>>,
    place: Slot,
}

#[derive(Debug)]
struct Stalled {
    since: Stopwatch,
    timer: Pin<Box<Sleep>>,
}

impl TimedStream {
    /// A connection that has just been opened.
    pub fn new(io: TcpStream, place: Slot) -> Self {
        let requests = Requests {
            under_way: Cell::new(0),
            turns: Cell::new(0),
            since: Cell::new(Stopwatch::start()),
        };
        Self {
            io,
            requests: Rc::new(requests),
            turn: 0,
            unclaimed: 0,
            late: None,
            stalled: None,
            leaving: None,
            closing: Box::pin(place.connections.closing.clone().notified_owned()),
            place,
        }
    }

    /// The state of its requests; the framework hands it to each of them.
    pub fn requests(&self) -> Rc<Requests> {
        self.requests.clone()
    }

    fn is_waiting(&mut self) -> bool {
        let turn = self.requests.turns.get();
        if self.turn != turn {
            self.turn = turn;
            self.unclaimed = 0;
            self.late = None;
            self.leaving = None;
        }
        self.requests.under_way.get() == 0
    }

    /// Whether the client has sent too many bytes that belong to no request, or for too long.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let is_late = |timer: &mut Pin<Box<Sleep>>| timer.as_mut().poll(context).is_ready();
        self.unclaimed > UNCLAIMED_BYTES || self.late.as_mut().is_some_and(is_late)
    }

    /// Whether the service closes, and this connection has been quiet for long enough.
    fn is_left(&mut self, context: &mut Context<'_>) -> bool {
        let connections = &self.place.connections;
        let is_closing = || connections.is_closing.load(Ordering::SeqCst);
        // Read again after the poll: it may have been set before the poll registered.
        if !is_closing() && self.closing.as_mut().poll(context).is_pending() && !is_closing() {
            return false;
        }
        if !connections.has_grace.load(Ordering::SeqCst) {
            return true;
        }
        let quiet = self.requests.since.get().elapsed();
        let rest = GRACE.saturating_sub(quiet);
        let timer = self
            .leaving
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(rest)));
        rest.is_zero() || timer.as_mut().poll(context).is_ready()
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for TimedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut line.io).poll_read(context, buffer);
        if !line.is_waiting() {
            return polled;
        }
        match polled {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                line.unclaimed += buffer.filled().len() - before;
                let time = line.place.connections.unclaimed_time;
                line.late
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
                match line.is_over(context) {
                    true => Poll::Ready(Err(timed_out("the client sent too much without a request"))),
                    false => Poll::Ready(Ok(())),
                }
            }
            Poll::Pending if line.is_over(context) => {
                Poll::Ready(Err(timed_out("no request arrived in time")))
            }
            // As if the client had closed it.
            Poll::Pending if line.unclaimed == 0 && line.is_left(context) => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        match Pin::new(&mut line.io).poll_write(context, bytes) {
            Poll::Ready(written) => {
                if let Some(stalled) = &mut line.stalled {
                    stalled.timer = Box::pin(tokio::time::sleep(STALL));
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                let stalled = line.stalled.get_or_insert_with(|| Stalled {
                    since: Stopwatch::start(),
                    timer: Box::pin(tokio::time::sleep(STALL)),
                });
                if stalled.since.elapsed() > PIECE || stalled.timer.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(timed_out("the client did not read its answer in time")));
                }
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        // The framework flushes once the socket has taken all that there was.
        line.stalled = None;
        Pin::new(&mut line.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let connections = Connections::new(2, UNCLAIMED_TIME);
        let home: IpAddr = "192.0.2.1".parse().unwrap();
        let first = connections.place(home);
        let second = connections.place(home);
        assert!(first.is_some() && second.is_some() && connections.place(home).is_none());
        assert!(connections.place("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(connections.place(home).is_some());
        drop(second);
        assert!(
            connections.places().is_empty(),
            "closed connections are not counted"
        );
    }

    #[test]
    fn a_household_of_ipv6_counts_as_one_and_this_machine_not_at_all() {
        let connections = Connections::new(1, UNCLAIMED_TIME);
        let _one = connections.place("2001:db8::1".parse().unwrap()).unwrap();
        assert!(connections.place("2001:db8::2".parse().unwrap()).is_none());
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let places: Vec<Option<Slot>> = (0..10).map(|_| connections.place(here)).collect();
        assert!(places.iter().all(Option::is_some));
    }

    #[test]
    fn no_limit_counts_nobody() {
        let connections = Connections::new(0, UNCLAIMED_TIME);
        let home: IpAddr = "192.0.2.1".parse().unwrap();
        let places: Vec<Option<Slot>> = (0..10).map(|_| connections.place(home)).collect();
        assert!(places.iter().all(Option::is_some) && connections.places().is_empty());
    }
}
