//! Whether SQLite's file is still the one that was opened.
//!
//! A file that is removed, moved or replaced stays open: everything goes on as if nothing had happened, and all of it is lost
//! with the process.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The file that this process has opened.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    path: PathBuf,
    /// The write-ahead log, which is there as long as the file is open.
    log: PathBuf,
    identity: (u64, u64),
}

impl OpenFile {
    /// The file that stands at a path now, and has just been opened.
    pub(crate) fn at(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            log: beside(path, "-wal"),
            identity: identity(path)?,
        })
    }

    /// Whether it still stands there, with its log.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if identity(&self.path)? != self.identity {
            return Err(gone(&self.path, "was replaced"));
        }
        identity(&self.log).map(drop)
    }
}

/// Make a new file and its log readable by their owner alone.
pub(crate) fn keep_to_owner(path: &Path) -> Result<(), StoreError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match std::fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(gone(&file, error)),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
    let metadata = std::fs::metadata(path).map_err(|error| gone(path, error))?;
    Ok((metadata.dev(), metadata.ino()))
}

fn gone(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}; stop the service", path.display()))
}
