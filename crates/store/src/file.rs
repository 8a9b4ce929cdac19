//! Whether SQLite's files are still those that were opened.
//!
//! A file that is removed, moved or replaced stays open: everything goes on as if nothing had happened, and all of it is lost
//! with the process. One that is overwritten or cut in place is malformed from then on.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::StoreError;

/// The bytes of the log before its first frame, and of a frame before its page (<https://sqlite.org/fileformat2.html#walformat>).
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
/// The least room on the disk, in bytes: a batch of captures writes about as much.
const ROOM: u64 = 1 << 20;

/// The files that this process has opened: the database, its write-ahead log, and the index of the log. Both are there as long
/// as the database is open.
#[derive(Debug)]
pub(crate) struct OpenFile {
    database: PathBuf,
    log: PathBuf,
    index: PathBuf,
    /// Which files these were, in this order.
    identities: [Identity; 3],
    handles: Arc<Handles>,
    last: Mutex<Header>,
}

/// Device and inode.
type Identity = (u64, u64);

/// The database and the index of its log, for reading what SQLite wrote of itself.
///
/// Closing any handle of a file frees all locks that the process has on it (POSIX), those of SQLite too: they are shared, and
/// closed with the last [`OpenFile`].
#[derive(Debug)]
struct Handles {
    database: File,
    index: File,
}

static HANDLES: Mutex<Vec<(Identity, Weak<Handles>)>> = Mutex::new(vec![]);

/// What only grows while checkpoints alone write to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    bytes: u64,
    changes: u32,
    pages: u32,
    schema: u32,
}

impl OpenFile {
    /// The files of the database at a path, which has just been opened.
    pub(crate) fn at(path: &Path) -> Result<Self, StoreError> {
        let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
        let identities = [identity(path)?, identity(&log)?, identity(&index)?];
        let handles = Handles::shared(identities[0], path, &index)?;
        let last = Header::of(&handles.database).map_err(|error| gone(path, error))?;
        Ok(Self {
            database: path.to_owned(),
            log,
            index,
            identities,
            handles,
            last: Mutex::new(last),
        })
    }

    /// Whether all of them still stand there, and hold what SQLite wrote: 3 looks at the folder and 2 short reads.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let paths = [&self.database, &self.log, &self.index];
        for (path, known) in paths.into_iter().zip(self.identities) {
            if identity(path)? != known {
                return Err(gone(path, "was replaced"));
            }
        }
        // Frames are written before the index counts them.
        let least = least_log(&self.handles.index).map_err(|error| gone(&self.index, error))?;
        if metadata(&self.log)?.len() < least {
            return Err(gone(&self.log, "was truncated"));
        }
        let header = Header::of(&self.handles.database).map_err(|error| gone(&self.database, error))?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !header.follows(*last) {
            return Err(gone(&self.database, "was overwritten"));
        }
        *last = header;
        Ok(())
    }

    /// Whether the disk has room for a batch. A single small write may still succeed where it has none.
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        let room = rustix::fs::statvfs(&self.database).map_err(|error| gone(&self.database, error))?;
        if room.f_bavail.saturating_mul(room.f_frsize) < ROOM {
            return Err(StoreError::Unavailable(format!(
                "{}: the disk is full",
                self.database.display()
            )));
        }
        Ok(())
    }
}

impl Handles {
    fn shared(database_is: Identity, database: &Path, index: &Path) -> Result<Arc<Self>, StoreError> {
        let mut all = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, handles)| handles.strong_count() > 0);
        let known = all.iter().find(|(identity, _)| *identity == database_is);
        if let Some(handles) = known.and_then(|(_, handles)| handles.upgrade()) {
            return Ok(handles);
        }
        let open = |path: &Path| File::open(path).map_err(|error| gone(path, error));
        let handles = Arc::new(Self {
            database: open(database)?,
            index: open(index)?,
        });
        all.push((database_is, Arc::downgrade(&handles)));
        Ok(handles)
    }
}

impl Header {
    /// The first bytes of a database (<https://sqlite.org/fileformat2.html#database_header>).
    fn of(database: &File) -> io::Result<Self> {
        let mut bytes = [0; 44];
        database.read_exact_at(&mut bytes, 0)?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Ok(Self {
            bytes: database.metadata()?.len(),
            changes: number(24),
            pages: number(28),
            schema: number(40),
        })
    }

    /// Whether checkpoints can have made this of the header before. A backup that is copied over the database has counted
    /// fewer changes, is shorter, or has another schema after as many changes.
    fn follows(self, before: Self) -> bool {
        let grows =
            self.bytes >= before.bytes && self.pages >= before.pages && self.changes >= before.changes;
        grows && (self.schema == before.schema || self.changes > before.changes)
    }
}

/// How many bytes the log has at least, by its index (<https://sqlite.org/walformat.html#the_wal_index_file_format>).
fn least_log(index: &File) -> io::Result<u64> {
    let mut bytes = [0; 20];
    index.read_exact_at(&mut bytes, 0)?;
    let frames = u32::from_ne_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
    // 65,536 does not fit into two bytes, and is written as 1.
    let page = match u16::from_ne_bytes([bytes[14], bytes[15]]) {
        1 => 1 << 16,
        page => u64::from(page),
    };
    Ok(match frames {
        0 => 0,
        frames => LOG_HEADER + u64::from(frames) * (FRAME_HEADER + page),
    })
}

/// Make a new file and its log readable by their owner alone.
pub(crate) fn keep_to_owner(path: &Path) -> Result<(), StoreError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match std::fs::set_permissions(&file, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(gone(&file, error)),
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

fn metadata(path: &Path) -> Result<Metadata, StoreError> {
    std::fs::metadata(path).map_err(|error| gone(path, error))
}

fn identity(path: &Path) -> Result<Identity, StoreError> {
    let metadata = metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn gone(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}; stop the service", path.display()))
}
