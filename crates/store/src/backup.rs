//! A sound copy of the embedded database, made beside a running service.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sea_orm::ConnectionTrait;

use crate::db::Db;
use crate::dialect;
use crate::error::StoreError;

/// Why no copy was made; nothing is left where it would have been.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of this name: it is never overwritten.
    #[error("{0}: the file already exists")]
    Exists(PathBuf),
    /// Another process makes a copy of this name.
    #[error("{0}: another process is writing this copy")]
    Busy(PathBuf),
    /// The database is on a server, which has its own means.
    #[error("the database is on a server: use pg_dump, or a base backup")]
    OnServer,
    /// The file.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The database.
    #[error("the database: {0}")]
    Store(#[from] StoreError),
}

impl Db {
    /// Copy the embedded database as it is at this instant into a new file that only its owner can read, and make it
    /// durable. Others may read and write meanwhile. The file has its name once it is whole.
    pub async fn copy_to(&self, target: &Path) -> Result<(), BackupError> {
        if !self.is_sqlite() {
            return Err(BackupError::OnServer);
        }
        if target.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(target.to_owned()));
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = target.with_file_name(name);
        let failed = |error| BackupError::File(target.to_owned(), error);
        let _begun = begin(&partial)?;
        let copied = self.copy_into(&partial).await;
        let kept = copied.and_then(|()| keep(&partial, target).map_err(failed));
        let removed = fs::remove_file(&partial).map_err(failed);
        kept.and(removed)
    }

    async fn copy_into(&self, partial: &Path) -> Result<(), BackupError> {
        let connection = self.writer();
        let statement = dialect::copy_into(connection.get_database_backend(), &partial.to_string_lossy());
        connection
            .execute_raw(statement)
            .await
            .map_err(StoreError::from)?;
        Ok(())
    }
}

/// An empty file, readable by its owner alone, that nobody else writes to: SQLite copies into it, and leaves its mode as it
/// is. What a process that was killed has left is taken over: its lock ended with it.
fn begin(partial: &Path) -> Result<File, BackupError> {
    let failed = |error| BackupError::File(partial.to_owned(), error);
    if partial.is_symlink() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(partial).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(partial.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.set_len(0))
        .map_err(failed)?;
    Ok(file)
}

/// Make the copy durable, and give it its name where nobody else has taken that.
fn keep(partial: &Path, target: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::hard_link(partial, target)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
