//! Measures a release build on both databases, filled with many leads: `scripts/bench` runs it.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod capture;
mod client;
mod events;
mod fill;
mod load;
mod people;
mod raw;
mod report;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, thread};

use sea_orm::ConnectionTrait;
use tandem_domain::instant::Timestamp;
use tandem_store::db::DatabaseLocation;

use load::Facts;
use people::People;
use report::{Figures, Line, Side};
use server::{Home, Server};

/// Why a benchmark failed, for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How often a server is started for the median.
const STARTS: usize = 10;
/// What a server does at first is over after this.
const REST: Duration = Duration::from_secs(3);

/// What is measured, from the command line.
struct Order {
    program: PathBuf,
    postgres: String,
    dir: PathBuf,
    page: PathBuf,
    people: People,
    requests: u64,
    parts: Vec<Part>,
    turn: Duration,
    other: Option<PathBuf>,
}

/// What a run may be confined to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What strangers send.
    Captures,
    /// What servers tell.
    Events,
    /// Everything that is asked of a filled database; memory and cold start.
    Lists,
}

impl Part {
    fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "captures" => Ok(Self::Captures),
            "events" => Ok(Self::Events),
            "lists" => Ok(Self::Lists),
            other => Err(format!("there is no part {other}, but captures, events and lists").into()),
        }
    }
}

fn main() -> ExitCode {
    match order().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn order() -> Result<Order, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, postgres, dir, page, leads, requests, parts, seconds, other @ ..] = arguments.as_slice()
    else {
        return Err(
            "usage: bench <tandem> <url of PostgreSQL> <directory> <page> <leads> <requests> <parts> \
                    <seconds of a turn> [<another tandem>]"
                .into(),
        );
    };
    Ok(Order {
        program: fs::canonicalize(program)?,
        postgres: postgres.clone(),
        dir: PathBuf::from(dir),
        page: PathBuf::from(page),
        people: People { leads: leads.parse()? },
        requests: requests.parse()?,
        parts: parts.split(',').filter(|part| !part.is_empty()).map(Part::named).collect::<Result<_, _>>()?,
        turn: Duration::from_secs(seconds.parse::<u64>()?.max(1)),
        other: other.first().map(fs::canonicalize).transpose()?,
    })
}

fn run(order: Order) -> Result<(), Failure> {
    let now = Timestamp::from_millis(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64);
    let mut figures = Figures {
        leads: order.people.leads,
        day: now.to_string()[..10].to_owned(),
        sides: vec![],
        lines: vec![],
        captures: None,
        beside: None,
        events: None,
    };
    let captures = capture::Order {
        program: &order.program,
        postgres: &order.postgres,
        dir: &order.dir,
        log: order.dir.join("pg/server/log"),
        turn: order.turn,
    };
    if order.parts.contains(&Part::Captures) {
        figures.captures = Some(capture::measure(&captures)?);
    }
    let measures_captures = order.parts.is_empty() || order.parts.contains(&Part::Captures);
    if let Some(other) = order.other.as_ref().filter(|_| measures_captures) {
        figures.beside = Some(capture::beside::measure(&captures, other)?);
    }
    if order.parts.contains(&Part::Events) {
        figures.events = Some(events::measure(&events::Order {
            program: &order.program,
            postgres: &order.postgres,
            dir: &order.dir,
            turn: order.turn,
        })?);
    }
    if order.parts.contains(&Part::Lists) {
        (figures.sides, figures.lines) = ask(&order, now)?;
    }
    fs::write(&order.page, figures.page())?;
    say(&format!("written: {}", order.page.display()));
    Ok(())
}

/// Ask filled databases.
fn ask(order: &Order, now: Timestamp) -> Result<(Vec<Side>, Vec<Line>), Failure> {
    let homes = homes(order)?;
    let filled_in = fill_both(&homes, order, now)?;

    say("cold starts");
    let mut starts = vec![];
    for home in &homes {
        let mut all = vec![];
        for _ in 0..STARTS {
            let server = home.start()?;
            all.push(server.started_in.as_secs_f64() * 1000.0);
            server.stop()?;
        }
        all.sort_by(f64::total_cmp);
        starts.push(all);
    }

    let servers = homes.iter().map(Home::start).collect::<Result<Vec<Server>, Failure>>()?;
    thread::sleep(REST);
    let before = servers.iter().map(Server::memory).collect::<Result<Vec<_>, _>>()?;
    let lines = measure_all(&servers, order, now)?;
    let mut sides = vec![];
    for (place, home) in homes.iter().enumerate() {
        let (version, megabytes) = describe(home)?;
        sides.push(Side {
            name: home.name,
            version,
            megabytes,
            starts: starts[place].clone(),
            memory_before: before[place],
            memory_after: servers[place].memory()?,
            filled_in: filled_in.get(home.name).copied(),
        });
    }
    for server in servers {
        server.stop()?;
    }
    Ok((sides, lines))
}

fn say(text: &str) {
    eprintln!("bench: {text}");
}

/// Both databases: the file, and a database of its own on the server; where another build is measured too, both of it as well.
fn homes(order: &Order) -> Result<Vec<Home>, Failure> {
    let name = format!("bench_{}", order.people.leads);
    let (server, _) = order.postgres.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
    let home = |title, program: &PathBuf, kind: &str, url| Home {
        name: title,
        program: program.clone(),
        dir: order.dir.join(format!("{kind}-{}", order.people.leads)),
        url,
    };
    let url = |name: &str| Some(format!("{server}/{name}"));
    let own = &order.program;
    let mut homes =
        vec![home("SQLite", own, "sqlite", None), home("PostgreSQL", own, "postgres", url(&name))];
    if let Some(other) = &order.other {
        homes.push(home("SQLite, other build", other, "sqlite-other", None));
        homes.push(home("PostgreSQL, other build", other, "postgres-other", url(&format!("{name}_other"))));
    }
    Ok(homes)
}

/// Fill at once those that no run before has filled; answer how many seconds these took, by name.
fn fill_both(homes: &[Home], order: &Order, now: Timestamp) -> Result<BTreeMap<&'static str, f64>, Failure> {
    // Beside the data directory: whatever it holds is the database's own.
    let mark = |home: &Home| home.dir.with_extension("filled");
    let is_empty = |home: &&Home| {
        let server = fs::read_to_string(mark(home));
        !server.is_ok_and(|server| home.url.is_none() || server == order.postgres)
    };
    let homes: Vec<&Home> = homes.iter().filter(is_empty).collect();
    if homes.is_empty() {
        say("the databases are filled already");
        return Ok(BTreeMap::new());
    }
    for home in &homes {
        let _ = fs::remove_dir_all(&home.dir);
        if let Some((_, name)) = home.url.as_ref().and_then(|url| url.rsplit_once('/')) {
            wait_for(execute(
                &order.postgres,
                &[
                    format!("DROP DATABASE IF EXISTS {name}"),
                    format!("CREATE DATABASE {name} TEMPLATE template0"),
                ],
            ))?;
        }
        home.prepare()?;
    }
    say(&format!(
        "filling with {} leads: {}",
        order.people.leads,
        homes.iter().map(|home| home.name).collect::<Vec<_>>().join(", ")
    ));
    let people = order.people;
    let fill_one = |home: &Home| -> Result<(&'static str, f64), Failure> {
        let begun = Instant::now();
        wait_for(fill::fill(&home.place(), people, now))?;
        let seconds = begun.elapsed().as_secs_f64();
        fs::write(mark(home), &order.postgres)?;
        say(&format!("{}: filled in {seconds:.0} s", home.name));
        Ok((home.name, seconds))
    };
    let filled: Vec<Result<_, Failure>> = thread::scope(|scope| {
        let running: Vec<_> = homes.iter().map(|home| scope.spawn(move || fill_one(home))).collect();
        let joined = running.into_iter().map(|thread| thread.join());
        joined.map(|one| one.unwrap_or_else(|_| Err("the filling panicked".into()))).collect()
    });
    filled.into_iter().collect()
}

fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

async fn execute(url: &str, statements: &[String]) -> Result<(), Failure> {
    let connection = sea_orm::Database::connect(url).await?;
    for statement in statements {
        connection.execute_unprepared(statement).await?;
    }
    Ok(connection.close().await?)
}

fn measure_all(servers: &[Server], order: &Order, now: Timestamp) -> Result<Vec<Line>, Failure> {
    let salt = now.millis() as u64;
    let mut keys = vec![];
    let mut kinds = vec![];
    for server in servers {
        let key = server.key()?;
        kinds.push(load::kinds(Facts::of(server, &key, order.people)?, salt, order.other.is_none()));
        keys.push(key);
    }
    let mut lines = vec![];
    for place in 0..kinds[0].len() {
        for &connections in kinds[0][place].connections {
            let sides: Vec<_> = servers
                .iter()
                .zip(&keys)
                .zip(&kinds)
                .map(|((server, key), kinds)| (server, key.as_str(), &kinds[place]))
                .collect();
            let (name, has_target) = (kinds[0][place].name, kinds[0][place].has_target);
            let measured = load::measure(&sides, connections, order.requests)?;
            let shown: Vec<String> = measured
                .iter()
                .map(|one| format!("{:.2}/{:.2} ms", one.percentile(0.5), one.percentile(0.99)))
                .collect();
            say(&format!("{name}, {connections}: {}", shown.join(" and ")));
            lines.push(Line { name, has_target, connections, measured });
        }
    }
    Ok(lines)
}

/// The database's version, and its size in MB.
fn describe(home: &Home) -> Result<(String, f64), Failure> {
    let (url, sql) = match home.place() {
        DatabaseLocation::Sqlite(path) => (
            format!("sqlite://{}", path.display()),
            "SELECT sqlite_version() AS version, \
             (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) AS bytes",
        ),
        DatabaseLocation::Postgres { url, .. } => (
            url,
            "SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes",
        ),
    };
    wait_for(async move {
        let connection = sea_orm::Database::connect(url).await?;
        let statement = sea_orm::Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await?.ok_or("no answer")?;
        let version: String = row.try_get("", "version")?;
        let bytes: i64 = row.try_get("", "bytes")?;
        connection.close().await?;
        let number = version.split(' ').next().unwrap_or_default().to_owned();
        Ok((number, bytes as f64 / 1_000_000.0))
    })
}
