//! The commands that need a database.

use std::io::{ErrorKind, IsTerminal, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::Rule;

use tandem_api::access;
use tandem_api::ambient::Ambient;
use tandem_api::edge::crypto::password::Passwords;
use tandem_api::edge::crypto::seal::MasterKey;
use tandem_api::edge::openapi;
use tandem_api::program::config::{
    Config, Database, DirLock, load_master_key, load_or_make_master_key, prepare_data_dir,
    refuse_what_is_lost,
};
use tandem_api::program::serve::{self, Options, StartError};
use tandem_api::program::{app, jobs, logging};
use tandem_demo as demo;
use tandem_store::{Db, StoreError};

/// The limit of open files that the service asks for.
const MOST_FILES: u64 = 65_536;
/// The limit that is assumed where it cannot be raised.
const FEW_FILES: u64 = 1_024;
/// How many files the service needs itself: the database, its log, sockets.
const OWN_FILES: usize = 256;

/// Why a command failed, for people.
type Failure = String;

/// What is left to do when the service stops: the lock of the data directory goes with it.
pub struct Ground {
    pub config: Config,
    master: MasterKey,
    _lock: Option<DirLock>,
}

/// The configuration, all problems at once.
pub fn configuration(file: Option<PathBuf>) -> Result<Config, Failure> {
    let text = match &file {
        Some(path) => {
            Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        None => None,
    };
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Config::load(environment, text.as_deref()).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        format!(
            "the configuration has {} problem(s):\n{}",
            lines.len(),
            lines.join("\n")
        )
    })
}

pub fn ground(file: Option<PathBuf>, exclusive: bool) -> Result<Ground, Failure> {
    let config = configuration(file)?;
    logging::init(&config.log, logging::wants_json()).map_err(|error| error.to_string())?;
    let mut lock = None;
    if let Database::Sqlite { path } = &config.database {
        prepare_data_dir(&config.data_dir).map_err(|error| error.to_string())?;
        if exclusive {
            lock = Some(DirLock::acquire(&config.data_dir).map_err(|error| error.to_string())?);
        }
        let has_key = config.master_key.is_some()
            || load_master_key(&config.data_dir)
                .map_err(|error| error.to_string())?
                .is_some();
        refuse_what_is_lost(path, has_key).map_err(|error| error.to_string())?;
    }
    let master = match &config.master_key {
        Some(key) => key.clone(),
        None => load_or_make_master_key(&config.data_dir).map_err(|error| error.to_string())?,
    };
    Ok(Ground {
        config,
        master,
        _lock: lock,
    })
}

pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

fn passwords() -> Passwords {
    Passwords::new(
        std::thread::available_parallelism()
            .map_or(1, usize::from)
            .div_ceil(2),
    )
}

/// Serve until a signal to stop.
pub fn serve(file: Option<PathBuf>, rules: Vec<Arc<dyn Rule>>) -> Result<(), Failure> {
    let ground = ground(file, true)?;
    runtime()?.block_on(async {
        let address = ground.config.listen;
        let listener =
            TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let metrics = ground.config.metrics_listen.map(|address| {
            TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))
        });
        let options = Options {
            rules,
            config: ground.config.clone(),
            ambient: Ambient::system(),
            master: ground.master.clone(),
            passwords: passwords(),
            listener,
            metrics: metrics.transpose()?,
            connections: connections(),
            run_jobs: true,
        };
        let running = serve::start(options).await.map_err(|error| error.to_string())?;
        let token = access::ensure_setup_token(&running.core)
            .await
            .map_err(|error| error.to_string())?;
        greet(&ground.config, running.address, token.as_deref());
        leave(&running, ground.config.timeouts.drain_ms).await;
        running.stop().await;
        Ok(())
    })
}

/// Wait for a signal to stop; then drain the service. An interrupt from the keyboard skips the drain, a second signal ends
/// it.
async fn leave(running: &serve::Running, drain_ms: u64) {
    if let Signal::Interrupt = stop_signal().await {
        return tracing::info!("stopping");
    }
    tracing::info!(drain_ms, "stopping; no longer ready");
    tokio::select! {
        () = running.drain(Duration::from_millis(drain_ms)) => {}
        _ = stop_signal() => {}
    }
}

/// How many connections may be open at a time: the limit of open files, without those that the service needs itself. The
/// soft limit, mostly 1,024, is raised up to the hard one.
fn connections() -> usize {
    let files = rlimit::increase_nofile_limit(MOST_FILES).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        FEW_FILES
    });
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(OWN_FILES).clamp(64, 100_000)
}

fn greet(config: &Config, address: std::net::SocketAddr, token: Option<&str>) {
    print_line!("Tandem serves on http://{address}");
    print_line!("Documentation:   http://{address}/docs/");
    match &config.database {
        Database::Sqlite { path } => print_line!("Database:        SQLite, {}", path.display()),
        Database::Postgres { .. } => print_line!("Database:        PostgreSQL"),
    }
    if let Some(token) = token {
        print_line!("Set-up token:    {token}");
        print_line!("                 (once, for the first admin: POST /v1/setup; see README.md)");
    }
}

/// Run background jobs until a signal to stop.
pub fn work(file: Option<PathBuf>, rules: Vec<Arc<dyn Rule>>) -> Result<(), Failure> {
    let ground = ground(file, true)?;
    runtime()?.block_on(async {
        let ambient = Ambient::system();
        let db = serve::timed(open(&ground, &ambient).await?, &ambient).judging_by(rules);
        let mut core = serve::assemble(&ground.config, ambient, ground.master.clone(), passwords(), db)
            .map_err(|error| error.to_string())?;
        core.serves = false;
        let core = web::Data::new(core);
        if let Some(address) = ground.config.metrics_listen {
            let failed = |error| format!("cannot listen on {address}: {error}");
            let listener = TcpListener::bind(address).map_err(failed)?;
            tokio::spawn(tandem_api::program::metrics::server(core.clone(), listener).map_err(failed)?);
        }
        let jobs = jobs::Loop::start(core.clone(), jobs::all(&core));
        print_line!("Tandem runs background jobs");
        stop_signal().await;
        jobs.stop().await;
        let _ = tandem_store::leases::release_all(&core.db, &core.replica).await;
        core.db.clone().close().await;
        Ok(())
    })
}

/// Connect, bring the schema up to date, and refuse a master key that is not the key of this database.
pub async fn open(ground: &Ground, ambient: &Ambient) -> Result<Db, Failure> {
    let failed = |error: StoreError| error.to_string();
    let db = serve::prepare(&ground.config, ambient).await.map_err(failed)?;
    let fits = access::key_fits(&db, Some(&ground.master), ambient.now());
    if !fits.await.map_err(failed)? {
        return Err(StartError::ForeignMasterKey.to_string());
    }
    Ok(db)
}

/// Bring the schema up to date.
pub fn migrate(file: Option<PathBuf>) -> Result<(), Failure> {
    let ground = ground(file, false)?;
    runtime()?.block_on(async {
        let db = open(&ground, &Ambient::system()).await?;
        db.close().await;
        print_line!("The schema is up to date");
        Ok(())
    })
}

/// Print the OpenAPI document, or write it to a file.
pub fn openapi(output: Option<PathBuf>) -> Result<(), Failure> {
    let text = openapi::text(&app::document());
    match output {
        Some(path) => std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display())),
        None => {
            let mut out = std::io::stdout().lock();
            let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
            match written {
                // Who reads no further, as `head` does, has what it wants.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    Err(format!("standard output: {error}"))
                }
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }
}

/// Fill an empty database with a year of a company that does not exist.
pub fn demo(
    file: Option<PathBuf>,
    seed: u64,
    until: Option<jiff::civil::Date>,
    rules: Vec<Arc<dyn Rule>>,
) -> Result<(), Failure> {
    let ground = ground(file, true)?;
    let ambient = Ambient::system();
    let to = match until {
        None => ambient.now(),
        Some(day) => Timestamp::start_of_day(day, &jiff::tz::TimeZone::UTC).ok_or("there is no such day")?,
    };
    let address = format!("http://{}", ground.config.listen);
    let program = std::env::args_os()
        .next()
        .map_or_else(|| "tandem".into(), |name| name.to_string_lossy().into_owned());
    let serve = match &ground.config.database {
        Database::Sqlite { .. } => format!(
            "TANDEM_DATA_DIR={} {program} serve",
            ground.config.data_dir.display()
        ),
        Database::Postgres { .. } => format!("{program} serve"),
    };
    runtime()?.block_on(async {
        let db = open(&ground, &ambient).await?.judging_by(rules);
        let core = serve::assemble(&ground.config, ambient, ground.master.clone(), passwords(), db)
            .map_err(|error| error.to_string())?;
        let made = demo::fill(web::Data::new(core), seed, to)
            .await
            .map_err(|error| error.to_string())?;
        print_line!("{}", made.told(&address, &serve).trim_end());
        Ok(())
    })
}

/// Create a user with the rights of an admin.
pub fn create_admin(file: Option<PathBuf>, email: &str, name: &str) -> Result<(), Failure> {
    let ground = ground(file, false)?;
    let given = read_password()?;
    let made = given.is_none();
    let password = given.unwrap_or_else(access::admin::make_password);
    runtime()?.block_on(async {
        let ambient = Ambient::system();
        let db = open(&ground, &ambient).await?;
        let created =
            access::admin::create_admin(&db, &passwords(), email, name, &password, ambient.act("admin"))
                .await;
        let user = created.map_err(|error| error.to_string())?;
        db.close().await;
        print_line!("Created {} ({})", user.email, user.id);
        if made {
            print_line!("Password: {password}");
        }
        Ok(())
    })
}

/// The first line of standard input, where it is no terminal and has one.
fn read_password() -> Result<Option<String>, Failure> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    input
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(text
        .lines()
        .next()
        .map(str::to_owned)
        .filter(|line| !line.is_empty()))
}

/// A request to stop.
enum Signal {
    /// SIGTERM: from a service manager or an orchestrator.
    Terminate,
    /// SIGINT: from the keyboard.
    Interrupt,
}

async fn stop_signal() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => Signal::Terminate,
        _ = interrupt.recv() => Signal::Interrupt,
    }
}
