//! Many keep-alive connections on one thread: cheap enough to load a server on the same machine.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, LocalSet};

use crate::Failure;
use crate::load::Measured;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a server said to one capture.
pub struct Told {
    /// Its status.
    pub status: u16,
    /// From the first byte sent to the last byte received.
    pub took: Duration,
    /// Whether it says when to come again.
    pub names_a_time: bool,
    /// The names of its headers and the size of its body: what a stranger sees without reading.
    pub shape: String,
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connect.
    pub async fn to(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4096) })
    }

    /// Send a request that is written out, and wait for the whole answer.
    pub async fn ask(&mut self, wire: &[u8]) -> Result<Told, Failure> {
        let begun = Instant::now();
        self.stream.write_all(wire).await?;
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
        let status = text.split(' ').nth(1).unwrap_or_default().parse()?;
        let (mut length, mut names_a_time) = (0, false);
        let mut names = vec![];
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            match name {
                "content-length" => length = value.trim().parse()?,
                "retry-after" => names_a_time = true,
                _ => {}
            }
            names.push(name);
        }
        while self.read.len() < head + length {
            self.more().await?;
        }
        Ok(Told {
            status,
            took: begun.elapsed(),
            names_a_time,
            shape: format!("{} and {length} bytes", names.join(", ")),
        })
    }

    async fn more(&mut self) -> Result<(), Failure> {
        let some = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await??;
        if some == 0 {
            return Err("the server hung up".into());
        }
        Ok(())
    }
}

/// Writes out the next capture.
pub type Next = Rc<dyn Fn() -> Vec<u8>>;

/// The captures that were taken, and how many were refused for want of room.
pub struct Load {
    /// Those taken.
    pub taken: Measured,
    /// How many were not.
    pub refused: u64,
}

/// So many connections, each of which sends the next capture once it has the answer to the last one.
pub fn closed_loop(
    address: SocketAddr,
    next: &Next,
    connections: usize,
    time: Duration,
) -> Result<Load, Failure> {
    crate::wait_for(async {
        let local = LocalSet::new();
        let start = Rc::new(Barrier::new(connections));
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let (next, start) = (next.clone(), start.clone());
            running.spawn_local_on(one_after_another(address, next, start, time), &local);
        }
        let (mut took, mut wall, mut refused) = (vec![], Duration::ZERO, 0);
        local
            .run_until(async {
                while let Some(one) = running.join_next().await {
                    let one = one??;
                    took.extend(one.taken.took);
                    wall = wall.max(one.taken.wall);
                    refused += one.refused;
                }
                Ok::<(), Failure>(())
            })
            .await?;
        took.sort_unstable();
        let taken = Measured { took, wall };
        Ok(Load { taken, refused })
    })
}

async fn one_after_another(
    address: SocketAddr,
    next: Next,
    start: Rc<Barrier>,
    time: Duration,
) -> Result<Load, Failure> {
    let connection = Connection::to(address).await;
    start.wait().await;
    let mut connection = connection?;
    let begun = Instant::now();
    let (mut took, mut refused) = (vec![], 0);
    while begun.elapsed() < time {
        let answer = connection.ask(&next()).await?;
        match answer.status {
            201 => took.push(answer.took),
            503 => refused += 1,
            other => return Err(format!("a capture was answered {other}").into()),
        }
    }
    let wall = begun.elapsed();
    let taken = Measured { took, wall };
    Ok(Load { taken, refused })
}
