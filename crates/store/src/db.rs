//! The three handles of the database: `Db` (one query on any reader), `Snapshot` (reads of one instant), `Tx` (writes).

mod connect;
mod statements;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tandem_domain::act::Act;
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::{self, Rule};
use tandem_migrations::{Migrator, MigratorTrait};
use tokio::sync::watch;

pub use connect::BY_KEY;
use connect::{Use, postgres, reach, sqlite};
pub use statements::{BEGIN, Statements};

use crate::dialect::{self, Replayed};
use crate::error::{self, StoreError};
use crate::file::{self, OpenFile};
use crate::horizon::{Clock, Horizon, UnderWay, Writers};
use crate::rules::{self, Rules};

/// How long anybody waits for a connection or a lock.
pub const WAIT: Duration = Duration::from_secs(2);
/// How long a replica that does not answer is not asked again.
const REPLICA_PAUSE: Duration = Duration::from_secs(10);
/// How long a statement of a report may take.
const REPORT_STATEMENT_MS: u64 = 30_000;

/// Where the database is.
#[derive(Debug, Clone)]
pub enum DatabaseLocation {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server, and perhaps a streaming replica for reports.
    Postgres {
        /// The primary.
        url: String,
        /// The replica.
        replica: Option<String>,
    },
}

/// The database: hands out transactions and snapshots, and reads by itself.
#[derive(Debug, Clone)]
pub struct Db {
    writer: DatabaseConnection,
    readers: DatabaseConnection,
    reports: DatabaseConnection,
    has_replica: bool,
    is_replica_away: Arc<AtomicBool>,
    file: Option<Arc<OpenFile>>,
    rules: Arc<RwLock<Option<Arc<Rules>>>>,
    clock: Clock,
    writers: Writers,
    committed: watch::Sender<u64>,
    rules_about_leads: Arc<[Arc<dyn Rule>]>,
    statements: Statements,
}

/// Some connections to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// What they are for: `write`, `read`, or `report` where a replica serves those.
    pub name: &'static str,
    /// How many there are.
    pub open: u32,
    /// How many of these nobody uses.
    pub idle: u32,
}

/// A write transaction. Dropped, it rolls back.
#[derive(Debug)]
pub struct Tx {
    inner: DatabaseTransaction,
    act: Act,
    file: Option<Arc<OpenFile>>,
    /// Whether the database has a clock, which stamped this transaction.
    is_timed: bool,
    rules: Arc<Rules>,
    under_way: Option<UnderWay>,
    committed: watch::Sender<u64>,
    rules_about_leads: Arc<[Arc<dyn Rule>]>,
}

/// Reads of one instant. Dropped, it is over.
#[derive(Debug)]
pub struct Snapshot {
    inner: DatabaseTransaction,
    /// Up to when a replica has followed its primary.
    replayed: Option<Timestamp>,
}

pub(crate) mod sealed {
    /// What queries run on; visible to the store alone.
    pub trait Conn: Sync {
        /// The kind of connection.
        type Inner: sea_orm::ConnectionTrait;
        /// The connection.
        fn conn(&self) -> &Self::Inner;
    }
}
pub(crate) use sealed::Conn;

/// Whatever can be read from: [`Db`], [`Snapshot`] and [`Tx`].
pub trait Read: Conn {}

impl Conn for Db {
    type Inner = DatabaseConnection;
    fn conn(&self) -> &DatabaseConnection {
        &self.readers
    }
}
impl Conn for Snapshot {
    type Inner = DatabaseTransaction;
    fn conn(&self) -> &DatabaseTransaction {
        &self.inner
    }
}
impl Conn for Tx {
    type Inner = DatabaseTransaction;
    fn conn(&self) -> &DatabaseTransaction {
        &self.inner
    }
}
impl Read for Db {}
impl Read for Snapshot {}
impl Read for Tx {}

impl Db {
    /// Connect, without touching the schema. `readers` is the number of connections that read; twice as many write on
    /// PostgreSQL, one on SQLite.
    pub async fn connect(place: &DatabaseLocation, readers: u32) -> Result<Self, StoreError> {
        let statements = Statements::default();
        let (writer, readers, reports) = match place {
            DatabaseLocation::Sqlite(path) => {
                let url = format!("sqlite://{}?mode=rwc", path.display());
                let is_new = !path.exists();
                let writer = statements.connect(sqlite(&url, 1, false)).await?;
                if is_new {
                    file::keep_to_owner(path)?;
                }
                let readers = statements.connect(sqlite(&url, readers, true)).await?;
                (writer, readers.clone(), readers)
            }
            DatabaseLocation::Postgres { url, replica } => {
                reach(url).await?;
                let writer = statements
                    .connect(postgres(url, readers * 2, Use::Writes))
                    .await?;
                let readers_pool = statements.connect(postgres(url, readers, Use::Reads)).await?;
                let reports = match replica {
                    // The service starts without it.
                    Some(url) => {
                        let mut options = postgres(url, readers, Use::Reads);
                        options.connect_lazy(true);
                        statements.connect(options).await?
                    }
                    None => readers_pool.clone(),
                };
                (writer, readers_pool, reports)
            }
        };
        let file = match place {
            DatabaseLocation::Sqlite(path) => Some(Arc::new(OpenFile::at(path)?)),
            DatabaseLocation::Postgres { .. } => None,
        };
        Ok(Self {
            file,
            writer,
            readers,
            reports,
            is_replica_away: Arc::default(),
            has_replica: matches!(place, DatabaseLocation::Postgres { replica: Some(_), .. }),
            rules: Arc::default(),
            clock: Clock::Given,
            writers: Writers::default(),
            committed: watch::Sender::new(0),
            rules_about_leads: judge::rules().into(),
            statements,
        })
    }

    /// The same, where leads are judged by these rules.
    pub fn judging_by(self, rules: Vec<Arc<dyn Rule>>) -> Self {
        Self {
            rules_about_leads: rules.into(),
            ..self
        }
    }

    /// The same, but transactions are stamped by this clock, so that lists by stamps can tell what is complete.
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Whether the schema is the one that this program needs.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        Ok(Migrator::get_pending_migrations_read_only(&self.readers)
            .await?
            .is_empty())
    }

    /// Begin a write transaction: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
    ///
    /// Its first query reads the revisions, so that no decision uses a superseded rule. Its act is of the instant at which
    /// it has begun (see [`crate::horizon`]), where the database has a clock.
    #[expect(clippy::disallowed_methods, reason = "this file opens the transactions")]
    pub async fn begin(&self, act: Act) -> Result<Tx, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.statements.note(BEGIN);
        let inner = self.writer.begin_with_options(options).await?;
        let (now, under_way, revisions) = match &self.clock {
            Clock::Given => (act.now, None, rules::revisions(&inner).await?),
            Clock::Own(now) => {
                let (now, under_way) = self.writers.enter(|| now());
                (now, Some(under_way), rules::revisions(&inner).await?)
            }
            Clock::Server => {
                let (now, revisions) = dialect::enter(&inner).await?;
                (Timestamp::from_millis(now), None, revisions)
            }
        };
        let rules = rules::current(&inner, revisions, self.rules_lately()).await?;
        self.remember(&rules);
        Ok(Tx {
            inner,
            file: self.file.clone(),
            act: act.begun(now),
            is_timed: !matches!(self.clock, Clock::Given),
            rules,
            under_way,
            committed: self.committed.clone(),
            rules_about_leads: self.rules_about_leads.clone(),
        })
    }

    /// The horizon for lists by stamps. The snapshot in which the list is read is taken after this.
    pub async fn horizon(&self) -> Result<Horizon, StoreError> {
        Ok(match &self.clock {
            Clock::Given => Horizon::default(),
            Clock::Own(now) => self.writers.horizon(|| now()),
            Clock::Server => Horizon(Some(Timestamp::from_millis(
                dialect::horizon(&self.readers).await?,
            ))),
        })
    }

    /// The rules that the last transaction of this process went by; perhaps superseded by now.
    pub fn rules_lately(&self) -> Option<Arc<Rules>> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, rules: &Arc<Rules>) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(rules.clone());
    }

    /// The rules in force now: one statement, as long as nothing of them has changed.
    pub async fn rules(&self) -> Result<Arc<Rules>, StoreError> {
        let revisions = rules::revisions(&self.readers).await?;
        match self.rules_lately().filter(|known| known.are_of(&revisions)) {
            Some(known) => Ok(known),
            None => self.load_rules().await,
        }
    }

    /// The rules that show what was read at a revision of the settings: no statement, as long as this process knows them.
    pub async fn rules_at(&self, settings: i64) -> Result<Arc<Rules>, StoreError> {
        match self
            .rules_lately()
            .filter(|known| known.settings_revision() == settings)
        {
            Some(known) => Ok(known),
            None => self.load_rules().await,
        }
    }

    async fn load_rules(&self) -> Result<Arc<Rules>, StoreError> {
        let rules = rules::read(&self.snapshot().await?).await?;
        self.remember(&rules);
        Ok(rules)
    }

    /// The statements that are sent to this database.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Read at one instant.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.snapshot_on(&self.readers).await
    }

    /// Read at one instant for a report: on the replica, if there is one and it answers, and with more time.
    pub async fn report(&self) -> Result<Snapshot, StoreError> {
        let on_replica = match self.has_replica && !self.is_replica_away.load(Ordering::Relaxed) {
            true => self.on_replica().await,
            false => None,
        };
        let snapshot = match on_replica {
            Some(snapshot) => snapshot,
            None => self.snapshot_on(&self.readers).await?,
        };
        dialect::plan_report(&snapshot.inner, REPORT_STATEMENT_MS).await?;
        Ok(snapshot)
    }

    /// Reads of one instant on the replica; none where it does not answer, or has not replayed anything yet. Then it is not
    /// asked for [`REPLICA_PAUSE`], and reports are read from the primary.
    async fn on_replica(&self) -> Option<Snapshot> {
        let asked = async {
            // Before the snapshot, which holds at least what had been replayed by then.
            let replayed = dialect::replayed(&self.reports).await?;
            let snapshot = self.snapshot_on(&self.reports).await?;
            Ok::<_, StoreError>((replayed, snapshot))
        };
        let why = match asked.await {
            Ok((Replayed::Primary, snapshot)) => return Some(snapshot),
            Ok((Replayed::UpTo(instant), snapshot)) => {
                return Some(Snapshot {
                    replayed: Some(Timestamp::from_millis(instant)),
                    ..snapshot
                });
            }
            Ok((Replayed::Unknown, _)) => "it has replayed nothing yet".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            why,
            "the read replica is unavailable; reports are read from the primary"
        );
        let is_away = self.is_replica_away.clone();
        is_away.store(true, Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep(REPLICA_PAUSE).await;
            is_away.store(false, Ordering::Relaxed);
        });
        None
    }

    /// Whether reports are read from the primary because the replica does not answer.
    pub fn is_replica_away(&self) -> bool {
        self.is_replica_away.load(Ordering::Relaxed)
    }

    #[expect(clippy::disallowed_methods, reason = "this file opens the transactions")]
    async fn snapshot_on(&self, connection: &DatabaseConnection) -> Result<Snapshot, StoreError> {
        let options = match connection.get_database_backend() {
            DbBackend::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..Default::default()
            },
            _ => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..Default::default()
            },
        };
        self.statements.note(BEGIN);
        Ok(Snapshot {
            inner: connection.begin_with_options(options).await?,
            replayed: None,
        })
    }

    /// Whether the database answers, and is still the one that was opened.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.readers.execute_unprepared("SELECT 1").await?;
        self.check_file()
    }

    /// Whether SQLite's file is still the one that was opened.
    pub fn check_file(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    /// Whether the disk under SQLite's file has room for what is written next; a server answers for its own.
    pub fn check_room(&self) -> Result<(), StoreError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check_room())
    }

    /// How many transactions of this process were committed.
    pub fn committed(&self) -> u64 {
        *self.committed.borrow()
    }

    /// The PostgreSQL server that the database is on, if it is on one.
    pub async fn server(&self) -> Result<Option<dialect::Server>, StoreError> {
        Ok(dialect::server(&self.readers).await?)
    }

    /// What is wrong with SQLite's file by its own check, which reads all of it; nothing on a server.
    pub async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        Ok(dialect::quick_check(&self.readers).await?)
    }

    /// Changes whenever a transaction of this process has committed; other processes show by polling.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Whether the database is SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Sqlite
    }

    /// Close every connection.
    pub async fn close(self) {
        let _ = self.reports.close().await;
        let _ = self.readers.close().await;
        let _ = self.writer.close().await;
    }

    /// The connections of this process, by what they are for.
    pub fn pools(&self) -> Vec<Pool> {
        let pool = |name, connection: &DatabaseConnection| {
            let (open, idle) = match connection.get_database_backend() {
                DbBackend::Postgres => {
                    let pool = connection.get_postgres_connection_pool();
                    (pool.size(), pool.num_idle())
                }
                _ => {
                    let pool = connection.get_sqlite_connection_pool();
                    (pool.size(), pool.num_idle())
                }
            };
            Pool {
                name,
                open,
                idle: idle as u32,
            }
        };
        let mut pools = vec![pool("write", &self.writer), pool("read", &self.readers)];
        if self.has_replica {
            pools.push(pool("report", &self.reports));
        }
        pools
    }

    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }
}

impl Snapshot {
    /// The instant up to which it knows everything: that to which a replica has followed, else now.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        self.replayed.map_or(now, |replayed| replayed.min(now))
    }
}

impl Tx {
    /// Make it durable. Runs to its end also when the caller goes away; the tasks that wait for the feed are woken.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Self {
            inner,
            file,
            committed,
            under_way,
            ..
        } = self;
        if let Some(file) = &file
            && let Err(gone) = file.check()
        {
            inner.rollback().await?;
            return Err(gone);
        }
        let task = tokio::spawn(async move {
            let done = inner.commit().await.map_err(unanswered);
            drop(under_way);
            done?;
            committed.send_modify(|count| *count += 1);
            Ok::<(), StoreError>(())
        });
        task.await
            .map_err(|error| StoreError::Internal(error.to_string()))?
    }

    /// Undo everything.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }

    /// Who does it, when, with which ids: what is written bears it in the journal, where nothing else is said.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// What an item of this transaction does, at the instant at which the transaction began. Where the database has no
    /// clock, the item keeps its own date.
    pub fn act_of(&self, item: &Act) -> Act {
        match self.is_timed {
            true => item.clone().begun(self.act.now),
            false => item.clone(),
        }
    }

    /// The rules that leads are judged by.
    pub(crate) fn rules_about_leads(&self) -> &[Arc<dyn Rule>] {
        &self.rules_about_leads
    }

    /// The rules in force: mostly the very ones of the transaction before, as long as nothing of them changes.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }
}

/// Why a commit failed. A server that goes away after the commit has reached its log no longer says so; a disk that is full
/// or cannot be written to is an answer.
fn unanswered(error: DbErr) -> StoreError {
    if error::is_undone(&error) {
        return error.into();
    }
    match StoreError::from(error) {
        StoreError::Unavailable(cause) | StoreError::TooSlow(cause) => StoreError::Unknown(cause),
        told => told,
    }
}

#[cfg(test)]
mod tests;
