//! How fast servers' events become durable on each database, held against raw rows; and how soon a lead with very many
//! of them opens.

mod busy;
mod page;
mod rows;
mod server_events;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::load::Measured;
use crate::raw::Raw;
use crate::server::{Home, Server};
use crate::{Failure, REST};
use rows::Rows;
use server_events::Teller;

/// How many events one request tells.
pub const BATCH: usize = 1_000;
/// Over how many connections.
const CONNECTIONS: [usize; 3] = [1, 2, 4];
/// How often the sides take turns at each number of connections.
const TURNS: usize = 3;
/// The most requests whose rows are written raw; they are held in memory.
const MOST_RAW: usize = 300;

/// What is measured, and with what.
pub struct Order<'a> {
    /// The program.
    pub program: &'a Path,
    /// The URL of PostgreSQL.
    pub postgres: &'a str,
    /// Where the databases go.
    pub dir: &'a Path,
    /// How long one turn lasts.
    pub turn: Duration,
}

/// Everything about events.
pub struct Events {
    sides: Vec<Side>,
    turn: Duration,
    rows_an_event: f64,
    raw_events: usize,
}

/// The measured events of one database.
struct Side {
    name: &'static str,
    lines: Vec<Line>,
    raw: Vec<Turn>,
    pages: Vec<(&'static str, Measured)>,
}

/// Events over one number of connections.
struct Line {
    connections: usize,
    turns: Vec<Turn>,
    took: Vec<Duration>,
}

/// So many events in so much time.
#[derive(Clone, Copy)]
struct Turn {
    events: usize,
    wall: f64,
}

/// One database while it is measured.
struct Player {
    home: Home,
    server: Server,
    key: String,
    teller: Teller,
    raw_home: Home,
    raw: Raw,
}

/// Measure.
pub fn measure(order: &Order<'_>) -> Result<Events, Failure> {
    let mut players = homes(order)?.into_iter().map(Player::set).collect::<Result<Vec<_>, _>>()?;
    // The rows are those that the same requests leave.
    for player in &players {
        player.tell(4, order.turn * 2)?;
    }
    let url = players[1].home.url.clone().ok_or("the rows are read on PostgreSQL")?;
    let mut rows = Rows::of(&url, MOST_RAW)?;
    thread::sleep(REST);

    let mut sides: Vec<Side> = players
        .iter()
        .map(|player| Side { name: player.home.name, lines: vec![], raw: vec![], pages: vec![] })
        .collect();
    let share = rows.len().div_ceil(TURNS * CONNECTIONS.len());
    for connections in CONNECTIONS {
        for side in &mut sides {
            side.lines.push(Line { connections, turns: vec![], took: vec![] });
        }
        for _ in 0..TURNS {
            let range = rows.next(share);
            for (player, side) in players.iter().zip(&mut sides) {
                let (turn, took) = player.tell(connections, order.turn)?;
                let line = side.lines.last_mut().ok_or("no line")?;
                line.turns.push(turn);
                line.took.extend(took);
                line.took.sort_unstable();
                if !range.is_empty() {
                    side.raw.push(rows.write(&player.raw, range.clone())?);
                }
            }
        }
        for side in &sides {
            let line = side.lines.last().ok_or("no line")?;
            crate::say(&format!(
                "events, {connections}: {}: {:.0}/s, raw {:.0}/s",
                side.name,
                rate(&line.turns),
                rate(&side.raw)
            ));
        }
    }
    for (player, side) in players.iter_mut().zip(&mut sides) {
        side.pages = busy::open(player.server.address, &player.key)?;
    }
    for player in players {
        player.server.stop()?;
        player.raw.close()?;
        player.home.strike()?;
        player.raw_home.strike()?;
    }
    Ok(Events { sides, turn: order.turn, rows_an_event: rows.rows_an_event, raw_events: rows.len() * BATCH })
}

fn homes(order: &Order<'_>) -> Result<Vec<[Home; 2]>, Failure> {
    let (server, _) = order.postgres.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
    let home = |name, dir: String, url| Home {
        name,
        program: order.program.to_owned(),
        dir: order.dir.join(dir),
        url,
    };
    let both = |what: &str| {
        [
            home("SQLite", format!("{what}-sqlite"), None),
            home("PostgreSQL", format!("{what}-postgres"), Some(format!("{server}/{what}"))),
        ]
    };
    let pairs = both("events").into_iter().zip(both("events_raw"));
    Ok(pairs.map(|(served, raw)| [served, raw]).collect())
}

impl Player {
    fn set([home, raw_home]: [Home; 2]) -> Result<Self, Failure> {
        for home in [&home, &raw_home] {
            let _ = std::fs::remove_dir_all(&home.dir);
            home.create("template0")?;
            home.prepare()?;
        }
        let server = home.start()?;
        Ok(Self {
            key: server.key()?,
            teller: Teller::default(),
            raw: Raw::to(&raw_home)?,
            server,
            home,
            raw_home,
        })
    }

    /// Tell events for so long, each connection those of its own visitors; answer how many, and how long each request took.
    fn tell(&self, connections: usize, time: Duration) -> Result<(Turn, Vec<Duration>), Failure> {
        let is_over = AtomicBool::new(false);
        let begun = Instant::now();
        let told: Vec<Result<Vec<Duration>, Failure>> = thread::scope(|scope| {
            let running: Vec<_> =
                (0..connections).map(|_| scope.spawn(|| self.connection(&is_over))).collect();
            thread::sleep(time);
            is_over.store(true, Ordering::Relaxed);
            let joined = running.into_iter().map(|thread| thread.join());
            joined.map(|one| one.unwrap_or_else(|_| Err("a connection panicked".into()))).collect()
        });
        let wall = begun.elapsed().as_secs_f64();
        let took: Vec<Duration> = told.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        let events = took.len() * BATCH;
        Ok((Turn { events, wall }, took))
    }

    fn connection(&self, is_over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
        let mut client = Client::connect(self.server.address, Some(&self.key))?;
        let mut crowd = self.teller.crowd();
        let mut took = vec![];
        while !is_over.load(Ordering::Relaxed) {
            let answer = client.succeed(&crowd.request())?;
            if answer.json()?["accepted"] != BATCH {
                return Err(format!("not all events were taken: {}", answer.json()?).into());
            }
            took.push(answer.took);
        }
        Ok(took)
    }
}

/// Events a second over all turns.
fn rate(turns: &[Turn]) -> f64 {
    let events: usize = turns.iter().map(|turn| turn.events).sum();
    events as f64 / turns.iter().map(|turn| turn.wall).sum::<f64>()
}
