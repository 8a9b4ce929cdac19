//! How fast strangers' captures become leads on each database, held against what the database can do.

pub mod beside;
mod cpu;
mod crowd;
mod form;
mod overload;
mod page;
mod pgbench;
mod rows;
mod script;
mod stage;
mod stranger;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::load::Measured;
use crate::raw::{Raw, connect, texts};
use crate::server::{Home, Server};
use crate::{Failure, REST};
use crowd::Next;
use form::Sender;
use overload::Overload;
use pgbench::Pgbench;
use rows::{BATCH, Rows};
use stage::Stage;
use stranger::Stranger;

/// Over how many connections captures come.
const CONNECTIONS: [usize; 4] = [1, 8, 32, 128];
/// From how many connections on the raw rows take turns with the captures.
const RAW_FROM: usize = 32;
/// How often the sides take turns at each number of connections.
const TURNS: usize = 3;
/// The most captures whose rows are written raw; they are held in memory.
const MOST_RAW: usize = 15_360;
/// How many times its capacity a server is offered.
const OVERLOAD: f64 = 3.0;

/// What is measured, and with what.
pub struct Order<'a> {
    /// The program.
    pub program: &'a Path,
    /// The URL of PostgreSQL.
    pub postgres: &'a str,
    /// Where the databases go.
    pub dir: &'a Path,
    /// PostgreSQL's log.
    pub log: PathBuf,
    /// How long one turn lasts.
    pub turn: Duration,
}

/// The measured captures of one database.
pub struct Side {
    name: &'static str,
    lines: Vec<Line>,
    raw: Vec<Turn>,
    overload: Vec<(f64, Overload)>,
    stranger: Stranger,
}

/// Captures over one number of connections.
struct Line {
    connections: usize,
    turns: Vec<Turn>,
    took: Vec<Duration>,
    refused: u64,
    cpu: Option<Duration>,
    database_cpu: Option<Duration>,
    limit: Vec<Turn>,
    limit_cpu: Option<Duration>,
}

/// So many captures in so much time.
#[derive(Clone, Copy)]
struct Turn {
    captures: u64,
    wall: f64,
}

/// Everything about captures.
pub struct Captures {
    sides: Vec<Side>,
    turn: Duration,
    rows_a_capture: f64,
    rows_a_transaction: f64,
    statements: usize,
    raw_captures: usize,
    raw_rows: f64,
}

/// One database while it is measured.
struct Player {
    home: Home,
    server: Server,
    sender: Rc<Sender>,
    strangers: Next,
    raw_home: Home,
    raw: Raw,
}

/// Measure.
pub fn measure(order: &Order<'_>) -> Result<Captures, Failure> {
    let stages = homes(order)?.into_iter().map(Stage::set).collect::<Result<Vec<_>, _>>()?;
    let [_, postgres] = stages.as_slice() else {
        return Err("there are two kinds of databases".into());
    };
    crate::say("captures: their rows and statements");
    let (mut rows, rows_a_capture) = collect(postgres, order)?;
    let (mut pgbench, pgbench_home) = Pgbench::prepare(postgres, &order.log)?;
    let postmaster = postmaster(order.postgres)?;

    let mut players = vec![];
    for stage in &stages {
        let home = stage.copy("served")?;
        let raw_home = stage.copy("raw")?;
        let sender = stage.sender();
        let strangers = sender.clone();
        players.push(Player {
            server: home.start()?,
            sender,
            strangers: Rc::new(move || strangers.stranger()),
            raw: Raw::to(&raw_home)?,
            home,
            raw_home,
        });
    }
    // Pools, prepared statements and caches are there before anything counts.
    for player in &players {
        crowd::closed_loop(player.server.address, &player.strangers, CONNECTIONS[3], order.turn)?;
    }
    thread::sleep(REST);
    let mut sides = vec![Side::new("SQLite"), Side::new("PostgreSQL")];
    let raw_turns = TURNS * CONNECTIONS.iter().filter(|many| **many >= RAW_FROM).count();
    let share = rows.len().div_ceil(raw_turns);
    for connections in CONNECTIONS {
        sides.iter_mut().for_each(|side| side.lines.push(Line::new(connections)));
        for _ in 0..TURNS {
            for (player, side) in players.iter().zip(&mut sides) {
                let line = side.lines.last_mut().ok_or("no line")?;
                line.take_turn(player, order.turn, postmaster)?;
            }
            let line = sides[1].lines.last_mut().ok_or("no line")?;
            line.take_limit(&mut pgbench, order.turn, postmaster)?;
            if connections >= RAW_FROM {
                let range = rows.next(share);
                if range.is_empty() {
                    continue;
                }
                for (player, side) in players.iter().zip(&mut sides) {
                    let (captures, wall) = rows.write(&player.raw, range.clone())?;
                    side.raw.push(Turn::new(captures as u64, wall));
                }
            }
        }
        for side in &sides {
            if let Some(line) = side.lines.last() {
                crate::say(&format!("captures, {connections}: {}: {:.0}/s", side.name, rate(&line.turns)));
            }
        }
    }
    let rows_a_transaction = pgbench.check(rows_a_capture)?;
    for _ in 0..2 {
        for (player, side) in players.iter().zip(&mut sides) {
            side.overload.push(flood(player, order.turn)?);
        }
    }
    for (player, side) in players.iter().zip(&mut sides) {
        side.stranger = stranger::look(player.server.address, &player.sender)?;
    }
    for player in players {
        player.server.stop()?;
        player.raw.close()?;
        player.home.strike()?;
        player.raw_home.strike()?;
    }
    pgbench_home.strike()?;
    stages.iter().try_for_each(Stage::strike)?;
    Ok(Captures {
        sides,
        turn: order.turn,
        rows_a_capture,
        rows_a_transaction,
        statements: pgbench.statements,
        raw_captures: rows.len() * BATCH,
        raw_rows: rows.rows_a_capture,
    })
}

fn homes(order: &Order<'_>) -> Result<Vec<Home>, Failure> {
    let (server, _) = order.postgres.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
    let home = |name, dir: &str, url| Home {
        name,
        program: order.program.to_owned(),
        dir: order.dir.join(dir),
        url,
    };
    Ok(vec![
        home("SQLite", "captures-sqlite", None),
        home("PostgreSQL", "captures-postgres", Some(format!("{server}/captures"))),
    ])
}

/// The rows of real captures, over many connections; and how many rows in all one capture leaves.
fn collect(stage: &Stage, order: &Order<'_>) -> Result<(Rows, f64), Failure> {
    let home = stage.copy("collected")?;
    let url = home.url.clone().ok_or("the rows are read on PostgreSQL")?;
    let count = || {
        crate::wait_for(async {
            let on = connect(&url).await?;
            let counts = pgbench::counts(&on).await?;
            on.close().await?;
            Ok((counts["submissions"], counts.values().sum::<i64>()))
        })
    };
    let before = count()?;
    let server = home.start()?;
    crowd::closed_loop(server.address, &stage.strangers(), 64, order.turn * 2)?;
    server.stop()?;
    let after = count()?;
    let rows = Rows::of(&url, form::COMPANIES, MOST_RAW / BATCH)?;
    home.strike()?;
    let rows_a_capture = (after.1 - before.1) as f64 / (after.0 - before.0) as f64;
    if rows.rows_a_capture < rows_a_capture * 0.98 {
        let (raw, all) = (rows.rows_a_capture, rows_a_capture);
        return Err(format!("of {all:.2} rows of a capture only {raw:.2} are known by their lead").into());
    }
    Ok((rows, rows_a_capture))
}

/// The process that PostgreSQL's other processes belong to, where it runs on this machine.
fn postmaster(url: &str) -> Result<Option<u32>, Failure> {
    let pid = crate::wait_for(async {
        let on = connect(url).await?;
        let pid = texts::<1>(&on, "SELECT pg_backend_pid()::text").await?;
        let pid = pid.first().and_then(|[pid]| pid.parse().ok());
        let parent = pid.and_then(cpu::parent);
        on.close().await?;
        Ok(parent)
    })?;
    Ok(pid)
}

/// Three times as many captures as the server has just shown that it takes; its peak, and what came of it.
fn flood(player: &Player, time: Duration) -> Result<(f64, Overload), Failure> {
    let address = player.server.address;
    let peak = crowd::closed_loop(address, &player.strangers, CONNECTIONS[3], time)?.taken.rate();
    let overload = overload::open_loop(address, &player.sender, peak * OVERLOAD, time)?;
    // What waits for its turn is over before the next one is measured.
    thread::sleep(REST);
    crate::say(&format!(
        "overload, {}: {:.0}/s at its peak, {:.0}/s of {:.0}/s taken",
        player.home.name, peak, overload.taken, overload.offered
    ));
    Ok((peak, overload))
}

impl Side {
    fn new(name: &'static str) -> Self {
        Self { name, lines: vec![], raw: vec![], overload: vec![], stranger: Stranger::default() }
    }
}

impl Line {
    fn new(connections: usize) -> Self {
        Self {
            connections,
            turns: vec![],
            took: vec![],
            refused: 0,
            cpu: Some(Duration::ZERO),
            database_cpu: Some(Duration::ZERO),
            limit: vec![],
            limit_cpu: Some(Duration::ZERO),
        }
    }

    fn take_turn(&mut self, player: &Player, time: Duration, postmaster: Option<u32>) -> Result<(), Failure> {
        let own = || cpu::of_process(player.server.pid());
        let theirs = || postmaster.and_then(cpu::of_family);
        let before = (own(), theirs());
        let load = crowd::closed_loop(player.server.address, &player.strangers, self.connections, time)?;
        self.turns.push(Turn::new(load.taken.took.len() as u64, load.taken.wall));
        self.took.extend(load.taken.took);
        self.refused += load.refused;
        self.took.sort_unstable();
        let since = |before: Option<Duration>, now: Option<Duration>| now?.checked_sub(before?);
        self.cpu = more(self.cpu, since(before.0, own()));
        self.database_cpu = more(self.database_cpu, since(before.1, theirs()));
        Ok(())
    }

    fn take_limit(
        &mut self,
        pgbench: &mut Pgbench,
        time: Duration,
        postmaster: Option<u32>,
    ) -> Result<(), Failure> {
        let theirs = || postmaster.and_then(cpu::of_family);
        let (turn, cpu) = pgbench.run(self.connections, time, theirs)?;
        self.limit.push(turn);
        self.limit_cpu = more(self.limit_cpu, cpu);
        Ok(())
    }

    fn percentile(&self, share: f64) -> f64 {
        let took = self.took.clone();
        let wall = Duration::ZERO;
        Measured { took, wall }.percentile(share)
    }
}

fn more(sum: Option<Duration>, taken: Option<Duration>) -> Option<Duration> {
    Some(sum? + taken?)
}

impl Turn {
    fn new(captures: u64, wall: Duration) -> Self {
        let wall = wall.as_secs_f64();
        Self { captures, wall }
    }

    fn rate(self) -> f64 {
        self.captures as f64 / self.wall
    }
}

/// Captures a second over all turns.
fn rate(turns: &[Turn]) -> f64 {
    captures(turns) as f64 / turns.iter().map(|turn| turn.wall).sum::<f64>()
}

fn captures(turns: &[Turn]) -> u64 {
    turns.iter().map(|turn| turn.captures).sum()
}
