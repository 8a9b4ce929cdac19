//! What a database server says of itself.

use sea_orm::{ConnectionTrait, DbErr, Statement};
use sqlx::postgres::PgConnection;

use super::is_postgres;

/// A PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its major version, such as 17.
    pub version: i32,
    /// How the texts of the database are written, such as `UTF8`.
    pub encoding: String,
}

/// How far a server has followed its primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It is a primary itself.
    Primary,
    /// Up to the commit of this instant, in milliseconds.
    UpTo(i64),
    /// No commit has been replayed yet.
    Unknown,
}

/// How far the server behind a connection has followed its primary.
pub async fn replayed(connection: &impl ConnectionTrait) -> Result<Replayed, DbErr> {
    let sql = "SELECT pg_is_in_recovery() AS follows, \
               floor(extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000)::bigint AS replayed";
    let row = connection
        .query_one_raw(Statement::from_string(connection.get_database_backend(), sql))
        .await?;
    let Some(row) = row else {
        return Ok(Replayed::Unknown);
    };
    let (follows, replayed): (bool, Option<i64>) =
        (row.try_get("", "follows")?, row.try_get("", "replayed")?);
    Ok(match replayed {
        _ if !follows => Replayed::Primary,
        Some(instant) => Replayed::UpTo(instant),
        None => Replayed::Unknown,
    })
}

/// Whether a file is a database of another program: it has tables, but not the one that counts migrations. A server's
/// database may have tables of extensions.
pub async fn is_foreign(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    if is_postgres(backend) {
        return Ok(false);
    }
    let sql = "SELECT count(*) > 0 AND count(*) FILTER (WHERE name = 'migrations') = 0 AS is_foreign \
               FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'";
    let row = connection
        .query_one_raw(Statement::from_string(backend, sql))
        .await?;
    row.map_or(Ok(false), |row| row.try_get("", "is_foreign"))
}

/// What is wrong with a file by SQLite's own check; nothing on a server.
pub async fn quick_check(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let backend = connection.get_database_backend();
    if is_postgres(backend) {
        return Ok(vec![]);
    }
    let rows = connection
        .query_all_raw(Statement::from_string(backend, "PRAGMA quick_check"))
        .await?;
    let lines = rows.iter().map(|row| row.try_get::<String>("", "quick_check"));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Whether the tables that the epoch of the journal needs are there.
const HAS_JOURNAL: &str = "SELECT to_regclass('settings') IS NOT NULL AND to_regclass('journal') IS NOT NULL";
/// Open the next epoch where the newest entry bears a transaction number that this server has not reached.
const NEXT_EPOCH: &str = "UPDATE settings SET version = version + 1 WHERE name = 'journal_epoch' \
    AND EXISTS (SELECT 1 FROM journal WHERE epoch = settings.version \
    AND xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)";

/// On every new connection that writes: open the next epoch of the journal, where this server is behind it. A server gets
/// into the place of another (a restored dump, a copy of the disk) only by new connections.
pub async fn open_epoch_of_server(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if sqlx::query_scalar::<_, bool>(HAS_JOURNAL)
        .fetch_one(&mut *connection)
        .await?
    {
        sqlx::query(NEXT_EPOCH).execute(connection).await?;
    }
    Ok(())
}

/// The server behind a connection; `None` where there is a file.
pub async fn server(connection: &impl ConnectionTrait) -> Result<Option<Server>, DbErr> {
    let backend = connection.get_database_backend();
    if !is_postgres(backend) {
        return Ok(None);
    }
    let sql = "SELECT CAST(current_setting('server_version_num') AS integer) / 10000 AS version, \
               current_setting('server_encoding') AS encoding";
    let Some(row) = connection
        .query_one_raw(Statement::from_string(backend, sql))
        .await?
    else {
        return Ok(None);
    };
    Ok(Some(Server {
        version: row.try_get("", "version")?,
        encoding: row.try_get("", "encoding")?,
    }))
}
