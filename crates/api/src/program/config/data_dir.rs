//! The data directory of the embedded database: its mode, its master key, its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::edge::crypto::seal::MasterKey;

const KEY_FILE: &str = "master.key";
const NEW_KEY_FILE: &str = "master.key.new";
const LOCK_FILE: &str = "serve.lock";
const KEY_LIMIT: u64 = 1024;

/// Why the data directory cannot be used by this process.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process serves from it.
    #[error("another `tandem serve`{} uses {}", process(.pid), .dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
        /// The other process, if it has written its id.
        pid: Option<u32>,
    },
    /// The file system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// Make the data directory, for its owner alone. One that exists keeps its mode, but is refused when
/// everybody may write to it: anybody who can replace the key file owns the records.
pub fn prepare_data_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mode = fs::metadata(dir)?.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(refusal(
            "the data directory is writable by every user; run: chmod o-w",
        ));
    }
    Ok(())
}

/// The master key of the data directory, made at the first start.
pub fn load_or_make_master_key(dir: &Path) -> io::Result<MasterKey> {
    prepare_data_dir(dir)?;
    let path = dir.join(KEY_FILE);
    match load(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir, &path),
        other => other,
    }
}

/// The master key of the data directory; `None` where none was made yet.
pub fn load_master_key(dir: &Path) -> io::Result<Option<MasterKey>> {
    match load(&dir.join(KEY_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Refuse a database and a master key that cannot belong together: an empty file beside a key, or one without tables, which
/// is what is left of a database that was removed or cut off; and a database without the key by which it was made, in whose place another would
/// be made.
pub fn refuse_what_is_lost(database: &Path, has_key: bool) -> io::Result<()> {
    let Some(first) = first_bytes(database)? else {
        return Ok(());
    };
    let path = database.display();
    let is_empty = first.is_empty() || has_no_tables(database, &first);
    match (is_empty, has_key) {
        (true, true) => Err(refusal(format!(
            "{path} is empty, but there is a master key: restore the database from a backup; if there never was one, remove the empty file"
        ))),
        (false, false) => Err(refusal(format!(
            "the master key of {path} is missing: restore master.key, or set TANDEM_MASTER_KEY; a new one is not generated, since it could not decrypt this database"
        ))),
        _ => Ok(()),
    }
}

/// Whether a SQLite file has no table, nor a log that has one (<https://sqlite.org/fileformat2.html#b_tree_pages>: the schema
/// is the tree on page 1, whose header begins after the 100 bytes of the file's, with the number of its cells in bytes 3 and 4).
fn has_no_tables(database: &Path, first: &[u8]) -> bool {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    !has_log && first.get(103..105) == Some(&[0, 0])
}

/// The header of a database and that of its first page; nothing where there is no file. A folder, and a file that is no
/// database of SQLite, are errors.
pub fn first_bytes(database: &Path) -> io::Result<Option<Vec<u8>>> {
    let path = database.display();
    let file = match File::open(database) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_dir() {
        return Err(refusal(format!("{path} is a folder")));
    }
    let mut first = vec![];
    file.take(108).read_to_end(&mut first)?;
    if !first.is_empty() && !first.starts_with(b"SQLite format 3") {
        return Err(refusal(format!(
            "{path} is no database of SQLite; is it another program's file?"
        )));
    }
    Ok(Some(first))
}

/// The right of one process to serve from a data directory; it ends with this value or with the process.
#[derive(Debug)]
pub struct DirLock {
    _held: File,
}

impl DirLock {
    /// Take the lock of a data directory, which is made if need be, or say who has it.
    pub fn acquire(dir: &Path) -> Result<Self, DataDirError> {
        let path = dir.join(LOCK_FILE);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { path, source }
        };
        prepare_data_dir(dir).map_err(failed(dir))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Busy {
                    dir: dir.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(DataDirError::Io { path, source }),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(failed(&path))?;
        Ok(Self { _held: file })
    }
}

fn process(pid: &Option<u32>) -> String {
    pid.map_or(String::new(), |pid| format!(" (process {pid})"))
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn load(path: &Path) -> io::Result<MasterKey> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(refusal(
            "the file master.key is readable by other users; run: chmod 600",
        ));
    }
    let mut text = String::new();
    file.take(KEY_LIMIT).read_to_string(&mut text)?;
    MasterKey::parse(&text).map_err(|error| refusal(format!("the file master.key {error}")))
}

/// Write a new key so that a crash leaves either all of it or none, and so that of two processes that start
/// at once both get the same: the directory is locked meanwhile.
fn make(dir: &Path, path: &Path) -> io::Result<MasterKey> {
    let directory = File::open(dir)?;
    directory.lock()?;
    match load(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let new = dir.join(NEW_KEY_FILE);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let key = MasterKey::generate();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(format!("{}\n", key.reveal()).as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    directory.sync_all()?;
    Ok(key)
}

fn refusal(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A directory of its own for each test, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("tandem-data-dir-{name}-{}", std::process::id()));
            drop(fs::remove_dir_all(&dir));
            Self(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_and_for_its_owner_alone() {
        let scratch = Scratch::new("once");
        assert!(load_master_key(&scratch.0).unwrap().is_none() && !scratch.0.exists());
        let made = load_or_make_master_key(&scratch.0).unwrap().reveal();
        assert_eq!(load_or_make_master_key(&scratch.0).unwrap().reveal(), made);
        assert_eq!(load_master_key(&scratch.0).unwrap().unwrap().reveal(), made);
        assert_eq!(mode(&scratch.0), 0o700);
        assert_eq!(mode(&scratch.0.join(KEY_FILE)), 0o600);
        assert!(!scratch.0.join(NEW_KEY_FILE).exists());
    }

    #[test]
    fn sixteen_starts_at_once_get_one_key() {
        let scratch = Scratch::new("race");
        let keys: Vec<String> = thread::scope(|scope| {
            let start = || scope.spawn(|| load_or_make_master_key(&scratch.0).unwrap().reveal());
            let starts: Vec<_> = (0..16).map(|_| start()).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_cut_short_by_a_crash_is_made_anew() {
        let scratch = Scratch::new("crash");
        prepare_data_dir(&scratch.0).unwrap();
        fs::write(scratch.0.join(NEW_KEY_FILE), "9f1c").unwrap();
        assert!(load_or_make_master_key(&scratch.0).is_ok());
    }

    #[test]
    fn a_readable_damaged_or_weak_key_file_is_refused_and_kept() {
        let scratch = Scratch::new("refused");
        load_or_make_master_key(&scratch.0).unwrap();
        let path = scratch.0.join(KEY_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_make_master_key(&scratch.0).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for damaged in ["", "cut short", &"00".repeat(32)] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(
                load_or_make_master_key(&scratch.0).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn an_empty_file_beside_a_key_and_a_database_without_one_are_refused() {
        let scratch = Scratch::new("lost");
        prepare_data_dir(&scratch.0).unwrap();
        let database = scratch.0.join("tandem.db");
        for has_key in [true, false] {
            assert!(
                refuse_what_is_lost(&database, has_key).is_ok(),
                "a new installation"
            );
        }
        fs::write(&database, "").unwrap();
        let empty = refuse_what_is_lost(&database, true).unwrap_err();
        assert!(empty.to_string().contains("is empty"), "{empty}");
        assert!(refuse_what_is_lost(&database, false).is_ok());

        fs::write(&database, "SQLite format 3").unwrap();
        let keyless = refuse_what_is_lost(&database, false).unwrap_err();
        assert!(keyless.to_string().contains("is missing"), "{keyless}");
        assert!(refuse_what_is_lost(&database, true).is_ok());

        let mut bytes = [0; 4096];
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        fs::write(&database, bytes).unwrap();
        let without_tables = refuse_what_is_lost(&database, true).unwrap_err();
        assert!(
            without_tables.to_string().contains("is empty"),
            "{without_tables}"
        );
        fs::write(scratch.0.join("tandem.db-wal"), "its tables are in the log").unwrap();
        assert!(refuse_what_is_lost(&database, true).is_ok());

        fs::write(&database, "PK").unwrap();
        let foreign = refuse_what_is_lost(&database, true).unwrap_err();
        assert!(foreign.to_string().contains("no database of SQLite"), "{foreign}");
        let folder = refuse_what_is_lost(&scratch.0, true).unwrap_err();
        assert!(folder.to_string().contains("is a folder"), "{folder}");
    }

    #[test]
    fn a_directory_that_everybody_may_write_to_is_refused() {
        let scratch = Scratch::new("open");
        fs::create_dir(&scratch.0).unwrap();
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(load_or_make_master_key(&scratch.0).is_err());
        assert!(matches!(
            DirLock::acquire(&scratch.0),
            Err(DataDirError::Io { .. })
        ));
    }

    #[test]
    fn one_process_serves_and_the_other_is_told_which() {
        let scratch = Scratch::new("lock");
        let held = DirLock::acquire(&scratch.0).unwrap();
        let refused = DirLock::acquire(&scratch.0).unwrap_err();
        assert!(matches!(refused, DataDirError::Busy { pid: Some(pid), .. } if pid == std::process::id()));
        let expected = format!("(process {}) uses {}", std::process::id(), scratch.0.display());
        assert!(refused.to_string().ends_with(&expected), "{refused}");
        drop(held);
        DirLock::acquire(&scratch.0).unwrap();
    }
}
