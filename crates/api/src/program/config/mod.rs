//! The configuration: environment and an optional TOML file, checked whole before anything starts.

mod data_dir;
mod read;
mod settings;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::Url;

pub use data_dir::{
    DataDirError, DirLock, first_bytes, load_master_key, load_or_make_master_key, prepare_data_dir,
    refuse_what_is_lost,
};
pub use read::ConfigProblem;
pub use settings::{CONFIG_VARIABLE, variables};

use crate::edge::crypto::seal::MasterKey;
use crate::edge::http::limits::Rates;
use crate::edge::settings::Settings;
use read::{Reader, list, number};

/// The name of the SQLite file in the data directory.
pub const DATABASE_FILE: &str = "tandem.db";

const DEFAULT_ISSUER: &str = "tandem";

/// Everything that an operator may set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where Prometheus may ask for metrics, without authorization; nowhere unless set.
    pub metrics_listen: Option<SocketAddr>,
    /// Where the embedded database, its lock and its master key live.
    pub data_dir: PathBuf,
    /// Which database.
    pub database: Database,
    /// A replica for reports and exports; on PostgreSQL alone.
    pub read_database_url: Option<DatabaseUrl>,
    /// The master key; always there with PostgreSQL, otherwise perhaps in the data directory.
    pub master_key: Option<MasterKey>,
    /// What is logged: tracing-subscriber's directives.
    pub log: String,
    /// How many threads serve requests.
    pub workers: usize,
    /// How many connections read from the database at once.
    pub readers: u32,
    /// How many submissions, and how many requests with events, may wait for their batching writers.
    pub capture_queue: usize,
    /// Proxies whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of front ends that may call with users' tokens.
    pub front_end_origins: Vec<String>,
    /// The address by which the world knows this service, without a slash at the end.
    pub public_url: Option<String>,
    /// How many connections one address may have, or requests under way where a listed proxy forwards them; 0 is no limit.
    pub connections_per_address: usize,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Rate limits.
    pub rates: Rates,
}

/// Where the records are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// How to reach it.
        url: DatabaseUrl,
    },
}

/// The URL of a PostgreSQL database; it may hold a password and therefore never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// Time limits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A whole request, from its head to the answer.
    pub request_ms: u64,
    /// The arrival of a request's body.
    pub body_ms: u64,
    /// How long requests are still accepted after SIGTERM, while the service reports that it is not ready.
    pub drain_ms: u64,
    /// How long running requests have after that.
    pub shutdown_ms: u64,
}

impl Config {
    /// The configuration in an environment and the contents of a file, or everything that is wrong with them.
    /// The environment goes before the file; what is set but blank counts as not set.
    pub fn load(
        env: impl Iterator<Item = (String, String)>,
        file: Option<&str>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut read = Reader::new(env, file);
        let data_dir = read
            .take("data_dir", |text| Ok(PathBuf::from(text)))
            .unwrap_or_else(|| PathBuf::from("./data"));
        let database_url = read.take("database_url", database_url);
        let database_is_server = read.is_given("database_url");
        let config = Self {
            listen: read
                .take("listen", socket)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            metrics_listen: read.take("metrics_listen", socket),
            read_database_url: read.take("read_database_url", database_url_of_replica),
            master_key: read.take("master_key", |text| {
                MasterKey::parse(text).map_err(|e| e.to_string())
            }),
            log: read.take("log", directives).unwrap_or_else(|| "info".to_owned()),
            workers: read
                .take("workers", |text| number(text, 1, 256))
                .unwrap_or_else(cores),
            readers: read.take("readers", |text| number(text, 1, 256)).unwrap_or(4),
            capture_queue: read
                .take("capture_queue", |text| number(text, 1, 100_000))
                .unwrap_or(1024),
            trusted_proxies: read
                .take("trusted_proxies", |text| list(text, network))
                .unwrap_or_default(),
            front_end_origins: read
                .take("front_end_origins", |text| list(text, origin))
                .unwrap_or_default(),
            public_url: read.take("public_url", public_url),
            connections_per_address: read
                .take("connections_per_address", |text| number(text, 0, 1_000_000))
                .unwrap_or(512),
            timeouts: Timeouts::read(&mut read),
            rates: rates(&mut read),
            database: match database_url {
                Some(url) => Database::Postgres { url },
                None => Database::Sqlite {
                    path: data_dir.join(DATABASE_FILE),
                },
            },
            data_dir,
        };
        if database_is_server && !read.is_given("master_key") {
            read.refuse(
                "master_key",
                "is missing: with PostgreSQL all replicas must share one".to_owned(),
            );
        }
        if !database_is_server && read.is_given("read_database_url") {
            read.refuse("read_database_url", "requires DATABASE_URL".to_owned());
        }
        if config.timeouts.body_ms > config.timeouts.request_ms {
            read.refuse("body_timeout_ms", "is longer than request_timeout_ms".to_owned());
        }
        read.finish(config)
    }

    /// Who issues the access tokens.
    pub fn issuer(&self) -> &str {
        self.public_url.as_deref().unwrap_or(DEFAULT_ISSUER)
    }

    /// What of it concerns requests.
    pub fn edge(&self) -> Settings {
        Settings {
            listen: self.listen,
            public_url: self.public_url.clone(),
            front_end_origins: self.front_end_origins.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            request_time: Duration::from_millis(self.timeouts.request_ms),
            body_time: Duration::from_millis(self.timeouts.body_ms),
        }
    }
}

impl Timeouts {
    fn read(read: &mut Reader) -> Self {
        let mut take = |key, least, most, default| -> u64 {
            read.take(key, |text| number(text, least, most))
                .unwrap_or(default)
        };
        Self {
            request_ms: take("request_timeout_ms", 1_000, 600_000, 30_000),
            body_ms: take("body_timeout_ms", 500, 600_000, 10_000),
            drain_ms: take("drain_ms", 0, 600_000, 5_000),
            shutdown_ms: take("shutdown_timeout_ms", 1_000, 600_000, 25_000),
        }
    }
}

fn rates(read: &mut Reader) -> Rates {
    let mut take = |key, default| -> u32 {
        read.take(key, |text| number(text, 0, 100_000_000))
            .unwrap_or(default)
    };
    Rates {
        per_key: take("rate_per_key", 12_000),
        per_form: take("rate_per_form", 6_000),
        per_address: take("rate_per_address", 1_200),
        collected_per_key: take("collected_kib_per_key", 60_000),
        collected_per_address: take("collected_kib_per_address", 6_000),
    }
}

impl DatabaseUrl {
    /// The URL itself: for the connection alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl([redacted])")
    }
}

fn cores() -> usize {
    std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(16)
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "is not an IP address with a port".to_owned())
}

fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    let is_postgres = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    let is_postgres = is_postgres && text.contains("://");
    is_postgres.then(|| DatabaseUrl(text.to_owned())).ok_or_else(|| {
        "is not a postgres:// URL (omit it for the embedded database; percent-encode the password)".to_owned()
    })
}

fn database_url_of_replica(text: &str) -> Result<DatabaseUrl, String> {
    database_url(text).map_err(|_| "is not a postgres:// URL".to_owned())
}

fn directives(text: &str) -> Result<String, String> {
    let parsed = EnvFilter::builder().parse(text);
    parsed
        .map(|_| text.to_owned())
        .map_err(|_| "is not a list of log directives".to_owned())
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network
        .map(|network| network.trunc())
        .map_err(|_| "is not an IP address or network".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let is_origin = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    });
    is_origin.then(|| text.to_owned()).ok_or_else(|| {
        "is not an origin: scheme and host in lower case, optional port, no path and no slash".to_owned()
    })
}

fn public_url(text: &str) -> Result<String, String> {
    let is_plain = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    is_plain
        .then(|| text.trim_end_matches('/').to_owned())
        .ok_or_else(|| "is not a http:// or https:// URL without credentials, query and fragment".to_owned())
}

#[cfg(test)]
mod tests;
