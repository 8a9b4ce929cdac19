//! How connections to the database are opened: their time limits, and how their statements are planned.

use std::fmt;
use std::time::Duration;

use sea_orm::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::WAIT;
use crate::error::StoreError;
use crate::{dialect, wal};

/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(3);
/// How many rows SQLite's thread reads ahead of its caller: a page, or what a batch is decided on, at one go.
const ROWS: usize = 512;

/// How many prepared statements a connection remembers: every set of tables that is written together is one.
const STATEMENTS: usize = 400;

pub(super) fn sqlite(url: &str, connections: u32, reads_only: bool) -> ConnectOptions {
    let mut options = base(url, connections);
    // The log and its index are removed with the last connection: as long as the service runs, none is closed.
    options.idle_timeout(None).max_lifetime(None);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
        let sqlite = sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT)
            .row_buffer_size(ROWS)
            .statement_cache_capacity(STATEMENTS)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-8192");
        if reads_only {
            sqlite.pragma("query_only", "ON")
        } else {
            sqlite.pragma("wal_autocheckpoint", wal::MOST.to_string())
        }
    });
    options.map_sqlx_sqlite_pool_opts(|pool| {
        use sqlx::Connection as _;
        // SQLite undoes a transaction by itself where the disk is full. The connection still counts it then: what is
        // begun next would be a part of it, which no commit makes durable.
        pool.before_acquire(|connection, _| {
            let is_free = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_free) })
        })
    });
    options
}

/// How PostgreSQL plans: by keys, always. A prepared statement takes its keys as parameters, of whose number the planner
/// knows nothing; with tables that were small, or never analysed, when it was prepared it would read them whole, and go on so
/// until the next `ANALYZE`, however fast they grow. Plans that avoid a cost by all means look expensive: compiling them would
/// take longer than they do. Reports, which read whole ranges, plan freely (`dialect::plan_report`).
pub const BY_KEY: &[(&str, &str)] = &[
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Reads,
    Writes,
}

pub(super) fn postgres(url: &str, connections: u32, what: Use) -> ConnectOptions {
    let mut options = base(url, connections);
    options.map_sqlx_postgres_opts(move |postgres| {
        let statement = STATEMENT.as_millis().to_string();
        let wait = WAIT.as_millis().to_string();
        let postgres = plain_host(postgres).statement_cache_capacity(STATEMENTS);
        let postgres = postgres.application_name("tandem").options([
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", wait.as_str()),
            ("idle_in_transaction_session_timeout", "10000"),
        ]);
        postgres.options(BY_KEY.iter().copied())
    });
    options.map_sqlx_postgres_pool_opts(move |pool| {
        let pool = match what {
            Use::Writes => {
                pool.after_connect(|connection, _| Box::pin(dialect::open_epoch_of_server(connection)))
            }
            Use::Reads => pool,
        };
        // A connection that was idle is asked whether it still lives: after a restart of the server nobody gets a
        // dead one; under load the round trip is saved.
        pool.before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < Duration::from_secs(1) {
                    return Ok(true);
                }
                let alive = tokio::time::timeout(WAIT, sqlx::Connection::ping(connection)).await;
                Ok(matches!(alive, Ok(Ok(()))))
            })
        })
    });
    options
}

/// An IPv6 address without the brackets that a URL puts around it: the driver looks up the host as it stands.
fn plain_host(options: PgConnectOptions) -> PgConnectOptions {
    let host = options.get_host();
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => options.clone().host(address),
        None => options,
    }
}

/// Connect once, so that the error names why the server cannot be reached: a pool only reports that it has waited.
pub(super) async fn reach(url: &str) -> Result<(), StoreError> {
    use sqlx::ConnectOptions as _;
    use sqlx::Connection as _;
    let options: PgConnectOptions = url
        .parse()
        .map_err(|_| StoreError::Unavailable("the URL of the database is invalid".into()))?;
    let place = match options.get_socket() {
        Some(folder) => format!("PostgreSQL at the socket in {}", folder.display()),
        None => format!("PostgreSQL at {}:{}", options.get_host(), options.get_port()),
    };
    let options = plain_host(options);
    let unreachable = |cause: &dyn fmt::Display| StoreError::Unavailable(format!("{place}: {cause}"));
    match tokio::time::timeout(WAIT, options.connect()).await {
        Ok(Ok(connection)) => {
            let _ = connection.close().await;
            Ok(())
        }
        Ok(Err(error)) => Err(unreachable(&error)),
        Err(_) => Err(unreachable(&"no answer within 2 seconds")),
    }
}

fn base(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(0)
        .acquire_timeout(WAIT)
        .connect_timeout(WAIT)
        .idle_timeout(Duration::from_secs(600))
        .test_before_acquire(false)
        .sqlx_logging(false);
    options
}
