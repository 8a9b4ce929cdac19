//! What storage saw, as far as a caller can act on it.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row.
    #[error("not found")]
    NotFound,
    /// A unique value is taken by another row.
    #[error("conflict")]
    Conflict,
    /// A row cannot become a domain value: a bug, or a hand in the database.
    #[error("a row of {0} is corrupt")]
    Corrupt(&'static str),
    /// The database is away, full, or too busy; nothing was done. Try again.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// No answer came to a commit: it was made durable, or not. Only a repetition that is known again is safe.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
    /// Another transaction was in the way (deadlock, serialisation); nothing was done. Try again.
    #[error("another transaction interfered")]
    Contended,
    /// A lock was not to be had in time; nothing was done. Try again.
    #[error("a lock was not acquired in time")]
    Locked,
    /// A statement took too long and was cancelled; nothing was done. Other work may fare better.
    #[error("a statement took too long: {0}")]
    TooSlow(String),
    /// The database is of another program: it has tables, but not those of Tandem.
    #[error("the database belongs to another program: it has tables, but none of Tandem's")]
    Foreign,
    /// Something that should not happen.
    #[error("database error: {0}")]
    Internal(String),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
            return Self::Conflict;
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => {
                classify(inner.as_ref())
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// Whether SQLite says that nothing of a commit was written: it undoes the transaction by itself where there is no room
/// (FULL 13), the file must not be written to (READONLY 8), or a write fails (IOERR_WRITE 778).
pub(crate) fn is_undone(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error
    else {
        return false;
    };
    match inner.as_ref() {
        sqlx::Error::Database(inner) => {
            let code = inner.code();
            let primary = code.as_deref().and_then(of_sqlite);
            matches!(primary, Some(8 | 13)) || code.as_deref() == Some("778")
        }
        _ => false,
    }
}

/// The primary code of SQLite in a code with or without an extension; those of PostgreSQL are longer.
fn of_sqlite(code: &str) -> Option<u32> {
    let number = code.parse::<u32>().ok()?;
    (code.len() < 5).then_some(number & 0xff)
}

fn classify(error: &sqlx::Error) -> StoreError {
    let text = error.to_string();
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable(text),
        sqlx::Error::Database(inner) => match inner.code().as_deref() {
            Some("40001" | "40P01") => StoreError::Contended,
            Some("55P03") => StoreError::Locked,
            // The server is well: it is the statement that asks too much.
            Some("57014") => StoreError::TooSlow(text),
            // Class 53 insufficient resources (disk full), 57 operator intervention (shutdown), 58 system error (I/O),
            // 08 connection.
            Some(code) if code.len() == 5 && ["53", "57", "58", "08"].contains(&&code[..2]) => {
                StoreError::Unavailable(text)
            }
            Some("25006") => StoreError::Unavailable(text),
            // BUSY 5, LOCKED 6, NOMEM 7, READONLY 8, IOERR 10, FULL 13, CANTOPEN 14.
            Some(code) if matches!(of_sqlite(code), Some(5 | 6 | 7 | 8 | 10 | 13 | 14)) => {
                StoreError::Unavailable(text)
            }
            _ => StoreError::Internal(text),
        },
        _ => StoreError::Internal(text),
    }
}

impl From<tandem_domain::settle::Insatiable> for StoreError {
    fn from(error: tandem_domain::settle::Insatiable) -> Self {
        StoreError::Internal(error.to_string())
    }
}
