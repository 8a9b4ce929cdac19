//! Databases: each test gets its own, copied from a template that is made once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tandem_api::ambient::Ambient;
use tandem_api::program::config::Config;
use tandem_store::Db;
use tokio::sync::OnceCell;

use crate::Given;
use crate::app::START;

/// The variable that names a PostgreSQL server, with a user who may make databases.
pub const POSTGRES: &str = "TANDEM_TEST_POSTGRES_URL";
/// A random key that guards nothing but tests.
const MASTER_KEY: &str = "5f0c9d3a7be14826d1f7a0634c9be258901dce47ab35f86270e4d9b81c6a3f57";

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The embedded one.
    Sqlite,
    /// A server.
    Postgres,
}

/// A database of a test's own, with the schema, the provisional agreement and nothing else.
#[derive(Debug)]
pub struct Database {
    /// Which kind.
    pub backend: Backend,
    /// The data directory; on the embedded database its file is here.
    pub dir: PathBuf,
    name: String,
}

impl Database {
    /// The configuration of a service on this database: no rate limits, one worker.
    pub fn config(&self) -> Config {
        let url = match self.backend {
            Backend::Sqlite => None,
            Backend::Postgres => server_url().map(|server| url_of(&server, &self.name)),
        };
        config(&self.dir, url)
    }

    /// Connect as the service does.
    pub async fn connect(&self) -> Db {
        Db::connect(&tandem_api::program::serve::place(&self.config()), 4).await.unwrap()
    }

    /// Connect below the store: to look at the schema and at rows.
    pub async fn raw(&self) -> DatabaseConnection {
        match self.backend {
            Backend::Sqlite => connect(&format!("sqlite://{}", self.dir.join("tandem.db").display())).await,
            Backend::Postgres => connect(&url_of(&server_url().unwrap(), &self.name)).await,
        }
    }

    /// A file in the place of the embedded database, made where there is none.
    pub async fn raw_file(&self) -> DatabaseConnection {
        connect(&format!("sqlite://{}?mode=rwc", self.dir.join("tandem.db").display())).await
    }

    fn make_dir(&self) {
        let _ = std::fs::remove_dir_all(&self.dir);
        tandem_api::program::config::prepare_data_dir(&self.dir).unwrap();
    }
}

impl Given for Database {
    async fn start(backend: Backend) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("tandem_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(&name);
        let database = Self { backend, dir, name };
        match backend {
            Backend::Sqlite => {
                let template = sqlite_template().await;
                database.make_dir();
                std::fs::write(database.dir.join("tandem.db"), template).unwrap();
            }
            Backend::Postgres => {
                let server = server_url()?;
                let template = postgres_template(&server).await;
                database.make_dir();
                let server = connect(&server).await;
                let sql = format!("CREATE DATABASE {} TEMPLATE {template}", database.name);
                server.execute_unprepared(&sql).await.unwrap();
                server.close().await.unwrap();
            }
        }
        Some(database)
    }

    async fn stop(self) {
        let _ = std::fs::remove_dir_all(&self.dir);
        if let (Backend::Postgres, Some(server)) = (self.backend, server_url()) {
            let server = connect(&server).await;
            let _ = server.execute_unprepared(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
            let _ = server.close().await;
        }
    }
}

fn config(dir: &Path, url: Option<String>) -> Config {
    let mut env = vec![
        ("TANDEM_DATA_DIR", dir.display().to_string()),
        ("TANDEM_MASTER_KEY", MASTER_KEY.to_owned()),
        ("TANDEM_WORKERS", "1".to_owned()),
        ("TANDEM_DRAIN_MS", "0".to_owned()),
        ("TANDEM_SHUTDOWN_TIMEOUT_MS", "1000".to_owned()),
        ("TANDEM_RATE_PER_KEY", "0".to_owned()),
        ("TANDEM_RATE_PER_FORM", "0".to_owned()),
        ("TANDEM_RATE_PER_ADDRESS", "0".to_owned()),
    ];
    env.extend(url.map(|url| ("DATABASE_URL", url)));
    Config::load(env.into_iter().map(|(name, value)| (name.to_owned(), value)), None).unwrap()
}

fn server_url() -> Option<String> {
    std::env::var(POSTGRES).ok().filter(|url| !url.is_empty())
}

fn url_of(server: &str, database: &str) -> String {
    let (address, query) =
        server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
    let (host, _) = address.rsplit_once('/').unwrap();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{host}/{database}{query}")
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn prepare(config: &Config) {
    let ambient = Ambient::manual(START, 0);
    tandem_api::program::serve::prepare(config, &ambient).await.unwrap().close().await;
}

/// The bytes of a prepared SQLite file.
async fn sqlite_template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let make = async || {
        let dir = std::env::temp_dir().join(format!("tandem_template_{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        prepare(&config(&dir, None)).await;
        let bytes = std::fs::read(dir.join("tandem.db")).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        bytes
    };
    TEMPLATE.get_or_init(make).await
}

/// The name of a prepared database on the server: made once for each state of the sources that it depends on, by
/// whichever test process comes first.
async fn postgres_template(server_url: &str) -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let make = async || {
        let name = format!("tandem_template_{:016x}", hash_of_sources());
        let server = connect(server_url).await;
        server.execute_unprepared("SELECT pg_advisory_lock(7231904456)").await.unwrap();
        let known = format!("SELECT 1 AS n FROM pg_database WHERE datname = '{name}'");
        let known = server.query_one_raw(Statement::from_string(DbBackend::Postgres, known)).await.unwrap();
        if known.is_none() {
            let draft = format!("{name}_draft");
            server
                .execute_unprepared(&format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)"))
                .await
                .unwrap();
            server.execute_unprepared(&format!("CREATE DATABASE {draft}")).await.unwrap();
            prepare(&config(&std::env::temp_dir(), Some(url_of(server_url, &draft)))).await;
            wait_until_unused(&server, &draft).await;
            server.execute_unprepared(&format!("ALTER DATABASE {draft} RENAME TO {name}")).await.unwrap();
        }
        server.close().await.unwrap();
        name
    };
    TEMPLATE.get_or_init(make).await
}

/// A backend of the server outlives its client for a moment, and a database in use cannot be renamed or copied.
async fn wait_until_unused(server: &DatabaseConnection, database: &str) {
    let sql =
        format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'");
    server.execute_unprepared(&sql).await.unwrap();
}

/// FNV-1a over what a prepared database is made by.
fn hash_of_sources() -> u64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = vec![];
    for part in ["migrations/src", "crates/store/src", "crates/domain/src"] {
        files_below(&root.join(part), &mut files);
    }
    files.sort();
    let bytes = files.iter().flat_map(|file| std::fs::read(file).unwrap());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}
