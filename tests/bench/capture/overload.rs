//! More captures than the server can take, sent at a fixed rate whatever it answers.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::crowd::Connection;
use super::form::Sender;
use crate::Failure;
use crate::load::Measured;

/// What does not count: the queue fills.
const RAMP: Duration = Duration::from_secs(2);
/// The most connections.
const CONNECTIONS: usize = 3_000;

/// What came of it.
#[derive(Default)]
pub struct Overload {
    /// Captures a second that were sent.
    pub offered: f64,
    /// Captures a second that were taken.
    pub taken: f64,
    /// How long refusals took, ascending.
    pub refusals: Vec<Duration>,
    /// How long it took where a capture was taken, ascending.
    pub waits: Vec<Duration>,
    /// Refusals that are no 503, or do not say when to come again.
    pub wrong: u64,
    /// Answers that never came: the connection broke.
    pub broken: u64,
    /// Captures that were due, but were not sent: every connection waited.
    pub unsent: u64,
}

impl Overload {
    /// The time that this share of the refusals did not exceed, in milliseconds.
    pub fn refusal(&self, share: f64) -> f64 {
        let took = self.refusals.clone();
        let wall = Duration::ZERO;
        Measured { took, wall }.percentile(share)
    }
}

/// Send at a rate, in captures a second, for some time.
pub fn open_loop(
    address: SocketAddr,
    sender: &Sender,
    rate: f64,
    time: Duration,
) -> Result<Overload, Failure> {
    let time = time + RAMP;
    // Written out before, so that the sender takes little from the server.
    let total = (rate * time.as_secs_f64()) as usize;
    let wires: Vec<Vec<u8>> = (0..total).map(|_| sender.stranger()).collect();
    let seen = Rc::new(RefCell::new(Overload::default()));
    crate::wait_for(LocalSet::new().run_until(send(address, wires, rate, time, seen.clone())))?;
    let mut seen = seen.take();
    seen.refusals.sort_unstable();
    seen.waits.sort_unstable();
    Ok(seen)
}

async fn send(
    address: SocketAddr,
    wires: Vec<Vec<u8>>,
    rate: f64,
    time: Duration,
    seen: Rc<RefCell<Overload>>,
) -> Result<(), Failure> {
    let idle = Rc::new(RefCell::new(Vec::<Connection>::new()));
    let mut running = tokio::task::JoinSet::new();
    let begun = Instant::now();
    for (place, wire) in wires.into_iter().enumerate() {
        let due = Duration::from_secs_f64(place as f64 / rate);
        if due > begun.elapsed() {
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        } else if place % 16 == 0 {
            tokio::task::yield_now().await;
        }
        if begun.elapsed() > time {
            break;
        }
        while running.try_join_next().is_some() {}
        if running.len() >= CONNECTIONS {
            seen.borrow_mut().unsent += 1;
            continue;
        }
        let (idle, seen) = (idle.clone(), seen.clone());
        running.spawn_local(async move {
            let counts = begun.elapsed() >= RAMP;
            let kept = idle.borrow_mut().pop();
            let connection = match kept {
                Some(connection) => Ok(connection),
                None => Connection::to(address).await,
            };
            if counts {
                seen.borrow_mut().offered += 1.0;
            }
            let Ok(mut connection) = connection else {
                seen.borrow_mut().broken += 1;
                return;
            };
            let told = connection.ask(&wire).await;
            let mut seen = seen.borrow_mut();
            let Ok(told) = told else {
                seen.broken += 1;
                return;
            };
            idle.borrow_mut().push(connection);
            match told.status {
                201 if begun.elapsed() >= RAMP && begun.elapsed() <= time => {
                    seen.taken += 1.0;
                    seen.waits.push(told.took);
                }
                201 => {}
                503 if told.names_a_time => seen.refusals.push(told.took),
                _ => seen.wrong += 1,
            }
        });
    }
    let seconds = begun.elapsed().saturating_sub(RAMP).as_secs_f64();
    while running.join_next().await.is_some() {}
    let mut seen = seen.borrow_mut();
    seen.offered /= seconds;
    seen.taken /= seconds.min(time.saturating_sub(RAMP).as_secs_f64().max(1.0));
    Ok(())
}
