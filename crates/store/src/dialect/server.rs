//! What a database server says of itself.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::is_postgres;

/// A PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its major version, such as 17.
    pub version: i32,
    /// How the texts of the database are written, such as `UTF8`.
    pub encoding: String,
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
